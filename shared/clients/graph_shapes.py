"""
From Graph's JSON to the words of a case. What is missing or of another type is an error, never a default.

Facts: Graph docs serviceprincipal-get, application-get and the v1.0 metadata.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from shared.case import (
    Account,
    Addresses,
    AppRole,
    DelegatedGrant,
    DirectoryRole,
    FederatedCredential,
    Holder,
    HolderKind,
    IdentityState,
    Key,
    KeyUse,
    Membership,
    Owner,
    Part,
    Password,
    Provenance,
    RiskPolicy,
    SignIn,
    UserSignIn,
)
from shared.identity import (
    MICROSOFT_TENANTS,
    AppObjectId,
    ClientId,
    IdentityKind,
    PrincipalId,
    WorkloadIdentity,
    canonical_guid,
    shown_at_sign_in,
)
from shared.signal import JsonObject, JsonValue
from shared.tenant import RISK_POLICY
from shared.untrusted import NAME, one_line


class Unreadable(Exception):
    """An answer lacks something that it must have, or has it in another shape."""


def guid_of(record: JsonObject, name: str) -> str:
    try:
        return canonical_guid(record.get(name))
    except ValueError:
        raise Unreadable(f"{name} is not a GUID") from None


def optional_guid_of(record: JsonObject, name: str) -> str | None:
    return None if record.get(name) is None else guid_of(record, name)


def text_of(record: JsonObject, name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise Unreadable(f"{name} is not there")
    return value


def optional_text_of(record: JsonObject, name: str) -> str | None:
    value = record.get(name)
    if value is None or isinstance(value, str):
        return value
    raise Unreadable(f"{name} is not there")


def flag_of(record: JsonObject, name: str) -> bool:
    value = record.get(name)
    if not isinstance(value, bool):
        raise Unreadable(f"{name} is neither true nor false")
    return value


def objects_of(record: JsonObject, name: str) -> list[JsonObject]:
    value = record.get(name)
    if not isinstance(value, list):
        raise Unreadable(f"{name} is not a list")
    found = [each for each in value if isinstance(each, dict)]
    if len(found) != len(value):
        raise Unreadable(f"{name} holds something that is no object")
    return found


def texts_of(record: JsonObject, name: str) -> tuple[str, ...]:
    value = record.get(name)
    if not isinstance(value, list):
        raise Unreadable(f"{name} is not a list")
    found = tuple(each for each in value if isinstance(each, str))
    if len(found) != len(value):
        raise Unreadable(f"{name} holds something that is no text")
    return found


def optional_texts_of(record: JsonObject, name: str) -> tuple[str, ...]:
    """The texts of a list; none where it is null or not there."""
    return () if record.get(name) is None else texts_of(record, name)


def time_of(record: JsonObject, name: str) -> datetime | None:
    """A moment in UTC. Graph writes up to seven digits of a second."""
    text = optional_text_of(record, name)
    return None if text is None else read_time(text)


def read_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("a time is not readable") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def sign_in_of(record: JsonObject, principal: str, error_code: int | None = None) -> SignIn:
    """
    A record of the sign-in log; Unreadable also if it is about anything but what was asked for. `error_code` None:
    any was.
    """
    found = _sign_in(record)
    if error_code not in (None, found.error_code) or guid_of(record, "servicePrincipalId") != principal:
        raise Unreadable("a sign-in is of another identity or error code than was asked for")
    return found


def _sign_in(record: JsonObject) -> SignIn:
    """What a record of the sign-in log tells, whoever it is of."""
    status, at = record.get("status"), time_of(record, "createdDateTime")
    code = status.get("errorCode") if isinstance(status, dict) else None
    if at is None or not isinstance(code, int) or isinstance(code, bool):
        raise Unreadable("a sign-in lacks its time or its error code")
    key = optional_text_of(record, "servicePrincipalCredentialKeyId")
    federated = optional_text_of(record, "federatedCredentialId")
    network, location = record.get("autonomousSystemNumber"), record.get("location")
    return SignIn(
        id=text_of(record, "id"),
        at=at,
        error_code=code,
        address=optional_text_of(record, "ipAddress") or None,
        credential_id=shown_at_sign_in(key, federated),
        credential_type=optional_text_of(record, "clientCredentialType"),
        resource=optional_text_of(record, "resourceDisplayName"),
        resource_id=optional_text_of(record, "resourceId") or None,
        network=network if isinstance(network, int) and not isinstance(network, bool) and network > 0 else None,
        country=optional_text_of(location, "countryOrRegion") or None if isinstance(location, dict) else None,
        user_agent=optional_text_of(record, "userAgent") or None,
        thumbprint=optional_text_of(record, "servicePrincipalCredentialThumbprint") or None,
        token_id=optional_text_of(record, "uniqueTokenIdentifier") or None,
    )


def user_sign_in_of(record: JsonObject, user: str) -> UserSignIn:
    """An interactive sign-in of this user; Unreadable if it is anybody else's."""
    if guid_of(record, "userId") != user:
        raise Unreadable("a sign-in is of another user than was asked for")
    return UserSignIn(
        record=_sign_in(record),
        protocol=optional_text_of(record, "authenticationProtocol") or None,
        risk_level=_folded(optional_text_of(record, "riskLevelDuringSignIn")),
        risk_state=optional_text_of(record, "riskState") or None,
    )


