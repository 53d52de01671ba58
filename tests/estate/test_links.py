"""Links and lists that services give: followed to their end, on the same host, or not taken at all."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.case import Known
from shared.errors import OutcomeUnknown
from shared.estate import Estate
from shared.identity import PrincipalId
from tests.clients.fake_azure import Answering, Said, Sent
from tests.clients.fake_graph import PRINCIPAL, play
from tests.estate.desk import why_not
from tests.estate.test_no_secrets import NOW, SHOP, estate_of
from tests.estate.test_sources import PLACES

ELSEWHERE: list[object] = [
    "https://evil.example/x",
    "https://management.azure.com.evil.example/x",
    "https://evil@management.azure.com/x",
    "http://management.azure.com/x",
    "https://management.azure.com:8443/x",
    "//evil.example/x",
    7,
    [],
]


def asked(answer: Answering, call: Callable[[Estate], Awaitable[Any]]) -> tuple[Any, list[str]]:
    """What comes of it, and the URLs that were asked."""
    urls = list[str]()

    def noting(sent: Sent) -> Said | Exception:
        urls.append(sent.url)
        return answer(sent)

    async def story() -> Any:
        return await call(estate_of(noting))

    return play(story), urls


@pytest.mark.parametrize("link", ELSEWHERE)
@pytest.mark.parametrize("host", ["vault", "arm"])
def test_a_next_link_to_another_host_is_not_followed(host: str, link: object) -> None:
    """A token goes to the host that it is for."""

    def call(estate: Estate) -> Awaitable[Any]:
        return estate.vaults.secrets("shop") if host == "vault" else estate.access.logged(SHOP, NOW)

    part, urls = asked(lambda _: Said(200, {"value": [], "nextLink": link}), call)

    assert "leads to somewhere else" in why_not(part)
    assert len(urls) == 1


def test_a_list_that_goes_in_circles_ends() -> None:
    """It is not taken for whole."""
    link = f"https://management.azure.com{SHOP.id}/providers/Microsoft.Insights/diagnosticSettings?$skiptoken=1"

    part, urls = asked(
        lambda _: Said(200, {"value": [], "nextLink": link}), lambda estate: estate.access.logged(SHOP, NOW)
    )

    assert "has no end" in why_not(part)
    assert len(urls) == 2


@pytest.mark.parametrize("link", [each for each in ELSEWHERE if isinstance(each, str)])
@pytest.mark.parametrize("header", ["azure-asyncoperation", "location"])
def test_an_operation_is_asked_about_at_its_own_host_only(header: str, link: str) -> None:
    """Where the answer points to another one, how it ends is not known."""

    async def call(estate: Estate) -> None:
        with pytest.raises(OutcomeUnknown, match="accepted"):
            await estate.sources.regenerate(PLACES["redis"], "redis", "primary")

    _, urls = asked(lambda _: Said(202, {}, {header: link}), call)

    assert len(urls) == 1


def test_a_tenant_too_wide_for_one_question_is_not_seen_whole() -> None:
    """More than ten thousand subscriptions: Resource Graph says so in a header, beside rows that look like all."""

    def answer(sent: Sent) -> Said:
        if "ResourceGraph" in sent.url:
            body: dict[str, Any] = {"totalRecords": 0, "count": 0, "data": [], "resultTruncated": "false"}
            return Said(200, body, {"x-ms-tenant-subscription-limit-hit": "true"})
        return Said(200, {"value": []})

    reach, _ = asked(answer, lambda estate: estate.access.reach(PrincipalId(PRINCIPAL), Known(())))

    assert not reach.vaults
    assert sum("more subscriptions than one question can cover" in each for each in reach.unseen) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """Not even to a host that looks like the same."""
    calls: tuple[Callable[[Estate], Awaitable[Any]], ...] = (
        lambda estate: estate.vaults.secrets("shop"),
        lambda estate: estate.access.logged(SHOP, NOW),
    )
    for call in calls:
        part, urls = asked(lambda _: Said(status, {}, {"location": "https://evil.example/"}), call)

        assert "redirects are not followed" in why_not(part)
        assert len(urls) == 1


def test_a_fake_that_is_asked_shows_what_it_was_asked() -> None:
    """The search for foreign hosts would see one."""
    _, urls = asked(lambda _: Said(200, {"value": []}), lambda estate: estate.vaults.secrets("shop"))

    assert [each.partition("?")[0] for each in urls] == ["https://shop.vault.azure.net/secrets"]
