"""
Reads what preflight judges, keeps it in the store with its time, and says what it found.

It never stands before the first cut: work takes what is in memory, or one document that is read beside the
investigation. Only before a refusal is something read again, so that nothing is refused for what is no longer so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, cast

from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.clock import Clock
from shared.errors import CordonError, RequestConflicts, RequestRefused, TimeMayHelp
from shared.policy import Policy
from shared.preflight import Facts, Preflight, Readiness, Role, Setting, judge
from shared.signal import JsonObject, JsonValue
from shared.store import Documents
from shared.tenant import Rights

log = logging.getLogger("cordon")

FRESH = timedelta(hours=1)  # how long what was read is good for telling
CERTAIN = timedelta(minutes=1)  # and for refusing
_ASKED = timedelta(seconds=10)  # who asked the store a moment ago and found nothing does not ask again
_PATIENCE = 5.0  # seconds that anybody may wait for it
_PARTITION, _KEY = "preflight", "facts"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """Who and what is asked about: the client ids by role, and whom to ask. None: nobody."""

    rights: Rights | None
    clients: Mapping[Role, str]


class ReadinessCheck:
    """One instance's preflight. What it reads is shared with the others through the store."""

    def __init__(self, policy: Policy, setting: Setting, asked: Asked, documents: Documents, clock: Clock) -> None:
        self._policy, self._setting, self._asked = policy, setting, asked
        self._documents, self._clock = documents, clock
        self._facts: Facts | None = None
        self._asked_at: datetime | None = None  # when the store was
        self._told: tuple[str, ...] | None = None
        self._judgement: tuple[Facts | None, Preflight] | None = None  # what was judged last, and what came of it
        self._reading = asyncio.Lock()

    async def known(self) -> Preflight:
        """What is known already, from memory or the store; nothing is asked of the tenant. Never raises."""
        if not self._is_younger(FRESH) and not self._has_just_asked():
            await self._recall()
        return self._judged()

    def _has_just_asked(self) -> bool:
        return self._asked_at is not None and self._clock() - self._asked_at < _ASKED

    async def told(self, within: timedelta = FRESH) -> Preflight:
        """What holds now: read again if what is known is older than `within`. Never raises for what cannot be read."""
        if not self._is_younger(within):
            await self._recall()
        if not self._is_younger(within):
            await self._read_in_time(within)
        self._say()
        return self._judged()

    async def blocked(self, names: Sequence[str]) -> tuple[Readiness, ...]:
        """
        Which of these actions cannot run, known for certain; costs nothing where nothing stands in the way.
        What could not be read again in time may have been mended, and blocks nothing.
        """
        if all(each.is_standing for each in (await self.known()).blocked(names)):
            return self._judged().blocked(names)
        blocked = (await self.told(CERTAIN)).blocked(names)
        return blocked if self._is_younger(CERTAIN) else tuple(each for each in blocked if each.is_standing)

    async def refuse(self, names: Sequence[str]) -> None:
        """Raise RequestRefused if an action that a person orders is known not to be able to run."""
        if not names or self._setting.mode == "watch":  # what changes nothing takes no rights
            return
        await self.told()
        if blocked := await self.blocked(names):
            raise RequestRefused(f"{_sentence(blocked)} Nothing was ordered.")

    async def refuse_arming(self) -> None:
        """Raise RequestConflicts if effects are to be let go on, and no containing action of the policy can run."""
        if self._setting.mode == "act" and (await self.told()).nothing_contains:
            found = await self.told(CERTAIN)
            if found.nothing_contains and self._is_younger(CERTAIN):
                raise RequestConflicts(
                    f"The switch stays as it is: nothing that the policy contains with can run. "
                    f"{_sentence(found.cannot_contain)}"
                )

    def _is_younger(self, age: timedelta) -> bool:
        if self._facts is None:
            return False
        unread = any(isinstance(part, CouldNotLook) for part in (*self._facts.granted.values(), self._facts.premium))
        return self._clock() - self._facts.read_at <= (min(age, CERTAIN) if unread else age)

    def _judged(self) -> Preflight:
        """Policy and settings are what they were at the start: judged anew only where other facts were read."""
        if self._judgement is None or self._judgement[0] is not self._facts:
            self._judgement = self._facts, judge(self._policy, self._setting, self._facts)
        return self._judgement[1]

    # Reading

    async def _read_in_time(self, within: timedelta) -> None:
        try:
            async with asyncio.timeout(_PATIENCE), self._reading:
                if not self._is_younger(within):
                    await self._read()
        except TimeoutError:
            log.warning("preflight: what Cordon may do here could not be read within %s s", _PATIENCE)

    async def _read(self) -> None:
        rights = self._asked.rights
        if rights is None:
            return
        at = self._clock()
        *granted, premium = await asyncio.gather(
            *(_part(rights.granted(client)) for client in self._asked.clients.values()), _part(rights.has_premium())
        )
        held = cast("list[Part[frozenset[str]]]", granted)
        facts = Facts(at, dict(zip(self._asked.clients, held, strict=True)), cast("Part[bool]", premium))
        self._facts = facts
        await self._keep(facts)

    async def _keep(self, facts: Facts) -> None:
        body = _as_body(facts, self._asked.clients)
        try:
            document = await self._documents.get(_PARTITION, _KEY)
            if document is None:
                await self._documents.insert(_PARTITION, _KEY, body)
            else:
                await self._documents.replace(_PARTITION, _KEY, body, document.etag)
        except CordonError as error:
            log.warning("preflight: what was read is not kept for other instances: %s", error)

    async def _recall(self) -> None:
        """What another instance read, if it is younger than ours and about the same identities."""
        self._asked_at = self._clock()
        try:
            document = await self._documents.get(_PARTITION, _KEY)
        except CordonError as error:
            log.warning("preflight: what was read before is not at hand: %s", error)
            return
        kept = _from_body(document.body, self._asked.clients) if document else None
        if kept and (self._facts is None or kept.read_at > self._facts.read_at):
            self._facts = kept

    def _say(self) -> None:
        """One line for each problem, at the start and whenever they have changed."""
        found = self._judged()
        if found.problems == self._told:
            return
        grave = self._setting.mode != "watch" and bool(found.cannot_contain)
        for problem in found.problems:
            (log.error if grave else log.warning)("preflight: %s", problem)
        for hint in found.hints:
            log.info("preflight: %s", hint)
        self._told = found.problems


