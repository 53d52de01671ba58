"""
What the outside is told: CloudEvents about an incident's turns, computed from its journal.

Publishing comes after the fact and never delays containment. What could not be published is still due
the next time anybody works the incident; receivers recognise repetitions by the event's id.
"""

import logging
from collections.abc import Iterator

from shared.chain import Chain
from shared.clock import Clock
from shared.entries import (
    SIGNING_KEYS_IN_DOUBT,
    Applied,
    Closed,
    CounterMove,
    Entry,
    Escalated,
    HeldBack,
    Investigated,
    NamedOutcome,
    Opened,
    OwnerAsked,
    Planned,
    Published,
    Rechecked,
    SecretsEnded,
    SecretsTurned,
    StepStopped,
    UndoEnded,
    UndoStopped,
    Verified,
)
from shared.errors import CordonError
from shared.history import History
from shared.incident import Status, status_of
from shared.owner_question import text_of
from shared.residual import residual_of
from shared.tenant import Publisher

log = logging.getLogger("cordon")

_ASKED = "OwnerAsked"


class Outbox:
    """Publishes an incident's turns, each once as far as the journal knows."""

    def __init__(self, publisher: Publisher | None, clock: Clock) -> None:
        self._publisher, self._clock = publisher, clock

    async def publish_due(self, chain: Chain) -> None:
        if self._publisher is None:
            return
        for type_, id_ in list(self._due(chain)):
            data = self._data(chain, type_)
            try:
                await self._publisher.publish(type_, f"incidents/{chain.incident}", id_, data)
            except CordonError as error:
                log.warning("incident %s: %s was not published and stays due: %s", chain.incident, type_, error)
                return
            await chain.write(Published(type=type_, id=id_))

    def _data(self, chain: Chain, type_: str) -> dict[str, object]:
        """Pointers and the status; with Contained also from when on no token from before the cut can work."""
        data: dict[str, object] = {
            "incident": chain.incident,
            "status": status_of(chain.records, self._clock()).value,
        }
        if type_ == "Cordon.Incident.Contained":
            clock = residual_of(History(chain.lines))
            data["noTokenWorksFrom"] = clock.surely_over.isoformat() if clock.surely_over else None
            data["usuallyEndsBy"] = {access.resource: access.usually.isoformat() for access in clock.by_resource}
            data["notKnown"] = clock.not_known
        if type_ == "Cordon.Owner.Asked":
            data |= _question(chain)
        if type_ == "Cordon.Incident.Recontained":
            data["actors"] = sorted({move.actor for move in chain.all(CounterMove)})
        return data

    def _due(self, chain: Chain) -> Iterator[tuple[str, str]]:
        published = {entry.id for entry in chain.all(Published)}
        for sequence, turn in _turns(chain, status_of(chain.records, self._clock())):
            id_ = f"{chain.incident}-{sequence}-{turn}"
            if id_ not in published:
                yield ("Cordon.Owner.Asked" if turn == _ASKED else f"Cordon.Incident.{turn}"), id_


def _question(chain: Chain) -> dict[str, object]:
    """What receivers need to ask somebody, and to bring the answer back: the newest question, by ids."""
    asked, seen = chain.last(OwnerAsked), chain.last(Investigated)
    if asked is None:
        return {}
    ids = seen.identity if seen else None
    return {
        "text": text_of(asked, chain.incident, ids.principal_id if ids else None, ids.client_id if ids else None),
        "planHash": asked.plan_hash,
        "until": asked.until.isoformat(),
        "withoutAnswer": asked.then,
        "owners": [each.id for each in asked.owners],
        "ownersUnread": list(asked.owners_unread),
        "teams": [{"team": each.team, "reach": each.reach} for each in asked.teams],
    }


def _turns(chain: Chain, status: Status) -> Iterator[tuple[int, str]]:
    """The incident's turns with the place of the record that each follows from."""
    calls = set(_new_calls(chain)) if status is Status.NEEDS_ATTENTION else set[int]()
    for line in chain.lines:
        turn = "NeedsAttention" if line.record.sequence in calls else _turn(line.entry, status)
        if turn is not None:
            yield line.record.sequence, turn
    if status is Status.CONTAINED:
        yield _first_proof(chain), "Contained"


def _new_calls(chain: Chain) -> Iterator[int]:
    """The places of the looks that found something open which no look before had found."""
    known = set[str]()
    for line in chain.lines:
        left = line.entry.left if isinstance(line.entry, Verified) else ()
        tasks = {outcome.todo for outcome in left if outcome.todo}
        if tasks - known:
            yield line.record.sequence
        known |= tasks


def _turn(entry: Entry, status: Status) -> str | None:
    match entry:
        case Opened():
            return "Opened"
        case Rechecked(answer="not-held"):
            return "Recontained"
        case UndoEnded(whole=True):
            return "Released"
        case _:
            return _call_for_people(entry, status)


def _call_for_people(entry: Entry, status: Status) -> str | None:
    match entry:
        case OwnerAsked():
            return _ASKED if status is Status.AWAITING_APPROVAL else None
        case HeldBack(by="mode" | "verdict" | "limits") | SecretsTurned(state="approval"):
            return "AwaitingApproval" if status is Status.AWAITING_APPROVAL else None
        case Planned(not_done=left):
            return "NeedsAttention" if status is Status.NEEDS_ATTENTION and any(map(_is_in_doubt, left)) else None
        case HeldBack() | SecretsTurned(state="attention") | SecretsEnded(whole=False):
            return "NeedsAttention"
        case StepStopped() | UndoStopped() | Escalated() | Closed(outcome="needs-attention"):
            return "NeedsAttention"
        case _:
            return None


def _is_in_doubt(outcome: NamedOutcome) -> bool:
    return outcome.outcome == SIGNING_KEYS_IN_DOUBT


def _first_proof(chain: Chain) -> int:
    """The place of the first later look that found everything in place since the last write."""
    written = chain.place(Applied)
    return next(
        line.record.sequence
        for line in chain.lines
        if isinstance(line.entry, Rechecked) and line.entry.answer == "held" and line.record.sequence > written
    )
