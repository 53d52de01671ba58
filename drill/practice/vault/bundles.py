"""Key Vault's JSON: epoch seconds, ids that are URLs, lists of 25."""

from collections.abc import Sequence
from datetime import datetime

from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.vault.state import Vault
from drill.practice.web import Answer, Refusal, Request

_PAGE = 25


def vault_at(state: TenantState, request: Request) -> Vault:
    return state.vaults[request.host.split(".")[0]]


def attributes(given: JsonObject, created: datetime, updated: datetime) -> JsonObject:
    return {
        "enabled": True,
        **given,
        "created": int(created.timestamp()),
        "updated": int(updated.timestamp()),
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }


def not_found(what: str, name: str, url: str) -> Refusal:
    return Refusal(
        404, f"{what}NotFound", f"A {what.lower()} with (name/id) {name} was not found in this key vault {url}."
    )


def page(request: Request, base: str, items: Sequence[JsonObject]) -> Answer:
    """`maxresults` up to 25, and a nextLink that says where to go on."""
    text = request.query.get("maxresults", str(_PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= _PAGE:
        raise Refusal(400, "BadParameter", f"maxresults must be between 1 and {_PAGE}.")
    start = int(request.query.get("$skiptoken", "0") or 0)
    end = start + int(text)
    more = f"{base}{request.path}?api-version={request.query['api-version']}&maxresults={text}&$skiptoken={end}"
    return Answer(200, {"value": list(items[start:end]), "nextLink": more if end < len(items) else None})
