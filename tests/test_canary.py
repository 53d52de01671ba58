"""Secrets carry canaries: what finds them in output, and that all output is looked through."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drill.__main__ import main
from drill.runner import run_scenario
from drill.scenario import load_scenario
from tests.canary import Scanner, spellings

ROOT = Path(__file__).resolve().parents[1]
LEAKED_SECRET = ROOT / "drill" / "scenarios" / "leaked-secret.yaml"
CHANCE = random.Random(7)  # noqa: S311 - canaries of a test
DIGITS = CHANCE.randbytes(32).hex()
SECRET = f"{DIGITS[:3]}8Q~{DIGITS}".encode()
PRIVATE_KEY = b"\xff" + CHANCE.randbytes(128)
LEAKS = {
    "a whole secret": SECRET,
    "eight random bytes of one": DIGITS[21:37].encode(),
    "a whole private key": PRIVATE_KEY,
    "eight bytes of one": PRIVATE_KEY[40:48],
}


@pytest.mark.parametrize("spelling", spellings(SECRET))
@pytest.mark.parametrize("leak", LEAKS)
def test_a_secret_is_found_however_it_is_spelled(leak: str, spelling: str) -> None:
    """The whole or any eight random bytes in a row, in the middle of other text."""
    scanner = Scanner([SECRET, PRIVATE_KEY])

    assert scanner.find(b"it says " + spellings(LEAKS[leak])[spelling] + b" and goes on")


@pytest.mark.parametrize("before", range(9))
def test_eight_random_bytes_are_found_wherever_they_begin(before: int) -> None:
    """And seven are none: they are not looked for."""
    scanner = Scanner([SECRET, PRIVATE_KEY])
    around = b"\xff" * before, b"\xff" * 8

    for first in range(len(PRIVATE_KEY) - 8):
        assert scanner.find(PRIVATE_KEY[first : first + 8].join(around))
    assert scanner.find(PRIVATE_KEY[41:48].join(around)) is None


def test_a_secret_that_a_scenario_gives_by_hand_is_found_as_a_whole() -> None:
    """It holds no random bytes, and its parts may be words that stand elsewhere too."""
    scanner = Scanner([b"correct horse battery"])

    assert scanner.find("password=correct%20horse%20battery")
    assert scanner.find("a battery for the horse") is None


def test_a_scanner_looks_for_what_it_is_told_last() -> None:
    """What it forgets is not found, what it keeps or learns is; also where two secrets hold the same random bytes."""
    scanner = Scanner([SECRET, PRIVATE_KEY, b"correct horse battery"])

    scanner.look_for([DIGITS.encode(), b"a battery for the horse"])

    assert scanner.find(LEAKS["eight random bytes of one"])
    assert scanner.find(b"a battery for the horse")
    assert scanner.find(PRIVATE_KEY) is None
    assert scanner.find(b"correct horse battery") is None
    scanner.look_for([PRIVATE_KEY])
    assert scanner.find(LEAKS["eight bytes of one"])
    assert scanner.find(SECRET) is None


def test_what_output_is_usually_made_of_is_no_leak() -> None:
    """Ids, digests, thumbprints and base64 look like secrets, and are none."""
    scanner = Scanner([SECRET, PRIVATE_KEY])
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]

    assert scanner.find(json.dumps({"hashes": digests, "key": "MIIC" + "QUJD" * 200})) is None
    assert scanner.find(b"") is None
    assert scanner.find(DIGITS[:3] + "8Q~***") is None


PLANTS = """
import base64, json, logging, sys
from datetime import UTC, datetime

import pytest
from drill.practice import PracticeTenant
from shared.journal import NO_RECORD, IncidentId, seal
from shared.store import memory_store
from shared.clients.sqlite_store import open_sqlite_store
import azure.functions as func

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def token():
    tenant = PracticeTenant({}, clock=lambda: NOW)
    yield tenant.token_for(tenant.cordon["reader"].client_id, "https://graph.microsoft.com/.default").text

async def test_stdout(token):
    print(token)

async def test_stderr(token):
    print("got", base64.b64encode(token.encode()).decode(), file=sys.stderr)

async def test_what_a_test_has_read_from_stdout(token, capsys):
    print(token)
    capsys.readouterr()

async def test_log(token):
    logging.getLogger("cordon").warning("token %s", token)

async def test_logged_exception(token):
    try:
        raise ValueError(f"bad token {token}")
    except ValueError:
        logging.getLogger("any").exception("it failed")

async def test_logged_cause(token):
    try:
        try:
            raise ValueError(token)
        except ValueError as cause:
            raise RuntimeError("it failed") from cause
    except RuntimeError:
        logging.getLogger("any").exception("it failed")

async def test_journal(token):
    record = seal(IncidentId("20260302-000000000000"), 0, NOW, "kind", None, {"a": token}, NO_RECORD)
    await memory_store(lambda: NOW).journal.append([record])

async def test_document(token):
    await memory_store(lambda: NOW).documents.insert("p", "k", {"a": token[::-1]})

async def test_evidence(token):
    await memory_store(lambda: NOW).evidence.keep(b"\\xff" + token.encode().hex().encode())

async def test_message(token):
    await memory_store(lambda: NOW).queue.send({"a": token})

async def test_sqlite(token, tmp_path_factory):
    store = open_sqlite_store(tmp_path_factory.mktemp("s") / "s.db", lambda: NOW)
    await store.documents.insert("p", "k", {"a": token})
    await store.close()

async def test_http_answer(token):
    func.HttpResponse(json.dumps({"detail": token}))

async def test_file(token, tmp_path):
    (tmp_path / "report.md").write_text("".join(f"&#{ord(c)};" for c in token))

async def test_a_tenant_that_is_gone_when_the_test_ends():
    tenant = PracticeTenant({}, clock=lambda: NOW)
    print(tenant.token_for(tenant.cordon["reader"].client_id, "https://graph.microsoft.com/.default").text)

async def test_clean(token, tmp_path, capsys):
    print("nothing to see")
    (tmp_path / "report.md").write_text("***")
    logging.getLogger("cordon").warning("token %s", "***")
"""


def test_a_planted_leak_fails_the_test_that_planted_it(tmp_path: Path) -> None:
    """One of each kind, and a test that keeps its secrets: only that one ends without an error."""
    file = tmp_path / "test_plants.py"
    file.write_text(PLANTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.canary_watch", "-p", "no:cacheprovider", "-rE", str(file)]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: S603 - our own tests
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    caught = set(re.findall(r"^ERROR \S+::(\w+)", done.stdout, re.MULTILINE))
    planted = set(re.findall(r"def (test_\w+)", PLANTS)) - {"test_clean"}
    assert caught == planted, done.stdout
    assert "A secret of the practice tenant was let out" in done.stdout


def test_a_whole_drill_gives_out_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Narration, report and result file of the leaked secret; the same seed has the same secrets."""
    result, report = tmp_path / "result.json", tmp_path / "report.md"

    main(["run", str(LEAKED_SECRET), "--seed", "3", "--result", str(result), "--report", str(report)])

    canaries = run_scenario(load_scenario(LEAKED_SECRET), seed=3).canaries
    scanner, told = Scanner(canaries), capsys.readouterr()
    outputs = (result.read_text(encoding="utf-8"), report.read_text(encoding="utf-8"), told.out, told.err)
    assert len(canaries) > 10
    assert [scanner.find(output) for output in outputs] == [None] * len(outputs)
    assert all(scanner.find(f"{outputs[0]} {canary.decode('latin-1')}") for canary in canaries if len(canary) >= 32)
