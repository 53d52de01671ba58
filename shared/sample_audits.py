"""
The audit records of a sample, put together as the log writes them and read by the log's own reader. Pure.

Facts about their shapes: shared/audit.py and shared/audit_grants.py.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from shared.audit import normalise_activity, read_audit
from shared.audit_grants import APP_ROLE_GIVEN, CONSENTED, DELEGATED_GIVEN, ROLE_GIVEN
from shared.case import AuditRecord, HolderKind
from shared.identity import AppObjectId, ClientId, IdentityKind, PrincipalId
from shared.privileges import APP_ROLES, DIRECTORY_ROLES, Privilege
from shared.samples import Sample, SampleActor, SampleAudit, SampleCredential, SampleOwner
from shared.signal import JsonObject, JsonValue

TENANT = "5a3b1e00-0000-4000-8000-000000000001"
CLIENT = ClientId("5a3b1e00-0000-4000-8000-000000000002")
PRINCIPAL = PrincipalId("5a3b1e00-0000-4000-8000-000000000003")
APPLICATION = AppObjectId("5a3b1e00-0000-4000-8000-000000000004")
CORDON = "5a3b1e00-0000-4000-8000-000000000005"
STRANGER = "5a3b1e00-0000-4000-8000-000000000006"  # a person
STRANGE_APPLICATION = "5a3b1e00-0000-4000-8000-000000000007"
API, API_NAME = "5a3b1e00-0000-4000-8000-000000000009", "Microsoft Graph"

ON_APIS = frozenset({APP_ROLE_GIVEN, DELEGATED_GIVEN})
OWN = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT)
_ADDING_A_SECRET = frozenset(
    normalise_activity(each)
    for each in (
        "Update application - Certificates and secrets management",
        "Create application - Certificates and secrets management",
        "Add service principal credentials",
        "Update external secrets",
    )
)
_KEY_TYPES = {"secret": "Password", "certificate": "AsymmetricX509Cert"}
_NAMES = {HolderKind.APPLICATION: "Application", HolderKind.SERVICE_PRINCIPAL: "ServicePrincipal"}


def made_id(*words: object) -> str:
    """An id that nobody gave, always the same for the same words."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def permission_id(name: str, catalogue: Mapping[str, Privilege]) -> str:
    """The id of a permission by its name in the catalogue; what is not in it keeps the id that it is given by."""
    if name in catalogue:
        return name
    folded = name.casefold()
    return next((id_ for id_, each in catalogue.items() if each.name.casefold() == folded), None) or made_id(folded)


def owner_id(given: SampleOwner, *words: object) -> str:
    """The object id of an owner: made up where nothing else refers to it."""
    return PRINCIPAL if given.type == "itself" else given.id or made_id("owner", given.type, *words)


def spelling_of(audit: SampleAudit) -> str:
    return normalise_activity(audit.activity)


def added_by(audit: SampleAudit, sample: Sample) -> tuple[SampleCredential, ...]:
    """The credentials that a record adds: they begin when it happened, on the object that it is about."""
    adds = audit.adds
    if adds is None:
        adds = (SampleCredential("secret"),) if spelling_of(audit) in _ADDING_A_SECRET else ()
    place = 0 if isinstance(sample.audits, str) else sample.audits.index(audit)
    return tuple(
        replace(each, added=audit.ago, on=target_of(audit, sample), id=each.id or made_id("added", place, number))
        for number, each in enumerate(adds)
    )


def target_of(audit: SampleAudit, sample: Sample) -> HolderKind:
    """The object that a record is about: as it says, else as its activity does."""
    if audit.on is not None:
        return audit.on
    spelling = spelling_of(audit)
    is_own = sample.kind in OWN and "application" in spelling and spelling != CONSENTED
    return HolderKind.APPLICATION if is_own else HolderKind.SERVICE_PRINCIPAL


def records_of(sample: Sample, audit: SampleAudit, place: int) -> Iterator[AuditRecord]:
    """The records of one entry: the log writes one for each role that is given."""
    for number, properties in enumerate(_properties(sample, audit)):
        at = sample.now - audit.ago
        yield read_audit(
            {
                "id": f"sample-{place + 1}-{number + 1}",
                "activityDisplayName": audit.activity,
                "activityDateTime": at.isoformat(),
                "result": audit.result,
                "correlationId": audit.change or f"sample-{place + 1}",
                "initiatedBy": _actor(audit.by),
                "targetResources": [_target(sample, audit, properties)],
            }
        )


def _actor(by: SampleActor) -> JsonObject:
    if by.user:
        return {"user": {"id": by.user}, "app": None}
    if by.application:
        return {"user": None, "app": {"servicePrincipalId": by.application}}
    match by.who:
        case "stranger":
            return {"user": {"id": STRANGER, "userPrincipalName": "stranger@contoso.example"}, "app": None}
        case "application":
            return {"user": None, "app": {"servicePrincipalId": STRANGE_APPLICATION}}
        case "itself":
            return {"user": None, "app": {"servicePrincipalId": PRINCIPAL}}
        case "cordon":
            return {"user": None, "app": {"servicePrincipalId": CORDON}}
        case "unnamed":
            return {"user": None, "app": None}


