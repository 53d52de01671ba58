"""
Plays and judges whatever a replay text names, in one process or several, and lets nothing end the run.

A text is a cell (`37:503@rival`, `undo/154:429@same`, `@same` for the history that nothing strikes), the seed
of a history (`1000007`) or an input of an entry point (`event:7`). What is printed for a violation is the very
text that was judged, so it replays what was seen.
"""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context

from tests.fakes import Crash
from tests.faults.checker import Violation
from tests.faults.fuzz import ENTRIES, fuzz
from tests.faults.histories import play_seed
from tests.faults.matrix import Cell, Outcome, play_cell

BROKE = "broke"  # an exception that no caller of the engine is ready for
NOT_BORNE = "not borne"
TWICE = 10  # every so-manieth history is played again: it must leave the same trace
EVERY = 10.0  # seconds between two words on how far it is
_LONGEST = 200  # characters of an exception

Play = Callable[[str], Outcome]


@dataclass(frozen=True, slots=True)
class Judged:
    """What was wrong with one text: nothing, as a rule."""

    text: str
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class Tally:
    """What was played of one sort, and what was wrong with it."""

    name: str
    played: int = 0
    seconds: float = 0.0
    wrong: Counter[str] = field(default_factory=Counter[str])
    shown: list[str] = field(default_factory=list[str])

    def note(self, judged: Judged) -> None:
        self.played += 1
        self.wrong.update(violation.kind for violation in judged.violations)
        if judged.violations:
            self.shown.append(f"{judged.violations[0]}\n    again: python -m tests.faults replay '{judged.text}'")

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.played / self.seconds if self.seconds else 0.0


def play(text: str) -> Outcome:
    """Play a cell or the history of a seed. Raises whatever escapes from it."""
    return play_seed(int(text)) if text.isdecimal() else play_cell(Cell.read(text))


def judge(text: str, play: Play = play) -> Judged:
    """Play what the text names. What escapes is a violation like any other, and names the line it came from."""
    try:
        return Judged(text, tuple(_violations(text, play)))
    except (Exception, Crash) as problem:  # noqa: BLE001 - whatever escapes is what is looked for
        return Judged(text, (Violation(BROKE, _place(problem)),))


def _violations(text: str, play: Play) -> Iterator[Violation]:
    entry, _, number = text.rpartition(":")
    if entry in ENTRIES:
        yield from (
            Violation(NOT_BORNE, each.what) for each in fuzz(entry, range(int(number), int(number) + 1)) if each
        )
        return
    outcome = play(text)
    yield from outcome.violations
    if text.isdecimal() and int(text) % TWICE == 0 and play(text).chronicle.digest() != outcome.chronicle.digest():
        yield Violation("does not reproduce", f"seed {text} left another trace")


def _place(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [frame for frame in frames if "/shared/" in frame.filename.replace("\\", "/")] or list(frames)
    said = f"{type(problem).__name__}: {problem}"[:_LONGEST]
    return f"{said}, in {ours[-1].name}, line {ours[-1].lineno} of {ours[-1].filename.rpartition('/')[2]}"


def tally(name: str, texts: Sequence[str], tell: Callable[[str], None], *, jobs: int = 1, play: Play = play) -> Tally:
    """Judge all texts, side by side in `jobs` processes; `tell` hears how far it is, and of each violation at once."""
    found, begun, told_at = Tally(name), time.perf_counter(), time.perf_counter()
    for judged in _all_judged(texts, jobs, partial(judge, play=play)):
        found.note(judged)
        found.seconds = time.perf_counter() - begun
        if judged.violations:
            tell(f"{name}: {found.shown[-1]}")
        if time.perf_counter() - told_at > EVERY:
            told_at = time.perf_counter()
            tell(_progress(found, len(texts)))
    return found


def _all_judged(texts: Sequence[str], jobs: int, judge: Callable[[str], Judged]) -> Iterator[Judged]:
    if jobs == 1:
        yield from map(judge, texts)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(judge, texts, chunksize=4)


def _progress(found: Tally, many: int) -> str:
    left = (many - found.played) / found.rate / 60
    wrong = f", {found.wrong.total()} wrong" if found.wrong else ""
    return f"{found.name} {found.played}/{many}{wrong}, {found.rate:.1f} a second, {left:.0f} min left"
