"""What every store of documents promises."""

import asyncio

import pytest

from shared.signal import JsonObject
from tests.stores.chains import new_name
from tests.stores.twins import Twin

pytestmark = pytest.mark.anyio


async def test_a_document_is_read_back_with_its_etag(twin: Twin) -> None:
    """Key, body and etag are the same for every instance."""
    partition = new_name("inbox")

    assert await twin.store.documents.insert(partition, "a", {"at": "2026-03-02"})

    found = await twin.store.documents.get(partition, "a")
    assert found is not None
    assert (found.key, found.body) == ("a", {"at": "2026-03-02"})
    assert found == await (await twin.another()).documents.get(partition, "a")


async def test_a_taken_key_is_left_alone(twin: Twin) -> None:
    """The second insert changes nothing, and says so."""
    partition = new_name("inbox")
    await twin.store.documents.insert(partition, "a", {"first": True})

    assert not await (await twin.another()).documents.insert(partition, "a", {"first": False})

    found = await twin.store.documents.get(partition, "a")
    assert found is not None
    assert found.body == {"first": True}


async def test_what_is_not_there_is_none(twin: Twin) -> None:
    """None means that it was looked for and is not there."""
    partition = new_name("inbox")
    await twin.store.documents.insert(partition, "a", {})

    assert await twin.store.documents.get(partition, "b") is None
    assert await twin.store.documents.get(new_name("inbox"), "a") is None


async def test_replacing_needs_the_current_etag(twin: Twin) -> None:
    """Who read first and wrote last does not undo what somebody else wrote in between."""
    documents, partition = twin.store.documents, new_name("switch")
    await documents.insert(partition, "a", {"n": 1})
    first = await documents.get(partition, "a")
    assert first is not None

    assert await documents.replace(partition, "a", {"n": 2}, first.etag)
    assert not await documents.replace(partition, "a", {"n": 3}, first.etag)

    second = await documents.get(partition, "a")
    assert second is not None
    assert second.body == {"n": 2}
    assert second.etag != first.etag


async def test_replacing_replaces_the_whole_body(twin: Twin) -> None:
    """Nothing of a longer body stays behind a shorter one."""
    documents, partition = twin.store.documents, new_name("switch")
    await documents.insert(partition, "a", {"text": "x" * 150_000})
    long = await documents.get(partition, "a")
    assert long is not None

    await documents.replace(partition, "a", {"short": True}, long.etag)

    short = await documents.get(partition, "a")
    assert short is not None
    assert short.body == {"short": True}


async def test_removing_needs_the_current_etag(twin: Twin) -> None:
    """What somebody else has changed meanwhile is not removed."""
    documents, partition = twin.store.documents, new_name("subjects")
    await documents.insert(partition, "a", {"n": 1})
    first = await documents.get(partition, "a")
    assert first is not None
    await documents.replace(partition, "a", {"n": 2}, first.etag)

    assert not await documents.remove(partition, "a", first.etag)

    second = await documents.get(partition, "a")
    assert second is not None
    assert await documents.remove(partition, "a", second.etag)
    assert await documents.get(partition, "a") is None
    assert not await documents.remove(partition, "a", second.etag)
    assert not await documents.replace(partition, "a", {"n": 3}, second.etag)


async def test_an_etag_does_not_come_back(twin: Twin) -> None:
    """A document that was removed and inserted again is another one."""
    documents, partition = twin.store.documents, new_name("subjects")
    await documents.insert(partition, "a", {"n": 1})
    first = await documents.get(partition, "a")
    assert first is not None
    await documents.remove(partition, "a", first.etag)
    await documents.insert(partition, "a", {"n": 1})

    assert not await documents.replace(partition, "a", {"n": 2}, first.etag)


@pytest.mark.parametrize("etag", ["*", "", "junk", 'W/"junk"'])
async def test_what_is_no_etag_of_ours_matches_nothing(twin: Twin, etag: str) -> None:
    """No spelling means "any"."""
    documents, partition = twin.store.documents, new_name("subjects")
    await documents.insert(partition, "a", {"n": 1})

    assert not await documents.replace(partition, "a", {"n": 2}, etag)
    assert not await documents.remove(partition, "a", etag)