def _folded(text: str | None) -> str | None:
    return text.lower() if text else None


def account_of(record: JsonObject) -> Account:
    """A user. Who may not read the switch gets null for it, which is not known."""
    enabled, name = record.get("accountEnabled"), optional_text_of(record, "userPrincipalName")
    return Account(
        name=one_line(name or optional_text_of(record, "displayName") or guid_of(record, "id"), NAME),
        enabled=enabled if isinstance(enabled, bool) else None,
        type=optional_text_of(record, "userType"),
        mail=optional_text_of(record, "mail") or None,
    )


def role_group_of(record: JsonObject) -> str | None:
    """
    The id of a group that roles can be assigned to. An ordinary one says false or nothing; one that may not be read
    says nothing but its id, and may be one.
    """
    if record.get("@odata.type") != "#microsoft.graph.group":
        return None
    may = record.get("isAssignableToRole") is True or record.get("displayName") is None
    return guid_of(record, "id") if may else None


def key_use_of(records: Sequence[JsonObject], client: str) -> KeyUse:
    """
    Of several entries of one key (it may be on both objects, or used for several resources) the last use counts.
    """
    last = dict[str, datetime | None]()
    for record in records:
        if guid_of(record, "appId") != client:
            raise Unreadable("the use of another application's credentials than was asked for")
        key, used = guid_of(record, "keyId"), time_of(_object_of(record, "signInActivity"), "lastSignInDateTime")
        last[key] = max(filter(None, (last.get(key), used)), default=None)
    return KeyUse(last)


def password_of(record: JsonObject) -> Password:
    return Password(
        key_id=guid_of(record, "keyId"),
        display_name=optional_text_of(record, "displayName"),
        custom_key_identifier=optional_text_of(record, "customKeyIdentifier"),
        start=time_of(record, "startDateTime"),
        end=time_of(record, "endDateTime"),
        hint=optional_text_of(record, "hint"),
    )


def key_of(record: JsonObject) -> Key:
    return Key(
        key_id=guid_of(record, "keyId"),
        usage=text_of(record, "usage"),
        type=text_of(record, "type"),
        display_name=optional_text_of(record, "displayName"),
        custom_key_identifier=optional_text_of(record, "customKeyIdentifier"),
        start=time_of(record, "startDateTime"),
        end=time_of(record, "endDateTime"),
        raw=record,
    )


def public_keys_of(record: JsonObject) -> dict[str, str]:
    """
    The public part (base64 of DER) of each certificate of an object that was read with its keys, by key id. A
    symmetric key is no public part: it is left out unread.
    """
    return dict(pair for entry in objects_of(record, "keyCredentials") for pair in _public_part(entry))


