"""What a contained identity had changed is followed: bounded, once, and told as one case."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import Known, PartName, Suspicion
from shared.chain import Chain
from shared.entries import (
    ConditionAnswer,
    Decided,
    Escalated,
    Followed,
    Opened,
    RelatedTold,
    RuleAnswer,
    SignalJoined,
    SubjectIds,
    UndoOrdered,
)
from shared.errors import Gone, Unreachable
from shared.following import MOST_LINKS, MOST_TOLD
from shared.history import History
from shared.identity import AppObjectId, ClientId, IdentityKind, IdentityRef, PrincipalId, WorkloadIdentity
from shared.incident import Status, status_of
from shared.journal import IncidentId
from shared.signal import JsonObject, Signal
from shared.sources import source_named
from shared.sources.suspect_change import changed_by
from shared.store import Document, MemoryDocuments
from shared.suspicion import JournalSuspicions, Origin, origin_of
from shared.tenant import Gathered
from tests.conditions.cases import added
from tests.fakes import PAYROLL, PAYROLL_CLIENT, START, password, payroll
from tests.stories.world import POLICY, World, play

STATE = payroll(application=[password(1)])
ASKING = (
    POLICY
    + """
  - name: changed-by-a-suspect
    when: {changed-by-suspect: {who: [identity]}}
    verdict: ask
    actions: [block-sign-in]
"""
)
CONTAINING = ASKING.replace("verdict: ask", "verdict: contain")
ATTACKER = "77777777-0000-4000-8000-000000000001"


def other(number: int) -> str:
    return f"88888888-0000-4000-8000-{number:012d}"


def record(
    number: int,
    *,
    by: str = PAYROLL,
    on: str | None = None,
    activity: str = "Add owner to service principal",
    ago: float = 60,
) -> JsonObject:
    """The identity of these stories, unless said otherwise, changes another one, so many minutes before the start."""
    changed: JsonObject = {"displayName": "DisplayName", "oldValue": '["a"]', "newValue": '["b"]'}
    target: JsonObject = {
        "id": on or other(number),
        "type": "ServicePrincipal",
        "displayName": f"other {number}",
        "modifiedProperties": [changed],
    }
    return {
        "id": f"Directory_{number}",
        "activityDisplayName": activity,
        "activityDateTime": (START - timedelta(minutes=ago)).isoformat(),
        "result": "success",
        "correlationId": f"c-{number}",
        "initiatedBy": {"user": None, "app": {"appId": None, "servicePrincipalId": by}},
        "targetResources": [target],
    }


async def contain(world: World, until: timedelta = timedelta(minutes=2)) -> Chain:
    """The leak is heard of, and everything due within this time is worked; the journal of the leak's incident."""
    responder = world.instance()
    await world.hear_of_leak(responder)
    (first,) = await world.store.documents.query("incidents")
    await world.work_queue(responder, until)
    return await world.chain_of(str(first.body["incident"]))


def test_each_identity_that_it_strengthened_gets_an_incident_of_its_own() -> None:
    """What it took away, what others did and what failed does not count; several records of one identity are one."""

    async def story(world: World) -> None:
        world.feeds.log = [
            record(1),
            record(2),
            replace_in(record(3), activityDisplayName="Remove owner from service principal"),
            record(4, by=ATTACKER),
            replace_in(record(5), result="failure"),
            record(6, on=other(1)),
            record(7, on=PAYROLL),
            record(8, ago=25 * 60),
        ]
        chain = await contain(world)
        followed = chain.last(Followed)

        assert followed is not None
        assert [(each.principal_id, each.records) for each in followed.changed] == [(other(1), 2), (other(2), 1)]
        assert (followed.left, followed.not_known, followed.root) == (0, (), chain.incident)
        assert len(await world.store.documents.query("incidents")) == 3
        assert chain.last(Escalated) is None

    play(story, STATE, policy=ASKING)


def replace_in(of: JsonObject, **more: object) -> JsonObject:
    return {**of, **more}  # pyright: ignore[reportReturnType]


