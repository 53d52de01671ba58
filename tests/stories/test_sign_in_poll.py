"""A poll of all sign-ins: what shows something for the first time is a signal, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import pytest

from shared.entries import SignalJoined
from shared.errors import CordonError, IncompleteAnswer, NotCollected, PartLost, PermissionMissing, Unreachable
from shared.incident import Status
from shared.signal import JsonObject, JsonValue
from shared.tenant import SignInType
from tests.fakes import PAYROLL, START, FakeFeeds, payroll
from tests.sources.records import sign_in
from tests.stories.world import POLICY, World, play

OTHER = "22222222-0000-4000-8000-000000000099"
WAITING = """
version: 1
rules:
  - name: new-sign-in
    when: {signalled: {sources: [sign-in]}}
    verdict: watch
"""


def at(minutes: float, **others: JsonValue) -> JsonObject:
    """A sign-in so many minutes after the start, by default the usual one."""
    moment = (START + timedelta(minutes=minutes)).isoformat()
    usual: JsonObject = {"ipAddress": "203.0.113.7", "resourceId": "00000003-0000-0000-c000-000000000000"}
    return sign_in(**{**usual, "id": f"s{minutes}", "createdDateTime": moment, **others})


async def sweep_later(world: World, minutes: float) -> None:
    await asyncio.sleep(max(0.0, (START + timedelta(minutes=minutes) - world.clock()).total_seconds()))
    await world.instance().sweep_sign_ins()


async def opened(world: World) -> int:
    return len(await world.store.documents.query("incidents"))


def test_what_the_first_sweep_finds_is_learned_and_a_new_network_later_is_news() -> None:
    """The day before is no news; the same again is none; another network is one signal, whatever follows it."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-600), at(-5)]
        await sweep_later(world, 0)
        before = await opened(world)
        world.feeds.everybodys += [at(1), at(2, ipAddress="203.0.113.99"), at(3, ipAddress="198.51.100.66")]
        world.feeds.everybodys += [at(4, ipAddress="198.51.100.67")]
        await sweep_later(world, 10)
        after = await opened(world)
        await sweep_later(world, 15)
        await world.work_queue(world.instance())

        assert (before, after) == (0, 1)
        assert await opened(world) == 1
        assert await world.status() is Status.WATCHED

    play(story, payroll(), policy=WAITING)


@pytest.mark.parametrize(
    "new",
    [
        {"resourceId": "https://vault.azure.net"},
        {"servicePrincipalCredentialKeyId": "40000000-0000-4000-8000-000000000066"},
        {"userAgent": "curl/8.5"},
        {"location": {"countryOrRegion": "SC"}},
        {"autonomousSystemNumber": 64499},
        {"status": {"errorCode": 7000215}},
        {"servicePrincipalId": OTHER},
        {"signInEventTypes": ["managedIdentity"], "servicePrincipalId": OTHER},
    ],
)
def test_each_of_what_a_sign_in_shows_can_be_new(new: JsonObject) -> None:
    """Also a workload of which nothing was known, and a managed identity."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        world.feeds.everybodys += [at(3, **new)]
        await sweep_later(world, 10)

        assert await opened(world) == 1

    play(story, payroll(), policy=WAITING)


def test_guesses_from_everywhere_are_one_news_by_their_code() -> None:
    """Nobody can make incidents without end by being refused from one network after the other."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        for minutes in (5, 10, 15):
            guess: JsonObject = {"ipAddress": f"198.51.{minutes}.1", "status": {"errorCode": 7000215}}
            world.feeds.everybodys += [at(minutes - 2, **guess)]
            await sweep_later(world, minutes)
        (listed,) = await world.store.documents.query("incidents")
        chain = await world.chain_of(str(listed.body["incident"]))

        assert len(chain.records) == 2  # opened, and one signal

    play(story, payroll(), policy=WAITING)


def test_without_a_rule_that_waits_for_a_sign_in_nothing_is_asked() -> None:
    """The log of a busy tenant costs quota, so that it is read only where a rule may be woken by it."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        await world.instance().reconcile()
        health = await world.instance().health()

        assert world.feeds.all_sign_ins_asked == []
        assert "sign-ins" not in [view.feed for view in health.coverage]

    play(story, payroll(), policy=POLICY)


def test_a_record_that_appears_late_is_read_by_the_next_long_overlap() -> None:
    """The log is half an hour late: what came in behind the watermark is no gap."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        for minutes in (0, 5, 10, 15, 20):
            await sweep_later(world, minutes)
        world.feeds.everybodys += [at(2, ipAddress="198.51.100.66")]
        await sweep_later(world, 25)
        await sweep_later(world, 30)

        assert await opened(world) == 1

    play(story, payroll(), policy=WAITING)


