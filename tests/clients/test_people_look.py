"""People behind an identity, read from the practice tenant by the real client: what shows, and how gaps are called."""

from datetime import timedelta
from typing import Any, cast

import pytest

from drill.practice import Behaviour
from shared.case import PEOPLE_WINDOWS, CouldNotLook, Known, PartName, People, Person, Way
from shared.look import Look
from shared.people import LONG_REACH, MOST_PEOPLE, SHORT_REACH
from tests.clients.fake_graph import START
from tests.clients.test_practice_tenant import REF, Place, at
from tests.practice.desk import APPLICATION, PRINCIPAL, payroll

ALICE, BOB = "a11ce000-0000-4000-8000-000000000001", "b0b00000-0000-4000-8000-000000000002"
GROUP = "96090000-0000-4000-8000-000000000001"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
READER = (
    "Application.Read.All",
    "AuditLog.Read.All",
    "IdentityRiskEvent.Read.All",
    "IdentityRiskyUser.Read.All",
    "LicenseAssignment.Read.All",
    "RoleManagement.Read.Directory",
    "User.Read.All",
)
RUNGS = frozenset(PEOPLE_WINDOWS)
DAY = timedelta(days=1)


def tenant(*, licences: tuple[str, ...] = ("AAD_PREMIUM_P2",), lacking: str = "", **more: Any) -> dict[str, Any]:
    """Alice owns the application; whoever else there is, is named by the test."""
    people = [
        {
            "id": ALICE,
            "displayName": "Alice",
            "userPrincipalName": "alice@contoso.example",
            "mail": "a@contoso.example",
        },
        {"id": BOB, "displayName": "Bob", "userPrincipalName": "bob@contoso.example", "accountEnabled": False},
    ]
    held = {"reader": [each for each in READER if each != lacking]}
    return payroll(
        users=[*people, *more.pop("users", [])],
        owners=more.pop("owners", {APPLICATION: [ALICE]}),
        licences=list(licences),
        permissions=held,
        **more,
    )


def audited(activity: str, ago: timedelta, target: str, actor: str, type_: str = "User") -> dict[str, Any]:
    return {
        "id": f"Directory_{actor}_{ago.total_seconds():.0f}",
        "activityDisplayName": activity,
        "activityDateTime": (START - ago).isoformat(),
        "initiatedBy": {"user": {"id": actor, "userPrincipalName": None}, "app": None},
        "targetResources": [{"id": target, "type": type_, "modifiedProperties": []}],
    }


def looked(
    given: dict[str, Any], *parts: PartName, behaviour: Behaviour | None = None, **logs: list[dict[str, Any]]
) -> tuple[Any, ...]:
    """These parts, one after the other, as an investigation reads them."""

    async def story(place: Place) -> tuple[Any, ...]:
        look = Look(place.tenant.directory, REF, place.clock.now)
        return tuple([getattr(await look.gather(frozenset({part})), part.value) for part in parts])

    return at(story, given, behaviour=behaviour or Behaviour.gentle(throttling=True), logs=logs)


def value(part: object) -> Any:
    """The value of a part that must be known."""
    assert isinstance(part, Known), part
    return cast("Known[Any]", part).value


def why(part: object) -> str:
    """Why a part could not be read, which it must not have been."""
    assert isinstance(part, CouldNotLook), part
    return part.why


def people(found: object) -> People:
    return value(found)


def only(found: Any) -> Person:
    (person,) = people(found).persons
    return person


def test_owners_and_actors_are_found_with_their_ways() -> None:
    """Who acted comes first; a consent of three weeks ago is found where the licence keeps the log."""
    consent = audited("Consent to application", 20 * DAY, PRINCIPAL, BOB, "ServicePrincipal")
    (found,) = looked(tenant(), PartName.PEOPLE, directoryAudits=[consent])

    bob, alice = people(found).persons
    assert (bob.id, bob.ways) == (BOB, frozenset({Way.CONSENTER}))
    assert (alice.id, alice.ways) == (ALICE, frozenset({Way.OWNER}))
    assert (value(alice.account).name, value(alice.account).enabled) == ("alice@contoso.example", True)
    assert value(bob.account).enabled is False
    assert people(found).audits_reach == Known(LONG_REACH)


