"""Stories of reports: what somebody reads who was woken at 3 a.m. and has never seen the incident."""

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entries import (
    Applied,
    ConditionAnswer,
    Entry,
    Escalated,
    Intended,
    Investigated,
    NamedOutcome,
    PartRead,
    RuleAnswer,
    WriteOutcome,
)
from shared.errors import JournalDamaged, NotFound
from shared.incident import Status, status_of
from shared.journal import NO_RECORD, IncidentId, seal
from shared.report import Report, as_markdown, make_report
from shared.report.words import duration, step_name, utc_at_latest
from tests.report.journals import (
    APPLICATION,
    BLOCK,
    CERTIFICATE,
    CONFIRM,
    FEDERATED,
    LEAKED,
    PLAN,
    PRINCIPAL,
    REMOVE,
    RENEW,
    SAML,
    START,
    At,
    applied,
    approved,
    beginning,
    closed,
    contained,
    credential,
    decided,
    done,
    ended,
    held_back,
    identity,
    intended,
    investigated,
    journal,
    just_after,
    opened,
    planned,
    pre_image,
    rechecked,
    rechecks_set,
    signal,
    started,
    stopped,
    verified,
)


def report(*entries: Entry | At | Sequence[Entry | At]) -> Report:
    records = journal(*entries)
    return make_report(records, just_after(records))


# The first sentence


def test_the_headline_says_who_is_contained_since_when_and_what_is_left() -> None:
    """Whoever reads one line only knows the identity, the state, the time and the next thing to do."""
    told = report(contained())

    assert told.status is Status.CONTAINED
    assert told.contained_since == START + timedelta(seconds=7)
    assert "“payroll-sync”" in told.headline
    assert PRINCIPAL in told.headline
    assert "is contained since 2026-03-02 03:00:07.0 UTC: 2 of 2 step(s) hold" in told.headline
    assert f"A person must still: {told.todo[0]}" in told.headline


def test_what_held_is_told_also_when_something_else_did_not() -> None:
    """Sign-in is blocked and proven while the certificate could not be made: the headline says both."""
    told = report(beginning(), planned(BLOCK, RENEW), done(BLOCK), intended(RENEW), stopped(RENEW), ended())

    assert told.status is Status.NEEDS_ATTENTION
    assert "not known to be contained" in told.headline
    assert (
        "1 of 2 step(s) hold (1-block-sign-in); not: 3-replace-credentials-new-certificate (stopped)" in told.headline
    )
    assert told.todo[0] == "Grant the permission, then order again."
    assert [(n.what, n.outcome) for n in told.not_done] == [(RENEW, "permission-missing")]
    assert {step.id: step.state for step in told.done} == {BLOCK: "held", RENEW: "stopped"}


def test_mode_watch_says_that_nothing_was_changed_and_what_would_have_been() -> None:
    """The would-have-done report is what an operator reads before letting Cordon act."""
    told = report(beginning("watch"), planned(), held_back("mode"), closed("watched"), ended())
    text = as_markdown(told)

    assert told.nothing_changed
    assert told.headline.startswith("Nothing was changed.")
    assert "**Nothing was changed.**" in text
    assert [step.id for step in told.ahead] == [BLOCK, REMOVE]
    assert "In mode act, this would have been done." in text
    assert told.done == ()
    assert told.undo == ()
    assert {c.fate for c in told.credentials} == {"kept"}


def test_a_plan_that_waits_is_told_with_its_hash() -> None:
    """Approving means approving exactly this hash, so the report holds it where one looks for it."""
    told = report(beginning("ask"), planned(expires_in=3600), held_back("mode"), ended())

    assert told.status is Status.AWAITING_APPROVAL
    assert [task for task in told.todo if PLAN in task] == [told.todo[0]]
    assert told.appendix.plan_hash == PLAN
    assert told.nothing_changed
    assert f"`{PLAN}`, good until 2026-03-02 04:00:00.0 UTC" in as_markdown(told)


