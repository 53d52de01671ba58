"""
An identity among the deleted items. Lists there need a cast, and say which application an object was of
(facts: Graph 5); what is found by an object id is therefore looked for once more by its client id.
"""

from datetime import datetime

from shared.case import Holder, HolderKind, IdentityState, NotLooked
from shared.clients.answers import Call
from shared.clients.graph_http import GraphHttp
from shared.clients.graph_requests import READ_DIRECTORY, Ids, filtered
from shared.clients.graph_shapes import (
    Unreadable,
    flag_of,
    guid_of,
    holder_of,
    kind_of,
    optional_guid_of,
    optional_text_of,
    time_of,
)
from shared.errors import Gone, Unreachable
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId, WorkloadIdentity
from shared.signal import JsonObject

_DOING = "looking for the identity among the deleted items"
_ITEMS = "/directory/deletedItems"
_CASTS = {HolderKind.APPLICATION: "application", HolderKind.SERVICE_PRINCIPAL: "servicePrincipal"}


class DeletedItems:
    """Searches the deleted items of the tenant."""

    def __init__(self, http: GraphHttp, tenant_id: str) -> None:
        self._http, self._tenant_id = http, tenant_id

    async def find(self, subject: IdentityRef) -> IdentityState | None:
        """See `Directory.find_deleted`."""
        read_at, ids = self._http.clock(), Ids.of(subject)
        try:
            client = ids.client or await self._client_of(ids)
            if client is None:
                return None
            principal = _one(await self._all(HolderKind.SERVICE_PRINCIPAL, client), ids.principal)
            application = _one(await self._all(HolderKind.APPLICATION, client), ids.application)
            return None if principal is None else self._state(principal, application, read_at)
        except Unreadable as problem:
            raise Unreachable(_DOING, f"an answer could not be read: {problem}") from problem

    async def _client_of(self, ids: Ids) -> str | None:
        for id_ in (ids.principal, ids.application):
            if id_ is not None:
                try:
                    found = await self._http.send(Call("GET", f"{_ITEMS}/{id_}", _DOING, READ_DIRECTORY))
                    return guid_of(found, "appId")
                except Gone:
                    continue
        return None

    async def _all(self, kind: HolderKind, client: str) -> list[JsonObject]:
        path = filtered(f"{_ITEMS}/microsoft.graph.{_CASTS[kind]}", f"appId eq '{client}'")
        call = Call("GET", path, _DOING, READ_DIRECTORY)
        return [record async for page in self._http.pages(call) for record in page]

    def _state(self, principal: JsonObject, application: JsonObject | None, read_at: datetime) -> IdentityState:
        return IdentityState(
            identity=WorkloadIdentity(
                principal_id=PrincipalId(guid_of(principal, "id")),
                client_id=ClientId(guid_of(principal, "appId")),
                app_object_id=AppObjectId(guid_of(application, "id")) if application is not None else None,
                display_name=optional_text_of(principal, "displayName") or "",
                kind=kind_of(principal, application, self._tenant_id),
            ),
            enabled=flag_of(principal, "accountEnabled"),
            disabled_by_microsoft=optional_text_of(principal, "disabledByMicrosoftStatus"),
            owner_tenant=optional_guid_of(principal, "appOwnerOrganizationId"),
            principals=(_holder(HolderKind.SERVICE_PRINCIPAL, principal),),
            application=_holder(HolderKind.APPLICATION, application) if application is not None else None,
            instance_lock=None,
            read_at=read_at,
            deleted_at=time_of(principal, "deletedDateTime") or read_at,
        )


def _holder(kind: HolderKind, record: JsonObject) -> Holder:
    return holder_of(kind, record, NotLooked())


def _one(records: list[JsonObject], wanted: str | None) -> JsonObject | None:
    """The object that is meant; where several of one client id were deleted, the one whose id is known."""
    known = [record for record in records if wanted is None or guid_of(record, "id") == wanted]
    if len(known) > 1:
        raise Unreadable(f"{len(known)} deleted objects share a client id; name the object by its id")
    return known[0] if known else None
