"""The HTTP doors, as a responder with curl meets them."""

import json
from typing import Any

import azure.functions as func
import pytest

from functions.contract import LARGEST_BODY
from shared.entries import UndoOrdered
from shared.errors import (
    CordonError,
    Gone,
    JournalDamaged,
    MalformedSignal,
    NotFound,
    OutcomeUnknown,
    PolicyWrong,
    RequestConflicts,
    RequestRefused,
    SequenceTaken,
    SettingsWrong,
    Throttled,
    Unreachable,
)
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId
from shared.orders import Order
from shared.policy import ActionChoice
from shared.views import ObstacleView, PreflightView, ReadinessView, RightsView
from tests.doors.fake_responder import APP_ID, HEALTH, INCIDENT, NOW, FakeResponder
from tests.doors.http_host import answer, post

pytestmark = pytest.mark.anyio
ORDER = {"identity": {"appId": APP_ID}, "reason": "Its secret was found in a public repository."}


def read(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


def ordered(responder: FakeResponder) -> Order:
    [(_, order)] = responder.asked
    assert isinstance(order, Order)
    return order


async def test_an_order_is_stored_and_can_be_watched(responder: FakeResponder) -> None:
    """202 means stored, and Location is where the incident is."""
    response = await post("/api/incidents", ORDER, Idempotency_Key="ticket-4711")

    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/incidents/{INCIDENT}"
    assert read(response) == {"incident": INCIDENT, "location": f"/api/incidents/{INCIDENT}"}
    assert ordered(responder) == Order(
        subject=IdentityRef(client_id=ClientId(APP_ID)),
        reason="Its secret was found in a public repository.",
        by="a caller with a function key",
        actions=None,
        plan_hash=None,
        request_id="ticket-4711",
    )


async def test_an_order_can_name_actions_with_options_and_the_plan_it_was_shown(responder: FakeResponder) -> None:
    """What a responder saw in the preview can be ordered, and nothing else."""
    body = {
        **ORDER,
        "actions": ["block-sign-in", {"name": "replace-credentials", "options": {"certificate": True}}],
        "planHash": "e" * 64,
        "by": "night shift",
    }

    await post("/api/incidents", body)

    order = ordered(responder)
    assert order.actions == (
        ActionChoice("block-sign-in", {}),
        ActionChoice("replace-credentials", {"certificate": True}),
    )
    assert order.plan_hash == "e" * 64
    assert order.by == "night shift"


async def test_two_orders_without_a_key_are_two_requests(responder: FakeResponder) -> None:
    """Only a caller's own key makes two requests one."""
    await post("/api/incidents", ORDER)
    await post("/api/incidents", ORDER)

    first, second = (order for _, order in responder.asked if isinstance(order, Order))
    assert first.request_id != second.request_id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("servicePrincipalId", IdentityRef(principal_id=PrincipalId(APP_ID))),
        ("appId", IdentityRef(client_id=ClientId(APP_ID))),
        ("applicationObjectId", IdentityRef(app_object_id=AppObjectId(APP_ID))),
    ],
)
async def test_each_of_the_three_ids_stays_what_it_is(
    name: str, expected: IdentityRef, responder: FakeResponder
) -> None:
    """An id is canonical afterwards, and never taken for one of the other two."""
    await post("/api/incidents", {**ORDER, "identity": {name: APP_ID.upper()}})

    assert ordered(responder).subject == expected


@pytest.mark.parametrize(
    "identity",
    [
        {},
        {"appId": APP_ID, "servicePrincipalId": APP_ID},
        {"appId": None},
        {"appId": APP_ID, "servicePrincipalId": None},
        {"appId": "payroll-sync"},
        {"displayName": "payroll-sync"},
        {"appId": APP_ID + "\n"},
        APP_ID,
        None,
    ],
)
async def test_an_identity_is_exactly_one_id(identity: object, responder: FakeResponder) -> None:
    """Names are not unique and two ids may contradict each other, so neither is accepted."""
    response = await post("/api/incidents", {**ORDER, "identity": identity})

    assert response.status_code == 400
    assert read(response)["mistakes"][0]["at"].startswith("/identity")
    assert responder.asked == []


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"reason": ""}, "/reason"),
    ({"reason": None}, "/reason"),
    ({"reason": "first line\nINFO all is well"}, "/reason"),
    ({"reason": "\x1b[2J"}, "/reason"),
    ({"reason": "x" * 501}, "/reason"),
    ({"reason": 7}, "/reason"),
    ({"raeson": "typo"}, "/raeson"),
    ({"actions": []}, "/actions"),
    ({"actions": ["Block Sign In"]}, "/actions/0"),
    ({"actions": [{"name": "block-sign-in", "optoins": {}}]}, "/actions/0/optoins"),
    ({"actions": [7]}, "/actions/0"),
    ({"planHash": "a b c d e f g h"}, "/planHash"),
    ({"by": "x" * 101}, "/by"),
]


