"""
A process that writes until it is killed: `python -m tests.stores.write_until_killed FILE`.

It says the number of each record on a line of its own once the record, a document and a message with the
same number are confirmed. Where another process has written meanwhile, it ends.
"""

import asyncio
import sys

from shared.clients.sqlite_store import open_sqlite_store
from shared.errors import SequenceTaken
from shared.journal import IncidentId
from tests.stores.chains import Watch, after

INCIDENT = IncidentId("killed")


async def main(file: str) -> None:
    store = open_sqlite_store(file, Watch())
    records = list(await store.journal.read(INCIDENT))
    while True:
        record = after(records, INCIDENT, {"text": "x" * 3_000})
        try:
            await store.journal.append([record])
        except SequenceTaken:
            return
        await store.documents.insert("killed", f"{record.sequence:06}", {"n": record.sequence})
        await store.queue.send({"n": record.sequence})
        records.append(record)
        print(record.sequence, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
