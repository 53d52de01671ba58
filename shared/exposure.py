"""
Which secrets an identity exposed, and in what order they must be made worthless. Pure: told from what was
gathered, and from nothing else.

Tier 1 are secrets that it read, and those of which nobody can say that it did not; tier 2 what else lies in
the vaults that it read from; tier 3 what else it reaches.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal, TypeAlias

from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.estate import (
    NOBODY,
    DeletedVault,
    DeletedVaults,
    Grant,
    Logging,
    Reach,
    Reached,
    SecretRead,
    SecretRef,
    SecretSeen,
)

Tier: TypeAlias = Literal[1, 2, 3]

_EVER = datetime.min.replace(tzinfo=UTC)
_SHOWN = 5  # addresses or grants in a sentence; all of them are in the values
_NOBODY_LOOKED = "nobody has looked yet"


@dataclass(frozen=True, slots=True)
class Exposed:
    """
    One secret that must be made worthless. `seen` is its newest version. `reads` are those of the identity, as
    one; None if none is known. `readers` are the others who read it, whom a rotation may break;
    `more_readers` says why there may be others besides, None that these are all.
    """

    seen: SecretSeen
    tier: Tier
    why: str
    reads: SecretRead | None = None
    readers: tuple[SecretRead, ...] = ()
    more_readers: str | None = _NOBODY_LOOKED
    nobodys: SecretRead | None = None  # reads beside its own of which the log does not say whose they were

    @property
    def ref(self) -> SecretRef:
        return self.seen.ref


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    What one identity exposed. `secrets` stand in the order in which they are to be rotated: by tier, and what was
    read comes first. `missing` was read, but its vault does not show it: nobody can rotate it there. `unseen`
    names what could not be looked at, each with its reason; while there is something, more may be exposed.
    `unlogged` are names of vaults whose reads nobody can tell, with the reason; of those that are `dark` what is read
    from now on is not told either. `vaults_gone` are those of the unseen that only tell of vaults that were deleted.
    """

    secrets: tuple[Exposed, ...]
    unseen: tuple[str, ...] = ()
    missing: tuple[SecretRead, ...] = ()
    reach: Reach = field(default_factory=lambda: Reach(()))
    unlogged: Mapping[str, str] = field(default_factory=dict[str, str])
    dark: frozenset[str] = frozenset()
    vaults_gone: tuple[str, ...] = ()

    def of_tier(self, tier: Tier) -> tuple[Exposed, ...]:
        return tuple(each for each in self.secrets if each.tier == tier)


@dataclass(frozen=True, slots=True)
class Gathered:
    """
    What was looked at. `logged`, `secrets` and `deleted` are by the vault's name. `own_vault` is the name of Cordon's
    own, in which a mistake would cut off the responder itself.
    """

    reads: Part[tuple[SecretRead, ...]]
    reach: Reach
    logged: Mapping[str, Part[Logging]]
    secrets: Mapping[str, Part[tuple[SecretSeen, ...]]]
    own_vault: str | None = None
    deleted: Mapping[str, Part[tuple[SecretSeen, ...]]] = field(default_factory=dict[str, Part[tuple[SecretSeen, ...]]])
    deleted_vaults: Part[DeletedVaults] = field(default_factory=lambda: Known(DeletedVaults()))
    since: datetime = _EVER  # from when on reads count


def find_exposure(gathered: Gathered) -> Exposure:
    """Tell the tiers. Who else reads the secrets is added by `with_readers`, because it is asked afterwards."""
    judge = _Judge.of(gathered)
    listed = [seen for part in gathered.secrets.values() if isinstance(part, Known) for seen in part.value]
    deleted = [seen for part in gathered.deleted.values() if isinstance(part, Known) for seen in part.value]
    found = [exposed for seen in listed if (exposed := judge.exposed(seen))]
    found += [exposed for seen in deleted if (exposed := judge.deleted(seen))]
    shown = {seen.ref for seen in (*listed, *deleted)}
    missing = tuple(read for ref, read in sorted(judge.reads.items()) if ref not in shown)
    return Exposure(
        secrets=tuple(sorted(found, key=_order(gathered.own_vault))),
        unseen=tuple(dict.fromkeys((*_unseen(gathered), *map(_tell_missing, missing)))),
        missing=missing,
        reach=gathered.reach,
        unlogged=judge.unlogged,
        dark=frozenset(_dark(gathered)),
        vaults_gone=tuple(_deleted_vaults(gathered.deleted_vaults, gathered.reach.scopes)),
    )