def test_a_log_that_cannot_be_read_is_told_and_read_from_there_when_it_can() -> None:
    """Health names the feed and why; the watermark has not moved, so that nothing is lost."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        world.feeds.sign_ins_fail = Unreachable("reading all sign-ins", "nobody answers")
        with pytest.raises(Unreachable):
            await sweep_later(world, 10)
        told = (await world.instance().health()).problems
        world.feeds.sign_ins_fail = None
        world.feeds.everybodys += [at(7, ipAddress="198.51.100.66")]
        await sweep_later(world, 90)

        assert any("sign-ins" in each and "nobody answers" in each for each in told)
        assert await opened(world) == 1

    play(story, payroll(), policy=WAITING)


def test_a_crash_between_taking_in_and_writing_down_makes_no_second_signal() -> None:
    """It is news once more, and ends in the inbox by its record's id."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        world.feeds.everybodys += [at(3, ipAddress="198.51.100.66")]
        kept = await world.store.documents.get("sign-in-marks", PAYROLL)
        await sweep_later(world, 10)
        now = await world.store.documents.get("sign-in-marks", PAYROLL)
        assert kept is not None
        assert now is not None
        await world.store.documents.replace("sign-in-marks", PAYROLL, kept.body, now.etag)
        await sweep_later(world, 12)
        chain = await world.chain()

        assert len(chain.records) == 2

    play(story, payroll(), policy=WAITING)


def test_a_sweep_makes_no_more_news_than_it_may_and_the_next_goes_on() -> None:
    """Workloads that move all at once: a page is taken in whole, and what lies behind it waits for the next sweep."""

    async def story(world: World) -> None:
        await sweep_later(world, 0)
        ids = [f"22222222-0000-4000-8000-{number:012d}" for number in range(240)]
        world.feeds.everybodys = [at(3, id=f"s{each}", servicePrincipalId=each, appId=each) for each in ids]
        counts: list[int] = []
        for minutes in (10, 15, 20):
            await sweep_later(world, minutes)
            counts.append(await opened(world))

        assert counts == [100, 200, 240]

    play(story, payroll(), policy=WAITING)


class Flooded(FakeFeeds):
    """So many sign-ins at one moment that no answer holds them."""

    async def all_sign_ins(
        self, type_: SignInType, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[JsonObject]]:
        if since <= START + timedelta(minutes=20) < until:
            raise IncompleteAnswer("Not done: there are more than one answer holds.")
        async for page in super().all_sign_ins(type_, since, until):
            yield page


def test_a_stretch_that_cannot_be_read_does_not_hide_what_comes_after_it() -> None:
    """One workload's flood would blind the poll for everybody; the stretch stays unread, and is told as such."""

    async def story(world: World) -> None:
        world.feeds = Flooded(everybodys=[at(-600), at(-5)])
        await sweep_later(world, 0)
        world.feeds.everybodys += [at(110, ipAddress="203.0.113.99"), at(111, ipAddress="198.51.100.66")]
        for minutes in (30, 120):
            with pytest.raises(IncompleteAnswer):
                await sweep_later(world, minutes)
        (view,) = [each for each in (await world.instance().health()).coverage if each.feed == "sign-ins"]

        assert await opened(world) == 1
        assert view.read_until is not None
        assert view.read_until <= START + timedelta(minutes=20)
        assert "the last sweep stopped early" in str(view.pending)

    play(story, payroll(), policy=WAITING)


class HalfCollected(FakeFeeds):
    """Nobody sends the sign-ins of managed identities anywhere, for the time being."""

    collected: bool = False

    async def all_sign_ins(
        self, type_: SignInType, since: datetime, until: datetime
    ) -> AsyncIterator[Sequence[JsonObject]]:
        if type_ == "managedIdentity" and not self.collected:
            raise NotCollected("reading all sign-ins", "No workspace has such records.")
        async for page in super().all_sign_ins(type_, since, until):
            yield page


def test_a_log_that_is_not_collected_here_is_told_once_and_the_other_goes_on() -> None:
    """No sweep fails by it, none waits for it; and when it begins to come, what it shows first makes no news."""

    async def story(world: World) -> None:
        world.feeds = feeds = HalfCollected(everybodys=[at(-5)])
        await sweep_later(world, 0)
        world.feeds.everybodys += [at(3, ipAddress="198.51.100.66")]
        await sweep_later(world, 30)
        opened_by_the_other = await opened(world)
        told = (await world.instance().health()).problems
        managed: JsonObject = {"signInEventTypes": ["managedIdentity"], "servicePrincipalId": OTHER}
        world.feeds.everybodys += [at(31, **managed)]
        feeds.collected = True
        await sweep_later(world, 40)
        learned = await opened(world)
        world.feeds.everybodys += [at(41, **managed), at(42, **managed, ipAddress="198.51.100.77")]
        await sweep_later(world, 50)
        after = (await world.instance().health()).problems

        assert (opened_by_the_other, learned, await opened(world)) == (1, 1, 2)
        (said,) = [each for each in told if "managed-identity-sign-ins" in each]
        assert "not collected here" in said
        assert "No workspace has such records." in said
        assert not [each for each in after if "not collected" in each]

    play(story, payroll(), policy=WAITING)


