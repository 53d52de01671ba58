"""
The same attack and the same twin are decided alike however their records come: each one twice, in any order, six hours
late. By the policy that ships.

All scenarios are played without Cordon, and then looked into and decided on as an incident is; a few as whole drills.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest

from drill.grounds import DEFAULT_POLICY
from drill.practice import Behaviour, PracticeTenant
from drill.practice.late_log import LateLog
from drill.runner import run_scenario
from drill.scenario import SHIPPED, Scenario, load_scenario
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport
from drill.virtual_time import run, virtual_clock
from shared.accusation import accuse
from shared.actions import check_policy_action, policy_actions
from shared.case import Case, Known, Part, SignInLog
from shared.clients.tenant import make_tenant
from shared.conditions.judging import is_about
from shared.decision import Decision, decide
from shared.identity import IdentityRef, PrincipalId
from shared.investigation import Investigation, investigate
from shared.policy import Policy, load_policy
from shared.signal import Signal
from shared.sources import source_named
from shared.store import memory_store
from shared.suspicion import JournalSuspicions
from tests.clients.fake_graph import seeded
from tests.clients.test_tenant import SETTINGS

NAMES = (
    "application-credential",
    "federated-credential",
    "foreign-app",
    "illicit-consent",
    "managed-identity-takes-power",
    "monthly-release",
    "new-owner",
    "penetration-test",
    "privilege-chain",
    "redirect-hijack",
    "points-elsewhere",
    "region-failover",
    "rogue-credential",
    "ways-back",
)
LATE = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Way:
    """How records come: what the tenant's logs do, and how much longer is waited for them."""

    changes: dict[str, object]
    wait: timedelta = timedelta()
    times: int = 1  # how often each signal arrives


AT_ONCE = Way({})
WAYS = {
    "twice": Way({"repeated_records": True}, times=2),
    "in any order": Way({"audit_delay": (0.0, 2400.0), "sign_in_delay": (0.0, 2400.0)}, timedelta(minutes=41)),
    "six hours late": Way(
        {"audit_delay": (LATE.total_seconds(),) * 2, "sign_in_delay": (LATE.total_seconds(),) * 2}, LATE
    ),
}


@dataclass(frozen=True, slots=True)
class Decided:
    """What is compared."""

    verdict: str
    rule: str
    actions: tuple[str, ...]
    accused: frozenset[str]


@cache
def shipped() -> Policy:
    return load_policy(DEFAULT_POLICY, policy_actions(), check_policy_action)


@cache
def looked_into(name: str, way: str | None = None) -> dict[str, Investigation]:
    """The incidents of a scenario by identity, once the world has gone its way."""
    scenario, chosen = load_scenario(SHIPPED / f"{name}.yaml"), WAYS[way] if way else AT_ONCE
    return run(lambda: _play(scenario, chosen), start=scenario.file.clock)


async def _play(scenario: Scenario, way: Way) -> dict[str, Investigation]:
    clock = virtual_clock().now
    given = scenario.world()
    behaviour = Behaviour.gentle(**way.changes)
    tenant = PracticeTenant(**given, behaviour=behaviour, clock=clock, seed=scenario.file.seed)
    async with asyncio.TaskGroup() as group:
        tasks = tenant.start(group)
        await asyncio.sleep(scenario.file.run.until.total_seconds())
        for task in tasks:
            task.cancel()
    await asyncio.sleep(way.wait.total_seconds())
    expected = dict.fromkeys(each.identity for each in scenario.file.expect.incidents or ())
    return {each: await _look_into(tenant, each, clock, way.times) for each in expected}


async def _look_into(
    tenant: PracticeTenant, principal: str, clock: Callable[[], datetime], times: int
) -> Investigation:
    reader = tenant.cordon["reader"].client_id
    clients = make_tenant(
        replace(
            SETTINGS,
            tenant_id=tenant.state.id,
            reader_client_id=reader,
            executor_client_id=reader,
            rotator_client_id=None,
            topic_endpoint=None,
        ),
        credential_for=lambda client_id: PracticeCredential(tenant, client_id),
        graph_transport=PracticeHttpxTransport(tenant.asgi),
        azure_transport=lambda: PracticeAzureTransport(tenant.asgi),
        clock=clock,
        random=seeded(),
    )
    subject, own = IdentityRef(PrincipalId(principal)), frozenset(each.object_id for each in tenant.cordon.values())
    journal = JournalSuspicions(memory_store(clock), clock)  # nothing has happened before
    first = await investigate(
        clients.directory, shipped(), subject, (), own, tenant.state.id, clock, suspicions=journal
    )
    assert first.state is not None
    heard = [each for each in _signals(tenant, clock()) if is_about(each.subject, first.state)]
    return await investigate(
        clients.directory, shipped(), subject, heard * times, own, tenant.state.id, clock, suspicions=journal
    )


