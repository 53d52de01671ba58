"""A rotation that an older version began goes on: its journal says less, and nothing of that is taken for more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.entries import RotationEnded
from shared.estate import SecretRef
from shared.journal import NO_RECORD, MemoryJournal, Record, seal
from shared.rotation import secrets_of
from shared.signal import JsonObject
from tests.rotation.world import RotationWorld, play, policy

TAGGED = SecretRef("shop", "conn")
ALL = policy(ask="[]")


def as_before(data: JsonObject) -> JsonObject:
    """An intent as it was written before it was noted which exposed versions were seen to be keys of the source."""
    before = data.get("before")
    if not isinstance(before, dict) or "known" not in before:
        return data
    return {**data, "before": {name: each for name, each in before.items() if name != "known"}}


async def aged(world: RotationWorld) -> tuple[RotationWorld, int]:
    """The same world with the journal of an older version, and how many intents were changed for that."""
    incident = (await world.chain()).incident
    journal, changed = MemoryJournal(), 0
    for id_ in (incident, secrets_of(incident)):
        records: list[Record] = []
        for each in await world.store.journal.read(id_):
            data = as_before(each.data)
            changed += data != each.data
            previous = records[-1].hash if records else NO_RECORD
            records.append(seal(id_, each.sequence, each.time, each.kind, each.step, data, previous))
        await journal.append(records)
    return replace(world, store=replace(world.store, journal=journal)), changed


@pytest.mark.parametrize("until", [timedelta(minutes=1), timedelta(minutes=14)])
def test_a_rotation_without_the_later_words_goes_on_to_its_end(until: timedelta) -> None:
    """In its grace: what its tags say of the source is enough, and the exposed key dies."""

    async def story(world: RotationWorld) -> None:
        exposed = world.storage_secret(TAGGED, "acct01", read=True)
        value = world.vaults.held[TAGGED][0][1]
        responder = world.instance("one")
        await world.hear_of_leak(responder)
        await world.work_queue(responder, until)
        older, changed = await aged(world)
        await older.work_queue(older.instance("two"), timedelta(hours=3))
        ended = (await older.secrets_chain()).last(RotationEnded)

        assert changed == 1
        assert exposed.version is not None
        assert not older.is_alive(value)
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 1})

    play(story, text=ALL)
