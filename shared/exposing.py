"""
Gathers what an identity exposed: its groups, its reads, its reach, what the vaults hold, and who else reads it.

Vaults are asked side by side. Whatever fails becomes a named unknown of the exposure; nothing is taken for empty
because nobody could look.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from shared.actions.declared import with_declared
from shared.actions.vault_grants import held_in, vaults_in
from shared.case import CouldNotLook, Known, Part
from shared.errors import CordonError, TimeMayHelp
from shared.estate import DeletedVaults, Estate, Grant, Logging, Reach, Reached, SecretRead, SecretSeen, VaultSeen
from shared.exposure import Exposure, Gathered, find_exposure, own_reads, with_readers
from shared.identity import ClientId, PrincipalId
from shared.signal import JsonObject
from shared.tenant import Directory
from shared.together import together

T = TypeVar("T")
K = TypeVar("K")

_AT_ONCE = 20  # vaults that are asked side by side
_NO_WORKSPACE = "no workspace is configured (CORDON_LOG_WORKSPACES)"


@dataclass(frozen=True, slots=True)
class Accused:
    """The identity whose exposure is looked for, and since when its secrets count as read."""

    principal_id: PrincipalId
    client_id: ClientId
    since: datetime


async def look_for_exposure(
    estate: Estate,
    directory: Directory,
    accused: Accused,
    own_ids: frozenset[str] = frozenset(),
    taken: Iterable[JsonObject] = (),
    declared: Sequence[str] = (),
) -> Exposure:
    """
    Look at everything afresh. `own_ids` are client ids of Cordon's own identities, whose reads break nobody.
    `taken` are the images of access that was cut: what it opened is exposed all the same. `declared` are the
    subscriptions that the policy says are all.

    The logs are up to ten minutes late, and tokens outlive the block: what is read until then shows in later looks.
    """
    reads, now = await together(_reads_by(estate, accused), _reach(estate, directory, accused))
    reach = with_declared(_with_taken(now, taken), declared)
    reached = [each.vault for each in reach.vaults]
    names = {each.name for each in reached} | {each.secret.vault for each in own_reads(reads, reach)}

    async def logging_of(vault: VaultSeen) -> Part[Logging]:
        return await estate.access.logged(vault, accused.since)

    logged, secrets, hidden = await together(
        _by_name(reached if estate.logs else [], lambda vault: vault.name, logging_of),
        _by_name(sorted(names), lambda name: name, estate.vaults.secrets),
        _deleted(estate, sorted(names), accused.since),
    )
    deleted, vaults = hidden
    gathered = Gathered(reads, reach, logged, secrets, estate.own_vault, deleted, vaults, accused.since)
    exposure = find_exposure(gathered)
    return with_readers(exposure, await _readers(estate, exposure, accused), _is_mine(accused, own_ids))


async def _deleted(
    estate: Estate, names: Sequence[str], since: datetime
) -> tuple[dict[str, Part[tuple[SecretSeen, ...]]], Part[DeletedVaults]]:
    """What was deleted may have been read before: secrets of these vaults, and whole vaults."""
    return await together(
        _by_name(names, lambda name: name, estate.vaults.deleted), estate.access.deleted_vaults(since)
    )


def _with_taken(now: Reach, images: Iterable[JsonObject]) -> Reach:
    """What the identity reaches, and what it reached before its access was taken away."""
    found = {each.vault.id: each for each in now.vaults}
    scopes = now.scopes
    for image in images:
        ways = [held.grant for name in ("removing", "keeping") for held in held_in(image, name)]
        if scopes is not None:
            scopes = (*scopes, *(each.scope for each in ways))
        for vault in vaults_in(image):
            opens = tuple(grant for grant in ways if _covers(grant, vault))
            if opens:
                found[vault.id] = _both(found.get(vault.id), Reached(vault, opens, _only(vault, opens)))
    return replace(now, vaults=tuple(found.values()), scopes=scopes)


def _covers(grant: Grant, vault: VaultSeen) -> bool:
    """Of a management group it is not known what is below it: there the vault's being within reach decides."""
    scope, id_ = grant.scope.lower().rstrip("/"), vault.id.lower()
    return not scope.startswith("/subscriptions/") or f"{id_}/".startswith(f"{scope}/") or scope.startswith(f"{id_}/")


def _only(vault: VaultSeen, grants: Sequence[Grant]) -> frozenset[str]:
    names = [each.scope.lower().partition(f"{vault.id.lower()}/secrets/")[2] for each in grants]
    return frozenset(names) if all(names) else frozenset()


def _both(one: Reached | None, other: Reached) -> Reached:
    if one is None:
        return other
    known = {(each.id, each.holder, each.role) for each in one.grants}
    grants = (*one.grants, *(each for each in other.grants if (each.id, each.holder, each.role) not in known))
    return Reached(one.vault, grants, one.only | other.only if one.only and other.only else frozenset())


async def _reach(estate: Estate, directory: Directory, accused: Accused) -> Reach:
    groups: Part[tuple[str, ...]]
    try:
        groups = Known(await directory.transitive_groups(accused.principal_id))
    except CordonError as error:
        groups = CouldNotLook(str(error), may_help_later=isinstance(error, TimeMayHelp))
    return await estate.access.reach(accused.principal_id, groups, accused.since)


async def _reads_by(estate: Estate, accused: Accused) -> Part[tuple[SecretRead, ...]]:
    if estate.logs is None:
        return CouldNotLook(_NO_WORKSPACE)
    return await estate.logs.reads_by(accused.principal_id, accused.client_id, accused.since)


async def _readers(estate: Estate, exposure: Exposure, accused: Accused) -> Part[tuple[SecretRead, ...]]:
    if estate.logs is None:
        return CouldNotLook(_NO_WORKSPACE)
    if not exposure.secrets:
        return Known(())
    return await estate.logs.readers_of([each.ref for each in exposure.secrets], accused.since)


def _is_mine(accused: Accused, own_ids: frozenset[str]) -> Callable[[SecretRead], bool]:
    """Rows that the identity caused on behalf of a user are its own as well: they carry its client id."""
    mine = own_ids | {accused.client_id}
    return lambda read: read.reader == accused.principal_id or read.client in mine


async def _by_name(
    things: Sequence[K], name: Callable[[K], str], ask: Callable[[K], Awaitable[Part[T]]]
) -> dict[str, Part[T]]:
    """What is said of each, so many at once; in the order in which they were given."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(thing: K) -> Part[T]:
        async with room:
            return await ask(thing)

    parts = await together(*(one(each) for each in things))
    return dict(zip(map(name, things), parts, strict=True))