def owning(number: int, owner: str, owned: str, *, named: bool) -> JsonObject:
    """It makes one service principal the owner of another one, which the owner's property names, or nothing does."""
    property_: JsonObject = {"displayName": "ServicePrincipal.ObjectID", "oldValue": None, "newValue": f'"{owned}"'}
    targets: list[JsonObject] = [
        {"id": owner, "type": "ServicePrincipal", "modifiedProperties": [property_] if named else []},
        {"id": owned, "type": "ServicePrincipal", "modifiedProperties": []},
    ]
    return replace_in(record(number), targetResources=targets)


def test_of_two_service_principals_the_owned_one_is_followed() -> None:
    """It made the robot, or itself, an owner: what was changed is what is owned, wherever it stands in the record."""

    async def story(world: World) -> None:
        world.feeds.log = [owning(1, other(9), other(1), named=True), owning(2, PAYROLL, other(2), named=True)]
        followed = (await contain(world)).last(Followed)

        assert followed is not None
        assert [each.principal_id for each in followed.changed] == [other(1), other(2)]
        assert followed.not_known == ()

    play(story, STATE, policy=ASKING)


def test_where_nothing_says_which_of_two_is_owned_both_are_followed_and_it_is_told() -> None:
    """One of them got an owner; whoever looks at one alone may miss it. That is a person's to settle."""

    async def story(world: World) -> None:
        world.feeds.log = [owning(1, other(9), other(1), named=False)]
        chain = await contain(world)
        followed, call = chain.last(Followed), chain.last(Escalated)

        assert followed is not None
        assert {each.principal_id for each in followed.changed} == {other(1), other(9)}
        assert "the log does not say which of them is owned" in followed.not_known[0]
        assert call is not None
        assert "Directory_1" in call.reason
        assert len(await world.store.documents.query("incidents")) == 3

    play(story, STATE, policy=ASKING)


def test_a_record_at_the_door_that_may_be_about_either_of_two_opens_an_incident_for_each() -> None:
    """Whatever comes again of it joins these."""

    async def story(world: World) -> None:
        raw, responder = owning(1, other(9), other(1), named=False), world.instance()
        event: JsonObject = {"type": "Cordon.Signal.DirectoryAudit", "id": "e", "source": "t", "data": raw}
        await responder.receive_events([event])
        await responder.receive_events([event])
        listed = await world.store.documents.query("incidents")
        chains = [await world.chain_of(str(each.body["incident"])) for each in listed]

        opened = [opening for chain in chains for opening in chain.all(Opened)]
        heard = [signal for chain in chains for signal in chain.all(SignalJoined)]

        assert {each.subject.principal_id for each in opened} == {other(1), other(9)}
        assert {each.record_id for each in heard} == {"Directory_1", f"Directory_1/{other(1)}"}
        assert all("which of them is owned" in each.summary for each in heard)

    play(story, STATE, policy=ASKING)


def test_a_policy_that_does_not_ask_follows_nobody() -> None:
    """The audit log's quota is spent on nothing that no rule would judge."""

    async def story(world: World) -> None:
        world.feeds.log = [record(1)]
        chain = await contain(world)

        assert chain.last(Followed) is None
        assert world.feeds.asked == []

    play(story, STATE)


def test_of_five_hundred_some_are_followed_and_one_call_tells_of_the_rest() -> None:
    """The gravest first, whatever came last; the whole list is kept as evidence."""

    async def story(world: World) -> None:
        grave = record(999, activity="Add service principal credentials", ago=600)
        world.feeds.log = [*(record(number) for number in range(500)), grave]
        chain = await contain(world)
        followed, calls = chain.last(Followed), list(chain.all(Escalated))

        assert followed is not None
        assert (len(followed.changed), followed.left) == (MOST_TOLD, 501 - MOST_TOLD)
        assert followed.changed[0].principal_id == other(999)
        assert len(calls) == 1
        assert f"{501 - MOST_TOLD} were not followed" in calls[0].reason
        kept = await world.store.evidence.fetch(str(followed.evidence))
        assert kept is not None
        assert len(json.loads(kept)) == 501
        assert len(await world.store.documents.query("incidents")) == 1 + MOST_TOLD
        assert world.directory.effects[0] == "accountEnabled=False"
        assert sum(1 for effect in world.directory.effects if effect == "accountEnabled=False") == 1

    play(story, STATE, policy=ASKING)


