"""
Scenario files: a tenant, what happens to it, and what should have come of it.

Inside the lists of `tenant`, `azure` and `logs` stand Graph's and Azure's own objects, as in a real export;
everything around them is ours, and strict. A mistake names file, line and the nearest valid name.

    name: leaked-secret
    clock: 2026-03-02T03:00:00Z       # when the drill begins, UTC
    tenant: {id: …, applications: [], servicePrincipals: [], …}
    azure: {vaults: [], …}
    logs: {directoryAudits: [], …}    # what happened before
    timeline:                         # what happens, by time since the start
      - {at: PT4M, servicePrincipalRiskDetections: [{…}], patch: {servicePrincipals: {ID: {…}}}}
      - {at: PT4M, by: ID, add: {…}, consents: [{clientId: ID, scope: Mail.Read}]}   # a user or principal does it
      - {at: PT5M, eventGrid: [{…}]}              # Event Grid delivers these to the function receive_event
      - {at: PT5M, eventHub: [{…}]}               # Entra's diagnostic records, through the Event Hub
      - {at: PT6M, http: {method: POST, path: /api/incidents, body: {…}}}   # a responder calls
      - {at: PT7M, kill: true}                    # the function app's process dies and is started again
      - {at: PT8M, azure: {readSecrets: [{vault: shop, secret: storage, by: ID}]}}   # practice/azure_changes.py
    crowd: {count: 10000, at: PT1M}   # so many principals alike, each reported at this moment
    attackers: [{identity: ID, does: use-token, every: PT30S}]
    workloads: [{identity: ID, every: PT6H, since: P20D}]      # whoever signs in every day: practice/workloads.py
    consumers: [{name: web, vault: shop, secret: storage, every: PT1M, refresh: PT1H}]
    owners: [{name: billing, vault: shop, secret: partner-key, hears: request, after: PT20M}]
    faults: [{service: graph, match: "PATCH /servicePrincipals/*", kind: 503, count: 1}]
    run: {until: PT2H, mode: act, instances: 2, policy: FILE or an inline policy}
    expect: see expect.py
"""

import difflib
import json
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL
from drill.practice.graph.objects import DEFAULTS
from drill.practice.shapes import seconds
from drill.yaml_text import Plain, Read, TextWrong, read_yaml

Objects: TypeAlias = "list[dict[str, Any]]"
SHIPPED = Path(__file__).resolve().parent / "scenarios"


class ScenarioWrong(ValueError):
    """A scenario cannot be played; `problems` holds one "file:line: what" for each mistake."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def _duration(value: object) -> timedelta:
    return timedelta(seconds=seconds(value, "a duration"))


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a time such as 2026-03-02T03:00:00Z was expected")  # noqa: TRY004 - pydantic's contract
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("a time needs its zone: 2026-03-02T03:00:00Z")
    return at.astimezone(UTC)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("a drill takes some time: PT2H, for example")
    return value


def _word(value: object) -> object:
    """`kind: 503` means the word."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Word: TypeAlias = Annotated[str, BeforeValidator(_word)]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(_duration)]
Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]


class Ours(BaseModel):
    """The base of what is ours: unknown names are mistakes, and text is never taken for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)


class TenantPart(Ours):
    """The directory at the start."""

    id: str | None = None
    licences: list[str] | None = None
    applications: Objects = []
    service_principals: Objects = []
    federated_identity_credentials: dict[str, Objects] = {}
    owners: dict[str, list[str | dict[str, Any]]] = {}
    app_role_assignments: Objects = []
    oauth2_permission_grants: Objects = Field([], alias="oauth2PermissionGrants")
    role_assignments: Objects = []
    role_definitions: Objects = []  # the tenant's own directory roles
    conditional_access_policies: Objects = []
    users: Objects = []
    groups: Objects = []
    domains: Objects = []  # none: the one that every tenant is born with
    deleted_items: Objects = []
    risky_service_principals: Objects = []
    service_principal_risk_detections: Objects = []
    risky_users: Objects = []
    risk_detections: Objects = []  # of users
    permissions: dict[str, list[str]] = {}
    behaviour: dict[str, Any] = {}


class AzurePart(Ours):
    """Azure's resources at the start."""

    subscriptions: Objects = []
    role_definitions: Objects = []
    role_assignments: Objects = []
    permissions: dict[str, Objects] = {}
    workspaces: Objects = []
    entra_diagnostic_settings: Objects = []
    locks: Objects = []
    deleted_vaults: Objects = []
    vaults: Objects = []
    storage_accounts: Objects = []
    database_accounts: Objects = []
    service_bus_namespaces: Objects = []
    event_hub_namespaces: Objects = []
    redis_caches: Objects = []
    postgres_servers: Objects = []
    sql_servers: Objects = []


