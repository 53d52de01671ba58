"""
A look: what the tenant shows at one moment, each part read at most once.

Steps that are captured or verified together share a look, so that one round trip serves them all.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

from shared.case import (
    CouldNotLook,
    Grants,
    HolderKind,
    IdentityState,
    Known,
    NotLooked,
    Owners,
    Part,
    PartName,
    RiskPolicy,
    RiskState,
)
from shared.clock import Clock
from shared.errors import CannotBeRead, CordonError, TimeMayHelp, Unreachable
from shared.identity import AppObjectId, IdentityRef
from shared.tenant import Directory, Gathered

_ORDER = tuple(PartName)
_PUBLIC_KEYS_WITHIN = 2.0  # seconds


class Look:
    """
    Reads parts of one identity on demand and remembers them; make a new one for a fresh read. Who asks for one
    part does not wait for another, which may have a quota to wait for.
    """

    def __init__(self, directory: Directory, subject: IdentityRef, clock: Clock) -> None:
        self._directory, self._clock = directory, clock
        self._locks = {part: asyncio.Lock() for part in PartName}
        self.subject = subject
        self.gathered = Gathered()
        self.begun_at: datetime = clock()

    @classmethod
    def showing(cls, gathered: Gathered, directory: Directory, subject: IdentityRef, clock: Clock) -> "Look":
        """A look that already holds what was just gathered."""
        look = cls(directory, subject, clock)
        look.gathered = gathered
        return look

    def is_fresh(self, limit: timedelta) -> bool:
        return self._clock() - self.begun_at <= limit

    async def gather(self, parts: frozenset[PartName]) -> Gathered:
        """Make sure that these parts were asked for, in one go."""
        async with AsyncExitStack() as stack:
            for part in sorted(self._missing(parts), key=_ORDER.index):  # in one order, so that nobody waits in a ring
                await stack.enter_async_context(self._locks[part])
            if missing := self._missing(parts):
                found = await self._directory.look(self.subject, missing)
                self.gathered = merge(self.gathered, found)
        return self.gathered

    def _missing(self, parts: frozenset[PartName]) -> frozenset[PartName]:
        return frozenset(p for p in parts if isinstance(getattr(self.gathered, p.value), NotLooked))

    async def identity(self) -> Part[IdentityState]:
        return (await self.gather(frozenset({PartName.IDENTITY}))).identity

    async def key_digests(self, application: AppObjectId) -> Part[Mapping[str, str]]:
        """The SHA-256 of the public part of each key of an application, by key id; read each time it is asked for."""
        try:
            return Known(await self._directory.key_digests(application))
        except CordonError as error:
            return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))

    async def deleted(self) -> Part[IdentityState | None]:
        """The identity among the deleted items, or None; read each time it is asked for."""
        try:
            return Known(await self._directory.find_deleted(self.subject))
        except CordonError as error:
            return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))

    async def public_keys(self, holder: HolderKind, object_id: str) -> Part[Mapping[str, str]]:
        """
        The public part of each certificate of an object, by key id; read each time it is asked for. Its quota is
        small (facts: Graph 4), and only undo needs it: whoever removes credentials waits no longer than two seconds.
        """
        try:
            async with asyncio.timeout(_PUBLIC_KEYS_WITHIN):
                return Known(await self._directory.public_keys(holder, object_id))
        except TimeoutError:
            return CouldNotLook(f"the public keys of {object_id} did not come within {_PUBLIC_KEYS_WITHIN:.0f} s", True)
        except CordonError as error:
            return CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))

    async def risk(self) -> Part[RiskState | None]:
        return (await self.gather(frozenset({PartName.RISK}))).risk

    async def grants(self) -> Part[Grants]:
        return (await self.gather(frozenset({PartName.GRANTS}))).grants

    async def owners(self) -> Part[Owners]:
        return (await self.gather(frozenset({PartName.OWNERS}))).owners

    async def ca_policy(self) -> Part[tuple[RiskPolicy, ...]]:
        return (await self.gather(frozenset({PartName.CA_POLICY}))).ca_policy


def merge(older: Gathered, newer: Gathered) -> Gathered:
    """Take each part from the newer one, unless it was not asked for there."""
    asked = {part.value: getattr(newer, part.value) for part in PartName}
    return replace(older, **{name: part for name, part in asked.items() if not isinstance(part, NotLooked)})


def no_image(doing: str, part: CouldNotLook | NotLooked) -> CordonError:
    """The error of a capture whose part is not known: passing, or for good."""
    if isinstance(part, CouldNotLook) and not part.may_help_later:
        return CannotBeRead(doing, part.why)
    return Unreachable(doing, why_unread(part))


def why_unread(part: CouldNotLook | NotLooked) -> str:
    """The reason why a part is not known, as text."""
    return part.why if isinstance(part, CouldNotLook) else "it was not looked at"
