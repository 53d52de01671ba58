"""A vault's own event wakes the rotation that waits for this secret; it is read again there, and never trusted."""

from datetime import timedelta
from typing import Any

import pytest

from shared.entries import RotationEnded, WorkStarted
from shared.estate import SecretRef
from shared.journal import IncidentId
from shared.secret_news import forget_news, read_touched, send_secret_news, take_news, wait_for_news
from shared.signal import SecretTouched
from tests.fakes import START
from tests.rotation.world import RotationWorld, play, policy

CONN, OTHER = SecretRef("shop", "conn"), SecretRef("shop", "beside")
ALL = policy(ask="[]")
INCIDENT = IncidentId("20260302-0123456789ab")
TYPE = "Microsoft.KeyVault.SecretNewVersionCreated"


def event(ref: SecretRef = CONN, **more: Any) -> dict[str, Any]:
    data = {"VaultName": ref.vault, "ObjectName ": ref.name, "ObjectType": "Secret", "Version": "f" * 32}
    return {"type": TYPE, "id": "e1", "source": "/subscriptions/x", "data": data, **more}


def test_an_owners_new_version_is_found_when_its_vault_tells() -> None:
    """Five minutes may pass until the next look; the event brings it forward, also behind a slice that just ended."""

    async def story(world: RotationWorld) -> None:
        version = world.secret(CONN, "who-knows-what-this-opens", read=True).version
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=11))
        tags = {"cordon-old-is-dead": str(version)}
        world.vaults.store(CONN, "the-owners-new-value", created=world.clock(), updated=world.clock(), tags=tags)
        stored_at = world.clock()
        intake = await responder.receive_events([event()])
        await world.work_queue(responder, timedelta(seconds=5))
        published = [r.time for r in (await world.secrets_chain()).records if r.data.get("stage") == "published"]

        assert (intake.not_ours, intake.set_aside) == (1, ())
        assert published
        assert published[0] - stored_at < timedelta(seconds=5)

        await world.work_queue(responder, timedelta(hours=3))
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert ended.counts == {"on-owners-word": 1}
        assert not await world.store.documents.query("awaited-secrets")

    play(story, text=ALL)


def test_an_event_alone_ends_nothing_and_many_cost_two_looks_a_minute() -> None:
    """Whoever may send events cannot make Cordon believe, nor keep it busy."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=11))
        slices = sum(1 for _ in (await world.secrets_chain()).all(WorkStarted))
        for _ in range(50):
            await responder.receive_events([event()])
        await world.work_queue(responder, timedelta(minutes=1))
        chain = await world.secrets_chain()

        assert sum(1 for _ in chain.all(WorkStarted)) - slices == 2
        assert not [record for record in chain.records if record.data.get("stage") == "published"]

    play(story, text=ALL)


@pytest.mark.parametrize("ref", [OTHER, SecretRef("attic", "unheard-of")])
def test_an_event_about_a_secret_that_nobody_waits_for_wakes_nobody(ref: SecretRef) -> None:
    """Each version that Cordon stores raises one as well."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        world.storage_secret(OTHER, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=11))
        due = await world.store.queue.next_due()
        await responder.receive_events([event(ref)])

        assert await world.store.queue.next_due() == due

    play(story, text=ALL)


def test_a_waking_looks_at_the_secret_that_it_tells_of_and_at_no_other() -> None:
    """Hundreds may be waited for: an event about one of them asks the vaults once, and the others keep their time."""

    async def story(world: RotationWorld) -> None:
        waiting = [SecretRef("shop", f"s{number}") for number in range(12)]
        version = {ref: world.secret(ref, f"who-knows-what-{ref.name}-opens", read=True).version for ref in waiting}
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=11))
        due, asked = await world.store.queue.next_due(), list[SecretRef]()
        world.vaults.on_versions = asked.append
        first = waiting[0]
        tags = {"cordon-old-is-dead": str(version[first])}
        world.vaults.store(first, "the-owners-new-value", created=world.clock(), updated=world.clock(), tags=tags)
        await responder.receive_events([event(first)])
        await world.work_queue(responder, timedelta(seconds=5))

        assert set(asked) == {first}
        assert [r for r in (await world.secrets_chain()).records if r.data.get("stage") == "published"]

        assert due is not None
        await world.work_queue(responder, timedelta(minutes=6))
        assert set(asked) == set(waiting)

    play(story, text=ALL)


def test_a_note_of_before_names_came_into_it_wakes_for_all() -> None:
    """Written by an older version: which secret it was stands nowhere."""

    async def story(world: RotationWorld) -> None:
        await world.store.documents.insert("woken-rotations", INCIDENT, {"at": START.isoformat()})

        assert await take_news(world.store.documents, INCIDENT) is None

    play(story, text=ALL)


def test_a_waking_that_meets_a_slice_under_way_is_not_lost() -> None:
    """Another instance is at it, and may have looked a moment before: the waking waits for its turn."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=11))
        incident = (await world.chain()).incident
        chain = await world.secrets_chain()
        await chain.write(WorkStarted(attempt=99, instance="two", because="rotation"))
        await responder.work({"incident": incident, "because": "rotation", "woken": True})
        slices = sum(1 for _ in (await world.secrets_chain()).all(WorkStarted))
        await world.work_queue(responder, timedelta(minutes=12))

        assert sum(1 for _ in (await world.secrets_chain()).all(WorkStarted)) > slices

    play(story, text=ALL)


@pytest.mark.parametrize(
    ("data", "ref"),
    [
        ({"VaultName": "Shop", "ObjectName ": "Conn"}, CONN),
        ({"vaultName": "shop", "objectName": "conn"}, CONN),
        ({"vaultName": "shop", "objectName": "../conn"}, None),
        ({"vaultName": "shop.example", "objectName": "conn"}, None),
        ({"vaultName": "shop"}, None),
        ({"vaultName": ["shop"], "objectName": 7}, None),
        ("shop/conn", None),
        (None, None),
    ],
)
def test_the_names_are_read_in_both_spellings_and_nothing_else_is_a_name(data: object, ref: SecretRef | None) -> None:
    """Documentation and specification spell the properties differently; text that is no name is no event of ours."""
    found = read_touched(TYPE, data)

    assert (SecretRef(found.vault, found.secret) if found else None) == ref
    assert read_touched("Microsoft.KeyVault.SecretNearExpiry", data) is None


def test_the_index_holds_so_many_incidents_and_forgets_each_when_it_is_over() -> None:
    """The newest twenty of a secret are woken; the others look by themselves."""

    async def story(world: RotationWorld) -> None:
        documents, queue = world.store.documents, world.store.queue
        incidents = [IncidentId(f"20260302-{number:012x}") for number in range(25)]
        for incident in (*incidents, incidents[-1]):
            await wait_for_news(documents, incident, CONN)
        await send_secret_news(documents, queue, SecretTouched("new", vault="shop", secret="conn"), START)
        woken = len(await queue.receive(32, timedelta(minutes=1)))
        for incident in incidents:
            await forget_news(documents, incident, [CONN, OTHER])

        assert woken == 20
        assert not await documents.query("awaited-secrets")
        assert not await documents.query("woken-rotations")

    play(story, text=ALL)
