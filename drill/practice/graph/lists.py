"""Answers that are lists: documented options only, pages with @odata.nextLink, cursors that survive a second read."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, urlencode

from drill.practice.odata import Documented, bad_request, check_options, read_top
from drill.practice.shapes import dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Request

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


def resumed(state: TenantState, request: Request, documented: Documented, context: str) -> Answer | None:
    """The page that a $skiptoken stands for, or None when this is a first page. Checks the options on the way."""
    check_options(request.query, documented)
    token = request.query.get("$skiptoken")
    if token is None:
        return None
    found = state.cursors.find(token)
    if found is None:
        raise bad_request("Skip token is not valid.", code="InvalidSkipToken")
    rows, position = found
    return _page(state, request, rows, position, read_top(request.query, documented.page), context)


def first_page(
    state: TenantState, request: Request, documented: Documented, context: str, rows: Sequence[bytes]
) -> Answer:
    """`rows` are the JSON bytes of all matching records, in the order in which they are given out."""
    return _page(state, request, rows, 0, read_top(request.query, documented.page), context)


def _page(state: TenantState, request: Request, rows: Sequence[bytes], position: int, top: int, context: str) -> Answer:
    end = position + top
    head = b'{"@odata.context":' + dump(f"{request.base}/{request.version}/$metadata#{context}")
    if request.query.get("$count") == "true" and position == 0:
        head += b',"@odata.count":' + str(len(rows)).encode()
    if end < len(rows):
        head += b',"@odata.nextLink":' + dump(_next_link(request, state.cursors.open(rows, end)))
    return Answer(200, head + b',"value":[' + b",".join(rows[position:end]) + b"]}", {"content-type": JSON})


def _next_link(request: Request, token: str) -> str:
    kept = [(name, value) for name, value in parse_qsl(request.raw_query) if name not in ("$skiptoken", "$count")]
    query = urlencode([*kept, ("$skiptoken", token)], safe="$,'()/:")
    path = quote(request.path, safe="/()=,'$")
    return f"{request.base}/{request.version}{path}?{query}"
