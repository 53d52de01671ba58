"""Whether somebody may do something at a scope: role assignments, also through groups and from scopes above."""

from drill.practice.arm.state import MANAGEMENT_GROUPS, AzureState
from drill.practice.graph.groups import groups_of
from drill.practice.state import TenantState


def is_allowed(state: TenantState, principal_id: str, action: str, at: str, *, data: bool = False) -> bool:
    """`at` is the ARM id of what is to be touched, or a scope."""
    holders = holders_of(state, principal_id)
    azure, place = state.azure, at.lower()
    return any(
        azure.definitions[each.role].gives(action, data=data)
        for each in azure.assignments
        if each.principal_id in holders and each.rules(state.now) and covers(azure, each.scope, place)
    )


def holders_of(state: TenantState, principal_id: str) -> set[str]:
    """The principal and all groups that it is in, through other groups too."""
    found = groups_of(state, {principal_id}, transitive=True) if state.groups else []
    return {principal_id, *(str(each["id"]) for each in found)}


def covers(azure: AzureState, scope: str, place: str) -> bool:
    """Whether what is given at a scope counts at a place, which is in lower case."""
    given = scope.lower().rstrip("/")
    if given.startswith(MANAGEMENT_GROUPS):
        return given.removeprefix(MANAGEMENT_GROUPS) in management_groups_above(azure, place)
    return f"{place}/".startswith(f"{given}/")


def management_groups_above(azure: AzureState, place: str) -> tuple[str, ...]:
    """Names in lower case, the nearest first; of a management group itself too."""
    if place.startswith(MANAGEMENT_GROUPS):
        return _chain_from(azure, place.removeprefix(MANAGEMENT_GROUPS).split("/")[0])
    parts = place.split("/")
    subscription = azure.subscriptions.get(parts[2]) if len(parts) > 2 and parts[1] == "subscriptions" else None
    return tuple(each.lower() for each in subscription.ancestors) if subscription else ()


def _chain_from(azure: AzureState, name: str) -> tuple[str, ...]:
    for subscription in azure.subscriptions.values():
        chain = tuple(each.lower() for each in subscription.ancestors)
        if name in chain:
            return chain[chain.index(name) :]
    return (name,)