async def _part(asking: Awaitable[T]) -> Part[T]:
    try:
        return Known(await asking)
    except CordonError as error:
        return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))


def _sentence(blocked: Sequence[Readiness]) -> str:
    return " ".join(
        f"{each.action} cannot run here: {obstacle.reason} {obstacle.todo}"
        for each in blocked
        for obstacle in each.obstacles
    )


# In the store


def _as_body(facts: Facts, clients: Mapping[Role, str]) -> JsonObject:
    granted: JsonObject = {role: _kept(part) for role, part in facts.granted.items()}
    about: JsonObject = {role: client for role, client in clients.items()}  # noqa: C416 - another type of value
    return {"at": facts.read_at.isoformat(), "about": about, "granted": granted, "premium": _kept(facts.premium)}


def _kept(part: Part[frozenset[str]] | Part[bool]) -> JsonValue:
    match part:
        case Known(bool() as value):
            return {"known": value}
        case Known(value):
            return {"known": [*sorted(value)]}
        case CouldNotLook(why):
            return {"why": why}
        case NotLooked():
            return {"why": "it was not looked at"}


def _from_body(body: JsonObject, clients: Mapping[Role, str]) -> Facts | None:
    granted = body.get("granted")
    if body.get("about") != dict(clients) or not isinstance(granted, dict):
        return None
    held: dict[Role, Part[frozenset[str]]] = {role: _names(granted.get(role)) for role in clients}
    return Facts(datetime.fromisoformat(str(body["at"])), held, _flag(body.get("premium")))


def _names(kept: JsonValue) -> Part[frozenset[str]]:
    known = kept.get("known") if isinstance(kept, dict) else None
    return Known(frozenset(map(str, known))) if isinstance(known, list) else _unread(kept)


def _flag(kept: JsonValue) -> Part[bool]:
    known = kept.get("known") if isinstance(kept, dict) else None
    return Known(known) if isinstance(known, bool) else _unread(kept)


def _unread(kept: JsonValue) -> CouldNotLook:
    return CouldNotLook(str(kept.get("why")) if isinstance(kept, dict) else "it was not kept", may_help_later=True)