async def test_of_many_replacing_at_once_exactly_one_wins(twin: Twin) -> None:
    """The etag is a fence too."""
    documents, partition = twin.store.documents, new_name("limits")
    await documents.insert(partition, "a", {})
    before = await documents.get(partition, "a")
    assert before is not None
    stores = [twin.store, await twin.another()]

    won = await asyncio.gather(
        *(stores[n % 2].documents.replace(partition, "a", {"n": n}, before.etag) for n in range(8))
    )

    after = await documents.get(partition, "a")
    assert after is not None
    assert [n for n in range(8) if won[n]] == [after.body["n"]]


async def test_of_many_inserting_at_once_exactly_one_wins(twin: Twin) -> None:
    """A duplicate that arrives at the same moment is still a duplicate."""
    partition, stores = new_name("inbox"), [twin.store, await twin.another()]

    won = await asyncio.gather(*(stores[n % 2].documents.insert(partition, "a", {"n": n}) for n in range(8)))

    assert won.count(True) == 1


async def test_many_are_inserted_at_once_each_on_its_own(twin: Twin) -> None:
    """Keys that were taken keep their bodies; the others are new, and are named."""
    documents, partition = twin.store.documents, new_name("inbox")
    await documents.insert(partition, "k007", {"old": True})
    bodies: dict[str, JsonObject] = {f"k{n:03}": {"n": n, "text": "x" * 2_000} for n in range(110)}

    new = await documents.insert_all(partition, bodies)

    assert new == bodies.keys() - {"k007"}
    found = await documents.query(partition)
    assert {document.key: document.body for document in found} == bodies | {"k007": {"old": True}}
    assert await documents.insert_all(partition, bodies) == frozenset()
    assert await documents.insert_all(partition, {}) == frozenset()


async def test_a_query_gives_a_range_in_order(twin: Twin) -> None:
    """Bounds are left out, order is that of the characters' codes, the limit cuts from the end."""
    documents, partition = twin.store.documents, new_name("incidents")
    keys = ["-", ".", "0", "10", "9", ":", "A", "Z", "_", "a", "a-b", "a.b", "a:b", "aa", "z"]
    await documents.insert_all(partition, {key: {"key": key} for key in reversed(keys)})

    async def query(after: str = "", before: str | None = None, limit: int = 1000) -> list[str]:
        return [found.key for found in await documents.query(partition, after=after, before=before, limit=limit)]

    assert await query() == keys
    assert await query(after="A") == keys[keys.index("A") + 1 :]
    assert await query(before="A") == keys[: keys.index("A")]
    assert await query(after="A", before="a.b") == ["Z", "_", "a", "a-b"]
    assert await query(after="B", before="b", limit=2) == ["Z", "_"]
    assert await query(after="zz") == []
    assert await query(before="") == []
    assert await query(after="z", before="a") == []
    assert await query(limit=0) == []


async def test_a_query_sees_one_partition(twin: Twin) -> None:
    """Partitions do not mix, even if one's name begins with the other's."""
    partition = new_name("inbox")
    await twin.store.documents.insert(partition, "a", {})
    await twin.store.documents.insert(f"{partition}0", "b", {})

    assert [found.key for found in await twin.store.documents.query(partition)] == ["a"]


async def test_a_query_follows_changes(twin: Twin) -> None:
    """What was inserted or removed since the last query shows in the next."""
    documents, partition = twin.store.documents, new_name("inbox")
    await documents.insert_all(partition, {"a": {}, "c": {}})
    first, _ = await documents.query(partition)

    await documents.insert(partition, "b", {})
    await documents.remove(partition, "a", first.etag)

    assert [found.key for found in await documents.query(partition)] == ["b", "c"]


