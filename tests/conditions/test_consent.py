"""consent: a consent that nobody should give."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.audit import read_audit
from shared.case import (
    AuditRecord,
    CouldNotLook,
    DelegatedGrant,
    DirectoryRole,
    Grants,
    HeldRoles,
    Known,
    NotLooked,
    Part,
    PartName,
    Person,
    Way,
)
from shared.conditions.consent import Consented, ConsentFlaw
from shared.conditions.interface import Met, NotMet, Unknown
from shared.privileges import Tier
from shared.signal import JsonValue
from tests.conditions.cases import STRANGER, UNREADABLE, audit, but, case
from tests.conditions.people import only, person, tenant
from tests.fakes import GRAPH, PAYROLL, START
from tests.policy.test_audit_grants import USER, entry, prop
from tests.policy.test_audit_grants import consent as agreed

WIDE = agreed(f"[] => [{entry('User.Read')}]")
BROAD = agreed(f"[] => [{entry('Mail.ReadWrite', 'Principal', USER)}]", for_all="False")
PLAIN = agreed(f"[] => [{entry('User.Read', 'Principal', USER)}]", for_all="False")
BY_APP = audit("Consent to application", [prop("ConsentAction.Permissions", f"[] => [{entry('User.Read')}]")])


@pytest.mark.parametrize(
    ("record", "flaw", "answer"),
    [
        (WIDE, ConsentFlaw.TENANT_WIDE, Met),
        (PLAIN, ConsentFlaw.TENANT_WIDE, NotMet),
        (BROAD, ConsentFlaw.TENANT_WIDE, NotMet),
        (BROAD, ConsentFlaw.BROAD, Met),
        (WIDE, ConsentFlaw.BROAD, NotMet),
        (BY_APP, ConsentFlaw.BY_APPLICATION, Met),
        (WIDE, ConsentFlaw.BY_APPLICATION, NotMet),
        (replace(WIDE, result="failure"), ConsentFlaw.TENANT_WIDE, NotMet),
        (replace(WIDE, result="timeout"), ConsentFlaw.TENANT_WIDE, Unknown),
        (replace(WIDE, at=START - timedelta(days=8)), ConsentFlaw.TENANT_WIDE, NotMet),
        (BROAD, ConsentFlaw.BROAD_TENANT_WIDE, NotMet),
        (WIDE, ConsentFlaw.BROAD_TENANT_WIDE, NotMet),
        (agreed(f"[] => [{entry('Mail.ReadWrite')}]"), ConsentFlaw.BROAD_TENANT_WIDE, Met),
        (agreed(f"[] => [{entry('Mail.ReadWrite', 'Some')}]"), ConsentFlaw.BROAD_TENANT_WIDE, Unknown),
        (agreed(f"[] => [{entry('User.Read', 'Some')}]"), ConsentFlaw.BROAD_TENANT_WIDE, NotMet),
        (agreed("{unreadable}"), ConsentFlaw.BROAD_TENANT_WIDE, Unknown),
        (agreed("{unreadable}"), ConsentFlaw.BROAD, Unknown),
        (agreed("{unreadable}"), ConsentFlaw.BY_APPLICATION, NotMet),
    ],
)
def test_each_flaw_is_told_from_the_record(record: AuditRecord, flaw: ConsentFlaw, answer: type) -> None:
    """What cannot be read may hold anything, where that matters."""
    assert isinstance(Consented((flaw,)).check(case(audits=(record,))), answer)


def held_by(*users: str, everybody: bool = False) -> Grants:
    """Consents to the application that stand now."""
    own = [DelegatedGrant(f"g{user}", "Principal", user, GRAPH, "User.Read") for user in users]
    wide = [DelegatedGrant("g*", "AllPrincipals", None, GRAPH, "User.Read")] if everybody else []
    return Grants(Known(()), Known((*own, *wide)), Known(()))


@pytest.mark.parametrize(
    ("grants", "answer"),
    [
        (Known(held_by(USER)), Met),
        (Known(held_by(USER, "b")), Met),
        (Known(held_by(USER, "b", "c")), NotMet),
        (Known(held_by(USER, everybody=True)), NotMet),
        (Known(held_by()), Unknown),
        (Known(replace(held_by(USER), delegated=CouldNotLook("Directory.Read.All is missing"))), Unknown),
        (CouldNotLook("nobody answered"), Unknown),
        (NotLooked(), Unknown),
    ],
)
def test_a_consent_is_rare_where_hardly_anybody_gave_one(grants: Part[Grants], answer: type) -> None:
    """By the grants that stand now; where they cannot be read, or do not show yet, it is not called common."""
    found = Consented((ConsentFlaw.RARE,)).check(replace(case(audits=(PLAIN,)), grants=grants))

    assert isinstance(found, answer)
    assert not isinstance(found, Unknown) or not isinstance(grants, NotLooked) or found.wants == {PartName.GRANTS}


def test_without_a_consent_lately_nothing_is_rare() -> None:
    """An old application that one person uses is not asked about, and grants are not read for it."""
    old = replace(PLAIN, at=START - timedelta(days=8))

    assert isinstance(Consented((ConsentFlaw.RARE,)).check(case(audits=(old,))), NotMet)
    assert PartName.GRANTS not in Consented().also_needs()


def test_the_grant_that_a_consent_makes_tells_what_is_new() -> None:
    """The consent itself may tell of no change at all; one correlation id makes them one, whoever the log names."""
    bare = replace(agreed(f"[{entry('User.Read')}] => [{entry('User.Read')}]"), correlation_id="c-1")
    grant = audit(
        "Add delegated permission grant",
        [
            prop("DelegatedPermissionGrant.Scope", " Mail.ReadWrite"),
            prop("DelegatedPermissionGrant.ConsentType", "AllPrincipals"),
            prop("ServicePrincipal.ObjectID", PAYROLL),
        ],
        id_=GRAPH,
        record="Directory_2",
        correlation="c-1",
    )
    finding = Consented((ConsentFlaw.BROAD,)).check(case(audits=(bare,), given=(grant,)))

    assert isinstance(finding, Met)
    assert "gives Mail.ReadWrite (data) for the whole tenant" in finding.reason
    assert isinstance(Consented((ConsentFlaw.BROAD,)).check(case(audits=(bare,))), NotMet)


def granted(scope: str = "Mail.ReadWrite", correlation: str = "c-2", **more: str) -> AuditRecord:
    """A delegated grant for everybody, as whoever writes it through Graph or PowerShell leaves it in the log."""
    properties = [
        prop("DelegatedPermissionGrant.Scope", f" {scope}"),
        prop("DelegatedPermissionGrant.ConsentType", "AllPrincipals"),
        prop("ServicePrincipal.ObjectID", PAYROLL),
    ]
    return audit(
        "Add delegated permission grant",
        properties,
        id_=GRAPH,
        record="Directory_3",
        correlation=correlation,
        **more,  # pyright: ignore[reportArgumentType]
    )


def test_a_grant_that_is_written_without_a_consent_is_one() -> None:
    """Graph takes the grant itself, and then no record is called a consent."""
    of = case(given=(granted(user=STRANGER),))
    finding = Consented((ConsentFlaw.BROAD,)).check(of)

    assert isinstance(finding, Met)
    assert "gives Mail.ReadWrite (data) for the whole tenant" in finding.reason
    assert isinstance(Consented((ConsentFlaw.BROAD,), by_other_than=(STRANGER,)).check(of), NotMet)


def test_the_grant_of_a_consent_is_judged_by_who_consented() -> None:
    """The log may name the service for it; a day later it is no part of that consent, whatever id its writer chose."""
    workflow = replace(agreed(f"[] => [{entry('User.Read Mail.ReadWrite')}]"), correlation_id="c-2")
    rule = Consented((ConsentFlaw.BROAD,), by_other_than=(str(WIDE.actor.user_id),))
    at_once = granted(by="00000003-0000-0000-c000-000000000000")
    later = replace(at_once, at=WIDE.at + timedelta(minutes=40))

    assert isinstance(rule.check(case(audits=(workflow,), given=(at_once,))), NotMet)
    assert isinstance(rule.check(case(audits=(workflow,), given=(later,))), Met)


def test_a_grant_by_another_person_is_no_part_of_a_consent() -> None:
    """Its writer chooses the correlation id: that of a harmless consent of the workflow's would excuse him."""
    workflow = replace(PLAIN, correlation_id="c-2")
    rule = Consented((ConsentFlaw.BROAD,), by_other_than=(str(PLAIN.actor.user_id),))
    beside, his_own = granted(user=STRANGER), granted(user=str(PLAIN.actor.user_id))

    finding = rule.check(case(audits=(workflow,), given=(beside,)))

    assert isinstance(finding, Met)
    assert STRANGER in finding.reason
    assert isinstance(rule.check(case(audits=(workflow,), given=(his_own,))), NotMet)


