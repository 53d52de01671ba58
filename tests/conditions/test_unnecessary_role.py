"""unnecessary-role: a permission of Graph that no call could have needed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AppRole, Case, Grants, GraphActivity, GraphCalls, Known, NotLooked, PartName
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.unnecessary_role import RoleUnnecessary
from shared.permission_use import could_have_needed, is_judged
from shared.privileges import APP_ROLES
from tests.conditions.cases import UNREADABLE, but, case, holding
from tests.fakes import GRAPH, START

DAY = timedelta(days=1)
IDS = {privilege.name: id_ for id_, privilege in APP_ROLES.items()}
ASKED = RoleUnnecessary()


def role(name: str, held: timedelta | None = 100 * DAY) -> AppRole:
    return AppRole(f"a-{name}", IDS[name], GRAPH, "Microsoft Graph", START - held if held else None)


def calls(*paths: str, ago: timedelta = DAY, since: timedelta = 60 * DAY, whole: bool = True) -> GraphActivity:
    made = tuple(GraphCalls("GET", path, 3, START - ago) for path in paths)
    return GraphActivity(made, (), START - since, all_calls=whole)


def held(*roles: AppRole, activity: GraphActivity) -> Case:
    grants = Grants(Known(roles), Known(()), Known(()))
    return but(holding(case(), grants), graph_activity=Known(activity))


USERS_AND_ROLES = (role("RoleManagement.ReadWrite.Directory"), role("User.ReadWrite.All"))


def test_a_role_that_no_call_could_have_needed_is_unnecessary() -> None:
    """It lists users all day, and could make itself Global Administrator at any time."""
    found = ASKED.check(held(*USERS_AND_ROLES, activity=calls("/users", "/users/*/manager")))

    assert isinstance(found, Met)
    assert "RoleManagement.ReadWrite.Directory" in found.reason


@pytest.mark.parametrize(
    "path", ["/rolemanagement/directory/roleassignments", "/directoryroles/*/members", "/groups/*"]
)
def test_any_call_that_could_have_needed_it_counts_as_use(path: str) -> None:
    """Also one that a weaker permission would have allowed."""
    assert isinstance(ASKED.check(held(*USERS_AND_ROLES, activity=calls("/users", path))), NotMet)


def test_a_role_of_the_whole_directory_is_used_by_any_call() -> None:
    """Nobody can tell what it was needed for."""
    assert isinstance(ASKED.check(held(role("Directory.ReadWrite.All"), activity=calls("/domains"))), NotMet)
    assert isinstance(ASKED.check(held(role("Directory.ReadWrite.All"), activity=calls())), Met)


@pytest.mark.parametrize(
    "activity",
    [calls(since=20 * DAY), calls("/users", whole=False)],
)
def test_a_log_that_is_too_short_or_too_busy_proves_no_disuse(activity: GraphActivity) -> None:
    """Unknown, and never "unused"; what it does show counts."""
    assert isinstance(ASKED.check(held(*USERS_AND_ROLES, activity=activity)), Unknown)
    used = replace(activity, calls=calls("/rolemanagement", "/users").calls)

    assert isinstance(ASKED.check(held(*USERS_AND_ROLES, activity=used)), NotMet)


def test_a_use_of_long_ago_is_none() -> None:
    """Last called forty days ago."""
    assert isinstance(ASKED.check(held(*USERS_AND_ROLES, activity=calls("/groups", "/users", ago=40 * DAY))), Met)


def test_a_role_that_is_new_undated_or_of_another_api_is_not_called_unused() -> None:
    """The log does not tell of Exchange, and of a role of today nothing can be expected."""
    undated = role("RoleManagement.ReadWrite.Directory", None)
    exchange = role("Exchange.ManageAsApp")

    assert isinstance(ASKED.check(held(role("Domain.ReadWrite.All", DAY), activity=calls())), NotMet)
    assert isinstance(ASKED.check(held(undated, activity=calls())), Unknown)
    assert isinstance(ASKED.check(held(exchange, activity=calls())), Unknown)


def test_the_log_is_asked_for_only_if_such_a_role_is_held() -> None:
    """It costs a query over a month; without it nothing is known."""
    unasked = but(held(*USERS_AND_ROLES, activity=calls()), graph_activity=NotLooked())
    found = ASKED.check(unasked)

    assert isinstance(found, Unknown)
    assert found.wants == {PartName.GRAPH_ACTIVITY}
    assert isinstance(ASKED.check(but(unasked, graph_activity=UNREADABLE)), Unknown)
    assert isinstance(ASKED.check(but(case(), graph_activity=NotLooked())), NotMet)


def test_every_role_of_graph_in_the_catalogue_is_judged() -> None:
    """Those of other APIs are not: their calls are in no log of Graph's."""
    beyond = {"full_access_as_app", "Exchange.ManageAsApp", "SharePoint Sites.FullControl.All"}

    assert {each.name for each in APP_ROLES.values() if not is_judged(each.name)} == beyond


@pytest.mark.parametrize(
    ("permission", "path", "could"),
    [
        ("Mail.Read", "/users/*/messages", True),
        ("Mail.Read", "/users/jdoe/messages/*", True),
        ("Mail.Read", "/users", False),
        ("Mail.Read", "/users/*", False),
        ("Mail.Read", "/users/*/*", True),
        ("Files.Read.All", "/sites/*/drive/root", True),
        ("Files.Read.All", "/users/*/messages", False),
        ("Application.ReadWrite.All", "/applications/*/owners", True),
    ],
)
def test_paths_are_compared_by_their_segments(permission: str, path: str, could: bool) -> None:
    """What may be an id may be any segment."""
    assert could_have_needed(permission, path) is could


def test_a_log_that_has_fallen_silent_calls_no_role_unnecessary() -> None:
    """It may have been needed since; a use that is seen is one."""
    silent = replace(calls("/users"), until=START - DAY)

    assert isinstance(ASKED.check(held(*USERS_AND_ROLES, activity=silent)), Unknown)
    assert isinstance(ASKED.check(held(role("User.ReadWrite.All"), activity=silent)), NotMet)
