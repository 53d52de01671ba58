"""Lost answers, rivals, the stop switch, reads with an old token, owners who take their time."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from shared.actions import choosable
from shared.actions.interface import Applied, Proof
from shared.case import CouldNotLook
from shared.entries import (
    Closed,
    IdentityAccused,
    RotationEnded,
    RotationHeld,
    RotationPlanned,
    SecretAwaits,
    SecretFailed,
    SecretReminded,
    SecretRepeated,
    SecretStopped,
    SecretVerified,
    SignalJoined,
    UndoOrdered,
    WriteOutcome,
)
from shared.errors import OutcomeUnknown, PermissionMissing, Throttled
from shared.estate import SecretRef, SecretValue
from shared.identity import ClientId, PrincipalId
from shared.incident import Status
from shared.journal import IncidentId, Journal, Record
from shared.policy import read_policy
from shared.rotators import rotator_named
from tests.fakes import PAYROLL_CLIENT, START, password, payroll, value_of
from tests.rotation.checker import faults
from tests.rotation.world import RotationWorld, play, policy

CONN = SecretRef("shop", "conn")
ALL = policy(ask="[]")


@pytest.mark.parametrize("applied", [True, False])
def test_a_version_whose_answer_was_lost_is_looked_for_and_not_stored_twice(applied: bool) -> None:
    """Stored or not, the operation's tag tells; in the end there is one version."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        lost = iter([True])

        def lose(name: str) -> None:
            if name == "publish" and next(lost, False):
                raise OutcomeUnknown("storing", "time-out")

        if applied:
            world.writes.after = lose
        else:
            world.writes.before = lose
        await play_out(world)

        assert len(world.made(CONN)) == 1
        assert await faults(world) == []

    play(story, text=ALL)


async def play_out(world: RotationWorld, until: timedelta = timedelta(hours=3)) -> RotationEnded | None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder, until)
    return (await world.secrets_chain()).last(RotationEnded)


@dataclass
class ForgetfulJournal:
    """Every seventh answer of the rotation's journal is lost; every second of these was not even written."""

    inner: Journal
    appends: int = 0

    async def append(self, records: Sequence[Record]) -> None:
        if not records[0].incident.endswith(".secrets"):
            await self.inner.append(records)
            return
        self.appends += 1
        if self.appends % 14 != 0:
            await self.inner.append(records)
        if self.appends % 7 == 0:
            raise OutcomeUnknown("appending", "time-out")

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self.inner.read(incident)


def test_lost_answers_of_the_journal_neither_lose_nor_repeat_anything() -> None:
    """What stands is seen to stand, what does not is written again."""

    async def story(world: RotationWorld) -> None:
        for number in range(12):
            world.storage_secret(SecretRef("shop", f"s{number}"), f"acct{number:02d}", read=number % 2 == 0)
        world = replace(world, store=replace(world.store, journal=ForgetfulJournal(world.store.journal)))
        ended = await play_out(world)

        assert ended is not None
        assert ended.counts == {"rotated": 12}
        assert sum(name.startswith("regenerate") for name in world.writes.done) == 24
        assert await faults(world) == []

    play(story, text=ALL)


def test_two_instances_that_get_the_same_messages_make_everything_once() -> None:
    """Each message is worked by both at once; the append decides, and who lost stops before its next effect."""

    async def story(world: RotationWorld) -> None:
        for number in range(6):
            world.storage_secret(SecretRef("shop", f"s{number}"), f"acct{number:02d}", read=number % 2 == 0)
        one, two = world.instance("one"), world.instance("two")
        await world.hear_of_leak(one)
        end = START + timedelta(hours=3)
        while (due := await world.store.queue.next_due()) is not None and due <= end:
            await asyncio.sleep(max(0.0, (due - world.clock()).total_seconds()))
            for received in await world.store.queue.receive(1, timedelta(minutes=10)):
                message = json.loads(received.body)
                await asyncio.gather(one.work(message), two.work(message))
                await world.store.queue.delete(received)

        assert sum(name == "publish" for name in world.writes.done) == 6
        assert sum(name.startswith("regenerate") for name in world.writes.done) == 12
        assert await faults(world) == []

    play(story, text=ALL)


