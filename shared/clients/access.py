"""
Who gets at which vault, whether that is logged, and taking the access away: Resource Graph for the whole picture,
Resource Manager for what counts now and for every change. Facts: azure 3.3 to 3.5.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.clients.activity_log import KEPT, ActivityLog, Log, Odd
from shared.clients.arm import Arm, Call
from shared.clients.azure_answers import as_part, readable
from shared.clients.graph_shapes import Unreadable, flag_of, objects_of, optional_text_of, text_of
from shared.clients.past_roles import UNTIL, Untold, held_before, taken_away
from shared.clients.resource_graph import READER, ResourceGraph
from shared.clients.roles import (
    Role,
    covers,
    definitions_of,
    policy_holder,
    policy_permissions,
    policy_reads,
    read_role,
    secret_of,
)
from shared.clients.vault_logging import VaultLogging
from shared.clients.workspaces import Workspaces
from shared.errors import CordonError, Gone, OperatorMustAct, PermissionMissing, PlatformRefused
from shared.estate import DeletedVault, DeletedVaults, Grant, Logging, Reach, Reached, VaultSeen
from shared.identity import PrincipalId, canonical_guid
from shared.signal import JsonObject, JsonValue
from shared.together import together

T = TypeVar("T")

GIVER = "the role User Access Administrator at the scope of the assignment"
VAULT_WRITER = "the role Key Vault Contributor on the vault"
_AUTHORIZATION = "2022-04-01"
_VAULTS = "2023-07-01"
_SUBSCRIPTIONS = "2022-12-01"
_ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
_DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
_ROLE_WRITES = "microsoft.authorization/roleassignments/"
_OPENED = ("enabledForTemplateDeployment", "enabledForDeployment", "enabledForDiskEncryption")
_MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"
_SHOWN = 20  # subscriptions in a sentence
_HOW_TO_SEE = (
    "Assign the role Reader to the identity of CORDON_READER_CLIENT_ID at the scope "
    "/providers/Microsoft.Management/managementGroups/{tenant}"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """
    One vault as Resource Graph shows it: with the groups above it, and its access policies. `open`: templates, machines
    or the encryption of disks may take secrets out of it, on behalf of whoever deploys them.
    """

    vault: VaultSeen
    chain: frozenset[str]
    policies: tuple[JsonObject, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class _Past:
    """
    Roles that were held, in Resource Graph's columns, and what of the past could not be looked at. `blind` of those are
    logs of management groups above all that a reader sees who may not read at the root.
    """

    rows: tuple[JsonObject, ...] = ()
    unseen: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Blind:
    """Why there may be more than the reader sees, and the subscriptions that it does see."""

    why: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()


class AzureAccess:
    """
    See `shared.estate.Access`. Reads go through the reader identity, changes through the executor; `writer` is None
    where none is configured. `workspaces` are those whose logs we read.
    """

    def __init__(
        self, graph: ResourceGraph, reader: Arm, writer: Arm | None, tenant_id: str, workspaces: Workspaces | None
    ) -> None:
        self._graph, self._reader, self._writer = graph, reader, writer
        self._tenant_id, self._activity = tenant_id, ActivityLog(reader)
        self._logging = VaultLogging(reader, workspaces)

    # --- what is within reach ------------------------------------------------------------------------------

    async def reach(
        self, principal: PrincipalId, groups: Part[tuple[str, ...]], since: datetime | None = None
    ) -> Reach:
        """See `Access`."""
        holders = (canonical_guid(principal), *(groups.value if isinstance(groups, Known) else ()))
        vaults, assignments, blind = await together(
            as_part(self._vaults()), as_part(self._graph.assignments(holders)), self._blind_spots()
        )
        spots = blind.value if isinstance(blind, Known) else _Blind()
        given = assignments.value if isinstance(assignments, Known) else []
        past = _Past()
        if since is not None and isinstance(vaults, Known):
            past = await self._past(vaults.value, given, holders, since, spots)
        roles = await self._roles_of(given + list(past.rows))
        parts: tuple[tuple[str, Any], ...] = (
            ("the groups that the identity is in, and what they reach", groups),
            ("the vaults of the tenant", vaults),
            ("the roles that the identity has", assignments),
            ("what its roles allow", roles),
        )
        unseen = (*(why for what, part in parts for why in _why_unseen(what, part)), *_why_blind(blind), *past.unseen)
        passing = (
            *(why for what, part in parts if _may_pass(part) for why in _why_unseen(what, part)),
            *(_why_blind(blind) if _may_pass(blind) else ()),
            *past.passing,
        )
        if not isinstance(vaults, Known):
            return Reach((), unseen, passing)
        is_open = bool(past.unseen) or any(not isinstance(part, Known) for _, part in parts)
        given = given + list(past.rows)
        known: Mapping[str, Role] = roles.value if isinstance(roles, Known) else {}
        doing = "telling what the identity reaches"
        try:
            found = readable(doing, lambda: [_reached(row, given, known, frozenset(holders)) for row in vaults.value])
        except CordonError as error:
            return Reach((), (*unseen, str(error)), passing)
        reached = sorted((each for each in found if each.grants), key=lambda each: each.vault.id)
        unknown = _unknown_roles(given, known) if isinstance(roles, Known) else ()
        return Reach(
            tuple(reached),
            (*unseen, *unknown),
            passing,
            (*spots.why, *past.blind),
            spots.subscriptions,
            scopes=None if is_open else tuple(_scopes(given, known)),
        )

    async def _vaults(self) -> list[_Row]:
        rows = await self._graph.vaults()
        return readable("listing the vaults of the tenant", lambda: [_row(each) for each in rows])

    async def _past(
        self,
        vaults: Sequence[_Row],
        now: Sequence[JsonObject],
        holders: Sequence[str],
        since: datetime,
        spots: _Blind,
    ) -> _Past:
        """
        What was held at or above one of these vaults. One list for each subscription that has a vault, and for each
        management group above one.
        """
        subscriptions = sorted({f"/subscriptions/{each.vault.subscription}" for each in vaults})
        groups = sorted({f"{_MANAGEMENT_GROUPS}{name}" for each in vaults for name in each.chain})
        places = (*subscriptions, *groups)
        logs = await together(*(as_part(self._role_log(place, since)) for place in places))
        untold: list[Untold] = []
        odd: list[tuple[str, Odd]] = []
        told: list[tuple[JsonObject, datetime]] = []
        past = _Past()
        for place, log in zip(places, logs, strict=True):
            if not isinstance(log, Known):
                past = _with_unread(past, place, log, blind=bool(spots.why) and place in groups)
                continue
            odd.extend((place, each) for each in log.value.odd if each.may_be(_ROLE_WRITES))
            for each in taken_away(log.value.written):
                if isinstance(each, Untold):
                    untold.append(each)
                else:
                    told.append(each)
        rows = tuple(row for row in held_before(told, now, holders) if _counts(str(row["scope"]), vaults))
        why = [_tell_untold(each) for each in untold if _covers_any(each.scope, vaults)]
        why += [_tell_odd(place, each) for place, each in odd if _covers_any(_place_of(place, each), vaults)]
        return replace(past, rows=rows, unseen=(*past.unseen, *dict.fromkeys(why)))

    async def _role_log(self, place: str, since: datetime) -> Log:
        if since < self._activity.now - KEPT:
            doing = "reading which roles were taken away"
            raise PlatformRefused(doing=doing, code="too-long-ago", why="Azure tells that for 90 days only.")
        return await self._activity.of_roles(place, since)

    async def _roles_of(self, assignments: Sequence[JsonObject]) -> Part[Mapping[str, Role]]:
        if not assignments:
            return Known({})
        wanted = sorted({str(each.get("roleId")) for each in assignments if _is_guid(each.get("roleId"))})

        async def read() -> Mapping[str, Role]:
            rows = await self._graph.definitions(wanted)
            return readable("reading role definitions", lambda: definitions_of(rows))

        return await as_part(read())

    async def _blind_spots(self) -> Part[_Blind]:
        """
        What the reader has no right to see looks like nothing at all. Only who may read at the root of the tenant
        can say that there is no more.
        """
        return await as_part(self._blind_for_good())

    async def _blind_for_good(self) -> _Blind:
        doing = "looking whether the whole tenant can be seen"
        root = f"/providers/Microsoft.Management/managementGroups/{self._tenant_id}"
        try:
            await self._reader.get(Call(root, _AUTHORIZATION, doing, READER, _ASSIGNMENTS, "$filter=atScope()"))
        except (PermissionMissing, Gone):
            return await self._seen_ones()
        return _Blind()

    async def _seen_ones(self) -> _Blind:
        what = "subscriptions on which Cordon's reader has no role"
        doing = "listing the subscriptions that the reader may read"
        try:
            rows = await self._reader.list(Call("", _SUBSCRIPTIONS, doing, READER, "/subscriptions"))
            ids = readable(doing, lambda: sorted(text_of(each, "subscriptionId").lower() for each in rows))
        except (OperatorMustAct, PlatformRefused) as error:
            return _Blind((f"{what}: {error}",))
        more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
        seen = f"only {', '.join(ids[:_SHOWN])}{more}" if ids else "none at all"
        how = _HOW_TO_SEE.format(tenant=self._tenant_id)
        return _Blind((f"{what}: it lacks {READER}, and sees {seen}. {how}",), tuple(ids))

    # --- logs ----------------------------------------------------------------------------------------------

    async def logged(self, vault: VaultSeen, since: datetime) -> Part[Logging]:
        """See `Access`."""
        return await as_part(self._logging.logged(vault, since))

    async def deleted_vaults(self, since: datetime) -> Part[DeletedVaults]:
        """See `Access`."""
        return await as_part(self._deleted_vaults(since))

    async def _deleted_vaults(self, since: datetime) -> DeletedVaults:
        doing = "listing the vaults that were deleted"
        shown = await self._reader.list(Call("", _SUBSCRIPTIONS, doing, READER, "/subscriptions"))
        ids = readable(doing, lambda: [_guid(text_of(each, "subscriptionId"), doing) for each in shown])
        path = "/providers/Microsoft.KeyVault/deletedVaults"

        async def of(subscription: str) -> list[DeletedVault]:
            call = Call(f"/subscriptions/{subscription}", _VAULTS, doing, READER, path)
            rows = await self._reader.list(call)
            return readable(doing, lambda: [_deleted_vault(subscription, row) for row in rows])

        parts = dict(zip(ids, await together(*(as_part(of(each)) for each in ids)), strict=True))
        found = [each for part in parts.values() if isinstance(part, Known) for each in part.value]
        return DeletedVaults(
            tuple(sorted((each for each in found if each.deleted >= since), key=lambda each: each.name)),
            {id_: part.why for id_, part in parts.items() if isinstance(part, CouldNotLook)},
        )

    # --- grants --------------------------------------------------------------------------------------------

    async def grants_on(self, vault: VaultSeen, holder: str) -> Part[tuple[Grant, ...]]:
        """See `Access`. Only those that give values of secrets, or by which their holder can take them."""
        return await as_part(self._grants_on(vault, canonical_guid(holder)))

    async def _grants_on(self, vault: VaultSeen, holder: str) -> tuple[Grant, ...]:
        doing = f"reading who gets at vault {vault.name}"
        wanted = f"$filter=principalId%20eq%20'{holder}'"
        shown, rows = await together(
            self._reader.get(Call(vault.id, _VAULTS, doing, READER)),
            self._reader.list(Call(vault.id, _AUTHORIZATION, doing, READER, _ASSIGNMENTS, wanted)),
        )
        row = readable(doing, lambda: _fresh(vault, shown))
        given = readable(doing, lambda: [_assignment(each) for each in rows])
        roles: dict[str, Role] = {}
        for role in sorted({str(each["roleId"]) for each in given}):
            roles[role] = await self._role(vault, role)
        return readable(doing, lambda: tuple(_grants(row, given, roles, frozenset({holder}), covered=True)))

    async def _role(self, vault: VaultSeen, role: str) -> Role:
        doing = "reading what a role allows"
        call = Call(vault.id, _AUTHORIZATION, doing, READER, f"{_DEFINITIONS}/{_guid(role, doing)}")
        body = await self._reader.get(call)

        def read() -> Role:
            properties = _object(body, "properties")
            return read_role(text_of(properties, "roleName"), objects_of(properties, "permissions"))

        return readable(doing, read)

    async def remove_grant(self, grant: Grant) -> None:
        """See `Access`."""
        doing = f"taking away {grant.role} at {grant.scope}"
        try:
            if grant.kind == "access-policy":
                await self._change_policy(grant, doing, "remove")
            else:
                await self._arm(doing).write("DELETE", Call(grant.id, _AUTHORIZATION, doing, GIVER))
        except Gone:
            return

    async def restore_grant(self, grant: Grant) -> None:
        """See `Access`."""
        doing = f"giving back {grant.role} at {grant.scope}"
        if grant.kind == "access-policy":
            await self._change_policy(grant, doing, "add")
            return
        call = Call(grant.id, _AUTHORIZATION, doing, GIVER)
        try:
            await self._arm(doing).write("PUT", call, {"properties": grant.image})
        except PlatformRefused as refused:
            if refused.code != "RoleAssignmentExists":  # the same role for the same holder, under another id
                raise

    async def _change_policy(self, grant: Grant, doing: str, kind: str) -> None:
        """Permissions are added to an entry, or taken from it; an entry that has none left goes."""
        call = Call(grant.id, _VAULTS, doing, VAULT_WRITER, f"/accessPolicies/{kind}")
        await self._arm(doing).write("PUT", call, {"properties": {"accessPolicies": [grant.image]}})

    def _arm(self, doing: str) -> Arm:
        if self._writer is None:
            raise PlatformRefused(doing=doing, code="no-executor", why="CORDON_EXECUTOR_CLIENT_ID is not set.")
        return self._writer


def _why_blind(part: Part[_Blind]) -> tuple[str, ...]:
    what = "whether there are subscriptions that Cordon's reader may not read"
    return part.value.why if isinstance(part, Known) else tuple(_why_unseen(what, part))


def _may_pass(part: object) -> bool:
    return isinstance(part, CouldNotLook) and part.may_help_later


def _why_unseen(what: str, part: Part[Any]) -> tuple[str, ...]:
    match part:
        case Known():
            return ()
        case CouldNotLook():
            return (f"{what}: {part.why}",)
        case NotLooked():
            return (f"{what}: nobody has looked",)


def _unknown_roles(given: Iterable[JsonObject], known: Mapping[str, Role]) -> Iterator[str]:
    """Roles that are given and not described."""
    for each in given:
        if str(each.get("roleId")) not in known:
            yield f"what role {each.get('roleId')} allows at {each.get('scope')}: its definition is not shown"


def _with_unread(past: _Past, place: str, log: Part[Log], *, blind: bool) -> _Past:
    """
    `blind`: it is of a management group, and the reader has no right at the root: then a refusal says again only that
    he does not see what is above.
    """
    why = tuple(_why_unseen(f"which roles were taken away in {place}", log))
    refused = blind and not _may_pass(log)
    return replace(
        past,
        unseen=(*past.unseen, *why),
        passing=(*past.passing, *(why if _may_pass(log) else ())),
        blind=(*past.blind, *(why if refused else ())),
    )


def _covers_any(scope: str, vaults: Iterable[_Row]) -> bool:
    return any(covers(scope, each.vault, each.chain) for each in vaults)


def _counts(scope: str, vaults: Iterable[_Row]) -> bool:
    """Whether a vault is there, or may have been."""
    return _may_hold_vaults(scope) or _covers_any(scope, vaults)


def _may_hold_vaults(scope: str) -> bool:
    """What is above single resources, and what is one that is a vault."""
    place = scope.removeprefix(_MANAGEMENT_GROUPS)
    return "/providers/" not in place or "/providers/microsoft.keyvault/vaults/" in place


def _tell_untold(untold: Untold) -> str:
    at = untold.at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"whose role it was that was taken away at {at} at {untold.scope}: Azure's activity log does not say it"


def _place_of(place: str, odd: Odd) -> str:
    """The scope of an assignment that an odd event may be about; of whoever's log it is, where it does not tell."""
    return place if odd.resource is None else odd.resource.partition(_ASSIGNMENTS.lower())[0] or "/"


