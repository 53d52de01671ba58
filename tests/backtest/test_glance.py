"""Lines that are only glanced at: what is counted, kept and told is what reading every line in full would give."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drill.backtest import sieve
from drill.backtest.glance import glance, glance_at_sign_in
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


SIGN_IN: dict[str, Any] = {
    "id": "8a3b1e00-0000-4000-8000-000000000004",
    "createdDateTime": "2026-03-02T03:00:00.1234567Z",
    "signInEventTypes": ["servicePrincipal"],
    "servicePrincipalId": "8A3B1E00-0000-4000-8000-000000000005",
    "servicePrincipalCredentialKeyId": "8a3b1e00-0000-4000-8000-000000000006",
    "federatedCredentialId": "",
    "servicePrincipalCredentialThumbprint": "0A1B",
    "clientCredentialType": "clientSecret",
    "resourceDisplayName": "Microsoft Graph",
    "resourceId": "00000003-0000-0000-c000-000000000000",
    "ipAddress": "203.0.113.7",
    "autonomousSystemNumber": 64496,
    "location": {"city": "Delft", "countryOrRegion": "NL"},
    "userAgent": 'azsdk "1" \\',
    "uniqueTokenIdentifier": "dG9rZW4",
    "status": {"errorCode": 0, "failureReason": None},
}


def signed_in(**properties: Any) -> bytes:
    return json.dumps({**SIGN_IN, **properties}, ensure_ascii=False).encode(errors="surrogatepass")


# Whatever any of its properties may hold instead.
STRANGE: tuple[Any, ...] = (
    "",
    None,
    "x",
    0,
    -1,
    1.0,
    1e300,
    10**30,
    2**63,
    2**64,
    True,
    [],
    ["servicePrincipal"],
    {},
    {"errorCode": 7},
)
TIMES = ("2026-03-02", "20260302T030000Z", "2026-03-02T03:00:00", "2026-03-02T05:00:00+02:00", "2026-03-02 03:00:00Z")
SIGN_INS = [
    signed_in(),
    *(signed_in(**{name: value}) for name in SIGN_IN for value in STRANGE),
    *(signed_in(createdDateTime=each) for each in (*TIMES, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z")),
    *(signed_in(signInEventTypes=each) for each in (["managedIdentity"], ["interactiveUser"], ["servicePrincipal", 1])),
    *(signed_in(status={"errorCode": each}) for each in (*STRANGE, 50126, "0")),
    *(signed_in(location={"countryOrRegion": each}) for each in STRANGE),
    *(
        signed_in(**{name: value})
        for name in ("activityDisplayName", "TimeGenerated", "category", "properties", "value", "records", "tables")
        for value in ("ServicePrincipalSignInLogs", None, [SIGN_IN], {"id": "another"})
    ),
    signed_in(servicePrincipalCredentialKeyId="00000000-0000-0000-0000-000000000000"),
    signed_in(federatedCredentialId="8a3b1e00-0000-4000-8000-000000000007"),
    signed_in(userAgent="Zo\u00eb \U0001f600"),
    signed_in(userAgent="x").replace(b'"x"', b'"\\ud800"'),
    signed_in(userAgent="x").replace(b'"x"', b'"\\u0041\\n"'),
    signed_in()[:-1] + b', "status": {"errorCode": 50126}}',
    signed_in()[:-1] + b', "servicePrincipalId": "nobody"}',
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


def test_an_archive_that_breaks_off_has_told_what_was_read_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are counted in batches: the last one, in the middle of which it breaks off, is not lost."""
    file = tmp_path / "export" / "audits.jsonl.gz"
    file.parent.mkdir()
    times = (f"2026-03-{day:02d}T03:00:00Z" for day in [*range(1, 29)] * 100)
    file.write_bytes(gzip.compress(b"\n".join(changed(activityDateTime=each) for each in times))[:-40])
    glanced = told(sift([file], file.parent, tmp_path, None))
    monkeypatch.setattr(sieve, "glance", None)
    in_full = told(sift([file], file.parent, tmp_path, None))

    assert glanced == in_full
    assert glanced[0] not in (0, 2800)
    assert glanced[3] != {}


def test_sign_ins_end_as_if_every_line_were_read_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever any of their properties holds, and however a bad copy left them."""
    file = tmp_path / "export" / "sign-ins.jsonl"
    file.parent.mkdir()
    file.write_bytes(b"\n".join([*SIGN_INS, *spoiled(SIGN_INS[:1], 1500)]))
    glanced = told(sift([file], file.parent, tmp_path, None))
    monkeypatch.setattr(sieve, "glance", None)
    monkeypatch.setattr(sieve, "glance_at_sign_in", None)
    in_full = told(sift([file], file.parent, tmp_path, None))

    assert glanced == in_full
    assert glanced[0] != 0


def test_a_plain_sign_in_is_not_read_in_full() -> None:
    """Of applications and of managed identities, with what may be empty or missing."""
    bare = {name: SIGN_IN[name] for name in ("id", "createdDateTime", "signInEventTypes", "servicePrincipalId")}

    assert glance_at_sign_in(signed_in()) is not None
    assert glance_at_sign_in(signed_in(signInEventTypes=["managedIdentity"])) is not None
    assert glance_at_sign_in(json.dumps({**bare, "status": {"errorCode": 7000222}}).encode()) is not None


def test_it_tells_of_a_plain_record_alone() -> None:
    """Who may be looked at quickly, or else nothing would be gained."""
    seen = [number for number, line in enumerate(ODD) if glance(line)]

    assert glance(changed(name="x")) is not None
    assert seen[:1] == [0]
    assert not any(glance(line) for line in ODD[16:29])
