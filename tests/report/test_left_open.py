"""What a look finds open beside the effect that it proves: contained is only what leaves nothing for a person."""

from shared.entries import NamedOutcome, Verified
from shared.incident import Status, status_of, view_of
from shared.report import as_markdown, make_report
from tests.report.journals import (
    At,
    applied,
    beginning,
    intended,
    journal,
    just_after,
    planned,
    rechecked,
    rechecks_set,
)

CUT = "1-cut-vault-access"
GROUP = NamedOutcome(
    action="cut-vault-access",
    outcome="access-through-group",
    reason="Group g opens secrets to it, in vault(s) kv-pay.",
    todo="Take service principal p out of group g.",
)
KEPT = NamedOutcome(action="cut-vault-access", outcome="can-grant-itself", reason="Owner at /subscriptions/s was kept.")


def looked(*left: NamedOutcome) -> At:
    return At(Verified(answer="held", proof="no grant of its own", left=left), CUT)


def cut(*left: NamedOutcome) -> list[object]:
    return [
        beginning(),
        planned(CUT),
        intended(CUT, before={"removing": [{"grant": "g"}]}),
        applied(CUT),
        looked(*left),
        rechecks_set(),
        looked(*left),
        rechecked(1),
    ]


def stands(*entries: object) -> Status:
    records = journal(*entries)  # pyright: ignore[reportArgumentType]
    return status_of(records, just_after(records))


def test_what_a_person_must_settle_keeps_it_from_being_contained() -> None:
    """The identity's own grants are gone, and a group opens the same doors."""
    assert stands(*cut(GROUP)) is Status.NEEDS_ATTENTION


def test_a_later_look_that_finds_it_settled_makes_it_contained() -> None:
    """Nobody has to order anything again."""
    assert stands(*cut(GROUP), looked(), rechecked(2)) is Status.CONTAINED


def test_what_the_policy_keeps_is_told_and_no_obstacle() -> None:
    """It was chosen, so that nobody is called for it."""
    assert stands(*cut(KEPT)) is Status.CONTAINED


def test_view_and_report_name_it_and_what_to_do() -> None:
    """By the same words, and once."""
    records = journal(*cut(GROUP, KEPT))  # pyright: ignore[reportArgumentType]
    view, report = view_of(records, just_after(records)), make_report(records, just_after(records))
    text = as_markdown(report)

    assert [each.outcome for each in view.not_done] == ["access-through-group", "can-grant-itself"]
    assert GROUP.todo in view.todo
    assert GROUP.todo in report.todo
    assert text.count("Take service principal p out of group g") >= 1
    assert "Owner at /subscriptions/s was kept" in text
