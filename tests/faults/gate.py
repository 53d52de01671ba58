"""
The gate through which an instance reaches store and tenant: calls are numbered there, and faults strike there.

Whatever call a new action brings along passes it by itself: parts are wrapped by name, not method by method.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any, cast

from shared.case import CouldNotLook, PartName
from shared.errors import (
    CordonError,
    Gone,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    SequenceTaken,
    Throttled,
    Unreachable,
)
from shared.estate import Estate, Reach, SecretRef, SecretSeen, VaultSeen
from shared.tenant import (
    Gathered,
    RemoveAppRole,
    RemoveDelegatedGrant,
    RemoveDirectoryRole,
    RemoveFederated,
    RemoveOwner,
    RemovePassword,
    WriteDone,
    WriteRefused,
    WriteResult,
    WriteUnknown,
)
from tests.fakes import Crash
from tests.faults.chronicle import STALE

KILLS = ("kill-before-send", "kill-after-send", "kill-after-answer")
KINDS = (
    *KILLS,
    "timeout-applied",
    "timeout",
    "429",
    "429-applied",
    "503",
    "409",
    "stale-404",
    "403-from-here",
    "401",
)
REMOVALS = (RemovePassword, RemoveFederated, RemoveAppRole, RemoveDelegatedGrant, RemoveDirectoryRole, RemoveOwner)
STORE = frozenset({"journal", "documents", "queue"})
_TOLD = frozenset({"documents", "queue"})
MOST_CALLS = 6000  # of one history: a calm one has some two hundred
OUTAGE = 600.0  # seconds after which somebody has given the store's permission back
ON_ITS_WAY = 2.0  # seconds for which a request is on its way while its sender is dead
_WRITES = frozenset({"append", "insert", "insert_all", "replace", "remove", "send"})
_ABOUT_AZURE = frozenset(
    {
        "secrets",
        "deleted",
        "versions",
        "value",
        "reach",
        "logged",
        "deleted_vaults",
        "grants_on",
        "reads_by",
        "readers_of",
    }
)
_READS = _ABOUT_AZURE | {
    "look",
    "key_digests",
    "count_enabled_principals",
    "find_certificate",
    "transitive_groups",
    "read",
    "keys",
    "get",
    "query",
    "fetch",
}
_HOPELESS_ONCE = frozenset({"kill-after-send", "409", "stale-404", "timeout-applied", "429-applied"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an instance; `number` counts over the whole history."""

    number: int
    part: str
    method: str
    about: str

    @property
    def is_write(self) -> bool:
        return self.method not in _READS

    @property
    def name(self) -> str:
        return f"{self.part} {self.method} {self.about}".strip()

    def kinds(self) -> tuple[str, ...]:
        """The faults that can strike it."""
        if self.part == "topic":
            return (*KILLS, "timeout-applied", "timeout", "429", "503", "403-from-here", "401")
        if not self.is_write:
            gone = ("stale-404",) if self.method == "look" else ()
            return tuple(kind for kind in KINDS if kind not in _HOPELESS_ONCE or kind in gone)
        if self.part in STORE:
            conflict = self.method != "send"
            left_out = ("429-applied", "stale-404") if conflict else ("429-applied", "stale-404", "409")
            return tuple(kind for kind in KINDS if kind not in left_out)
        return KINDS


@dataclass(slots=True)
class Life:
    """One process of an instance."""

    instance: str
    dead: bool = False

    def check(self) -> None:
        if self.dead:
            raise Crash(self.instance)


Fate = Callable[[Call], str | None]