class LogsPart(Ours):
    """What happened before the start."""

    directory_audits: Objects = []
    sign_ins: Objects = []
    key_vault_audits: Objects = []
    graph_activity: Objects = []


class HttpCallPart(Ours):
    """
    A responder's call. The key is added; an answer other than `status` is a difference. In the path, `{incident ID}`
    is the newest incident of the identity that has this id; `planHash: "{secrets that wait}"` is the hash of what
    waits there for an answer.
    """

    method: Literal["GET", "POST"] = "GET"
    path: str
    body: dict[str, Any] | None = None
    status: int | None = None


class AzureHappeningPart(Ours):
    """What changes in Azure at one moment (drill/practice/azure_changes.py)."""

    add_role_assignments: Objects = []
    remove_role_assignments: Objects = []
    read_secrets: Objects = []
    set_secrets: Objects = []
    set_diagnostics: Objects = []


class HappeningPart(Ours):
    """One moment of the timeline."""

    at: Duration = timedelta()
    by: str | None = None
    late: Duration | None = None
    service_principal_risk_detections: Objects = []
    risky_service_principals: Objects = []
    risky_users: Objects = []
    risk_detections: Objects = []  # of users
    directory_audits: Objects = []
    sign_ins: Objects = []
    key_vault_audits: Objects = []
    graph_activity: Objects = []
    patch: dict[str, dict[str, dict[str, Any]]] = {}
    add: dict[str, Any] = {}
    consents: Objects = []
    delete: list[str] = []
    restore: list[str] = []
    azure: AzureHappeningPart | None = None
    event_grid: Objects = []
    event_hub: Objects = []
    http: HttpCallPart | None = None
    kill: bool = False


class AttackerPart(Ours):
    """Somebody who holds an identity's credential and does not give up (drill/practice/attackers.py)."""

    identity: str
    every: Duration | None = None
    from_: Duration | None = Field(None, alias="from")
    until: Duration | None = None
    does: str | list[str] = "use-token"
    target: str | None = None
    on: str | None = None
    credential: str | None = None
    power: Literal["identity", "admin"] = "identity"
    cae: bool = False
    vault: str | None = None
    secret: str | None = None


class ChangedHabitPart(Ours):
    """From this moment on a workload signs in otherwise."""

    at: Duration
    credential: str | None = None
    address: str | None = None
    resource: str | None = None


class WorkloadPart(Ours):
    """A workload at its daily work (drill/practice/workloads.py)."""

    identity: str
    credential: str | None = None
    every: Duration | None = None
    from_: Duration | None = Field(None, alias="from")
    until: Duration | None = None
    since: Duration | None = None
    address: str | None = None
    resource: str | None = None
    then: list[ChangedHabitPart] = []


class ConsumerPart(Ours):
    """A service that lives on a secret (drill/practice/consumers.py)."""

    name: str
    vault: str
    secret: str
    every: Duration | None = None
    refresh: Duration | None = None
    version: str | None = None
    identity: str | None = None
    from_: Duration | None = Field(None, alias="from")


class OwnerPart(Ours):
    """Whoever can rotate a secret that Cordon cannot (drill/practice/owners.py)."""

    name: str
    vault: str
    secret: str
    hears: Literal["request", "near-expiry"] = "request"
    after: Duration | None = None
    grace: Duration | None = None
    confirms: bool = False


