"""
Journals that cannot be read: noted where they are met, named by health until they are readable again.
"""

from collections.abc import Sequence

from shared.chain import Chain
from shared.clock import Clock
from shared.errors import CordonError, JournalDamaged
from shared.journal import IncidentId
from shared.store import Store

_PARTITION = "damaged"
_MOST = 20  # health looks at so many; one is reason enough to look at the store
TODO = (
    "Cordon does nothing more for it by itself. Keep the store as it is, find out who wrote to it, look at the "
    "identity in the Entra admin centre and contain it by hand."
)


async def read_noting(store: Store, incident: IncidentId, clock: Clock) -> Chain:
    """The incident's chain. A damaged journal is noted for health, and raised as JournalDamaged."""
    try:
        return await Chain.read(store.journal, incident, clock)
    except JournalDamaged:
        await store.documents.insert(_PARTITION, incident, {"at": clock().isoformat()})
        raise


async def damaged_now(store: Store, clock: Clock) -> Sequence[str]:
    """What is wrong with each journal that was found damaged and still is; a mended one is forgotten."""
    said: list[str] = []
    for noted in await store.documents.query(_PARTITION, limit=_MOST):
        try:
            await Chain.read(store.journal, IncidentId(noted.key), clock)
        except JournalDamaged as damage:
            said.append(f"the journal of incident {noted.key} is damaged: {damage} {TODO}")
        except CordonError as error:
            said.append(f"the journal of incident {noted.key} was damaged and cannot be read now: {error}")
        else:
            await store.documents.remove(_PARTITION, noted.key, noted.etag)
    return said
