"""
By which grants an identity gets at the secrets in vaults: its own as ARM shows them now, and those of its groups.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from shared.actions.declared import with_declared
from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.estate import Grant, Reach, VaultSeen
from shared.look import Look, why_unread
from shared.signal import JsonObject, JsonValue
from shared.together import together

AT_ONCE = 8  # vaults that are read or written to side by side


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A grant, and the vault by which it was found; one above the vault opens others as well."""

    grant: Grant
    vault: VaultSeen

    @property
    def image(self) -> JsonObject:
        """All that making it again needs, as the journal keeps it."""
        grant = self.grant
        return {
            "kind": grant.kind,
            "id": grant.id,
            "holder": grant.holder,
            "scope": grant.scope,
            "role": grant.role,
            "reads": grant.reads,
            "grantsItself": grant.grants_itself,
            "byDeployment": grant.by_deployment,
            "image": dict(grant.image),
            "vault": vault_image(self.vault),
        }


@dataclass(frozen=True, slots=True)
class GrantsSeen:
    """Own grants as ARM shows them now, and those of groups as Resource Graph does; what could not be seen."""

    own: tuple[HeldGrant, ...]
    shared: tuple[HeldGrant, ...]
    vaults: tuple[VaultSeen, ...]
    unseen: tuple[str, ...]  # for good, or until somebody mends it
    passing: tuple[str, ...]  # a later look may see it
    accepted: tuple[str, ...] = ()  # what a policy declares instead of a look


async def look_at_grants(
    principal: str, also: Sequence[VaultSeen], look: Look, declared: Sequence[str] = ()
) -> GrantsSeen | CouldNotLook | NotLooked:
    """
    Those on every vault within reach. `also` are vaults that are looked at whatever Resource Graph shows by now;
    `declared` the subscriptions that are all, by the policy's word.
    """
    part = await look.vault_access()
    if not isinstance(part, Known):
        return part
    reach = with_declared(part.value, declared)
    vaults = {each.id: each for each in (*also, *(each.vault for each in reach.vaults))}
    now = await own_grants_on(tuple(vaults.values()), look)
    own: dict[tuple[str, ...], HeldGrant] = {}
    passing = list(reach.passing)
    unseen = [each for each in reach.unseen if each not in reach.passing]
    for id_, part in now.items():
        match part:
            case Known(grants):
                own |= {key_of(each): HeldGrant(each, vaults[id_]) for each in grants if key_of(each) not in own}
            case CouldNotLook(gone=True):
                pass  # a vault that is gone opens nothing
            case NotLooked() | CouldNotLook():
                several = passing if isinstance(part, CouldNotLook) and part.may_help_later else unseen
                several.append(f"the grants on vault {vaults[id_].name}: {why_unread(part)}")
    shared = tuple(_shared(principal, reach))
    seen = tuple(vaults.values())
    return GrantsSeen(tuple(own.values()), shared, seen, tuple(unseen), tuple(passing), reach.accepted)


async def own_grants_on(vaults: Sequence[VaultSeen], look: Look) -> Mapping[str, Part[tuple[Grant, ...]]]:
    """The identity's own grants on each of these vaults, by the vault's id."""
    unique, gate = {each.id: each for each in vaults}, asyncio.Semaphore(AT_ONCE)

    async def one(vault: VaultSeen) -> Part[tuple[Grant, ...]]:
        async with gate:
            return await look.own_grants_on(vault)

    found = await together(*(one(each) for each in unique.values()))
    return dict(zip(unique, found, strict=True))


def _shared(principal: str, reach: Reach) -> Iterator[HeldGrant]:
    """What groups give, each way on each vault."""
    return (HeldGrant(way, each.vault) for each in reach.vaults for way in each.grants if way.holder != principal)


# Which is which


def key_of(grant: Grant) -> tuple[str, ...]:
    """One holder may have two entries in a vault's policies: one for each client on whose behalf it comes."""
    return grant.kind, grant.id.lower(), str(grant.image.get("applicationId") or "").lower()


def in_its_place(grant: Grant, now: Sequence[Grant]) -> Grant | None:
    """What stands where the grant stood: the same one, or another of the same role at the same scope."""
    same = next((each for each in now if key_of(each) == key_of(grant)), None)
    return same or next((each for each in now if _place(each) == _place(grant)), None)


def _place(grant: Grant) -> tuple[str, ...]:
    return grant.kind, grant.scope.lower(), grant.role if grant.kind == "role-assignment" else key_of(grant)[2]


def is_same(one: Grant, other: Grant) -> bool:
    """The same grant, with the same rights."""
    return key_of(one) == key_of(other) and one.role == other.role


# In the journal


def vault_image(vault: VaultSeen) -> JsonObject:
    return {"id": vault.id, "name": vault.name, "subscription": vault.subscription, "rbac": vault.rbac}


def vaults_in(image: JsonObject) -> Iterator[VaultSeen]:
    return map(_vault_of, _objects(image, "vaults"))


def held_in(image: JsonObject, name: str) -> Iterator[HeldGrant]:
    """The grants of one list of an image."""
    for each in _objects(image, name):
        inner = each.get("image")
        grant = Grant(
            kind="access-policy" if each["kind"] == "access-policy" else "role-assignment",
            id=str(each["id"]),
            holder=str(each["holder"]),
            scope=str(each["scope"]),
            role=str(each["role"]),
            reads=each["reads"] is True,
            grants_itself=each["grantsItself"] is True,
            image=inner if isinstance(inner, dict) else {},
            by_deployment=each.get("byDeployment") is True,
        )
        yield HeldGrant(grant, _vault_of(cast("JsonObject", each["vault"])))


def _vault_of(image: JsonObject) -> VaultSeen:
    return VaultSeen(str(image["id"]), str(image["name"]), str(image["subscription"]), image["rbac"] is True)


def _objects(image: JsonObject, name: str) -> Iterator[JsonObject]:
    value: JsonValue = image.get(name)
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield entry


# In words


def told_grant(grant: Grant) -> str:
    if grant.kind == "access-policy":
        return f"the access policy on {grant.scope}"
    return f"the role {grant.role} at {grant.scope}"


def told_rights(grant: Grant) -> str:
    """What it gives, and by which assignment: what undo compares."""
    return f"{grant.role} ({grant.id.rpartition('/')[2]})" if grant.kind == "role-assignment" else grant.role


def removal_of(grant: Grant) -> str:
    if grant.kind == "access-policy":
        return f"remove the entry of {grant.holder} from the access policies of {grant.scope}"
    return f"DELETE role assignment {grant.id}"


def return_of(grant: Grant) -> str:
    if grant.kind == "access-policy":
        return f"add the entry of {grant.holder} to the access policies of {grant.scope}"
    return f"PUT role assignment {grant.id}"