def test_one_log_that_fails_holds_up_nothing_of_the_other() -> None:
    """An export that stopped an hour ago: its own time waits for it, and only that."""

    class Stopped(FakeFeeds):
        async def all_sign_ins(
            self, type_: SignInType, since: datetime, until: datetime
        ) -> AsyncIterator[Sequence[JsonObject]]:
            if type_ == "managedIdentity" and until > START:
                raise IncompleteAnswer("Not done: the records stopped.")
            async for page in super().all_sign_ins(type_, since, until):
                yield page

    async def story(world: World) -> None:
        world.feeds = Stopped(everybodys=[at(-5)])
        await sweep_later(world, 0)
        world.feeds.everybodys += [at(70, ipAddress="198.51.100.66")]
        with pytest.raises(IncompleteAnswer):
            await sweep_later(world, 120)
        views = {each.feed: each.read_until for each in (await world.instance().health()).coverage}

        assert await opened(world) == 1
        assert views["sign-ins"] == START + timedelta(minutes=119)
        assert views["managed-identity-sign-ins"] is not None
        assert views["managed-identity-sign-ins"] < START

    play(story, payroll(), policy=WAITING)


def test_where_both_logs_fail_both_are_told_and_first_whom_somebody_must_mend() -> None:
    """A permission is missing for one, and the other is late: whoever grants it has not to wait for the next."""

    class Failing(FakeFeeds):
        async def all_sign_ins(
            self, type_: SignInType, since: datetime, until: datetime
        ) -> AsyncIterator[Sequence[JsonObject]]:
            if type_ == "servicePrincipal":
                raise Unreachable("reading all sign-ins", "no answer")
            raise PermissionMissing(doing="reading those of managed identities", needs="AuditLog.Read.All")
            yield ()

    async def story(world: World) -> None:
        world.feeds = Failing()
        with pytest.raises(CordonError) as failed:
            await sweep_later(world, 0)

        told = str(failed.value)
        assert told.index("AuditLog.Read.All") < told.index("no answer")

    play(story, payroll(), policy=WAITING)


def test_what_will_never_be_read_is_named_and_holds_up_nothing() -> None:
    """The hole of an export: coverage says which time was passed over, and the poll goes on after it."""

    async def story(world: World) -> None:
        hole = (START - timedelta(hours=3), START - timedelta(hours=2))
        world.feeds.sign_ins_fail = PartLost("reading all sign-ins", (hole,), "nothing came in")
        await sweep_later(world, 0)
        world.feeds.sign_ins_fail = None
        world.feeds.everybodys = [at(3)]
        await sweep_later(world, 10)
        (view,) = [each for each in (await world.instance().health()).coverage if each.feed == "sign-ins"]

        assert view.read_until == START + timedelta(minutes=9)
        assert [each for each in view.pending if "2026-03-02 00:00 to 2026-03-02 01:00 UTC was not read" in each]
        assert await opened(world) == 1

    play(story, payroll(), policy=WAITING)


def test_another_user_agent_each_time_is_one_signal_an_hour() -> None:
    """Not one a sweep; and what came within the hour is told by the first sign-in after it, however usual."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        heard = list[int]()
        for minutes in range(10, 160, 10):
            agent = f"tool-{chr(97 + minutes // 10)}" if minutes < 100 else None
            world.feeds.everybodys += [at(minutes - 4, userAgent=agent)]
            await sweep_later(world, minutes)
            heard.append(await signals(world))

        assert heard == [1] * 6 + [2] * 6 + [3] * 3

    play(story, payroll(), policy=WAITING)


def test_news_of_another_kind_does_not_wait_for_the_hour() -> None:
    """A noisy agent hides no new network."""

    async def story(world: World) -> None:
        world.feeds.everybodys = [at(-5)]
        await sweep_later(world, 0)
        world.feeds.everybodys += [at(6, userAgent="tool-a")]
        await sweep_later(world, 10)
        before = await signals(world)
        world.feeds.everybodys += [at(16, userAgent="tool-b", ipAddress="198.51.100.66")]
        await sweep_later(world, 20)

        assert (before, await signals(world)) == (1, 2)

    play(story, payroll(), policy=WAITING)


async def signals(world: World) -> int:
    """How many were taken in so far, in whichever incident."""
    listed = await world.store.documents.query("incidents")
    chains = [await world.chain_of(str(each.body["incident"])) for each in listed]
    return sum(len([*chain.all(SignalJoined)]) for chain in chains)
