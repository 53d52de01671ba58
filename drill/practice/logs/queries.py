"""
The two questions about the vaults' audit logs, answered from the records that have come in (facts: azure 3.4).

    // cordon:reads-by
    let oid='…'; let app='…'; let t0=datetime(…);
    // cordon:readers-of
    let wanted=dynamic(["vault/secret", …]); let t0=datetime(…);

Columns of both: vault (ARM id, lower case), secret, oid, app, reads, first, last, ips, versions. An empty text among
the versions stands for reads that name none.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from drill.practice.arm.state import Workspace
from drill.practice.questions import Question, Row, guid, marker_of, moment, words
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState

COLUMNS = {
    "vault": "string",
    "secret": "string",
    "oid": "string",
    "app": "string",
    "reads": "long",
    "first": "datetime",
    "last": "datetime",
    "ips": "dynamic",
    "versions": "dynamic",
}
_EXPOSING = ("SecretGet", "SecretBackup", "SecretGetDeleted")
_PLACE = re.compile(r"/(?:deleted)?secrets/([^/?]+)(?:/([0-9a-f]{32}))?")
_NAME = r"[a-z0-9-]{3,24}/[0-9A-Za-z-]{1,127}"
_MOST_ADDRESSES, _MOST_VERSIONS = 20, 50
_OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"


@dataclass(slots=True)
class _Reads:
    """What one reader did with one secret."""

    times: list[str] = field(default_factory=list[str])
    addresses: dict[str, None] = field(default_factory=dict[str, None])
    versions: dict[str, None] = field(default_factory=dict[str, None])


@dataclass(frozen=True, slots=True)
class _Read:
    vault: str
    name: str
    version: str
    oid: str
    app: str
    time: str
    address: str


def _answer(
    state: TenantState, query: str, workspaces: Iterable[Workspace], span: tuple[datetime | None, datetime | None]
) -> list[Row]:
    """Rows, one for each reader of each secret. `span` bounds it beside what the query says."""
    since = moment(query, "t0")
    wanted = _WANTED[marker_of(query)](query)
    earliest = max(since, span[0]) if span[0] else since
    found: dict[tuple[str, str, str, str], _Reads] = {}
    for read in _reads(state, {each.resource_id.lower() for each in workspaces}, earliest, span[1]):
        if wanted(read):
            _add(found.setdefault((read.vault, read.name, read.oid, read.app), _Reads()), read)
    return [_row(key, each) for key, each in found.items()]


_Wanted: TypeAlias = Callable[[_Read], bool]


def _reads_by(query: str) -> _Wanted:
    """By object id or by client id: rows on behalf of a user carry the user's object id."""
    oid, app = guid(query, "oid"), guid(query, "app")
    return lambda read: read.oid.lower() == oid or read.app.lower() == app


def _readers_of(query: str) -> _Wanted:
    named = {each.lower() for each in words(query, "wanted", _NAME)}
    return lambda read: f"{read.vault.rpartition('/')[2]}/{read.name}".lower() in named


_WANTED: dict[str, Callable[[str], _Wanted]] = {"reads-by": _reads_by, "readers-of": _readers_of}
QUESTIONS: Mapping[str, tuple[Mapping[str, str], Question]] = dict.fromkeys(_WANTED, (COLUMNS, _answer))
"""The columns of each, and what answers it."""


def _reads(state: TenantState, workspaces: set[str], earliest: datetime, latest: datetime | None) -> Iterator[_Read]:
    """Successful reads of values that have come in, from vaults that log to one of these workspaces."""
    logged = {each.resource_id.lower() for each in state.vaults.values() if workspaces & each.workspaces.keys()}
    for kept in state.vault_logs.published(state.now, earliest, latest):
        record = kept.record
        vault = str(record.get("resourceId", "")).lower()
        if vault in logged and record.get("operationName") in _EXPOSING and _status(record) == "200":
            yield from _read(vault, record)


def _status(record: JsonObject) -> str:
    return str(record.get("properties", {}).get("httpStatusCode", 200))


def _read(vault: str, record: JsonObject) -> Iterator[_Read]:
    properties, claims = record.get("properties", {}), record.get("identity", {}).get("claim", {})
    found = _PLACE.search(str(properties.get("id", ""))) or _PLACE.search(str(properties.get("requestUri", "")))
    if found:
        oid = str(claims.get("oid") or claims.get(_OBJECT_ID) or "")
        address = str(record.get("callerIpAddress", ""))
        yield _Read(vault, found[1], found[2] or "", oid, str(claims.get("appid", "")), record["time"], address)


def _add(reads: _Reads, read: _Read) -> None:
    reads.times.append(read.time)
    if len(reads.addresses) < _MOST_ADDRESSES:
        reads.addresses[read.address] = None
    if len(reads.versions) < _MOST_VERSIONS:
        reads.versions[read.version] = None


def _row(key: tuple[str, str, str, str], reads: _Reads) -> Row:
    """`dynamic` values travel as JSON inside a string."""
    vault, secret, oid, app = key
    return {
        "vault": vault,
        "secret": secret,
        "oid": oid,
        "app": app,
        "reads": len(reads.times),
        "first": min(reads.times),
        "last": max(reads.times),
        "ips": json.dumps([*reads.addresses]),
        "versions": json.dumps([*reads.versions]),
    }
