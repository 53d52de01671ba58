"""Cordon's own writes come back in the audit log, and count as evidence there and nowhere else."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from shared.case import Known, Owners
from shared.entries import SeenInLogs
from shared.signal import JsonObject
from tests.fakes import CORDON_PRINCIPAL, PAYROLL, PAYROLL_APP, owner, password, payroll
from tests.stories.world import POLICY, World, play

STRANGER = "88888888-0000-4000-8000-000000000001"


def _record(world: World, id_: str, by: str = CORDON_PRINCIPAL, **more: Any) -> JsonObject:
    """The audit record of a service principal that was blocked just now."""
    record: dict[str, Any] = {
        "id": id_,
        "category": "ApplicationManagement",
        "correlationId": None,
        "result": "success",
        "activityDisplayName": "Update service principal",
        "activityDateTime": world.clock().isoformat().replace("+00:00", "Z"),
        "loggedByService": "Core Directory",
        "initiatedBy": {"user": None, "app": {"appId": None, "displayName": "cordon", "servicePrincipalId": by}},
        "targetResources": [
            {
                "id": PAYROLL,
                "type": "ServicePrincipal",
                "displayName": "payroll-sync",
                "modifiedProperties": [
                    {"displayName": "AccountEnabled", "oldValue": "[true]", "newValue": "[false]"},
                ],
            }
        ],
        **more,
    }
    return record


async def _seen(world: World) -> list[tuple[str | None, str]]:
    lines = (await world.chain()).lines
    return [(line.record.step, line.entry.audit_id) for line in lines if isinstance(line.entry, SeenInLogs)]


def test_the_own_write_is_seen_in_the_log_once() -> None:
    """However often the log is read, one record makes one line of evidence, and the view tells of it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        world.feeds.log = [_record(world, "Directory_1")]
        for _ in range(3):
            await asyncio.sleep(600)
            await responder.sweep_audits()
        await world.instance("two").sweep_audits()
        view = await responder.incident((await world.chain()).incident)

        assert await _seen(world) == [("1-block-sign-in", "Directory_1")]
        assert view.steps[0].grade == "seen-in-logs"
        assert view.signals == 1

    play(story, payroll(application=[password(1)]))


def test_what_is_not_that_write_is_no_evidence() -> None:
    """A failure, another operation or property, an older record, a stranger's, a pushed one that nobody re-read."""

    async def story(world: World) -> None:
        responder = world.instance()
        old = _record(world, "Directory_0", activityDateTime="2026-03-02T02:59:59Z")
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        enabling = [{"displayName": "AccountEnabled", "oldValue": "[false]", "newValue": "[true]"}]
        target = {"id": PAYROLL, "type": "ServicePrincipal", "displayName": "x", "modifiedProperties": enabling}
        disabled = [{"displayName": "IsDisabled", "oldValue": "[false]", "newValue": "[true]"}]
        disabling = {"id": PAYROLL_APP, "type": "Application", "displayName": "x", "modifiedProperties": disabled}
        world.feeds.log = [
            old,
            _record(world, "Directory_1", result="failure"),
            _record(world, "Directory_2", targetResources=[target]),
            _record(world, "Directory_3", by=STRANGER),
            _record(world, "Directory_5", activityDisplayName="Update application", targetResources=[disabling]),
        ]
        pushed: JsonObject = {
            "type": "Cordon.Signal.DirectoryAudit",
            "id": "e9",
            "source": "t",
            "data": _record(world, "Directory_4"),
        }
        await responder.receive_events([pushed])
        await asyncio.sleep(600)
        await responder.sweep_audits()

        assert await _seen(world) == []

    play(story, payroll(application=[password(1)]))


def test_an_owner_taken_from_one_of_two_is_no_evidence_unless_the_record_says_from_which() -> None:
    """Of two service principals the owner's property names the owned one; without, it may be the other one."""

    def target(id_: str, owned: str | None = None) -> JsonObject:
        named: JsonObject = {"displayName": "ServicePrincipal.ObjectID", "oldValue": f'"{owned}"', "newValue": None}
        return {"id": id_, "type": "ServicePrincipal", "modifiedProperties": [named] if owned else []}

    async def story(world: World) -> None:
        responder, robot = world.instance(), replace(owner(9), type="servicePrincipal")
        world.directory.owners = Known(Owners(Known(()), Known((robot,))))
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        removal = partial(_record, world, activityDisplayName="Remove owner from service principal")
        world.feeds.log = [removal("Directory_1", targetResources=[target(PAYROLL), target(robot.id)])]
        await asyncio.sleep(600)
        await responder.sweep_audits()
        unsaid = await _seen(world)
        world.feeds.log = [removal("Directory_2", targetResources=[target(robot.id, PAYROLL), target(PAYROLL)])]
        await asyncio.sleep(600)
        await responder.sweep_audits()

        assert unsaid == []
        assert [audit for _, audit in await _seen(world)] == ["Directory_2"]

    play(story, payroll(), policy=POLICY.replace("[block-sign-in, replace-credentials]", "[custody]"))
