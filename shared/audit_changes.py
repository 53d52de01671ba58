"""
Changes: what somebody did at once, however many audit records tell of it. Pure.

One change writes several records with one correlation id at about one time (facts: Graph 2), echoes among them say
nothing. Records without one stand for themselves. What a change is about is told by its records, and one may be of
several kinds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import TypeAlias

from shared.audit import AddedCredential, added_credentials, gives_role, is_echo, normalise_activity
from shared.case import AuditActor, AuditRecord
from shared.once import once


class ChangeKind(StrEnum):
    """What a change is about. Values are the policy's words."""

    CREDENTIALS = "credentials"  # secrets, certificates, federated credentials
    CONFIGURATION = "configuration"  # any other edit of either object: addresses, the sign-in switch, …
    GRANTS = "grants"  # app roles, delegated scopes, directory roles
    CONSENT = "consent"
    OWNERS = "owners"
    LIFECYCLE = "lifecycle"  # made, deleted, restored
    RISK = "risk"  # confirmed or dismissed


_ACTIVITIES: Mapping[ChangeKind, tuple[str, ...]] = {
    ChangeKind.CREDENTIALS: (
        "Update application - Certificates and secrets management",
        "Create application - Certificates and secrets management",
        "Add service principal credentials",
        "Remove service principal credentials",
        "Update external secrets",
    ),
    ChangeKind.CONFIGURATION: (
        "Update application",
        "Update service principal",
        "Set verified publisher",
        "Unset verified publisher",
    ),
    ChangeKind.GRANTS: (
        "Add app role assignment to service principal",
        "Remove app role assignment from service principal",
        "Add delegated permission grant",
        "Remove delegated permission grant",
        "Add member to role",
        "Add eligible member to role",
        "Add scoped member to role",
        "Remove member from role",
        "Add role assignment to role definition",
        "Add member to group",
    ),
    ChangeKind.CONSENT: ("Consent to application", "Restore consent"),
    ChangeKind.OWNERS: (
        "Add owner to application",
        "Add owner to service principal",
        "Remove owner from application",
        "Remove owner from service principal",
    ),
    ChangeKind.LIFECYCLE: (
        "Add application",
        "Delete application",
        "Hard Delete application",
        "Restore application",
        "Add service principal",
        "Remove service principal",
        "Hard delete service principal",
        "Restore service principal",
    ),
    ChangeKind.RISK: ("confirmServicePrincipalCompromised", "DismissServicePrincipal"),
}
_KINDS = {normalise_activity(activity): kind for kind, activities in _ACTIVITIES.items() for activity in activities}
_CREDENTIAL_PROPERTIES = frozenset({"keydescription", "federatedidentitycredentials"})
_ECHOES = frozenset({"included updated properties"})
AT_ONCE = timedelta(minutes=15)  # the records of one change are written within seconds


@dataclass(frozen=True, slots=True)
class Change:
    """One change on one identity. `at` is when its first record says; records are in the order of their time."""

    at: datetime
    actor: AuditActor
    kinds: frozenset[ChangeKind]
    records: tuple[AuditRecord, ...]

    @property
    def credentials(self) -> tuple[AddedCredential, ...]:
        """Those that it added."""
        return tuple(key for record in self.records for key in added_credentials(record))


@once
def kinds_of(record: AuditRecord) -> frozenset[ChangeKind]:
    """
    What a record is about. An edit that tells of credentials is about those (federated ones have no activity of their
    own), and about configuration as well only if it tells of anything else. An activity not known here is an edit.
    """
    kind = _KINDS.get(record.activity, ChangeKind.CONFIGURATION)
    if kind is ChangeKind.CONFIGURATION and gives_role(record.activity):
        kind = ChangeKind.GRANTS
    if kind is not ChangeKind.CONFIGURATION:
        return frozenset({kind})
    names = {
        each.name.casefold() for target in record.targets for each in target.properties if each.old != each.new
    } - _ECHOES
    if not names & _CREDENTIAL_PROPERTIES:
        return frozenset({kind})
    more = {ChangeKind.CONFIGURATION} if names - _CREDENTIAL_PROPERTIES else set[ChangeKind]()
    return frozenset({ChangeKind.CREDENTIALS, *more})


def changes(records: Iterable[AuditRecord]) -> tuple[Change, ...]:
    """The changes that these records tell of, oldest first. Attempts that failed are none; a time-out may be one."""
    folded: dict[_Thread, list[AuditRecord]] = {}
    for record in records:
        if record.result != "failure" and not is_echo(record):
            folded.setdefault(_thread(record), []).append(record)
    made = [change for alike in folded.values() for change in _changes_of(alike)]
    return tuple(sorted(made, key=_when))


_when = attrgetter("at")
_Thread: TypeAlias = tuple[str, str | None, str | None, str | None]


@once
def _thread(record: AuditRecord) -> _Thread:
    """
    What the records of one change have in common: the correlation id, and the actor without what may differ between
    them, a client id that some leave out.
    """
    actor = record.actor
    client = None if actor.user_id or actor.principal_id else actor.client_id
    return record.correlation_id or record.id, actor.user_id, actor.principal_id, client


def _changes_of(alike: list[AuditRecord]) -> Iterable[Change]:
    return (_alone(alike[0]),) if len(alike) == 1 else map(_change, _apart(alike))


@once
def _alone(record: AuditRecord) -> Change:
    return _change([record])


def _apart(records: list[AuditRecord]) -> Iterator[list[AuditRecord]]:
    """
    By time: a caller chooses the correlation id, so that what he does today could pass for a part of what he did last
    week, in another hour or by a declaration that has ended.
    """
    ordered = sorted(records, key=_when)
    part = ordered[:1]
    for record in ordered[1:]:
        if record.at - part[0].at > AT_ONCE:
            yield part
            part = []
        part.append(record)
    yield part


def _change(ordered: list[AuditRecord]) -> Change:
    kinds = frozenset(kind for record in ordered for kind in kinds_of(record))
    return Change(ordered[0].at, ordered[0].actor, kinds, tuple(ordered))
