"""What a sample means: the case that the engine would see. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TypeVar, cast

from shared.audit_grants import APP_ROLE_GIVEN, CONSENTED, DELEGATED_GIVEN, ROLE_GIVEN
from shared.case import (
    PEOPLE_WINDOWS,
    Addresses,
    AppRole,
    AuditRecord,
    Case,
    CouldNotLook,
    DelegatedGrant,
    DirectoryRole,
    FederatedCredential,
    Grants,
    GraphActivity,
    GraphCalls,
    GraphToken,
    Holder,
    HolderKind,
    IdentityState,
    Key,
    KeyUse,
    Known,
    Membership,
    Owner,
    Owners,
    Part,
    Password,
    Provenance,
    RiskDetection,
    RiskState,
    SignIn,
    SignInLog,
)
from shared.conditions.hours import is_in
from shared.identity import IdentityKind, IdentityRef, WorkloadIdentity
from shared.privileges import APP_ROLES, DIRECTORY_ROLES
from shared.sample_actors import with_suspects
from shared.sample_audits import (
    API,
    API_NAME,
    APPLICATION,
    CLIENT,
    CORDON,
    ON_APIS,
    OWN,
    PRINCIPAL,
    STRANGER,
    TENANT,
    added_by,
    made_id,
    owner_id,
    permission_id,
    records_of,
    spelling_of,
    target_of,
)
from shared.sample_people import known_people, people_of, window
from shared.samples import (
    NEVER,
    UNREADABLE,
    Sample,
    SampleActivity,
    SampleAudit,
    SampleCredential,
    SampleDetection,
    SampleGrants,
    SampleLog,
    SampleOwner,
    SampleSignIns,
    SampleToken,
    SampleUsual,
    Unreadable,
)
from shared.signal import Signal

T = TypeVar("T")
U = TypeVar("U")

COULD_NOT_LOOK = CouldNotLook("the sample says that it could not be read")
ANOTHER_TENANT = "5a3b1e00-0000-4000-8000-000000000008"
_MICROSOFTS_TENANT = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
_KEPT = timedelta(days=60)  # how far back a sample's log of sign-ins goes: as long as any baseline
_LATE = timedelta(days=1)  # refused sign-ins are read of the last day
_USUAL = SampleUsual(
    address="192.0.2.10",
    network=64_496,
    country="DE",
    user_agent="python-requests/2.32",
    resource=API_NAME,
    credential=made_id("credential", 0),
    credential_type="clientSecret",
)


def case_of(sample: Sample) -> Case:
    """The case in full. The engine takes one part of it after the other; sample_checks.py does as well."""
    case = Case(
        now=sample.now,
        tenant_id=TENANT,
        subject=IdentityRef(PRINCIPAL),
        signals=(*_exposures(sample), *_heard(sample)),
        own_principals=frozenset({CORDON}),
        identity=COULD_NOT_LOOK if sample.identity else Known(_state(sample)),
        detections=_part(sample.detections, lambda found: tuple(_detections(sample.now, found))),
        risk=_part(sample.risk, lambda risk: RiskState(risk.level, risk.state, "none", None) if risk else None),
        audits=_part(sample.audits, lambda found: _records(sample, found, on_apis=False)),
        grant_audits=_part(sample.audits, lambda found: _records(sample, found, on_apis=True)),
        grants=_part(sample.grants, lambda held: _grants(sample, held)),
        owners=_part(sample.owners, lambda found: _owners(sample, found)),
        domains=_part(sample.domains, frozenset),
        key_use=COULD_NOT_LOOK if sample.key_use else Known(_key_use(sample)),
        sign_ins=_part(sample.sign_ins, lambda log: _log(sample.now, log, refused=False)),
        graph_activity=_part(sample.graph_activity, lambda found: _activity(sample, found)),
        older_sign_ins=_part(sample.sign_ins, lambda log: _log(sample.now, log, refused=False)),
        attempts=_part(sample.sign_ins, lambda log: _log(sample.now, log, refused=True)),
    )
    return _with_people(sample, with_suspects(sample, case))


def _with_people(sample: Sample, case: Case) -> Case:
    """Also those whom owners and records name are there."""
    if isinstance(sample.people, str):
        unread = dict.fromkeys(("people", *(name.value for name in PEOPLE_WINDOWS)), COULD_NOT_LOOK)
        return replace(case, **unread)  # pyright: ignore[reportArgumentType]
    people = tuple(people_of(sample.people, case, registered_here=sample.kind in OWN))
    windows = {name.value: Known(window(people, case.now, name)) for name in PEOPLE_WINDOWS}
    return replace(case, people=Known(known_people(people, case.now)), **windows)  # pyright: ignore[reportArgumentType]


def _activity(sample: Sample, given: SampleActivity) -> GraphActivity:
    now = sample.now
    calls = tuple(GraphCalls("GET", each.path.lower(), 1, now - each.ago) for each in given.calls)
    tokens = tuple(_token(sample, each, number) for number, each in enumerate(given.tokens, 1))
    return GraphActivity(calls, tokens, now - 2 * _KEPT)


def _token(sample: Sample, given: SampleToken, number: int) -> GraphToken:
    """One that nobody signed in for was issued so long ago that its sign-in would be in the log by now."""
    last = sample.now - given.ago
    log = () if isinstance(sample.sign_ins, str) else _log(sample.now, sample.sign_ins, refused=False).records
    found = next((each for each in log if each.at <= last), None) if given.of == "sign-in" else None
    if found is not None and found.token_id:
        return GraphToken(found.token_id, found.at, last, found.at, found.address)
    issued = last - timedelta(hours=3)
    return GraphToken(f"sample-of-nobody-{number}", issued, last, issued, None)


def _part(given: T | Unreadable, make: Callable[[T], U]) -> Part[U]:
    return COULD_NOT_LOOK if given == UNREADABLE else Known(make(cast("T", given)))


def _audits(sample: Sample) -> tuple[SampleAudit, ...]:
    """The records that happened: what they added is there, also where the log itself cannot be read."""
    return () if isinstance(sample.audits, str) else tuple(each for each in sample.audits if each.result == "success")


def _records(sample: Sample, found: Sequence[SampleAudit], *, on_apis: bool) -> tuple[AuditRecord, ...]:
    return tuple(
        record
        for place, audit in enumerate(found)
        if (spelling_of(audit) in ON_APIS) == on_apis
        for record in records_of(sample, audit, place)
    )


# The identity


def _state(sample: Sample) -> IdentityState:
    application = _holder(sample, HolderKind.APPLICATION) if sample.kind in OWN else None
    return IdentityState(
        identity=WorkloadIdentity(PRINCIPAL, CLIENT, APPLICATION if application else None, sample.name, sample.kind),
        enabled=sample.enabled,
        disabled_by_microsoft=None,
        owner_tenant=sample.owner_tenant or _usual_tenant(sample.kind),
        principals=(_holder(sample, HolderKind.SERVICE_PRINCIPAL),),
        application=application,
        instance_lock=None,
        read_at=sample.now,
        deactivated=False if application else None,
        addresses=_addresses(sample) if application else None,
        provenance=_provenance(sample),
    )


def _usual_tenant(kind: IdentityKind) -> str:
    match kind:
        case IdentityKind.FOREIGN:
            return ANOTHER_TENANT
        case IdentityKind.MICROSOFT:
            return _MICROSOFTS_TENANT
        case _:
            return TENANT


def _redirects(sample: Sample) -> tuple[str, ...]:
    return (*sample.redirect_uris, *(uri for audit in _audits(sample) for uri in audit.adds_redirect_uris))


def _addresses(sample: Sample) -> Addresses:
    audits = _audits(sample)
    identifiers = (*sample.identifier_uris, *(uri for audit in audits for uri in audit.adds_identifier_uris))
    web = {"redirectUris": [*_redirects(sample)], "logoutUrl": _sign_out(audits)}
    return Addresses({"web": web, "spa": {}, "publicClient": {}}, identifiers)  # pyright: ignore[reportArgumentType]


def _sign_out(audits: Sequence[SampleAudit]) -> str | None:
    return next((audit.sets_sign_out_url for audit in audits if audit.sets_sign_out_url), None)


def _provenance(sample: Sample) -> Provenance:
    """Of applications that are not registered here, their addresses are on the service principal alone."""
    is_own, publisher = sample.kind in OWN, sample.publisher
    return Provenance(
        publisher_id=publisher.verified,
        publisher_name=publisher.name,
        template_id=publisher.gallery,
        reply_urls=() if is_own else _redirects(sample),
        logout_url=None if is_own else _sign_out(_audits(sample)),
    )


def _holder(sample: Sample, kind: HolderKind) -> Holder:
    held = [each for each in _credentials(sample) if each.on is kind]
    return Holder(
        kind,
        APPLICATION if kind is HolderKind.APPLICATION else PRINCIPAL,
        passwords=tuple(_password(each, sample.now) for each in held if each.type == "secret"),
        keys=tuple(_key(each, sample.now) for each in held if each.type == "certificate"),
        federated=Known(tuple(_trust(each) for each in held if each.type == "federated")),
    )


def _credentials(sample: Sample) -> Iterator[SampleCredential]:
    usual = HolderKind.APPLICATION if sample.kind in OWN else HolderKind.SERVICE_PRINCIPAL
    for number, each in enumerate(sample.credentials):
        yield _placed(each, usual, number)
    for audit in _audits(sample):
        yield from added_by(audit, sample)


def _placed(given: SampleCredential, usual: HolderKind, number: int) -> SampleCredential:
    return replace(given, on=given.on or usual, id=given.id or made_id("credential", number))


def _key_use(sample: Sample) -> KeyUse:
    added = {each.id for audit in _audits(sample) for each in added_by(audit, sample)}
    return KeyUse({str(each.id): _last_used(each, sample.now, new=each.id in added) for each in _credentials(sample)})


def _last_used(given: SampleCredential, now: datetime, *, new: bool) -> datetime | None:
    used = given.used
    if isinstance(used, timedelta):
        return now - used
    return None if used == NEVER or new else now - timedelta(days=1)


def _password(given: SampleCredential, now: datetime) -> Password:
    begun = now - given.added
    return Password(str(given.id), "sample", None, begun, begun + given.valid_for)


def _key(given: SampleCredential, now: datetime) -> Key:
    begun, id_ = now - given.added, str(given.id)
    raw = {"keyId": id_, "usage": "Verify", "type": "AsymmetricX509Cert"}
    return Key(id_, "Verify", "AsymmetricX509Cert", "sample", None, begun, begun + given.valid_for, {**raw})


def _trust(given: SampleCredential) -> FederatedCredential:
    id_ = str(given.id)
    return FederatedCredential(
        id_,
        id_,
        given.issuer,
        given.subject,
        {"id": id_, "issuer": given.issuer, "subject": given.subject, "audiences": [given.audience]},
    )


# What is read around it


def _detections(now: datetime, found: Sequence[SampleDetection]) -> Iterator[RiskDetection]:
    for number, each in enumerate(found, 1):
        at = now - each.ago
        yield RiskDetection(
            f"sample-{number}", each.type, each.level, each.state, "none", each.keys, at, at, at, ip_address=None
        )


def _grants(sample: Sample, held: SampleGrants) -> Grants:
    return Grants(
        _part(held.app_roles, lambda found: (*(_app_role(e.role, sample.now - e.ago) for e in found), *_given(sample))),
        _part(held.delegated, lambda found: (*(_scopes(e.scope, e.for_) for e in found), *_given_scopes(sample))),
        _part(held.directory_roles, lambda found: tuple(map(_directory_role, (*found, *_given_roles(sample))))),
        groups=Known(tuple(_memberships(sample))),
    )


def _memberships(sample: Sample) -> Iterator[Membership]:
    told = {"role-assignable": True, "ordinary": False, "untold": None}
    for audit in _audits(sample):
        if audit.joins:
            yield Membership(made_id("group", audit.joins), f"{audit.joins} group", told[audit.joins])


def _given(sample: Sample) -> Iterator[AppRole]:
    for audit in _audits(sample):
        if spelling_of(audit) == APP_ROLE_GIVEN:
            yield from (_app_role(name, sample.now - audit.ago) for name in audit.gives or ())


def _given_scopes(sample: Sample) -> Iterator[DelegatedGrant]:
    for audit in _audits(sample):
        if spelling_of(audit) in (DELEGATED_GIVEN, CONSENTED):
            yield _scopes(" ".join(audit.gives or ()), audit.for_)


def _given_roles(sample: Sample) -> list[str]:
    return [name for audit in _audits(sample) if spelling_of(audit) in ROLE_GIVEN for name in audit.gives or ()]


def _app_role(name: str, at: datetime) -> AppRole:
    id_ = permission_id(name, APP_ROLES)
    return AppRole(made_id("app-role", id_), id_, API, API_NAME, at)


def _scopes(scope: str, for_: str) -> DelegatedGrant:
    everybody = for_ == "everybody"
    type_, user = ("AllPrincipals", None) if everybody else ("Principal", STRANGER)
    return DelegatedGrant(made_id("scopes", scope, for_), type_, user, API, scope)


def _directory_role(name: str) -> DirectoryRole:
    id_ = permission_id(name, DIRECTORY_ROLES)
    return DirectoryRole(made_id("directory-role", id_), id_, name, "/", None)


def _owners(sample: Sample, found: Sequence[SampleOwner]) -> Owners:
    usual = HolderKind.APPLICATION if sample.kind in OWN else HolderKind.SERVICE_PRINCIPAL
    placed = [(each.on or usual, _owner(each, number)) for number, each in enumerate(found, 1)]
    placed += [
        (target_of(audit, sample), _owner(audit.adds_owner, "added", audit.ago))
        for audit in _audits(sample)
        if audit.adds_owner
    ]
    return Owners(
        Known(tuple(owner for on, owner in placed if on is HolderKind.APPLICATION)),
        Known(tuple(owner for on, owner in placed if on is HolderKind.SERVICE_PRINCIPAL)),
    )


def _owner(given: SampleOwner, *words: object) -> Owner:
    type_ = "user" if given.type == "user" else "servicePrincipal"
    return Owner(owner_id(given, *words), type_, "an owner")


def _exposures(sample: Sample) -> Iterator[Signal]:
    for number, each in enumerate(sample.exposed, 1):
        facts = {"incident": "sample", "vault": "sample", "secret": f"secret-{number}", "tier": each.tier}
        at = sample.now - each.ago
        yield Signal("exposed-secret", f"sample-{number}", IdentityRef(client_id=CLIENT), at, "a sample", {**facts})


def _heard(sample: Sample) -> Iterator[Signal]:
    """What opens an incident: each detection and each record. Where a log cannot be read, something has told of it."""
    told = (
        ("risk-detection", _part(sample.detections, lambda found: [each.ago for each in found])),
        ("directory-audit", _part(sample.audits, lambda found: [each.ago for each in found])),
    )
    for source, part in told:
        for number, ago in enumerate(part.value if isinstance(part, Known) else [timedelta()], 1):
            yield Signal(source, f"sample-{number}", IdentityRef(PRINCIPAL), sample.now - ago, "a sample")


# Sign-ins


def _log(now: datetime, log: SampleLog, *, refused: bool) -> SignInLog:
    """Newest first. Of the whole time the tokens that were issued; of the last day also what was refused."""
    usual = log.usual or _USUAL
    found = [*_then(now, log, usual), *(_past(now, log.usual) if log.usual else ())]
    found.sort(key=lambda each: (each.at, each.id), reverse=True)
    if refused:
        return SignInLog(tuple(each for each in found if each.at >= now - _LATE), now - _LATE)
    return SignInLog(tuple(each for each in found if each.error_code == 0), now - _KEPT)


@lru_cache(maxsize=256)
def _past(now: datetime, usual: SampleUsual) -> tuple[SignIn, ...]:
    """Up to 2000 sign-ins, asked for three times a sample; most samples of a policy have the same past."""
    found: list[SignIn] = []
    ago = usual.until
    while ago <= usual.over:
        at = now - ago
        if is_in(at, usual.hours, usual.days, timedelta()):
            found.append(_sign_in(f"usual-{ago}", at, 0, usual, usual))
        ago += usual.every
    return tuple(found)


def _then(now: datetime, log: SampleLog, usual: SampleUsual) -> Iterator[SignIn]:
    for place, each in enumerate(log.then, 1):
        for number in range(each.times):
            at = now - each.ago * (each.times - number) / each.times
            yield _sign_in(f"then-{place}-{number + 1}", at, each.error, each, usual)


def _sign_in(id_: str, at: datetime, error: int, given: SampleSignIns, usual: SampleSignIns) -> SignIn:
    def of(name: str) -> str | None:
        return next((v for each in (given, usual, _USUAL) if (v := getattr(each, name)) is not None), None)

    resource, network = of("resource"), of("network")
    return SignIn(
        id=f"sample-{id_}",
        token_id=f"sample-token-{id_}" if error == 0 else None,
        at=at,
        error_code=error,
        address=of("address"),
        credential_id=of("credential"),
        credential_type=of("credential_type"),
        resource=resource,
        resource_id=made_id("resource", resource),
        network=int(network) if network is not None else None,
        country=of("country"),
        user_agent=of("user_agent"),
    )