@dataclass(slots=True)
class Gate:
    """One for a history. `fate` says which fault strikes a call."""

    now: Callable[[], float]
    fate: Fate
    struck: Callable[[Life, Call, str], None]
    look_stale: Callable[[Gathered, float], Gathered]
    rival_signal: Callable[[], Awaitable[None]]
    after: Callable[[], None]  # after anything that may have changed the tenant
    calls: list[Call] = field(default_factory=list[Call])
    by: str = ""  # whose call is going through right now
    sent_at: float = 0.0
    slowness: Callable[[Call], float] = lambda call: 0.0
    refused: dict[tuple[str, str, str], float] = field(default_factory=dict[tuple[str, str, str], float])
    unreadable: set[str] = field(default_factory=set[str])
    late: set["asyncio.Task[None]"] = field(default_factory=set["asyncio.Task[None]"])
    told: list[str] = field(default_factory=list[str])  # what instances gave to documents and queue

    async def call(
        self, life: Life, part: str, method: str, about: str, act: Callable[[], Awaitable[Any]], late: Any = None
    ) -> Any:
        """Let it through, or let a fault strike it."""
        life.check()
        call = Call(len(self.calls), part, method, about)
        self.calls.append(call)
        if len(self.calls) > MOST_CALLS:
            life.dead = True
            raise Crash("this history does not come to an end")
        slow = self.slowness(call)
        if slow:
            await asyncio.sleep(slow)
            life.check()
        if self.refused.get((part, method, about), -1.0) > self.now():
            raise _permission(call)
        kind = self.fate(call)
        if kind is None:
            return await self._through(life, act)
        self.struck(life, call, kind)
        answer = await self._strike(life, call, kind, act, late)
        life.check()
        return answer

    async def _through(self, life: Life, act: Callable[[], Awaitable[Any]], sent_at: float | None = None) -> Any:
        self.by, self.sent_at = life.instance, self.now() if sent_at is None else sent_at
        try:
            return await act()
        finally:
            self.after()

    async def _strike(self, life: Life, call: Call, kind: str, act: Callable[[], Awaitable[Any]], late: Any) -> Any:
        match kind:
            case "kill-before-send" | "kill-after-send":
                if kind == "kill-after-send":
                    self._land_later(life, late or act)
                life.dead = True
                raise Crash(call.name)
            case "kill-after-answer":
                await self._through(life, act)
                life.dead = True
                raise Crash(call.name)
            case "timeout-applied" | "429-applied":
                await self._through(life, act)
            case "409" if call.part == "journal":
                await self.rival_signal()
                return await self._through(life, act)
            case "409" if call.part in STORE:
                await self._through(life, act)  # somebody else was faster with the same
                return await self._through(life, act)
            case "403-from-here" if call.method == "look":
                self.unreadable |= set(call.about.split("+"))  # the permission to read these parts is gone
            case "403-from-here":
                healed = self.now() + OUTAGE if call.part in STORE else float("inf")
                self.refused[call.part, call.method, call.about] = healed
            case _:
                pass
        raise _error(call, kind)

    def _land_later(self, life: Life, act: Callable[[], Awaitable[Any]]) -> None:
        """The sender is dead; its request is on its way."""
        sent_at = self.now()

        async def land() -> None:
            await asyncio.sleep(ON_ITS_WAY)
            try:
                await self._through(life, act, sent_at)
            except (CordonError, SequenceTaken):
                return  # it came too late, and nobody hears of it

        task = asyncio.ensure_future(land())
        self.late.add(task)
        task.add_done_callback(self.late.discard)


def _permission(call: Call) -> PermissionMissing:
    return PermissionMissing(doing=call.name, needs="the permission for it")


def _error(call: Call, kind: str) -> CordonError:
    match kind:
        case "timeout-applied" | "timeout":
            return OutcomeUnknown(call.name, "no answer") if call.is_write else Unreachable(call.name, "no answer")
        case "429" | "429-applied":
            return Throttled(call.name, timedelta(seconds=10))
        case "503":
            return Unreachable(call.name, "503")
        case "409":
            return PlatformRefused(doing=call.name, code="409", why="a conflict.")
        case "stale-404":
            return Gone(call.name)
        case "401" if call.part not in STORE:
            return Unreachable(call.name, "401: our token was not accepted, a new one neither")
        case _:
            return _permission(call)


class Gated:
    """A part of store or tenant behind the gate."""

    def __init__(self, inner: object, part: str, gate: Gate, life: Life) -> None:
        self._inner, self._part, self._gate, self._life = inner, part, gate, life

    def __getattr__(self, method: str) -> Any:
        act = getattr(self._inner, method)
        if not iscoroutinefunction(act):
            return act

        async def call(*given: Any, **named: Any) -> Any:
            if self._part in _TOLD:
                self._gate.told.append(repr((given, named)))
            return await self._call(method, _about(method, given), lambda: act(*given, **named))

        return call

    async def _call(self, method: str, about: str, act: Callable[[], Awaitable[Any]], late: Any = None) -> Any:
        return await self._gate.call(self._life, self._part, method, about, act, late)


