"""
Workloads' sign-ins in Log Analytics: the same records that Graph's beta gives, for as long as the workspace keeps them.

Entra exports a category as a whole, so one workspace that holds the table holds everybody's sign-ins from its oldest
record on. Which columns a table has grows with time; those that the documents do not name are asked for only if they
are there (facts: graph 3).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.case import CouldNotLook, Known, LogSource, Part, SignIn, SignInLog
from shared.clients.azure_answers import as_part, readable
from shared.clients.graph_shapes import Unreadable, guid_of, optional_text_of, text_of
from shared.clients.workspaces import Workspaces, kusto_time, moment_of
from shared.errors import IncompleteAnswer
from shared.identity import canonical_guid, shown_at_sign_in
from shared.signal import JsonObject
from shared.together import together

MOST = 20_000  # rows of one answer: the service gives 500,000 or 64 MB at the most
_TABLES = {False: "AADServicePrincipalSignInLogs", True: "AADManagedIdentitySignInLogs"}
_COLUMNS = f"""| top {MOST} by TimeGenerated desc
| extend place=parse_json(tostring(LocationDetails))
| project at=TimeGenerated, id=Id, sp=ServicePrincipalId, code=ResultType, ip=IPAddress, \
key=ServicePrincipalCredentialKeyId, thumbprint=ServicePrincipalCredentialThumbprint, federated=FederatedCredentialId, \
kind=tostring(column_ifexists('ClientCredentialType', '')), resource=ResourceDisplayName, \
resourceId=ResourceIdentity, network=tostring(column_ifexists('AutonomousSystemNumber', '')), \
country=tostring(place.countryOrRegion), agent=tostring(column_ifexists('UserAgent', '')), token=UniqueTokenIdentifier
"""


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

    async def everybody(self, since: datetime, until: datetime, *, managed: bool) -> Part[Sequence[JsonObject]]:
        """
        All workloads' records of since <= t < until, in Graph's shape, of the workspaces that have the whole of this
        time: Entra sends a category as a whole, so one is enough. Unknown where none has, because nothing is sent
        there, or not any more, or where there are more than one answer holds.
        """
        table = _TABLES[managed]
        asked = [as_part(self._everybody_in(each, table, since, until)) for each in self._workspaces.ids]
        parts: tuple[Part[Sequence[JsonObject] | None], ...] = await together(*asked)
        held = [part.value for part in parts if isinstance(part, Known) and part.value is not None]
        if held:
            return Known([*{str(record["id"]): record for records in held for record in records}.values()])
        failed = [part for part in parts if isinstance(part, CouldNotLook)]
        return failed[0] if failed else self._workspaces.nobody_writes(table, since)

    async def _everybody_in(
        self, workspace: str, table: str, since: datetime, until: datetime
    ) -> Sequence[JsonObject] | None:
        doing = f"asking workspace {workspace} for all sign-ins"
        held, rows = await together(
            self._workspaces.held(workspace, table, since),
            self._workspaces.rows(workspace, _query_all(table, since, until), doing),
        )
        if held is None:
            return None
        if held.until is not None and held.until < until:
            why = f"Its records stopped at {held.until:%Y-%m-%d %H:%M} UTC, and nothing is known of the time after"
            raise IncompleteAnswer(f"Not done: {doing}. {why}.")
        if len(rows) >= MOST:
            raise IncompleteAnswer(f"Not done: {doing}. More than {MOST} came between {since} and {until}.")
        return readable(doing, lambda: [_as_graph(row) for row in rows])

    async def _one(self, workspace: str, table: str, query: str, principal: str, since: datetime) -> SignInLog | None:
        """One workspace's; None if nobody sends the table's records there (any more)."""
        doing = f"asking workspace {workspace} for the sign-ins of {principal}"
        held, rows = await together(
            self._workspaces.held(workspace, table, since),
            self._workspaces.rows(workspace, query, doing),
        )
        if held is None:
            return None
        records = readable(doing, lambda: [_sign_in(row, principal) for row in rows])
        records.sort(key=lambda each: each.at, reverse=True)
        cut_short = len(records) >= MOST
        begun = records[-1].at if cut_short else max(since, held.oldest)
        return SignInLog(tuple(records), begun, cut_short, LogSource.WORKSPACE, until=held.until)


def _query(table: str, principal: str, since: datetime, code: int | None) -> str:
    codes = "[]" if code is None else f'["{code:d}"]'
    return (
        f"// cordon:sign-ins\nlet sp='{principal}'; let codes=dynamic({codes}); let t0={kusto_time(since)};\n{table}\n"
        "| where TimeGenerated >= t0 and ServicePrincipalId =~ sp\n"
        f"| where array_length(codes) == 0 or ResultType in (codes)\n{_COLUMNS}"
    )


def _query_all(table: str, since: datetime, until: datetime) -> str:
    return (
        f"// cordon:all-sign-ins\nlet t0={kusto_time(since)}; let t1={kusto_time(until)};\n{table}\n"
        f"| where TimeGenerated >= t0 and TimeGenerated < t1\n{_COLUMNS.rstrip()}, app=AppId, "
        "name=ServicePrincipalName\n"
    )


def _as_graph(row: JsonObject) -> JsonObject:
    """A row as Graph would tell it, so that one source reads both."""
    network = text_of(row, "network")
    return {
        "id": text_of(row, "id"),
        "createdDateTime": moment_of(row, "at").isoformat(),
        "servicePrincipalId": text_of(row, "sp"),
        "servicePrincipalName": _text(row, "name"),
        "appId": _text(row, "app"),
        "status": {"errorCode": int(text_of(row, "code"))},
        "ipAddress": _text(row, "ip"),
        "servicePrincipalCredentialKeyId": _text(row, "key"),
        "federatedCredentialId": _text(row, "federated"),
        "resourceId": _text(row, "resourceId"),
        "resourceDisplayName": _text(row, "resource"),
        "autonomousSystemNumber": int(network) if network.isdecimal() else None,
        "location": {"countryOrRegion": _text(row, "country")},
        "userAgent": _text(row, "agent"),
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
    return replace(whole, records=tuple(records))


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