def test_a_workload_grants_no_more_under_a_consent_than_that_tells() -> None:
    """Which of them is the service nobody can tell, and a thief's writes under whatever correlation id he chooses."""
    harmless, untold = (replace(agreed(told), correlation_id="c-2") for told in (f"[] => [{entry('User.Read')}]", None))
    rule = Consented((ConsentFlaw.BROAD,), by_other_than=(str(WIDE.actor.user_id),))

    assert isinstance(rule.check(case(audits=(harmless,), given=(granted(),))), Met)
    assert isinstance(rule.check(case(audits=(harmless,), given=(granted("User.Read"),))), NotMet)
    assert isinstance(rule.check(case(audits=(untold,), given=(granted(),))), NotMet), "it tells nothing to compare"
    held = replace(WIDE, correlation_id="c-2", targets=agreed(f"[{entry('Mail.ReadWrite')}] => [{entry('x')}]").targets)
    assert isinstance(rule.check(case(audits=(held,), given=(granted(),))), NotMet), "a grant may list what was held"


def test_who_may_consent_is_named_by_id() -> None:
    """A workflow's administrator is left alone; anybody else is not."""
    ours = Consented(by_other_than=(USER,))

    assert isinstance(ours.check(case(audits=(WIDE,))), NotMet)
    assert isinstance(Consented(by_other_than=(STRANGER,)).check(case(audits=(WIDE,))), Met)