async def test_more_than_a_page_is_given_whole(twin: Twin) -> None:
    """The service's pages of a thousand do not show."""
    documents, partition = twin.store.documents, new_name("inbox")
    await documents.insert_all(partition, {f"{n:05}": {} for n in range(1_020)})

    assert len(await documents.query(partition, limit=5_000)) == 1_020
    assert len(await documents.query(partition)) == 1_000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"none": None, "empty": "", "list": [], "float": 0.1, "big": 2**70, "deep": {"a": [{"b": False}]}},
        {"odd": "O'Brien 🔑 \x00\r\n\u2028 \ud800", "PartitionKey": "x", "": 1},
        {"long": "é" * 30_000},
    ],
    ids=["empty", "kinds", "odd characters", "long"],
)
async def test_any_json_body_survives(twin: Twin, body: JsonObject) -> None:
    """Bodies are kept to the letter."""
    partition = new_name("inbox")

    await twin.store.documents.insert(partition, "a", body)

    found = await twin.store.documents.get(partition, "a")
    assert found is not None
    assert found.body == body


async def test_a_body_cannot_be_changed_through_the_caller_s_own_objects(twin: Twin) -> None:
    """Only `replace` changes a document."""
    documents, partition = twin.store.documents, new_name("inbox")
    body: JsonObject = {"n": 1}
    await documents.insert(partition, "a", body)

    body["n"] = 2
    found = await documents.get(partition, "a")
    assert found is not None
    found.body["n"] = 3

    again = await documents.get(partition, "a")
    assert again is not None
    assert again.body == {"n": 1}


async def test_the_largest_body_fits_and_one_more_is_refused(twin: Twin) -> None:
    """200,000 characters of JSON are taken everywhere, 200,001 nowhere."""
    documents, partition = twin.store.documents, new_name("inbox")
    fits: JsonObject = {"t": '"' * ((200_000 - len('{"t":""}')) // 2)}

    assert await documents.insert(partition, "fits", fits)
    with pytest.raises(ValueError, match="at most 200000"):
        await documents.insert(partition, "more", {"t": "x" * (200_001 - len('{"t":""}'))})

    assert [found.body for found in await documents.query(partition)] == [fits]


@pytest.mark.parametrize("bad", ["", "a/b", "a\\b", "a#b", "a?b", "a b", "a'b", "a\x7fb", "ä", "x" * 201])
async def test_what_is_no_key_is_refused(twin: Twin, bad: str) -> None:
    """Partitions and keys are the same alphabet, in every method."""
    documents = twin.store.documents

    for partition, key in ((bad, "a"), ("inbox", bad)):
        with pytest.raises(ValueError, match="must be 1 to 200"):
            await documents.insert(partition, key, {})
        with pytest.raises(ValueError, match="must be 1 to 200"):
            await documents.insert_all(partition, {key: {}})
        with pytest.raises(ValueError, match="must be 1 to 200"):
            await documents.get(partition, key)
        with pytest.raises(ValueError, match="must be 1 to 200"):
            await documents.replace(partition, key, {}, "1")
        with pytest.raises(ValueError, match="must be 1 to 200"):
            await documents.remove(partition, key, "1")
    with pytest.raises(ValueError, match="must be 1 to 200"):
        await documents.query(bad)


async def test_one_bad_key_keeps_all_of_an_insert_from_being_stored(twin: Twin) -> None:
    """What is refused is refused before the first is stored."""
    documents, partition = twin.store.documents, new_name("inbox")

    with pytest.raises(ValueError, match="must be 1 to 200"):
        await documents.insert_all(partition, {"good": {}, "not/good": {}})
    with pytest.raises(ValueError, match="JSON"):
        await documents.insert_all(partition, {"good": {}, "endless": {"n": float("inf")}})

    assert list(await documents.query(partition)) == []


async def test_a_bound_that_is_no_plain_text_is_refused(twin: Twin) -> None:
    """A bound need not be a key, but must not bend the filter."""
    for bound in ("ä", "a\n", "a\x00"):
        with pytest.raises(ValueError, match="printable"):
            await twin.store.documents.query("inbox", after=bound)
        with pytest.raises(ValueError, match="printable"):
            await twin.store.documents.query("inbox", before=bound)


async def test_a_quote_in_a_bound_is_a_character_like_others(twin: Twin) -> None:
    """It does not end the filter's text."""
    documents, partition = twin.store.documents, new_name("inbox")
    await documents.insert(partition, "a", {})

    assert list(await documents.query(partition, after="z' or RowKey gt '")) == []