def test_a_message_that_comes_to_a_clock_that_is_behind_is_not_the_last_one() -> None:
    """One instance says when it goes on; the one that is handed the message finds it too early, and lets it wait."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        behind = replace(world, clock=lambda: world.clock() - timedelta(seconds=2)).instance("two")
        await world.hear_of_leak(world.instance())
        await world.work_queue(world.instance(), timedelta(minutes=5))
        await world.work_queue(behind)
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert ended is not None
        assert ended.whole
        assert await world.status() is Status.CONTAINED

    play(story, text=ALL)


def test_the_stop_switch_stops_before_the_next_effect_and_its_release_goes_on() -> None:
    """Nothing is written while it is set; ten minutes after its release at the latest the rotation goes on."""

    async def story(world: RotationWorld) -> None:
        for number in range(40):
            world.storage_secret(SecretRef("shop", f"s{number}"), f"acct{number:02d}", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        worker = asyncio.create_task(world.work_queue(responder, timedelta(hours=3)))
        await asyncio.sleep(1.0)
        world.switch.reason = "wait"
        stopped_at = world.clock()
        await asyncio.sleep(1800)
        late = [at for at, *_ in world.touched if at > stopped_at + timedelta(seconds=1.2)]
        stood_still = len(world.touched)

        assert late == []
        assert await world.status() is Status.NEEDS_ATTENTION
        held = (await world.secrets_chain()).last(RotationHeld)
        assert held is not None
        assert held.by == "switch"

        world.switch.reason = None
        await asyncio.sleep(660)
        assert len(world.touched) > stood_still
        await worker
        assert await faults(world) == []

    play(story, text=ALL)


def test_what_is_read_again_with_an_old_token_is_rotated_again() -> None:
    """The new version is read ten minutes after it was published: it dies as well, and the next one stands."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=3))
        (first,) = world.made(CONN)
        exposed = world.vaults.held[CONN][-1][1]
        world.read(CONN, first.version or "", world.clock())
        await world.work_queue(responder)

        assert not world.is_alive(exposed)
        assert len(world.made(CONN)) == 2
        (value,) = world.enabled(CONN)
        assert world.is_alive(value)
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 2})

    play(story, text=ALL)


def test_a_third_round_asks_no_proof_of_what_the_first_one_let_die() -> None:
    """The thief reads each new version, for as long as his token lives: what died first was disabled long ago."""

    async def story(world: RotationWorld) -> None:
        world.generated_secret(CONN, read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=3))
        for minutes in (35, 120):
            world.read(CONN, world.made(CONN)[-1].version or "", world.clock())
            await world.work_queue(responder, timedelta(minutes=minutes))

        assert len(world.made(CONN)) == 3
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 3})

    play(story, text=ALL)


def test_two_secrets_with_the_two_keys_of_one_account_end_on_one_living_key() -> None:
    """Neither rotation kills what the other has just published; both exposed keys are dead."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", "key1", read=True)
        world.storage_secret(SecretRef("attic", "copy"), "acct01", "key2")
        ended = await play_out(world)

        assert ended is not None
        assert ended.whole
        assert await faults(world) == []

    play(story, text=ALL)


@pytest.mark.parametrize("owners_word", ["accept", "attention"])
def test_an_owner_is_asked_reminded_and_his_new_version_ends_the_waiting(owners_word: str) -> None:
    """What nobody recognises is delegated; lower tiers do not wait for him. The policy says what his word is worth."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        world.storage_secret(SecretRef("shop", "beside"), "acct01")
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=90))
        chain = await world.secrets_chain()

        assert chain.last(SecretAwaits, "shop/conn") is not None
        assert [entry.escalated for entry in chain.all(SecretReminded)] == [False]
        assert not world.is_alive(world.vaults.held[SecretRef("shop", "beside")][0][1])
        assert await world.status() is Status.PROVING

        tags = {"cordon-old-is-dead": str(world.vaults.held[CONN][0][0].version)}
        world.vaults.store(CONN, "the-owners-new-value", created=world.clock(), updated=world.clock(), tags=tags)
        await world.work_queue(responder, timedelta(hours=3))

        assert world.enabled(CONN) == ["the-owners-new-value"]
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (owners_word == "accept", {"on-owners-word": 1, "rotated": 1})
        assert await world.status() is (Status.CONTAINED if owners_word == "accept" else Status.NEEDS_ATTENTION)

    play(story, text=policy(ask="[]", owners_word=owners_word))


