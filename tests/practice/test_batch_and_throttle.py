"""$batch, the real buckets, faults on order."""

import asyncio
import math

import httpx
import pytest

from drill.practice import Behaviour
from tests.practice.desk import APP_ID, APPLICATION, PRINCIPAL, SECRET, Desk, JsonObject, at_the_desk, payroll

SP = f"/servicePrincipals/{PRINCIPAL}"
JSON = {"Content-Type": "application/json"}
RISKY = "/identityProtection/riskyServicePrincipals"


def get(name: str, url: str = SP, **more: object) -> JsonObject:
    return {"id": name, "method": "GET", "url": url, **more}


def patch(name: str, url: str = SP, body: JsonObject | None = None, **more: object) -> JsonObject:
    return {"id": name, "method": "PATCH", "url": url, "headers": JSON, "body": body or {"tags": [name]}, **more}


# --- $batch ----------------------------------------------------------------------------------------


def test_inner_requests_succeed_and_fail_each_for_itself() -> None:
    """The outer 200 proves nothing (Graph: json-batching)."""

    async def story(desk: Desk) -> None:
        answers = await desk.batch(
            get("a"), get("b", "/servicePrincipals/nobody"), patch("c"), get("d", f"/applications(appId='{APP_ID}')")
        )

        assert {name: each["status"] for name, each in answers.items()} == {"a": 200, "b": 404, "c": 204, "d": 200}
        assert answers["b"]["body"]["error"]["code"] == "Request_ResourceNotFound"

    at_the_desk(story)


def test_answers_come_in_any_order() -> None:
    """Responses are unordered, and the practice tenant sees to it that they are."""

    async def story(desk: Desk) -> list[str]:
        requests = [get(str(number)) for number in range(10)]
        reply = await desk.raw("POST", "/$batch", {"requests": requests})
        return [each["id"] for each in reply.body["responses"]]

    order = at_the_desk(story, behaviour=Behaviour.gentle(permute_batches=True))

    assert sorted(order) == [str(number) for number in range(10)]
    assert order != sorted(order)


