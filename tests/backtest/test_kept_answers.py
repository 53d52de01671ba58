"""What is kept between questions and between decisions changes none of them: beside it runs a replay that forgets."""

import asyncio
import json
import marshal
from collections import deque
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drill.backtest.exports import files_in
from drill.backtest.hindsight import GONE, UNTOLD, Hindsight, changes_in
from drill.backtest.memory import Memory
from drill.backtest.outcome import Tally
from drill.backtest.replay import Judge, Replay, longest_look_back
from drill.backtest.runs import to_ticks
from drill.backtest.sieve import sift
from drill.grounds import DEFAULT_POLICY
from shared.actions import check_policy_action, choosable
from shared.audit import read_audit
from shared.case import Case, PartName
from shared.decision import Weighing, weigh
from shared.identity import IdentityRef
from shared.policy import Policy, load_policy
from shared.tenant import Gathered
from tests.backtest.exported import (
    APPLICATION,
    EVE,
    LATER,
    NOON,
    SECRET,
    TENANT,
    application,
    audit,
    described,
    detection,
    export,
    principal,
    put,
    secret,
)

DAYS = 12
PEOPLE = (EVE, "00000000-0000-0000-0000-0000000000d1", "00000000-0000-0000-0000-0000000000a1")
KEYS = (described(), described(SECRET), described(SECRET, LATER), '["something else"]', None)
ADDRESSES = ("[]", json.dumps([{"Address": "https://hr.c0ntoso.example/cb", "ReplyAddressClientType": 0}]))
# (activity, kind of target, property, sides that it may have)
MADE: tuple[tuple[str, str, str, tuple[str | None, ...]], ...] = (
    ("Update application – Certificates and secrets management ", "Application", "KeyDescription", KEYS),
    ("Add service principal credentials", "ServicePrincipal", "KeyDescription", KEYS),
    ("Update service principal", "ServicePrincipal", "AccountEnabled", ("[true]", "[false]", "[]")),
    ("Update service principal", "ServicePrincipal", "Included Updated Properties", ('"KeyDescription"',)),
    ("Update application", "Application", "AppAddress", ADDRESSES),
    ("Update application", "Application", "FederatedIdentityCredentials", ("[]", '["build"]')),
    ("Add owner to application", "Application", "Application.ObjectID", (f'"{EVE}"', None)),
    ("Add member to role", "ServicePrincipal", "Role.DisplayName", ('"Global Administrator"',)),
    ("Set verified publisher", "Application", "VerifiedPublisher", ('"1"', '"2"')),
)


class Forgetful(Memory):
    """Nothing is kept beside anything: every look reads the identity anew, and shows records that nobody has seen."""

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        self._states.clear()
        for kept in self._kept.values():
            kept.audits = deque(replace(each) for each in kept.audits)
        return await super().look(subject, parts)


class Thorough(Judge):
    """Every rule is gone through and put into words, also those that nothing in a log could make hold."""

    def _weigh(self, policy: Policy, case: Case) -> Weighing:
        return weigh(policy, case)


def apart(policy: Policy) -> Policy:
    """The same policy, in which no two rules have a condition in common."""
    return replace(policy, rules=tuple(replace(rule, when=deepcopy(rule.when)) for rule in policy.rules))


def audits(chance: Random) -> Iterator[dict[str, Any]]:
    """Changes of three workloads in no order, by friend and stranger, told in full, in part or oddly, some twice."""
    for _ in range(160):
        activity, kind, name, sides = chance.choice(MADE)
        prefix = "1" if kind == "ServicePrincipal" else "3"
        target = f"{prefix}0000000-0000-4000-8000-{chance.randint(1, 3):012d}"
        at = NOON + chance.random() * timedelta(days=DAYS)
        by = {"initiatedBy": {"user": {"id": chance.choice(PEOPLE), "userPrincipalName": "x"}, "app": None}}
        result = {"result": chance.choice(("success", "success", "success", "failure", "timeout"))}
        made = audit(activity, at, target, kind, {name: (chance.choice(sides), chance.choice(sides))}, **by, **result)
        yield from [made] * chance.choice((1, 1, 2))


def exported(folder: Path, chance: Random, *, listed: int) -> Path:
    """So many of the three workloads are detected; Entra's list of those at risk is there, and names nobody."""
    put(folder, "identityProtection/riskyServicePrincipals", [])
    return export(
        folder,
        audits=audits(chance),
        detections=[
            detection(NOON + timedelta(days=n + 1), n % 3 + 1, riskEventType="suspiciousSignins")
            for n in range(6)
            if n % 3 < listed
        ],
        principals=[principal(n, verifiedPublisher={}, accountEnabled=n != 2) for n in (1, 2, 3)],
        applications=[application(n, passwordCredentials=[secret(SECRET), secret(LATER)]) for n in (1, 2, 3)],
    )


def decided(folder: Path, place: Path, memory: type[Memory], policy: Policy, judges: type[Judge] = Judge) -> Tally:
    place.mkdir()
    found = sift(files_in(folder), folder, place, None)
    seen = memory(
        found.snapshot,
        found.hindsight,
        found.covers,
        TENANT,
        longest_look_back([policy]),
        complete_from=NOON - timedelta(days=30),
    )
    judge = judges(policy, "policy.yaml", seen, frozenset(), vault=False)
    asyncio.run(Replay(found, seen, [judge], frozenset()).run())
    return judge.tally


def test_what_a_record_left_comes_back_from_the_disk_as_it_was() -> None:
    """It is told once, when the record is read; passing the record by goes by that."""
    chance, seen, told = Random(9), Hindsight(), list[object]()  # noqa: S311 - it only has to be the same each time
    removed = audit("Remove owner from application", NOON, APPLICATION, "Application", {"Owner.ObjectID": (EVE, None)})
    for made in (*audits(chance), removed):
        record = read_audit(made)
        left: Any = seen.note(record, to_ticks(record.at))
        seen.pass_by(marshal.loads(marshal.dumps(left)))  # noqa: S302 - written right here

        expected = {change.key: change.after for change in changes_in(record)}
        assert {key: seen.pasts[key].passed for key in expected} == expected
        told += expected.values()
    assert {UNTOLD, True, False, GONE} <= set(told)
    assert any(isinstance(each, frozenset) for each in told)
    assert any(isinstance(each, tuple) for each in told)


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_that_forgets_everything_decides_the_same(seed: int, tmp_path: Path) -> None:
    """Verdict, rule, plan, and what could not be checked, at each decision on random logs under the shipped policy."""
    chance = Random(seed)  # noqa: S311 - it only has to be the same each time
    folder = exported(tmp_path / "export", chance, listed=seed)
    policy = load_policy(DEFAULT_POLICY, choosable(), check_policy_action)

    kept = decided(folder, tmp_path / "kept", Memory, policy)
    forgetful = decided(folder, tmp_path / "forgetful", Forgetful, apart(policy), Thorough)

    assert kept == forgetful
    assert kept.decisions > 40
    assert len(kept.by_rule) > 3
