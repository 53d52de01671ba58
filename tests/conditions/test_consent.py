"""consent: a consent that nobody should give."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AuditRecord, NotLooked, PartName
from shared.conditions.consent import Consented, ConsentFlaw
from shared.conditions.interface import Met, NotMet, Unknown
from shared.privileges import Tier
from tests.conditions.cases import STRANGER, UNREADABLE, audit, but, case
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
        (agreed("{unreadable}"), ConsentFlaw.BROAD, Unknown),
        (agreed("{unreadable}"), ConsentFlaw.BY_APPLICATION, NotMet),
    ],
)
def test_each_flaw_is_told_from_the_record(record: AuditRecord, flaw: ConsentFlaw, answer: type) -> None:
    """What cannot be read may hold anything, where that matters."""
    assert isinstance(Consented((flaw,)).check(case(audits=(record,))), answer)


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
    """Else a harmless consent would be blamed for whatever was given beside it."""
    harmless = replace(PLAIN, correlation_id="c-1")
    properties = [prop("DelegatedPermissionGrant.Scope", " Mail.ReadWrite"), prop("ServicePrincipal.ObjectID", PAYROLL)]
    apart = audit("Add delegated permission grant", properties, id_=GRAPH, record="Directory_2", correlation="c-2")

    assert isinstance(Consented((ConsentFlaw.BROAD,)).check(case(audits=(harmless,), given=(apart,))), NotMet)
