"""Does the application go by a name that is not its tenant's?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, IdentityState, Known, PartName
from shared.conditions.addresses import BY_DOMAIN, AddressFlaw, Domain, added, among, flaws_of, hidden, moved
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import SETTINGS, AuditDuration, Several

_ASKED = (AddressFlaw.LOOK_ALIKE, AddressFlaw.FOREIGN_DOMAIN, AddressFlaw.WILDCARD, AddressFlaw.INSECURE)


@dataclass(frozen=True, slots=True)
class IdentifierUriSuspect:
    """
    Met when an identifier URI of an own application is an address with one of these findings (as of redirect-uri;
    api://… and urn:… name no host and have none). `added-within` asks for those alone that the audit log shows as
    added in this time. An application of another tenant shows none here, so it is not met.
    """

    name: ClassVar[str] = "identifier-uri"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.DOMAINS)
    unknown_when: ClassVar[str] = "identifier URIs could not be read, or the log does not tell how they were changed"
    reads: ClassVar[tuple[str, ...]] = ("Domain.Read.All",)
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[AddressFlaw] = _ASKED
    """What is wrong with it."""
    known_domains: Several[Domain] | None = None
    """Domains that are known beside the tenant's own."""
    added_within: AuditDuration | None = None
    """Only those that were added within this time; left out: whenever."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        state = case.identity.value
        if state.application is None:
            return NotMet("its application is registered in another tenant")
        if state.addresses is None:
            return Unknown("its identifier URIs could not be read")
        uris, doubt = frozenset(state.addresses.identifier_uris), False
        if self.added_within is not None:
            if not isinstance(case.audits, Known):
                return unknown(PartName.AUDITS, case.audits)
            new = self._added(case, state)
            uris, doubt = among(uris, new) if new is not None else uris, new is None
        known = case.domains.value if isinstance(case.domains, Known) else None
        if found := self._flaw(uris, known):
            return Unknown(f"it may be new: {found}") if doubt else Met(f"identifier URI {found}")
        if uris and BY_DOMAIN & set(self.findings) and not isinstance(case.domains, Known):
            return unknown(PartName.DOMAINS, case.domains)
        return NotMet(f"none of {len(uris)} identifier URIs is of this sort")

    def _flaw(self, uris: frozenset[str], known: frozenset[str] | None) -> str | None:
        """Without the tenant's domains only what can be told without them."""
        domains = frozenset[str]() if known is None else known.union(self.known_domains or ())
        flaws = (each for uri in sorted(uris) for each in flaws_of(uri, domains))
        return next((f"{why} ({flaw})" for flaw, why in flaws if flaw in self.findings), None)

    def _added(self, case: Case, state: IdentityState) -> frozenset[str] | None:
        """None if the log does not tell what was added."""
        found = set[str]()
        for each in moved(case, state, "identifier", self.added_within or case.now - case.now):
            new = added(each.change)
            if new is None:
                return None
            found |= new
        if hidden(case, state, "identifier", self.added_within or case.now - case.now):
            return None
        return frozenset(found)
