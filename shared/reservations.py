"""
The limits' window in the store: a place is reserved before the first effect, and shared by all instances.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import CordonError
from shared.identity import PrincipalId
from shared.limits import Over, Spent, judge, spend
from shared.policy import Limits
from shared.signal import JsonObject
from shared.store import Documents
from shared.tenant import Directory

log = logging.getLogger("cordon")

_PARTITION = "limits"
_COUNT_LIVES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Reservations:
    """Reserves places for identities that effects are about to be let through on."""

    documents: Documents
    directory: Directory
    limits: Limits
    clock: Clock

    async def reserve(self, principal: PrincipalId, *, confirmed: bool = False) -> Over | None:
        """
        Reserve a place, or say which limit is reached; then nothing was reserved.

        A person who confirmed this very plan is who a limit asks: the place is taken and counted all the same.
        """
        now = self.clock()
        enabled = None if confirmed else await self._count_enabled()
        while True:
            document = await self.documents.get(_PARTITION, "identities")
            window = _read(document.body) if document else []
            verdict = (
                spend(window, principal, now) if confirmed else judge(self.limits, window, principal, enabled, now)
            )
            if isinstance(verdict, Over):
                log.warning("limit reached, containment of %s waits for a person: %s", principal, verdict.reason)
                return verdict
            body = _as_body(verdict.window)
            if document is None:
                if await self.documents.insert(_PARTITION, "identities", body):
                    return None
            elif await self.documents.replace(_PARTITION, "identities", body, document.etag):
                return None

    async def _count_enabled(self) -> int | None:
        """The tenant's enabled service principals, at most an hour old where they can be counted."""
        document, now = await self.documents.get(_PARTITION, "enabled"), self.clock()
        if document and now - datetime.fromisoformat(str(document.body["at"])) < _COUNT_LIVES:
            return int(str(document.body["count"]))
        try:
            count = await self.directory.count_enabled_principals()
        except CordonError as error:
            log.warning("the enabled service principals could not be counted: %s", error)
            return int(str(document.body["count"])) if document else None
        body: JsonObject = {"at": now.isoformat(), "count": count}
        if document:
            await self.documents.replace(_PARTITION, "enabled", body, document.etag)
        else:
            await self.documents.insert(_PARTITION, "enabled", body)
        return count


def _read(body: JsonObject) -> list[Spent]:
    entries = body.get("spent")
    if not isinstance(entries, list):
        return []
    return [
        Spent(str(entry["id"]), datetime.fromisoformat(str(entry["at"])))
        for entry in entries
        if isinstance(entry, dict)
    ]


def _as_body(window: tuple[Spent, ...]) -> JsonObject:
    return {"spent": [{"id": spent.principal_id, "at": spent.at.isoformat()} for spent in window]}