def test_tiers_say_what_is_broad() -> None:
    """Mail is data, and no way to Global Administrator."""
    assert isinstance(Consented((ConsentFlaw.BROAD,), tiers=(Tier.ZERO,)).check(case(audits=(BROAD,))), NotMet)


@pytest.mark.parametrize(
    ("count", "apart", "answer"),
    [(5, 10, Met), (4, 10, NotMet), (5, 20, NotMet), (9, 12, Met)],
)
def test_many_people_one_by_one_in_a_short_time(count: int, apart: int, answer: type) -> None:
    """Each consents to little; five in an hour is a campaign."""
    wave = tuple(
        replace(
            PLAIN,
            id=f"Directory_{n}",
            at=START - timedelta(minutes=apart * n),
            actor=replace(PLAIN.actor, user_id=f"user-{n}"),
        )
        for n in range(count)
    )

    assert isinstance(Consented((ConsentFlaw.MANY_USERS,)).check(case(audits=wave)), answer)


def test_one_person_many_times_is_no_wave() -> None:
    """People are counted, and not records."""
    again = tuple(replace(PLAIN, id=f"Directory_{n}") for n in range(9))

    assert isinstance(Consented((ConsentFlaw.MANY_USERS,)).check(case(audits=again)), NotMet)


def test_it_asks_for_the_records_it_needs() -> None:
    """Breadth takes the grants' records as well; unread they leave it unknown."""
    early = but(case(), audits=NotLooked(), grant_audits=NotLooked())
    blind = but(case(), grant_audits=UNREADABLE)
    first, second = Consented().check(early), Consented().check(but(case(), grant_audits=NotLooked()))

    assert isinstance(first, Unknown)
    assert isinstance(second, Unknown)
    assert (first.wants, second.wants) == ({PartName.AUDITS}, {PartName.GRANT_AUDITS})
    assert isinstance(Consented().check(blind), Unknown)
    assert isinstance(Consented((ConsentFlaw.MANY_USERS,)).check(blind), NotMet)


def test_a_grant_of_another_change_is_not_the_consents() -> None:
    """Else a harmless consent would be blamed for whatever somebody gave beside it, who is expected to."""
    harmless = replace(PLAIN, correlation_id="c-1")
    properties = [prop("DelegatedPermissionGrant.Scope", " Mail.ReadWrite"), prop("ServicePrincipal.ObjectID", PAYROLL)]
    apart = audit("Add delegated permission grant", properties, id_=GRAPH, record="Directory_2", correlation="c-2")

    rule = Consented((ConsentFlaw.BROAD,), by_other_than=(STRANGER,))

    assert isinstance(rule.check(case(audits=(harmless,), given=(apart,))), NotMet)


