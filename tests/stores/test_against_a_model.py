"""Any sequence of calls leaves the stores on this machine as it leaves plain dicts."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.clients.sqlite_store import open_sqlite_store
from shared.errors import SequenceTaken
from shared.journal import IncidentId, Record
from shared.signal import JsonObject
from shared.store import LocalStore, memory_store
from tests.stores.chains import Watch, after

T = TypeVar("T")

KEYS = st.sampled_from(["A", "a", "a.b", "b"])
INCIDENTS = st.sampled_from([IncidentId("i"), IncidentId("i0")])
VALUES = st.none() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False)
BODIES = st.dictionaries(st.text(max_size=3), VALUES, max_size=2)


class TwoStores(RuleBasedStateMachine):
    """Memory, sqlite and a model get the same calls; their answers are the same."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = TemporaryDirectory()
        self._watch = Watch()
        self._stores = [memory_store(self._watch), self._open_file()]
        self._documents: dict[str, JsonObject] = {}
        self._chains: dict[IncidentId, list[Record]] = {}

    @rule(key=KEYS, body=BODIES)
    def insert(self, key: str, body: JsonObject) -> None:
        expected = key not in self._documents
        self._documents.setdefault(key, body)

        assert [self._run(store.documents.insert("p", key, body)) for store in self._stores] == [expected] * 2

    @rule(key=KEYS, body=BODIES)
    def replace(self, key: str, body: JsonObject) -> None:
        for store in self._stores:
            found = self._run(store.documents.get("p", key))
            assert (found is not None) == (key in self._documents)
            if found:
                assert self._run(store.documents.replace("p", key, body, found.etag))
                assert not self._run(store.documents.replace("p", key, body, found.etag))
        if key in self._documents:
            self._documents[key] = body

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        for store in self._stores:
            found = self._run(store.documents.get("p", key))
            if found:
                assert self._run(store.documents.remove("p", key, found.etag))
        self._documents.pop(key, None)

    @rule(incident=INCIDENTS, skip=st.integers(-2, 0), bodies=st.lists(BODIES, min_size=1, max_size=3))
    def append(self, incident: IncidentId, skip: int, bodies: list[JsonObject]) -> None:
        """At the end, or at a place that is taken."""
        chain = self._chains.setdefault(incident, [])
        batch = chain[: max(0, len(chain) + skip)]
        start = len(batch)
        for body in bodies:
            batch.append(after(batch, incident, body))
        expected = start if start < len(chain) else None
        assert [self._place_taken(store, batch[start:]) for store in self._stores] == [expected] * 2
        if expected is None:
            chain.extend(batch[start:])

    @rule(seconds=st.integers(0, 3), delay=st.integers(0, 3))
    def send_and_receive(self, seconds: int, delay: int) -> None:
        for store in self._stores:
            self._run(store.queue.send({"n": delay}, timedelta(seconds=delay)))
        self._watch.moves(timedelta(seconds=seconds))
        memory, file = (list(self._run(store.queue.receive(2, timedelta(seconds=2)))) for store in self._stores)
        assert memory == file
        for store in self._stores:
            for received in memory[:1]:
                assert self._run(store.queue.delete(received))

    @rule()
    def restart(self) -> None:
        """What lies in the file is there after a restart."""
        self._run(self._stores[1].close())
        self._stores[1] = self._open_file()

    @invariant()
    def all_are_alike(self) -> None:
        for store in self._stores:
            found = self._run(store.documents.query("p"))
            assert [(one.key, one.body) for one in found] == sorted(self._documents.items())
            for incident, chain in self._chains.items():
                assert list(self._run(store.journal.read(incident))) == chain
        first, second = (self._run(store.queue.next_due()) for store in self._stores)
        assert first == second

    def teardown(self) -> None:
        self._run(self._stores[1].close())
        self._loop.close()
        self._folder.cleanup()

    def _place_taken(self, store: LocalStore, records: list[Record]) -> int | None:
        try:
            self._run(store.journal.append(records))
        except SequenceTaken as taken:
            return taken.sequence
        return None

    def _open_file(self) -> LocalStore:
        return open_sqlite_store(Path(self._folder.name) / "cordon.db", self._watch)

    def _run(self, call: Awaitable[T]) -> T:
        return self._loop.run_until_complete(call)


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, database=None, derandomize=True
)