@pytest.mark.parametrize(("change", "at"), MISTAKES)
async def test_a_mistake_in_an_order_is_named_by_its_place(
    change: dict[str, object], at: str, responder: FakeResponder
) -> None:
    """The answer points to the field, and nothing has happened."""
    response = await post("/api/incidents", {**ORDER, **change})

    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert [mistake["at"] for mistake in read(response)["mistakes"]] == [at]
    assert responder.asked == []


async def test_what_was_sent_is_not_repeated_in_a_refusal(responder: FakeResponder) -> None:
    """Somebody who pastes a secret into the wrong field does not find it in a log of answers."""
    response = await post(
        "/api/incidents", {**ORDER, "identity": {"appId": "Canary~Secret~123"}, "reason": "\x01Canary"}
    )

    assert response.status_code == 400
    assert b"Canary" not in response.get_body()


def order_with(option: str) -> bytes:
    """An order that is right but for one option of its action, given as JSON text."""
    identity = json.dumps(ORDER["identity"])
    actions = f'[{{"name": "block-sign-in", "options": {{"option": {option}}}}}]'
    return f'{{"identity": {identity}, "reason": "a leaked secret", "actions": {actions}}}'.encode()


def nested(levels: int) -> str:
    return '{"deeper":' * levels + "1" + "}" * levels


@pytest.mark.parametrize("option", ["1", "-1.5e3", '"\\ud83d\\ude00"', "null", "9" * 4_000, nested(12)], ids=range(6))
async def test_what_is_sane_json_is_accepted(option: str, responder: FakeResponder) -> None:
    """The limits below leave room for every option that an action can have."""
    response = await answer("POST", "/api/incidents", {"Content-Type": "application/json"}, order_with(option))

    assert response.status_code == 202


NOT_JSON: list[tuple[bytes, int, str]] = [
    (b"", 400, "not JSON"),
    (b"{", 400, "not JSON"),
    (json.dumps(ORDER).encode("utf-16"), 400, "not JSON"),
    (order_with("NaN"), 400, "not JSON"),
    (order_with("1e999"), 400, "not JSON"),
    (order_with('"\\ud800"'), 400, "not JSON"),
    (order_with('{"a": 1, "a": 2}'), 400, "not JSON"),
    (order_with("9" * 5_000), 400, "not JSON"),
    (order_with("[" * 30_000 + "]" * 30_000), 400, "not JSON"),
    (order_with(nested(13)), 400, "nested deeper"),
    (order_with('"' + "x" * LARGEST_BODY + '"'), 413, "65536 bytes"),
    (order_with('"' + "x" * 10_000_000 + '"'), 413, "65536 bytes"),
]


@pytest.mark.parametrize(("body", "status", "why"), NOT_JSON, ids=range(len(NOT_JSON)))
async def test_a_body_that_is_no_sane_json_is_refused(
    body: bytes, status: int, why: str, responder: FakeResponder
) -> None:
    """Size, encoding, depth and double keys are checked before anybody looks at the content."""
    response = await answer("POST", "/api/incidents", {"Content-Type": "application/json"}, body)

    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    assert why in read(response)["detail"]
    assert responder.asked == []


@pytest.mark.parametrize("media", ["", "text/plain", "application/xml", "application/json; charset=latin-1"])
async def test_a_body_of_another_media_type_is_refused(media: str, responder: FakeResponder) -> None:
    """A browser form cannot send application/json to another site, so that it cannot order anything either."""
    response = await answer("POST", "/api/incidents", {"Content-Type": media}, json.dumps(ORDER).encode())

    assert response.status_code == 415
    assert responder.asked == []


