"""
Carries out one stage of one secret, so that a crash on any line can be resumed.

What was there is in the journal before the first effect, what came of it after. `make` may therefore run twice with
the same `before`, and finds what it made; a published version is found by its operation's tag; letting the old
credential die, and disabling versions, may be repeated. Values live in memory, between two calls, and nowhere else.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.actions.interface import Proof
from shared.actions.rotate_secrets import RotationOptions
from shared.case import CouldNotLook, Known
from shared.entries import (
    Entry,
    RotationStage,
    SecretAwaits,
    SecretDone,
    SecretFailed,
    SecretIntended,
    SecretReminded,
    SecretRepeated,
    SecretStopped,
    SecretVerified,
    SecretYields,
    WriteOutcome,
)
from shared.errors import (
    CannotBeRead,
    Gone,
    OperatorMustAct,
    OutcomeUnknown,
    OutOfTurn,
    PlatformRefused,
    RivalActs,
    StoppedBySwitch,
    Throttled,
    TimeMayHelp,
    Unreachable,
)
from shared.estate import OPERATION_TAG, SecretRef, SecretSeen
from shared.refusals import refusal_name, todo_for
from shared.rotation_commit import Commits
from shared.rotation_order import Standing
from shared.rotation_plan import MOST_ROUNDS, PlannedSecret, operation_of, step_of
from shared.rotation_progress import LONGEST_LIFE, Progress
from shared.rotators.fallback import is_owners
from shared.rotators.interface import Awaited, Job, Minted, Rotator, RotatorMeans
from shared.rotators.tags import carried, expiry
from shared.signal import JsonObject
from shared.source_leases import Lease, SourceLeases

log = logging.getLogger("cordon")

GIVE_UP = timedelta(minutes=30)  # a stage that fails for so long is left to a person
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # seconds between attempts at one stage
_LATE_ARRIVAL = 10.0  # a write whose answer was lost may still be on its way for so long
_LONGEST_PAUSE = 120.0  # whatever a service asks for
_PATIENCE_WITH_OWNERS = timedelta(days=7)  # after the call for a person; then it is his alone
_SLOW_LOOK = timedelta(hours=1)
_DAY = timedelta(days=1)
_NEXT_TURN, _LATEST_TURN = timedelta(minutes=1), timedelta(hours=1)  # between two looks whether a source is free
_LOOKS_IN_VAIN = 4  # fresh reads that cannot tell: no later one will, and the report says so


class StoreFailed(Exception):
    """The journal could not be written: the slice ends here, and its message goes on later."""

    def __init__(self, error: TimeMayHelp) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(slots=True)
class Stages:
    """One instance's hands on the secrets of one rotation, for one slice."""

    incident: str
    options: RotationOptions
    means: RotatorMeans
    in_turn: Mapping[int, RotatorMeans]  # by tier: each effect comes after the check that it is the tier's turn
    rotators: Mapping[str, Rotator]
    commits: Commits
    planned: Mapping[str, PlannedSecret]
    progress: Mapping[str, Progress]
    held: frozenset[str]  # steps that wait for a person
    other_hands: dict[str, datetime]
    rested: Mapping[str, datetime]  # until when an owner is left in peace, of whose secret no vault told
    expect_news: Callable[[SecretRef], Awaitable[None]]  # has the rotation woken by a new version of the secret
    note_dead: Callable[[SecretRef, Sequence[str]], Awaitable[None]]  # keeps for other incidents what is proven dead
    known_dead: Callable[[SecretRef], Awaitable[Mapping[str, str]]]  # what they have proven, by version, and who
    leases: SourceLeases
    called_off: Callable[[], Awaitable[str | None]]  # why a person wants nothing more of it, by a look at the incident
    is_over: bool = False  # it was called off: what is made is published still, for it may be all that there is
    _families: dict[tuple[str, str, int], list[str]] = field(default_factory=dict[tuple[str, str, int], list[str]])
    _rounds: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    _minted: dict[str, Minted] = field(default_factory=dict[str, Minted])
    _fresh: set[str] = field(default_factory=set[str])  # intents of publishing that nothing was sent for yet
    _tries: dict[str, int] = field(default_factory=dict[str, int])
    _again: dict[str, datetime] = field(default_factory=dict[str, datetime])  # when a failed one is tried again
    _looks: dict[str, datetime] = field(default_factory=dict[str, datetime])  # when an owner is looked at again
    _left_alone: dict[str, datetime] = field(default_factory=dict[str, datetime])
    _making: set[str] = field(default_factory=set[str])
    _yields: dict[str, datetime] = field(default_factory=dict[str, datetime])  # by source: when it is asked for again

    def __post_init__(self) -> None:
        self._looks.update(self.rested)
        for step, planned in self.planned.items():
            if planned.family is not None:
                self._families.setdefault(planned.family, []).append(step)
            self._rounds.setdefault(planned.source, []).append(step)

    def beside(self, step: str) -> Sequence[str]:
        """Whose standing may change with that of this one: what holds credentials of the same source, in any round."""
        return self._rounds[self.planned[step].source]

    def family(self, step: str) -> Sequence[str]:
        """The secrets that hold credentials of the same source in the same round, itself included."""
        family = self.planned[step].family
        return self._families[family] if family is not None else (step,)

    # Whose turn

    def stand(self, step: str) -> tuple[Standing, datetime | None]:
        """What this secret waits for now."""
        standing, until = self._stand(step)
        left_alone = self._left_alone.get(step)
        return (Standing.SOON, left_alone) if standing is Standing.READY and left_alone else (standing, until)

    async def put_off(self, step: str, why: TimeMayHelp, until: datetime) -> None:
        """Leave it alone for this slice: whether it may be touched cannot be told now. In the end it is given up."""
        if self.stand(step)[0] is Standing.READY:
            await self._try_later(step, self.progress[step].next_stage, why)
        self._left_alone[step] = until

    async def broke_off(self, step: str) -> None:
        """It did not come to an end within a slice. Tried again, and in the end given up: lower tiers wait for it."""
        why = Unreachable(f"rotating {step}", "it takes longer than a slice of work lasts, and was broken off")
        await self._try_later(step, self.progress[step].next_stage, why)

    def _stand(self, step: str) -> tuple[Standing, datetime | None]:
        progress, now = self.progress[step], self.means.clock()
        stage = progress.next_stage
        if stage is None or (self.is_over and not self._stores_still(step)):
            return Standing.OVER, None
        if step in self.held and progress.before is None:
            return Standing.HELD, None
        if (again := self._again.get(step)) and again > now:
            return Standing.SOON, again
        if stage in ("made", "published") and (until := self.other_hands.get(step)) and until > now:
            return Standing.SOON, until
        if (free := self._yields.get(self.planned[step].serves.resource)) and free > now and self._needs_turn(step):
            return Standing.RESTS, free
        match stage:
            case "made":
                return self._stand_to_make(step, progress, now)
            case "published":
                return Standing.READY, None
            case "retired":
                return self._stand_to_retire(step, now)
            case "disabled":
                return self._stand_to_disable(step, progress, now)

    def next_to_store(self) -> datetime | None:
        """Once it is called off: when storing goes on of what was made. None: all of it lies in a vault."""
        stands = [self.stand(step) for step in self.planned]
        if any(standing is Standing.READY for standing, _ in stands):
            return self.means.clock()
        return min((until for _, until in stands if until is not None), default=None)

    def _stores_still(self, step: str) -> bool:
        """As `stores_still`; where it is to get what another one has made, that is there or on its way."""
        progress, family = self.progress[step], self.family(step)
        if not stores_still(self.planned[step], progress, map(self.progress.__getitem__, family)):
            return False
        is_there = progress.next_stage == "published" or self._made_beside(step) is not None
        return is_there or any(map(self._is_unpublished, family))

    def begins(self, step: str) -> bool:
        """Whether its next stage is the first that changes anything."""
        return self.progress[step].next_stage == "made"

    def _stand_to_make(self, step: str, progress: Progress, now: datetime) -> tuple[Standing, datetime | None]:
        if progress.awaits is not None:
            look = self._looks.get(step, now)
            return (Standing.RESTS, look) if look > now else (Standing.READY, None)
        if self._is_behind(step):
            return Standing.BEHIND, None
        graces = [due for other in self.family(step) if (due := self._others_grace_over(other)) and due > now]
        if graces and progress.before is None:
            return Standing.RESTS, max(graces)
        return self._stand_behind_earlier(step)

    def _others_grace_over(self, step: str) -> datetime | None:
        """
        Until then consumers may still hold the key of before that another incident has just replaced: it is the idle
        one by now, and would be made new under them.
        """
        planned = self.planned[step]
        operation = planned.seen.tags.get(OPERATION_TAG)
        if operation is None or planned.keys != "two":
            return None
        rounds = range(1, MOST_ROUNDS + 1)
        ours = {operation_of(self.incident, step_of(planned.ref, number)) for number in rounds}
        return planned.seen.created + self.options.grace if operation not in ours else None

    def _is_behind(self, step: str) -> bool:
        """One of a family makes what is new; when that is published, those whom it serves may take it all at once."""
        others = [other for other in self.family(step) if other != step]
        if self._made_beside(step) is not None:
            return False
        if any(other in self._making or self._is_unpublished(other) for other in others):
            return True
        return next((other for other in self.family(step) if self._may_make(other)), step) != step

    def _is_unpublished(self, step: str) -> bool:
        progress = self.progress[step]
        return progress.next_stage == "published"

    def _may_make(self, step: str) -> bool:
        """Neither given up nor left to an owner or a person, and nothing is made yet."""
        progress = self.progress[step]
        waits = step in self.held and progress.before is None
        return progress.next_stage == "made" and progress.awaits is None and not waits

    def _stand_behind_earlier(self, step: str) -> tuple[Standing, datetime | None]:
        """
        A source's earlier round ends first: what it still has to let die may be what this one makes new. Where nothing
        but an owner's word is waited for, nothing is let die: he is asked for what was read since, at once.
        """
        round_ = self.planned[step].round
        for other in self.beside(step):
            progress = self.progress[other]
            if self._waits_for_owner(other) and "published" in progress.done:
                continue
            if self.planned[other].round < round_ and progress.stopped is None and not self._is_through(other):
                standing, until = self.stand(other)
                return (standing, until) if standing in (Standing.RESTS, Standing.HELD) else (Standing.BEHIND, None)
        return Standing.READY, None

    def claim(self, step: str) -> bool:
        """Whether it may start now; then nobody else of its family begins before it is through."""
        ready = self.stand(step)[0] is Standing.READY
        if ready and self.begins(step):
            self._making.add(step)
        return ready

    def _stand_to_retire(self, step: str, now: datetime) -> tuple[Standing, datetime | None]:
        rests = self._owner_rest(step, now)
        if rests is not None:
            return Standing.RESTS, rests
        family = [other for other in self.family(step) if self._counts_in_family(other)]
        if any("published" not in self.progress[other].done for other in family):
            return Standing.BEHIND, None
        due = max((self._grace_over(other) for other in family), default=now)
        if due > now:
            return Standing.RESTS, due
        first = next((other for other in family if not self._is_through(other)), step)
        return (Standing.READY, None) if first == step else (Standing.BEHIND, None)

    def _counts_in_family(self, step: str) -> bool:
        """Those that nobody waits for do not keep the exposed credential alive."""
        progress = self.progress[step]
        waits_for_people = step in self.held and progress.before is None
        asks_owner = progress.awaits is not None and "published" not in progress.done
        return progress.stopped is None and not waits_for_people and not asks_owner

    def _grace_over(self, step: str) -> datetime:
        """Before this moment consumers may still use what was exposed. What is dead already needs no grace."""
        published = self.progress[step].done_at["published"]
        return published if self.planned[step].keys in ("one", "none") else published + self.options.grace

    def _stand_to_disable(self, step: str, progress: Progress, now: datetime) -> tuple[Standing, datetime | None]:
        if not self._is_through(step):
            rests = self._owner_rest(step, now)
            return (Standing.RESTS, rests) if rests is not None else (Standing.READY, None)
        published = progress.done_at["published"]
        due = published if self.planned[step].keys == "none" else published + self.options.grace
        if self.options.disable_old == "never" or due <= now:
            return Standing.READY, None
        return Standing.RESTS, due

    def _owner_rest(self, step: str, now: datetime) -> datetime | None:
        """When an owner is looked at again, who has stored a new version and left the old credential alive."""
        look = self._looks.get(step)
        return look if look is not None and look > now else None

    def _is_through(self, step: str) -> bool:
        """Dead by a fresh read or its owner's word; or he gave none in time; or it was looked at in vain."""
        progress = self.progress[step]
        if progress.verified is None or "retired" not in progress.done:
            return False
        if progress.verified.answer == "unknown":
            return self._is_asked_in_vain(step, progress)
        return progress.verified.answer == "held"

    def _is_asked_in_vain(self, step: str, progress: Progress) -> bool:
        """Whether nothing more is to be learned: who trusts a certificate no read shows, and an owner had his time."""
        if self._is_owners(step):
            return progress.awaits is None or self.means.clock() >= progress.awaits.escalate_at
        return self.planned[step].keys == "certificate" or progress.unknown >= _LOOKS_IN_VAIN

    def _waits_for_owner(self, step: str) -> bool:
        return self.planned[step].keys == "owner" or self.progress[step].awaits is not None

    def _is_owners(self, step: str) -> bool:
        """Whether nobody but the owner can tell what the exposed value still opens."""
        return self.planned[step].keys == "none" or self._waits_for_owner(step)

    # One stage

    async def run(self, step: str) -> None:
        """
        Carry out the next stage. What goes wrong with this secret is written down, and tried again or left to a
        person; RivalActs, StoppedBySwitch and StoreFailed are everybody's, and raised.
        """
        stage = self.progress[step].next_stage
        try:
            if await self._is_called_off(step):
                return
            if await self._has_turn(step):
                await self._run(step)
            self._tries.pop(step, None)
            await self._leave_source(step)
        except (RivalActs, StoppedBySwitch):
            raise
        except OutOfTurn:
            pass  # what was done of the stage is found when it is carried out again
        except TimeMayHelp as error:
            await self._try_later(step, stage, error)
        except (OperatorMustAct, PlatformRefused) as error:
            await self._stop_refused(step, error)
        except StoreFailed:
            raise
        except Exception as error:  # noqa: BLE001 - told, tried again, and left to a person in the end
            # A fault of Cordon's own on one secret must not keep the others from being rotated. Its text may hold
            # what it was about, so that only its type is told.
            kind = type(error).__name__
            log.error("rotating %s failed by a fault of Cordon's own: %s", step, kind)  # noqa: TRY400
            await self._try_later(step, stage, Unreachable(f"rotating {step}", f"{kind} in Cordon"))
        finally:
            self._making.discard(step)

    async def _is_called_off(self, step: str) -> bool:
        if self._stores_still(step):
            return False
        try:
            self.is_over = self.is_over or await self.called_off() is not None
        except TimeMayHelp as error:
            raise StoreFailed(error) from error
        return self.is_over

    async def _run(self, step: str) -> None:
        match self.progress[step].next_stage:
            case "made" if self.progress[step].awaits is not None:
                await self._look_at_owner(step)
            case "made":
                await self._make(step)
            case "published":
                await self._publish(step)
            case "retired":
                await self._retire(step)
            case "disabled" if not self._is_through(step):
                await self._prove(step)
            case "disabled":
                await self._disable(step)
            case None:
                pass

    # Whose turn at the source

    def _needs_turn(self, step: str) -> bool:
        """Whether its next stage may change a source at which other rotations may be as well."""
        planned, progress = self.planned[step], self.progress[step]
        if not planned.serves.resource or planned.keys not in ("one", "two") or progress.awaits is not None:
            return False
        stage = progress.next_stage
        return stage in ("made", "published", "retired") or (stage == "disabled" and not self._is_through(step))

    async def _has_turn(self, step: str) -> bool:
        """Take the turn at its source, or keep it; False where it is another rotation's."""
        if not self._needs_turn(step):
            return True
        lease = await self._take(step)
        if lease.holder != self.incident:
            await self._yield(step, lease)
            return False
        if self._is_of_earlier_turn(step, lease):  # what is in memory was made then, and may be dead
            self._minted.pop(step, None)
            self._fresh.discard(step)
        return True

    async def _take(self, step: str) -> Lease:
        lasts = LONGEST_LIFE
        if self.progress[step].next_stage in ("made", "published"):
            lasts += self.options.grace
        try:
            return await self.leases.take(self.planned[step].serves.resource, lasts)
        except TimeMayHelp as error:
            raise StoreFailed(error) from error

    async def _yield(self, step: str, lease: Lease) -> None:
        """Told once; looked at again soon, and more and more seldom."""
        progress, now, source = self.progress[step], self.means.clock(), self.planned[step].serves.resource
        if progress.yields is None or progress.yields.to != lease.holder:
            why = f"incident {lease.holder} rotates what comes from {source}: this one goes on when that is through"
            await self._write(step, SecretYields(to=lease.holder, reason=why))
        waited = now - (progress.yields_at or now)
        self._yields[source] = now + min(max(waited / 2, _NEXT_TURN), _LATEST_TURN)

    def _is_of_earlier_turn(self, step: str, lease: Lease) -> bool:
        """Whether another rotation was at the source since it was looked what is there. Older journals do not tell."""
        turn = self.progress[step].turn
        return turn is not None and turn != lease.turn

    async def _leave_source(self, step: str) -> None:
        """When nothing that was begun there is left to do. What is not given back is free when its time is over."""
        source = self.planned[step].serves.resource
        if any(self.progress[each].before is not None and self._needs_turn(each) for each in self.beside(step)):
            return
        if not self.leases.has(source):
            return
        try:
            await self.leases.give_back(source)
        except TimeMayHelp as error:
            log.info("%s is not given back before its time: %s", source, error)

    async def _make(self, step: str) -> None:
        progress = self.progress[step]
        if progress.before is None and (proven := await self._proven_by_others(step)) is not None:
            await self._leave_as_dead(step, proven)
            return
        await self._look_before(step)
        minted = await self._rotator(step).make(self._job(step), progress.before or {}, self._means(step))
        if isinstance(minted, Awaited):
            await self._await_owner(step, minted)
        else:
            await self._keep(step, minted)

    async def _proven_by_others(self, step: str) -> str | None:
        """
        That nothing is left to let die: each exposed version was proven dead by an incident that had the source before
        this one, and the vault gives none of them out. What it gives out may count again, and is looked at afresh.
        """
        planned = self.planned[step]
        if not self._needs_turn(step):
            return None
        dead = await self._known_dead(planned.ref)
        if not planned.exposed or any(version not in dead for version in planned.exposed):
            return None
        if any(each.enabled and each.version in planned.exposed for each in await self._versions(step)):
            return None
        return "; ".join(f"version {each} was proven dead by incident {dead[each]}" for each in planned.exposed)

    async def _known_dead(self, ref: SecretRef) -> Mapping[str, str]:
        try:
            return await self.known_dead(ref)
        except TimeMayHelp as error:
            raise StoreFailed(error) from error

    async def _leave_as_dead(self, step: str, proven: str) -> None:
        """All stages at once, without an effect. What consumers read by now counts as the new version."""
        newest, note = (await self._versions(step))[0].version, "another incident has done it"
        await self._write(
            step,
            SecretDone(stage="made", version=newest, note=note),
            SecretDone(stage="published", version=newest, note=note),
            SecretDone(stage="retired", note=note),
            SecretVerified(answer="held", proof=proven),
        )

    async def _look_before(self, step: str) -> None:
        """
        What is there, of all secrets of the family, before the first of them changes their source: afterwards
        nobody could tell any more which key the others held.
        """
        lease = await self._take(step) if self._needs_turn(step) else None
        for other in (each for each in self.family(step) if self._may_make(each)):
            if self.progress[other].before is None or (lease and self._is_of_earlier_turn(other, lease)):
                try:
                    before = await self._rotator(other).before(self._job(other), self._means(other))
                except (OperatorMustAct, PlatformRefused) as error:
                    if other == step:
                        raise
                    await self._stop_refused(other, error)
                else:
                    await self._write(other, _looked(before, self.planned[other].serves.resource, lease))

    async def _keep(self, step: str, minted: Minted) -> None:
        """Write down what was made, with the intent to publish it: both are durable before it is."""
        done = SecretDone(
            stage="made",
            made=minted.made,
            version=minted.version,
            expires=minted.expires,
            tags=dict(minted.tags),
        )
        if minted.value is None:
            await self._write(step, done, SecretDone(stage="published", version=minted.version))
            return
        self._minted[step] = minted
        self._fresh.add(step)
        await self._write(step, done, SecretIntended(stage="published"))

    async def _publish(self, step: str) -> None:
        """Sent once; what may have been stored before is looked for first."""
        version = None if step in self._fresh else await self._find_published(step)
        if version is None:
            minted = self._minted.get(step) or await self._mint_again(step)
            if minted.value is None:
                version = minted.version
            else:
                self._fresh.discard(step)
                version = await self._send(step, minted)
        self._minted.pop(step, None)
        await self._write(step, SecretDone(stage="published", version=version))

    async def _send(self, step: str, minted: Minted) -> str:
        """With all that the newest version has by now: its owner may have changed it since this was planned."""
        value, versions = minted.value, await self._versions(step)
        if value is None:
            raise ValueError("there is no value to be stored")
        if not versions:
            raise Gone(f"publishing a new version of {step}")
        like = replace(versions[0], tags=carried(versions[0], minted.tags))
        operation, expires = self._job(step).operation, minted.expires or expiry(like, self.means.clock())
        try:
            return await self._means(step).estate.vaults.publish(like, value, operation=operation, expires=expires)
        except OutcomeUnknown:
            found = await self._find_published(step)
            if found is None:
                raise
            return found

    async def _mint_again(self, step: str) -> Minted:
        """What was made is found at its source again: its value was in the memory of whoever made it."""
        progress = self.progress[step]
        job = replace(self._job(step), made=progress.made)
        minted = await self._rotator(step).make(job, progress.before or {}, self._means(step))
        if isinstance(minted, Awaited):
            raise CannotBeRead(
                "publishing what was made", "its source does not give it again, and left it to its owner"
            )
        self._minted[step] = minted
        return minted

    async def _find_published(self, step: str) -> str | None:
        operation = self._job(step).operation
        found = (each for each in await self._versions(step) if each.tags.get(OPERATION_TAG) == operation)
        return next((each.version for each in found), None)

    # The old one dies

    async def _retire(self, step: str) -> None:
        progress = self.progress[step]
        if progress.intended != "retired":
            await self._write(step, SecretIntended(stage="retired"))
        writes = await self._let_die(step)
        await self._write(step, SecretDone(stage="retired", writes=writes))
        refused = next((write for write in writes if write.stop), None)
        await self._prove(step, refused)

    async def _let_die(self, step: str) -> tuple[WriteOutcome, ...]:
        progress = self.progress[step]
        before, made = progress.before or {}, progress.made
        return (await self._rotator(step).retire(self._job(step), before, made, self._means(step))).writes

    async def _let_die_again(self, step: str) -> WriteOutcome | None:
        """The write that the source refused for good, if it did."""
        await self._write(step, SecretIntended(stage="retired"))
        writes = await self._let_die(step)
        await self._write(step, SecretRepeated(stage="retired", writes=writes))
        return next((write for write in writes if write.stop), None)

    async def _prove(self, step: str, refused: WriteOutcome | None = None) -> None:
        """
        By a fresh read of the source. What is seen to live after all is killed again, unless the source `refused`
        that for good.
        """
        progress, rotator = self.progress[step], self._rotator(step)
        if progress.verified is not None and progress.verified.answer == "not-held" and not self._waits_for_owner(step):
            refused = await self._let_die_again(step) or refused
        proof = await rotator.verify(self._job(step), progress.before or {}, progress.made, self._means(step))
        if proof.answer == "unknown" and (proven := await self._proven_by_others(step)) is not None:
            proof = Proof("held", proven)
        by = "owner" if proof.answer == "held" and self._is_owners(step) else "read"
        await self._write(step, SecretVerified(answer=proof.answer, proof=proof.why, by=by))
        if self._is_through(step):
            return
        if refused is not None and refused.stop is not None:
            await self._stop(step, refused.stop, refused.detail or refused.write, todo_for(refused.stop))
        elif self._waits_for_owner(step):
            await self._go_on_waiting(step)
        else:
            raise Unreachable("proving that the exposed credential is dead", proof.why)

    async def _disable(self, step: str) -> None:
        planned, progress = self.planned[step], self.progress[step]
        await self._keep_proof(step)
        if self.options.disable_old == "never" and planned.keys != "none":
            await self._write(step, SecretDone(stage="disabled", note="the policy leaves old versions enabled"))
            return
        seen = await self._versions(step)
        twins, note = self._twins(step, seen)
        wanted = [each.version for each in seen if each.version in (*planned.exposed, *twins) and each.enabled]
        versions = tuple(version for version in wanted if version and version != progress.version)
        if progress.intended != "disabled":
            await self._write(step, SecretIntended(stage="disabled", versions=versions))
        try:
            for version in versions:
                await self._means(step).estate.vaults.set_enabled(planned.ref, version, False)
        except PlatformRefused as refused:
            if not planned.seen.managed:
                raise
            note = f"its old version stays enabled, for it belongs to what manages it: {refused.code}"
            await self._write(step, SecretDone(stage="disabled", note=note))
            return
        await self._check_disabled(step, versions)
        await self._write(step, SecretDone(stage="disabled", note=note))

    async def _keep_proof(self, step: str) -> None:
        """Before it is disabled, and cannot be compared any more: another incident may be about the same version."""
        planned, verified = self.planned[step], self.progress[step].verified
        if verified is None or verified.answer != "held" or verified.by != "read":
            return
        try:
            await self.note_dead(planned.ref, planned.exposed)
        except TimeMayHelp as error:
            raise StoreFailed(error) from error

    def _twins(self, step: str, seen: Sequence[SecretSeen]) -> tuple[frozenset[str], str | None]:
        """
        What carries this operation's tag and is older than the version that counts: a request that arrived twice has
        stored it. A younger one is told, and left alone: it is what consumers read.
        """
        operation, counts = self._job(step).operation, self.progress[step].version
        ours = [each.version for each in seen if each.tags.get(OPERATION_TAG) == operation and each.version]
        if counts not in ours or len(ours) == 1:
            return frozenset(), None
        younger, older = ours[: ours.index(counts)], ours[ours.index(counts) + 1 :]
        told = [f"it was stored more than once: version {each} is disabled, {counts} counts" for each in older]
        told += [f"version {each} carries its operation as well, and is younger than {counts}" for each in younger]
        return frozenset(older), "; ".join(told)

    async def _check_disabled(self, step: str, versions: Sequence[str]) -> None:
        if not versions:
            return
        still = [each.version for each in await self._versions(step) if each.enabled and each.version in versions]
        if still:
            raise Unreachable("disabling the exposed versions", f"a read shows {len(still)} of them enabled")

    # Owners

    async def _await_owner(self, step: str, awaited: Awaited) -> None:
        await self._expect_news(step)
        now = self.means.clock()
        await self._write(
            step,
            SecretAwaits(
                why=awaited.why,
                made=awaited.made,
                look_again=awaited.look_again.total_seconds(),
                remind_at=now + awaited.remind_after,
                escalate_at=now + awaited.escalate_after,
            ),
        )
        await self._go_on_waiting(step)

    async def _expect_news(self, step: str) -> None:
        """Before it is written that it waits: else nobody would be woken for it after a crash in between."""
        try:
            await self.expect_news(self.planned[step].ref)
        except TimeMayHelp as error:
            raise StoreFailed(error) from error

    async def _look_at_owner(self, step: str) -> None:
        """A fault here keeps nobody else waiting: the owner is looked at again at the usual time."""
        rotator, progress = self._rotator(step), self.progress[step]
        try:
            versions = await self._versions(step)
            minted = await rotator.awaited(self._job(step), progress.made, versions, self._means(step))
        except TimeMayHelp as error:
            log.info("what the owner of %s did could not be looked at: %s", step, error)
            minted = None
        if minted is None:
            await self._go_on_waiting(step)
            return
        await self._keep(step, minted)

    async def _go_on_waiting(self, step: str) -> None:
        """Look again later; remind the owner once, then call a person, then leave it to the two of them."""
        progress, now = self.progress[step], self.means.clock()
        awaits = progress.awaits
        if awaits is None:  # an owner's by catalogue, and not asked by us
            self._looks[step] = now + _SLOW_LOOK
            return
        slow = _NO if not progress.escalated else _SLOW_LOOK if now < awaits.escalate_at + _DAY else 6 * _SLOW_LOOK
        self._looks[step] = now + max(timedelta(seconds=awaits.look_again), slow)
        if now >= awaits.escalate_at + _PATIENCE_WITH_OWNERS:
            await self._stop(step, "owner-silent", f"Nothing came of it: {awaits.why}.", _ASK_OWNER)
        elif now >= awaits.escalate_at and not progress.escalated:
            why = f"nothing came of it since {awaits.why}"
            await self._write(step, SecretReminded(escalated=True, reason=why))
        elif now >= awaits.remind_at and not progress.reminded and "made" not in progress.done:
            await self._rotator(step).make(self._job(step), progress.before or {}, self._means(step))
            await self._write(step, SecretReminded(reason="its owner was asked again"))

    # Failing

    async def _try_later(self, step: str, stage: RotationStage | None, error: TimeMayHelp) -> None:
        progress, now = self.progress[step], self.means.clock()
        if stage == "disabled" and not self._is_through(step):
            stage = "retired"
        if stage is not None and progress.failing_since is None:
            await self._write(step, SecretFailed(stage=stage, reason=str(error)))
        elif progress.failing_since is not None and now - progress.failing_since >= GIVE_UP:
            why = f"It did not come through for {GIVE_UP / timedelta(minutes=1):.0f} minutes. {error}"
            await self._stop(step, "budget-spent", why, _todo_after(stage))
            return
        tries = self._tries.get(step, 0)
        self._tries[step] = tries + 1
        asked = error.retry_after if isinstance(error, Throttled) else None
        least = _LATE_ARRIVAL if isinstance(error, OutcomeUnknown) else asked.total_seconds() if asked else 0.0
        pause = max(_PAUSES[min(tries, len(_PAUSES) - 1)], least, self._pause_by_age(progress, now))
        self._again[step] = now + timedelta(seconds=min(pause, _LONGEST_PAUSE))

    def _pause_by_age(self, progress: Progress, now: datetime) -> float:
        """What has failed for long is tried seldom, also by a slice that knows nothing of the attempts before it."""
        failing = (now - progress.failing_since).total_seconds() if progress.failing_since else 0.0
        return min(failing / 2, _PAUSES[-1])

    async def _stop_refused(self, step: str, error: OperatorMustAct | PlatformRefused) -> None:
        name = refusal_name(error) or "refused-by-platform"
        await self._stop(step, name, str(error), todo_for(name))

    async def _stop(self, step: str, outcome: str, reason: str, todo: str) -> None:
        stage = self.progress[step].next_stage
        self._minted.pop(step, None)
        if stage == "published" and self.planned[step].keys == "one":
            reason = f"{reason} {_LOCKED_OUT}"
        await self._write(step, SecretStopped(stage=stage, outcome=outcome, reason=reason, todo=todo))
        await self._leave_source(step)

    # Small things

    def _means(self, step: str) -> RotatorMeans:
        return self.in_turn[self.planned[step].tier]

    def _rotator(self, step: str) -> Rotator:
        return self.rotators[self.planned[step].rotator]

    def _job(self, step: str) -> Job:
        job, other = self.planned[step].job(self.incident, self.options), self._made_beside(step)
        if other is None:
            return job
        made, version = self.progress[other].made, self.progress[other].version
        return replace(job, beside=made, beside_at=(self.planned[other].ref, version) if version is not None else None)

    def _made_beside(self, step: str) -> str | None:
        """Who of its family has made and published what this one gets as well; not known before it was looked at."""
        before, rotator = self.progress[step].before, self._rotator(step)
        if before is None:
            return None
        others = (other for other in self.family(step) if other != step and self._has_published(other))
        return next((other for other in others if rotator.serves_too(before, self.progress[other].made)), None)

    def _has_published(self, step: str) -> bool:
        """Something that it has made; of what others had let die nothing was."""
        progress = self.progress[step]
        return "published" in progress.done and progress.awaits is None and bool(progress.made)

    async def _versions(self, step: str) -> tuple[SecretSeen, ...]:
        part = await self.means.estate.vaults.versions(self.planned[step].ref)
        if isinstance(part, Known):
            return part.value
        doing = f"reading the versions of {step}"
        why = part.why if isinstance(part, CouldNotLook) else "it was not looked at"
        if isinstance(part, CouldNotLook) and not part.may_help_later:
            raise CannotBeRead(doing, why)
        raise Unreachable(doing, why)

    async def _write(self, step: str, *entries: Entry) -> None:
        try:
            await self.commits.write(*entries, step=step)
        except TimeMayHelp as error:
            raise StoreFailed(error) from error
        now = self.means.clock()
        for entry in entries:
            self.progress[step].note(entry, now)