def test_an_unknown_identity_is_told_by_the_ids_of_the_signal() -> None:
    """Where the tenant could not be read, the claim of the signal is all there is, and it is called so."""
    unread = Investigated(parts=(PartRead(name="identity", known=False, why_not="Graph answered 503"),))
    told = report(opened(), signal(), unread, decided("ask"), held_back("unknown-identity", todo="Find out why."))
    text = as_markdown(told)

    assert told.who.display_name is None
    assert told.who.principal_id == PRINCIPAL
    assert told.why.unknown == ("identity: Graph answered 503",)
    assert told.todo == ("Find out why.",)
    assert "that does not mean that there is none" in text


# What was done, and its proof


def test_every_step_is_told_with_before_and_after_answer_and_proof() -> None:
    """An auditor sees for each step what was there, what the service said and what a read showed, and when."""
    told = report(contained(BLOCK))
    (step,) = told.done

    assert [(c.name, c.before, c.after) for c in step.changes] == [("accountEnabled", "true", "false")]
    assert [(a.write, a.outcome) for a in step.answers] == [(f"write of {BLOCK}", "accepted")]
    assert step.before == {"accountEnabled": True}
    assert step.proof == f"a fresh read of {BLOCK}: held"
    assert step.seconds_to_first_proof == pytest.approx(0.7)
    assert "0.7 s after the signal was accepted" in as_markdown(told)


def test_the_grade_of_a_proof_rises_with_the_recheck() -> None:
    """A first read is read-back; a read after the race window is held."""
    once = [*beginning(), planned(BLOCK), *done(BLOCK)]

    assert report(once).done[0].grade == "read-back"
    assert report(once, rechecked(1, at=7)).done[0].grade == "held"
    assert (
        report(beginning(), planned(BLOCK), intended(BLOCK), verified(BLOCK, grade="accepted")).done[0].grade
        == "accepted"
    )


def test_the_first_pre_image_is_the_way_back_not_what_a_second_round_found() -> None:
    """In a second round the tenant shows Cordon's own work or the attacker's; only the first image is the owner's."""
    again = [intended(BLOCK, 2, before={"accountEnabled": False}), applied(BLOCK, round_=2), verified(BLOCK, round_=2)]
    told = report(contained(BLOCK), rechecked(2, "not-held", at=60), again)

    assert told.done[0].before == {"accountEnabled": True}
    assert told.done[0].rounds == 2
    assert '{"accountEnabled": true}' in told.undo[0].calls[0]


def test_the_timeline_tells_every_record_with_its_distance_from_the_signal() -> None:
    """Durations count from the acceptance of the first signal."""
    told = report(contained())
    signal_line = next(m for m in told.timeline if m.kind == "signal")

    assert len(told.timeline) == told.appendix.records
    assert [m.at for m in told.timeline] == sorted(m.at for m in told.timeline)
    assert signal_line.seconds == 0
    assert "2 min 00 s after 2026-03-02 02:58:00.0 UTC" in signal_line.text
    assert told.timeline[-1].seconds == pytest.approx(6.9)


def test_a_flood_of_signals_leaves_the_markdown_readable() -> None:
    """A timeline of a thousand lines is cut in the middle, and says so; JSON has all of them."""
    told = report(contained(), [signal(record=f"det-{n}") for n in range(1000)])

    assert len(told.timeline) > 1000
    assert len(as_markdown(told).splitlines()) < 500
    assert "more; the report as JSON has them all" in as_markdown(told)
    assert told.contained_since == START + timedelta(seconds=7)


# Why


def test_the_reasons_of_every_condition_are_told_up_to_the_deciding_rule() -> None:
    """A person sees which rule decided, what each condition answered, and what the rules before it lacked."""
    told = report(contained())

    assert (told.why.verdict, told.why.rule) == ("contain", "leaked-credential")
    assert [(r.rule, r.decided) for r in told.why.rules] == [("agents-first", False), ("leaked-credential", True)]
    assert [(c.depth, c.condition, c.answer) for c in told.why.rules[0].conditions] == [
        (0, "all", "not-met"),
        (1, "identity-kind", "not-met"),
    ]


