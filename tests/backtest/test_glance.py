"""Lines that are only glanced at: what is counted, kept and told is what reading every line in full would give."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drill.backtest import sieve
from drill.backtest.glance import glance
from drill.backtest.sieve import Sifted, sift

TARGET: dict[str, Any] = {"id": "8a3b1e00-0000-4000-8000-000000000001", "type": "User", "displayName": 'a "b" \\ c'}
RECORD: dict[str, Any] = {
    "id": "Directory_1",
    "activityDisplayName": "Update user",
    "activityDateTime": "2026-03-02T03:00:00.1234567Z",
    "result": "success",
    "initiatedBy": {"user": {"id": "8a3b1e00-0000-4000-8000-000000000002"}},
    "targetResources": [TARGET],
    "numbers": [0, -1.5e3, 10**30, True, None],
}


def changed(**properties: Any) -> bytes:
    return json.dumps({**RECORD, **properties}, ensure_ascii=False).encode(errors="surrogatepass")


def target(**properties: Any) -> list[dict[str, Any]]:
    return [TARGET, {**TARGET, **properties}]


ODD = [
    changed(),
    changed(activityDisplayName="Update application \u2013 Certificates and secrets management "),
    changed(activityDisplayName="  UPDATE   APPLICATION."),
    changed(activityDisplayName=""),
    changed(activityDisplayName=None),
    changed(activityDisplayName=5),
    changed(activityDateTime=None),
    changed(activityDateTime="", time="2026-03-01T00:00:00Z"),
    changed(activityDateTime="nonsense"),
    changed(targetResources=None),
    changed(targetResources=json.dumps(target(type="Application"))),
    changed(targetResources=[None, "x", 7]),
    changed(targetResources=target(type="ServicePrincipal")),
    changed(targetResources=target(type="serviceprincipal", id="no id")),
    changed(targetResources=target(type=["Application"])),
    changed(targetResources=target(type=None)),
    changed(value=[RECORD], id=None),
    changed(value=None),
    changed(records=[]),
    changed(tables=[{"columns": [{"name": "Id"}], "rows": [["1"]]}]),
    changed(TimeGenerated="2026-03-02T03:00:00Z", TargetResources=target(type="Application")),
    changed(properties={**RECORD, "targetResources": target(type="Application")}),
    changed(properties=json.dumps(RECORD)),
    changed(name="Zo\u00eb \U0001f600 \u202e"),
    changed(name="x").replace(b'"x"', b'"\\ud800"'),
    changed(name="x").replace(b'"x"', b'"\xff\xfe"'),
    changed(name="x").replace(b'"x"', b'"\xed\xa0\x80"'),
    changed(name="x").replace(b'"x"', b'"\\q"'),
    changed(name="x").replace(b'"x"', b'"\x01"'),
    *(changed(name="x").replace(b'"x"', bad) for bad in (b"01", b"1.", b".5", b"-", b"1e", b"+1", b"1e999", b"NaN")),
    changed(deep=0).replace(b'"deep": 0', b'"deep": ' + b"[" * 500 + b"]" * 500),
    changed()[:-1] + b', "targetResources": [{"type": "Application", "id": "8a3b1e00-0000-4000-8000-000000000003"}]}',
    changed() + b" {}",
    changed()[:-1],
    b"  ",
    b"[" + changed() + b"]",
    b"\xef\xbb\xbf" + changed(),
]


def spoiled(lines: list[bytes], count: int) -> Iterator[bytes]:
    """Lines with some bytes lost, doubled or made others, as a bad copy leaves them; the same ones every time."""
    chance = random.Random(20260302)  # noqa: S311 - no secret
    for _ in range(count):
        line = bytearray(chance.choice(lines))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(line) - 2)
            line[at : at + chance.randint(0, 2)] = chance.choice(
                (b"", b'"', b"\\", b"}", b"1", b",", b"e", b"\xc3", b":")
            )
        yield bytes(line).replace(b"\n", b"")


def told(found: Sifted) -> tuple[object, ...]:
    return (
        found.records,
        {sort: (cover.records, cover.first, cover.last) for sort, cover in found.covers.items()},
        found.unknown,
        found.troubles.counts,
        found.troubles.places,
        found.tenants,
        found.named,
        list(found.runs.in_order()),
    )


def test_it_ends_as_if_every_line_were_read_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged, odd and hostile lines included: a glance may refuse more than the reader does, and never less."""
    file = tmp_path / "export" / "audits.jsonl"
    file.parent.mkdir()
    file.write_bytes(b"\n".join([*ODD, *spoiled(ODD[:20], 1500)]))
    glanced = told(sift([file], file.parent, tmp_path, None))
    monkeypatch.setattr(sieve, "glance", None)
    in_full = told(sift([file], file.parent, tmp_path, None))

    assert glanced == in_full


def test_it_tells_of_a_plain_record_alone() -> None:
    """Who may be looked at quickly, or else nothing would be gained."""
    seen = [number for number, line in enumerate(ODD) if glance(line)]

    assert glance(changed(name="x")) is not None
    assert seen[:1] == [0]
    assert not any(glance(line) for line in ODD[16:29])
