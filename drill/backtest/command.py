"""The command: reads folder and policies, has both passes run, and writes what came of it."""

import asyncio
import gc
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drill.backtest.exports import files_in
from drill.backtest.memory import Memory
from drill.backtest.outcome import LogSeen, Outcome
from drill.backtest.replay import TICK, Judge, Replay, longest_look_back
from drill.backtest.shapes import LOGS
from drill.backtest.sieve import Say, Sifted, sift
from shared.actions import check_policy_action, choosable
from shared.errors import OperatorMustAct
from shared.identity import canonical_guid
from shared.policy import Policy, load_policy


class ExportUnusable(OperatorMustAct):
    """The folder holds nothing that could be replayed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    policy: Path
    logs: Path
    against: Path | None = None
    since: datetime | None = None
    until: datetime | None = None
    complete_from: datetime | None = None
    tenant_id: str | None = None
    own_ids: frozenset[str] = frozenset()
    handover_vault: bool = False
    jobs: int = 1


def backtest(asked: Asked, say: Say | None = None) -> tuple[Outcome, Policy]:
    """Replay an export. Raises ExportUnusable and PolicyWrong."""
    policies = [load_policy(path, choosable(), check_policy_action) for path in (asked.policy, asked.against) if path]
    files = _files(asked.logs)
    with collecting_seldom(), tempfile.TemporaryDirectory(prefix="cordon-backtest-") as place:
        sifted = sift(files, asked.logs, Path(place), asked.tenant_id, jobs=asked.jobs, say=say)
        _check(sifted, asked.logs)
        look_back = longest_look_back(policies)
        tenant_id = asked.tenant_id or _tenant_of(sifted)
        memory = Memory(
            sifted.snapshot, sifted.hindsight, sifted.covers, tenant_id, look_back, complete_from=asked.complete_from
        )
        names = [path.name for path in (asked.policy, asked.against) if path]
        judges = [
            Judge(policy, name, memory, asked.own_ids, vault=asked.handover_vault)
            for policy, name in zip(policies, names, strict=True)
        ]
        replay = Replay(sifted, memory, judges, asked.own_ids, since=asked.since, until=asked.until, say=say)
        asyncio.run(replay.run())
        return _outcome(asked, sifted, replay, judges, memory), policies[0]


@contextmanager
def collecting_seldom() -> Generator[None]:
    """
    Objects by the million come and go here, and hardly any of them in rings (a month of 100,000 records leaves a
    megabyte): to look for rings after every few thousand, among all the modules as well, takes a twentieth of the time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(1_000_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _outcome(asked: Asked, sifted: Sifted, replay: Replay, judges: Sequence[Judge], memory: Memory) -> Outcome:
    covers = sifted.covers
    sifted.troubles.missing_pages()
    return Outcome(
        folder=str(asked.logs),
        files=sifted.files,
        records=sifted.records,
        kept=sifted.runs.count,
        signals=replay.counts.signals,
        duplicates=replay.counts.duplicates,
        own=replay.counts.own,
        logs=[
            LogSeen(sort.value, covers[sort].records, covers[sort].first, covers[sort].last)
            for sort in LOGS
            if sort in covers
        ],
        missing=[sort.value for sort in LOGS if sort not in covers],
        objects=len(sifted.snapshot.principals),
        tenant_id=memory.tenant_id,
        since=asked.since,
        until=asked.until,
        tick=TICK,
        unknown=dict(sifted.unknown.most_common()),
        damaged=dict(sifted.troubles.counts.most_common()),
        places=sifted.troubles.places,
        late_states=sifted.late_states,
        look_back=memory.look_back,
        tally=judges[0].tally,
        against=judges[1].tally if len(judges) > 1 else None,
    )


def _files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ExportUnusable(
            f"Nothing was replayed: --logs {folder} {what}. Give the folder with the exported files; "
            "docs/backtest.md tells how to export them."
        )
    files = files_in(folder)
    if not files:
        raise ExportUnusable(
            f"Nothing was replayed: --logs {folder} holds no file. Export the tenant's logs into it first; "
            "docs/backtest.md tells how."
        )
    return files


def _check(sifted: Sifted, folder: Path) -> None:
    if any(cover.records for cover in sifted.covers.values()):
        return
    found = [f"{count:,} {what}" for what, count in sifted.unknown.most_common(5)]
    found += [f"{count:,} times {why}" for why, count in sifted.troubles.counts.most_common(5)]
    raise ExportUnusable(
        f"Nothing was replayed: none of the {sifted.files} files in {folder} holds a log that is known here. "
        f"Found: {'; '.join(found) or 'no record at all'}. docs/backtest.md lists the forms that are read."
    )


def _tenant_of(sifted: Sifted) -> str:
    """The tenant that the export is of: as its records name it, or as its applications' owner."""
    if len(sifted.tenants) > 1:
        named = ", ".join(sorted(sifted.tenants)[:5])
        raise ExportUnusable(
            f"Nothing was replayed: the export's records name several tenants ({named}). Say by --tenant which one "
            "is meant; records of the others are then told as damaged."
        )
    found = next(iter(sifted.tenants), None) or sifted.snapshot.home_tenant()
    if found is None and not sifted.snapshot.is_empty:
        raise ExportUnusable(
            "Nothing was replayed: the export does not tell whose tenant it is, so own applications cannot be told "
            "from foreign ones. Give the tenant's id by --tenant."
        )
    return found or ""


def read_moment(text: str) -> datetime:
    """A moment on the command line; without a zone it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def read_id(text: str) -> str:
    """Raises ValueError."""
    return canonical_guid(text)
