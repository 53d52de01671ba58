"""What must be polled, page by page, at low priority and within the quotas. Raw records: the sources read them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shared.case import SignIn
from shared.clients.answers import Call
from shared.clients.graph_http import GraphHttp, read_page
from shared.clients.graph_requests import (
    AUDIT_LICENCE,
    NEW_MEMBERS,
    PREMIUM,
    READ_AUDITS,
    READ_DETECTIONS,
    READ_RISK,
    all_sign_ins_call,
    filtered,
    graph_time,
    sign_ins_call,
)
from shared.clients.graph_shapes import Unreadable, read_time
from shared.clients.identity_logs import NO_LOGS, IdentityLogs
from shared.clients.pacing import IDENTITY_PROTECTION, REPORTS
from shared.clients.sign_in_pages import sign_ins_of
from shared.errors import CordonError, Gone, IncompleteAnswer, InstanceLocked, PlatformRefused, UnavailableInCloud
from shared.identity import PrincipalId
from shared.signal import JsonObject
from shared.tenant import SignInType

RISK_PAGE = 100  # facts: no maximum is documented
AUDIT_PAGE = 500
SIGN_IN_PAGE = 1000  # facts: default and maximum


class GraphFeeds:
    """See `shared.tenant.Feeds`. `cloud` names a cloud without identity protection."""

    def __init__(
        self,
        http: GraphHttp,
        *,
        cloud: str | None = None,
        risk_page: int = RISK_PAGE,
        audit_page: int = AUDIT_PAGE,
        sign_in_page: int = SIGN_IN_PAGE,
        logs: IdentityLogs = NO_LOGS,
    ) -> None:
        self._http, self._cloud, self._logs = http, cloud, logs
        self._risk_page, self._audit_page, self._sign_in_page = risk_page, audit_page, sign_in_page
        self._refused: dict[str, int] = {}  # list -> how many options it turned out not to take

    async def risky_principals(self) -> AsyncIterator[Sequence[JsonObject]]:
        """See `Feeds`. `$count` is documented here, so a list that broke off is noticed."""
        call = self._protection("/identityProtection/riskyServicePrincipals", "reading risky identities", READ_RISK)
        first = await self._first(call, ("$count=true", f"$top={self._risk_page}"))
        given = 0
        async for page in self._http.pages(call, first):
            given += len(page)
            yield page
        total = first.get("@odata.count")
        if isinstance(total, int) and given < total:
            raise IncompleteAnswer(f"Not done: {call.doing}. {total} were announced, {given} came.")

    async def risk_detections(self) -> AsyncIterator[Sequence[JsonObject]]:
        """See `Feeds`."""
        path = "/identityProtection/servicePrincipalRiskDetections"
        call = self._protection(path, "reading risk detections", READ_DETECTIONS)
        async for page in self._http.pages(call, await self._first(call, (f"$top={self._risk_page}",))):
            yield page

    async def audits(self, since: datetime, until: datetime) -> AsyncIterator[Sequence[JsonObject]]:
        """See `Feeds`. `lt` is not documented, so the upper edge is cut here."""
        call, last = _audits_call(since, until), list[JsonObject]()
        async for page in self._http.pages(call, await self._first(call, self._audit_options())):
            last = page
            yield [record for record in page if _is_within(record, since, until)]
        if len(last) == self._audit_page:
            await self._check_end(last, until)

    async def _check_end(self, last: Sequence[JsonObject], until: datetime) -> None:
        """
        A full page without a next link may be the end, or a link that got lost: ask what lies behind it.
        """
        try:
            times = [read_time(str(record.get("activityDateTime"))) for record in last]
        except Unreadable:
            return
        known = {str(record.get("id")) for record in last}
        call = _audits_call(max(times), until)
        behind = read_page(call, await self._first(call, self._audit_options()))
        if any(str(record.get("id")) not in known for record in behind):
            raise IncompleteAnswer(f"Not done: {call.doing}. A full page had no next link although more follows.")

    async def sign_ins(
        self, principal: PrincipalId, type_: SignInType, error_code: int, since: datetime
    ) -> AsyncIterator[Sequence[SignIn]]:
        """See `Feeds`. What cannot be used, or answers another question, is told at the end: after the rest."""
        call, last = sign_ins_call(principal, type_, error_code, since), list[SignIn]()
        count, odd = 0, list[str]()
        try:
            first = await self._first(call, self._sign_in_options())
        except CordonError as error:
            managed = type_ == "managedIdentity"
            found, missing = await self._logs.tokens(
                error, call.doing, principal, managed=managed, code=error_code, since=since
            )
            yield found
            if missing is not None:
                raise missing from error
            return
        async for page in self._http.pages(call, first):
            last, unread = sign_ins_of(page, principal, error_code)
            count, odd = len(page), odd + unread
            yield [each for each in last if each.at >= since]
        if odd:
            raise IncompleteAnswer(f"Not done: {call.doing}. {len(odd)} record(s) cannot be used: {odd[0]}.")
        if count == self._sign_in_page:
            oldest, known = min(each.at for each in last), {each.id for each in last}
            call = sign_ins_call(principal, type_, error_code, since, oldest)
            behind, unread = sign_ins_of(
                read_page(call, await self._first(call, self._sign_in_options())), principal, error_code
            )
            if unread or any(each.id not in known for each in behind):
                raise IncompleteAnswer(f"Not done: {call.doing}. A full page had no next link although more follows.")

    async def all_sign_ins(
        self, type_: SignInType, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[JsonObject]]:
        """See `Feeds`. `lt` is not documented, so the upper edge is cut here."""
        call, last = all_sign_ins_call(type_, since, until), list[JsonObject]()
        try:
            first = await self._first(call, self._sign_in_options())
        except CordonError as error:
            managed = type_ == "managedIdentity"
            async for page in self._logs.everybody(error, call.doing, since, until, managed=managed):
                yield page
            return
        async for page in self._http.pages(call, first):
            last = page
            yield [record for record in page if _is_within(record, since, until, "createdDateTime")]
        if len(last) == self._sign_in_page:
            await self._check_beginning(type_, last, since)

    async def _check_beginning(self, type_: SignInType, last: Sequence[JsonObject], since: datetime) -> None:
        """See `_check_end`; these come newest first."""
        try:
            oldest = min(read_time(str(record.get("createdDateTime"))) for record in last)
        except Unreadable:
            return
        known, call = {str(record.get("id")) for record in last}, all_sign_ins_call(type_, since, oldest)
        behind = read_page(call, await self._first(call, self._sign_in_options()))
        if any(str(record.get("id")) not in known for record in behind):
            raise IncompleteAnswer(f"Not done: {call.doing}. A full page had no next link although more follows.")

    def _sign_in_options(self) -> tuple[str, ...]:
        return (f"$top={self._sign_in_page}",)

    def _audit_options(self) -> tuple[str, ...]:
        return (f"$top={self._audit_page}", "$orderby=activityDateTime")

    def _protection(self, path: str, doing: str, needs: str) -> Call:
        if self._cloud is not None:
            raise UnavailableInCloud(doing=doing, cloud=self._cloud)
        return Call(
            "GET",
            path,
            doing,
            needs,
            licence=PREMIUM,
            headers=NEW_MEMBERS,
            quota=IDENTITY_PROTECTION,
            urgent=False,
        )

    async def _first(self, call: Call, options: Sequence[str]) -> JsonObject:
        """
        The first page, with as many of the options as the service takes; how many that are is remembered.
        The last option is the first to go.
        """
        while True:
            left_out = self._refused.get(call.doing, 0)
            kept = options[: len(options) - left_out]
            try:
                return await self._http.send(replace(call, path=_with(call.path, kept)))
            except PlatformRefused as refusal:
                if isinstance(refusal, Gone | InstanceLocked) or not kept:
                    raise
                self._refused[call.doing] = left_out + 1


def _audits_call(since: datetime, until: datetime) -> Call:
    condition = f"activityDateTime ge {graph_time(since)} and activityDateTime le {graph_time(until)}"
    return Call(
        "GET",
        filtered("/auditLogs/directoryAudits", condition),
        "reading the audit log",
        READ_AUDITS,
        licence=AUDIT_LICENCE,
        quota=REPORTS,
        urgent=False,
    )


def _with(path: str, options: Sequence[str]) -> str:
    if not options:
        return path
    return f"{path}{'&' if '?' in path else '?'}{'&'.join(options)}"


def _is_within(record: Mapping[str, object], since: datetime, until: datetime, time: str = "activityDateTime") -> bool:
    """A record whose time cannot be read is let through: its source sets it aside with the reason."""
    try:
        return since <= read_time(str(record.get(time))) < until
    except Unreadable:
        return True