@pytest.mark.parametrize(
    "media", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
async def test_json_in_utf_8_is_accepted_however_it_is_spelled(media: str, responder: FakeResponder) -> None:
    """Media types have no case, and their charset may be quoted."""
    response = await answer("POST", "/api/incidents", {"Content-Type": media}, json.dumps(ORDER).encode())

    assert response.status_code == 202


async def test_a_key_that_no_store_could_hold_is_refused(responder: FakeResponder) -> None:
    """The key becomes part of a stored key, so its letters are limited."""
    response = await post("/api/incidents", ORDER, Idempotency_Key="a/b")

    assert response.status_code == 400
    assert responder.asked == []


async def test_a_preview_needs_no_reason_and_orders_nothing(responder: FakeResponder) -> None:
    """Looking is free."""
    response = await post("/api/plans", {"identity": {"appId": APP_ID}})

    assert response.status_code == 200
    assert read(response)["decision"]["verdict"] == "contain"
    assert [what for what, _ in responder.asked] == ["preview"]


async def test_incidents_come_in_pages(responder: FakeResponder) -> None:
    """`next` of one page is `after` of the following."""
    response = await answer("GET", f"/api/incidents?limit=20&after={INCIDENT}")

    assert response.status_code == 200
    assert read(response)["next"] == INCIDENT
    assert responder.asked == [("incidents", (20, INCIDENT))]


async def test_the_first_page_is_asked_for_with_nothing(responder: FakeResponder) -> None:
    """There are defaults for reading."""
    await answer("GET", "/api/incidents")

    assert responder.asked == [("incidents", (50, ""))]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=many", "limit=", "after=a%2Fb", "limti=5"])
async def test_a_wrong_parameter_is_refused(query: str, responder: FakeResponder) -> None:
    """A misspelled parameter would otherwise quietly give another list than the one asked for."""
    response = await answer("GET", f"/api/incidents?{query}")

    assert response.status_code == 400
    assert read(response)["mistakes"][0]["at"] in {"?limit", "?after", "?limti"}
    assert responder.asked == []


async def test_a_function_key_in_the_query_is_the_hosts_business(responder: FakeResponder) -> None:
    """The host accepts a key as `code`, so that it is no unknown parameter."""
    response = await answer("GET", "/api/incidents?code=not-a-real-key")

    assert response.status_code == 200


async def test_one_incident_is_shown(responder: FakeResponder) -> None:
    """The view is what the journal says now."""
    response = await answer("GET", f"/api/incidents/{INCIDENT}")

    assert read(response)["status"] == "awaiting-approval"
    assert response.headers["Cache-Control"] == "no-store"
    assert responder.asked == [("incident", INCIDENT)]


@pytest.mark.parametrize("id", ["..%2F..%2Fetc", "a%20b", "x" * 201, "%00", "%C3%A9"])
@pytest.mark.parametrize("rest", ["", "/report"])
async def test_an_id_that_no_incident_can_have_is_not_there(id: str, rest: str, responder: FakeResponder) -> None:
    """Such an id never reaches a store."""
    response = await answer("GET", f"/api/incidents/{id}{rest}")

    assert response.status_code == 404
    assert responder.asked == []


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("", "text/markdown", "text/markdown"),
        ("", "text/*", "text/markdown"),
        ("", "application/json;q=0.5, text/markdown", "text/markdown"),
        ("", "text/markdown;q=0, */*", "application/json"),
        ("", "Application/JSON", "application/json"),
        ("?format=markdown", "application/json", "text/markdown"),
        ("?format=json", "text/markdown", "application/json"),
    ],
)
async def test_a_report_comes_in_the_form_that_is_asked_for(
    query: str, accept: str | None, media: str, responder: FakeResponder
) -> None:
    """The format parameter wins over the Accept header, whose weights count."""
    response = await answer("GET", f"/api/incidents/{INCIDENT}/report{query}", {"Accept": accept} if accept else {})

    assert response.status_code == 200
    assert response.mimetype == media
    assert response.headers["Vary"] == "Accept"
    assert INCIDENT in response.get_body().decode()


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*", "application/json;q=x"])
async def test_a_report_in_another_form_cannot_be_had(accept: str, responder: FakeResponder) -> None:
    """The answer says which forms there are, before the journal is read."""
    response = await answer("GET", f"/api/incidents/{INCIDENT}/report", {"Accept": accept})

    assert response.status_code == 406
    assert "text/markdown" in read(response)["detail"]
    assert responder.asked == []


@pytest.mark.parametrize(("state", "status"), [("healthy", 200), ("degraded", 200), ("unhealthy", 503)])
async def test_health_is_told_by_the_status_too(state: str, status: int, responder: FakeResponder) -> None:
    """A probe that only looks at the status sees whether Cordon can do its work."""
    responder.health_now = HEALTH.model_copy(update={"status": state})

    response = await answer("GET", "/api/health")

    assert response.status_code == status
    assert read(response)["status"] == state


