"""Was a consent given that nobody should give?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.audit import LOOK_BACK
from shared.audit_changes import Change, ChangeKind, changes
from shared.audit_grants import Giving, giving
from shared.case import AuditRecord, Case, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, is_unexpected, is_within
from shared.conditions.records import BOTH, records_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.privileges import Tier


class ConsentFlaw(StrEnum):
    """What is wrong with a consent. Values are the policy's words."""

    TENANT_WIDE = "tenant-wide"  # in everybody's name
    BROAD = "broad"  # to something in the catalogue of dangerous permissions
    BY_APPLICATION = "by-application"  # not by a person at all
    MANY_USERS = "many-users"  # many people one by one in a short time


@dataclass(frozen=True, slots=True)
class Consented:
    """
    Met when a consent to this application `within` this time has one of these findings: it holds for the whole
    tenant; it is broad (holds a permission of these `tiers`); an application gave it and no person; or at least
    `users` people gave theirs within `burst`. `by-other-than` names those who may consent (object ids): their consents
    do not count, save in a burst. Which role somebody had at the time is not looked up. The consent and the grants
    that it makes are one change.
    """

    name: ClassVar[str] = "consent"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = "the log does not say to what was consented, who consented, or what came of it"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[ConsentFlaw] = tuple(ConsentFlaw)
    """What is wrong with it."""
    within: AuditDuration = LOOK_BACK
    """How long ago at most."""
    tiers: Several[Tier] = tuple(Tier)
    """What counts as broad."""
    users: Annotated[int, Field(ge=2, le=1000, strict=True)] = 5
    """From how many people on it is a burst."""
    burst: AuditDuration = timedelta(hours=1)
    """Within which time they must have consented."""
    by_other_than: Several[Guid] | None = None
    """Object ids of those who may consent; left out: whoever it was."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        records = tuple(records_about(case, case.identity.value))
        consents = [
            change
            for change in changes(records)
            if ChangeKind.CONSENT in change.kinds and case.now - change.at <= self.within
        ]
        doubt: str | None = None
        for change in consents:
            answer, why = self._judge(change, _together(change, records), case)
            if answer:
                return Met(why)
            doubt = doubt or (why if answer is None else None)
        if ConsentFlaw.MANY_USERS in self.findings and (reason := self._burst(consents)):
            return Met(reason)
        if missing := unread(case, BOTH if self._needs_grants() else (PartName.AUDITS,)):
            return missing
        return Unknown(doubt) if doubt else NotMet(f"none of {len(consents)} consents is of this sort")

    def _needs_grants(self) -> bool:
        """What a consent newly gives stands in its grants more surely than in itself."""
        return not {ConsentFlaw.TENANT_WIDE, ConsentFlaw.BROAD}.isdisjoint(self.findings)

    def _judge(self, change: Change, records: Sequence[AuditRecord], case: Case) -> tuple[bool | None, str]:
        found = [giving(record) for record in records]
        told = f"the consent by {actor_text(change.actor)} at {utc(change.at)} (record {change.records[0].id})"
        happened = True if any(record.result == "success" for record in change.records) else None
        who = both(
            happened, is_unexpected(change.actor, self.by_other_than), is_within(change.at, self.within, case.now)
        )
        if who is False:
            return False, ""
        flaws = [flaw for flaw in self._flaws(found, change) if flaw[0] in self.findings]
        if flaws:
            return who, f"{told} {flaws[0][1]}"
        unread_text = next((each.unread for each in found if each.unread), None)
        if unread_text and self._needs_grants():
            return None, f"{told} cannot be judged: {unread_text}"
        return False, ""

    def _flaws(self, found: Sequence[Giving], change: Change) -> Iterator[tuple[ConsentFlaw, str]]:
        given = [each for giving_ in found for each in giving_.given]
        broad = [each for each in given if each.privilege and each.privilege.tier in self.tiers]
        for each in broad:
            whom = " for the whole tenant" if each.everybody else ""
            yield ConsentFlaw.BROAD, f"gives {each.name} ({each.privilege.tier if each.privilege else ''}){whom}"
        if wide := [each.name for each in given if each.everybody and each.kind != "directory-role"]:
            yield ConsentFlaw.TENANT_WIDE, f"holds for the whole tenant: {', '.join(wide[:5])}"
        if change.actor.user_id is None and (change.actor.principal_id or change.actor.client_id):
            yield ConsentFlaw.BY_APPLICATION, "was given by an application and no person"

    def _burst(self, consents: Sequence[Change]) -> str | None:
        """At least so many different people within the time of a burst, wherever it begins."""
        given = [(change.at, change.actor.user_id) for change in consents if change.actor.user_id]
        for place, (begun, _) in enumerate(given):
            people = {who for at, who in given[place:] if at - begun <= self.burst}
            if len(people) >= self.users:
                return f"{len(people)} people consented within {_minutes(self.burst)} from {utc(begun)} on"
        return None


def _together(change: Change, records: Sequence[AuditRecord]) -> list[AuditRecord]:
    """The records of a consent and of the grants that came of it, whoever the log names for those."""
    own = {record.correlation_id for record in change.records} - {None}
    others = [record for record in records if record.correlation_id in own and record not in change.records]
    return [*change.records, *(record for record in others if record.result != "failure")]


def _minutes(length: timedelta) -> str:
    return f"{length.total_seconds() / 60:g} min"
