"""
Strike the engine with faults and count what went wrong: nothing may.

    python -m tests.faults [--depth quick|full|N] [--seed N] [--only cells,pairs] [--jobs N] [--shard K/N]
    python -m tests.faults replay TEXT               a cell, a seed or an input again, with its journal
    python -m tests.faults keep NAME                 keep journals of this version as fixtures
"""

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from tests.fakes import Crash
from tests.faults.checker import KINDS
from tests.faults.fuzz import ENTRIES
from tests.faults.gate import Call
from tests.faults.kept_journals import keep
from tests.faults.matrix import Outcome, cells, pairs, points, undone_from
from tests.faults.playing import BROKE, NOT_BORNE, Tally, judge, play, tally

FULL_PAIRS, FULL_SEEDS, FULL_INPUTS = 5000, 10_000, 20_000
SHOWN = 10
SORTS = ("cells", "undo", "secrets", "pairs", "histories", "inputs")


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


@dataclass(frozen=True, slots=True)
class Shard:
    """The `number`-th of `of` parts, counted from 1: all parts together are the whole, and none overlap."""

    number: int = 1
    of: int = 1

    @classmethod
    def read(cls, text: str) -> "Shard":
        number, _, of = text.partition("/")
        shard = cls(int(number), int(of))
        if not 1 <= shard.number <= shard.of:
            raise ValueError(text)
        return shard

    def share(self, texts: Sequence[str]) -> Sequence[str]:
        return texts[self.number - 1 :: self.of]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", default=["all"], help="replay TEXT, or keep NAME")
    parser.add_argument("--depth", type=Depth.read, default="quick", help="quick, full, or a number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=_sorts, default=SORTS, help=f"some of {','.join(SORTS)}")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes at once")
    parser.add_argument("--shard", type=Shard.read, default="1/1", help="K/N: the K-th of N parts")
    given = parser.parse_args(arguments)
    match given.what:
        case ["all"]:
            return _all(given.depth, given.seed, given.only, given.jobs, given.shard)
        case ["replay", what]:
            return _replay(what)
        case ["keep", name]:
            print("\n".join(str(path) for path in keep(name)))
            return 0
        case _:
            return parser.error("there is nothing to do but: replay TEXT, keep NAME, or no word at all")


def _sorts(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    if not set(chosen) <= set(SORTS):
        raise ValueError(text)
    return chosen


def _all(depth: Depth, seed: int, only: Sequence[str], jobs: int, shard: Shard) -> int:
    calm = tally("calm", ("@same", "undo/@same", "secrets/@same"), _tell)
    tallies = [calm]
    for name, texts in _texts(depth, seed, only, calm):
        tallies.append(tally(name, shard.share(texts), _tell, jobs=jobs))
    print("\n" + "\n".join(_table(tallies)))
    for each in tallies:
        for shown in each.shown[:SHOWN]:
            print(f"{each.name}: {shown}")
    return 1 if any(each.wrong for each in tallies) else 0


def _texts(depth: Depth, seed: int, only: Sequence[str], calm: Tally) -> Iterator[tuple[str, Sequence[str]]]:
    """Every sort with the texts of it that this depth plays."""
    if calm.wrong:
        print("The history that nothing strikes is wrong itself, so there are no cells to play.")
    else:
        yield from _of_the_matrix(depth, seed, only)
    if "histories" in only:
        yield "histories", [str(seed * 1_000_000 + number) for number in range(depth.seeds)]
    if "inputs" in only:
        for entry in ENTRIES:
            yield f"inputs: {entry}", [f"{entry}:{seed + number}" for number in range(depth.inputs)]


def _of_the_matrix(depth: Depth, seed: int, only: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    calls, back = play("@same").calls, undone_from(play("undo/@same"))
    every_cell, every_undo = list(map(str, cells(calls))), list(map(str, cells(back, undo=True)))
    print(f"{_counted(calls)}, {len(every_cell)} cells\nundo: {_counted(back)}, {len(every_undo)} cells", flush=True)
    if "cells" in only:
        yield "cells", every_cell[seed % depth.every :: depth.every]
    if "undo" in only:
        yield "undo", every_undo[seed % depth.every :: depth.every]
    if "secrets" in only:
        read = play("secrets/@same").calls
        every = list(map(str, cells(read, secrets=True)))
        print(f"secrets: {_counted(read)}, {len(every)} cells", flush=True)
        yield "secrets", every[seed % depth.every :: depth.every]
    if "pairs" in only:
        yield "pairs", [str(pair) for pair in islice(pairs(calls, seed), depth.pairs)]


def _counted(calls: Sequence[Call]) -> str:
    return f"{len(calls)} calls, {points(calls)} moments to die at"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _table(tallies: Sequence[Tally]) -> Iterator[str]:
    yield f"{'what':<32}{'played':>8}{'wrong':>7}{'seconds':>9}{'a second':>10}"
    for each in tallies:
        yield f"{each.name:<32}{each.played:>8}{each.wrong.total():>7}{each.seconds:>9.1f}{each.rate:>10.1f}"
    whole = sum((each.wrong for each in tallies), Counter[str]())
    yield ""
    for kind in (*KINDS, NOT_BORNE, BROKE):
        yield f"{kind:<32}{whole[kind]:>8}"


def _replay(text: str) -> int:
    """Tell what the text names, call by call; what escapes from the engine is shown with its way there."""
    if text.rpartition(":")[0] in ENTRIES:
        found = judge(text)
        print(found.violations[0] if found.violations else "borne")
        return 1 if found.violations else 0
    try:
        outcome = play(text)
    except (Exception, Crash):  # noqa: BLE001 - it is what a replay is for
        traceback.print_exc()
        return 1
    print("\n".join(_told(outcome)))
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