def test_a_new_version_without_the_owners_word_proves_nothing() -> None:
    """The exposed value may well open what it opened: that is waited for, and then it is a person's to find out."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=30))
        world.vaults.store(CONN, "the-owners-new-value", created=world.clock(), updated=world.clock())
        await world.work_queue(responder, timedelta(hours=2))

        assert (await world.secrets_chain()).last(RotationEnded) is None

        await world.work_queue(responder, timedelta(hours=6))
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (False, {"not-proven": 1})
        assert await world.status() is Status.NEEDS_ATTENTION

    play(story, text=ALL)


def test_a_key_alone_in_an_older_version_is_left_to_a_person_by_name() -> None:
    """It may be of any account: the keys of the newest version's account say nothing of it."""

    async def story(world: RotationWorld) -> None:
        older = world.secret(CONN, "bXkgb3duIGtleSBvZiBhbm90aGVyIGFjY291bnQ=")
        world.storage_secret(CONN, "acct01", read=True)
        ended = await play_out(world)
        report = await world.instance().report((await world.chain()).incident)

        assert ended is not None
        assert (ended.whole, ended.counts) == (False, {"not-proven": 1})
        assert await world.status() is Status.NEEDS_ATTENTION
        assert report.secrets is not None
        (told,) = report.secrets.secrets
        assert f"the exposed version {older.version} is not surely a key of storage acct01" in str(told.proof)

    play(story, text=ALL)


def test_an_owner_who_does_nothing_is_a_persons_to_call() -> None:
    """After four hours somebody is called; a week later it is given up by name."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=5))

        assert await world.status() is Status.NEEDS_ATTENTION
        closed = (await world.chain()).last(Closed)
        assert closed is not None
        assert closed.reason.endswith("what it exposed is still worked on")

        await world.work_queue(responder, timedelta(days=9))
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (False, {"stopped": 1})

    play(story, text=ALL)


def test_cordons_own_vault_is_never_touched_and_said_so() -> None:
    """A mistake there would cut off the responder itself: it is a person's to rotate."""

    async def story(world: RotationWorld) -> None:
        world.generated_secret(SecretRef("cordon", "handed-over"), read=True)
        ended = await play_out(world)
        planned = (await world.secrets_chain()).last(RotationPlanned)

        assert world.touched == []
        assert planned is not None
        assert set(planned.spared) == {"cordon/handed-over"}
        assert ended is not None
        assert not ended.whole

    play(story, text=ALL)


def test_a_client_secret_of_a_protected_identity_is_spared_whichever_of_its_ids_the_policy_names() -> None:
    """A secret names its client; the policy may name the object. It is read, and not guessed."""
    client = ClientId("20000000-0000-4000-8000-000000000077")
    principal = PrincipalId("30000000-0000-4000-8000-000000000077")
    text = f"{ALL}protected: [{{id: {principal}, reason: break-glass}}]\n"

    async def story(world: RotationWorld) -> None:
        tags = {"ProviderAddress": str(client), "CredentialId": "40000000-0000-4000-8000-000000000077"}
        world.secret(CONN, value_of(password(1)), read=True, tags=tags)
        ours = world.directory.state
        world.directory.others = {
            client: replace(ours, identity=replace(ours.identity, principal_id=principal, client_id=client))
        }
        ended = await play_out(world)
        planned = (await world.secrets_chain()).last(RotationPlanned)

        assert planned is not None
        assert planned.spared == {"shop/conn": "it is a credential of a protected identity: break-glass"}
        assert world.touched == []
        assert ended is not None
        assert not ended.whole

    play(story, text=text)


