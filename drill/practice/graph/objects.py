"""How Graph shows applications and service principals, and what of them can be asked for and changed."""

from collections.abc import Mapping
from typing import cast

from drill.practice.directory import APPLICATION, POLICY, SERVICE_PRINCIPAL, Entry
from drill.practice.odata import Documented, bad_request, read_select
from drill.practice.shapes import JsonObject, dump
from drill.practice.state import TenantState
from drill.practice.web import Answer, Refusal, Request

SETS = {APPLICATION: "applications", SERVICE_PRINCIPAL: "servicePrincipals"}
# As audit records spell them.
NAMES = {APPLICATION: "Application", SERVICE_PRINCIPAL: "ServicePrincipal", POLICY: "Policy"}

# name -> default, or None. Null unless selected: customSecurityAttributes, and `key` within keyCredentials.
_SHARED: JsonObject = {
    "id": None,
    "deletedDateTime": None,
    "appId": None,
    "addIns": [],
    "appRoles": [],
    "createdDateTime": None,
    "description": None,
    "disabledByMicrosoftStatus": None,
    "displayName": None,
    "info": {
        "termsOfServiceUrl": None,
        "supportUrl": None,
        "privacyStatementUrl": None,
        "marketingUrl": None,
        "logoUrl": None,
    },
    "isDisabled": None,
    "keyCredentials": [],
    "notes": None,
    "passwordCredentials": [],
    "samlMetadataUrl": None,
    "signInAudience": "AzureADMyOrg",
    "tags": [],
    "tokenEncryptionKeyId": None,
    "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None},
}
DEFAULTS: dict[str, JsonObject] = {
    SERVICE_PRINCIPAL: {
        **_SHARED,
        "accountEnabled": True,
        "alternativeNames": [],
        "appDescription": None,
        "appDisplayName": None,
        "appOwnerOrganizationId": None,
        "appRoleAssignmentRequired": False,
        "applicationTemplateId": None,
        "createdByAppId": None,
        "homepage": None,
        "loginUrl": None,
        "logoutUrl": None,
        "notificationEmailAddresses": [],
        "oauth2PermissionScopes": [],
        "preferredSingleSignOnMode": None,
        "preferredTokenSigningKeyThumbprint": None,
        "replyUrls": [],
        "resourceSpecificApplicationPermissions": [],
        "samlSingleSignOnSettings": None,
        "servicePrincipalNames": [],
        "servicePrincipalType": "Application",
    },
    APPLICATION: {
        **_SHARED,
        "api": {
            "acceptMappedClaims": None,
            "knownClientApplications": [],
            "requestedAccessTokenVersion": None,
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
        },
        "applicationTemplateId": None,
        "certification": None,
        "createdByAppId": None,
        "defaultRedirectUri": None,
        "groupMembershipClaims": None,
        "identifierUris": [],
        "isDeviceOnlyAuthSupported": None,
        "isFallbackPublicClient": None,
        "nativeAuthenticationApisEnabled": None,
        "optionalClaims": None,
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "publicClient": {"redirectUris": []},
        "publisherDomain": None,
        "requestSignatureVerification": None,
        "requiredResourceAccess": [],
        "serviceManagementReference": None,
        "servicePrincipalLockConfiguration": None,
        "spa": {"redirectUris": []},
        "uniqueName": None,
        "web": {
            "homePageUrl": None,
            "logoutUrl": None,
            "redirectUris": [],
            "redirectUriSettings": [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
        },
    },
}
# Complex properties of applications, with what they are where nothing is given.
COMPLEX: dict[str, JsonObject] = {
    **{name: DEFAULTS[APPLICATION][name] for name in ("web", "spa", "publicClient")},
    "servicePrincipalLockConfiguration": {
        "isEnabled": False,
        "allProperties": False,
        "credentialsWithUsageVerify": False,
        "credentialsWithUsageSign": False,
        "tokenEncryptionKeyId": False,
    },
}
ONLY_SELECTED = frozenset({"customSecurityAttributes"})
_READ_ONLY_ANYWHERE = frozenset(
    {
        "id",
        "deletedDateTime",
        "appId",
        "applicationTemplateId",
        "createdByAppId",
        "createdDateTime",
        "disabledByMicrosoftStatus",
        "passwordCredentials",
        "verifiedPublisher",
    }
)
READ_ONLY = {
    SERVICE_PRINCIPAL: _READ_ONLY_ANYWHERE
    | {
        "appDescription",
        "appDisplayName",
        "appOwnerOrganizationId",
        "info",
        "isDisabled",  # unverified: written on the application only
        "resourceSpecificApplicationPermissions",
        "samlMetadataUrl",
        "servicePrincipalType",
        "signInAudience",
    },
    APPLICATION: _READ_ONLY_ANYWHERE | {"certification", "publisherDomain"},
}

_FILTERS = {
    "id": frozenset({"eq", "ne"}),
    "appId": frozenset({"eq", "ne"}),
    "displayName": frozenset({"eq", "startswith"}),
    "tags/any": frozenset({"eq"}),
}
_OPTIONS = frozenset({"$filter", "$select", "$top", "$count", "$skiptoken"})


def documented(kind: str, page: tuple[int, int]) -> Documented:
    """What lists and reads of this kind allow."""
    filters = dict(_FILTERS)
    if kind == SERVICE_PRINCIPAL:
        filters |= {
            "accountEnabled": frozenset({"eq", "ne"}),
            "servicePrincipalType": frozenset({"eq"}),
            "servicePrincipalNames/any": frozenset({"eq"}),
            "appOwnerOrganizationId": frozenset({"eq"}),
        }
    else:
        filters |= {"identifierUris/any": frozenset({"eq", "startswith"}), "signInAudience": frozenset({"eq"})}
    return Documented(filters, frozenset(DEFAULTS[kind]) | ONLY_SELECTED, page, _OPTIONS)


def completed(given: Mapping[str, object], before: JsonObject | None = None) -> JsonObject:
    """
    Properties as they are kept: complex ones whole. What one of them leaves out is as in `before`, or empty.
    """
    return {name: _completed(name, value, before) if name in COMPLEX else value for name, value in given.items()}


def _completed(name: str, given: object, before: JsonObject | None) -> object:
    if given is None:
        return None if name == "servicePrincipalLockConfiguration" else COMPLEX[name]
    found = {key: value for key, value in cast("JsonObject", given).items() if key[0] != "@"}
    defaults = COMPLEX[name]
    whole: JsonObject = {**defaults, **((before or {}).get(name) or {}), **found}
    if "redirectUris" in found and "redirectUriSettings" in defaults and "redirectUriSettings" not in found:
        whole["redirectUriSettings"] = [{"uri": uri, "index": None} for uri in found["redirectUris"]]
    return whole


def not_found(object_id: str) -> Refusal:
    return Refusal(
        404,
        "Request_ResourceNotFound",
        f"Resource '{object_id}' does not exist or one of its queried reference-property objects are not present.",
    )


def denied() -> Refusal:
    return Refusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def to_read(state: TenantState, kind: str, object_id: str, request: Request) -> JsonObject:
    """The object as one replica shows it, or 404."""
    entry = state.directory.find(kind, object_id)
    shown = state.directory.read(entry, state.now, request.staleness) if entry else None
    if shown is None or shown.get("deletedDateTime"):
        raise not_found(object_id)
    return shown


def to_write(state: TenantState, kind: str, object_id: str) -> Entry:
    """The object for a write, or 404: also while it is so new that replicas do not know it (facts: graph 4)."""
    entry = state.directory.find(kind, object_id)
    if entry is None or state.now < entry.fresh_until:
        raise not_found(object_id)
    return entry


def shown(kind: str, record: JsonObject, selected: frozenset[str] | None) -> JsonObject:
    """
    The record as Graph renders it. `key` is null unless keyCredentials is selected: a plain read shows
    only their metadata (facts: graph 4).
    """
    if selected is None:
        whole = {name: value for name, value in record.items() if name[0] != "@" and name not in ONLY_SELECTED}
        whole["keyCredentials"] = [{**each, "key": None} for each in record["keyCredentials"]]
        return {**_type_of(record), **whole}
    return {**_type_of(record), **{name: record.get(name) for name in sorted(selected)}}


def _type_of(record: JsonObject) -> JsonObject:
    """Derived types (agent identities) say so, whatever is selected."""
    return {"@odata.type": record["@type"]} if "@type" in record else {}


def one(kind: str, record: JsonObject, request: Request, *, status: int = 200) -> Answer:
    selected = read_select(request.query, documented(kind, (1, 1)), kind)
    for name in request.query:
        if name.startswith("$") and name != "$select":
            raise bad_request(f"Query option '{name}' is not allowed.")
    context = f"{request.base}/{request.version}/$metadata#{SETS[kind]}/$entity"
    return Answer(status, {"@odata.context": context, **shown(kind, record, selected)})


def rendered(kind: str, record: JsonObject, selected: frozenset[str] | None) -> bytes:
    return dump(shown(kind, record, selected))
