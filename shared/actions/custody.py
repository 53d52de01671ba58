"""
Take the application into custody: nobody but administrators can give it new credentials any more.

Owners can put a secret on what they own, and undo what was done to it. They are removed from the application and
from the service principal, the instance lock keeps credentials off the service principal, and a tag tells people.
Administrative units do not take service principals, so no scoped administration can stand in for this.
"""

import json
from collections.abc import Iterator, Sequence
from typing import ClassVar

from shared.actions.interface import Applied, Before, Drift, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.registrations import ruled_application
from shared.actions.shown import before, listed
from shared.actions.writes import outcome_of
from shared.case import CouldNotLook, Holder, HolderKind, IdentityState, Known, NotLooked, Owner, Owners, Part, PartName
from shared.credentials import find_holder
from shared.entries import Change, PlannedStep, WriteOutcome
from shared.errors import CannotBeRead, CordonError
from shared.identity import IdentityKind
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject, JsonValue
from shared.tenant import AccessWrite, GiveBack, RemoveOwner, SetInstanceLock, SetTags, Tenant
from shared.untrusted import one_line

TAG = "cordon-custody"
_NEEDED = frozenset({PartName.IDENTITY, PartName.OWNERS})
_UNITS = "Administrative units do not take service principals, so none is used."
_FREE = (IdentityKind.MANAGED_IDENTITY, IdentityKind.MICROSOFT, IdentityKind.AGENT)


