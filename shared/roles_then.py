"""
Which directory roles somebody held at a moment: those held now, and the changes since taken back one by one. Pure.

Facts, from records of real tenants: an activation in Privileged Identity Management writes a record of its own beside
the directory's; either tells the user as a target, and the role in the properties of some target, on the old side or
on the new. Requests, approvals and eligibility change nothing that is held.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.audit import normalise_activity
from shared.case import AuditRecord, CouldNotLook, DirectoryRole, Known, Person, SeenOfPerson
from shared.privileges import DIRECTORY_ROLES

SETTLED = timedelta(minutes=15)  # how late a record of the audit log may show (facts: Graph 2)
# Who may consent for the whole tenant (facts: Entra docs grant-admin-consent); the first two also to Graph's app roles.
MAY_GRANT_ALL = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "e8611ab8-c189-46e8-94e1-60213ab1f814": "Privileged Role Administrator",
}
MAY_CONSENT = {
    **MAY_GRANT_ALL,
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3": "Application Administrator",
    "158c047a-c907-4556-b7ef-446551a6b5f7": "Cloud Application Administrator",
}
_GIVEN = ("add member to role", "add role assignment to role definition")
_TAKEN = ("remove member from role", "remove role assignment from role definition")
_NO_CHANGE = ("requested", "canceled", "denied", "approval", "approved", "eligible", "scoped over", "request expired")
_GROUPS = frozenset(normalise_activity(each) for each in ("Add member to group", "Remove member from group"))
_NAMES_ROLE = ("role.templateid", "templateid", "roledefinitionoriginid")


@dataclass(frozen=True, slots=True)
class Then:
    """
    The roles held at that moment, by their template ids, and why there may be others. `gaps` are those of the doubts
    that leave open as well whether these were held then: what gave them may have come since, unseen.
    """

    roles: frozenset[str]
    doubts: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


def held_then(person: Person, windows: Sequence[tuple[datetime, SeenOfPerson]], at: datetime) -> Then:
    """
    `windows` are the rungs of the look-back at this person with when each begins, from now back to before `at`. The
    order of their records does not matter.
    """
    if not isinstance(person.roles, Known):
        why = person.roles.why if isinstance(person.roles, CouldNotLook) else "they were not looked at"
        return Then(frozenset(), (f"the roles held now could not be read: {why}",))
    held = {each.role_id.lower() for each in person.roles.value.own if _is_whole(each)}
    changes = _changes(windows)
    gaps = [*_contradictions(held, changes), *_uncovered(windows, at)]
    doubts = [*_custom(person.roles.value.own), *_groups(person.roles.value.through_groups)]
    for record in (each for each in changes if each.at > at):
        change = _change(record)
        if record.activity in _GROUPS and record.result != "failure":
            doubts.append(f"a group was joined or left since, which may give roles (record {record.id})")
        if change is None:
            continue
        given, roles = change
        if not roles or record.result != "success":
            gaps.append(f"“{record.activity_as_sent}” (record {record.id}) does not say which role, or whether it was")
        if given:
            held -= roles
        else:
            held |= roles
            doubts += [f"a role that is not known here was held: {each}" for each in roles - set(DIRECTORY_ROLES)]
    return Then(frozenset(held), tuple(dict.fromkeys((*gaps, *doubts))), tuple(dict.fromkeys(gaps)))


def could_consent(
    person: Person, windows: Sequence[tuple[datetime, SeenOfPerson]], at: datetime, *, to_app_roles_of_graph: bool
) -> tuple[bool | None, str]:
    """Whether somebody held a role that may consent for the whole tenant, and what tells so."""
    then, allowed = held_then(person, windows, at), MAY_GRANT_ALL if to_app_roles_of_graph else MAY_CONSENT
    role = next((allowed[each] for each in allowed if each in then.roles), None)
    if role and then.gaps:
        return None, f"holds {role} now, and whether that was so then cannot be told: {'; '.join(then.gaps[:3])}"
    if role:
        return True, f"held {role} then"
    if then.doubts:
        return None, f"whether a role allowed it cannot be told: {'; '.join(then.doubts[:3])}"
    held = ", ".join(sorted(DIRECTORY_ROLES[each].name for each in then.roles if each in DIRECTORY_ROLES))
    return False, f"held no role that may consent for the whole tenant then ({held or 'none that matters'})"


def _contradictions(held: set[str], changes: Sequence[AuditRecord]) -> Iterator[str]:
    """The newest change of a role that the log shows does not lead to what is held: a later one is missing in it."""
    seen = set[str]()
    for record in changes:
        given, roles = _change(record) or (False, frozenset[str]())
        for role in sorted(roles - seen):
            if record.result == "success" and given != (role in held):
                yield f"the log does not show (yet) when {_called(role)} was {'taken away' if given else 'given'}"
        seen |= roles


def _called(role: str) -> str:
    return DIRECTORY_ROLES[role].name if role in DIRECTORY_ROLES else f"role {role}"


def _is_whole(role: DirectoryRole) -> bool:
    """A role in an administrative unit, or of one application, does not reach the tenant."""
    return role.scope in (None, "/") and role.app_scope in (None, "/")


def _custom(held: Sequence[DirectoryRole]) -> Iterator[str]:
    """What a tenant's own role allows is not looked up."""
    for each in held:
        if each.role_id.lower() not in DIRECTORY_ROLES and each.built_in is not True:
            yield f"the role {each.role_name or each.role_id} is the tenant's own, and may allow it"


def _groups(groups: Sequence[str]) -> Iterator[str]:
    if groups:
        yield f"{len(groups)} groups may give a role, and since when is not looked up"


def _uncovered(windows: Sequence[tuple[datetime, SeenOfPerson]], at: datetime) -> Iterator[str]:
    if not windows or min(since for since, _ in windows) > at:
        yield "the audit log was not read back to that moment"
    for _, seen in windows:
        if not isinstance(seen.audits, Known):
            why = seen.audits.why if isinstance(seen.audits, CouldNotLook) else "it was not looked at"
            yield f"changes of roles since could not be read: {why}"
        yield from (doubt for doubt in seen.doubts if "audit" in doubt)


def _changes(windows: Sequence[tuple[datetime, SeenOfPerson]]) -> list[AuditRecord]:
    """What the log shows of them, each record once, the newest first."""
    known = (seen.audits.value for _, seen in windows if isinstance(seen.audits, Known))
    found = {record.id: record for records in known for record in records}
    return sorted(found.values(), key=lambda each: (each.at, each.id), reverse=True)


def _change(record: AuditRecord) -> tuple[bool, frozenset[str]] | None:
    """Whether a record gives a role or takes one, and which; None if it changes nothing that is held."""
    if record.result == "failure" or any(word in record.activity for word in _NO_CHANGE):
        return None
    if record.activity.startswith(_GIVEN):
        return True, _roles(record)
    return (False, _roles(record)) if record.activity.startswith(_TAKEN) else None


def _roles(record: AuditRecord) -> frozenset[str]:
    """The template of the role. Its object id in this tenant is no template's, and says nothing alone."""
    named = {each.name.casefold(): each for target in record.targets for each in target.properties}
    for name in _NAMES_ROLE:
        if found := named.get(name):
            return frozenset(each.lower() for each in (found.new, found.old) if isinstance(each, str) and each)
    return frozenset()
