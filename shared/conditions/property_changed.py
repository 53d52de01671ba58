"""Was a property that decides who may use the identity opened up lately?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit_properties import Property, names_only, opened, tells
from shared.case import AuditRecord, Case, IdentityState, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, has_result, is_unexpected, is_within
from shared.conditions.records import is_one_change, records_about
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.identity import IdentityKind


@dataclass(frozen=True, slots=True)
class PropertyChanged:
    """
    Met when the audit log shows that one of these properties was opened up `within` this time, by somebody who is not
    named in `by-other-than` and is not Cordon, and the directory still shows it so: `signInAudience` of an application
    of this tenant, from this tenant alone to others; `accountEnabled` of its service principal, from false to true. One
    that was made so was not changed, and what was taken back since does not count. How the log calls the audience is
    not documented: AvailableToOtherTenants and Graph's own name are taken for it.
    """

    name: ClassVar[str] = "property-changed"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS)
    unknown_when: ClassVar[str] = (
        "the log names the property and not how it was changed, or what it was before, or no actor; or the directory "
        "does not tell what it is now (the audience of agents)"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    properties: Several[Property]
    """Which, by Graph's names."""
    within: AuditDuration = timedelta(hours=24)
    """How long ago at most."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        state = case.identity.value
        shown = {each: _is_open(each, state) for each in self.properties}
        if all(is_open is False for is_open in shown.values()):
            return NotMet(f"the directory does not show it open: {', '.join(shown)}")
        records, doubt = records_about(case, state), None
        for record in records:
            for each, is_open in shown.items():
                answer = both(is_open, self._counts(record, each, records, case))
                if answer:
                    return Met(_told(record, each))
                doubt = doubt or (_told(record, each) if answer is None else None)
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        return Unknown(f"it cannot be told whether {doubt}") if doubt else NotMet("the log shows no such change")

    def _counts(self, record: AuditRecord, each: Property, records: Sequence[AuditRecord], case: Case) -> bool | None:
        was_opened = _was_opened(record, each, records)
        if was_opened is False:
            return False
        return both(
            was_opened,
            is_within(record.at, self.within, case.now),
            has_result(record, ("success",)),
            is_unexpected(record.actor, self.by_other_than),
        )


def _is_open(property_: Property, state: IdentityState) -> bool | None:
    """As the directory shows it. The audience that counts is the application's, which is of this tenant or not ours."""
    if property_ is Property.ACCOUNT_ENABLED:
        return state.enabled
    kind = state.identity.kind
    return None if kind is IdentityKind.AGENT else kind is IdentityKind.OWN_MULTI_TENANT


def _was_opened(record: AuditRecord, property_: Property, records: Sequence[AuditRecord]) -> bool | None:
    """A list of what was touched says nothing beside the record of the same change that tells how."""
    if not names_only(record, property_):
        return opened(record, property_)
    told = any(tells(each, property_) and is_one_change(record, each) for each in records)
    return False if told else None


def _told(record: AuditRecord, property_: Property) -> str:
    who = f"{actor_text(record.actor)} at {utc(record.at)} (record {record.id})"
    return f"{_WORDS[property_]} by {who}"


_WORDS = {
    Property.SIGN_IN_AUDIENCE: "the application was opened to other tenants",
    Property.ACCOUNT_ENABLED: "its sign-in was switched on",
}