def _untagged_storage_secret(world: RotationWorld) -> str:
    """Only its value tells whose it is; the value."""
    world.storage_secret(CONN, "acct01")
    key = world.vaults.held.pop(CONN)[0][1]
    value = f"DefaultEndpointsProtocol=https;AccountName=acct01;AccountKey={key};EndpointSuffix=core.windows.net"
    world.secret(CONN, value, read=True)
    return key


def test_a_secret_that_cannot_be_looked_at_now_is_looked_at_later() -> None:
    """A busy vault makes nobody's secret out of a storage key: it is rotated when the vault answers."""

    async def story(world: RotationWorld) -> None:
        exposed = _untagged_storage_secret(world)
        world.vaults.refusal = Throttled(doing="reading a value")
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=5))
        assert (await world.secrets_chain()).last(RotationPlanned) is None

        world.vaults.refusal = None
        await world.work_queue(responder)

        assert not world.is_alive(exposed)
        assert (await world.secrets_chain()).last(SecretAwaits) is None

    play(story, text=ALL)


def test_a_secret_that_nobody_may_look_at_is_its_owners_and_the_report_says_why() -> None:
    """Not looked at is not the same as not recognised: somebody has to grant the right."""

    async def story(world: RotationWorld) -> None:
        _untagged_storage_secret(world)
        world.vaults.refusal = PermissionMissing(doing="reading a value", needs="Key Vault Secrets User")
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=5))
        report = await responder.report((await world.chain()).incident)

        assert report.secrets is not None
        (told,) = report.secrets.secrets
        assert (told.rotator, told.state) == ("delegated", "with-owner")
        assert "Key Vault Secrets User" in str(told.chosen_because)

    play(story, text=ALL)


@pytest.mark.parametrize("by", ["client", "object"])
def test_protection_that_comes_while_a_secret_is_rotated_stops_it(by: str) -> None:
    """A plan that stands is no licence: the policy of now can stop it, by name, whichever id of it the policy names."""
    client = ClientId("20000000-0000-4000-8000-000000000077")
    principal = PrincipalId("30000000-0000-4000-8000-000000000077")

    async def story(world: RotationWorld) -> None:
        tags = {"ProviderAddress": client, "CredentialId": "40000000-0000-4000-8000-000000000077"}
        world.secret(CONN, value_of(password(1)), read=True, tags=tags)
        responder = world.instance()
        await world.hear_of_leak(responder)
        incident = (await world.chain()).incident
        await world.work_queue(responder, timedelta(minutes=2))
        assert (await world.chain_of(f"{incident}.secrets")).last(SecretStopped) is None

        ours = world.directory.state
        theirs = replace(ours.identity, principal_id=principal, client_id=client, app_object_id=None)
        world.directory.others = {client: replace(ours, identity=theirs, application=None)}
        text = f"{ALL}protected: [{{id: {client if by == 'client' else principal}, reason: break-glass}}]\n"
        world.policy = read_policy(text, "story.yaml", choosable())
        other = world.instance("two")
        await world.work_queue(other)
        stopped = (await world.chain_of(f"{incident}.secrets")).last(SecretStopped, "shop/conn")

        assert stopped is not None
        assert stopped.outcome == "protected"
        assert "break-glass" in stopped.reason
        assert (await other.incident(incident)).status is Status.NEEDS_ATTENTION

    play(story, text=ALL)


def test_while_nobody_can_tell_whether_an_identity_is_protected_its_secret_is_left_alone() -> None:
    """The new one is published; the exposed one is not removed before Graph says whose it is."""
    text = f"{ALL}protected: [{{id: 30000000-0000-4000-8000-000000000077, reason: break-glass}}]\n"

    async def story(world: RotationWorld) -> None:
        state = world.directory.state
        assert state.application is not None
        world.directory.state = replace(
            state, application=replace(state.application, tags=("cordon-secret:shop/conn",))
        )
        tags = {"ProviderAddress": PAYROLL_CLIENT, "CredentialId": password(1).key_id}
        world.secret(CONN, value_of(password(1)), read=True, tags=tags)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=10))
        assert len(world.made(CONN)) == 1

        world.directory.unreadable = CouldNotLook("Graph is busy", may_help_later=True)
        await world.work_queue(responder, timedelta(minutes=25))
        failed = (await world.secrets_chain()).last(SecretFailed)
        assert failed is not None
        assert "whether the policy protects" in failed.reason
        assert _has_first_password(world)

        world.directory.unreadable = None
        await world.work_queue(responder)
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert not _has_first_password(world)
        assert ended is not None
        assert ended.counts == {"rotated": 1}

    play(story, text=text)


