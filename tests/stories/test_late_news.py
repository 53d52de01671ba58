"""What comes late, after an outage here or there, is judged as if it had come in time."""

from datetime import timedelta

import pytest

from shared.audit import read_audit
from shared.case import DirectoryRole, Grants, Known
from shared.incident import Status
from shared.signal import JsonObject, JsonValue
from tests.fakes import PAYROLL, START, password, payroll
from tests.stories.world import World, play

POLICY = """
version: 1
rules:
  - name: gave-itself-power
    when: {granted-recently: {within: 24h, by-itself: true, escalates: true}}
    verdict: contain
    actions: [block-sign-in]
"""
ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"


def record(number: int, ago: timedelta, activity: str, **property_: str) -> JsonObject:
    """A record as the log writes it: the identity did it to itself."""
    changed: list[JsonValue] = [
        {"displayName": name, "oldValue": None, "newValue": value} for name, value in property_.items()
    ]
    target: JsonObject = {
        "id": PAYROLL,
        "type": "ServicePrincipal",
        "displayName": "payroll-sync",
        "modifiedProperties": changed,
    }
    return {
        "id": f"Directory_{number}",
        "activityDisplayName": activity,
        "activityDateTime": (START - ago).isoformat(),
        "category": "RoleManagement",
        "result": "success",
        "initiatedBy": {"user": None, "app": {"servicePrincipalId": PAYROLL, "appId": None}},
        "targetResources": [target],
    }


@pytest.mark.parametrize(
    ("heard", "status"),
    [
        pytest.param(timedelta(hours=30), Status.CONTAINED, id="its own news is a day and more late"),
        pytest.param(timedelta(minutes=10), Status.WATCHED, id="it is old, and fresh news tell of something else"),
    ],
)
def test_an_attack_during_an_outage_is_contained_when_it_is_heard_of(heard: timedelta, status: Status) -> None:
    """A rule about the last day would else pass over whatever happened while nobody listened."""
    power = record(1, timedelta(hours=30), "Add member to role", **{"Role.TemplateId": f'"{ADMINISTRATOR}"'})
    rename = record(2, timedelta(minutes=10), "Update service principal", Tags='["x"]')
    news = power if heard > timedelta(hours=1) else rename

    async def story(world: World) -> None:
        world.directory.audits = (read_audit(power), read_audit(rename))
        role = DirectoryRole("r-1", ADMINISTRATOR, "Global Administrator", "/", None)
        world.directory.grants = Known(Grants(Known(()), Known(()), Known((role,))))
        event: JsonObject = {"type": "Cordon.Signal.DirectoryAudit", "id": "e1", "source": "t", "data": news}
        responder = world.instance()
        await responder.receive_events([event])
        await world.work_queue(responder, timedelta(seconds=30))

        assert await world.status() is status

    play(story, payroll(application=[password(1)]), policy=POLICY)
