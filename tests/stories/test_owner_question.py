"""A rule that asks may ask the owners first: they answer as everybody answers a waiting plan, or time decides."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import CouldNotLook, Known, Owner, Owners, Part
from shared.contacts import read_contacts
from shared.desk import reservations_of
from shared.entries import Approved, Closed, Decided, Escalated, HeldBack, Intended, OwnerAsked
from shared.errors import PolicyWrong
from shared.incident import Status
from shared.limits import Spent
from shared.policy import read_policy
from shared.report import as_markdown, make_report
from shared.responder import Responder
from tests.fakes import PAYROLL, PAYROLL_CLIENT, START, password, payroll
from tests.stories.world import World, play

OWNER = "88888888-0000-4000-8000-000000000001"
TEXT = """
version: 1
{limits}
rules:
  - name: suspicious
    when: {when}
    verdict: ask
    actions: [block-sign-in]
    ask-owners: {{after: PT2H, then: {then}}}
"""
LEAKED = "{risk-detection: {types: [leakedCredentials]}}"
CONTAINING = TEXT.format(limits="", when=LEAKED, then="contain")
ESCALATING = TEXT.format(limits="", when=LEAKED, then="escalate")
LISTED = read_contacts(
    f"version: 1\ncontacts:\n  - {{team: Payroll, reach: desk 7, applications: [{PAYROLL_CLIENT}]}}\n", "contacts.yaml"
)
ASKED = "Cordon.Owner.Asked"
KNOWN = payroll(application=[password(1)])
OTHER = "22222222-0000-4000-8000-000000000099"


async def hear(world: World) -> Responder:
    owner = Known((Owner(OWNER, "user", "[click](https://evil.example)"),))
    if world.directory.unreadable is None and world.directory.owners != UNREAD:
        world.directory.owners = Known(Owners(owner, Known(())))
    responder = Responder(replace(world.desk(), contacts=LISTED))
    await world.hear_of_leak(responder)
    return responder


UNREAD: Part[Owners] = CouldNotLook("owners could not be read: Application.Read.All is missing")


def question(world: World) -> Mapping[str, object]:
    """What the one question says."""
    (found,) = (
        data for (type_, _), data in zip(world.topic.published, world.topic.data, strict=True) if type_ == ASKED
    )
    return found


async def until(world: World, minutes: float) -> None:
    """Work what is due until then, and let that time come."""
    await world.work_queue(world.instance(), START + timedelta(minutes=minutes) - world.clock())
    await asyncio.sleep(max(0.0, (START + timedelta(minutes=minutes) - world.clock()).total_seconds()))


def test_the_question_names_whom_to_ask_and_until_when_and_nothing_that_others_wrote() -> None:
    """Ids, the operator's own words and a time: no link, no name out of the tenant."""

    async def story(world: World) -> None:
        await hear(world)
        data = question(world)

        assert data["owners"] == [OWNER]
        assert data["teams"] == [{"team": "Payroll", "reach": "desk 7"}]
        assert str(data["until"]).startswith("2026-03-02T05:00")
        assert data["planHash"] == (await world.instance().incident((await world.chain()).incident)).plan_hash
        assert PAYROLL in str(data["text"])
        assert "http" not in str(data)
        assert "evil" not in str(data)

    play(story, KNOWN, policy=CONTAINING)


@pytest.mark.parametrize("approved", [True, False])
def test_an_answer_in_time_is_the_answer_that_every_waiting_plan_takes(approved: bool) -> None:
    """Not ours: contained. Ours: declined. What time would have done does not happen any more."""

    async def story(world: World) -> None:
        responder = await hear(world)
        chain = await world.chain()
        asked = chain.last(OwnerAsked)
        assert asked is not None
        await responder.approve(
            chain.incident, asked.plan_hash, approved=approved, reason="asked the team", by="owner of payroll"
        )
        await until(world, 240)
        chain = await world.chain()

        assert (chain.last(Intended) is not None) is approved
        assert chain.last(Escalated) is None
        assert [each.by_policy for each in chain.all(Approved)] == [False] * approved
        if not approved:
            closed = chain.last(Closed)
            assert closed is not None
            assert closed.outcome == "declined"

    play(story, KNOWN, policy=CONTAINING)


