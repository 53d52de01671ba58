"""Carrying out a plan: intent, effect, answer and proof of each step, whatever comes between."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.actions.interface import Means
from shared.case import CouldNotLook
from shared.entries import (
    Applied,
    HeldBack,
    Intended,
    Planned,
    PlannedStep,
    StepStopped,
    UndoOrdered,
    UndoVerified,
    Verified,
    WorkStarted,
    WriteOutcome,
)
from shared.errors import (
    CannotBeRead,
    CordonError,
    InstanceLocked,
    OperatorMustAct,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    SequenceTaken,
    Unreachable,
)
from shared.journal import MemoryJournal
from shared.plan import make_plan
from shared.policy import ActionChoice
from shared.tenant import WriteRefused
from tests.engine.bench import INCIDENT, Bench, play
from tests.fakes import PAYROLL, START, FakeSwitch, password, payroll

BLOCKED, KEPT_SECRET = "accountEnabled=False", password(1).key_id
STATE = payroll(application=[password(1)])
DARK = CouldNotLook("the service does not answer", may_help_later=True)


def _undo_each_block(bench: Bench, times: int = 1_000) -> None:
    """Somebody enables the identity again after each block, this often."""
    left = times

    def enable(name: str) -> None:
        nonlocal left
        if name == BLOCKED and left:
            left -= 1
            bench.directory.state = replace(bench.directory.state, enabled=True)

    bench.directory.after_write = enable


def _raise_once(bench: Bench, error: CordonError, *, after: bool = False) -> None:
    """The first write fails so, before or after it took effect."""
    pending = [error]

    def fail(_: str) -> None:
        if pending:
            raise pending.pop()

    if after:
        bench.directory.after_write = fail
    else:
        bench.directory.before_write = fail


# One step


def test_a_step_tells_what_was_there_what_was_answered_and_what_a_fresh_read_shows() -> None:
    """Intent, answer and proof stand in the journal in this order, each of the first round."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        done = await bench.carry_out(plan)
        intended, applied, verified = bench.told(step)

        assert done
        assert intended == Intended(
            plan_hash=plan.hash, round=1, before={"accountEnabled": True}, writes=("PATCH accountEnabled=false",)
        )
        assert applied == Applied(
            round=1, writes=(WriteOutcome(write="PATCH accountEnabled=false", outcome="accepted"),)
        )
        assert isinstance(verified, Verified)
        assert (verified.round, verified.answer, verified.read_at) == (1, "held", START)
        assert "accountEnabled is false" in verified.proof
        assert bench.directory.effects == [BLOCKED]
        assert bench.seconds() == 0

    play(story, STATE)


def test_what_lasts_beyond_the_plan_is_left_to_those_who_work_it() -> None:
    """The execution neither carries it out nor waits for it."""

    async def story(bench: Bench) -> None:
        choices = [ActionChoice("block-sign-in", {}), ActionChoice("rotate-secrets", {})]
        means = Means(INCIDENT, handover_vault=False, estate=True)
        plan = await bench.write_down(make_plan(choices, STATE, means, bench.clock()))
        _, rotate = plan.steps

        assert await bench.carry_out(plan)
        assert bench.told(rotate) == []
        assert bench.execution().is_settled(rotate)
        assert bench.directory.effects == [BLOCKED]

    play(story, STATE)