def _tell_odd(place: str, odd: Odd) -> str:
    return f"which roles were taken away in {place}: an event of Azure's activity log cannot be read: {odd.why}"


def _scopes(given: Iterable[JsonObject], roles: Mapping[str, Role]) -> Iterator[str]:
    """
    The scopes of roles by which their holder gets at secrets of a vault of either kind, of which nothing more is known.
    """
    for each in given:
        role, scope = roles.get(str(each.get("roleId")).lower()), str(each.get("scope")).lower().rstrip("/")
        if not _may_hold_vaults(scope):
            continue
        if role is None or role.reads_values() or role.gives_itself(rbac=False) or role.deploys():
            yield scope or "/"


def _row(record: JsonObject) -> _Row:
    chain = objects_of(record, "chain") if record.get("chain") else []
    policies = objects_of(record, "ap") if record.get("ap") else []
    vault = VaultSeen(
        id=text_of(record, "id").lower(),
        name=text_of(record, "name").lower(),
        subscription=text_of(record, "subscriptionId").lower(),
        rbac=_is_set(record, "rbac"),
    )
    above = frozenset(text_of(each, "name").lower() for each in chain)
    opened = any(_is_set(record, name) for name in ("templates", "machines", "disks"))
    return _Row(vault, above, tuple(policies), opened)