def test_what_could_not_be_judged_is_told_as_unknown() -> None:
    """Unknown is neither met nor not met, and a person should know what Cordon could not see."""
    blind = ConditionAnswer(condition="risk-state", answer="unknown", reason="no licence")
    verdict = decided("ask").model_copy(
        update={"rules": (RuleAnswer(rule="risky", verdict="contain", finding=blind),), "rule": "risky"}
    )

    assert report(opened(), signal(), investigated(), verdict).why.unknown == ("risk-state: no licence",)


# Credentials


def test_every_credential_is_told_with_what_became_of_it() -> None:
    """Removed ones with their proof, kept ones with the reason, the new one with where to fetch it."""
    told = report(contained(BLOCK, REMOVE, RENEW))
    fates = {c.id: c for c in told.credentials}

    assert {fates[i].fate for i in (LEAKED, CERTIFICATE, FEDERATED)} == {"removed"}
    assert fates[LEAKED].accused
    assert fates[SAML].fate == "kept"
    assert "SAML signing" in fates[SAML].why
    assert fates["AB" * 20].fate == "added"
    assert "vault handover-kv, certificate cordon-inc-1, version v1" in fates["AB" * 20].why
    assert any("The owner must fetch the new certificate from vault handover-kv" in task for task in told.todo)


def test_a_removal_that_was_not_proven_is_in_doubt() -> None:
    """Accepted is not gone: until a read shows it, somebody must look."""
    entries = [*beginning(), planned(BLOCK, REMOVE), *done(BLOCK), intended(REMOVE), applied(REMOVE)]
    told = report(entries)

    assert {c.fate for c in told.credentials if c.id == LEAKED} == {"in-doubt"}
    assert any(f"Check secret {LEAKED} on application {APPLICATION}" in task for task in told.todo)


def test_a_refused_removal_is_told_with_the_refusal() -> None:
    """The service's reason stands beside the credential that is still there."""
    refused = WriteOutcome(write=f"removePassword {LEAKED}", outcome="refused", detail="locked by its application")
    entries = [*beginning(), planned(REMOVE), intended(REMOVE), At(Applied(writes=(refused,)), REMOVE)]
    told = report(entries, verified(REMOVE, "not-held"), stopped(REMOVE, "instance-locked"))

    assert (
        next(c.why for c in told.credentials if c.id == LEAKED) == "its removal was refused: locked by its application"
    )


def test_a_credential_seen_after_the_removal_is_still_there() -> None:
    """What an attacker adds later was not removed by what came before."""
    added = credential("password", "55555555-5555-5555-5555-555555555559", "backdoor")
    seen = identity().model_copy(update={"credentials": (added,)})
    told = report(contained(), started(2), investigated(seen), decided("ask"), planned(), held_back("verdict"))
    fates = {c.id: c.fate for c in told.credentials}

    assert fates[added.id] == "still-there"
    assert fates[LEAKED] == "removed"
    assert any(added.id in task for task in told.todo)


def test_a_credential_added_between_look_and_removal_is_told_too() -> None:
    """The pre-image names it, although the investigation has not seen it."""
    image = pre_image(REMOVE) | {"passwords": [LEAKED, "55555555-5555-5555-5555-555555555558"]}
    told = report(beginning(), planned(REMOVE), intended(REMOVE, before=image), applied(REMOVE), verified(REMOVE))

    assert {c.fate for c in told.credentials if c.id.endswith("558")} == {"removed"}


# How long tokens live on


def test_token_ends_count_from_the_proof_of_the_block_and_are_never_early() -> None:
    """90 minutes for ordinary tokens, 24 hours at worst, from five minutes after the read that showed it; Graph 15."""
    told = report(contained())
    proven = next(m.at for m in told.timeline if m.kind == "verified" and m.step == BLOCK)

    assert told.tokens.block_proven_at == proven
    assert told.tokens.ordinary_until == proven + timedelta(minutes=95)
    assert told.tokens.graph_until == proven + timedelta(minutes=15)
    assert told.tokens.longest_until == proven + timedelta(hours=24, minutes=5)
    assert "no longer than 2026-03-02 04:36 UTC" in as_markdown(told)


