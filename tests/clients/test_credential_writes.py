"""Writing credentials: in order, many at a time, and no refusal stops what comes after it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
import pytest

from drill.virtual_time import virtual_clock
from shared.case import HolderKind
from shared.clients.graph import GraphDirectory
from shared.errors import InstanceLocked, PermissionMissing, PlatformRefused, Unreachable
from shared.tenant import (
    CredentialWrite,
    NewCertificate,
    RemoveFederated,
    RemovePassword,
    ReplaceKeys,
    SetInstanceLock,
    WriteDone,
    WriteRefused,
    WriteResult,
    WriteUnknown,
)
from tests.clients.fake_graph import (
    APPLICATION,
    OTHER,
    PRINCIPAL,
    TENANT,
    Answering,
    Asked,
    FakeGraph,
    Json,
    error,
    in_turn,
    names,
    ok,
    play,
)

UNKNOWN_SECRET = error(400, "Request_BadRequest", "No password credential found with keyId.")
TOO_SOON = error(400, "Request_BadRequest", "Another change to the credentials of this object is in progress.")


def secret(number: int) -> RemovePassword:
    return RemovePassword(HolderKind.APPLICATION, APPLICATION, f"0d0d0d0d-0000-4000-8000-{number:012d}")


def write(
    answer: Answering, *writes: CredentialWrite, spoil: Callable[[list[Json]], object] | None = None
) -> tuple[Sequence[WriteResult], FakeGraph, float]:
    graph = FakeGraph(answer, spoil)

    async def story() -> tuple[Sequence[WriteResult], float]:
        results = await graph.directory().write_credentials(writes)
        return results, virtual_clock().elapsed

    results, elapsed = play(story)
    return results, graph, elapsed


def about(number: int, answer: httpx.Response) -> Answering:
    """Everything succeeds, but for this secret."""
    return lambda asked: answer if asked.body["keyId"].endswith(f"{number:012d}") else ok()


def test_all_credentials_of_an_object_go_in_one_request_one_after_the_other() -> None:
    """Each inner request waits for the one before: two writes to one object at once would collide."""
    results, graph, _ = write(in_turn(ok()), secret(1), secret(2), secret(3))

    assert names(results) == ["WriteDone"] * 3
    assert graph.exchanges == ["/$batch"]
    assert graph.chains == [[None, ["1"], ["2"]]]


def test_more_than_twenty_go_in_several_requests_and_keep_their_order() -> None:
    """A batch holds twenty; forty-five writes are three batches."""
    results, graph, _ = write(in_turn(ok()), *(secret(number) for number in range(45)))

    assert names(results) == ["WriteDone"] * 45
    assert len(graph.exchanges) == 3
    assert [asked.body["keyId"] for asked in graph.asked] == [secret(number).key_id for number in range(45)]


def test_each_write_becomes_the_request_that_graph_documents() -> None:
    """removePassword, PATCH of the whole list with the new public part, DELETE, PATCH of the lock."""
    kept: Json = {"keyId": OTHER, "usage": "Sign", "type": "AsymmetricX509Cert", "key": None, "odd": [1, {"a": None}]}
    made = NewCertificate("cordon-x", "f" * 32, b"DER", "AB" * 20, day(1), day(2))
    _, graph, _ = write(
        in_turn(ok()),
        secret(1),
        ReplaceKeys(HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, (kept,), made),
        RemoveFederated(HolderKind.APPLICATION, APPLICATION, OTHER),
        SetInstanceLock(APPLICATION, {"isEnabled": False}),
    )

    assert [(asked.method, asked.path, asked.body) for asked in graph.asked] == [
        ("POST", f"/applications/{APPLICATION}/removePassword", {"keyId": secret(1).key_id}),
        (
            "PATCH",
            f"/servicePrincipals/{PRINCIPAL}",
            {
                "keyCredentials": [
                    kept,
                    {
                        "type": "AsymmetricX509Cert",
                        "usage": "Verify",
                        "key": "REVS",
                        "displayName": "cordon-x " + "f" * 32,
                        "startDateTime": "2026-03-01T00:00:00Z",
                        "endDateTime": "2026-03-02T00:00:00Z",
                    },
                ]
            },
        ),
        ("DELETE", f"/applications/{APPLICATION}/federatedIdentityCredentials/{OTHER}", None),
        ("PATCH", f"/applications/{APPLICATION}", {"servicePrincipalLockConfiguration": {"isEnabled": False}}),
    ]


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def test_an_emptied_list_is_sent_as_an_empty_list() -> None:
    """`[]` clears; null or a missing property would not."""
    _, graph, _ = write(in_turn(ok()), ReplaceKeys(HolderKind.APPLICATION, APPLICATION, ()))

    assert graph.asked[0].body == {"keyCredentials": []}


def test_a_refused_write_does_not_stop_those_behind_it() -> None:
    """What stood behind it was not carried out (424) and goes into the next batch; nothing is sent twice."""
    refusal = error(400, "CannotUpdateLockedServicePrincipalProperty", "Property passwordCredentials is invalid.")
    results, graph, elapsed = write(about(2, refusal), secret(1), secret(2), secret(3), secret(4))

    assert names(results) == ["WriteDone", "WriteRefused", "WriteDone", "WriteDone"]
    assert isinstance(results[1], WriteRefused)
    assert isinstance(results[1].error, InstanceLocked)
    assert [asked.body["keyId"][-1] for asked in graph.asked] == ["1", "2", "3", "4"]
    assert elapsed == 0.0


def test_a_missing_permission_refuses_every_write_and_waits_for_none() -> None:
    """403 is for the operator; repeating it would only cost time."""
    results, graph, elapsed = write(in_turn(error(403, "Authorization_RequestDenied")), secret(1), secret(2))

    assert [isinstance(each, WriteRefused) and type(each.error) for each in results] == [PermissionMissing] * 2
    assert (len(graph.asked), elapsed) == (2, 0.0)


@pytest.mark.parametrize(
    "text",
    ["No password credential found with keyId 'x'.", "No credentials found to be removed."],
)
def test_a_secret_that_is_not_there_counts_as_removed(text: str) -> None:
    """A resumed step removes again what it removed before the crash."""
    results, _, elapsed = write(in_turn(error(400, "Request_BadRequest", text)), secret(1))

    assert results == [WriteDone(already=True)]
    assert elapsed == 0.0


def test_a_400_that_does_not_say_so_is_not_taken_for_done() -> None:
    """It may be too soon after addPassword, which settles; after three tries it is a refusal."""
    assert write(in_turn(TOO_SOON, ok()), secret(1))[0] == [WriteDone()]

    results, graph, _ = write(in_turn(TOO_SOON), secret(1))
    assert names(results) == ["WriteRefused"]
    assert len(graph.asked) == 3


def test_a_federated_credential_that_is_not_there_counts_as_removed() -> None:
    """DELETE answers 404 to what is gone."""
    gone = RemoveFederated(HolderKind.APPLICATION, APPLICATION, OTHER)

    assert write(in_turn(error(404, "Request_ResourceNotFound")), gone)[0] == [WriteDone(already=True)]


def test_an_altered_kept_certificate_is_a_refusal_at_once() -> None:
    """Somebody changed the list meanwhile: read again, do not insist."""
    text = f"Update to existing credential with KeyId '{OTHER}' is not allowed."
    replace = ReplaceKeys(HolderKind.APPLICATION, APPLICATION, ({"keyId": OTHER},))
    results, graph, _ = write(in_turn(error(400, "Request_BadRequest", text)), replace)

    assert isinstance(results[0], WriteRefused)
    assert isinstance(results[0].error, PlatformRefused)
    assert OTHER in results[0].error.why
    assert len(graph.asked) == 1


@pytest.mark.parametrize(
    "stumble",
    [
        error(503, "Directory_ConcurrencyViolation"),
        error(409, "Conflict"),
        error(500),
        error(404, "Request_ResourceNotFound"),
        error(429, retry_after="3"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
    ],
    ids=str,
)
def test_a_write_that_stumbles_is_repeated_before_those_behind_it(stumble: httpx.Response | Exception) -> None:
    """Order matters (the instance lock is lifted first and put back last), so the others wait for it."""
    results, _, elapsed = write(in_turn(stumble, ok()), secret(1))

    assert results == [WriteDone()]
    assert elapsed > 0

    struck: list[int] = []

    def second_stumbles_once(asked: Asked) -> httpx.Response:
        if asked.body["keyId"].endswith("2") and not struck and isinstance(stumble, httpx.Response):
            struck.append(1)
            return stumble
        return ok()

    results, graph, _ = write(second_stumbles_once, secret(1), secret(2), secret(3))
    done = [asked.body["keyId"][-1] for asked in graph.asked]
    assert results == [WriteDone()] * 3
    assert done in (["1", "2", "2", "3"], ["1", "2", "3"])


def test_a_throttled_write_waits_as_long_as_its_own_answer_says() -> None:
    """The wait stands in the inner answer's headers, not in the outer ones."""
    struck: list[int] = []

    def once(asked: Asked) -> httpx.Response:
        if asked.body["keyId"].endswith("2") and not struck:
            struck.append(1)
            return error(429, "TooManyRequests", retry_after="11")
        return ok()

    results, _, elapsed = write(once, secret(1), secret(2))

    assert results == [WriteDone(), WriteDone()]
    assert elapsed == 11.0


