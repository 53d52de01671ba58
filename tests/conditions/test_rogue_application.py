"""rogue-application: in the tenant's own list, by client id."""

from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.rogue_application import RogueApplication
from tests.conditions.cases import STRANGER, UNREADABLE, but, case
from tests.fakes import PAYROLL_CLIENT


def test_only_a_listed_client_id_is_rogue() -> None:
    """Its object id or its name in the list would be somebody else's."""
    assert isinstance(RogueApplication((STRANGER, PAYROLL_CLIENT)).check(case()), Met)
    assert isinstance(RogueApplication((STRANGER,)).check(case()), NotMet)
    assert isinstance(RogueApplication((PAYROLL_CLIENT,)).check(but(case(), identity=UNREADABLE)), Unknown)
