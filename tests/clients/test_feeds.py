"""Polling: whole lists page by page, or an error; never a part of a list that looks like all of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.case import SignIn
from shared.clients.feeds import GraphFeeds
from shared.errors import IncompleteAnswer, LicenceMissing, PermissionMissing, UnavailableInCloud, Unreachable
from shared.identity import PrincipalId
from shared.signal import JsonObject
from tests.clients.fake_graph import GRAPH, Answering, Asked, FakeGraph, error, in_turn, ok, page, play
from tests.fakes import PAYROLL

SINCE = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
UNTIL = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
HERE = f"{GRAPH}/v1.0/identityProtection/riskyServicePrincipals"


def pages_of(
    answer: Answering, feed: Callable[[GraphFeeds], AsyncIterator[Sequence[JsonObject]]], **more: Any
) -> tuple[list[Sequence[JsonObject]], FakeGraph]:
    graph = FakeGraph(answer)

    async def story() -> list[Sequence[JsonObject]]:
        return [each async for each in feed(graph.feeds(**more))]

    return play(story), graph


def risky(answer: Answering, **more: Any) -> tuple[list[Sequence[JsonObject]], FakeGraph]:
    return pages_of(answer, lambda feeds: feeds.risky_principals(), **more)


def detections(answer: Answering, **more: Any) -> tuple[list[Sequence[JsonObject]], FakeGraph]:
    return pages_of(answer, lambda feeds: feeds.risk_detections(), **more)


def audits(answer: Answering, **more: Any) -> tuple[list[Sequence[JsonObject]], FakeGraph]:
    return pages_of(answer, lambda feeds: feeds.audits(SINCE, UNTIL), **more)


def at(minutes: float, id: str = "") -> JsonObject:
    moment = (SINCE + timedelta(minutes=minutes)).replace(tzinfo=None).isoformat()
    return {"id": id or f"Directory_{minutes}", "activityDateTime": f"{moment}Z"}


def test_pages_are_followed_to_the_last_one() -> None:
    """Three links, three pages, in order, each asked for by the link as it was given."""
    answer = in_turn(
        page({"id": 1}, next=f"{HERE}?$skiptoken=a%2Bb"), page({"id": 2}, next=f"{HERE}?$skiptoken=c"), page({"id": 3})
    )
    pages, graph = risky(answer)

    assert [[record["id"] for record in each] for each in pages] == [[1], [2], [3]]
    assert [asked.path.partition("?")[2] for asked in graph.asked[1:]] == ["$skiptoken=a%2Bb", "$skiptoken=c"]


def test_the_next_page_is_fetched_only_when_it_is_asked_for() -> None:
    """Memory holds one page; a sweep that stops early has asked for no more than it read."""
    graph = FakeGraph(in_turn(page({"id": 1}, next=f"{HERE}?$skiptoken=x")))

    async def story() -> int:
        async for _ in graph.feeds().risky_principals():
            break
        return len(graph.asked)

    assert play(story) == 1


def test_polls_have_low_priority_and_keep_to_a_request_a_second() -> None:
    """Whoever is throttled first should be the sweep, not the containment."""
    link = f"{HERE}?$skiptoken="
    _, graph = risky(in_turn(page(next=f"{link}1"), page(next=f"{link}2"), page()))

    assert {asked.headers["x-ms-throttle-priority"] for asked in graph.asked} == {"Low"}
    assert {asked.headers["prefer"] for asked in graph.asked} == {"include-unknown-enum-members"}
    assert [round(asked.at, 2) for asked in graph.asked] == [0.0, 1.05, 2.1]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/identityProtection/riskyServicePrincipals",
        "https://graph.microsoft.com.evil.example/v1.0/x",
        "https://graph.microsoft.com@evil.example/v1.0/x",
        "https://user@graph.microsoft.com/v1.0/x",
        "http://graph.microsoft.com/v1.0/x",
        "https://graph.microsoft.com:8443/v1.0/x",
        "https://graph.microsoft.com/beta/x",
        "https://graph.microsoft.com/v1.0/../beta/x",
        "https://graph.microsoft.com/v1.0/x#fragment",
        "//evil.example/v1.0/x",
        "/v1.0/identityProtection/riskyServicePrincipals?$skiptoken=x",
        "https://169.254.169.254/v1.0/metadata",
        "https://[::1]/v1.0/x",
        "file:///etc/passwd",
        "https://graph.microsoft.com:99999/v1.0/x",
        "https://[graph.microsoft.com/v1.0/x",
        "",
        7,
        ["https://graph.microsoft.com/v1.0/x"],
    ],
)
def test_a_next_link_to_anywhere_else_is_not_followed_and_the_list_is_not_complete(link: object) -> None:
    """The token stays here, and the pages so far do not pass for the whole list."""
    answer = in_turn(ok({"value": [{"id": 1}], "@odata.nextLink": link}))
    graph = FakeGraph(answer)

    async def story() -> None:
        async for _ in graph.feeds().risky_principals():
            pass

    with pytest.raises(IncompleteAnswer):
        play(story)
    assert len(graph.asked) == 1


def test_links_that_go_round_in_a_circle_are_noticed() -> None:
    """A list that never ends is not read for ever."""
    answer = in_turn(
        page(next=f"{HERE}?$skiptoken=a"), page(next=f"{HERE}?$skiptoken=b"), page(next=f"{HERE}?$skiptoken=a")
    )

    with pytest.raises(IncompleteAnswer):
        risky(answer)


@pytest.mark.parametrize("body", [{}, {"value": None}, {"value": {}}, {"value": "x"}, {"value": [1]}, {"error": {}}])
def test_a_list_without_a_list_is_not_an_empty_list(body: JsonObject) -> None:
    """A 200 without `value` says nothing about what there is."""
    for feed in (risky, detections, audits):
        with pytest.raises(IncompleteAnswer):
            feed(in_turn(ok(body)))


def test_a_count_that_the_pages_do_not_reach_means_that_some_are_missing() -> None:
    """The list of risky identities tells how many there are; a link that got lost does not go unnoticed."""
    with pytest.raises(IncompleteAnswer, match="3 were announced, 1 came"):
        risky(in_turn(ok({"value": [{"id": 1}], "@odata.count": 3})))


def test_options_that_the_service_does_not_take_are_left_out_from_then_on() -> None:
    """The page size of risk detections is not documented: a 400 costs one request, once."""

    def strict(asked: Asked) -> httpx.Response:
        return error(400, "Request_BadRequest", "$top is not allowed.") if "$top" in asked.path else page({"id": 1})

    graph = FakeGraph(strict)

    async def story() -> None:
        feeds = graph.feeds()
        for _ in range(2):
            async for _page in feeds.risk_detections():
                pass

    play(story)

    assert ["$top" in asked.path for asked in graph.asked] == [True, False, False]


def test_a_refusal_that_stays_is_told_after_the_plainest_form_was_tried() -> None:
    """A filter that the service does not take is a refusal, not an empty log."""
    graph = FakeGraph(in_turn(error(400, "BadRequest", "Invalid filter clause.")))

    async def story() -> None:
        async for _ in graph.feeds().audits(SINCE, UNTIL):
            pass

    with pytest.raises(Exception, match="Invalid filter clause"):
        play(story)
    assert len(graph.asked) == 3


def test_the_audit_log_is_read_by_time_and_its_edges_are_cut_here() -> None:
    """`le` is documented and `lt` is not, so a record of the next window may come along; it is not given out twice."""
    pages, graph = audits(in_turn(page(at(-1), at(0), at(59.99), at(60), at(61))))

    assert [record["id"] for record in pages[0]] == ["Directory_0", "Directory_59.99"]
    path = graph.asked[0].path
    assert "activityDateTime ge 2026-03-02T02:00:00Z and activityDateTime le 2026-03-02T03:00:00Z" in path
    assert "$orderby=activityDateTime" in path


def test_a_record_whose_time_cannot_be_read_is_not_dropped() -> None:
    """Its source sets it aside with a reason; here it would vanish without one."""
    pages, _ = audits(in_turn(page({"id": "odd", "activityDateTime": "yesterday"}, {"id": "none"})))

    assert [record["id"] for record in pages[0]] == ["odd", "none"]


def test_a_full_page_without_a_link_is_looked_behind() -> None:
    """Exactly as many records as a page holds may be all, or the link got lost."""
    full = [at(number) for number in range(5)]
    more = in_turn(page(*full), page(full[-1], at(30)))
    same = in_turn(page(*full), page(full[-1]))

    with pytest.raises(IncompleteAnswer, match="more follows"):
        audits(more, audit_page=5)
    assert len(audits(same, audit_page=5)[0]) == 1


def test_reports_keep_to_five_requests_in_ten_seconds() -> None:
    """Twelve pages take at least twenty seconds."""
    link = f"{GRAPH}/v1.0/auditLogs/directoryAudits?$skiptoken="
    _, graph = audits(in_turn(*(page(next=f"{link}{number}") for number in range(11)), page()))

    times = [asked.at for asked in graph.asked]
    assert len(times) == 12
    assert all(sum(start <= other < start + 10 for other in times) <= 5 for start in times)


def test_a_quota_that_is_smaller_than_documented_is_learned() -> None:
    """After a 429 without Retry-After the poll goes on more slowly, and reaches its end."""
    link = f"{HERE}?$skiptoken="
    answer = in_turn(page(next=f"{link}1"), error(429), page(next=f"{link}2"), page())
    pages, graph = risky(answer)

    gaps = [later.at - earlier.at for earlier, later in zip(graph.asked, graph.asked[1:], strict=False)]
    assert len(pages) == 3
    assert gaps[-1] > 1.5


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (error(403, "Authorization_RequestDenied", "Insufficient privileges."), PermissionMissing),
        (error(403, "Forbidden", "This needs a Workload Identities Premium license."), LicenceMissing),
        (error(503), Unreachable),
        (httpx.Response(200, content=b'{"value":[{"id":1},'), Unreachable),
        (httpx.Response(200, content=b"[" * 100_000), Unreachable),
        (httpx.Response(200, html="<html>maintenance</html>"), Unreachable),
    ],
    ids=["forbidden", "no licence", "down", "cut", "nested", "html"],
)
def test_a_poll_that_fails_says_why_and_gives_no_page(answer: httpx.Response, problem: type[Exception]) -> None:
    """No error of any kind becomes an empty list."""
    for feed in (risky, detections, audits):
        if not (problem is LicenceMissing and feed is audits):
            with pytest.raises(problem):
                feed(in_turn(answer))


def test_a_page_that_fails_in_the_middle_ends_the_list_with_an_error() -> None:
    """What was given out so far stays known; that it was not all is told."""
    answer = in_turn(page({"id": 1}, next=f"{HERE}?$skiptoken=a"), error(500))
    seen: list[object] = []
    graph = FakeGraph(answer)

    async def story() -> None:
        async for each in graph.feeds().risky_principals():
            seen.append(each)  # noqa: PERF401 - what came before the error is the point

    with pytest.raises(Unreachable):
        play(story)
    assert seen == [[{"id": 1}]]


def test_the_cloud_without_identity_protection_says_so() -> None:
    """China has audit records, and no identity protection to poll."""
    for feed in (risky, detections):
        with pytest.raises(UnavailableInCloud):
            feed(in_turn(page()), cloud="china")
    assert audits(in_turn(page()), cloud="china")[0] == [[]]


def sign_in(number: int, **more: Any) -> JsonObject:
    record: JsonObject = {
        "id": f"s{number}",
        "createdDateTime": f"2026-03-02T02:{number:02d}:00Z",
        "servicePrincipalId": PAYROLL,
        "status": {"errorCode": 0},
        "ipAddress": "198.51.100.66",
        **more,
    }
    return record


def sign_ins(answer: Answering, **more: Any) -> tuple[list[Sequence[SignIn]], FakeGraph]:
    graph = FakeGraph(answer)

    async def story() -> list[Sequence[SignIn]]:
        found = graph.feeds(**more).sign_ins(PrincipalId(PAYROLL), "servicePrincipal", 0, SINCE)
        return [each async for each in found]

    return play(story), graph


def test_sign_ins_are_read_in_beta_to_the_last_page() -> None:
    """Workloads' sign-ins are in beta only, and so are the links to the pages that follow."""
    link = f"{GRAPH}/beta/auditLogs/signIns?$skiptoken=a"
    pages, graph = sign_ins(in_turn(page(sign_in(5), next=link), page(sign_in(4))))

    assert [[each.id for each in found] for found in pages] == [["s5"], ["s4"]]
    assert all("/beta/auditLogs/signIns" in asked.path for asked in graph.asked)


