"""
The directory's audit log in Log Analytics: the records that Graph gives of one identity, where Graph does not give them
(facts: graph 3). What a column holds as JSON may come parsed, or as text.

A record is asked for by the ids that stand anywhere in its targets: those of the identity's two objects, and the client
id, by which grants name whom they are given to. What it is about is judged as with Graph's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.audit import LOOK_BACK, read_audit
from shared.case import AuditRecord, CouldNotLook, Known, Part
from shared.clients.azure_answers import as_part, readable
from shared.clients.graph_requests import Ids
from shared.clients.graph_shapes import Unreadable, optional_text_of, text_of
from shared.clients.workspaces import NoTable, Workspaces, kusto_time, moment_of
from shared.errors import IncompleteAnswer, MalformedSignal
from shared.identity import canonical_guid
from shared.signal import JsonObject
from shared.together import together

TABLE = "AuditLogs"
MOST = 5_000  # records of one identity in a week; a log that holds more is not read in part
_COLUMNS = f"""| top {MOST} by TimeGenerated desc
| project at=ActivityDateTime, id=Id, activity=ActivityDisplayName, category=Category, result=Result, \
correlation=CorrelationId, by=tostring(InitiatedBy), targets=tostring(TargetResources)
"""


@dataclass(frozen=True, slots=True)
class AuditTable:
    """The audit log of one identity, from the workspace that has the whole of the time."""

    workspaces: Workspaces

    async def read(self, ids: Ids) -> Part[Sequence[AuditRecord]]:
        """Every record in which the identity is named among the targets, of a week; or why that is not known."""
        named = tuple(each for each in (ids.principal, ids.application, ids.client) if each)
        since = self.workspaces.now - LOOK_BACK
        asked = [as_part(self._of(each, named, since)) for each in self.workspaces.ids]
        parts: tuple[Part[Sequence[AuditRecord] | None], ...] = await together(*asked)
        whole = [part.value for part in parts if isinstance(part, Known) and part.value is not None]
        if whole:
            return Known(tuple({record.id: record for records in whole for record in records}.values()))
        failed = [part for part in parts if isinstance(part, CouldNotLook)]
        return failed[0] if failed else self.workspaces.nobody_writes(TABLE, since)

    async def _of(self, workspace: str, named: Sequence[str], since: datetime) -> Sequence[AuditRecord] | None:
        """One workspace's; None if nobody sends the log there (any more)."""
        doing = f"asking workspace {workspace} for the audit records of {named[0]}"
        try:
            held, rows = await together(
                self.workspaces.held(workspace, TABLE, since),
                self.workspaces.rows(workspace, _query(named, since), doing),
            )
        except NoTable:
            return None
        if held is None:
            return None
        if held.until is not None:
            why = f"its records stopped at {held.until:%Y-%m-%d %H:%M} UTC, and nothing is known of the time after"
            raise IncompleteAnswer(f"Not done: {doing}: {why}.")
        if held.oldest > since:
            raise IncompleteAnswer(f"Not done: {doing}: {held.begins}.")
        if len(rows) >= MOST:
            raise IncompleteAnswer(f"Not done: {doing}: there are more than {MOST}.")
        return readable(doing, lambda: [_record(row) for row in rows])


def _query(named: Sequence[str], since: datetime) -> str:
    ids = ", ".join(f'"{canonical_guid(each)}"' for each in named)
    return (
        f"// cordon:audits\nlet ids=dynamic([{ids}]); let t0={kusto_time(since)};\n{TABLE}\n"
        f"| where TimeGenerated >= t0 and tolower(tostring(TargetResources)) has_any (ids)\n{_COLUMNS}"
    )


def _record(row: JsonObject) -> AuditRecord:
    """A row as Graph would tell it, read as Graph's is. `read_audit` takes JSON within a text."""
    told: JsonObject = {
        "id": text_of(row, "id"),
        "activityDisplayName": text_of(row, "activity"),
        "activityDateTime": moment_of(row, "at").isoformat(),
        "category": optional_text_of(row, "category") or None,
        "result": optional_text_of(row, "result") or None,
        "correlationId": optional_text_of(row, "correlation") or None,
        "initiatedBy": optional_text_of(row, "by") or None,
        "targetResources": text_of(row, "targets"),
    }
    try:
        return read_audit(told)
    except MalformedSignal as problem:
        raise Unreadable(problem.why) from None
