"""People behind the payroll identity of the cases, and what the logs show of them."""

from collections.abc import Sequence
from datetime import timedelta

from shared.audit import read_audit
from shared.case import (
    PEOPLE_WINDOWS,
    Account,
    AuditRecord,
    Case,
    HeldRoles,
    Known,
    NotLooked,
    Part,
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
from tests.conditions.cases import but, case
from tests.fakes import START

ALICE = "a11ce000-0000-4000-8000-000000000001"
BOB = "b0b00000-0000-4000-8000-000000000001"
RUNGS = tuple(PEOPLE_WINDOWS)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def person(
    id_: str = ALICE,
    *ways: Way,
    risk: Part[RiskState | None] | None = None,
    detections: Part[tuple[RiskDetection, ...]] | None = None,
    account: Part[Account | None] | None = None,
    roles: Part[HeldRoles] | None = None,
) -> Person:
    """Nothing is wrong with this one, unless it is said."""
    return Person(
        id=id_,
        ways=frozenset(ways or {Way.OWNER}),
        account=account or Known(Account("alice@contoso.example", enabled=True, type="Member")),
        risk=risk or Known(None),
        detections=detections or Known(()),
        roles=roles or Known(HeldRoles((), ())),
    )


def sign_in(
    ago: timedelta,
    number: int = 1,
    *,
    protocol: str | None = "none",
    level: str | None = "none",
    state: str | None = "none",
    country: str | None = "NL",
    network: int | None = 64496,
    code: int = 0,
) -> UserSignIn:
    record = SignIn(
        f"s-{number}", START - ago, code, "203.0.113.9", None, None, "Portal", network=network, country=country
    )
    return UserSignIn(record, protocol, level, state)


def registered(ago: timedelta, activity: str = "User registered security info", result: str = "success") -> AuditRecord:
    return read_audit(
        {
            "id": "Directory_7",
            "activityDisplayName": activity,
            "activityDateTime": (START - ago).isoformat(),
            "result": result,
            "initiatedBy": {"user": {"id": ALICE}, "app": None},
            "targetResources": [{"id": ALICE, "type": "User", "modifiedProperties": []}],
        }
    )


def detected(
    ago: timedelta, level: str = "high", type_: str = "anomalousToken", state: str = "atRisk"
) -> RiskDetection:
    return RiskDetection("d-7", type_, level, state, "none", (), START - ago, START - ago, None, None)


def tenant(
    *persons: Person,
    sign_ins: Sequence[UserSignIn] = (),
    audits: Sequence[AuditRecord] = (),
    unseen: tuple[tuple[Way, str], ...] = (),
    of: Case | None = None,
) -> Case:
    """Everything was read of these people; each record is in the rung of its time."""
    known = People(persons or (person(),), unseen, (), Known(timedelta(days=30)))
    windows: dict[str, Part[object]] = {}
    begun = timedelta()
    for name, back in PEOPLE_WINDOWS.items():
        since, until = START - back, START - begun
        mine = tuple(each for each in sign_ins if since <= each.record.at <= until)
        seen = tuple(
            SeenOfPerson(each.id, Known(mine), Known(tuple(a for a in audits if since <= a.at <= until)))
            for each in known.persons
        )
        windows[name.value] = Known(PeopleWindow(since, until, seen))
        begun = back
    return but(of or case(), people=Known(known), **windows)


def only(of: Case, *rungs: PartName) -> Case:
    """The same case, in which no other rung was looked at."""
    return but(of, **{name.value: NotLooked() for name in RUNGS if name not in rungs})


def read_as(window: PeopleWindow) -> Part[object]:
    """A rung that was read, as a part of any case."""
    return Known(window)
