"""Cases about the payroll identity, known in every part unless a test says otherwise."""

import json
from dataclasses import replace
from datetime import timedelta

from shared.audit import read_audit
from shared.case import (
    CASE_PARTS,
    AuditRecord,
    Case,
    CouldNotLook,
    Grants,
    IdentityState,
    Known,
    NotLooked,
    Part,
    RiskDetection,
    RiskState,
)
from shared.identity import IdentityKind, IdentityRef
from shared.signal import JsonObject, JsonValue
from tests.fakes import (
    CORDON_CLIENT,
    CORDON_PRINCIPAL,
    DOMAINS,
    NO_ACTIVITY,
    NO_GRANTS,
    NO_KEY_USE,
    NO_OWNERS,
    NO_SIGN_INS,
    PAYROLL,
    PAYROLL_APP,
    START,
    TENANT_ID,
    payroll,
)

UNREADABLE = CouldNotLook("the service did not answer")
STRANGER = "77777777-0000-4000-8000-000000000001"
PIPELINE = "77777777-0000-4000-8000-000000000002"
KEY = "40000000-0000-4000-8000-000000000009"


def case(
    *,
    detections: tuple[RiskDetection, ...] = (),
    risk: RiskState | None = None,
    audits: tuple[AuditRecord, ...] = (),
    given: tuple[AuditRecord, ...] = (),
    kind: IdentityKind = IdentityKind.OWN_SINGLE_TENANT,
) -> Case:
    """Everything was read, and nothing but the given is there."""
    return Case(
        now=START,
        tenant_id=TENANT_ID,
        subject=IdentityRef(PAYROLL),
        signals=(),
        own_principals=frozenset({CORDON_CLIENT, CORDON_PRINCIPAL}),
        identity=Known(payroll(kind=kind)),
        detections=Known(detections),
        risk=Known(risk),
        audits=Known(audits),
        grant_audits=Known(given),
        domains=DOMAINS,
        key_use=NO_KEY_USE,
        sign_ins=NO_SIGN_INS,
        attempts=NO_SIGN_INS,
        older_sign_ins=NO_SIGN_INS,
        graph_activity=NO_ACTIVITY,
        grants=NO_GRANTS,
        owners=NO_OWNERS,
    )


def unread(why: NotLooked | CouldNotLook) -> Case:
    """Nothing was read, for this reason."""
    parts = {part.value: why for part in CASE_PARTS}
    return replace(case(), **parts)  # pyright: ignore[reportArgumentType]


def blocked(of: Case) -> Case:
    assert isinstance(of.identity, Known)
    return replace(of, identity=Known(replace(of.identity.value, enabled=False)))


def but(of: Case, **parts: Part[object]) -> Case:
    """The same case with some parts otherwise."""
    return replace(of, **parts)  # pyright: ignore[reportArgumentType]


def detection(
    type_: str = "leakedCredentials",
    level: str = "high",
    state: str = "atRisk",
    *,
    detail: str = "none",
    ago: timedelta | None = timedelta(hours=1),
) -> RiskDetection:
    at = None if ago is None else START - ago
    return RiskDetection("d-1", type_, level, state, detail, (), at, at, at, None)


def added(
    key_id: str = KEY,
    *,
    type_: str = "Password",
    on: str = "ServicePrincipal",
    by: str | None = STRANGER,
    ago: timedelta = timedelta(hours=1),
    result: str = "success",
    activity: str = "Add service principal credentials",
    id_: str | None = None,
) -> AuditRecord:
    """A credential was added: the audit record as the log would have it, read."""
    text = f"[KeyIdentifier={key_id},KeyType={type_},KeyUsage=Verify,DisplayName=x]"
    changed: JsonValue = {"displayName": "KeyDescription", "oldValue": "[]", "newValue": json.dumps([text])}
    return audit(activity, [changed], on=on, by=by, ago=ago, result=result, id_=id_)


def audit(
    activity: str,
    properties: list[JsonValue] | None = None,
    *,
    on: str = "ServicePrincipal",
    by: str | None = STRANGER,
    ago: timedelta = timedelta(hours=1),
    result: str = "success",
    id_: str | None = None,
    user: str | None = None,
    record: str = "Directory_1",
    correlation: str | None = None,
) -> AuditRecord:
    app: JsonValue = None if by is None else {"appId": None, "servicePrincipalId": by}
    object_id = id_ or (PAYROLL if on == "ServicePrincipal" else PAYROLL_APP)
    target: JsonValue = {"id": object_id, "type": on, "displayName": "payroll-sync", "modifiedProperties": properties}
    person: JsonValue = None if user is None else {"id": user, "userPrincipalName": None}
    raw: JsonObject = {
        "id": record,
        "activityDisplayName": activity,
        "activityDateTime": (START - ago).isoformat(),
        "result": result,
        "correlationId": correlation,
        "initiatedBy": {"user": person, "app": None if user else app},
        "targetResources": [target],
    }
    return read_audit(raw)


def between(one: str, other: str, *, named: str | None = None, **more: JsonValue) -> AuditRecord:
    """
    “Add owner to service principal” with two service principals; `named` is the one that the other's property names as
    its own, as the directory writes it.
    """
    targets: list[JsonValue] = [
        {
            "id": each,
            "type": "ServicePrincipal",
            "displayName": f"name of {each[:8]}",
            "modifiedProperties": []
            if named in (None, each)
            else [{"displayName": "ServicePrincipal.ObjectID", "oldValue": None, "newValue": f'"{named}"'}],
        }
        for each in (one, other)
    ]
    return read_audit(between_raw(targets, **more))


def between_raw(targets: list[JsonValue], **more: JsonValue) -> JsonObject:
    return {
        "id": "Directory_1",
        "activityDisplayName": "Add owner to service principal",
        "activityDateTime": (START - timedelta(hours=1)).isoformat(),
        "result": "success",
        "initiatedBy": {"user": None, "app": {"appId": None, "servicePrincipalId": STRANGER}},
        "targetResources": targets,
        **more,
    }


def holding(of: Case, grants: Grants) -> Case:
    """The same case, and this is what the identity holds."""
    return replace(of, grants=Known(grants))


def having(of: Case, state: IdentityState) -> Case:
    """The same case about an identity in this state."""
    return replace(of, identity=Known(state))