ROLE, CHANGES = "62e90394-69f5-4237-9190-012177145e10", "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"  # global, application
READER_ROLE = "5d6b6bb7-de71-4623-b4af-96380a352509"
WITHOUT = Consented((ConsentFlaw.WITHOUT_ROLE,))


def holder(*roles: str, groups: tuple[str, ...] = (), built_in: bool = True) -> Person:
    """The one who consents in these tests, and what roles they hold now."""
    held = tuple(DirectoryRole(f"r-{each}", each, None, "/", None, built_in) for each in roles)
    return person(USER, Way.CONSENTER, roles=Known(HeldRoles(held, groups)))


def role_change(
    activity: str, ago: timedelta, role: str | None = ROLE, *, old: bool = False, target: str = "User"
) -> AuditRecord:
    side = {"oldValue": f'"{role}"', "newValue": None} if old else {"oldValue": None, "newValue": f'"{role}"'}
    name = "Role.TemplateId" if target == "User" else "RoleDefinitionOriginId"
    properties: list[JsonValue] = [{"displayName": name, **side}] if role else []
    return read_audit(
        {
            "id": f"Directory_{ago.total_seconds():.0f}",
            "activityDisplayName": activity,
            "activityDateTime": (START - ago).isoformat(),
            "result": "success",
            "initiatedBy": {"user": None, "app": {"displayName": "MS-PIM"}},
            "targetResources": [
                {"id": USER, "type": "User", "modifiedProperties": properties if target == "User" else []},
                {"id": "x", "type": "Role", "modifiedProperties": [] if target == "User" else properties},
            ],
        }
    )


EARLIER, LATER = timedelta(hours=3), timedelta(minutes=20)  # the consent is an hour ago


@pytest.mark.parametrize(
    ("who", "since", "answer"),
    [
        (holder(), [], Met),
        (holder(READER_ROLE), [], Met),
        (holder(ROLE), [], NotMet),
        (holder(CHANGES), [], NotMet),
        (holder(ROLE), [role_change("Add member to role", LATER)], Met),
        (holder(ROLE), [role_change("Add member to role", EARLIER)], NotMet),
        (holder(), [role_change("Remove member from role", LATER, old=True)], NotMet),
        (holder(), [role_change("Remove member from role", LATER)], NotMet),
        (holder(), [role_change("Remove member from role (PIM activation expired)", LATER, target="Role")], NotMet),
        (holder(), [role_change("Remove member from role", EARLIER)], Met),
        (holder(ROLE), [role_change("Add member to role completed (PIM activation)", LATER, target="Role")], Met),
        (holder(), [role_change("Add member to role requested (PIM activation)", EARLIER)], Met),
        (holder(ROLE), [role_change("Add eligible member to role", LATER)], NotMet),
        (holder(), [role_change("Remove member from role", LATER, None)], Unknown),
        (holder(), [role_change("Remove member from group", LATER, None)], Unknown),
        (holder(groups=("g",)), [], Unknown),
        (holder("0000aaaa-0000-4000-8000-000000000001", built_in=False), [], Unknown),
    ],
)
def test_the_role_at_that_time_is_told_by_todays_and_what_came_since(
    who: Person, since: list[AuditRecord], answer: type
) -> None:
    """An activation that has ended was held then; one that came later was not."""
    seen = tenant(who, audits=since, of=case(audits=(WIDE,)))

    assert isinstance(WITHOUT.check(seen), answer)
    shuffled = tenant(who, audits=list(reversed(since)), of=case(audits=(WIDE,)))
    assert WITHOUT.check(shuffled) == WITHOUT.check(seen)


