"""
One history: instances that live and die, a queue and an Event Grid that deliver as the platform does, a
tenant, and a chronicle of it all. In memory, under virtual time.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from drill.virtual_time import run, virtual_clock
from shared.actions import ACTIONS, choosable
from shared.actions.interface import Means
from shared.clock import Clock
from shared.desk import Desk
from shared.entries import UndoOrdered
from shared.errors import CordonError, SequenceTaken
from shared.journal import IncidentId, Record, check_append
from shared.policy import Policy, read_policy
from shared.responder import Responder
from shared.signal import JsonObject
from shared.sources import source_for_event
from shared.store import LocalStore, MemoryEvidence, MemoryQueue, Received, memory_store
from tests.fakes import START, TENANT_ID, Crash, FakeFeeds, FakeSwitch, FakeTopic
from tests.faults.chronicle import Appended, Chronicle, Wrote
from tests.faults.estate import Azure, estate_of
from tests.faults.gate import MOST_CALLS, Call, Fate, Gate, Gated, GatedDirectory, Life, gated_estate
from tests.faults.realm import APART, Realm, Vault, reference_state
from tests.faults.secrets_checker import TOUCHED
from tests.stories.world import World, detection, leak

CANARY = "canary-7f3a9c0d1e5b8a2467f3a9c0d1e5b8a24"
AGAIN = (0.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0)  # when Event Grid delivers what was not acknowledged
HIDDEN = timedelta(minutes=10)  # a message in the hands of a worker
VISIBLE_AGAIN = timedelta(seconds=30)  # host.json: visibilityTimeout
MOST_TRIES = 5  # host.json: maxDequeueCount


def reference_actions() -> tuple[str, ...]:
    """Every action of the catalogue that the reference identity can take: a new one joins by itself."""
    state, means = reference_state(), Means("20260302-0123456789ab", handover_vault=True)
    fitting = (action.name for action in ACTIONS if action.name not in APART and action.plan(state, {}, means).steps)
    return tuple(fitting)


def reference_policy(*, actions: Sequence[str] | None = None) -> Policy:
    chosen = reference_actions() if actions is None else actions
    listed = [_with_options(name) for name in chosen]
    text = f"""
version: 1
rules:
  - name: leaked-credential
    when: {{risk-detection: {{types: [leakedCredentials], levels: [medium, high]}}}}
    verdict: contain
    actions: [{", ".join(listed)}]