@pytest.mark.parametrize(
    "requests",
    [
        [get(str(number)) for number in range(21)],
        [get("a"), get("a")],
        [get("a", dependsOn=["b"]), get("b")],
        [{"id": "a", "method": "PATCH", "url": SP, "body": {"tags": []}}],
        [get("a", "https://graph.microsoft.com/v1.0/organization")],
        [{"id": "a", "method": "POST", "url": "/$batch", "headers": JSON, "body": {"requests": []}}],
        [{"method": "GET", "url": SP}],
        [],
    ],
)
def test_a_malformed_batch_is_refused_as_a_whole(requests: list[JsonObject]) -> None:
    """At most 20, unique ids, known dependencies, a Content-Type for a body, relative URLs: else one 400."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("POST", "/$batch", {"requests": requests})

        assert (reply.status, reply.code) == (400, "BadRequest")
        assert desk.tenant.effects == []

    at_the_desk(story)


def test_whoever_depends_on_a_failure_gets_424() -> None:
    """A failed dependency stops the rest of the chain, not what stands beside it."""

    async def story(desk: Desk) -> None:
        answers = await desk.batch(
            patch("1", "/servicePrincipals/nobody"),
            patch("2", dependsOn=["1"]),
            patch("3", dependsOn=["2"]),
            get("4"),
        )

        assert {name: each["status"] for name, each in answers.items()} == {"1": 404, "2": 424, "3": 424, "4": 200}
        assert desk.principal()["tags"] == []

    at_the_desk(story)


def test_a_chain_takes_service_time_per_link_and_a_bundle_takes_it_once() -> None:
    """Serial batches wait for each inner request, parallel ones for the slowest (limits A.4)."""
    times = Behaviour.gentle(network=0.06, service=0.04)

    async def story(desk: Desk) -> tuple[float, float]:
        began = desk.tenant.state.elapsed
        await desk.batch(*(get(str(number)) for number in range(5)))
        parallel = desk.tenant.state.elapsed - began
        began = desk.tenant.state.elapsed
        await desk.batch(*(get(str(n), dependsOn=[str(n - 1)] if n else []) for n in range(5)))
        return parallel, desk.tenant.state.elapsed - began

    assert at_the_desk(story, behaviour=times) == (pytest.approx(0.10), pytest.approx(0.26))


def test_parallel_writes_to_one_object_collide_within_a_batch() -> None:
    """Writes to one object must be chained (limits A.3)."""

    async def story(desk: Desk) -> None:
        together = await desk.batch(patch("a"), patch("b"))
        chained = await desk.batch(patch("a"), patch("b", dependsOn=["a"]))

        assert sorted(each["status"] for each in together.values()) in ([204, 409], [204, 503])
        assert [each["status"] for each in chained.values()] == [204, 204]

    at_the_desk(story, behaviour=Behaviour.gentle(service=0.04))


def test_each_inner_request_is_throttled_alone() -> None:
    """An inner 429 has its Retry-After in its own headers (Graph: json-batching)."""

    async def story(desk: Desk) -> None:
        answers = await desk.batch(*(get(str(number), "/auditLogs/directoryAudits") for number in range(7)))

        refused = [each for each in answers.values() if each["status"] == 429]
        assert len(refused) == 2
        assert all(int(each["headers"]["Retry-After"]) >= 1 for each in refused)

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True))


# --- buckets ---------------------------------------------------------------------------------------


async def statuses(desk: Desk, times: int, path: str, role: str = "executor") -> list[int]:
    return [(await desk.raw("GET", path, role=role)).status for _ in range(times)]


def test_identity_protection_allows_one_request_a_second_for_the_whole_tenant() -> None:
    """All callers share the bucket, and its 429 does not say how long to wait (Graph: throttling)."""

    async def story(desk: Desk) -> None:
        mine = await desk.raw("GET", RISKY)
        theirs = await desk.raw("GET", RISKY, role="reader")
        await asyncio.sleep(1.0)
        later = await desk.raw("GET", RISKY, role="reader")

        assert (mine.status, theirs.status, later.status) == (200, 429, 200)
        assert "retry-after" not in theirs.headers

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True))


def test_reports_allow_five_requests_in_ten_seconds_for_each_application() -> None:
    """The sixth is told when to come back, and may then (Graph: throttling)."""

    async def story(desk: Desk) -> None:
        path = "/auditLogs/directoryAudits"
        assert await statuses(desk, 6, path) == [200] * 5 + [429]
        refused = await desk.raw("GET", path)
        other = await desk.raw("GET", path, role="reader")
        await asyncio.sleep(int(refused.headers["retry-after"]))

        assert other.status == 200
        assert (await desk.raw("GET", path)).status == 200

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True))


def test_selecting_key_credentials_has_a_bucket_of_its_own() -> None:
    """150 a minute per tenant; a plain read goes on (Graph: application-get)."""

    async def story(desk: Desk) -> None:
        found = await statuses(desk, 151, f"{SP}?$select=keyCredentials")

        assert found == [200] * 150 + [429]
        assert (await desk.raw("GET", SP)).status == 200

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True))


def test_a_directory_takes_three_thousand_writes_in_150_seconds() -> None:
    """The 3,001st write waits for the window (Graph: throttling)."""

    async def story(desk: Desk) -> None:
        writes = [
            await desk.batch(*(patch(str(n), dependsOn=[str(n - 1)] if n else []) for n in range(20)))
            for _ in range(150)
        ]
        one_more = await desk.raw("PATCH", SP, {"tags": []})

        assert all(each["status"] == 204 for batch in writes for each in batch.values())
        assert one_more.status == 429
        assert math.isclose(int(one_more.headers["retry-after"]), 150, abs_tol=1)

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True, resource_units_per_10_seconds=10**6))


def test_reads_cost_resource_units() -> None:
    """An application costs two, one with $select (Graph: throttling)."""

    async def story(desk: Desk) -> None:
        plain = await desk.raw("GET", f"/applications/{APPLICATION}")
        selected = await desk.raw("GET", f"/applications/{APPLICATION}?$select=id")

        assert [each.headers["x-ms-resource-unit"] for each in (plain, selected)] == ["2", "1"]

    at_the_desk(story, behaviour=Behaviour.gentle(throttling=True))


# --- faults ----------------------------------------------------------------------------------------


def fault(kind: str, **more: object) -> JsonObject:
    return {"service": "graph", "match": "PATCH /servicePrincipals/*", "kind": kind, **more}


@pytest.mark.parametrize("kind", ["401", "403", "404", "409", "429", "500", "502", "503", "504"])
def test_a_refusing_fault_answers_and_changes_nothing(kind: str) -> None:
    """The status is the fault's, the body is Graph's, the object is as before."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("PATCH", SP, {"accountEnabled": False})

        assert reply.status == int(kind)
        assert "innerError" in reply.body["error"]
        assert desk.principal()["accountEnabled"] is True

    at_the_desk(story, faults=[fault(kind)])