@pytest.mark.parametrize("kind", ["own-multi-tenant", "foreign", "microsoft"])
def test_graph_revokes_nothing_early_for_what_is_not_single_tenant(kind: str) -> None:
    """Continuous access evaluation covers this tenant's own single-tenant applications only."""
    seen = investigated(identity(kind=kind))
    told = report(opened(), signal(), seen, decided(), planned(BLOCK), done(BLOCK), rechecked(1, at=7))

    assert told.tokens.graph_until is None
    assert told.tokens.ordinary_until is not None


def test_a_managed_identitys_tokens_are_cached_for_a_day() -> None:
    """No revocation reaches them, so 24 hours are assumed."""
    seen = investigated(identity(kind="managed-identity"))
    told = report(opened(), signal(), seen, decided(), planned(BLOCK), done(BLOCK), rechecked(1, at=7))

    assert told.tokens.block_proven_at is not None
    assert told.tokens.ordinary_until == told.tokens.block_proven_at + timedelta(hours=24, minutes=5)


def test_a_block_that_was_undone_counts_from_its_new_proof() -> None:
    """Between the two blocks, new tokens may have been issued."""
    again = [
        verified(BLOCK, "not-held", at=60),
        rechecked(2, "not-held"),
        intended(BLOCK, 2),
        applied(BLOCK, round_=2),
        verified(BLOCK, round_=2, at=62),
    ]
    told = report(contained(BLOCK), again)

    assert told.tokens.block_proven_at == START + timedelta(seconds=62)


def test_a_block_that_stood_while_something_else_was_undone_counts_from_its_first_proof() -> None:
    """A credential that was added again says nothing about sign-in, which the same look saw blocked."""
    look = [verified(BLOCK, at=60), verified(REMOVE, "not-held"), rechecked(2, "not-held")]
    told = report(contained(), look, intended(REMOVE, 2), applied(REMOVE, round_=2), verified(REMOVE, round_=2))

    assert told.tokens.block_proven_at == report(contained()).tokens.block_proven_at


@pytest.mark.parametrize(
    "entries",
    [
        [*beginning(), planned(REMOVE), *done(REMOVE), rechecked(1, at=7)],
        [*beginning(), planned(BLOCK), intended(BLOCK), applied(BLOCK)],
        [*beginning(), planned(BLOCK), intended(BLOCK), applied(BLOCK), verified(BLOCK, grade="accepted")],
        [*contained(BLOCK), verified(BLOCK, "unknown", at=60), rechecked(2, "unknown")],
    ],
    ids=["no block", "not read back", "only accepted", "not known any more"],
)
def test_without_a_proven_block_no_end_is_promised(entries: list[Entry | At]) -> None:
    """Where new tokens may still be issued, no time can be given."""
    told = report(entries)

    assert told.tokens.ordinary_until is None
    assert told.tokens.not_known
    assert any(task.startswith("Take it that access goes on") for task in told.todo)


# The way back


def test_the_way_back_names_calls_ids_and_what_cannot_come_back() -> None:
    """A person can undo it by hand: newest step first, sign-in last."""
    told = report(contained(BLOCK, REMOVE, RENEW, CONFIRM))
    ways = {way.step: way for way in told.undo}

    assert [way.step for way in told.undo] == [CONFIRM, RENEW, REMOVE, BLOCK]
    assert ways[BLOCK].calls == (f'PATCH /servicePrincipals/{PRINCIPAL} {{"accountEnabled": true}}',)
    assert ways[REMOVE].calls[0].startswith(f"POST /applications/{APPLICATION}/federatedIdentityCredentials ")
    assert json.loads(ways[REMOVE].calls[0].split(" ", 2)[2])["subject"] == "repo:main"
    assert LEAKED in (ways[REMOVE].cannot or "")
    assert ways[CONFIRM].calls[0].startswith("POST /identityProtection/riskyServicePrincipals/dismiss")
    assert "AB" * 20 in ways[RENEW].restores


