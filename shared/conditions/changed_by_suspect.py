"""Was the identity changed by another identity, or a person, that is itself under suspicion?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field

from shared.actors import Actor, ActorKind, actor_of, takes_away
from shared.audit_changes import Change, ChangeKind, kinds_of
from shared.case import (
    AuditRecord,
    Case,
    CouldNotLook,
    IdentityState,
    IncidentStanding,
    Known,
    NotLooked,
    Part,
    PartName,
    RiskState,
    Suspicion,
)
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, doubt_of, has_happened, is_itself, is_unexpected, is_within
from shared.conditions.records import BOTH, changes_about, unread
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.people_signs import judge_risk

Ground: TypeAlias = Literal["contained", "accused", "watched", "at-risk"]
Who: TypeAlias = Literal["identity", "person"]
Level: TypeAlias = Literal["low", "medium", "high"]

_GRAVEST = (Suspicion.CONTAINED, Suspicion.ACCUSED, Suspicion.WATCHED)
_MOST_DOUBTS = 3  # that a reason names


@dataclass(frozen=True, slots=True)
class SuspectChange:
    """A change by a workload of which one of Cordon's incidents says something."""

    record: AuditRecord
    actor: Actor
    standing: IncidentStanding


@dataclass(frozen=True, slots=True)
class _Made:
    """A change that counts, by whom, and the record that shows it."""

    record: AuditRecord
    actor: Actor