def _fresh(vault: VaultSeen, body: JsonObject) -> _Row:
    """The vault as Resource Manager shows it now."""
    properties = _object(body, "properties")
    policies = objects_of(properties, "accessPolicies") if properties.get("accessPolicies") else []
    rbac = _is_set(properties, "enableRbacAuthorization")
    opened = any(_is_set(properties, name) for name in _OPENED)
    return _Row(VaultSeen(vault.id, vault.name, vault.subscription, rbac), frozenset(), tuple(policies), opened)


def _assignment(record: JsonObject) -> JsonObject:
    """An assignment of Resource Manager's in the columns of Resource Graph, with all that making it again needs."""
    properties = _object(record, "properties")
    kept = ("roleDefinitionId", "principalId", "principalType", "condition", "conditionVersion", "description")
    image: dict[str, JsonValue] = {name: properties[name] for name in kept if properties.get(name) is not None}
    return {
        "id": text_of(record, "id"),
        "principalId": text_of(properties, "principalId"),
        "scope": text_of(properties, "scope").lower(),
        "roleId": text_of(properties, "roleDefinitionId").rpartition("/")[2].lower(),
        "cond": optional_text_of(properties, "condition"),
        "image": image,
    }


def _reached(row: _Row, given: Sequence[JsonObject], roles: Mapping[str, Role], holders: frozenset[str]) -> Reached:
    grants = tuple(_grants(row, given, roles, holders))
    names = [secret_of(each.scope, row.vault) for each in grants]
    only = frozenset(name for name in names if name) if all(names) else frozenset[str]()
    return Reached(row.vault, grants, only)


