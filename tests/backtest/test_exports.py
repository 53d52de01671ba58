"""Exported files come apart into the objects that they hold, and what cannot be read is told by place."""

import gzip
import json
from pathlib import Path

import pytest

from drill.backtest import exports
from drill.backtest.exports import Export, Found, Troubles, files_in, parse

RECORDS = [{"id": str(number), "activityDisplayName": "Update user", "nested": {"a": [1, "]}"]}} for number in range(3)]
CONTEXT = "https://graph.microsoft.com/v1.0/$metadata#auditLogs/directoryAudits"


def read(place: Path, content: str | bytes, name: str = "audits.json") -> tuple[list[Found], Troubles]:
    """What a file with this content holds; lists' heads left out."""
    troubles = Troubles()
    file = place / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return [each for each in Export(file, name, troubles).objects() if each[0]], troubles


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "wrapped",
    [
        {"@odata.context": CONTEXT, "@odata.count": 3, "value": RECORDS, "@odata.nextLink": "https://g/{next}"},
        {"records": RECORDS},
        RECORDS,
    ],
)
def test_a_list_gives_its_records_on_one_line_or_many(tmp_path: Path, wrapped: object, indent: int | None) -> None:
    """Graph's pages, a hub's messages and plain lists; links behind the list are nobody's record."""
    found, troubles = read(tmp_path, json.dumps(wrapped, indent=indent))

    assert [record for record, *_ in found] == RECORDS
    assert not troubles.counts


@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_records_or_lists_of_them(tmp_path: Path, packed: bool) -> None:
    """Storage holds one record a line, a hub one message of several."""
    text = "\n".join([json.dumps(RECORDS[0]), "", json.dumps({"records": RECORDS[1:]})]).encode()
    found, _ = read(tmp_path, gzip.compress(text) if packed else text)

    assert [record for record, *_ in found] == RECORDS
    assert [line for *_, line in found] == [1, 3, 3]


def test_a_damaged_line_is_told_by_its_place_and_costs_no_other(tmp_path: Path) -> None:
    """Nothing is dropped in silence."""
    lines = [json.dumps(RECORDS[0]), '{"id": "cut o', json.dumps(RECORDS[1])]
    found, troubles = read(tmp_path, "\n".join(lines))

    assert [record["id"] for record, *_ in found] == ["0", "1"]
    assert troubles.places == ["audits.json:2: a line that is not JSON"]


@pytest.mark.parametrize("first", ['{"id": "cut o', "{oh}"])
def test_damage_in_the_first_line_costs_no_other_line_either(tmp_path: Path, first: str) -> None:
    """It may have been the beginning of a document over many lines, and was not."""
    found, troubles = read(tmp_path, "\n".join([first, *(json.dumps(each) for each in RECORDS)]))

    assert [record["id"] for record, *_ in found] == ["0", "1", "2"]
    assert troubles.places[0].startswith("audits.json:1: an object that is not JSON")


def test_a_download_that_broke_off_gives_what_came(tmp_path: Path) -> None:
    """The last object is lost, and that is told with its line."""
    text = json.dumps({"@odata.context": CONTEXT, "value": RECORDS}, indent=1)
    found, troubles = read(tmp_path, text[: text.rindex("nested")])

    assert [record["id"] for record, *_ in found] == ["0", "1"]
    assert sum(troubles.counts.values()) == 1


@pytest.mark.parametrize("head", [{"value": RECORDS}, {"@odata.context": CONTEXT, "value": RECORDS}, RECORDS])
def test_a_list_that_broke_off_between_two_records_is_told(tmp_path: Path, head: object) -> None:
    """Each record that came is whole, and nobody knows how many did not come."""
    text = json.dumps(head, indent=1)
    found, troubles = read(tmp_path, text[: text.rindex("{", 0, text.rindex("nested"))].rstrip().rstrip(","))

    assert [record["id"] for record, *_ in found] == ["0", "1"]
    assert list(troubles.counts) == ["it breaks off within a list, and what follows is lost"]


@pytest.mark.parametrize("blank", ["\n", " \n\n", "\ufeff\n"])
def test_a_blank_first_line_costs_nothing(tmp_path: Path, blank: str) -> None:
    """Whoever joins files leaves blank lines."""
    found, troubles = read(tmp_path, blank + "\n".join(json.dumps(each) for each in RECORDS))

    assert [record for record, *_ in found] == RECORDS
    assert not troubles.counts


