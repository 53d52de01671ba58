"""What is particular to the twin in Azure, seen from outside through the SDKs."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest

from shared.clients.azure_queue import AzureQueue
from shared.clients.azure_store import AzureDocuments, AzureEvidence, AzureJournal, Table
from shared.clients.storage_account import ByConnectionString, StorageAccount
from shared.errors import JournalDamaged, SequenceTaken
from tests.stores.chains import after, chain, new_incident, new_name
from tests.stores.twins import AzureTwin, no_credential

pytestmark = pytest.mark.anyio


@pytest.fixture
def account(connection_string: str) -> StorageAccount:
    return StorageAccount(ByConnectionString(connection_string), no_credential)


async def test_a_message_lies_in_the_queue_as_the_trigger_expects_it(azure: AzureTwin, account: StorageAccount) -> None:
    """Base64 of JSON, hidden for whole seconds, never expiring; the queue is made when it is first needed."""
    name = new_name("work")
    queue = AzureQueue(account, name)

    await queue.send({"incident": "é", "because": "signal"})
    await queue.send({"incident": "later"}, timedelta(milliseconds=700))

    async with azure.queue(name) as client:
        (now,) = [message async for message in client.receive_messages()]
        await asyncio.sleep(1.1)
        (later,) = [message async for message in client.receive_messages()]
    await queue.close()
    assert json.loads(base64.b64decode(now.content)) == {"incident": "é", "because": "signal"}
    assert now.expires_on is not None
    assert now.expires_on.year == 9999
    assert json.loads(base64.b64decode(later.content)) == {"incident": "later"}


async def test_tables_and_container_are_made_when_they_are_first_needed(account: StorageAccount) -> None:
    """On the first day nothing is there: reads find nothing, writes make what they need."""
    table = Table(account, _new_table())

    assert await table.get("a", "b") is None
    assert await table.create({"PartitionKey": "a", "RowKey": "b"})
    assert not await table.create({"PartitionKey": "a", "RowKey": "b"})
    await table.close()


async def test_instances_that_make_a_table_at_once_all_go_on(account: StorageAccount) -> None:
    """Being second is no error."""
    table = Table(account, _new_table())

    created = await asyncio.gather(*(table.create({"PartitionKey": "a", "RowKey": str(n)}) for n in range(4)))

    await table.close()
    assert created == [True] * 4


async def test_a_lost_answer_is_resolved_by_reading(account: StorageAccount) -> None:
    """Our own records standing, their places free, and somebody else's there are three different answers."""
    journal, incident = AzureJournal(account, AzureEvidence(account)), new_incident()
    records = chain(incident, 3)
    rival = after(records[:1], incident, {"rival": True})
    await journal.append(records[:1])

    assert await journal.stands(records[:1])
    assert not await journal.stands(records[1:])
    await journal.append(records[1:])
    assert await journal.stands(records[1:])
    assert await journal.stands(records)
    with pytest.raises(SequenceTaken):
        await journal.stands([rival])
    await journal.close()


async def test_a_record_whose_blob_is_gone_is_named(azure: AzureTwin, account: StorageAccount) -> None:
    """Data that was too long for its row is missed, not taken for empty."""
    evidence = AzureEvidence(account)
    journal, incident = AzureJournal(account, evidence), new_incident()
    (record,) = chain(incident, 1, lambda _: {"text": incident * 100_000})
    await journal.append([record])
    async with azure.table("cordonjournal") as table:
        entity = await table.get_entity(incident, "0000000000")
    async with azure.container() as container:
        await container.delete_blob(entity["evidence"])

    with pytest.raises(JournalDamaged) as caught:
        await journal.read(incident)

    await asyncio.gather(journal.close(), evidence.close())
    assert entity["evidence"] in str(caught.value)
    assert incident in str(caught.value)


async def test_a_document_takes_one_row_and_no_property_is_too_long(azure: AzureTwin, account: StorageAccount) -> None:
    """Long bodies are split where the service would refuse them."""
    documents, partition = AzureDocuments(account), new_name("inbox")
    await documents.insert(partition, "a", {"text": "x" * 100_000})
    async with azure.table() as table:
        entity = await table.get_entity(partition, "a")
    await documents.close()

    bodies = {name: len(value) for name, value in entity.items() if name.startswith("body")}
    assert bodies == {"body0": 32_000, "body1": 32_000, "body2": 32_000, "body3": 100_000 + len('{"text":""}') - 96_000}


async def test_warming_up_twice_is_fine_and_leaves_nothing_behind(azure: AzureTwin) -> None:
    """It imports, connects and makes what is missing; it writes nothing."""
    await azure.store.warm_up()
    await azure.store.warm_up()

    assert list(await azure.store.documents.query("warm-up")) == []


def _new_table() -> str:
    return new_name("fresh").replace("-", "")
