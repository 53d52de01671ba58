"""Who may do what with a vault's objects: by Azure roles, or by the vault's own access policies; never by both."""

from collections.abc import Iterable

from drill.practice.arm.access import holders_of, is_allowed
from drill.practice.shapes import JsonObject
from drill.practice.state import TenantState
from drill.practice.vault.roles import BY_POLICY
from drill.practice.vault.state import Vault
from drill.practice.web import Refusal, Request


def require(state: TenantState, request: Request, vault: Vault, action: str, place: str) -> None:
    """Refuse with 403. `place` is the ARM id of the vault, or of one object in it."""
    if vault.rbac:
        if not is_allowed(state, request.principal_id, action, place, data=True):
            raise _forbidden_by_rbac(request, action, place)
        return
    kind, sufficient = BY_POLICY[action]
    given = vault.policies.followed(state.now)
    if not sufficient & permissions_of(given, holders_of(state, request.principal_id), kind):
        raise _forbidden_by_policy(request, vault, kind, sorted(sufficient)[0])


def permissions_of(policies: Iterable[JsonObject], holders: set[str], kind: str) -> set[str]:
    """In lower case; `all` stands for all of them. Entries for an application on behalf of a user are not for it."""
    found = {
        str(permission).lower()
        for entry in policies
        if entry["objectId"] in holders and not entry.get("applicationId")
        for permission in entry["permissions"].get(kind) or ()
    }
    return found | _ALL if "all" in found else found


_ALL = {"get", "list", "set", "delete", "backup", "restore", "recover", "create", "update", "import"}  # not purge


def _forbidden_by_rbac(request: Request, action: str, place: str) -> Refusal:
    message = (
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
        "definitions were changed recently, please observe propagation time.\r\n"
        f"Caller: appid={request.app_id};oid={request.principal_id}\r\nAction: '{action}'\r\n"
        f"Resource: '{place.lower()}'\r\nAssignment: (not found)\r\n"
    )
    return Refusal(403, "Forbidden", message, inner_code="ForbiddenByRbac")


def _forbidden_by_policy(request: Request, vault: Vault, kind: str, permission: str) -> Refusal:
    message = (
        f"The user, group or application 'appid={request.app_id};oid={request.principal_id}' does not have "
        f"{kind} {permission} permission on key vault '{vault.name};location=westeurope'."
    )
    return Refusal(403, "Forbidden", message, inner_code="AccessDenied")
