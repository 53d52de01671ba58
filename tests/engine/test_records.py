"""A record of the journal: what its hash covers, what may be appended, what is told of damage."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import JournalDamaged, SequenceTaken
from shared.journal import (
    MOST_AT_ONCE,
    NO_RECORD,
    IncidentId,
    MemoryJournal,
    Record,
    check_append,
    check_chain,
    read_chain,
    seal,
    to_kept,
)
from tests.stores.chains import chain

INCIDENT, OTHER = IncidentId("20260302-0123456789ab"), IncidentId("20260302-ba9876543210")
AT = datetime(2026, 3, 2, 3, 0, 2, 7, tzinfo=UTC)
ANOTHER = {
    "incident": OTHER,
    "sequence": 1,
    "time": AT + timedelta(microseconds=1),
    "kind": "signal",
    "step": "1-block-sign-in",
    "data": {"b": 1, "a": ["é", None]},
    "previous": "f" * 64,
}


def _record(**fields: object) -> Record:
    whole = {
        "incident": INCIDENT,
        "sequence": 0,
        "time": AT,
        "kind": "planned",
        "step": None,
        "data": {"b": 1, "a": ["é", {"d": True, "c": 1.5}]},
        "previous": NO_RECORD,
        **fields,
    }
    return seal(**whole)  # pyright: ignore[reportArgumentType]


def test_the_hash_of_a_record_stays_what_it_is_in_journals_that_are_kept() -> None:
    """Another way of hashing would call every journal of today damaged."""
    assert (
        _record(step="1-block-sign-in", sequence=7).hash
        == "47cb87eb4fccc62dee42412860943d3ae6acecb39348e192cfd0eefac891730f"
    )


@pytest.mark.parametrize("name", ANOTHER)
def test_every_field_is_covered_by_the_hash(name: str) -> None:
    """Whatever is changed in a record changes its hash, and the record holds what it was made of."""
    changed = _record(**{name: ANOTHER[name]})

    assert changed.hash != _record().hash
    assert getattr(changed, name) == ANOTHER[name]


def test_the_order_in_which_somebody_filled_a_dict_does_not_matter() -> None:
    """Equal data, equal hash."""
    assert _record(data={"a": 1, "b": 2}).hash == _record(data={"b": 2, "a": 1}).hash


def test_a_record_comes_back_from_what_is_kept_of_it() -> None:
    """In every field, with its time to the microsecond; what is kept is plain ASCII."""
    record = _record(step="1-cut")
    kept = to_kept(record)

    assert read_chain(INCIDENT, [kept]) == (record,)
    assert kept.time == "2026-03-02T03:00:02.000007+00:00"
    assert kept.data.isascii()
    assert kept.data == r'{"b":1,"a":["\u00e9",{"d":true,"c":1.5}]}'


# A chain


def test_an_unbroken_chain_passes() -> None:
    """Of any length, also of none."""
    check_chain(chain(INCIDENT, 3))
    check_chain([])


def _damaged(records: list[Record]) -> str:
    with pytest.raises(JournalDamaged) as caught:
        check_chain(records)
    return str(caught.value)


BROKEN: dict[str, Callable[[list[Record]], list[Record]]] = {
    "1 does not follow the record before it": lambda r: [r[1], r[2]],
    "2 does not follow the record before it": lambda r: [r[0], r[2]],
    "0 does not follow the record before it": lambda r: [r[0], r[0]],
    "1 does not follow the record before it, by its link": lambda r: [r[0], replace(r[1], previous="f" * 64), r[2]],
    "2 does not follow the record before it, by its number": lambda r: [r[0], replace(r[1], sequence=2), r[2]],
    "0 was changed after it was written": lambda r: [replace(r[0], data={"n": 7}), r[1]],
    "2 was changed after it was written": lambda r: [r[0], r[1], replace(r[2], hash="f" * 64)],
}


@pytest.mark.parametrize("what", BROKEN)
def test_damage_is_told_by_record_and_with_what_to_do(what: str) -> None:
    """Which record, what is wrong with it, that Cordon stops there, and that a person goes on by hand."""
    text = _damaged(BROKEN[what](chain(INCIDENT, 3)))
    number, wrong = what.partition(",")[0].split(" ", 1)

    assert text.startswith(f"Record {number} of incident {INCIDENT} {wrong}. ")
    assert "Cordon changes nothing more for this incident. " in text
    assert "contain by hand" in text


@pytest.mark.parametrize(
    ("field", "value"),
    [("time", "yesterday"), ("time", None), ("data", "{"), ("data", "[]"), ("data", None), ("data", "[" * 100_000)],
)
def test_what_can_no_longer_be_read_is_damage_of_that_record(field: str, value: object) -> None:
    """Whatever stands there instead of a time or of data."""
    kept = [to_kept(record) for record in chain(INCIDENT, 2)]
    kept[1] = kept[1]._replace(**{field: value})  # pyright: ignore[reportArgumentType]

    with pytest.raises(JournalDamaged, match=f"^Record 1 of incident {INCIDENT} can no longer be read"):
        read_chain(INCIDENT, kept)


def test_a_record_that_was_moved_into_another_incident_is_damage_there() -> None:
    """The hash covers the incident, which is the place and is kept nowhere else."""
    kept = [to_kept(record) for record in chain(INCIDENT, 2)]

    with pytest.raises(JournalDamaged, match=f"^Record 0 of incident {OTHER} was changed"):
        read_chain(OTHER, kept)


# An append


def test_as_many_records_as_are_promised_may_be_appended_together() -> None:
    """Fifty pass, and so do none, one, and some from the middle of a chain; fifty-one do not."""
    records = chain(INCIDENT, MOST_AT_ONCE + 1)

    for batch in ([], records[:1], records[3:6], records[:MOST_AT_ONCE]):
        check_append(batch)
    with pytest.raises(ValueError, match=r"^at most 50 records are appended at once$"):
        check_append(records)


def test_sequence_numbers_count_from_nought() -> None:
    """Nothing stands before the first record."""
    check_append([_record(sequence=0)])

    with pytest.raises(ValueError, match=r"^sequence numbers count from 0$"):
        check_append([_record(sequence=-1)])


def test_an_incident_s_id_has_to_be_a_key() -> None:
    """The text of the error says of what."""
    with pytest.raises(ValueError, match=r"^an incident's id must be"):
        check_append([_record(incident=IncidentId("a/b"))])


@pytest.mark.parametrize("field", ["incident", "sequence", "previous"])
def test_records_that_do_not_follow_each_other_are_not_appended_together(field: str) -> None:
    """Another incident, a gap, another link: each alone is enough."""
    one, two, three = chain(INCIDENT, 3)
    wrong = replace(three, **{field: {"incident": OTHER, "sequence": 3, "previous": one.hash}[field]})

    check_append([one, two, three])
    with pytest.raises(ValueError, match=r"^records .* must follow each other in one incident$"):
        check_append([one, two, wrong])


def test_a_taken_place_is_named_and_an_empty_append_changes_nothing() -> None:
    """In memory as in every store."""
    records = chain(INCIDENT, 3)

    async def story() -> None:
        journal = MemoryJournal()
        await journal.append([])
        await journal.append(records[:2])
        with pytest.raises(SequenceTaken) as caught:
            await journal.append(records[1:])

        assert (caught.value.incident, caught.value.sequence) == (INCIDENT, 1)
        assert list(await journal.read(INCIDENT)) == records[:2]

    asyncio.run(story())
