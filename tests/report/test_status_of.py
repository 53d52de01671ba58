"""Stories of incidents and where each stands, and one law: no status is better than the last proof."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entries import (
    Entry,
    Escalated,
    Planned,
    Published,
    Rechecked,
    SignalJoined,
    Verified,
    read_entry,
)
from shared.errors import NotFound
from shared.incident import Status, status_of, view_of
from shared.journal import Record, check_chain
from tests.report.journals import (
    BLOCK,
    CONFIRM,
    PLAN,
    REMOVE,
    RENEW,
    START,
    At,
    applied,
    approved,
    beginning,
    closed,
    contained,
    decided,
    done,
    ended,
    held_back,
    intended,
    investigated,
    journal,
    just_after,
    opened,
    planned,
    rechecked,
    rechecks_set,
    signal,
    started,
    step,
    stopped,
    verified,
)

CALL = Escalated(reason="it was undone three times", todo="Find the actor.")


def stands(*entries: Entry | At | Sequence[Entry | At], now: datetime | None = None) -> Status:
    records = journal(*entries)
    return status_of(records, now or just_after(records))


# Before anything is done


def test_an_incident_without_records_is_not_there() -> None:
    """An empty journal is no incident, and least of all an open one."""
    with pytest.raises(NotFound):
        status_of([], START)


def test_what_was_only_taken_in_is_open() -> None:
    """Until the policy was asked, an incident is open."""
    assert stands(opened(), signal()) is Status.OPEN
    assert stands(opened(), signal(), started(), investigated()) is Status.OPEN


def test_what_policy_ignores_is_ignored_once_it_is_closed() -> None:
    """Ignoring takes two records: the decision, and that nothing more is scheduled."""
    entries = [opened(), signal(), started(), investigated(), decided("ignore")]

    assert stands(entries) is Status.OPEN
    assert stands(entries, closed("ignored"), ended()) is Status.IGNORED


def test_a_signal_that_nobody_has_looked_at_reopens_what_was_ignored() -> None:
    """A signal behind the decision was not decided on."""
    entries = [opened(), signal(), started(), investigated(), decided("ignore"), closed("ignored"), ended()]

    assert stands(entries, signal(record="det-2")) is Status.OPEN


def test_a_decision_that_counts_its_signals_leaves_later_ones_undecided() -> None:
    """A signal may be written before a decision that was made without it."""
    late = decided("watch").model_copy(update={"signals": 1})

    assert stands(opened(), signal(), started(), signal(record="det-2"), late) is Status.OPEN
    assert stands(opened(), signal(), started(), late) is Status.WATCHED


def test_what_policy_watches_is_watched() -> None:
    """The verdict watch changes nothing and waits for nobody."""
    assert stands(opened(), signal(), decided("watch"), closed("watched")) is Status.WATCHED


def test_mode_watch_keeps_a_plan_from_being_carried_out() -> None:
    """In mode watch, a verdict to contain is noted and nothing more."""
    assert stands(beginning("watch"), planned(), held_back("mode"), closed("watched"), ended()) is Status.WATCHED


def test_the_mode_of_the_decision_counts_not_that_of_the_opening() -> None:
    """Somebody may turn the mode down between the opening and the decision."""
    assert stands(beginning("act"), planned(), held_back("mode", mode="watch")) is Status.WATCHED
    assert stands(beginning("act"), planned(), held_back("mode")) is Status.NEEDS_ATTENTION


def test_what_was_begun_is_never_only_watched() -> None:
    """Mode watch may hold a later plan back; what an earlier one changed is not undone by that."""
    later = [started(2), investigated(), decided(), planned(hash_="d" * 64), held_back("mode", mode="watch")]

    assert stands(contained(), later) is Status.NEEDS_ATTENTION


@pytest.mark.parametrize("outcome", ["joined", "not-in-tenant"])
def test_what_has_nothing_to_contain_here_is_noted(outcome: str) -> None:
    """The incident of another, or an identity that this tenant does not have, leaves nothing to do."""
    assert stands(opened(), signal(), started(), investigated(), closed(outcome), ended()) is Status.WATCHED


@pytest.mark.parametrize("by", ["verdict", "limits"])
def test_a_plan_that_a_person_can_let_go_awaits_approval(by: str) -> None:
    """An approval helps where the policy asks, or where a limit is reached."""
    assert stands(beginning(), planned(), held_back(by), ended()) is Status.AWAITING_APPROVAL


def test_in_mode_ask_every_plan_awaits_approval() -> None:
    """Mode ask holds the plan back until a person lets it go."""
    assert stands(beginning("ask"), planned(), held_back("mode"), ended()) is Status.AWAITING_APPROVAL


def test_without_a_plan_there_is_nothing_to_approve() -> None:
    """An approval is bound to a plan; where there is none, a person must do more than approve."""
    assert stands(beginning(), held_back("verdict"), ended()) is Status.NEEDS_ATTENTION


def test_a_plan_without_steps_cannot_be_approved_into_containment() -> None:
    """All of no steps hold, and nothing is contained."""
    nothing = planned().model_copy(update={"steps": ()})

    assert stands(beginning(), nothing, held_back("verdict")) is Status.NEEDS_ATTENTION
    assert stands(beginning(), nothing) is Status.NEEDS_ATTENTION
    assert stands(beginning(), nothing, held_back("verdict"), approved(), rechecked(1)) is Status.NEEDS_ATTENTION


def test_an_expired_plan_waits_for_nobody() -> None:
    """After its hour a plan cannot be approved any more, so a person must start again."""
    entries = [*beginning(), planned(expires_in=3600), held_back("verdict"), ended()]

    assert stands(entries, now=START + timedelta(minutes=59)) is Status.AWAITING_APPROVAL
    assert stands(entries, now=START + timedelta(hours=1)) is Status.NEEDS_ATTENTION


@pytest.mark.parametrize("by", ["protected", "unknown-identity", "preflight", "switch"])
def test_what_an_approval_cannot_help_needs_attention(by: str) -> None:
    """Protected, unreadable, impossible or switched off: a person must do something else than approve."""
    assert stands(beginning(), planned(), held_back(by), ended()) is Status.NEEDS_ATTENTION


def test_an_approval_of_another_plan_lets_nothing_go() -> None:
    """What a person approved is exactly one hash."""
    waiting = [*beginning(), planned(), held_back("verdict"), ended()]

    assert stands(waiting, approved("d" * 64)) is Status.AWAITING_APPROVAL
    assert stands(waiting, approved(PLAN)) is Status.CONTAINING


# While it is being done


def test_a_plan_that_nobody_has_begun_is_still_open() -> None:
    """Containing begins with the first intent."""
    assert stands(beginning(), planned()) is Status.OPEN
    assert stands(beginning(), planned(), intended(BLOCK)) is Status.CONTAINING


def test_steps_read_back_are_proving_until_they_are_looked_at_again() -> None:
    """Contained needs a second proof, after the attacker had time to undo the first."""
    entries = [*beginning(), planned(), *done(BLOCK, REMOVE), rechecks_set(), ended()]

    assert stands(entries) is Status.PROVING
    assert stands(entries, rechecked(1, at=7)) is Status.CONTAINED


def test_a_step_that_was_already_so_counts_once_it_is_read_back() -> None:
    """It does not matter who cut it off, as long as a fresh read shows it."""
    entries = [*beginning(), planned(BLOCK), intended(BLOCK), applied(BLOCK, "already"), verified(BLOCK)]

    assert stands(entries) is Status.PROVING


def test_the_services_word_is_no_proof() -> None:
    """Accepted is what the service says; held is what a read shows."""
    entries = [*beginning(), planned(BLOCK), intended(BLOCK), applied(BLOCK), verified(BLOCK, grade="accepted")]

    assert stands(entries) is Status.CONTAINING
    assert stands(entries, rechecked(1, at=7)) is Status.NEEDS_ATTENTION


def test_a_crash_between_write_and_proof_is_containing() -> None:
    """A write that nobody has looked at is under way, whatever the service answered."""
    assert stands(beginning(), planned(BLOCK), intended(BLOCK), applied(BLOCK)) is Status.CONTAINING


def test_a_write_after_the_recheck_takes_its_proof_away() -> None:
    """A recheck tells nothing of what was written after it."""
    again = [intended(BLOCK, 2), applied(BLOCK, round_=2)]

    assert stands(contained(), again) is Status.CONTAINING
    assert stands(contained(), again, verified(BLOCK, round_=2)) is Status.PROVING
    assert stands(contained(), again, verified(BLOCK, round_=2), rechecked(2, at=60)) is Status.CONTAINED


def test_a_recheck_that_finds_it_undone_is_containing_again() -> None:
    """Whoever undid the containment sends the incident back to work."""
    assert stands(contained(), rechecked(2, "not-held", at=60)) is Status.CONTAINING
    assert stands(contained(), verified(BLOCK, "not-held"), rechecked(2, "not-held")) is Status.CONTAINING


def test_a_look_that_could_not_tell_takes_contained_back_to_proving() -> None:
    """Could not look is neither held nor undone; the next look will tell."""
    assert stands(contained(), rechecked(2, "unknown", at=60)) is Status.PROVING
    assert stands(contained(), verified(BLOCK, "unknown"), rechecked(2, "unknown")) is Status.PROVING
    assert stands(contained(), rechecked(5, "unknown", last=True)) is Status.NEEDS_ATTENTION
    assert stands(contained(), verified(BLOCK, "unknown"), rechecked(5, "unknown", last=True)) is Status.NEEDS_ATTENTION


def test_after_a_failed_look_a_new_recheck_is_needed() -> None:
    """A second proof that is older than a failed look, or than a call for a person, proves nothing after it."""
    failed = [*contained(), verified(BLOCK, "not-held"), verified(BLOCK)]
    called = [*contained(), CALL, verified(BLOCK)]

    assert stands(failed) is Status.PROVING
    assert stands(called) is Status.PROVING
    assert stands(failed, rechecked(2, at=60)) is Status.CONTAINED


def test_a_new_plan_must_be_proven_anew() -> None:
    """Old proofs say nothing about steps that were planned after them."""
    replanned = [started(2), investigated(), decided(), planned(hash_="d" * 64)]

    assert stands(contained(), replanned) is Status.CONTAINING
    assert stands(contained(), replanned, done(BLOCK, REMOVE)) is Status.PROVING


def test_a_signal_that_joins_a_contained_incident_takes_nothing_away() -> None:
    """It points to what is contained already."""
    assert stands(contained(), signal(record="det-2")) is Status.CONTAINED
    assert stands(contained(), signal(record="det-2"), started(2), ended()) is Status.CONTAINED


# How it ends


def test_what_held_does_not_hide_what_did_not() -> None:
    """Sign-in is blocked and proven, and still a person must see to the certificate."""
    names = (BLOCK, RENEW)
    entries = [
        *beginning(),
        planned(*names),
        *done(BLOCK),
        intended(RENEW),
        stopped(RENEW),
        rechecks_set(),
        ended(),
    ]

    assert stands(entries) is Status.NEEDS_ATTENTION
    assert stands(entries, rechecked(1, at=7)) is Status.NEEDS_ATTENTION

    steps = {s.id: s for s in view_of(journal(entries), START).steps}

    assert (steps[BLOCK].state, steps[RENEW].state) == ("held", "stopped")
    assert steps[RENEW].todo == "Grant the permission, then order again."


def test_a_stopped_step_waits_for_those_in_motion() -> None:
    """While another step is under way, it is not over yet."""
    entries = [*beginning(), planned(BLOCK, REMOVE), intended(BLOCK), intended(REMOVE), stopped(BLOCK)]

    assert stands(entries) is Status.CONTAINING
    assert stands(entries, applied(REMOVE), verified(REMOVE)) is Status.NEEDS_ATTENTION


def test_a_step_that_does_not_show_its_effect_is_tried_again() -> None:
    """Replicas lag; as long as work goes on, the incident is containing."""
    entries = [*beginning(), planned(BLOCK), intended(BLOCK), applied(BLOCK), verified(BLOCK, "not-held")]

    assert stands(entries) is Status.CONTAINING
    assert stands(entries, ended(more=True)) is Status.CONTAINING
    assert stands(entries, ended(more=True), rechecked(1)) is Status.CONTAINING
    assert stands(entries, ended()) is Status.NEEDS_ATTENTION


@pytest.mark.parametrize("answer", ["not-held", "unknown"])
def test_a_step_left_unproven_needs_attention(answer: str) -> None:
    """Whoever goes on to the rechecks without a step has given it up."""
    entries = [*beginning(), planned(BLOCK, CONFIRM), *done(BLOCK), intended(CONFIRM), verified(CONFIRM, answer)]

    assert stands(entries, rechecked(1, at=7)) is Status.NEEDS_ATTENTION
    assert stands(entries, closed("contained")) is Status.NEEDS_ATTENTION


def test_telling_others_contains_nothing() -> None:
    """A plan of steps that only inform leaves the identity as free as it was."""
    only = planned(CONFIRM).model_copy(update={"steps": (step(CONFIRM, contains=False),)})

    assert stands(beginning(), only, done(CONFIRM), rechecked(1, at=7)) is Status.NEEDS_ATTENTION


def test_a_call_for_a_person_stands_until_something_newer_is_known() -> None:
    """An escalation is the last word, also when the incident is only closed after it; a new proof is newer."""
    assert stands(contained(), CALL) is Status.NEEDS_ATTENTION
    assert stands(contained(), CALL, closed("contained")) is Status.NEEDS_ATTENTION
    assert stands(contained(), CALL, rechecked(2, at=60)) is Status.CONTAINED


def test_the_switch_stops_a_containment_in_the_middle() -> None:
    """What was under way may be written down after the stop; it does not hide the stop."""
    half = [*beginning(), planned(), *done(BLOCK), held_back("switch")]

    assert stands(half) is Status.NEEDS_ATTENTION
    assert stands(half, verified(BLOCK)) is Status.NEEDS_ATTENTION
    assert stands(half, applied(BLOCK), verified(BLOCK)) is Status.NEEDS_ATTENTION
    assert stands(half, verified(BLOCK), ended(), started(2), intended(REMOVE)) is Status.CONTAINING


def test_work_that_has_fallen_silent_needs_attention() -> None:
    """A worker that died and did not come back leaves nothing under way."""
    entries = [*beginning(), planned(BLOCK), intended(BLOCK)]

    assert stands(entries, now=START + timedelta(minutes=20)) is Status.CONTAINING
    assert stands(entries, now=START + timedelta(minutes=40)) is Status.NEEDS_ATTENTION
    assert stands(opened(), signal(), now=START + timedelta(minutes=40)) is Status.NEEDS_ATTENTION


def test_silence_after_a_proof_takes_nothing_away() -> None:
    """What was proven stays proven; the report says when it was looked at last."""
    assert stands(contained(), now=START + timedelta(days=3)) is Status.CONTAINED


def test_a_step_that_was_planned_again_is_proven_again_even_if_a_later_plan_leaves_it_out() -> None:
    """An empty plan and a look at nothing do not make up for the proof that the plan before it asked for."""
    empty = planned(BLOCK).model_copy(update={"steps": ()})

    assert stands(contained(), planned(), empty, rechecked(1, "held")) is not Status.CONTAINED


# The law


_STEPS = st.sampled_from((BLOCK, REMOVE))
_ANSWERS = st.sampled_from(("held", "held", "not-held", "unknown"))
_ENTRIES = st.one_of(
    st.builds(intended, _STEPS),
    st.builds(applied, _STEPS, st.sampled_from(("accepted", "already", "refused", "unknown"))),
    st.builds(verified, _STEPS, _ANSWERS, st.sampled_from(("read-back", "read-back", "held", "accepted"))),
    st.builds(stopped, _STEPS),
    st.builds(rechecked, st.integers(0, 5), _ANSWERS, last=st.booleans()),
    st.builds(decided, st.sampled_from(("ignore", "watch", "ask", "contain"))),
    st.sampled_from((planned(), planned(BLOCK), planned(BLOCK).model_copy(update={"steps": ()}))),
    st.builds(held_back, st.sampled_from(("mode", "verdict", "limits", "protected", "switch", "preflight"))),
    st.builds(approved, st.sampled_from((PLAN, "d" * 64))),
    st.builds(closed, st.sampled_from(("ignored", "watched", "contained", "needs-attention", "not-in-tenant"))),
    st.builds(ended, more=st.booleans()),
    st.sampled_from((started(), investigated(), signal(), CALL, rechecks_set(), Published(type="t", id="i"))),
)
_BEGINNINGS = st.sampled_from(
    (
        [opened(), signal()],
        [opened("watch"), signal()],
        [*beginning(), planned(), held_back("limits")],
        [*beginning(), planned(), *done(BLOCK, REMOVE)],
        contained(),
    )
)


def last_proofs(records: Sequence[Record]) -> tuple[bool, bool, bool]:
    """
    What may at most be claimed, told by walking the journal once from its beginning:
    was anything touched, do all steps hold by their last proof, and was that seen again afterwards?
    """
    touched, again, plan = False, False, set[str]()
    holds: dict[str, bool] = {}
    for record in records:
        match read_entry(record):
            case Planned(steps=steps):
                plan, again = {s.id for s in steps}, False
                holds |= dict.fromkeys(plan, False)
            case Verified() as seen:
                touched = True
                holds[record.step or ""] = seen.answer == "held" and seen.grade != "accepted"
                again = again and holds[record.step or ""]
            case Rechecked(answer=answer, number=number):
                again = answer == "held" and number >= 1
            case Escalated():
                again = False
            case _ if record.step is not None:
                touched, holds[record.step], again = True, False, False
            case _:
                pass
    begun = {name for name in holds if name in plan or any(r.step == name for r in records)}
    return touched, bool(begun) and all(holds[name] for name in begun), again


@settings(max_examples=100, deadline=None)
@given(_BEGINNINGS, st.lists(_ENTRIES, max_size=25))
def test_no_status_is_better_than_the_last_proof(first: list[Entry | At], then: list[Entry | At]) -> None:
    """Whatever is written in whatever order: claims follow proofs, for every prefix of the journal."""
    records = journal(first, then)
    check_chain(records)

    for length in range(1, len(records) + 1):
        prefix = records[:length]
        touched, all_hold, seen_again = last_proofs(prefix)
        match status_of(prefix, prefix[-1].time):
            case Status.CONTAINED:
                assert all_hold
                assert seen_again
            case Status.PROVING:
                assert touched
                assert any(isinstance(e := read_entry(r), Verified) and e.answer == "held" for r in prefix)
            case Status.IGNORED | Status.WATCHED | Status.OPEN:
                assert not touched
            case _:
                pass


@settings(max_examples=80, deadline=None)
@given(_BEGINNINGS, st.lists(_ENTRIES, max_size=15))
def test_time_alone_makes_no_incident_better(first: list[Entry | At], then: list[Entry | At]) -> None:
    """A status that was not contained does not become so by waiting."""
    records = journal(first, then)
    at_once, later = (status_of(records, records[-1].time + timedelta(hours=h)) for h in (0, 12))

    assert later in (at_once, Status.NEEDS_ATTENTION)


@settings(max_examples=80, deadline=None)
@given(st.lists(_ENTRIES, max_size=15))
def test_a_later_signal_makes_nothing_less_contained(then: list[Entry | At]) -> None:
    """A signal that joins an incident changes no proof."""
    records = journal(contained(), then)
    joined = journal(contained(), then, signal(record="late"))

    if status_of(records, records[-1].time) in (Status.CONTAINED, Status.PROVING):
        assert status_of(joined, joined[-1].time) is status_of(records, records[-1].time)


def test_the_view_tells_the_incident_in_short() -> None:
    """The list of incidents shows who, where it stands and what is left to do."""
    records = journal(contained(BLOCK, REMOVE), signal(record="det-2"))
    view = view_of(records, just_after(records))

    assert (view.status, view.signals, view.plan_hash) == (Status.CONTAINED, 2, PLAN)
    assert view.identity is not None
    assert view.identity.display_name == "payroll-sync"
    assert view.subject.startswith("service principal 2222")
    assert [s.state for s in view.steps] == ["held", "held"]
    assert view.todo == ()
    assert view.opened_at == records[0].time
    assert isinstance(read_entry(records[-1]), SignalJoined)
