"""
One interface over the sources of an identity's logs: Graph where it answers, and the workspaces where Graph has refused
or keeps too little. A tenant with or without the licence, or a workspace, gets what can be had.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.audit import about, grants_to
from shared.case import AuditRecord, CouldNotLook, GraphActivity, Known, NotLooked, Part, PartName, SignIn, SignInLog
from shared.clients.graph_requests import ATTEMPTS_BACK, SIGN_INS_BACK, Ids
from shared.clients.later import later
from shared.clients.pacing import Pace
from shared.clock import Clock
from shared.errors import CordonError, NotCollected, PlatformRefused, TimeMayHelp, Unreachable
from shared.settings import ENDPOINTS, Settings
from shared.signal import JsonObject
from shared.tenant import Gathered
from shared.together import together

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AsyncHttpTransport

    from shared.clients.activity_table import ActivityTable
    from shared.clients.audit_table import AuditTable
    from shared.clients.sign_in_tables import SignInTables
    from shared.clients.workspaces import Workspaces

OLDER_BACK = timedelta(days=91)  # the longest time that a condition asks about, and a day to judge
_ISSUED = 0  # the error code of a sign-in that got its token
_BACK: Mapping[PartName, timedelta] = {
    PartName.SIGN_INS: SIGN_INS_BACK,
    PartName.ATTEMPTS: ATTEMPTS_BACK,
    PartName.OLDER_SIGN_INS: OLDER_BACK,
}
NO_WORKSPACE = "no workspace of Log Analytics is configured (CORDON_LOG_WORKSPACES)"


@dataclass(frozen=True, slots=True)
class IdentityLogs:
    """What the workspaces can tell of an identity; None where none is configured."""

    sign_ins: "SignInTables | None"
    activity: "ActivityTable | None"
    audits: "AuditTable | None" = None

    async def complete(self, gathered: Gathered, ids: Ids, now: datetime) -> Gathered:
        """The same, with the parts that Graph could not give as the workspaces give them, or with both reasons."""
        missing = {name: part for name in _BACK if isinstance(part := getattr(gathered, name), CouldNotLook)}
        if missing:
            read = await together(
                *(self._instead(name, part, ids, now - _BACK[name]) for name, part in missing.items())
            )
            gathered = replace(gathered, **dict(zip(missing, read, strict=True)))
        if isinstance(gathered.audits, CouldNotLook) or isinstance(gathered.grant_audits, CouldNotLook):
            gathered = await self._with_audits(gathered, ids)
        if isinstance(gathered.graph_activity, CouldNotLook):
            gathered = replace(gathered, graph_activity=await self._asked_of_graph(gathered.graph_activity, ids))
        return gathered

    async def _with_audits(self, gathered: Gathered, ids: Ids) -> Gathered:
        """
        One question for both parts. Without the ids of both objects a record of the other would be overlooked; then
        Graph's reason stands.
        """
        principal, client = ids.principal, ids.client
        if self.audits is None or principal is None or client is None:
            return gathered
        found = await self.audits.read(ids)
        whole = ids.application is not None or ids.managed is True or _has_no_application(gathered)
        audits, given = gathered.audits, gathered.grant_audits
        return replace(
            gathered,
            audits=_instead_of(audits, found, lambda records: about(records, ids.principal, ids.application))
            if whole
            else audits,
            grant_audits=_instead_of(given, found, lambda records: grants_to(records, principal, client)),
        )

    async def _asked_of_graph(self, graph: CouldNotLook, ids: Ids) -> Part[GraphActivity]:
        if self.activity is None:
            return CouldNotLook(NO_WORKSPACE)
        if ids.principal is None or ids.managed is None:
            return graph
        return await self.activity.read(ids.principal)

    async def _instead(self, name: PartName, graph: CouldNotLook, ids: Ids, since: datetime) -> Part[SignInLog]:
        only = name is PartName.OLDER_SIGN_INS
        if self.sign_ins is None:
            return CouldNotLook(NO_WORKSPACE) if only else _both(graph, CouldNotLook(NO_WORKSPACE))
        if ids.principal is None or ids.managed is None:
            return graph
        code = None if name is PartName.ATTEMPTS else _ISSUED
        found = await self.sign_ins.read(ids.principal, since, managed=ids.managed, code=code)
        match found:
            case Known(log):
                return found if only else Known(replace(log, instead_of=graph.why))
            case CouldNotLook():
                return found if only else _both(graph, found)
            case NotLooked():
                return graph

    async def tokens(
        self, graph: CordonError, doing: str, principal: str, *, managed: bool, code: int, since: datetime
    ) -> tuple[Sequence[SignIn], CordonError | None]:
        """
        The sign-ins since then that ended with this code, where Graph has refused to tell them, and why there may be
        others. Raises why neither tells, or Graph's own error where no workspace is configured.
        """
        if self.sign_ins is None:
            raise graph
        found = await self.sign_ins.read(principal, since, managed=managed, code=code)
        match found:
            case Known(log) if log.since <= since and log.unread:
                why = f"{log.unread} record(s) could not be read"
                return log.records, _neither(doing, graph, why, may_help_later=False)
            case Known(log) if log.until is not None:
                why = f"they end at {log.until:%Y-%m-%d %H:%M} UTC"
                return log.records, _neither(doing, graph, why, may_help_later=True)
            case Known(log) if log.since <= since:
                return log.records, None
            case Known(log):
                raise _neither(doing, graph, f"they begin at {log.since:%Y-%m-%d %H:%M} UTC", may_help_later=False)
            case CouldNotLook(why, later):
                raise _neither(doing, graph, why, may_help_later=later or isinstance(graph, TimeMayHelp))
            case NotLooked():
                raise graph

    async def everybody(
        self, graph: CordonError, doing: str, since: datetime, until: datetime, *, managed: bool
    ) -> AsyncIterator[Sequence[JsonObject]]:
        """All workloads' sign-ins of this time, in Graph's shape, where Graph has refused. See `tokens`."""
        if self.sign_ins is None:
            raise graph
        try:
            found = await self.sign_ins.having(since, until, managed=managed)
        except NotCollected as none:
            if isinstance(graph, TimeMayHelp):
                raise _neither(doing, graph, none.why, may_help_later=True) from none
            raise NotCollected(doing, f"{graph} Instead of Graph, Log Analytics: {none.why}") from none
        match found:
            case Known(having):
                async for page in self.sign_ins.everybody(having, since, until, managed=managed):
                    yield page
            case CouldNotLook(why, later):
                raise _neither(doing, graph, why, may_help_later=later or isinstance(graph, TimeMayHelp))
            case NotLooked():
                raise graph


def _neither(doing: str, graph: CordonError, why: str, *, may_help_later: bool) -> CordonError:
    told = f"{graph} Instead of Graph, Log Analytics: {why}"
    return Unreachable(doing, told) if may_help_later else PlatformRefused(doing=doing, code="no-source", why=told)


def _has_no_application(gathered: Gathered) -> bool:
    """Whether the identity is known to have none in this tenant."""
    known = gathered.identity
    return isinstance(known, Known) and known.value.identity.app_object_id is None


def _instead_of(
    graph: Part[tuple[AuditRecord, ...]],
    found: Part[Sequence[AuditRecord]],
    choose: Callable[[Sequence[AuditRecord]], tuple[AuditRecord, ...]],
) -> Part[tuple[AuditRecord, ...]]:
    """What the workspace tells of a part that Graph did not give, or both reasons."""
    if not isinstance(graph, CouldNotLook):
        return graph
    match found:
        case Known(records):
            return Known(choose(records), instead_of=graph.why)
        case CouldNotLook():
            return _both(graph, found)
        case NotLooked():
            return graph


NO_LOGS = IdentityLogs(None, None)


def _both(graph: CouldNotLook, workspaces: CouldNotLook) -> CouldNotLook:
    """Two sources were asked in vain; either may have an answer later."""
    return CouldNotLook(
        f"{graph.why} Instead of Graph, Log Analytics: {workspaces.why}",
        may_help_later=graph.may_help_later or workspaces.may_help_later,
        gone=graph.gone,
        partly=graph.partly,
    )


def make_identity_logs(
    settings: Settings,
    credential: "AsyncTokenCredential",
    *,
    transport: "Callable[[], AsyncHttpTransport[Any, Any]]",
    pacing: Pace,
    clock: Clock,
    random: Callable[[], float],
) -> IdentityLogs:
    """Of the workspaces of the settings. They are asked as `credential`; nothing is made before they are."""
    if not settings.log_workspaces:
        return NO_LOGS

    @cache
    def workspaces() -> "Workspaces":
        from shared.clients.azure_http import AzureHttp
        from shared.clients.workspaces import Workspaces

        http = AzureHttp(
            settings.logs_url,
            credential,
            f"{ENDPOINTS[settings.cloud].logs}/.default",
            transport=transport,
            pacing=pacing,
            clock=clock,
            random=random,
        )
        return Workspaces(http, settings.log_workspaces)

    def sign_ins() -> "SignInTables":
        from shared.clients.sign_in_tables import SignInTables

        return SignInTables(workspaces())

    def activity() -> "ActivityTable":
        from shared.clients.activity_table import ActivityTable

        return ActivityTable(workspaces())

    def audits() -> "AuditTable":
        from shared.clients.audit_table import AuditTable

        return AuditTable(workspaces())

    return IdentityLogs(later(sign_ins), later(activity), later(audits))
