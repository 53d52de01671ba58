"""Everything that is listed in a catalogue keeps its contract, from the moment it is listed."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import pytest

from shared import witness
from shared.actions import ACTIONS, action_named
from shared.actions.interface import Action, ChangesAzure, Earlier, Means, Planning, Proof
from shared.audit import is_followed, normalise_activity
from shared.case import CASE_PARTS, Grants, IdentityState, Known, Owners, RiskState
from shared.conditions import CONDITIONS
from shared.conditions.interface import Catalogued
from shared.described import settings_described
from shared.entries import PlannedStep
from shared.identity import IdentityKind, IdentityRef
from shared.look import Look
from shared.part_needs import PART_NEEDS
from shared.rotators import ROTATORS
from shared.rotators.interface import Rotator
from shared.sources import SOURCES
from shared.tenant import Tenant
from tests.fakes import (
    ADDRESSES,
    OTHER_VAULT,
    PAYROLL,
    START,
    VAULT,
    FakeAccess,
    FakeClock,
    FakeDirectory,
    FakeFeeds,
    FakeVault,
    address_added,
    app_role,
    certificate,
    delegated,
    directory_role,
    estate_of,
    federated,
    owner,
    password,
    payroll,
    policy_grant,
    role_grant,
)

T = TypeVar("T")

SHARED = Path(__file__).parent.parent / "shared"
MEANS = Means("20260302-0123456789ab", handover_vault=True, now=START, audits=Known((address_added(),)), estate=True)
CREDENTIALS = [
    password(1),
    certificate(2),
    certificate(3, "Sign", "saml"),
    certificate(4, "Verify", "saml"),
    federated(5),
]
GRANTS = Grants(Known((app_role(1), app_role(2))), Known((delegated(3),)), Known((directory_role(4),)))
OWNERS = Owners(Known((owner(1), owner(2))), Known((owner(3),)))
RISK = RiskState("high", "atRisk", "none", None)
OPTIONS: dict[str, list[dict[str, object]]] = {
    "replace-credentials": [{}, {"new-certificate": True}, {"only": [password(1).key_id, certificate(2).key_id]}],
    "remove-app-roles": [{}, {"added-since": "24h"}],
    "remove-delegated-grants": [{}, {"added-since": "24h"}],
    "remove-directory-roles": [{}, {"added-since": "24h"}],
    "require-risk-policy": [{}, {"state": "enabled"}],
    "revert-configuration": [{"changed-since": "24h"}, {"change": "Directory_1"}],
    "cut-vault-access": [{}, {"self-granting": "remove"}],
}
EVERY_PLAN = [(action, options) for action in ACTIONS for options in OPTIONS.get(action.name, [{}])]


def _tenant(state: IdentityState) -> Tenant:
    clock = FakeClock()
    directory = FakeDirectory(state, clock, risk=RISK, grants=Known(GRANTS), owners=Known(OWNERS))
    access = FakeAccess((VAULT, OTHER_VAULT), (role_grant(1), policy_grant(), role_grant(2, "/", "Owner", reads=False)))
    return Tenant(directory, FakeFeeds(), FakeVault(clock), None, estate=estate_of(access))


def _whole(tenant: Tenant) -> list[object]:
    """All of the tenant that a step can change."""
    directory = tenant.directory
    assert isinstance(directory, FakeDirectory)
    assert tenant.estate is not None
    assert isinstance(tenant.estate.access, FakeAccess)
    grants = tenant.estate.access.grants
    return [directory.state, directory.grants, directory.owners, directory.policies, directory.risk, grants]


def _look(tenant: Tenant) -> Look:
    return Look(tenant.directory, IdentityRef(PAYROLL), FakeClock(), tenant.estate)


def _state(kind: IdentityKind = IdentityKind.OWN_SINGLE_TENANT) -> IdentityState:
    state = payroll(application=CREDENTIALS, principal=[password(6)], kind=kind)
    return replace(state, deactivated=False, addresses=ADDRESSES) if state.application else state


def _run(what: Awaitable[T]) -> T:
    async def main() -> T:
        return await what

    return asyncio.run(main())


@pytest.mark.parametrize("catalogue", ["actions", "conditions", "rotators", "sources"])
def test_every_entry_is_named_like_its_file(catalogue: str) -> None:
    """The word in a policy, the entry's name and the file's name are one."""
    entries = {"actions": ACTIONS, "conditions": CONDITIONS, "rotators": ROTATORS, "sources": SOURCES}[catalogue]
    names = [entry.name for entry in entries]

    assert len(names) == len(set(names))
    for entry in entries:
        module = type(entry).__module__ if catalogue != "conditions" else str(getattr(entry, "__module__", ""))
        stem = module.rsplit(".", 1)[-1]
        assert (SHARED / catalogue / f"{stem}.py").is_file()
        if catalogue != "conditions" or stem != "groups":
            assert entry.name == stem.replace("_", "-")


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_declares_what_it_needs(action: Action) -> None:
    """Permissions to write and to read stand beside the code, by Graph's names."""
    azure = action.azure_permissions if isinstance(action, ChangesAzure) else ()
    for permission in (*action.permissions, *action.reads):
        assert permission.count(".") >= 2
    assert all(permission.startswith("Microsoft.") for permission in azure)
    assert action.permissions or azure


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
def test_every_condition_says_what_it_asks_for_and_what_its_settings_mean(condition: type[Catalogued]) -> None:
    """The reference, the schema and whoever checks a policy are told by the entry itself."""
    settings = {each.name for each in fields(condition)}  # pyright: ignore[reportArgumentType]

    assert set(condition.needs) <= set(CASE_PARTS)
    assert not condition.unknown_when.endswith(".")
    assert set(settings_described(condition)) == settings, "write a text below each setting"
    assert condition.__doc__


