"""The pace of requests: within the quotas, containment first, slower where the platform says so."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clients.pacing import (
    DIRECTORY_WRITES,
    IDENTITY_PROTECTION,
    REPORTS,
    Pacing,
    Quota,
    Window,
    refuse,
    spend,
    stretch_now,
    wait_for,
)
from tests.clients.fake_graph import play

FIVE = Quota("five in ten", 5, 10.0)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_span_of_the_quotas_length_ever_holds_more_than_its_requests(gaps: list[float]) -> None:
    """Whatever the arrivals, who waits as told stays within the quota in every window, not only on average."""
    window, now, sent = Window(), 0.0, list[float]()
    for gap in gaps:
        now += gap
        now += wait_for(window, FIVE, now)
        window = spend(window, FIVE, now)
        sent.append(now)

    for moment in sent:
        assert sum(moment <= other < moment + FIVE.seconds - 1e-5 for other in sent) <= FIVE.requests


def test_a_burst_may_go_at_once_and_the_next_waits_for_the_oldest_to_leave_the_span() -> None:
    """Five may go together; the sixth waits until the first is ten seconds old."""
    window = Window()
    for moment in (0.0, 1.0, 1.0, 1.0, 1.0):
        assert wait_for(window, FIVE, moment) == 0
        window = spend(window, FIVE, moment)

    assert wait_for(window, FIVE, 2.0) == 8.0


def test_several_at_once_wait_until_there_is_room_for_all_of_them() -> None:
    """A batch of three writes waits for three places."""
    window = spend(spend(Window(), FIVE, 0.0, 3), FIVE, 4.0, 2)

    assert wait_for(window, FIVE, 5.0, cost=3) == 5.0
    assert wait_for(window, FIVE, 5.0, cost=4) == 9.0


def test_a_refusal_closes_the_quota_and_slows_it_down_for_a_while() -> None:
    """After a 429 nothing goes before Retry-After; the span stays longer and shrinks back within minutes."""
    window = refuse(spend(Window(), IDENTITY_PROTECTION, 0.0), IDENTITY_PROTECTION, 0.0, 7.0)

    assert wait_for(window, IDENTITY_PROTECTION, 0.0) == 7.0
    assert stretch_now(window, 0.0) == 2.0
    assert 1.0 < stretch_now(window, 30.0) < 2.0
    assert stretch_now(window, 600.0) == 1.0


def test_many_refusals_at_once_are_one_lesson() -> None:
    """Twenty answers of 429 to one burst say the same thing once: twice as slow, not a million times."""
    window = Window()
    for _ in range(20):
        window = refuse(window, FIVE, 100.0, 1.0)

    assert stretch_now(window, 100.0) == 2.0


def test_refusals_that_go_on_slow_it_down_further_but_not_without_end() -> None:
    """Each span that ends in a refusal doubles the pace, up to sixteen times."""
    window = Window()
    for number in range(50):
        window = refuse(window, FIVE, number * FIVE.seconds, 1.0)

    assert 10.0 < stretch_now(window, 490.0) <= 16.0


def test_containment_overtakes_a_queue_of_polls() -> None:
    """An urgent request that comes last goes next, even while a poll already sleeps for its turn."""
    order: list[str] = []

    async def story() -> None:
        pacing = Pacing()

        async def go(name: str, *, urgent: bool) -> None:
            await pacing.take(IDENTITY_PROTECTION, urgent=urgent)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(go(f"poll {number}", urgent=False))
            await asyncio.sleep(0.1)
            group.create_task(go("containment", urgent=True))

    play(story)

    assert order == ["poll 0", "containment", "poll 1", "poll 2", "poll 3"]


def test_who_gives_up_waiting_does_not_block_the_others() -> None:
    """A cancelled request leaves the queue."""

    async def story() -> float:
        pacing, loop = Pacing(), asyncio.get_running_loop()
        await pacing.take(REPORTS, urgent=True, cost=5)
        first = asyncio.create_task(pacing.take(REPORTS, urgent=True))
        second = asyncio.create_task(pacing.take(REPORTS, urgent=True))
        await asyncio.sleep(1.0)
        first.cancel()
        await second
        return loop.time()

    assert play(story) == REPORTS.seconds


def test_trying_for_a_turn_never_waits_and_never_jumps_an_urgent_queue() -> None:
    """A look that could do without takes its turn only if nobody urgent waits."""

    async def story() -> list[bool]:
        pacing = Pacing()
        taken = [pacing.try_take(IDENTITY_PROTECTION), pacing.try_take(IDENTITY_PROTECTION)]
        waiting = asyncio.create_task(pacing.take(IDENTITY_PROTECTION, urgent=True))
        await asyncio.sleep(0)
        taken.append(pacing.try_take(IDENTITY_PROTECTION))
        await waiting
        return taken

    assert play(story) == [True, False, False]


def test_three_thousand_writes_go_at_once_and_the_next_one_waits() -> None:
    """The quota of directory writes is large; keeping its book stays cheap."""

    async def story() -> tuple[float, float]:
        pacing, loop = Pacing(), asyncio.get_running_loop()
        for _ in range(150):
            await pacing.take(DIRECTORY_WRITES, urgent=True, cost=20)
        before = loop.time()
        await pacing.take(DIRECTORY_WRITES, urgent=True)
        return before, loop.time()

    assert play(story) == (0.0, DIRECTORY_WRITES.seconds)
