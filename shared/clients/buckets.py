"""
Keeping within quotas that fill up again by so many a second, as Resource Manager's do (facts: limits A.3).

A quota's `requests` are what the bucket holds, and it is full again after `seconds`. Each request is given its time
at once, in order of arrival, so a thousand that wait cost no more than a thousand timers.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from shared.clients.pacing import Quota, Seconds, loop_time

_TICK: Seconds = 1e-9  # what is left over by floating point is no reason to wait


@dataclass(slots=True)
class _Bucket:
    """`full_at` is when it would be full again if nothing more were taken."""

    full_at: Seconds = 0.0
    closed_until: Seconds = 0.0


class Buckets:
    """A `Pace` for one process; who is urgent makes no difference. Refusals empty the bucket."""

    def __init__(self, monotonic: Callable[[], Seconds] = loop_time) -> None:
        self._now = monotonic
        self._buckets: dict[Quota, _Bucket] = {}

    def try_take(self, quota: Quota, cost: int = 1, *, spare: int = 0) -> bool:
        """Spend if it may go now, with room for `spare` others; never waits."""
        bucket, now = self._of(quota), self._now()
        if self._wait(quota, bucket, now, cost + spare) > 0:
            return False
        self._spend(quota, bucket, now, cost)
        return True

    async def take(self, quota: Quota, *, urgent: bool, cost: int = 1) -> None:
        """Wait until it may go. Its place in the order is taken at once."""
        del urgent
        bucket, now = self._of(quota), self._now()
        wait = self._wait(quota, bucket, now, cost)
        self._spend(quota, bucket, now, cost)
        while wait > 0:
            await asyncio.sleep(wait)
            wait = bucket.closed_until - self._now()  # somebody was refused meanwhile

    def refused(self, quota: Quota, retry_after: Seconds) -> None:
        """A request of this quota was answered 429: it is empty, and opens again after that."""
        bucket, now = self._of(quota), self._now()
        bucket.closed_until = max(bucket.closed_until, now + retry_after)
        bucket.full_at = max(bucket.full_at, bucket.closed_until + quota.seconds)

    @staticmethod
    def _wait(quota: Quota, bucket: _Bucket, now: Seconds, cost: int) -> Seconds:
        """How long until `cost` more are in it. It holds what has filled up since it would have been empty."""
        each = quota.seconds / quota.requests
        missing = max(bucket.full_at, now) + min(cost, quota.requests) * each - (now + quota.seconds)
        return max(missing if missing > _TICK else 0.0, bucket.closed_until - now)

    @staticmethod
    def _spend(quota: Quota, bucket: _Bucket, now: Seconds, cost: int) -> None:
        bucket.full_at = max(bucket.full_at, now) + cost * quota.seconds / quota.requests

    def _of(self, quota: Quota) -> _Bucket:
        return self._buckets.setdefault(quota, _Bucket())
