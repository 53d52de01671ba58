"""Quotas that fill up again: a burst at once, then at the rate, in order; a refusal empties them."""

import asyncio

from drill.practice.throttle import RefillingBucket
from drill.virtual_time import virtual_clock
from shared.clients.buckets import Buckets
from shared.clients.pacing import Quota
from tests.clients.fake_graph import play

TEN_A_SECOND = Quota("writes", 200, 20.0)


def test_a_full_bucket_goes_at_once_and_the_rest_at_its_rate() -> None:
    """Two hundred, then ten a second: the service's own bucket never refuses one."""

    async def story() -> tuple[list[float], int]:
        buckets, theirs, gone = Buckets(), RefillingBucket(200, 10.0), list[float]()

        async def one() -> bool:
            await buckets.take(TEN_A_SECOND, urgent=True)
            gone.append(virtual_clock().elapsed)
            return theirs.take(virtual_clock().elapsed + 1e-6) is not None

        refused = await asyncio.gather(*(one() for _ in range(500)))
        return gone, sum(refused)

    gone, refused = play(story)

    assert refused == 0
    assert gone[199] == 0.0
    assert abs(gone[-1] - 30.0) < 0.1


def test_what_was_not_used_is_there_again_but_no_more_than_the_bucket_holds() -> None:
    """An hour of rest gives one burst."""

    async def story() -> list[bool]:
        buckets = Buckets()
        await asyncio.sleep(3600)
        return [buckets.try_take(TEN_A_SECOND) for _ in range(202)]

    taken = play(story)

    assert taken == [True] * 200 + [False] * 2


def test_a_refusal_holds_back_those_who_wait_already() -> None:
    """They were given their time before somebody was refused."""

    async def story() -> list[float]:
        buckets, gone = Buckets(), list[float]()

        async def one() -> None:
            await buckets.take(TEN_A_SECOND, urgent=True)
            gone.append(virtual_clock().elapsed)

        waiting = [asyncio.ensure_future(one()) for _ in range(210)]
        await asyncio.sleep(0.05)
        buckets.refused(TEN_A_SECOND, 30.0)
        await asyncio.gather(*waiting, one())
        return gone

    gone = play(story)

    assert gone[199] == 0.0
    assert gone[200] >= 30.0
    assert gone[-1] >= 30.1


def test_each_quota_has_a_bucket_of_its_own() -> None:
    """Subscriptions do not wait for each other."""

    async def story() -> bool:
        buckets = Buckets()
        small, other = Quota("a", 1, 10.0), Quota("b", 1, 10.0)
        assert buckets.try_take(small)
        assert not buckets.try_take(small)
        return buckets.try_take(other)

    assert play(story)
