"""What speaks for a decision and against it, what would turn it, and what nobody knows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Case, Known, Provenance, RiskState
from shared.counter_evidence import weigh_up
from shared.decision import decide
from shared.entries import WeighedUp
from shared.policy import Policy, read_policy
from tests.conditions.cases import PIPELINE, UNREADABLE, added, but, case, detection, having
from tests.fakes import START, password, payroll
from tests.policy.test_baseline import HOUR, daily, log, sign_in

POLICY = f"""
version: 1
rules:
  - name: ours
    when: {{declared-change: {{by: [{PIPELINE}], kinds: [credentials]}}}}
    verdict: ignore
  - name: leaked
    when: {{risk-detection: {{types: [leakedCredentials], levels: [medium, high]}}}}
    verdict: contain
    actions: [block-sign-in]
  - name: odd
    when:
      all:
        - risk-detection: {{levels: [low, medium, high]}}
        - credential-added: {{by-other-than: [{PIPELINE}]}}
    verdict: ask
    actions: [block-sign-in]
"""
LEAK = detection()
LOW = detection("suspiciousSignins", level="low")


def policy() -> Policy:
    return read_policy(POLICY, "policy.yaml", ["block-sign-in"])


def weighed(of: Case) -> WeighedUp:
    found = weigh_up(policy(), of, decide(policy(), of))
    assert found is not None
    return found


def flips(of: Case) -> set[tuple[str, str, str]]:
    return {(each.condition, each.supposed, each.verdict) for each in weighed(of).flips}


def test_the_reasons_for_are_what_the_deciding_rule_found() -> None:
    """Rules that did not decide, and groups, give none."""
    found = weighed(case(detections=(LEAK,)))

    assert found.reasons_for == (
        "risk-detection: leakedCredentials, level high, atRisk, detected 2026-03-02 02:00 UTC (detection d-1)",
    )


def test_what_would_turn_it_is_found_by_asking_the_policy_again() -> None:
    """Without the detection nothing holds; had the change been declared, an earlier rule would have decided."""
    assert flips(case(detections=(LEAK,))) == {
        ("declared-change", "met", "ignore"),
        ("risk-detection", "not-met", "watch"),
    }


def test_an_unknown_answer_is_tried_both_ways() -> None:
    """It is asked about, and each of its answers leads elsewhere."""
    of = but(case(detections=(LOW,)), audits=UNREADABLE)

    assert {("declared-change", "met", "ignore")} <= flips(of)
    assert any(condition == "declared-change" for condition, _, _ in flips(of))
    assert any("the audits could not be read" in each for each in weighed(of).unknown)


def test_a_condition_that_changes_nothing_is_left_out() -> None:
    """Of two that decide alike, neither turns it."""
    twice = POLICY + "  - name: again\n    when: {risk-state: {}}\n    verdict: contain\n    actions: [block-sign-in]\n"
    read = read_policy(twice.replace("verdict: ask", "verdict: contain"), "policy.yaml", ["block-sign-in"])
    of = case(detections=(LEAK,), risk=RiskState("high", "atRisk", "none", START))
    found = weigh_up(read, of, decide(read, of))

    assert found is not None
    assert [each.condition for each in found.flips] == ["declared-change"]


def test_what_speaks_against_is_told_beside_it() -> None:
    """A verified publisher, the gallery, old credentials, known networks, low risk, a block that is there already."""
    old = replace(password(1), start=START - timedelta(days=400))
    made = replace(payroll(application=[old]), enabled=False, provenance=Provenance("42", "A firm", "t-1", (), None))
    of = but(having(case(detections=(LOW,)), made), sign_ins=Known(log(sign_in(HOUR), *daily(20))))
    found = weigh_up(read_only_low(), of, decide(read_only_low(), of))

    assert found is not None
    text = "\n".join(found.against)
    for words in (
        "publisher is verified (A firm)",
        "gallery",
        "long-standing",
        "known from its past",
        "low",
        "blocked",
    ):
        assert words in text


def read_only_low() -> Policy:
    rule = "  - name: low\n    when: {risk-detection: {}}\n    verdict: ask\n    actions: [block-sign-in]\n"
    return read_policy(f"version: 1\nrules:\n{rule}", "policy.yaml", ["block-sign-in"])


def test_changes_of_the_expected_speak_against() -> None:
    """The policy names who is expected to do so, and nobody else changed anything."""
    of = but(case(detections=(LEAK,)), audits=Known((added(by=PIPELINE, ago=timedelta(days=3)),)))

    assert any("of whom the policy expects them" in each for each in weighed(of).against)
    assert not any("expects them" in each for each in weighed(but(of, grant_audits=UNREADABLE)).against)


@pytest.mark.parametrize("level", ["hidden", "unknownFutureValue"])
def test_a_level_that_nobody_may_see_speaks_for_nobody(level: str) -> None:
    """It is not low, it excuses nothing, and the person is told that it is not known."""
    of = case(detections=(detection(level=level), LOW), risk=RiskState(level, "atRisk", "none", START))
    found = weighed(of)

    assert not any("low" in each for each in found.against)
    assert any(level in each for each in found.unknown)
    assert decide(policy(), of).verdict.value == "ask"


def test_nothing_unread_speaks_against() -> None:
    """Each part is taken away: what is left may speak against, the missing part never does."""
    bare = case(detections=(LEAK,))
    for part in ("sign_ins", "audits", "grant_audits", "detections", "risk", "identity", "grants", "owners"):
        of = but(bare, **{part: UNREADABLE})
        found = weigh_up(policy(), of, decide(policy(), of))

        assert found is None or set(found.against) <= set(weighed(bare).against)


def test_of_what_is_watched_nothing_is_weighed() -> None:
    """There is nothing to agree to."""
    assert weigh_up(policy(), case(), decide(policy(), case())) is None