class Custody:
    """Remove owners, turn the instance lock on, set a tag."""

    name: ClassVar[str] = "custody"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ("Directory.Read.All",)
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.GRANTS
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 40
    parts_to_show: ClassVar[frozenset[PartName]] = frozenset({PartName.OWNERS})
    proof_part: ClassVar[PartName] = PartName.IDENTITY  # its writes wait for those of other steps on the same objects

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("custody has no options")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        application = ruled_application(self.name, state)
        if isinstance(application, Holder):
            return Planning((_step(state, application, means),))
        if state.identity.kind in _FREE:
            return Planning(not_done=(application,))
        return Planning((_step(state, state.principals[0], means),), (application,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        doing = f"writing down the owners, the lock and the tags of {step.target_id}"
        gathered = await look.gather(_NEEDED)
        match gathered.identity, gathered.owners:
            case Known(state), Known(owners):
                image = _image(step, state, owners, doing)
            case (NotLooked() | CouldNotLook() as unread, _) | (_, NotLooked() | CouldNotLook() as unread):
                raise no_image(doing, unread)
        return Before(image, tuple(_name(write) for write in _writes(step, image)))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        writes = tuple(_writes(step, before))
        if not writes:
            return Applied((WriteOutcome(write="custody", outcome="already", detail="it was in custody before"),))
        results = await tenant.directory.write_access(writes)
        return Applied(tuple(outcome_of(_name(w), result) for w, result in zip(writes, results, strict=True)))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        gathered = await look.gather(_NEEDED)
        match gathered.identity, gathered.owners:
            case Known(state), Known(owners):
                return _judge(step, state, owners)
            case (NotLooked() | CouldNotLook() as unread, _) | (_, NotLooked() | CouldNotLook() as unread):
                return Proof("unknown", f"owners, lock and tags could not be read: {why_unread(unread)}")

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        now = (await self.capture(step, Earlier(), look)).image
        return _way_back(step, earlier.image or {}, now)

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        writes = tuple(_backward(step, image))
        results = await tenant.directory.write_access(writes)
        return Applied(tuple(outcome_of(_name(w), result) for w, result in zip(writes, results, strict=True)))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        try:
            now = (await self.capture(step, Earlier(), look)).image
        except CordonError as error:
            return Proof("unknown", str(error))
        left = _way_back(step, earlier.image or {}, now).writes
        if left:
            return Proof("not-held", "; ".join(f"not back yet: {name}" for name in left))
        return Proof("held", f"owners, lock and tags are as before, read at {look.begun_at:%H:%M:%S} UTC")


# The way back


def _way_back(step: PlannedStep, first: JsonObject, now: JsonObject) -> WayBack:
    """What is still as Cordon left it goes back; owners whom others made meanwhile stay."""
    image: JsonObject = {}
    drifted: list[Drift] = []
    tags = [str(tag) for tag in _list(now.get("tags"))]
    if TAG not in [str(tag) for tag in _list(first.get("tags"))] and TAG in tags:
        image["tags"] = [tag for tag in tags if tag != TAG]
    if put_lock_on(first):
        before, shown = first.get("instanceLock"), now.get("instanceLock")
        left: JsonObject = {**(before if isinstance(before, dict) else {}), **_LOCKED}
        if _bare(shown) == _bare(left):
            image["instanceLock"] = before if isinstance(before, dict) else _UNLOCKED
        elif _bare(shown) != _bare(before if isinstance(before, dict) else _UNLOCKED):
            texts = (json.dumps(each, sort_keys=True) for each in (before, left, shown))
            drifted.append(Drift("servicePrincipalLockConfiguration", *texts))
    for name in ("applicationOwners", "principalOwners"):
        there = set(_ids(now.get(name)))
        image[name] = [{"id": id_} for id_ in _ids(first.get(name)) if id_ not in there]
    return WayBack(tuple(_name(write) for write in _backward(step, image)), image, tuple(drifted))


def _bare(lock: JsonValue) -> JsonObject:
    """Graph writes a part that is off as false or leaves it out."""
    return {name: on for name, on in lock.items() if on} if isinstance(lock, dict) else {}


def _backward(step: PlannedStep, image: JsonObject) -> Iterator[AccessWrite]:
    """The writes of a way back; owners come last, as they went first."""
    if "tags" in image:
        tags = tuple(str(tag) for tag in _list(image["tags"]))
        yield SetTags(HolderKind(step.target_kind), step.target_id, tags)
    lock = image.get("instanceLock")
    if isinstance(lock, dict):
        yield SetInstanceLock(step.target_id, lock)
    principal = str(step.options["principal"])
    for name, holder, object_id in (
        ("applicationOwners", HolderKind.APPLICATION, step.target_id),
        ("principalOwners", HolderKind.SERVICE_PRINCIPAL, principal),
    ):
        for id_ in _ids(image.get(name)):
            yield GiveBack("owner", holder, object_id, {"id": id_})


# Planning


def _step(state: IdentityState, holder: Holder, means: Means) -> PlannedStep:
    ours = holder.kind is HolderKind.APPLICATION
    lock = (Change(property="servicePrincipalLockConfiguration", before=_lock_word(state), after="on"),) if ours else ()
    return PlannedStep(
        id=Custody.name,
        action=Custody.name,
        target_kind=holder.kind.value,
        target_id=holder.object_id,
        target_name=state.identity.display_name,
        describe=(
            "Take into custody: remove every owner of "
            + (
                "the application and of its service principal, turn the instance lock on"
                if ours
                else "the service principal"
            )
            + f", tag it {TAG}. {_UNITS}"
        ),
        changes=(
            Change(
                property="owners", before=before(means.owners, lambda owners: _told(owners, ours=ours)), after="none"
            ),
            *lock,
            Change(property="tags", before=_tags_shown(holder, means), after=f"with {TAG}"),
        ),
        options={"principal": state.identity.principal_id},
        permissions=Custody.permissions,
        reversible=True,
        breaks="Owners can no longer manage the application. Nothing that signs in as it stops.",
        cannot_be_proven="That nobody rules it by a directory role: administrators of applications still do.",
        touches=(holder.object_id, state.identity.principal_id),
        contains=False,
    )


def _told(owners: Owners, *, ours: bool) -> str:
    """The owners of each object; of one registered elsewhere only those of its service principal."""
    of_principal = f"of the service principal: {before(owners.principal, _names)}"
    return f"of the application: {before(owners.application, _names)}; {of_principal}" if ours else of_principal


def _names(owners: Sequence[Owner]) -> str:
    in_order = sorted(owners, key=lambda each: each.id)
    return listed([f"{o.type or 'owner'} {o.id}" + (f" ({one_line(o.name, 100)})" if o.name else "") for o in in_order])


def _tags_shown(holder: Holder, means: Means) -> str:
    return "as found" if isinstance(means.owners, NotLooked) else listed(holder.tags)


def _lock_word(state: IdentityState) -> str:
    return "on" if _is_whole(state.instance_lock) else "off or in part"


# Reading and writing


def _image(step: PlannedStep, state: IdentityState, owners: Owners, doing: str) -> JsonObject:
    holder = find_holder(state, step.target_id)
    if holder is None:
        raise CannotBeRead(doing, "it was not in the answer.")
    image: JsonObject = {
        "principalOwners": _owners_image(owners.principal, doing),
        "tags": [*holder.tags],
    }
    if holder.kind is HolderKind.APPLICATION:
        lock = dict(state.instance_lock) if state.instance_lock is not None else None
        image |= {"applicationOwners": _owners_image(owners.application, doing), "instanceLock": lock}
    return image


def _owners_image(part: Part[tuple[Owner, ...]], doing: str) -> list[JsonValue]:
    match part:
        case Known(owners):
            return [{"id": owner.id, "type": owner.type} for owner in owners]
        case NotLooked() | CouldNotLook():
            raise no_image(doing, part)


def _writes(step: PlannedStep, image: JsonObject) -> Iterator[AccessWrite]:
    """The writes that follow from an image. Owners go first: they could undo the rest."""
    principal = str(step.options["principal"])
    for id_ in _ids(image.get("applicationOwners")):
        yield RemoveOwner(HolderKind.APPLICATION, step.target_id, id_)
    for id_ in _ids(image.get("principalOwners")):
        yield RemoveOwner(HolderKind.SERVICE_PRINCIPAL, principal, id_)
    lock = image.get("instanceLock")
    if put_lock_on(image):
        yield SetInstanceLock(step.target_id, {**(lock if isinstance(lock, dict) else {}), **_LOCKED})
    tags = [str(tag) for tag in _list(image.get("tags"))]
    if TAG not in tags:
        yield SetTags(HolderKind(step.target_kind), step.target_id, (*tags, TAG))


_LOCKED: JsonObject = {"isEnabled": True, "allProperties": True}
_UNLOCKED: JsonObject = {"isEnabled": False, "allProperties": False}


def put_lock_on(image: JsonObject) -> bool:
    """Whether custody with this pre-image put the instance lock on: it was off before, or on in part."""
    return "instanceLock" in image and not _is_whole(image["instanceLock"])


def _is_whole(lock: JsonValue) -> bool:
    """The lock covers every property that can be locked."""
    return isinstance(lock, dict) and all(lock.get(name) is True for name in _LOCKED)


def _ids(value: JsonValue) -> Iterator[str]:
    return (str(entry["id"]) for entry in _list(value) if isinstance(entry, dict))


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _name(write: AccessWrite) -> str:
    match write:
        case RemoveOwner():
            return f"DELETE owner {write.owner_id} of {write.holder.value.replace('-', ' ')}"
        case SetInstanceLock():
            return f"PATCH instance lock {'on' if write.lock.get('isEnabled') else 'off'}"
        case SetTags():
            return f"PATCH tags {'with' if TAG in write.tags else 'without'} {TAG}"
        case GiveBack():
            return f"POST owner {write.taken['id']} of {write.holder.value.replace('-', ' ')}"
        case _:
            return type(write).__name__


# Proof


def _judge(step: PlannedStep, state: IdentityState, owners: Owners) -> Proof:
    holder = find_holder(state, step.target_id)
    if holder is None:
        return Proof("unknown", "the object was not in the answer")
    parts = [owners.principal]
    if holder.kind is HolderKind.APPLICATION:
        parts.append(owners.application)
    left: list[str] = []
    for part in parts:
        match part:
            case Known(found):
                left += [f"still an owner: {owner.id}" for owner in found]
            case NotLooked() | CouldNotLook():
                return Proof("unknown", f"owners could not be read: {why_unread(part)}")
    left += _missing(holder, state)
    if left:
        return Proof("not-held", "; ".join(left))
    lock = ", the instance lock is on" if holder.kind is HolderKind.APPLICATION else ""
    return Proof("held", f"no owner is left{lock}, tagged {TAG}, read at {state.read_at:%H:%M:%S} UTC. {_UNITS}")


def _missing(holder: Holder, state: IdentityState) -> Sequence[str]:
    unlocked = holder.kind is HolderKind.APPLICATION and not _is_whole(state.instance_lock)
    return [
        *(["the instance lock is not on"] if unlocked else []),
        *([f"the tag {TAG} is missing"] if TAG not in holder.tags else []),
    ]
