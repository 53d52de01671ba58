"""
Samples: small cases that stand inside a rule, and say what it must and must not decide on. Their form alone; what
they mean as a case is in sample_cases.py, and whether the rule keeps to them in sample_checks.py.

What a sample does not mention was read, and nothing is there; `unreadable` stands where it could not be read. All
times count back from the sample's `now`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, ClassVar, Literal, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from shared.audit import ACTIVITIES, ADDS_OWNER, JOINS_GROUP, normalise_activity
from shared.audit_grants import APP_ROLE_GIVEN, CONSENTED, DELEGATED_GIVEN, ROLE_GIVEN
from shared.case import HolderKind, Way
from shared.clock import read_duration
from shared.conditions.addresses import Domain
from shared.conditions.hours import Day, HoursOfDay
from shared.conditions.settings import DURATION_SCHEMA, GUID_PATTERN, SETTINGS, Duration, Flag, Guid, NotAmong
from shared.identity import IdentityKind, canonical_guid
from shared.privileges import APP_ROLES, DIRECTORY_ROLES, Privilege
from shared.risk import DetectionType, Level, State
from shared.signal import JsonObject
from shared.untrusted import is_shallow, parsed

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
Unreadable: TypeAlias = Literal["unreadable"]
UNREADABLE: Unreadable = "unreadable"

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_GIVING = ROLE_GIVEN | {APP_ROLE_GIVEN, DELEGATED_GIVEN, CONSENTED}
_BY_SPELLING = {normalise_activity(activity): activity for activity in ACTIVITIES}
_ADDING = frozenset(
    normalise_activity(activity)
    for activity in (
        "Update application - Certificates and secrets management",
        "Create application - Certificates and secrets management",
        "Add service principal credentials",
        "Update external secrets",
        "Update application",
        "Update service principal",
        "Add application",
    )
)
_OWN = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT)


# How a part may be written


@dataclass(frozen=True, slots=True)
class Readable:
    """Marks a part of this type for whose value the word `unreadable` may stand."""

    inner: object

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_unless_unreadable, handler.generate_schema(self.inner))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        return {"anyOf": [handler(schema), {"const": UNREADABLE}]}


def _unless_unreadable(value: object, validate: Callable[[object], object]) -> object:
    return value if value == UNREADABLE else validate(value)


@dataclass(frozen=True, slots=True)
class Short:
    """Marks a mapping whose one telling setting may stand for the whole."""

    setting: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._unfold, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonObject:
        whole = handler(schema)
        properties = handler.resolve_ref_schema(whole).get("properties", {})
        return {"anyOf": [whole, properties[self.setting]]}

    def _unfold(self, value: object) -> object:
        return cast("object", value) if isinstance(value, dict) else {self.setting: value}


def _read_activity(value: object) -> str:
    spelling = normalise_activity(value) if isinstance(value, str) else ""
    if spelling not in _BY_SPELLING:
        raise NotAmong("is not an activity that Cordon follows", ACTIVITIES)
    return _BY_SPELLING[spelling]


def _read_moment(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 2000 < found.year < 2200:
        raise ValueError("must be a moment such as 2026-03-04T12:00:00Z")
    return found.astimezone(UTC)


def _named_in(catalogue: Mapping[str, Privilege], what: str) -> Callable[[object], str]:
    """Reads a permission by its name in the catalogue, in any case, or one that is not in it by its id."""
    names = {each.name.casefold(): each.name for each in catalogue.values()}

    def read(value: object) -> str:
        if isinstance(value, str) and value.casefold() in names:
            return names[value.casefold()]
        try:
            return canonical_guid(value)
        except ValueError as problem:
            raise NotAmong(f"is no {what} of the catalogue; give the id of any other", [*names.values()]) from problem

    return read


def _names_or_ids(catalogue: Mapping[str, Privilege]) -> WithJsonSchema:
    """For editors: the catalogue's names, or an id."""
    names = [each.name for each in catalogue.values()]
    return WithJsonSchema({"anyOf": [{"enum": names}, {"type": "string", "pattern": GUID_PATTERN}]})


