"""People can see when each rule last decided, and nobody waits for the counting."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

from shared.case import RiskState
from shared.entries import ConditionAnswer, Decided, RuleAnswer
from shared.errors import Unreachable
from shared.journal import IncidentId
from shared.liveness import Liveness, RuleLife
from shared.policy import Policy, read_policy
from shared.responder import Responder
from shared.signal import JsonObject
from shared.store import Document, MemoryDocuments
from tests.fakes import START, FakeClock, password, payroll
from tests.stories.world import World, play

POLICY = """\
version: 1
rules:
  - name: leaked-credential
    when: {risk-detection: {types: [leakedCredentials], levels: [medium, high]}}
    verdict: contain
    actions: [block-sign-in]
  - {name: risky, when: risk-state, verdict: watch}
"""
INCIDENT = IncidentId("20260302-0123456789ab")


@lru_cache
def policy(text: str = POLICY) -> Policy:
    return read_policy(text, "policy.yaml", ["block-sign-in", "replace-credentials"])


def decided(rule: str = "leaked-credential", answer: str = "met", **more: object) -> Decided:
    finding = ConditionAnswer.model_validate({"condition": "risk-detection", "answer": answer, "reason": "x"})
    answers = (RuleAnswer(rule=rule, verdict="contain", finding=finding),)
    whole = {"verdict": "contain", "rule": rule, "rules": answers, "policy": policy().digest, **more}
    return Decided.model_validate(whole)


async def told(liveness: Liveness) -> dict[str, RuleLife]:
    return {life.name: life for life in await liveness.told()}


class Store(MemoryDocuments):
    """Counts what is asked of it, and can be out of reach."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.is_down = False

    async def get(self, partition: str, key: str) -> Document | None:
        self._call("get")
        return await super().get(partition, key)

    async def replace(self, partition: str, key: str, body: JsonObject, etag: str) -> bool:
        self._call("replace")
        return await super().replace(partition, key, body, etag)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.is_down:
            raise Unreachable("reading", "the store is down")


def counting(world: World) -> Responder:
    return Responder(replace(world.desk(), liveness=Liveness(world.store.documents, world.policy, world.clock)))


def test_a_rule_that_contained_says_when_and_the_others_that_they_never_did() -> None:
    """With the moment from which on they could have."""

    async def story(world: World) -> tuple[Sequence[object], datetime]:
        responder = counting(world)
        await responder.sweep_risk()
        before = world.clock()
        await world.hear_of_leak(responder)
        health = await responder.health()
        return health.rules or (), before

    (leaked, risky), before = play(story, payroll(application=[password(1)]), policy=POLICY)

    assert getattr(leaked, "matches", None) == 1
    assert getattr(leaked, "last_matched", START) >= before
    assert getattr(risky, "told", "") == f"never matched since it is there ({START:%Y-%m-%d %H:%M} UTC)"
    assert getattr(risky, "last_matched", START) is None


def test_one_decision_counts_once_however_often_its_incident_is_worked_on() -> None:
    """Looks that follow, messages that come again, another instance that takes over."""

    async def story(world: World) -> Sequence[object]:
        one, two = counting(world), counting(world)
        await world.hear_of_leak(one)
        await world.work_queue(two, timedelta(minutes=30))
        return (await two.health()).rules or ()

    leaked, _ = play(story, payroll(application=[password(1)]), policy=POLICY)

    assert getattr(leaked, "matches", None) == 1


def test_what_a_person_ordered_is_no_match_and_what_could_not_be_judged_is_counted_apart() -> None:
    """A rule that asks again and again for want of a licence is told as such."""

    async def story(_: World) -> dict[str, RuleLife]:
        liveness = Liveness(MemoryDocuments(), policy(), FakeClock())
        liveness.note(INCIDENT, 1, START, decided(by_person="ann"))
        liveness.note(INCIDENT, 2, START, decided(policy="another"))
        liveness.note(INCIDENT, 3, START, decided("a rule that went"))
        liveness.note(INCIDENT, 4, START, decided(answer="unknown", verdict="ask"))
        await liveness.keep()
        return await told(liveness)

    lives = play(story, payroll())

    assert (lives["leaked-credential"].matches, lives["leaked-credential"].unjudged) == (0, 1)
    assert lives["leaked-credential"].last_unjudged == START
    assert lives["leaked-credential"].told.startswith("never matched since")