class FaultPart(Ours):
    """What goes wrong, where and how often (drill/practice/faults.py, for the store drill/store_faults.py)."""

    service: Literal["graph", "vault", "arm", "logs", "store"] = "graph"
    match: str = "* *"
    kind: Word
    share: float = 1.0
    count: int | None = None
    after: int = 0
    from_: Duration | None = Field(None, alias="from")
    until: Duration | None = None
    retry_after: Word | None = None
    delay: Duration | None = None


class RunPart(Ours):
    """How Cordon runs. `policy` is a file beside the scenario, or a policy written out."""

    until: Annotated[Duration, AfterValidator(_positive)] = timedelta(hours=2)
    mode: Literal["watch", "ask", "act"] = "act"
    policy: str | dict[str, Any] | None = None
    store: Literal["memory", "sqlite"] = "memory"
    handover_vault: str | None = "handover"
    instances: int = Field(default=1, ge=1, le=4)  # processes of the function app, over one store and one queue


class CrowdPart(Ours):
    """So many service principals alike, each with a detection at this moment: too many to write down one by one."""

    count: int = Field(ge=1, le=20_000)
    at: Duration = timedelta()
    risk_event_type: str = "leakedCredentials"
    risk_level: str = "high"

    def grow(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The scenario's content with the crowd in it, in Graph's own words."""
        principals = [
            {"id": _member_id("5b0a11de", n), "appId": _member_id("c1a7c1de", n), "displayName": f"workload-{n}"}
            for n in range(1, self.count + 1)
        ]
        detections = [
            {
                "id": _member_id("de7ec7ed", n),
                "servicePrincipalId": each["id"],
                "riskEventType": self.risk_event_type,
                "riskLevel": self.risk_level,
                "riskState": "atRisk",
            }
            for n, each in enumerate(principals, start=1)
        ]
        tenant: Mapping[str, Any] = given["tenant"]
        whole = {**tenant, "servicePrincipals": [*tenant.get("servicePrincipals", []), *principals]}
        at = f"PT{self.at.total_seconds():g}S"
        moment = {"at": at, "servicePrincipalRiskDetections": detections}
        return {**given, "tenant": whole, "timeline": [*given.get("timeline", []), moment]}


def _member_id(prefix: str, number: int) -> str:
    return f"{prefix}-0000-4000-8000-{number:012d}"


class ExpectedDecision(Ours):
    """A decision that was taken, by this time since the start and not before that one, if they are given."""

    verdict: str | None = None
    rule: str | None = None
    by: Duration | None = None
    from_: Duration | None = Field(None, alias="from")


class ExpectedIncident(Ours):
    """
    An incident about this identity (any of its ids), as it stands at the end. One or several may be like this.
    `decided` are decisions that must be among those taken about it, in this order.
    """

    identity: str
    status: str
    verdict: str | None = None
    rule: str | None = None
    actions: list[str] | None = None  # those of the last decision, in their order
    decided: list[ExpectedDecision] = []
    outcomes: list[str] | None = None  # named outcomes that must be in its plan


class ExpectedValue(Ours):
    """A place in the final state (see expect.py for paths). `equals: null` also holds where nothing is."""

    path: str
    equals: Any = None
    count: int | None = None  # how many members a list has


class ExpectedEffect(Ours):
    """How many writes of Cordon's match `METHOD /path`, a glob, and were carried out."""

    match: str
    count: int


class ExpectedSecret(Ours):
    """
    Secrets of a vault at the end; globs. `old` are the versions that were there at the beginning, `stolen` those whose
    value an accused identity got, `newest` the last one, which must be enabled to be alive. Alive is what still
    opens something at its source.
    """

    vault: str
    secret: str
    old: Literal["dead", "alive"] | None = None
    stolen: Literal["dead", "alive"] | None = None
    newest: Literal["dead", "alive"] | None = None
    versions: int | None = None
    disabled: int | None = None  # how many of them


class ExpectedConsumer(Ours):
    """Consumers at the end; a glob. `failed` and `stranded` are the most uses that may have been in vain."""

    name: str
    failed: int | None = None
    stranded: int | None = None
    works: bool | None = None


class ExpectedWorkload(Ours):
    """Workloads at the end; those that began with this credential, if it is named. `failed` is the most in vain."""

    identity: str
    credential: str | None = None
    failed: int | None = None
    works: bool | None = None


class ExpectPart(Ours):
    """What should have come of it."""

    incidents: list[ExpectedIncident] | None = None
    tenant: list[ExpectedValue] = []
    azure: list[ExpectedValue] = []
    untouched: list[str] = []
    effects: list[ExpectedEffect] = []
    secrets: list[ExpectedSecret] = []
    consumers: list[ExpectedConsumer] = []
    workloads: list[ExpectedWorkload] = []
    order: list[list[str]] = []  # groups of "vault/secret" (globs), in the order in which Cordon may touch them
    events: list[str] | None = None  # types of the outgoing events, in any order, each at least once


class ScenarioFile(Ours):
    """A whole file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    about: str = ""
    clock: Moment
    seed: int = 0
    tenant: TenantPart
    azure: AzurePart = AzurePart()
    logs: LogsPart = LogsPart()
    timeline: list[HappeningPart] = []
    crowd: CrowdPart | None = None
    attackers: list[AttackerPart] = []
    workloads: list[WorkloadPart] = []
    consumers: list[ConsumerPart] = []
    owners: list[OwnerPart] = []
    faults: list[FaultPart] = []
    run: RunPart = RunPart()
    expect: ExpectPart = ExpectPart()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario. `given` is the file's own content: the practice tenant is built from that."""

    path: Path
    file: ScenarioFile
    given: Mapping[str, Any]
    read: Read

    @property
    def name(self) -> str:
        return self.file.name

    def world(self) -> dict[str, Any]:
        """What the practice tenant is built from, as the file says it."""
        given = self.file.crowd.grow(self.given) if self.file.crowd else self.given
        played = [_only(entry, _NOT_FOR_THE_TENANT) for entry in given.get("timeline", [])]
        return {
            "tenant": given["tenant"],
            "azure": self.given.get("azure", {}),
            "logs": self.given.get("logs", {}),
            "timeline": played,
            "attackers": self.given.get("attackers", []),
            "workloads": self.given.get("workloads", []),
            "consumers": self.given.get("consumers", []),
            "owners": self.given.get("owners", []),
            "faults": [{**fault, "kind": str(fault["kind"])} for fault in self.given.get("faults", [])],
        }


_NOT_FOR_THE_TENANT = frozenset({"eventGrid", "eventHub", "http", "kill"})


def _only(entry: Mapping[str, Any], without: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in without}


def load_scenario(path: Path) -> Scenario:
    """Read and check a file. Raises ScenarioWrong with every mistake that was found."""
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ScenarioWrong([f"{path}: {problem.strerror or problem}"]) from problem
    return read_scenario(content, path)


def read_scenario(content: bytes, path: Path) -> Scenario:
    """Check a scenario's text; `path` is for messages, and what a relative policy file counts from."""
    try:
        read = read_yaml(content)
    except TextWrong as problem:
        raise ScenarioWrong([f"{path.name}:{problem.line or 1}: {problem.what}"]) from problem
    if not isinstance(read.value, dict):
        raise ScenarioWrong([f"{path.name}:1: a scenario is a mapping that begins with name: and clock:"])
    problems = _mistakes_in_objects(read.value)
    file: ScenarioFile | None = None
    try:
        file = ScenarioFile.model_validate(read.value)
    except ValidationError as error:
        problems += [_mistake(each, read) for each in error.errors(include_url=False, include_input=False)]
    if problems or file is None:
        lines = sorted({(read.line_of(at), what) for at, what in problems})
        raise ScenarioWrong([f"{path.name}:{line}: {what}" for line, what in lines])
    return Scenario(path, file, read.value, read)


def shipped_scenarios() -> Sequence[Path]:
    """The scenarios that come with Cordon, by name."""
    return sorted(SHIPPED.glob("*.yaml"))


# --- mistakes ----------------------------------------------------------------------------------------

_Place: TypeAlias = tuple[str | int, ...]
_Mistake: TypeAlias = tuple[_Place, str]
_FEW = 20


def _mistake(error: ErrorDetails, read: Read) -> _Mistake:
    """One of pydantic's complaints in our words."""
    at = tuple(error["loc"])
    if error["type"] == "missing":
        return at, f"{'.'.join(map(str, at))} is missing"
    while at and at not in read.lines:  # pydantic also names which member of a union it tried
        at = at[:-1]
    name = str(at[-1]) if at else "the scenario"
    if error["type"] == "extra_forbidden":
        return at, unknown_name(name, _names_at(at[:-1]))
    if error["type"] == "value_error":
        return at, f"{name}: {error.get('ctx', {}).get('error', error['msg'])}"
    return at, f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}"


