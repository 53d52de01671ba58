"""The way back that the report tells: whoever sends its calls has what was there before."""

import json
from dataclasses import replace
from typing import Any

from shared.actions import ACTIONS
from shared.history import History
from shared.report.undoing import BY_HAND, tell_undo
from tests.actions.scene import Scene, foreign, play, powerful
from tests.actions.test_together import LEVERS
from tests.practice.desk import Desk
from tests.report.journals import opened

KEPT = ("replace-credentials", "require-risk-policy", "confirm-compromised")  # undone by people's judgement
KINDS = ("servicePrincipals", "applications")
REVERSIBLE = tuple(name for name in LEVERS if name not in KEPT)


def shape(tenant: dict[str, Any]) -> dict[str, Any]:
    """What undo gives back, without the ids and dates that are new by nature."""

    applications: list[dict[str, Any]] = [{"isDisabled": None, **each} for each in tenant["applications"]]

    def bare(name: str, *fields: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(str(each.get(field)) for field in fields) for each in tenant[name])

    return {
        "appRoles": bare("appRoleAssignments", "principalId", "resourceId", "appRoleId"),
        "grants": bare("oauth2PermissionGrants", "clientId", "resourceId", "consentType", "principalId", "scope"),
        "roles": bare("roleAssignments", "principalId", "roleDefinitionId", "directoryScopeId"),
        "owners": {key: value for key, value in tenant["owners"].items() if value},
        "enabled": [each["accountEnabled"] for each in tenant["servicePrincipals"]],
        "tags": [bare(kind, "tags") for kind in KINDS],
        "disabled": [each["isDisabled"] is True for each in applications],
        "locks": bare("applications", "servicePrincipalLockConfiguration"),
    }


async def way_back(scene: Scene) -> None:
    """Do by hand what the report says, in its order."""
    desk = Desk(scene.practice)
    for way in tell_undo(History(scene.chain.lines)):
        for call in way.calls:
            method, path, *body = call.split(" ", 2)
            reply = await desk.raw(method, path, json.loads(body[0]) if body else None, role="executor")
            assert reply.status < 300, (call, reply)


def test_the_calls_of_the_report_bring_back_what_was_taken() -> None:
    """Roles, grants, owners, lock, tags, deactivation and block are as they were."""
    lock = {"isEnabled": False, "allProperties": False}

    async def story(scene: Scene) -> None:
        before = shape(scene.tenant())
        await scene.do(*REVERSIBLE)
        contained = shape(scene.tenant())
        await way_back(scene)

        assert contained != before
        assert shape(scene.tenant()) == before

    play(story, powerful(application={"tags": ["HideApp"], "servicePrincipalLockConfiguration": lock}))


def test_the_same_for_a_foreign_application() -> None:
    """Only what lies in this tenant was taken, and that comes back."""

    async def story(scene: Scene) -> None:
        before = shape(scene.tenant())
        await scene.do(*REVERSIBLE)
        await way_back(scene)

        assert shape(scene.tenant()) == before

    play(story, foreign())


def test_the_policy_and_the_risk_are_told_in_words() -> None:
    """The policy may cover others, so nobody is told to delete it; a dismissed risk does not come back."""

    async def story(scene: Scene) -> None:
        await scene.do("require-risk-policy")
        (way,) = tell_undo(History(scene.chain.lines))

        assert scene.tenant()["conditionalAccessPolicies"][0]["id"] in way.restores
        assert "only if it covers nobody else" in (way.portal or "")

    play(story)


def test_every_action_has_words_for_its_way_back() -> None:
    """No step falls back to its bare image, where something better can be said."""
    assert {action.name for action in ACTIONS} <= BY_HAND.keys()


def test_by_hand_too_owners_come_back_by_links_into_the_graph_of_their_cloud() -> None:
    """The first record says where the cloud has it; one of an older version means the public cloud."""

    async def story(scene: Scene) -> None:
        await scene.do("custody")
        lines = scene.chain.lines
        elsewhere = opened().model_copy(update={"graph": "https://graph.microsoft.us"})
        ways = tell_undo(History([replace(lines[0], entry=elsewhere), *lines]))
        links = [call for way in ways for call in way.calls if "@odata.id" in call]

        assert links
        assert all("https://graph.microsoft.us/v1.0/directoryObjects/" in link for link in links)

    play(story, powerful())
