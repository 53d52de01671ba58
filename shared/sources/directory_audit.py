"""A change to an application or service principal, as the directory's audit log tells it."""

from typing import ClassVar

from shared.audit import (
    NOT_TOLD_APART,
    concerns_workloads,
    credential_change,
    is_echo,
    names_no_client,
    names_no_workload,
    newly_disabled,
    newly_enabled,
    read_audit,
    subjects_of,
    touches_policy,
)
from shared.case import AuditActor, AuditRecord
from shared.errors import MalformedSignal
from shared.identity import IdentityRef
from shared.signal import JsonObject, JsonValue, NotASignal, PolicyTouched, Signal
from shared.tenant import RISK_POLICY
from shared.untrusted import NAME, check_tenant, one_line

_NOT_FOLLOWED = NotASignal("an activity that does not concern workload identities")
_ECHO = NotASignal("an update that changes nothing it tells of")
_NO_WORKLOAD = NotASignal("it concerns no application or service principal")


class DirectoryAudit:
    """Reads one directoryAudit record. Most of the log is about people and groups, and is told apart first."""

    name: ClassVar[str] = "directory-audit"
    event_types: ClassVar[tuple[str, ...]] = ("Cordon.Signal.DirectoryAudit",)
    categories: ClassVar[tuple[str, ...]] = ("AuditLogs",)

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        check_tenant(record, tenant_id, self.name)
        if not concerns_workloads(record):
            return _policy_touched(read_audit(record, self.name)) if touches_policy(record) else _NOT_FOLLOWED
        return self.judge(read_audit(record, self.name))

    def judge(self, audit: AuditRecord) -> Signal | NotASignal:
        """The signal in a record of a followed activity that was read already. Raises MalformedSignal."""
        if names_no_client(audit):
            raise MalformedSignal(
                source=self.name, why="it is a grant that names no client (ServicePrincipal.ObjectID)"
            )
        if names_no_workload(audit):
            raise MalformedSignal(
                source=self.name, why=f"it is “{audit.activity_as_sent}”, and names no application or service principal"
            )
        subjects = subjects_of(audit)
        if not subjects:
            return _NO_WORKLOAD
        if is_echo(audit):
            return _ECHO
        others = tuple(_another(self.name, audit, subject) for subject in subjects[1:])
        return Signal(
            source=self.name,
            record_id=audit.id,
            subject=subjects[0],
            observed_at=audit.at,
            summary=_summary(audit, subjects[0], told_apart=not others),
            facts=_facts(audit),
            others=others,
        )


def _another(source: str, audit: AuditRecord, subject: IdentityRef) -> Signal:
    """One more identity that the record may be about. `record` in its facts is the log's own id."""
    return Signal(
        source=source,
        record_id=f"{audit.id}/{subject.principal_id or subject.app_object_id}",
        subject=subject,
        observed_at=audit.at,
        summary=_summary(audit, subject, told_apart=False),
        facts={**_facts(audit), "record": audit.id},
    )


def _policy_touched(audit: AuditRecord) -> PolicyTouched:
    """The policy's name stands in the target, or, once it was renamed, in what it was before."""
    texts = [str(text) for t in audit.targets for text in (t.display_name, *((p.old, p.new) for p in t.properties))]
    actor = audit.actor
    return PolicyTouched(
        "it concerns a Conditional Access policy",
        record_id=audit.id,
        policy_ids=tuple(target.id for target in audit.targets if target.id),
        named=not audit.targets or any(RISK_POLICY.casefold() in text.casefold() for text in texts),
        by=tuple(id_ for id_ in (actor.principal_id, actor.client_id) if id_),
    )


def _summary(audit: AuditRecord, subject: IdentityRef, *, told_apart: bool) -> str:
    named = next((target.display_name for target in audit.targets if target.id in _ids(subject)), None)
    who = f"“{one_line(named, NAME)}”" if named else str(subject)
    outcome = "" if audit.result == "success" else f" ({audit.result})"
    doubt = "" if told_apart else f" ({NOT_TOLD_APART})"
    return one_line(f"{_activity(audit)} on {who} by {_actor(audit.actor)}{outcome}{doubt}")


def _activity(audit: AuditRecord) -> str:
    if newly_enabled(audit):
        return f"{audit.activity_as_sent} (sign-in switched on)"
    if newly_disabled(audit):
        return f"{audit.activity_as_sent} (sign-in switched off)"
    return audit.activity_as_sent


def _actor(actor: AuditActor) -> str:
    if actor.user_name or actor.user_id:
        return one_line(actor.user_name or str(actor.user_id), NAME)
    known = actor.principal_id or actor.client_id
    return f"service principal {known}" if known else "somebody the log does not name"


def _ids(subject: IdentityRef) -> tuple[str | None, ...]:
    return (subject.principal_id, subject.client_id, subject.app_object_id)


def _changed(audit: AuditRecord) -> list[JsonValue]:
    """The names of the properties that an edit of an application tells of, folded; the services' own words."""
    if audit.activity != "update application":
        return []
    names: list[JsonValue] = [
        one_line(each.name, NAME).casefold() for target in audit.targets for each in target.properties
    ]
    return names[:20]


def _facts(audit: AuditRecord) -> dict[str, JsonValue]:
    change = credential_change(audit)
    added: list[JsonValue] = [
        {"keyId": key.key_id, "type": key.type, "usage": key.usage, "holder": key.holder.value}
        for key in change.added[:20]
    ]
    actor: JsonObject = {
        "userId": audit.actor.user_id,
        "servicePrincipalId": audit.actor.principal_id,
        "appId": audit.actor.client_id,
    }
    facts: dict[str, JsonValue] = {
        "activity": audit.activity,
        "result": audit.result,
        "correlationId": audit.correlation_id,
        "initiatedBy": actor,
    }
    name = next((target.display_name for target in audit.targets if target.id and target.display_name), None)
    if name and audit.activity.startswith("add ") and not audit.activity.startswith("add owner"):
        facts["displayName"] = one_line(name, NAME)
    if changed := _changed(audit):
        facts["changed"] = changed
    if added:
        facts["addedCredentials"] = added
    if newly_enabled(audit):
        facts["accountEnabled"] = True
    elif newly_disabled(audit):
        facts["accountEnabled"] = False
    return facts
