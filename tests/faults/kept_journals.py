"""
Journals of earlier versions, kept as files: what this version must be able to read and to go on from.

`python -m tests.faults keep NAME` writes the journals of now beside those that are there, never over them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from shared.entries import Closed, RechecksSet
from shared.incident import Status, status_of
from shared.journal import IncidentId, Kept, Record, read_chain, to_kept
from tests.faults.chronicle import Appended, Chronicle
from tests.faults.gate import MOST_CALLS
from tests.faults.ground import Ground, event, play, reference_policy, virtual_now
from tests.faults.matrix import Cell, Strike, play_cell, policy, record

FOLDER = Path(__file__).parent / "journals"


@dataclass(frozen=True, slots=True)
class KeptJournal:
    """One file: the records, and what status they had a second after the last of them."""

    path: Path
    status: Status
    records: tuple[Record, ...]


def read_kept(path: Path) -> KeptJournal:
    """A file as this version reads it. Raises JournalDamaged if it was changed."""
    head, *lines = path.read_text("utf-8").splitlines()
    about = json.loads(head)
    kept = [Kept(**cast("dict[str, Any]", json.loads(line))) for line in lines]
    return KeptJournal(path, Status(about["status"]), read_chain(IncidentId(about["incident"]), kept))


def all_kept() -> list[Path]:
    return sorted(FOLDER.glob("*/*.jsonl"))


def keep(name: str, folder: Path = FOLDER) -> list[Path]:
    """Write the journals of this version. Raises FileExistsError if there are some of this name already."""
    place = folder / name
    place.mkdir(parents=True)
    written: list[Path] = []
    for title, records in _journals():
        path = place / f"{title}.jsonl"
        at = records[-1].time + timedelta(seconds=1)
        head = {"incident": records[0].incident, "status": status_of(records, at).value}
        lines = [json.dumps(head), *(json.dumps(to_kept(each)._asdict()) for each in records)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        written.append(path)
    return written


def _journals() -> Iterator[tuple[str, Sequence[Record]]]:
    """Crash points of the reference history, then histories that end otherwise."""
    chronicle = play_cell(Cell((), "same")).chronicle
    whole: list[Record] = []
    seen: set[str] = set()
    for each in chronicle.events:
        if isinstance(each, Appended):
            whole.extend(each.records)
            if whole[-1].kind not in seen:
                seen.add(whole[-1].kind)
                yield f"killed-after-{whole[-1].kind}", tuple(whole)
    calls = record()
    lost = next(call for call in calls if call.method == "set_account_enabled")
    yield "permission-missing", _longest(play_cell(Cell((Strike(lost.number, "403-from-here"),), "same")).chronicle)
    cut = next(call for call in calls if call.method == "cover_by_risk_policy")
    yield "taken-over", _longest(play_cell(Cell((Strike(cut.number, "kill-after-send"),), "rival")).chronicle)
    for mode in ("ask", "watch"):
        yield f"mode-{mode}", _longest(_in_mode(mode))


def _longest(chronicle: Chronicle) -> list[Record]:
    return [each for _, each in max(chronicle.journals.values(), key=len)]


def _in_mode(mode: str) -> Chronicle:
    async def story() -> Chronicle:
        ground = Ground(lambda call: None, reference_policy(), virtual_now(), mode=mode)
        ground.start(ground.deliver(event()))
        await ground.work(600.0, name=lambda: "one")
        return ground.finish()

    return play(story)


def resume(kept: KeptJournal) -> tuple[Status, Ground]:
    """
    Let this version go on from there, in a tenant where nothing was done yet: whatever the journal calls
    done has to be found undone, and be done again.
    """
    seen: list[Ground] = []

    async def story() -> Chronicle:
        clock = virtual_now()
        ground = Ground(lambda call: None, policy(), clock)
        seen.append(ground)
        await ground.store.journal.append(kept.records[:50])
        for start in range(50, len(kept.records), 50):
            await ground.store.journal.append(kept.records[start : start + 50])
        await ground.store.queue.send({"incident": kept.records[0].incident, "because": "resumed"})
        looks = [each for each in kept.records if each.kind == RechecksSet.kind]
        if looks:  # its later looks lie in the queue as well
            message = {"incident": kept.records[0].incident, "because": "recheck", "place": 2}
            await ground.store.queue.send({**message, "series": looks[-1].data["series"]}, timedelta(minutes=1))
        await ground.work(ground.now() + 4 * 3600.0, name=lambda: "two")
        return ground.finish()

    chronicle = play(story, start=kept.records[-1].time + timedelta(minutes=3))
    assert len(seen[0].gate.calls) < MOST_CALLS
    records = [each for _, each in chronicle.journals[kept.records[0].incident]]
    return status_of(records, records[-1].time), seen[0]


def is_closed(records: Sequence[Record]) -> bool:
    return any(each.kind == Closed.kind for each in records)
