"""
Workloads' sign-ins in Log Analytics: the same records that Graph's beta gives, for as long as the workspace keeps them.

Entra exports a category as a whole, so one workspace that holds the table holds everybody's sign-ins from its oldest
record on. Which columns a table has grows with time; those that the documents do not name are asked for only if they
are there (facts: graph 3).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.case import CouldNotLook, Known, LogSource, Part, SignIn, SignInLog
from shared.clients.azure_answers import as_part
from shared.clients.graph_shapes import Unreadable, guid_of, optional_text_of, text_of
from shared.clients.workspaces import Held, NoTable, Workspaces, kusto_time, moment_of
from shared.errors import IncompleteAnswer, NotCollected, PartLost
from shared.identity import canonical_guid, shown_at_sign_in
from shared.signal import JsonObject
from shared.together import together

MOST = 20_000  # rows of one answer: the service gives 500,000 or 64 MB at the most
_SHORTEST = timedelta(minutes=1)  # of what is asked for by halves
_TABLES = {False: "AADServicePrincipalSignInLogs", True: "AADManagedIdentitySignInLogs"}


@dataclass(frozen=True, slots=True)
class Having:
    """Workspaces that have the newest of a time, and what the one that reaches back furthest holds."""

    workspaces: tuple[str, ...]
    held: Held


class SignInTables:
    """The sign-in log of one workload, from the workspaces."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def read(self, principal: str, since: datetime, *, managed: bool, code: int | None) -> Part[SignInLog]:
        """
        The records from `since` on that ended with this code (0: a token was issued; None: any). It begins where the
        oldest table begins, if that is later, and is unknown where no workspace is written to.
        """
        table = _TABLES[managed]
        query = _query(table, canonical_guid(principal), since, code)
        asked = [as_part(self._one(each, table, query, principal, since)) for each in self._workspaces.ids]
        parts: tuple[Part[SignInLog | None], ...] = await together(*asked)
        logs = [part.value for part in parts if isinstance(part, Known) and part.value is not None]
        if logs:
            return Known(_joined(logs))
        failed = [part for part in parts if isinstance(part, CouldNotLook)]
        if failed:
            why = "; ".join(dict.fromkeys(each.why for each in failed))
            return CouldNotLook(why, may_help_later=any(each.may_help_later for each in failed))
        return self._workspaces.nobody_writes(table, since)

    async def having(self, since: datetime, until: datetime, *, managed: bool) -> Part[Having]:
        """
        The workspaces that have a time until its end: Entra sends a category as a whole, so one is enough. Raises
        NotCollected where each of them tells that nothing is sent there (any more).
        """
        table = _TABLES[managed]
        asked = [as_part(self._held_until(each, table, since, until)) for each in self._workspaces.ids]
        parts: tuple[Part[Held | None], ...] = await together(*asked)
        held = {
            id_: part.value
            for id_, part in zip(self._workspaces.ids, parts, strict=True)
            if isinstance(part, Known) and part.value is not None
        }
        if held:
            return Known(Having(tuple(held), min(held.values(), key=lambda each: each.oldest)))
        failed = [part for part in parts if isinstance(part, CouldNotLook)]
        if failed:
            return failed[0]
        raise NotCollected("reading all sign-ins", f"{self._workspaces.nobody_writes(table, since).why}.")

    async def everybody(
        self, having: Having, since: datetime, until: datetime, *, managed: bool
    ) -> AsyncIterator[Sequence[JsonObject]]:
        """
        All workloads' records of since <= t < until, in Graph's shape, of these workspaces. A time that holds more than
        one answer does is asked for by halves. Raises PartLost at the end, when all else was given, for minutes of
        which that is true all the same, and for what is older than the records are whole.
        """
        table, asked, lost = _TABLES[managed], [(since, until)], list[tuple[datetime, datetime]]()
        while asked:
            begin, end = asked.pop()
            rows = await together(*(self._all_in(each, table, begin, end) for each in having.workspaces))
            is_whole = all(len(each) < MOST for each in rows)
            if not is_whole and end - begin > _SHORTEST:
                middle = (begin + (end - begin) / 2).replace(microsecond=0)
                asked += [(begin, middle), (middle, end)]
                continue
            yield _each_once([record for records in rows for record in records])
            if not is_whole:
                lost.append((begin, end))
        why = [f"more than {MOST} came in a minute"] if lost else []
        if having.held.oldest > since:
            lost.append((since, min(until, having.held.oldest)))
            why.append(f"of the records in Log Analytics: {having.held.begins}")
        if lost:
            raise PartLost("reading all sign-ins", tuple(sorted(lost)), "; ".join(why))

    async def _held_until(self, workspace: str, table: str, since: datetime, until: datetime) -> Held | None:
        """None: nobody sends the table's records there (any more). Raises where they ended before this time did."""
        held = await self._workspaces.held(workspace, table, since)
        if held is not None and held.until is not None and held.until < until:
            why = f"Its records stopped at {held.until:%Y-%m-%d %H:%M} UTC, and nothing is known of the time after"
            raise IncompleteAnswer(f"Not done: asking workspace {workspace} for all sign-ins. {why}.")
        return held

    async def _all_in(self, workspace: str, table: str, since: datetime, until: datetime) -> Sequence[JsonObject]:
        doing = f"asking workspace {workspace} for all sign-ins"
        rows = await self._workspaces.rows(workspace, _query_all(table, since, until), doing)
        return [_as_graph(row) for row in rows]

    async def _one(self, workspace: str, table: str, query: str, principal: str, since: datetime) -> SignInLog | None:
        """One workspace's; None if nobody sends the table's records there (any more)."""
        doing = f"asking workspace {workspace} for the sign-ins of {principal}"
        try:
            held, rows = await together(
                self._workspaces.held(workspace, table, since),
                self._workspaces.rows(workspace, query, doing),
            )
        except NoTable:
            return None
        if held is None:
            return None
        read = [_sign_in_or_none(row, principal) for row in rows]
        records = sorted((each for each in read if each is not None), key=lambda each: each.at, reverse=True)
        unread, cut_short = len(read) - len(records), len(rows) >= MOST
        if cut_short and not records:
            raise IncompleteAnswer(f"Not done: {doing}. None of {unread} records can be read.")
        begun = records[-1].at if cut_short else max(since, held.oldest)
        hole = held.hole if begun == held.oldest else None
        return SignInLog(tuple(records), begun, cut_short, LogSource.WORKSPACE, None, held.until, hole, unread)


