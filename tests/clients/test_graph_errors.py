"""What Graph's answers mean: each status becomes the error of whoever must act, and only that."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable

import httpx
import pytest

from drill.virtual_time import virtual_clock
from shared.errors import (
    CordonError,
    Gone,
    InstanceLocked,
    LicenceMissing,
    OutcomeUnknown,
    PermissionMissing,
    PlatformRefused,
    Throttled,
    UnavailableInCloud,
    Unreachable,
)
from shared.identity import PrincipalId
from tests.clients.fake_graph import PRINCIPAL, TOKEN, Asked, FakeGraph, error, in_turn, ok, play

HTML = httpx.Response(502, html="<html>Bad gateway</html>")


def write(*answers: httpx.Response | Exception) -> tuple[CordonError | None, FakeGraph, float]:
    """Block a sign-in against these answers: what it raised, what was asked, how long it took."""
    return _told(lambda graph: graph.directory().set_account_enabled(PrincipalId(PRINCIPAL), False), *answers)


def read(*answers: httpx.Response | Exception) -> tuple[CordonError | None, FakeGraph, float]:
    return _told(lambda graph: graph.directory().count_enabled_principals(), *answers)


def confirm(*answers: httpx.Response | Exception) -> tuple[CordonError | None, FakeGraph, float]:
    return _told(lambda graph: graph.directory().confirm_compromised([PrincipalId(PRINCIPAL)]), *answers)


def _told(
    act: Callable[[FakeGraph], Awaitable[object]], *answers: httpx.Response | Exception
) -> tuple[CordonError | None, FakeGraph, float]:
    graph = FakeGraph(in_turn(*answers))

    async def story() -> tuple[CordonError | None, float]:
        try:
            await act(graph)
        except CordonError as found:
            return found, virtual_clock().elapsed
        return None, virtual_clock().elapsed

    found, elapsed = play(story)
    return found, graph, elapsed


def test_the_disabling_write_goes_alone_with_high_priority_and_nothing_else_in_its_body() -> None:
    """One PATCH, one property; a 204 without a body is a success."""
    found, graph, _ = write(ok())

    (asked,) = graph.asked
    assert found is None
    assert (asked.method, asked.path, asked.body) == (
        "PATCH",
        f"/servicePrincipals/{PRINCIPAL}",
        {"accountEnabled": False},
    )
    assert asked.headers["x-ms-throttle-priority"] == "High"
    assert not asked.in_batch


def test_a_missing_permission_is_named_with_what_was_not_done_and_never_retried() -> None:
    """403 Authorization_RequestDenied: the operator reads which right to grant and which request to quote."""
    found, graph, elapsed = write(error(403, "Authorization_RequestDenied", "Insufficient privileges."))

    assert isinstance(found, PermissionMissing)
    assert found.needs == "Application.ReadWrite.All"
    assert "blocking sign-in" in str(found)
    assert "5afe5afe-0000-4000-8000-000000000001" in str(found)
    assert (len(graph.asked), elapsed) == (1, 0.0)


@pytest.mark.parametrize(
    "text", ["Your tenant needs a Workload Identities Premium license.", "This feature requires a premium licence"]
)
def test_a_missing_licence_is_not_mistaken_for_a_missing_permission(text: str) -> None:
    """A 403 that speaks of a licence names the licence: granting more rights would not help."""
    found, graph, _ = confirm(error(403, "Forbidden", text))

    assert isinstance(found, LicenceMissing)
    assert len(graph.asked) == 1


def test_a_full_directory_is_a_refusal_and_not_a_missing_permission() -> None:
    """403 Request_QuotaExceeded means that no more objects may be made."""
    found, _, _ = write(error(403, "Request_QuotaExceeded", "The directory object quota limit is exceeded."))

    assert isinstance(found, PlatformRefused)
    assert found.code == "Request_QuotaExceeded"


def test_a_404_to_a_write_is_waited_out_before_it_counts() -> None:
    """The object was seen a moment ago, so one 404 is a replica that lags."""
    gone = error(404, "Request_ResourceNotFound", "Resource does not exist.")

    assert write(gone, gone, ok())[0] is None

    found, _, elapsed = write(gone)
    assert isinstance(found, Gone)
    assert 5.0 <= elapsed <= 30.0


@pytest.mark.parametrize("status", [400, 405, 412, 422])
def test_other_refusals_keep_their_code_and_reason_and_are_not_repeated(status: int) -> None:
    """The platform said no to this change; saying it again is no use."""
    found, graph, _ = write(error(status, "Request_BadRequest", "Property accountEnabled cannot be set."))

    assert type(found) is PlatformRefused
    assert found.code == "Request_BadRequest"
    assert "accountEnabled cannot be set" in str(found)
    assert len(graph.asked) == 1


@pytest.mark.parametrize(
    "code",
    ["CannotUpdateLockedServicePrincipalProperty", "CannotUpdateLockedServicePrincipalPropertyWithEnforcementScope"],
)
def test_the_instance_lock_has_an_error_of_its_own(code: str) -> None:
    """An own application can be unlocked, so the lock must be told apart from other refusals."""
    found, _, _ = write(error(400, code, "Property passwordCredentials is invalid."))

    assert isinstance(found, InstanceLocked)


def test_text_from_the_tenant_cannot_break_out_of_a_message() -> None:
    """Line ends, escape sequences and text direction marks are shown as escapes, and the text is cut."""
    found, _, _ = write(error(400, "Bad\r\nCode", "first\nsecond \x1b[31m red \u202e evil " + "long " * 2000))

    assert "\n" not in str(found)
    assert "\x1b" not in str(found)
    assert "\u202e" not in str(found)
    assert len(str(found)) < 600


def test_a_throttled_read_waits_as_told_and_goes_on() -> None:
    """429 with Retry-After: 9 costs nine seconds and no error."""
    found, _, elapsed = read(error(429, retry_after="9"), httpx.Response(200, text="3"))

    assert (found, elapsed) == (None, 9.0)


@pytest.mark.parametrize("absurd", ["0", "-1", "yesterday", "nan"])
def test_an_absurd_retry_after_becomes_our_own_back_off(absurd: str) -> None:
    """Neither a busy loop nor an error: one to two seconds."""
    found, _, elapsed = read(error(429, retry_after=absurd), httpx.Response(200, text="3"))

    assert found is None
    assert 1.0 <= elapsed <= 2.0


def test_a_throttled_read_that_must_wait_too_long_says_for_how_long() -> None:
    """The caller can come back later; a function is not kept running for it."""
    found, graph, elapsed = read(error(429, retry_after="1000000000"))

    assert isinstance(found, Throttled)
    assert found.retry_after is not None
    assert found.retry_after.total_seconds() == 300.0
    assert (len(graph.asked), elapsed) == (1, 0.0)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_survives_a_server_that_stumbles(status: int) -> None:
    """Three bad answers and a good one make a good answer."""
    bad = error(status, "InternalServerError", "oops")

    assert read(bad, bad, bad, httpx.Response(200, text="3"))[0] is None
    assert isinstance(read(bad)[0], Unreachable)


def test_an_html_page_is_no_answer() -> None:
    """A gateway's page has no error code; it is what it is: a server error."""
    assert isinstance(read(HTML)[0], Unreachable)
    assert isinstance(write(HTML)[0], OutcomeUnknown)


