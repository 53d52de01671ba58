"""
Which rotation waits for somebody's new version of which secret, so that the vault's own event can wake it.

An index in the store, written before the waiting is, and cleared when the rotation ends. It only points: whoever is
woken reads the versions in the vault, and a forged or repeated event costs no more than that, twice a minute. An event
about a secret that nobody waits for, as Cordon's own versions raise them, is let go.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import cast

from shared.errors import Unreachable
from shared.estate import SecretRef
from shared.journal import IncidentId
from shared.signal import JsonObject, JsonValue, SecretTouched
from shared.store import Documents, WorkQueue

_WAITS, _WOKEN = "awaited-secrets", "woken-rotations"
_NAMES, _MOST_NAMES = "secrets", 100
_MOST = 20  # incidents that wait for one secret; the oldest are left to their own looks
_APART = timedelta(seconds=30)  # between two wakings of one rotation
_TRIES = 20
_NEW_VERSION = "Microsoft.KeyVault.SecretNewVersionCreated"
_VAULT, _SECRET = re.compile(r"[a-z0-9-]{3,24}"), re.compile(r"[a-z0-9-]{1,127}")


def read_touched(type_: str, data: object) -> SecretTouched | None:
    """
    The secret whose new version a vault's event tells of; None for all other events, and for what is none. Names are
    written in several ways, one of them with a blank at the end (facts: Azure 2.3).
    """
    if type_ != _NEW_VERSION or not isinstance(data, dict):
        return None
    members = cast("dict[object, object]", data)
    given = {str(name).strip().casefold(): value for name, value in members.items()}
    vault, secret = _word(given.get("vaultname")), _word(given.get("objectname"))
    if not _VAULT.fullmatch(vault) or not _SECRET.fullmatch(secret):
        return None
    return SecretTouched("a vault tells of a new version", vault=vault, secret=secret)


def _word(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


async def wait_for_news(documents: Documents, incident: IncidentId, ref: SecretRef) -> None:
    """Have the incident's rotation woken by a new version of this secret. May run again."""
    for _ in range(_TRIES):
        found = await documents.get(_WAITS, _key(ref))
        if found is None:
            if await documents.insert(_WAITS, _key(ref), {"incidents": [incident]}):
                return
            continue
        waiting = _incidents(found.body)
        if incident in waiting:
            return
        if await documents.replace(_WAITS, _key(ref), _waits([incident, *waiting][:_MOST]), found.etag):
            return
    raise Unreachable("noting that a secret is waited for", "others changed the note without pause")


async def forget_news(documents: Documents, incident: IncidentId, refs: Iterable[SecretRef]) -> None:
    """The rotation is over. May run again."""
    for ref in refs:
        await _forget(documents, incident, ref)
    woken = await documents.get(_WOKEN, incident)
    if woken is not None:
        await documents.remove(_WOKEN, incident, woken.etag)


async def _forget(documents: Documents, incident: IncidentId, ref: SecretRef) -> None:
    for _ in range(_TRIES):
        found = await documents.get(_WAITS, _key(ref))
        if found is None or incident not in _incidents(found.body):
            return
        left = [each for each in _incidents(found.body) if each != incident]
        if not left:
            done = await documents.remove(_WAITS, _key(ref), found.etag)
        else:
            done = await documents.replace(_WAITS, _key(ref), _waits(left), found.etag)
        if done:
            return
    raise Unreachable("noting that a secret is waited for no more", "others changed the note without pause")


async def send_secret_news(documents: Documents, queue: WorkQueue, touched: SecretTouched, now: datetime) -> None:
    """Wake every rotation that waits for this secret."""
    ref = SecretRef(touched.vault, touched.secret)
    found = await documents.get(_WAITS, _key(ref))
    for incident in _incidents(found.body) if found is not None else ():
        await _wake(documents, queue, incident, ref, now)


async def take_news(documents: Documents, incident: IncidentId) -> frozenset[SecretRef] | None:
    """
    The secrets of which the vaults have told since it was asked last, for whoever was woken to look at these and at no
    others. None: nobody knows which, so that it may be any.
    """
    for _ in range(_TRIES):
        last = await documents.get(_WOKEN, incident)
        if last is None or (named := _named(last.body)) is None:
            return None
        if not named or await documents.replace(_WOKEN, incident, {**last.body, _NAMES: []}, last.etag):
            return frozenset(SecretRef(*each.split("/", 1)) for each in named)
    return None


async def _wake(documents: Documents, queue: WorkQueue, incident: IncidentId, ref: SecretRef, now: datetime) -> None:
    """
    At once; or, soon after it was woken, in a while. A waking that is still to come serves this event too. First which
    secret it is, then the message, then the word of that: an event that comes twice does no harm.
    """
    at = await _note(documents, incident, ref, None)
    if at is not None and at > now:
        return
    due = now if at is None else max(now, at + _APART)
    await queue.send({"incident": incident, "because": "rotation", "woken": True}, due - now)
    await _note(documents, incident, None, due)


async def _note(
    documents: Documents, incident: IncidentId, ref: SecretRef | None, due: datetime | None
) -> datetime | None:
    """Add the secret to those that were told of, and say when it is woken; the moment that stood there."""
    for _ in range(_TRIES):
        last = await documents.get(_WOKEN, incident)
        before: JsonObject = dict(last.body) if last is not None else {_NAMES: []}
        body: JsonObject = {**before, _NAMES: _with(_named(before), ref)}
        if due is not None:
            body["at"] = due.isoformat()
        done = (
            await documents.insert(_WOKEN, incident, body)
            if last is None
            else await documents.replace(_WOKEN, incident, body, last.etag)
        )
        if done:
            return datetime.fromisoformat(str(before["at"])) if "at" in before else None
    raise Unreachable("noting that a vault told of a new version", "others changed the note without pause")


def _with(named: frozenset[str] | None, ref: SecretRef | None) -> list[JsonValue] | None:
    """None where nobody keeps count any more: then it may be any."""
    if named is None or len(named) >= _MOST_NAMES:
        return None
    return [*sorted(named | {f"{ref.vault}/{ref.name}"} if ref else named)]


def _named(body: JsonObject) -> frozenset[str] | None:
    """Notes that are older than the names have none."""
    names = body.get(_NAMES)
    return frozenset(str(each) for each in names) if isinstance(names, list) else None


def _waits(incidents: Sequence[IncidentId]) -> JsonObject:
    return {"incidents": [*incidents]}


def _incidents(body: JsonObject) -> Sequence[IncidentId]:
    listed = body.get("incidents")
    return [IncidentId(str(each)) for each in listed] if isinstance(listed, list) else []


def _key(ref: SecretRef) -> str:
    """Any two names as a key that holds none of them."""
    return hashlib.sha256(f"{ref.vault}/{ref.name}".encode()).hexdigest()[:40]