class GatedDirectory(Gated):
    """The directory behind the gate: a look that fails says so in its parts, and single writes in their results."""

    async def look(self, subject: Any, parts: frozenset[PartName]) -> Gathered:
        inner = cast("Any", self._inner)
        about = "+".join(sorted(part.value for part in parts))
        try:
            found: Gathered = await self._call("look", about, lambda: inner.look(subject, parts))
        except Gone:  # a replica that knows nothing of the last half minute
            return self._gate.look_stale(await inner.look(subject, parts), STALE)
        except PermissionMissing:
            found = await inner.look(subject, parts)
        except CordonError as error:
            return _without(Gathered(), {part.value for part in parts}, str(error), later=True)
        hidden = {part.value for part in parts} & self._gate.unreadable
        return _without(found, hidden, "403: this identity may not read it", later=False)

    async def cover_by_risk_policy(self, principal: str, *given: Any, **named: Any) -> Any:
        inner = cast("Any", self._inner)
        is_new = not inner.policies.value

        async def late() -> None:
            if is_new:
                inner.make_policy_late(principal)

        return await self._call(
            "cover_by_risk_policy",
            "",
            lambda: inner.cover_by_risk_policy(principal, *given, **named),
            late,
        )

    async def write_credentials(self, writes: Any) -> list[WriteResult]:
        return [await self._one("write_credentials", write) for write in writes]

    async def write_access(self, writes: Any) -> list[WriteResult]:
        return [await self._one("write_access", write) for write in writes]

    async def _one(self, method: str, write: Any) -> WriteResult:
        act = getattr(self._inner, method)
        try:
            (result,) = await self._call(method, type(write).__name__, lambda: act((write,)))
        except Gone as gone:  # a removal takes a 404 for done
            return WriteDone(already=True) if isinstance(write, REMOVALS) else WriteRefused(gone)
        except OutcomeUnknown as unknown:
            return WriteUnknown(unknown.why)
        except CordonError as error:
            return WriteRefused(error)
        return result


class GatedAzure(Gated):
    """A way into Azure behind the gate: where the answer is a Part, what could not be looked at says so."""

    async def _call(self, method: str, about: str, act: Callable[[], Awaitable[Any]], late: Any = None) -> Any:
        if method not in _ABOUT_AZURE - {"value"}:
            return await super()._call(method, about, act, late)
        try:
            return await super()._call(method, about, act, late)
        except CordonError as error:
            may_help = not isinstance(error, PermissionMissing)
            if method == "reach":
                return Reach((), (str(error),), (str(error),) if may_help else ())
            return CouldNotLook(str(error), may_help_later=may_help)


def gated_estate(estate: Estate, gate: Gate, life: Life) -> Estate:
    """The same ways into Azure, each of them behind the gate."""
    access, vaults, sources, logs = (
        cast("Any", GatedAzure(inner, part, gate, life))
        for part, inner in (
            ("access", estate.access),
            ("vaults", estate.vaults),
            ("sources", estate.sources),
            ("logs", estate.logs),
        )
    )
    return Estate(access, vaults, sources, logs)


def _without(found: Gathered, hidden: set[str], why: str, *, later: bool) -> Gathered:
    """The same answer, in which these parts could not be read."""
    parts: dict[str, Any] = {part: CouldNotLook(why, may_help_later=later) for part in hidden}
    return replace(found, **parts)


def _about(method: str, given: tuple[Any, ...]) -> str:
    match given[:1]:
        case (SecretRef() as ref,) | (SecretSeen(ref=ref),):
            return f"{ref.vault}/{ref.name}"
        case (VaultSeen(name=name),):
            return name
        case _:
            pass
    match method:
        case "append":
            return "+".join(record.kind for record in given[0])
        case "send":
            return str(given[0].get("because"))
        case "publish":
            return str(given[0])
        case _ if method in _WRITES | {"get", "query", "secrets"}:
            return str(given[0])
        case "keys" | "regenerate":
            return " ".join([str(given[0]).rpartition("/")[2], *given[2:3]])
        case _:
            return ""