def test_an_answer_of_log_analytics_that_is_not_whole_is_told(tmp_path: Path) -> None:
    """The service gives what it has, with an error beside it; a table may lack its heading."""
    table = {"columns": [{"name": "Id"}], "rows": [["1"]]}
    found, troubles = read(tmp_path, json.dumps({"tables": [table], "error": {"code": "PartialError"}}))
    _, without = read(tmp_path, json.dumps({"tables": [{"rows": [["1"]]}]}))

    assert [record for record, *_ in found] == [{"Id": "1"}]
    assert troubles.counts
    assert without.counts


def test_an_archive_that_broke_off_gives_what_came(tmp_path: Path) -> None:
    """Half of a gzip file is half of the records."""
    lines = "\n".join(json.dumps({"id": f"{number * 7919:x}" * 9}) for number in range(5000)).encode()
    packed = gzip.compress(lines)
    found, troubles = read(tmp_path, packed[: len(packed) // 2])

    assert 500 < len(found) < 5000
    assert any("archive is damaged" in why for why in troubles.counts)


def test_a_document_larger_than_the_window_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a piece ends, in a text, a number or between two objects, nothing is lost."""
    text = json.dumps({"@odata.context": CONTEXT, "value": RECORDS * 40}, indent=1)
    monkeypatch.setattr(exports, "_LONGEST_HEAD", 200)
    for size in (211, 223, 997):
        monkeypatch.setattr(exports, "_CHUNK", size)
        found, troubles = read(tmp_path, text)

        assert [record for record, *_ in found] == RECORDS * 40
        assert not troubles.counts


def test_a_table_of_log_analytics_gives_a_record_for_each_row(tmp_path: Path) -> None:
    """Columns are named once, rows are lists."""
    table = {"name": "PrimaryResult", "columns": [{"name": "Id"}, {"name": "Result"}], "rows": [["1", "success"]]}
    found, _ = read(tmp_path, json.dumps({"tables": [table]}))

    assert [record for record, *_ in found] == [{"Id": "1", "Result": "success"}]


def test_a_portals_csv_gives_a_record_for_each_row(tmp_path: Path) -> None:
    """Empty cells are left out; a row of another length is told."""
    text = '\ufeffId,TargetResources,Result\r\n1,"[{""id"":""x""}]",\r\n2,oops\r\n'
    found, troubles = read(tmp_path, text, "audits.csv")

    assert [record for record, *_ in found] == [{"Id": "1", "TargetResources": '[{"id":"x"}]'}]
    assert troubles.places == ["audits.csv:3: a row of 2 columns, where the heading has 3"]


def test_a_lone_surrogate_in_a_name_is_no_reason_to_lose_the_record() -> None:
    """The fast parser refuses what the standard library takes: whoever chose the name would choose."""
    text = rb'{"displayName": "\ud800"}'

    assert parse(text) == {"displayName": "\ud800"}


def test_files_are_found_below_the_folder_in_the_order_of_their_names(tmp_path: Path) -> None:
    """What is hidden is left out."""
    (tmp_path / "b" / ".part").mkdir(parents=True)
    for name in ("b/2.json", "a.json", ".hidden", "b/.part/x.json"):
        (tmp_path / name).touch()

    assert [path.name for path in files_in(tmp_path)] == ["a.json", "2.json"]


NEXT = "https://graph.microsoft.com/v1.0/auditLogs/directoryAudits?$skiptoken=x"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("link_first", [True, False])
def test_an_export_that_broke_off_between_two_pages_is_told(
    tmp_path: Path, indent: int | None, *, link_first: bool
) -> None:
    """Each file is whole, and the last one links to a page that nobody fetched."""

    def pages(last_link: str | None) -> list[str]:
        troubles = Troubles()
        for number, link in ((1, NEXT), (2, last_link)):
            linked = {"@odata.nextLink": link} if link else {}
            head, rest = ({**linked}, {}) if link_first else ({}, {**linked})
            text = json.dumps({"@odata.context": CONTEXT, **head, "value": RECORDS, **rest}, indent=indent)
            (tmp_path / f"page-{number}.json").write_text(text)
            assert len([*Export(tmp_path / f"page-{number}.json", f"a/page-{number}.json", troubles).objects()]) >= 3
        troubles.missing_pages()
        return troubles.places

    assert pages(None) == []
    assert pages(NEXT) == ["a/page-2.json: its last page links to a next one, which is not there: the export broke off"]


def test_pages_of_two_lists_do_not_stand_for_each_other() -> None:
    """Sign-ins that were fetched to their end say nothing of the audit log beside them; nor does another folder."""
    troubles = Troubles(pages={"audits-1.json": ("audits", True), "sign-ins-1.json": ("signIns", False)})
    other = Troubles(pages={"b/audits-2.json": ("audits", False)})
    troubles.add(other)
    troubles.missing_pages()

    assert [place.partition(":")[0] for place in troubles.places] == ["audits-1.json"]
