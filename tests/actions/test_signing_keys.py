"""Keys that look like single sign-on: kept where they are in use, removed where accused, else a person's to settle."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions import action_named
from shared.actions.interface import Means, Planning
from shared.case import IdentityState, Key, Known
from shared.entries import Planned
from shared.incident import Status
from shared.signal import JsonObject
from tests.actions.scene import MEANS
from tests.fakes import START, certificate, password, payroll
from tests.stories.world import POLICY, World, play

ACTION = "replace-credentials"
THUMBPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"
LONG_AGO = START - timedelta(days=400)


def _pair(number: int = 3, made: object = LONG_AGO) -> tuple[Key, Key]:
    keys = (certificate(number, "Sign", THUMBPRINT), certificate(number + 1, "Verify", THUMBPRINT))
    sign, verify = (replace(key, start=made) for key in keys)
    return sign, verify


def _saml(*keys: Key, mode: str | None = "saml", preferred: str | None = THUMBPRINT) -> IdentityState:
    state = payroll(application=[password(1)], principal=keys)
    (principal,) = state.principals
    return replace(state, principals=(replace(principal, single_sign_on=mode, signing_thumbprint=preferred),))


def _plan(state: IdentityState, options: JsonObject | None = None, means: Means = MEANS) -> Planning:
    return action_named(ACTION).plan(state, options or {}, means)


def _outcomes(planning: Planning) -> list[str]:
    return [outcome.outcome for outcome in planning.not_done]


def test_a_pair_that_single_sign_on_uses_is_kept_without_asking() -> None:
    """Mode saml, the preferred thumbprint, and made long before: this is how people sign in."""
    planning = _plan(_saml(*_pair()))

    assert _outcomes(planning) == ["signing-or-encryption-keys-kept"]


@pytest.mark.parametrize(
    ("state", "because"),
    [
        (_saml(*_pair(), mode=None), "does not use SAML"),
        (_saml(*_pair(), mode="oidc"), "does not use SAML"),
        (_saml(*_pair(), preferred=None), "not the key that the service principal signs with"),
        (_saml(*_pair(), preferred="F" * 40), "not the key that the service principal signs with"),
        (_saml(*_pair(made=START - timedelta(hours=1))), "within the last 7 days"),
        (_saml(*_pair(made=None)), "within the last 7 days"),
        (payroll(application=[password(1), *_pair()]), "on the application"),
    ],
)
def test_a_pair_that_nothing_shows_to_be_in_use_is_a_persons_to_settle(state: IdentityState, because: str) -> None:
    """Its Verify entry lets whoever made it sign in, and the plan says so in words."""
    (outcome,) = _plan(state).not_done

    assert outcome.outcome == "signing-keys-in-doubt"
    assert because in outcome.reason
    assert "sign in as this identity" in outcome.reason


def test_a_verify_key_marked_for_encryption_is_in_doubt() -> None:
    """tokenEncryptionKeyId can name any key; one with usage Verify authenticates."""
    key = certificate(9)
    state = payroll(application=[key])
    assert state.application is not None
    marked = replace(state, application=replace(state.application, token_encryption_key_id=key.key_id))

    assert _outcomes(_plan(marked)) == ["signing-keys-in-doubt"]


@pytest.mark.parametrize("accused", [3, 4])
def test_an_accused_pair_goes_whole_even_if_it_is_in_use(accused: int) -> None:
    """Entra names one of its keys in keyIds: both entries are removed, and the plan says what they are."""
    means = replace(MEANS, accused=Known(frozenset({certificate(accused).key_id})))
    planning = _plan(_saml(*_pair()), means=means)
    step = planning.steps[-1]

    assert not planning.not_done
    assert step.options["signingKeys"] == [certificate(3).key_id, certificate(4).key_id]
    assert "2 of the certificates are signing or encryption keys" in step.describe


def test_a_person_may_choose_to_keep_or_to_remove_what_is_in_doubt() -> None:
    """The choice is an option of the action, in a policy or in an order."""
    state = _saml(*_pair(), mode=None)

    assert _outcomes(_plan(state, {"signing-keys": "keep"})) == ["signing-or-encryption-keys-kept"]
    assert not _plan(state, {"signing-keys": "remove"}).not_done
    assert _outcomes(_plan(_saml(*_pair()), {"signing-keys": "remove"})) == ["signing-or-encryption-keys-kept"]
    with pytest.raises(ValueError, match="ask, keep or remove"):
        action_named(ACTION).check_options({"signing-keys": "maybe"})


def test_a_planted_pair_is_not_called_contained() -> None:
    """The pair stood there before the plan: the rest is removed, and a person is asked about it."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        view = await responder.incident((await world.chain()).incident)

        assert await world.status() is Status.NEEDS_ATTENTION
        assert len(world.directory.state.principals[0].keys) == 2
        assert any("signing-keys: keep or remove" in task for task in view.todo)
        assert [type_ for type_, *_ in world.topic.published].count("Cordon.Incident.NeedsAttention") >= 1
        assert "Cordon.Incident.Contained" not in [type_ for type_, *_ in world.topic.published]

    play(story, _saml(*_pair(), mode=None))


def test_a_planted_pair_goes_where_the_policy_says_remove() -> None:
    """With signing-keys: remove nothing is left that its maker could come back with."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))

        assert world.directory.state.principals[0].keys == ()
        assert await world.status() is Status.CONTAINED
        assert (await world.chain()).last(Planned) is not None

    policy = POLICY.replace("replace-credentials]", "{replace-credentials: {signing-keys: remove}}]")
    play(story, _saml(*_pair(), mode=None), policy=policy)
