"""
What every worker has at hand: the world, the store, the rules, who this instance is, and the messages it has sent.
"""

import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shared.azure_standing import AzureStanding
from shared.chain import Chain
from shared.clock import Clock
from shared.contacts import NOBODY, Contacts
from shared.damage import read_noting
from shared.due import Due
from shared.entries import (
    Closed,
    Entry,
    HeldBack,
    NamedOutcome,
    Opened,
)
from shared.errors import JournalDamaged
from shared.execution import Switch
from shared.inbox import Inbox
from shared.journal import IncidentId
from shared.liveness import Liveness
from shared.muster import Muster
from shared.outbox import Outbox
from shared.policy import ActionChoice, Policy
from shared.precedence import Precedence
from shared.preflight import outcomes
from shared.readiness import ReadinessCheck
from shared.reservations import Reservations, Turn
from shared.signal import JsonObject
from shared.standing import (
    hears_of_risk,
    known_ids,
)
from shared.store import Store
from shared.suspicion import JournalSuspicions
from shared.tenant import Tenant
from shared.watch import watcher

RESUME_AFTER = timedelta(seconds=90)  # the hidden message that picks up whoever crashes
_ALL_ALIKE = frozenset({"signal", "resumed", "order", "undo"})  # why an incident is gone on with, for the journal
LEASE = timedelta(seconds=45)  # how long another instance's silence is taken for work; spares work, guards nothing

log = logging.getLogger("cordon")


@dataclass(frozen=True, slots=True)
class Desk:
    """What every worker needs: the world, the store, the rules, and who this instance is."""

    tenant: Tenant
    store: Store
    inbox: Inbox
    muster: Muster
    outbox: Outbox
    switch: Switch
    policy: Policy
    tenant_id: str
    mode: str  # watch | ask | act, as set now
    handover_vault: bool
    own_ids: frozenset[str]
    instance: str
    clock: Clock
    warm_up: Callable[[], Awaitable[None]]
    due: Due = field(default_factory=Due)  # the messages of ours that are still to come
    turn: Turn = field(default_factory=Turn)  # at the limits' window
    precedence: Precedence = field(default_factory=Precedence)
    readiness: ReadinessCheck | None = None  # None: nobody looks ahead; refusals come from the tenant
    token: Callable[[int], bytes] = secrets.token_bytes  # that many random bytes
    liveness: Liveness | None = None  # None: nobody counts when rules match
    azure_standing: AzureStanding | None = None  # None: nobody looks what Cordon itself may do in Azure
    contacts: Contacts = NOBODY

    async def left_out(self, choices: Sequence[ActionChoice]) -> Mapping[str, NamedOutcome]:
        """Which of the actions are known not to be able to run here, and why."""
        if self.readiness is None or self.mode == "watch":  # a rehearsal takes no rights
            return {}
        return outcomes(await self.readiness.blocked([choice.name for choice in choices]))

    @property
    def suspicions(self) -> JournalSuspicions:
        """Cordon's own journal, to be asked about whoever changed an identity."""
        return JournalSuspicions(self.store, self.clock)

    async def recall_readiness(self) -> None:
        """Bring to mind what preflight found, so that nobody waits for it when a plan is made."""
        if self.readiness is not None:
            await self.readiness.known()


async def send_resume(desk: Desk, journal: IncidentId, send: Callable[[], Awaitable[None]]) -> None:
    """
    The message that picks up whoever crashes. While the store refuses to be written to, each message fails
    and comes back several times; if each of these sent another one, the queue would fill without bound.
    """
    await desk.due.send_once(f"{journal} resumed", RESUME_AFTER, send, desk.clock(), not_before=LEASE)


async def put_off(desk: Desk, message: JsonObject, delay: timedelta) -> None:
    """
    Send a message on that came too early. Those that only have the incident gone on with are all alike: the journal
    says what is to be done, and not the message.
    """
    because = message["because"]
    about = f"{message['incident']} on" if because in _ALL_ALIKE else json.dumps(message, sort_keys=True)
    await desk.due.send_once(about, delay, lambda: desk.store.queue.send(message, delay), desk.clock())


async def watched_by(desk: Desk, ids: Sequence[str], beside: Container[IncidentId] = ()) -> Chain | None:
    """
    The incident that watches an identity, or would if those `beside` it did not. One whose journal is damaged is told
    as such in health; it stops nothing that is decided now.
    """
    incident = await watcher(desk.store.documents, ids, beside)
    if incident is None:
        return None
    try:
        return await read_noting(desk.store, incident, desk.clock)
    except JournalDamaged as damage:
        log.error("what stands of incident %s is not watched on: %s", incident, damage)  # noqa: TRY400 - says it all
        return None


def reservations_of(desk: Desk) -> Reservations:
    """The limits' window, by this desk's policy."""
    limits, documents = desk.policy.limits, desk.store.documents
    return Reservations(documents, desk.tenant.directory, desk.muster, limits, desk.clock, desk.turn)


def mode_of(desk: Desk, chain: Chain) -> str:
    """The more careful of the mode the incident was opened in and the mode of now."""
    opened, careful = chain.last(Opened), ("watch", "ask", "act")
    return min(desk.mode, opened.mode if opened else "watch", key=careful.index)


def hold(desk: Desk, chain: Chain, by: str, reason: str, todo: str | None = None) -> HeldBack:
    """What keeps a plan from being carried out, with the mode in which it did."""
    return HeldBack.model_validate({"by": by, "reason": reason, "todo": todo, "mode": mode_of(desk, chain)})


async def close(desk: Desk, chain: Chain, outcome: str, reason: str, *entries: Entry) -> None:
    """
    Write the end in one piece with what led to it; then let the next signal open another incident. Where a risk was
    only noted, the ids stay: the other list may tell of the same one, and takes the incident up again.

    Where a signal joined meanwhile, nothing is closed: SequenceTaken is raised, and its message sees to it.
    """
    closed = Closed.model_validate({"outcome": outcome, "reason": reason})
    await chain.write(*entries, closed, only_next=True)
    if closed.outcome not in ("watched", "ignored") or not hears_of_risk(chain):
        await desk.inbox.release(chain.incident, known_ids(chain))
