"""Rules that can never decide are found before any case, and only those that are proven not to."""

import itertools
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.actions import check_policy_action, policy_actions
from shared.audit import ACTIVITIES, normalise_activity
from shared.case import Case
from shared.conditions.audit_activity import AuditShows
from shared.conditions.credential_added import CredentialAdded
from shared.conditions.credential_exposed import CredentialExposed
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.identity_kind import IsOfKind
from shared.conditions.interface import Condition, Met
from shared.conditions.risk_detection import RiskDetected
from shared.conditions.risk_state import RiskListed
from shared.conditions.sign_in_blocked import SignInBlocked
from shared.identity import IdentityKind
from shared.policy import Policy, load_policy, read_policy
from shared.reach import can_hold, implies, shadowed
from shared.sample_cases import case_of

SHIPPED = load_policy(Path(__file__).parents[2] / "policies" / "default.yaml", policy_actions(), check_policy_action)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
PIPELINE, OTHER = "77777777-0000-4000-8000-000000000002", "77777777-0000-4000-8000-000000000003"


@cache
def cases() -> list[Case]:
    """Of all samples of the shipped policy; made when the first test asks for them."""
    return [
        case_of(each.sample)
        for rule in SHIPPED.rules
        for each in (*rule.samples.must_fire, *rule.samples.must_not_fire, *rule.samples.must_ask)
    ]


def policy(*conditions: str) -> Policy:
    """One rule each, named a, b, c, …"""
    rules = "\n".join(
        f"  - {{name: {name}, when: {when}, verdict: watch}}"
        for name, when in zip("abcdefgh", conditions, strict=False)
    )
    return read_policy(f"version: 1\nrules:\n{rules}\n", "policy.yaml", ())


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        (["{risk-detection: {levels: [medium, high]}}", "{risk-detection: {levels: [high]}}"], {"b": ("a",)}),
        (["{risk-detection: {levels: [high]}}", "{risk-detection: {levels: [medium, high]}}"], {}),
        (["{risk-detection: {}}", "{risk-detection: {types: [leakedCredentials], within: 1d}}"], {"b": ("a",)}),
        (["{risk-detection: {}}", "{risk-detection: {types: [adminConfirmedServicePrincipalCompromised]}}"], {}),
        (["sign-in-blocked", "{all: [sign-in-blocked, risk-state]}"], {"b": ("a",)}),
        (["{any: [sign-in-blocked, risk-state]}", "{all: [risk-state, credential-added]}"], {"b": ("a",)}),
        (["sign-in-blocked", "{not: sign-in-blocked}", "{risk-state: {}}"], {"c": ("a", "b")}),
        (["{all: [{identity-kind: {kinds: [agent]}}, {identity-kind: {kinds: [foreign]}}]}"], {"a": ()}),
        (["{all: [{identity-kind: {kinds: [agent]}}, {not: {identity-kind: {kinds: [agent, foreign]}}}]}"], {"a": ()}),
        ([f"{{credential-added: {{by-other-than: [{PIPELINE}]}}}}", "credential-added"], {}),
        (["credential-added", f"{{credential-added: {{within: 1h, by-other-than: [{PIPELINE}]}}}}"], {"b": ("a",)}),
        (["redirect-uri", "{redirect-uri: {findings: [wildcard], added-within: 1d}}"], {"b": ("a",)}),
        (["{publisher: {}}", "{publisher: {trusted-publishers: ['1']}}"], {}),
    ],
)  # fmt: skip
def test_a_rule_behind_one_that_always_decides_is_found(
    conditions: list[str], found: dict[str, tuple[str, ...]]
) -> None:
    """With the rules that stand before it; what is only likely is not told."""
    assert {each.rule.name: each.by for each in shadowed(policy(*conditions))} == found


def test_every_rule_of_the_shipped_policy_can_decide() -> None:
    """As its samples show as well."""
    assert shadowed(SHIPPED) == ()


NARROW_AND_WIDE: list[tuple[Condition, Condition]] = [
    (RiskDetected(("leakedCredentials",), ("high",), within=DAY), RiskDetected()),
    (RiskDetected(levels=("high",)), RiskDetected(levels=("medium", "high"))),
    (RiskDetected(states=("atRisk",)), RiskDetected(states=("atRisk", "dismissed"))),
    (RiskListed(("high",)), RiskListed()),
    (CredentialAdded(DAY, (PIPELINE, OTHER)), CredentialAdded(WEEK, (PIPELINE,))),
    (CredentialAdded(DAY, (PIPELINE,)), CredentialAdded(WEEK)),
    (AuditShows(("update application",), DAY), AuditShows(("update application", "add application"), WEEK)),
    (CredentialExposed((1,), DAY), CredentialExposed((1, 3), WEEK)),
    (IsOfKind((IdentityKind.AGENT,)), IsOfKind((IdentityKind.AGENT, IdentityKind.FOREIGN))),
]


@pytest.mark.parametrize(("narrow", "wide"), NARROW_AND_WIDE)
def test_the_narrow_one_is_met_only_where_the_wide_one_is(narrow: Condition, wide: Condition) -> None:
    """On every case of the shipped policy's samples; and never the other way round."""
    met = [case for case in cases() if isinstance(narrow.check(case), Met)]

    assert implies(narrow, wide)
    assert not implies(wide, narrow)
    assert all(isinstance(wide.check(case), Met) for case in met)


LEAVES: list[Condition] = [
    SignInBlocked(),
    *dict.fromkeys(each for pair in NARROW_AND_WIDE for each in pair),
    IsOfKind((IdentityKind.MICROSOFT,)),
]
FORMULAS: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda some: All(tuple(some))),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: AnyOf(tuple(some))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(FORMULAS)
def test_what_is_proven_never_to_hold_is_met_by_no_case(condition: Condition) -> None:
    """The proof is checked against cases, not against another proof."""
    found = can_hold(condition)
    met = [case for case in cases() if isinstance(condition.check(case), Met)]

    assert found is not None
    assert found or not met


def test_what_takes_too_long_to_try_out_is_left_unproven() -> None:
    """Six that want a place of their own among five: no policy asks that, and no check hangs on it."""
    free = iter(AuditShows((normalise_activity(each),)) for each in ACTIVITIES)
    wants = [[next(free) for _ in range(5)] for _ in range(6)]
    some = (AnyOf(tuple(each)) for each in wants)
    alone = (
        Not(All((one[place], other[place]))) for place in range(5) for one, other in itertools.combinations(wants, 2)
    )

    assert can_hold(All((*some, *alone))) is None


def test_the_cases_are_worth_something() -> None:
    """Each narrow condition but those about exposures of other kinds is met somewhere."""
    met: list[Case] = [case for case in cases() if isinstance(RiskDetected(levels=("high",)).check(case), Met)]

    assert len(met) > 5
