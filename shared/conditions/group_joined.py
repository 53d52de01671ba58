"""Was the identity put into a group that can hold directory roles lately, and by whom?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit import JOINS_GROUP, group_joined
from shared.case import AuditRecord, Case, CouldNotLook, Known, Membership, NotLooked, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, was_done_lately
from shared.conditions.records import records_about
from shared.conditions.settings import SETTINGS, AuditDuration, Flag, Guid, Several, utc


@dataclass(frozen=True, slots=True)
class GroupJoined:
    """
    Met when the audit log shows that its service principal was added to a group `within` this time, by somebody who is
    not named in `by-other-than` and is not Cordon, and the directory shows that it is in this group still, and that
    directory roles can be assigned to it (isAssignableToRole): whatever the group holds or is given, the identity has.
    `by-itself: true` asks for groups that it joined by itself. Other groups do not count, nor one that it has left.
    """

    name: ClassVar[str] = "group-joined"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.GRANTS, PartName.AUDITS)
    unknown_when: ClassVar[str] = (
        "its groups cannot be read, or not whether roles can be assigned to this one; the log names no actor, or not "
        "the group while it is in one of this sort"
    )
    reads: ClassVar[tuple[str, ...]] = ("Directory.Read.All",)  # of a group all but its id
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: AuditDuration = timedelta(hours=24)
    """How long ago at most."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""
    by_itself: Flag = False
    """Only groups that the identity joined by itself."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        if not isinstance(case.grants, Known):
            return unknown(PartName.GRANTS, case.grants)
        groups, state, doubt = case.grants.value.groups, case.identity.value, None
        if isinstance(groups, Known) and all(each.assignable is False for each in groups.value):
            return NotMet("it is in no group to which directory roles can be assigned")
        for record in records_about(case, state):
            if record.activity != JOINS_GROUP or (counts := was_done_lately(record, self, case, state)) is False:
                continue
            found = _joined(record, groups.value) if isinstance(groups, Known) else _unread(record, groups)
            if isinstance(found, Met) and counts:
                return found
            doubt = doubt or (None if isinstance(found, NotMet) else f"it cannot be told whether {found.reason}")
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        return (
            Unknown(doubt) if doubt else NotMet(f"it joined no such group in {self.within.total_seconds() / 3600:g} h")
        )


def _joined(record: AuditRecord, groups: tuple[Membership, ...]) -> Finding:
    """By what the directory shows of the group now; one that the log does not name may be any that it is in."""
    id_ = group_joined(record)
    possible = [each for each in groups if each.assignable is not False and id_ in (None, each.id)]
    if not possible:
        return NotMet("it is no group of this sort, or left since")
    group = possible[0]
    told = f"it was added to group “{group.name or group.id}” ({group.id}){_by(record)}"
    if id_ is None:
        return Unknown(f"{told}: the log does not say to which")
    if group.assignable is None:
        return Unknown(f"{told}, to which roles can be assigned: the directory does not tell")
    return Met(f"{told}, to which directory roles can be assigned")


def _unread(record: AuditRecord, groups: CouldNotLook | NotLooked) -> Unknown:
    why = groups.why if isinstance(groups, CouldNotLook) else "they were not looked at"
    return Unknown(f"it was added to a group of roles{_by(record)}: its groups could not be read: {why}")


def _by(record: AuditRecord) -> str:
    return f" by {actor_text(record.actor)} at {utc(record.at)} (record {record.id})"
