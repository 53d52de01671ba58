"""
Token issuance: whether an identity, with the credential that it (or a thief) shows, gets a token.

The outcome is recorded in the tenant's attempts at once and in its sign-in log late. Error codes are
Entra's (facts: graph 3); 0 is success.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.enforcement import applied_policies, is_blocked
from drill.practice.graph.navigation import APP_ROLES, ROLES, members
from drill.practice.graph.permissions import BY_APP_ROLE_ID, BY_DIRECTORY_ROLE
from drill.practice.shapes import JsonObject, fine_time, read_time
from drill.practice.state import TenantState
from drill.practice.tokens import GRAPH, Token
from drill.practice.web import address_of

OK = 0
DISABLED = 7000112
UNKNOWN_APPLICATION = 700016
BAD_SECRET = 7000215
EXPIRED_SECRET = 7000222
BAD_ASSERTION = 700027
NO_FEDERATED_MATCH = 700213
BLOCKED_BY_POLICY = 53003


class CredentialKind(StrEnum):
    SECRET = "secret"  # noqa: S105 - the kind, not a secret
    CERTIFICATE = "certificate"
    FEDERATED = "federated"
    MANAGED_IDENTITY = "managedIdentity"


@dataclass(frozen=True, slots=True)
class Credential:
    """What is shown at sign-in: `key_id` names the credential (a federated one by its id), or `value` is a secret."""

    kind: CredentialKind
    key_id: str = ""
    value: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SignIn:
    """How it ended."""

    error_code: int
    token: Token | None = None

    @property
    def succeeded(self) -> bool:
        return self.error_code == OK


def sign_in(
    state: TenantState,
    principal_id: str,
    credential: Credential,
    *,
    audience: str = GRAPH,
    by: str | None = None,
    continuous: bool = False,
    address: str | None = None,
) -> SignIn:
    """Try to get a token for this service principal; from `address`, or from where such callers sit."""
    entry = state.directory.find(SERVICE_PRINCIPAL, principal_id)
    code = _verdict(state, entry, credential)
    applied = applied_policies(state, entry, audience) if code == OK and entry else []
    code = BLOCKED_BY_POLICY if is_blocked(applied) else code
    token = _issued(state, entry, audience, by, continuous=continuous) if code == OK and entry else None
    seen_at = address or address_of(by or "")
    told = _record(state, principal_id, entry, credential, code, audience, by, applied, seen_at)
    if token:
        token.unique_id = str(told["uniqueTokenIdentifier"])
    return SignIn(code, token)


def _verdict(state: TenantState, entry: Entry | None, credential: Credential) -> int:
    if entry is None:
        return UNKNOWN_APPLICATION
    application = state.directory.by_app_id(APPLICATION, str(entry.state.get("appId")))
    blocked = application is not None and application.state.get("isDisabled")
    by_microsoft = entry.state.get("disabledByMicrosoftStatus") not in (None, "NotDisabled")
    if not entry.state["accountEnabled"] or blocked or by_microsoft:
        return DISABLED
    holders = [holder.state for holder in (application, entry) if holder]
    match credential.kind:
        case CredentialKind.SECRET:
            return _secret_verdict(state, holders, credential)
        case CredentialKind.CERTIFICATE:
            return _certificate_verdict(holders, credential, state.now)
        case CredentialKind.FEDERATED:
            known = any(each["id"] == credential.key_id for holder in holders for each in holder.get("@fic", []))
            return OK if known else NO_FEDERATED_MATCH
        case CredentialKind.MANAGED_IDENTITY:
            return OK if entry.state["servicePrincipalType"] == "ManagedIdentity" else UNKNOWN_APPLICATION


def _secret_verdict(state: TenantState, holders: list[JsonObject], credential: Credential) -> int:
    for each in (each for holder in holders for each in holder["passwordCredentials"]):
        value = state.secrets.get(each["keyId"])
        if each["keyId"] == credential.key_id or (credential.value and value == credential.value):
            return OK if read_time(each["endDateTime"]) > state.now else EXPIRED_SECRET
    return BAD_SECRET


def _certificate_verdict(holders: list[JsonObject], credential: Credential, now: datetime) -> int:
    for each in (each for holder in holders for each in holder["keyCredentials"]):
        if each["keyId"] == credential.key_id and each["usage"] == "Verify" and read_time(each["endDateTime"]) > now:
            return OK
    return BAD_ASSERTION


def _issued(state: TenantState, entry: Entry, audience: str, by: str | None, *, continuous: bool) -> Token:
    managed = entry.state["servicePrincipalType"] == "ManagedIdentity"
    behaviour = state.behaviour
    lifetime = behaviour.managed_identity_token_lifetime if managed or continuous else behaviour.token_lifetime
    return state.tokens.issue(
        principal_id=entry.id,
        app_id=entry.state["appId"],
        audience=audience,
        roles=roles_of(state, entry),
        now=state.now,
        lifetime=lifetime,
        by=by or entry.state["appId"],
        continuous=continuous,
        managed_identity=managed,
    )


def roles_of(state: TenantState, entry: Entry) -> frozenset[str]:
    """
    Graph's application permissions of a service principal, as a token issued now would carry them; what its
    directory roles add is told in the same words.
    """
    for identity in state.cordon.values():
        if identity.object_id == entry.id:
            return frozenset(identity.permissions)
    held = {BY_APP_ROLE_ID.get(each["appRoleId"], "") for each in members(entry.state, APP_ROLES)} - {""}
    roles = [BY_DIRECTORY_ROLE.get(each["roleDefinitionId"], ()) for each in members(entry.state, ROLES)]
    return frozenset(held.union(*roles))


def _record(
    state: TenantState,
    principal_id: str,
    entry: Entry | None,
    credential: Credential,
    code: int,
    audience: str,
    by: str | None,
    applied: list[JsonObject],
    address: str,
) -> JsonObject:
    state.attempts.append(
        {
            "at": fine_time(state.now),
            "by": by or principal_id,
            "does": "sign-in",
            "identity": principal_id,
            "credential": str(credential.kind),
            "keyId": credential.key_id,
            "errorCode": code,
        }
    )
    log = complete_sign_in(
        state,
        {
            "signInEventTypes": [_EVENT_TYPES.get(credential.kind, "servicePrincipal")],
            "ipAddress": address,
            "appId": entry.state["appId"] if entry else None,
            "servicePrincipalId": principal_id,
            "servicePrincipalName": entry.state.get("displayName") if entry else None,
            **names_of(state, credential),
            "clientCredentialType": CREDENTIAL_TYPES[credential.kind],
            "resourceDisplayName": audience,
            "conditionalAccessStatus": "failure" if code == BLOCKED_BY_POLICY else "notApplied",
            "appliedConditionalAccessPolicies": applied,
            "status": {"errorCode": code, "failureReason": None if code == OK else "Other.", "additionalDetails": None},
        },
    )
    keep_sign_in(state, log, state.chance.between("sign-in delay", state.behaviour.sign_in_delay))
    return log


def names_of(state: TenantState, credential: Credential) -> JsonObject:
    """By what a record names the credential. A federated one has an id of its own (facts: Graph 3)."""
    if credential.kind is not CredentialKind.FEDERATED:
        return {"servicePrincipalCredentialKeyId": credential.key_id}
    no_key = _NO_KEY if state.behaviour.federated_sign_ins_show_a_zero_key else None
    return {"servicePrincipalCredentialKeyId": no_key, "federatedCredentialId": credential.key_id}


_NO_KEY = "00000000-0000-0000-0000-000000000000"
_EVENT_TYPES = {CredentialKind.MANAGED_IDENTITY: "managedIdentity"}
CREDENTIAL_TYPES = {
    CredentialKind.SECRET: "clientSecret",
    CredentialKind.CERTIFICATE: "certificate",
    CredentialKind.FEDERATED: "federatedIdentityCredential",
    CredentialKind.MANAGED_IDENTITY: "managedIdentity",
}


def load_sign_ins(state: TenantState, records: Sequence[JsonObject]) -> None:
    """Of before the drill: everybody who gets them has them."""
    state.sign_ins.load(records)
    state.exported_sign_ins.load(records)


def keep_sign_in(state: TenantState, record: JsonObject, delay: float) -> None:
    """Graph shows it after this many seconds, a workspace in its own time."""
    state.sign_ins.add(record, state.now, delay)
    exported = state.chance.between("workspace delay", state.behaviour.workspace_delay)
    state.exported_sign_ins.add(record, state.now, exported)


def complete_sign_in(state: TenantState, given: JsonObject) -> JsonObject:
    """A sign-in record with what a scenario left out."""
    defaults: JsonObject = {
        "id": state.chance.guid("sign-in"),
        "createdDateTime": fine_time(state.now),
        "signInEventTypes": ["servicePrincipal"],
        "ipAddress": "203.0.113.7",
        "status": {"errorCode": 0, "failureReason": None, "additionalDetails": None},
        "conditionalAccessStatus": "notApplied",
        "correlationId": state.chance.guid("sign-in"),
        "userAgent": "azsdk-python-identity/1.17.1",
    }
    record = {**defaults, **(_OF_A_PERSON if given.get("userId") else {}), **given}
    issued = record["status"].get("errorCode") == OK
    token = state.chance.opaque_id("unique token")[:22] if issued and "uniqueTokenIdentifier" not in record else ""
    return {**_whereabouts(record), "uniqueTokenIdentifier": token, **record}


# What the log tells of a person's sign-in and not of a workload's (facts: Graph docs signin).
_OF_A_PERSON: JsonObject = {
    "signInEventTypes": ["interactiveUser"],
    "isInteractive": True,
    "clientAppUsed": "Browser",
    "authenticationProtocol": "none",
    "appDisplayName": "Azure Portal",
    "riskLevelDuringSignIn": "none",
    "riskLevelAggregated": "none",
    "riskState": "none",
    "riskDetail": "none",
    "riskEventTypes_v2": [],
    "userAgent": "Mozilla/5.0",
}


def _whereabouts(record: JsonObject) -> JsonObject:
    """
    Network and country of an address, the same for the same address. Whether those of managed identities are told is
    not verified (facts: Graph 3), so they are not.
    """
    nowhere: JsonObject = {"city": None, "state": None, "countryOrRegion": None}
    if "managedIdentity" in record["signInEventTypes"]:
        return {"autonomousSystemNumber": None, "location": nowhere}
    network = str(record["ipAddress"]).rpartition(".")[0]
    number, country = _NETWORKS.get(network, (64500, "US"))
    return {"autonomousSystemNumber": number, "location": {**nowhere, "countryOrRegion": country}}


_NETWORKS = {
    "203.0.113": (64496, "NL"),
    "192.0.2": (64498, "IE"),  # the company's other region
    "198.51.100": (64499, "SC"),
    "10.4.0": (64497, "NL"),
}