def _is_plain(value: str) -> str:
    if not is_shallow(parsed(value)):
        raise ValueError("is nested too deeply")
    return value


Activity = Annotated[str, BeforeValidator(_read_activity), Field(json_schema_extra={"enum": [*ACTIVITIES]})]
Moment = Annotated[datetime, BeforeValidator(_read_moment)]
Label = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[!-~]+$")]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=200), AfterValidator(_is_plain)]
AppRoleName = Annotated[str, BeforeValidator(_named_in(APP_ROLES, "app role")), _names_or_ids(APP_ROLES)]
DirectoryRoleName = Annotated[
    str, BeforeValidator(_named_in(DIRECTORY_ROLES, "directory role")), _names_or_ids(DIRECTORY_ROLES)
]
Few = Field(max_length=100)
NEVER = "never"


def _read_last_used(value: object) -> timedelta | str:
    return NEVER if value == NEVER else read_duration(value)


LastUsed = Annotated[
    timedelta | str,
    PlainValidator(_read_last_used),
    WithJsonSchema({"anyOf": [{"const": NEVER}, DURATION_SCHEMA]}),
]
Kind: TypeAlias = Literal["secret", "certificate", "federated"]


# The parts


@dataclass(frozen=True, slots=True)
class SampleCredential:
    """A credential that the identity has had for a while. Its type may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    type: Kind
    """A client secret, a certificate, or trust in another issuer's tokens."""
    on: HolderKind | None = None
    """The object that carries it; the application where there is one."""
    added: Duration = timedelta(days=60)
    """How long ago it began."""
    valid_for: Duration = timedelta(days=180)
    """From its beginning on. One that has expired was added longer ago than this."""
    id: Guid | None = None
    """Its key id; made up where nothing else refers to it."""
    used: LastUsed | None = None
    """When it was last used, as Graph reports it: how long ago, or `never`; a day ago, and one just added never."""
    issuer: Line = "https://token.actions.githubusercontent.com"
    """Of federated credentials: whose tokens are taken."""
    subject: Line = "repo:contoso/payroll:environment:production"
    """Of federated credentials: which workload's."""
    audience: Line = "api://AzureADTokenExchange"
    """Of federated credentials: what the tokens were made for."""


@dataclass(frozen=True, slots=True)
class SamplePublisher:
    """Who publishes an application. The id of a verified publisher may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    verified: Annotated[str, Field(pattern="^[0-9]{1,20}$")] | None = None
    """The verified publisher's id (MPN id), in quotes; left out where nobody has verified it."""
    name: Line | None = None
    """The publisher's name."""
    gallery: Guid | None = None
    """The gallery's entry that the application was made from."""


@dataclass(frozen=True, slots=True)
class SampleDetection:
    """A detection of Identity Protection. Its type may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    type: DetectionType
    """Graph's riskEventType; `generic` without the licence."""
    level: Level = "high"
    """Graph's riskLevel; `hidden` without the licence."""
    state: State = "atRisk"
    """Graph's riskState."""
    ago: Duration = _HOUR
    """When it was detected."""
    keys: Annotated[tuple[Guid, ...], Few] = ()
    """The key ids of the credentials that it accuses."""


@dataclass(frozen=True, slots=True)
class SampleRisk:
    """What Identity Protection lists for the identity. The level may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    level: Level
    """Graph's riskLevel; `hidden` without the licence."""
    state: State = "atRisk"
    """Graph's riskState."""


