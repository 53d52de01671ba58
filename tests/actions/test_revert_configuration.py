"""Taking a named change of an application's addresses back: only what it did, and never by guessing."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.actions import action_named
from shared.actions.interface import Earlier, Means
from shared.audit import read_audit
from shared.case import Addresses, AuditRecord, CouldNotLook, IdentityState, Known
from shared.entries import Planned
from shared.execution import Execution
from shared.identity import IdentityKind
from shared.investigation import with_case
from shared.look import Look
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.signal import JsonObject, JsonValue
from tests.actions.scene import MEANS, REF, Scene, play, powerful
from tests.fakes import START, FakeSwitch
from tests.fakes import payroll as identity
from tests.practice.desk import APPLICATION, Desk

ACTION = "revert-configuration"
OURS, EVIL, LATER = "https://ours.example/cb", "https://evil.example/cb", "https://later.example/cb"
APP = f"/applications/{APPLICATION}"
GIVEN = {
    "web": {"redirectUris": [OURS], "logoutUrl": "https://ours.example/out"},
    "identifierUris": ["api://ours"],
}


async def change(scene: Scene, **properties: Any) -> str:
    """Somebody changes the application; the correlation id of the record that tells of it."""
    reply = await Desk(scene.practice).raw("PATCH", APP, properties, role="rotator")
    assert reply.status == 204, reply
    await asyncio.sleep(1)
    records = [r for r in scene.practice.state.audits.everything() if r["activityDisplayName"] == "Update application"]
    return str(records[-1]["correlationId"])


async def attacked(scene: Scene) -> str:
    """The redirect URI, the sign-out URL and the identifier are the attacker's."""
    web = {"redirectUris": [EVIL], "logoutUrl": "https://evil.example/out"}
    return await change(scene, web=web, identifierUris=["api://ours", "api://evil"])


async def plan(scene: Scene, **options: Any) -> Planned:
    choice = [ActionChoice(ACTION, {name.replace("_", "-"): value for name, value in options.items()})]
    look = Look(scene.place.tenant.directory, REF, scene.place.clock.now)
    means = await with_case(MEANS, choice, look)
    return make_plan(choice, await scene.state(), means, scene.place.clock.now())


async def do(scene: Scene, **options: Any) -> Planned:
    planned = await plan(scene, **options)
    await scene.chain.write(planned)
    await Execution(scene.place.tenant, scene.chain, FakeSwitch(), REF, scene.place.clock.now).carry_out(planned)
    return planned


def addresses(scene: Scene) -> tuple[list[str], str | None, list[str]]:
    held = scene.place.truth("applications", APPLICATION)
    return held["web"]["redirectUris"], held["web"]["logoutUrl"], held.get("identifierUris", [])


def attackers_tenant(**more: Any) -> dict[str, Any]:
    return powerful(application=GIVEN, permissions={"rotator": ["Application.ReadWrite.All"], **more})


def test_what_a_named_change_did_is_taken_back_and_what_others_added_since_stays() -> None:
    """The plan shows each list before and after; the proof is a fresh read."""

    async def story(scene: Scene) -> None:
        named = await attacked(scene)
        web = scene.place.truth("applications", APPLICATION)["web"]
        await change(scene, web={**web, "redirectUris": [EVIL, LATER], "redirectUriSettings": []})
        planned = await do(scene, change=named)
        (step,) = planned.steps

        uris, sign_out, identifiers = addresses(scene)
        assert (sorted(uris), sign_out) == ([LATER, OURS], "https://ours.example/out")
        assert identifiers == ["api://ours"]
        assert scene.proof(step).startswith("held")
        assert (step.changes[0].property, step.changes[0].before) == ("web.redirectUris", f"{EVIL}, {LATER}")

    play(story, attackers_tenant())


def test_all_changes_since_a_time_are_taken_back_at_once() -> None:
    """What was there before the first of them counts, however often it was changed."""

    async def story(scene: Scene) -> None:
        await attacked(scene)
        await change(scene, web={"redirectUris": [LATER], "logoutUrl": None})
        planned = await do(scene, changed_since="24h")

        assert planned.not_done == ()
        assert addresses(scene) == ([OURS], "https://ours.example/out", ["api://ours"])

    play(story, attackers_tenant())