def _each_once(records: Sequence[JsonObject]) -> list[JsonObject]:
    """What has no id is told as often as it came."""
    return [*{str(record["id"] or f"without-{n}"): record for n, record in enumerate(records)}.values()]


def _columns() -> str:
    return f"""| top {MOST} by TimeGenerated desc
| extend place=parse_json(tostring(LocationDetails))
| project at=TimeGenerated, id=Id, sp=ServicePrincipalId, code=ResultType, ip=IPAddress, \
key=ServicePrincipalCredentialKeyId, thumbprint=ServicePrincipalCredentialThumbprint, federated=FederatedCredentialId, \
kind=tostring(column_ifexists('ClientCredentialType', '')), resource=ResourceDisplayName, \
resourceId=ResourceIdentity, network=tostring(column_ifexists('AutonomousSystemNumber', '')), \
country=tostring(place.countryOrRegion), agent=tostring(column_ifexists('UserAgent', '')), token=UniqueTokenIdentifier
"""


def _query(table: str, principal: str, since: datetime, code: int | None) -> str:
    codes = "[]" if code is None else f'["{code:d}"]'
    return (
        f"// cordon:sign-ins\nlet sp='{principal}'; let codes=dynamic({codes}); let t0={kusto_time(since)};\n{table}\n"
        "| where TimeGenerated >= t0 and ServicePrincipalId =~ sp\n"
        f"| where array_length(codes) == 0 or ResultType in (codes)\n{_columns()}"
    )


def _query_all(table: str, since: datetime, until: datetime) -> str:
    return (
        f"// cordon:all-sign-ins\nlet t0={kusto_time(since)}; let t1={kusto_time(until)};\n{table}\n"
        f"| where TimeGenerated >= t0 and TimeGenerated < t1\n{_columns().rstrip()}, app=AppId, "
        "name=ServicePrincipalName\n"
    )


def _as_graph(row: JsonObject) -> JsonObject:
    """
    A row as Graph would tell it, so that one source reads both. What is odd about it stays so: the source sets that
    record aside with the reason, and the rest of the page counts.
    """
    code, network = str(row.get("code")), str(row.get("network"))
    return {
        "id": row.get("id"),
        "createdDateTime": row.get("at"),
        "servicePrincipalId": row.get("sp") or "not told",  # without any it would pass for a person's
        "servicePrincipalName": row.get("name") or None,
        "appId": row.get("app") or None,
        "status": {"errorCode": int(code) if code.isdecimal() else code},
        "ipAddress": row.get("ip") or None,
        "servicePrincipalCredentialKeyId": row.get("key") or None,
        "federatedCredentialId": row.get("federated") or None,
        "resourceId": row.get("resourceId") or None,
        "resourceDisplayName": row.get("resource") or None,
        "autonomousSystemNumber": int(network) if network.isdecimal() else None,
        "location": {"countryOrRegion": row.get("country") or None},
        "userAgent": row.get("agent") or None,
    }


def _joined(logs: Sequence[SignInLog]) -> SignInLog:
    """
    Each is whole from its own beginning until its own end. Together they are from where the one that goes on longest
    begins, and further back as far as others reach into it without a gap.
    """
    logs = sorted(logs, key=lambda each: (each.until is None, each.until or each.since, -each.since.timestamp()))
    whole = logs[-1]
    for log in sorted(logs, key=lambda each: each.since, reverse=True):
        if log.since < whole.since and (log.until is None or log.until >= whole.since):
            whole = replace(log, until=whole.until)
    found = {record.id: record for log in logs for record in log.records}
    records = sorted(found.values(), key=lambda each: each.at, reverse=True)
    return replace(whole, records=tuple(records), unread=max(log.unread for log in logs))


def _sign_in_or_none(row: JsonObject, principal: str) -> SignIn | None:
    """None for a row that cannot be read: the others are told, and that there is one more."""
    try:
        return _sign_in(row, principal)
    except (Unreadable, ValueError, LookupError, TypeError):
        return None


def _sign_in(row: JsonObject, principal: str) -> SignIn:
    if guid_of(row, "sp") != principal:
        raise Unreadable("a sign-in is of another identity than was asked for")
    network = text_of(row, "network")
    return SignIn(
        id=text_of(row, "id"),
        at=moment_of(row, "at"),
        error_code=int(text_of(row, "code")),
        address=_text(row, "ip"),
        credential_id=shown_at_sign_in(_text(row, "key"), _text(row, "federated")),
        credential_type=_text(row, "kind"),
        resource=_text(row, "resource"),
        resource_id=_text(row, "resourceId"),
        network=int(network) or None if network.isdecimal() else None,
        country=_text(row, "country"),
        user_agent=_text(row, "agent"),
        thumbprint=_text(row, "thumbprint"),
        token_id=_text(row, "token"),
    )


def _text(row: JsonObject, name: str) -> str | None:
    return optional_text_of(row, name) or None