def test_the_way_back_begins_with_the_order_that_lets_cordon_go_it() -> None:
    """By hand is for whoever would rather not; what was undone already is not offered again."""
    told = report(contained(BLOCK, REMOVE))
    text = as_markdown(told)

    assert f"POST /api/incidents/{told.incident}/undo" in text
    assert text.index("/undo") < text.index("By hand, by a person")


def test_what_was_so_before_is_not_given_back() -> None:
    """An identity that was disabled before Cordon came stays disabled."""
    entries = [intended(BLOCK, before={"accountEnabled": False}), applied(BLOCK, "already"), verified(BLOCK)]
    told = report(beginning(), planned(BLOCK), entries)

    assert told.undo[0].calls == ()
    assert told.undo[0].restores.startswith("nothing")


def test_an_instance_lock_that_was_lifted_can_be_put_back() -> None:
    """A step that broke off between its writes may have left it off."""
    image = pre_image(REMOVE) | {"instanceLock": {"isEnabled": True, "allProperties": True}, "lockedBy": APPLICATION}
    told = report(beginning(), planned(REMOVE), intended(REMOVE, before=image), stopped(REMOVE, "instance-locked"))

    assert any("servicePrincipalLockConfiguration" in call for call in told.undo[0].calls)


def test_an_action_without_words_of_its_own_is_told_from_its_changes() -> None:
    """A new action needs no change here: its planned changes and its image tell the way back."""
    name = "1-cut-a-thing"
    strange = planned(BLOCK)
    other = strange.steps[0].model_copy(update={"id": name, "action": "cut-a-thing"})
    entries = [strange.model_copy(update={"steps": (other,)}), intended(name, before={"was": "so"}), applied(name)]
    told = report(beginning(), entries)

    assert "accountEnabled back to true" in told.undo[0].restores
    assert '"was": "so"' in told.undo[0].restores


# What was not done


def test_named_outcomes_are_told_with_what_to_do_about_them() -> None:
    """What is not possible here has a name, a reason and a next step."""
    outcome = NamedOutcome(action="replace-credentials", outcome="no-application-here", reason="registered elsewhere")
    told = report(beginning(), planned(BLOCK, not_done=[outcome]), done(BLOCK), rechecked(1, at=7))

    assert told.status is Status.CONTAINED
    assert told.not_done[0].outcome == "no-application-here"
    assert told.not_done[0].todo in told.todo


def test_a_held_back_plan_is_told_as_not_done() -> None:
    """Over the limit, nothing of the plan was done, and a person must confirm."""
    told = report(beginning(), planned(), held_back("limits", todo="Confirm it."), ended())

    assert [(n.what, n.outcome, n.todo) for n in told.not_done] == [("the plan", "held-back-by-limits", "Confirm it.")]


def test_a_call_for_a_person_is_the_reason_and_the_first_task() -> None:
    """Whoever is called must read first why."""
    call = Escalated(reason="The containment was undone 3 times by somebody else", todo="Find the actor.")
    told = report(contained(), call)

    assert "undone 3 times by somebody else." in told.headline
    assert told.todo[0] == "Find the actor."


# What never is in it


def test_no_field_that_could_hold_a_secret_is_passed_on() -> None:
    """Should one slip into a pre-image, the report drops it by its name, wherever it lies."""
    planted = "planted-secret-value"
    image = pre_image(REMOVE) | {
        "secretText": planted,
        "deep": [{"Key": planted, "value": planted, "hint": planted, "keyId": LEAKED}],
        "federated": [{"id": FEDERATED, "name": "n", "issuer": "i", "claimsMatchingExpression": {"value": planted}}],
    }
    told = report(beginning(), planned(REMOVE), intended(REMOVE, before=image), applied(REMOVE), verified(REMOVE))

    assert planted not in as_markdown(told)
    assert planted not in told.model_dump_json()
    assert LEAKED in told.model_dump_json()


def test_the_json_names_its_version_and_keeps_its_names() -> None:
    """Machines read this: names are camelCase and may not change while reportVersion is 1."""
    told = report(contained()).model_dump(mode="json")

    assert told["reportVersion"] == 1
    names = (
        "reportVersion incident writtenAt status headline nothingChanged containedSince lookedAt mode who call todo "
        "timeline why done seenInPractice ahead notDone credentials tokens undo undone "
        "secrets causedBy case appendix forecast"
    )
    assert set(told) == set(names.split())
    assert json.loads(json.dumps(told)) == told
    assert Report.model_validate(told) == report(contained())


