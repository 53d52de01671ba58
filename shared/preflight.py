"""
What can run here: permissions, licence, cloud and settings against what the catalogue declares. Pure.

Three answers: ready, not ready (and what to do about it), unknown (and why). Unknown never blocks, and is never
told as ready. A grant that was made a moment ago may not be in a managed identity's token yet: they are cached
for about a day (facts: managed identity best practice).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from shared.actions import ACTIONS, action_named
from shared.actions.interface import Action, ChangesAzure
from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.conditions import reads_for
from shared.conditions.groups import leaves
from shared.conditions.interface import Condition
from shared.entries import NamedOutcome, Planned
from shared.policy import Policy, Verdict
from shared.tenant import DIRECTORY_ROLE

State: TypeAlias = Literal["ready", "not-ready", "unknown"]
Role: TypeAlias = Literal["reader", "executor"]

# What each permission is read for; the reader has no other use in the tenant.
READING: Mapping[str, str] = {
    "Application.Read.All": "applications, service principals, their credentials, owners and roles",
    "AuditLog.Read.All": "the directory's audit log, and the sign-in log after a cut",
    "IdentityRiskEvent.Read.All": "risk detections",
    "IdentityRiskyServicePrincipal.Read.All": "the risk state of service principals",
    "LicenseAssignment.Read.All": "which licences the tenant has",
    "RoleManagement.Read.Directory": "directory roles: whether directory synchronisation hangs on an identity",
}
# What acting takes in any case: whoever holds the first can become any application.
WRITING = ("Application.ReadWrite.All", "IdentityRiskyServicePrincipal.ReadWrite.All")
# Other permissions that allow all that the named one does (facts: Graph 4-6, 10).
_SERVED_BY: Mapping[str, frozenset[str]] = {
    "Application.Read.All": frozenset({"Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
    "Directory.Read.All": frozenset({"Directory.ReadWrite.All"}),
    "Domain.Read.All": frozenset({"Domain.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
    "IdentityRiskEvent.Read.All": frozenset({"IdentityRiskEvent.ReadWrite.All"}),
    "IdentityRiskyServicePrincipal.Read.All": frozenset({"IdentityRiskyServicePrincipal.ReadWrite.All"}),
    "LicenseAssignment.Read.All": frozenset({"Organization.Read.All", "Directory.Read.All"}),
    "RoleManagement.Read.Directory": frozenset({"RoleManagement.ReadWrite.Directory"}),
    "User.Read.All": frozenset({"User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
}
_OUTCOMES = frozenset({"permission-missing", "licence-missing", "unavailable-in-cloud", "no-executor"})
_STANDING = frozenset({"unavailable-in-cloud", "no-executor"})  # known from the settings, not from a read
_NO_RISK = frozenset({"china"})  # identity protection for workloads does not exist there (facts: Graph 11)
_NO_ESTATE = "it is left out of every plan by name (azure-not-configured), because CORDON_ROTATOR_CLIENT_ID is not set"
_AZURE_ROLES = "what its identity holds in Azure is looked up apart, and told in health; a refusal is told by name"
_LAG = "A managed identity's token may show a change of rights only after up to 24 hours."


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read about Cordon's own identities, by role, and about the tenant."""

    read_at: datetime
    granted: Mapping[Role, Part[frozenset[str]]] = field(default_factory=dict[Role, Part[frozenset[str]]])
    premium: Part[bool] = field(default_factory=NotLooked)  # Workload ID Premium


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known without reading anything."""

    mode: str
    cloud: str
    executor: bool
    handover_vault: bool
    topic: bool = True
    one_identity: bool = False  # the reader and the executor are one
    log_workspaces: bool = True
    estate: bool = True  # Azure around the directory can be reached


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that keeps an action from running; `outcome` is the name that plans and reports use."""

    outcome: str
    reason: str
    todo: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether one action can run. `doubts` say what is not known, `notes` what to know although it can run."""

    action: str
    contains: bool
    armed_by: tuple[str, ...]  # the rules that name it
    obstacles: tuple[Obstacle, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_standing(self) -> bool:
        """Whether no grant or licence could have mended it meanwhile."""
        return any(obstacle.outcome in _STANDING for obstacle in self.obstacles)

    @property
    def state(self) -> State:
        return "not-ready" if self.obstacles else "unknown" if self.doubts else "ready"


@dataclass(frozen=True, slots=True)
class IdentityRights:
    """One of Cordon's identities: what it lacks for what is armed, and what it holds beyond that."""

    role: Role
    missing: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """The whole judgement, made from facts of `read_at`; None: nothing was read yet."""

    mode: str
    read_at: datetime | None
    actions: tuple[Readiness, ...]
    identities: tuple[IdentityRights, ...]
    blind: tuple[str, ...]  # why risk cannot be told here, if a rule asks for it
    unset: tuple[str, ...]  # settings that are not made, and what is missing without them

    def of(self, action: str) -> Readiness:
        return next(each for each in self.actions if each.action == action)

    def blocked(self, names: Sequence[str]) -> tuple[Readiness, ...]:
        """Those of the named actions that are known not to be able to run."""
        return tuple(each for each in self.actions if each.action in names and each.state == "not-ready")

    @property
    def cannot_contain(self) -> tuple[Readiness, ...]:
        """Containing actions of the policy that are known not to be able to run."""
        return tuple(each for each in self.actions if each.contains and each.armed_by and each.obstacles)

    @property
    def nothing_contains(self) -> bool:
        """True where the policy arms containing actions, and not one of them can run."""
        armed = [each for each in self.actions if each.contains and each.armed_by]
        return bool(armed) and all(each.obstacles for each in armed)

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence each, for the log at start-up and for health."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        if self.mode != "watch":
            yield from self._about_actions()
        for identity in self.identities:
            if identity.role == "reader" and identity.missing:
                yield f"the reader lacks {', '.join(identity.missing)}: {_grant('reader')}"
        yield from self.blind

    def _about_actions(self) -> Iterator[str]:
        for each in self.actions:
            if each.armed_by:
                rules = ", ".join(each.armed_by)
                yield from (f"{each.action} (rule {rules}) cannot run: {o.reason} {o.todo}" for o in each.obstacles)
                yield from (f"{each.action} (rule {rules}) may not be able to run: {doubt}" for doubt in each.doubts)

    @property
    def hints(self) -> tuple[str, ...]:
        """What is no problem and should be known: rights beyond what is needed, settings that are not made."""
        beyond = (
            f"the {each.role} holds more than its work needs: {', '.join(each.beyond)}; take it away"
            for each in self.identities
            if each.beyond
        )
        notes = (f"{each.action}: {note}" for each in self.actions if each.armed_by for note in each.notes)
        later = (f"before another mode: {said}" for said in self._about_actions() if self.mode == "watch")
        return (*beyond, *notes, *later, *self.unset)