def test_without_an_answer_the_plan_is_carried_out_where_the_rule_says_so() -> None:
    """Not a minute before its time; the journal says that nobody approved it."""

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 119)
        early = (await world.status(), list(world.directory.effects))
        await until(world, 125)
        chain = await world.chain()
        approved = chain.last(Approved)

        assert early == (Status.AWAITING_APPROVAL, [])
        assert approved is not None
        assert (approved.by, approved.by_policy) == ("the policy", True)
        assert not world.directory.state.enabled
        assert "Asked whoever answers for it" in as_markdown(make_report(chain.records, world.clock()))

    play(story, KNOWN, policy=CONTAINING)


def test_without_an_answer_responders_are_called_once_where_the_rule_says_nothing_else() -> None:
    """The plan waits on, so that they can still let it go."""

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 150)
        chain = await world.chain()
        calls = [each.reason for each in chain.all(Escalated)]

        assert len(calls) == 1
        assert "nobody has answered" in calls[0]
        assert world.directory.effects == []
        assert "Cordon.Incident.NeedsAttention" in [type_ for type_, _ in world.topic.published]

    play(story, KNOWN, policy=ESCALATING)


@pytest.mark.parametrize(
    ("mode", "policy"),
    [
        ("ask", CONTAINING),
        ("act", TEXT.format(limits="", when="{owners: {findings: [orphan]}}", then="contain")),
    ],
)
def test_silence_contains_neither_in_mode_ask_nor_where_the_rule_only_could_not_be_judged(
    mode: str, policy: str
) -> None:
    """Every plan waits for a person there; and what is unknown is no reason to act, however long nobody answers."""

    async def story(world: World) -> None:
        if "orphan" in policy:
            world.directory.owners = UNREAD
        await hear(world)
        await until(world, 180)
        chain = await world.chain()

        assert world.directory.effects == []
        assert chain.last(Escalated) is not None
        assert chain.last(Approved) is None

    play(story, KNOWN, policy=policy, mode=mode)


def test_owners_that_cannot_be_read_are_told_as_such_in_the_question() -> None:
    """An empty list would say that nobody owns it."""

    async def story(world: World) -> None:
        world.directory.owners = UNREAD
        await hear(world)
        data = question(world)

        assert data["owners"] == []
        assert data["ownersUnread"] == ["owners could not be read: Application.Read.All is missing"]

    play(story, KNOWN, policy=CONTAINING)


def test_silence_is_no_confirmation_of_what_is_over_the_limit() -> None:
    """Whoever keeps owners from answering must not get more contained than the limits allow."""
    policy = TEXT.format(limits="limits: {identities-per-hour: 1}", when=LEAKED, then="contain")

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 110)
        other = Spent(OTHER, world.clock(), frozenset())
        assert await reservations_of(world.desk()).reserve(other, [OTHER], confirmed=False) is None
        await until(world, 130)
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "limits"
        assert await world.status() is Status.AWAITING_APPROVAL

    play(story, KNOWN, policy=policy)


async def listed(world: World) -> frozenset[str]:
    return (await world.desk().muster.others(())).others


def test_who_is_contained_by_silence_counts_as_undecided_when_the_time_is_nearly_over() -> None:
    """Not for the hours before, in which somebody may answer: a question would hold up everybody's containment."""

    async def story(world: World) -> None:
        await hear(world)
        seen = list[bool]()
        for minute in (1, 110, 117):
            await until(world, minute)
            seen.append(PAYROLL in await listed(world))
        await until(world, 125)

        assert seen == [False, False, True]
        assert await listed(world) == frozenset()

    play(story, KNOWN, policy=CONTAINING)


