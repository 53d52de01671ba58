"""Does Identity Protection show a detection of this sort?"""

from dataclasses import dataclass
from typing import ClassVar, get_args

from pydantic import ConfigDict

from shared.case import Case, Known, PartName, RiskDetection
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import both, is_one_of, is_within
from shared.conditions.settings import SETTINGS, Duration, Several, utc
from shared.risk import CONFIRMED, CONFIRMED_FOLDED, DetectionType, Level, State

LEVELS = frozenset(get_args(Level)) - {"hidden"}
STATES = frozenset(get_args(State))
_WITHHELD = frozenset({"generic", "hidden", "unknownfuturevalue"})  # without the licence every type is "generic"


@dataclass(frozen=True, slots=True)
class RiskDetected:
    """
    Met when a detection has one of these types, levels and states, and is recent enough.

    What is left out is not asked about; `states` are otherwise atRisk and confirmedCompromised. A confirmation
    as compromised, which may be Cordon's own, counts only where `types` names it.
    """

    name: ClassVar[str] = "risk-detection"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.DETECTIONS,)
    unknown_when: ClassVar[str] = (
        "the type, level or state of a detection is withheld (hidden, generic: no licence) or newer than "
        "Cordon, or it has no date"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    types: Several[DetectionType] | None = None
    """Graph's riskEventType; left out: any but a confirmation as compromised."""
    levels: Several[Level] | None = None
    """Graph's riskLevel; left out: any."""
    states: Several[State] = ("atRisk", "confirmedCompromised")
    """Graph's riskState."""
    within: Duration | None = None
    """How long ago it was detected at most; left out: however long."""

    def check(self, case: Case) -> Finding:
        part = case.detections
        if not isinstance(part, Known):
            return unknown(PartName.DETECTIONS, part)
        doubtful: RiskDetection | None = None
        for detection in part.value:
            answer = self._fits(detection, case)
            if answer:
                return Met(_told(detection))
            if answer is None:
                doubtful = doubtful or detection
        if doubtful:
            return Unknown(f"it cannot be told whether this counts: {_told(doubtful)}")
        return NotMet(f"none of {len(part.value)} detections is of this sort")

    def _fits(self, detection: RiskDetection, case: Case) -> bool | None:
        """The cheap and telling questions first: most detections are about something else."""
        type_ = self._has_type(detection.type)
        if type_ is False:
            return False
        state = is_one_of(detection.state, self.states, STATES)
        if state is False:
            return False
        return both(
            type_,
            state,
            is_one_of(detection.level, self.levels, LEVELS),
            is_within(detection.detected_at or detection.activity_at, self.within, case.now),
        )

    def _has_type(self, type_: str) -> bool | None:
        """A type that is new to us is certainly none of those named; one that is withheld may be any."""
        if self.types is not None and type_ in self.types:
            return True
        folded = type_.casefold()
        if folded == CONFIRMED_FOLDED:
            return self.types is not None and CONFIRMED in self.types
        if self.types is None or folded in {each.casefold() for each in self.types}:
            return True
        return None if folded in _WITHHELD else False


def _told(detection: RiskDetection) -> str:
    at = detection.detected_at or detection.activity_at
    when = f"detected {utc(at)}" if at else "undated"
    return f"{detection.type}, level {detection.level}, {detection.state}, {when} (detection {detection.id})"
