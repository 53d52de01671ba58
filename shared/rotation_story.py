"""
What the journal of an incident's secrets tells, put together with the lists that it points to: the ground on which
view, report and approval stand. Pure, but for `load_story`, which reads the store.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, cast

from shared.chain import Chain, Line
from shared.entries import (
    ExposureFound,
    IdentityAccused,
    Planned,
    RotationApproved,
    RotationBegun,
    RotationEnded,
    RotationHeld,
    RotationLetGo,
    RotationPlanned,
    SecretsBegun,
    SecretsEnded,
    WorkEnded,
    WorkStarted,
)
from shared.rotation_plan import PlannedSecret, in_order, read_planned
from shared.rotation_progress import Progress, read_progress
from shared.signal import JsonObject, JsonValue
from shared.store import Evidence

APPROVAL_LIFE = timedelta(hours=24)
"""How long a person's word on a rotation may come after it was asked for; what was shown grows old."""

State: TypeAlias = Literal[
    "planned",
    "waits-for-approval",
    "under-way",
    "waits-its-turn",
    "in-grace",
    "with-owner",
    "rotated",
    "on-owners-word",
    "not-proven",
    "stopped",
    "spared",
    "left",
]
"""
Where one secret stands. `waits-its-turn`: another incident's rotation is at its source. `on-owners-word`: its owner
says that it is dead, and no read can show it. `left`: the rotation ended, and nothing more happens by itself.
"""

SETTLED: frozenset[State] = frozenset({"rotated"})

_BY_PEOPLE = frozenset({"approval", "limits", "single-credential", "unrecognised"})
_WHOLE_TIER = frozenset({"approval", "limits"})


@dataclass(frozen=True, slots=True)
class Waiting:
    """One tier of one plan, or those of it whose kind a person has to let go. `steps` are in the plan's order."""

    plan_hash: str
    tier: int
    by: str
    reason: str
    since: datetime
    steps: tuple[str, ...]

    @property
    def expires(self) -> datetime:
        return self.since + APPROVAL_LIFE


@dataclass(frozen=True, slots=True)
class RotationStory:
    """
    One rotation as it stands. `planned` are all secrets by step, in their order; `exposed` is what was found about
    each secret ("vault/name"), as the evidence keeps it. `lost` says what the journal points to and the store has not.
    """

    lines: tuple[Line, ...]
    planned: Mapping[str, PlannedSecret]
    plans: Mapping[str, str]  # the hash of the plan that names a step
    progress: Mapping[str, Progress]
    exposed: Mapping[str, JsonObject]
    missing: tuple[JsonObject, ...]
    unseen: tuple[str, ...]
    spared: Mapping[str, str]
    waiting: tuple[Waiting, ...]
    accused: tuple[tuple[str, IdentityAccused], ...]  # with the step whose secret it was
    begun: RotationBegun | None
    ended: RotationEnded | None
    lost: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()

    def state_of(self, step: str) -> State:
        if step in self.spared and step not in self.planned:
            return "spared"
        state = _state(self.planned.get(step), self.progress.get(step, Progress()))
        if any(step in each.steps for each in self.waiting):
            return "waits-for-approval"
        unfinished = state not in ("rotated", "on-owners-word", "not-proven", "stopped")
        return "left" if self.ended is not None and unfinished else state

    @property
    def are_looks_over(self) -> bool:
        """Whether the newest look was a last one. Where the identity was cut off again since, others follow."""
        looks = (line.entry for line in reversed(self.lines) if isinstance(line.entry, ExposureFound))
        newest = next(looks, None)
        return newest is not None and newest.last

    @property
    def left_by_policy(self) -> Mapping[int, int]:
        """How many of each tier were found exposed and never planned, because the policy does not name their tier."""
        named = {"/".join(step.split("/")[:2]) for step in self.steps}
        left = (each for name, each in self.exposed.items() if name not in named and not self._is_accepted(name))
        tiers = (each.get("tier") for each in left)
        return Counter(tier for tier in tiers if isinstance(tier, int))

    def _is_accepted(self, name: str) -> bool:
        """Left for another word of the policy's."""
        return any(each.startswith(f"secret {name}: ") for each in self.accepted)

    @property
    def steps(self) -> tuple[str, ...]:
        """Every secret that was planned, given up or spared, each round of it."""
        return tuple(dict.fromkeys((*self.planned, *self.progress, *self.spared)))


def _state(planned: PlannedSecret | None, progress: Progress) -> State:
    owners = progress.awaits is not None or (planned is not None and planned.keys == "owner")
    match progress.ending:
        case "stopped":
            return "stopped"
        case "rotated":
            return "on-owners-word" if owners else "rotated"
        case "not-proven":
            return "not-proven"
        case None:
            pass
    if progress.awaits is not None and "made" not in progress.done:
        return "with-owner"
    if progress.yields is not None:
        return "waits-its-turn"
    if "published" in progress.done and "retired" not in progress.done:
        return "in-grace"
    begun = progress.before is not None or progress.intended is not None or bool(progress.done)
    return "under-way" if begun else "planned"


