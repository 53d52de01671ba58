"""
How far each secret is, told from the journal alone. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.chain import Line
from shared.entries import (
    Entry,
    RotationBegun,
    RotationStage,
    SecretAwaits,
    SecretDone,
    SecretFailed,
    SecretIntended,
    SecretReminded,
    SecretRepeated,
    SecretStopped,
    SecretVerified,
    SecretYields,
    WorkEnded,
    WorkStarted,
)
from shared.signal import JsonObject

LONGEST_LIFE = timedelta(minutes=11)  # the platform ends a function after ten (host.json)

STAGES: tuple[RotationStage, ...] = ("made", "published", "retired", "disabled")


@dataclass(slots=True)
class Progress:
    """One round of one secret. A stage that is intended and not done may have happened."""

    intended: RotationStage | None = None
    intended_at: datetime | None = None
    before: JsonObject | None = None
    source: str | None = None  # where it had its turn, and which one, when `before` was seen
    turn: int | None = None
    yields: SecretYields | None = None  # to another rotation that is at its source
    yields_at: datetime | None = None
    done: dict[RotationStage, SecretDone] = field(default_factory=dict[RotationStage, SecretDone])
    done_at: dict[RotationStage, datetime] = field(default_factory=dict[RotationStage, datetime])
    awaits: SecretAwaits | None = None
    reminded: bool = False
    escalated: bool = False
    verified: SecretVerified | None = None
    unknown: int = 0  # looks in a row that could not tell
    stopped: SecretStopped | None = None
    failing_since: datetime | None = None
    repeated: list[tuple[datetime, SecretRepeated]] = field(default_factory=list[tuple[datetime, SecretRepeated]])

    def note(self, entry: Entry, at: datetime) -> None:
        """Take in what was written of this secret."""
        self.yields, self.yields_at = (entry, at) if isinstance(entry, SecretYields) else (None, None)
        match entry:
            case SecretIntended():
                self.intended, self.intended_at = entry.stage, at
                if entry.stage == "made":
                    self.before, self.source, self.turn = dict(entry.before), entry.source, entry.turn
            case SecretDone():
                self.done[entry.stage], self.done_at[entry.stage] = entry, at
                self.failing_since, self.intended = None, None if self.intended == entry.stage else self.intended
            case SecretRepeated():  # it is failing as long as before
                self.repeated.append((at, entry))
                self.intended = None
            case SecretVerified():
                self.verified, self.unknown = entry, self.unknown + 1 if entry.answer == "unknown" else 0
                self.failing_since = None if entry.answer == "held" else self.failing_since
            case SecretAwaits():
                self.awaits, self.failing_since, self.intended = entry, None, None
            case SecretReminded():
                self.reminded, self.escalated = True, self.escalated or entry.escalated
            case SecretFailed():
                self.failing_since = self.failing_since or at
            case SecretStopped():
                self.stopped = entry
            case _:
                pass

    @property
    def next_stage(self) -> RotationStage | None:
        """The first stage that is not done; None if nothing is left to do."""
        if self.stopped is not None:
            return None
        return next((stage for stage in STAGES if stage not in self.done), None)

    @property
    def made(self) -> JsonObject:
        """Ids and names of what was made, or of what an owner was asked for."""
        done = self.done.get("made")
        if done is not None:
            return dict(done.made)
        return dict(self.awaits.made) if self.awaits else {}

    @property
    def version(self) -> str | None:
        """The version that holds the new credential."""
        published = self.done.get("published")
        return published.version if published else None

    @property
    def ending(self) -> Literal["rotated", "not-proven", "stopped"] | None:
        """How it ended; None while it has not. `not-proven`: only an owner can tell, or no read could."""
        if self.stopped is not None:
            return "stopped"
        if "disabled" not in self.done:
            return None
        return "rotated" if self.verified is not None and self.verified.answer == "held" else "not-proven"


def read_progress(lines: Iterable[Line]) -> dict[str, Progress]:
    """How far each step is."""
    found: dict[str, Progress] = {}
    for line in lines:
        if isinstance(line.entry, RotationBegun):  # a person ordered it again: what was given up is tried again
            for progress in found.values():
                progress.stopped = progress.failing_since = None
        if line.record.step is not None:
            found.setdefault(line.record.step, Progress()).note(line.entry, line.record.time)
    return found


def in_other_hands(lines: Iterable[Line], instance: str) -> dict[str, datetime]:
    """
    The steps that an instance which was never heard of again may still be at, each with the moment until which
    it can live: what must not happen twice waits for that.
    """
    left: dict[str, datetime] = {}
    started: tuple[str, datetime] | None = None
    for line in lines:
        match line.entry:
            case WorkStarted():
                started = (line.entry.instance, line.record.time + LONGEST_LIFE)
            case WorkEnded():  # whoever puts it down has nothing under way any more
                left.clear()
            case SecretIntended(stage="made" | "published") if line.record.step and started and started[0] != instance:
                left[line.record.step] = started[1]
            case SecretIntended() | SecretDone() | SecretAwaits() | SecretStopped() if line.record.step:
                left.pop(line.record.step, None)
            case _:
                pass
    return left
