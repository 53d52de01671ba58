"""Does the audit log show this activity on the identity?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, WithJsonSchema

from shared.audit import ACTIVITIES, LOOK_BACK, normalise_activity
from shared.audit_grants import APP_ROLE_GIVEN, DELEGATED_GIVEN
from shared.case import AuditRecord, Case, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, doubt_of, has_result, is_unexpected, is_within
from shared.conditions.records import records_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, NotAmong, Several, utc

Result: TypeAlias = Literal["success", "failure", "timeout"]

# Their only target is the API that is opened up or closed; those of the second sort are not asked for.
_ON_APIS = frozenset({APP_ROLE_GIVEN, DELEGATED_GIVEN})
_NOT_READ = frozenset(
    normalise_activity(activity)
    for activity in ("Remove app role assignment from service principal", "Remove delegated permission grant")
)
_BY_SPELLING = {normalise_activity(activity): activity for activity in ACTIVITIES}


def _read_activity(value: object) -> str:
    """Any spelling of an activity that is followed, as the normalised text that records are compared by."""
    spelling = normalise_activity(value) if isinstance(value, str) else ""
    if spelling not in _BY_SPELLING:
        raise NotAmong("is not an activity that Cordon follows", ACTIVITIES)
    return spelling


Activity: TypeAlias = Annotated[
    str, BeforeValidator(_read_activity), WithJsonSchema({"type": "string", "enum": [*ACTIVITIES]})
]


@dataclass(frozen=True, slots=True)
class AuditShows:
    """
    Met when the audit log shows one of these activities on this identity, with one of these results (success
    where nothing else is said), by somebody who is not named in `by-other-than` (object or client ids). Spelling,
    dashes and case of an activity do not matter. What Cordon did itself is no evidence.
    """

    name: ClassVar[str] = "audit-activity"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = (
        "the log does not say what came of it, or who did it where that matters, or its records are not read (removals "
        "of permissions)"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    activities: Several[Activity]
    """One of these, in any spelling."""
    within: AuditDuration = LOOK_BACK
    """How long ago at most."""
    results: Several[Result] = ("success",)
    """What came of it."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        doubtful: AuditRecord | None = None
        for record in records_about(case, case.identity.value):
            answer = self._fits(record, case)
            if answer:
                return Met(_told(record))
            if answer is None:
                doubtful = doubtful or record
        if missing := unread(case, self._parts()):
            return missing
        if unseen := _NOT_READ & set(self.activities):
            return Unknown(f"records of this activity are not read, because they name the API alone: {min(unseen)}")
        if doubtful:
            return Unknown(f"it cannot be told whether this happened ({doubt_of(doubtful)}): {_told(doubtful)}")
        return NotMet(f"the audit log shows no such activity in {_days(self.within)}")

    def _parts(self) -> tuple[PartName, ...]:
        """Grants of permissions are records of the API; everything else is a record of the identity."""
        on_apis = (PartName.GRANT_AUDITS,) if _ON_APIS & set(self.activities) else ()
        on_identity = () if set(self.activities) <= _ON_APIS | _NOT_READ else (PartName.AUDITS,)
        return (*on_identity, *on_apis)

    def _fits(self, record: AuditRecord, case: Case) -> bool | None:
        if record.activity not in self.activities:
            return False
        return both(
            is_within(record.at, self.within, case.now),
            has_result(record, self.results),
            is_unexpected(record.actor, self.by_other_than),
        )


def _told(record: AuditRecord) -> str:
    return f"“{record.activity_as_sent}” by {actor_text(record.actor)} at {utc(record.at)} (record {record.id})"


def _days(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:g} h"