@dataclass(slots=True)
class _Heard:
    doubts: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class ChangedBySuspect:
    """
    Met when the identity was made, or was given a credential, an owner, a permission or another configuration
    (`kinds`), within this time, by somebody else who is under suspicion: a workload that one of Cordon's own incidents
    `contained`, or has `accused` (to be contained or asked about, and not released, dismissed or declined), or a
    workload or person that Entra lists as `at-risk` of one of these `levels`. Incidents that were only `watched`
    (in mode watch every one, and those in which a person is asked because something is not known) count where they are
    named. What a suspect did before it was itself changed by one is its own,
    and does not count. Cordon's own changes make nobody suspect. Needs Entra ID P2 for people.
    """

    name: ClassVar[str] = "changed-by-suspect"
    needs: ClassVar[tuple[PartName, ...]] = (
        PartName.IDENTITY,
        PartName.AUDITS,
        PartName.GRANT_AUDITS,
        PartName.SUSPECTS,
    )
    unknown_when: ClassVar[str] = (
        "the log does not name who changed it, or not whether it succeeded; Cordon's journal of the actor, or the "
        "actor's risk, cannot be read; the level is hidden for want of a licence; more actors changed it than are "
        "looked at, 32 in Cordon's journal and eight in Entra's list"
    )
    may_read: ClassVar[tuple[str, ...]] = ("IdentityRiskyUser.Read.All",)
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    within: AuditDuration = timedelta(hours=24)
    """How long ago the change was at most."""
    kinds: Several[ChangeKind] = (
        ChangeKind.CREDENTIALS,
        ChangeKind.CONFIGURATION,
        ChangeKind.GRANTS,
        ChangeKind.CONSENT,
        ChangeKind.OWNERS,
        ChangeKind.LIFECYCLE,
    )
    """What was changed; lifecycle: it was made or restored. What was taken away does not count."""
    suspicion: Several[Ground] = ("contained", "accused", "at-risk")
    """Why the actor is under suspicion."""
    who: Several[Who] = ("identity", "person")
    """What the actor is; a person can only be at-risk."""
    levels: Several[Level] = ("medium", "high")
    """Of actors at risk: the levels that count."""
    most_links: Annotated[int, Field(strict=True, ge=0, le=10)] | None = None
    """0: the actor is suspect for what was seen of itself; 1: or since such a one changed it; left out: any number."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of actors that never count; left out: none."""

    def also_reads(self) -> tuple[str, ...]:
        """Permissions beyond the reader's own, as it is set."""
        return self.may_read if self._asks_people() else ()

    def also_needs(self) -> tuple[PartName, ...]:
        """What Entra lists of actors, as far as it is asked for."""
        if "at-risk" not in self.suspicion:
            return ()
        asked = {"identity": PartName.ACTOR_RISK, "person": PartName.USER_RISK}
        return tuple(part for who, part in asked.items() if who in self.who)

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        missing = unread(case, BOTH)
        if missing is not None and missing.wants:
            return missing
        heard = _Heard()
        made = list(self._made(case, case.identity.value, heard))
        if made and (found := self._found(made, case, heard)) is not None:
            return found
        if missing is not None:
            return missing
        if heard.doubts:
            return Unknown(_some(heard.doubts))
        return NotMet(_clean(made, heard, self.within))

    def _found(self, made: Sequence[_Made], case: Case, heard: _Heard) -> Finding | None:
        asks = (self._by_incident, self._by_risk, self._by_users_risk)
        return next((found for ask in asks if (found := ask(made, case, heard)) is not None), None)

    # What counts

    def _made(self, case: Case, state: IdentityState, heard: _Heard) -> Iterator[_Made]:
        """The changes that count, newest first; those whose actor or outcome the log does not tell are a doubt."""
        for change in reversed(changes_about(case, state)):
            if not is_within(change.at, self.within, case.now):
                break
            record = None if change.kinds.isdisjoint(self.kinds) else _giving(change, self.kinds)
            if record is None:
                continue
            others = both(_not(is_itself(change.actor, state)), is_unexpected(change.actor, self.by_other_than))
            if others is False:
                continue
            actor = actor_of(change.actor)
            if actor is None:
                heard.doubts.append(f"{_act(record)}: the log does not name by an id who did it")
            elif self._asks_about(actor):
                yield _Made(record, actor)

    def _asks_about(self, actor: Actor) -> bool:
        return self._asks_people() if actor.kind is ActorKind.USER else "identity" in self.who

    def _asks_people(self) -> bool:
        return "person" in self.who and "at-risk" in self.suspicion

    # Whom it accuses

    def _by_incident(self, made: Sequence[_Made], case: Case, heard: _Heard) -> Finding | None:
        workloads = [each for each in made if each.actor.kind is not ActorKind.USER]
        if not workloads:
            return None
        if not isinstance(case.suspects, Known):
            return _missing(PartName.SUSPECTS, case.suspects, heard)
        for each in workloads:
            standings = case.suspects.value.incidents.get(each.actor.id)
            if not isinstance(standings, Known):
                heard.doubts.append(_unread_actor(each, "Cordon's journal of it", standings))
                continue
            for standing in _gravest(standings.value):
                if (reason := self._accuses(each, standing, heard)) is None:
                    continue
                if has_happened(each.record):
                    return Met(reason)
                heard.doubts.append(f"{reason}, and {doubt_of(each.record)}")
        return None

    def _accuses(self, made: _Made, standing: IncidentStanding, heard: _Heard) -> str | None:
        if standing.suspicion is Suspicion.CLEARED:
            return None
        told = f"{_act(made.record)} by {actor_text(made.record.actor)}, of which incident {standing.incident} says"
        told = f"{told} {standing.suspicion.value}{_chain(standing)}"
        if standing.since is not None and made.record.at < standing.since:
            heard.notes.append(f"{told}, but only from {utc(standing.since)} on")
            return None
        if standing.suspicion.value not in self.suspicion:
            heard.notes.append(told)
            return None
        if self.most_links is not None and standing.links > self.most_links:
            heard.notes.append(f"{told}, more than {self.most_links} links away")
            return None
        return told

    def _by_risk(self, made: Sequence[_Made], case: Case, heard: _Heard) -> Finding | None:
        workloads = [each for each in made if each.actor.kind is not ActorKind.USER]
        if not workloads or "at-risk" not in self.suspicion:
            return None
        if not isinstance(case.actor_risk, Known):
            return _missing(PartName.ACTOR_RISK, case.actor_risk, heard)
        listed = case.actor_risk.value.listed
        return self._at_risk([(e, _uncleared(listed.get(e.actor.id), e, case)) for e in workloads], "workload", heard)

    def _by_users_risk(self, made: Sequence[_Made], case: Case, heard: _Heard) -> Finding | None:
        people = [each for each in made if each.actor.kind is ActorKind.USER]
        if not people:
            return None
        if not isinstance(case.user_risk, Known):
            return _missing(PartName.USER_RISK, case.user_risk, heard)
        listed = case.user_risk.value.listed
        return self._at_risk([(each, listed.get(each.actor.id)) for each in people], "user", heard)

    def _at_risk(
        self, listed: Sequence[tuple[_Made, Part[RiskState | None] | None]], whom: str, heard: _Heard
    ) -> Finding | None:
        for each, part in listed:
            if not isinstance(part, Known):
                heard.doubts.append(_unread_actor(each, f"the risk of the {whom}", part))
                continue
            found = judge_risk(part, self.levels, whom)
            heard.doubts += [f"{_act(each.record)} by {actor_text(each.record.actor)}: {gap}" for gap in found.gaps]
            if found.hit and has_happened(each.record):
                return Met(f"{_act(each.record)} by {actor_text(each.record.actor)}, and {found.hit}")
            if found.hit:
                heard.doubts.append(f"{_act(each.record)}: {found.hit}, and {doubt_of(each.record)}")
        return None