def _target(sample: Sample, audit: SampleAudit, properties: list[JsonValue]) -> JsonObject:
    """Permissions are given on the API that is opened up; everything else is on the identity's own objects."""
    if spelling_of(audit) in ON_APIS:
        return {"id": API, "type": "ServicePrincipal", "displayName": API_NAME, "modifiedProperties": properties}
    on = target_of(audit, sample)
    id_ = APPLICATION if on is HolderKind.APPLICATION else PRINCIPAL
    return {"id": id_, "type": _NAMES[on], "displayName": sample.name, "modifiedProperties": properties}


def _properties(sample: Sample, audit: SampleAudit) -> Iterator[list[JsonValue]]:
    """What each record changed."""
    spelling, gives = spelling_of(audit), audit.gives or ()
    if spelling == APP_ROLE_GIVEN:
        yield from ([*_client(), *_app_role(name)] for name in gives)
    elif spelling in ROLE_GIVEN:
        yield from (_directory_role(name) for name in gives)
    elif spelling == DELEGATED_GIVEN:
        yield [*_client(), *_scopes(audit, " ".join(gives))]
    elif spelling == CONSENTED:
        yield _consent(audit, " ".join(gives), sample.now - audit.ago)
    else:
        told = [
            *_credentials(sample, audit),
            *_owner(sample, audit),
            *_group(audit),
            *_addresses(audit),
            *_others(audit),
        ]
        yield told or [_RENAMED]


def _changed(name: str, new: object, old: object = "") -> JsonObject:
    """A modified property; values that are not texts are JSON within a text, as in the log."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in (old, new)]
    return {"displayName": name, "oldValue": texts[0], "newValue": texts[1]}


_RENAMED = _changed("DisplayName", ["sample"], ["another name"])
"""Stands for whatever was changed where a sample does not say it: an edit that changes nothing is an echo."""


def _client() -> list[JsonValue]:
    return [_changed("ServicePrincipal.ObjectID", f'"{PRINCIPAL}"'), _changed("ServicePrincipal.AppId", f'"{CLIENT}"')]


def _app_role(name: str) -> list[JsonValue]:
    return [_changed("AppRole.Id", f'"{permission_id(name, APP_ROLES)}"'), _changed("AppRole.Value", f'"{name}"')]


def _directory_role(name: str) -> list[JsonValue]:
    id_ = permission_id(name, DIRECTORY_ROLES)
    return [_changed("Role.TemplateId", f'"{id_}"'), _changed("Role.DisplayName", json.dumps(name))]


def _type_of_consent(audit: SampleAudit) -> str:
    return "AllPrincipals" if audit.for_ == "everybody" else "Principal"


def _scopes(audit: SampleAudit, scopes: str) -> list[JsonValue]:
    return [
        _changed("DelegatedPermissionGrant.Scope", json.dumps(scopes)),
        _changed("DelegatedPermissionGrant.ConsentType", f'"{_type_of_consent(audit)}"'),
    ]


def _consent(audit: SampleAudit, scopes: str, at: datetime) -> list[JsonValue]:
    for_all = audit.for_ == "everybody"
    user = "" if for_all else STRANGER
    entry = (
        f"[Id: {made_id(scopes)}, ClientId: {PRINCIPAL}, PrincipalId: {user}, ResourceId: {API}, "
        f"ConsentType: {_type_of_consent(audit)}, Scope: {scopes}, CreatedDateTime: {at:%m/%d/%Y %H:%M:%S}]"
    )
    return [
        _changed("ConsentContext.IsAdminConsent", f'"{for_all}"'),
        _changed("ConsentContext.OnBehalfOfAll", f'"{for_all}"'),
        _changed("ConsentAction.Permissions", json.dumps(f"[] => [{entry}]")),
    ]


def _credentials(sample: Sample, audit: SampleAudit) -> list[JsonValue]:
    added = added_by(audit, sample)
    keys = [
        f"[KeyIdentifier={each.id},KeyType={_KEY_TYPES[each.type]},KeyUsage=Verify,DisplayName=sample]"
        for each in added
        if each.type in _KEY_TYPES
    ]
    trusts = [
        {"Name": each.id, "Issuer": each.issuer, "Subject": each.subject} for each in added if each.type == "federated"
    ]
    told: list[JsonValue] = [_changed("KeyDescription", keys, [])] if keys else []
    return [*told, _changed("FederatedIdentityCredentials", trusts, [])] if trusts else told


def _owner(sample: Sample, audit: SampleAudit) -> Iterator[JsonValue]:
    if audit.adds_owner:
        name = f"{_NAMES[target_of(audit, sample)]}.ObjectID"
        yield _changed(name, json.dumps(owner_id(audit.adds_owner, "added", audit.ago)))


def _group(audit: SampleAudit) -> Iterator[JsonValue]:
    if audit.joins:
        yield _changed("Group.ObjectID", json.dumps(made_id("group", audit.joins)))


def _addresses(audit: SampleAudit) -> Iterator[JsonValue]:
    if audit.adds_redirect_uris:
        entries = [{"AddressType": 0, "Address": uri, "ReplyAddressClientType": 1} for uri in audit.adds_redirect_uris]
        yield _changed("AppAddress", entries, [])
    if audit.adds_identifier_uris:
        yield _changed("IdentifierUris", [*audit.adds_identifier_uris], [])
    if audit.sets_sign_out_url:
        yield _changed("LogoutUrl", [audit.sets_sign_out_url], [])


def _others(audit: SampleAudit) -> Iterator[JsonValue]:
    for name, value in (audit.properties or {}).items():
        yield _changed(name, value.new, value.old)
