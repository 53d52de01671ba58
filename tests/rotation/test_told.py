"""What people are shown of exposed secrets: totals, each secret, what is open and with whom, and their own word."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.entries import RotationApproved, RotationEnded, RotationHeld, SecretStopped
from shared.errors import RequestConflicts
from shared.estate import DeletedVault, DeletedVaults, SecretRef
from shared.incident import Status
from shared.report import Report, as_markdown
from shared.responder import Responder
from shared.views import IncidentView
from tests.fakes import START
from tests.rotation.world import RotationWorld, play, policy
from tests.rotators.estate import GROUP, SUBSCRIPTION

CONN, OTHER, FAR = SecretRef("shop", "conn"), SecretRef("shop", "other"), SecretRef("depot", "far")


async def rotated(world: RotationWorld) -> Responder:
    """A key that was read, one beside it, and one within reach; worked until nothing is left that goes by itself."""
    world.storage_secret(CONN, "acct01", read=True)
    world.storage_secret(OTHER, "acct02")
    world.storage_secret(FAR, "acct03")
    world.read(CONN, world.vaults.held[CONN][0][0].version or "")
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder)
    return responder


async def told(world: RotationWorld, responder: Responder) -> tuple[IncidentView, Report]:
    incident = (await world.chain()).incident
    return await responder.incident(incident), await responder.report(incident)


def test_view_and_report_tell_each_secret_and_its_stages() -> None:
    """Counts by tier and by state first; then who read it, what was done when, and the proof."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, report = await told(world, responder)

        assert view.secrets is not None
        assert view.secrets.by_tier == {"1": 1, "2": 1, "3": 1}
        assert view.secrets.by_state == {"rotated": 2, "waits-for-approval": 1}
        assert [each.secret for each in view.secrets.open] == ["depot/far"]
        assert report.secrets is not None
        first = report.secrets.secrets[0]
        assert (first.step, first.tier, first.state, first.open) == ("shop/conn", 1, "rotated", None)
        assert first.read_by_identity is not None
        assert first.read_by_identity.addresses == ("203.0.113.7",)
        assert [stage.stage for stage in first.stages] == ["made", "published", "retired", "disabled"]
        assert first.proof is not None
        assert first.proof.startswith("held")

    play(story)


def test_a_deleted_secret_is_a_persons_and_keeps_the_incident_open() -> None:
    """Nothing can be rotated in it; what it opened is told with its tier, and the others are rotated."""

    async def story(world: RotationWorld) -> None:
        gone = world.storage_secret(SecretRef("shop", "gone"), "acct09", read=True)
        del world.vaults.held[gone.ref]
        world.vaults.bin.append(replace(gone, version=None, deleted=START - timedelta(days=1)))
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        view, report = await told(world, responder)

        assert view.status is not Status.CONTAINED
        assert report.secrets is not None
        shown = {each.step: (each.tier, each.state) for each in report.secrets.secrets}
        assert shown == {"shop/conn": (1, "rotated"), "shop/gone": (1, "stopped")}
        assert "It was deleted: nothing can be rotated" in as_markdown(report)

    play(story)


@pytest.mark.parametrize(
    ("word", "was_read", "whole"), [("attention", False, False), ("accept", False, True), ("accept", True, False)]
)
def test_a_policy_may_leave_what_was_deleted_and_not_read(word: str, was_read: bool, whole: bool) -> None:
    """By its word, which the report repeats; what a log shows to be read stays a person's."""

    async def story(world: RotationWorld) -> None:
        gone = world.storage_secret(SecretRef("shop", "gone"), "acct09", read=was_read)
        del world.vaults.held[gone.ref]
        world.vaults.bin.append(replace(gone, version=None, deleted=START - timedelta(days=1)))
        world.access.gone = DeletedVaults((DeletedVault("attic", SUBSCRIPTION, START - timedelta(days=1)),))
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        _, report = await told(world, responder)
        ended = (await world.secrets_chain()).last(RotationEnded)

        assert ended is not None
        assert ended.whole is whole
        assert report.secrets is not None
        assert not report.secrets.left_by_policy
        assert len(report.secrets.accepted) == (0 if word == "attention" else 1 if was_read else 2)
        assert any("vault attic" in each for each in (*report.secrets.accepted, *report.secrets.unseen))

    play(story, text=policy(ask="[]", deleted=word))


