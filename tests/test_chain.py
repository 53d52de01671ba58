"""A chain in hand tells the same story as the journal that it writes to."""

from datetime import UTC, datetime

import pytest

from shared.chain import Chain
from shared.entries import (
    Applied,
    Entry,
    Intended,
    Opened,
    RechecksSet,
    SignalJoined,
    SubjectIds,
    Verified,
    WorkEnded,
    WorkStarted,
    WriteOutcome,
)
from shared.journal import IncidentId, MemoryJournal

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INCIDENT = IncidentId("20260302-0123456789ab")
OPENED = Opened(tenant_id="t", subject=SubjectIds(client_id="c"), mode="act", policy="p")
JOINED = SignalJoined(source="manual", record_id="1", observed_at=NOON, summary="s", facts={"by": ["a", {"b": None}]})
OF_A_STEP: tuple[Entry, ...] = (
    Intended(before={"keys": [{"id": 1}], "enabled": True}, writes=("one", "two")),
    Applied(writes=(WriteOutcome(write="one", outcome="accepted"),), made={"name": "x"}),
    Verified(answer="held", proof="seen", read_at=NOON),
)


async def test_what_was_written_is_known_as_it_will_be_read() -> None:
    """Nothing is decoded again that was just written, so it must already be what decoding gives."""
    journal = MemoryJournal()
    chain = await Chain.read(journal, INCIDENT, lambda: NOON)
    await chain.write(OPENED, JOINED)
    await chain.write(*OF_A_STEP, step="cut")
    await chain.write(RechecksSet(series=1, after=(5.0, 60)), WorkEnded(more=True, again_at=NOON))

    assert chain.lines == (await Chain.read(journal, INCIDENT, lambda: NOON)).lines


async def test_entries_are_found_by_kind_and_by_step_in_the_order_they_were_written() -> None:
    """Two steps' entries are told apart, and both belong to their kind."""
    chain = await Chain.read(MemoryJournal(), INCIDENT, lambda: NOON)
    await chain.write(OPENED)
    await chain.write(Verified(answer="unknown", proof="a"), step="first")
    await chain.write(Verified(answer="held", proof="b"), step="second")
    await chain.write(Verified(answer="held", proof="c"), step="first")

    assert [each.proof for each in chain.all(Verified)] == ["a", "b", "c"]
    assert [each.proof for each in chain.all(Verified, "first")] == ["a", "c"]
    assert (chain.place(Verified), chain.place(Verified, "second"), chain.place(WorkStarted)) == (3, 2, -1)
    last = chain.last(Verified, "second")
    assert last is not None
    assert last.proof == "b"
    assert chain.last(Verified, "third") is None


async def test_what_others_wrote_takes_its_place_when_the_chain_is_read_anew() -> None:
    """A signal that joined meanwhile is found, and nothing is found twice."""
    journal = MemoryJournal()
    mine, other = [await Chain.read(journal, INCIDENT, lambda: NOON) for _ in range(2)]
    await mine.write(OPENED, JOINED)
    await other.refresh()
    await other.write(JOINED)
    await mine.refresh()

    assert (mine.place(Opened), mine.place(SignalJoined)) == (0, 2)
    assert len(list(mine.all(SignalJoined))) == 2
