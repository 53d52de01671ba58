"""
Settings: environment variables, read once into a frozen value that is passed on from there.

All mistakes are reported together, by the setting's name. A value is never repeated in a
message: somebody may have pasted a secret into the wrong line.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from shared.errors import SettingsWrong
from shared.identity import canonical_guid

E = TypeVar("E", bound=StrEnum)

NAMES = (
    "CORDON_MODE",
    "CORDON_TENANT_ID",
    "CORDON_CLOUD",
    "CORDON_POLICY",
    "CORDON_CONTACTS",
    "CORDON_STORE",
    "CORDON_READER_CLIENT_ID",
    "CORDON_EXECUTOR_CLIENT_ID",
    "CORDON_ROTATOR_CLIENT_ID",
    "CORDON_TOPIC_ENDPOINT",
    "CORDON_LOG_WORKSPACES",
    "CORDON_HANDOVER_VAULT",
    "CORDON_GRAPH_URL",
    "CORDON_ARM_URL",
    "CORDON_LOGS_URL",
    "CORDON_VAULT_URL",
    "CORDON_LOGIN_URL",
)
"""Every setting that Cordon itself reads; `local.settings.sample.json` shows each of them."""

HOST_NAMES = ("CORDON_EVENTS", "CORDON_EVENT_HUB")
"""
Settings that the Functions host reads for the Event Hub door: the connection and the hub's name.
A connection by managed identity is spelled CORDON_EVENTS__fullyQualifiedNamespace and so on.
"""

_APP_FOLDER = Path(__file__).resolve().parent.parent
_PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
# 3 to 24 letters, digits and single dashes, from a letter to a letter or digit (facts: Key Vault docs, vault-name).
_VAULT_NAME = re.compile(r"(?=.{3,24}\Z)[A-Za-z](?:-?[A-Za-z0-9])+")


class Mode(StrEnum):
    """How far Cordon goes by itself."""

    WATCH = "watch"  # decide, change nothing
    ASK = "ask"  # every plan waits for a person
    ACT = "act"


class Cloud(StrEnum):
    """The Microsoft cloud in which the tenant lives."""

    PUBLIC = "public"
    US_GOV = "usgov"
    US_GOV_DOD = "usgov-dod"
    CHINA = "china"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one cloud's services are. `vault` is the domain of all vaults: NAME lives at https://NAME.<its host>."""

    graph: str
    arm: str
    logs: str
    vault: str
    login: str


