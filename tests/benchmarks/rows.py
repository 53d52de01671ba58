"""What a benchmark reports, and how it is printed and kept."""

import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One line of the table: what was measured, ours and the baseline's figure (`unit`), and the ratio of the two.

    `goal` is the largest ratio aimed at, or the smallest where `at_least` says so; None where nothing is promised.
    """

    name: str
    ours: float
    baseline: float | None
    unit: str
    ratio: float | None = None
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal


@dataclass(frozen=True, slots=True)
class Choices:
    """How long a benchmark may take: `quick` shows only that it runs, `full` adds the largest sizes."""

    quick: bool = False
    full: bool = False

    def pick(self, quick: T, usual: T, full: T | None = None) -> T:
        if self.quick:
            return quick
        return full if self.full and full is not None else usual


Benchmark = Callable[[Choices], Sequence[Row]]


def compared(
    name: str,
    ours: Sequence[float],
    baseline: Sequence[float],
    unit: str,
    goal: float | None = None,
    note: str = "",
) -> Row:
    """
    A row from runs that took turns: medians, and the median of the ratios of neighbours, so that a noisy
    stretch of time spoils both sides alike.
    """
    ratios = [one / other for one, other in zip(ours, baseline, strict=True)]
    return Row(
        name,
        statistics.median(ours),
        statistics.median(baseline),
        unit,
        ratio=statistics.median(ratios),
        goal=goal,
        note=note,
    )


def slope(points: Mapping[int, float]) -> float:
    """The steepest rise between two neighbouring sizes, on a log-log scale: 1 is linear."""
    sizes = sorted(points)
    rises = [
        math.log(points[larger] / points[smaller]) / math.log(larger / smaller) for smaller, larger in pairwise(sizes)
    ]
    return max(rises)


_HEADINGS = ("", "ours", "baseline", "ratio", "goal", "")


def as_table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(_HEADINGS))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≥" if row.at_least else "≤"
    reached = {True: "reached", False: "missed", None: ""}[row.reached]
    return (
        row.name,
        _figure(row.ours, row.unit),
        "" if row.baseline is None else _figure(row.baseline, row.unit),
        "" if row.ratio is None else f"{row.ratio:.2f} ×" if row.unit else f"{row.ratio:.2f}",
        "" if row.goal is None else f"{sign} {row.goal:g}",
        "; ".join(text for text in (reached, row.note) if text),
    )


def _figure(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def keep(rows: Sequence[Row], path: Path, about: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**about, "rows": [{**asdict(row), "reached": row.reached} for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