def test_the_role_is_looked_up_only_where_a_consent_takes_one() -> None:
    """One for oneself takes none; the default findings ask for nobody's role."""
    blind = but(case(audits=(PLAIN,)), people=NotLooked())
    wide = but(case(audits=(WIDE,)), people=NotLooked())

    assert isinstance(WITHOUT.check(blind), NotMet)
    assert isinstance(Consented((ConsentFlaw.MANY_USERS,)).check(wide), NotMet)
    asked = WITHOUT.check(wide)
    assert isinstance(asked, Unknown)
    assert asked.wants == {PartName.PEOPLE}
    then = WITHOUT.check(only(tenant(holder(), of=case(audits=(WIDE,)))))
    assert isinstance(then, Unknown)
    assert then.wants == {PartName.PEOPLE_DAY}


@pytest.mark.parametrize("missing", ["people", "people_day", "people_week"])
def test_without_the_log_nobody_is_said_to_have_had_a_role_or_none(missing: str) -> None:
    """Unknown, and why."""
    seen = but(tenant(holder(), of=case(audits=(WIDE,))), **{missing: UNREADABLE})

    assert isinstance(WITHOUT.check(seen), Unknown)


def test_a_role_held_now_was_not_surely_held_then_where_the_log_cannot_tell() -> None:
    """Whoever consents first and becomes administrator afterwards is not excused by a log that nobody can read."""
    of = case(audits=(WIDE,))
    seen = tenant(holder(ROLE), of=of)
    day = seen.people_day
    assert isinstance(day, Known)
    unread = replace(day.value, seen=tuple(replace(each, audits=CouldNotLook("403")) for each in day.value.seen))
    nameless = tenant(holder(ROLE), audits=[role_change("Add member to role", LATER, None)], of=of)

    assert isinstance(WITHOUT.check(seen), NotMet)
    assert isinstance(WITHOUT.check(replace(seen, people_day=Known(unread))), Unknown)
    assert isinstance(WITHOUT.check(nameless), Unknown)


def test_whoever_cannot_be_looked_at_held_nobody_knows_what() -> None:
    """An application's roles are not looked up, and one may be left out of those who are."""
    assert isinstance(WITHOUT.check(tenant(person(), of=case(audits=(WIDE,)))), Unknown)
    assert isinstance(WITHOUT.check(tenant(holder(), of=case(audits=(BY_APP,)))), Unknown)
    unread = person(USER, Way.CONSENTER, roles=CouldNotLook("403"))
    assert isinstance(WITHOUT.check(tenant(unread, of=case(audits=(WIDE,)))), Unknown)
    ours = Consented((ConsentFlaw.WITHOUT_ROLE,), by_other_than=(USER,))
    assert isinstance(ours.check(tenant(holder(), of=case(audits=(WIDE,)))), NotMet)


def test_a_fresh_consent_waits_until_the_log_has_told_of_roles() -> None:
    """What was given or taken in the meantime may not show yet; nobody is read before that."""
    fresh = replace(WIDE, at=START - timedelta(minutes=5))
    found = WITHOUT.check(but(case(audits=(fresh,)), people=NotLooked()))

    assert isinstance(found, Unknown)
    assert (found.settles, found.wants) == (True, frozenset())
    assert isinstance(WITHOUT.check(tenant(holder(), of=case(audits=(replace(fresh, at=START - EARLIER),)))), Met)


@pytest.mark.parametrize(
    ("who", "before"),
    [
        (holder(), role_change("Add member to role", EARLIER)),
        (holder(READER_ROLE), role_change("Remove member from role", LATER, READER_ROLE, old=True)),
    ],
)
def test_a_log_that_does_not_lead_to_what_is_held_lacks_something(who: Person, before: AuditRecord) -> None:
    """An activation that nobody ended in the log, and that is over nevertheless, was ended at a time not known."""
    found = WITHOUT.check(tenant(who, audits=[before], of=case(audits=(WIDE,))))

    assert isinstance(found, Unknown)
    assert "does not show (yet)" in found.reason


def test_people_whom_the_log_does_not_name_may_be_many() -> None:
    """Five consents in an hour by nobody knows whom are no proof of a burst, and none of its absence."""
    consents = tuple(
        audit("Consent to application", by=None, record=f"c{n}", ago=timedelta(minutes=10 * n + 1)) for n in range(5)
    )
    burst = Consented(findings=(ConsentFlaw.MANY_USERS,))

    assert isinstance(burst.check(case(audits=consents)), Unknown)
    assert isinstance(burst.check(case(audits=consents[:4])), NotMet)
