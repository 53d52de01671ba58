"""
The way back by hand of what was taken from an identity beside its sign-in and its credentials.
"""

from shared.entries import PlannedStep
from shared.history import StepStory
from shared.report.images import made_by, objects_in
from shared.report.model import WayBack
from shared.report.ways import call, way
from shared.signal import JsonObject, JsonValue

_CENTRE = "Entra admin centre"
_ARM, _GRAPH = "https://management.azure.com", "https://graph.microsoft.com"
_POLICIES = "/identity/conditionalAccess/policies"
_CHECK = "Give back only what is known to be yours"


def app_roles(step: StepStory, planned: PlannedStep, _: JsonObject) -> WayBack:
    path = f"/servicePrincipals/{planned.target_id}/appRoleAssignments"
    calls = [
        call("POST", path, {"principalId": planned.target_id, **_given(role, "resourceId", "appRoleId")})
        for role in _taken(step)
    ]
    return way(
        step,
        f"{len(calls)} app role(s), each under a new id. {_CHECK}",
        *calls,
        portal=f"{_CENTRE}, App registrations, API permissions: grant admin consent, if the application lists them",
        cannot="their dates: they count as given anew",
    )


def delegated_grants(step: StepStory, planned: PlannedStep, _: JsonObject) -> WayBack:
    names = ("consentType", "principalId", "resourceId", "scope")
    calls = [
        call("POST", "/oauth2PermissionGrants", {"clientId": planned.target_id, **_given(grant, *names)})
        for grant in _taken(step)
    ]
    return way(
        step,
        f"{len(calls)} delegated permission grant(s), each under a new id. {_CHECK}",
        *calls,
        portal=f"{_CENTRE}, Enterprise applications, Permissions: grant admin consent; or let people consent again",
    )


def directory_roles(step: StepStory, planned: PlannedStep, _: JsonObject) -> WayBack:
    names = ("roleDefinitionId", "directoryScopeId", "appScopeId")
    path = "/roleManagement/directory/roleAssignments"
    calls = [call("POST", path, {"principalId": planned.target_id, **_given(role, *names)}) for role in _taken(step)]
    return way(
        step,
        f"{len(calls)} directory role(s), each under a new id. {_CHECK}",
        *calls,
        portal=f"{_CENTRE}, Roles & admins: add the assignment",
    )


