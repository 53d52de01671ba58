"""
The sign-in log of one workload, within a budget: a busy one has a hundred thousand records in a month, and the quota
is five requests in ten seconds for everything that reads reports. What was read is the newest part, and it is said
where it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.case import CouldNotLook, Known, Part, SignInLog
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
    """The log that these pages make. One that ended early is whole from its oldest record on."""
    try:
        found = {each.id: each for each in (sign_in_of(record, principal) for record in read.records)}
    except Unreadable as why:
        return CouldNotLook(f"a record of the sign-in log cannot be used: {why}")
    records = tuple(sorted(found.values(), key=lambda each: each.at, reverse=True))
    since = records[-1].at if read.cut_short and records else asked_since
    return Known(SignInLog(records, since, read.cut_short))
