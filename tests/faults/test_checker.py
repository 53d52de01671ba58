"""The checker finds what was planted: each kind of violation once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.entries import HeldBack
from shared.estate import SecretRef
from shared.incident import Status
from shared.journal import NO_RECORD, Record, seal
from tests.faults.checker import KINDS, Before, Expected, check
from tests.faults.chronicle import STALE, Appended, Chronicle, Wrote
from tests.faults.estate import LONG_AGO, REACHED, READ, STORAGE, Azure
from tests.faults.ground import CANARY
from tests.faults.matrix import Cell, Outcome, play_cell
from tests.faults.secrets_checker import check_secrets

Plant = Callable[[Chronicle], object]


def _cut(chronicle: Chronicle) -> None:
    """The journal ends in the middle of the plan."""
    place = next(
        n for n, e in enumerate(chronicle.events) if isinstance(e, Appended) and e.records[0].kind == "applied"
    )
    del chronicle.events[place + 1 :]


def _unwritten(chronicle: Chronicle) -> None:
    """A signal was acknowledged and stands nowhere."""
    chronicle.happened(9000.0, "acknowledged", "nobody-knows-it")


def _before_its_intent(chronicle: Chronicle) -> None:
    """A write went out before its intent was written down."""
    place = next(n for n, e in enumerate(chronicle.events) if isinstance(e, Wrote))
    write = chronicle.events.pop(place)
    assert isinstance(write, Wrote)
    chronicle.events.insert(0, replace(write, sent_at=-1.0, at=-1.0))


def _other_object(chronicle: Chronicle) -> None:
    """A secret was removed that no image names."""
    chronicle.events.append(Wrote(50.0, 50.0, "one", "removePassword 99999999-0000-4000-8000-000000000000"))


def _on_another(chronicle: Chronicle) -> None:
    """The right write went to an object that no plan names."""
    place = next(n for n, e in enumerate(chronicle.events) if isinstance(e, Wrote) and e.what == "accountEnabled=False")
    write = chronicle.events[place]
    assert isinstance(write, Wrote)
    assert write.on is not None
    chronicle.events[place] = replace(write, on="99999999-0000-4000-8000-000000000000")


def _lock_left_lifted(chronicle: Chronicle) -> None:
    """Cordon lifted the instance lock and never put it back; it had been off before Cordon came, too."""
    at, things = chronicle.truth[-1]
    chronicle.events.append(Wrote(at + 1, at + 1, "one", "lock=False", frozenset({"unlocked"})))
    chronicle.truth.append((at + 1, things | {"unlocked"}))


def _two_for_a_while(chronicle: Chronicle) -> None:
    """Two policies were made, and one of them was deleted again."""
    whats = ("create policy", "create policy", "delete policy")
    chronicle.events.extend(Wrote(9.0, 9.0, "one", what) for what in whats)


def _attacked_long_after(chronicle: Chronicle) -> None:
    """It stood open for a moment in a calm hour; that somebody attacked hours later is no excuse."""
    chronicle.happened(chronicle.ended_at + 9000, "attack", "enable")
    _open_for_a_while(chronicle)


def _still_open(chronicle: Chronicle) -> None:
    """The tenant shows the identity enabled the whole time."""
    chronicle.truth[:] = [(at, things | {"enabled"}) for at, things in chronicle.truth]


def _open_for_a_while(chronicle: Chronicle) -> None:
    """It was open for a second while it was called contained, and nobody attacked."""
    last = chronicle.truth[-1][1]
    chronicle.truth += [(4000.0, last | {"grant g"}), (4001.0, last)]


def _opened(chronicle: Chronicle) -> None:
    """A write of Cordon's put something back."""
    place = next(n for n, e in enumerate(chronicle.events) if isinstance(e, Wrote))
    write = chronicle.events[place]
    assert isinstance(write, Wrote)
    chronicle.events[place] = replace(write, opened=frozenset({"enabled"}))


def _written_after_stop(chronicle: Chronicle) -> None:
    """The switch was set, and a minute later a write went out."""
    place = max(n for n, e in enumerate(chronicle.events) if isinstance(e, Wrote))
    write = chronicle.events[place]
    assert isinstance(write, Wrote)
    chronicle.events[place] = replace(write, sent_at=write.sent_at + 60, at=write.at + 60)
    chronicle.happened(0.0, "stopped", "")
    chronicle.events.insert(0, chronicle.events.pop())