def _grants(
    row: _Row,
    given: Iterable[JsonObject],
    roles: Mapping[str, Role],
    holders: frozenset[str],
    *,
    covered: bool = False,
) -> Iterator[Grant]:
    """`covered`: what is given from above counts for this vault, because it was asked for at its scope."""
    held: list[tuple[JsonObject, Role]] = []
    for each in given:
        role = roles.get(str(each.get("roleId")).lower())
        scope = str(each.get("scope"))
        from_above = covered and not scope.startswith(f"{row.vault.id}/")
        if role and (from_above or covers(scope, row.vault, row.chain)):
            held.append((each, role))
    opened = row.open or any(role.opens_to_deployments() for _, role in held)
    for each, role in held:
        yield from _by_role(row.vault, each, role, opened=opened)
    if not row.vault.rbac:
        yield from (_by_policy(row.vault, each) for each in row.policies if _is_for(each, holders))


def _by_role(vault: VaultSeen, given: JsonObject, role: Role, *, opened: bool) -> Iterator[Grant]:
    """A condition may narrow a role; what it comes to is not judged, so it counts as if it had none, and says so."""
    reads = vault.rbac and role.reads_values()
    grants_itself = not reads and role.gives_itself(rbac=vault.rbac)
    by_deployment = opened and not reads and not grants_itself and role.deploys()
    condition = given.get("cond") or None
    if reads or grants_itself or by_deployment:
        yield Grant(
            kind="role-assignment",
            id=text_of(given, "id"),
            holder=text_of(given, "principalId").lower(),
            scope=text_of(given, "scope").lower() or "/",
            role=f"{role.name} (with a condition)" if condition else role.name,
            reads=reads,
            grants_itself=grants_itself or by_deployment,
            image=_image(given, condition),
            by_deployment=by_deployment,
            until=datetime.fromisoformat(str(given[UNTIL])) if UNTIL in given else None,
        )


