"""Two incidents about one source take turns there: what the one has made and published the other does not make new."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from shared.entries import RotationEnded, SecretIntended, SecretStopped, SecretYields
from shared.errors import CannotBeRead, OutcomeUnknown
from shared.estate import SecretRef
from shared.signal import JsonObject
from shared.source_leases import SourceLeases
from shared.store import Document, Documents, MemoryDocuments, memory_store
from tests.fakes import START, Crash, FakeClock, FakeDirectory, password, payroll
from tests.rotation.killing import Killer, with_killer
from tests.rotation.world import RotationWorld, account, play, policy
from tests.stories.world import detection

CONN, COPY = SecretRef("shop", "conn"), SecretRef("attic", "copy")
ALL = policy(ask="[]")
SOURCE, LASTS = account("acct01").lower(), timedelta(minutes=11)


@dataclass
class SharedLeases:
    """Documents of one incident's own, but for the turns at sources, and for what is proven dead."""

    own: Documents
    shared: Documents

    def _of(self, partition: str) -> Documents:
        return self.shared if partition in ("source-leases", "dead-versions") else self.own

    async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
        return await self._of(partition).insert(partition, key, body)

    async def insert_all(self, partition: str, bodies: Mapping[str, JsonObject]) -> frozenset[str]:
        return await self._of(partition).insert_all(partition, bodies)

    async def get(self, partition: str, key: str) -> Document | None:
        return await self._of(partition).get(partition, key)

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        return await self._of(partition).replace(partition, key, body, etag)

    async def remove(self, partition: str, key: str, etag: str) -> bool:
        return await self._of(partition).remove(partition, key, etag)

    async def query(
        self, partition: str, *, after: str = "", before: str | None = None, limit: int = 1000
    ) -> Sequence[Document]:
        return await self._of(partition).query(partition, after=after, before=before, limit=limit)


def beside(world: RotationWorld) -> RotationWorld:
    """Another incident about the same vaults and services, with an identity, a journal and a queue of its own."""
    store, state = memory_store(world.clock), payroll(application=[password(1)])
    leak_of_it = replace(detection(), id="70000000-0000-4000-8000-000000000002")
    directory = FakeDirectory(state, world.clock, detections=(leak_of_it,))
    return replace(
        world, directory=directory, store=replace(store, documents=SharedLeases(store.documents, world.store.documents))
    )


async def rotate(world: RotationWorld, number: int) -> RotationEnded | None:
    responder = world.instance(str(number))
    await world.hear_of_leak(responder, number)
    await world.work_queue(responder, timedelta(hours=4))
    return (await world.secrets_chain()).last(RotationEnded)


async def both(world: RotationWorld) -> Sequence[RotationEnded | None]:
    return await asyncio.gather(rotate(world, 1), rotate(beside(world), 2))


def newest(world: RotationWorld, ref: SecretRef = CONN) -> str:
    return world.enabled(ref)[-1]


@pytest.mark.parametrize("tells_times", [True, False])
def test_two_incidents_at_once_make_the_idle_key_new_once(tells_times: bool) -> None:
    """They plan in the same second; whoever is second finds the exposed key dead, and makes none anew."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.sources.held[SOURCE].tells_times = tells_times
        exposed = newest(world)
        ends = await both(world)
        made = [name for name in world.writes.done if name.startswith("regenerate")]

        assert made == ["regenerate key2", "regenerate key1"]
        assert all(end is not None and end.counts == {"rotated": 1} for end in ends)
        assert all(end is not None and end.whole for end in ends)
        assert world.writes.done.count("publish") == 1
        assert not world.is_alive(exposed)
        assert world.is_alive(newest(world))

    play(story, text=ALL)


def test_an_incident_whose_secret_another_one_left_behind_is_not_given_its_key() -> None:
    """Each of them holds its own secret of the account; the key that either publishes last is alive in the end."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.storage_secret(COPY, "acct01", read=True)
        await both(world)

        assert world.is_alive(newest(world))
        assert world.is_alive(newest(world, COPY))

    play(story, text=ALL)


def test_whoever_waits_says_for_whom_and_the_lower_tiers_go_on() -> None:
    """A turn that is another's is a moment to wait for, as a grace is."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.storage_secret(SecretRef("shop", "other"), "acct02")
        await SourceLeases(world.store.documents, "another", world.clock).take(SOURCE, timedelta(minutes=50))
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=40))
        chain = await world.secrets_chain()
        yields = [(entry.to, step) for step in ("shop/conn", "shop/other") for entry in chain.all(SecretYields, step)]

        assert yields == [("another", "shop/conn")]
        assert [name for _, _, name in world.touched if name.endswith("acct01")] == []
        assert [name for _, _, name in world.touched if name.endswith("acct02")] != []
        assert sum(record.kind == "work-started" for record in chain.records) < 25

        await world.work_queue(responder, timedelta(hours=4))
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert ended.whole

    play(story, text=ALL)


def test_what_is_read_while_it_waits_has_to_die_as_well() -> None:
    """Another incident has published a version that the identity read; when this one goes on, all looks are over."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.vaults.held[CONN][-1] = (replace(world.vaults.held[CONN][-1][0], created=START), newest(world))
        await SourceLeases(world.store.documents, "another", world.clock).take(SOURCE, timedelta(minutes=130))
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=5))
        second = world.storage_secret(CONN, "acct01", "key2")
        world.read(CONN, str(second.version), world.clock())
        exposed = world.enabled(CONN)
        await world.work_queue(responder, timedelta(hours=4))
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert len(exposed) == 2
        assert not any(map(world.is_alive, exposed))
        assert world.is_alive(newest(world))
        assert ended is not None
        assert ended.whole

    play(story, text=ALL)


