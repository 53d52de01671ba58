"""
Strike the engine with faults and count what went wrong: nothing may.

    python -m tests.faults [--depth quick|full|N] [--seed N]
    python -m tests.faults replay CELL|SEED          one history again, with its journal
    python -m tests.faults keep NAME                 keep journals of this version as fixtures
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from tests.faults.checker import KINDS, Violation
from tests.faults.fuzz import ENTRIES, fuzz
from tests.faults.histories import play_seed
from tests.faults.kept_journals import keep
from tests.faults.matrix import Cell, Outcome, cells, pairs, play_cell, points, record, record_undo

T = TypeVar("T")

TENTHS = 10
FULL_PAIRS, FULL_SEEDS, FULL_INPUTS = 5000, 10_000, 20_000


@dataclass(slots=True)
class Tally:
    """What was played of one sort, and what was wrong with it."""

    name: str
    played: int = 0
    seconds: float = 0.0
    wrong: Counter[str] = field(default_factory=Counter[str])
    shown: list[str] = field(default_factory=list[str])

    def note(self, violations: Sequence[Violation], replay: str) -> None:
        self.played += 1
        self.wrong.update(violation.kind for violation in violations)
        if violations:
            self.shown.append(f"{violations[0]}\n    again: python -m tests.faults replay {replay}")


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is played: `every`-th cell, so many pairs, seeds and inputs of each entry point."""

    every: int
    pairs: int
    seeds: int
    inputs: int

    @classmethod
    def read(cls, text: str) -> "Depth":
        match text:
            case "quick":
                return cls(20, 20, 20, 20)
            case "full":
                return cls(1, FULL_PAIRS, FULL_SEEDS, FULL_INPUTS)
            case _:
                number = int(text)
                return cls(max(1, 1000 // max(1, number)), number, number, number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("what", nargs="*", default=["all"], help="replay CELL|SEED, or keep NAME")
    parser.add_argument("--depth", default="quick", help="quick, full, or a number")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    match given.what:
        case ["all"]:
            return _all(Depth.read(given.depth), given.seed)
        case ["replay", what]:
            return _replay(what)
        case ["keep", name]:
            print("\n".join(str(path) for path in keep(name)))
            return 0
        case _:
            return parser.error("there is nothing to do but: replay CELL|SEED, keep NAME, or no word at all")


def _all(depth: Depth, seed: int) -> int:
    calls = record()
    back = record_undo()
    all_cells, undone = list(cells(calls)), list(cells(back, undo=True))
    print(f"{len(calls)} calls, {points(calls)} moments to die at, {len(all_cells)} cells")
    print(f"undo: {len(back)} calls, {points(back)} moments to die at, {len(undone)} cells")
    tallies = [
        _play("cells", all_cells[seed % depth.every :: depth.every]),
        _play("undo", undone[seed % depth.every :: depth.every]),
        _play("pairs", list(islice(pairs(calls, seed), depth.pairs))),
        _histories(range(seed * 1_000_000, seed * 1_000_000 + depth.seeds)),
        *(_fuzz(entry, range(seed, seed + depth.inputs)) for entry in ENTRIES),
    ]
    print("\n" + "\n".join(_table(tallies)))
    for tally in tallies:
        for shown in tally.shown[:TENTHS]:
            print(f"{tally.name}: {shown}")
    return 1 if any(tally.wrong for tally in tallies) else 0


def _play(name: str, chosen: Sequence[Cell]) -> Tally:
    tally = Tally(name)
    for cell in _shown(name, chosen):
        with_clock = time.perf_counter()
        tally.note(play_cell(cell).violations, f"'{cell}'")
        tally.seconds += time.perf_counter() - with_clock
    return tally


def _histories(seeds: range) -> Tally:
    tally = Tally("histories")
    for seed in _shown("histories", seeds):
        begun = time.perf_counter()
        outcome = play_seed(seed)
        tally.seconds += time.perf_counter() - begun
        again = outcome if seed % TENTHS else play_seed(seed)
        reproduces = again.chronicle.digest() == outcome.chronicle.digest()
        unlike = () if reproduces else (Violation("does not reproduce", f"seed {seed} left another trace"),)
        tally.note((*outcome.violations, *unlike), str(seed))
    return tally


def _fuzz(entry: str, seeds: range) -> Tally:
    tally, begun = Tally(f"inputs: {entry}"), time.perf_counter()
    for found in fuzz(entry, seeds):
        tally.note((Violation("not borne", found.what),) if found else (), f"'{entry}:{found.seed}'" if found else "")
    tally.seconds = time.perf_counter() - begun
    return tally


def _shown(name: str, chosen: Sequence[T]) -> Iterator[T]:
    """The same, with a word on how far it is."""
    for number, each in enumerate(chosen):
        if number % max(1, len(chosen) // TENTHS) == 0:
            print(f"{name} {number}/{len(chosen)}", file=sys.stderr, flush=True)
        yield each


def _table(tallies: Sequence[Tally]) -> Iterator[str]:
    yield f"{'what':<32}{'played':>8}{'wrong':>7}{'seconds':>9}{'a second':>10}"
    for tally in tallies:
        rate = tally.played / tally.seconds if tally.seconds else 0.0
        yield f"{tally.name:<32}{tally.played:>8}{sum(tally.wrong.values()):>7}{tally.seconds:>9.1f}{rate:>10.1f}"
    whole = sum((tally.wrong for tally in tallies), Counter[str]())
    yield ""
    for kind in (*KINDS, "not borne"):
        yield f"{kind:<32}{whole[kind]:>8}"


def _replay(what: str) -> int:
    entry, _, number = what.rpartition(":")
    if entry in ENTRIES:
        found = [each for each in fuzz(entry, range(int(number), int(number) + 1)) if each]
        print(found[0].what if found else "borne")
        return 1 if found else 0
    outcome = play_seed(int(what)) if what.isdecimal() else play_cell(Cell.read(what))
    for line in _told(outcome):
        print(line)
    return 1 if outcome.violations else 0


def _told(outcome: Outcome) -> Iterator[str]:
    chronicle = outcome.chronicle
    for event in chronicle.events:
        text = ", ".join(f"{r.kind} {r.step or ''}".strip() for r in getattr(event, "records", ()))
        yield f"{event.at:9.1f} s  {text or getattr(event, 'what', '')}  {getattr(event, 'detail', '')}".rstrip()
    yield f"trace {chronicle.digest()}"
    yield from (f"WRONG {violation}" for violation in outcome.violations)


if __name__ == "__main__":
    sys.exit(main())