def test_the_markdown_begins_with_the_totals_and_holds_no_value() -> None:
    """A reader at night sees first how many are open; nothing in it opens anything."""

    async def story(world: RotationWorld) -> None:
        values = world.vaults.held
        responder = await rotated(world)
        _, report = await told(world, responder)
        text = as_markdown(report)
        section = text.split("## Secrets")[1].split("\n## ")[0]

        assert section.index("Exposed: 3") < section.index("shop/conn")
        assert "**Tier 1: read, or nobody can say that it was not**" in section
        assert "Read by the identity: " in section
        assert "203.0.113.7" in section
        assert "Still open: the exposed value opens" in section
        everything = text + report.model_dump_json()
        assert all(value not in everything for several in values.values() for _, value in several)

    play(story)


def test_the_report_of_an_unfinished_rotation_never_says_contained() -> None:
    """View, report and headline say the same."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, report = await told(world, responder)

        assert view.status is report.status is Status.AWAITING_APPROVAL
        assert report.contained_since is None
        assert any("let them go by approving" in task for task in view.todo)

    play(story)


def test_while_only_secrets_are_left_one_line_says_what_is_proven_and_until_when_it_is_waited() -> None:
    """Whoever looks in the first two hours sees that the identity is cut off, and why that is not called contained."""

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=10))
        view, report = await told(world, responder)

        assert view.status is Status.PROVING
        assert view.so_far is not None
        assert "The identity itself is cut off, which is proven and seen again after that" in view.so_far
        assert "Not called contained before 2026-03-02 04:45 UTC" in view.so_far
        assert view.so_far in report.headline
        assert "not proven to stay so" not in report.headline

        await world.work_queue(responder)
        view, report = await told(world, responder)
        assert view.status is Status.CONTAINED
        assert view.so_far is None

    play(story)


def test_where_a_person_has_to_let_secrets_go_the_headline_does_not_speak_of_the_plan() -> None:
    """The plan was carried out; it is only what it exposed that waits."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, report = await told(world, responder)

        assert view.status is Status.AWAITING_APPROVAL
        assert "waits for a person, because of its secrets. The identity itself is cut off" in report.headline
        assert "1 held, 2 rotated; a person has to decide." in report.headline
        assert "Not carried out so far" not in report.headline

    play(story)


@pytest.mark.parametrize("accept", [False, True])
def test_a_policys_word_on_what_nobody_may_look_at_is_on_record_and_lets_it_end_whole(accept: bool) -> None:
    """Strict, nothing is whole while there may be more subscriptions; accepted, the report says on whose word it is."""
    options = {"unseen": "accept", "subscriptions": f"[{SUBSCRIPTION}]"} if accept else {}

    async def story(world: RotationWorld) -> None:
        world.storage_secret(CONN, "acct01", read=True)
        world.access.blind = ("subscriptions on which Cordon's reader has no role",)
        world.access.subscriptions = (SUBSCRIPTION,)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        ended = (await world.secrets_chain()).last(RotationEnded)
        view, report = await told(world, responder)

        assert ended is not None
        assert ended.whole is accept
        assert view.status is (Status.CONTAINED if accept else Status.NEEDS_ATTENTION)
        assert ("on the policy's word: that there are no subscriptions beside" in as_markdown(report)) is accept

    play(story, text=policy(ask="[]", **options))


# --- a person's word -------------------------------------------------------------------------------


async def waiting(view: IncidentView) -> str:
    assert view.secrets is not None
    (each,) = view.secrets.waiting
    return each.plan_hash


def test_an_approval_by_the_hash_lets_the_tier_go_once() -> None:
    """Bound to the plan that was shown; the same word again finds nothing that waits."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, _ = await told(world, responder)
        hash_ = await waiting(view)
        with pytest.raises(RequestConflicts):
            await responder.approve(view.id, "0" * 64, approved=True, reason="go", by="Ada")
        with pytest.raises(RequestConflicts, match="Nothing of tier 2 waits"):
            await responder.approve(view.id, hash_, approved=True, reason="go", by="Ada", tiers=(2,))
        await responder.approve(view.id, hash_, approved=True, reason="the owners know", by="Ada", tiers=(3,))
        with pytest.raises(RequestConflicts):
            await responder.approve(view.id, hash_, approved=True, reason="again", by="Ada")
        await world.work_queue(responder)
        after, report = await told(world, responder)

        approved = (await world.secrets_chain()).last(RotationApproved)
        assert approved is not None
        assert (approved.tiers, approved.by) == ((3,), "Ada")
        assert after.secrets is not None
        assert after.secrets.by_state == {"rotated": 3}
        assert after.secrets.open == ()
        assert after.status is report.status is Status.CONTAINED

    play(story)


def test_a_declined_tier_stays_open_by_name_and_nothing_counts_as_contained() -> None:
    """What it opens stays open, and the report says whose word that was."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, _ = await told(world, responder)
        await responder.approve(view.id, await waiting(view), approved=False, reason="too many break", by="Ada")
        await world.work_queue(responder)
        after, report = await told(world, responder)

        chain = await world.secrets_chain()
        stopped, ended = chain.last(SecretStopped, "depot/far"), chain.last(RotationEnded)
        assert stopped is not None
        assert "declined by Ada" in stopped.reason
        assert ended is not None
        assert not ended.whole
        assert after.status is Status.NEEDS_ATTENTION
        assert report.secrets is not None
        far = next(each for each in report.secrets.secrets if each.step == "depot/far")
        assert far.open is not None
        assert "declined" in far.open
        assert any("depot/far" in task for task in report.todo)

    play(story)