ENDPOINTS: Mapping[Cloud, Endpoints] = {
    Cloud.PUBLIC: Endpoints(
        graph="https://graph.microsoft.com",
        arm="https://management.azure.com",
        logs="https://api.loganalytics.io",
        vault="https://vault.azure.net",
        login="https://login.microsoftonline.com",
    ),
    Cloud.US_GOV: Endpoints(
        graph="https://graph.microsoft.us",
        arm="https://management.usgovcloudapi.net",
        logs="https://api.loganalytics.us",
        vault="https://vault.usgovcloudapi.net",
        login="https://login.microsoftonline.us",
    ),
    Cloud.US_GOV_DOD: Endpoints(
        graph="https://dod-graph.microsoft.us",
        arm="https://management.usgovcloudapi.net",
        logs="https://api.loganalytics.us",
        vault="https://vault.usgovcloudapi.net",
        login="https://login.microsoftonline.us",
    ),
    Cloud.CHINA: Endpoints(
        graph="https://microsoftgraph.chinacloudapi.cn",
        arm="https://management.chinacloudapi.cn",
        logs="https://api.loganalytics.azure.cn",
        vault="https://vault.azure.cn",
        login="https://login.chinacloudapi.cn",
    ),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Everything that an operator decides outside the policy file.

    URLs have no trailing slash. `vault_url` is the domain of all vaults, or a stand-in on this machine.
    `handover_vault` is the https URL of the one vault in which new certificates are made.
    `store` is "tables" or "sqlite:FILE". `executor_client_id` is there unless the mode is watch.
    """

    mode: Mode
    tenant_id: str
    cloud: Cloud
    policy: Path
    store: str
    reader_client_id: str
    executor_client_id: str | None
    rotator_client_id: str | None
    topic_endpoint: str | None
    log_workspaces: tuple[str, ...]
    handover_vault: str | None
    graph_url: str
    arm_url: str
    logs_url: str
    vault_url: str
    login_url: str
    contacts: Path | None = None  # the operator's list of whom to call

    @property
    def vault_domain(self) -> str:
        """The host under which all vaults are: NAME lives at https://NAME.<domain>."""
        return _vault_domain(self.vault_url, ENDPOINTS[self.cloud].vault)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and check all settings. Raises SettingsWrong with every mistake that was found."""
        reading = _Reading(environ)
        cloud = reading.choice("CORDON_CLOUD", Cloud.PUBLIC)
        settings = cls(
            mode=reading.choice("CORDON_MODE", Mode.WATCH),
            tenant_id=reading.guid("CORDON_TENANT_ID", "the tenant that is watched over"),
            cloud=cloud,
            policy=reading.policy("CORDON_POLICY"),
            store=reading.store("CORDON_STORE"),
            reader_client_id=reading.guid("CORDON_READER_CLIENT_ID", "the identity that reads the tenant"),
            executor_client_id=reading.optional_guid("CORDON_EXECUTOR_CLIENT_ID"),
            rotator_client_id=reading.optional_guid("CORDON_ROTATOR_CLIENT_ID"),
            topic_endpoint=reading.url("CORDON_TOPIC_ENDPOINT"),
            log_workspaces=reading.guids("CORDON_LOG_WORKSPACES"),
            handover_vault=reading.vault("CORDON_HANDOVER_VAULT", cloud),
            graph_url=reading.url("CORDON_GRAPH_URL") or ENDPOINTS[cloud].graph,
            arm_url=reading.url("CORDON_ARM_URL") or ENDPOINTS[cloud].arm,
            logs_url=reading.url("CORDON_LOGS_URL") or ENDPOINTS[cloud].logs,
            vault_url=reading.url("CORDON_VAULT_URL") or ENDPOINTS[cloud].vault,
            login_url=reading.url("CORDON_LOGIN_URL") or ENDPOINTS[cloud].login,
            contacts=reading.optional_file("CORDON_CONTACTS"),
        )
        problems = (*_unknown_names(environ), *reading.problems, *_contradictions(environ))
        if problems:
            raise SettingsWrong(problems)
        return settings


class _Reading:
    """Reads one setting after the other; what is wrong is noted, so that the next is looked at as well."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        return _text(self._environ, name)

    def wrong(self, name: str, what: str) -> None:
        self.problems.append(f"{name} {what}")

    def choice(self, name: str, default: E) -> E:
        text = self.text(name)
        words = [word.value for word in type(default)]
        if text and text not in words:
            self.wrong(name, f"must be one of {', '.join(words)}{_nearest(text.lower(), words)}")
        return type(default)(text) if text in words else default

    def guid(self, name: str, meaning: str) -> str:
        if not self.text(name):
            self.wrong(name, f"is missing: {meaning}, as a GUID.")
        return self.optional_guid(name) or ""

    def optional_guid(self, name: str) -> str | None:
        return self._guid(name, self.text(name)) if self.text(name) else None

    def guids(self, name: str) -> tuple[str, ...]:
        parts = [part.strip() for part in self.text(name).split(",")] if self.text(name) else []
        found = tuple(self._guid(name, part) for part in parts)
        if len(set(found)) < len(found):
            self.wrong(name, "names something twice or leaves a place empty.")
        return found

    def _guid(self, name: str, text: str) -> str:
        try:
            guid = canonical_guid(text)
        except ValueError:
            self.wrong(name, "is not a GUID (8-4-4-4-12 hexadecimal digits).")
            return ""
        if guid == _PLACEHOLDER:
            self.wrong(name, "is still the placeholder of the sample, all zeros.")
        return guid

    def policy(self, name: str) -> Path:
        """A relative path counts from the app's folder: a worker's current folder is the platform's choice."""
        if not self.text(name):
            self.wrong(name, "is missing: the policy file, for example policies/default.yaml.")
        return _APP_FOLDER / self.text(name)

    def optional_file(self, name: str) -> Path | None:
        """As of the policy."""
        return _APP_FOLDER / self.text(name) if self.text(name) else None

    def store(self, name: str) -> str:
        text = self.text(name) or "tables"
        kind, _, file = text.partition(":")
        if text != "tables" and kind != "sqlite":
            self.wrong(name, f"must be tables or sqlite:FILE{_nearest(kind.lower(), ['tables', 'sqlite'])}")
        elif kind == "sqlite" and (not file or file == ":memory:" or file.endswith(("/", "\\"))):
            self.wrong(name, "must name a file after sqlite:, because what is stored must outlive the process.")
        return text

    def url(self, name: str) -> str | None:
        text = self.text(name).rstrip("/")
        if not text:
            return None
        if why := _unusable_url(text):
            self.wrong(name, why)
        return text

    def vault(self, name: str, cloud: Cloud) -> str | None:
        """A vault's name, or its URL, becomes its URL. The domain is the cloud's, unless another is set."""
        text = self.text(name).rstrip("/")
        if not text:
            return None
        domain = _vault_domain(self.text("CORDON_VAULT_URL"), ENDPOINTS[cloud].vault)
        vault = text.removeprefix("https://").removesuffix(f".{domain}") if text.startswith("https://") else text
        if not _VAULT_NAME.fullmatch(vault):
            self.wrong(
                name,
                "must be the name of a vault (3 to 24 letters, digits and single dashes, starting with a letter) "
                f"or https://NAME.{domain}.",
            )
        return f"https://{vault.lower()}.{domain}"


def _text(environ: Mapping[str, str], name: str) -> str:
    """A setting as written, without blanks around it; an empty one counts as not set."""
    return environ.get(name, "").strip()


def _nearest(text: str, words: Iterable[str]) -> str:
    """How a sentence ends: with a hint made of valid words only, never of what was written."""
    found = difflib.get_close_matches(text, list(words), n=1)
    return f"; did you mean {found[0]}?" if found else "."


def _unusable_url(text: str) -> str | None:
    """Why a URL may not be called, or None. Plain http is for stand-ins on this machine only."""
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port  # an impossible port raises here
    except ValueError:
        return "is not a URL."
    if not host or url.scheme not in {"https", "http"} or re.search(r"[\s\\]", text):
        return "must be a URL that starts with https://."
    if url.scheme == "http" and not _is_loopback(host):
        return "must use https; plain http is accepted for this machine only (127.0.0.1, ::1, localhost)."
    if "@" in url.netloc or "?" in text or "#" in text:
        return "must be a plain URL, without user, query or fragment: keys and tokens do not belong there."
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _vault_domain(override: str, default: str) -> str:
    """The host under which vaults live. A stand-in on this machine takes requests for the usual names."""
    if not override or _unusable_url(override):
        return urlsplit(default).netloc
    url = urlsplit(override)
    return urlsplit(default).netloc if _is_loopback(url.hostname or "") else url.netloc


def _unknown_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """A misspelled setting would silently leave its default in force."""
    known = (*NAMES, *HOST_NAMES)
    unknown = (
        name
        for name in sorted(environ)
        if name.startswith("CORDON_") and name not in known and not name.startswith("CORDON_EVENTS__")
    )
    return tuple(f"{name} is not a setting{_nearest(name, known)}" for name in unknown)


def _contradictions(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Settings that are fine one by one but not together."""

    def has(name: str) -> bool:
        return bool(_text(environ, name))

    mode = _text(environ, "CORDON_MODE")
    changes = mode in {Mode.ASK, Mode.ACT}
    tables = _text(environ, "CORDON_STORE") in {"", "tables"}
    storage = any(name.startswith("AzureWebJobsStorage") and has(name) for name in environ)
    stream = has("CORDON_EVENTS") or has("CORDON_EVENTS__fullyQualifiedNamespace")
    found = (
        (
            changes and not has("CORDON_EXECUTOR_CLIENT_ID"),
            f"CORDON_EXECUTOR_CLIENT_ID is missing: in mode {mode} plans are carried out, and this is who does it.",
        ),
        (
            changes and has("CORDON_HANDOVER_VAULT") and not has("CORDON_ROTATOR_CLIENT_ID"),
            "CORDON_ROTATOR_CLIENT_ID is missing: it makes the certificates in CORDON_HANDOVER_VAULT.",
        ),
        (
            tables and not storage,
            "AzureWebJobsStorage is missing: CORDON_STORE is tables, which lie in that storage account.",
        ),
        (
            stream and not has("CORDON_EVENT_HUB"),
            "CORDON_EVENT_HUB is missing: CORDON_EVENTS says where the Event Hubs are, but not which hub to read.",
        ),
        (
            has("CORDON_EVENT_HUB") and not stream,
            "CORDON_EVENTS is missing: CORDON_EVENT_HUB names a hub, but nothing says how to connect to it.",
        ),
    )
    return tuple(sentence for applies, sentence in found if applies)