@dataclass(frozen=True, slots=True)
class SampleActor:
    """
    Who did something: a word, or an id. A GUID alone is the object or client id of an application, as in
    `by-other-than`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    who: Literal["stranger", "application", "itself", "cordon", "unnamed"] = "stranger"
    """A person whom no policy names, such an application, the identity, Cordon, or nobody whom the log names."""
    user: Guid | None = None
    """The object id of a person."""
    application: Guid | None = None
    """The object or client id of an application."""

    def __post_init__(self) -> None:
        if self.user is not None and self.application is not None:
            raise ValueError("names a user and an application; one of them did it")


def _read_actor(value: object) -> object:
    if isinstance(value, dict):
        return cast("object", value)
    try:
        return {"application": canonical_guid(value)}
    except ValueError:
        return {"who": value}


STRANGER = SampleActor()
Actor = Annotated[
    SampleActor,
    BeforeValidator(
        _read_actor,
        json_schema_input_type=SampleActor | Guid | Literal["stranger", "application", "itself", "cordon", "unnamed"],
    ),
]


@dataclass(frozen=True, slots=True)
class SampleProperty:
    """A property as an audit record shows it, both sides as the log writes them. The new side may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    new: Text
    """What it is since then, such as "[true]"."""
    old: Text = ""
    """What it was before."""


@dataclass(frozen=True, slots=True)
class SampleOwner:
    """An owner of the identity. The type may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    type: Literal["user", "application", "itself"]
    """A person, another workload identity, or the identity's own service principal."""
    id: Guid | None = None
    """The owner's object id; made up where nothing else refers to it."""
    on: HolderKind | None = None
    """The object that is owned; the application where there is one."""


@dataclass(frozen=True, slots=True)
class SampleAudit:
    """
    A record of the audit log about the identity. The activity may stand alone. What a successful record adds is
    on the identity as well: credentials, permissions, addresses.
    """

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    activity: Activity
    """In any of its spellings."""
    ago: Duration = _HOUR
    """When it happened."""
    by: Actor = STRANGER
    """Who did it: stranger, application, itself, cordon, unnamed, the id of an application, or {user: id}."""
    result: Literal["success", "failure", "timeout"] = "success"
    """What came of it."""
    on: HolderKind | None = None
    """The object that was changed; as the activity says, where it does."""
    adds: Annotated[tuple[Annotated[SampleCredential, Short("type")], ...], Few] | None = None
    """The credentials that it added; a secret, where the activity is about credentials."""
    gives: Annotated[tuple[Line, ...], Few] | None = None
    """The permissions that it gave: names of app roles, of directory roles, or scopes."""
    for_: Literal["everybody", "one-user"] = "everybody"
    """In whose name scopes were given."""
    adds_owner: Annotated[SampleOwner, Short("type")] | None = None
    """The owner that it added; left out: the record does not tell whom."""
    joins: Literal["role-assignable", "ordinary", "untold"] | None = None
    """The group that it was added to: whether directory roles can be assigned to it, or that this cannot be read."""
    adds_redirect_uris: Annotated[tuple[Line, ...], Few] = ()
    """The redirect URIs that it added."""
    adds_identifier_uris: Annotated[tuple[Line, ...], Few] = ()
    """The identifier URIs that it added."""
    sets_sign_out_url: Line | None = None
    """The sign-out URL that it set."""
    properties: Annotated[dict[Label, Annotated[SampleProperty, Short("new")]], Field(max_length=20)] | None = None
    """Any other property that it changed, by the name that the log gives it; an edit that names none is a new name."""
    change: Label | None = None
    """Records with the same text here are one change (one correlation id)."""

    def __post_init__(self) -> None:
        spelling = normalise_activity(self.activity)
        if spelling in _GIVING and not self.gives:
            raise ValueError(f"“{self.activity}” needs gives: the names of the permissions that were given")
        if self.gives and spelling not in _GIVING:
            raise ValueError(f"“{self.activity}” gives no permissions; leave gives out")
        if self.adds and spelling not in _ADDING:
            raise ValueError(f"“{self.activity}” adds no credentials; leave adds out")
        if self.joins and spelling != JOINS_GROUP:
            raise ValueError(f"“{self.activity}” adds to no group; leave joins out")
        if self.adds_owner and spelling not in ADDS_OWNER:
            raise ValueError(f"“{self.activity}” adds no owner; leave adds-owner out")
        if self.adds_owner and self.adds_owner.on:
            raise ValueError("adds-owner owns what the record is about; leave its on out")


