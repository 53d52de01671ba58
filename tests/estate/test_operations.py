"""What goes on behind an answer, and what the network does to a request: nothing is taken for done or undone early."""

import pytest
from aiohttp import ClientConnectorError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey
from azure.core.exceptions import ServiceRequestError, ServiceRequestTimeoutError

from drill.virtual_time import virtual_clock
from shared.clients.azure_http import never_left
from shared.errors import OutcomeUnknown
from shared.estate import SecretValue
from tests.clients.fake_azure import Said, Sent
from tests.clients.fake_graph import play
from tests.estate.test_no_secrets import estate_of
from tests.estate.test_sources import PLACES

OPERATION = "https://management.azure.com/subscriptions/s1/providers/Microsoft.Sql/operations/1?api-version=1"


@pytest.mark.parametrize("word", ["Regenerating", "Provisioning", "Waiting"])
def test_an_operation_is_over_when_it_says_succeeded_and_by_no_other_word(word: str) -> None:
    """A service has words of its own for what goes on: with one of them the old password counts still."""

    def answer(sent: Sent) -> Said:
        if sent.method == "PATCH":
            return Said(202, {}, {"Azure-AsyncOperation": OPERATION})
        return Said(200, {"status": word if virtual_clock().elapsed < 60 else "Succeeded"})

    async def story() -> float:
        await estate_of(answer).sources.set_password(PLACES["sql"], "sql", SecretValue("Abc-123-xyz"))
        return virtual_clock().elapsed

    assert play(story) >= 60


def test_a_server_that_took_the_request_and_hung_up_may_have_carried_it_out() -> None:
    """The transport calls that an error of the request, as if it had not left."""
    hung_up = ServiceRequestError("x", error=ServerDisconnectedError())

    def answer(sent: Sent) -> Said | Exception:
        return hung_up if sent.path.endswith("/regenerateKey") else Said(200, {})

    async def story() -> None:
        await estate_of(answer).sources.regenerate(PLACES["redis"], "redis", "primary")

    with pytest.raises(OutcomeUnknown):
        play(story)


def test_where_no_connection_came_about_nothing_was_sent() -> None:
    """Then it may be sent again, whatever it is."""
    key = ConnectionKey("management.azure.com", 443, True, True, None, None, None)
    closed = ServiceRequestError("x", error=ClientConnectorError(key, OSError("refused")))

    assert never_left(closed)
    assert never_left(ServiceRequestError("x"))
    assert never_left(ServiceRequestTimeoutError("x", error=TimeoutError()))
    assert not never_left(TimeoutError())