class Counting(MemoryDocuments):
    """Counts how often it is asked whether somebody was told of."""

    asked = 0

    async def get(self, partition: str, key: str) -> Document | None:
        self.asked += partition == "inbox-suspect-change"
        return await super().get(partition, key)


def test_thousands_of_small_changes_do_not_keep_the_worst_from_being_told() -> None:
    """The store is asked about the worst alone: asked for each, a message's time would be over before anybody is."""

    async def story(world: World) -> None:
        world.store = replace(world.store, documents=Counting())
        world.feeds.log = [record(number) for number in range(800)]
        followed = (await contain(world)).last(Followed)

        assert followed is not None
        assert (len(followed.changed), followed.left) == (MOST_TOLD, 800 - MOST_TOLD)
        assert isinstance(world.store.documents, Counting)
        assert world.store.documents.asked < 300

    play(story, STATE, policy=ASKING)


def test_records_that_cannot_be_read_are_told_by_number_where_they_are_many() -> None:
    """A journal's entry is small; what does not fit into it would never be written."""

    async def story(world: World) -> None:
        world.feeds.log = [replace_in(record(number), initiatedBy=f"n{number}") for number in range(300)]
        followed = (await contain(world)).last(Followed)

        assert followed is not None
        assert 0 < len(followed.not_known) < 30

    play(story, STATE, policy=ASKING)


def test_followed_twice_it_tells_nobody_twice() -> None:
    """A message that comes again, or another instance: the signal is known, the word stands."""

    async def story(world: World) -> None:
        world.feeds.log = [record(1)]
        chain = await contain(world)
        again = world.instance("two")
        await again.work({"incident": chain.incident, "because": "follow"})

        assert sum(1 for _ in (await world.chain_of(chain.incident)).all(Followed)) == 1
        assert len(await world.store.documents.query("incidents")) == 2

    play(story, STATE, policy=ASKING)


@pytest.mark.parametrize("lasting", [True, False])
def test_a_log_that_cannot_be_read_is_told_and_is_never_nobody(lasting: bool) -> None:
    """For good, a person is called; for now, the message comes again."""

    async def story(world: World) -> None:
        world.feeds.log, world.feeds.fail_audits_after = [record(1)], 0
        if not lasting:
            world.feeds.failure = lambda: Unreachable("reading the audit log", "no answer")
            with pytest.raises(Unreachable):
                await contain(world)
            return
        world.feeds.failure = lambda: Gone("reading the audit log")
        chain = await contain(world)
        followed, call = chain.last(Followed), chain.last(Escalated)

        assert followed is not None
        assert (followed.changed, len(followed.not_known)) == ((), 1)
        assert call is not None
        assert "not known whole" in call.reason

    play(story, STATE, policy=ASKING)


def test_too_far_from_where_it_began_a_person_goes_on() -> None:
    """The chain has an end, and says so once; nearer to its root it goes on."""

    async def story(world: World, links: int) -> tuple[Followed | None, list[Escalated]]:
        await accuse_the_attacker(world, links=links)
        world.feeds.log = [record(1, ago=30)]
        chain = await hear_of_a_change(world)
        return chain.last(Followed), list(chain.all(Escalated))

    near, no_call = play(lambda world: story(world, MOST_LINKS - 2), STATE, policy=CONTAINING)
    far, calls = play(lambda world: story(world, MOST_LINKS - 1), STATE, policy=CONTAINING)

    assert near is not None
    assert (len(near.changed), near.left, near.links, no_call) == (1, 0, MOST_LINKS - 1, [])
    assert far is not None
    assert (len(far.changed), far.left, far.links) == (0, 1, MOST_LINKS)
    assert [f"{MOST_LINKS} changes away" in call.reason for call in calls] == [True]


