"""
A backtest of a month on the shipped policy: audit records, three in a hundred about workloads, beside sign-ins and the
tenant's objects. CPU of a process of its own, from the first byte read to the last decision; and its peak of memory.

    python -m tests.benchmarks.backtest FOLDER POLICY     prints {sift, replay, records, decisions, megabytes} as JSON
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from drill.backtest.command import collecting_seldom
from drill.backtest.exports import files_in
from drill.backtest.memory import Memory
from drill.backtest.replay import Judge, Replay, longest_look_back
from drill.backtest.sieve import sift
from shared.actions import check_policy_action, choosable
from shared.policy import load_policy
from tests.benchmarks import logs
from tests.benchmarks.rows import Choices, Row, slope
from tests.benchmarks.stage import ROOT, folder
from tests.benchmarks.stand_in import TENANT_ID, Identity, application_id, client_id, principal_id

JsonObject = dict[str, Any]

SHIPPED = ROOT / "policies" / "default.yaml"
_GOAL, _SLOPE, _FLAT = 50_000, 1.05, 1.5
_MONTH = timedelta(days=30)
_A_FILE = 100_000  # records
_SIGN_INS = 0.1  # for each audit record
_METADATA = "https://graph.microsoft.com/v1.0/$metadata#"


def backtest(choices: Choices) -> list[Row]:
    """The usual run stops at 100,000 records; `--full` takes the million that is promised."""
    sizes = choices.pick((500, 1000), (10_000, 30_000, 100_000), (10_000, 100_000, 1_000_000))
    with folder() as place:
        found = {size: _measured(write_month(place / str(size), size), SHIPPED) for size in sizes}
        largest = found[sizes[-1]]
        return [
            _rate(largest),
            _against_parsing(place / str(sizes[-1]), largest),
            _growth("records", {size: each["sift"] + each["replay"] for size, each in found.items()}),
            _growth("rules", _by_rules(place, place / str(sizes[-2]), choices.pick((5, 10), (15, 30, 60)))),
            _memory(found),
        ]


def _rate(found: JsonObject) -> Row:
    spent = found["sift"] + found["replay"]
    rate = found["records"] / spent
    note = (
        f"{found['records']:,} records, {found['decisions']:,} decisions; one core; reading {found['sift']:.1f} s, "
        f"deciding {found['replay']:.1f} s"
    )
    return Row("backtest: records a second of CPU, shipped policy", rate, _GOAL, "/s", rate / _GOAL, 1.0, True, note)


def _against_parsing(place: Path, found: JsonObject) -> Row:
    """What the machine is worth at this moment."""
    spent, bare = found["sift"] + found["replay"], _parsed(place)
    return Row("backtest: CPU against json.loads of the same lines", spent, bare, "s", spent / bare)


def _parsed(place: Path) -> float:
    spent = 0.0
    for path in sorted(place.glob("*.jsonl")):
        lines = path.read_bytes().splitlines()
        begun = time.process_time()
        for line in lines:
            json.loads(line)
        spent += time.process_time() - begun
    return spent


def _growth(of: str, points: dict[int, float]) -> Row:
    found = slope(points)
    note = ", ".join(f"{size:,}: {spent:.3g} s" for size, spent in points.items())
    return Row(f"backtest: growth in {of}", found, None, "", found, _SLOPE, note=f"CPU of {note}")


def _by_rules(place: Path, export: Path, sizes: Sequence[int]) -> dict[int, float]:
    """Deciding alone, by rules that all have to be gone through."""
    return {size: _measured(export, _policy(place / f"{size}.yaml", size))["replay"] for size in sizes}


def _policy(path: Path, rules: int) -> Path:
    """Each asks something of its own of the audit log, and none is ever met."""
    each = [
        {
            "name": f"rule-{number}",
            "when": {
                "all": [
                    {
                        "credential-added": {
                            "within": f"{number + 1}m",
                            "by-other-than": [f"b0000000-0000-4000-8000-{n:012d}" for n in range(40)],
                        }
                    },
                    {"risk-detection": {"levels": ["high"]}},
                ]
            },
            "verdict": "ask",
            "actions": ["block-sign-in"],
        }
        for number in range(rules)
    ]
    path.write_text(json.dumps({"version": 1, "rules": each}), encoding="utf-8")
    return path


def _memory(found: dict[int, JsonObject]) -> Row:
    small, large = min(found), max(found)
    peaks = found[large]["megabytes"], found[small]["megabytes"]
    note = f"peak resident memory, {large:,} records against {small:,}"
    return Row("backtest: memory", *peaks, "MB", peaks[0] / peaks[1], _FLAT, note=note)


def _measured(export: Path, policy: Path) -> JsonObject:
    command = [sys.executable, "-m", "tests.benchmarks.backtest", str(export), str(policy)]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours
    return json.loads(told)


def measure(export: Path, policy_file: Path) -> JsonObject:
    """Both passes, each with its CPU seconds."""
    policy = load_policy(policy_file, choosable(), check_policy_action)
    with collecting_seldom(), tempfile.TemporaryDirectory() as runs:
        begun = time.process_time()
        sifted = sift(files_in(export), export, Path(runs), None)
        read = time.process_time() - begun
        memory = Memory(sifted.snapshot, sifted.hindsight, sifted.covers, TENANT_ID, longest_look_back([policy]))
        judge = Judge(policy, policy_file.name, memory, frozenset(), vault=False)
        asyncio.run(Replay(sifted, memory, [judge], frozenset()).run())
        return {
            "sift": read,
            "replay": time.process_time() - begun - read,
            "records": sifted.records,
            "decisions": judge.tally.decisions,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }


def write_month(place: Path, count: int) -> Path:
    """Audit records and sign-ins, one a line, some files each; and the objects that they are about."""
    place.mkdir(parents=True)
    step = _MONTH / count
    for begin in range(0, count, _A_FILE):
        with (place / f"audits-{begin // _A_FILE:03d}.jsonl").open("wb") as file:
            for number in range(begin, min(begin + _A_FILE, count)):
                file.write(logs.audit(number, logs.DAY_BEGINS + step * number) + b"\n")
    sign_ins = int(count * _SIGN_INS)
    with (place / "sign-ins.jsonl").open("w", encoding="utf-8") as file:
        for number in range(sign_ins):
            file.write(json.dumps(_sign_in(number, number * _MONTH / sign_ins)) + "\n")
    _write_objects(place)
    return place


def _sign_in(number: int, after: timedelta) -> JsonObject:
    workload = number % logs.WORKLOADS + 1
    return {
        "id": f"d0000000-0000-4000-8000-{number:012d}",
        "createdDateTime": f"{logs.DAY_BEGINS + after:%Y-%m-%dT%H:%M:%S.%fZ}",
        "signInEventTypes": ["servicePrincipal"],
        "servicePrincipalId": principal_id(workload),
        "appId": client_id(workload),
        "servicePrincipalCredentialKeyId": f"10000001-0000-4000-8000-{workload:012d}",
        "clientCredentialType": "clientSecret",
        "resourceDisplayName": "Microsoft Graph",
        "resourceId": "00000003-0000-0000-c000-000000000000",
        "ipAddress": f"203.0.113.{workload % 250}",
        "autonomousSystemNumber": 64496,
        "location": {"countryOrRegion": "NL"},
        "userAgent": "azsdk-python-identity/1.17.1",
        "status": {"errorCode": 0},
    }


def _write_objects(place: Path) -> None:
    principals, applications = list[JsonObject](), list[JsonObject]()
    for number in range(1, logs.WORKLOADS + 1):
        identity = Identity(number, secrets=[f"10000001-0000-4000-8000-{number:012d}"])
        hanging: JsonObject = {"owners": [], "federatedIdentityCredentials": []}
        principals.append({**identity.principal(), **hanging, "appRoleAssignments": []})
        applications.append({**identity.application(), **hanging, "id": application_id(number)})
    lists: dict[str, list[JsonObject]] = {
        "servicePrincipals": principals,
        "applications": applications,
        "oauth2PermissionGrants": [],
        "roleAssignments": [],
        "domains": [{"id": "contoso.example", "isVerified": True}],
        "identityProtection/servicePrincipalRiskDetections": [],
        "identityProtection/riskyServicePrincipals": [],
    }
    for name, records in lists.items():
        content = {"@odata.context": f"{_METADATA}{name}", "value": records}
        (place / f"{name.rpartition('/')[2]}.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]))))