async def test_health_tells_of_each_action_whether_it_can_run(responder: FakeResponder) -> None:
    """Names are Graph's way of writing them; what to do stands beside what is wrong."""
    obstacle = ObstacleView(outcome="permission-missing", reason="The executor lacks it.", todo="Grant it.")
    action = ReadinessView(
        action="block-sign-in",
        state="not-ready",
        contains=True,
        armed_by=("leak",),
        obstacles=(obstacle,),
        doubts=(),
        notes=(),
    )
    rights = RightsView(identity="executor", missing=("Application.ReadWrite.All",), beyond=(), unread=None)
    preflight = PreflightView(read_at=NOW, actions=(action,), identities=(rights,), hints=())
    responder.health_now = HEALTH.model_copy(update={"preflight": preflight})

    told = read(await answer("GET", "/api/health"))["preflight"]

    assert told["readAt"] == "2026-03-02T03:04:05Z"
    assert told["actions"][0]["armedBy"] == ["leak"]
    assert told["actions"][0]["obstacles"] == [obstacle.model_dump()]
    assert told["identities"][0]["missing"] == ["Application.ReadWrite.All"]


@pytest.mark.parametrize(
    ("error", "status", "kind", "wait"),
    [
        (NotFound("There is no incident with this id."), 404, "not-found", None),
        (RequestRefused("The identity is protected."), 400, "request-refused", None),
        (RequestConflicts("The plan is not the one that was seen."), 409, "request-conflicts", None),
        (SequenceTaken("i", 4), 409, "sequence-taken", "5"),
        (MalformedSignal(source="manual", why="no id"), 400, "malformed-signal", None),
        (Throttled("reading"), 503, "throttled", "30"),
        (Unreachable("reading", "reset"), 503, "unreachable", "30"),
        (OutcomeUnknown("keeping the order", "reset"), 503, "outcome-unknown", "30"),
        (SettingsWrong(("CORDON_TENANT_ID is missing.",)), 503, "settings-wrong", None),
        (PolicyWrong(("default.yaml:3: no such condition",)), 503, "policy-wrong", None),
        (JournalDamaged("Record 3 was changed."), 500, "journal-damaged", None),
        (Gone("reading the application"), 502, "gone", None),
    ],
)
async def test_errors_are_told_by_who_must_act(
    error: CordonError, status: int, kind: str, wait: str | None, responder: FakeResponder
) -> None:
    """Each error of ours becomes a problem document with its own text, and Retry-After where waiting helps."""
    responder.error = error

    response = await answer("GET", f"/api/incidents/{INCIDENT}")

    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    problem = read(response)
    assert (problem["status"], problem["kind"], problem["detail"]) == (status, kind, str(error))
    assert response.headers.get("Retry-After") == wait


async def test_retry_after_is_what_the_throttling_service_asked_for(responder: FakeResponder) -> None:
    """The caller is told to wait as long as we would have to."""
    from datetime import timedelta

    responder.error = Throttled("reading", timedelta(seconds=17))

    response = await answer("GET", "/api/health")

    assert response.headers["Retry-After"] == "17"


async def test_a_defect_is_left_to_the_host(responder: FakeResponder) -> None:
    """What was not foreseen may hold anything, so no text of it is ever answered."""
    responder.error = RuntimeError("Canary~Secret~123")

    with pytest.raises(RuntimeError):
        await answer("GET", "/api/health")


