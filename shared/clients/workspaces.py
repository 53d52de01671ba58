"""
Log Analytics: questions in Kusto to the workspaces that the settings name. Each workspace is asked on its own, so that
the one which fails is named; a result that is not whole counts as none (facts: azure 3.4).

The first line of each question is a comment that names it. Nothing gets into a question but fixed text, GUIDs, times
and checked names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from shared.case import CouldNotLook
from shared.clients.azure_answers import Order, Reply, readable
from shared.clients.azure_http import AzureHttp
from shared.clients.graph_shapes import Unreadable, objects_of, text_of
from shared.clients.pacing import Quota
from shared.clients.patience import Trouble, persist
from shared.errors import IncompleteAnswer, PlatformRefused
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.together import together

LOG_READER = "the role Log Analytics Reader on the workspace"
# A table that has been silent for this long is not written to any more, however seldom it was.
_SILENT = timedelta(days=2)
_VAULT = re.compile(r"[a-z0-9-]{3,24}")
_LATE = timedelta(hours=2)  # how late a record may be where all is well; seen are 15 to 30 minutes
_TWICE = 2  # the usual silence: as long again is still no sign that the records have stopped
_OTHERS = 2  # silences half as long, which make one usual
_PAUSE = timedelta(minutes=30)  # without a record, ends a stretch; the question below says the same
_HOLE = timedelta(hours=1)  # between two stretches: shorter ones are nothing to wonder at
_PACE = timedelta(days=24)  # of which three weekends are a part, by which the usual silence is told
_LEAST_TICKS = 50  # of ten minutes with a record: fewer have no pace that a hole could break
_NO_TABLE = re.compile(r"Failed to resolve table .{0,80}?'(\w{1,80})'")  # SEM0100, of public bug reports
_QUERIES = Quota("log queries", 200, 30.5)  # per identity; facts: azure 3.4


@dataclass(frozen=True, slots=True)
class Held:
    """
    The time that a table's records in a workspace speak of. `until` is set where they have stopped for longer than
    they usually do, which a person may have brought about: nothing is known of the time after. `hole` is the newest
    time in which they had stopped and came again, and `oldest` its end: what is older is not whole.
    """

    oldest: datetime
    newest: datetime
    until: datetime | None = None
    hole: datetime | None = None

    @property
    def begins(self) -> str:
        """Why it does not tell of what was before."""
        if self.hole is None:
            return f"they begin at {self.oldest:%Y-%m-%d %H:%M} UTC, and nothing is known of the time before"
        return (
            f"nothing of anybody came in from {self.hole:%Y-%m-%d %H:%M} UTC to {self.oldest:%Y-%m-%d %H:%M} UTC, "
            "which is unusual there, so what happened then is not known"
        )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time without a pause. `ticks`: how many ten minutes of it hold a record."""

    begun: datetime
    ended: datetime
    ticks: int


class NoTable(PlatformRefused):
    """The workspace has no such table: nobody has sent a record of it there."""

    def __init__(self, *, doing: str, code: str, why: str, table: str) -> None:
        super().__init__(doing=doing, code=code, why=why)
        self.table = table


class Workspaces:
    """Asks workspaces. Goes as the reader identity."""

    def __init__(self, http: AzureHttp, ids: Sequence[str]) -> None:
        """`ids` are customer ids, at least one."""
        self._http, self.ids = http, tuple(canonical_guid(each) for each in ids)

    def nobody_writes(self, table: str, since: datetime) -> CouldNotLook:
        """The answer where no workspace holds the table."""
        return CouldNotLook(
            f"no workspace has had records in {table} since {since:%Y-%m-%d} that go on until now: Entra's diagnostic "
            "settings send none there"
        )

    @property
    def now(self) -> datetime:
        return self._http.clock()

    async def rows(self, workspace: str, query: str, doing: str) -> list[JsonObject]:
        """
        The rows of the first table, by column. Raises our errors; IncompleteAnswer for half of a result, NoTable for a
        table that the workspace does not know: it comes to be with the first record that is sent there.
        """
        path = f"/v1/workspaces/{workspace}/query"
        order = Order("POST", path, doing, LOG_READER, {"query": query}, quotas=(_QUERIES,))

        async def attempt() -> Reply:
            reply = await self._http.attempt(order)
            if reply.body.get("error") is not None:  # beside the tables: they are not whole
                raise Trouble(IncompleteAnswer(f"Not done: {doing}. The result is not whole."), again=True)
            return reply

        try:
            reply = await persist(attempt, self._http.patience, self._http.random, doing)
        except PlatformRefused as refused:
            if missing := _NO_TABLE.search(refused.why):
                raise NoTable(doing=doing, code=refused.code, why=refused.why, table=missing[1]) from refused
            raise
        return readable(doing, lambda: _rows(reply.body))

    async def held(self, workspace: str, table: str, since: datetime) -> Held | None:
        """
        What a workspace has of a table from `since` on, or from three weeks ago, of anybody; None: nothing, or nothing
        lately. A table that nobody sends records to is as empty as one in which nothing happened, so emptiness alone
        proves nothing. Whether records came all the time is told by how the table ticks: a silence is usual if two
        others are half as long, so that a single break is not taken for a habit, and a weekend is. When the workspace
        was full, no habit explains it.
        """
        doing = f"asking workspace {workspace} how far back its {table} goes"
        query = (
            f"// cordon:coverage\nlet t0={kusto_time(min(since, self.now - _PACE))};\n{table}\n"
            "| where TimeGenerated >= t0\n"
            "| summarize begun=min(TimeGenerated), ended=max(TimeGenerated) by bin(TimeGenerated, 10m)\n"
            "| sort by begun asc\n| extend stretch=row_cumsum(iff(begun-prev(ended) > 30m, 1, 0))\n"
            "| summarize begun=min(begun), ended=max(ended), ticks=count() by stretch\n"
            "| project begun, ended, ticks\n"
        )
        try:
            rows, full = await together(self.rows(workspace, query, doing), self.lost(workspace, since))
        except NoTable as missing:
            if missing.table != table:
                raise
            return None
        stretches = readable(doing, lambda: sorted(map(_stretch, rows), key=lambda each: each.begun))
        return _held(stretches, full.newest if full else None, self.now)

    async def lost(self, workspace: str, since: datetime) -> Held | None:
        """
        When a workspace took nothing in because its daily cap was reached; None: never. Whoever sends it enough, or may
        set the cap, has it forget the rest of the day (facts: Azure Monitor, daily cap).
        """
        doing = f"asking workspace {workspace} whether it took in all that was sent"
        query = (
            f"// cordon:lost-logs\nlet t0={kusto_time(since)};\nOperation\n| where TimeGenerated >= t0 and "
            "Detail contains 'OverQuota'\n| summarize oldest=min(TimeGenerated), newest=max(TimeGenerated)\n"
            "| project oldest, newest\n"
        )
        try:
            rows = await self.rows(workspace, query, doing)
        except NoTable:  # in which nothing was written down: that it was full would be
            return None
        return readable(doing, lambda: _span(rows))

    async def records_of(self, vault: str, since: datetime) -> list[Held]:
        """Of each hour in which a vault logged anything to any of the workspaces, the first and the last record."""
        if not _VAULT.fullmatch(vault):
            raise PlatformRefused(doing="asking what a vault logged", code="bad-name", why="this is no vault's name.")
        found: list[Held] = []
        for workspace in self.ids:
            doing = f"asking workspace {workspace} when vault {vault} logged anything"
            rows = await self.rows(workspace, _records_query(vault, since), doing)
            found += readable(doing, lambda rows=rows: [_hour(row) for row in rows])
        return found