"""
    return read_policy(text, "matrix.yaml", choosable())


def _with_options(name: str) -> str:
    return "{replace-credentials: {new-certificate: true}}" if name == "replace-credentials" else name


class SwiftJournal:
    """A journal that keeps the records themselves, for the sake of speed; every append is chronicled."""

    def __init__(self, appended: Callable[[Sequence[Record]], None]) -> None:
        self._chains: dict[str, list[Record]] = {}
        self._appended = appended

    async def append(self, records: Sequence[Record]) -> None:
        check_append(records)
        if not records:
            return
        chain = self._chains.setdefault(records[0].incident, [])
        if records[0].sequence != len(chain):
            raise SequenceTaken(records[0].incident, records[0].sequence)
        chain.extend(records)
        self._appended(records)

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return tuple(self._chains.get(incident, ()))


class OpenEvidence(MemoryEvidence):
    """Evidence into which the judge may look."""

    def __init__(self) -> None:
        super().__init__()
        self.contents: dict[str, bytes] = {}

    async def keep(self, content: bytes) -> str:
        digest = await super().keep(content)
        self.contents[digest] = content
        return digest


class WakingQueue(MemoryQueue):
    """A queue that wakes the host for what is put into it: it may be due before what the host is waiting for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.news = asyncio.Event()

    async def put(self, body: bytes, delay: timedelta = timedelta()) -> None:
        await super().put(body, delay)
        self._wake()

    async def release(self, received: Received, delay: timedelta) -> bool:
        released = await super().release(received, delay)
        self._wake()
        return released

    def _wake(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


@dataclass
class Ground:
    """Where a history takes place."""

    fate: Fate
    policy: Policy
    clock: Clock
    chronicle: Chronicle = field(default_factory=Chronicle)
    mode: str = "act"
    skew: dict[str, timedelta] = field(default_factory=dict[str, timedelta])
    feeds: FakeFeeds = field(default_factory=FakeFeeds)
    topic: FakeTopic = field(default_factory=FakeTopic)
    switch: FakeSwitch = field(default_factory=FakeSwitch)
    lives: int = 0
    undo_from: int | None = None  # the number of the first call since an undo was ordered
    working: str = "one"  # the instance that the host gives messages to
    azure: Azure | None = None  # the vaults and services around the tenant, where the history is about secrets
    on_strike: Callable[[Life, Call, str], None] = lambda life, call, kind: None
    twice: Callable[[], float | None] = lambda: None  # seconds after which a message comes once more; None: it does not

    def __post_init__(self) -> None:
        self.realm = Realm(reference_state(), self.clock, detections=(detection(),), on_write=self._wrote)
        self.realm.give_everything()
        self.vault = Vault(self.clock, on_write=self._wrote, counts=self.chronicle.made)
        if self.azure is not None:
            self.azure.touched = lambda name: self.chronicle.happened(self.now(), TOUCHED, name)
        base = memory_store(self.clock)
        self.evidence = OpenEvidence()
        self.queue = WakingQueue(self.clock)
        self.store = LocalStore(SwiftJournal(self._appended), base.documents, self.evidence, self.queue)
        self.gate = Gate(self.now, self.fate, self._struck, self._stale, self._signal_of_a_rival, self._after)
        self._before = self._open_things()
        self._live: dict[str, tuple[Life, Responder]] = {}
        self._after()

    def now(self) -> float:
        return (self.clock() - START).total_seconds()

    # Instances

    def instance(self, name: str) -> tuple[Life, Responder]:
        """The living process of this instance; a new one if it has died."""
        known = self._live.get(name)
        if known is None or known[0].dead:
            self.lives += 1
            life = Life(name)
            known = self._live[name] = life, Responder(self._desk(life))
        return known

    def _desk(self, life: Life) -> Desk:
        skew = self.skew.get(life.instance, timedelta())
        clock = (lambda: self.clock() + skew) if skew else self.clock

        def gated(inner: object, part: str) -> Any:
            return Gated(inner, part, self.gate, life)

        store = LocalStore(
            gated(self.store.journal, "journal"),
            gated(self.store.documents, "documents"),
            self.store.evidence,
            gated(self.store.queue, "queue"),
        )
        topic, directory = (
            gated(self.topic, "topic"),
            cast("Any", GatedDirectory(self.realm, "tenant", self.gate, life)),
        )
        world = self._world(store, clock, directory, gated(self.vault, "vault"), topic)
        if self.azure is None:
            return world.desk(life.instance)
        estate = gated_estate(estate_of(self.azure), self.gate, life)
        token = Random(f"token of {life.instance} {self.lives}").randbytes  # noqa: S311 - a history, no secret
        return replace(replace(world, estate=estate).desk(life.instance), token=token)

    def _world(self, store: LocalStore, clock: Clock, directory: Any, vault: Any, topic: Any) -> World:
        """The stories' world puts an instance together, so that nobody has to do it twice."""
        world = World(directory, clock, self.policy, store, self.mode, vault)
        return replace(world, feeds=self.feeds, topic=topic, switch=self.switch)

    # The platform

    async def deliver(self, event: JsonObject, to: str | None = None) -> None:
        """Event Grid: until it is acknowledged, or given up."""
        for wait in AGAIN:
            await asyncio.sleep(wait)
            _, responder = self.instance(to or self.working)
            try:
                await responder.receive_events([event])
            except (CordonError, Crash):
                continue
            self.chronicle.happened(self.now(), "acknowledged", str(cast("JsonObject", event["data"])["id"]))
            return

    async def order_undo(self, after: float, to: str | None = None) -> None:
        """A person orders the way back of whatever incident there is, and asks again where the answer is an error."""
        await asyncio.sleep(after)
        if self.undo_from is None:
            self.undo_from = len(self.gate.calls)
        for wait in AGAIN:
            await asyncio.sleep(wait)
            _, responder = self.instance(to or self.working)
            try:
                for incident in self.chronicle.incidents:
                    await responder.undo(incident, UndoOrdered(by="a responder", reason="a false alarm"))
            except (CordonError, Crash) as error:
                self.chronicle.happened(self.now(), "undo refused", str(error))
                if "under way" in str(error) or "back already" in str(error):
                    return
                continue
            if self.chronicle.incidents:
                return

    async def work(self, until: float, *, name: Callable[[], str]) -> None:
        """The host: hands over each message when it is due; what fails comes back, five times at most."""
        queue = self.queue
        while self.now() < until:
            news = queue.news
            if len(self.gate.calls) > MOST_CALLS:
                self.chronicle.unfinished = f"no end after {MOST_CALLS} calls, at {self.now():.1f} s"
                return
            due = await queue.next_due()
            wait = 5.0 if due is None else max(0.0, (due - self.clock()).total_seconds())
            if wait:
                if due is None and self._is_quiet():
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), min(wait, until - self.now()))
                continue
            for received in await queue.receive(1, HIDDEN):
                if received.dequeue_count == 1 and (again := self.twice()) is not None:
                    await queue.put(received.body, timedelta(seconds=again))
                life, responder = self.instance(name())
                try:
                    if received.dequeue_count > MOST_TRIES:
                        await responder.tell_poisoned(received.body)
                    else:
                        await responder.work(json.loads(received.body))
                except CordonError as error:
                    self.chronicle.output.append(str(error))
                    await queue.release(received, VISIBLE_AGAIN)
                    continue
                except Crash:
                    assert life.dead
                    await asyncio.sleep(1.0)
                    continue
                await queue.delete(received)

    def _is_quiet(self) -> bool:
        return not self.deliveries and not self.gate.late

    deliveries: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])

    def start(self, coroutine: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_as_coroutine(coroutine))
        self.deliveries.add(task)
        task.add_done_callback(self._delivered)

    def _delivered(self, task: "asyncio.Task[None]") -> None:
        self.deliveries.discard(task)
        if not task.cancelled() and (problem := task.exception()):
            self.chronicle.unfinished = repr(problem)

    async def _signal_of_a_rival(self) -> None:
        """Another instance takes in another signal about the same identity."""
        source = source_for_event("Cordon.Signal.RiskDetection")
        assert source is not None
        signal = cast("Any", source.read(leak(77), TENANT_ID))
        rival = self._world(self.store, self.clock, self.realm, self.vault, self.topic).desk("rival")
        await rival.inbox.take((signal,))

    # What is chronicled

    def _appended(self, records: Sequence[Record]) -> None:
        self.chronicle.events.append(Appended(self.now(), self.gate.by, tuple(records)))

    def _wrote(self, what: str) -> None:
        aimed_at, self.realm.aimed_at = self.realm.aimed_at, None
        self.chronicle.events.append(Wrote(self.now(), self.gate.sent_at, self.gate.by, what, on=aimed_at))

    def _after(self) -> None:
        """What a write of Cordon has opened stands with it."""
        after, chronicle = self._open_things(), self.chronicle
        if after != self._before:
            last = chronicle.events[-1] if chronicle.events else None
            if isinstance(last, Wrote) and after - self._before:
                opened = after - self._before
                chronicle.events[-1] = replace(last, opened=opened)
            self._before = after
        self.realm.keep()
        chronicle.stands_open(self.now(), after)

    def _open_things(self) -> frozenset[str]:
        reads = self.azure is not None and self.azure.cut_at is None
        return self.realm.open_things() | (frozenset({"vault-access"}) if reads else frozenset[str]())

    def attack(self, what: str, do: Callable[[], None]) -> None:
        """Somebody else changes the tenant."""
        do()
        self.chronicle.happened(self.now(), "attack", what)
        self._before = self._open_things()
        self.realm.keep()
        self.chronicle.stands_open(self.now(), self._before)

    def _struck(self, life: Life, call: Call, kind: str) -> None:
        self.chronicle.happened(self.now(), "struck", f"{kind} at {call.number} {call.name} of {life.instance}")
        self.on_strike(life, call, kind)

    def _stale(self, fresh: Any, by: float) -> Any:
        return self.realm.look_at(self.now() - by, fresh)

    def finish(self) -> Chronicle:
        chronicle = self.chronicle
        chronicle.ended_at = self.now()
        chronicle.output += [json.dumps(record.data) for _, chain in chronicle.journals.items() for _, record in chain]
        chronicle.output += [repr(each) for each in self.topic.published]
        chronicle.output += self.gate.told
        chronicle.output += [content.decode("utf-8", "replace") for content in self.evidence.contents.values()]
        return chronicle


def event(number: int = 1) -> JsonObject:
    """What Event Grid delivers, with something in it that must be found nowhere."""
    data = {**leak(number), "clientSecret": CANARY, "additionalInfo": f"password={CANARY}"}
    return {"type": "Cordon.Signal.RiskDetection", "id": f"e{number}", "source": "t", "data": data}


def play(story: Callable[[], Awaitable[Chronicle]], *, start: datetime = START) -> Chronicle:
    """Play a history under virtual time; a task that dies with its process is no news."""

    async def main() -> Chronicle:
        asyncio.get_running_loop().set_exception_handler(_ignore_the_dead)
        return await story()

    log, overheard = logging.getLogger("cordon"), Overhearing()
    level, propagate = log.level, log.propagate
    log.addHandler(overheard)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        chronicle = run(main, start=start)
    finally:
        log.removeHandler(overheard)
        log.setLevel(level)
        log.propagate = propagate
    chronicle.output += overheard.lines
    return chronicle


class Overhearing(logging.Handler):
    """Keeps what is logged, with its traceback, for whoever looks for what must not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def virtual_now() -> Clock:
    return virtual_clock().now


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


def _ignore_the_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)
