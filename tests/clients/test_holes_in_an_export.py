"""A table whose records stopped, and came again: of the time between nothing is known, so it is no quiet time."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from drill.practice import Behaviour
from shared.baseline import Feature
from shared.case import Case, PartName, SignInLog
from shared.conditions.interface import Unknown
from shared.conditions.new_sign_in import SignedInAsNever
from shared.conditions.sign_in_failures import SignInsFail
from shared.tenant import Gathered
from tests.clients.fake_graph import START
from tests.clients.test_identity_logs import DAY, EXPORTED, HOUR, UNLICENSED, log_of, signed_in, ticking
from tests.clients.test_practice_tenant import REF, SIGN_INS, Place, at
from tests.conditions.cases import case

FULL: dict[str, Any] = {"entraDiagnosticSettings": [{}], "workspaces": [{"name": "practice"}]}


def gathered(held: list[dict[str, Any]], azure: dict[str, Any] = EXPORTED) -> Gathered:
    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS | {PartName.OLDER_SIGN_INS})

    logs = {"signIns": held}
    return at(story, UNLICENSED, azure=azure, logs=logs, workspaces=None, behaviour=Behaviour.gentle())


def seen(held: list[dict[str, Any]], azure: dict[str, Any] = EXPORTED) -> SignInLog:
    """Payroll's sign-ins of a month, by a workspace that holds these."""
    return log_of(gathered(held, azure).sign_ins)


def without(held: list[dict[str, Any]], begun: timedelta, ended: timedelta) -> list[dict[str, Any]]:
    """The same, but for what came in between."""
    begin, end = START - begun, START - ended
    return [each for each in held if not begin < datetime.fromisoformat(each["createdDateTime"]) < end]


@pytest.mark.parametrize(
    ("every", "begun", "ended", "is_one"),
    [
        (timedelta(minutes=10), 8 * HOUR, 6 * HOUR, True),
        (timedelta(minutes=10), 6 * HOUR + timedelta(minutes=50), 6 * HOUR, False),  # less than an hour may be chance
        (timedelta(hours=4), 12 * HOUR, 4 * HOUR, False),  # hardly anybody signs in there
        (timedelta(hours=4), 20 * HOUR, 4 * HOUR, True),
    ],
)
def test_a_hole_in_a_table_is_no_quiet_time(every: timedelta, begun: timedelta, ended: timedelta, is_one: bool) -> None:
    """By the table's own pace: an intruder who ends the export for two hours leaves two hours of which nobody knows."""
    log = seen(without(ticking(every, timedelta(), 35), begun, ended))

    assert log.until is None
    assert (log.hole, log.since) == ((START - begun, START - ended) if is_one else (None, START - 30 * DAY))


def test_a_weekend_is_no_hole() -> None:
    """Of three in the time it is learned by, each is as long as the others."""
    held = ticking(HOUR / 6, timedelta(), 35)
    for week in range(5):
        held = without(held, 4 * DAY + week * 7 * DAY, 2 * DAY + week * 7 * DAY)

    assert seen(held).hole is None


def test_two_breaks_of_the_export_excuse_each_other_no_more_than_one() -> None:
    """Whoever turns it off twice has made no habit of it."""
    held = without(without(ticking(HOUR / 6, timedelta(), 35), 80 * HOUR, 74 * HOUR), 20 * HOUR, 14 * HOUR)

    assert seen(held).since == START - 14 * HOUR


def test_a_table_that_is_hardly_written_to_shows_no_holes() -> None:
    """A handful of records has no pace. This is what cannot be told, and the documents say so."""
    held = [signed_in(n, ago) for n, ago in enumerate((20 * DAY, 12 * HOUR, 6 * HOUR, 3 * HOUR))]

    assert seen(held).hole is None


def test_a_full_workspace_has_a_hole_until_it_takes_records_in_again() -> None:
    """Also where it is full each day, so that the silence is its habit: whoever sends it enough makes it forget."""
    held = ticking(HOUR / 6, timedelta(), 35)
    for day in range(35):
        held = without(held, day * DAY + 10 * HOUR, day * DAY + 6 * HOUR)
    caps = [(START - day * DAY - 10 * HOUR).isoformat() for day in range(35)]
    full = {**FULL, "workspaces": [{"name": "practice", "overQuota": caps}]}

    assert seen(held).hole is None
    assert seen(held, full).since == START - 6 * HOUR


def test_a_workspace_that_is_full_now_is_known_until_then() -> None:
    """An hour is no unusual silence; but the cap says that it was none."""
    held = ticking(HOUR / 6, HOUR, 35)
    full = {**FULL, "workspaces": [{"name": "practice", "overQuota": [(START - HOUR).isoformat()]}]}

    assert seen(held).until is None
    assert seen(held, full).until == START - HOUR


def test_what_asks_about_the_time_of_a_hole_is_not_checkable() -> None:
    """And the reason says from when to when nothing is known."""
    held = [*without(ticking(HOUR / 6, timedelta(), 35), 8 * HOUR, 6 * HOUR)]
    mine = [signed_in(n, n * 7 * HOUR) for n in range(2, 90)]
    found = gathered([*held, *mine])
    whole = gathered([*ticking(HOUR / 6, timedelta(), 35), *mine])
    conditions = (SignedInAsNever(features=(Feature.ADDRESS,)), SignInsFail(within=DAY))

    for condition in conditions:
        judged = condition.check(case_of(found))

        assert not isinstance(condition.check(case_of(whole)), Unknown)
        assert isinstance(judged, Unknown)
        assert "2026-03-01 19:00 UTC to 2026-03-01 21:00 UTC" in judged.reason


def case_of(found: Gathered) -> Case:
    """Judged at the moment that the tests of conditions are."""
    return replace(case(), sign_ins=found.sign_ins, attempts=found.attempts, older_sign_ins=found.older_sign_ins)