def _records_query(vault: str, since: datetime) -> str:
    return f"""// cordon:vault-records
let vault='{vault}'; let t0={kusto_time(since)};
union isfuzzy=true
(AZKVAuditLogs | where TimeGenerated >= t0 and tostring(split(_ResourceId, '/')[-1]) =~ vault | project TimeGenerated),
(AzureDiagnostics | where TimeGenerated >= t0 and ResourceProvider =~ 'MICROSOFT.KEYVAULT' \
and Category == 'AuditEvent' and tostring(split(ResourceId, '/')[-1]) =~ vault | project TimeGenerated)
| summarize firstRecord=min(TimeGenerated), lastRecord=max(TimeGenerated) by bin(TimeGenerated, 1h)
| project firstRecord, lastRecord
"""


def _hour(row: JsonObject) -> Held:
    return Held(moment_of(row, "firstRecord"), moment_of(row, "lastRecord"))


def kusto_time(moment: datetime) -> str:
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"datetime({utc.isoformat(timespec='seconds')}Z)"


def moment_of(row: JsonObject, name: str) -> datetime:
    moment = datetime.fromisoformat(text_of(row, name))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _span(rows: Sequence[JsonObject]) -> Held | None:
    """`summarize` over nothing gives one row of nulls."""
    if len(rows) != 1:
        raise Unreadable("not one row")
    if rows[0].get("oldest") is None and rows[0].get("newest") is None:
        return None
    return Held(moment_of(rows[0], "oldest"), moment_of(rows[0], "newest"))


def _stretch(row: JsonObject) -> _Stretch:
    ticks = row.get("ticks")
    if not isinstance(ticks, int) or isinstance(ticks, bool):
        raise Unreadable("ticks is not a number")
    return _Stretch(moment_of(row, "begun"), moment_of(row, "ended"), ticks)


def _held(stretches: Sequence[_Stretch], full: datetime | None, now: datetime) -> Held | None:
    """`full` is when the workspace took nothing more in, the last time."""
    if not stretches or now - (newest := stretches[-1].ended) > _SILENT:
        return None
    pauses = sorted((after.begun - before.ended for before, after in pairwise(stretches)), reverse=True)
    usual = pauses[1] if len(pauses) > 1 else timedelta()
    ticks = now - newest <= max(_LATE, _TWICE * usual)
    stopped = not ticks or (full is not None and newest <= full + _PAUSE)
    oldest, hole = _whole_from(stretches, pauses, full)
    return Held(oldest, newest, newest if stopped else None, hole)


def _whole_from(
    stretches: Sequence[_Stretch], pauses: Sequence[timedelta], full: datetime | None
) -> tuple[datetime, datetime | None]:
    """Where the newest hole ends, and where it began; else the beginning. `pauses`: the longest first."""
    if full is not None and full >= stretches[-1].begun:
        return full, None
    third = pauses[_OTHERS] if len(pauses) > _OTHERS else timedelta()
    usual = max(_HOLE, _TWICE * third) if sum(each.ticks for each in stretches) >= _LEAST_TICKS else timedelta.max
    for before, after in reversed([*pairwise(stretches)]):
        if after.begun - before.ended > usual or (full is not None and before.begun <= full):
            return after.begun, before.ended
    return stretches[0].begun, None


def _rows(body: JsonObject) -> list[JsonObject]:
    table = objects_of(body, "tables")[0]
    columns = [text_of(each, "name") for each in objects_of(table, "columns")]
    rows = table.get("rows")
    if not isinstance(rows, list):
        raise Unreadable("rows is not a list")
    return [_row(columns, row) for row in rows]


def _row(columns: Sequence[str], row: JsonValue) -> JsonObject:
    if not isinstance(row, list):
        raise Unreadable("a row is not a list")
    return dict(zip(columns, row, strict=True))