def _signals(tenant: PracticeTenant, now: datetime) -> Iterable[Signal]:
    """What the two feeds tell of, by their own readers."""
    feeds: tuple[tuple[str, LateLog], ...] = (
        ("directory-audit", tenant.state.audits),
        ("risk-detection", tenant.state.detections),
    )
    for source, log in feeds:
        read = (source_named(source).read(kept.record, tenant.state.id) for kept in log.published(now))
        yield from (found for found in read if isinstance(found, Signal))


def decided(investigation: Investigation) -> Decided:
    return _as_decided(investigation.decision, investigation.case)


def _as_decided(found: Decision, case: Case) -> Decided:
    """With the credentials that are named by what the case knows."""
    accused = frozenset(each.credential_id for each in accuse(case).suspects)
    return Decided(found.verdict.value, found.rule, tuple(each.name for each in found.actions), accused)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_of_it_is_decided_as_the_scenario_expects(name: str) -> None:
    """So that what is compared below is what ships: the verdict and the rule of each identity."""
    expected = load_scenario(SHIPPED / f"{name}.yaml").file.expect.incidents or ()
    found = {each: decided(one) for each, one in looked_into(name).items()}

    assert {each.identity: (found[each.identity].verdict, found[each.identity].rule) for each in expected} == {
        each.identity: (each.verdict, each.rule or "no rule matched") for each in expected
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_it_is_decided_alike_however_its_records_come(name: str, way: str) -> None:
    """Verdict, rule, actions and the accused credentials of every identity."""
    plain = {each: decided(one) for each, one in looked_into(name).items()}

    assert {each: decided(one) for each, one in looked_into(name, way).items()} == plain


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_decided_alike_in_whatever_order_its_records_lie(name: str) -> None:
    """Each list of the gathered case turned, shuffled and doubled; a log of sign-ins is in the order of time."""
    for investigation in looked_into(name).values():
        case = investigation.case
        plain = _as_decided(decide(shipped(), case), case)
        for turned in (_changed(case, _reversed), _changed(case, _shuffled), _changed(case, _doubled)):
            assert _as_decided(decide(shipped(), turned), turned) == plain


def _changed(case: Case, change: Callable[[Sequence[Any]], tuple[Any, ...]]) -> Case:
    parts: Any = {
        name: Known(change(part.value))
        for name, part in (
            ("audits", case.audits),
            ("grant_audits", case.grant_audits),
            ("detections", case.detections),
        )
        if isinstance(part, Known)
    }
    return replace(case, signals=change(case.signals), sign_ins=_log(case.sign_ins, change), **parts)


def _log(of: Part[SignInLog], change: Callable[[Sequence[Any]], tuple[Any, ...]]) -> Part[SignInLog]:
    """Newest first is what a log promises; among those of one moment anything goes."""
    if not isinstance(of, Known):
        return of
    records = sorted(change(of.value.records), key=lambda each: each.at, reverse=True)
    return Known(replace(of.value, records=tuple(records)))


def _reversed(given: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(reversed(given))


def _shuffled(given: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(Random(7).sample(given, len(given)))  # noqa: S311 - no secret depends on it


def _doubled(given: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(each for each in given for _ in range(2))


# --- whole drills ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "behaviour", "longer"),
    [
        ("privilege-chain", {"repeatedRecords": True}, timedelta()),
        # Six hours late is behind every sweep: it is found when older hours of the log are read again.
        ("application-credential", {"auditDelay": "PT6H", "signInDelay": "PT6H"}, timedelta(hours=13)),
    ],
)
def test_a_whole_drill_comes_to_the_same(name: str, behaviour: dict[str, object], longer: timedelta) -> None:
    """The last decision about each identity is the one that the scenario expects."""
    scenario = load_scenario(SHIPPED / f"{name}.yaml")
    given = {**scenario.given, "tenant": {**scenario.given["tenant"], "behaviour": behaviour}}
    expected = {each.identity: (each.verdict, each.rule) for each in scenario.file.expect.incidents or ()}

    result = run_scenario(replace(scenario, given=given), until=scenario.file.run.until + longer)
    last = {view["identity"]["principal_id"]: result.decisions[view["id"]][-1] for view in result.incidents}

    assert {each: (one.verdict, one.rule) for each, one in last.items()} == {
        each: (verdict, rule or "no rule matched") for each, (verdict, rule) in expected.items()
    }
