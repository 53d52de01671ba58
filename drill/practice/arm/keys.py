"""
The management calls of services with keys: listKeys, regenerate, a database server's password (facts: azure 4).

Nothing of it is idempotent but the password: whoever regenerates twice has a third key.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from drill.practice.arm.shapes import bad_body, properties_of, resource_not_found
from drill.practice.arm.sources import (
    COSMOS,
    EVENT_HUB,
    POSTGRES,
    REDIS,
    SERVICE_BUS,
    SQL,
    STORAGE,
    Key,
    Kind,
    Operation,
    Source,
    fresh_value,
    settle,
)
from drill.practice.arm.state import LONG_AGO
from drill.practice.shapes import JsonObject, fine_time
from drill.practice.state import TenantState
from drill.practice.web import Answer, Handler, Refusal, Request, Route

_SHORTEST = 8  # characters of a password
_CLASSES: tuple[Callable[[str], bool], ...] = (
    str.islower,
    str.isupper,
    str.isdigit,
    lambda each: not each.isalnum(),
)
_NEEDED = 3  # of the classes
_DATABASE_KEYS = {
    "primary": "primaryMasterKey",
    "secondary": "secondaryMasterKey",
    "primaryReadonly": "primaryReadonlyMasterKey",
    "secondaryReadonly": "secondaryReadonlyMasterKey",
}
_STATUS = {COSMOS: "operationsStatus", POSTGRES: "azureAsyncOperation", SQL: "serverAzureAsyncOperation"}


def get_source(state: TenantState, request: Request, scope: str, name: str, kind: Kind) -> Answer:
    found = _at(state, request, scope, name, kind)
    body: JsonObject = {"id": found.resource_id, "name": found.name, "type": kind.type, "location": "westeurope"}
    body["tags"] = found.tags
    return Answer(200, {**body, "properties": {"provisioningState": "Succeeded", **_PROPERTIES[kind](found)}})


def _storage(source: Source) -> JsonObject:
    times = {name: _time(key.created_at) for name, key in source.keys.items()}
    return {"keyCreationTime": times, "allowSharedKeyAccess": True}


def _cosmos(source: Source) -> JsonObject:
    times = {_DATABASE_KEYS[name]: {"generationTime": _time(key.created_at)} for name, key in source.keys.items()}
    return {"keysMetadata": times, "documentEndpoint": f"https://{source.name}.documents.azure.com:443/"}


def _bus(source: Source) -> JsonObject:
    return {"serviceBusEndpoint": f"https://{source.name}.servicebus.windows.net:443/", "status": "Active"}


def _redis(source: Source) -> JsonObject:
    return {"hostName": f"{source.name}.redis.cache.windows.net", "sslPort": 6380}


def _postgres(_: Source) -> JsonObject:
    return {"administratorLogin": "keeper", "state": "Ready"}


def _sql(_: Source) -> JsonObject:
    return {"administratorLogin": "keeper", "administratorLoginPassword": None, "state": "Ready"}


_PROPERTIES: dict[Kind, Callable[[Source], JsonObject]] = {
    STORAGE: _storage,
    COSMOS: _cosmos,
    SERVICE_BUS: _bus,
    EVENT_HUB: _bus,
    REDIS: _redis,
    POSTGRES: _postgres,
    SQL: _sql,
}


def _time(at: datetime) -> str | None:
    """Keys from before the drill were made a year or more ago."""
    return fine_time(at) if at != LONG_AGO else "2025-01-15T08:00:00.0000000Z"


# --- lists of keys ----------------------------------------------------------------------------------------


def list_keys(
    state: TenantState,
    request: Request,
    scope: str,
    name: str,
    kind: Kind,
    rule: str = "",
    entity: str = "",
    of: str = "",
) -> Answer:
    """`of` and `entity` are where a rule is that is not the namespace's own: queues, and the queue's name."""
    return Answer(200, _keys(_at(state, request, scope, name, kind), f"{of}{entity}/{rule}" if of else rule))


def _keys(source: Source, rule: str) -> JsonObject:
    if source.kind is STORAGE:
        return {"keys": [_storage_key(name, key) for name, key in source.keys.items()]}
    if source.kind is COSMOS:
        return {_DATABASE_KEYS[name]: key.value for name, key in source.keys.items()}
    if source.kind is REDIS:
        return {"primaryKey": source.keys["Primary"].value, "secondaryKey": source.keys["Secondary"].value}
    known = _rule(source, rule)
    primary, secondary = f"{known}/PrimaryKey", f"{known}/SecondaryKey"
    return {
        "primaryKey": source.keys[primary].value,
        "secondaryKey": source.keys[secondary].value,
        "primaryConnectionString": source.text(primary),
        "secondaryConnectionString": source.text(secondary),
        "keyName": known.rpartition("/")[2],
    }


def _storage_key(name: str, key: Key) -> JsonObject:
    return {"keyName": name, "value": key.value, "permissions": "FULL", "creationTime": _time(key.created_at)}


def _rule(source: Source, name: str) -> str:
    found = next((each for each in source.rules if each.casefold() == name.casefold()), None)
    if found is None:
        raise Refusal(404, "NotFound", f"The authorization rule '{name}' was not found.")
    return found


def list_rules(state: TenantState, request: Request, scope: str, name: str, kind: Kind) -> Answer:
    source = _at(state, request, scope, name, kind)
    return Answer(200, {"value": [_shown_rule(source, each) for each in source.rules if "/" not in each]})


def get_rule(state: TenantState, request: Request, scope: str, name: str, kind: Kind, rule: str) -> Answer:
    source = _at(state, request, scope, name, kind)
    return Answer(200, _shown_rule(source, _rule(source, rule)))


def _shown_rule(source: Source, rule: str) -> JsonObject:
    return {
        "id": f"{source.resource_id}/authorizationRules/{rule}",
        "name": rule,
        "type": f"{source.kind.type}/AuthorizationRules",
        "properties": {"rights": ["Listen", "Manage", "Send"]},
    }


# --- new keys ---------------------------------------------------------------------------------------------


def regenerate(
    state: TenantState,
    request: Request,
    scope: str,
    name: str,
    kind: Kind,
    asked: str,
    rule: str = "",
    entity: str = "",
    of: str = "",
) -> Answer:
    """`asked` is the property of the body that names the key; `of` and `entity` as in list_keys."""
    source = _at(state, request, scope, name, kind)
    rule = f"{of}{entity}/{rule}" if of else rule
    prefix = f"{_rule(source, rule)}/" if rule else ""
    key = f"{prefix}{request.json_object().get(asked)}"
    if key not in source.keys:
        raise bad_body(f"The property {asked} has an invalid value.")

    def renew(at: datetime) -> None:
        source.keys[key] = Key(fresh_value(state.canaries, kind.octets), at)

    if kind in _STATUS:
        return _begin(state, request, source, renew)
    renew(state.now)
    return Answer(200, _keys(source, rule))


def set_password(state: TenantState, request: Request, scope: str, name: str, kind: Kind) -> Answer:
    """The only credential there is: the old one ends when the operation does."""
    source = _at(state, request, scope, name, kind)
    given = properties_of(request).get("administratorLoginPassword")
    if not isinstance(given, str) or len(given) < _SHORTEST or _classes_in(given) < _NEEDED:
        raise Refusal(400, "PasswordNotComplex", "Password validation failed. The password is not complex enough.")
    value = state.canaries.adopt(given)

    def renew(at: datetime) -> None:
        source.keys["administrator"] = Key(value, at)

    return _begin(state, request, source, renew)


def _classes_in(text: str) -> int:
    return sum(any(map(is_one, text)) for is_one in _CLASSES)


# --- what takes its time ------------------------------------------------------------------------------------


def _begin(state: TenantState, request: Request, source: Source, renew: Callable[[datetime], None]) -> Answer:
    """202, and where to ask how it goes. One operation at a time."""
    if source.busy:
        raise Refusal(409, "Conflict", "There is already an operation in progress which requires exclusive lock.")
    operation = Operation(
        id=state.chance.guid("operation"),
        source=source.resource_id.lower(),
        started_at=state.now,
        done_at=state.now + timedelta(seconds=state.chance.between("operation", state.behaviour.operation)),
        carry_out=renew,
    )
    source.busy = operation.id
    state.azure.operations[operation.id] = operation
    settle(state)
    namespace = source.kind.type.partition("/")[0]
    subscription = source.resource_id.split("/")[2]
    place = f"/subscriptions/{subscription}/providers/{namespace}/locations/westeurope"
    status = f"{request.base}{place}/{_STATUS[source.kind]}/{operation.id}"
    url = f"{status}?api-version={request.query['api-version']}"
    return Answer(202, {"status": "Enqueued"}, {"azure-asyncoperation": url, "location": url, "retry-after": "5"})


def get_operation(state: TenantState, request: Request, scope: str, operation: str, location: str) -> Answer:
    del scope, location
    settle(state)
    found = state.azure.operations.get(operation)
    if found is None:
        raise Refusal(404, "OperationNotFound", f"The operation {operation} was not found.")
    status = "Succeeded" if found.done else "InProgress"
    body: JsonObject = {"id": request.path, "name": operation, "status": status}
    return Answer(200, {**body, "startTime": fine_time(found.started_at)}, {} if found.done else {"retry-after": "5"})


def _at(state: TenantState, request: Request, scope: str, name: str, kind: Kind) -> Source:
    settle(state)
    source = state.azure.sources.get(f"{scope}/providers/{kind.type}/{name}".lower())
    if source is None:
        raise resource_not_found(request.path)
    return source


def _reading(kind: Kind, tail: str, handler: Handler, action: str = "read", method: str = "GET") -> Route[TenantState]:
    return Route(method, f"/{kind.type}/{{name}}{tail}", handler, (f"{kind.type}/{action}",))


def _writing(kind: Kind, tail: str, handler: Handler, action: str, method: str = "POST") -> Route[TenantState]:
    return Route(method, f"/{kind.type}/{{name}}{tail}", handler, (f"{kind.type}/{action}",), write=True, lane=-1)


def _with_keys(kind: Kind, asked: str) -> tuple[Route[TenantState], ...]:
    return (
        _reading(kind, "", partial(get_source, kind=kind)),
        _reading(kind, "/listKeys", partial(list_keys, kind=kind), "listKeys/action", "POST"),
        _writing(kind, "/regenerateKey", partial(regenerate, kind=kind, asked=asked), "regenerateKey/action"),
    )


def _with_rules(kind: Kind, *entities: str) -> tuple[Route[TenantState], ...]:
    """A namespace's own rules, and those of its queues, topics or hubs."""
    rules = "/authorizationRules"
    rule = f"{rules}/{{rule}}"
    return (
        _reading(kind, "", partial(get_source, kind=kind)),
        _reading(kind, rules, partial(list_rules, kind=kind), "authorizationRules/read"),
        _reading(kind, rule, partial(get_rule, kind=kind), "authorizationRules/read"),
        _reading(kind, f"{rule}/listKeys", partial(list_keys, kind=kind), "authorizationRules/listkeys/action", "POST"),
        _writing(
            kind,
            f"{rule}/regenerateKeys",
            partial(regenerate, kind=kind, asked="keyType"),
            "authorizationRules/regenerateKeys/action",
        ),
        *(route for each in entities for route in _with_entity_rules(kind, each)),
    )


