"""
Log Analytics: questions in Kusto to the workspaces that the settings name. Each workspace is asked on its own, so that
the one which fails is named; a result that is not whole counts as none (facts: azure 3.4).

The first line of each question is a comment that names it. Nothing gets into a question but fixed text, GUIDs, times
and checked names.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.case import CouldNotLook
from shared.clients.azure_answers import Order, Reply, readable
from shared.clients.azure_http import AzureHttp
from shared.clients.graph_shapes import Unreadable, objects_of, text_of
from shared.clients.pacing import Quota
from shared.clients.patience import Trouble, persist
from shared.errors import IncompleteAnswer, PlatformRefused
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue

LOG_READER = "the role Log Analytics Reader on the workspace"
# A table that has been silent for this long is not written to any more, however seldom it was.
_SILENT = timedelta(days=2)
_VAULT = re.compile(r"[a-z0-9-]{3,24}")
_LATE = timedelta(hours=2)  # how late a record may be where all is well; seen are 15 to 30 minutes
_TWICE = 2  # the usual silence: as long again is still no sign that the records have stopped
_FORTNIGHT = timedelta(days=15)  # of which two weekends are a part, by which the usual silence is told
_QUERIES = Quota("log queries", 200, 30.5)  # per identity; facts: azure 3.4


@dataclass(frozen=True, slots=True)
class Held:
    """
    The time that a table's records in a workspace speak of. `until` is set where they have stopped for longer than
    they usually do, which a person may have brought about: nothing is known of the time after.
    """

    oldest: datetime
    newest: datetime
    until: datetime | None = None


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
        """The rows of the first table, by column. Raises our errors; IncompleteAnswer for half of a result."""
        path = f"/v1/workspaces/{workspace}/query"
        order = Order("POST", path, doing, LOG_READER, {"query": query}, quotas=(_QUERIES,))

        async def attempt() -> Reply:
            reply = await self._http.attempt(order)
            if reply.body.get("error") is not None:  # beside the tables: they are not whole
                raise Trouble(IncompleteAnswer(f"Not done: {doing}. The result is not whole."), again=True)
            return reply

        reply = await persist(attempt, self._http.patience, self._http.random, doing)
        return readable(doing, lambda: _rows(reply.body))

    async def held(self, workspace: str, table: str, since: datetime) -> Held | None:
        """
        What a workspace has of a table from `since` on, or from two weeks ago, of anybody; None: nothing, or nothing
        lately. A table that nobody sends records to is as empty as one in which nothing happened, so emptiness alone
        proves nothing. Whether records still come is told by how the table ticks: the longest silence but one, so that
        a single break is not taken for a habit, and a weekend is.
        """
        doing = f"asking workspace {workspace} how far back its {table} goes"
        query = (
            f"// cordon:coverage\nlet t0={kusto_time(min(since, self.now - _FORTNIGHT))};\n{table}\n"
            "| where TimeGenerated >= t0\n"
            "| summarize begun=min(TimeGenerated), ended=max(TimeGenerated) by bin(TimeGenerated, 10m)\n"
            "| sort by begun asc\n| extend pause=toreal((begun-prev(ended))/1s)\n"
            "| summarize oldest=min(begun), newest=max(ended), pauses=make_list(pause)\n"
            "| extend pauses=array_sort_desc(pauses)\n| project oldest, newest, quiet=toreal(pauses[1])\n"
        )
        rows = await self.rows(workspace, query, doing)
        return readable(doing, lambda: _held(rows, self.now))

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
        rows = await self.rows(workspace, query, doing)
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


def _held(rows: Sequence[JsonObject], now: datetime) -> Held | None:
    """`quiet`, in seconds, is null while there are no two pauses."""
    span = _span(rows)
    if span is None:
        return None
    newest, quiet = span.newest, rows[0].get("quiet")
    if quiet is not None and (not isinstance(quiet, int | float) or isinstance(quiet, bool) or quiet < 0):
        raise Unreadable("quiet is no length of time")
    if now - newest > _SILENT:
        return None
    ticks = now - newest <= max(_LATE, _TWICE * timedelta(seconds=quiet or 0))
    return replace(span, until=None if ticks else newest)


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
