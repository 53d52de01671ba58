"""Was the identity given more power lately, and by whom?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.audit_changes import AT_ONCE
from shared.audit_grants import GRANT_KINDS, NOTHING, Given, GrantKind, giving
from shared.case import AppRole, AuditRecord, Case, Known, PartName
from shared.conditions.dangerous_permission import graded
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, was_done_lately
from shared.conditions.records import records_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Flag, Guid, Several, utc
from shared.privileges import Privilege, Tier, Ungraded, app_role


@dataclass(frozen=True, slots=True)
class GrantedRecently:
    """
    Met when the identity was given an app role, a delegated scope or a directory role `within` this time, by
    somebody who is not named in `by-other-than` (object or client ids) and is not Cordon. `tiers` and `escalates`
    narrow it to what is in the catalogue of dangerous permissions, `by-itself: true` to what the identity gave itself.
    App roles carry a date of Graph's own: where it does not matter who gave them, that date is enough, and the audit
    log is not waited for.
    """

    name: ClassVar[str] = "granted-recently"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.GRANTS, PartName.AUDITS, PartName.GRANT_AUDITS)
    unknown_when: ClassVar[str] = (
        "a role is dated by Graph and the log does not show (yet) who gave it, the log names no actor, or "
        "does not say what was given, or what a directory role that was given may do"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: AuditDuration = timedelta(hours=24)
    """How long ago at most."""
    kinds: Several[GrantKind] = GRANT_KINDS
    """How it is held."""
    tiers: Several[Tier] | None = None
    """How far it reaches; left out: also what is in no tier."""
    escalates: Flag = False
    """Only those whose holder can make itself Global Administrator."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to; left out: whoever it was."""
    by_itself: Flag = False
    """Only what the identity gave itself."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        dated = [role for role in self._dated(case) if self._is_asked_for("app-role", app_role(role.role_id))]
        if dated and self.by_other_than is None and not self.by_itself:
            return Met(_of_role(dated[0]))
        doubt: str | None = None
        told = list[tuple[str, datetime]]()
        for record in records_about(case, case.identity.value):
            found = giving(record)
            if found is NOTHING:
                continue
            graded_ = [(each, _privilege_of(each, case)) for each in found.given]
            concerned = [each for each, privilege in graded_ if self._is_asked_for(each.kind, privilege)]
            unread_ = found.unread or self._ungraded(graded_)
            answer = was_done_lately(record, self, case, case.identity.value) if concerned or unread_ else False
            if answer and concerned:
                return Met(_told(concerned[0], record))
            told += [(each.role_id, record.at) for each in found.given if each.role_id and record.result != "failure"]
            if answer is not False:
                doubt = doubt or _doubt(record, unread_)
        if missing := unread(case, self._parts()):
            return missing
        if (unread_roles := self._unread_roles(case)) is not None:
            return unread_roles
        if unexplained := next((role for role in dated if not _is_told(role, told)), None):
            doubt = doubt or f"{_of_role(unexplained)}, and the audit log does not show (yet) who gave it"
        return Unknown(doubt) if doubt else NotMet(f"nothing of this sort was given in {_hours(self.within)}")

    def _dated(self, case: Case) -> list[AppRole]:
        """The app roles it holds that were given in this time."""
        if "app-role" not in self.kinds or not isinstance(case.grants, Known):
            return []
        held = case.grants.value.app_roles
        roles = held.value if isinstance(held, Known) else ()
        return [role for role in roles if role.created and case.now - role.created <= self.within]

    def _unread_roles(self, case: Case) -> Unknown | None:
        """Without the roles that it holds, and their dates, nobody can tell that the log is late with one."""
        if "app-role" not in self.kinds:
            return None
        part = case.grants.value.app_roles if isinstance(case.grants, Known) else case.grants
        return None if isinstance(part, Known) else unknown(PartName.GRANTS, part)

    def _is_asked_for(self, kind: GrantKind, privilege: Privilege | Ungraded | None) -> bool:
        if kind not in self.kinds:
            return False
        if self.tiers is None and not self.escalates:
            return True
        if not isinstance(privilege, Privilege) or (self.escalates and privilege.path is None):
            return False
        return self.tiers is None or privilege.tier in self.tiers

    def _ungraded(self, given: Sequence[tuple[Given, Privilege | Ungraded | None]]) -> str | None:
        """Why something that was given may be of these tiers although nobody tells."""
        if "directory-role" not in self.kinds or (self.tiers is None and not self.escalates):
            return None
        return next((found.why for _, found in given if isinstance(found, Ungraded)), None)

    def _parts(self) -> tuple[PartName, ...]:
        """Grants of directory roles are records of the identity; those of permissions are records of the API."""
        on_identity = (PartName.AUDITS,) if "directory-role" in self.kinds else ()
        on_apis = (PartName.GRANT_AUDITS,) if {"app-role", "delegated"} & set(self.kinds) else ()
        return (*on_identity, *on_apis)


def _privilege_of(given: Given, case: Case) -> Privilege | Ungraded | None:
    """
    What was given, in the catalogue. Of a directory role that is not in it by its template, the log does not tell what
    it may do: if it is held still, its definition does.
    """
    if given.kind != "directory-role" or given.privilege is not None:
        return given.privilege
    held = case.grants.value.directory_roles if isinstance(case.grants, Known) else None
    roles = held.value if isinstance(held, Known) else ()
    names = {text.casefold() for text in (given.role_id, given.name) if text}
    found = next((each for each in roles if names & {each.role_id.lower(), (each.role_name or "").casefold()}), None)
    return (
        graded(found) if found else Ungraded(f"what the role “{given.name}” may do is not told, and it is not held now")
    )


def _is_told(role: AppRole, told: Sequence[tuple[str, datetime]]) -> bool:
    """Whether a record tells of this very giving: one of last week, or one that failed, does not explain today's."""
    return any(
        id_ == role.role_id and role.created is not None and abs(at - role.created) <= AT_ONCE for id_, at in told
    )


def _of_role(role: AppRole) -> str:
    privilege = app_role(role.role_id)
    name = f"{privilege.name} ({privilege.tier})" if privilege else f"app role {role.role_id}"
    at = utc(role.created) if role.created else "a time not told"
    return f"it was given {name} on “{role.resource_name}” at {at}"


def _told(given: Given, record: AuditRecord) -> str:
    tier = f" ({given.privilege.tier})" if given.privilege else ""
    whom = "" if given.everybody is None else " for the whole tenant" if given.everybody else " in one user's name"
    who = f"{actor_text(record.actor)} at {utc(record.at)} (record {record.id})"
    return f"it was given {given.name}{tier}{whom} by {who}"


def _doubt(record: AuditRecord, why_unread: str | None) -> str:
    why = why_unread or f"its result is {record.result}, its actor {actor_text(record.actor)}"
    return f"“{record.activity_as_sent}” at {utc(record.at)} may have given more: {why}"


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:g} h"