def stores_still(planned: PlannedSecret, own: Progress, family: Iterable[Progress]) -> bool:
    """
    Whether it is gone on with once the rotation is called off: what was made lies in no vault, and may be all that
    there is. So is what holds the credential that died when that was made, for it gets the same: the only one of its
    source, or the idle one of two, which other readers use.
    """
    if own.next_stage != "made":
        return own.next_stage == "published"
    if own.before is None or own.awaits is not None or is_owners(own.before):
        return False
    others = (other for other in family if other.awaits is None)
    made = [other.made for other in others if "published" in other.done or other.next_stage == "published"]
    used = own.before.get("used")
    return bool(made) if planned.keys == "one" else used is not None and any(each.get("key") == used for each in made)


def _looked(before: JsonObject, source: str, lease: Lease | None) -> SecretIntended:
    if lease is None:
        return SecretIntended(stage="made", before=before)
    return SecretIntended(stage="made", before=before, source=source, turn=lease.turn)


def _todo_after(stage: RotationStage | None) -> str:
    match stage:
        case "made":
            return "The exposed credential is alive. Rotate it by hand at its source, or order the incident again."
        case "published":
            return (
                "A new credential was made and is not in the vault. Store it there by hand (where its source does not "
                "show it, make another), then let the exposed one die."
            )
        case "retired":
            return "The new credential is in the vault, and the exposed one is alive. Let it die at its source by hand."
        case _:
            return "The exposed credential is dead at its source. Disable the old versions in the vault by hand."


_LOCKED_OUT = "Its source took a new password that is in no vault: whoever uses it is locked out until one is set."
_ASK_OWNER = "Ask the owner of what this secret opens to rotate it, and to store the new value in the vault."
_NO = timedelta()