def test_every_part_of_a_case_says_what_it_takes_to_read_it() -> None:
    """Permissions by Graph's names, and the licence if there is one; shared/part_needs.py."""
    assert set(PART_NEEDS) == set(CASE_PARTS)
    for needs in PART_NEEDS.values():
        assert all(permission.count(".") >= 2 for permission in needs.permissions)
        assert (needs.licence is None) == (needs.without is None)


@pytest.mark.parametrize("rotator", ROTATORS, ids=lambda rotator: rotator.name)
def test_every_rotator_declares_what_it_needs(rotator: Rotator) -> None:
    """Permissions stand beside the code: Graph's and ARM's by their names, else a role and what it is on."""
    assert rotator.permissions
    for permission in rotator.permissions:
        assert permission.count(".") == 2 or permission.startswith("Microsoft.") or " on the " in permission
    assert rotator.keys in ("two", "one", "certificate", "owner", "none")


@pytest.mark.parametrize("rotator", ROTATORS, ids=lambda rotator: rotator.name)
def test_every_rotator_has_a_line_in_the_docs(rotator: Rotator) -> None:
    """What it serves, what it makes, what breaks."""
    page = (SHARED.parent / "docs" / "secrets.md").read_text(encoding="utf-8")

    assert f"\n| `{rotator.name}` | " in page


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_unknown_options_are_refused_in_words(action: Action) -> None:
    """A typo in an option never becomes a default."""
    with pytest.raises(ValueError, match=r"option|true or false"):
        action.check_options({"nonsense": True})


@pytest.mark.parametrize("kind", IdentityKind)
@pytest.mark.parametrize(("action", "options"), EVERY_PLAN, ids=lambda value: getattr(value, "name", str(value)))
def test_every_kind_of_identity_gets_steps_or_a_named_outcome(
    kind: IdentityKind, action: Action, options: dict[str, object]
) -> None:
    """No action passes an identity over in silence."""
    planning = action.plan(_state(kind), options, MEANS)  # pyright: ignore[reportArgumentType]

    assert planning.steps or planning.not_done
    for step in planning.steps:
        assert step.target_id
        assert step.target_name == "payroll-sync"
        assert step.describe
        assert step.reversible or step.cannot_be_undone
    for outcome in planning.not_done:
        assert outcome.outcome == outcome.outcome.lower()
        assert outcome.reason