async def test_settings_that_need_mending_are_told_to_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a working configuration every endpoint says the same, with all that is wrong."""
    monkeypatch.setenv("CORDON_MODE", "all-out")

    response = await answer("GET", "/api/health")

    assert response.status_code == 503
    assert "CORDON_MODE must be one of watch, ask, act" in read(response)["detail"]


async def test_headers_that_claim_who_called_are_not_believed(responder: FakeResponder) -> None:
    """X-MS-CLIENT-PRINCIPAL can be sent by anybody who holds a key."""
    await post("/api/incidents", ORDER, X_MS_CLIENT_PRINCIPAL_NAME="admin")

    assert ordered(responder).by == "a caller with a function key"


async def test_the_stop_switch_is_set_and_released(responder: FakeResponder) -> None:
    """One call stops every further effect; the answer tells how the switch stands now."""
    stopped = await post("/api/switch", {"state": "stopped", "reason": "wrong target", "by": "night shift"})
    running = await post("/api/switch", {"state": "running", "reason": "mended"})

    assert read(stopped) == {"stopped": True, "reason": "wrong target"}
    assert read(running) == {"stopped": False, "reason": None}
    assert responder.asked[0] == ("set_switch", (True, "wrong target", "night shift"))


async def test_a_switch_without_a_reason_is_not_set(responder: FakeResponder) -> None:
    """Whoever reads the report wants to know why nothing was done."""
    response = await post("/api/switch", {"state": "stopped"})

    assert response.status_code == 400
    assert responder.asked == []


async def test_a_waiting_plan_is_answered_by_its_hash(responder: FakeResponder) -> None:
    """The answer names the incident in the path and the plan in the body."""
    body = {"planHash": "a" * 64, "decision": "approve", "reason": "the owner confirms", "by": "night shift"}
    response = await post(f"/api/incidents/{INCIDENT}/approval", body)

    assert response.status_code == 200
    assert responder.asked[0] == ("approve", (INCIDENT, "a" * 64, True, "the owner confirms", "night shift"))


async def test_an_answer_to_a_rotation_may_name_tiers(responder: FakeResponder) -> None:
    """Only tiers that there are; without them, all that wait are meant."""
    body = {"planHash": "a" * 64, "decision": "approve", "reason": "the owner confirms", "tiers": [2, 3]}
    response = await post(f"/api/incidents/{INCIDENT}/approval", body)
    odd = await post(f"/api/incidents/{INCIDENT}/approval", {**body, "tiers": [4]})

    assert (response.status_code, odd.status_code) == (200, 400)
    assert responder.asked[0][1][-1] == (2, 3)


async def test_an_undo_is_ordered_or_only_previewed(responder: FakeResponder) -> None:
    """Without a reason nothing is asked for; with `preview` nothing is ordered."""
    body = {"reason": "a false alarm", "by": "Ada", "giveBack": ["k1"]}
    ordered = await post(f"/api/incidents/{INCIDENT}/undo", body)
    preview = await post(f"/api/incidents/{INCIDENT}/undo", {**body, "preview": True})
    bare = await post(f"/api/incidents/{INCIDENT}/undo", {})

    wanted = UndoOrdered(by="Ada", reason="a false alarm", give_back=("k1",))
    assert (ordered.status_code, preview.status_code, bare.status_code) == (202, 200, 400)
    assert responder.asked == [("undo", (INCIDENT, wanted)), ("preview_undo", (INCIDENT, wanted))]


async def test_a_verdict_is_handed_over_with_its_reason(responder: FakeResponder) -> None:
    """Only the two words are verdicts."""
    body = {"verdict": "dismissed", "reason": "a planned migration", "by": "Ada"}
    response = await post(f"/api/incidents/{INCIDENT}/verdict", body)
    odd = await post(f"/api/incidents/{INCIDENT}/verdict", {**body, "verdict": "perhaps"})

    assert (response.status_code, odd.status_code) == (200, 400)
    assert responder.asked == [("judge", (INCIDENT, "dismissed", "a planned migration", "Ada"))]


async def test_the_tenant_at_large_is_asked_for_page_by_page(responder: FakeResponder) -> None:
    """Owners and consents; the token of a page goes on as it came, and nothing else is taken for one."""
    owners = await answer("GET", "/api/owners?listing=registered&limit=5&after=a%2Bb%3D")
    consents = await answer("GET", "/api/consents")

    assert read(owners) == {"applications": [], "next": "more"}
    assert read(consents) == {"candidates": [], "uncounted": [], "lookedAt": 100, "next": None}
    assert responder.asked == [("owners", ("registered", 5, "a+b=")), ("consents", (100, None))]
    assert (await answer("GET", "/api/owners?after=a%20b")).status_code == 400
    assert (await answer("GET", "/api/owners?listing=all")).status_code == 400
    assert (await answer("GET", "/api/consents?limit=1000")).status_code == 400


async def test_whom_to_call_is_asked_for_by_incident(responder: FakeResponder) -> None:
    """The draft for a third party comes with it; an id that is none is no incident."""
    told = read(await answer("GET", "/api/incidents/20260302-030405-1f2e/contacts"))

    assert told["origin"] == "not-told"
    assert "Travel desk" in told["notice"]
    assert responder.asked == [("contacts", "20260302-030405-1f2e")]
