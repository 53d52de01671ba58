"""risk-state: does Identity Protection list the identity as risky?"""

import pytest

from shared.case import NotLooked, PartName, RiskState
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.risk_state import RiskListed
from tests.conditions.cases import UNREADABLE, case, unread

RISKY = RiskListed(levels=("medium", "high"))


def listed(level: str, state: str = "atRisk") -> RiskState:
    return RiskState(level, state, "none", None)


@pytest.mark.parametrize(
    ("risk", "answer"),
    [
        (listed("high"), Met),
        (listed("medium", "AtRisk"), Met),
        (listed("low"), NotMet),
        (listed("high", "dismissed"), NotMet),
        (listed("hidden"), Unknown),
        (listed("high", "unknownFutureValue"), Unknown),
        (None, NotMet),
    ],
)
def test_level_and_state_must_both_fit(risk: RiskState | None, answer: type) -> None:
    """No entry means no risk is listed; hidden and newer members are unknown."""
    assert isinstance(RISKY.check(case(risk=risk)), answer)


def test_a_confirmation_counts_only_where_it_is_named() -> None:
    """confirmedCompromised may be Cordon's own doing of an hour ago."""
    confirmed = case(risk=listed("high", "confirmedCompromised"))

    assert isinstance(RISKY.check(confirmed), NotMet)
    assert isinstance(RiskListed(states=("confirmedCompromised",)).check(confirmed), Met)


def test_the_reason_says_what_is_listed() -> None:
    """Level and state as Entra gives them."""
    assert RISKY.check(case(risk=listed("high"))) == Met("Identity Protection lists its risk as high, atRisk")


def test_could_not_look_is_never_no_risk() -> None:
    """Unread is unknown, and wants the risk only if nobody has looked."""
    assert RISKY.check(unread(NotLooked())) == Unknown("the risk was not looked at", frozenset({PartName.RISK}))
    assert RISKY.check(unread(UNREADABLE)) == Unknown("the risk could not be read: the service did not answer")
