"""The sign-in log bears witness: a refused attempt proves the cut, a token issued after it takes the word back."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest

from shared.case import SignIn
from shared.entries import Escalated, Intended, Rechecked, SignInsSeen, Verified
from shared.errors import IncompleteAnswer, LicenceMissing, PermissionMissing
from shared.identity import IdentityKind, PrincipalId
from shared.incident import Status
from shared.report import as_markdown, make_report
from shared.tenant import SignInType
from tests.fakes import PAYROLL, START, FakeFeeds, password, payroll
from tests.stories.world import World, play

ADDRESS = "198.51.100.66"
KEY = "5ec7e701-0000-4a00-8a00-000000000001"


def attempt(minutes: float, code: int = 7000112) -> SignIn:
    """Somebody tries to get a token, so many minutes after the signal."""
    return SignIn(f"s{minutes}", START + timedelta(minutes=minutes), code, ADDRESS, KEY, "clientSecret", "Graph")


async def _until(world: World, minutes: float) -> None:
    responder = world.instance()
    await world.hear_of_leak(responder)
    await world.work_queue(responder, timedelta(minutes=minutes))


async def _seen(world: World) -> list[SignInsSeen]:
    return list((await world.chain()).all(SignInsSeen))


def test_a_refused_attempt_proves_the_cut() -> None:
    """The thief tries again after the block and is refused: the best grade there is, with no other line needed."""

    async def story(world: World) -> None:
        world.feeds.sign_in_log = [attempt(9), attempt(3), attempt(-2, 0)]
        await _until(world, 16)
        view = await world.instance().incident((await world.chain()).incident)

        block, *others = view.steps
        assert block.grade == "probed"
        assert "7000112" in block.evidence[-1].said
        assert all(step.grade != "probed" for step in others)
        assert view.status is Status.CONTAINED
        assert "2 attempt(s) refused" in (view.seen_in_practice or "")

    play(story, payroll(application=[password(1)]))


def test_the_log_is_never_read_on_the_way_to_the_first_proofs() -> None:
    """It is late and has a small quota: it is asked at the looks after 15 and 95 minutes, by type and code."""

    async def story(world: World) -> None:
        await _until(world, 14)
        early = list(world.feeds.sign_ins_asked)
        await world.work_queue(world.instance())
        codes = [code for _, _, code, _ in world.feeds.sign_ins_asked]

        assert early == []
        assert codes == [0, 7000112] * 2
        assert {type_ for _, type_, _, _ in world.feeds.sign_ins_asked} == {"servicePrincipal"}

    play(story, payroll(application=[password(1)]))


def test_a_token_issued_after_the_cut_is_contained_again_and_a_person_is_called() -> None:
    """Reads show the block, the log shows a token: the log is believed, and the call says where to look."""

    async def story(world: World) -> None:
        world.feeds.sign_in_log = [attempt(10, 0), attempt(11)]
        await _until(world, 15.5)
        chain = await world.chain()

        call = chain.last(Escalated)
        assert call is not None
        assert all(told in call.reason for told in (ADDRESS, KEY, "03:10:00"))
        look = [each for each in chain.all(Rechecked) if each.number == 4][-1]
        assert look.answer == "not-held"
        assert any(ADDRESS in finding for finding in look.findings)
        assert chain.place(Intended, "1-block-sign-in") > chain.place(SignInsSeen)
        assert chain.last(Verified, "1-block-sign-in").answer == "held"  # pyright: ignore[reportOptionalMemberAccess]
        assert ("Cordon.Incident.Recontained") in [type_ for type_, _ in world.topic.published]
        assert call.todo in (await world.instance().incident(chain.incident)).todo
        assert "SUCCEEDED after the cut" in as_markdown(make_report(chain.records, world.clock()))

    play(story, payroll(application=[password(1)]))


def test_after_it_was_contained_again_only_newer_tokens_count() -> None:
    """The old token stays in the log; it is no second strike, and the later looks end in contained."""

    async def story(world: World) -> None:
        world.feeds.sign_in_log = [attempt(10, 0)]
        await _until(world, 240)
        chain = await world.chain()

        assert [each.answer for each in chain.all(Rechecked)].count("not-held") == 1
        assert sum(1 for _ in chain.all(Escalated)) == 1
        assert await world.status() is Status.CONTAINED

    play(story, payroll(application=[password(1)]))


def test_tokens_of_the_first_minutes_are_told_and_are_no_hole() -> None:
    """How fast the token service follows is not published: 5 minutes are allowed for, and what was before is older."""

    async def story(world: World) -> None:
        world.feeds.sign_in_log = [attempt(-1, 0), attempt(4, 0)]
        await _until(world, 16)
        (seen,) = await _seen(world)

        assert (seen.issued, seen.issued_in_grace) == (0, 1)
        assert await world.status() is Status.CONTAINED

    play(story, payroll(application=[password(1)]))


def test_nothing_in_the_log_is_no_probe() -> None:
    """A silent log shows neither; it is said, and the grade stays what the reads gave."""

    async def story(world: World) -> None:
        await _until(world, 16)
        view = await world.instance().incident((await world.chain()).incident)

        assert view.steps[0].grade == "held"
        assert "no attempt seen" in (view.seen_in_practice or "")

    play(story, payroll(application=[password(1)]))


def test_a_late_log_is_seen_at_the_last_look() -> None:
    """What was not in the log after 15 minutes is there after 95, and counts then."""

    async def story(world: World) -> None:
        await _until(world, 16)
        world.feeds.sign_in_log = [attempt(3)]
        await world.work_queue(world.instance())
        view = await world.instance().incident((await world.chain()).incident)

        assert [seen.refused for seen in await _seen(world)] == [0, 1]
        assert view.steps[0].grade == "probed"

    play(story, payroll(application=[password(1)]))


@pytest.mark.parametrize(
    "error",
    [
        LicenceMissing(doing="reading the sign-in log", needs="Microsoft Entra ID P1 or P2"),
        PermissionMissing(doing="reading the sign-in log", needs="AuditLog.Read.All", request_id=None),
    ],
)
def test_what_cannot_be_read_is_said_and_changes_nothing(error: Exception) -> None:
    """Without licence or permission the incident ends as it would; the report says what was not checkable, and why."""

    async def story(world: World) -> None:
        world.feeds.sign_ins_fail = error
        await _until(world, 180)
        chain = await world.chain()
        told = as_markdown(make_report(chain.records, world.clock()))

        assert await world.status() is Status.CONTAINED
        assert "not checkable: " in told
        assert "0 succeeded" not in told  # nobody looked, so nobody may count
        assert all(seen.not_checkable == str(error) for seen in chain.all(SignInsSeen))
        assert not any(chain.all(Escalated))

    play(story, payroll(application=[password(1)]))


class OddAtTheEnd(FakeFeeds):
    """A log with a record that cannot be used: the others are given, and then that there is one."""

    async def sign_ins(
        self, principal: PrincipalId, type_: SignInType, error_code: int, since: datetime
    ) -> AsyncIterator[Sequence[SignIn]]:
        async for page in super().sign_ins(principal, type_, error_code, since):
            yield page
        if error_code == 0:
            raise IncompleteAnswer("Not done: reading sign-ins. 1 record(s) cannot be used.")


def test_an_odd_record_hides_no_token_that_was_issued_after_the_cut() -> None:
    """The others count: it is contained again, and what could not be read is said beside it."""

    async def story(world: World) -> None:
        world.feeds = OddAtTheEnd(sign_in_log=[attempt(10, 0), attempt(11)])
        await _until(world, 15.5)
        (seen,) = await _seen(world)

        assert (seen.issued, seen.refused) == (1, 1)
        assert "cannot be used" in str(seen.not_checkable)
        assert any("a token was issued at" in call.reason for call in (await world.chain()).all(Escalated))

    play(story, payroll(application=[password(1)]))


def test_a_look_that_was_killed_after_reading_the_log_keeps_its_word() -> None:
    """Killed between the log and the answer: the next delivery finds the hole in the journal and contains again."""

    async def story(world: World) -> None:
        await _until(world, 14)
        chain = await world.chain()
        at = START + timedelta(minutes=10)
        token = {"at": at, "address": ADDRESS, "credential_id": KEY}
        hole = SignInsSeen.model_validate(
            {
                "series": 1,
                "number": 4,
                "steps": ("1-block-sign-in",),
                "since": START,
                "grace_until": START + timedelta(minutes=5),
                "read_at": at,
                "issued": 1,
                "tokens": (token,),
            }
        )
        await chain.write(hole)
        await world.work_queue(world.instance(), timedelta(minutes=11))
        chain = await world.chain()

        assert [each.answer for each in chain.all(Rechecked) if each.number == 4] == ["not-held"]
        assert any(chain.all(Escalated))

    play(story, payroll(application=[password(1)]))


def test_a_look_that_was_killed_after_finding_it_undone_still_contains_again() -> None:
    """The answer of the step was written, that of the look was not: it is no less undone for that."""

    async def story(world: World) -> None:
        await _until(world, 2)
        await world.directory.set_account_enabled(PrincipalId(PAYROLL), enabled=True)
        chain = await world.chain()
        await chain.write(Verified(answer="not-held", proof="accountEnabled is true"), step="1-block-sign-in")
        await world.work_queue(world.instance(), timedelta(minutes=4))

        assert not world.directory.state.enabled
        assert [each.answer for each in (await world.chain()).all(Rechecked)].count("not-held") == 1

    play(story, payroll(application=[password(1)]))


def test_a_managed_identity_is_looked_for_among_managed_identities() -> None:
    """Their sign-ins are of a type of their own; asked for under the other, the log would be silent."""

    async def story(world: World) -> None:
        await _until(world, 16)

        assert {type_ for _, type_, _, _ in world.feeds.sign_ins_asked} == {"managedIdentity"}

    play(story, payroll(kind=IdentityKind.MANAGED_IDENTITY))