@pytest.mark.parametrize("kind", ["429-applied", "503-applied", "504-applied"])
def test_a_refusal_may_lie(kind: str) -> None:
    """A write answered 429 was applied all the same (limits A.3), and the effects say so."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("PATCH", SP, {"accountEnabled": False})

        assert reply.status == int(kind[:3])
        assert desk.principal()["accountEnabled"] is False
        assert [(each["applied"], each["answerLost"]) for each in desk.tenant.effects] == [(True, True)]

    at_the_desk(story, faults=[fault(kind)])


@pytest.mark.parametrize(("kind", "applied"), [("timeout", False), ("timeout-applied", True)])
def test_a_lost_answer_ends_in_the_clients_own_timeout(kind: str, applied: bool) -> None:
    """The real SDK sees httpx.ReadTimeout after its own ten seconds, whether or not the write was done."""

    async def story(desk: Desk) -> None:
        graph = desk.graph()
        builder = graph.builders.service_principals.by_service_principal_id(PRINCIPAL)
        with pytest.raises(httpx.ReadTimeout):
            await graph.patch(builder, {"accountEnabled": False})

        assert desk.tenant.state.elapsed == pytest.approx(10.0)
        assert desk.principal()["accountEnabled"] is not applied
        assert [each["answerLost"] for each in desk.tenant.effects] == ([True] if applied else [])

    at_the_desk(story, faults=[fault(kind)])


def test_broken_connections_look_as_httpx_shows_them() -> None:
    """A reset is ReadError, half a body is RemoteProtocolError."""

    async def story(desk: Desk) -> None:
        with pytest.raises(httpx.ReadError):
            await desk.raw("PATCH", SP, {"tags": ["a"]})
        with pytest.raises(httpx.RemoteProtocolError):
            await desk.raw("GET", SP)

        assert desk.principal()["tags"] == []

    at_the_desk(story, faults=[fault("reset"), {"match": "GET /servicePrincipals/*", "kind": "cut-body"}])


def test_a_gateway_may_answer_in_html() -> None:
    """Not every answer is JSON."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("GET", SP)

        assert (reply.status, reply.headers["content-type"]) == (502, "text/html")

    at_the_desk(story, faults=[{"match": "GET /servicePrincipals/*", "kind": "html-body"}])


def test_slow_answers_and_stale_reads_come_as_ordered() -> None:
    """`delay` is how slow, or how stale."""

    async def story(desk: Desk) -> None:
        await asyncio.sleep(100)
        await desk.raw("PATCH", SP, {"accountEnabled": False})
        await asyncio.sleep(5)
        stale = await desk.raw("GET", SP)
        began = desk.tenant.state.elapsed
        slow = await desk.raw("GET", f"{SP}/owners")

        assert stale.body["accountEnabled"] is True
        assert slow.status == 200
        assert desk.tenant.state.elapsed - began == pytest.approx(4.0)

    faults = [
        {"match": f"GET {SP}", "kind": "stale-read", "delay": 60},
        {"match": "GET /servicePrincipals/*/owners", "kind": "slow", "delay": "PT4S"},
    ]
    at_the_desk(story, faults=faults)


def test_a_fault_strikes_as_often_as_told() -> None:
    """`after` lets some pass, `count` ends it."""

    async def story(desk: Desk) -> list[int]:
        return [(await desk.raw("PATCH", SP, {"tags": []})).status for _ in range(5)]

    assert at_the_desk(story, faults=[fault("503", after=1, count=2)]) == [204, 503, 503, 204, 204]


def test_a_fault_with_a_share_repeats_with_the_seed() -> None:
    """Half of the requests fail, the same half for the same seed."""

    async def story(desk: Desk) -> list[int]:
        return [(await desk.raw("PATCH", SP, {"tags": []})).status for _ in range(40)]

    first, again, other = (at_the_desk(story, faults=[fault("503", share=0.5)], seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert 8 < first.count(503) < 32


def test_a_fault_inside_a_batch_breaks_only_that_request_or_the_whole_connection() -> None:
    """A status is the inner request's own; a lost connection is everybody's, after all is done."""

    async def story(desk: Desk) -> None:
        answers = await desk.batch(patch("a"), get("b"))
        with pytest.raises(httpx.ReadError):
            await desk.batch(
                patch("a"),
                {
                    "id": "b",
                    "method": "POST",
                    "url": f"/applications/{APPLICATION}/removePassword",
                    "headers": JSON,
                    "body": {"keyId": SECRET},
                },
            )

        assert (answers["a"]["status"], answers["b"]["status"]) == (503, 200)
        assert desk.application()["passwordCredentials"] == []

    at_the_desk(story, faults=[fault("503", count=1), fault("reset-applied", after=1)])


def test_an_answer_may_be_missing_from_a_batch() -> None:
    """Missing is unknown, not done (limits D, fault 24)."""

    async def story(desk: Desk) -> None:
        assert len(await desk.batch(get("a"), get("b"))) == 1

    at_the_desk(story, faults=[{"match": "POST /$batch", "kind": "batch-missing"}])


def test_a_write_goes_on_when_its_client_is_killed() -> None:
    """Cancelling the client does not cancel what the service has received."""

    async def story(desk: Desk) -> None:
        sending = asyncio.create_task(desk.raw("PATCH", SP, {"accountEnabled": False}))
        await asyncio.sleep(0.05)
        sending.cancel()
        await asyncio.sleep(1)

        assert sending.cancelled()
        assert desk.principal()["accountEnabled"] is False

    at_the_desk(story, payroll(), behaviour=Behaviour.gentle(network=0.06, service=0.04))
