"""
How many secrets may be rotated within an hour before a person must confirm, over all incidents and instances.

A batch is what one tier of one plan holds. It is let through whole or not at all; what was let through once is not
counted a second time. The window is one document, changed only if nobody else changed it meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from shared.clock import Clock
from shared.signal import JsonObject
from shared.store import Document, Documents

WINDOW = timedelta(hours=1)
_PARTITION, _KEY = "limits", "secrets"
_UNREADABLE = (
    "the record of what was rotated in the last hour cannot be understood, so no limit can be judged; look at the "
    "table's row limits/secrets"
)


@dataclass(frozen=True, slots=True)
class SecretLimits:
    """Reserves places for secrets that effects are about to be let through on."""

    documents: Documents
    per_hour: int
    clock: Clock

    async def reserve(self, batch: str, secrets: int, *, confirmed: bool = False) -> str | None:
        """
        Reserve places for a batch, or say why not; then nothing was reserved. The same batch again costs nothing.

        A person who `confirmed` is who a limit asks: the places are counted all the same. Raises what the store
        raises: then nothing may be done.
        """
        while True:
            document, now = await self.documents.get(_PARTITION, _KEY), self.clock()
            try:
                spent = _read(document.body, now) if document else {}
            except (KeyError, TypeError, ValueError, AttributeError):
                return _UNREADABLE
            others = sum(count for each, (_, count) in spent.items() if each != batch)
            if batch in spent and spent[batch][1] >= secrets:
                return None
            if others + secrets > self.per_hour and not confirmed:
                return (
                    f"{others} secrets were let through in the last hour, this batch has {secrets}, and the limit is "
                    f"{self.per_hour} secrets an hour"
                )
            if await self._store(document, {**spent, batch: (now, secrets)}):
                return None

    async def _store(self, document: Document | None, spent: Mapping[str, tuple[datetime, int]]) -> bool:
        body: JsonObject = {batch: {"at": at.isoformat(), "secrets": count} for batch, (at, count) in spent.items()}
        if document is None:
            return await self.documents.insert(_PARTITION, _KEY, {"batches": body})
        return await self.documents.replace(_PARTITION, _KEY, {"batches": body}, document.etag)


def _read(body: JsonObject, now: datetime) -> dict[str, tuple[datetime, int]]:
    """What was let through in the last hour, by batch."""
    batches = cast("dict[str, dict[str, object]]", body["batches"])
    found = {
        batch: (datetime.fromisoformat(str(each["at"])), int(str(each["secrets"]))) for batch, each in batches.items()
    }
    return {batch: (at, count) for batch, (at, count) in found.items() if now - at < WINDOW}
