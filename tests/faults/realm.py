"""
The tenant of a history: the stand-in directory, with replicas that lag, requests that are on their way
while their sender is dead, and a list of what stands open.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.case import Grants, Holder, IdentityState, Known, Owners, Part, PartName, RiskPolicy, RiskState
from shared.identity import AppObjectId, IdentityRef, PrincipalId
from shared.tenant import AccessWrite, CredentialWrite, Gathered, NewCertificate, PolicyCovers, WriteResult
from tests.fakes import (
    PAYROLL,
    START,
    FakeDirectory,
    FakeVault,
    app_role,
    certificate,
    delegated,
    directory_role,
    federated,
    owner,
    password,
    payroll,
    risk_policy,
)

# What a step that holds has closed. An action that stands in neither table is no action the matrix may pass over.
CLOSES: dict[str, tuple[str, ...]] = {
    "block-sign-in": ("enabled",),
    "deactivate-application": ("active",),
    "replace-credentials": ("password", "key", "federated"),
    "remove-directory-roles": ("directory-role",),
    "remove-app-roles": ("app-role",),
    "remove-delegated-grants": ("grant",),
    "custody": ("owner", "unlocked", "untagged"),
    "require-risk-policy": ("uncovered",),
    "confirm-compromised": ("unconfirmed",),
    "cut-vault-access": ("vault-access",),
}
# Not part of the reference plan: each needs a person's word, or another state to begin with.
APART = frozenset(
    {"dismiss-risk", "delete-application", "restore-application", "purge-application", "revert-configuration"}
)


def reference_state() -> IdentityState:
    """An own application with two secrets, a certificate and a federated credential, and a secret on its principal."""
    state = payroll(
        application=[password(1), password(2), certificate(3), federated(4)],
        principal=[password(5)],
        lock={"isEnabled": False},
    )
    return replace(state, deactivated=False)


_Seen = tuple[IdentityState, Part[Grants], Part[Owners], Part[tuple[RiskPolicy, ...]], RiskState | None]


@dataclass
class Realm(FakeDirectory):
    """A directory whose every state is kept, so that a replica can show an old one."""

    on_write: Callable[[str], None] = lambda name: None
    past: list[tuple[float, _Seen]] = field(default_factory=list[tuple[float, _Seen]])
    behind: Callable[[], float] = lambda: 0.0  # seconds by which the replica lags that answers now
    aimed_at: str | None = None  # the object that the write is about which is carried out now

    def give_everything(self) -> None:
        """Let the identity hold one of each thing that an action takes away."""
        self.grants = Known(Grants(Known((app_role(1),)), Known((delegated(1),)), Known((directory_role(1),))))
        self.owners = Known(Owners(Known((owner(1),)), Known((owner(2),))))
        self.policies = Known(())

    def keep(self) -> None:
        """Remember the state of now."""
        seen = (self.state, self.grants, self.owners, self.policies, self.risk)
        if not self.past or self.past[-1][1] != seen:
            self.past.append((self.elapsed(), seen))

    def elapsed(self) -> float:
        return (self.clock() - START).total_seconds()

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        return self.look_at(self.elapsed() - self.behind(), await super().look(subject, parts))

    def look_at(self, when: float, fresh: Gathered) -> Gathered:
        """The same answer as a replica gives it that knows nothing younger than `when`."""
        if not isinstance(fresh.identity, Known) or fresh.identity.value.identity.principal_id == PAYROLL:
            old = next((seen for at, seen in reversed(self.past) if at <= when), None)
            if old is not None:
                return self._as_then(fresh, old)
        return fresh

    def _as_then(self, fresh: Gathered, old: _Seen) -> Gathered:
        state, grants, owners, policies, risk = old
        now = fresh
        if isinstance(now.identity, Known):
            now = replace(now, identity=Known(replace(state, read_at=self.clock())))
        if isinstance(now.grants, Known):
            now = replace(now, grants=grants)
        if isinstance(now.owners, Known):
            now = replace(now, owners=owners)
        if isinstance(now.ca_policy, Known):
            now = replace(now, ca_policy=policies)
        if isinstance(now.risk, Known):
            now = replace(now, risk=Known(risk))
        return now

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        self.aimed_at = principal
        await super().set_account_enabled(principal, enabled)

    async def set_application_disabled(self, application: AppObjectId, disabled: bool) -> None:
        self.aimed_at = application
        await super().set_application_disabled(application, disabled)

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        (self.aimed_at,) = principals
        await super().confirm_compromised(principals)

    async def leave_risk_policy(self, principal: PrincipalId, *given: Any, **named: Any) -> None:
        self.aimed_at = principal
        await super().leave_risk_policy(principal, *given, **named)

    def _write(self, write: CredentialWrite) -> WriteResult:
        self.aimed_at = _object_of(write)
        return super()._write(write)

    def _write_access(self, write: AccessWrite) -> WriteResult:
        self.aimed_at = _object_of(write)
        return super()._write_access(write)

    async def cover_by_risk_policy(self, principal: PrincipalId, *given: Any, **named: Any) -> PolicyCovers:
        """The real client looks for its policy by name; where there are two, it refuses."""
        self.aimed_at = principal
        assert isinstance(self.policies, Known)
        if len(self.policies.value) > 1:
            return PolicyCovers(self.policies.value[0].id, "already")
        return await super().cover_by_risk_policy(principal, *given, **named)

    def make_policy_late(self, principal: str) -> None:
        """A creation that was sent before another made one: there are two then."""
        assert isinstance(self.policies, Known)
        self.on_write("create policy")
        self.policies = Known((*self.policies.value, risk_policy(principal)))

    def open_things(self) -> frozenset[str]:
        """What stands open, each by name."""
        state = self.state
        things = {thing for holder in state.holders for thing in self._credentials(holder)}
        things |= {"enabled"} if state.enabled else set()
        things |= {"active"} if state.application and not state.deactivated else set()
        lock = state.instance_lock or {}
        things |= set() if lock.get("isEnabled") and lock.get("allProperties") else {"unlocked"}
        things |= set() if "cordon-custody" in (state.application or state.principals[0]).tags else {"untagged"}
        things |= set() if self.risk and self.risk.state == "confirmedCompromised" else {"unconfirmed"}
        return frozenset(things | self._granted() | self._uncovered())

    def _credentials(self, holder: Holder) -> Sequence[str]:
        federated_ = holder.federated.value if isinstance(holder.federated, Known) else ()
        return [
            *(f"password {each.key_id}" for each in holder.passwords),
            *(f"key {each.key_id}" for each in holder.keys if each.key_id not in self.made),
            *(f"federated {each.id}" for each in federated_),
        ]

    def _granted(self) -> set[str]:
        assert isinstance(self.grants, Known)
        assert isinstance(self.owners, Known)
        held, owners = self.grants.value, self.owners.value
        parts = (
            ("app-role", held.app_roles),
            ("grant", held.delegated),
            ("directory-role", held.directory_roles),
            ("owner", owners.application),
            ("owner", owners.principal),
        )
        return {f"{name} {each.id}" for name, part in parts if isinstance(part, Known) for each in part.value}

    def _uncovered(self) -> set[str]:
        assert isinstance(self.policies, Known)
        covered = any(PAYROLL in policy.included for policy in self.policies.value)
        return set() if covered else {"uncovered"}

    def _change(self, name: str, state: IdentityState) -> None:
        self.on_write(name)
        super()._change(name, state)


def _object_of(write: CredentialWrite | AccessWrite) -> str | None:
    """The id of the object that it changes, or whose grant it takes; None where the grant's own id is all."""
    for name in ("object_id", "app_object_id", "principal_id"):
        if (id_ := getattr(write, name, None)) is not None:
            return str(id_)
    return None


@dataclass
class Vault(FakeVault):
    """A hand-over vault that counts what was made for each operation."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    on_write: Callable[[str], None] = lambda name: None

    async def make_certificate(self, name: str, subject: str, operation: str) -> NewCertificate:
        self.on_write(f"make certificate {name}")
        self.counts[operation] = self.counts.get(operation, 0) + 1
        return await super().make_certificate(name, subject, operation)
