"""Who does something in a scenario stands in the log; workloads sign in every day, and whom it breaks is counted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drill.practice import ScenarioMistake
from drill.practice.graph.navigation import GRANTS
from tests.practice.desk import APPLICATION, PRINCIPAL, SECRET, Desk, JsonObject, at_the_desk, payroll

PERSON, PIPELINE = "7a1c3e55-0000-4000-8000-000000000001", "5b0a11de-0000-4000-8000-000000000001"
VENDOR = "5b0a11de-0000-4000-8000-000000000002"
PEOPLE = [{"id": PERSON, "displayName": "Owner of payroll", "userPrincipalName": "owner@contoso.example"}]
OTHERS = [{"id": PIPELINE, "appId": PIPELINE, "displayName": "pipeline"}, {"id": VENDOR, "appId": VENDOR}]
HABIT = {"identity": PRINCIPAL, "every": "PT1H", "since": "P3D", "address": "203.0.113.20", "resource": "storage"}


def _tenant() -> JsonObject:
    return payroll(users=[*PEOPLE], principals=[*OTHERS])


def _happen(desk: Desk, *entries: JsonObject) -> list[JsonObject]:
    """The records that these moments write, oldest first."""
    for entry in entries:
        desk.tenant.happen(entry)
    return desk.tenant.state.audits.everything()


def _plays(length: float, story: Callable[[Desk], None]) -> Callable[[Desk], Awaitable[None]]:
    """The story as it stands once the world has gone on for so long."""

    async def played(desk: Desk) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = desk.tenant.start(group)
            await asyncio.sleep(length)
            for task in tasks:
                task.cancel()
        story(desk)

    return played


@pytest.mark.parametrize(
    ("by", "initiator"),
    [
        (PERSON, {"user": (PERSON, "owner@contoso.example"), "app": None}),
        (PIPELINE, {"user": None, "app": PIPELINE}),
    ],
)
def test_a_change_is_by_whom_the_scenario_says(by: str, initiator: JsonObject) -> None:
    """Every record of it names the person, or the service principal without its client id."""

    async def story(desk: Desk) -> None:
        secrets = [{"keyId": SECRET}, {"displayName": "new"}]
        records = _happen(desk, {"by": by, "patch": {"applications": {APPLICATION: {"passwordCredentials": secrets}}}})

        assert {each["activityDisplayName"].strip() for each in records} >= {"Update application"}
        for each in records:
            user, app = each["initiatedBy"]["user"], each["initiatedBy"]["app"]
            assert (user and (user["id"], user["userPrincipalName"])) == initiator["user"]
            assert (app and app["servicePrincipalId"]) == initiator["app"]

    at_the_desk(story, _tenant())


def test_whoever_restores_an_application_brings_its_service_principal_back() -> None:
    """Each with a record of its own, by whom the scenario says; what is not deleted cannot be restored."""

    async def story(desk: Desk) -> None:
        back: JsonObject = {"by": PERSON, "restore": [APPLICATION]}
        deleted: JsonObject = {"delete": [APPLICATION, PRINCIPAL]}
        records = _happen(desk, deleted, back)[-2:]

        assert [each["activityDisplayName"] for each in records] == ["Restore application", "Restore service principal"]
        assert {each["initiatedBy"]["user"]["id"] for each in records} == {PERSON}
        with pytest.raises(ScenarioMistake, match="restore"):
            desk.tenant.happen(back)

    at_the_desk(story, _tenant())


def test_a_consent_is_one_change_with_a_record_of_itself_and_of_its_grant() -> None:
    """The consent's target is the client, the grant's is the API; one correlation id holds them together."""

    async def story(desk: Desk) -> None:
        wide = {"clientId": VENDOR, "scope": "User.Read Mail.Read", "consentType": "AllPrincipals"}
        grant, consent = _happen(desk, {"by": PERSON, "consents": [wide]})
        said = {each["displayName"]: each["newValue"] for each in consent["targetResources"][0]["modifiedProperties"]}

        assert (grant["activityDisplayName"], consent["activityDisplayName"]) == (
            "Add delegated permission grant",
            "Consent to application",
        )
        assert grant["correlationId"] == consent["correlationId"]
        assert consent["targetResources"][0]["id"] == VENDOR
        assert json.loads(said["ConsentContext.OnBehalfOfAll"]) == "True"
        assert "ConsentType: AllPrincipals, Scope:  User.Read Mail.Read]" in json.loads(
            said["ConsentAction.Permissions"]
        )
        (held,) = desk.tenant.state.directory.any_kind(VENDOR).state[GRANTS]  # type: ignore[reportOptionalMemberAccess]
        assert held["scope"] == "User.Read Mail.Read"

    at_the_desk(story, _tenant())


def test_a_person_consents_in_their_own_name_unless_said() -> None:
    """The grant is theirs, and says so."""

    async def story(desk: Desk) -> None:
        _, consent = _happen(desk, {"by": PERSON, "consents": [{"clientId": VENDOR, "scope": "Mail.Read"}]})

        assert f"PrincipalId: {PERSON}" in json.dumps(consent)
        assert '\\"False\\"' in json.dumps(consent)

    at_the_desk(story, _tenant())


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ({"by": "nobody", "delete": [PIPELINE]}, "timeline.by: no user or service principal with id nobody"),
        ({"by": PERSON, "consents": [{"clientId": VENDOR, "scpe": "x"}]}, "timeline.consents: unknown scpe"),
        ({"by": PERSON, "consents": [{"clientId": VENDOR}]}, "A consent is to a scope."),
        ({"by": PERSON, "consents": [{"clientId": "x", "scope": "y"}]}, "must be service principals"),
    ],
)
def test_what_cannot_have_happened_is_a_mistake(entry: JsonObject, mistake: str) -> None:
    """A typo does not make a drill milder."""

    async def story(desk: Desk) -> None:
        with pytest.raises(ScenarioMistake, match=mistake):
            desk.tenant.happen(entry)

    at_the_desk(story, _tenant())


def test_a_workload_has_a_past_in_the_log_and_goes_on_as_ever() -> None:
    """What it did before the drill and what it does in it look alike, up to the time."""

    def story(desk: Desk) -> None:
        log = desk.tenant.state.sign_ins.everything()
        alike = {(each["ipAddress"], each["resourceDisplayName"], each["clientCredentialType"]) for each in log}

        assert len(log) == 72 + 3
        assert alike == {("203.0.113.20", "storage", "clientSecret")}
        assert {each["servicePrincipalCredentialKeyId"] for each in log} == {SECRET}
        assert desk.tenant.snapshot()["workloads"] == [
            {"identity": PRINCIPAL, "credential": "", "signIns": 3, "failed": 0, "works": True}
        ]

    at_the_desk(_plays(7500, story), _tenant(), workloads=[HABIT])


def test_a_workload_moves_when_the_scenario_says_so_and_is_broken_when_its_credential_goes() -> None:
    """From then on it comes from elsewhere; without its secret it signs in in vain."""
    moves = {**HABIT, "then": [{"at": "PT30M", "address": "192.0.2.20"}]}
    gone: JsonObject = {
        "at": "PT90M",
        "patch": {"applications": {APPLICATION: {"passwordCredentials": [], "keyCredentials": []}}},
    }

    def story(desk: Desk) -> None:
        now = desk.tenant.state.sign_ins.everything()[-3:]
        (seen,) = desk.tenant.snapshot()["workloads"]

        assert [each["ipAddress"] for each in now] == ["203.0.113.20", "192.0.2.20", "192.0.2.20"]
        assert [each["location"]["countryOrRegion"] for each in now] == ["NL", "IE", "IE"]
        assert (seen["signIns"], seen["failed"], seen["works"]) == (3, 1, False)

    named = {**moves, "credential": SECRET}
    at_the_desk(_plays(7500, story), _tenant(), workloads=[named], timeline=[gone])


@pytest.mark.parametrize(
    "given", [{"identity": "nobody"}, {"identity": PRINCIPAL, "evry": "PT1H"}, {**HABIT, "then": [{"adress": "x"}]}]
)
def test_a_workload_that_cannot_be_is_a_mistake(given: dict[str, Any]) -> None:
    """Unknown words and identities are refused when the tenant is built."""

    async def story(desk: Desk) -> None:
        del desk

    with pytest.raises(ScenarioMistake, match="workloads"):
        at_the_desk(story, _tenant(), workloads=[given])