def test_a_word_that_comes_too_late_is_asked_for_once_more() -> None:
    """What was shown a day ago may be so no more: it is shown again, and the next word counts."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, _ = await told(world, responder)
        hash_ = await waiting(view)
        await asyncio.sleep(timedelta(hours=25).total_seconds())
        with pytest.raises(RequestConflicts, match="shown again"):
            await responder.approve(view.id, hash_, approved=True, reason="go", by="Ada")
        shown, _ = await told(world, responder)
        await responder.approve(view.id, hash_, approved=True, reason="go", by="Ada")
        await world.work_queue(responder)
        after, _ = await told(world, responder)

        assert shown.secrets is not None
        assert shown.secrets.waiting[0].expires_at > world.clock() - timedelta(hours=2)
        assert after.secrets is not None
        assert after.secrets.by_state == {"rotated": 3}

    play(story)


def test_what_could_not_be_seen_is_named_and_keeps_it_from_being_contained() -> None:
    """A subscription without a right for the reader."""

    async def story(world: RotationWorld) -> None:
        world.access.unseen = ("subscriptions on which Cordon's reader has no role",)
        world.storage_secret(CONN, "acct01", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        view, report = await told(world, responder)

        assert view.secrets is not None
        assert view.secrets.unseen == ("subscriptions on which Cordon's reader has no role",)
        assert "Could not be looked at" in as_markdown(report)
        assert view.status is Status.NEEDS_ATTENTION

    play(story)


def test_the_json_of_view_and_report_can_be_read_again() -> None:
    """Machines read it, with names in camel case."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, report = await told(world, responder)

        secrets = json.loads(view.model_dump_json(by_alias=True))["secrets"]
        assert set(secrets) == {
            "state",
            "said",
            "byTier",
            "byState",
            "unseen",
            "missing",
            "waiting",
            "open",
            "moreOpen",
        }
        assert Report.model_validate_json(report.model_dump_json()) == report

    play(story)


