"""The groups that an identity is in, on the wire."""

from shared.clients.graph import GraphDirectory
from shared.errors import CordonError, PermissionMissing, Unreachable
from shared.identity import PrincipalId
from tests.clients.fake_graph import OTHER, PRINCIPAL, TENANT, Answering, FakeGraph, error, in_turn, page, play

GROUP = "#microsoft.graph.group"
SECOND = "60000000-0000-4000-8000-000000000002"


def groups(answer: Answering) -> tuple[tuple[str, ...] | CordonError, FakeGraph]:
    graph = FakeGraph(answer)

    async def story() -> tuple[str, ...] | CordonError:
        http = graph.http()
        try:
            return await GraphDirectory(http, None, TENANT).transitive_groups(PrincipalId(PRINCIPAL))
        except CordonError as problem:
            return problem

    return play(story), graph


def test_groups_of_all_pages_are_told_and_roles_are_none() -> None:
    """The list holds directory roles and administrative units, too."""
    path = f"/servicePrincipals/{PRINCIPAL}/transitiveMemberOf"
    first = page(
        {"@odata.type": GROUP, "id": OTHER},
        {"@odata.type": "#microsoft.graph.directoryRole", "id": PRINCIPAL},
        next=f"https://graph.microsoft.com/v1.0{path}?$skiptoken=2",
    )
    found, graph = groups(in_turn(first, page({"@odata.type": GROUP, "id": SECOND.upper()})))

    assert found == (OTHER, SECOND)
    assert graph.asked[0].path == path


def test_a_group_without_an_id_is_not_left_out_in_silence() -> None:
    """A list that is not whole is no list."""
    found, _ = groups(in_turn(page({"@odata.type": GROUP, "id": "payroll"})))

    assert isinstance(found, Unreachable)


def test_a_refusal_is_no_empty_list() -> None:
    """Who may not look has not seen that there are none."""
    found, _ = groups(in_turn(error(403, "Authorization_RequestDenied", "Insufficient privileges")))

    assert isinstance(found, PermissionMissing)