def test_what_it_changed_before_it_was_changed_itself_is_not_followed() -> None:
    """It is suspect only since then; the report says from when on."""

    async def story(world: World) -> None:
        await accuse_the_attacker(world, links=0)
        world.feeds.log = [record(1, ago=120), record(2, ago=30)]
        followed = (await hear_of_a_change(world)).last(Followed)

        assert followed is not None
        assert followed.since == START - timedelta(minutes=90)
        assert [each.principal_id for each in followed.changed] == [other(2)]

    play(story, STATE, policy=CONTAINING)


def test_a_record_that_comes_late_is_judged_by_what_is_known_by_then() -> None:
    """The suspect was found out long before the record came; the decision names incident, record and root."""

    async def story(world: World) -> None:
        await accuse_the_attacker(world, links=0)
        chain = await hear_of_a_change(world)
        decided, responder = chain.last(Decided), world.instance()
        view = await responder.incident(chain.incident)
        report = await responder.report(chain.incident)

        assert decided is not None
        assert [(each.incident, each.record_id) for each in decided.related] == [(ATTACKERS, "Directory_1")]
        assert (decided.verdict, decided.rule) == ("ask", "changed-by-a-suspect")
        assert view.case is not None
        assert view.case.root == ATTACKERS
        assert [each.incident for each in view.case.members] == [ATTACKERS, chain.incident]
        assert [each.incident for each in view.case.members[1].changed_by] == [ATTACKERS]
        assert report.case is not None
        assert report.case.members[0].principal_id is None

    play(story, STATE, policy=ASKING)


def test_a_circle_comes_to_its_end() -> None:
    """Whoever was followed from the first, and tells of the first, joins it: nothing is done or told a second time."""

    async def story(world: World) -> None:
        world.feeds.log = [record(1)]
        chain = await contain(world)
        before = len(world.directory.effects)
        signal = source_named("suspect-change").read(back_to(chain.incident), "t")
        assert isinstance(signal, Signal)
        await world.desk().inbox.take([signal])
        await world.work_queue(world.instance(), timedelta(minutes=2))
        after = await world.chain_of(chain.incident)

        assert any(each.source == "suspect-change" for each in after.all(SignalJoined))
        assert sum(1 for _ in after.all(Followed)) == 1
        assert len(world.directory.effects) == before
        assert len(await world.store.documents.query("incidents")) == 2
        assert origin_of(History(after.lines)) == Origin(chain.incident)
        assert await status_of_chain(world, after) is Status.CONTAINED

    play(story, STATE, policy=ASKING)


def test_a_released_identity_accuses_nobody_any_more() -> None:
    """Contained, then undone by a person: the journal says cleared, from the order on."""

    async def story(world: World) -> tuple[list[Suspicion], list[Suspicion], list[Suspicion]]:
        suspicions = JournalSuspicions(world.store, world.clock)
        before = [each.suspicion for each in await suspicions.of(PAYROLL)]
        chain = await contain(world)
        contained = [each.suspicion for each in await suspicions.of(PAYROLL_CLIENT)]
        responder = world.instance()
        await responder.undo(chain.incident, UndoOrdered(by="night shift", reason="a false alarm"))
        await world.work_queue(responder, timedelta(minutes=5))
        return before, contained, [each.suspicion for each in await suspicions.of(PAYROLL)]

    assert play(story, STATE, policy=ASKING) == ([], [Suspicion.CONTAINED], [Suspicion.CLEARED])


@pytest.mark.parametrize(("mode", "suspicion"), [("watch", Suspicion.WATCHED), ("ask", Suspicion.ACCUSED)])
def test_what_is_not_carried_out_is_followed_by_nobody(mode: str, suspicion: Suspicion) -> None:
    """A rehearsal accuses nobody; a plan that waits for a person does, and is followed once it is let go."""

    async def story(world: World) -> None:
        world.feeds.log = [record(1)]
        chain = await contain(world)

        assert chain.last(Followed) is None
        found = await JournalSuspicions(world.store, world.clock).of(PAYROLL)
        assert [each.suspicion for each in found] == [suspicion]

    play(story, STATE, policy=ASKING, mode=mode)