@pytest.mark.parametrize(
    "odd",
    [
        {"servicePrincipalId": "99999999-0000-4000-8000-000000000001"},
        {"status": {"errorCode": 7000112}},
        {"status": None},
        {"createdDateTime": None},
    ],
)
def test_sign_ins_that_were_not_asked_for_are_told_after_the_rest(odd: JsonObject) -> None:
    """A service that ignores the filter would show other people's as this one's; the others are what they are."""
    given, link = list[str](), f"{GRAPH}/beta/auditLogs/signIns?$skiptoken=a"
    graph = FakeGraph(in_turn(page(sign_in(5, **odd), sign_in(4), next=link), page(sign_in(3))))

    async def story() -> None:
        async for page_ in graph.feeds().sign_ins(PrincipalId(PAYROLL), "servicePrincipal", 0, SINCE):
            given.extend(each.id for each in page_)

    with pytest.raises(IncompleteAnswer, match=r"1 record\(s\) cannot be used"):
        play(story)
    assert given == ["s4", "s3"]


def test_a_full_page_of_sign_ins_without_a_link_is_looked_behind() -> None:
    """A link that got lost would hide the older ones."""
    with pytest.raises(IncompleteAnswer, match="more follows"):
        sign_ins(in_turn(page(sign_in(5), sign_in(4)), page(sign_in(4), sign_in(3))), sign_in_page=2)