def _public_part(entry: JsonObject) -> Iterator[tuple[str, str]]:
    """Only what is a certificate by its type and by its bytes: DER begins with a sequence."""
    if entry.get("type") != "AsymmetricX509Cert" or entry.get("usage") != "Verify":
        return
    key_id, key = entry.get("keyId"), entry.get("key")
    try:
        if isinstance(key_id, str) and isinstance(key, str) and b64decode(key, validate=True)[:1] == b"\x30":
            yield key_id, key
    except ValueError:
        return  # not base64, so not a certificate: it is told as lost


def federated_of(record: JsonObject) -> FederatedCredential:
    return FederatedCredential(
        id=text_of(record, "id"),
        name=text_of(record, "name"),
        issuer=text_of(record, "issuer"),
        subject=optional_text_of(record, "subject"),
        raw=record,
    )


def federated_all(records: Sequence[JsonObject]) -> tuple[FederatedCredential, ...]:
    return tuple(federated_of(each) for each in records)


def credentials_of(record: JsonObject) -> tuple[tuple[Password, ...], tuple[Key, ...]]:
    """The secrets and certificates on an object."""
    passwords = tuple(password_of(each) for each in objects_of(record, "passwordCredentials"))
    return passwords, tuple(key_of(each) for each in objects_of(record, "keyCredentials"))


def holder_of(kind: HolderKind, record: JsonObject, federated: Part[tuple[FederatedCredential, ...]]) -> Holder:
    object_id = guid_of(record, "id")
    passwords, keys = credentials_of(record)
    return Holder(
        kind=kind,
        object_id=object_id,
        passwords=passwords,
        keys=keys,
        federated=federated,
        token_encryption_key_id=optional_text_of(record, "tokenEncryptionKeyId"),
        signing_thumbprint=optional_text_of(record, "preferredTokenSigningKeyThumbprint"),
        single_sign_on=optional_text_of(record, "preferredSingleSignOnMode"),
        tags=texts_of(record, "tags") if "tags" in record else (),
    )


def state_of(
    principal: JsonObject,
    application: JsonObject | None,
    *,
    federated_of_principal: Part[tuple[FederatedCredential, ...]],
    federated_of_application: Part[tuple[FederatedCredential, ...]],
    tenant_id: str,
    read_at: datetime,
    siblings: tuple[Holder, ...] = (),
) -> IdentityState:
    """An identity as its two objects show it; `siblings` are further service principals of the application."""
    return IdentityState(
        identity=_workload(principal, application, tenant_id),
        enabled=flag_of(principal, "accountEnabled"),
        disabled_by_microsoft=optional_text_of(principal, "disabledByMicrosoftStatus"),
        owner_tenant=optional_guid_of(principal, "appOwnerOrganizationId"),
        principals=(holder_of(HolderKind.SERVICE_PRINCIPAL, principal, federated_of_principal), *siblings),
        application=(
            None if application is None else holder_of(HolderKind.APPLICATION, application, federated_of_application)
        ),
        instance_lock=lock_of(application),
        read_at=read_at,
        deactivated=deactivated_of(application),
        addresses=addresses_of(application),
        provenance=provenance_of(principal),
    )


def _workload(principal: JsonObject, application: JsonObject | None, tenant_id: str) -> WorkloadIdentity:
    return WorkloadIdentity(
        principal_id=PrincipalId(guid_of(principal, "id")),
        client_id=ClientId(guid_of(principal, "appId")),
        app_object_id=AppObjectId(guid_of(application, "id")) if application is not None else None,
        display_name=optional_text_of(principal, "displayName") or "",
        kind=kind_of(principal, application, tenant_id),
    )


def lock_of(application: JsonObject | None) -> JsonObject | None:
    lock: JsonValue = (application or {}).get("servicePrincipalLockConfiguration")
    return lock if isinstance(lock, dict) else None


def deactivated_of(application: JsonObject | None) -> bool | None:
    """isDisabled: null means that nobody ever set it; None that the answer does not say."""
    if application is None or "isDisabled" not in application:
        return None
    return application["isDisabled"] is not None and flag_of(application, "isDisabled")


def addresses_of(application: JsonObject | None) -> Addresses | None:
    """The addresses of an application; None if there is none, or one of them has a shape not known here."""
    if application is None:
        return None
    try:
        platforms = {name: _object_of(application, name) for name in ("web", "spa", "publicClient")}
        for platform in platforms.values():
            optional_texts_of(platform, "redirectUris")
        optional_text_of(platforms["web"], "logoutUrl")
        return Addresses(dict(platforms), optional_texts_of(application, "identifierUris"))
    except Unreadable:
        return None


