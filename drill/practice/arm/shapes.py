"""ARM's own JSON and refusals."""

import re
from typing import cast

from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PAGE = 100


def resource_not_found(path: str) -> Refusal:
    """`path` is the ARM id of what is not there."""
    found = re.fullmatch(r"/subscriptions/[^/]+/resourcegroups/([^/]+)/providers/(.+)", path, re.IGNORECASE)
    where = f"'{found[2]}' under resource group '{found[1]}'" if found else f"'{path}'"
    return Refusal(404, "ResourceNotFound", f"The Resource {where} was not found.")


def bad_body(why: str) -> Refusal:
    return Refusal(400, "BadRequest", why)


def properties_of(request: Request) -> JsonObject:
    """The `properties` of a body, which must be an object."""
    found = request.json_object().get("properties")
    if not isinstance(found, dict):
        raise bad_body("The request body has no properties.")
    return cast("JsonObject", found)


def listed(request: Request, rows: list[JsonObject]) -> Answer:
    """A list in pages, with nextLink where there is more."""
    text = request.query.get("$skiptoken", "0")
    start = int(text) if text.isdecimal() else 0
    body: JsonObject = {"value": rows[start : start + _PAGE]}
    if start + _PAGE < len(rows):
        kept = "&".join(part for part in request.raw_query.split("&") if not part.startswith("$skiptoken="))
        body["nextLink"] = f"{request.base}{request.path}?{kept}&$skiptoken={start + _PAGE}"
    return Answer(200, body)


def follows_at(state: TenantState) -> float:
    """Seconds until what rules access follows a change."""
    return state.chance.between("access delay", state.behaviour.access_delay)
