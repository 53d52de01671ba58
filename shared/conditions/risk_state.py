"""Does Identity Protection list the identity as risky?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import both, is_one_of
from shared.conditions.risk_detection import LEVELS, STATES
from shared.conditions.settings import SETTINGS, Several
from shared.risk import Level, State


@dataclass(frozen=True, slots=True)
class RiskListed:
    """
    Met when the identity's risk has one of these levels and states; `states` is otherwise atRisk alone,
    because confirmedCompromised is what somebody, Cordon included, once decided.
    """

    name: ClassVar[str] = "risk-state"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.RISK,)
    unknown_when: ClassVar[str] = "level or state are withheld (hidden: no licence) or newer than Cordon"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    levels: Several[Level] | None = None
    """Graph's riskLevel; left out: any."""
    states: Several[State] = ("atRisk",)
    """Graph's riskState."""

    def check(self, case: Case) -> Finding:
        part = case.risk
        if not isinstance(part, Known):
            return unknown(PartName.RISK, part)
        risk = part.value
        if risk is None:
            return NotMet("Identity Protection lists no risk for it")
        told = f"Identity Protection lists its risk as {risk.level}, {risk.state}"
        answer = both(is_one_of(risk.state, self.states, STATES), is_one_of(risk.level, self.levels, LEVELS))
        if answer is None:
            return Unknown(f"{told}, and that cannot be judged")
        return Met(told) if answer else NotMet(told)