def test_a_mass_of_decisions_is_written_down_about_once_a_minute() -> None:
    """The first match of a rule at once, the rest together; two instances lose nothing to each other."""

    async def story(_: World) -> tuple[list[str], dict[str, RuleLife]]:
        documents, clock = Store(), FakeClock()
        one, two = (Liveness(documents, policy(), clock) for _ in range(2))
        for number in range(500):
            instance = (one, two)[number % 2]
            instance.note(INCIDENT, number, clock(), decided())
            await instance.keep()
            clock.forward(seconds=0.2)
        clock.forward(seconds=60)
        await one.keep()
        await two.keep()
        return documents.calls, await told(one)

    calls, lives = play(story, payroll())

    assert lives["leaked-credential"].matches == 500
    assert len(calls) < 30


def test_a_store_that_is_out_of_reach_holds_up_nothing_and_loses_nothing() -> None:
    """It is tried again with the next incident, or at the next sweep."""

    async def story(_: World) -> dict[str, RuleLife]:
        documents, clock = Store(), FakeClock()
        liveness = Liveness(documents, policy(), clock)
        documents.is_down = True
        liveness.note(INCIDENT, 1, START, decided())
        await liveness.keep()
        documents.is_down = False
        await liveness.keep()
        return await told(Liveness(documents, policy(), clock))

    assert play(story, payroll())["leaked-credential"].matches == 1


def test_a_rule_keeps_its_past_until_it_becomes_another() -> None:
    """Remarks and samples do not count; another condition, verdict or action makes it a new rule."""

    async def story(_: World) -> list[int]:
        documents, clock = MemoryDocuments(), FakeClock()
        first = Liveness(documents, policy(), clock)
        first.note(INCIDENT, 1, START, decided())
        await first.keep()
        samples = "    samples: {must-fire: [{detections: [leakedCredentials]}]}\n  - {name: risky"
        same = policy("# a remark\n" + POLICY.replace("  - {name: risky", samples))
        other = policy(POLICY.replace("[medium, high]", "[high]"))
        clock.forward(hours=2)
        return [(await told(Liveness(documents, each, clock)))["leaked-credential"].matches for each in (same, other)]

    assert play(story, payroll()) == [1, 0]


def test_the_document_stays_small() -> None:
    """However long Cordon runs."""

    async def story(_: World) -> int:
        documents, clock = MemoryDocuments(), FakeClock()
        liveness = Liveness(documents, policy(), clock)
        for number in range(2_000):
            liveness.note(INCIDENT, number, clock(), decided())
            clock.forward(seconds=30)
            await liveness.keep()
        found = await documents.get("rules", "matches")
        return len(str(found.body)) if found else 0

    assert 0 < play(story, payroll()) < 20_000


def test_a_document_that_somebody_spoiled_begins_anew() -> None:
    """It is a help, and no evidence: nothing is refused for it."""

    async def story(_: World) -> dict[str, RuleLife]:
        documents = MemoryDocuments()
        await documents.insert(
            "rules", "matches", {"rules": {"leaked-credential": [1], "risky": {"form": 5}}, "recent": 7}
        )
        liveness = Liveness(documents, policy(), FakeClock())
        await liveness.keep()
        return await told(liveness)

    assert [life.matches for life in play(story, payroll()).values()] == [0, 0]


def test_a_rule_that_only_watches_counts_as_well() -> None:
    """Its incident is closed by the decision."""

    async def story(world: World) -> Sequence[object]:
        world.directory.risk, world.directory.detections = RiskState("low", "atRisk", "none", None), ()
        responder = counting(world)
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=1))
        return (await responder.health()).rules or ()

    _, risky = play(story, payroll(application=[password(1)]), policy=POLICY)

    assert getattr(risky, "matches", 0) == 1
