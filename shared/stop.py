"""
The stop switch: one document in the store, read before every effect.

Nothing there means running. A store that does not answer raises, and effects stop.
"""

from shared.clock import Clock
from shared.errors import Unreachable
from shared.signal import JsonObject
from shared.store import Documents

_PARTITION, _KEY = "control", "switch"
_TRIES = 10


class StoredSwitch:
    """The switch that all instances share."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        self._documents, self._clock = documents, clock

    async def why_stopped(self) -> str | None:
        """Why effects are stopped, or None if they may go on."""
        document = await self._documents.get(_PARTITION, _KEY)
        if document is None or document.body.get("stopped") is False:
            return None
        body = document.body
        return f"The stop switch was set by {body.get('by')} at {body.get('at')}: {body.get('reason')}"

    async def set(self, *, stopped: bool, reason: str, by: str) -> None:
        """Stop or release every further effect, for all instances at once."""
        body: JsonObject = {"stopped": stopped, "reason": reason, "by": by, "at": self._clock().isoformat()}
        for _ in range(_TRIES):
            document = await self._documents.get(_PARTITION, _KEY)
            if document is None:
                if await self._documents.insert(_PARTITION, _KEY, body):
                    return
            elif await self._documents.replace(_PARTITION, _KEY, body, document.etag):
                return
        raise Unreachable("setting the stop switch", "others changed it without pause")