def _image(given: JsonObject, condition: JsonValue) -> JsonObject:
    image = given.get("image")
    if isinstance(image, dict):
        return image
    known: JsonObject = {
        "roleDefinitionId": f"{_DEFINITIONS}/{given.get('roleId')}",
        "principalId": given.get("principalId"),
        "principalType": given.get("principalType"),
    }
    return {**known, "condition": condition, "conditionVersion": "2.0"} if condition else known


def _is_for(entry: JsonObject, holders: frozenset[str]) -> bool:
    return policy_holder(entry) in holders and policy_reads(entry)


def _by_policy(vault: VaultSeen, entry: JsonObject) -> Grant:
    return Grant(
        kind="access-policy",
        id=vault.id,
        holder=policy_holder(entry) or "",
        scope=vault.id,
        role=f"access policy (secrets: {', '.join(policy_permissions(entry))})",
        reads=True,
        grants_itself=False,
        image=entry,
    )


def _deleted_vault(subscription: str, row: JsonObject) -> DeletedVault:
    deleted = datetime.fromisoformat(text_of(_object(row, "properties"), "deletionDate"))
    moment = deleted.astimezone(UTC) if deleted.tzinfo else deleted.replace(tzinfo=UTC)
    id_ = optional_text_of(_object(row, "properties"), "vaultId")
    return DeletedVault(text_of(row, "name").lower(), subscription, moment, id_.lower() if id_ else None)


def _is_set(record: JsonObject, name: str) -> bool:
    """Vaults that are older than the property have none."""
    return record.get(name) is not None and flag_of(record, name)


def _object(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is not there")
    return value


def _is_guid(text: object) -> bool:
    try:
        canonical_guid(text)
    except ValueError:
        return False
    return True


def _guid(text: str, doing: str) -> str:
    return readable(doing, lambda: canonical_guid(text))