def _has_first_password(world: RotationWorld) -> bool:
    return any(held.key_id == password(1).key_id for each in world.directory.state.holders for held in each.passwords)


@pytest.mark.parametrize("refused", [False, True])
def test_what_is_let_die_once_more_is_on_record(refused: bool) -> None:
    """The source said yes and the key lived on: the second order's answer is written down like the first one's."""

    async def story(world: RotationWorld) -> None:
        seen = world.storage_secret(CONN, "acct01", read=True)
        rotator = rotator_named("storage-account-key")
        proofs = iter([Proof("not-held", "the exposed value is key1 still")])

        async def verify(*_: object) -> Proof:
            return next(proofs, Proof("held", "no key is the exposed value any more"))

        orders = iter([Applied(())])

        async def retire(*_: object) -> Applied:
            again = WriteOutcome(write="make key1 new", outcome="refused", detail="locked", stop="locked")
            usual = WriteOutcome(write="make key1 new", outcome="accepted")
            return next(orders, Applied((again if refused else usual,)))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(rotator), "verify", verify)
            patch.setattr(type(rotator), "retire", retire)
            ended = await play_out(world)
        repeated = (await world.secrets_chain()).last(SecretRepeated, f"{seen.ref.vault}/{seen.ref.name}")
        report = await world.instance().report((await world.chain()).incident)

        assert ended is not None
        assert repeated is not None
        assert [each.outcome for each in repeated.writes] == ["refused" if refused else "accepted"]
        assert report.secrets is not None
        (retired,) = [each for each in report.secrets.secrets[0].stages if each.stage == "retired"]
        assert f"again at 03:15 UTC: {repeated.writes[0].outcome}" in str(retired.note)

    play(story, text=ALL)


def test_a_secret_that_gives_nothing_out_is_rotated_once_it_does_again() -> None:
    """Every version was disabled at the first look; somebody enables the exposed one before the last token is dead."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01")
        stored, exposed = world.vaults.held[CONN][0]
        world.vaults.held[CONN] = [(replace(stored, enabled=False), exposed)]
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=5))
        planned = (await world.secrets_chain()).last(RotationPlanned)
        assert planned is not None
        assert set(planned.spared) == {"shop/conn"}

        world.vaults.held[CONN] = [(stored, exposed)]
        await world.work_queue(responder)

        assert not world.is_alive(exposed)
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert (ended.whole, ended.counts) == (True, {"rotated": 1})

    play(story, text=ALL)


def test_an_undo_ends_the_rotation_before_its_next_effect() -> None:
    """A person takes the containment back in the grace: what is done stays, nothing more is done."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=3))
        before = list(world.touched)
        incident = (await world.chain()).incident
        await responder.undo(incident, UndoOrdered(by="ana", reason="a drill of ours"))
        await world.work_queue(responder)

        assert world.touched == before
        ended = (await world.secrets_chain()).last(RotationEnded)
        assert ended is not None
        assert not ended.whole
        assert await world.status() is Status.RELEASED

    play(story, text=ALL)


def test_a_secret_that_no_slice_can_finish_is_given_up_and_lower_tiers_go_on() -> None:
    """Whoever may store secrets can make one so slow that it is broken off each time; what lies beside it must die."""
    beside = SecretRef("shop", "beside")

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.storage_secret(beside, "acct02")
        values = world.vaults.value

        async def slow(ref: SecretRef, version: str) -> SecretValue:
            await asyncio.sleep(600 if ref == CONN else 0.1)
            return await values(ref, version)

        world.vaults.value = slow  # pyright: ignore[reportAttributeAccessIssue]
        ended = await play_out(world)
        stopped = (await world.secrets_chain()).last(SecretStopped, "shop/conn")

        assert stopped is not None
        assert stopped.outcome == "budget-spent"
        assert "it takes longer than a slice of work lasts" in stopped.reason
        assert not world.is_alive(world.vaults.held[beside][0][1])
        assert ended is not None
        assert ended.counts == {"rotated": 1, "stopped": 1}

    play(story, text=ALL)


