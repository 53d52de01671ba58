"""
Writing to the directory: one write after the other, many in one request, and no refusal stops the rest.

The writes go in `$batch`es whose requests wait for each other, because two writes to one object at the
same time collide (facts: Directory_ConcurrencyViolation). What stands behind a failed write was not
carried out and goes into the next batch. All of them may be repeated, so an answer that was lost is met
by sending the write again.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.clients.answers import Call
from shared.clients.batch import MOST
from shared.clients.graph_http import GraphHttp, NotTried
from shared.clients.pacing import DIRECTORY_WRITES, check_if_late, loop_time
from shared.clients.patience import Pauses, Trouble
from shared.clients.write_calls import Write, call_for
from shared.errors import Gone, OutcomeUnknown, PlatformRefused
from shared.signal import JsonObject
from shared.tenant import (
    DeleteApplication,
    GiveBack,
    PurgeDeleted,
    RemoveAppRole,
    RemoveDelegatedGrant,
    RemoveDirectoryRole,
    RemoveFederated,
    RemoveOwner,
    RemovePassword,
    SetInstanceLock,
    WriteDone,
    WriteRefused,
    WriteResult,
    WriteUnknown,
)

_RACES = 3  # tries of a removePassword that is answered 400: too soon after addPassword, it settles
_REMOVALS = (
    RemoveFederated
    | RemoveAppRole
    | RemoveDelegatedGrant
    | RemoveDirectoryRole
    | RemoveOwner
    | DeleteApplication
    | PurgeDeleted
)


@dataclass(slots=True)
class _Open:
    """A write without a result yet."""

    number: int
    write: Write
    call: Call
    pauses: Pauses
    tries: int = 0
    lost: bool = False  # an answer to it was lost


class WriteLane:
    """Carries out one sequence of writes. Make it, `run` it, throw it away."""

    def __init__(self, http: GraphHttp, writes: Sequence[Write]) -> None:
        self._http, self._writes = http, tuple(writes)
        self._results: dict[int, WriteResult] = {}
        self._open: list[_Open] = []
        self._waited = 0.0
        for number, write in enumerate(writes):
            try:
                self._open.append(_Open(number, write, call_for(write, http.root), Pauses(http.patience, http.random)))
            except ValueError:
                refusal = PlatformRefused(doing="changing the tenant", code="not-an-id", why="an id is malformed.")
                self._results[number] = WriteRefused(refusal)

    async def run(self) -> list[WriteResult]:
        """One result per write, in their order."""
        begun = loop_time()
        while self._open:
            some = self._open[:MOST]
            await self._http.pacing.take(DIRECTORY_WRITES, urgent=True, cost=len(some))
            if not self._is_lock_lifted():
                await check_if_late(begun)
            found = await self._http.try_all([each.call for each in some], chain=True)
            pause = self._settle(some, found)
            if pause is not None:
                self._waited += pause
                await asyncio.sleep(pause)
        return [self._results[number] for number in sorted(self._results)]

    def _is_lock_lifted(self) -> bool:
        """Between lifting the instance lock and putting it back there is no stopping: it would stay off."""
        done = (write for number, write in enumerate(self._writes) if number in self._results)
        lifted = any(isinstance(write, SetInstanceLock) and not write.lock.get("isEnabled") for write in done)
        return lifted and any(isinstance(each.write, SetInstanceLock) for each in self._open)

    def _settle(self, some: Sequence[_Open], found: Sequence[JsonObject | Trouble]) -> float | None:
        """Note the results; give the pause before the next batch, if one of them is to be tried again."""
        stuck = all(isinstance(outcome, NotTried) for outcome in found)
        pauses: list[float] = []
        for each, outcome in zip(some, found, strict=True):
            if not isinstance(outcome, Trouble):
                self._results[each.number] = WriteDone()
            elif stuck or not isinstance(outcome, NotTried):
                pauses.extend(self._judge(each, outcome))
        self._open = [each for each in self._open if each.number not in self._results]
        return max(pauses, default=None)

    def _judge(self, each: _Open, trouble: Trouble) -> list[float]:
        """A failed write: it is done already, is tried again after the pause that is given, or gets its result."""
        each.tries += 1
        each.lost = each.lost or trouble.lost
        if _is_done_already(each.write, trouble):
            self._results[each.number] = WriteDone(already=True)
            return []
        pause = self._pause(each, trouble)
        if pause is not None and self._waited + pause <= self._http.patience.waiting:
            return [pause]
        self._results[each.number] = _verdict(each, trouble)
        return []

    def _pause(self, each: _Open, trouble: Trouble) -> float | None:
        """Seconds until it is tried again; None if it is not."""
        if isinstance(each.write, RemovePassword) and _is_race(trouble):
            pause = self._http.patience.pause(each.tries, self._http.random) if trouble.wait is None else trouble.wait
            return pause if each.tries < _RACES else None
        return each.pauses.next(trouble) if trouble.again or isinstance(trouble.error, Gone) else None


def _is_done_already(write: Write, trouble: Trouble) -> bool:
    """
    What was to be removed is not there. Graph has no code of its own for an unknown secret, so the text
    must say it plainly; the caller's fresh read is the proof in either case.
    """
    error = trouble.error
    if isinstance(write, GiveBack):
        return isinstance(error, PlatformRefused) and _says_it_is_there(error.why)
    if isinstance(write, _REMOVALS):
        return isinstance(error, Gone)
    return isinstance(write, RemovePassword) and isinstance(error, PlatformRefused) and _says_unknown(error.why)


def _says_unknown(text: str) -> bool:
    return re.search(r"\bno\b[^.]{0,40}\bcredentials?\b[^.]{0,40}\bfound\b", text, re.IGNORECASE) is not None


def _says_it_is_there(text: str) -> bool:
    """What is to be given back is there; Graph words it for each sort in its own way."""
    return re.search(r"\balready exists?\b|\bconflicting object\b", text, re.IGNORECASE) is not None


def _is_race(trouble: Trouble) -> bool:
    return type(trouble.error) is PlatformRefused and not trouble.again


def _verdict(each: _Open, trouble: Trouble) -> WriteResult:
    """Refused is only what is sure not to have happened."""
    if isinstance(trouble.error, OutcomeUnknown):
        return WriteUnknown(trouble.error.why)
    if each.lost:
        return WriteUnknown(f"an earlier answer was lost; then: {trouble.error}")
    return WriteRefused(trouble.error)
