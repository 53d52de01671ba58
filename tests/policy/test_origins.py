"""Two findings are independent if they come from different sources, and are not one change told twice."""

from dataclasses import replace

import pytest

from shared.case import Case, Known, NotLooked, PartName, RiskState
from shared.conditions import CONDITIONS
from shared.conditions.groups import All, AnyOf, Not
from shared.conditions.interface import Condition
from shared.decision import decide
from shared.origins import ORIGINS, Origin, lacking, sources_of
from shared.policy import Policy, Verdict, read_policy
from shared.signal import Signal
from tests.conditions.cases import CORDON_PRINCIPAL, UNREADABLE, added, audit, but, case, detection, having
from tests.fakes import PAYROLL_CLIENT, START, password, payroll
from tests.policy.test_baseline import daily, log

NAMES = ["block-sign-in", "replace-credentials"]
RULE = """
version: 1
rules:
  - name: two-signals
    when:
      any:
        - risk-detection: {levels: [medium, high]}
        - credential-added: {within: 24h}
        - new-sign-in
    verdict: contain
    independent: 2
    actions: [block-sign-in]
"""


def read(text: str = RULE) -> Policy:
    return read_policy(text, "policy.yaml", NAMES)


def when() -> Condition:
    return read().rules[0].when


QUIET = but(case(), sign_ins=Known(log(*daily(20))))
DETECTED = but(QUIET, detections=Known((detection(),)))
BOTH = but(DETECTED, audits=Known((added(),)))


def test_every_condition_has_its_line() -> None:
    """Name the source of a new condition in shared/origins.py, or None if it speaks against nobody."""
    missing = {condition.name for condition in CONDITIONS} - ORIGINS.keys()

    assert not missing, (
        f"no source is named for {', '.join(sorted(missing))}: add a line to ORIGINS in shared/origins.py"
    )


def test_two_sources_contain() -> None:
    """A detection and an audit record, although the first would have been enough for any."""
    found = decide(read(), BOTH)

    assert (found.verdict, found.rule) == (Verdict.CONTAIN, "two-signals")


def test_one_source_asks_with_the_plan_ready_and_says_which_is_missing() -> None:
    """The rule holds, and one witness is not enough for it."""
    found = decide(read(), DETECTED)

    assert (found.verdict, [choice.name for choice in found.actions]) == (Verdict.ASK, ["block-sign-in"])
    reason = found.rules[0].finding.reason
    assert "2 independent sources are needed" in reason
    assert "Identity Protection speaks" in reason
    assert "the audit log does not" in reason
    assert "the sign-in log does not" in reason
    assert found.why_asked.startswith("Rule “two-signals” asks a person: 2 independent sources are needed")


def test_the_second_source_is_looked_for() -> None:
    """What was not read yet may be the witness that is missing."""
    found = decide(read(), but(DETECTED, audits=NotLooked(), sign_ins=NotLooked()))

    assert found.wants == {PartName.AUDITS, PartName.SIGN_INS}


def test_a_source_that_could_not_be_read_is_no_witness_and_is_named() -> None:
    """Unknown never counts as met."""
    found = decide(read(), but(DETECTED, audits=UNREADABLE))

    assert found.verdict is Verdict.ASK
    assert "not known: the audits could not be read" in found.rules[0].finding.reason


def test_hidden_risk_is_no_witness() -> None:
    """Beside a credential that was added it is still one source that speaks."""
    hidden = replace(detection("suspiciousSignins", level="hidden"))
    found = decide(read(), but(BOTH, detections=Known((hidden,))))

    assert found.verdict is Verdict.ASK
    assert "not known" in found.rules[0].finding.reason


def test_a_later_rule_that_is_certain_is_not_held_up() -> None:
    """As with everything unknown."""
    later = RULE + "  - name: certain\n    when: {risk-detection: {types: [leakedCredentials]}}\n"
    found = decide(read(later + "    verdict: contain\n    actions: [replace-credentials]\n"), DETECTED)

    assert (found.verdict, found.rule) == (Verdict.CONTAIN, "certain")


CONFIRMED = "risk-state: {states: [confirmedCompromised]}"


def two(*conditions: str) -> Condition:
    members = "".join(f"        - {each}\n" for each in conditions)
    does = "    verdict: ask\n    actions: [block-sign-in]\n"
    return read(f"version: 1\nrules:\n  - name: a\n    when:\n      any:\n{members}{does}").rules[0].when


