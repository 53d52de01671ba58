"""The catalogue of actions: everything that Cordon can do to a tenant stands in this list."""

from shared.actions.block_sign_in import BlockSignIn
from shared.actions.confirm_compromised import ConfirmCompromised
from shared.actions.interface import Action
from shared.actions.replace_credentials import ReplaceCredentials
from shared.signal import JsonObject

ACTIONS: tuple[Action, ...] = (
    BlockSignIn(),
    ReplaceCredentials(),
    ConfirmCompromised(),
)


def action_named(name: str) -> Action:
    """The action with this name; KeyError if the catalogue has none."""
    return {action.name: action for action in ACTIONS}[name]


def check_options(name: str, options: JsonObject) -> None:
    """Raise ValueError for options that the named action does not know."""
    action_named(name).check_options(options)
