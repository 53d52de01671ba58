"""
Cordon's own writes come back as audit records. They are no news, but they are evidence: the directory itself
tells that the write happened.

Only records that were read from the audit log count, never a pushed one, and only for incidents that are
open: a record whose object no open incident points to costs one look into the store, once.
"""

import logging
from collections.abc import Iterator, Sequence

from shared.chain import Chain
from shared.clock import Clock
from shared.entries import Applied, Intended, Planned, PlannedStep, SeenInLogs
from shared.errors import JournalDamaged, SequenceTaken
from shared.journal import IncidentId
from shared.signal import Signal
from shared.store import Store

log = logging.getLogger("cordon")

_REMEMBERED = 50_000  # ids of records that were settled; the log is read over and over

_EDIT = "update application"
_CREDENTIALS = (
    "update application - certificates and secrets management",
    "remove service principal credentials",
    _EDIT,
)
# What the log calls the writes of an action, as `normalise_activity` gives it.
ACTIVITIES: dict[str, tuple[str, ...]] = {
    "block-sign-in": ("update service principal",),
    "replace-credentials": _CREDENTIALS,
    "remove-app-roles": ("remove app role assignment from service principal",),
    "remove-delegated-grants": ("remove delegated permission grant",),
    "remove-directory-roles": ("remove member from role",),
    "custody": ("remove owner from application", "remove owner from service principal"),
    "confirm-compromised": ("confirmserviceprincipalcompromised",),
    "dismiss-risk": ("dismissserviceprincipal",),
    "delete-application": ("delete application",),
    "restore-application": ("restore application",),
    "purge-application": ("hard delete application",),
    "deactivate-application": (_EDIT,),
    "revert-configuration": (_EDIT,),
}
# Other writes of Cordon's are called "update application", too: these tell of the action only if they name its
# property. How the log spells isDisabled is unverified; spelled otherwise, there is no evidence and nothing worse.
PROPERTIES: dict[str, tuple[str, ...]] = {
    "deactivate-application": ("isdisabled",),
    "revert-configuration": ("appaddress", "identifieruri", "logout"),
    "replace-credentials": ("keydescription", "federatedidentitycredentials"),
}
NO_ACTIVITIES: dict[str, str] = {
    "cut-vault-access": "its writes are Azure's, and stand in the activity log of each subscription, not in this log",
    "require-risk-policy": "its record is about the policy and names no identity, and such records are not followed",
}


class Witness:
    """Puts Cordon's own audit records down as evidence of the steps they tell of."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._settled: dict[str, None] = {}

    async def see(self, own: Sequence[Signal]) -> None:
        """Take in records of Cordon's own writes, read from the audit log. What a rival keeps away comes again."""
        incidents: dict[IncidentId, list[Signal]] = {}
        for signal in own:
            if signal.record_id in self._settled or signal.facts.get("result") != "success":
                continue
            incident = await self._open_incident(signal)
            if incident is None:
                self._settle(signal)
            else:
                incidents.setdefault(incident, []).append(signal)
        for incident, signals in incidents.items():
            await self._note(incident, signals)

    async def _open_incident(self, signal: Signal) -> IncidentId | None:
        for id_ in _ids(signal):
            pointer = await self._store.documents.get("subjects", id_)
            if pointer is not None:
                return IncidentId(str(pointer.body["incident"]))
        return None

    async def _note(self, incident: IncidentId, signals: Sequence[Signal]) -> None:
        try:
            chain = await Chain.read(self._store.journal, incident, self._clock)
            for signal in signals:
                for step in steps_shown(signal, chain):
                    seen = SeenInLogs(
                        audit_id=signal.record_id, at=signal.observed_at, activity=str(signal.facts.get("activity"))
                    )
                    await chain.write(seen, step=step)
                self._settle(signal)
        except SequenceTaken:
            log.info("own audit records of incident %s are noted at the next sweep", incident)
        except JournalDamaged as damage:
            log.error("%s", damage)  # noqa: TRY400 - the text says it all

    def _settle(self, signal: Signal) -> None:
        if len(self._settled) >= _REMEMBERED:
            self._settled.pop(next(iter(self._settled)))
        self._settled[signal.record_id] = None


def steps_shown(signal: Signal, chain: Chain) -> Iterator[str]:
    """
    The steps whose write this record tells of: same object, same operation, a success, and not before the
    intent of the newest round. A step that was seen in this round already is left out. Pure.
    """
    plans = {step.id: step for plan in chain.all(Planned) for step in plan.steps}
    for step in plans.values():
        intent = chain.place(Intended, step.id)
        if intent < 0 or chain.place(Applied, step.id) < intent or chain.place(SeenInLogs, step.id) > intent:
            continue
        after_it = signal.observed_at >= chain.records[intent].time
        if after_it and signal.facts.get("result") == "success" and _tells_of(signal, step):
            yield step.id


def _tells_of(signal: Signal, step: PlannedStep) -> bool:
    on_it = any(id_ in (step.target_id, step.options.get("principal")) for id_ in _ids(signal))
    if not on_it or signal.facts.get("activity") not in ACTIVITIES.get(step.action, ()):
        return False
    if signal.facts.get("activity") == _EDIT and (named := PROPERTIES.get(step.action)):
        changed = signal.facts.get("changed")
        return isinstance(changed, list) and any(part in str(name) for name in changed for part in named)
    return step.action != "block-sign-in" or signal.facts.get("accountEnabled") is False


def _ids(signal: Signal) -> list[str]:
    subject = signal.subject
    return [id_ for id_ in (subject.principal_id, subject.client_id, subject.app_object_id) if id_]
