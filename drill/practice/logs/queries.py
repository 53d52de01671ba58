"""
The questions about the vaults' audit logs, answered from the records that have come in (facts: azure 3.4).

    // cordon:reads-by
    let oid='…'; let app='…'; let t0=datetime(…);
    // cordon:readers-of
    let wanted=dynamic(["vault/secret", …]); let t0=datetime(…);

Columns of both: vault (ARM id, lower case), secret, oid, app, reads, firstRead, lastRead, ips, versions. An empty text
among the versions stands for reads that name none.

    // cordon:vault-records
    let vault='…'; let t0=datetime(…);         firstRecord, lastRecord: of each hour in which it logged anything
    // cordon:lost-logs
    let t0=datetime(…);                        oldest, newest: when the workspace's daily cap was reached; else nulls
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from drill.practice.arm.state import Workspace
from drill.practice.late_log import Kept
from drill.practice.questions import Question, Row, guid, marker_of, moment, text, words
from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState

COLUMNS = {
    "vault": "string",
    "secret": "string",
    "oid": "string",
    "app": "string",
    "reads": "long",
    "firstRead": "datetime",
    "lastRead": "datetime",
    "ips": "dynamic",
    "versions": "dynamic",
}
_EXPOSING = ("SecretGet", "SecretBackup", "SecretGetDeleted", "CertificateBackup")
_PLACE = re.compile(r"/(?:deleted)?(?:secrets|certificates)/([^/?]+)(?:/([0-9a-f]{32}))?")
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
    """By object id or by client id, for rows on behalf of a user carry the user's object id; and those of nobody."""
    oid, app = guid(query, "oid"), guid(query, "app")
    return lambda read: read.oid.lower() == oid or read.app.lower() == app or not (read.oid or read.app)


def _readers_of(query: str) -> _Wanted:
    named = {each.lower() for each in words(query, "wanted", _NAME)}
    return lambda read: f"{read.vault.rpartition('/')[2]}/{read.name}".lower() in named


_WANTED: dict[str, Callable[[str], _Wanted]] = {"reads-by": _reads_by, "readers-of": _readers_of}
_Span: TypeAlias = tuple[datetime | None, datetime | None]


def _records(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> list[Row]:
    vault, since = text(query, "vault", r"[a-z0-9-]{3,24}"), moment(query, "t0")
    earliest = max(since, span[0]) if span[0] else since
    hours: dict[datetime, list[datetime]] = {}
    for id_, kept in _held(state, {each.resource_id.lower() for each in workspaces}, earliest, span[1]):
        if id_.rpartition("/")[2] == vault:
            hours.setdefault(kept.at.replace(minute=0, second=0, microsecond=0), []).append(kept.at)
    return [
        {"firstRecord": fine_time(min(times)), "lastRecord": fine_time(max(times))}
        for _, times in sorted(hours.items())
    ]


def _lost(state: TenantState, query: str, workspaces: Iterable[Workspace], span: _Span) -> list[Row]:
    del span
    since = moment(query, "t0")
    times = [at for each in workspaces for at in each.full_at if since <= at <= state.now]
    oldest, newest = (fine_time(min(times)), fine_time(max(times))) if times else (None, None)
    return [{"oldest": oldest, "newest": newest}]


QUESTIONS: Mapping[str, tuple[Mapping[str, str], Question]] = {
    **dict.fromkeys(_WANTED, (COLUMNS, _answer)),
    "vault-records": (dict.fromkeys(("firstRecord", "lastRecord"), "datetime"), _records),
    "lost-logs": (dict.fromkeys(("oldest", "newest"), "datetime"), _lost),
}
"""The columns of each, and what answers it."""


def _reads(state: TenantState, workspaces: set[str], earliest: datetime, latest: datetime | None) -> Iterator[_Read]:
    """Successful reads of values that have come in, from vaults that log to one of these workspaces."""
    for vault, kept in _held(state, workspaces, earliest, latest):
        if kept.record.get("operationName") in _EXPOSING and _status(kept.record) == "200":
            yield from _read(vault, kept.record)


def _held(
    state: TenantState, workspaces: set[str], earliest: datetime, latest: datetime | None
) -> Iterator[tuple[str, Kept]]:
    """What these workspaces have: records of vaults that sent them there when they were made, by the vault's id."""
    vaults = {each.resource_id.lower(): each for each in state.vaults.values()}
    for kept in state.vault_logs.published(state.now, earliest, latest):
        vault = vaults.get(str(kept.record.get("resourceId", "")).lower())
        if vault is not None and workspaces & vault.workspaces(kept.at).keys():
            yield vault.resource_id.lower(), kept


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
        "firstRead": min(reads.times),
        "lastRead": max(reads.times),
        "ips": json.dumps([*reads.addresses]),
        "versions": json.dumps([*reads.versions]),
    }
