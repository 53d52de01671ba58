"""Does the application have tokens sent where they should not go?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, IdentityState, Known, PartName
from shared.conditions.addresses import BY_DOMAIN, AddressFlaw, Domain, added, among, flaws_of, hidden, moved
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text
from shared.conditions.settings import SETTINGS, AuditDuration, Several, utc
from shared.identity import IdentityKind

_BY_NAME = (AddressFlaw.LOOPBACK, AddressFlaw.CUSTOM_SCHEME)  # many applications have these, and rightly
_ASKED = tuple(flaw for flaw in AddressFlaw if flaw not in _BY_NAME)
_OWN = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT)


@dataclass(frozen=True, slots=True)
class RedirectUriSuspect:
    """
    Met when a redirect URI has one of these findings: it looks like one of the tenant's domains, or is on none of its
    verified domains nor of `known-domains`; is on a platform where anybody can take a name; holds a wildcard; is
    not https; leads to the local machine, or has a scheme of its own, as applications on a telephone have, other than
    those of Microsoft's libraries (these two are asked about only where they are named). `added-within` asks for those
    alone that the audit log shows as added in this time. Of an application of another tenant its own domains are not
    known, so foreign-domain does not count there. Whether a host still belongs to its owner is not looked up.
    """

    name: ClassVar[str] = "redirect-uri"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.DOMAINS)
    unknown_when: ClassVar[str] = "redirect URIs could not be read, or the log does not tell how they were changed"
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
        uris = redirects_of(state)
        if uris is None:
            return Unknown("its redirect URIs could not be read")
        recent: frozenset[str] = uris
        doubt = None
        if self.added_within is not None:
            if not isinstance(case.audits, Known):
                return unknown(PartName.AUDITS, case.audits)
            added_, doubt = self._added(case, state)
            recent = among(uris, added_) if added_ else added_
        asked = self._asked_of(state) if recent else frozenset[AddressFlaw]()
        if reason := self._flaw(recent, asked - BY_DOMAIN, frozenset()):
            return Met(reason)
        if recent and asked & BY_DOMAIN:
            if not isinstance(case.domains, Known):
                return unknown(PartName.DOMAINS, case.domains)
            if reason := self._flaw(recent, asked, case.domains.value.union(self.known_domains or ())):
                return Met(reason)
        return Unknown(doubt) if doubt else NotMet(f"none of {len(recent)} redirect URIs is of this sort")

    def _asked_of(self, state: IdentityState) -> frozenset[AddressFlaw]:
        asked = frozenset(self.findings)
        return asked if state.identity.kind in _OWN else asked - {AddressFlaw.FOREIGN_DOMAIN}

    def _flaw(self, uris: frozenset[str], asked: frozenset[AddressFlaw], domains: frozenset[str]) -> str | None:
        for uri in sorted(uris):
            for flaw, why in flaws_of(uri, domains):
                if flaw in asked:
                    return f"redirect URI {why} ({flaw})"
        return None

    def _added(self, case: Case, state: IdentityState) -> tuple[frozenset[str], str | None]:
        found, doubt = set[str](), None
        for each in moved(case, state, "redirect", self.added_within or case.now - case.now):
            new = added(each.change)
            if new is None:
                who = actor_text(each.record.actor)
                doubt = f"redirect URIs were changed by {who} at {utc(each.record.at)}, and the log does not tell how"
            found |= new or set()
        return frozenset(found), doubt or hidden(case, state, "redirect", self.added_within or case.now - case.now)


def redirects_of(state: IdentityState) -> frozenset[str] | None:
    """All redirect URIs of the application and its service principal; None if some could not be read."""
    seen = set[str]()
    if state.application is not None:
        if state.addresses is None:
            return None
        for platform in ("web", "spa", "publicClient"):
            seen.update(state.addresses.redirects(platform))
    elif state.provenance is None:
        return None
    if state.provenance is not None:
        seen.update(state.provenance.reply_urls)
    return frozenset(seen)