def test_what_does_not_hold_is_tried_six_times_over_half_a_minute_and_then_left() -> None:
    """Each round reads what is there anew, writes, looks and looks again; nobody is told that it is done."""

    async def story(bench: Bench) -> None:
        _undo_each_block(bench)
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        done = await bench.carry_out(plan, bench.execution().new_look())

        assert not done
        assert bench.directory.effects == [BLOCKED] * 6
        assert [intent.round for intent in bench.chain.all(Intended)] == [1, 2, 3, 4, 5, 6]
        assert [applied.round for applied in bench.chain.all(Applied)] == [1, 2, 3, 4, 5, 6]
        assert [proof.round for proof in bench.chain.all(Verified, step.id)] == [n // 2 + 1 for n in range(12)]
        assert {proof.answer for proof in bench.chain.all(Verified)} == {"not-held"}
        assert bench.seconds() == 36

    play(story, STATE)


def test_what_comes_back_once_is_done_again_and_no_third_time() -> None:
    """The second round holds, and ends the work."""

    async def story(bench: Bench) -> None:
        _undo_each_block(bench, times=1)
        done = await bench.carry_out(await bench.plan("block-sign-in"))

        assert done
        assert bench.directory.effects == [BLOCKED] * 2
        assert bench.seconds() == 2

    play(story, STATE)


def test_a_replica_that_lags_is_looked_at_once_more_before_anything_is_written_again() -> None:
    """The second look comes a second after the first, and is a fresh one."""

    async def story(bench: Bench) -> None:
        bench.directory.after_write = lambda _: setattr(bench.directory, "lag", 1)
        plan = await bench.plan("block-sign-in")
        done = await bench.carry_out(plan)

        assert done
        assert [proof.answer for proof in bench.chain.all(Verified)] == ["not-held", "held"]
        assert bench.last_proof(plan.steps[0]).read_at == START + timedelta(seconds=1)
        assert bench.directory.effects == [BLOCKED]

    play(story, STATE)


# What is there before the first write


def test_a_fresh_look_serves_as_pre_image_and_an_old_one_does_not() -> None:
    """The look of the decision saves a read for twenty seconds; after that what is there is read again."""

    async def story(bench: Bench, age: float, images: tuple[bool, int]) -> None:
        look = bench.execution().new_look()
        await look.identity()
        plan = await bench.plan("block-sign-in")
        bench.directory.state = replace(bench.directory.state, enabled=False)
        await asyncio.sleep(age)
        await bench.carry_out(plan, look)
        intent = bench.chain.last(Intended)

        assert intent is not None
        assert (intent.before["accountEnabled"], bench.directory.looks) == images

    play(lambda bench: story(bench, 20, (True, 2)), STATE)
    play(lambda bench: story(bench, 21, (False, 3)), STATE)


def test_without_a_pre_image_nothing_is_written_until_one_can_be_read() -> None:
    """The journal says why, and the work goes on by itself once the service answers."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        bench.directory.unreadable = DARK
        working = asyncio.ensure_future(bench.carry_out(plan))
        await asyncio.sleep(0.5)
        dark, effects = bench.told(step), list(bench.directory.effects)
        bench.directory.unreadable = None

        assert await working
        (told,) = dark
        assert isinstance(told, Verified)
        assert (told.round, told.answer, effects) == (1, "unknown", [])
        assert "the service does not answer" in told.proof
        assert bench.kinds(step) == ["verified", "intended", "applied", "verified"]
        assert bench.seconds() == 1

    play(story, STATE)


def test_a_later_round_without_a_pre_image_says_which_round_it_was() -> None:
    """Undone once, then dark: the second round could not begin."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        _undo_each_block(bench)
        working = asyncio.ensure_future(bench.carry_out(plan))
        await asyncio.sleep(1.5)
        bench.directory.unreadable = DARK
        await working

        told = next(proof for proof in bench.chain.all(Verified) if proof.answer == "unknown")
        assert told.round == 2
        assert bench.directory.effects == [BLOCKED]

    play(story, STATE)


def test_only_what_this_step_wrote_down_before_counts_as_its_first_image() -> None:
    """Whether the policy may have been made already is told by this step's own intents since it was put back."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in", "require-risk-policy")
        step = next(each for each in plan.steps if each.action == "require-risk-policy")

        async def sent_before() -> object:
            await bench.carry_out(plan)
            intent = bench.chain.last(Intended, step.id)
            assert intent is not None
            await bench.write_down(plan)
            return intent.before["sentBefore"]

        first, second = await sent_before(), await sent_before()
        await bench.chain.write(UndoOrdered(by="night shift", reason="wrong target"))
        await bench.chain.write(UndoVerified(answer="held", proof="no longer covered"), step=step.id)

        assert (first, second, await sent_before(), await sent_before()) == (False, True, False, True)

    play(story, STATE)


# Answers


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PermissionMissing(doing="blocking", needs="Application.ReadWrite.All"), "permission-missing"),
        (InstanceLocked(doing="blocking", code="400", why="locked"), "instance-locked"),
        (CannotBeRead("blocking", "hidden"), "cannot-be-read"),
        (PlatformRefused(doing="blocking", code="400", why="not this one"), "refused-by-platform"),
        (OperatorMustAct("blocking needs a person"), "refused-by-platform"),
    ],
)
def test_a_refusal_for_good_stops_the_step_by_name_and_is_not_repeated(error: CordonError, outcome: str) -> None:
    """The journal tells the reason and what to do, and nothing is left to try."""

    async def story(bench: Bench) -> None:
        _raise_once(bench, error)
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        done = await bench.carry_out(plan)
        stopped = bench.chain.last(StepStopped, step.id)

        assert done
        assert stopped is not None
        assert (stopped.outcome, stopped.reason) == (outcome, str(error))
        assert stopped.todo
        assert bench.kinds(step) == ["intended", "step-stopped"]

    play(story, STATE)


def test_a_missing_permission_is_told_with_its_own_remedy() -> None:
    """What a person has to do fits the refusal, whether the step or one write of it was refused."""
    error = PermissionMissing(doing="cutting", needs="Application.ReadWrite.All")

    async def story(bench: Bench) -> None:
        _raise_once(bench, error)
        bench.directory.refusal = WriteRefused(error)
        await bench.carry_out(await bench.plan("block-sign-in", "replace-credentials"))
        stopped = list(bench.chain.all(StepStopped))

        assert len(stopped) == 2
        assert all("grant the permission" in each.todo for each in stopped)

    play(story, STATE)


def test_an_answer_that_was_lost_is_unknown_until_a_read_tells() -> None:
    """The write took effect and the answer got lost: it is proven, and not sent again."""

    async def story(bench: Bench) -> None:
        _raise_once(bench, OutcomeUnknown("blocking sign-in", "connection reset"), after=True)
        plan = await bench.plan("block-sign-in")
        done = await bench.carry_out(plan)
        applied = bench.chain.last(Applied, plan.steps[0].id)

        assert done
        assert applied is not None
        (write,) = applied.writes
        assert (write.write, write.outcome) == ("block-sign-in", "unknown")
        assert "connection reset" in str(write.detail)
        assert bench.directory.effects == [BLOCKED]

    play(story, STATE)


def test_a_write_that_did_not_come_through_is_sent_again() -> None:
    """No answer and no effect: the next round does it."""

    async def story(bench: Bench) -> None:
        _raise_once(bench, Unreachable("blocking sign-in", "503"))
        done = await bench.carry_out(await bench.plan("block-sign-in"))

        assert done
        assert [each.writes[0].outcome for each in bench.chain.all(Applied)] == ["unknown", "accepted"]

    play(story, STATE)


def test_one_write_of_a_step_that_is_refused_for_good_stops_it_where_its_effect_does_not_show() -> None:
    """The refusal's name and text stand in the journal, after a second look, and there is no second round."""
    error = PermissionMissing(doing="removing the secret", needs="Application.ReadWrite.All")

    async def story(bench: Bench) -> None:
        bench.directory.refusal = WriteRefused(error)
        plan = await bench.plan("replace-credentials")
        step = next(each for each in plan.steps if "application" in each.target_kind)
        done = await bench.carry_out(plan)
        stopped = bench.chain.last(StepStopped, step.id)

        assert done
        assert stopped is not None
        assert (stopped.outcome, stopped.reason) == ("permission-missing", str(error))
        assert bench.kinds(step) == ["intended", "applied", "verified", "verified", "step-stopped"]

    play(story, STATE)


def test_a_refused_write_whose_effect_shows_all_the_same_is_held() -> None:
    """Somebody else removed the secret meanwhile: nothing is left to do, and nothing is called stopped."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("replace-credentials")
        bench.directory.refusal = WriteRefused(PermissionMissing(doing="removing", needs="x"))
        working = asyncio.ensure_future(bench.carry_out(plan))
        await asyncio.sleep(0.5)
        application = bench.directory.state.application
        assert application is not None
        bench.directory.state = replace(bench.directory.state, application=replace(application, passwords=()))

        assert await working
        assert "step-stopped" not in bench.kinds()

    play(story, STATE)


def test_a_write_that_is_refused_for_now_is_tried_again() -> None:
    """Only a refusal that has a name ends a step."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("replace-credentials")
        bench.directory.refusal = WriteRefused(Unreachable("removing the secret", "503"))
        working = asyncio.ensure_future(bench.carry_out(plan))
        await asyncio.sleep(1.5)
        bench.directory.refusal = None

        assert await working
        assert "step-stopped" not in bench.kinds()
        assert bench.directory.effects == [f"removePassword {KEPT_SECRET}"]

    play(story, STATE)


# Several steps


def _twin_steps(plan: Planned, *, stage: int = 0, touches: str) -> Planned:
    """The plan with its only step twice, the second time on another object and in this stage."""
    (step,) = plan.steps
    twin = step.model_copy(update={"id": "2-block-again", "touches": (touches,), "stage": stage})
    return plan.model_copy(update={"steps": (step, twin)})


async def _twins(bench: Bench, *, stage: int = 0, touches: str = "another object") -> Planned:
    bench.directory.takes = 3
    return _twin_steps(await bench.plan("block-sign-in"), stage=stage, touches=touches)


def test_steps_that_share_no_object_run_side_by_side() -> None:
    """Two writes of three seconds each take three seconds."""

    async def story(bench: Bench) -> None:
        assert await bench.carry_out(await _twins(bench))
        assert bench.seconds() == 3

    play(story, STATE)


def test_steps_on_one_object_run_one_after_the_other_in_the_plan_s_order() -> None:
    """The second is not even written down before the first was answered."""

    async def story(bench: Bench) -> None:
        plan = await _twins(bench, touches=PAYROLL)
        assert await bench.carry_out(plan)
        order = [(line.entry.kind, line.record.step) for line in bench.chain.lines if line.record.step]

        first, second = (step.id for step in plan.steps)
        assert order[:4] == [("intended", first), ("applied", first), ("intended", second), ("applied", second)]
        assert bench.seconds() == 6

    play(story, STATE)


def test_a_step_that_fails_does_not_keep_the_next_one_on_its_object_waiting() -> None:
    """The first is refused for good; the second goes on."""

    async def story(bench: Bench) -> None:
        plan = await _twins(bench, touches=PAYROLL)
        _raise_once(bench, PlatformRefused(doing="blocking", code="400", why="no"))
        assert await bench.carry_out(plan)

        assert bench.kinds(plan.steps[0])[-1] == "step-stopped"
        assert bench.last_proof(plan.steps[1]).answer == "held"

    play(story, STATE)


def test_a_later_stage_waits_for_the_proof_of_the_one_before_it_and_reads_anew() -> None:
    """It begins when the first is proven; where it never is, it never begins."""

    async def story(bench: Bench) -> None:
        plan = await _twins(bench, stage=1)
        look = bench.execution().new_look()
        assert await bench.carry_out(plan, look)
        begun, proven = bench.chain.place(Intended, "2-block-again"), bench.chain.place(Verified, plan.steps[0].id)

        assert proven < begun
        assert bench.told(plan.steps[1])[0] == Intended(
            plan_hash=plan.hash, round=1, before={"accountEnabled": False}, writes=()
        )

    async def never(bench: Bench) -> None:
        plan = await _twins(bench, stage=1)
        _undo_each_block(bench)

        assert not await bench.carry_out(plan)
        assert bench.told(plan.steps[1]) == []

    play(story, STATE)
    play(never, STATE)


def test_a_part_of_the_tenant_that_never_shows_the_effect_does_not_hold_up_another() -> None:
    """The block is undone, round after round; the risk is confirmed in the first."""

    async def story(bench: Bench) -> None:
        _undo_each_block(bench)
        plan = await bench.plan("block-sign-in", "confirm-compromised")
        block, risk = plan.steps
        done = await bench.carry_out(plan)

        assert not done
        assert bench.kinds(risk) == ["intended", "applied", "verified"]
        assert len(list(bench.chain.all(Intended, block.id))) == 6

    play(story, STATE)


def test_an_error_of_ours_in_one_step_ends_the_others_and_is_told_as_it_is() -> None:
    """What ran beside it has ended when the error is told, and does nothing any more."""

    class Broken(RuntimeError):
        pass

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in", "confirm-compromised")
        bench.directory.takes = 3

        def fail(name: str) -> None:
            if name == "confirmCompromised":
                raise Broken("ours")

        bench.directory.before_write = fail
        with pytest.raises(Broken, match="ours"):
            await bench.carry_out(plan)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.sleep(10)

        assert others == set()
        assert bench.directory.effects == []

    play(story, STATE)


# Crashes and rivals


async def _begun_by_another(bench: Bench, plan: Planned, step: PlannedStep, seconds_ago: float) -> None:
    """Another instance wrote its intent down and was not heard of since; now this one takes the incident in hand."""
    await bench.start(1)
    await bench.chain.write(Intended(round=3, before={"accountEnabled": True}, writes=("w",)), step=step.id)
    await asyncio.sleep(seconds_ago)
    await bench.start(2)


def test_an_intent_that_a_crash_left_behind_is_carried_out_as_it_was_written_down() -> None:
    """It is not captured anew: what was there before the first write stays what it was."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        await _begun_by_another(bench, plan, step, 60)
        assert await bench.carry_out(plan)

        assert bench.kinds(step) == ["intended", "applied", "verified"]
        assert [each.round for each in bench.chain.all(Applied)] == [3]
        assert bench.last_proof(step).round == 3
        assert bench.seconds() == 60

    play(story, STATE)


def test_an_intent_of_an_earlier_plan_is_not_gone_on_from() -> None:
    """A newer plan begins with what is there now, in a round of its own."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        await _begun_by_another(bench, plan, step, 60)
        await bench.write_down(plan)
        assert await bench.carry_out(plan)

        assert [each.round for each in bench.chain.all(Intended)] == [3, 4]
        assert [each.round for each in bench.chain.all(Applied)] == [4]

    play(story, STATE)


def _renewal(plan: Planned) -> PlannedStep:
    return next(step for step in plan.steps if step.once)


async def _renewing(bench: Bench, seconds_ago: float) -> tuple[Planned, PlannedStep]:
    plan = await bench.plan("replace-credentials", **{"new-certificate": True})
    step = _renewal(plan)
    plan = plan.model_copy(update={"steps": (step,)})
    await bench.start(1)
    await bench.chain.write(Intended(round=1, before={"keptKeys": []}, writes=("make",)), step=step.id)
    await asyncio.sleep(seconds_ago)
    await bench.start(2)
    return plan, step


def test_what_must_not_be_made_twice_waits_until_who_began_it_cannot_live_any_more() -> None:
    """No second certificate for eleven minutes; the journal says once until when, and why."""

    async def story(bench: Bench) -> None:
        assert bench.vault is not None
        plan, step = await _renewing(bench, 60)
        done = await bench.carry_out(plan)
        told = list(bench.chain.all(Verified, step.id))

        assert not done
        assert bench.vault.made == 0
        assert len(told) == 1
        assert told[0].answer == "unknown"
        assert "another instance may still be at it" in told[0].proof
        assert "03:11:00 UTC" in told[0].proof
        await bench.start(3)
        await bench.carry_out(plan)
        assert len(list(bench.chain.all(Verified, step.id))) == 2

    play(story, STATE, vault=True)


def test_after_eleven_minutes_it_is_taken_over() -> None:
    """The platform ends every function after ten: nobody else can be at it any more."""

    async def story(bench: Bench) -> None:
        assert bench.vault is not None
        plan, step = await _renewing(bench, 11 * 60)
        await bench.carry_out(plan)

        assert bench.vault.made == 1
        assert "applied" in bench.kinds(step)
        assert bench.kinds(step).count("intended") == 1

    play(story, STATE, vault=True)


def test_one_s_own_intent_needs_no_waiting() -> None:
    """This instance began it itself: what it meant to do it does."""

    async def story(bench: Bench) -> None:
        assert bench.vault is not None
        plan = await bench.plan("replace-credentials", **{"new-certificate": True})
        step = _renewal(plan)
        await bench.start(1)
        await bench.chain.write(Intended(round=1, before={"keptKeys": []}, writes=("make",)), step=step.id)
        await bench.carry_out(plan.model_copy(update={"steps": (step,)}))

        assert bench.vault.made == 1
        assert bench.kinds(step)[:2] == ["intended", "applied"]

    play(story, STATE, vault=True)


class SleepySwitch(FakeSwitch):
    """Read on the second asking only after this many seconds, in which a rival goes on with the incident."""

    def __init__(self, bench: Bench, seconds: float) -> None:
        super().__init__()
        self.bench, self.seconds = bench, seconds

    async def why_stopped(self) -> str | None:
        answer = await super().why_stopped()
        if self.reads == 2:
            await (await self.bench.rival()).write(WorkStarted(attempt=2, instance="two", because="resumed"))
            await asyncio.sleep(self.seconds)
        return answer


def test_whoever_was_silent_for_long_looks_for_a_rival_before_the_effect() -> None:
    """It stood still between its intent and the write, and another instance went on: it does nothing."""

    async def story(bench: Bench) -> None:
        bench.switch = SleepySwitch(bench, 21)
        plan = await bench.plan("block-sign-in")
        with pytest.raises(SequenceTaken):
            await bench.carry_out(plan)

        assert bench.directory.effects == []

    play(story, STATE)


# The stop switch


def test_nothing_is_done_while_the_switch_is_set_and_the_journal_says_so_once() -> None:
    """Two groups of steps find it set; one record tells a person what to do."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in", "confirm-compromised")
        await bench.start(1)
        await bench.chain.write(HeldBack(by="limits", reason="before"))
        bench.switch.reason = "wrong target (night shift)"
        assert not await bench.carry_out(plan)
        held = bench.chain.last(HeldBack)

        assert bench.directory.effects == []
        assert bench.kinds() == ["planned", "work-started", "held-back", "held-back"]
        assert held is not None
        assert (held.by, held.reason) == ("switch", "wrong target (night shift)")
        assert "Set the switch to running" in str(held.todo)
        await bench.start(2)
        await bench.carry_out(plan)
        assert bench.kinds()[4:] == ["work-started", "held-back"]

    play(story, STATE)


class CountingSwitch(FakeSwitch):
    """Set at the nth reading."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    async def why_stopped(self) -> str | None:
        await super().why_stopped()
        return "stop" if self.reads >= self.at else None


def test_a_stop_after_the_intent_leaves_the_intent_and_no_effect() -> None:
    """The switch is read right before the effect: whoever goes on later begins with what was written down."""

    async def story(bench: Bench) -> None:
        bench.switch = CountingSwitch(2)
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        assert not await bench.carry_out(plan)
        stopped = bench.kinds(step)
        bench.switch = FakeSwitch()
        assert await bench.carry_out(plan)

        assert stopped == ["intended"]
        assert bench.kinds(step) == ["intended", "applied", "verified"]

    play(story, STATE)


class SlowSwitch(FakeSwitch):
    """Its second answer takes two seconds, and meanwhile somebody sets it."""

    async def why_stopped(self) -> str | None:
        await super().why_stopped()
        if self.reads == 2:
            await asyncio.sleep(2)
            return None
        return "stop" if self.reads > 2 else None


def test_an_answer_of_the_switch_that_is_old_by_now_is_asked_for_again() -> None:
    """Writing the intent down took its time: what the switch said before is no leave to change anything."""

    async def story(bench: Bench) -> None:
        bench.switch = SlowSwitch()
        plan = await bench.plan("block-sign-in")
        assert not await bench.carry_out(plan)

        assert bench.directory.effects == []

    play(story, STATE)


def test_a_stop_between_two_effects_of_one_step_keeps_the_second_from_coming() -> None:
    """The certificate was made in the vault; it is not put on the application."""

    async def story(bench: Bench) -> None:
        assert bench.vault is not None
        plan = await bench.plan("replace-credentials", **{"new-certificate": True})
        step = _renewal(plan)
        plan = plan.model_copy(update={"steps": (step,)})
        bench.vault.after_make = lambda: setattr(bench.switch, "reason", "stop")
        assert not await bench.carry_out(plan)

        assert bench.vault.made == 1
        assert bench.directory.effects == []
        assert bench.kinds(step) == ["intended"]
        assert bench.kinds()[-1] == "held-back"
        bench.switch.reason = None
        assert await bench.carry_out(plan)
        assert (bench.vault.made, len(bench.directory.effects)) == (1, 1)

    play(story, STATE, vault=True)


# What is settled


@pytest.mark.parametrize(
    ("entries", "settled"),
    [
        ([], False),
        (["planned"], False),
        (["planned", "intended", "applied"], False),
        (["planned", "intended", "applied", "not-held"], False),
        (["planned", "intended", "applied", "unknown"], False),
        (["planned", "intended", "applied", "held"], True),
        (["planned", "intended", "stopped"], True),
        (["planned", "intended", "applied", "held", "not-held"], False),
        (["planned", "intended", "applied", "held", "intended"], False),
        (["planned", "intended", "stopped", "intended"], False),
        (["planned", "intended", "applied", "held", "planned"], False),
        (["planned", "intended", "stopped", "planned"], False),
        (["planned", "held"], True),
        (["planned", "stopped"], True),
        (["planned", "intended", "another stopped"], False),
    ],
)
def test_a_step_is_settled_by_what_came_after_its_plan_and_its_last_intent(entries: list[str], settled: bool) -> None:
    """Neither an older proof nor an older stop speaks for what was meant since; another step's never does."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        bench.chain = await bench.chain.read(MemoryJournal(), INCIDENT, bench.clock)
        words = {
            "planned": plan,
            "intended": Intended(before={}, writes=()),
            "applied": Applied(writes=()),
            "stopped": StepStopped(outcome="gone", reason="r", todo="t"),
            "another stopped": StepStopped(plan_hash="0" * 64, outcome="gone", reason="r", todo="t"),
            **{answer: Verified(answer=answer, proof="p") for answer in ("held", "not-held", "unknown")},
        }
        for word in entries:
            await bench.chain.write(words[word], step=None if word == "planned" else step.id)
        execution = bench.execution()

        assert execution.is_settled(step) is settled
        assert not execution.is_settled(step.model_copy(update={"id": "2-another"}))

    play(story, STATE)


def test_which_plan_is_worked_on_can_be_said() -> None:
    """What was proven under the plan that is named counts, although a newer one stands in the journal."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        await bench.carry_out(plan)
        await bench.write_down(plan)

        assert not bench.execution().is_settled(step)
        assert bench.execution(planned_at=0).is_settled(step)

    play(story, STATE)


# What somebody deleted


def test_what_somebody_deleted_holds_and_a_person_is_told() -> None:
    """It gets no tokens, and whoever restores it has it back: neither undone nor done with."""

    async def story(bench: Bench) -> None:
        await bench.start()
        plan = await bench.plan("block-sign-in")
        (step,) = plan.steps
        await bench.carry_out(plan)
        before = bench.execution().rests_on_what_is_deleted(plan.steps)
        bench.directory.deleted = True
        await bench.execution().verify([step], bench.execution().new_look())
        proof = bench.last_proof(step)

        assert not before
        assert proof.answer == "held"
        assert [left.outcome for left in proof.left] == ["soft-deleted"]
        assert bench.execution().rests_on_what_is_deleted(plan.steps)

    play(story, STATE)


def test_an_old_word_that_it_is_deleted_keeps_nobody_from_looking() -> None:
    """It may be back: only a look of this attempt, or the one that led to it, tells that nothing can be read."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        bench.directory.deleted = True
        await bench.execution().verify(plan.steps, bench.execution().new_look())
        nobody_is_at_it = bench.execution().rests_on_what_is_deleted(plan.steps)
        await asyncio.sleep(60)
        await bench.start()

        assert bench.last_proof(plan.steps[0]).left
        assert not nobody_is_at_it
        assert not bench.execution().rests_on_what_is_deleted(plan.steps)

    play(story, STATE)


def test_what_is_among_no_deleted_items_is_unknown_and_not_deleted() -> None:
    """One answer that there is no such object proves nothing."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("block-sign-in")
        bench.directory.purged = True
        await bench.execution().verify(plan.steps, bench.execution().new_look())

        assert bench.last_proof(plan.steps[0]).answer == "unknown"
        assert not bench.last_proof(plan.steps[0]).left

    play(story, STATE)


@pytest.mark.parametrize("proven", [True, False])
def test_what_cuts_nothing_off_is_told_deleted_only_if_it_was_proven(proven: bool) -> None:
    """That an object is gone cuts it off; it does not give it a tag or take an owner from it."""

    async def story(bench: Bench) -> None:
        plan = await bench.plan("custody")
        (step,) = plan.steps
        if proven:
            await bench.carry_out(plan)
        bench.directory.deleted = True
        await bench.execution().verify([step], bench.execution().new_look())

        assert bench.last_proof(step).answer == ("held" if proven else "unknown")
        assert bool(bench.last_proof(step).left) is proven

    play(story, STATE)
