"""
From what is exposed to what is rotated how: asks the vaults for versions, and the rotators whose each secret is.

A later look adds to the plan: secrets that showed only now, secrets that turn out to be of a higher tier, and
another round for what the identity has read again, together with all that holds the same credential.
"""

import asyncio
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from shared.actions.rotate_secrets import RotationOptions
from shared.case import CouldNotLook, Known, Part
from shared.errors import CordonError, TimeMayHelp
from shared.estate import SecretRef, SecretSeen, SecretValue
from shared.exposure import Exposed, Exposure
from shared.rotation_plan import (
    MOST_ROUNDS,
    PlannedSecret,
    in_order,
    is_read_again,
    round_of,
    step_of,
    versions_exposed,
    versions_gone,
    was_read,
)
from shared.rotation_progress import Progress
from shared.rotators.interface import NeedsValue, Rotator, RotatorMeans, Serves, ServesNot
from shared.together import together

T = TypeVar("T")

_AT_ONCE = 32  # secrets that are looked at side by side
_PAUSES = (1.0, 2.0, 4.0)  # seconds; then it is left to the next look
_OWNERS, _DISABLING = "delegated", "disable-version"
_ONCE_MORE = "once more, for a token of its own may have lived when it was changed first"
_DELETED = "It was deleted: nothing can be rotated in a secret that is not there, and what its value opens may be open."
_LEFT_DELETED = "what it opens may be open, and that is left on the policy's word (deleted: accept)"
_ALL_DISABLED = "it has no version that gives its value to anybody"  # which a later look may find otherwise
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_CHOSEN = "cordon-rotator"  # the tag by which somebody chose a rotator

Spare = Callable[[SecretRef, str, Serves], Awaitable[str | None]]
"""Why a secret, by its rotator and source, is never touched; None if it may be. Raises Unreachable for later."""


@dataclass(frozen=True, slots=True)
class Additions:
    """
    What a look adds. `stopped` are steps that nothing can be done about, and `later` those that could not be
    looked at now; each with the reason. `spared` are never touched. `accepted` is what the policy says to leave.
    """

    planned: tuple[PlannedSecret, ...] = ()
    read_again: tuple[str, ...] = ()
    spared: Mapping[str, str] | None = None
    stopped: Mapping[str, str] | None = None
    later: Mapping[str, str] | None = None
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """One secret as it was looked at: how it is rotated, or why not (now)."""

    step: str
    planned: PlannedSecret | None = None
    spared: str | None = None
    stopped: str | None = None
    later: str | None = None
    accepted: str | None = None


