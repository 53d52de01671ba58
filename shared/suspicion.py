"""
What Cordon's own journal says of a workload now: whether one of its incidents contained it, or accuses it.

Derived on reading, and never stored: an index only points to incidents, and each is read. What a person released,
dismissed or declined accuses nobody any more.
"""

from dataclasses import dataclass
from datetime import datetime

from shared.actors import Suspicions as Suspicions
from shared.case import IncidentStanding, Suspicion
from shared.chain import Chain, Line
from shared.clock import Clock
from shared.damage import read_noting
from shared.entries import (
    Closed,
    ConditionAnswer,
    Decided,
    RelatedTold,
    SignalJoined,
    UndoOrdered,
)
from shared.errors import Unreachable
from shared.history import History
from shared.incident import Status, status_in
from shared.journal import IncidentId
from shared.store import Documents, Store
from shared.watch import watcher

SOURCE = "suspect-change"
_CONDITION = "changed-by-suspect"
_INDEX, _OPEN = "suspects", "subjects"
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Origin:
    """
    How an incident hangs together with others. `root`: where the chain of changes began, itself if with it. `since`:
    where it accuses its identity only because a suspect changed it, when that was first.
    """

    root: str
    links: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class JournalSuspicions:
    """Asks the store: which incidents point to a workload, and what each says of it."""

    store: Store
    clock: Clock

    async def of(self, actor: str) -> tuple[IncidentStanding, ...]:
        """See `Suspicions`. The open one, the one that watches it, and the last that accused it."""
        found = list[IncidentStanding]()
        for incident in await self._pointed_to(actor):
            chain = await read_noting(self.store, incident, self.clock)
            standing = standing_of(chain, self.clock()) if chain else None
            if standing is not None:
                found.append(standing)
        return tuple(found)

    async def _pointed_to(self, actor: str) -> list[IncidentId]:
        documents = self.store.documents
        pointers = [await documents.get(partition, actor) for partition in (_OPEN, _INDEX)]
        named = [IncidentId(str(each.body["incident"])) for each in pointers if each is not None]
        watching = await watcher(documents, [actor])
        return list(dict.fromkeys([*named, *((watching,) if watching else ())]))


async def remember(documents: Documents, incident: IncidentId, ids: list[str]) -> None:
    """From now on these ids lead to this incident, whoever closes it: it accuses them. May run again."""
    for id_ in ids:
        await _point(documents, id_, incident)


async def _point(documents: Documents, id_: str, incident: IncidentId) -> None:
    for _ in range(_TRIES):
        if await documents.insert(_INDEX, id_, {"incident": incident}):
            return
        found = await documents.get(_INDEX, id_)
        if found is not None and (
            found.body.get("incident") == incident
            or await documents.replace(_INDEX, id_, {"incident": incident}, found.etag)
        ):
            return
    raise Unreachable("remembering which incident accuses an identity", "others changed that without pause")


def standing_of(chain: Chain, now: datetime) -> IncidentStanding | None:
    """What an incident says of its identity; None while it is undecided, or where it says nothing against it."""
    history = History(chain.lines)
    suspicion = _suspicion(history, now)
    if suspicion is None:
        return None
    origin = origin_of(history)
    at = history.lines[-1].record.time if suspicion is Suspicion.CLEARED else None
    return IncidentStanding(chain.incident, origin.root, suspicion, origin.links, origin.since, at)


def _suspicion(history: History, now: datetime) -> Suspicion | None:
    closed, decided = history.closed, history.decided
    if _is_cleared(history, now):
        return Suspicion.CLEARED
    if any(step.state == "held" and (step.planned is None or step.planned.contains) for step in history.steps):
        return Suspicion.CONTAINED
    if decided is None or (closed is not None and closed.outcome in ("joined", "not-in-tenant", "ignored")):
        return None
    if decided.verdict in ("contain", "ask"):
        is_rehearsed = closed is not None and closed.outcome == "watched" and not history.begun
        return Suspicion.WATCHED if is_rehearsed or _is_only_a_question(decided) else Suspicion.ACCUSED
    return Suspicion.WATCHED if decided.verdict == "watch" else None


def _is_only_a_question(decided: Decided) -> bool:
    """
    A person was asked because a rule could not be judged: what nobody knows accuses nobody. Where one witness spoke and
    another was wanted, something is known.
    """
    if decided.verdict != "ask" or decided.by_person:
        return False
    deciding = [each.finding for each in decided.rules if each.rule == decided.rule]
    lacks_a_witness = any(member.condition == "independent" for each in deciding for member in each.members)
    return bool(deciding) and all(each.answer == "unknown" for each in deciding) and not lacks_a_witness


def _is_cleared(history: History, now: datetime) -> bool:
    """A person took it back: all of it was ordered to be undone, or the case was dismissed or declined."""
    if status_in(history, now) is Status.RELEASED:
        return True
    undo = history.last(UndoOrdered)
    if undo is not None and undo.steps is None and history.place(UndoOrdered) > history.place(Decided):
        return True
    closed = history.closed
    ends = closed is not None and history.place(Closed) > history.place(SignalJoined, Decided)
    return ends and closed is not None and closed.outcome in ("dismissed", "declined", "released")


def origin_of(history: History) -> Origin:
    """Where the chain of changes that led here began, by the newest decision, or by the signals until there is one."""
    decided = history.decided
    related = decided.related if decided is not None else ()
    heard = [_heard(line) for line in history.lines if isinstance(line.entry, SignalJoined)]
    told = [*related, *(each for each in heard if each is not None)]
    near = min(told, key=lambda each: (each.links, each.at, each.incident), default=None)
    if near is None:
        return Origin(history.incident)
    if decided is None or not _rests_on_it(decided):
        return Origin(near.root, 0)  # it is suspect by itself as well
    return Origin(near.root, near.links + 1, min(each.at for each in told))


def _rests_on_it(decided: Decided) -> bool:
    """Whether the rule that decided was met because a suspect had changed the identity."""
    answers = [each.finding for each in decided.rules if each.rule == decided.rule]
    return any(_is_met(answer) for answer in answers)


def _is_met(answer: ConditionAnswer) -> bool:
    if answer.condition == "not":
        return False
    if answer.condition == _CONDITION:
        return answer.answer == "met"
    return any(_is_met(member) for member in answer.members)


def _heard(line: Line) -> RelatedTold | None:
    """What a signal of a suspect's change claims, in the words of a decision."""
    signal = line.entry
    if not isinstance(signal, SignalJoined) or signal.source != SOURCE:
        return None
    facts, links = signal.facts, signal.facts.get("links")
    return RelatedTold(
        incident=str(facts.get("incident")),
        root=str(facts.get("root")),
        links=links if isinstance(links, int) else 0,
        actor=str(facts.get("actor")),
        record_id=str(facts.get("record")),
        activity=str(facts.get("activity")),
        at=signal.observed_at,
    )


def told_in(history: History) -> tuple[RelatedTold, ...]:
    """By which incidents' identities this one was changed: what the decision found, and what only signals claim."""
    decided = history.decided
    found = {each.incident: each for each in (decided.related if decided is not None else ())}
    for line in history.lines:
        heard = _heard(line)
        if heard is not None and heard.incident != history.incident:
            found.setdefault(heard.incident, heard)
    return tuple(found.values())
