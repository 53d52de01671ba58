"""
Runs independent things side by side, and leaves nothing running behind an error.
"""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


@overload
async def together(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B], /) -> tuple[A, B]: ...
@overload
async def together(
    first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B], third: Coroutine[Any, Any, C], /
) -> tuple[A, B, C]: ...
@overload
async def together(*coroutines: Coroutine[Any, Any, A]) -> tuple[A, ...]: ...
async def together(*coroutines: Coroutine[Any, Any, object]) -> tuple[object, ...]:
    """
    What each gives, in order. The first error cancels the others and is raised as it is, once all have ended.

    Each runs at once until it has to wait for something: what is there already costs no turn of the event loop.
    """
    if len(coroutines) == 1:
        return (await coroutines[0],)
    loop = asyncio.get_running_loop()
    tasks = [_started(coroutine, loop) for coroutine in coroutines]
    try:
        if not all(task.done() for task in tasks):
            await asyncio.gather(*tasks)
        return tuple(task.result() for task in tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _started(coroutine: Coroutine[Any, Any, A], loop: asyncio.AbstractEventLoop) -> asyncio.Task[A]:
    if sys.version_info >= (3, 12):
        return asyncio.Task(coroutine, loop=loop, eager_start=True)
    return loop.create_task(coroutine)
