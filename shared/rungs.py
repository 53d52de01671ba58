"""
The rungs of a ladder: ways to end an attack, from the one that disturbs least to the one that stops everything. Which
of them is taken on a case, `ladder` says; a policy's rule names the rungs that it may take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Rung(StrEnum):
    """One way to end an attack. Values are the policy's words, in the order in which a ladder names them."""

    REMOVE_ONE = "remove-one-credential"  # the abused one; whoever signs in with another goes on
    RISK_POLICY = "risk-policy"  # Conditional Access refuses new tokens while the risk is high
    REVOKE = "revoke"  # what it was given lately is taken back; it signs in as before
    REPLACE_ALL = "replace-all"  # every credential goes
    DISABLE = "disable"  # no new tokens in this tenant
    DEACTIVATE = "deactivate"  # none in any tenant


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of a rule, mildest first; none: it has no ladder. `by_default`: the rule leaves their choice to us."""

    rungs: tuple[Rung, ...] = ()
    by_default: bool = False

    def __bool__(self) -> bool:
        return bool(self.rungs)


DEFAULT = Ladder(tuple(Rung), by_default=True)
NO_LADDER = Ladder()

ACTIONS_OF: Mapping[Rung, tuple[str, ...]] = {
    Rung.REMOVE_ONE: ("replace-credentials",),
    Rung.RISK_POLICY: ("require-risk-policy", "confirm-compromised"),
    Rung.REVOKE: ("remove-directory-roles", "remove-app-roles", "remove-delegated-grants"),
    Rung.REPLACE_ALL: ("replace-credentials",),
    Rung.DISABLE: ("block-sign-in", "replace-credentials"),
    Rung.DEACTIVATE: ("deactivate-application", "block-sign-in", "replace-credentials"),
}
"""The actions that a rung may come to, by their names in the catalogue."""

CHOSEN_BY_LADDER = frozenset(name for names in ACTIONS_OF.values() for name in names) - {"confirm-compromised"}
"""What a rule with a ladder does not name itself."""
