"""
The tenant behind a fence: an instance that slept too long finds out before its next effect, not after it.

The journal's append stops a loser at its next record. Between two records lie reads and effects; a process
that was paused there would carry out what somebody else has long gone on from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.case import HolderKind, IdentityState, PartName
from shared.identity import AppObjectId, IdentityRef, PrincipalId
from shared.tenant import (
    AccessWrite,
    Check,
    CredentialWrite,
    Directory,
    Gathered,
    HandoverVault,
    NewCertificate,
    PolicyCovers,
    Tenant,
    WriteResult,
    unchecked,
)


def fenced(tenant: Tenant, check: Check) -> Tenant:
    """The same tenant, with the check before every effect."""
    handover = FencedVault(tenant.handover, check) if tenant.handover else None
    return replace(tenant, directory=FencedDirectory(tenant.directory, check), handover=handover)


@dataclass(frozen=True, slots=True)
class FencedDirectory:
    """A directory whose writes come after the check."""

    inner: Directory
    check: Check

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        return await self.inner.look(subject, parts)

    async def find_deleted(self, subject: IdentityRef) -> IdentityState | None:
        return await self.inner.find_deleted(subject)

    async def key_digests(self, application: AppObjectId) -> Mapping[str, str]:
        return await self.inner.key_digests(application)

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        await self.check()
        await self.inner.set_account_enabled(principal, enabled)

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        await self.check()
        await self.inner.set_application_disabled(application, disabled)

    async def write_access(self, writes: Sequence[AccessWrite]) -> Sequence[WriteResult]:
        await self.check()
        return await self.inner.write_access(writes)

    async def dismiss_risk(self, principals: Sequence[PrincipalId]) -> None:
        await self.check()
        await self.inner.dismiss_risk(principals)

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
        await self.check()
        return await self.inner.write_credentials(writes)

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        await self.check()
        await self.inner.confirm_compromised(principals)

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
