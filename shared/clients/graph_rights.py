"""
What Cordon's own identities have been granted on Graph, and what the tenant is licensed for.

Read from the directory: a token's text is not ours to read, and a managed identity's may be a day old.
"""

from collections.abc import Sequence

from shared.clients.answers import Call
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_requests import READ_DIRECTORY, READ_ROLES, filtered
from shared.clients.graph_shapes import may_give_roles
from shared.errors import Unreachable
from shared.identity import canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.tenant import DIRECTORY_ROLE

_GRAPH = "00000003-0000-0000-c000-000000000000"  # Graph's client id, the same in every tenant and cloud
_ROLES = "/roleManagement/directory/roleAssignments"
READ_LICENCES = "LicenseAssignment.Read.All"
# Service plans of Workload ID Premium, P1 and P2: ids stay, names are for people.
_PREMIUM = frozenset({"84c289f0-efcb-486f-8581-07f44fc9efad", "7dc0e92d-bf15-401d-907e-0884efe7c760"})
# Service plans of Microsoft Entra ID P1 and P2, with either of which the logs are kept for 30 days (facts: Graph 2).
_KEEPS_LOGS = frozenset({"41781fb2-bc02-4b7c-bd55-b576c07bb09d", "eec0eb4f-6444-4f95-aba0-50c24d67f998"})
_USABLE = frozenset({"Enabled", "Warning"})  # Warning: the grace period behind the end of a subscription


class GraphRights:
    """See `shared.tenant.Rights`."""

    def __init__(self, reader: GraphHttp) -> None:
        self._http = reader

    async def granted(self, client_id: str) -> frozenset[str]:
        """See `Rights`. A role that Graph's principal does not list is told by its id, never left out."""
        path = f"/servicePrincipals(appId='{canonical_guid(client_id)}')"
        doing = f"reading what identity {client_id} has been granted"
        graph = await self._get(f"/servicePrincipals(appId='{_GRAPH}')?$select=id,appRoles", doing)
        own = await self._get(f"{path}?$select=id", doing)
        names = {_text(role, "id", doing): _text(role, "value", doing) for role in _objects(graph, "appRoles", doing)}
        graph_id = _text(graph, "id", doing)
        held = await self._all(
            f"/servicePrincipals/{canonical_guid(_text(own, 'id', doing))}/appRoleAssignments", doing, READ_DIRECTORY
        )
        ids = [_text(each, "appRoleId", doing) for each in held if each.get("resourceId") == graph_id]
        principal = canonical_guid(_text(own, "id", doing))
        roles = await self._directory_roles(principal, doing) | await self._through_groups(principal, doing)
        return frozenset(names.get(each, each) for each in ids) | roles

    async def _directory_roles(self, principal: str, doing: str) -> frozenset[str]:
        held = await self._all(filtered(_ROLES, f"principalId eq '{principal}'"), doing, READ_ROLES)
        return frozenset(f"{DIRECTORY_ROLE}{_text(each, 'roleDefinitionId', doing)}" for each in held)

    async def _through_groups(self, principal: str, doing: str) -> frozenset[str]:
        """
        Groups to which roles can be assigned. Which roles those are is not asked: they may be given for a while only.
        """
        inside = await self._all(f"/servicePrincipals/{principal}/transitiveMemberOf", doing, READ_DIRECTORY)
        groups = [each for each in inside if may_give_roles(each)]
        return frozenset(f"{DIRECTORY_ROLE}through group {canonical_guid(_text(each, 'id', doing))}" for each in groups)

    async def has_premium(self) -> bool:
        """See `Rights`."""
        doing = "reading the tenant's licences"
        skus = await self._all("/subscribedSkus", doing, READ_LICENCES)
        return any(_includes(sku, _PREMIUM, doing) for sku in skus)

    async def _get(self, path: str, doing: str) -> JsonObject:
        return await self._http.send(Call("GET", path, doing, READ_DIRECTORY, urgent=False))

    async def _all(self, path: str, doing: str, needs: str) -> list[JsonObject]:
        call = Call("GET", path, doing, needs, urgent=False)
        return [each async for page in self._http.pages(call) for each in page]


def keeps_logs_long(skus: Sequence[JsonObject]) -> bool:
    """Whether one of these subscribedSkus brings Microsoft Entra ID P1 or P2. Raises Unreachable."""
    return any(_includes(sku, _KEEPS_LOGS, "reading the tenant's licences") for sku in skus)


def _includes(sku: JsonObject, wanted: frozenset[str], doing: str) -> bool:
    if sku.get("capabilityStatus") not in _USABLE:
        return False
    plans = _objects(sku, "servicePlans", doing)
    return any(plan.get("servicePlanId") in wanted and plan.get("provisioningStatus") == "Success" for plan in plans)


def _objects(record: JsonObject, name: str, doing: str) -> list[JsonObject]:
    value: JsonValue = record.get(name)
    found = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else None
    if found is None or not isinstance(value, list) or len(found) != len(value):
        raise Unreachable(doing, f"the answer has no list of {name}")
    return found


def _text(record: JsonObject, name: str, doing: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise Unreachable(doing, f"the answer has no {name}")
    return value
