"""The catalogue of sources: everything that Cordon listens to stands in this list."""

from shared.sources.directory_audit import DirectoryAudit
from shared.sources.exposed_secret import ExposedSecret
from shared.sources.interface import Source
from shared.sources.manual import Manual
from shared.sources.own_doing import is_own_doing as is_own_doing
from shared.sources.risk_detection import RiskDetectionSource
from shared.sources.risky_service_principal import RiskyServicePrincipal
from shared.sources.sign_in import SignInSource
from shared.sources.suspect_change import SuspectChange

SOURCES: tuple[Source, ...] = (
    RiskyServicePrincipal(),
    RiskDetectionSource(),
    DirectoryAudit(),
    ExposedSecret(),
    SuspectChange(),
    SignInSource(),
    Manual(),
)

_BY_NAME = {source.name: source for source in SOURCES}
_BY_EVENT = {type_: source for source in SOURCES for type_ in source.event_types}
_BY_CATEGORY = {category: source for source in SOURCES for category in source.categories}


def source_named(name: str) -> Source:
    """The source with this name; KeyError if the catalogue has none."""
    return _BY_NAME[name]


def source_for_event(type_: str) -> Source | None:
    """The source that reads events of this type, or None."""
    return _BY_EVENT.get(type_)


def source_for_category(category: str) -> Source | None:
    """The source that reads diagnostic records of this category, or None."""
    return _BY_CATEGORY.get(category)