def judge(policy: Policy, setting: Setting, facts: Facts | None) -> Preflight:
    """Hold what is declared against what was read."""
    return Preflight(
        mode=setting.mode,
        read_at=facts.read_at if facts else None,
        actions=tuple(_readiness(action, _armed_by(action.name, policy), setting, facts) for action in ACTIONS),
        identities=tuple(_rights(role, policy, setting, facts) for role in _roles(setting)),
        blind=tuple(_blind(policy, setting, facts)),
        unset=tuple(_unset(setting)),
    )


def why_nothing_contains(plan: Planned) -> str | None:
    """Why none of the plan's steps contains anything, if that is because actions cannot run here."""
    left = [each for each in plan.not_done if each.outcome in _OUTCOMES and action_named(each.action).contains]
    if not left or any(step.contains for step in plan.steps):
        return None
    said = " ".join(f"{each.action}: {each.reason}" for each in left)
    return f"Nothing of this plan would contain the identity, because its actions cannot run here. {said}"


def why_nothing_is_done(plan: Planned) -> str | None:
    """Why the plan has no step, or None if it has one."""
    reasons = "; ".join(f"{outcome.action}: {outcome.reason}" for outcome in plan.not_done)
    return None if plan.steps else f"None of the actions is to be done here. {reasons}".strip()


def outcomes(blocked: Sequence[Readiness]) -> dict[str, NamedOutcome]:
    """The actions that a plan leaves out, each with the name of its first obstacle."""
    return {
        each.action: NamedOutcome(
            action=each.action,
            outcome=each.obstacles[0].outcome,
            reason=" ".join(f"{obstacle.reason} {obstacle.todo}" for obstacle in each.obstacles),
        )
        for each in blocked
    }


def _roles(setting: Setting) -> tuple[Role, ...]:
    return ("reader", "executor") if setting.executor else ("reader",)


def _armed_by(action: str, policy: Policy) -> tuple[str, ...]:
    armed = (rule for rule in policy.rules if rule.verdict in (Verdict.CONTAIN, Verdict.ASK))
    return tuple(rule.name for rule in armed if action in rule.may_do)


def _readiness(action: Action, armed_by: tuple[str, ...], setting: Setting, facts: Facts | None) -> Readiness:
    obstacles, doubts = list[Obstacle](), list[str]()
    if setting.cloud in action.missing_in:
        obstacles.append(_no_such_cloud(setting.cloud))
    if setting.mode != "watch" or setting.executor:
        _judge_rights("executor", action.permissions, setting, facts, obstacles, doubts)
    _judge_rights("reader", action.reads, setting, facts, obstacles, doubts)
    if action.licence is not None:
        _judge_licence(action.licence, facts, obstacles, doubts)
    notes: tuple[str, ...] = ()
    if action.needs_vault and not setting.handover_vault:
        notes = ("no new certificate is made, because CORDON_HANDOVER_VAULT is not set; credentials are only removed",)
    if isinstance(action, ChangesAzure):
        notes = (_AZURE_ROLES if setting.estate else _NO_ESTATE,)
    return Readiness(action.name, action.contains, armed_by, tuple(obstacles), tuple(doubts), notes)


