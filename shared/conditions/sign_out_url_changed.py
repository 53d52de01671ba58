"""Was the sign-out URL changed?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit import LOOK_BACK
from shared.case import Case, Known, PartName
from shared.conditions.addresses import BY_DOMAIN, AddressFlaw, Domain, Moved, added, flaws_of, hidden, moved
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, has_result, is_unexpected
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.hosts import address_of, is_below


@dataclass(frozen=True, slots=True)
class SignOutUrlChanged:
    """
    Met when the audit log shows that the sign-out URL of the application or its service principal was changed
    `within` this time, by somebody who is not named in `by-other-than` and is not Cordon. A change to a host below
    one of `known-domains` does not count. `findings` asks for those changes alone after which it has one of these, as
    of redirect-uri: then one that takes it away does not count. How the log names this property is not documented: any
    name that holds "logout" is taken for it.
    """

    name: ClassVar[str] = "sign-out-url-changed"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.DOMAINS)
    unknown_when: ClassVar[str] = "the log names the property and not how it was changed, or no actor"
    reads: ClassVar[tuple[str, ...]] = ("Domain.Read.All",)
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: AuditDuration = LOOK_BACK
    """How long ago at most."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""
    known_domains: Several[Domain] | None = None
    """Domains to which it may be set."""
    findings: Several[AddressFlaw] | None = None
    """What must be wrong with it; left out: whatever it was set to."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        state, doubt, unread = case.identity.value, None, None
        for each in moved(case, state, "sign-out", self.within):
            wrong = self._is_wrong(each, case)
            answer = both(self._counts(each), None if isinstance(wrong, Unknown) else wrong)
            if answer:
                return Met(_told(each))
            unread = unread or (wrong if answer is None and isinstance(wrong, Unknown) else None)
            doubt = doubt or (_told(each) if answer is None else None)
        if unread:
            return unread
        doubt = doubt or hidden(case, state, "sign-out", self.within)
        return Unknown(f"it cannot be told: {doubt}") if doubt else NotMet("the log shows no change of it")

    def _counts(self, each: Moved) -> bool | None:
        new = added(each.change)
        if new is not None and new and self.known_domains and all(self._is_known(url) for url in new):
            return False
        return both(
            has_result(each.record, ("success",)),
            is_unexpected(each.record.actor, self.by_other_than),
            None if new is None and self.known_domains else True,
        )

    def _is_wrong(self, each: Moved, case: Case) -> bool | Unknown | None:
        """Whether what it was set to has a finding that is asked for. Without the domains only some can be told."""
        new = added(each.change)
        if self.findings is None or not new:
            return self.findings is None or (None if new is None else False)
        domains = case.domains
        known = domains.value.union(self.known_domains or ()) if isinstance(domains, Known) else frozenset[str]()
        if any(flaw in self.findings for url in new for flaw, _ in flaws_of(url, known)):
            return True
        if isinstance(domains, Known) or BY_DOMAIN.isdisjoint(self.findings):
            return False
        return unknown(PartName.DOMAINS, domains)

    def _is_known(self, url: str) -> bool:
        address = address_of(url)
        return address.scheme == "https" and is_below(address.host, self.known_domains or ())


def _told(each: Moved) -> str:
    new, who = added(each.change), actor_text(each.record.actor)
    to = ", ".join(sorted(new)) if new else "nothing" if new is not None else "something the log does not tell"
    return f"the sign-out URL was set to {to} by {who} at {utc(each.record.at)} (record {each.record.id})"
