"""The catalogue of actions: everything that Cordon can do to a tenant stands in this list."""

from collections.abc import Iterable
from functools import cache

from shared.actions.block_sign_in import BlockSignIn
from shared.actions.confirm_compromised import ConfirmCompromised
from shared.actions.custody import Custody
from shared.actions.cut_vault_access import CutVaultAccess
from shared.actions.deactivate_application import DeactivateApplication
from shared.actions.delete_application import DeleteApplication
from shared.actions.dismiss_risk import DismissRisk
from shared.actions.interface import Action, CapturesMore, DescribesOptions, FollowUp, PlansByCase, ShowsMore
from shared.actions.people import people_needed
from shared.actions.purge_application import PurgeApplication
from shared.actions.remove_app_roles import RemoveAppRoles
from shared.actions.remove_delegated_grants import RemoveDelegatedGrants
from shared.actions.remove_directory_roles import RemoveDirectoryRoles
from shared.actions.replace_credentials import ReplaceCredentials
from shared.actions.require_risk_policy import RequireRiskPolicy
from shared.actions.restore_application import RestoreApplication
from shared.actions.revert_configuration import RevertConfiguration
from shared.actions.rotate_secrets import RotateSecrets
from shared.case import PartName
from shared.signal import JsonObject

ACTIONS: tuple[Action, ...] = (
    RestoreApplication(),
    BlockSignIn(),
    DeactivateApplication(),
    CutVaultAccess(),
    ReplaceCredentials(),
    RemoveDirectoryRoles(),
    RemoveAppRoles(),
    RemoveDelegatedGrants(),
    Custody(),
    RevertConfiguration(),
    RequireRiskPolicy(),
    ConfirmCompromised(),
    DismissRisk(),
    DeleteApplication(),
    PurgeApplication(),
)

_BY_NAME = {action.name: action for action in ACTIONS}

FOLLOW_UPS: tuple[FollowUp, ...] = (RotateSecrets(),)
"""What lasts longer than a plan: worked in a journal of its own, once the plan's containing steps are proven."""


def action_named(name: str) -> Action:
    """The action with this name; KeyError if the catalogue has none."""
    return _BY_NAME[name]


def is_follow_up(name: str) -> bool:
    return any(each.name == name for each in FOLLOW_UPS)


def planner_named(name: str) -> Action | FollowUp:
    """Who lays out this entry of a policy's actions; KeyError if no catalogue has it."""
    return next((each for each in FOLLOW_UPS if each.name == name), None) or action_named(name)


def choosable() -> tuple[str, ...]:
    """The names of everything that a policy or an order may name: actions and follow-ups."""
    return tuple(each.name for each in (*ACTIONS, *FOLLOW_UPS))


def check_options(name: str, options: JsonObject) -> None:
    """Raise ValueError for options that the named action does not know."""
    planner_named(name).check_options(options)


def policy_actions() -> tuple[str, ...]:
    """The names that a policy may hold: the others only people order."""
    return tuple(name for name in choosable() if not people_needed((name,)))


def check_policy_action(name: str, options: JsonObject) -> None:
    """As `check_options`, for a policy: ValueError too for what only people order."""
    if people_needed((name,)):
        raise ValueError(f"{name} is done only on a person's order (POST /api/incidents), never by policy; take it out")
    check_options(name, options)


def contradiction(names: Iterable[str]) -> str | None:
    """Why these cannot be chosen together, or None."""
    chosen = frozenset(names)
    if DismissRisk.name in chosen and len(chosen) > 1:
        return f"{DismissRisk.name} says that nothing is wrong, so no other action may stand beside it"
    return None


def parts_to_capture(names: Iterable[str]) -> frozenset[PartName]:
    """What a look may read along for the pre-images of the named actions; they can also do without."""
    actions = map(planner_named, names)
    return frozenset(part for each in actions if isinstance(each, CapturesMore) for part in each.parts_to_capture)


def parts_to_show(names: Iterable[str]) -> frozenset[PartName]:
    """What is read beside for whoever is shown a plan of the named actions."""
    actions = map(planner_named, names)
    return frozenset(part for each in actions if isinstance(each, ShowsMore) for part in each.parts_to_show)


def option_schemas() -> dict[str, JsonObject]:
    """The JSON Schemas of options, by name, of those that have one."""
    entries = (*ACTIONS, *FOLLOW_UPS)
    return {each.name: each.option_schema for each in entries if isinstance(each, DescribesOptions)}


def parts_to_plan(name: str, options: JsonObject) -> frozenset[PartName]:
    """The parts of the case that the named action's plan needs beside the identity."""
    action = _as_planner(planner_named(name))
    return action.parts_to_plan(options) if action is not None else frozenset()


@cache
def _as_planner(action: Action | FollowUp) -> PlansByCase | None:
    """Asking an entry for its members takes longer than what is asked of it, and they stay as they are."""
    return action if isinstance(action, PlansByCase) else None