def test_an_outage_between_the_first_sign_and_the_plan_lets_no_change_go() -> None:
    """The record came thirty hours late: what it tells of is within a day of it, and not of now."""

    async def story(scene: Scene) -> None:
        await attacked(scene)
        sign = scene.place.clock.now()
        await asyncio.sleep(timedelta(hours=30).total_seconds())
        choice = [ActionChoice(ACTION, {"changed-since": "24h"})]
        look = Look(scene.place.tenant.directory, REF, scene.place.clock.now)
        means = await with_case(replace(MEANS, evidence_at=sign), choice, look)
        found = make_plan(choice, await scene.state(), means, scene.place.clock.now())

        assert [each.property for each in found.steps[0].changes][:1] == ["web.redirectUris"]

    play(story, attackers_tenant())


def test_only_the_change_that_added_an_imitation_is_taken_back() -> None:
    """An address that the owner added on the same day stays, and what the intruder took out comes back."""

    async def story(scene: Scene) -> None:
        await change(scene, web={"redirectUris": [OURS, LATER]})
        await change(scene, web={"redirectUris": [LATER, "https://0urs.example/cb"]})
        await do(scene, changed_since="24h", adding="look-alikes")

        assert sorted(addresses(scene)[0]) == sorted([OURS, LATER])

    play(story, {**attackers_tenant(), "domains": [{"id": "ours.example", "isDefault": True, "isInitial": True}]})


def test_without_the_tenants_domains_no_imitation_is_told() -> None:
    """What could not be read is said, and nothing is taken back for it."""
    unread = replace(MEANS, audits=Known(()), domains=CouldNotLook("throttled."))
    planning = action_named(ACTION).plan(own(), {"changed-since": "24h", "adding": "look-alikes"}, unread)

    assert [each.outcome for each in planning.not_done] == ["cannot-be-read"]


def test_a_change_that_is_taken_back_already_needs_nothing() -> None:
    """The owner was faster: the plan says so, and has no step."""

    async def story(scene: Scene) -> None:
        named = await attacked(scene)
        await change(scene, web=GIVEN["web"], identifierUris=["api://ours"])
        planned = await plan(scene, change=named)

        assert planned.steps == ()
        assert {each.outcome for each in planned.not_done} <= {"already-so", "changed-again"}

    play(story, attackers_tenant())


def test_a_missing_permission_ends_the_step_by_name() -> None:
    """Directory.ReadWrite.All does not write applications."""

    async def story(scene: Scene) -> None:
        planned = await do(scene, change=await attacked(scene))

        assert scene.stopped(planned.steps[0]).outcome == "permission-missing"
        assert addresses(scene)[0] == [EVIL]

    play(story, attackers_tenant(executor=["Directory.ReadWrite.All"]))


def test_a_reverted_configuration_is_put_back() -> None:
    """Undo gives back entry by entry what the reverting took and gave."""

    async def story(scene: Scene) -> None:
        named = await attacked(scene)
        before = addresses(scene)
        (step,) = (await do(scene, change=named)).steps
        action, earlier = action_named(ACTION), Earlier(scene.image(step))
        new = lambda: Look(scene.place.tenant.directory, REF, scene.place.clock.now)  # noqa: E731
        back = await action.way_back(step, earlier, new())
        await action.put_back(step, back.image, scene.place.tenant)
        proof = await action.verify_back(step, earlier, back.image, new())

        assert back.drifted == ()
        assert proof.answer == "held"
        assert [sorted(part or []) for part in addresses(scene)] == [sorted(part or []) for part in before]
        assert (await action.way_back(step, earlier, new())).writes == ()

    play(story, attackers_tenant())


def test_a_sign_out_url_that_drifted_is_shown_and_not_overwritten() -> None:
    """Somebody set another one after Cordon did: both are shown."""

    async def story(scene: Scene) -> None:
        (step,) = (await do(scene, change=await attacked(scene))).steps
        web = scene.place.truth("applications", APPLICATION)["web"]
        await change(scene, web={**web, "logoutUrl": "https://new.example/out"})
        look = Look(scene.place.tenant.directory, REF, scene.place.clock.now)
        back = await action_named(ACTION).way_back(step, Earlier(scene.image(step)), look)

        assert [(each.property, each.now) for each in back.drifted] == [("web.logoutUrl", "https://new.example/out")]

    play(story, attackers_tenant())


# What the log does not tell


NOW = Addresses({"web": {"redirectUris": [EVIL], "logoutUrl": None}, "spa": {}, "publicClient": {}}, ())