def unknown_name(name: str, known: Iterable[str]) -> str:
    """What is wrong with a name, and which was probably meant."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    few = ", ".join(names[:_FEW]) + (" and others" if len(names) > _FEW else "")
    hint = f"did you mean {near[0]}?" if near else f"known are {few}"
    return f"{name} is not known here; {hint}"


def _names_at(at: _Place) -> list[str]:
    """The names that are allowed at this place."""
    model: type[Ours] | None = ScenarioFile
    for step in at:
        if isinstance(step, str) and _is_ours(model):
            found = [field for name, field in model.model_fields.items() if step in (name, field.alias)]
            model = _model_in(found[0].annotation) if found else None
    return [field.alias or name for name, field in model.model_fields.items()] if _is_ours(model) else []


def _is_ours(model: object) -> TypeGuard[type[Ours]]:
    return isinstance(model, type) and issubclass(model, Ours)


def _model_in(annotation: object) -> type[Ours] | None:
    """The one model of ours inside `list[Part]`, `Part | None` or `Part`."""
    if _is_ours(annotation):
        return annotation
    found = (_model_in(member) for member in typing.get_args(annotation))
    return next((each for each in found if each), None)


def _mistakes_in_objects(given: Mapping[str, Plain]) -> list[_Mistake]:
    """Misspelled properties of applications and service principals, which a patch may name as well."""
    found: list[_Mistake] = []
    for at, kind, properties in _objects_in(given):
        known = {*DEFAULTS[kind], *_BESIDES}
        found += [((*at, name), unknown_name(name, known)) for name in properties if name not in known]
    return found


# What a scenario may say of an object beyond what Graph's documentation of it lists.
_BESIDES = frozenset(
    {"customSecurityAttributes", "@odata.type", "servicePrincipalLockConfiguration", "deletedDateTime"}
)
_SETS = {"applications": APPLICATION, "servicePrincipals": SERVICE_PRINCIPAL}


def _objects_in(given: Mapping[str, Plain]) -> Iterable[tuple[_Place, str, Mapping[str, Plain]]]:
    tenant = given.get("tenant")
    for name, kind in _SETS.items():
        if isinstance(tenant, dict):
            yield from _members(tenant.get(name), ("tenant", name), kind)
        for place, entry in enumerate(_list(given.get("timeline"))):
            patch = entry.get("patch") if isinstance(entry, dict) else None
            if isinstance(patch, dict):
                yield from _members(patch.get(name), ("timeline", place, "patch", name), kind)


def _members(given: Plain, at: _Place, kind: str) -> Iterable[tuple[_Place, str, Mapping[str, Plain]]]:
    members = given.items() if isinstance(given, dict) else enumerate(_list(given))
    for key, member in members:
        if isinstance(member, dict):
            yield (*at, key), kind, member


def _list(given: Plain) -> list[Plain]:
    return given if isinstance(given, list) else []


def as_json(value: object) -> str:
    """JSON as result files and messages write it: the same text for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=False)