async def load_story(chain: Chain, evidence: Evidence) -> RotationStory | None:
    """The story of a chain, with the lists that it points to. None: nothing is in it yet."""
    if not chain:
        return None
    lists: list[tuple[str, tuple[PlannedSecret, ...]]] = []
    looks: list[JsonObject] = []
    lost: list[str] = []
    for entry in chain.all(RotationPlanned):
        content = await evidence.fetch(entry.evidence)
        if content is None:
            lost.append(f"the list of plan {entry.hash} ({entry.evidence}) is not in the store any more")
        else:
            lists.append((entry.hash, read_planned(content)))
    for found in chain.all(ExposureFound):
        content = await evidence.fetch(found.evidence)
        if content is None:
            lost.append(f"what look {found.number} found ({found.evidence}) is not in the store any more")
        else:
            looks.append(cast("JsonObject", json.loads(content)))
    return tell_story(chain.lines, lists, looks, lost)


def tell_story(
    lines: Sequence[Line],
    lists: Sequence[tuple[str, tuple[PlannedSecret, ...]]],
    looks: Sequence[JsonObject],
    lost: Sequence[str] = (),
) -> RotationStory:
    """Put it together. A later list that names a step again has that step's tier."""
    found = {each.step: each for _, several in lists for each in several}
    plans = {each.step: hash_ for hash_, several in lists for each in several}
    planned = {each.step: each for each in in_order(found.values())}
    progress = read_progress(lines)
    newest = looks[-1] if looks else {}
    last = next((line.entry for line in reversed(lines) if isinstance(line.entry, ExposureFound)), None)
    spared = {
        step: why
        for line in lines
        if isinstance(line.entry, RotationPlanned)
        for step, why in line.entry.spared.items()
    }
    return RotationStory(
        lines=tuple(lines),
        planned=planned,
        plans=plans,
        progress=progress,
        exposed={name: each for look in looks for name, each in _exposed_in(look)},
        missing=tuple(_objects(newest.get("missing"))),
        unseen=last.unseen if last else (),
        accepted=last.accepted if last else (),
        spared=spared,
        waiting=tuple(_waiting(lines, planned, plans, progress)),
        accused=tuple(
            (line.record.step or "", line.entry) for line in lines if isinstance(line.entry, IdentityAccused)
        ),
        begun=_begun(lines),
        ended=_ended(lines),
        lost=tuple(lost),
    )


def _begun(lines: Sequence[Line]) -> RotationBegun | None:
    return next((line.entry for line in reversed(lines) if isinstance(line.entry, RotationBegun)), None)


def is_what_was_set_off(begun: RotationBegun | None, incident: Sequence[Line]) -> bool:
    """
    Whether this is the rotation that the incident's journal says was set off last: once for each plan, and once more
    where it had ended, however often that is said.
    """
    said = next((line for line in reversed(incident) if isinstance(line.entry, SecretsBegun)), None)
    if begun is None or said is None or not isinstance(said.entry, SecretsBegun):
        return False
    before = incident[: said.record.sequence]
    since = max((line.record.sequence for line in before if isinstance(line.entry, Planned | SecretsEnded)), default=-1)
    return begun.plan_hash == said.entry.plan_hash and begun.set_off > since


def _ended(lines: Sequence[Line]) -> RotationEnded | None:
    """How it ended, if it was not begun again since."""
    for line in reversed(lines):
        if isinstance(line.entry, RotationBegun):
            return None
        if isinstance(line.entry, RotationEnded):
            return line.entry
    return None


def is_put_down(chain: Chain) -> bool:
    """Whether nobody is at work on it, so that a person's word may be written between two slices."""
    return chain.place(WorkEnded) > chain.place(WorkStarted)


# What waits for a person


def _waiting(
    lines: Sequence[Line],
    planned: Mapping[str, PlannedSecret],
    plans: Mapping[str, str],
    progress: Mapping[str, Progress],
) -> Iterator[Waiting]:
    """Each thing that a person was asked for and has not said, and that nothing else has let go."""
    if _ended(lines) is not None:
        return
    asked: dict[tuple[str, int, str], tuple[RotationHeld, datetime]] = {}
    for line in lines:
        match line.entry:
            case RotationHeld(plan_hash=str(hash_), tier=int(tier), by=by) if by in _BY_PEOPLE:
                asked[hash_, tier, by] = (line.entry, line.record.time)
            case RotationApproved(plan_hash=hash_, tiers=tiers):
                asked = {key: held for key, held in asked.items() if key[0] != hash_ or key[1] not in tiers}
            case RotationLetGo(plan_hash=hash_, tier=tier):
                asked = {
                    key: held for key, held in asked.items() if key[:2] != (hash_, tier) or key[2] not in _WHOLE_TIER
                }
            case _:
                pass
    for (hash_, tier, by), (held, since) in asked.items():
        steps = tuple(
            step
            for step, each in planned.items()
            if (plans[step], each.tier) == (hash_, tier)
            and (by in _WHOLE_TIER or each.asks == by)
            and _may_wait(progress.get(step))
        )
        if steps:
            yield Waiting(hash_, tier, by, held.reason, since, steps)


def _may_wait(progress: Progress | None) -> bool:
    return progress is None or (progress.before is None and progress.next_stage is not None)


# The evidence of a look


def _exposed_in(look: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    for each in _objects(look.get("secrets")):
        seen = each.get("seen")
        ref = seen.get("ref") if isinstance(seen, dict) else None
        if isinstance(ref, dict):
            yield f"{ref.get('vault')}/{ref.get('name')}", each


def _objects(value: JsonValue) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