def test_a_mass_that_falls_due_together_is_held_back_before_its_first_effect() -> None:
    """A sweep asked the owners of six: silence contains none of them, rather than the first five."""

    async def story(world: World) -> None:
        await hear(world)
        for number in range(5):
            due = START + timedelta(hours=2, seconds=20 + number)
            await world.desk().muster.settle([f"22222222-0000-4000-8000-{number:012d}"], due)
        await until(world, 130)
        held = (await world.chain()).last(HeldBack)

        assert world.directory.effects == []
        assert held is not None
        assert held.by == "limits"
        assert "5 others are reported with this one" in held.reason

    play(story, KNOWN, policy=CONTAINING)


@pytest.mark.parametrize("approved", [True, False])
def test_whoever_is_answered_for_is_off_the_list(approved: bool) -> None:
    """By a person, either way: when the time would have been over nobody counts."""

    async def story(world: World) -> None:
        responder = await hear(world)
        chain = await world.chain()
        asked = chain.last(OwnerAsked)
        assert asked is not None
        await responder.approve(chain.incident, asked.plan_hash, approved=approved, reason="asked", by="an owner")
        await until(world, 117)

        assert await listed(world) == frozenset()

    play(story, KNOWN, policy=CONTAINING)


def test_new_signals_do_not_put_the_answer_off() -> None:
    """Whoever makes news every hour would otherwise never be contained."""

    async def story(world: World) -> None:
        responder = await hear(world)
        await until(world, 60)
        await world.hear_of_leak(responder, 2)
        await until(world, 119)
        last = [*(await world.chain()).all(OwnerAsked)][-1]
        await until(world, 125)

        assert last.until == START + timedelta(hours=2)
        assert not world.directory.state.enabled

    play(story, KNOWN, policy=CONTAINING)


def test_news_every_few_minutes_do_not_put_the_answer_off_either() -> None:
    """A few minutes for a plan that was made anew are given once, and not again with each signal."""

    async def story(world: World) -> None:
        responder = await hear(world)
        for number, minute in enumerate(range(116, 131, 3), start=2):
            await until(world, minute)
            await world.hear_of_leak(responder, number)
        await until(world, 131)

        assert not world.directory.state.enabled

    play(story, KNOWN, policy=CONTAINING)


def test_a_signal_that_comes_when_the_time_is_over_does_not_start_it_anew() -> None:
    """The message that ends the wait may be late; what comes between is decided on, and no more time is given."""

    async def story(world: World) -> None:
        responder = await hear(world)
        await asyncio.sleep(timedelta(hours=2, seconds=1).total_seconds())
        await world.hear_of_leak(responder, 2)
        await until(world, 126)

        assert not world.directory.state.enabled

    play(story, KNOWN, policy=CONTAINING)


def test_silence_says_nothing_where_another_rule_has_decided_since() -> None:
    """The plans may be the same to the letter; but this rule contains nobody for want of an answer."""
    other = """
  - name: odd
    when: {risk-detection: {types: [adminConfirmedServicePrincipalCompromised]}}
    verdict: ask
    actions: [block-sign-in]
"""

    async def story(world: World) -> None:
        responder = await hear(world)
        await until(world, 60)
        (found,) = world.directory.detections
        world.directory.detections = (replace(found, type="adminConfirmedServicePrincipalCompromised"),)
        await world.hear_of_leak(responder, 2)
        await until(world, 150)
        decided = (await world.chain()).last(Decided)

        assert decided is not None
        assert decided.rule == "odd"
        assert world.directory.effects == []
        assert (await world.chain()).last(Approved) is None

    play(story, KNOWN, policy=CONTAINING + other)


@pytest.mark.parametrize("policy", [ESCALATING, CONTAINING.replace("name: suspicious", "name: renamed")])
def test_silence_contains_only_where_the_policy_says_so_still(policy: str) -> None:
    """Whoever has taken that out of the file meanwhile must not see it happen."""

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 60)
        world.policy = read_policy(policy, "story.yaml", ["block-sign-in"])
        await until(world, 130)
        chain = await world.chain()

        assert world.directory.effects == []
        assert len([*chain.all(Escalated)]) == 1

    play(story, KNOWN, policy=CONTAINING)


