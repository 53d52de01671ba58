"""What a new version has: all that the newest one has when it is published, whoever changed it since the plan."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.entries import RotationEnded, SecretDone
from shared.estate import OPERATION_TAG, SecretRef
from tests.fakes import START
from tests.rotation.world import RotationWorld, play, policy

CONN = SecretRef("shop", "conn")
ALL = policy(ask="[]")


def at(world: RotationWorld, write: str, **changes: Any) -> None:
    """When this is written, the owner changes his newest version."""

    def change(name: str) -> None:
        if name == write:
            seen, value = world.vaults.held[CONN][-1]
            world.vaults.held[CONN][-1] = (replace(seen, **changes), value)

    world.writes.before = change


async def rotated(world: RotationWorld) -> RotationEnded | None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)
    return (await world.secrets_chain()).last(RotationEnded)


def test_what_its_owner_changes_while_a_key_is_made_is_not_put_back() -> None:
    """The plan's copy is older than his tags, type and expiry; a start is kept as well."""

    async def story(world: RotationWorld) -> None:
        seen = world.storage_secret(CONN, "acct01", read=True)
        stored = replace(seen, tags={**seen.tags, "team": "old"}, content_type="text/plain", expires=START)
        world.vaults.held[CONN][-1] = (stored, world.vaults.held[CONN][-1][1])
        theirs = {"providerADDRESS": seen.tags["ProviderAddress"], "credentialID": "key1", "team": "new"}
        begins, ends = seen.created, seen.created + timedelta(days=300)
        changed: dict[str, Any] = {"content_type": "application/x-conn", "expires": ends, "not_before": begins}
        at(world, "regenerate key2", tags={**theirs, "cordon-old-is-dead": "f" * 32}, **changed)
        ended = await rotated(world)
        (made,) = world.made(CONN)

        assert ended is not None
        assert ended.whole
        assert {name: text for name, text in made.tags.items() if name != OPERATION_TAG} == {
            "providerADDRESS": theirs["providerADDRESS"],
            "CredentialId": "key2",
            "team": "new",
        }
        assert (made.content_type, made.not_before) == ("application/x-conn", begins)
        assert made.expires is not None
        assert abs(made.expires - made.created - timedelta(days=300)) < timedelta(seconds=5)

    play(story, text=ALL)


@pytest.mark.parametrize("younger", [False, True])
def test_a_version_that_was_stored_twice_is_told_and_the_older_one_is_disabled(younger: bool) -> None:
    """A request that arrived twice stores two: both hold the new key, and one is enough."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)

        def twice(name: str) -> None:
            if name == "publish" and len(world.made(CONN)) == 1:
                seen, value = world.vaults.held[CONN][-1]
                twin = (replace(seen, version=("f" if younger else "e") * 32), value)
                world.vaults.held[CONN].insert(len(world.vaults.held[CONN]) - (not younger), twin)

        world.writes.after = twice
        ended = await rotated(world)
        made = world.made(CONN)
        (note,) = [e.note for e in (await world.secrets_chain()).all(SecretDone) if e.stage == "disabled"]

        assert ended is not None
        assert [each.enabled for each in made] == ([True, True] if younger else [False, True])
        assert ("is younger" in str(note)) is younger
        assert ("stored more than once" in str(note)) is not younger

    play(story, text=ALL)
