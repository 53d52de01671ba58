"""
The tenant behind a fence: an instance that slept too long finds out before its next effect, not after it.

The journal's append stops a loser at its next record. Between two records lie reads and effects; a process
that was paused there would carry out what somebody else has long gone on from.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from shared.case import HolderKind, IdentityState, Part, PartName
from shared.estate import (
    Access,
    DatedKey,
    DeletedVaults,
    Estate,
    Grant,
    Logging,
    Reach,
    SecretRef,
    SecretSeen,
    SecretValue,
    SecretVaults,
    Sources,
    VaultSeen,
)
from shared.identity import AppObjectId, IdentityRef, PrincipalId
from shared.signal import JsonObject
from shared.tenant import (
    AccessWrite,
    Check,
    CredentialWrite,
    Directory,
    Gathered,
    HandoverVault,
    NewCertificate,
    NewPassword,
    PolicyCovers,
    Publisher,
    Tenant,
    WriteResult,
    still_wanted,
    unchecked,
)

T = TypeVar("T")


def fenced(tenant: Tenant, check: Check) -> Tenant:
    """The same tenant, with the check before every effect."""
    handover = FencedVault(tenant.handover, check) if tenant.handover else None
    estate = fenced_estate(tenant.estate, check) if tenant.estate else None
    publisher = FencedPublisher(tenant.publisher, check) if tenant.publisher else None
    directory = FencedDirectory(tenant.directory, check)
    return replace(tenant, directory=directory, handover=handover, publisher=publisher, estate=estate)


async def _let(check: Check, write: Callable[[], Awaitable[T]]) -> T:
    """Write after the check; a write that has to wait, or is sent again, is checked once more by whoever sends it."""
    await check()
    token = still_wanted.set(check)
    try:
        return await write()
    finally:
        still_wanted.reset(token)


def fenced_estate(estate: Estate, check: Check) -> Estate:
    """The same estate, with the check before every effect."""
    return replace(
        estate,
        access=FencedAccess(estate.access, check),
        vaults=FencedVaults(estate.vaults, check),
        sources=FencedSources(estate.sources, check),
    )


@dataclass(frozen=True, slots=True)
class FencedDirectory:
    """A directory whose writes come after the check."""

    inner: Directory
    check: Check

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        return await self.inner.look(subject, parts)

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        return await self.inner.look_at_people(gathered, parts, now)

    async def find_deleted(self, subject: IdentityRef) -> IdentityState | None:
        return await self.inner.find_deleted(subject)

    async def key_digests(self, application: AppObjectId) -> Mapping[str, str]:
        return await self.inner.key_digests(application)

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        await _let(self.check, lambda: self.inner.set_account_enabled(principal, enabled))

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        await _let(self.check, lambda: self.inner.set_application_disabled(application, disabled))

    async def add_password(
        self, holder: HolderKind, object_id: str, name: str, expires: datetime, check: Check = unchecked
    ) -> NewPassword:
        await self.check()
        return await self.inner.add_password(holder, object_id, name, expires, self.check)

    async def write_access(self, writes: Sequence[AccessWrite]) -> Sequence[WriteResult]:
        return await _let(self.check, lambda: self.inner.write_access(writes))

    async def dismiss_risk(self, principals: Sequence[PrincipalId]) -> None:
        await _let(self.check, lambda: self.inner.dismiss_risk(principals))

    async def cover_by_risk_policy(
        self, principal: PrincipalId, state: str, *, sent_before: bool, check: Check = unchecked
    ) -> PolicyCovers:
        await self.check()
        return await self.inner.cover_by_risk_policy(principal, state, sent_before=sent_before, check=self.check)

    async def leave_risk_policy(
        self, principal: PrincipalId, policy_id: str, *, delete_if_ours: bool, check: Check = unchecked
    ) -> None:
        await self.check()
        await self.inner.leave_risk_policy(principal, policy_id, delete_if_ours=delete_if_ours, check=self.check)

    async def public_keys(self, holder: HolderKind, object_id: str) -> Mapping[str, str]:
        return await self.inner.public_keys(holder, object_id)

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        return await _let(self.check, lambda: self.inner.write_credentials(writes))

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        await _let(self.check, lambda: self.inner.confirm_compromised(principals))

    async def transitive_groups(self, principal: PrincipalId) -> tuple[str, ...]:
        return await self.inner.transitive_groups(principal)

    async def count_enabled_principals(self) -> int:
        return await self.inner.count_enabled_principals()


@dataclass(frozen=True, slots=True)
class FencedVault:
    """A hand-over vault in which nothing is made before the check."""

    inner: HandoverVault
    check: Check

    async def find_certificate(self, name: str, operation: str) -> NewCertificate | None:
        return await self.inner.find_certificate(name, operation)

    async def make_certificate(self, name: str, subject: str, operation: str) -> NewCertificate:
        await self.check()
        return await self.inner.make_certificate(name, subject, operation)


@dataclass(frozen=True, slots=True)
class FencedAccess:
    """Grants on vaults, none of which is taken or given back before the check."""

    inner: Access
    check: Check

    async def reach(
        self, principal: PrincipalId, groups: Part[tuple[str, ...]], since: datetime | None = None
    ) -> Reach:
        return await self.inner.reach(principal, groups, since)

    async def logged(self, vault: VaultSeen, since: datetime) -> Part[Logging]:
        return await self.inner.logged(vault, since)

    async def deleted_vaults(self, since: datetime) -> Part[DeletedVaults]:
        return await self.inner.deleted_vaults(since)

    async def grants_on(self, vault: VaultSeen, holder: str) -> Part[tuple[Grant, ...]]:
        return await self.inner.grants_on(vault, holder)

    async def remove_grant(self, grant: Grant) -> None:
        await _let(self.check, lambda: self.inner.remove_grant(grant))

    async def restore_grant(self, grant: Grant) -> None:
        await _let(self.check, lambda: self.inner.restore_grant(grant))


@dataclass(frozen=True, slots=True)
class FencedVaults:
    """Vaults in which nothing is stored or changed before the check."""

    inner: SecretVaults
    check: Check

    async def secrets(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        return await self.inner.secrets(vault)

    async def deleted(self, vault: str) -> Part[tuple[SecretSeen, ...]]:
        return await self.inner.deleted(vault)

    async def versions(self, ref: SecretRef) -> Part[tuple[SecretSeen, ...]]:
        return await self.inner.versions(ref)

    async def value(self, ref: SecretRef, version: str) -> SecretValue:
        return await self.inner.value(ref, version)

    async def publish(self, like: SecretSeen, value: SecretValue, *, operation: str, expires: datetime | None) -> str:
        await self.check()
        return await self.inner.publish(like, value, operation=operation, expires=expires)

    async def set_enabled(self, ref: SecretRef, version: str, enabled: bool) -> None:
        await self.check()
        await self.inner.set_enabled(ref, version, enabled)

    async def set_expiry(self, ref: SecretRef, version: str, expires: datetime) -> None:
        await self.check()
        await self.inner.set_expiry(ref, version, expires)

    async def renew_certificate(self, ref: SecretRef, operation: str) -> str:
        await self.check()
        return await self.inner.renew_certificate(ref, operation)


@dataclass(frozen=True, slots=True)
class FencedSources:
    """The sources of credentials, at which nothing is made new before the check."""

    inner: Sources
    check: Check

    async def read(self, resource: str, what: str) -> JsonObject:
        return await self.inner.read(resource, what)

    async def named(self, name: str, what: str) -> Part[tuple[str, ...]]:
        return await self.inner.named(name, what)

    async def regenerate(self, resource: str, what: str, key: str) -> SecretValue:
        await self.check()
        return await self.inner.regenerate(resource, what, key)

    async def keys(self, resource: str, what: str) -> Mapping[str, SecretValue]:
        return await self.inner.keys(resource, what)

    async def dated_keys(self, resource: str, what: str) -> Mapping[str, DatedKey]:
        return await self.inner.dated_keys(resource, what)

    async def set_password(self, resource: str, what: str, value: SecretValue) -> None:
        await self.check()
        await self.inner.set_password(resource, what, value)


@dataclass(frozen=True, slots=True)
class FencedPublisher:
    """A topic on which nothing is asked for before the check: whoever listens acts on it."""

    inner: Publisher
    check: Check

    async def publish(self, type: str, subject: str, id: str, data: Mapping[str, object]) -> None:
        await self.check()
        await self.inner.publish(type, subject, id, data)