@pytest.mark.parametrize(
    "problem",
    [
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
        httpx.WriteError("broken pipe"),
        httpx.DecodingError("not gzip"),
        TimeoutError(),
        ConnectionResetError(),
    ],
)
def test_a_lost_answer_to_a_write_is_never_called_a_failure(problem: Exception) -> None:
    """Repeating it is safe and is done; if no answer ever comes, the outcome is unknown."""
    assert write(problem, ok())[0] is None
    assert isinstance(write(problem)[0], OutcomeUnknown)
    assert isinstance(read(problem)[0], Unreachable)


@pytest.mark.parametrize(
    "problem", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full")]
)
def test_a_write_that_never_left_changed_nothing(problem: Exception) -> None:
    """Without a connection nothing was sent: that is known, and said."""
    assert isinstance(write(problem)[0], Unreachable)


def test_a_write_that_was_lost_once_is_not_reported_as_refused() -> None:
    """First the answer is lost, then we are told 403: the first one may have been carried out."""
    found, _, _ = write(httpx.ReadTimeout("slow"), error(403, "Authorization_RequestDenied"))

    assert isinstance(found, OutcomeUnknown)


def test_a_429_to_a_write_is_an_unknown_outcome_and_is_repeated() -> None:
    """The platform has been seen to apply a write that it answered 429."""
    assert write(error(429), ok())[0] is None
    assert isinstance(write(error(429))[0], OutcomeUnknown)