def test_the_appendix_names_the_evidence() -> None:
    """Incident, policy, plan and journal head are what an auditor compares."""
    records = journal(contained())
    appendix = make_report(records, just_after(records)).appendix

    assert (appendix.incident, appendix.plan_hash) == ("inc-1", PLAN)
    assert (appendix.journal_head, appendix.records) == (records[-1].hash, len(records))


def test_there_is_no_report_without_a_journal_or_of_records_from_the_future() -> None:
    """An incident that is not there has no report, and a record that cannot be read is not skipped."""
    records = journal(contained())
    strange = seal(IncidentId("inc-1"), len(records), START, "from-the-future", None, {}, records[-1].hash)

    with pytest.raises(NotFound):
        make_report([], START)
    with pytest.raises(JournalDamaged):
        make_report([*records, strange], START)
    with pytest.raises(JournalDamaged):
        make_report([seal(IncidentId("inc-1"), 0, START, "work-ended", None, {}, NO_RECORD)], START)


# For every journal


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_contained_since_is_the_first_moment_of_an_unbroken_run(data: st.DataObject) -> None:
    """Every prefix from that record on is contained, and the one before it is not."""
    more = st.one_of(
        st.builds(rechecked, st.integers(0, 5), st.sampled_from(("held", "held", "not-held", "unknown"))),
        st.builds(verified, st.sampled_from((BLOCK, REMOVE)), st.sampled_from(("held", "held", "unknown"))),
        st.builds(approved),
        st.sampled_from((signal(record="x"), started(2), ended(), rechecks_set(2), Escalated(reason="r", todo="t"))),
    )
    records = journal(contained(), data.draw(st.lists(more, max_size=10)))
    told = make_report(records, records[-1].time)
    contained_ = [status_of(records[: n + 1], records[n].time) is Status.CONTAINED for n in range(len(records))]

    if not contained_[-1]:
        assert told.contained_since is None
    else:
        first = len(contained_) - next((n for n, so in enumerate(reversed(contained_)) if not so), len(contained_))
        assert told.contained_since == records[first].time


@pytest.mark.parametrize("length", range(1, 17))
def test_every_prefix_of_a_story_has_a_report(length: int) -> None:
    """Whenever somebody asks, there is something true to read."""
    records = journal(contained())[:length]
    told = make_report(records, just_after(records))

    assert told.headline
    assert as_markdown(told).startswith("# Incident report\n")
    assert told.nothing_changed == (not any(r.kind in (Intended.kind, Applied.kind) for r in records))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (1.24, "1.2 s"),
        (42, "42 s"),
        (185, "3 min 05 s"),
        (5700, "1 h 35 min"),
        (273600, "3 d 4 h"),
        (-2, "-2.0 s"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    """Tenths below ten seconds, then seconds, minutes, hours and days."""
    assert duration(seconds) == text


def test_an_end_is_rounded_up_to_the_minute() -> None:
    """An end that is told too early would be a lie."""
    assert utc_at_latest(START) == "2026-03-02 03:00 UTC"
    assert utc_at_latest(START + timedelta(microseconds=1)) == "2026-03-02 03:01 UTC"


def test_a_steps_name_is_told_without_the_object_beside_it() -> None:
    """The object's id stands beside it anyway."""
    assert step_name(REMOVE) == "2-replace-credentials-application"
    assert step_name(BLOCK) == BLOCK


def test_once_the_last_token_has_ended_other_tasks_come_first() -> None:
    """Nobody is sent to watch what is over; what it did meanwhile is still to be looked at."""
    records = journal(contained(BLOCK, REMOVE, RENEW))
    told = make_report(records, START + timedelta(hours=3))

    assert told.todo[0].startswith("The owner must fetch the new certificate")
    assert any("did until 2026-03-02 04:36 UTC, when its last ordinary token ended" in task for task in told.todo)
