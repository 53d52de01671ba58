"""
The sign-in log of one workload, within a budget: a busy one has a hundred thousand records in a month, and the quota
is five requests in ten seconds for everything that reads reports. What was read is the newest part, and it is said
where it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.case import CouldNotLook, Known, Part, SignIn, SignInLog
from shared.clients.answers import Call
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_shapes import Unreadable, sign_in_of
from shared.signal import JsonObject

PAGES = 10  # of a thousand records
PATIENCE = timedelta(seconds=25)


@dataclass(frozen=True, slots=True)
class PagesRead:
    """The records of as many pages as the budget allowed; `cut_short` if there may be more."""

    records: Sequence[JsonObject]
    cut_short: bool


async def read_within_budget(http: GraphHttp, call: Call, first: JsonObject) -> PagesRead:
    """Page after page until the list, the pages or the time are used up. Raises what a page raises."""
    begun, records, pages = http.clock(), list[JsonObject](), 0
    async for page in http.pages(call, first):
        records += page
        pages += 1
        if pages >= PAGES or http.clock() - begun >= PATIENCE:
            return PagesRead(records, cut_short=True)
    return PagesRead(records, cut_short=False)


def log_of(read: PagesRead, principal: str, asked_since: datetime) -> Part[SignInLog]:
    """
    The log that these pages make. One that ended early is whole from its oldest record on. A record that cannot be read
    takes nothing away from the others: it is counted, so that what they do not show is not called absent.
    """
    found, unread = sign_ins_of(read.records, principal)
    if unread and not found:
        return CouldNotLook(f"none of {len(read.records)} records of the sign-in log can be used: {unread[0]}")
    records = tuple(sorted({each.id: each for each in found}.values(), key=lambda each: each.at, reverse=True))
    since = records[-1].at if read.cut_short and records else asked_since
    return Known(SignInLog(records, since, read.cut_short, unread=len(unread)))


def sign_ins_of(
    page: Sequence[JsonObject], principal: str, error_code: int | None = None
) -> tuple[list[SignIn], list[str]]:
    """The records that can be read, and why each of the others cannot: they may be anything, or anybody's."""
    found, unread = list[SignIn](), list[str]()
    for record in page:
        try:
            found.append(sign_in_of(record, principal, error_code))
        except Unreadable as why:
            unread.append(str(why))
    return found, unread