def _rewritten(chronicle: Chronicle, change: Callable[[list[Record]], list[Record]]) -> None:
    """Another journal, whose records follow each other all the same."""
    at, by = next((event.at, event.by) for event in chronicle.events if isinstance(event, Appended))
    records = change([record for _, record in next(iter(chronicle.incidents.values()))])
    chronicle.events = [event for event in chronicle.events if not isinstance(event, Appended)]
    previous, sealed = NO_RECORD, list[Record]()
    for place, each in enumerate(records):
        sealed.append(seal(each.incident, place, each.time, each.kind, each.step, each.data, previous))
        previous = sealed[-1].hash
    chronicle.events.insert(0, Appended(at, by, tuple(sealed)))


def _begun_while_it_waits(chronicle: Chronicle) -> None:
    """A plan was held back for a person, and carried out without one."""
    held = HeldBack(by="verdict", reason="the policy asks a person").model_dump(mode="json")

    def change(records: list[Record]) -> list[Record]:
        place = next(n for n, record in enumerate(records) if record.kind == "planned")
        between = replace(records[place], kind="held-back", data=held)
        return [*records[: place + 1], between, *records[place + 1 :]]

    _rewritten(chronicle, change)


def _decided_and_left(chronicle: Chronicle) -> None:
    """Behind its containment there was another plan, which nobody began."""

    def change(records: list[Record]) -> list[Record]:
        again = [record for record in records if record.kind in ("decided", "planned")]
        place = next(n for n, record in enumerate(records) if record.kind == "rechecked")
        return [*records[: place + 1], *again, *records[place + 1 :]]

    _rewritten(chronicle, change)


PLANTS: dict[str, tuple[str, Plant]] = {
    "a journal that ends in the middle": ("lost", _cut),
    "a signal that stands nowhere": ("lost", _unwritten),
    "a plan that nobody began": ("lost", _decided_and_left),
    "a plan that waits, and was begun": ("outside the plan", _begun_while_it_waits),
    "two certificates": ("made twice", lambda chronicle: chronicle.made.update({"operation": 2})),
    "two policies": ("made twice", lambda c: c.events.extend([Wrote(9.0, 9.0, "one", "create policy")] * 2)),
    "a write before its intent": ("outside the plan", _before_its_intent),
    "a write on what no image names": ("outside the plan", _other_object),
    "a write to an object that no plan names": ("outside the plan", _on_another),
    "two policies for a while": ("made twice", _two_for_a_while),
    "a lock that is left lifted": ("less contained", _lock_left_lifted),
    "open for a moment, attacked much later": ("false contained", _attacked_long_after),
    "half of a canary in an error": ("secret bytes", lambda c: c.output.append(f"error: {CANARY[8:20]}…")),
    "contained while it is open": ("false contained", _still_open),
    "open for a moment": ("false contained", _open_for_a_while),
    "a write that opens": ("less contained", _opened),
    "a canary in an error": ("secret bytes", lambda chronicle: chronicle.output.append(f"error: {CANARY}")),
    "a write after the switch": ("effect after stop", _written_after_stop),
}


def _given_away(chronicle: Chronicle) -> None:
    """The undo gave back what no way back names."""
    chronicle.events.append(Wrote(3000.0, 3000.0, "one", "give app-role role-99"))


def _back_before_its_intent(chronicle: Chronicle) -> None:
    """Sign-in was allowed before the way back was written down."""
    place = next(n for n, e in enumerate(chronicle.events) if isinstance(e, Wrote) and e.what == "accountEnabled=True")
    write = chronicle.events[place]
    assert isinstance(write, Wrote)
    chronicle.events[place] = replace(write, sent_at=write.sent_at - 1.0)


def _opened_more(chronicle: Chronicle) -> None:
    """An undo opened what was not open before Cordon came."""
    place = next(n for n, e in enumerate(chronicle.events) if isinstance(e, Wrote) and e.opened)
    write = chronicle.events[place]
    assert isinstance(write, Wrote)
    chronicle.events[place] = replace(write, opened=write.opened | {"grant grant-99"})