@dataclass(frozen=True, slots=True)
class SampleAppRole:
    """An app role that the identity holds. Its name may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    role: AppRoleName
    """Its name in the catalogue of dangerous permissions, or the id of any other."""
    ago: Duration = timedelta(days=60)
    """When it was given."""


@dataclass(frozen=True, slots=True)
class SampleDelegated:
    """Scopes that the identity holds in users' names. One scope may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    scope: Line
    """One name, or several with blanks between them."""
    for_: Literal["everybody", "one-user"] = "everybody"
    """In whose name."""


@dataclass(frozen=True, slots=True)
class SampleGrants:
    """What the identity holds. Each list is read with a permission of its own, so each may be unreadable."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    app_roles: Annotated[
        tuple[SampleAppRole, ...] | Unreadable,
        Readable(Annotated[tuple[Annotated[SampleAppRole, Short("role")], ...], Few]),
    ] = ()
    """Permissions of its own on Graph and other APIs."""
    delegated: Annotated[
        tuple[SampleDelegated, ...] | Unreadable,
        Readable(Annotated[tuple[Annotated[SampleDelegated, Short("scope")], ...], Few]),
    ] = ()
    """Scopes in users' names."""
    directory_roles: Annotated[
        tuple[str, ...] | Unreadable, Readable(Annotated[tuple[DirectoryRoleName, ...], Few])
    ] = ()
    """Directory roles over the whole tenant: names in the catalogue, or the id of any other."""


@dataclass(frozen=True, slots=True)
class SampleSignIns:
    """
    What sign-ins show of themselves. In `then`, what is left out is as usual.
    """

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    address: Line | None = None
    """The IP address."""
    network: Annotated[int, Field(ge=1, le=4_294_967_295, strict=True)] | None = None
    """The number of the autonomous system."""
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    """Two letters."""
    user_agent: Line | None = None
    """As the log shows it."""
    resource: Line | None = None
    """The API that the token is for."""
    credential: Line | None = None
    """The key id, or the id of a federated credential."""
    credential_type: Line | None = None
    """As the log names it, such as clientSecret."""


@dataclass(frozen=True, slots=True)
class SampleUsual(SampleSignIns):
    """What the identity does day by day: the past that its baseline is learned from."""

    every: Duration = _HOUR
    """How far from one to the next."""
    over: Duration = timedelta(days=30)
    """How far back."""
    until: Duration = _DAY
    """How long ago the last of them was."""
    hours: HoursOfDay | None = None
    """Only at these hours of the day, UTC."""
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] | None = None
    """Only on these days."""

    def __post_init__(self) -> None:
        if self.over / self.every > 2_000:
            raise ValueError("makes more than 2000 sign-ins; take a longer every, or a shorter over")
        if self.until >= self.over:
            raise ValueError("ends before it begins: until must be less than over")


@dataclass(frozen=True, slots=True)
class SampleThen(SampleSignIns):
    """Sign-ins of late."""

    ago: Duration = timedelta(minutes=10)
    """When; where there are several, when the first of them was."""
    times: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 1
    """How many, evenly from `ago` until now."""
    error: Annotated[int, Field(ge=0, le=99_999_999, strict=True)] = 0
    """The error code of a sign-in that was refused; 0 where a token was issued."""


@dataclass(frozen=True, slots=True)
class SampleLog:
    """The sign-in log: what is usual, and what came then."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    usual: SampleUsual | None = None
    """Left out: nothing is known of its past."""
    then: Annotated[tuple[SampleThen, ...], Few] = ()
    """What came of late."""


@dataclass(frozen=True, slots=True)
class SampleExposure:
    """A credential of the identity lay in a secret that another incident found exposed. The tier may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    tier: Literal[1, 2, 3]
    """1: the secret was read; 2: it lay beside others that were; 3: it was within reach."""
    ago: Duration = _HOUR
    """When that was found."""


