"""
The matrix: every call of the reference history × every fault that can strike it × who goes on afterwards.

The calls are found by a recording run, so that a new step joins by itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import product
from random import Random

from shared.incident import Status
from shared.policy import Policy
from tests.faults.checker import Expected, Violation, check
from tests.faults.chronicle import Chronicle
from tests.faults.estate import Azure
from tests.faults.gate import KILLS, STORE, Call, Fate, Life
from tests.faults.ground import CANARY, Ground, event, play, reference_policy, virtual_now
from tests.faults.secrets_checker import check_secrets

RECOVERIES = ("same", "rival")
UNTIL = 4 * 3600.0
UNDO_AT = 40.0  # seconds after the signal, in the midst of the later looks
GRACE = timedelta(minutes=15)  # longer than consumers keep a value
_UNDO = "undo/"
_SECRETS = "secrets/"
# Faults that a person has to see to. What they may end with is told, never hidden.
_FOR_PEOPLE = frozenset({"403-from-here", "409", "stale-404", "401"})
_EITHER = frozenset({Status.CONTAINED, Status.NEEDS_ATTENTION})


@dataclass(frozen=True, slots=True)
class Strike:
    """This fault at this call."""

    number: int
    kind: str

    def __str__(self) -> str:
        return f"{self.number}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Cell:
    """
    One history of the matrix; two strikes are a pair. `undo`: a person orders the way back of it. `secrets`: the
    identity has read secrets, and the policy wants them rotated.
    """

    strikes: tuple[Strike, ...]
    recovery: str
    undo: bool = False
    secrets: bool = False

    def __str__(self) -> str:
        which = f"{_UNDO if self.undo else ''}{_SECRETS if self.secrets else ''}"
        return f"{which}{'+'.join(map(str, self.strikes))}@{self.recovery}"

    @classmethod
    def read(cls, text: str) -> "Cell":
        """What `str` of a cell says. Raises ValueError for anything else."""
        undo, secrets = text.startswith(_UNDO), text.removeprefix(_UNDO).startswith(_SECRETS)
        strikes, _, recovery = text.removeprefix(_UNDO).removeprefix(_SECRETS).partition("@")
        parts = [part.partition(":") for part in strikes.split("+")]
        return cls(tuple(Strike(int(number), kind) for number, _, kind in parts if kind), recovery, undo, secrets)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a history."""

    chronicle: Chronicle
    violations: tuple[Violation, ...]
    calls: tuple[Call, ...]
    undo_from: int | None = None
    azure: Azure | None = None
    evidence: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def play_cell(cell: Cell) -> Outcome:
    """Play one cell and judge it."""
    fates = {strike.number: strike.kind for strike in cell.strikes}
    seen: list[Ground] = []

    async def story() -> Chronicle:
        ground = _ground(cell, lambda call: fates.get(call.number))
        seen.append(ground)
        if cell.recovery == "rival":
            ground.on_strike = lambda life, call, kind: _let_a_rival_in(ground, life)
        ground.start(ground.deliver(event()))
        if cell.undo:
            ground.start(ground.order_undo(UNDO_AT))
        await ground.work(UNTIL, name=lambda: ground.working)
        return ground.finish()

    chronicle = play(story)
    (ground,) = seen
    expected = Expected(_ends(cell), most_lives=3 if len(cell.strikes) == 1 else 4)
    violations = check(chronicle, expected, lives=ground.lives, canary=CANARY)
    if ground.azure is not None:
        violations += check_secrets(chronicle, ground.azure, ground.evidence.contents)
    calls, evidence = tuple(ground.gate.calls), ground.evidence.contents
    return Outcome(chronicle, tuple(violations), calls, ground.undo_from, ground.azure, evidence)


def _ground(cell: Cell, fate: Fate) -> Ground:
    now = virtual_now()
    if not cell.secrets:
        return Ground(fate, policy(), now)
    return Ground(fate, secrets_policy(), now, azure=Azure(now))


@cache
def policy() -> Policy:
    """The reference policy, read once."""
    return reference_policy()


@cache
def secrets_policy() -> Policy:
    """Block, cut, and rotate what was exposed, all tiers without a question."""
    rotate = f"{{rotate-secrets: {{ask: [], grace: PT{GRACE.total_seconds():g}S}}}}"
    return reference_policy(actions=("block-sign-in", "cut-vault-access", rotate))


def _let_a_rival_in(ground: Ground, life: Life) -> None:
    """From now on another instance gets the messages, and the event once more."""
    if ground.working == "one":
        ground.working = "two"
        ground.start(ground.deliver(event(), to="two"))


def _ends(cell: Cell) -> frozenset[Status]:
    kinds = {strike.kind for strike in cell.strikes}
    whole = frozenset({Status.RELEASED if cell.undo else Status.CONTAINED})
    if "409" in kinds:  # of the journal: a signal of a rival, which is decided on after the undo
        return whole | _EITHER
    return whole | {Status.NEEDS_ATTENTION} if kinds & _FOR_PEOPLE else whole


def record() -> tuple[Call, ...]:
    """The calls of the history that nothing strikes. Raises AssertionError if even that one is wrong."""
    return _recorded(Cell((), "same")).calls


def record_secrets() -> tuple[Call, ...]:
    """The calls of the history of an identity that has read secrets, which nothing strikes."""
    return _recorded(Cell((), "same", secrets=True)).calls


def record_undo() -> tuple[Call, ...]:
    """The calls of the undo of that history, from the order on."""
    return undone_from(_recorded(Cell((), "same", undo=True)))


def undone_from(outcome: Outcome) -> tuple[Call, ...]:
    """The calls of a history since a person ordered its undo."""
    return outcome.calls[outcome.undo_from :]


def _recorded(cell: Cell) -> Outcome:
    outcome = play_cell(cell)
    assert not outcome.violations, list(map(str, outcome.violations))
    return outcome


def cells(calls: Iterable[Call], *, undo: bool = False, secrets: bool = False) -> Iterator[Cell]:
    """Every cell of the matrix."""
    for call in calls:
        for kind, recovery in product(call.kinds(), RECOVERIES):
            yield Cell((Strike(call.number, kind),), recovery, undo, secrets)


def pairs(calls: Sequence[Call], seed: int) -> Iterator[Cell]:
    """Two faults at once, drawn from a seed; the second may strike the recovery from the first."""
    random = Random(seed)  # noqa: S311 - a history, no secret
    while True:
        first, second = sorted(random.sample(range(len(calls)), 2))
        kinds = random.choice(calls[first].kinds()), random.choice(calls[second].kinds())
        yield Cell((Strike(first, kinds[0]), Strike(second, kinds[1])), random.choice(RECOVERIES))


def points(calls: Iterable[Call]) -> int:
    """How many moments there are at which a process can die."""
    return sum(1 for call in calls for kind in call.kinds() if kind in KILLS)


def of_the_store(call: Call) -> bool:
    return call.part in STORE