def test_who_died_at_a_source_keeps_it_for_a_while_only_and_finds_out_what_became_of_it() -> None:
    """Killed between a new key and its record: another incident goes on, and the first looks again what is there."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.sources.held[SOURCE].tells_times = False
        killer = Killer()
        first = with_killer(world, killer)
        killed = False

        def die(name: str) -> None:
            nonlocal killed
            if name == "regenerate key2" and not killed:
                killed = True
                killer.at = killer.seen + 1
                killer.moment(name)

        first.writes.after = die
        with pytest.raises(Crash):
            await rotate(first, 1)
        world.writes.before = world.writes.after = lambda name: None
        second = await rotate(beside(world), 2)
        published = newest(world)
        killer.revive()
        await first.work_queue(first.instance("again"), timedelta(hours=4))
        ended = (await first.secrets_chain()).last(RotationEnded)

        assert killed
        assert second is not None
        assert second.whole
        assert ended is not None
        assert ended.whole
        assert newest(world) == published
        assert world.is_alive(published)
        assert len(list((await first.secrets_chain()).all(SecretIntended, "shop/conn"))) > 2

    play(story, text=ALL)


def test_a_note_that_cannot_be_read_stops_the_rotation_there() -> None:
    """Nobody can say who is at the source: nothing is made new, and a person is told which row it is."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        leases = SourceLeases(world.store.documents, "another", world.clock)
        await leases.take(SOURCE, LASTS)
        (note,) = await world.store.documents.query("source-leases")
        await world.store.documents.replace("source-leases", note.key, {"holder": "?"}, note.etag)
        await rotate(world, 1)
        stopped = (await world.secrets_chain()).last(SecretStopped, "shop/conn")

        assert stopped is not None
        assert note.key in stopped.reason
        assert world.touched == []

    play(story, text=ALL)


class TestSourceLeases:
    """The note in the store alone."""

    pytestmark = pytest.mark.anyio

    def one(self, documents: Documents, incident: str, clock: FakeClock) -> SourceLeases:
        return SourceLeases(documents, incident, clock)

    @pytest.mark.anyio
    async def test_the_second_gets_it_when_it_is_given_back_or_its_time_is_over(self) -> None:
        """Each change of hands is another turn; whoever takes it again finds the turn of before."""
        documents, clock = MemoryDocuments(), FakeClock()
        one, two = (self.one(documents, name, clock) for name in ("one", "two"))
        first = await one.take(SOURCE, LASTS)
        refused = await two.take(SOURCE, LASTS)
        await one.give_back(SOURCE)
        again = await self.one(documents, "one", clock).take(SOURCE, LASTS)
        clock.now += timedelta(minutes=16)
        second = await two.take(SOURCE, LASTS)

        assert refused == first
        assert again.turn == first.turn
        assert (second.holder, second.turn) == ("two", first.turn + 1)
        assert (await one.take(SOURCE, LASTS)).holder == "two"

    @pytest.mark.anyio
    async def test_what_another_one_has_by_now_is_not_given_back(self) -> None:
        """Whoever comes back late changes nothing."""
        documents, clock = MemoryDocuments(), FakeClock()
        one, two = (self.one(documents, name, clock) for name in ("one", "two"))
        await one.take(SOURCE, LASTS)
        clock.now += timedelta(minutes=16)
        held = await two.take(SOURCE, LASTS)
        await one.give_back(SOURCE)

        assert await self.one(documents, "three", clock).take(SOURCE, LASTS) == held

    @pytest.mark.anyio
    async def test_a_lost_answer_is_read_again(self) -> None:
        """Whether it was written only the note tells."""

        class Losing(MemoryDocuments):
            async def insert(self, partition: str, key: str, body: JsonObject) -> bool:
                await super().insert(partition, key, body)
                raise OutcomeUnknown("noting", "no answer")

        lease = await self.one(Losing(), "one", FakeClock()).take(SOURCE, LASTS)

        assert (lease.holder, lease.turn) == ("one", 1)
        assert lease.until >= START + LASTS

    @pytest.mark.anyio
    async def test_no_text_of_a_source_becomes_a_key(self) -> None:
        """Whatever it is called."""
        documents = MemoryDocuments()
        await self.one(documents, "one", FakeClock()).take("/../x?#\n", LASTS)
        (note,) = await documents.query("source-leases")
        await documents.replace("source-leases", note.key, {"holder": 1, "turn": 1, "until": "soon"}, note.etag)

        assert note.key.isalnum()
        with pytest.raises(CannotBeRead):
            await self.one(documents, "two", FakeClock()).take("/../x?#\n", LASTS)