@dataclass(frozen=True, slots=True)
class SampleSuspect:
    """
    What is known of somebody who changed the identity. What an incident says of it may stand alone: it is then the
    application that `by: application` names in the records.
    """

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    incident: Literal["contained", "accused", "watched", "cleared"] | None = None
    """What one of Cordon's incidents says of it; left out: there is none."""
    id: Guid | None = None
    """Its id, as the records name it; left out: that of `by: application`, of a person that of `by: stranger`."""
    is_person: Flag = False
    """Whether it is a person."""
    links: Annotated[int, Field(strict=True, ge=0, le=10)] = 0
    """How many changes away from the root of its case it is."""
    since: Duration | None = None
    """Since when it is suspect, where that is only because another suspect changed it."""
    risk: Annotated[SampleRisk | Unreadable | None, Readable(Annotated[SampleRisk, Short("level")])] = None
    """What Entra lists of it; left out: no risk."""


@dataclass(frozen=True, slots=True)
class SampleUserDetection:
    """A risk detection of a user. Its type may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    type: Label
    """Graph's riskEventType, such as leakedCredentials or suspiciousInboxForwarding."""
    level: Level = "high"
    """Graph's riskLevel."""
    ago: Duration = _HOUR
    """When it was detected."""


@dataclass(frozen=True, slots=True)
class SampleCall:
    """A call to Graph in the identity's own name. The path may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    path: Annotated[str, Field(pattern="^/[^?]{0,199}$")]
    """Without version and query; ids in it are `*`."""
    ago: Duration = _HOUR
    """When it was made last."""


@dataclass(frozen=True, slots=True)
class SampleToken:
    """A token with which Graph was called. Where it came from may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    of: Literal["sign-in", "nobody"] = "sign-in"
    """Of the newest sign-in of the sample before that, or of none that the log tells of."""
    ago: Duration = _HOUR
    """When Graph was called with it last."""


@dataclass(frozen=True, slots=True)
class SampleActivity:
    """Graph's activity log, as far back as it is asked for."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    calls: Annotated[tuple[Annotated[SampleCall, Short("path")], ...], Few] = ()
    """What was asked of Graph."""
    tokens: Annotated[tuple[Annotated[SampleToken, Short("of")], ...], Few] = ()
    """With which tokens."""


@dataclass(frozen=True, slots=True)
class SampleUserSignIn:
    """An interactive sign-in of a user. The country may stand alone."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "DE"
    """Two letters."""
    ago: Duration = _HOUR
    """When."""
    network: Annotated[int, Field(ge=1, le=4_294_967_295, strict=True)] = 64_496
    """The number of the autonomous system."""
    protocol: Label | None = None
    """Graph's authenticationProtocol, such as deviceCode."""
    risk: Level = "none"
    """The level of risk during the sign-in."""