def provenance_of(principal: JsonObject) -> Provenance | None:
    """Where a service principal comes from; None if the answer lacks it, or has it in a shape not known here."""
    if "verifiedPublisher" not in principal:
        return None
    try:
        publisher = _object_of(principal, "verifiedPublisher")
        return Provenance(
            publisher_id=optional_text_of(publisher, "verifiedPublisherId") or None,
            publisher_name=optional_text_of(publisher, "displayName") or None,
            template_id=optional_guid_of(principal, "applicationTemplateId"),
            reply_urls=optional_texts_of(principal, "replyUrls"),
            logout_url=optional_text_of(principal, "logoutUrl") or None,
        )
    except Unreadable:
        return None


def app_role_of(record: JsonObject, principal: str) -> AppRole:
    _held_by(record, "principalId", principal)
    return AppRole(
        id=text_of(record, "id"),
        role_id=guid_of(record, "appRoleId"),
        resource_id=guid_of(record, "resourceId"),
        resource_name=optional_text_of(record, "resourceDisplayName") or "",
        created=time_of(record, "createdDateTime"),
    )


def delegated_of(record: JsonObject, principal: str) -> DelegatedGrant:
    _held_by(record, "clientId", principal)
    return DelegatedGrant(
        id=text_of(record, "id"),
        consent_type=text_of(record, "consentType"),
        user_id=optional_guid_of(record, "principalId"),
        resource_id=guid_of(record, "resourceId"),
        scope=optional_text_of(record, "scope") or "",
    )


def directory_role_of(record: JsonObject, principal: str) -> DirectoryRole:
    _held_by(record, "principalId", principal)
    definition = record.get("roleDefinition")
    built_in = definition.get("isBuiltIn") if isinstance(definition, dict) else None
    return DirectoryRole(
        id=text_of(record, "id"),
        role_id=text_of(record, "roleDefinitionId"),
        role_name=optional_text_of(definition, "displayName") if isinstance(definition, dict) else None,
        scope=optional_text_of(record, "directoryScopeId"),
        app_scope=optional_text_of(record, "appScopeId"),
        built_in=built_in if isinstance(built_in, bool) else None,
        actions=_actions_of(definition) if isinstance(definition, dict) else None,
    )


def may_give_roles(member_of: JsonObject) -> bool:
    """
    Of what something is a member of: whether it is a group to which roles can be assigned. An ordinary group says
    false or nothing there; one that Cordon may not read says nothing but its id.
    """
    is_group = member_of.get("@odata.type") == "#microsoft.graph.group"
    return is_group and (member_of.get("isAssignableToRole") is True or member_of.get("displayName") is None)


def membership_of(member_of: JsonObject) -> Membership | None:
    """A group that something is in; None for a directory role or an administrative unit."""
    if member_of.get("@odata.type") != "#microsoft.graph.group":
        return None
    may, name = may_give_roles(member_of), optional_text_of(member_of, "displayName")
    is_told = member_of.get("isAssignableToRole") is True or not may
    return Membership(guid_of(member_of, "id"), name, may if is_told else None)


def _actions_of(definition: JsonObject) -> tuple[str, ...] | None:
    """What a role may do, whatever narrows it; None if the answer does not tell, or not in a shape known here."""
    permissions, found = definition.get("rolePermissions"), list[str]()
    for each in permissions if isinstance(permissions, list) else [None]:
        actions = each.get("allowedResourceActions") if isinstance(each, dict) else None
        if not isinstance(actions, list):
            return None
        texts = [action for action in actions if isinstance(action, str)]
        if len(texts) < len(actions):
            return None
        found += texts
    return tuple(found)


def _held_by(record: JsonObject, name: str, principal: str) -> None:
    """What is another one's is not taken away because a list shows it."""
    if guid_of(record, name) != principal:
        raise Unreadable(f"a list of what {principal} holds shows something of another identity")