def _left_closed(chronicle: Chronicle) -> None:
    """Sign-in is still blocked at the end."""
    at, things = chronicle.truth[-1]
    chronicle.truth.append((at + 1, things - {"enabled"}))


UNDO_PLANTS: dict[str, tuple[str, Plant]] = {
    "given back, named by nothing": ("outside the plan", _given_away),
    "given back before its intent": ("outside the plan", _back_before_its_intent),
    "more opened than was open": ("less contained", _opened_more),
    "released and still blocked": ("not put back", _left_closed),
}


def _key_is_back(outcome: Outcome) -> None:
    """The exposed key opens the account again."""
    azure = _azure(outcome)
    azure.keys[STORAGE]["key1"] = azure.first[READ], LONG_AGO


def _died_too_early(outcome: Outcome) -> None:
    """The old value is dead as soon as the new one is published, whoever has kept it."""
    azure = _azure(outcome)
    place = next(n for n, moment in enumerate(azure.moments) if moment.name == f"publish {READ.name}")
    azure.moments[place:] = [replace(each, living=each.living - {azure.first[READ]}) for each in azure.moments[place:]]


def _lowest_first(outcome: Outcome) -> None:
    """The first write concerned a secret of the lowest tier."""
    azure = _azure(outcome)
    azure.moments[1] = replace(azure.moments[1], concerns=(REACHED,))


def _stored_twice(outcome: Outcome) -> None:
    """There are two versions of one operation."""
    versions = _azure(outcome).versions[READ]
    versions.append(versions[-1])


def _made_new_twice(outcome: Outcome) -> None:
    """The idle key was made new once more before it was published."""
    azure = _azure(outcome)
    azure.moments.insert(1, next(each for each in azure.moments if each.name.startswith("regenerate key2")))


def _in_evidence(outcome: Outcome) -> None:
    """A value stands in what the store keeps."""
    content = f"exposed: {_azure(outcome).values[0]}".encode()
    assert isinstance(outcome.evidence, dict)
    outcome.evidence["digest"] = content


def _unplanned(outcome: Outcome) -> None:
    """A secret was written to that no plan names."""
    azure = _azure(outcome)
    azure.moments[1] = replace(azure.moments[1], concerns=(SecretRef("other", "secret"),))


def _azure(outcome: Outcome) -> Azure:
    assert outcome.azure is not None
    return outcome.azure


SECRETS_PLANTS: dict[str, tuple[str, Callable[[Outcome], None]]] = {
    "an exposed key that opens": ("exposed and alive", _key_is_back),
    "a key that dies before the grace is over": ("consumer on a dead value", _died_too_early),
    "the lowest tier first": ("out of order", _lowest_first),
    "two versions of one operation": ("made twice", _stored_twice),
    "a key made new twice": ("made twice", _made_new_twice),
    "a value in the evidence": ("secret bytes", _in_evidence),
    "a secret outside the plan": ("outside the plan", _unplanned),
}


@pytest.mark.parametrize("name", SECRETS_PLANTS)
def test_what_is_planted_in_a_rotation_is_found(name: str) -> None:
    """One violation in an otherwise clean rotation."""
    kind, plant = SECRETS_PLANTS[name]
    outcome = play_cell(Cell((), "same", secrets=True))
    assert list(check_secrets(outcome.chronicle, _azure(outcome), outcome.evidence)) == []

    plant(outcome)

    assert kind in {each.kind for each in check_secrets(outcome.chronicle, _azure(outcome), outcome.evidence)}


@pytest.mark.parametrize("name", UNDO_PLANTS)
def test_what_is_planted_in_an_undo_is_found(name: str) -> None:
    """One violation in an otherwise clean undo."""
    kind, plant = UNDO_PLANTS[name]
    chronicle, expected = play_cell(Cell((), "same", undo=True)).chronicle, Expected(frozenset({Status.RELEASED}))
    assert check(chronicle, expected, canary=CANARY) == []

    plant(chronicle)

    assert kind in {violation.kind for violation in check(chronicle, expected, canary=CANARY)}


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_is_found(name: str) -> None:
    """One violation in an otherwise clean history."""
    kind, plant = PLANTS[name]
    chronicle = play_cell(Cell((), "same")).chronicle
    assert check(chronicle, Expected(), canary=CANARY) == []

    plant(chronicle)

    assert kind in {violation.kind for violation in check(chronicle, Expected(), canary=CANARY)}