def test_an_undo_in_the_middle_lets_no_other_secret_begin() -> None:
    """A person takes it back while forty are at it: what is made is published, for it may be all that there is."""

    async def story(world: RotationWorld) -> None:
        for number in range(40):
            world.storage_secret(SecretRef("shop", f"s{number}"), f"acct{number:02}", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        worker = asyncio.create_task(world.work_queue(responder))
        await asyncio.sleep(25)
        incident = (await world.chain()).incident
        ordered = world.clock()
        await responder.undo(incident, UndoOrdered(by="ana", reason="a drill of ours"))
        await worker
        writes = [write.partition(" ")[0] for write in world.writes.done]
        late = [at for at, what, _ in world.touched if what != "publish" and at > ordered + timedelta(seconds=10)]
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert late == []
        assert 0 < writes.count("regenerate") == writes.count("publish") < 40
        assert ended is not None
        assert not ended.whole
        assert await world.status() is Status.RELEASED

    play(story, text=ALL, latency=2.0)


def test_another_identitys_client_secret_opens_that_identitys_incident_once() -> None:
    """Its signal names this incident; looking again sends nothing new."""

    async def story(world: RotationWorld) -> None:
        other = "20000000-0000-4000-8000-000000000077"
        tags = {"ProviderAddress": other, "CredentialId": "40000000-0000-4000-8000-000000000077"}
        world.secret(CONN, value_of(password(1)), read=True, tags=tags)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=2))
        listed = await world.store.documents.query("incidents")
        incidents = sorted({str(each.body["incident"]) for each in listed})
        chains = [await world.chain_of(f"{incident}.secrets") for incident in incidents]
        accused = [entry.client_id for chain in chains for entry in chain.all(IdentityAccused)]

        assert len(incidents) == 2
        assert accused == [other]

    play(story, text=ALL)


@pytest.mark.parametrize("value_fits", [True, False])
def test_a_tag_on_a_secret_accuses_nobody_of_whom_the_value_does_not_tell_the_same(value_fits: bool) -> None:
    """Whoever may write one secret could have any identity of the tenant contained, by a tag with its client id."""
    other = ClientId("20000000-0000-4000-8000-000000000077")

    async def story(world: RotationWorld) -> None:
        ours = world.directory.state
        theirs = payroll(application=[password(77)])
        identity = replace(ours.identity, principal_id=PrincipalId(f"{other[:-1]}8"), client_id=other)
        world.directory.others = {other: replace(theirs, identity=identity)}
        tags = {"ProviderAddress": other, "CredentialId": password(77).key_id}
        world.secret(CONN, value_of(password(77)) if value_fits else "the-attackers-own", read=True, tags=tags)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=2))
        listed = await world.store.documents.query("incidents")
        chains = [await world.chain_of(each) for each in {str(each.body["incident"]) for each in listed}]
        signals = [entry for chain in chains for entry in chain.all(SignalJoined) if entry.source == "exposed-secret"]

        assert ["unsure" in each.facts for each in signals] == [not value_fits]

    play(story, text=ALL)


def test_a_version_that_stays_enabled_whatever_is_written_is_left_to_a_person() -> None:
    """The policy has what nobody recognises disabled; it is tried for half an hour, not for ever and not in a rush."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)

        async def in_vain(ref: SecretRef, version: str, enabled: bool) -> None:
            await asyncio.sleep(0.1)

        world.vaults.set_enabled = in_vain  # pyright: ignore[reportAttributeAccessIssue]
        ended = await play_out(world)
        chain = await world.secrets_chain()
        stopped = chain.last(SecretStopped)

        assert stopped is not None
        assert (stopped.outcome, stopped.stage) == ("budget-spent", "disabled")
        assert sum(1 for _ in chain.all(SecretVerified)) < 60
        assert ended is not None
        assert not ended.whole

    play(story, text=policy(ask="[]", unrecognised="disable"))