@pytest.mark.parametrize(
    "answer", [error(429), error(504), httpx.ReadTimeout("slow"), httpx.ReadError("reset")], ids=str
)
def test_a_write_whose_answer_never_comes_is_unknown(answer: httpx.Response | Exception) -> None:
    """Neither done nor refused: only a read tells."""
    results, _, _ = write(in_turn(answer), secret(1), secret(2))

    assert names(results) == ["WriteUnknown", "WriteUnknown"]


def test_without_a_connection_nothing_was_written() -> None:
    """That is known, so it is a refusal by circumstance and not an unknown outcome."""
    results, _, _ = write(in_turn(httpx.ConnectError("refused")), secret(1), secret(2))

    assert [isinstance(each, WriteRefused) and type(each.error) for each in results] == [Unreachable] * 2


def test_a_lost_answer_is_not_forgotten_when_a_refusal_follows() -> None:
    """The first attempt may have been carried out although the second was refused."""
    results, _, _ = write(in_turn(httpx.ReadTimeout("slow"), error(403, "Authorization_RequestDenied")), secret(1))

    assert isinstance(results[0], WriteUnknown)
    assert "Application.ReadWrite.All" in results[0].why


SPOILT: dict[str, Callable[[list[Json]], object]] = {
    "one missing": lambda inner: inner[:-1],
    "one twice": lambda inner: [*inner, inner[-1]],
    "other ids": lambda inner: [{**each, "id": each["id"] + "0"} for each in inner],
    "empty": lambda _: [],
    "no list": lambda _: {"1": 204},
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_write_without_an_answer_of_its_own_is_repeated(how: str) -> None:
    """Repeating is safe; in the end each write has a result, and none is called done that was not answered."""
    results, graph, _ = write(in_turn(ok()), secret(1), secret(2), spoil=SPOILT[how])

    assert len(results) == 2
    assert all(isinstance(each, WriteDone | WriteUnknown) for each in results)
    assert len(graph.asked) > 2


def test_permuted_answers_reach_their_writes() -> None:
    """Answers come in any order; each is matched by its id."""
    refusal = error(400, "CannotUpdateLockedServicePrincipalProperty")
    plain, _, _ = write(about(2, refusal), secret(1), secret(2), secret(3))
    turned, _, _ = write(about(2, refusal), secret(1), secret(2), secret(3), spoil=lambda inner: inner[::-1])

    assert names(turned) == names(plain) == ["WriteDone", "WriteRefused", "WriteDone"]


def test_a_batch_that_is_refused_in_every_part_ends() -> None:
    """A service that answers 424 to everything is not asked for ever."""
    results, graph, _ = write(in_turn(error(424)), secret(1), secret(2))

    assert names(results) == ["WriteRefused", "WriteRefused"]
    assert len(graph.exchanges) <= 12


def test_an_id_that_is_no_guid_is_refused_and_the_others_go_on() -> None:
    """Path tricks get no further than this, and keep nobody else from going."""
    evil = RemoveFederated(HolderKind.APPLICATION, APPLICATION, "../../users/me")
    results, graph, _ = write(in_turn(ok()), secret(1), evil, secret(2))

    assert names(results) == ["WriteDone", "WriteRefused", "WriteDone"]
    assert not any("users" in asked.path for asked in graph.asked)


def test_without_an_executor_nothing_is_sent() -> None:
    """In watch mode there is no identity that may write."""
    graph = FakeGraph(in_turn(ok()))
    results = play(lambda: GraphDirectory(graph.http(), None, TENANT).write_credentials([secret(1)]))

    assert names(results) == ["WriteRefused"]
    assert not graph.asked


def test_nothing_to_write_is_nothing_to_send() -> None:
    """An empty plan makes no request."""
    results, graph, _ = write(in_turn(ok()))

    assert list(results) == []
    assert not graph.exchanges