def test_the_stop_switch_stops_before_anybody_is_followed() -> None:
    """What was not cut off is not followed either."""

    async def story(world: World) -> None:
        world.feeds.log, world.switch.reason = [record(1)], "night shift"
        chain = await contain(world)

        assert chain.last(Followed) is None
        assert world.directory.effects == []

    play(story, STATE, policy=ASKING)


ATTACKERS = "20260302-aaaaaaaaaaaa"


async def accuse_the_attacker(world: World, *, links: int) -> None:
    """The journal of an incident that accuses the attacker, so many changes away from where its case began."""
    chain = Chain(world.store.journal, IncidentId(ATTACKERS), world.clock)
    subject = SubjectIds(principal_id=ATTACKER)
    met = ConditionAnswer(condition="changed-by-suspect", answer="met", reason="a test")
    answer = RuleAnswer(rule="a-rule", verdict="ask", finding=met)
    by = RelatedTold(
        incident="20260302-bbbbbbbbbbbb",
        root="20260302-bbbbbbbbbbbb",
        links=links - 1,
        actor=other(77),
        record_id="Directory_77",
        activity="Add owner to application",
        at=START - timedelta(hours=3),
    )
    decided = Decided(verdict="ask", rule="a-rule", rules=(answer,), policy="p", related=(by,))
    await chain.write(
        Opened(tenant_id="t", subject=subject, mode="act", policy="p"),
        SignalJoined(source="manual", record_id="r", observed_at=START, summary="a test"),
        decided if links else decided.model_copy(update={"rules": (), "related": ()}),
    )
    await world.store.documents.insert("subjects", ATTACKER, {"incident": ATTACKERS})


async def hear_of_a_change(world: World) -> Chain:
    """The attacker gave the identity of these stories a credential, 90 minutes ago; its record comes only now."""
    world.directory.detections = ()
    world.directory.audits = (added(by=ATTACKER, ago=timedelta(minutes=90)),)
    responder, raw = world.instance(), record(1, by=ATTACKER, on=PAYROLL, ago=90)
    event: JsonObject = {"type": "Cordon.Signal.DirectoryAudit", "id": "e", "source": "t", "data": raw}
    await responder.receive_events([event])
    await world.work_queue(responder, timedelta(minutes=5))
    listed = await world.store.documents.query("incidents")
    chains = [await world.chain_of(str(each.body["incident"])) for each in listed]
    return next(chain for chain in chains if chain.place(Decided) >= 0)


def back_to(incident: str) -> JsonObject:
    """What an identity that was changed by the first one tells of it."""
    return changed_by(
        IdentityRef(PAYROLL),
        incident="20260302-cccccccccccc",
        root=incident,
        links=1,
        actor=other(1),
        record="Directory_9",
        activity="Add owner to service principal",
        at=START,
    )


async def status_of_chain(world: World, chain: Chain) -> Status:
    return status_of(chain.records, world.clock())


def test_an_identity_that_is_told_of_by_each_of_its_objects_is_followed_once() -> None:
    """A secret on the application, an owner of the service principal, a role by client id: one incident, one place."""

    async def story(world: World) -> None:
        application, client = other(101), other(201)
        look, ref = (
            world.directory.look,
            WorkloadIdentity(
                PrincipalId(other(1)), ClientId(client), AppObjectId(application), "x", IdentityKind.OWN_SINGLE_TENANT
            ),
        )

        async def find(subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
            if subject.app_object_id == application:
                return Gathered(identity=Known(replace(payroll(), identity=ref)))
            return await look(subject, parts)

        world.directory.look = find
        target: JsonObject = {"id": application, "type": "Application", "modifiedProperties": []}
        on_application = record(2, activity="Add owner to application")
        world.feeds.log = [record(1), replace_in(on_application, targetResources=[target])]
        followed = (await contain(world)).last(Followed)

        assert followed is not None
        assert [(each.principal_id, each.app_object_id, each.records) for each in followed.changed] == [
            (other(1), application, 2)
        ]
        assert len(await world.store.documents.query("incidents")) == 2

    play(story, STATE, policy=ASKING)