def owner_of(record: JsonObject) -> Owner:
    kind = optional_text_of(record, "@odata.type")
    return Owner(
        id=guid_of(record, "id"),
        type=kind.rsplit(".", 1)[-1] if kind else None,
        name=optional_text_of(record, "displayName"),
    )


def own_policies(records: Sequence[JsonObject]) -> list[JsonObject]:
    """The policies that carry the name of Cordon's own."""
    return [record for record in records if record.get("displayName") == RISK_POLICY]


def risk_policy_of(record: JsonObject) -> RiskPolicy:
    conditions = _object_of(record, "conditions")
    clients = _object_of(conditions, "clientApplications")
    return RiskPolicy(
        id=guid_of(record, "id"),
        state=text_of(record, "state"),
        included=optional_texts_of(clients, "includeServicePrincipals"),
        excluded=optional_texts_of(clients, "excludeServicePrincipals"),
        risk_levels=optional_texts_of(conditions, "servicePrincipalRiskLevels"),
        resources=optional_texts_of(_object_of(conditions, "applications"), "includeApplications"),
        blocks=optional_texts_of(_object_of(record, "grantControls"), "builtInControls") == ("block",),
        other=_limits_of(conditions),
    )


_OURS = {"clientAppTypes", "applications", "clientApplications", "servicePrincipalRiskLevels"}
_WITHIN = {"includeApplications", "includeServicePrincipals", "excludeServicePrincipals"}


def _limits_of(conditions: JsonObject) -> tuple[str, ...]:
    """What else is set in the conditions, and so lets the policy apply to less than Cordon meant."""
    inner = {**_object_of(conditions, "applications"), **_object_of(conditions, "clientApplications")}
    outer = {name: value for name, value in conditions.items() if name not in _OURS}
    within = {name: value for name, value in inner.items() if name not in _WITHIN}
    return tuple(
        sorted(name for name, value in {**outer, **within}.items() if "@" not in name and _says_anything(value))
    )


def _says_anything(value: JsonValue) -> bool:
    if isinstance(value, dict):
        return any(_says_anything(each) for each in value.values())
    return value not in (None, [], "", "none")


def _object_of(record: JsonObject, name: str) -> JsonObject:
    """The object under this name, {} where it is null or not there."""
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is not an object")
    return value


def is_managed_identity(principal: JsonObject) -> bool:
    return principal.get("servicePrincipalType") == "ManagedIdentity"


def is_owned_elsewhere(principal: JsonObject, tenant_id: str) -> bool:
    """Surely registered in another tenant. An owner that Graph does not name is not sure."""
    owner = optional_guid_of(principal, "appOwnerOrganizationId")
    return owner is not None and owner != tenant_id


def kind_of(principal: JsonObject, application: JsonObject | None, tenant_id: str) -> IdentityKind:
    """
    What sort of identity this is, by what Graph shows and by nothing else.

        agent type on either object                 agent
        servicePrincipalType ManagedIdentity        managed-identity
        owner is this tenant, or no owner is named
          and the application is here               own, by signInAudience
        owner is one of Microsoft's tenants         microsoft
        anything else                               foreign
    """
    if _is_agent(principal) or _is_agent(application or {}):
        return IdentityKind.AGENT
    if is_managed_identity(principal):
        return IdentityKind.MANAGED_IDENTITY
    owner = optional_guid_of(principal, "appOwnerOrganizationId")
    if owner == tenant_id or (owner is None and application is not None):
        return _own(application or principal)
    return IdentityKind.MICROSOFT if owner in MICROSOFT_TENANTS else IdentityKind.FOREIGN


def _own(holder: Mapping[str, JsonValue]) -> IdentityKind:
    """Only AzureADMyOrg is single-tenant. An audience that Graph does not name is not taken for that."""
    single = holder.get("signInAudience") == "AzureADMyOrg"
    return IdentityKind.OWN_SINGLE_TENANT if single else IdentityKind.OWN_MULTI_TENANT


def _is_agent(record: JsonObject) -> bool:
    named = (record.get("@odata.type"), record.get("servicePrincipalType"))
    return any(isinstance(name, str) and "agentidentity" in name.lower() for name in named)
