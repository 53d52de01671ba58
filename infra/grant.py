"""
Gives one of Cordon's managed identities its Graph permissions, or takes them away again.

    python3 infra/grant.py reader OBJECT_ID           what watching needs
    python3 infra/grant.py executor OBJECT_ID         what acting needs: as powerful as an administrator of applications
    python3 infra/grant.py executor OBJECT_ID --action remove-directory-roles     the same, and what this action needs
    python3 infra/grant.py executor OBJECT_ID --take-away

Asks Graph through the Azure CLI as whoever is signed in there, who needs the role Privileged Role Administrator. Says
what it will do first, and does it only with --yes. Needs no packages. Repeating it does no harm.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[str, str, Json | None], Json]
"""Method, path under the version, body: the answer, empty where Graph answers nothing."""

GRAPH = "00000003-0000-0000-c000-000000000000"  # Graph's own client id, the same in every tenant
PERMISSIONS = Path(__file__).parent / "graph_permissions.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One request that changes something, and how to say it."""

    sentence: str
    method: str
    path: str
    body: Json | None = None


class CannotGrant(Exception):
    """What stands in the way, in a sentence."""


def plan(ask: Ask, principal: str, permissions: Sequence[str], *, take_away: bool) -> list[Change]:
    """What has to change so that the identity holds all of the permissions, or none of them."""
    graph = ask("GET", f"/servicePrincipals(appId='{GRAPH}')?$select=id,appRoles", None)
    roles = {str(role["value"]): str(role["id"]) for role in graph["appRoles"]}
    if unknown := [name for name in permissions if name not in roles]:
        raise CannotGrant(f"Graph in this tenant's cloud has no permission named {', '.join(unknown)}.")
    held = {
        str(grant["appRoleId"]): str(grant["id"])
        for grant in _all(ask, f"/servicePrincipals/{principal}/appRoleAssignments")
        if grant["resourceId"] == graph["id"]
    }
    if take_away:
        return [_removal(principal, name, held[roles[name]]) for name in permissions if roles[name] in held]
    return [_grant(principal, name, graph["id"], roles[name]) for name in permissions if roles[name] not in held]


def chosen_permissions(listed: Json, identity: str, actions: Sequence[str], *, take_away: bool) -> list[str]:
    """The identity's own permissions and those of the actions; to take away, those of every action."""
    optional: dict[str, dict[str, list[str]]] = listed["optional"]
    if unknown := [name for name in actions if name not in optional]:
        raise CannotGrant(f"No action named {', '.join(unknown)} needs more; those that do: {', '.join(optional)}.")
    more = [name for action in (optional if take_away else actions) for name in optional[action].get(identity, [])]
    return list(dict.fromkeys([*listed[identity], *more]))


def _all(ask: Ask, path: str) -> list[Json]:
    """Every page: a grant on the second one is held as well."""
    rows: list[Json] = []
    while path:
        page = ask("GET", path, None)
        rows += page["value"]
        path = str(page.get("@odata.nextLink", "")).partition("/v1.0")[2]
    return rows


def _grant(principal: str, name: str, graph: str, role: str) -> Change:
    body = {"principalId": principal, "resourceId": graph, "appRoleId": role}
    return Change(f"grant {name}", "POST", f"/servicePrincipals/{principal}/appRoleAssignments", body)


def _removal(principal: str, name: str, grant: str) -> Change:
    return Change(f"take away {name}", "DELETE", f"/servicePrincipals/{principal}/appRoleAssignments/{grant}")


def through_azure_cli() -> Ask:
    """Ask Graph of the cloud that the Azure CLI is signed in to."""
    cloud = json.loads(_az("cloud", "show", "--output", "json"))
    version = cloud["endpoints"]["microsoftGraphResourceId"].rstrip("/") + "/v1.0"

    def ask(method: str, path: str, body: Json | None) -> Json:
        sent = [] if body is None else ["--body", json.dumps(body)]
        answer = _az("rest", "--method", method.lower(), "--url", version + path, *sent)
        return json.loads(answer) if answer.strip() else {}

    return ask


def _az(*words: str) -> str:
    try:
        done = subprocess.run(["az", *words], check=False, capture_output=True, text=True)  # noqa: S603, S607
    except FileNotFoundError as problem:
        raise CannotGrant("The Azure CLI (az) is not installed.") from problem
    if done.returncode:
        raise CannotGrant(done.stderr.strip())
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """Plan, say it, and do it where --yes stands."""
    parser = argparse.ArgumentParser(description="Gives Cordon's identities their Graph permissions.")
    parser.add_argument("identity", choices=["reader", "executor"])
    parser.add_argument("object_id", help="the managed identity's object (principal) id")
    parser.add_argument("--action", action="append", default=[], help="with what this action needs beyond that")
    parser.add_argument("--take-away", action="store_true", help="remove the permissions instead")
    parser.add_argument("--yes", action="store_true", help="do it, and not only say it")
    chosen = parser.parse_args(arguments)
    listed = json.loads(PERMISSIONS.read_text(encoding="utf-8"))
    try:
        permissions = chosen_permissions(listed, chosen.identity, chosen.action, take_away=chosen.take_away)
        ask = through_azure_cli()
        changes = plan(ask, chosen.object_id, permissions, take_away=chosen.take_away)
        for change in changes:
            print(change.sentence if chosen.yes else f"would {change.sentence}")
            if chosen.yes:
                ask(change.method, change.path, change.body)
    except CannotGrant as problem:
        print(problem, file=sys.stderr)
        return 1
    print("Nothing to do." if not changes else "Done." if chosen.yes else "Nothing was changed; add --yes to do it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
