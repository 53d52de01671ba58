"""The book of a quota in every store."""

import asyncio
from itertools import islice

import pytest

from shared.clients.governor import Governor, read_page
from shared.clients.pacing import Quota
from shared.clock import system_clock
from tests.stores.chains import new_name
from tests.stores.twins import Twin

pytestmark = pytest.mark.anyio


async def test_two_instances_spend_one_quota_together(twin: Twin) -> None:
    """Eight requests at once, four from each: five go and stand in the book, three wait for the span's end."""
    quota = Quota(new_name("five"), 5, 600.0)
    stores = twin.store, await twin.another()
    governors = [Governor(store.documents, system_clock) for store in stores]

    takes = [asyncio.ensure_future(governors[n % 2].take(quota, urgent=False)) for n in range(8)]
    await asyncio.gather(*islice(asyncio.as_completed(takes), 5))
    done, waiting = await asyncio.wait(takes, timeout=0.5)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    document = await stores[0].documents.get("quotas", quota.name)
    assert document is not None
    assert (len(done), len(waiting)) == (5, 3)
    assert len(read_page(document.body, system_clock().timestamp()).sent) == 5