def test_policy_of_mode_ask_waits_with_every_tier() -> None:
    """Nothing is touched before a person has said so."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, report = await told(world, responder)

        assert view.secrets is not None
        assert view.secrets.by_state == {"rotated": 1, "waits-for-approval": 2}
        assert {each.tier for each in view.secrets.waiting} == {2, 3}
        assert report.secrets is not None
        assert all(not each.stages for each in report.secrets.secrets if each.state == "waits-for-approval")

    play(story, text=policy(ask="[2, 3]"))


def test_what_the_policy_leaves_out_is_told_as_left() -> None:
    """It is exposed all the same, and nobody may take it for rotated."""

    async def story(world: RotationWorld) -> None:
        responder = await rotated(world)
        view, report = await told(world, responder)
        text = as_markdown(report)

        assert report.secrets is not None
        assert report.secrets.left_by_policy == {"2": 1, "3": 1}
        assert "left as they are: 1 of tier 2, 1 of tier 3" in text
        assert "credential of the policy's tiers is proven dead; 2 more were left as they are" in text
        assert view.secrets is not None
        assert "does not name their tier: 1 of tier 2, 1 of tier 3" in view.secrets.said

    play(story, text=policy(tiers="[1]", ask="[]"))


@pytest.mark.parametrize("owners_word", ["accept", "attention"])
def test_an_owners_word_is_told_as_no_more_than_that(owners_word: str) -> None:
    """The rotation ends, and what ended it is named: a tag, which Cordon cannot check, and which version has it."""

    async def story(world: RotationWorld) -> None:
        world.secret(CONN, "who-knows-what-this-opens", read=True)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(minutes=30))
        tags = {"cordon-old-is-dead": str(world.vaults.held[CONN][0][0].version)}
        world.vaults.store(CONN, "the-owners-new-value", created=world.clock(), updated=world.clock(), tags=tags)
        await world.work_queue(responder)
        _, report = await told(world, responder)

        assert report.secrets is not None
        assert [each.state for each in report.secrets.secrets] == ["on-owners-word"]
        text = as_markdown(report)
        assert ("1 of them by their owners' word alone" in text) is (owners_word == "accept")
        assert ("NEEDS ATTENTION" in text) is (owners_word == "attention")
        assert "SAID TO BE DEAD by a tag" in text
        assert str(world.vaults.held[CONN][-1][0].version) in text

    play(story, text=policy(ask="[]", owners_word=owners_word))


# --- chains ----------------------------------------------------------------------------------------


def test_two_incidents_of_a_chain_name_each_other() -> None:
    """The secret was another identity's credential: view and report lead from one incident to the other, and back."""

    async def story(world: RotationWorld) -> None:
        other = "20000000-0000-4000-8000-000000000077"
        tags = {"ProviderAddress": other, "CredentialId": "40000000-0000-4000-8000-000000000077"}
        world.secret(CONN, "a-client-secret", read=True, tags=tags)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder, timedelta(hours=2))
        page = await responder.incidents(10, "")
        views = [await responder.incident(each.id) for each in page.incidents]
        (effect,) = [each for each in views if each.caused_by]
        (cause,) = [each for each in views if not each.caused_by]
        report = await responder.report(effect.id)

        assert [each.incident for each in cause.led_to] == [effect.id]
        assert [each.incident for each in effect.caused_by] == [cause.id]
        assert f"Follows from incident `{cause.id}`" in as_markdown(report)
        assert f"incident `{effect.id}`" in as_markdown(await responder.report(cause.id))

    play(story)


# --- a credential that its source holds once --------------------------------------------------------


SERVER = f"{GROUP}/Microsoft.Sql/servers/shop-sql"
PASSWORD = "S3cret-of-the-keeper"


def sql_secret(world: RotationWorld) -> None:
    """The administrator's password of a server that names the secret; it was read."""
    server = world.sources.has(SERVER, "administrator", tags={"cordon-secret": "shop/conn"}, login="keeper")
    server.keys["administrator"] = (PASSWORD, START)
    world.secret(CONN, PASSWORD, read=True, tags={"ProviderAddress": SERVER})


@pytest.mark.parametrize("approved", [True, False])
def test_a_credential_that_exists_once_waits_for_a_person_and_is_set_once_after_a_yes(approved: bool) -> None:
    """Whoever uses it breaks the moment it is replaced: nothing is touched before, and what has two keys goes on."""

    async def story(world: RotationWorld) -> None:
        sql_secret(world)
        world.storage_secret(OTHER, "acct02")
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)
        view, report = await told(world, responder)
        held = (await world.secrets_chain()).last(RotationHeld)

        assert view.status is Status.AWAITING_APPROVAL
        assert held is not None
        assert (held.by, held.tier, held.secrets) == ("single-credential", 1, 1)
        assert "only once" in held.reason
        assert world.is_alive(PASSWORD)
        assert not world.is_alive(world.vaults.held[OTHER][0][1])  # tier 2 did not wait for the person
        assert report.secrets is not None
        assert report.secrets.secrets[0].state == "waits-for-approval"

        hash_ = await waiting(view)
        await responder.approve(view.id, hash_, approved=approved, reason="told the shop", by="Ada")
        await world.work_queue(responder)
        after, _ = await told(world, responder)

        assert world.writes.done.count("set password") == int(approved)
        assert world.is_alive(PASSWORD) is not approved
        assert after.status is (Status.CONTAINED if approved else Status.NEEDS_ATTENTION)

    play(story, text=policy(ask="[]", single_credential="ask"))


def test_where_the_policy_breaks_at_once_a_single_credential_waits_for_nobody() -> None:
    """That is the policy's choice, and it has to be made."""

    async def story(world: RotationWorld) -> None:
        sql_secret(world)
        responder = world.instance()
        await world.hear_of_leak(responder)
        await world.work_queue(responder)

        assert not world.is_alive(PASSWORD)
        assert (await world.secrets_chain()).last(RotationHeld) is None
        assert await world.status() is Status.CONTAINED

    play(story, text=policy(ask="[]", single_credential="break"))
