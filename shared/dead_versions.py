"""
Which versions of secrets are proven dead already, by incident: whoever else read one asks for no second proof of it.

A disabled version gives its value to nobody, so that a later rotation could not compare it any more, and its tags prove
nothing once it was changed. What a fresh read of its source has proven is kept here instead; never a value.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice

from shared.errors import Unreachable
from shared.estate import SecretRef
from shared.journal import IncidentId
from shared.signal import JsonObject
from shared.store import Documents

_PARTITION = "dead-versions"
_MOST = 500  # of one secret; the oldest are left to be proven anew
_TRIES = 20


async def note_dead(documents: Documents, incident: IncidentId, ref: SecretRef, versions: Iterable[str]) -> None:
    """Keep that the incident has proven these dead, the newest first. May run again."""
    wanted: JsonObject = dict.fromkeys(islice(versions, _MOST), str(incident))
    for _ in range(_TRIES):
        found = await documents.get(_PARTITION, _key(ref))
        if found is None:
            if await documents.insert(_PARTITION, _key(ref), wanted):
                return
            continue
        new = {version: each for version, each in wanted.items() if version not in found.body}
        if not new:
            return
        body: JsonObject = dict([*found.body.items(), *new.items()][-_MOST:])
        if await documents.replace(_PARTITION, _key(ref), body, found.etag):
            return
    raise Unreachable("noting which versions are dead", "others changed the note without pause")


async def known_dead(documents: Documents, ref: SecretRef) -> Mapping[str, str]:
    """The versions that are proven dead, each with the incident that has proven it."""
    found = await documents.get(_PARTITION, _key(ref))
    return {version: str(incident) for version, incident in found.body.items()} if found is not None else {}


def _key(ref: SecretRef) -> str:
    """Any two names as a key that holds none of them."""
    return hashlib.sha256(f"{ref.vault}/{ref.name}".encode()).hexdigest()[:40]
