"""
One containment by a process that has just started; prints when it began and ended, by the monotonic clock.

    python -m tests.benchmarks.fresh_process warmed|unwarmed|null URL FOLDER NUMBER      null: its requests on stdin
"""

import asyncio
import json
import sys
import time
from pathlib import Path


async def cordon(url: str, place: Path, number: int, *, warm: bool) -> tuple[float, float]:
    """As in Azure: index, build on first use, perhaps the host's warm-up call, then the event."""
    import function_app
    from functions import runtime

    assert function_app.app.get_functions()
    from shared.clients.sqlite_store import open_sqlite_store
    from shared.clock import system_clock
    from tests.benchmarks.stage import BY_KIND, responder, settings, timed, write_policy
    from tests.benchmarks.stand_in import event

    store, journal = timed(open_sqlite_store(place / "fresh.db", system_clock))
    runtime.use(responder(settings(url, write_policy(place, BY_KIND)), store))
    if warm:
        await runtime.responder().warm_up()
    begun = time.monotonic()
    await runtime.responder().receive_events([event(number)])
    return begun, max(journal.proven.values())


async def null(url: str, number: int) -> tuple[float, float]:
    from tests.benchmarks import null_client

    model, of = json.loads(sys.stdin.read())
    requests = [null_client.Sent(*each).about(number, of) for each in model]
    async with null_client.make_client(url) as client:
        begun = time.monotonic()
        return begun, await null_client.contain(client, requests)


async def main() -> tuple[float, float]:
    how, url, place, number = sys.argv[1:]
    if how == "null":
        return await null(url, int(number))
    return await cordon(url, Path(place), int(number), warm=how == "warmed")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
