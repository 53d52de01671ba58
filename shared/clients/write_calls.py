"""
The requests of writes to the directory: paths from fixed text and checked ids, bodies as Graph documents them.
"""

import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import TypeAlias

from shared.case import HolderKind
from shared.clients.answers import Call, Method
from shared.clients.pacing import DIRECTORY_WRITES
from shared.clients.text import fit
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.tenant import (
    AccessWrite,
    CredentialWrite,
    DeleteApplication,
    GiveBack,
    NewCertificate,
    PurgeDeleted,
    RemoveAppRole,
    RemoveDelegatedGrant,
    RemoveDirectoryRole,
    RemoveFederated,
    RemoveOwner,
    RemovePassword,
    ReplaceKeys,
    RestoreDeleted,
    SetAddresses,
    SetInstanceLock,
    SetTags,
)

Write: TypeAlias = CredentialWrite | AccessWrite

WRITE_DIRECTORY = "Application.ReadWrite.All"
# Graph's list of permissions says that the first does, its page only the second (facts: Graph 13).
WRITE_APP_ROLES = f"{WRITE_DIRECTORY} or AppRoleAssignment.ReadWrite.All"
GIVE_APP_ROLES = "AppRoleAssignment.ReadWrite.All with Application.Read.All"
WRITE_DELEGATED = "DelegatedPermissionGrant.ReadWrite.All"
WRITE_ROLES = "RoleManagement.ReadWrite.Directory"
_DISPLAY_NAME = 90  # characters, facts: Graph docs keyCredential
_COLLECTIONS = {HolderKind.APPLICATION: "/applications", HolderKind.SERVICE_PRINCIPAL: "/servicePrincipals"}
_ADDRESSES = frozenset({"web", "spa", "publicClient", "identifierUris"})
_OPAQUE = re.compile(r"[A-Za-z0-9_-]{1,200}")


def call_for(write: Write, root: str) -> Call:
    """
    The request of a write. `root` is where Graph is, with the version: the address of whatever a body links to.

    Raises ValueError for an id that is none: it never gets into a path.
    """
    match write:
        case RemovePassword():
            body: JsonObject = {"keyId": canonical_guid(write.key_id)}
            return _call("POST", f"{_object(write)}/removePassword", f"removing secret {write.key_id}", body)
        case ReplaceKeys():
            body = {"keyCredentials": _keys(write)}
            return _call("PATCH", _object(write), f"replacing the certificates of {write.object_id}", body)
        case RemoveFederated():
            path = f"{_object(write)}/federatedIdentityCredentials/{canonical_guid(write.credential_id)}"
            return _call("DELETE", path, f"removing federated credential {write.credential_id}", None)
        case SetInstanceLock():
            path = f"/applications/{canonical_guid(write.app_object_id)}"
            body = {"servicePrincipalLockConfiguration": write.lock}
            return _call("PATCH", path, f"setting the instance lock of {write.app_object_id}", body)
        case RemoveOwner():
            path = f"{_object(write)}/owners/{canonical_guid(write.owner_id)}/$ref"
            return _call("DELETE", path, f"removing owner {write.owner_id} of {write.object_id}", None)
        case SetTags():
            return _call("PATCH", _object(write), f"setting the tags of {write.object_id}", {"tags": [*write.tags]})
        case RemoveAppRole() | RemoveDelegatedGrant() | RemoveDirectoryRole():
            return _removal(write)
        case GiveBack():
            return _giving(write, root)
        case SetAddresses() | DeleteApplication() | RestoreDeleted() | PurgeDeleted():
            return _of_the_whole(write)


def _of_the_whole(write: SetAddresses | DeleteApplication | RestoreDeleted | PurgeDeleted) -> Call:
    """A write that is about an application as a whole: where it lives, and whether it does."""
    match write:
        case SetAddresses():
            return _addresses(write)
        case DeleteApplication():
            path = f"/applications/{canonical_guid(write.app_object_id)}"
            return _call("DELETE", path, f"deleting application {write.app_object_id}", None)
        case RestoreDeleted() | PurgeDeleted():
            return _deleted_item(write)


def _addresses(write: SetAddresses) -> Call:
    if not _ADDRESSES.issuperset(write.properties):
        raise ValueError("not an address of an application")
    path = f"/applications/{canonical_guid(write.app_object_id)}"
    return _call("PATCH", path, f"setting the addresses of application {write.app_object_id}", write.properties)


def _deleted_item(write: RestoreDeleted | PurgeDeleted) -> Call:
    path = f"/directory/deletedItems/{canonical_guid(write.object_id)}"
    if isinstance(write, RestoreDeleted):
        return _call("POST", f"{path}/restore", f"restoring deleted object {write.object_id}", None)
    return _call("DELETE", path, f"purging deleted object {write.object_id}", None)


