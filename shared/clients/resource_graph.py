"""
Azure Resource Graph: what is where and who has which role, as of a while ago, and only what the reader may read.

What it leaves out looks like nothing, so each list is read to its end or not taken at all (facts: azure 3.5).
The first line of each question names it.
"""

import re
from collections.abc import Iterable, Sequence

from shared.clients.azure_answers import Order, readable
from shared.clients.azure_http import AzureHttp
from shared.clients.graph_shapes import objects_of
from shared.clients.pacing import Quota
from shared.errors import IncompleteAnswer
from shared.identity import canonical_guid
from shared.signal import JsonObject

READER = "the role Reader on the tenant's root management group"
_QUERIES = Quota("resource graph queries", 15, 5.25)  # per identity; facts: azure 3.5
# The oldest version with authorizationScopeFilter, by which what is given above a subscription shows.
_PATH = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
_TOO_WIDE = "x-ms-tenant-subscription-limit-hit"  # more than 10,000 subscriptions; facts: azure 3.5
_MOST_PAGES = 1_000
_IDS_A_QUERY = 100
_VAULTS = """// cordon:vaults
resources
| where type =~ 'microsoft.keyvault/vaults'
| join kind=leftouter (
    resourcecontainers
    | where type =~ 'microsoft.resources/subscriptions'
    | project subscriptionId, chain=properties.managementGroupAncestorsChain
) on subscriptionId
| project id=tolower(id), name, subscriptionId, rbac=tobool(properties.enableRbacAuthorization), \
ap=properties.accessPolicies, chain, templates=tobool(properties.enabledForTemplateDeployment), \
machines=tobool(properties.enabledForDeployment), disks=tobool(properties.enabledForDiskEncryption)
"""
_ASSIGNMENTS = """// cordon:assignments
authorizationresources
| where type =~ 'microsoft.authorization/roleassignments'
| where tostring(properties.principalId) in~ ({ids})
| project id=tolower(id), principalId=tostring(properties.principalId), \
principalType=tostring(properties.principalType), scope=tolower(tostring(properties.scope)), \
roleId=tolower(tostring(split(tostring(properties.roleDefinitionId),'/')[-1])), cond=tostring(properties.condition)
"""
_DEFINITIONS = """// cordon:role-definitions
authorizationresources
| where type =~ 'microsoft.authorization/roledefinitions'
| where name in~ ({ids})
| project roleId=tolower(name), roleName=tostring(properties.roleName), \
custom=tostring(properties.type) =~ 'CustomRole', permissions=properties.permissions
"""
_SERVICES = """// cordon:services
resources
| where type =~ '{type}'
| project id=tolower(id), name
"""
_TYPE = re.compile(r"[a-z.]{1,60}/[a-z]{1,60}")


class ResourceGraph:
    """Cordon's four questions. Rows are as the service gives them; what is missing is an error."""

    def __init__(self, http: AzureHttp) -> None:
        self._http = http

    async def vaults(self) -> list[JsonObject]:
        """All vaults that the reader may see, with what decides who gets at them."""
        return await self._rows(_VAULTS, "listing the vaults of the tenant")

    async def assignments(self, holders: Sequence[str]) -> list[JsonObject]:
        """Role assignments of these principals at any scope: inherited ones, and those on single secrets, too."""
        return await self._rows_of(_ASSIGNMENTS, holders, "listing role assignments")

    async def definitions(self, roles: Sequence[str]) -> list[JsonObject]:
        """These role definitions, built-in or custom."""
        return await self._rows_of(_DEFINITIONS, roles, "reading role definitions")

    async def services(self, type_: str) -> list[JsonObject]:
        """All resources of this type, in lower case, that the reader may see."""
        if not _TYPE.fullmatch(type_):
            raise ValueError("not a type of resources")
        return await self._rows(_SERVICES.format(type=type_), f"listing what there is of {type_}")

    async def _rows_of(self, query: str, ids: Sequence[str], doing: str) -> list[JsonObject]:
        found: list[JsonObject] = []
        for start in range(0, len(ids), _IDS_A_QUERY):
            found += await self._rows(query.format(ids=_quoted(ids[start : start + _IDS_A_QUERY])), doing)
        return found

    async def _rows(self, query: str, doing: str) -> list[JsonObject]:
        """Every page. Raises IncompleteAnswer for a result that was cut."""
        found: list[JsonObject] = []
        options: JsonObject = {"resultFormat": "objectArray", "authorizationScopeFilter": "AtScopeAboveAndBelow"}
        for _ in range(_MOST_PAGES):
            body = await self._ask({"query": query, "options": options}, doing)
            found += readable(doing, lambda body=body: objects_of(body, "data"))
            token = body.get("$skipToken")
            if token is None:
                if str(body.get("resultTruncated")).lower() == "true":
                    raise IncompleteAnswer(f"Not done: {doing}. Resource Graph cut the result.")
                return found
            options = {**options, "$skipToken": token}
        raise IncompleteAnswer(f"Not done: {doing}. Resource Graph's result has no end.")

    async def _ask(self, body: JsonObject, doing: str) -> JsonObject:
        reply = await self._http.send(Order("POST", _PATH, doing, READER, body, quotas=(_QUERIES,)))
        if reply.headers.get(_TOO_WIDE, "").lower() == "true":
            raise IncompleteAnswer(f"Not done: {doing}. The tenant has more subscriptions than one question can cover.")
        return reply.body


def _quoted(ids: Iterable[str]) -> str:
    """A list for the query's language, made of GUIDs only."""
    return ",".join(f"'{canonical_guid(each)}'" for each in ids)
