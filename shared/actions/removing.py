"""
What the actions that take away what an identity holds have in common: all of it, or what was added lately.

What is held is not known when the plan is made. It is read when the step's turn comes, written down with
everything that making it again needs, removed, and looked for once more.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, TypeVar

from shared.actions.interface import Applied, Before, Drift, Earlier, Means, Planning, Proof, WayBack
from shared.actions.shown import before, listed
from shared.actions.writes import outcome_of
from shared.case import CouldNotLook, Grants, HolderKind, IdentityState, Known, NotLooked, Part, PartName
from shared.clock import read_duration
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.identity import IdentityKind
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import AccessWrite, GiveBack, Tenant
from shared.untrusted import one_line

T = TypeVar("T")

ADDED_SINCE = "added-since"


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that the identity holds. `image` is all that making it again needs: ids and public data."""

    id: str
    what: str  # for people
    created: datetime | None  # None: Graph does not say, and then it counts as new
    image: JsonObject
    named: str | None = None  # what people call it, as far as it is known; the tenant's text


class RemovesGrants(ABC):
    """
    An action that takes one sort of grant away. The entry of the catalogue says how that sort is read and
    removed, and `noun` what it is called.
    """

    name: ClassVar[str]
    noun: ClassVar[str]

    sort: ClassVar[Literal["app-role", "delegated-grant", "directory-role"]]
    same: ClassVar[tuple[str, ...]]  # the fields of an image that make two of them the same grant
    valued: ClassVar[str | None] = None  # the field that may differ between two of the same
    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            ADDED_SINCE: {
                "type": "string",
                "examples": ["24h"],
                "description": "Only what was given from so long before the incident's first sign on (of an order: "
                "before it was given); left out: all of it.",
            }
        },
        "additionalProperties": False,
    }

    @abstractmethod
    def held(self, grants: Grants) -> Part[tuple[Held, ...]]:
        """What the identity holds of this sort."""

    @abstractmethod
    def removal(self, step: PlannedStep, id_: str) -> AccessWrite:
        """The write that takes one of them away."""

    def check_options(self, options: JsonObject) -> None:
        unknown = sorted(set(options) - {ADDED_SINCE})
        if unknown:
            raise ValueError(f"{self.name} has no option {unknown[0]}; it has added-since, for example 24h")
        if ADDED_SINCE in options:
            try:
                read_duration(options[ADDED_SINCE])
            except ValueError as problem:
                raise ValueError(f"the option added-since of {self.name} {problem}") from None

    def parts_to_plan(self, options: JsonObject) -> frozenset[PartName]:
        """They are read before the first cut in any case, for directory synchronisation is never touched."""
        return frozenset({PartName.GRANTS})

    def holding(self, means: Means) -> Part[tuple[Held, ...]]:
        """What the plan can show of what the identity holds of this sort."""
        match means.grants:
            case Known(grants):
                return self.held(grants)
            case NotLooked() | CouldNotLook() as unread:
                return unread

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        """What is there now, and what of it goes. `since` is fixed by the first round: later ones do not move it."""
        since = _since(step, earlier, look)
        match await self._look(look):
            case Known(held):
                going, staying = _parted(held, since)
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(f"writing down each {self.noun} of {step.target_id}", unread)
        image: JsonObject = {
            "since": since.isoformat() if since else None,
            "removing": [each.image for each in going],
            "keeping": [each.id for each in staying],
        }
        return Before(image, tuple(self._name(each.id) for each in going))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        ids = list(_ids(before))
        if not ids:
            return Applied((WriteOutcome(write="nothing to remove", outcome="already"),))
        results = await tenant.directory.write_access([self.removal(step, id_) for id_ in ids])
        names = [self._name(id_) for id_ in ids]
        return Applied(tuple(outcome_of(*each) for each in zip(names, results, strict=True)))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        since = _since(step, earlier, look)
        match await self._look(look):
            case Known(held):
                left, staying = _parted(held, since)
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"it could not be read which {self.noun} is held: {why_unread(unread)}")
        if left:
            return Proof("not-held", "; ".join(f"still held: {each.what}" for each in left))
        which = f" added since {since:%Y-%m-%d %H:%M} UTC" if since else ""
        kept = f" {len(staying)} older stay." if since else ""
        read = f"{look.begun_at:%H:%M:%S} UTC"
        return Proof("held", f"no {self.noun}{which} is held, read at {read}.{kept} Issued tokens keep theirs.")

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        """Only what the first image holds comes back: what was added in a fight, later ones hold."""
        match await self._look(look):
            case Known(held):
                now = {self._key(each.image): each.image for each in held}
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(f"looking what stands in the place of each {self.noun} of {step.target_id}", unread)
        taken = list(_entries(earlier.image or {}, "removing"))
        missing = [each for each in taken if self._key(each) not in now]
        drifted = tuple(drift for each in taken if (drift := self._drift(each, now.get(self._key(each)))))
        image: JsonObject = {"giving": [*missing], "there": [str(each["id"]) for each in now.values()]}
        return WayBack(tuple(self._giving(each) for each in missing), image, drifted)

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        giving = list(_entries(image, "giving"))
        writes = [GiveBack(self.sort, HolderKind.SERVICE_PRINCIPAL, step.target_id, each) for each in giving]
        results = await tenant.directory.write_access(writes)
        return Applied(tuple(outcome_of(self._giving(e), r) for e, r in zip(giving, results, strict=True)))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        match await self._look(look):
            case Known(held):
                now = {self._key(each.image) for each in held}
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"it could not be read which {self.noun} is held: {why_unread(unread)}")
        taken = list(_entries(earlier.image or {}, "removing"))
        missing = [each for each in taken if self._key(each) not in now]
        if missing:
            return Proof("not-held", "; ".join(f"not back yet: {self._giving(each)}" for each in missing))
        return Proof(
            "held",
            f"each {self.noun} that was taken is there again ({len(taken)}), read at {look.begun_at:%H:%M:%S} UTC",
        )

    def _key(self, image: JsonObject) -> tuple[str, ...]:
        return tuple(str(image.get(name) or "") for name in self.same)

    def _drift(self, taken: JsonObject, now: JsonObject | None) -> Drift | None:
        if self.valued is None or now is None:
            return None
        before, shown = (str(each.get(self.valued) or "") for each in (taken, now))
        if sorted(before.split()) == sorted(shown.split()):
            return None
        return Drift(f"{self.valued} of {self.noun} on {taken.get('resourceId')}", before, "no such grant", shown)

    def _giving(self, image: JsonObject) -> str:
        return f"POST {self.noun} {' '.join(each for each in self._key(image) if each)}"

    async def _look(self, look: Look) -> Part[tuple[Held, ...]]:
        match await look.grants():
            case Known(grants):
                return self.held(grants)
            case NotLooked() | CouldNotLook() as unread:
                return unread

    def _name(self, id_: str) -> str:
        return f"DELETE {self.noun} {id_}"