@dataclass(frozen=True, slots=True)
class SamplePerson:
    """
    Somebody who stands behind the identity. Owners, and whoever consents or adds a credential in `audits`, are there
    by themselves, with nothing against them; here stands what is known of them, or who is there besides. The way may
    stand alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    way: Way
    """By what they stand behind it."""
    id: Guid | None = None
    """Their object id; left out: the owner or stranger of this way, where there is one."""
    risk: Level | None = None
    """The level at which Entra lists them as at risk."""
    roles: Annotated[tuple[DirectoryRoleName, ...], Few] = ()
    """Directory roles that they hold."""
    enabled: Flag = True
    """Whether their account is open."""
    detections: Annotated[tuple[Annotated[SampleUserDetection, Short("type")], ...], Few] = ()
    """Their risk detections."""
    sign_ins: Annotated[tuple[Annotated[SampleUserSignIn, Short("country")], ...], Few] = ()
    """Their sign-ins of the last 30 days."""


Detections = tuple[SampleDetection, ...] | Unreadable
Audits = tuple[SampleAudit, ...] | Unreadable
SampleOwners = tuple[SampleOwner, ...] | Unreadable
Suspicious = tuple[SampleSuspect, ...] | Unreadable


@dataclass(frozen=True, slots=True)
class Sample:
    """One case, as far as it matters: what is left out was read, and nothing is there."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    about: Line | None = None
    """What it shows, for whoever reads the report."""
    now: Moment = NOON
    """The moment of decision; matters where a rule asks for hours and days."""
    identity: Unreadable | None = None
    """`unreadable` where not even the identity can be read."""
    kind: IdentityKind = IdentityKind.OWN_SINGLE_TENANT
    """What sort of identity it is."""
    name: Line = "sample"
    """Its display name."""
    enabled: Flag = True
    """Whether its sign-in is open."""
    owner_tenant: Guid | None = None
    """The tenant that it is registered in; where nothing is said, another one for foreign identities."""
    publisher: Annotated[SamplePublisher, Short("verified")] = SamplePublisher()
    """Who publishes it."""
    redirect_uris: Annotated[tuple[Line, ...], Few] = ()
    """Where it has tokens sent."""
    identifier_uris: Annotated[tuple[Line, ...], Few] = ()
    """What it is called by."""
    credentials: Annotated[tuple[Annotated[SampleCredential, Short("type")], ...], Few] = ()
    """What it can sign in with."""
    detections: Annotated[
        Detections, Readable(Annotated[tuple[Annotated[SampleDetection, Short("type")], ...], Few])
    ] = ()
    """What Identity Protection has detected."""
    risk: Annotated[SampleRisk | Unreadable | None, Readable(Annotated[SampleRisk, Short("level")])] = None
    """What Identity Protection lists for it; left out: no risk."""
    audits: Annotated[Audits, Readable(Annotated[tuple[Annotated[SampleAudit, Short("activity")], ...], Few])] = ()
    """The audit log's records about it, grants of permissions among them."""
    grants: Annotated[SampleGrants | Unreadable, Readable(SampleGrants)] = SampleGrants()
    """What it holds."""
    owners: Annotated[SampleOwners, Readable(Annotated[tuple[Annotated[SampleOwner, Short("type")], ...], Few])] = ()
    """Who owns it."""
    domains: Annotated[
        tuple[str, ...] | Unreadable, Readable(Annotated[tuple[Domain, ...], Field(min_length=1, max_length=100)])
    ] = ("contoso.example",)
    """The tenant's verified domains."""
    sign_ins: Annotated[SampleLog | Unreadable, Readable(SampleLog)] = SampleLog()
    """The sign-in log."""
    people: Annotated[
        tuple[SamplePerson, ...] | Unreadable,
        Readable(Annotated[tuple[Annotated[SamplePerson, Short("way")], ...], Few]),
    ] = ()
    """Who stands behind it, as far as it matters."""
    key_use: Unreadable | None = None
    """`unreadable` where Graph's report on the use of credentials cannot be read."""
    graph_activity: Annotated[SampleActivity | Unreadable, Readable(SampleActivity)] = SampleActivity()
    """What Graph's activity log shows; left out: no call."""
    exposed: Annotated[tuple[Annotated[SampleExposure, Short("tier")], ...], Few] = ()
    """What other incidents found of its credentials."""
    suspects: Annotated[
        Suspicious, Readable(Annotated[tuple[Annotated[SampleSuspect, Short("incident")], ...], Few])
    ] = ()
    """What is known of those who changed it; of whom it says nothing, nothing is known against."""

    def __post_init__(self) -> None:
        if self.kind in _OWN:
            return
        if self.identifier_uris:
            raise ValueError("has identifier-uris, which only the tenant's own applications show")
        audits = () if isinstance(self.audits, str) else self.audits
        holders = [each.on for each in (*self.credentials, *audits)]
        if HolderKind.APPLICATION in holders:
            raise ValueError(f"says on: application, and of kind {self.kind} the application is not in this tenant")