def test_whoever_is_left_by_everybody_is_lost_also_where_a_person_may_be_called() -> None:
    """That its silence is noticed hours later is no call: a history that may end with one must not hide it."""
    chronicle = play_cell(Cell((), "same")).chronicle
    expected = Expected(frozenset({Status.CONTAINED, Status.NEEDS_ATTENTION}))

    _cut(chronicle)

    assert "lost" in {violation.kind for violation in check(chronicle, expected)}


def test_too_many_restarts_are_found() -> None:
    """Two restarts are allowed, a third is not."""
    chronicle = play_cell(Cell((), "same")).chronicle

    assert [each.kind for each in check(chronicle, Expected(), lives=4)] == ["too many restarts"]


def test_every_kind_has_its_plant() -> None:
    """A kind that nothing can raise is a zero that says nothing."""
    planted = {kind for kind, _ in (PLANTS | UNDO_PLANTS).values()} | {"too many restarts"}
    planted |= {kind for kind, _ in SECRETS_PLANTS.values()}

    assert set(KINDS) - planted == {"does not reproduce"}


def test_another_trace_has_another_digest() -> None:
    """So that a seed that does not reproduce is noticed."""
    chronicle = play_cell(Cell((), "same")).chronicle
    before = chronicle.digest()

    chronicle.happened(1.0, "attack", "one thing more")

    assert chronicle.digest() != before


@pytest.mark.parametrize(
    ("before", "stale", "found"),
    [(3.0, True, False), (3.0, False, True), (STALE + 3, True, True)],
    ids=["within what the replica did not know", "the answer was fresh", "the replica knew it"],
)
def test_a_look_is_held_to_what_the_replica_could_know_that_answered_it(
    before: float, stale: bool, found: bool
) -> None:
    """A stale replica answers as of half a minute ago: an attack since then nobody could see, an older one is."""
    chronicle = play_cell(Cell((), "same")).chronicle
    looked_at = max(at for chain in chronicle.incidents.values() for at, record in chain if record.kind == "rechecked")
    last = chronicle.truth[-1][1]
    if stale:
        chronicle.happened(looked_at, "struck", "stale-404 at 9 tenant look identity of one")

    chronicle.happened(looked_at - before, "attack", "enable")
    chronicle.truth.append((looked_at - before, last | {"enabled"}))

    assert ("false contained" in {each.kind for each in check(chronicle, Expected())}) is found


@pytest.mark.parametrize(("before", "found"), [(0.0, False), (0.01, True)], ids=["at once with the order", "before it"])
def test_what_an_undo_opens_at_once_does_not_make_the_word_before_it_wrong(before: float, found: bool) -> None:
    """Without any delay the order, its effects and the next records have one time; a moment earlier is another."""
    chronicle, expected = play_cell(Cell((), "same", undo=True)).chronicle, Expected(frozenset({Status.RELEASED}))
    (chain,) = chronicle.incidents.values()
    ordered_at = next(at for at, record in chain if record.kind == "undo-ordered")
    truth = chronicle.truth

    truth[:] = [(ordered_at - before if at >= ordered_at else at, things) for at, things in truth]

    assert ("false contained" in {each.kind for each in check(chronicle, expected, canary=CANARY)}) is found


@pytest.mark.parametrize(("proven", "found"), [(False, False), (True, True)], ids=["it was left", "it was back"])
def test_what_an_undo_left_may_be_given_back_by_the_next_one(proven: bool, found: bool) -> None:
    """What stood there before Cordon came is still known; what was back, and was not there later, is not."""
    chronicle = play_cell(Cell((), "same", undo=True)).chronicle
    (chain,) = chronicle.incidents.values()
    records = [record for _, record in chain]
    custody = next(each for each in records if each.kind == "intended" and "custody" in (each.step or ""))
    order = next(each for each in records if each.kind == "undo-ordered")
    owner = "owner 82000000-0000-4000-8000-000000000002"

    before = Before()
    for each in records:
        left = each.kind == "undo-verified" and not proven
        before.follow(replace(each, data={**each.data, "answer": "unknown"}) if left else each)
    before.follow(replace(custody, data={**custody.data, "before": {}}))
    before.follow(order)

    assert before.was_open(owner) is not found
