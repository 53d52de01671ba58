"""
Whether a vault's reads were logged all the while, to a workspace that we read. Facts: azure 3.4, 6.3.

That a diagnostic setting is there now proves nothing about yesterday: whoever may write it can switch it off, read, and
switch it on again. Azure does not say since when a setting is there. But its activity log tells of every write of one,
and cannot be written. So a setting that nobody wrote since then has been there all the while, however little the vault
logs. One that was written may have been another in between: then the log has to show by itself that it was fed, before
and after. What a workspace lets in, keeps and had room for is looked at as well.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from urllib.parse import unquote

from shared.clients.activity_log import KEPT, ActivityLog, Written
from shared.clients.arm import Arm, Call
from shared.clients.azure_answers import readable
from shared.clients.graph_shapes import Unreadable, objects_of, optional_text_of, text_of
from shared.clients.memo import Memo
from shared.clients.resource_graph import READER
from shared.clients.workspaces import Held, Workspaces
from shared.errors import CordonError, Gone, PlatformRefused, Unreachable
from shared.estate import NO_LOG, Logging, VaultSeen
from shared.identity import canonical_guid
from shared.signal import JsonObject

_DIAGNOSTICS, _WORKSPACES, _RULES = "2021-05-01-preview", "2022-10-01", "2022-06-01"
_SETTINGS = "/providers/microsoft.insights/diagnosticsettings"
_TABLES = ("AZKVAuditLogs", "AzureDiagnostics")
_FRESH = timedelta(seconds=60)  # one reading serves the many vaults of one look
_FOLLOWED = timedelta(hours=2)  # documented: up to 90 minutes until records flow as a setting says
_GROUP = re.compile(r"/subscriptions/([0-9a-f-]{36})/resourcegroups/([\w().\-]{1,90})/.+")
_SETTING_WRITES, _VAULT_DELETED = "microsoft.insights/diagnosticsettings/", "microsoft.keyvault/vaults/delete"
_SETTING_DELETED = f"{_SETTING_WRITES}delete"
_NO_FILTER = {"", "source"}  # what a rule calls letting everything in
_WORKSPACE_READER = "the role Reader on that workspace"


@dataclass(frozen=True, slots=True)
class _Setting:
    """A diagnostic setting by which the audit log goes to a workspace; both by ARM id, in lower case."""

    id: str
    workspace: str


class VaultLogging:
    """See `Access.logged`. Goes as the reader identity; `workspaces` are None where none is configured."""

    def __init__(self, reader: Arm, workspaces: Workspaces | None) -> None:
        self._reader, self._workspaces = reader, workspaces
        self._activity = ActivityLog(reader)
        self._gaps = Memo[Logging](reader.http.clock, _FRESH)
        self._customer_ids: dict[str, str] = {}  # of workspaces, by ARM id; they never change

    async def logged(self, vault: VaultSeen, since: datetime) -> Logging:
        """
        1. A setting of now sends the audit log to a workspace of ours.
        2. The workspace lets it in, keeps it for so long, and had room for all of it.
        3. Nobody wrote the setting since then; or the log shows that it was fed between all writes.

        Raises our errors: what could not be looked at is not known.
        """
        workspaces = self._workspaces
        settings = await self._settings(vault)
        ours = await self._ours(settings, workspaces.ids) if workspaces else ()
        if not ours or workspaces is None:
            return Logging(NO_LOG, dark=True)
        gaps = {each.workspace: await self._gap_of(each.workspace, since, workspaces) for each in ours}
        if whole := [each for each in ours if gaps[each.workspace].gap is None]:
            return await self._through(vault, whole, since, workspaces)
        if short := [each for each in ours if not gaps[each.workspace].dark]:
            later = await self._through(vault, short, since, workspaces)
            return replace(gaps[short[0].workspace], dark=later.dark)
        return next(iter(gaps.values()))

    # --- the setting of now ----------------------------------------------------------------------------------

    async def _settings(self, vault: VaultSeen) -> Sequence[_Setting]:
        doing = f"reading where vault {vault.name} logs to"
        call = Call(vault.id, _DIAGNOSTICS, doing, READER, "/providers/Microsoft.Insights/diagnosticSettings")
        rows = await self._reader.list(call)
        return readable(doing, lambda: [found for each in rows for found in _audit_targets(each)])

    async def _ours(self, settings: Sequence[_Setting], ids: Sequence[str]) -> Sequence[_Setting]:
        """Raises if none of those that could be looked at is ours, and another could not be looked at."""
        problem: CordonError | None = None
        found: list[_Setting] = []
        for each in settings:
            try:
                if await self._customer_id(each.workspace) in ids:
                    found.append(each)
            except CordonError as error:
                problem = error
        if not found and problem is not None:
            raise problem
        return found

    async def _customer_id(self, workspace: str) -> str:
        if workspace not in self._customer_ids:
            properties = await self._workspace(workspace)
            doing = "reading which workspace a vault logs to"
            self._customer_ids[workspace] = readable(doing, lambda: canonical_guid(properties["customerId"]))
        return self._customer_ids[workspace]

    # --- the workspace ---------------------------------------------------------------------------------------

    async def _gap_of(self, workspace: str, since: datetime, workspaces: Workspaces) -> Logging:
        return await self._gaps.get((workspace, since), lambda: self._gap_in(workspace, since, workspaces))

    async def _gap_in(self, workspace: str, since: datetime, workspaces: Workspaces) -> Logging:
        """
        Why the workspace need not hold all that was sent to it since then. What it only forgets too soon it holds for
        the time of a rotation: that is not dark.
        """
        properties = await self._workspace(workspace)
        name = workspace.rpartition("/")[2]
        if (rule := optional_text_of(properties, "defaultDataCollectionRuleResourceId")) and await self._filters(rule):
            return Logging(
                f"a data collection rule of workspace {name} may keep records of vaults out of it", dark=True
            )
        lost = await workspaces.lost(await self._customer_id(workspace), since)
        if lost is not None:
            why = f"took nothing in for a while: its daily cap was reached, last at {_told(lost.newest)}"
            return Logging(f"workspace {name} {why}", dark=True)
        days = await self._days_kept(workspace, properties)
        if days < (self._activity.now - since).days:
            return Logging(f"workspace {name} keeps records of vaults for {days} days only", dark=days < 1)
        return Logging()

    async def _filters(self, rule: str) -> bool:
        """Whether a workspace's rule may leave out records of ours: it says what it takes of each table."""
        doing = "reading what a workspace's data collection rule lets in"
        try:
            body = await self._reader.get(Call(rule, _RULES, doing, "the role Reader on that rule"))
        except Gone:
            return False
        return readable(doing, lambda: any(map(_leaves_out, _flows(body))))

    async def _days_kept(self, workspace: str, properties: JsonObject) -> int:
        """The least that is kept of the tables that a vault may write to. A table may have days of its own."""
        doing = "reading how long a workspace keeps records of vaults"
        days = [readable(doing, lambda: _days(properties))]
        for table in _TABLES:
            try:
                body = await self._reader.get(
                    Call(workspace, _WORKSPACES, doing, _WORKSPACE_READER, f"/tables/{table}")
                )
            except Gone:
                continue
            days.append(readable(doing, lambda body=body: _days(_object(body, "properties"))))
        return days[0] if len(days) == 1 else min(days[1:])

    async def _workspace(self, workspace: str) -> JsonObject:
        doing = "reading which workspace a vault logs to"
        body = await self._reader.get(Call(workspace, _WORKSPACES, doing, _WORKSPACE_READER))
        return readable(doing, lambda: _object(body, "properties"))

    # --- all the while ---------------------------------------------------------------------------------------

    async def _through(
        self, vault: VaultSeen, settings: Sequence[_Setting], since: datetime, workspaces: Workspaces
    ) -> Logging:
        now = self._activity.now
        if since < now - KEPT:
            return Logging("Azure tells for 90 days only who wrote its diagnostic settings", dark=False)
        changes = [each for each in await self._changes_near(vault, since) if _changes_logging(each, vault)]
        written = [_of_setting(changes, each, vault) for each in settings]
        if not all(written):
            return Logging()
        settled = min(each[-1].at for each in written)  # since then one of them is as it is now, whatever others are
        moments = [each.at for each in changes if each.at <= settled or _ends_too_soon(each, settled)]
        records = await workspaces.records_of(vault.name, since)
        dark = now - moments[-1] < _FOLLOWED
        for start, end in pairwise([since, *moments]):
            if not _is_fed(records, start + _FOLLOWED, end):
                return Logging(_why(moments, start, end), dark)
        return Logging()

    async def _changes_near(self, vault: VaultSeen, since: datetime) -> Sequence[Written]:
        found = _GROUP.fullmatch(vault.id)
        if found is None:
            doing = f"reading who changed where vault {vault.name} logs to"
            raise PlatformRefused(doing=doing, code="bad-id", why="its ARM id is in no resource group.")
        log = await self._activity.in_group(found[1], found[2], since)
        for odd in log.odd:
            if odd.may_be(_SETTING_WRITES, _VAULT_DELETED) and odd.may_be_in(vault.id):
                doing = f"reading who changed where vault {vault.name} logs to"
                raise Unreachable(doing, f"an event of the activity log may be about it, and cannot be read: {odd.why}")
        return log.written