def with_readers(
    exposure: Exposure, readers: Part[tuple[SecretRead, ...]], mine: Callable[[SecretRead], bool]
) -> Exposure:
    """Say of each secret who else read it. `mine` tells the reads of the identity, and of Cordon itself."""
    others: dict[SecretRef, list[SecretRead]] = {}
    for read in sorted(readers.value, key=_place) if isinstance(readers, Known) else ():
        if not mine(read):
            others.setdefault(read.secret, []).append(read)
    more = None if isinstance(readers, Known) else _why(readers)
    secrets = tuple(
        replace(
            each,
            readers=tuple(others.get(each.ref, ())),
            more_readers=more or exposure.unlogged.get(each.ref.vault),
        )
        for each in exposure.secrets
    )
    unseen = exposure.unseen if more is None or not secrets else (*exposure.unseen, f"who else reads them: {more}")
    return replace(exposure, secrets=secrets, unseen=unseen)


def own_reads(reads: Part[tuple[SecretRead, ...]], reach: Reach) -> tuple[SecretRead, ...]:
    """
    What the identity read, or may have: where the log names nobody, it was anybody who gets at the vault. Of a secret
    that it is known to have read these say nothing more.
    """
    told = reads.value if isinstance(reads, Known) else ()
    named = {each.secret for each in told if each.reader != NOBODY}
    return tuple(each for each in told if each.reader != NOBODY or _may_be(each, named, reach))


def nobodys_reads(reads: Part[tuple[SecretRead, ...]], reach: Reach) -> tuple[SecretRead, ...]:
    """
    Nameless reads of what it is known to have read. They tell no more of the secret, nor whether it read again; but a
    version that they name, and its own reads do not, it may have read as well.
    """
    told, vaults = reads.value if isinstance(reads, Known) else (), {each.vault.name for each in reach.vaults}
    named = {each.secret for each in told if each.reader != NOBODY}
    return tuple(e for e in told if e.reader == NOBODY and e.secret in named and e.secret.vault in vaults)


def _may_be(read: SecretRead, named: set[SecretRef], reach: Reach) -> bool:
    return read.secret not in named and any(each.vault.name == read.secret.vault for each in reach.vaults)


def merged(reads: Iterable[SecretRead]) -> dict[SecretRef, SecretRead]:
    """The reads of each secret as one: several workspaces, and several names of one reader, give several rows."""
    ordered = sorted(reads, key=_place)
    return {ref: _merge(tuple(rows)) for ref, rows in groupby(ordered, key=lambda each: each.secret)}


def _place(read: SecretRead) -> tuple[SecretRef, str, datetime]:
    return read.secret, read.reader, read.first