def _no_such_cloud(cloud: str) -> Obstacle:
    return Obstacle(
        "unavailable-in-cloud",
        f"The {cloud} cloud does not offer it.",
        "Take the action out of the policy.",
    )


def _judge_rights(
    role: Role,
    needed: Sequence[str],
    setting: Setting,
    facts: Facts | None,
    obstacles: list[Obstacle],
    doubts: list[str],
) -> None:
    if role == "executor" and not setting.executor:
        obstacles.append(
            Obstacle("no-executor", "CORDON_EXECUTOR_CLIENT_ID is not set.", "Set it, and grant it what it needs.")
        )
        return
    match _granted(role, facts):
        case Known(held):
            if missing := [name for name in needed if not serves(held, name)]:
                lacking = ", ".join(missing)
                if any(each.startswith(DIRECTORY_ROLE) for each in held):
                    doubts.append(f"the {role} lacks {lacking}; a directory role that it holds may allow the same")
                    return
                obstacles.append(Obstacle("permission-missing", f"The {role} lacks {lacking}.", _grant(role)))
        case CouldNotLook(why):
            doubts.append(f"the permissions of the {role} could not be read: {why}")
        case NotLooked():
            doubts.append(f"the permissions of the {role} were not read yet")


def _judge_licence(licence: str, facts: Facts | None, obstacles: list[Obstacle], doubts: list[str]) -> None:
    match facts.premium if facts else NotLooked():
        case Known(value=False):
            obstacles.append(
                Obstacle(
                    "licence-missing",
                    f"The tenant has no {licence} licence, or it has lapsed.",
                    "Buy it, or take the action out of the policy.",
                )
            )
        case Known():
            pass
        case CouldNotLook(why):
            doubts.append(f"the tenant's licences could not be read: {why}")
        case NotLooked():
            doubts.append("the tenant's licences were not read yet")


def _granted(role: Role, facts: Facts | None) -> Part[frozenset[str]]:
    return facts.granted.get(role, NotLooked()) if facts else NotLooked()


def serves(held: frozenset[str], name: str) -> bool:
    """Whether one of the permissions that are held allows what the named one allows."""
    return name in held or bool(held & _SERVED_BY.get(name, frozenset()))


def _grant(role: Role) -> str:
    return f"Have an administrator grant it: python3 infra/grant.py {role} OBJECT_ID (docs/permissions.md). {_LAG}"


def _rights(role: Role, policy: Policy, setting: Setting, facts: Facts | None) -> IdentityRights:
    match _granted(role, facts):
        case Known(held):
            needed, allowed = _needs(role, policy, setting)
            missing = tuple(sorted(name for name in needed if not serves(held, name)))
            return IdentityRights(role, missing, tuple(sorted(held - allowed)))
        case CouldNotLook(why):
            return IdentityRights(role, unread=why)
        case NotLooked():
            return IdentityRights(role, unread="it was not looked at yet")


def _needs(role: Role, policy: Policy, setting: Setting) -> tuple[frozenset[str], frozenset[str]]:
    """What the role must hold for what is armed, and what it may hold: also what a person's order may take."""
    if setting.one_identity:
        reads, writes = _needs_of("reader", policy), _needs_of("executor", policy)
        return reads[0] | writes[0], reads[1] | writes[1]
    return _needs_of(role, policy)


def _needs_of(role: Role, policy: Policy) -> tuple[frozenset[str], frozenset[str]]:
    armed = [action for action in ACTIONS if _armed_by(action.name, policy)]
    base = frozenset(READING) if role == "reader" else frozenset[str]()
    needed = base.union(*(action.reads if role == "reader" else action.permissions for action in armed))
    if role == "reader":
        needed = needed.union(*(reads_for(leaf) for rule in policy.rules for leaf in leaves(rule.when)))
        return needed, needed
    return needed, needed.union(WRITING, *(action.gives_back_with for action in armed))


def _blind(policy: Policy, setting: Setting, facts: Facts | None) -> Iterator[str]:
    rules = [rule.name for rule in policy.rules if _asks_for_risk(rule.when)]
    if not rules:
        return
    if setting.cloud in _NO_RISK:
        yield f"the {setting.cloud} cloud tells no risk of workload identities: rule {', '.join(rules)} cannot be met"
    elif facts and facts.premium == Known(value=False):
        yield (
            "the tenant has no Workload ID Premium licence, or it has lapsed: risk levels read hidden, which is "
            f"unknown and not low, and rule {', '.join(rules)} asks a person instead of acting"
        )


def _asks_for_risk(condition: Condition) -> bool:
    return any(leaf.name in ("risk-detection", "risk-state") for leaf in leaves(condition))


def _unset(setting: Setting) -> Iterator[str]:
    if not setting.topic:
        yield "CORDON_TOPIC_ENDPOINT is not set: outcomes are published nowhere"
    if not setting.log_workspaces:
        yield "CORDON_LOG_WORKSPACES is not set: what an identity did is not looked up in logs"
