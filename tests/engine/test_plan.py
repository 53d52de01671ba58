"""The plan: what a person approves, and when it is no longer the same."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions.interface import Means
from shared.case import Addresses, CouldNotLook, Holder, IdentityState, Known, NotLooked
from shared.entries import NamedOutcome, Planned
from shared.identity import IdentityKind, PrincipalId
from shared.plan import fingerprint, make_plan
from shared.policy import ActionChoice
from shared.signal import JsonObject
from tests.fakes import START, certificate, federated, password, payroll

FULL = payroll(application=[password(1), password(2), certificate(3), certificate(4), federated(5), federated(6)])
MEANS = Means("20260302-0123456789ab", handover_vault=True)
NO_VAULT = NamedOutcome(action="custody", outcome="permission-missing", reason="not granted here")


def _plan(*names: str, state: IdentityState = FULL, means: Means = MEANS, **left_out: NamedOutcome) -> Planned:
    return make_plan([ActionChoice(name, {}) for name in names], state, means, START, left_out)


def _of_application(state: IdentityState, **fields: object) -> IdentityState:
    assert state.application is not None
    return replace(state, application=replace(state.application, **fields))  # pyright: ignore[reportArgumentType]


# The steps


def test_steps_are_numbered_from_one_in_the_order_of_the_actions_rank() -> None:
    """Whatever order the policy names them in: the reversible cut comes first."""
    plan = _plan("confirm-compromised", "replace-credentials", "block-sign-in")

    assert [step.id.split("-")[0] for step in plan.steps] == ["1", "2", "3", "4"]
    assert (plan.steps[0].id, plan.steps[-1].id) == ("1-block-sign-in", "4-confirm-compromised")
    assert plan.expires_at == START + timedelta(hours=1)
    assert plan.fingerprint == fingerprint(FULL)


def test_what_cannot_run_here_stands_in_the_plan_by_name_and_the_others_go_on() -> None:
    """No step of it, and its reason, before what the actions themselves leave out."""
    plan = _plan("custody", "block-sign-in", custody=NO_VAULT)

    assert [step.action for step in plan.steps] == ["block-sign-in"]
    assert plan.not_done == (NO_VAULT,)
    assert _plan("block-sign-in", custody=NO_VAULT).not_done == ()
    assert make_plan([ActionChoice("block-sign-in", {})], FULL, MEANS, START).steps == plan.steps


def test_options_reach_the_action() -> None:
    """A new certificate is made where the policy asks for it."""
    options: JsonObject = {"new-certificate": True}
    plan = make_plan([ActionChoice("replace-credentials", options)], FULL, MEANS, START)

    assert [step.once for step in plan.steps].count(True) == 1
    assert not any(step.once for step in _plan("replace-credentials").steps)


def test_of_what_is_deleted_only_its_end_is_planned() -> None:
    """Anything else is left out by name, with when it was deleted and how it can come back; it can be purged."""
    deleted = replace(FULL, deleted_at=START)
    plan = _plan("block-sign-in", "replace-credentials", state=deleted)
    (first, second) = plan.not_done

    assert plan.steps == ()
    assert (first.action, second.action) == ("block-sign-in", "replace-credentials")
    assert {first.outcome, second.outcome} == {"soft-deleted"}
    assert "deleted on 2026-03-02 03:00 UTC" in first.reason
    assert "restore-application" in first.reason
    assert [step.action for step in _plan("restore-application", state=deleted).steps] == ["restore-application"]


# What is approved


def test_the_hash_covers_steps_and_state() -> None:
    """Another action, another option or another state is another plan; the same is the same, at any time."""
    plan, later = (
        _plan("block-sign-in"),
        make_plan(
            [ActionChoice("block-sign-in", {})],
            replace(FULL, read_at=START + timedelta(days=1)),
            MEANS,
            START + timedelta(days=1),
        ),
    )
    others = [
        _plan("block-sign-in", "confirm-compromised"),
        _plan("block-sign-in", state=replace(FULL, enabled=False)),
        _plan("block-sign-in", state=_of_application(FULL, passwords=(password(9),))),
        _plan("replace-credentials"),
    ]

    assert plan.hash == later.hash
    assert len({plan.hash, *(other.hash for other in others)}) == 5


def test_the_incident_s_name_is_no_part_of_what_is_approved_and_everything_else_of_a_step_is() -> None:
    """A preview has no incident yet, and its plan can be approved all the same."""
    renew: JsonObject = {"new-certificate": True}

    def hash_of(means: Means, options: JsonObject) -> str:
        return make_plan([ActionChoice("replace-credentials", options)], FULL, means, START).hash

    named, preview = hash_of(MEANS, renew), hash_of(replace(MEANS, incident="preview"), renew)
    some = hash_of(MEANS, {**renew, "only": [password(1).key_id]})

    assert named == preview
    assert len({named, some, hash_of(MEANS, {"only": [password(1).key_id]}), hash_of(MEANS, {})}) == 4


def test_the_only_difference_between_two_plans_may_be_an_option() -> None:
    """Report-only or enabled: the same step on the same object, and not the same thing to approve."""
    hashes = {
        make_plan([ActionChoice("require-risk-policy", {"state": state})], FULL, MEANS, START).hash
        for state in ("report-only", "enabled")
    }

    assert len(hashes) == 2


def test_prints_and_hashes_stay_what_they_are_in_kept_journals() -> None:
    """An approval that waits while Cordon is updated is still for the plan that was seen."""
    assert fingerprint(FULL) == "6db1a12a958c5d1c3553cf28285966b52bacf67466e15522df7e5edfa2870789"
    assert _plan("block-sign-in").hash == "281f5f53e02fc72847ee9cb64424768f874bbf40de7f0c0aa9870bcf6ed30c70"


# The state


CHANGES: dict[str, IdentityState] = {
    "who": replace(FULL, identity=replace(FULL.identity, principal_id=PrincipalId("another"))),
    "enabled": replace(FULL, enabled=False),
    "instance lock": replace(FULL, instance_lock={"isEnabled": True}),
    "deactivated": replace(FULL, deactivated=True),
    "addresses": replace(FULL, addresses=Addresses({"web": {"redirectUris": ["https://a.example"]}}, ())),
    "other addresses": replace(FULL, addresses=Addresses({"web": {"redirectUris": ["https://b.example"]}}, ())),
    "identifiers": replace(FULL, addresses=Addresses({}, ("api://payroll",))),
    "deleted": replace(FULL, deleted_at=START),
    "no application": replace(FULL, application=None),
    "another object": _of_application(FULL, object_id="another"),
    "a secret": _of_application(FULL, passwords=(password(1), password(9))),
    "a certificate": _of_application(FULL, keys=(certificate(3), certificate(9))),
    "what a certificate is for": _of_application(FULL, keys=(certificate(3), certificate(4, usage="Sign"))),
    "a federated credential": _of_application(FULL, federated=Known((federated(5), federated(9)))),
    "federated unread": _of_application(FULL, federated=CouldNotLook("hidden")),
    "no federated": _of_application(FULL, federated=Known(())),
    "single sign-on": _of_application(FULL, single_sign_on="saml"),
    "its thumbprint": _of_application(FULL, signing_thumbprint="AB"),
    "whose it is": replace(FULL, identity=replace(FULL.identity, kind=IdentityKind.OWN_MULTI_TENANT)),
    "Microsoft's word": replace(FULL, disabled_by_microsoft="DisabledDueToViolationOfServicesAgreement"),
    "its encryption": _of_application(FULL, token_encryption_key_id="k"),
}


def test_whatever_a_plan_depends_on_changes_the_fingerprint() -> None:
    """Each of these states differs from each other one."""
    prints = {fingerprint(state) for state in (FULL, *CHANGES.values())}

    assert len(prints) == len(CHANGES) + 1


def _turned(holder: Holder) -> Holder:
    assert isinstance(holder.federated, Known)
    return replace(
        holder,
        passwords=holder.passwords[::-1],
        keys=holder.keys[::-1],
        federated=Known(holder.federated.value[::-1]),
    )


def test_neither_the_order_of_credentials_nor_the_moment_of_reading_changes_it() -> None:
    """The service lists as it likes; not looked and could not look are the same not-known."""
    assert FULL.application is not None
    unread = [_of_application(FULL, federated=part) for part in (NotLooked(), CouldNotLook("hidden"))]

    assert fingerprint(replace(FULL, application=_turned(FULL.application))) == fingerprint(FULL)
    assert fingerprint(replace(FULL, read_at=START + timedelta(days=1))) == fingerprint(FULL)
    assert fingerprint(unread[0]) == fingerprint(unread[1])
    assert fingerprint(replace(FULL, deleted_at=START)) == fingerprint(replace(FULL, deleted_at=START + timedelta(1)))


@pytest.mark.parametrize("lock", [{"a": 1, "b": 2}, {"b": 2, "a": 1}])
def test_the_order_within_an_instance_lock_does_not_change_it(lock: JsonObject) -> None:
    """Nor does the spelling of JSON."""
    assert fingerprint(replace(FULL, instance_lock=lock)) == fingerprint(replace(FULL, instance_lock={"a": 1, "b": 2}))


def test_a_rotation_is_part_of_what_a_person_approves() -> None:
    """With it, without it, and with other options are three plans; nothing is planned where Azure is not configured."""
    azure = replace(MEANS, estate=True)
    rotation = ActionChoice("rotate-secrets", {"tiers": [1]})
    with_it = _plan("block-sign-in", "rotate-secrets", means=azure)
    less = make_plan([ActionChoice("block-sign-in", {}), rotation], FULL, azure, START)

    assert [(step.action, step.lasting) for step in with_it.steps] == [
        ("block-sign-in", False),
        ("rotate-secrets", True),
    ]
    assert len({with_it.hash, less.hash, _plan("block-sign-in", means=azure).hash}) == 3
    assert [each.outcome for each in _plan("rotate-secrets").not_done] == ["azure-not-configured"]
