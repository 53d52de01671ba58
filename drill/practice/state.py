"""Everything the practice tenant is at one moment. Handlers of all services change this and nothing else."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from drill.practice.arm.state import AzureState
from drill.practice.behaviour import Behaviour
from drill.practice.chance import Canaries, Chance
from drill.practice.directory import POLICY, Directory, Entry
from drill.practice.late_log import LateLog
from drill.practice.shapes import JsonObject
from drill.practice.tokens import CordonIdentity, Tokens

if TYPE_CHECKING:
    from drill.practice.vault.state import Vault


class Seen(NamedTuple):
    """One request that reached the tenant, for benchmarks and checks. HTTP calls are those with in_batch False."""

    at: datetime
    by: str
    service: str
    method: str
    path: str
    status: int | None  # None: the client got no answer
    in_batch: bool


class Taken(NamedTuple):
    """A version of a secret whose value went out, and to whom."""

    vault: str
    secret: str
    version: str
    principal_id: str


@dataclass(slots=True)
class Cursors:
    """Results that are being paged through, by $skiptoken. The oldest are forgotten, like real ones."""

    chance: Chance
    _open: OrderedDict[str, tuple[Sequence[bytes], int]] = field(
        default_factory=OrderedDict[str, tuple[Sequence[bytes], int]]
    )

    def open(self, rows: Sequence[bytes], position: int) -> str:
        token = self.chance.guid("skiptoken").replace("-", "")
        self._open[token] = (rows, position)
        if len(self._open) > 2000:
            self._open.popitem(last=False)
        return token

    def find(self, token: str) -> tuple[Sequence[bytes], int] | None:
        return self._open.get(token)


@dataclass(slots=True)
class TenantState:
    """
    The parts. `secrets` holds the values of client secrets by keyId: they are shown once, when made.

    `attempts` is what sign-ins and attackers tried, with its outcome, in order.
    """

    id: str
    licences: frozenset[str]
    behaviour: Behaviour
    chance: Chance
    canaries: Canaries
    clock: Callable[[], datetime]
    directory: Directory
    tokens: Tokens
    cursors: Cursors
    started_at: datetime
    audits: LateLog = field(default_factory=lambda: LateLog("activityDateTime"))
    sign_ins: LateLog = field(default_factory=lambda: LateLog("createdDateTime"))
    exported_sign_ins: LateLog = field(default_factory=lambda: LateLog("createdDateTime"))  # to workspaces
    graph_activity: LateLog = field(default_factory=lambda: LateLog("TimeGenerated"))  # the same
    vault_logs: LateLog = field(default_factory=lambda: LateLog("time"))
    detections: LateLog = field(default_factory=lambda: LateLog("detectedDateTime"))
    user_detections: LateLog = field(default_factory=lambda: LateLog("detectedDateTime"))
    risky_users: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    role_definitions: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])  # the tenant's own, by id
    people_roles: list[JsonObject] = field(default_factory=list[JsonObject])  # directory roles of users and groups
    risky: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    risk_history: dict[str, list[JsonObject]] = field(default_factory=dict[str, list[JsonObject]])
    secrets: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    cordon: dict[str, CordonIdentity] = field(default_factory=dict[str, CordonIdentity])
    policies: dict[str, Entry] = field(default_factory=dict[str, Entry])  # of Conditional Access, deleted ones too
    groups: list[JsonObject] = field(default_factory=list[JsonObject])  # with the ids of their `members`
    users: list[JsonObject] = field(default_factory=list[JsonObject])
    domains: list[JsonObject] = field(default_factory=list[JsonObject])
    vaults: "dict[str, Vault]" = field(default_factory=dict[str, "Vault"])
    effects: list[JsonObject] = field(default_factory=list[JsonObject])
    requests: list[Seen] = field(default_factory=list[Seen])
    azure: AzureState = field(default_factory=AzureState)
    consumers: list[JsonObject] = field(default_factory=list[JsonObject])  # what came of them, see consumers.py
    workloads: list[JsonObject] = field(default_factory=list[JsonObject])  # what came of them, see workloads.py
    taken: "list[Taken]" = field(default_factory=list["Taken"])  # every value of a secret that somebody got
    listeners: list[Callable[[JsonObject, float], None]] = field(  # of vaults' events, with the delay of each
        default_factory=list[Callable[[JsonObject, float], None]]
    )
    heard: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])  # events that Cordon published
    attempts: list[JsonObject] = field(default_factory=list[JsonObject])

    @property
    def now(self) -> datetime:
        return self.clock()

    @property
    def elapsed(self) -> float:
        return (self.now - self.started_at).total_seconds()

    def add_policy(self, record: JsonObject, *, fresh: bool) -> Entry:
        """A Conditional Access policy; `fresh`: made during the run, so that some replicas do not show it yet."""
        since = self.now if fresh else datetime.min.replace(tzinfo=self.now.tzinfo)
        entry = Entry(record["id"], POLICY, [(since, record)], since)
        self.policies[entry.id] = entry
        return entry

    @property
    def has_premium(self) -> bool:
        """Workload ID Premium, which identity protection for workloads needs (facts: graph 1)."""
        return "WorkloadIdentitiesPremium" in self.licences

    @property
    def has_sign_in_log(self) -> bool:
        """Microsoft Entra ID P1 or P2, by their SKU part numbers, which the sign-in log takes (facts: graph 3)."""
        return not self.licences.isdisjoint(("AAD_PREMIUM", "AAD_PREMIUM_P2"))

    @property
    def has_p2(self) -> bool:
        """Microsoft Entra ID P2, which identity protection for users takes (facts: Graph docs riskyuser-get)."""
        return "AAD_PREMIUM_P2" in self.licences

    @property
    def logs_kept(self) -> timedelta:
        """How long audit records can be read: 7 days, 30 with Entra ID P1 or P2 (facts: graph 2)."""
        return timedelta(days=30 if self.has_sign_in_log else 7)
