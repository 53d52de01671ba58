"""Who publishes the application, and does it pass itself off as somebody else's?"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.case import Case, IdentityState, Known, PartName, Provenance
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import SETTINGS, Guid, Several
from shared.hosts import skeleton
from shared.identity import IdentityKind

# Made for applications that are in no gallery (facts: Graph docs applicationtemplate-instantiate), by cloud.
NOT_FROM_GALLERY = frozenset(
    {
        "8adf8e6e-67b2-4cf2-a259-e3dc5476c621",
        "4602d0b4-76bb-404b-bca9-2652e1a39c6d",
        "5a532e38-1581-4918-9658-008dc27c1d68",
    }
)
_MARKS = (
    "Microsoft",
    "Office 365",
    "Office365",
    "SharePoint",
    "OneDrive",
    "Outlook",
    "Windows Azure",
    "Azure AD",
    "Entra ID",
    "Exchange Online",
    "Microsoft Teams",
)
_OWN = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT, IdentityKind.MANAGED_IDENTITY)


class PublisherFlaw(StrEnum):
    """What is wrong with who publishes it. Values are the policy's words."""

    UNVERIFIED = "unverified"  # Microsoft has not verified who publishes it
    UNKNOWN_TENANT = "unknown-tenant"  # of a tenant that the policy does not name
    NOT_FROM_GALLERY = "not-from-gallery"
    LOOK_ALIKE_NAME = "look-alike-name"  # its name reads like a product of somebody else's


@dataclass(frozen=True, slots=True)
class PublisherSuspect:
    """
    Met when an application of another tenant has one of these findings: no verified publisher; a tenant that
    `trusted-tenants` does not name; not made from a gallery's entry; a name that reads like a product of
    Microsoft's, or like one of `names`. `trusted-publishers` are ids of verified publishers (MPN ids): whatever they
    publish is not met. The tenant's own applications, managed identities and Microsoft's are not met.
    """

    name: ClassVar[str] = "publisher"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = "Graph's answer does not tell who publishes it"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[PublisherFlaw] = (PublisherFlaw.UNVERIFIED,)
    """What is wrong with it."""
    trusted_publishers: Several[Annotated[str, Field(pattern="^[0-9]{1,20}$")]] | None = None
    """Ids of verified publishers (MPN ids), in quotes, whose applications are not met."""
    trusted_tenants: Several[Guid] | None = None
    """Tenants that are known."""
    names: Several[Annotated[str, Field(min_length=4)]] | None = None
    """Names that others must not imitate, beside Microsoft's products."""

    def __post_init__(self) -> None:
        if PublisherFlaw.UNKNOWN_TENANT in self.findings and not self.trusted_tenants:
            raise ValueError(
                "names unknown-tenant without trusted-tenants, so it would hold for every foreign application"
            )

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        state = case.identity.value
        kind = state.identity.kind
        if kind in _OWN:
            return NotMet("it is the tenant's own")
        if kind is IdentityKind.MICROSOFT:
            return NotMet("it is Microsoft's")
        if state.provenance is None:
            return Unknown("Graph's answer does not tell who publishes it")
        if state.provenance.publisher_id in (self.trusted_publishers or ()):
            return NotMet(f"its publisher {state.provenance.publisher_id} is trusted")
        for flaw in self.findings:
            if reason := self._flaw(flaw, state, state.provenance):
                return Met(f"{reason} ({flaw})")
        return NotMet("nothing of this sort is known of its publisher")

    def _flaw(self, flaw: PublisherFlaw, state: IdentityState, provenance: Provenance) -> str | None:
        match flaw:
            case PublisherFlaw.UNVERIFIED:
                return None if provenance.publisher_id else "nobody has verified who publishes it"
            case PublisherFlaw.UNKNOWN_TENANT:
                owner = state.owner_tenant
                return None if owner in (self.trusted_tenants or ()) else f"it belongs to tenant {owner or 'not told'}"
            case PublisherFlaw.NOT_FROM_GALLERY:
                made = provenance.template_id
                return None if made and made not in NOT_FROM_GALLERY else "it does not come from a gallery"
            case PublisherFlaw.LOOK_ALIKE_NAME:
                return self._imitation(state.identity.display_name)

    def _imitation(self, shown: str) -> str | None:
        return imitated(shown, self.names or ())


def imitated(shown: str, names: Sequence[str] = ()) -> str | None:
    """Whose product a name reads like, Microsoft's or one of `names`; None if it is nobody's."""
    plain = _plain(shown)
    for mark in (*_MARKS, *names):
        if _plain(mark) in plain:
            return f"its name “{shown}” reads like {mark}"
    return None


def _plain(name: str) -> str:
    """What a name reads like, without what stands between its letters."""
    return "".join(each for each in skeleton(name) if each.isalnum())
