"""Who breaks by a plan, for all that the sign-in log shows; and never "nobody"."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions.interface import Means
from shared.case import CouldNotLook, Known, NotLooked, SignInLog
from shared.entries import Foreseen, Planned
from shared.forecast import foresee, not_asked
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.report.markdown_decision import forecast_lines
from tests.fakes import ADDRESSES, START, password, payroll
from tests.policy.test_accusation import AWAY, BUSY, HOME, ROGUE, STATE
from tests.policy.test_baseline import log

LOG = log(AWAY, *HOME)
ALL = ActionChoice("replace-credentials", {})
ONE = ActionChoice("replace-credentials", {"only": [ROGUE.key_id]})
BLOCK = ActionChoice("block-sign-in", {})
TELL = ActionChoice("confirm-compromised", {})


def plan(*choices: ActionChoice) -> Planned:
    return make_plan(choices, STATE, Means("i", handover_vault=False), START)


def told(*choices: ActionChoice, of: SignInLog = LOG) -> Foreseen:
    return foresee(plan(*choices), Known(of), STATE, START)


def stops(found: Foreseen) -> dict[str | None, bool | None]:
    return {use.credential_id: use.stops for use in found.uses}


def test_each_use_is_told_by_credential_and_resource() -> None:
    """The busiest first, with its share, when it was last, and from where."""
    busy, rogue = told(ONE).uses

    assert (busy.credential_id, busy.resource, busy.count, busy.last) == (
        BUSY.key_id,
        "Microsoft Graph",
        20,
        HOME[0].at,
    )
    assert (round(busy.share, 2), rogue.addresses) == (0.95, (AWAY.address,))
    assert told(ONE).total == 21


@pytest.mark.parametrize(
    ("choices", "busy", "rogue"),
    [
        ((ONE,), False, True),
        ((ALL,), True, True),
        ((BLOCK,), True, True),
        ((ONE, BLOCK), True, True),
        ((TELL,), False, False),
    ],
)
def test_a_use_ends_if_a_step_takes_it_away(choices: tuple[ActionChoice, ...], busy: bool, rogue: bool) -> None:
    """One credential, all of them, the sign-in; what only tells somebody ends nothing."""
    assert stops(told(*choices)) == {BUSY.key_id: busy, ROGUE.key_id: rogue}


def test_a_use_whose_credential_the_log_does_not_tell_may_be_any() -> None:
    """Of a plan that takes one away nobody can tell."""
    untold = log(replace(AWAY, credential_id=None))

    assert stops(told(ONE, of=untold)) == {None: None}
    assert stops(told(ALL, of=untold)) == {None: True}


@pytest.mark.parametrize("part", [CouldNotLook("no licence"), NotLooked()])
def test_without_the_log_it_is_not_known_who_breaks(part: CouldNotLook | NotLooked) -> None:
    """With the reason, and never a list that is empty."""
    found = foresee(plan(BLOCK), part, STATE, START)

    assert str(found.not_known).startswith("It is not known who breaks, because ")
    assert "\n".join(forecast_lines(found)).startswith("It is not known who breaks")


def test_records_that_could_not_be_read_are_told_beside_the_uses() -> None:
    """They may be somebody's who breaks."""
    found = told(BLOCK, of=replace(LOG, unread=2))

    assert any("2 record(s) of the sign-in log could not be read" in note for note in found.notes)


def test_a_log_without_tokens_promises_nothing() -> None:
    """It is late, and what signs in seldom may be older than it is."""
    found = told(BLOCK, of=SignInLog((), START - timedelta(days=30)))

    assert "shows no token since" in str(found.not_known)
    assert "nobody" not in "\n".join(forecast_lines(found)).casefold()


def test_refusals_are_nobodys_use() -> None:
    """Only tokens that were issued are lost."""
    assert told(BLOCK, of=log(replace(AWAY, error_code=7000215), *HOME)).total == 20


def test_a_long_list_is_cut_and_says_so() -> None:
    """The busiest are listed."""
    many = [replace(AWAY, id=f"s{n}", resource=f"api {n}") for n in range(30)]
    found = told(BLOCK, of=log(*many))

    assert (len(found.uses), found.more) == (20, 10)
    assert "10 more are not listed." in list(forecast_lines(found))


def test_an_identity_that_is_an_api_has_callers_of_its_own() -> None:
    """Their tokens stop as well, and nobody read who they are."""
    state = replace(payroll(application=[password(1)]), addresses=ADDRESSES)

    assert "who calls it was not looked at" in foresee(plan(BLOCK), Known(LOG), state, START).notes[0]
    assert not foresee(plan(ONE), Known(LOG), state, START).notes


def test_a_mass_is_not_looked_up_one_by_one() -> None:
    """The reason says so, in the same words."""
    assert not_asked(plan(BLOCK), "many are reported", START).not_known == (
        "It is not known who breaks, because many are reported"
    )


def test_the_markdown_shows_names_of_the_log_as_text() -> None:
    """A resource is named by whoever owns it."""
    evil = log(replace(AWAY, resource="[x](https://evil.example)|\n# hi"))
    text = "\n".join(forecast_lines(told(BLOCK, of=evil)))

    assert "](https://evil.example)" not in text
    assert "\n# hi" not in text
