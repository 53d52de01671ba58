"""
The HTTP interface: what each endpoint takes, answers and asks of the Responder.

Reading has no effects. `POST /incidents` only stores the order and wakes the queue; the work happens there.
"""

import re
import secrets
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from functions import openapi
from functions.answers import Refusal
from functions.bodies import (
    ActionBody,
    ApprovalBody,
    ConsentsQuery,
    OrderBody,
    OwnersQuery,
    PageQuery,
    PlanBody,
    ReportQuery,
    SwitchBody,
    UndoBody,
    VerdictBody,
)
from functions.contract import JSON, Answer, Call, HeaderParameter, Nothing, Reply, endpoint
from functions.runtime import responder
from shared.entries import UndoOrdered
from shared.errors import NotFound
from shared.journal import IncidentId
from shared.orders import UNNAMED, Order
from shared.policy import ActionChoice
from shared.report import Report, as_markdown
from shared.views import (
    ConsentsView,
    ContactsView,
    Health,
    IncidentPage,
    IncidentView,
    OwnersView,
    Preview,
    SwitchView,
    UndoPreview,
)

VERSION = "0.1.0"
MARKDOWN = "text/markdown"
_UNNAMED = UNNAMED
_KEY = r"^[A-Za-z0-9._:\-]{1,128}$"
_IDEMPOTENCY_KEY = HeaderParameter(
    "Idempotency-Key", "Makes repeating safe: the same key gives the same incident, and orders nothing twice.", _KEY
)
_IDENTITY: JsonValue = {"appId": "11111111-2222-3333-4444-555555555555"}


class Ordered(BaseModel):
    """The order is stored; `location` is where its incident can be watched."""

    model_config = ConfigDict(frozen=True)
    incident: str = Field(examples=["20260302-030405-1f2e"])
    location: str = Field(examples=["/api/incidents/20260302-030405-1f2e"])


@endpoint(
    "POST",
    "/plans",
    summary="Preview a containment",
    body=PlanBody,
    query=Nothing,
    answers={HTTPStatus.OK: Answer("What would be done now.", {JSON: Preview})},
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY),
    example={"identity": _IDENTITY, "actions": ["block-sign-in"]},
)
async def preview_plan(call: Call[PlanBody, Nothing]) -> Reply:
    """
    Say what would be done about an identity now, step by step, with before and after. Nothing is changed and
    nothing is stored. `plan.hash` of the answer can be ordered.
    """
    return Reply(await responder().preview(_order(call.body, plan_hash=None, request_id=_new_request_id())))


@endpoint(
    "POST",
    "/incidents",
    summary="Order a containment",
    body=OrderBody,
    query=Nothing,
    headers=(_IDEMPOTENCY_KEY,),
    answers={
        HTTPStatus.ACCEPTED: Answer(
            "The order is stored and will be worked on.",
            {JSON: Ordered},
            {"Location": "Where the incident can be watched."},
        )
    },
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY),
    example={"identity": _IDENTITY, "reason": "Its secret was found in a public repository."},
)
async def order_containment(call: Call[OrderBody, Nothing]) -> Reply:
    """
    Order the containment of one identity. The order joins the identity's open incident or opens one, and is
    subject to the same limits, protected list and mode as any other signal.
    """
    order = _order(
        call.body, plan_hash=call.body.plan_hash, request_id=_request_id(call.headers.get(_IDEMPOTENCY_KEY.name))
    )
    incident = await responder().order(order)
    location = f"/api/incidents/{incident}"
    return Reply(Ordered(incident=incident, location=location), HTTPStatus.ACCEPTED, headers={"Location": location})


@endpoint(
    "GET",
    "/incidents",
    summary="List incidents",
    body=Nothing,
    query=PageQuery,
    answers={HTTPStatus.OK: Answer("A page of incidents.", {JSON: IncidentPage})},
)
async def list_incidents(call: Call[Nothing, PageQuery]) -> Reply:
    """List incidents, newest first. `next` of the answer is the `after` of the following page."""
    return Reply(await responder().incidents(limit=call.query.limit, after=call.query.after or ""))


@endpoint(
    "GET",
    "/owners",
    summary="List applications with their owners",
    body=Nothing,
    query=OwnersQuery,
    answers={HTTPStatus.OK: Answer("A page of applications.", {JSON: OwnersView})},
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
)
async def list_owners(call: Call[Nothing, OwnersQuery]) -> Reply:
    """
    List the tenant's applications with their owners, read now: who answers for each, and what is wrong with that.
    Nothing is changed and nothing is stored.
    """
    query = call.query
    return Reply(await responder().owners(query.listing, query.limit, query.after))


@endpoint(
    "GET",
    "/consents",
    summary="Hunt through tenant-wide consents",
    body=Nothing,
    query=ConsentsQuery,
    answers={HTTPStatus.OK: Answer("The candidates of a page.", {JSON: ConsentsView})},
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
)
async def hunt_consents(call: Call[Nothing, ConsentsQuery]) -> Reply:
    """
    Look through consents in everybody's name, however old: to dangerous permissions, by applications of others. A page
    may hold no candidate and have a following one. Nothing is changed, and no incident is opened.
    """
    return Reply(await responder().consents(call.query.limit, call.query.after))


