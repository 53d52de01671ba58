"""What every journal promises."""

import asyncio
from datetime import UTC, datetime

import pytest

from shared.errors import JournalDamaged, SequenceTaken
from shared.journal import NO_RECORD, IncidentId, Journal, Record, seal
from tests.stores.chains import after, chain, forged, new_incident
from tests.stores.twins import Twin

pytestmark = pytest.mark.anyio


async def test_what_is_appended_is_read_back_as_it_was(twin: Twin) -> None:
    """Records come back equal in every field, in order, for any instance."""
    incident = new_incident()
    records = chain(incident, 3)

    await twin.store.journal.append(records[:1])
    await twin.store.journal.append(records[1:])

    assert list(await twin.store.journal.read(incident)) == records
    assert list(await (await twin.another()).journal.read(incident)) == records


async def test_an_unknown_incident_has_no_records(twin: Twin) -> None:
    """Reading what was never written gives an empty chain."""
    assert list(await twin.store.journal.read(new_incident())) == []


async def test_incidents_do_not_mix(twin: Twin) -> None:
    """Each incident has its own chain, even if one's id begins with the other's."""
    one = new_incident()
    other = IncidentId(f"{one}0")
    await twin.store.journal.append(chain(one, 2))
    await twin.store.journal.append(chain(other, 1))

    assert len(await twin.store.journal.read(one)) == 2
    assert len(await twin.store.journal.read(other)) == 1


async def test_a_taken_place_is_refused_and_named(twin: Twin) -> None:
    """Whoever comes second is told which place was taken, and leaves no trace."""
    incident = new_incident()
    records = chain(incident, 1)
    await twin.store.journal.append(records)
    late = seal(incident, 0, datetime(2026, 3, 2, tzinfo=UTC), "signal", None, {"late": True}, NO_RECORD)

    with pytest.raises(SequenceTaken) as caught:
        await (await twin.another()).journal.append([late])

    assert (caught.value.incident, caught.value.sequence) == (incident, 0)
    assert list(await twin.store.journal.read(incident)) == records


async def test_even_the_same_record_is_refused_the_second_time(twin: Twin) -> None:
    """The fence does not ask whose record stands there: a repeated append is a second append."""
    incident = new_incident()
    records = chain(incident, 1)
    await twin.store.journal.append(records)

    with pytest.raises(SequenceTaken):
        await twin.store.journal.append(records)


async def test_an_append_of_several_is_all_or_nothing(twin: Twin) -> None:
    """If the last of three places is taken, the first two stay free."""
    incident = new_incident()
    records = chain(incident, 5)
    await twin.store.journal.append([records[2]])

    with pytest.raises(SequenceTaken) as caught:
        await twin.store.journal.append(records[:3])

    assert caught.value.sequence == 2
    await twin.store.journal.append(records[:2])
    assert list(await twin.store.journal.read(incident)) == records[:3]


async def test_fifty_records_go_in_one_append(twin: Twin) -> None:
    """The largest append that is promised works, also with data that is large in sum."""
    incident = new_incident()
    records = chain(incident, 50, lambda n: {"n": n, "text": '"\\' * 7_000})

    await twin.store.journal.append(records)

    assert list(await twin.store.journal.read(incident)) == records


async def test_of_many_writers_at_one_place_exactly_one_wins(twin: Twin) -> None:
    """The append is the fence between rival instances."""
    incident = new_incident()
    await twin.store.journal.append(chain(incident, 1))
    stores = [twin.store, await twin.another()]

    async def write(writer: int) -> Record | None:
        rival = after(chain(incident, 1), incident, {"writer": writer})
        try:
            await stores[writer % 2].journal.append([rival])
        except SequenceTaken:
            return None
        return rival

    winners = [record for record in await asyncio.gather(*map(write, range(8))) if record]

    assert len(winners) == 1
    assert list(await twin.store.journal.read(incident))[1:] == winners


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"none": None, "empty": "", "list": [], "float": 1.5e300, "big": 2**63, "deep": {"a": [{"b": [True]}]}},
        {"name": "Zahlung‑Übertrag 🔑 \x00\r\n\u2028 \ud800 end", "": "empty key"},
        {"text": "é" * 30_000},
    ],
    ids=["empty", "kinds", "odd characters", "long"],
)
async def test_any_json_survives(twin: Twin, data: dict[str, object]) -> None:
    """Whatever the tenant calls its things is kept to the letter."""
    incident = new_incident()
    record = seal(incident, 0, datetime(2026, 3, 2, tzinfo=UTC), "signal", "", data, NO_RECORD)  # type: ignore[arg-type]

    await twin.store.journal.append([record])

    assert list(await twin.store.journal.read(incident)) == [record]