def _removal(write: RemoveAppRole | RemoveDelegatedGrant | RemoveDirectoryRole) -> Call:
    match write:
        case RemoveAppRole():
            path = f"/servicePrincipals/{canonical_guid(write.principal_id)}/appRoleAssignments"
            id_, what, needs = write.assignment_id, "app role assignment", WRITE_APP_ROLES
        case RemoveDelegatedGrant():
            path, id_ = "/oauth2PermissionGrants", write.grant_id
            what, needs = "delegated permission grant", WRITE_DELEGATED
        case RemoveDirectoryRole():
            path, id_ = "/roleManagement/directory/roleAssignments", write.assignment_id
            what, needs = "directory role assignment", WRITE_ROLES
    return Call("DELETE", f"{path}/{_opaque(id_)}", f"removing {what} {id_}", needs, quota=DIRECTORY_WRITES)


def _giving(write: GiveBack, root: str) -> Call:
    """Ids in a body are checked like those in a path: a pre-image holds what the tenant once said."""
    taken, object_id = write.taken, canonical_guid(write.object_id)
    match write.kind:
        case "app-role":
            names = {"resourceId": taken["resourceId"], "appRoleId": taken["appRoleId"]}
            path, needs = f"/servicePrincipals/{object_id}/appRoleAssignments", GIVE_APP_ROLES
            which = f" {names['appRoleId']} on {names['resourceId']}"
            body: JsonObject = {"principalId": object_id, **names}
        case "delegated-grant":
            path, needs = "/oauth2PermissionGrants", WRITE_DELEGATED
            which = f" on {taken['resourceId']}"
            body = {"clientId": object_id, **_said(taken, "consentType", "principalId", "resourceId", "scope")}
        case "directory-role":
            path, needs = "/roleManagement/directory/roleAssignments", WRITE_ROLES
            scopes = _said(taken, "directoryScopeId", "appScopeId")
            which = f" {taken['roleDefinitionId']}"
            body = {"principalId": object_id, "roleDefinitionId": taken["roleDefinitionId"], **scopes}
        case "owner":
            path, needs = f"{_object(write)}/owners/$ref", f"{WRITE_DIRECTORY} with Directory.Read.All"
            owner = canonical_guid(str(taken["id"]))
            which = f" {owner}"
            body = {"@odata.id": f"{root}/directoryObjects/{owner}"}
        case "federated":
            path, needs = f"{_object(write)}/federatedIdentityCredentials", WRITE_DIRECTORY
            which = f" {taken['id']}" if "id" in taken else ""
            body = _said(taken, "name", "issuer", "subject", "audiences", "description", "claimsMatchingExpression")
    what = write.kind.replace("-", " ")
    doing = fit(f"giving {what}{which} back to {object_id}")
    return Call("POST", path, doing, needs, body=body, quota=DIRECTORY_WRITES)


def _said(taken: JsonObject, *names: str) -> JsonObject:
    return {name: taken[name] for name in names if taken.get(name) is not None}


def _opaque(id_: str) -> str:
    """The id of an assignment or grant: not a GUID, but letters of base64 that are safe in a path."""
    if not _OPAQUE.fullmatch(id_):
        raise ValueError("not the id of an assignment")
    return id_


def _call(method: Method, path: str, doing: str, body: JsonObject | None) -> Call:
    return Call(method, path, doing, WRITE_DIRECTORY, body=body, quota=DIRECTORY_WRITES)


def collection_of(holder: HolderKind) -> str:
    """The path of all objects of this kind."""
    return _COLLECTIONS[holder]


def _object(write: GiveBack | RemovePassword | ReplaceKeys | RemoveFederated | RemoveOwner | SetTags) -> str:
    return f"{_COLLECTIONS[write.holder]}/{canonical_guid(write.object_id)}"


def _keys(write: ReplaceKeys) -> list[JsonValue]:
    """Kept entries exactly as they were read; Graph refuses altered ones."""
    added = (_new_key(write.add),) if write.add else ()
    return [*write.keep, *added]


def _new_key(certificate: NewCertificate) -> JsonObject:
    """A keyCredential with the public part only (facts: Graph docs application-update)."""
    return {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": b64encode(certificate.cer).decode(),
        "displayName": f"{certificate.name} {certificate.version}"[:_DISPLAY_NAME],
        "startDateTime": graph_time(certificate.not_before),
        "endDateTime": graph_time(certificate.expires),
    }


def graph_time(moment: datetime) -> str:
    """A moment as Graph takes it."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