@endpoint(
    "GET",
    "/incidents/{id}",
    summary="Show an incident",
    body=Nothing,
    query=Nothing,
    answers={HTTPStatus.OK: Answer("Where the incident stands now.", {JSON: IncidentView})},
    refusals=(HTTPStatus.NOT_FOUND,),
)
async def show_incident(call: Call[Nothing, Nothing]) -> Reply:
    """Show where one incident stands, as its journal says at this moment."""
    return Reply(await responder().incident(_incident(call.path["id"])))


@endpoint(
    "GET",
    "/incidents/{id}/contacts",
    summary="Say whom to call",
    body=Nothing,
    query=Nothing,
    answers={HTTPStatus.OK: Answer("Owners, and the third party if there is one.", {JSON: ContactsView})},
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.BAD_GATEWAY),
)
async def show_contacts(call: Call[Nothing, Nothing]) -> Reply:
    """
    Say whom to call about an incident's identity, read now: owners with their managers, who answers for it by the
    operator's own list, and for an application of another tenant its publisher, with a draft of what to write. Nothing
    is sent and nothing is stored.
    """
    return Reply(await responder().contacts(_incident(call.path["id"])))


@endpoint(
    "GET",
    "/incidents/{id}/report",
    summary="Read an incident's report",
    body=Nothing,
    query=ReportQuery,
    answers={HTTPStatus.OK: Answer("The report.", {JSON: Report, MARKDOWN: None})},
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_ACCEPTABLE),
)
async def show_report(call: Call[Nothing, ReportQuery]) -> Reply:
    """Tell the whole story of one incident from its journal alone: why, what was done with its proof, what is left."""
    media = _report_media(call.query.format, call.headers.get("Accept") or "*/*")
    report = await responder().report(_incident(call.path["id"]))
    vary = {"Vary": "Accept"}
    return Reply(report, headers=vary) if media == JSON else Reply(as_markdown(report), media=MARKDOWN, headers=vary)


@endpoint(
    "POST",
    "/incidents/{id}/approval",
    summary="Answer a waiting plan",
    body=ApprovalBody,
    query=Nothing,
    answers={HTTPStatus.OK: Answer("Where the incident stands now.", {JSON: IncidentView})},
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    example={"planHash": "0" * 64, "decision": "approve", "reason": "The owner confirms the leak."},
)
async def answer_plan(call: Call[ApprovalBody, Nothing]) -> Reply:
    """
    Let a waiting plan go, or decline it: that of the incident, or that of the rotation of its secrets. The answer
    holds for exactly this plan and once; if the identity has changed since the plan was made, a new plan is made and
    waits again. Secrets that have waited for more than 24 hours are shown again first (409).
    """
    body = call.body
    view = await responder().approve(
        _incident(call.path["id"]),
        body.plan_hash,
        approved=body.decision == "approve",
        reason=body.reason,
        by=body.by or _UNNAMED,
        tiers=tuple(body.tiers) if body.tiers is not None else None,
    )
    return Reply(view)


@endpoint(
    "POST",
    "/incidents/{id}/verdict",
    summary="Judge an incident",
    body=VerdictBody,
    query=Nothing,
    answers={
        HTTPStatus.OK: Answer("Where the incident that carries the verdict out stands now.", {JSON: IncidentView})
    },
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.BAD_GATEWAY),
    example={"verdict": "dismissed", "reason": "The sign-ins were a planned migration."},
)
async def judge_incident(call: Call[VerdictBody, Nothing]) -> Reply:
    """
    Say what an incident was. Compromised: Identity Protection is told, beside what was done already. Dismissed: the
    risk is dismissed there and the incident is closed with the reason; that undoes nothing, so while a containment
    stands it is refused (409): order the undo first. A verdict on a closed incident opens another one, which is
    answered.
    """
    body = call.body
    view = await responder().judge(_incident(call.path["id"]), body.verdict, reason=body.reason, by=body.by or _UNNAMED)
    return Reply(view)


@endpoint(
    "POST",
    "/incidents/{id}/undo",
    summary="Undo an incident, or see what that would do",
    body=UndoBody,
    query=Nothing,
    answers={
        HTTPStatus.ACCEPTED: Answer("The order is taken; the incident tells how it goes.", {JSON: IncidentView}),
        HTTPStatus.OK: Answer("The preview: what would be put back now.", {JSON: UndoPreview}),
    },
    refusals=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    example={"reason": "False alarm: the owner rotated the key.", "preview": True},
)
async def undo_incident(call: Call[UndoBody, Nothing]) -> Reply:
    """
    Put back what was there before Cordon's first change, newest step first. What somebody changed since stays and
    is named, and so is what cannot come back. With `preview` nothing is changed.
    """
    body = call.body
    wanted = UndoOrdered(
        by=body.by or _UNNAMED,
        reason=body.reason,
        steps=tuple(body.steps) if body.steps is not None else None,
        give_back=tuple(body.give_back),
    )
    id_ = _incident(call.path["id"])
    if body.preview:
        return Reply(await responder().preview_undo(id_, wanted))
    return Reply(await responder().undo(id_, wanted), HTTPStatus.ACCEPTED)