def test_whoever_is_killed_after_the_word_that_nobody_answered_is_picked_up() -> None:
    """The message comes again, and finds the plan let go and nothing of it done."""

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 119)
        chain = await world.chain()
        asked = chain.last(OwnerAsked)
        assert asked is not None
        await chain.write(Approved(plan_hash=asked.plan_hash, by="the policy", reason="nobody", by_policy=True))
        await until(world, 121)

        assert not world.directory.state.enabled

    play(story, KNOWN, policy=CONTAINING)


def test_a_call_about_something_else_is_no_answer_and_silence_answers_no_call() -> None:
    """Whoever makes Cordon call somebody would otherwise end the question; what he was called for stays to be done."""

    async def story(world: World) -> None:
        await hear(world)
        await (await world.chain()).write(Escalated(reason="Another identity has this one's name.", todo="Look."))
        await until(world, 125)

        assert not world.directory.state.enabled
        assert "Look." in (await world.instance().incident((await world.chain()).incident)).todo

    play(story, KNOWN, policy=CONTAINING)


def test_a_read_that_fails_when_the_time_is_over_is_tried_again() -> None:
    """A fault that passes by itself must not turn into a question that nobody hears."""

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 119)
        world.directory.unreadable = CouldNotLook("Graph answers 503", may_help_later=True)
        await until(world, 120.3)
        in_between = list(world.directory.effects)
        world.directory.unreadable = None
        await until(world, 125)

        assert in_between == []
        assert not world.directory.state.enabled

    play(story, KNOWN, policy=CONTAINING)


def test_an_identity_that_changed_before_the_time_was_over_is_told_and_contained_by_the_next_word_of_it() -> None:
    """A credential that is added in the last minute must not keep it from being cut off unheard."""

    async def story(world: World) -> None:
        responder = await hear(world)
        await until(world, 119)
        world.directory.state = payroll(application=[password(1), password(2)])
        await until(world, 121)
        chain = await world.chain()
        calls = [each.reason for each in chain.all(Escalated)]
        effects = list(world.directory.effects)
        await world.hear_of_leak(responder, 2)
        await until(world, 126)

        assert effects == []
        assert ["changed" in each for each in calls] == [True]
        assert not world.directory.state.enabled

    play(story, KNOWN, policy=CONTAINING.replace("[block-sign-in]", "[block-sign-in, replace-credentials]"))


def test_a_credential_that_is_added_meanwhile_keeps_no_block_from_being_carried_out() -> None:
    """The plan shows the sign-in alone, and that is as it was."""

    async def story(world: World) -> None:
        await hear(world)
        await until(world, 119)
        world.directory.state = payroll(application=[password(1), password(2)])
        await until(world, 121)

        assert not world.directory.state.enabled
        assert (await world.chain()).last(Escalated) is None

    play(story, KNOWN, policy=CONTAINING)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ask-owners: {after: PT1M}", "from 5m to 24h"),
        ("ask-owners: {after: PT2H, then: ignore}", "escalate"),
        ("ask-owners: {then: contain}", "after is missing"),
    ],
)
def test_a_mistake_in_the_question_is_told_with_its_line(line: str, told: str) -> None:
    """In the words of the file."""
    text = ESCALATING.replace("ask-owners: {after: PT2H, then: escalate}", line)
    with pytest.raises(PolicyWrong) as caught:
        read_policy(text, "story.yaml", ["block-sign-in"])

    assert any(each.startswith("story.yaml:9:") and told in each for each in caught.value.problems), caught.value


def test_only_a_rule_that_asks_asks_owners() -> None:
    """A rule that contains does not wait."""
    with pytest.raises(PolicyWrong, match="ask-owners is for rules that ask"):
        read_policy(ESCALATING.replace("verdict: ask", "verdict: contain"), "story.yaml", ["block-sign-in"])


def test_silence_dismisses_no_risk() -> None:
    """Whoever keeps owners from answering would clear himself."""
    text = CONTAINING.replace("block-sign-in", "dismiss-risk")
    with pytest.raises(PolicyWrong, match="silence clears nobody"):
        read_policy(text, "story.yaml", ["dismiss-risk"])

    assert read_policy(text.replace("then: contain", "then: escalate"), "story.yaml", ["dismiss-risk"])