def deactivation(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    if image.get("isDisabled") is True:
        return way(step, "nothing: the application was deactivated before Cordon came")
    return way(
        step,
        "new tokens for the application, in every tenant: do this when nothing the attacker knows is left",
        call("PATCH", f"/applications/{planned.target_id}", {"isDisabled": False}),
        portal=f"{_CENTRE}, App registrations, object {planned.target_id}: activate",
    )


def custody(step: StepStory, planned: PlannedStep, image: JsonObject, *, graph: str = _GRAPH) -> WayBack:
    """`graph` is where the tenant's cloud has it: owners are given back by links."""
    principal = f"/servicePrincipals/{planned.options.get('principal')}"
    target = principal if planned.target_kind == "service-principal" else f"/applications/{planned.target_id}"
    calls = [call("PATCH", target, {"tags": image.get("tags") or []})]
    if "instanceLock" in image:
        off: JsonValue = image["instanceLock"] or {"isEnabled": False}
        calls.append(call("PATCH", target, {"servicePrincipalLockConfiguration": off}))
    calls += [_owner(target, id_, graph) for id_ in _owners(step, "applicationOwners")]
    calls += [_owner(principal, id_, graph) for id_ in _owners(step, "principalOwners")]
    return way(
        step,
        f"tags, the instance lock as it was, and the owners. {_CHECK}: an owner can make new credentials",
        *calls,
        portal=f"{_CENTRE}, App registrations, Owners",
    )


def configuration(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    names = [name for name in ("web", "spa", "publicClient", "identifierUris") if name in image]
    return way(
        step,
        f"redirect URIs, sign-out URL and identifier URIs as recorded before the reverting. {_CHECK}",
        call("PATCH", f"/applications/{planned.target_id}", {name: image[name] for name in names}),
        portal=f"{_CENTRE}, App registrations, object {planned.target_id}, Authentication and Expose an API",
    )


def risk_policy(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    policy = image.get("policy")
    id_ = policy.get("id") if isinstance(policy, dict) else made_by(step).get("policyId")
    return way(
        step,
        f"what the Conditional Access policy {id_ or 'of Cordon'} covered before: without {planned.target_id}",
        portal=f"{_CENTRE}, Conditional Access: take the identity out of the policy; delete the policy only if it "
        f"covers nobody else. By Graph: PATCH {_POLICIES}/{id_ or 'ID'} with its conditions as read, without the id.",
    )


def dismissal(step: StepStory, _: PlannedStep, image: JsonObject) -> WayBack:
    return way(
        step,
        "nothing by itself",
        cannot=f"the risk state {image.get('riskState')}: dismissed risk does not come back; confirm the compromise "
        "to raise a new one",
    )


def deletion(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    if image.get("deleted") is True:
        return way(step, "nothing: it was deleted before Cordon came")
    return way(
        step,
        "the application and its service principal, as they were deleted, for 30 days",
        call("POST", f"/directory/deletedItems/{planned.target_id}/restore"),
        portal=f"{_CENTRE}, App registrations, Deleted applications: restore",
        cannot="its memberships in Conditional Access policies: include it again where it was",
    )


def restoration(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    if image.get("deleted") is not True:
        return way(step, "nothing: it was restored before Cordon came")
    kind = "applications" if planned.target_kind == "application" else "servicePrincipals"
    return way(
        step,
        "the deletion: it goes among the deleted items again",
        call("DELETE", f"/{kind}/{planned.target_id}"),
        portal=f"{_CENTRE}, App registrations, object {planned.target_id}: delete",
    )


def purging(step: StepStory, planned: PlannedStep, _: JsonObject) -> WayBack:
    return way(step, "nothing", cannot=planned.cannot_be_undone or "a purged application does not come back")


def vault_access(step: StepStory, planned: PlannedStep, _: JsonObject, *, arm: str = _ARM) -> WayBack:
    """`arm` is where the tenant's cloud has Resource Manager."""
    taken = {(str(e.get("id")), str(e.get("image"))): e for e in objects_in(step, "removing")}
    calls = [_azure_grant(entry, arm) for entry in taken.values()]
    return way(
        step,
        f"{len(calls)} grant(s) on vaults, under their old ids. {_CHECK}: it reads secrets again",
        *calls,
        portal="Azure portal, Access control of the scope: add role assignment; the vault's Access policies",
    )


def _azure_grant(entry: JsonObject, arm: str) -> str:
    image = entry.get("image")
    if entry.get("kind") == "access-policy":
        body: JsonObject = {"properties": {"accessPolicies": [image]}}
        return call("PUT", f"{arm}{entry.get('id')}/accessPolicies/add?api-version=2023-07-01", body)
    return call("PUT", f"{arm}{entry.get('id')}?api-version=2022-04-01", {"properties": image})


def _taken(step: StepStory) -> list[JsonObject]:
    """What the step removed, over all its rounds, each once."""
    return list({str(entry.get("id")): entry for entry in objects_in(step, "removing")}.values())


def _given(entry: JsonObject, *names: str) -> JsonObject:
    return {name: entry[name] for name in names if entry.get(name) is not None}


def _owners(step: StepStory, name: str) -> list[str]:
    return list(dict.fromkeys(str(entry.get("id")) for entry in objects_in(step, name)))


def _owner(path: str, id_: str, graph: str) -> str:
    link: JsonObject = {"@odata.id": f"{graph}/v1.0/directoryObjects/{id_}"}
    return call("POST", f"{path}/owners/$ref", link)
