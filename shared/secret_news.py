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
from shared.signal import JsonObject, SecretTouched
from shared.store import Documents, WorkQueue

_WAITS, _WOKEN = "awaited-secrets", "woken-rotations"
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
    """Wake every rotation that waits for this secret. The message first: an event that comes twice does no harm."""
    found = await documents.get(_WAITS, _key(SecretRef(touched.vault, touched.secret)))
    for incident in _incidents(found.body) if found is not None else ():
        await _wake(documents, queue, incident, now)


async def _wake(documents: Documents, queue: WorkQueue, incident: IncidentId, now: datetime) -> None:
    """At once; or, soon after it was woken, in a while. A waking that is still to come serves this event too."""
    last = await documents.get(_WOKEN, incident)
    at = datetime.fromisoformat(str(last.body["at"])) if last is not None else None
    if at is not None and at > now:
        return
    due = now if at is None else max(now, at + _APART)
    await queue.send({"incident": incident, "because": "rotation", "woken": True}, due - now)
    if last is None:
        await documents.insert(_WOKEN, incident, {"at": due.isoformat()})
    else:
        await documents.replace(_WOKEN, incident, {"at": due.isoformat()}, last.etag)


def _waits(incidents: Sequence[IncidentId]) -> JsonObject:
    return {"incidents": [*incidents]}


def _incidents(body: JsonObject) -> Sequence[IncidentId]:
    listed = body.get("incidents")
    return [IncidentId(str(each)) for each in listed] if isinstance(listed, list) else []


def _key(ref: SecretRef) -> str:
    """Any two names as a key that holds none of them."""
    return hashlib.sha256(f"{ref.vault}/{ref.name}".encode()).hexdigest()[:40]
