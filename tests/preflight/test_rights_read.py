"""What counts as granted and as licensed, of all that Graph may list."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from shared.clients.answers import Call
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_rights import GraphRights
from shared.signal import JsonObject

pytestmark = pytest.mark.anyio

CLIENT = "99999999-0000-4000-8000-00000000000a"
OWN, GRAPH, OTHER = (f"99999999-0000-4000-8000-0000000000{n}" for n in ("0b", "0c", "0d"))
WRITE = "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"
P2 = "7dc0e92d-bf15-401d-907e-0884efe7c760"


class OneAnswer:
    """Graph with one list, whatever is asked."""

    def __init__(self, *listed: JsonObject) -> None:
        self._listed = list(listed)
        self.roles: list[JsonObject] = []
        self.inside: list[JsonObject] = []

    async def send(self, call: Call) -> JsonObject:
        if "appRoles" in call.path:
            return {"id": GRAPH, "appRoles": [{"id": WRITE, "value": "Application.ReadWrite.All"}]}
        return {"id": OWN}

    async def pages(self, call: Call) -> AsyncIterator[list[JsonObject]]:
        if "transitiveMemberOf" in call.path:
            yield self.inside
            return
        yield self.roles if "roleManagement" in call.path else self._listed


def rights(*listed: JsonObject) -> GraphRights:
    return GraphRights(cast("GraphHttp", OneAnswer(*listed)))


async def test_a_role_on_another_api_is_no_permission_on_graph() -> None:
    """Ids of roles are only unique within the API that declares them."""
    there = rights({"appRoleId": WRITE, "resourceId": OTHER})
    here = rights({"appRoleId": WRITE, "resourceId": GRAPH})

    assert await there.granted(CLIENT) == frozenset()
    assert await here.granted(CLIENT) == {"Application.ReadWrite.All"}


async def test_a_role_that_graph_does_not_list_is_told_by_its_id() -> None:
    """What cannot be named is held all the same, and is more than is needed."""
    found = rights({"appRoleId": OTHER, "resourceId": GRAPH})

    assert await found.granted(CLIENT) == {OTHER}


async def test_a_directory_role_is_told_beside_the_permissions() -> None:
    """A role such as Application Administrator allows part of what permissions allow."""
    answers = OneAnswer({"appRoleId": WRITE, "resourceId": GRAPH})
    answers.roles = [{"id": "x", "roleDefinitionId": OTHER, "principalId": OWN}]

    found = await GraphRights(cast("GraphHttp", answers)).granted(CLIENT)

    assert found == {"Application.ReadWrite.All", f"directory role {OTHER}"}


GROUP: JsonObject = {"@odata.type": "#microsoft.graph.group", "id": OTHER, "displayName": "automation"}


@pytest.mark.parametrize(
    ("inside", "counts"),
    [
        ({**GROUP, "isAssignableToRole": True}, True),
        ({**GROUP, "isAssignableToRole": False}, False),
        ({**GROUP, "isAssignableToRole": None}, False),
        ({**GROUP, "displayName": None, "isAssignableToRole": None}, True),
        ({**GROUP, "@odata.type": "#microsoft.graph.administrativeUnit", "isAssignableToRole": True}, False),
    ],
    ids=["role-assignable", "not", "ordinary", "not to be read", "no group"],
)
async def test_a_group_that_may_bring_a_directory_role_counts_as_one(inside: JsonObject, *, counts: bool) -> None:
    """The role of a group is assigned to the group: to refuse an order for a lack would be a guess."""
    answers = OneAnswer()
    answers.inside = [inside]

    found = await GraphRights(cast("GraphHttp", answers)).granted(CLIENT)

    assert found == ({f"directory role through group {OTHER}"} if counts else frozenset())


@pytest.mark.parametrize(
    ("subscription", "plan", "licensed"),
    [
        ("Enabled", "Success", True),
        ("Warning", "Success", True),
        ("Suspended", "Success", False),
        ("LockedOut", "Success", False),
        ("Deleted", "Success", False),
        ("Enabled", "Disabled", False),
    ],
)
async def test_a_lapsed_subscription_is_no_licence(subscription: str, plan: str, *, licensed: bool) -> None:
    """Lapsed ones stay in the list; only the grace period still counts."""
    sku: JsonObject = {
        "capabilityStatus": subscription,
        "servicePlans": [{"servicePlanId": P2, "provisioningStatus": plan}],
    }

    assert await rights(sku).has_premium() is licensed