def crowded() -> Case:
    """Three secrets where one is allowed."""
    return having(case(), payroll(application=[replace(password(each), end=None) for each in (1, 2, 3)]))


def test_a_change_and_the_state_that_it_left_are_one() -> None:
    """The third secret is what the audit log tells of."""
    asked = two("credential-excess: {more-than: 1}", "credential-added: {within: 24h}")
    change = added(password(3).key_id, on="Application", activity="Update application")

    assert "none speaks" not in str(lacking(asked, 2, crowded()))
    assert lacking(asked, 2, but(crowded(), audits=Known((change,)))) is not None


def test_a_state_that_nobody_changed_lately_is_a_witness_of_its_own() -> None:
    """And without the audit log nobody knows whether it is."""
    asked = two("credential-excess: {more-than: 1}", "risk-detection: {}")
    of = but(crowded(), detections=Known((detection(),)))

    assert lacking(asked, 2, of) is None
    unread = lacking(asked, 2, but(of, audits=UNREADABLE))
    assert unread is not None
    assert not unread.wants


def test_several_records_of_one_source_are_one() -> None:
    """A credential and an owner, both from the audit log."""
    asked = two("credential-added: {within: 24h}", "audit-activity: {activities: [Add owner to application]}")
    owner = audit("Add owner to application", on="Application", record="Directory_2")

    assert lacking(asked, 2, but(case(), audits=Known((added(), owner)))) is not None


def test_a_persons_confirmation_is_one_witness_whoever_tells_of_it() -> None:
    """The log of what she did and the risk that it made are the same."""
    confirm = audit("confirmServicePrincipalCompromised")
    confirmed = RiskState("high", "confirmedCompromised", "none", START)
    asked = two(
        "risk-state: {states: [confirmedCompromised]}",
        "audit-activity: {activities: [confirmServicePrincipalCompromised]}",
    )
    of = but(case(), risk=Known(confirmed), audits=Known((confirm,)))

    assert lacking(asked, 2, of) is not None
    assert (
        lacking(
            two("risk-state: {states: [confirmedCompromised]}", "risk-detection: {}"),
            2,
            but(of, detections=Known((detection(),))),
        )
        is None
    )


def test_cordons_own_confirmation_is_no_witness() -> None:
    """Else it would be its own second source."""
    own = audit("confirmServicePrincipalCompromised", by=CORDON_PRINCIPAL)
    of = but(case(), risk=Known(RiskState("high", "confirmedCompromised", "none", START)), audits=Known((own,)))

    assert (
        lacking(
            two("risk-state: {states: [confirmedCompromised]}", "risk-detection: {}"),
            2,
            but(of, detections=Known((detection(),))),
        )
        is not None
    )


def test_a_list_that_a_person_keeps_is_a_witness() -> None:
    """It needs no record in the audit log, as a confirmed risk does."""
    listed = two(f"rogue-application: {{client-ids: [{PAYROLL_CLIENT}]}}", "risk-detection: {}")

    assert lacking(listed, 2, but(case(), detections=Known((detection(),)))) is None


def test_an_order_is_a_source() -> None:
    """A person's word beside what a log says."""
    order = Signal("manual", "r-1", case().subject, START, "an order")

    assert lacking(when(), 2, replace(DETECTED, signals=(order,))) is None


def test_what_excuses_or_classifies_is_no_witness() -> None:
    """Nor is what stands under a not."""
    kind, added_ = two("identity-kind: {kinds: [foreign]}"), two("credential-added: {within: 24h}")

    assert sources_of(All((kind, Not(added_)))) == frozenset()
    assert sources_of(AnyOf((kind, added_))) == {Origin.AUDIT}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("independent: 8", "independent is a number from 2 to 7"),
        ("independent: two", "independent is a number from 2 to 7"),
        ("independent: 3", "asks for 3 independent sources, and its conditions come from 1"),
    ],
)
def test_what_could_never_be_met_is_a_mistake(lines: str, told: str) -> None:
    """With the remedy beside it."""
    text = f"""
version: 1
rules:
  - name: a
    when: {{risk-detection: {{}}}}
    verdict: contain
    {lines}
    actions: [block-sign-in]
"""
    with pytest.raises(Exception, match=told):
        read(text)