@pytest.mark.parametrize("collision", [error(409, "Conflict"), error(503, "Directory_ConcurrencyViolation")])
def test_a_collision_with_another_writer_is_tried_again(collision: httpx.Response) -> None:
    """Somebody wrote to the same object at that moment; a little later it is free."""
    assert write(collision, collision, ok())[0] is None
    assert isinstance(write(collision)[0], PlatformRefused)


def test_a_redirect_is_not_followed() -> None:
    """The token would go along to wherever it points."""
    found, graph, _ = read(httpx.Response(302, headers={"location": "https://evil.example/v1.0/me"}))

    assert isinstance(found, Unreachable)
    assert len(graph.asked) == 1


def test_an_answer_that_is_no_number_is_no_count() -> None:
    """The percentage limit must not be computed from rubbish."""
    assert isinstance(read(httpx.Response(200, text="many"))[0], Unreachable)
    assert isinstance(read(httpx.Response(200, text=""))[0], Unreachable)
    assert read(httpx.Response(200, content=b"\xef\xbb\xbf17"))[0] is None


def test_more_than_sixty_identities_are_confirmed_in_several_calls_a_second_apart() -> None:
    """Identity protection takes at most sixty ids and one request a second."""
    graph = FakeGraph(in_turn(ok()))
    ids = [PrincipalId(f"0c0c0c0c-0000-4000-8000-{number:012d}") for number in range(130)]

    play(lambda: graph.directory().confirm_compromised(ids))

    assert [len(asked.body["servicePrincipalIds"]) for asked in graph.asked] == [60, 60, 10]
    assert all(later.at - earlier.at > 1.0 for earlier, later in zip(graph.asked, graph.asked[1:], strict=False))


def test_the_cloud_without_identity_protection_is_told_from_a_fault() -> None:
    """In China nothing is asked: the answer would be a riddle."""
    graph = FakeGraph(in_turn(ok()))

    with pytest.raises(UnavailableInCloud, match="china"):
        play(lambda: graph.directory(cloud="china").confirm_compromised([PrincipalId(PRINCIPAL)]))
    assert not graph.asked


def test_an_expired_token_is_replaced_once_for_all_who_wait() -> None:
    """Ten calls that are refused at once share one new token, and all go through."""
    graph = FakeGraph(lambda asked: error(401, "InvalidAuthenticationToken") if _is_first(asked) else ok())

    async def story() -> None:
        directory = graph.directory()
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(directory.set_account_enabled(PrincipalId(PRINCIPAL), False))

    play(story)

    assert graph.credential.asked == [None, None]


def _is_first(asked: Asked) -> bool:
    return asked.headers["authorization"] == f"Bearer {TOKEN}1"


def test_a_claims_challenge_is_passed_on_once() -> None:
    """Continuous access evaluation says what it wants in the new token; the credential hears of it."""
    claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1772420000"}}})
    challenge = f'Bearer realm="", error="insufficient_claims", claims="{_base64(claims)}"'
    found, graph, _ = write(error(401, "InvalidAuthenticationToken", www_authenticate=challenge), ok())

    assert found is None
    assert graph.credential.asked == [None, claims]


def test_a_token_that_is_refused_again_ends_the_call() -> None:
    """One refresh, then hold: an endless exchange of tokens would look like an attack."""
    found, graph, _ = write(error(401, "InvalidAuthenticationToken"))

    assert isinstance(found, Unreachable)
    assert (len(graph.asked), len(graph.credential.asked)) == (2, 2)


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    """A second call within the hour asks for no new token; one after it does."""
    graph = FakeGraph(in_turn(ok()))

    async def story() -> None:
        directory = graph.directory()
        for pause in (0, 3000, 400):
            await asyncio.sleep(pause)
            await directory.set_account_enabled(PrincipalId(PRINCIPAL), False)

    play(story)

    assert len(graph.credential.asked) == 2


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