def test_without_a_licence_the_log_is_short_and_says_so() -> None:
    """Who consented before the seven days that are kept may be anybody."""
    consent = audited("Consent to application", 20 * DAY, PRINCIPAL, BOB, "ServicePrincipal")
    (found,) = looked(tenant(licences=()), PartName.PEOPLE, directoryAudits=[consent])

    assert [each.id for each in people(found).persons] == [ALICE]
    assert people(found).audits_reach == Known(SHORT_REACH)
    assert {way for way, _ in people(found).unseen} == {Way.CONSENTER, Way.CREDENTIAL_ADDER}


def test_an_account_that_is_not_there_is_known_not_to_be() -> None:
    """The log still names it."""
    gone = audited("Consent to application", DAY, PRINCIPAL, "deadbeef-0000-4000-8000-000000000001", "ServicePrincipal")
    (found,) = looked(tenant(owners={}), PartName.PEOPLE, directoryAudits=[gone])

    assert only(found).account == Known(None)


def test_risk_is_told_with_its_licence_and_its_permission() -> None:
    """Without P2 the risky list is refused, without the permission as well: each by its name."""
    at_risk = [{"id": ALICE, "riskLevel": "high", "riskState": "atRisk"}]
    detected = [{"userId": ALICE, "riskEventType": "anomalousToken", "riskLevel": "high"}]
    (seen,) = looked(tenant(riskyUsers=at_risk, riskDetections=detected), PartName.PEOPLE)
    premium = tenant(licences=("AAD_PREMIUM",), riskyUsers=at_risk, riskDetections=detected)
    (unlicensed,) = looked(premium, PartName.PEOPLE)
    (refused,) = looked(tenant(lacking="IdentityRiskyUser.Read.All", riskyUsers=at_risk), PartName.PEOPLE)
    (clean,) = looked(tenant(), PartName.PEOPLE)

    assert value(only(seen).risk).level == "high"
    assert value(only(seen).detections)[0].type == "anomalousToken"
    assert "Entra ID P2" in why(only(unlicensed).risk)
    (hidden,) = value(only(unlicensed).detections)
    assert (hidden.type, hidden.level) == ("generic", "hidden")
    assert "IdentityRiskyUser.Read.All" in why(only(refused).risk)
    assert only(clean).risk == Known(None)


def test_roles_are_read_with_the_groups_that_may_give_some() -> None:
    """Who may read users alone sees of a group its id: it may be one that gives a role."""
    given = tenant(
        roleAssignments=[{"principalId": ALICE, "roleDefinitionId": GLOBAL_ADMINISTRATOR}],
        groups=[{"id": GROUP, "displayName": "everybody", "members": [ALICE]}],
    )
    (found,) = looked(given, PartName.PEOPLE)
    (blind,) = looked(tenant(lacking="RoleManagement.Read.Directory"), PartName.PEOPLE)

    roles = value(only(found).roles)
    assert [each.role_id for each in roles.own] == [GLOBAL_ADMINISTRATOR]
    assert roles.through_groups == (GROUP,)
    assert isinstance(only(blind).roles, CouldNotLook)


SIGN_INS = [
    {
        "id": f"s-{days}",
        "userId": ALICE,
        "createdDateTime": (START - days * DAY + timedelta(hours=1)).isoformat(),
        "authenticationProtocol": "deviceCode" if days == 5 else "none",
    }
    for days in (1, 5, 10, 20)
]


def test_an_odd_record_of_a_person_takes_nothing_away_from_the_others() -> None:
    """What the rest shows is so, and what it does not show may be in the one that cannot be read."""
    odd = {**SIGN_INS[0], "id": "odd", "appDisplayName": "Portal", "authenticationProtocol": 7}
    (day,) = looked(tenant(), PartName.PEOPLE_DAY, signIns=[*SIGN_INS, odd])
    (seen,) = value(day).seen

    assert [each.record.id for each in value(seen.sign_ins)] == ["s-1"]
    assert seen.doubts == ("1 of the sign-ins could not be read",)


