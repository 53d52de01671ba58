"""
MicrosoftGraphActivityLogs in Log Analytics: what a workload asked of Graph, and with which tokens (facts: graph 3).
Only what it did in its own name: calls in a user's name carry the user's id, and no service principal's.

The table is large, so the workspace counts. Of an address only its shape is kept: ids become `*`.
"""

from datetime import datetime, timedelta

from shared.case import CouldNotLook, GraphActivity, GraphCalls, GraphToken, Known, Part
from shared.clients.azure_answers import as_part, readable
from shared.clients.graph_shapes import Unreadable, optional_text_of, text_of
from shared.clients.workspaces import Held, Workspaces, kusto_time, moment_of
from shared.identity import canonical_guid
from shared.signal import JsonObject
from shared.together import together

TABLE = "MicrosoftGraphActivityLogs"
CALLS_BACK, TOKENS_BACK = timedelta(days=91), timedelta(days=3)
MOST_PATHS, MOST_TOKENS = 2_000, 5_000
_CALLS = rf"""| extend path=tolower(tostring(split(RequestUri, '?')[0]))
| extend path=replace_regex(path, @'^https?://[^/]+/(v1\.0|beta)', '')
| extend path=replace_regex(path, @'\([^)]*\)', '/*')
| extend path=replace_regex(path, @'/[^/]*[^a-z/$.][^/]*', '/*')
| extend path=replace_regex(path, @'^((/[^/]*){{6}}).*$', @'\1')
| summarize calls=count(), last=max(TimeGenerated) by method=RequestMethod, path
| top {MOST_PATHS} by calls desc
| project method, path, calls, last
"""
_TOKENS = f"""| summarize first=min(TimeGenerated), last=max(TimeGenerated), issued=min(TokenIssuedAt), \
ip=take_any(IPAddress) by token=SignInActivityId
| top {MOST_TOKENS} by last desc
| project token, first, last, issued, ip
"""


class ActivityTable:
    """The activity of one workload, from the workspace that has most of it."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def read(self, principal: str) -> Part[GraphActivity]:
        """Unknown where no workspace is written to. Entra sends a category whole: one that is, is enough."""
        now = self._workspaces.now
        since = now - CALLS_BACK
        asked = [as_part(self._workspaces.held(each, TABLE, since)) for each in self._workspaces.ids]
        parts: tuple[Part[Held | None], ...] = await together(*asked)
        found = [
            (part.value, workspace)
            for part, workspace in zip(parts, self._workspaces.ids, strict=True)
            if isinstance(part, Known) and part.value is not None
        ]
        if found:
            held, workspace = min(found, key=lambda each: (each[0].until is not None, each[0].oldest))
            return await as_part(self._of(workspace, canonical_guid(principal), held, now))
        failed = [part for part in parts if isinstance(part, CouldNotLook)]
        if failed:
            why = "; ".join(dict.fromkeys(each.why for each in failed))
            return CouldNotLook(why, may_help_later=any(each.may_help_later for each in failed))
        return self._workspaces.nobody_writes(TABLE, since)

    async def _of(self, workspace: str, principal: str, held: Held, now: datetime) -> GraphActivity:
        doing = f"asking workspace {workspace} what {principal} asked of Graph"
        calls, tokens = await together(
            self._workspaces.rows(workspace, _query("graph-calls", principal, now - CALLS_BACK, _CALLS), doing),
            self._workspaces.rows(workspace, _query("graph-tokens", principal, now - TOKENS_BACK, _TOKENS), doing),
        )
        return readable(
            doing,
            lambda: GraphActivity(
                calls=tuple(_call(row) for row in calls),
                tokens=tuple(_token(row) for row in tokens if row.get("token")),
                since=max(now - CALLS_BACK, held.oldest),
                all_calls=len(calls) < MOST_PATHS,
                all_tokens=len(tokens) < MOST_TOKENS and all(row.get("token") for row in tokens),
                until=held.until,
                hole=held.hole,
            ),
        )


def _query(name: str, principal: str, since: datetime, rest: str) -> str:
    return (
        f"// cordon:{name}\nlet sp='{principal}'; let t0={kusto_time(since)};\n{TABLE}\n"
        f"| where TimeGenerated >= t0 and ServicePrincipalId =~ sp\n{rest}"
    )


def _call(row: JsonObject) -> GraphCalls:
    count = row.get("calls")
    if not isinstance(count, int) or isinstance(count, bool):
        raise Unreadable("calls is not a number")
    return GraphCalls(text_of(row, "method").upper(), text_of(row, "path"), count, moment_of(row, "last"))


def _token(row: JsonObject) -> GraphToken:
    """Some tables pad the identifier as base64 is padded, some do not."""
    return GraphToken(
        id=text_of(row, "token").rstrip("="),
        first=moment_of(row, "first"),
        last=moment_of(row, "last"),
        issued=moment_of(row, "issued") if row.get("issued") is not None else None,
        address=optional_text_of(row, "ip") or None,
    )
