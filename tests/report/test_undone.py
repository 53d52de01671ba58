"""Where an incident stands that was undone, and what the report says of it."""

from shared.entries import Drifted, Entry, UndoApplied, UndoEnded, UndoIntended, UndoOrdered, UndoVerified
from shared.incident import Status, status_of
from shared.report import as_markdown, make_report
from tests.report.journals import (
    BLOCK,
    CONFIRM,
    REMOVE,
    At,
    contained,
    decided,
    ended,
    journal,
    just_after,
    planned,
    signal,
)

ORDER = UndoOrdered(by="Ada", reason="a false alarm")
DRIFT = Drifted(property="scope", before="Mail.Read", left="no such grant", now="User.Read")


def put_back(*drifted: Drifted) -> list[Entry | At]:
    """One step put back and proven."""
    return [
        At(
            UndoIntended(writes=("PATCH accountEnabled=true",), drifted=drifted, lost=("secret 1: is lost",)),
            step=BLOCK,
        ),
        At(UndoApplied(writes=()), step=BLOCK),
        At(UndoVerified(answer="held", proof="accountEnabled is true"), step=BLOCK),
    ]


def stands(*entries: Entry | At | list[Entry | At]) -> Status:
    records = journal(contained(BLOCK), *entries)
    return status_of(records, just_after(records))


def test_an_order_to_undo_ends_being_contained() -> None:
    """From the order on nobody may rely on the containment."""
    assert stands(ORDER) is Status.RELEASING
    assert stands(ORDER, put_back()) is Status.RELEASING


def test_released_is_what_is_proven_back_whole() -> None:
    """What drifted or stopped needs a person."""
    assert stands(ORDER, put_back(), UndoEnded(whole=True, reason="all is back")) is Status.RELEASED
    assert stands(ORDER, put_back(DRIFT), UndoEnded(whole=False, reason="drift")) is Status.NEEDS_ATTENTION


def test_work_that_was_put_down_without_an_end_needs_a_person() -> None:
    """The undo stopped halfway: neither contained nor released."""
    assert stands(ORDER, put_back(), ended()) is Status.NEEDS_ATTENTION


def test_a_signal_after_the_undo_waits_for_its_decision() -> None:
    """Then the newest decision counts, and steps that were undone prove nothing for it."""
    whole = UndoEnded(whole=True, reason="all is back")

    assert stands(ORDER, put_back(), whole, signal(record="new")) is Status.OPEN
    assert stands(ORDER, put_back(), whole, signal(record="new"), decided(), planned(BLOCK)) is not Status.CONTAINED


def test_the_report_tells_what_is_back_what_drifted_and_what_is_lost() -> None:
    """Both values of a drift stand in it, and no word says that it is contained."""
    records = journal(contained(BLOCK), ORDER, put_back(DRIFT), UndoEnded(whole=False, reason="the scope drifted"))
    report = make_report(records, just_after(records))
    text = as_markdown(report)

    assert report.undone is not None
    assert [step.back for step in report.undone.steps] == [True]
    assert all(said in text for said in ("Mail.Read", "User.Read", "secret 1: is lost", "Ada"))
    assert "is contained since" not in text
    assert report.tokens.ordinary_until is None


def test_what_cordon_has_put_back_is_not_listed_to_be_done_by_hand() -> None:
    """The calls were made: whoever made them again would allow a sign-in that somebody may have blocked since."""
    records = journal(contained(BLOCK), ORDER, put_back(), UndoEnded(whole=True, reason="all is back"))
    report = make_report(records, just_after(records))
    text = as_markdown(report)

    assert [(way.step, way.calls) for way in report.undo] == [(BLOCK, ())]
    assert report.undo[0].restores == "nothing more: Cordon has put it back"
    assert "Nothing is left to be put back by hand." in text
    assert "PATCH /servicePrincipals" not in text.partition("## Timeline")[0]


def test_what_an_undo_left_is_still_told_how_to_be_done_by_hand() -> None:
    """Of a part that was put back the rest is listed, and of what Cordon never writes, too."""
    nothing = [At(UndoIntended(), step=CONFIRM), At(UndoVerified(answer="held", proof="nothing to do"), step=CONFIRM)]
    part = UndoEnded(whole=False, reason="a step was not part of the order")
    records = journal(contained(BLOCK, REMOVE, CONFIRM), ORDER, nothing, put_back(), part)
    report = make_report(records, just_after(records))
    ways = {way.step: way.calls for way in report.undo}
    text = as_markdown(report)

    assert ways[BLOCK] == ()
    assert ways[REMOVE][0].startswith("POST /applications/")
    assert ways[CONFIRM][0].startswith("POST /identityProtection/riskyServicePrincipals/dismiss")
    assert "By hand, by a person" in text


def test_a_step_that_was_back_and_is_taken_away_again_is_not_back() -> None:
    """The look after the race window has the last word."""
    gone = At(UndoVerified(answer="not-held", proof="accountEnabled is false", again=True), step=BLOCK)
    records = journal(contained(BLOCK), ORDER, put_back(), gone, UndoEnded(whole=False, reason="changed since"))
    report = make_report(records, just_after(records))

    assert report.undo[0].calls
    assert report.undone is not None
    assert not report.undone.steps[0].back