@dataclass(frozen=True, slots=True)
class Planner:
    """Lays out what a look adds to what is planned already."""

    means: RotatorMeans
    options: RotationOptions
    rotators: Sequence[Rotator]
    spare: Spare
    known: Mapping[str, PlannedSecret]
    progress: Mapping[str, Progress]
    spared: Mapping[str, str]  # steps that an earlier look has spared, and why
    since: datetime  # the moment from which on reads count
    dead_by: datetime  # by then no token of the identity opens a vault any more
    dead: Callable[[SecretRef], Awaitable[Mapping[str, str]]]  # versions that other incidents have proven dead

    async def add(self, exposure: Exposure) -> Additions:
        room = asyncio.Semaphore(_AT_ONCE)

        async def look(exposed: Exposed) -> _Found | None:
            async with room:
                step = await self._new_step(exposed, exposure.dark)
                untold = exposed.ref.vault in exposure.unlogged
                return await self._look(step, exposed, self.since if untold else None) if step is not None else None

        async def look_at(several: Sequence[Exposed]) -> list[tuple[_Found, Exposed]]:
            looked = zip(await together(*map(look, several)), several, strict=True)
            return [(each, exposed) for each, exposed in looked if each is not None]

        asked = [each for each in exposure.secrets if each.tier in self.options.tiers]
        new = await look_at(asked)
        new += await look_at([each for each in self._beside(exposure, new) if each not in asked])
        found = [each for each, _ in new]
        planned = [each.planned for each in found if each.planned is not None]
        changed = await together(*(self._changed(each, exposure.unlogged) for each in exposure.secrets))
        waiting = [each for each in changed if each is not None]
        return Additions(
            planned=in_order([*waiting, *self._in_rounds(planned)]),
            read_again=tuple(each.step for each, of in new if round_of(each.step) > 1 and of.reads is not None),
            spared={each.step: each.spared for each in found if each.spared and each.step not in self.spared},
            stopped={each.step: each.stopped for each in found if each.stopped},
            later={each.step: each.later for each in found if each.later},
            accepted=tuple(f"secret {each.step}: {each.accepted}" for each in found if each.accepted),
        )

    # What is new

    def _beside(self, exposure: Exposure, new: Iterable[tuple[_Found, Exposed]]) -> Iterable[Exposed]:
        """
        What holds a credential of a source that is rotated, by its tags, whichever tiers the policy names: left as it
        is, it would hold a dead one. Its value is not read for that.
        """
        planned = [*self.known.values(), *(each.planned for each, _ in new if each.planned is not None)]
        sources = {each.source for each in planned if each.serves.resource}
        return (each for each in exposure.secrets if self._source_by_tags(each.seen) in sources)

    def _source_by_tags(self, seen: SecretSeen) -> tuple[str, str] | None:
        for rotator in self.rotators:
            served = rotator.serves(seen)
            if not isinstance(served, ServesNot):
                return (rotator.name, served.resource) if isinstance(served, Serves) else None
        return None

    async def _new_step(self, exposed: Exposed, dark: frozenset[str]) -> str | None:
        """The step under which this secret is to be planned now; None if nothing is new about it."""
        if self.spared.get(step_of(exposed.ref), _ALL_DISABLED) != _ALL_DISABLED:
            return None
        newest = self._newest(exposed.ref)
        if newest is None:
            return self._unless_stopped(step_of(exposed.ref))
        progress = self.progress.get(newest.step, Progress())
        if progress.version is None:
            return None
        again = await self._is_read_again(newest, progress, exposed)
        if not again and not self._may_be_read(exposed, dark, progress.done_at["published"]):
            return None
        return self._unless_stopped(step_of(exposed.ref, round_of(newest.step) + 1))

    async def _is_read_again(self, newest: PlannedSecret, progress: Progress, exposed: Exposed) -> bool:
        version, reads = progress.version, exposed.reads
        if version is None or version in newest.exposed or reads is None:  # nothing new was published, or read
            return False
        if is_read_again(exposed, version, progress.done_at["published"]):
            return True
        unnamed = reads.unnamed or not reads.versions
        return unnamed and is_read_again(exposed, version, await self._stored_at(exposed, version))

    async def _stored_at(self, exposed: Exposed, version: str) -> datetime:
        """
        Since when it was there to be read. The journal tells that later than the vault: an owner's version when it was
        looked for, and ours, after a crash, by as much as that took. Where the vault does not tell, it was long ago.
        """
        part = await self._versions(exposed.ref)
        shown = part.value if isinstance(part, Known) else ()
        return next((each.created for each in shown if each.version == version), _LONG_AGO)

    def _may_be_read(self, exposed: Exposed, dark: frozenset[str], published: datetime) -> bool:
        """
        Where no log tells, a version may have been read for as long as a token of the identity lived. When that is
        over, one more round makes an end of it: a version of then was never within its reach.
        """
        untold = exposed.tier == 1 and exposed.ref.vault in dark
        return untold and published < self.dead_by <= self.means.clock()

    def _unless_stopped(self, step: str) -> str | None:
        """What an earlier look gave up stays given up."""
        progress = self.progress.get(step)
        return None if progress is not None and progress.stopped is not None else step

    async def _changed(self, exposed: Exposed, unlogged: Container[str]) -> PlannedSecret | None:
        """
        A secret that waits for a person, or for its turn: in a lower tier, and was read after all; or somebody has
        stored a version meanwhile, and the identity has read that as well.
        """
        newest = self._newest(exposed.ref)
        if newest is None or self._is_begun(newest.step):
            return None
        raised = exposed.tier < newest.tier
        why, tier = (exposed.why, exposed.tier) if raised else (newest.why, newest.tier)
        more = await self._read_since(newest, exposed, untold=exposed.ref.vault in unlogged)
        return replace(newest, tier=tier, why=why, exposed=(*more, *newest.exposed)) if raised or more else None

    async def _read_since(self, newest: PlannedSecret, exposed: Exposed, *, untold: bool) -> Sequence[str]:
        """Versions that it exposed since it was planned. What the log names needs no word of the vault's."""
        reads, known = exposed.reads, newest.exposed
        named = [each for each in (reads.versions if reads else ()) if each not in known]
        if not untold and not named and (reads is None or (reads.versions and not reads.unnamed)):
            return ()
        part = await self._versions(exposed.ref)
        shown = part.value if isinstance(part, Known) else ()
        found = versions_exposed(exposed, shown) if untold else [each for each in shown if was_read(exposed, each)]
        gone = versions_gone(exposed, shown)
        more = [each.version or "" for each in found if each.version not in known]
        more += [each for each in gone if each not in known]
        return self._unless_dying_already(newest.step, exposed.ref, more)

    def _newest(self, ref: SecretRef) -> PlannedSecret | None:
        """Its newest round."""
        number, newest = 1, None
        while (found := self.known.get(step_of(ref, number))) is not None:
            number, newest = number + 1, found
        return newest

    def _is_begun(self, step: str) -> bool:
        progress = self.progress.get(step)
        return progress is not None and (progress.before is not None or progress.stopped is not None)

    # One secret

    async def _look(self, step: str, exposed: Exposed, untold_since: datetime | None) -> _Found:
        if round_of(step) > MOST_ROUNDS:
            why = f"It was read again and again, {MOST_ROUNDS} times, although it was rotated each time."
            return _Found(step, stopped=why)
        if exposed.seen.deleted is not None:
            if self.options.deleted == "accept" and exposed.reads is None and untold_since is None:
                return _Found(step, accepted=f"{exposed.why}; {_LEFT_DELETED}")
            return _Found(step, stopped=_DELETED)
        part = await self._versions(exposed.ref)
        if not isinstance(part, Known):
            why = part.why if isinstance(part, CouldNotLook) else "it was not looked at"
            passing = isinstance(part, CouldNotLook) and part.may_help_later
            return _Found(step, later=why) if passing else _Found(step, stopped=f"Its versions cannot be read: {why}")
        found = versions_exposed(exposed, part.value, untold_since=untold_since)
        versions = self._unless_of_earlier_round(step, exposed.ref, found)
        try:
            versions, gone, told = await self._unless_proven_dead(step, exposed, part.value, versions)
        except TimeMayHelp as error:
            return _Found(step, later=str(error))
        if not part.value or not versions:
            return _Found(step, spared=_ALL_DISABLED)
        try:
            rotator, serves = await self._choose(part.value[0])
            spared = await self.spare(exposed.ref, rotator.name, serves)
        except TimeMayHelp as error:
            return _Found(step, later=str(error))
        if spared is not None:
            return _Found(step, spared=spared)
        dying = [each.version for each in versions if each.version is not None]
        planned = self._plan(step, exposed, part.value[0], [*dying, *gone], rotator, serves)
        return _Found(step, replace(planned, why=f"{planned.why}{told}"))

    def _plan(
        self,
        step: str,
        exposed: Exposed,
        seen: SecretSeen,
        dying: Sequence[str],
        rotator: Rotator,
        serves: Serves,
    ) -> PlannedSecret:
        rotator, serves, asks = self._by_policy(seen, rotator, serves)
        return PlannedSecret(
            step=step,
            tier=exposed.tier,
            why=exposed.why if exposed.reads or round_of(step) == 1 else f"{exposed.why}; {_ONCE_MORE}",
            seen=seen,
            exposed=tuple(dying),
            rotator=rotator.name,
            keys=rotator.keys,
            serves=serves,
            asks=asks,
            round=round_of(step),
        )

    def _by_policy(self, seen: SecretSeen, rotator: Rotator, serves: Serves) -> tuple[Rotator, Serves, str | None]:
        """What policy says of credentials that exist once, and of what nobody recognises."""
        if rotator.keys == "one" and self.options.single_credential == "ask":
            return rotator, serves, "single-credential"
        chosen = any(name.lower() == _CHOSEN for name in seen.tags)
        if rotator.name != _OWNERS or chosen or self.options.unrecognised == "delegate":
            return rotator, serves, None
        disabling = next(each for each in self.rotators if each.name == _DISABLING)
        serves = Serves("", "", "no rotator recognises it, and the policy has such secrets disabled")
        return disabling, serves, "unrecognised" if self.options.unrecognised == "ask" else None

    async def _unless_proven_dead(
        self, step: str, exposed: Exposed, shown: Sequence[SecretSeen], versions: Sequence[SecretSeen]
    ) -> tuple[Sequence[SecretSeen], Sequence[str], str]:
        """
        What is left of the versions, and of those that are gone; and what to say of the others. A version that the
        vault gives out is looked at afresh, whoever has proven what of it.
        """
        gone = self._unless_dying_already(step, exposed.ref, versions_gone(exposed, shown))
        if not gone and all(each.enabled for each in versions):
            return versions, gone, ""
        dead = await self.dead(exposed.ref)
        left = [each for each in versions if each.enabled or each.version not in dead]
        if not left:  # all of it is disabled: a person is told, as of any secret that gives nothing out
            return versions, gone, ""
        ours = [
            *(each.version or "" for each in versions if each not in left),
            *(each for each in gone if each in dead),
        ]
        told = "".join(f"; its version {each} was proven dead by incident {dead[each]}" for each in ours)
        return left, [each for each in gone if each not in dead], told

    def _unless_of_earlier_round(
        self, step: str, ref: SecretRef, exposed: Sequence[SecretSeen]
    ) -> Sequence[SecretSeen]:
        new = self._unless_dying_already(step, ref, [each.version or "" for each in exposed])
        return tuple(each for each in exposed if each.version in new)

    def _unless_dying_already(self, step: str, ref: SecretRef, versions: Sequence[str]) -> Sequence[str]:
        earlier = (self.known.get(step_of(ref, number)) for number in range(1, round_of(step)))
        before = {version for each in earlier if each is not None for version in each.exposed}
        return [each for each in versions if each not in before]

    async def _choose(self, seen: SecretSeen) -> tuple[Rotator, Serves]:
        """
        The first of the catalogue whose it is. Its value is read only if one needs it, once, and kept no longer.

        Raises TimeMayHelp where it cannot be told now. What nobody may look at is its owner's, and `why` says so.
        """
        value: SecretValue | None = None
        gaps: list[str] = []
        for rotator in self.rotators:
            served: Serves | ServesNot | NeedsValue | None = rotator.serves(seen)
            if isinstance(served, NeedsValue):
                if value is None and not gaps:
                    value = await self._unless_refused(lambda: self._value_of(seen), gaps)
                served = await self._recognise(rotator, seen, value, gaps) if value is not None else None
            if isinstance(served, Serves):
                return rotator, _with_gaps(served, gaps) if rotator.name == _OWNERS else served
        raise LookupError("the last rotator of the catalogue serves everything")

    async def _value_of(self, seen: SecretSeen) -> SecretValue:
        return await self.means.estate.vaults.value(seen.ref, seen.version or "")

    async def _recognise(
        self, rotator: Rotator, seen: SecretSeen, value: SecretValue, gaps: list[str]
    ) -> Serves | ServesNot | None:
        return await self._unless_refused(lambda: rotator.recognise(seen, value, self.means), gaps)

    async def _unless_refused(self, ask: Callable[[], Awaitable[T]], gaps: list[str]) -> T | None:
        """Asked a few times. None where the answer is refused for good, with the reason among the `gaps`."""
        for pause in (*_PAUSES, None):
            try:
                return await ask()
            except TimeMayHelp:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            except CordonError as error:
                gaps.append(str(error))
                break
        return None

    async def _versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        part = await self.means.estate.vaults.versions(ref)
        for pause in _PAUSES:
            if not isinstance(part, CouldNotLook) or not part.may_help_later:
                break
            await asyncio.sleep(pause)
            part = await self.means.estate.vaults.versions(ref)
        return part

    # Rounds of a source

    def _in_rounds(self, planned: Iterable[PlannedSecret]) -> Iterable[PlannedSecret]:
        """
        The round of its source that each belongs to. Where a source is rotated again, everything goes along that
        was given its present credential.
        """
        found = {each.step: each for each in planned}
        for each in tuple(found.values()):
            round_ = self._round(each)
            found[each.step] = replace(each, round=round_)
            for other in self._members(each) if each.serves.resource else ():
                again = self._again(other, each, round_)
                if again is not None and again.step not in found:
                    found[again.step] = again
        return found.values()

    def _round(self, each: PlannedSecret) -> int:
        members = self._members(each)
        newest = max((other.round for other in members), default=0)
        if newest == 0 or not each.serves.resource:
            return each.round
        if round_of(each.step) == 1 and any(self._is_same_credential(each, other) for other in members):
            return newest
        return newest + 1

    def _is_same_credential(self, each: PlannedSecret, other: PlannedSecret) -> bool:
        """What the round of the other lets die, or has let die, is what this one exposed."""
        newest = max((member.round for member in self._members(each)), default=0)
        if other.round != newest:
            return False
        made_at = self.progress.get(other.step, Progress()).done_at.get("made")
        return made_at is None or each.seen.created < made_at

    def _again(self, other: PlannedSecret, each: PlannedSecret, round_: int) -> PlannedSecret | None:
        """Another round for a secret that holds what is rotated again, unless it has one."""
        progress = self.progress.get(other.step, Progress())
        if other.round != round_ - 1 or progress.version is None or progress.awaits is not None:
            return None
        step = step_of(other.ref, round_of(other.step) + 1)
        if step in self.known:
            return None
        why = f"it holds a key of the same source as {each.step}, which is rotated again"
        return replace(other, step=step, why=why, tier=each.tier, exposed=(progress.version,), round=round_)

    def _members(self, each: PlannedSecret) -> Sequence[PlannedSecret]:
        return [other for other in self.known.values() if other.source == each.source]


def _with_gaps(serves: Serves, gaps: Sequence[str]) -> Serves:
    """What could not be looked at was not found to be nobody's."""
    return replace(serves, why=f"{gaps[0]} So nobody looked what it opens, and its owner is asked") if gaps else serves