def _merge(rows: tuple[SecretRead, ...]) -> SecretRead:
    return replace(
        rows[0],
        versions=tuple(dict.fromkeys(each for row in rows for each in row.versions)),
        first=min(row.first for row in rows),
        last=max(row.last for row in rows),
        count=sum(row.count for row in rows),
        addresses=tuple(dict.fromkeys(each for row in rows for each in row.addresses)),
        unnamed=any(row.unnamed for row in rows),
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says of one secret whether it is exposed, and how badly."""

    reads: Mapping[SecretRef, SecretRead]
    nobodys: Mapping[SecretRef, SecretRead]
    read_vaults: frozenset[str]
    reached: Mapping[str, Reached]
    unlogged: Mapping[str, str]
    since: datetime

    @classmethod
    def of(cls, gathered: Gathered) -> "_Judge":
        reached = {each.vault.name: each for each in gathered.reach.vaults}
        reads = merged(own_reads(gathered.reads, gathered.reach))
        return cls(
            reads=reads,
            nobodys=merged(nobodys_reads(gathered.reads, gathered.reach)),
            read_vaults=frozenset(ref.vault for ref in reads),
            reached=reached,
            unlogged=dict(_unlogged(gathered)),
            since=gathered.since,
        )

    def exposed(self, seen: SecretSeen) -> Exposed | None:
        ref = seen.ref
        reads = self.reads.get(ref)
        if reads is not None:
            return Exposed(seen, 1, _tell_reads(reads), reads, nobodys=self.nobodys.get(ref))
        reached = self.reached.get(ref.vault)
        ways = _ways(reached, ref) if reached else ()
        if any(way.reads for way in ways) and ref.vault in self.unlogged:
            held = tuple(way.until for way in ways if way.reads)
            can = "can read it" if not all(held) else f"could read it until {_time(max(at for at in held if at))}"
            why = f"the identity {can}, and nobody can say that it did not: {self.unlogged[ref.vault]}"
            return Exposed(seen, 1, why)
        if ref.vault in self.read_vaults:
            return Exposed(seen, 2, "it lies in a vault from which the identity read other secrets")
        if ways:
            return Exposed(seen, 3, _tell_ways(ways, self.unlogged.get(ref.vault)))
        return None

    def deleted(self, seen: SecretSeen) -> Exposed | None:
        """
        One that was deleted had its value until then. Before the moment that counts nobody read it but by recovering
        it, or as a deleted one, and both stand in the log.
        """
        found = self.exposed(seen)
        if found is None or seen.deleted is None:
            return None
        if found.tier > 1 and seen.deleted < self.since:
            return None
        return replace(found, why=f"{found.why}; it was deleted at {_time(seen.deleted)}, and can be recovered only")


def _ways(reached: Reached, ref: SecretRef) -> tuple[Grant, ...]:
    """
    The grants that count for this secret: a scope may be a single one of its vault. Only what stands below the vault
    tells that, for a resource group may be called "secrets" as well.
    """
    below = f"{reached.vault.id}/secrets/"
    return tuple(
        each
        for each in reached.grants
        if not each.scope.startswith(below) or each.scope.removeprefix(below) == ref.name
    )


def _unlogged(gathered: Gathered) -> Iterable[tuple[str, str]]:
    """The reached vaults of which it is not known who read what, by name, and why."""
    for each in gathered.reach.vaults:
        name = each.vault.name
        part = gathered.logged.get(name, NotLooked())
        if not isinstance(gathered.reads, Known):
            yield name, f"the vaults' logs could not be read: {_why(gathered.reads)}"
        elif not isinstance(part, Known):
            yield name, f"whether its reads are logged could not be looked at: {_why(part)}"
        elif part.value.gap is not None:
            yield name, part.value.gap


def _dark(gathered: Gathered) -> Iterable[str]:
    """
    The vaults of which nobody will know who reads what from now on. A read without a name says so also where the
    identity is known to have read that secret before: who reads its next version such a log would not tell.
    """
    yield from (name for name, part in gathered.logged.items() if isinstance(part, Known) and part.value.dark)
    reads, reached = gathered.reads, {each.vault.name for each in gathered.reach.vaults}
    nameless = (each.secret.vault for each in reads.value if each.reader == NOBODY) if isinstance(reads, Known) else ()
    yield from (name for name in nameless if name in reached)


def _unseen(gathered: Gathered) -> Iterable[str]:
    yield from gathered.reach.unseen
    if not isinstance(gathered.reads, Known):
        yield f"which secrets the identity read: {_why(gathered.reads)}"
    for name, part in sorted(gathered.secrets.items()):
        if not isinstance(part, Known):
            yield f"the secrets of vault {name}: {_why(part)}"
    for name, part in sorted(gathered.deleted.items()):  # who may not list what is there is told that alone
        if not isinstance(part, Known) and isinstance(gathered.secrets.get(name), Known):
            yield f"the deleted secrets of vault {name}: {_why(part)}"
    yield from _unseen_vaults(gathered.deleted_vaults, gathered.reach.scopes)
    yield from _deleted_vaults(gathered.deleted_vaults, gathered.reach.scopes)
    for name, part in sorted(gathered.logged.items()):
        if not isinstance(part, Known):
            yield f"whether reads in vault {name} are logged: {_why(part)}"


def _unseen_vaults(part: Part[DeletedVaults], scopes: tuple[str, ...] | None) -> Iterable[str]:
    """Only those that the identity could have reached, where it is known what it reached."""
    if not isinstance(part, Known):
        yield f"vaults that were deleted: {_why(part)}"
        return
    for subscription, why in part.value.unseen.items():
        if scopes is None or any(_is_in(scope, f"/subscriptions/{subscription}") for scope in scopes):
            yield f"vaults that were deleted in subscription {subscription}: {why}"


def _deleted_vaults(part: Part[DeletedVaults], scopes: tuple[str, ...] | None) -> Iterable[str]:
    """The same of vaults that are known to be deleted."""
    for each in part.value.vaults if isinstance(part, Known) else ():
        if scopes is None or any(_may_have_covered(scope, each) for scope in scopes):
            yield (
                f"vault {each.name} of subscription {each.subscription} was deleted at {_time(each.deleted)}: nobody "
                "can tell what was in it and who could read it, unless it is recovered"
            )


def _may_have_covered(scope: str, vault: DeletedVault) -> bool:
    """
    By a role above it, or on it. What is below a management group is not known of a vault that is gone; nor is its
    resource group, where its id is not told.
    """
    return _is_in(scope, vault.id or f"/subscriptions/{vault.subscription}")


def _is_in(scope: str, place: str) -> bool:
    """Whether one of them lies in the other, or may: what is below a management group is not known here."""
    if not scope.startswith("/subscriptions/"):
        return True
    return f"{place}/".startswith(f"{scope}/") or f"{scope}/".startswith(f"{place}/")


def _tell_missing(read: SecretRead) -> str:
    ref = read.secret
    return (
        f"secret {ref.name} of vault {ref.vault} was read, but the vault does not show it: "
        "what it opens may still be open, and must be closed there"
    )


def _tell_reads(reads: SecretRead) -> str:
    times = "once" if reads.count == 1 else f"{reads.count} times"
    span = _time(reads.first) if reads.first == reads.last else f"{_time(reads.first)} to {_time(reads.last)}"
    where = f", from {_some(reads.addresses)}" if reads.addresses else ""
    if reads.reader == NOBODY:
        return f"it was read {times}, {span}{where}; the log does not say by whom, and the identity can read it"
    return f"the identity read it {times}, {span}{where}"


def _tell_ways(ways: tuple[Grant, ...], unlogged: str | None) -> str:
    """Only what decides: who can read need not give itself anything."""
    reading = tuple(way for way in ways if way.reads)
    told = _some(tuple(dict.fromkeys(map(_tell_way, reading or ways))))
    if all(way.until for way in reading or ways):
        could = "read it" if reading else "take it"
        doubt = "; the log shows no read" if unlogged is None else f"; whether it did is not known: {unlogged}"
        return f"the identity cannot read it any more, but could {could}, by {told}{doubt}"
    if reading:
        return f"the identity can read it, by {told}; the log shows no read"
    doubt = f"; whether it did is not known: {unlogged}" if unlogged else ""
    if all(way.by_deployment for way in ways):
        return (
            f"the identity cannot read it, but could take it by a deployment, which no log tells in its name, by {told}"
            f"{doubt}"
        )
    return f"the identity cannot read it, but can give itself the right, by {told}{doubt}"


def _tell_way(way: Grant) -> str:
    held = f", held until {_time(way.until)}" if way.until else ""
    return f"{way.role} at {way.scope}{held}"


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _why(part: NotLooked | CouldNotLook) -> str:
    return part.why if isinstance(part, CouldNotLook) else "it was not looked at"


def _order(own_vault: str | None) -> Callable[[Exposed], tuple[int, bool, bool, SecretRef]]:
    """By tier. In each, Cordon's own vault comes last, and what was surely read before what only may have been."""
    return lambda each: (each.tier, each.ref.vault == own_vault, each.reads is None, each.ref)
