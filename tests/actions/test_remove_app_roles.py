"""Taking app roles away: all of them or the new ones, with all that giving them back needs."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions import action_named
from shared.actions.interface import Before, Earlier
from shared.case import Known
from shared.entries import SignalJoined
from shared.look import Look
from tests.actions.scene import MAIL, MEANS, REF, WRITE_ALL, Scene, foreign, managed, on_fakes, play, powerful
from tests.fakes import NO_GRANTS, START, FakeClock, FakeDirectory, app_role
from tests.fakes import payroll as identity
from tests.practice.desk import PRINCIPAL

ACTION = "remove-app-roles"
OLD, NEW = "2025-01-01T00:00:00Z", "2026-03-02T01:00:00Z"


def roles(scene: Scene) -> set[str]:
    held = scene.tenant()["appRoleAssignments"]
    return {each["appRoleId"] for each in held if each["principalId"] == PRINCIPAL}


def dated(mail: str, write_all: str) -> dict[str, object]:
    given = [(MAIL, mail), (WRITE_ALL, write_all)]
    assignments = [{"principalId": PRINCIPAL, "appRoleId": role, "createdDateTime": at} for role, at in given]
    return powerful(appRoleAssignments=assignments)


@pytest.mark.parametrize("tenant", [powerful(), foreign(), managed()], ids=["own", "foreign", "managed"])
def test_all_app_roles_go_whoever_owns_the_application(tenant: dict[str, object]) -> None:
    """The assignments lie in this tenant, for a foreign application and a managed identity as well."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert roles(scene) == set()
        assert scene.proof(step).startswith("held: no app role is held")
        assert "Issued tokens keep theirs" in scene.proof(step)
        assert scene.outcomes(step) == ["accepted", "accepted"]

    play(story, tenant)


def test_what_was_held_is_written_down_with_all_that_giving_it_back_needs() -> None:
    """Undo makes each assignment again from role and resource; its id will be another one."""

    async def story(scene: Scene) -> None:
        before = scene.tenant()["appRoleAssignments"]
        (step,) = await scene.do(ACTION)

        assert [(each["appRoleId"], each["resourceId"]) for each in scene.removed(step)] == [
            (each["appRoleId"], each["resourceId"]) for each in before
        ]

    play(story)


def test_only_what_was_added_lately_goes_where_that_is_asked() -> None:
    """`added-since: 24h` counts back from the step's begin; what is surely older stays."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION, added_since="24h")

        assert roles(scene) == {MAIL}
        assert "1 older stay" in scene.proof(step)

    play(story, dated(OLD, NEW))


def test_nothing_to_remove_is_already_so() -> None:
    """No write is sent, and a fresh read is the proof all the same."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.outcomes(step) == ["already"]
        assert scene.proof(step).startswith("held")
        assert scene.writes() == []

    play(story, powerful(appRoleAssignments=[]))


def test_a_missing_permission_ends_the_step_by_name_and_leaves_the_roles() -> None:
    """The platform refuses each deletion; the report names the permission and what to do."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        stopped = scene.stopped(step)
        assert stopped.outcome == "permission-missing"
        assert "AppRoleAssignment.ReadWrite.All" in stopped.reason
        assert roles(scene) == {MAIL, WRITE_ALL}

    play(story, powerful(permissions={"executor": ["IdentityRiskyServicePrincipal.ReadWrite.All"]}))


def test_a_list_that_may_not_be_read_stops_the_step_before_any_write() -> None:
    """No pre-image, no write; and no number of rounds would help."""

    async def story(scene: Scene) -> None:
        (step,) = await scene.do("remove-directory-roles")

        assert scene.stopped(step).outcome == "cannot-be-read"
        assert "RoleManagement.Read.Directory" in scene.stopped(step).reason
        assert scene.writes() == []

    play(story, powerful(permissions={"reader": ["Application.Read.All"]}))


def test_an_answer_that_was_lost_after_the_deletion_is_settled_by_reading() -> None:
    """The repeated DELETE is answered 404: it is gone, and nothing was deleted twice."""
    lost = {"service": "graph", "match": "DELETE /servicePrincipals/*", "kind": "timeout-applied", "count": 1}

    async def story(scene: Scene) -> None:
        (step,) = await scene.do(ACTION)

        assert scene.proof(step).startswith("held")
        assert roles(scene) == set()

    play(story, faults=[lost])


def test_what_an_intruder_adds_during_the_step_goes_as_well() -> None:
    """A round whose proof fails reads again and removes what it then finds."""

    def act(directory: FakeDirectory) -> None:
        def add_once(name: str) -> None:
            if name == "remove role-1":
                directory.grants = Known(replace(NO_GRANTS.value, app_roles=Known((app_role(9),))))

        directory.grants = Known(replace(NO_GRANTS.value, app_roles=Known((app_role(1),))))
        directory.before_write = add_once

    directory, proof = on_fakes(ACTION, act)

    assert directory.effects == ["remove role-1", "remove role-9"]
    assert proof.answer == "held"


def test_an_outage_between_the_first_sign_and_the_step_lets_nothing_go() -> None:
    """A role given an hour before a record that came thirty hours late goes; what was there a day before it stays."""
    sign = START - timedelta(hours=30)
    given, older = ((sign - timedelta(hours=hours)).isoformat() for hours in (1, 25))

    async def story(scene: Scene) -> None:
        told = SignalJoined(source="directory-audit", record_id="r1", observed_at=sign, summary="a role was given")
        await scene.chain.write(told)
        (step,) = await scene.do(ACTION, added_since="24h")

        assert roles(scene) == {MAIL}
        assert "1 older stay" in scene.proof(step)

    play(story, dated(older, given))


def test_a_sign_that_claims_to_be_of_long_ago_reaches_back_a_week_at_the_most() -> None:
    """Its time is the sender's claim: it must not take away what the identity has always held."""
    old = (START - timedelta(days=9)).isoformat()

    async def story(scene: Scene) -> None:
        ancient = START - timedelta(days=900)
        told = SignalJoined(source="risk-detection", record_id="r1", observed_at=ancient, summary="of long ago")
        await scene.chain.write(told)
        await scene.do(ACTION, added_since="24h")

        assert roles(scene) == {MAIL}

    play(story, dated(old, NEW))


def test_later_rounds_do_not_move_the_moment_since_when_roles_count_as_new() -> None:
    """A role of 23 hours ago goes, however long the step had to wait after it was first written down."""
    action, directory = action_named(ACTION), FakeDirectory(identity(), FakeClock())
    directory.grants = Known(replace(NO_GRANTS.value, app_roles=Known((app_role(1, START - timedelta(hours=23)),))))
    (step,) = action.plan(identity(), {"added-since": "24h"}, MEANS).steps

    async def story() -> tuple[Before, Before]:
        clock = FakeClock()
        first = await action.capture(step, Earlier(), Look(directory, REF, clock))
        clock.forward(hours=5)
        return first, await action.capture(step, Earlier(first.image), Look(directory, REF, clock))

    first, later = asyncio.run(story())

    assert first.writes == later.writes == ("DELETE app role role-1",)
