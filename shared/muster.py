"""
Who was reported and is not decided yet: what a mass of signals comes to, known before the first effect.

A batch is everybody in this list. Signals that are taken in together are announced together, before any of
them can be worked on; whoever is decided is taken off again. Whether a signal counts is told from what it
claims, for reading it again takes a quota that a mass has not got: a claim that could lead to containment
under this policy counts, and nothing is ever done on the strength of it.

Who waits for an owner's answer is decided, and is contained all the same if none comes in time. As many as fall due
together are a mass too: they count from a few minutes before, and not in the hours in which somebody may still answer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.case import Case, Known, RiskDetection
from shared.clock import Clock
from shared.conditions.interface import Met, NotMet, ask
from shared.limits import BURST, WINDOW, Batch
from shared.policy import Policy, Verdict
from shared.signal import JsonObject, Signal
from shared.store import Documents

_PARTITION, _SILENT = "undecided", "silence-contains"
_MOST = 1_000  # more than the largest limit: more do not have to be counted
_OWN = 50  # ids that an asker has himself, at most


@dataclass(slots=True, eq=False)
class Reading:
    """The list as it is about to be read; None: nobody has asked."""

    begins: asyncio.Task[frozenset[str]] | None = None


@dataclass(frozen=True, slots=True)
class Muster:
    """The list in the store, shared by all instances."""

    documents: Documents
    policy: Policy
    clock: Clock
    reading: Reading = field(default_factory=Reading)

    async def announce(self, signals: Sequence[Signal]) -> None:
        """Put the identities of these signals on the list, if what is claimed could lead to containment."""
        ids = dict.fromkeys(
            reported_as(signal) for signal in signals if may_contain(self.policy, claimed(signal, self.clock()))
        )
        if not ids:
            return
        body: JsonObject = {"at": self.clock().isoformat()}
        new = await self.documents.insert_all(_PARTITION, dict.fromkeys(ids, body))
        for id_ in ids.keys() - new:
            await self._renew(id_, body)

    async def others(self, own: Sequence[str]) -> Batch:
        """Everybody on the list but the identity with these ids. Raises Unreachable if it cannot be read."""
        if self.reading.begins is None or self.reading.begins.done():  # done: cut short with its event loop
            self.reading.begins = asyncio.ensure_future(self._listed())
            self.reading.begins.add_done_callback(_take_note)
        return Batch(await asyncio.shield(self.reading.begins) - set(own))

    async def _listed(self) -> frozenset[str]:
        """Read once for all who ask at the same moment: fifty that read a list of fifty each took longer than a cut."""
        await asyncio.sleep(0)  # whoever is as far as we are joins; who asks from now on may know of more
        self.reading.begins = None
        most, now = _MOST + _OWN, self.clock()
        listed = await self.documents.query(_PARTITION, limit=most)
        silent = await self.documents.query(_SILENT, limit=most) if _silence_contains(self.policy) else ()
        # Where there are more than were read, those that fall due now may be among the others.
        due = (each for each in silent if len(silent) >= most or not _is_to_come(each.body, now))
        return frozenset(each.key for each in (*listed, *due) if not _is_old(each.body, now))

    async def settle(self, ids: Sequence[str], silence: datetime | None = None) -> None:
        """
        Take a decided identity off the list. `silence`: it waits for an answer, and is contained if there is none by
        then.
        """
        await asyncio.gather(*(self._remove(_PARTITION, id_) for id_ in ids))
        if not _silence_contains(self.policy):
            return
        if silence is None:
            await asyncio.gather(*(self._remove(_SILENT, id_) for id_ in ids))
        elif ids:
            await self._await_silence(ids[0], {"at": silence.isoformat()})

    async def _await_silence(self, id_: str, body: JsonObject) -> None:
        """A question of later is in the place of an earlier one."""
        found = await self.documents.get(_SILENT, id_)
        if found is None:
            await self.documents.insert(_SILENT, id_, body)
        elif found.body != body:
            await self.documents.replace(_SILENT, id_, body, found.etag)

    async def _renew(self, id_: str, body: JsonObject) -> None:
        """An entry that a crash left behind long ago counts again from now on."""
        found = await self.documents.get(_PARTITION, id_)
        if found is not None and _is_old(found.body, self.clock()):
            await self.documents.replace(_PARTITION, id_, body, found.etag)

    async def _remove(self, partition: str, id_: str) -> None:
        found = await self.documents.get(partition, id_)
        if found is not None:
            await self.documents.remove(partition, id_, found.etag)


def _take_note(listed: asyncio.Task[frozenset[str]]) -> None:
    """An error is raised where it was asked; where whoever asked is gone, it is no error that nobody saw to."""
    if not listed.cancelled():
        listed.exception()


def reported_as(signal: Signal) -> str:
    """The id under which a signal's identity stands on the list."""
    subject = signal.subject
    return next(id_ for id_ in (subject.principal_id, subject.client_id, subject.app_object_id) if id_)


def may_contain(policy: Policy, case: Case) -> bool:
    """Whether this case, or anything that it may still turn out to be, would be contained. Pure."""
    for rule in policy.rules:
        match ask(rule.when, case):
            case NotMet():
                continue
            case Met():
                return rule.verdict is Verdict.CONTAIN
            case _ if rule.verdict is Verdict.CONTAIN:
                return True
            case _:
                continue
    return False


def claimed(signal: Signal, now: datetime) -> Case:
    """The case as the signal tells it; what it does not tell is not known."""
    case = Case(now, "", signal.subject, (signal,))
    return replace(case, detections=Known((_detection(signal),))) if signal.source == "risk-detection" else case


def _detection(signal: Signal) -> RiskDetection:
    def said(name: str) -> str:
        return str(signal.facts.get(name))

    return RiskDetection(
        id=said("detectionId"),
        type=said("riskEventType"),
        level=said("riskLevel"),
        state=said("riskState"),
        detail=said("riskDetail"),
        key_ids=(),
        activity_at=None,
        detected_at=None,
        updated_at=None,
        ip_address=None,
    )


def _silence_contains(policy: Policy) -> bool:
    """Whether there is a rule by which nobody's answer lets a plan go."""
    return any(rule.ask_owners is not None and rule.ask_owners.then == "contain" for rule in policy.rules)


def _is_to_come(body: JsonObject, now: datetime) -> bool:
    """Whether an answer can still come for longer than a mass takes to be recognised."""
    try:
        return datetime.fromisoformat(str(body.get("at"))) - now > BURST
    except ValueError:
        return False


def _is_old(body: JsonObject, now: datetime) -> bool:
    """Undecided for longer than the window is nobody's batch any more. A date that cannot be read is not old."""
    try:
        return now - datetime.fromisoformat(str(body.get("at"))) >= WINDOW
    except ValueError:
        return False
