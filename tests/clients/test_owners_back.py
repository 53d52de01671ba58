"""An owner is given back by a link to the directory object: it leads to the Graph of the cloud that is written to."""

import pytest

from shared.case import HolderKind
from shared.clients.graph import GraphDirectory
from shared.settings import ENDPOINTS, Cloud
from shared.tenant import GiveBack, WriteDone, WriteRefused
from tests.clients.fake_graph import OTHER, PRINCIPAL, TENANT, FakeGraph, error, in_turn, names, ok, play


def given_back(url: str) -> object:
    """The link by which an owner is given back at this Graph."""

    async def story() -> object:
        graph = FakeGraph(in_turn(ok()))
        http = graph.http(url)
        directory = GraphDirectory(http, http, TENANT)
        give = GiveBack("owner", HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, {"id": OTHER})
        results = await directory.write_access((give,))
        (asked,) = graph.asked

        assert names(results) == [WriteDone.__name__]
        assert asked.path == f"/servicePrincipals/{PRINCIPAL}/owners/$ref"
        return asked.body

    return play(story)


@pytest.mark.parametrize("cloud", Cloud)
def test_the_link_leads_to_the_graph_of_the_cloud(cloud: Cloud) -> None:
    """The four national clouds have a Graph each (facts: national clouds); a link into another leads nowhere."""
    host = ENDPOINTS[cloud].graph

    assert given_back(host) == {"@odata.id": f"{host}/v1.0/directoryObjects/{OTHER}"}


def test_the_link_leads_to_a_stand_in_as_well() -> None:
    """Where the address of Graph is set by hand, with a slash at its end or without."""
    link = {"@odata.id": f"http://127.0.0.1:8806/v1.0/directoryObjects/{OTHER}"}

    assert given_back("http://127.0.0.1:8806/") == link


def test_what_cannot_be_given_back_is_named() -> None:
    """Its owner was deleted meanwhile: whoever reads of the refusal knows which of several it is about."""

    async def story() -> object:
        give = GiveBack("owner", HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, {"id": OTHER})
        (result,) = await FakeGraph(in_turn(error(404, "Request_ResourceNotFound"))).directory().write_access((give,))
        return result

    refused = play(story)

    assert isinstance(refused, WriteRefused)
    assert f"giving owner {OTHER} back to {PRINCIPAL}" in str(refused.error)