def _with_entity_rules(kind: Kind, entities: str) -> tuple[Route[TenantState], ...]:
    rule, of = f"/{entities}/{{entity}}/authorizationRules/{{rule}}", f"{entities}/"
    action = f"{entities}/authorizationRules"
    return (
        _reading(kind, f"{rule}/listKeys", partial(list_keys, kind=kind, of=of), f"{action}/listkeys/action", "POST"),
        _writing(
            kind,
            f"{rule}/regenerateKeys",
            partial(regenerate, kind=kind, asked="keyType", of=of),
            f"{action}/regenerateKeys/action",
        ),
    )


def _with_password(kind: Kind) -> tuple[Route[TenantState], ...]:
    return (
        _reading(kind, "", partial(get_source, kind=kind)),
        _writing(kind, "", partial(set_password, kind=kind), "write", "PATCH"),
    )


def _operations(kind: Kind) -> Route[TenantState]:
    namespace = kind.type.partition("/")[0]
    template = f"/{namespace}/locations/{{location}}/{_STATUS[kind]}/{{operation}}"
    return Route("GET", template, get_operation, (f"{namespace}/locations/{_STATUS[kind]}/read",))


ROUTES: tuple[Route[TenantState], ...] = (
    *_with_keys(STORAGE, "keyName"),
    *_with_keys(COSMOS, "keyKind"),
    *_with_keys(REDIS, "keyType"),
    *_with_rules(SERVICE_BUS, "queues", "topics"),
    *_with_rules(EVENT_HUB, "eventhubs"),
    *_with_password(POSTGRES),
    *_with_password(SQL),
    *map(_operations, _STATUS),
)
