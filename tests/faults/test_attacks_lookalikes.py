"""Keys that only look like what may stay."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from shared.case import IdentityState, Key
from shared.entries import Applied
from shared.incident import Status
from tests.fakes import certificate, password, payroll
from tests.stories.world import POLICY, World, play, with_vault

KEEPING = POLICY.replace("replace-credentials]", "{replace-credentials: {signing-keys: keep}}]")
RENEWING = POLICY.replace("replace-credentials]", "{replace-credentials: {new-certificate: true}}]")


def _with_keys(state: IdentityState, *keys: Key) -> IdentityState:
    assert state.application is not None
    return replace(state, application=replace(state.application, keys=keys))


def test_a_key_that_takes_the_place_of_ours_is_found_by_its_public_part() -> None:
    """An attacker replaces our certificate by one that shows our identifier: it goes, and ours comes back."""

    async def story(world: World) -> None:
        world = with_vault(world)
        responder = world.instance()
        await world.hear_of_leak(responder)
        made = next(a.made for a in (await world.chain()).all(Applied) if a.made)
        impostor = certificate(66, group=str(made["thumbprint"]))
        world.directory.state = _with_keys(world.directory.state, impostor)
        await world.work_queue(responder, timedelta(minutes=2))
        application = world.directory.state.application

        assert application is not None
        assert [key.key_id in world.directory.made for key in application.keys] == [True]
        assert world.vault is not None
        assert world.vault.made == 1
        assert await world.status() is Status.CONTAINED

    play(story, payroll(application=[password(1)]), policy=RENEWING)


def test_a_signing_pair_that_comes_later_is_not_kept() -> None:
    """What is kept for single sign-on was there before the first change; a later pair would authenticate."""

    async def story(world: World) -> None:
        responder = world.instance()
        await world.hear_of_leak(responder)
        kept = (certificate(3, "Sign", "saml"), certificate(4, "Verify", "saml"))
        late = (certificate(7, "Sign", "late"), certificate(8, "Verify", "late"))
        await asyncio.sleep(2)
        world.directory.state = _with_keys(world.directory.state, *kept, *late)
        await world.work_queue(responder, timedelta(minutes=2))
        application = world.directory.state.application

        assert application is not None
        assert application.keys == kept
        assert await world.status() is Status.CONTAINED

    saml = [certificate(3, "Sign", "saml"), certificate(4, "Verify", "saml")]
    play(story, payroll(application=[password(1), *saml]), policy=KEEPING)