def everybodys(answer: Answering, **more: Any) -> tuple[list[Sequence[JsonObject]], FakeGraph]:
    return pages_of(answer, lambda feeds: feeds.all_sign_ins("managedIdentity", SINCE, UNTIL), **more)


def test_everybodys_sign_ins_are_asked_for_by_type_and_time_and_cut_at_the_upper_edge() -> None:
    """Beta knows workloads only by their type; `lt` is not documented, so what is too new is left to the next."""
    late = sign_in(5, createdDateTime="2026-03-02T03:00:00Z")
    pages, graph = everybodys(in_turn(page(late, sign_in(4))))

    assert [[each["id"] for each in found] for found in pages] == [["s4"]]
    asked = httpx.URL(f"{GRAPH}{graph.asked[0].path}")
    assert asked.path == "/beta/auditLogs/signIns"
    assert asked.params["$filter"] == (
        "signInEventTypes/any(t:t eq 'managedIdentity') and createdDateTime ge 2026-03-02T02:00:00Z "
        "and createdDateTime le 2026-03-02T03:00:00Z"
    )
    assert graph.asked[0].headers["x-ms-throttle-priority"] == "Low"


def test_a_full_page_of_everybodys_sign_ins_without_a_link_is_looked_behind() -> None:
    """They come newest first, so what may be missing is older."""
    with pytest.raises(IncompleteAnswer, match="more follows"):
        everybodys(in_turn(page(sign_in(5), sign_in(4)), page(sign_in(4), sign_in(3))), sign_in_page=2)
