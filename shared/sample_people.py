"""The people behind a sample's identity: those whom it tells of, and those whom its owners and records name. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.case import (
    PEOPLE_WINDOWS,
    Account,
    Case,
    DirectoryRole,
    HeldRoles,
    Known,
    PartName,
    People,
    PeopleWindow,
    Person,
    RiskDetection,
    RiskState,
    SeenOfPerson,
    SignIn,
    UserSignIn,
    Way,
)
from shared.people import LONG_REACH, people_behind
from shared.privileges import DIRECTORY_ROLES
from shared.sample_audits import made_id, permission_id
from shared.samples import SamplePerson, SampleUserDetection, SampleUserSignIn


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody behind the identity, and what the sample tells of them, if anything."""

    id: str
    ways: frozenset[Way]
    sample: SamplePerson | None


def people_of(given: Sequence[SamplePerson], case: Case, *, registered_here: bool) -> Iterator[Told]:
    """Whom owners and records name, each with what is told of them; then whoever is told of besides."""
    logs = (case.audits, case.grant_audits)
    named = people_behind(case.owners, logs, registered_here=registered_here).ways
    left = list(given)
    for id_, ways in named.items():
        told = next((each for each in left if each.id == id_ or (each.id is None and each.way in ways)), None)
        if told is not None:
            left.remove(told)
        yield Told(id_, ways, told)
    for number, each in enumerate(left, 1):
        yield Told(each.id or made_id("person", number), frozenset({each.way}), each)


def known_people(people: Sequence[Told], now: datetime) -> People:
    """All of them as Entra knows them."""
    return People(tuple(_person(each, now) for each in people), (), (), Known(LONG_REACH))


def _person(told: Told, now: datetime) -> Person:
    sample = told.sample or SamplePerson(Way.OWNER)
    roles = tuple(_role(name) for name in sample.roles)
    return Person(
        id=told.id,
        ways=told.ways,
        account=Known(Account(f"person {told.id[:8]}", sample.enabled, "Member")),
        risk=Known(RiskState(sample.risk, "atRisk", "none", None) if sample.risk else None),
        detections=Known(tuple(_detection(number, each, now) for number, each in enumerate(sample.detections, 1))),
        roles=Known(HeldRoles(roles, ())),
    )


def _role(name: str) -> DirectoryRole:
    id_ = permission_id(name, DIRECTORY_ROLES)
    return DirectoryRole(made_id("role of a person", id_), id_, name, "/", None)


def _detection(number: int, given: SampleUserDetection, now: datetime) -> RiskDetection:
    at = now - given.ago
    return RiskDetection(
        f"sample-user-{number}", given.type, given.level, "atRisk", "none", (), at, at, at, ip_address=None
    )


def window(people: Sequence[Told], now: datetime, name: PartName) -> PeopleWindow:
    """What the logs show of them in one step of the look-back."""
    until = now - max((each for each in PEOPLE_WINDOWS.values() if each < PEOPLE_WINDOWS[name]), default=timedelta())
    since = now - PEOPLE_WINDOWS[name]
    seen = tuple(SeenOfPerson(each.id, Known(_sign_ins(each, now, since, until)), Known(())) for each in people)
    return PeopleWindow(since, until, seen)


def _sign_ins(told: Told, now: datetime, since: datetime, until: datetime) -> tuple[UserSignIn, ...]:
    given = told.sample.sign_ins if told.sample else ()
    made = [_sign_in(number, each, now - each.ago) for number, each in enumerate(given, 1)]
    inside = [each for each in made if since <= each.record.at < until or (until == now and each.record.at == now)]
    return tuple(sorted(inside, key=lambda each: each.record.at, reverse=True))


def _sign_in(number: int, given: SampleUserSignIn, at: datetime) -> UserSignIn:
    record = SignIn(
        id=f"sample-user-{number}",
        at=at,
        error_code=0,
        address="192.0.2.20",
        credential_id=None,
        credential_type=None,
        resource=None,
        network=given.network,
        country=given.country,
    )
    return UserSignIn(record, given.protocol, given.risk, "none" if given.risk == "none" else "atRisk")
