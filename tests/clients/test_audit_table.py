"""The audit log of an identity, where Graph does not give it: the same records from a workspace, or both reasons."""

from datetime import timedelta
from typing import Any

import pytest

from drill.practice import Behaviour
from shared.case import AuditRecord, CouldNotLook, Known, Part, PartName
from shared.tenant import Gathered
from tests.clients.fake_graph import START
from tests.clients.test_practice_tenant import REF, Place, at
from tests.practice.desk import APP_ID, APPLICATION, PRINCIPAL, payroll

BOTH = frozenset({PartName.AUDITS, PartName.GRANT_AUDITS})
EXPORTED: dict[str, Any] = {"entraDiagnosticSettings": [{}]}
ELSEWHERE = "0c0c0c0c-0000-4000-8000-00000000eeee"
MAY = ["Application.Read.All", "Directory.Read.All", "AuditLog.Read.All"]
HOUR = timedelta(hours=1)


def record(number: int, ago: timedelta, activity: str, target: str, type_: str, **properties: str) -> dict[str, Any]:
    changed = [{"displayName": name, "oldValue": None, "newValue": f'"{new}"'} for name, new in properties.items()]
    return {
        "id": f"Directory_{number}",
        "activityDateTime": (START - ago).isoformat(),
        "activityDisplayName": activity,
        "initiatedBy": {"user": {"id": ELSEWHERE, "userPrincipalName": "a@contoso.example"}, "app": None},
        "targetResources": [{"id": target, "type": type_, "displayName": "x", "modifiedProperties": changed}],
    }


def ticking(until: timedelta = timedelta(), days: int = 16) -> list[dict[str, Any]]:
    """Somebody else's changes, every hour."""
    hours = range(days * 24)
    return [record(1000 + n, until + n * HOUR, "Update application", ELSEWHERE, "Application") for n in hours]


HELD = [
    record(1, 5 * HOUR, "Update service principal", PRINCIPAL, "ServicePrincipal"),
    record(2, 6 * HOUR, "Update application", APPLICATION, "Application"),
    record(3, 7 * HOUR, "Add app role assignment to service principal", ELSEWHERE, "ServicePrincipal",
           **{"ServicePrincipal.ObjectID": PRINCIPAL, "ServicePrincipal.AppId": APP_ID, "AppRole.Value": "Mail.Read"}),
    record(4, 8 * HOUR, "Update application", ELSEWHERE, "Application", Note=PRINCIPAL),
    record(5, timedelta(days=8), "Update application", APPLICATION, "Application"),
]  # fmt: skip


def look(may: list[str], held: list[dict[str, Any]], azure: dict[str, Any] = EXPORTED) -> Gathered:
    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, BOTH)

    tenant = {**payroll(), "licences": ["AAD_PREMIUM"], "permissions": {"reader": may}}
    logs = {"directoryAudits": held}
    return at(story, tenant, azure=azure, logs=logs, workspaces=None, behaviour=Behaviour.gentle())


def ids(part: Part[tuple[AuditRecord, ...]]) -> set[str]:
    assert isinstance(part, Known), part
    return {each.id for each in part.value}


def why(part: Part[tuple[AuditRecord, ...]]) -> str:
    assert isinstance(part, CouldNotLook), part
    return part.why


def test_what_graph_refuses_of_the_audit_log_a_workspace_tells_alike() -> None:
    """Of both objects, and the grants, whose target is somebody else; of a week, and no record that only names it."""
    usual, told = look(MAY, [*HELD, *ticking()]), look(MAY[:2], [*HELD, *ticking()])

    assert ids(told.audits) == ids(usual.audits) == {"Directory_1", "Directory_2"}
    assert ids(told.grant_audits) == ids(usual.grant_audits) == {"Directory_3"}
    assert isinstance(told.audits, Known)
    assert "AuditLog.Read.All" in str(told.audits.instead_of)
    assert isinstance(usual.audits, Known)
    assert usual.audits.instead_of is None


def test_a_record_is_the_same_value_from_either_source() -> None:
    """Whoever did it and what was changed are read alike, so that conditions decide alike."""
    usual, told = look(MAY, [*HELD, *ticking()]), look(MAY[:2], [*HELD, *ticking()])

    assert isinstance(usual.grant_audits, Known)
    assert isinstance(told.grant_audits, Known)
    assert told.grant_audits.value == usual.grant_audits.value


@pytest.mark.parametrize(
    ("held", "azure", "told"),
    [
        (HELD, {}, "diagnostic settings"),
        ([*HELD, *ticking(timedelta(hours=20))], EXPORTED, "stopped at"),
        ([*HELD[:4], *ticking(days=3)], EXPORTED, "begin at"),
    ],
)
def test_a_log_that_is_not_whole_is_unknown_with_both_reasons(
    held: list[dict[str, Any]], azure: dict[str, Any], told: str
) -> None:
    """Nobody sends it there, somebody ended it, or it began too late: nothing is called unchanged."""
    found = look(MAY[:2], held, azure)

    for part in (found.audits, found.grant_audits):
        assert "AuditLog.Read.All" in why(part)
        assert told in why(part)


def test_a_hole_in_the_records_of_a_week_is_no_quiet_time() -> None:
    """They came again; what somebody did in between is not known, and from when to when is told."""
    whole = ticking()
    held = [each for number, each in enumerate(whole) if not 20 < number < 26]

    assert "from 2026-03-01 01:00 UTC to 2026-03-01 07:00 UTC" in why(look(MAY[:2], held).audits)
    assert isinstance(look(MAY[:2], whole).audits, Known)
