"""token-without-sign-in: Graph was called with a token that nobody signed in for."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Case, GraphActivity, GraphToken, Known, NotLooked, PartName, SignInLog
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.token_without_sign_in import GRAPH, TokenWithoutSignIn
from shared.identity import IdentityKind
from tests.conditions.cases import UNREADABLE, but, case
from tests.fakes import START
from tests.policy.test_baseline import HOUR, sign_in

ASKED = TokenWithoutSignIn()


def token(name: str, issued: timedelta = 5 * HOUR, last: timedelta = HOUR) -> GraphToken:
    return GraphToken(name, START - issued, START - last, START - issued, "198.51.100.66")


def seen(
    *tokens: GraphToken,
    signed: tuple[str | None, ...] = ("A",),
    resource: str = GRAPH,
    days: float = 30,
    whole: bool = True,
) -> Case:
    records = [
        replace(sign_in((5 + place) * HOUR), id=str(place), token_id=name, resource_id=resource)
        for place, name in enumerate(signed)
    ]
    log = SignInLog(tuple(records), START - timedelta(days=days))
    activity = GraphActivity((), tokens, START - timedelta(days=30), all_tokens=whole)
    return but(case(), sign_ins=Known(log), graph_activity=Known(activity))


def test_a_token_that_no_sign_in_tells_of_is_found() -> None:
    """Beside one that is in both logs, which shows that they name tokens alike."""
    found = ASKED.check(seen(token("A"), token("forged")))

    assert isinstance(found, Met)
    assert "forged" in found.reason
    assert "198.51.100.66" in found.reason


def test_a_token_alone_in_the_world_is_found_too() -> None:
    """Nobody signed in for Graph at all, and yet it was called."""
    assert isinstance(ASKED.check(seen(token("forged"), signed=())), Met)
    assert isinstance(ASKED.check(seen(token("forged"), signed=("B",), resource="storage")), Met)


@pytest.mark.parametrize(
    "of",
    [
        seen(),
        seen(token("A")),
        seen(token("A"), token("old", issued=60 * HOUR, last=30 * HOUR)),
    ],
)
def test_what_is_explained_or_long_ago_is_no_finding(of: Case) -> None:
    """No call; a token of a known sign-in; one that was last used the day before."""
    assert isinstance(ASKED.check(of), NotMet)


@pytest.mark.parametrize(
    "of",
    [
        seen(token("A"), token("young", issued=HOUR)),
        seen(token("A"), token("before", issued=5 * HOUR), days=0.1),
        seen(token("A"), replace(token("undated"), issued=None)),
        seen(token("A"), token("x"), signed=("A", None)),
        seen(token("x"), token("y"), signed=("A", "B")),
        seen(token("A"), whole=False),
    ],
)
def test_what_a_late_short_or_otherwise_spelled_log_may_explain_is_unknown(of: Case) -> None:
    """Never a finding, and never clean."""
    assert isinstance(ASKED.check(of), Unknown)


def test_a_sign_in_that_cannot_be_read_may_be_the_one_of_this_token() -> None:
    """One odd record is no proof of a forged token; those that are found are found all the same."""
    odd = seen(token("A"), token("x"))
    log = odd.sign_ins
    assert isinstance(log, Known)
    whole = ASKED.check(odd)

    assert isinstance(whole, Met)
    assert isinstance(ASKED.check(but(odd, sign_ins=Known(replace(log.value, unread=1)))), Unknown)
    both = seen(token("A"))
    assert isinstance(ASKED.check(but(both, sign_ins=Known(replace(log.value, unread=1)))), NotMet)


def test_both_logs_are_asked_for_and_neither_can_be_done_without() -> None:
    """Graph's activity first: without a call there is nothing to explain."""
    unasked = but(seen(token("x")), sign_ins=NotLooked(), graph_activity=NotLooked())
    first = ASKED.check(unasked)
    then = ASKED.check(but(seen(token("x")), sign_ins=NotLooked()))

    assert isinstance(first, Unknown)
    assert first.wants == {PartName.GRAPH_ACTIVITY}
    assert isinstance(then, Unknown)
    assert then.wants == {PartName.SIGN_INS}
    assert isinstance(ASKED.check(but(seen(token("x")), sign_ins=UNREADABLE)), Unknown)
    assert isinstance(ASKED.check(but(seen(token("x")), graph_activity=UNREADABLE)), Unknown)


def test_microsoft_s_own_are_not_judged() -> None:
    """Their sign-ins are not all in the log."""
    theirs = replace(seen(token("x"), signed=()), identity=case(kind=IdentityKind.MICROSOFT).identity)

    assert isinstance(ASKED.check(theirs), Unknown)


def test_logs_that_have_fallen_silent_clear_nobody_of_the_time_since() -> None:
    """A forged token is told apart only where the sign-in it lacks would be in the log."""
    of = seen(token("A"), token("forged"))
    assert isinstance(of.sign_ins, Known)
    assert isinstance(of.graph_activity, Known)
    early = but(of, sign_ins=Known(replace(of.sign_ins.value, until=START - 4 * HOUR)))
    late = but(of, sign_ins=Known(replace(of.sign_ins.value, until=START - 2 * HOUR)))
    usual = seen(token("A"))
    quiet = seen()
    silent = GraphActivity((), (), START - timedelta(days=30), until=START - 5 * HOUR)

    assert isinstance(ASKED.check(early), Unknown)
    assert isinstance(ASKED.check(late), Met)
    assert isinstance(ASKED.check(but(quiet, graph_activity=Known(silent))), Unknown)
    assert isinstance(ASKED.check(but(usual, graph_activity=Known(replace(silent, tokens=(token("A"),))))), Unknown)


def test_a_log_of_calls_that_begins_too_late_is_no_quiet_one() -> None:
    """It was switched on an hour ago; whoever called Graph before is not in it."""
    young = GraphActivity((), (), START - HOUR)

    assert isinstance(ASKED.check(but(seen(), graph_activity=Known(young))), Unknown)
    assert isinstance(ASKED.check(but(seen(), graph_activity=Known(replace(young, tokens=(token("A"),))))), Unknown)