async def test_data_far_above_a_table_row_survives(twin: Twin) -> None:
    """A record may hold megabytes."""
    incident = new_incident()
    records = chain(incident, 3, lambda n: {"text": str(n) * 1_000_000})

    await twin.store.journal.append(records)

    assert list(await twin.store.journal.read(incident)) == records


async def test_what_was_appended_cannot_be_changed_through_the_caller_s_own_objects(twin: Twin) -> None:
    """The journal keeps what the record said when it was appended."""
    incident = new_incident()
    data = {"list": [1]}
    record = seal(incident, 0, datetime(2026, 3, 2, tzinfo=UTC), "signal", None, data, NO_RECORD)  # type: ignore[arg-type]
    await twin.store.journal.append([record])

    data["list"].append(2)
    (read,) = await twin.store.journal.read(incident)
    read.data["more"] = True

    (again,) = await twin.store.journal.read(incident)
    assert again.data == {"list": [1]}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("data", '{"n":7}'),
        ("data", "[]"),
        ("data", "{"),
        ("data", ""),
        ("time", "2026-03-02T03:00:02.000007+00:00"),
        ("time", "yesterday"),
        ("kind", "approved"),
        ("previous", "f" * 64),
        ("hash", "f" * 64),
    ],
)
async def test_a_record_that_was_changed_is_noticed(twin: Twin, field: str, text: str) -> None:
    """Whatever is changed behind our back, the reader is told which record, and what to do."""
    incident = new_incident()
    await twin.store.journal.append(chain(incident, 3))
    await twin.rewrite_record(incident, 1, field, text)

    with pytest.raises(JournalDamaged) as caught:
        await twin.store.journal.read(incident)

    assert f"Record 1 of incident {incident}" in str(caught.value)
    assert "contain by hand" in str(caught.value)


async def test_a_record_that_was_removed_is_noticed(twin: Twin) -> None:
    """A gap is named by the record behind it."""
    incident = new_incident()
    await twin.store.journal.append(chain(incident, 3))
    await twin.drop_record(incident, 1)

    with pytest.raises(JournalDamaged, match=r"Record 2 .* does not follow"):
        await twin.store.journal.read(incident)


async def test_a_first_record_that_was_removed_is_noticed(twin: Twin) -> None:
    """A chain begins at 0."""
    incident = new_incident()
    await twin.store.journal.append(chain(incident, 2))
    await twin.drop_record(incident, 0)

    with pytest.raises(JournalDamaged, match=r"Record 1 .* does not follow"):
        await twin.store.journal.read(incident)


async def test_a_record_that_lies_about_its_data_is_noticed(twin: Twin) -> None:
    """A forged record may be stored by whoever can write, but not read as true."""
    incident = new_incident()
    await twin.store.journal.append([forged(chain(incident, 1)[0], {"n": "another"})])

    with pytest.raises(JournalDamaged, match=r"Record 0 .* was changed"):
        await twin.store.journal.read(incident)


@pytest.mark.parametrize("bad", ["", "a/b", "a\\b", "a#b", "a?b", "a b", "a'b", "a\nb", "ä", "x" * 201])
async def test_an_id_that_is_no_key_is_refused(twin: Twin, bad: str) -> None:
    """What one store could not take, none takes, be it for writing or for reading."""
    with pytest.raises(ValueError, match="an incident's id must be"):
        await twin.store.journal.append(chain(IncidentId(bad), 1))
    with pytest.raises(ValueError, match="an incident's id must be"):
        await twin.store.journal.read(IncidentId(bad))


async def test_nothing_is_appended_by_an_empty_append(twin: Twin) -> None:
    """An empty append succeeds and changes nothing."""
    await twin.store.journal.append([])


async def test_what_does_not_hang_together_is_refused_before_it_is_stored(twin: Twin) -> None:
    """More than fifty, two incidents, a gap, a wrong order or a wrong link in one append is a mistake of ours."""
    incident = new_incident()
    records, others = chain(incident, 51), chain(new_incident(), 2)
    wrong = [
        records,
        [records[0], others[1]],
        [records[0], records[2]],
        [records[1], records[0]],
        [chain(incident, 1, lambda _: {"other": True})[0], records[1]],
    ]

    for batch in wrong:
        await _is_refused(twin.store.journal, batch)

    assert list(await twin.store.journal.read(incident)) == []


async def _is_refused(journal: Journal, records: list[Record]) -> None:
    with pytest.raises(ValueError, match="append"):
        await journal.append(records)
