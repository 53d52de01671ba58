"""One odd event of Azure's activity log makes unknown what it may be about, and nothing else."""

import json
from typing import Any

import pytest
from azure.core.rest import AsyncHttpResponse, HttpRequest

from drill.transports import PracticeAzureTransport
from shared.case import CouldNotLook, Known
from shared.estate import Estate, Logging, VaultSeen
from shared.identity import PrincipalId
from tests.estate.desk import SUBSCRIPTION, estate_of, vault_id, with_estate
from tests.estate.test_vault_logs import SINCE
from tests.practice.desk import PRINCIPAL, Desk

SHOP = VaultSeen(vault_id("shop"), "shop", SUBSCRIPTION, rbac=True)
WHOLE = f"/subscriptions/{SUBSCRIPTION}"
SETTING = f"{SHOP.id}/providers/microsoft.insights/diagnosticSettings/all"


def event(operation: str | None, resource: str | None, **more: Any) -> dict[str, Any]:
    """Without its time, which nobody can do without."""
    said = {"operationName": {"value": operation}} if operation else {}
    where = {"resourceId": resource} if resource else {}
    return {**said, **where, "status": {"value": "Succeeded"}, "eventDataId": "e1", **more}


class Adding(PracticeAzureTransport):
    """Adds one event to each page of the activity log."""

    added: dict[str, Any]

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:
        answer = await super().send(request, **kwargs)
        if "eventtypes" in str(request.url) and answer.status_code == 200:
            body = json.loads(answer.content)
            body["value"] = [*body["value"], self.added]
            answer._content = json.dumps(body).encode()  # type: ignore[attr-defined] # noqa: SLF001
        return answer


def looked(added: dict[str, Any]) -> tuple[object, tuple[str, ...]]:
    """Whether the vault is known to be logged, and what of the roles could not be looked at."""

    async def story(_: Estate, desk: Desk) -> tuple[object, tuple[str, ...]]:
        transport = Adding(desk.tenant.asgi)
        transport.added = added
        estate = estate_of(desk.tenant, transport=transport)
        logged = await estate.access.logged(SHOP, SINCE)
        reach = await estate.access.reach(PrincipalId(PRINCIPAL), Known(()), SINCE)
        return logged, tuple(each for each in reach.unseen if "activity log" in each)

    return with_estate(story, {"vaults": [{"name": "shop", "subscription": SUBSCRIPTION, "secrets": []}]})


@pytest.mark.parametrize(
    "added",
    [
        event("Microsoft.Compute/virtualMachines/start/action", f"{WHOLE}/resourceGroups/x/providers/y"),
        event("Microsoft.Compute/virtualMachines/start/action", None),
        event("Microsoft.Insights/diagnosticSettings/write", SETTING, status={"value": "Failed"}),
        event(
            None, f"{WHOLE}/resourceGroups/x/providers/microsoft.keyvault/vaults/another", status={"value": "Failed"}
        ),
    ],
)
def test_an_odd_event_about_something_else_changes_nothing(added: dict[str, Any]) -> None:
    """Another operation; or one that failed, and changed nothing."""
    assert looked(added) == (Known(Logging()), ())


@pytest.mark.parametrize(
    ("added", "logged", "roles"),
    [
        (event("Microsoft.Insights/diagnosticSettings/write", SETTING), False, True),
        (event("Microsoft.Insights/diagnosticSettings/delete", None), False, True),
        (event("Microsoft.Insights/diagnosticSettings/write", SETTING.replace("shop", "bank")), True, True),
        (event("Microsoft.Authorization/roleAssignments/delete", None), True, False),
        (event("Microsoft.Authorization/roleAssignments/delete", f"{WHOLE}/resourceGroups/other"), True, True),
        (event(None, None), False, False),
    ],
)
def test_an_odd_event_leaves_unknown_what_it_may_be_about(added: dict[str, Any], logged: bool, roles: bool) -> None:
    """Of one vault where it tells which; of all where it does not."""
    part, unseen = looked(added)

    assert (part == Known(Logging())) is logged
    assert (unseen == ()) is roles
    if not logged:
        assert isinstance(part, CouldNotLook)
        assert "an event of the activity log may be about it, and cannot be read" in part.why


def test_what_only_tells_events_apart_may_be_missing() -> None:
    """Their ids are not what is asked for."""
    whole = event("Microsoft.Compute/disks/write", WHOLE, eventTimestamp="2026-03-01T00:00:00Z")

    assert looked({**whole, "eventDataId": None, "operationId": 7}) == (Known(Logging()), ())