def each(part: Part[tuple[T, ...]], as_held: Callable[[T], Held]) -> Part[tuple[Held, ...]]:
    """The same part in the words of a removal."""
    return Known(tuple(as_held(one) for one in part.value)) if isinstance(part, Known) else part


def plan_removal(
    name: str,
    permissions: tuple[str, ...],
    state: IdentityState,
    options: JsonObject,
    *,
    what: str,
    holding: Part[tuple[Held, ...]],
    dates: str,
    breaks: str,
) -> Planning:
    """The one step of such an action; `dates` says which dates Graph gives, `holding` what is held as it is planned."""
    identity = state.identity
    if outcome := not_ours_to_take(name, identity.kind):
        return Planning(not_done=(outcome,))
    length = options.get(ADDED_SINCE)
    which = (
        f"every {what} added since {length} before the incident's first sign ({dates})" if length else f"every {what}"
    )
    step = PlannedStep(
        id=name,
        action=name,
        target_kind="service-principal",
        target_id=identity.principal_id,
        target_name=identity.display_name,
        describe=f"Remove {which} that this service principal holds. What it holds is read when the step begins.",
        changes=(
            Change(
                property=what,
                before=_shown(holding),
                after=f"none since {length} before the first sign" if length else "none",
            ),
        ),
        options=dict(options),
        permissions=permissions,
        reversible=True,
        breaks=breaks,
        cannot_be_proven="That issued tokens have lost it: they keep what they carry until they end.",
        touches=(f"grants:{identity.principal_id}",),
    )
    return Planning((step,))


def _shown(holding: Part[tuple[Held, ...]]) -> str:
    """What is held, in one line for people."""

    def tell(held: tuple[Held, ...]) -> str:
        return listed([_name_of(each) for each in sorted(held, key=lambda each: each.id)])  # Graph's order is none

    return before(holding, tell)


def _name_of(held: Held) -> str:
    return f"{held.what} ({one_line(held.named, 200)})" if held.named else held.what


def not_ours_to_take(name: str, kind: IdentityKind) -> NamedOutcome | None:
    """Why what this kind of identity holds is not taken away, or None. It lies in this tenant, whoever owns the app."""
    if kind is IdentityKind.MICROSOFT:
        return NamedOutcome(
            action=name,
            outcome="owned-by-microsoft",
            reason="Microsoft's own services need what they hold; report the identity to Microsoft.",
        )
    if kind is IdentityKind.AGENT:
        return NamedOutcome(
            action=name,
            outcome="agent-identity",
            reason=(
                "An agent identity inherits part of what it may do from its blueprint, so removing its own grants "
                "proves nothing. Block the agent and its blueprint in the Entra admin centre."
            ),
        )
    return None


def _since(step: PlannedStep, earlier: Earlier, look: Look) -> datetime | None:
    first = (earlier.image or {}).get("since")
    if isinstance(first, str):
        return datetime.fromisoformat(first)
    length = step.options.get(ADDED_SINCE)
    if length is None:
        return None
    return min(look.begun_at, earlier.evidence_at or look.begun_at) - read_duration(length)


def _parted(held: Sequence[Held], since: datetime | None) -> tuple[list[Held], list[Held]]:
    """What goes, and what stays because it is surely older."""
    older = [each for each in held if since and each.created and each.created < since]
    return [each for each in held if each not in older], older


def _entries(image: JsonObject, name: str) -> Iterator[JsonObject]:
    value = image.get(name)
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield entry


def _ids(before: JsonObject) -> Iterator[str]:
    removing = before.get("removing")
    for entry in removing if isinstance(removing, list) else ():
        if isinstance(entry, dict):
            yield str(entry["id"])