async def _carry_out(step: PlannedStep, tenant: Tenant, *, times: int = 1) -> tuple[Earlier, Proof, Proof]:
    """The earlier of the journal, the proof before and the proof after applying so many times."""
    action = action_named(step.action)
    image = (await action.capture(step, Earlier(), _look(tenant))).image
    before = await action.verify(step, Earlier(image), _look(tenant))
    made: dict[str, object] = {}
    for _ in range(times):
        made |= (await action.apply(step, image, tenant)).made
    earlier = Earlier(image, made)
    return earlier, before, await action.verify(step, earlier, _look(tenant))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_contains_if_one_of_its_steps_does(action: Action) -> None:
    """Preflight tells from the action alone whether a policy could contain anything; plans tell from the steps."""
    plans = [action.plan(_state(), options, MEANS) for options in OPTIONS.get(action.name, [{}])]  # pyright: ignore[reportArgumentType]

    contains = any(step.contains for plan in plans for step in plan.steps)
    assert action.contains == contains


def _steps() -> list[PlannedStep]:
    plans: list[Planning] = [
        action.plan(_state(), options, MEANS)  # pyright: ignore[reportArgumentType]
        for action, options in EVERY_PLAN
    ]
    return list({(step.id, str(step.options)): step for planning in plans for step in planning.steps}.values())


@pytest.mark.parametrize("step", _steps(), ids=lambda step: step.id)
def test_a_step_is_proven_after_it_was_applied_and_not_before(step: PlannedStep) -> None:
    """The proof tells the two states apart, so it can fail."""
    _, before, after = _run(_carry_out(step, _tenant(_state())))

    assert before.answer != "held"
    assert after.answer == "held"


@pytest.mark.parametrize("step", _steps(), ids=lambda step: step.id)
def test_applying_twice_is_applying_once(step: PlannedStep) -> None:
    """A step that a crash interrupted is applied again from the same image, and the end is the same."""
    once, twice = _tenant(_state()), _tenant(_state())
    _run(_carry_out(step, once))
    _run(_carry_out(step, twice, times=2))

    assert isinstance(twice.handover, FakeVault)
    assert _whole(once) == _whole(twice)
    assert twice.handover.made <= 1


@pytest.mark.parametrize("step", _steps(), ids=lambda step: step.id)
def test_what_is_captured_can_be_journaled(step: PlannedStep) -> None:
    """An image is plain JSON, and no field of it could hold a secret."""
    earlier, _, _ = _run(_carry_out(step, _tenant(_state())))
    text = json.dumps(earlier.image)

    assert json.loads(text) == earlier.image
    assert "secretText" not in text


def test_signing_keys_stay() -> None:
    """Single sign-on of people goes on: the Sign key and its partner are sent back as they were read."""
    tenant = _tenant(_state())
    for step in action_named("replace-credentials").plan(_state(), {}, MEANS).steps:
        _run(_carry_out(step, tenant))

    assert isinstance(tenant.directory, FakeDirectory)
    application = tenant.directory.state.application
    assert application is not None
    assert [key.key_id for key in application.keys] == [certificate(3).key_id, certificate(4).key_id]


def test_a_key_that_hides_behind_a_signing_key_goes() -> None:
    """Of each Sign key one partner with its dates stays; a second one with the same identifier does not."""
    hidden = replace(certificate(7, "Verify", "saml"), start=None)
    state = payroll(application=[*CREDENTIALS, hidden])
    tenant = _tenant(state)
    for step in action_named("replace-credentials").plan(state, {}, MEANS).steps:
        _run(_carry_out(step, tenant))

    assert isinstance(tenant.directory, FakeDirectory)
    application = tenant.directory.state.application
    assert application is not None
    assert hidden.key_id not in {key.key_id for key in application.keys}


@pytest.mark.parametrize(("action", "options"), EVERY_PLAN)
def test_a_plan_is_a_whole_diff(action: Action, options: dict[str, object]) -> None:
    """Before and after, what breaks, what cannot be undone, and what no read can show of a step that cuts off."""
    for step in action.plan(_state(), options, MEANS).steps:  # pyright: ignore[reportArgumentType]
        assert step.changes
        assert step.breaks
        assert step.cannot_be_proven or not step.contains
        assert step.reversible or step.cannot_be_undone


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_the_audit_log_can_bear_witness_to_an_action_or_it_is_said_why_not(action: Action) -> None:
    """A new action names what the log calls its writes, in a spelling that is followed, or why it cannot."""
    activities = witness.ACTIVITIES.get(action.name, ())

    assert bool(activities) is not bool(witness.NO_ACTIVITIES.get(action.name))
    assert all(is_followed(activity) and normalise_activity(activity) == activity for activity in activities)