def record(name: str, old: JsonValue, new: JsonValue) -> AuditRecord:
    changed: JsonObject = {"displayName": name, "oldValue": old, "newValue": new}
    return read_audit(
        {
            "id": "Directory_1",
            "activityDisplayName": "Update application",
            "activityDateTime": START.isoformat(),
            "result": "success",
            "targetResources": [
                {
                    "id": APPLICATION,
                    "type": "Application",
                    "modifiedProperties": [changed],
                }
            ],
        }
    )


def own(now: Addresses = NOW) -> IdentityState:
    state = identity()
    assert state.application is not None
    return replace(state, application=replace(state.application, object_id=APPLICATION), addresses=now)


def means(*records: AuditRecord) -> Means:
    return replace(MEANS, audits=Known(records))


def address(uri: str, number: int = 1) -> dict[str, object]:
    return {"AddressType": 0, "Address": uri, "ReplyAddressClientType": number}


@pytest.mark.parametrize("old", [None, "", '[{"Address": "https://ours.exam', "[42]", '[{"Address": 7}]'])
def test_an_old_value_that_the_log_does_not_tell_is_never_guessed(old: JsonValue) -> None:
    """Missing, cut off or in a form not known here: nothing is planned, and the outcome has a name."""
    told = record("AppAddress", old, json.dumps([address(EVIL)]))
    planning = action_named(ACTION).plan(own(), {"change": "Directory_1"}, means(told))

    assert planning.steps == ()
    assert [each.outcome for each in planning.not_done] == ["old-value-unknown"]


def test_an_address_whose_platform_is_not_told_is_not_put_anywhere() -> None:
    """The number of the platform of what was taken out appears nowhere else, so it means nothing certain."""
    told = record("AppAddress", json.dumps([address(OURS, 3)]), json.dumps([address(EVIL, 1)]))
    planning = action_named(ACTION).plan(own(), {"change": "Directory_1"}, means(told))

    assert [change.after for step in planning.steps for change in step.changes] == ["none"]
    assert [each.outcome for each in planning.not_done] == ["old-value-unknown"]


def test_odd_spellings_of_values_are_read() -> None:
    """Entries as JSON within JSON, a quoted scalar, other names: what they say is the same."""
    entries = json.dumps([json.dumps(address(EVIL))])
    redirect = record("appaddress", "[]", entries)
    planning = action_named(ACTION).plan(own(), {"change": "Directory_1"}, means(redirect))

    assert [change.after for step in planning.steps for change in step.changes] == ["none"]


def test_a_failed_change_and_one_of_another_application_name_nothing() -> None:
    """Only what happened to this application can be taken back."""
    told = record("AppAddress", "[]", json.dumps([address(EVIL)]))
    other = replace(told, targets=tuple(replace(target, id="elsewhere") for target in told.targets))
    planning = action_named(ACTION).plan(
        own(), {"change": "Directory_1"}, means(replace(told, result="failure"), other)
    )

    assert [each.outcome for each in planning.not_done] == ["change-not-found"]


def test_a_log_that_could_not_be_read_is_no_empty_log() -> None:
    """Nothing is planned by what could not be looked at."""
    unread = replace(MEANS, audits=CouldNotLook("throttled."))
    planning = action_named(ACTION).plan(own(), {"changed-since": "24h"}, unread)

    assert [each.outcome for each in planning.not_done] == ["cannot-be-read"]


@pytest.mark.parametrize("kind", [IdentityKind.FOREIGN, IdentityKind.MANAGED_IDENTITY, IdentityKind.AGENT])
def test_only_own_applications_are_reverted(kind: IdentityKind) -> None:
    """There is no application object here."""
    planning = action_named(ACTION).plan(identity(kind=kind), {"changed-since": "24h"}, MEANS)

    assert planning.steps == ()
    assert len(planning.not_done) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"change": "a", "changed-since": "1h"},
        {"change": []},
        {"change": [1]},
        {"changed-since": "8d"},
        {"change": "a", "adding": "look-alikes"},
        {"changed-since": "1h", "adding": "everything"},
        {"adding": "look-alikes"},
        {"since": "1h"},
    ],
)
def test_a_choice_that_names_no_change_is_refused(options: dict[str, Any]) -> None:
    """A typo never becomes "everything"."""
    with pytest.raises(ValueError, match="option"):
        action_named(ACTION).check_options(options)
