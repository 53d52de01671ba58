"""risk-detection: does Identity Protection show a detection of this sort?"""

from datetime import timedelta

import pytest

from shared.case import NotLooked, PartName, RiskDetection
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.risk_detection import RiskDetected
from tests.conditions.cases import UNREADABLE, case, detection, unread

LEAKED = RiskDetected(types=("leakedCredentials",), levels=("medium", "high"))


def test_a_detection_that_fits_meets_it_and_is_named() -> None:
    """The reason names type, level, state, time and the detection itself."""
    finding = LEAKED.check(case(detections=(detection(),)))

    assert finding == Met(
        "leakedCredentials, level high, atRisk, detected 2026-03-02 02:00 UTC (detection d-1)",
    )


@pytest.mark.parametrize(
    "other",
    [
        detection("suspiciousSignins"),
        detection(level="low"),
        detection(level="none"),
        detection(state="dismissed"),
        detection(state="remediated"),
        detection("aTypeThatIsNewerThanThisCode"),
    ],
)
def test_a_detection_that_is_known_to_differ_does_not_meet_it(other: RiskDetection) -> None:
    """Another type, level or state is a no, also a type that we have never heard of."""
    finding = LEAKED.check(case(detections=(other,)))

    assert isinstance(finding, NotMet)


@pytest.mark.parametrize(
    "veiled",
    [
        detection(level="hidden"),
        detection(level="unknownfuturevalue"),
        detection(level="severe"),
        detection(state="unknownFutureValue"),
        detection("generic"),
        detection("unknownFutureValue"),
    ],
)
def test_what_the_service_does_not_tell_is_unknown(veiled: RiskDetection) -> None:
    """A level that is hidden for want of a licence is neither low nor none, and no looking again would help."""
    finding = LEAKED.check(case(detections=(veiled,)))

    assert isinstance(finding, Unknown)
    assert finding.wants == frozenset()


def test_a_hidden_level_does_not_matter_where_something_else_decides() -> None:
    """A dismissed detection is none, whatever its level."""
    finding = LEAKED.check(case(detections=(detection(level="hidden", state="dismissed"),)))

    assert isinstance(finding, NotMet)


def test_one_that_fits_outweighs_one_that_is_veiled() -> None:
    """Met needs one detection, in whatever order they are listed."""
    both = (detection(level="hidden"), detection())

    assert isinstance(LEAKED.check(case(detections=both)), Met)
    assert isinstance(LEAKED.check(case(detections=both[::-1])), Met)


def test_levels_of_older_documents_are_understood() -> None:
    """Comparison does not mind case: documents from 2021 say High and AtRisk."""
    assert isinstance(LEAKED.check(case(detections=(detection("LeakedCredentials", "High", "AtRisk"),))), Met)


def test_a_confirmation_is_no_evidence_unless_it_is_named() -> None:
    """Cordon's own confirmation comes back as a detection, and must not prove the next one."""
    confirmed = case(detections=(detection("adminConfirmedServicePrincipalCompromised", state="confirmedCompromised"),))

    assert isinstance(RiskDetected().check(confirmed), NotMet)
    assert isinstance(RiskDetected(types=("adminConfirmedServicePrincipalCompromised",)).check(confirmed), Met)


def test_a_detection_that_was_confirmed_still_counts() -> None:
    """Confirming moves the state of what was detected before; the leak remains a leak."""
    assert isinstance(LEAKED.check(case(detections=(detection(state="confirmedCompromised"),))), Met)


def test_old_detections_are_left_out_and_undated_ones_are_unknown() -> None:
    """Within asks when it was detected."""
    lately = RiskDetected(within=timedelta(hours=24))

    assert isinstance(lately.check(case(detections=(detection(ago=timedelta(hours=24)),))), Met)
    assert isinstance(lately.check(case(detections=(detection(ago=timedelta(hours=25)),))), NotMet)
    assert isinstance(lately.check(case(detections=(detection(ago=None),))), Unknown)


def test_a_detection_from_ahead_of_our_clock_is_recent() -> None:
    """Clocks differ by seconds; that is no reason to overlook the newest."""
    lately = RiskDetected(within=timedelta(hours=24))

    assert isinstance(lately.check(case(detections=(detection(ago=timedelta(seconds=-30)),))), Met)


def test_could_not_look_is_never_nothing_there() -> None:
    """Not looked at yet asks for the detections; looked in vain asks for nothing more."""
    assert isinstance(LEAKED.check(case()), NotMet)
    assert LEAKED.check(unread(NotLooked())) == Unknown(
        "the detections was not looked at", frozenset({PartName.DETECTIONS})
    )
    assert LEAKED.check(unread(UNREADABLE)) == Unknown("the detections could not be read: the service did not answer")
