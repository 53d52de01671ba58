"""
First pass: every file is read once. What can concern a workload identity is kept, all else is counted.

Kept are audit records of a followed activity, and any whose target is an application or a service principal: a live
look asks for records by target, whatever their activity. What a record claims is checked by the same readers as live.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from drill.backtest.exports import Export, Numbered, Troubles
from drill.backtest.hindsight import Hindsight
from drill.backtest.runs import Runs, pack_audit, pack_sign_in, to_ticks
from drill.backtest.shapes import Sort, as_graph, sort_of
from drill.backtest.snapshot import Snapshot
from shared.audit import concerns_workloads, may_concern_workloads, read_audit, subjects_of
from shared.case import SignIn
from shared.clients.graph_shapes import Unreadable, guid_of, sign_in_of
from shared.errors import MalformedSignal
from shared.identity import IdentityRef
from shared.risk import read_detection
from shared.signal import JsonObject, NotASignal
from shared.sources import source_named
from shared.untrusted import check_tenant

try:
    from drill.backtest.glance import glance, glance_at_sign_in
except ImportError:  # every record is read in full without it, which takes longer and ends the same
    glance = glance_at_sign_in = None

_TARGETS = frozenset({"application", "serviceprincipal"})
_OTHERS = (None, "User", "Group", "Device", "Role", "Policy", "Other")  # told apart without a second look
_SNAPSHOT = frozenset(
    {Sort.PRINCIPAL, Sort.APPLICATION, Sort.APP_ROLE, Sort.DELEGATED, Sort.DIRECTORY_ROLE, Sort.DOMAIN}
)
_TOLD_EVERY = 2.0  # seconds
_IN_VAIN = 1000  # lines of a file, one after the other
_TOGETHER = 1000  # records that are counted in one go, and after which the progress is told
_LONGEST_ACTIVITY = 200
_may_concern = lru_cache(maxsize=1024)(may_concern_workloads)
T = TypeVar("T")

Say = Callable[[str], None]


def _tells_time(at: str) -> bool:
    """In the form that is noted; anything else tells no time."""
    return at[:2] == "20" and at[10:11] == "T"


@dataclass(slots=True)
class Cover:
    """
    What the export holds of one log: how many records, and from when to when, as "2026-03-02T03:00:00" in UTC. Texts of
    this form are ordered as their moments are, and cheap.
    """

    records: int = 0
    first: str = ""
    last: str = ""

    def note(self, at: object) -> None:
        self.records += 1
        if isinstance(at, str) and _tells_time(at):
            second = at[:19]
            if second > self.last:
                self.last = second
            if second < self.first or not self.first:
                self.first = second

    def note_all(self, times: Sequence[str]) -> None:
        """The same for many: between two texts that tell a time there is none that would be noted."""
        if not times:
            return
        ends = min(times), max(times)
        if not (_tells_time(ends[0]) and _tells_time(ends[1])):
            ends = times
        self.records += len(times) - len(ends)
        for each in ends:
            self.note(each)

    def add(self, other: "Cover") -> None:
        self.records += other.records
        self.first = min(self.first or other.first, other.first or self.first)
        self.last = max(self.last, other.last)


@dataclass(slots=True)
class Sifted:
    """What the first pass found. `named`: every id of an identity that something was reported about."""

    runs: Runs
    covers: dict[Sort, Cover] = field(default_factory=dict[Sort, Cover])
    unknown: Counter[str] = field(default_factory=Counter[str])
    troubles: Troubles = field(default_factory=Troubles)
    snapshot: Snapshot = field(default_factory=Snapshot)
    hindsight: Hindsight = field(default_factory=Hindsight)
    named: set[str] = field(default_factory=set[str])
    tenants: Counter[str] = field(default_factory=Counter[str])  # as diagnostic records name them
    records: int = 0
    files: int = 0
    late_states: int = 0  # detections that were exported in a later state than their first

    def cover(self, sort: Sort) -> Cover:
        found = self.covers.get(sort)
        if found is None:
            found = self.covers[sort] = Cover()
        return found

    def add(self, other: "Sifted") -> None:
        """What another process found in other files."""
        self.runs.take(other.runs.paths, other.runs.count)
        for sort, cover in other.covers.items():
            self.cover(sort).add(cover)
        self.unknown += other.unknown
        self.troubles.add(other.troubles)
        self.snapshot.add(other.snapshot)
        self.hindsight.add(other.hindsight)
        self.named |= other.named
        self.tenants += other.tenants
        self.records += other.records
        self.files += other.files
        self.late_states += other.late_states


def sift(
    files: Sequence[Path], folder: Path, runs_in: Path, tenant_id: str | None, *, jobs: int = 1, say: Say | None = None
) -> Sifted:
    """Read these files below the folder; what is kept lies in `runs_in`. Several processes share the files."""
    if jobs <= 1 or len(files) <= 1:
        return _sift_some(files, folder, runs_in, "run", tenant_id, say)
    whole = Sifted(Runs(runs_in, "merged"))
    by_size = sorted(files, key=lambda path: path.stat().st_size, reverse=True)
    with ProcessPoolExecutor(jobs) as pool:
        asked = [
            pool.submit(_sift_some, [path], folder, runs_in, f"run{number}", tenant_id, None)
            for number, path in enumerate(by_size)
        ]
        for number, each in enumerate(asked, start=1):
            whole.add(each.result())
            if say:
                say(f"{number} of {len(files)} files read, {whole.records:,} records")
    return whole


def _sift_some(
    files: Sequence[Path], folder: Path, runs_in: Path, name: str, tenant_id: str | None, say: Say | None
) -> Sifted:
    sieve = _Sieve(Sifted(Runs(runs_in, name)), tenant_id, _Progress(files, say) if say else None)
    for path in files:
        sieve.read(path, path.relative_to(folder).as_posix())
    return sieve.finish()


class _Progress:
    """Tells every two seconds how far the reading has come."""

    def __init__(self, files: Sequence[Path], say: Say) -> None:
        self._whole = sum(path.stat().st_size for path in files) or 1
        self._say, self._done, self._told = say, 0, time.monotonic()

    def tell(self, export: Export, records: int) -> None:
        now = time.monotonic()
        if now - self._told < _TOLD_EVERY:
            return
        self._told = now
        self._say(f"{(self._done + export.read) / self._whole:.0%} read, {records:,} records, at {export.name}")

    def finish(self, path: Path) -> None:
        self._done += path.stat().st_size


class _Sieve:
    """Reads file after file into what was found."""

    def __init__(self, found: Sifted, tenant_id: str | None, progress: _Progress | None) -> None:
        self.found, self._tenant_id, self._progress = found, tenant_id, progress
        self._audits = Cover()
        self._export: Export | None = None

    def finish(self) -> Sifted:
        """What was found, once all is read."""
        self.found.runs.spill()
        if self._audits.records:
            self.found.cover(Sort.AUDIT).add(self._audits)
        return self.found

    def read(self, path: Path, name: str) -> None:
        found = self.found
        self._export = Export(path, name, found.troubles, self._unsettled)
        found.files += 1
        for record, context, line in self._export.objects():
            if record:
                self._count()
            try:
                if "activityDisplayName" in record:
                    self._audit(record)
                else:
                    self._take(record, context, name)
            except MalformedSignal as problem:
                found.troubles.note(f"{name}:{line}", problem.why)
            except Unreadable as problem:
                found.troubles.note(f"{name}:{line}", str(problem))
        if self._progress:
            self._progress.finish(path)

    def _count(self, more: int = 1) -> None:
        before = self.found.records
        self.found.records += more
        if self._progress and self._export and before // _TOGETHER != self.found.records // _TOGETHER:
            self._progress.tell(self._export, self.found.records)

    def _unsettled(self, lines: Numbered) -> Numbered:
        """
        The lines that are to be read in full. One that is an audit record which concerns no workload is counted, and
        that is all; a sign-in is taken from what the glance tells. Files hold one sort of record: where nothing was
        told by many glances in turn, none is spent on the rest.
        """
        settled, vain, may_concern = list[str](), 0, _may_concern
        sign_ins = _Trying(glance_at_sign_in)
        try:
            for number, line in lines:
                found = glance(line) if glance and vain < _IN_VAIN else None
                if found is None:
                    vain += 1
                    if (seen := sign_ins.at(line)) is not None and (sort := _sort_of_sign_in(seen[2])) is not None:
                        self._count()
                        self._keep_sign_in(seen[0], seen[1], sort)
                        continue
                else:
                    vain = 0
                    if len(found.activity) <= _LONGEST_ACTIVITY and not may_concern(found.activity):
                        for target in found.targets:
                            if target.type not in _OTHERS and _is_workload(target.type):
                                break
                        else:
                            settled.append(found.at)
                            if len(settled) >= _TOGETHER:
                                self._settle(settled)
                            continue
                yield number, line
        finally:  # an archive that breaks off has told what was read until then
            self._settle(settled)

    def _settle(self, times: list[str]) -> None:
        """Count the records of these times, of which nothing more needs to be known."""
        self._audits.note_all(times)
        self._count(len(times))
        times.clear()

    def _take(self, record: JsonObject, context: str, name: str) -> None:
        sort = sort_of(record, context, name)
        if not isinstance(sort, Sort):
            if record:
                self.found.unknown[sort] += 1
        elif sort in _SNAPSHOT:
            self.found.snapshot.take(sort, record, context)
        elif not record:
            self.found.cover(sort)
        elif sort is Sort.AUDIT:
            self._audit(record)
        elif sort in (Sort.SIGN_IN, Sort.MANAGED_SIGN_IN):
            self._sign_in(as_graph(record, sort), sort)
        else:
            self._risk(as_graph(record, sort), sort)

    def _check(self, record: JsonObject, sender: str) -> str:
        """The tenant to read a record by: the one that is asked for, or else the one that it names."""
        named = _tenant_named(record)
        if named:
            self.found.tenants[named] += 1
        if self._tenant_id:
            check_tenant(record, self._tenant_id, sender)
        return self._tenant_id or named

    def _audit(self, record: JsonObject) -> None:
        if "TimeGenerated" in record:
            record = as_graph(record, Sort.AUDIT)
        inner = record.get("properties")
        body = inner if isinstance(inner, dict) else record
        self._audits.note(body.get("activityDateTime") or record.get("time"))
        if not concerns_workloads(record) and not _has_workload(body):
            return
        self._check(record, "directory-audit")
        audit = read_audit(record, "directory-audit")
        ticks = to_ticks(audit.at)
        left = self.found.hindsight.note(audit, ticks)
        self.found.runs.add((ticks, Sort.AUDIT.value, audit.id, (pack_audit(audit), left)))
        for subject in subjects_of(audit):
            self._name(subject)

    def _sign_in(self, record: JsonObject, sort: Sort) -> None:
        principal = guid_of(record, "servicePrincipalId")
        self._keep_sign_in(principal, sign_in_of(record, principal), sort)

    def _keep_sign_in(self, principal: str, read: SignIn, sort: Sort) -> None:
        self.found.cover(sort).note(read.at.isoformat())
        self.found.runs.add((to_ticks(read.at), sort.value, read.id, pack_sign_in(principal, read)))

    def _risk(self, record: JsonObject, sort: Sort) -> None:
        name = "risk-detection" if sort is Sort.DETECTION else "risky-service-principal"
        signal = source_named(name).read(record, self._check(record, name))
        if isinstance(signal, NotASignal):
            return
        self.found.cover(sort).note(signal.observed_at.isoformat())
        self.found.runs.add((to_ticks(signal.observed_at), sort.value, signal.record_id, record))
        self._name(signal.subject)
        if sort is Sort.DETECTION:
            self.found.late_states += _is_later_state(record)

    def _name(self, subject: IdentityRef | None) -> None:
        if subject is not None:
            ids = (subject.principal_id, subject.client_id, subject.app_object_id)
            self.found.named.update(each for each in ids if each)


class _Trying(Generic[T]):
    """A glance at each line of a file, until it has told nothing for too long."""

    def __init__(self, glance: Callable[[bytes], T | None] | None) -> None:
        self._glance, self._vain = glance, 0

    def at(self, line: bytes) -> T | None:
        if self._glance is None or self._vain >= _IN_VAIN:
            return None
        found = self._glance(line)
        self._vain = self._vain + 1 if found is None else 0
        return found


def _sort_of_sign_in(types: Sequence[str]) -> Sort | None:
    """As `sort_of` tells them."""
    if "servicePrincipal" in types:
        return Sort.SIGN_IN
    return Sort.MANAGED_SIGN_IN if "managedIdentity" in types else None


def _tenant_named(record: JsonObject) -> str:
    """By itself, or by the resource that a diagnostic record is of: /tenants/<id>/providers/Microsoft.aadiam."""
    named, resource = record.get("tenantId"), record.get("resourceId")
    if isinstance(named, str) and named:
        return named.lower()
    parts = resource.split("/") if isinstance(resource, str) else []
    return parts[2].lower() if len(parts) > 2 and parts[1].casefold() == "tenants" else ""


def _is_workload(type_: object) -> bool:
    return type_ not in _OTHERS and isinstance(type_, str) and type_.casefold() in _TARGETS


def _has_workload(body: JsonObject) -> bool:
    """Whether a target may be an application or a service principal; a list that is a text is searched as one."""
    targets = body.get("targetResources")
    if isinstance(targets, list):
        return any(isinstance(target, dict) and _is_workload(target.get("type")) for target in targets)
    if isinstance(targets, str):
        folded = targets.casefold()
        return any(each in folded for each in _TARGETS)
    return isinstance(body.get("properties"), str)


def _is_later_state(record: JsonObject) -> bool:
    """Graph keeps only the last state of a detection; when it was first reported, it was in another one."""
    found = read_detection(record)
    first = found.detected_at or found.activity_at
    return first is not None and found.updated_at is not None and (found.updated_at - first).total_seconds() > 3600