def related(case: Case, within: timedelta) -> tuple[SuspectChange, ...]:
    """
    By which incidents' identities this one was changed in this time, as far as the case was read: of each incident the
    first change that counts, those nearest to a root first.
    """
    if not isinstance(case.identity, Known) or not isinstance(case.suspects, Known):
        return ()
    state, incidents, found = case.identity.value, case.suspects.value.incidents, dict[str, SuspectChange]()
    for change in changes_about(case, state):
        record, actor = _giving(change, _ALL_KINDS), actor_of(change.actor)
        counts = record is not None and has_happened(record) and case.now - record.at <= within
        if record is None or actor is None or not counts or is_itself(change.actor, state):
            continue
        part = incidents.get(actor.id)
        for standing in part.value if isinstance(part, Known) else ():
            is_later = standing.since is None or record.at >= standing.since
            if standing.suspicion in _GRAVEST[:2] and is_later:
                found.setdefault(standing.incident, SuspectChange(record, actor, standing))
    return tuple(sorted(found.values(), key=lambda each: (each.standing.links, each.record.at, each.standing.incident)))


_ALL_KINDS = tuple(ChangeKind)


def _giving(change: Change, kinds: Sequence[ChangeKind]) -> AuditRecord | None:
    """The record that shows it: one of these kinds that took nothing away; one that surely succeeded comes first."""
    fitting = [r for r in change.records if not kinds_of(r).isdisjoint(kinds) and not takes_away(r)]
    if len(fitting) == 1:
        return fitting[0]
    return min(fitting, key=lambda r: (not has_happened(r), r.at, r.id), default=None)


def _gravest(standings: Sequence[IncidentStanding]) -> list[IncidentStanding]:
    judged = [each for each in standings if each.suspicion in _GRAVEST]
    return sorted(judged, key=lambda each: (_GRAVEST.index(each.suspicion), each.links, each.incident))


def _uncleared(part: Part[RiskState | None] | None, made: _Made, case: Case) -> Part[RiskState | None] | None:
    """
    The risk of a workload, unless a person has cleared it since: Cordon itself may have confirmed the compromise, and
    who released it takes that back in his own time.
    """
    risk = part.value if isinstance(part, Known) else None
    standings = case.suspects.value.incidents.get(made.actor.id) if isinstance(case.suspects, Known) else None
    cleared = [each.at for each in standings.value if each.at] if isinstance(standings, Known) else []
    if risk is not None and cleared and risk.updated_at is not None and risk.updated_at <= max(cleared):
        return Known(None)
    return part


def _missing(name: PartName, part: CouldNotLook | NotLooked, heard: _Heard) -> Finding | None:
    """What was not looked at is asked for; what could not be read is a doubt."""
    if isinstance(part, NotLooked):
        return unknown(name, part)
    heard.doubts.append(unknown(name, part).reason)
    return None


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _act(record: AuditRecord) -> str:
    return f"“{record.activity_as_sent.strip()}” at {utc(record.at)} (record {record.id})"


def _chain(standing: IncidentStanding) -> str:
    if not standing.links:
        return ""
    return f" ({standing.links} changes away from incident {standing.root})"


def _unread_actor(made: _Made, what: str, part: CouldNotLook | NotLooked | None) -> str:
    why = part.why if isinstance(part, CouldNotLook) else "it was not among those that were looked at"
    return f"{_act(made.record)} by {actor_text(made.record.actor)}: {what} could not be read: {why}"


def _some(texts: Sequence[str]) -> str:
    each_once = list(dict.fromkeys(texts))
    more = len(each_once) - _MOST_DOUBTS
    return "; ".join(each_once[:_MOST_DOUBTS]) + (f"; and {more} more" if more > 0 else "")


def _clean(made: Sequence[_Made], heard: _Heard, within: timedelta) -> str:
    hours = f"{within.total_seconds() / 3600:g} h"
    if not made:
        return f"nobody who is asked about changed it like this in {hours}"
    told = f"none of the {len(made)} changes in {hours} was made by somebody under suspicion"
    return f"{told}; {_some(heard.notes)}" if heard.notes else told
