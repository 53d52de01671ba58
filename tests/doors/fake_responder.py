"""A Responder that remembers what doors asked of it, and answers or fails as a test tells it to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.entries import Decided, Opened, SignalJoined, SubjectIds, UndoOrdered
from shared.hunting import contacts_view
from shared.incident import Status
from shared.inventory import Reachable
from shared.journal import NO_RECORD, IncidentId, Record, seal
from shared.orders import Order
from shared.report import Report, make_report
from shared.responder import Intake
from shared.signal import JsonObject
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

NOW = datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC)
INCIDENT = IncidentId("20260302-030405-1f2e")
APP_ID = "aaaaaaaa-0000-4000-8000-00000000000a"
TENANT = "bbbbbbbb-0000-4000-8000-00000000000b"
DIGEST = "d" * 64

VIEW = IncidentView(
    id=INCIDENT,
    status=Status.AWAITING_APPROVAL,
    opened_at=NOW,
    updated_at=NOW,
    mode="ask",
    identity=None,
    subject=f"client {APP_ID}",
    verdict="ask",
    rule="leaked-credential",
    signals=1,
    plan_hash="e" * 64,
    steps=(),
    not_done=(),
    todo=("Approve the plan or dismiss it.",),
)

PREVIEW = Preview(
    identity=None,
    parts=(),
    decision=Decided(verdict="contain", rule="leaked-credential", policy=DIGEST),
    plan=None,
    held_back=None,
)

HEALTH = Health(status="healthy", mode="watch", stopped=False, policy=DIGEST, coverage=(), problems=())


class FakeResponder:
    """`asked` lists the calls in order; with `error` set, every call fails with it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.error: Exception | None = None
        self.intake = Intake(accepted=1, duplicates=0, not_ours=0, set_aside=())
        self.health_now = HEALTH

    def _note(self, what: str, of: object = None) -> None:
        self.asked.append((what, of))
        if self.error is not None:
            raise self.error

    async def sweep_risk(self) -> None:
        self._note("sweep_risk")

    async def sweep_audits(self) -> None:
        self._note("sweep_audits")

    async def sweep_sign_ins(self) -> None:
        self._note("sweep_sign_ins")

    async def reconcile(self) -> None:
        self._note("reconcile")

    async def receive_events(self, events: Sequence[JsonObject]) -> Intake:
        self._note("receive_events", list(events))
        return self.intake

    async def receive_stream(self, bodies: Sequence[bytes]) -> Intake:
        self._note("receive_stream", list(bodies))
        return self.intake

    async def work(self, message: JsonObject) -> None:
        self._note("work", message)

    async def tell_poisoned(self, body: bytes) -> None:
        self._note("tell_poisoned", body)

    async def preview(self, order: Order, *, with_forecast: bool = True) -> Preview:
        self._note("preview", (order, with_forecast))
        return PREVIEW

    async def order(self, order: Order) -> IncidentId:
        self._note("order", order)
        return INCIDENT

    async def approve(
        self,
        id_: str,
        plan_hash: str,
        *,
        approved: bool,
        reason: str,
        by: str,
        tiers: tuple[int, ...] | None = None,
    ) -> IncidentView:
        self._note("approve", (id_, plan_hash, approved, reason, by, *((tiers,) if tiers else ())))
        return VIEW

    async def judge(self, id_: str, verdict: str, *, reason: str, by: str) -> IncidentView:
        self._note("judge", (id_, verdict, reason, by))
        return VIEW

    async def undo(self, id_: str, wanted: UndoOrdered) -> IncidentView:
        self._note("undo", (id_, wanted))
        return VIEW

    async def preview_undo(self, id_: str, wanted: UndoOrdered) -> UndoPreview:
        self._note("preview_undo", (id_, wanted))
        return UndoPreview(incident=id_, steps=())

    async def incidents(self, limit: int, after: str) -> IncidentPage:
        self._note("incidents", (limit, after))
        return IncidentPage(incidents=(VIEW,), next=INCIDENT)

    async def owners(self, listing: str, limit: int, after: str | None) -> OwnersView:
        self._note("owners", (listing, limit, after))
        return OwnersView(applications=(), next="more")

    async def consents(self, limit: int, after: str | None) -> ConsentsView:
        self._note("consents", (limit, after))
        return ConsentsView(candidates=(), looked_at=limit, next=None)

    async def contacts(self, id_: str) -> ContactsView:
        self._note("contacts", id_)
        return contacts_view(id_, Reachable("Travel desk", APP_ID, None, ()), TENANT, "contained")

    async def incident(self, id_: str) -> IncidentView:
        self._note("incident", id_)
        return VIEW

    async def report(self, id_: str) -> Report:
        self._note("report", id_)
        return make_report(records(), NOW)

    async def set_switch(self, *, stopped: bool, reason: str, by: str) -> SwitchView:
        self._note("set_switch", (stopped, reason, by))
        return SwitchView(stopped=stopped, reason=reason if stopped else None)

    async def health(self) -> Health:
        self._note("health")
        return self.health_now

    async def warm_up(self) -> None:
        self._note("warm_up")


def records() -> list[Record]:
    """The journal of an incident that was opened a moment ago."""
    opened = Opened(tenant_id=TENANT, subject=SubjectIds(client_id=APP_ID), mode="ask", policy=DIGEST)
    joined = SignalJoined(source="manual", record_id="1", observed_at=NOW, summary="A responder asked for it")
    chain: list[Record] = []
    for number, entry in enumerate((opened, joined)):
        previous = chain[-1].hash if chain else NO_RECORD
        data = entry.model_dump(mode="json")
        chain.append(seal(INCIDENT, number, NOW, entry.kind, None, data, previous))
    return chain