def test_each_rung_holds_what_happened_in_it() -> None:
    """And what somebody else did is not in it."""
    sign_ins = [*SIGN_INS, {**SIGN_INS[0], "id": "bobs", "userId": BOB}]
    audits = [audited("User registered security info", 5 * DAY, ALICE, ALICE)]
    rungs = looked(tenant(), *PEOPLE_WINDOWS, signIns=sign_ins, directoryAudits=audits)

    assert [[each.record.id for each in value(value(rung).seen[0].sign_ins)] for rung in rungs] == [
        ["s-1"],
        ["s-5"],
        ["s-10"],
        ["s-20"],
    ]
    assert [len(value(value(rung).seen[0].audits)) for rung in rungs] == [0, 1, 0, 0]
    assert value(value(rungs[1]).seen[0].sign_ins)[0].protocol == "deviceCode"
    assert all(not value(rung).seen[0].doubts for rung in rungs)


def test_a_rung_beyond_the_log_is_not_covered() -> None:
    """Nothing is asked for there; sign-ins take a licence of their own."""
    rungs = looked(tenant(licences=()), *PEOPLE_WINDOWS)

    audits = [value(rung).seen[0].audits for rung in rungs]
    assert [isinstance(each, Known) for each in audits] == [True, True, False, False]
    assert "keeps 7 days" in why(audits[2])
    assert all("Entra ID P1 or P2" in why(value(rung).seen[0].sign_ins) for rung in rungs)


def test_a_licence_that_nobody_may_read_leaves_the_long_rungs_in_doubt() -> None:
    """What is found there counts; that nothing is found says nothing."""
    rungs = looked(tenant(lacking="LicenseAssignment.Read.All"), *PEOPLE_WINDOWS)

    assert [bool(value(rung).seen[0].doubts) for rung in rungs] == [False, False, True, True]


@pytest.mark.parametrize("lacking", ["AuditLog.Read.All", "User.Read.All"])
def test_a_missing_permission_is_a_gap_and_named(lacking: str) -> None:
    """Never an empty list."""
    found, day = looked(tenant(lacking=lacking), PartName.PEOPLE, PartName.PEOPLE_DAY)

    gaps = [only(found).account, only(found).roles] if lacking == "User.Read.All" else []
    seen = value(day).seen[0]
    gaps += [seen.sign_ins, seen.audits] if lacking == "AuditLog.Read.All" else []
    assert gaps
    assert all(lacking in why(each) for each in gaps)


def test_no_more_people_are_looked_at_than_the_budget_allows() -> None:
    """The others are named, so that nobody takes them for clean."""
    crowd = [f"c0c0c0c0-0000-4000-8000-{number:012d}" for number in range(MOST_PEOPLE + 2)]
    owned = {APPLICATION: [{"id": each, "displayName": each} for each in crowd]}
    (found,) = looked(tenant(owners=owned), PartName.PEOPLE)

    assert len(people(found).persons) == MOST_PEOPLE
    assert people(found).left_out == tuple(crowd[MOST_PEOPLE:])


def test_the_time_for_a_rung_is_bounded() -> None:
    """The reports' quota is five in ten seconds; whoever is not reached says so."""
    crowd = [f"c0c0c0c0-0000-4000-8000-{number:012d}" for number in range(MOST_PEOPLE)]
    owned = {APPLICATION: [{"id": each, "displayName": each} for each in crowd]}

    async def story(place: Place) -> tuple[Any, float]:
        look = Look(place.tenant.directory, REF, place.clock.now)
        await look.gather(frozenset({PartName.PEOPLE}))
        begun = place.clock.elapsed
        return (await look.gather(frozenset({PartName.PEOPLE_DAY}))).people_day, place.clock.elapsed - begun

    day, took = at(story, tenant(owners=owned), behaviour=Behaviour(reports_per_10_seconds=2))

    assert took < 90
    unseen = [each for each in value(day).seen if isinstance(each.sign_ins, CouldNotLook)]
    assert unseen
    assert all("the time for it was used up" in why(each.sign_ins) for each in unseen)
