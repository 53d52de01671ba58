"""What Azure Resource Manager knows: subscriptions, roles and who has them. Changes reach what they rule late."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from drill.practice.arm.roles import BUILT_IN, ROTATOR, RoleDefinition
from drill.practice.late_log import LateLog
from drill.practice.shapes import JsonObject, fine_time

if TYPE_CHECKING:
    from drill.practice.arm.sources import Operation, Source

T = TypeVar("T")
LONG_AGO = datetime.min.replace(tzinfo=UTC)
MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"


@dataclass(frozen=True, slots=True)
class Subscription:
    """`ancestors` are the names of its management groups, the nearest first; the last is the tenant's root."""

    id: str
    name: str
    ancestors: tuple[str, ...]


@dataclass(slots=True)
class Assignment:
    """
    One role given to one principal at one scope.

    Written and removed at once for whoever asks ARM; the services it rules hear of it at `rules_from` and
    `rules_until`.
    """

    id: str
    scope: str
    principal_id: str
    principal_type: str
    role: str  # the definition's GUID
    condition: str | None
    created_at: datetime
    rules_from: datetime
    removed_at: datetime | None = None
    rules_until: datetime | None = None

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    def was_listed(self, at: datetime) -> bool:
        return self.created_at <= at and (self.removed_at is None or at < self.removed_at)

    def rules(self, at: datetime) -> bool:
        return self.rules_from <= at and (self.rules_until is None or at < self.rules_until)

    def shown(self) -> JsonObject:
        """As ARM shows it."""
        made = fine_time(max(self.created_at, datetime(2025, 1, 1, tzinfo=UTC)))
        return {
            "id": self.id,
            "type": "Microsoft.Authorization/roleAssignments",
            "name": self.name,
            "properties": {
                "roleDefinitionId": f"{_subscription_part(self.scope)}/providers/Microsoft.Authorization"
                f"/roleDefinitions/{self.role}",
                "principalId": self.principal_id,
                "principalType": self.principal_type,
                "scope": self.scope,
                "condition": self.condition,
                "conditionVersion": "2.0" if self.condition else None,
                "createdOn": made,
                "updatedOn": made,
                "createdBy": None,
                "updatedBy": None,
                "delegatedManagedIdentityResourceId": None,
                "description": None,
            },
        }


def _subscription_part(scope: str) -> str:
    parts = scope.split("/")
    return "/".join(parts[:3]) if scope.lower().startswith("/subscriptions/") else ""


@dataclass(slots=True)
class Lagging(Generic[T]):
    """A value whose changes are true at once, and followed late by what they rule."""

    _versions: list[tuple[datetime, datetime, T]]  # written, followed from, value

    @classmethod
    def always(cls, value: T) -> "Lagging[T]":
        return cls([(LONG_AGO, LONG_AGO, value)])

    def write(self, value: T, at: datetime, followed_from: datetime) -> None:
        self._versions.append((at, followed_from, value))

    @property
    def newest(self) -> T:
        return self._versions[-1][2]

    def as_of(self, at: datetime) -> T:
        return next(value for written, _, value in reversed(self._versions) if written <= at)

    def followed(self, at: datetime) -> T:
        return next(value for _, followed, value in reversed(self._versions) if followed <= at)


@dataclass(frozen=True, slots=True)
class Workspace:
    """
    A Log Analytics workspace: queries name it by its customer id, diagnostic settings by its ARM id.

    `transforms` says of tables what a data collection rule lets into them, `full_at` when its daily cap was reached.
    """

    name: str
    resource_id: str
    customer_id: str
    retention_days: int = 90
    table_days: Mapping[str, int] = field(default_factory=dict[str, int])  # where a table's own are others
    transforms: Mapping[str, str] = field(default_factory=dict[str, str])
    full_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class EntraSetting:
    """A diagnostic setting of Entra's: these categories go to this workspace, from then on."""

    workspace: str  # ARM id in lower case
    categories: frozenset[str]
    since: datetime


@dataclass(frozen=True, slots=True)
class Lock:
    """Keeps everything at its scope and below from being deleted, or changed at all. `scope` is in lower case."""

    scope: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class DeletedVault:
    """A vault that may be recovered for a while. What is in it shows to nobody."""

    name: str
    resource_id: str
    subscription: str
    deleted_at: datetime


@dataclass(slots=True)
class AzureState:
    """Everything of Azure but the vaults. Ids are kept as written and found in lower case."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict[str, Subscription])
    definitions: dict[str, RoleDefinition] = field(
        default_factory=lambda: {each.id: each for each in (*BUILT_IN, ROTATOR)}
    )
    assignments: list[Assignment] = field(default_factory=list[Assignment])  # removed ones too
    workspaces: dict[str, Workspace] = field(default_factory=dict[str, Workspace])  # by customer id
    entra_settings: list[EntraSetting] = field(default_factory=list[EntraSetting])
    sources: "dict[str, Source]" = field(default_factory=dict[str, "Source"])  # by ARM id in lower case
    operations: "dict[str, Operation]" = field(default_factory=dict[str, "Operation"])
    # Where the value of a secret counts, by vault and name: at a "source", with a "service" that takes what is in
    # `accepted`, or in the "vault" from which both sides read it.
    origins: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    accepted: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]], repr=False)
    opens: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])  # ARM id or object id
    deleted_vaults: list[DeletedVault] = field(default_factory=list["DeletedVault"])
    locks: list[Lock] = field(default_factory=list[Lock])
    activity: LateLog = field(default_factory=lambda: LateLog("eventTimestamp"))  # every write, late

    def find_assignment(self, assignment_id: str) -> Assignment | None:
        """The living one with this id."""
        wanted = assignment_id.lower()
        return next((each for each in self.assignments if each.removed_at is None and each.id.lower() == wanted), None)
