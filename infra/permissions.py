"""
Which Graph application permissions each of Cordon's identities needs: what the actions declare, and what reading takes.

Some actions need more than the shipped policy does, up to what could make anybody Global Administrator. Nobody holds
that unasked: it stands under `optional`, by action, and is granted for an action by name. What only an undo
needs stands there as `undo-` and the action's name; what a condition of a policy reads, as `condition-` and its name.

    python -m infra.permissions          writes infra/graph_permissions.json, which grant.py reads, and
                                         infra/rotator_permissions.json: what each rotator needs in Azure and Graph

The files are committed, so that whoever grants can read them, and needs neither our packages nor our word.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from shared.actions import ACTIONS
from shared.actions.interface import Action
from shared.conditions import CONDITIONS, may_read
from shared.preflight import READING, WRITING
from shared.rotators import ROTATORS

FILE = Path(__file__).parent / "graph_permissions.json"
ROTATORS_FILE = Path(__file__).parent / "rotator_permissions.json"

# What the shipped policy's conditions read beyond that: granted unasked, or a person would be asked needlessly.
READING_AS_SHIPPED: Mapping[str, str] = {
    "Directory.Read.All": "delegated permission grants",
    "Domain.Read.All": "the tenant's verified domains",
}
# What only some actions read before and after their change, and some conditions to judge.
READING_FOR_ACTIONS: Mapping[str, str] = {
    "IdentityRiskyUser.Read.All": "the risk of people behind an identity",
    "Policy.Read.All": "Conditional Access policies",
    "User.Read.All": "accounts of people behind an identity, and what they are members of",
}


def wanted() -> dict[str, object]:
    """The permissions by identity: `reader` in every mode, `executor` only where plans are carried out."""
    return {
        "reader": sorted({*READING, *READING_AS_SHIPPED}),
        "executor": sorted(WRITING),
        "optional": {
            **{action.name: more for action in ACTIONS if (more := _beyond(action))},
            **{
                f"undo-{each.name}": {"executor": sorted(each.gives_back_with)}
                for each in ACTIONS
                if each.gives_back_with
            },
            **{
                f"condition-{each.name}": {"reader": more}
                for each in CONDITIONS
                if (more := sorted(set(may_read(each)) - {*READING, *READING_AS_SHIPPED}))
            },
        },
    }


def _beyond(action: Action) -> dict[str, list[str]]:
    """What the action needs that its identity does not hold anyway."""
    more = {
        "reader": sorted(set(action.reads) - {*READING, *READING_AS_SHIPPED}),
        "executor": sorted(set(action.permissions) - set(WRITING)),
    }
    return {identity: names for identity, names in more.items() if names}


def text() -> str:
    """The file as it should be."""
    return json.dumps(wanted(), indent=2) + "\n"


def rotators() -> dict[str, list[str]]:
    """By rotator: operations of Resource Manager, Azure roles with what they are on, and Graph's permissions."""
    return {rotator.name: list(rotator.permissions) for rotator in ROTATORS}


def rotators_text() -> str:
    """The file as it should be."""
    return json.dumps(rotators(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    ROTATORS_FILE.write_text(rotators_text(), encoding="utf-8")