@endpoint(
    "POST",
    "/switch",
    summary="Stop every effect, or let them go on",
    body=SwitchBody,
    query=Nothing,
    answers={HTTPStatus.OK: Answer("The switch as it stands now.", {JSON: SwitchView})},
    refusals=(HTTPStatus.CONFLICT,),
    example={"state": "stopped", "reason": "Cordon blocks what it should not."},
)
async def set_switch(call: Call[SwitchBody, Nothing]) -> Reply:
    """
    Stop every further effect of all instances at once, or let effects go on. Deciding and reporting go on
    meanwhile. What was stopped does not start again by itself: order its incident again. In mode act effects are
    not let go on (409) where nothing that the policy contains with can run.
    """
    body = call.body
    return Reply(
        await responder().set_switch(stopped=body.state == "stopped", reason=body.reason, by=body.by or _UNNAMED)
    )


@endpoint(
    "GET",
    "/health",
    summary="Ask whether Cordon can do its work",
    body=Nothing,
    query=Nothing,
    answers={
        HTTPStatus.OK: Answer("Cordon works, perhaps with degraded parts.", {JSON: Health}),
        HTTPStatus.SERVICE_UNAVAILABLE: Answer("Cordon cannot do its work; `problems` says why.", {JSON: Health}),
    },
)
async def show_health(call: Call[Nothing, Nothing]) -> Reply:
    """
    Say whether Cordon can do its work, how far each log has been read, what each action can do here, and what
    stands in the way.
    """
    health = await responder().health()
    return Reply(health, HTTPStatus.SERVICE_UNAVAILABLE if health.status == "unhealthy" else HTTPStatus.OK)


class OpenApiDocument(BaseModel):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow", frozen=True)
    openapi: str
    info: dict[str, JsonValue]
    paths: dict[str, JsonValue]


@endpoint(
    "GET",
    "/openapi.json",
    summary="Describe this interface",
    body=Nothing,
    query=Nothing,
    answers={HTTPStatus.OK: Answer("This document.", {JSON: OpenApiDocument})},
)
async def show_openapi(call: Call[Nothing, Nothing]) -> Reply:
    """Give the OpenAPI document of this interface."""
    return Reply(OpenApiDocument(**openapi.document(ENDPOINTS, VERSION)))


ENDPOINTS: tuple[openapi.AnyEndpoint, ...] = (
    preview_plan,
    order_containment,
    list_incidents,
    list_owners,
    hunt_consents,
    show_incident,
    show_contacts,
    show_report,
    answer_plan,
    judge_incident,
    undo_incident,
    set_switch,
    show_health,
    show_openapi,
)


def _order(body: PlanBody | OrderBody, *, plan_hash: str | None, request_id: str) -> Order:
    return Order(
        subject=body.identity.ref(),
        reason=body.reason or "a preview",
        by=body.by or _UNNAMED,
        actions=None if body.actions is None else tuple(map(_choice, body.actions)),
        plan_hash=plan_hash,
        request_id=request_id,
    )


def _choice(action: str | ActionBody) -> ActionChoice:
    """An action is asked for by its name, or by its name with options."""
    return ActionChoice(action, {}) if isinstance(action, str) else ActionChoice(action.name, dict(action.options))


def _request_id(key: str | None) -> str:
    """The caller's key, under which a repeated request is recognised; without one, every request is new."""
    if key is None:
        return _new_request_id()
    if not re.fullmatch(_KEY, key):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "Idempotency-Key must have 1 to 128 letters, digits, dots, dashes, colons."
        )
    return key


def _new_request_id() -> str:
    return secrets.token_hex(16)


def _incident(text: str) -> IncidentId:
    """An id that no incident can have is one that is not there."""
    if not re.fullmatch(openapi.INCIDENT_ID, text):
        raise NotFound("There is no incident with this id.")
    return IncidentId(text)


def _report_media(wanted: str | None, accept: str) -> str:
    """The `format` parameter, else the media type with the greater weight; JSON where they weigh the same."""
    if wanted:
        return MARKDOWN if wanted == "markdown" else JSON
    weights = {media: _weight(media, accept) for media in (JSON, MARKDOWN)}
    best = max(weights, key=lambda media: weights[media])
    if weights[best] <= 0:
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, f"The report can be had as {JSON} or {MARKDOWN}.")
    return best


def _weight(media: str, accept: str) -> float:
    """How much an Accept header wants a media type: the most specific range that covers it decides (RFC 9110)."""
    family = media.partition("/")[0]
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        found[name] = next((_quality(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
    return next((found[name] for name in (media, f"{family}/*", "*/*") if name in found), 0.0)


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 0.0
