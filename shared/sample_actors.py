"""What a sample knows of those who changed its identity. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from shared.actors import Actor, ActorKind, actors_in
from shared.case import (
    ActorRisk,
    Case,
    CouldNotLook,
    IncidentStanding,
    Known,
    Part,
    RiskState,
    Suspects,
    Suspicion,
)
from shared.sample_audits import STRANGE_APPLICATION, STRANGER
from shared.samples import UNREADABLE, Sample, SampleSuspect
from shared.tenant import Gathered

T = TypeVar("T")

_UNREADABLE = CouldNotLook("the sample says that it could not be read")


def with_suspects(sample: Sample, case: Case) -> Case:
    """Whoever changed it is told of, and of whom the sample says nothing, nothing is known against."""
    if isinstance(sample.suspects, str):
        return replace(case, suspects=_UNREADABLE, actor_risk=_UNREADABLE, user_risk=_UNREADABLE)
    told = {_id(each): each for each in sample.suspects}
    actors = actors_in(Gathered(identity=case.identity, audits=case.audits, grant_audits=case.grant_audits))
    workloads = [each for each in actors if each.kind is not ActorKind.USER]
    people = [each for each in actors if each.kind is ActorKind.USER]
    return replace(
        case,
        suspects=Known(Suspects(_of_each(workloads, told, lambda each: Known(_standings(sample, each))))),
        actor_risk=Known(ActorRisk(_of_each(workloads, told, _risk))),
        user_risk=Known(ActorRisk(_of_each(people, told, _risk))),
    )


def _id(suspect: SampleSuspect) -> str:
    return suspect.id or (STRANGER if suspect.is_person else STRANGE_APPLICATION)


def _of_each(
    actors: Sequence[Actor], told: Mapping[str, SampleSuspect], make: Callable[[SampleSuspect], Part[T]]
) -> dict[str, Part[T]]:
    return {actor.id: make(told.get(actor.id, SampleSuspect())) for actor in actors}


def _standings(sample: Sample, suspect: SampleSuspect) -> tuple[IncidentStanding, ...]:
    if suspect.incident is None:
        return ()
    suspicion = Suspicion(suspect.incident)
    return (
        IncidentStanding(
            incident="sample",
            root="sample",
            suspicion=suspicion,
            links=suspect.links,
            since=None if suspect.since is None else sample.now - suspect.since,
            at=sample.now if suspicion is Suspicion.CLEARED else None,
        ),
    )


def _risk(suspect: SampleSuspect) -> Part[RiskState | None]:
    if suspect.risk == UNREADABLE:
        return _UNREADABLE
    risk = suspect.risk
    return Known(None if risk is None or isinstance(risk, str) else RiskState(risk.level, risk.state, "none", None))