def _changes_logging(each: Written, vault: VaultSeen) -> bool:
    """Writes of one of its settings; and the deletion of the vault, which ends what it logs."""
    of_setting = each.operation.startswith(_SETTING_WRITES)
    deleted = each.operation == _VAULT_DELETED and each.resource == vault.id
    return deleted or (of_setting and each.resource.startswith(f"{vault.id}{_SETTINGS}/"))


def _of_setting(changes: Iterable[Written], setting: _Setting, vault: VaultSeen) -> Sequence[Written]:
    return [each for each in changes if each.resource in {setting.id, vault.id}]


def _ends_too_soon(change: Written, settled: datetime) -> bool:
    """Another setting was deleted before the one of now was surely at work: that may be what logged until then."""
    return change.operation == _SETTING_DELETED and change.at - settled < _FOLLOWED


def _is_fed(records: Sequence[Held], start: datetime, end: datetime) -> bool:
    """Whether the log holds anything of the vault from then."""
    return any(start <= moment < end for each in records for moment in (each.oldest, each.newest))


def _why(moments: Sequence[datetime], start: datetime, end: datetime) -> str:
    times = "once" if len(moments) == 1 else f"{len(moments)} times"
    return (
        f"its diagnostic settings were written {times}, last at {_told(moments[-1])}, and between {_told(start)} and "
        f"{_told(end)} no record shows that it logged to a workspace that Cordon reads"
    )


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _audit_targets(setting: JsonObject) -> Iterator[_Setting]:
    """The setting, if the audit log goes to a workspace by it."""
    properties = _object(setting, "properties")
    logs = objects_of(properties, "logs") if properties.get("logs") else []
    workspace = optional_text_of(properties, "workspaceId")
    if workspace and any(_is_audit(each) for each in logs):
        yield _Setting(unquote(text_of(setting, "id")).lower().rstrip("/"), workspace.lower())


def _is_audit(log: JsonObject) -> bool:
    named = log.get("category") == "AuditEvent" or log.get("categoryGroup") in {"audit", "allLogs"}
    return named and log.get("enabled") is True


def _flows(rule: JsonObject) -> Sequence[JsonObject]:
    properties = _object(rule, "properties")
    return objects_of(properties, "dataFlows") if properties.get("dataFlows") else []


def _leaves_out(flow: JsonObject) -> bool:
    streams = flow.get("streams")
    if not isinstance(streams, list):
        raise Unreadable("streams is not a list")
    ours = {f"microsoft-table-{table}".lower() for table in _TABLES} & {str(each).lower() for each in streams}
    return bool(ours) and (optional_text_of(flow, "transformKql") or "").strip().lower() not in _NO_FILTER


def _days(properties: JsonObject) -> int:
    days = properties.get("retentionInDays")
    if not isinstance(days, int) or isinstance(days, bool):
        raise Unreadable("retentionInDays is not a number")
    return days


def _object(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is not there")
    return value
