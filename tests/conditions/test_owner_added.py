"""owner-added: who was made an owner, and by whom."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.audit import read_audit
from shared.case import AuditRecord, Case, CouldNotLook, Known, NotLooked, Owner, Owners, PartName
from shared.conditions.interface import Met, NotMet, Unknown
from shared.conditions.owner_added import OwnerAdded, OwnerKind
from shared.identity import IdentityKind
from shared.signal import JsonValue
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, audit, between, but, case, having
from tests.fakes import CORDON_PRINCIPAL, PAYROLL, PAYROLL_APP, START, owner, payroll
from tests.policy.test_audit_grants import prop

ANN, ROBOT = owner(1), replace(owner(9), type="servicePrincipal")
ITSELF = Owner(PAYROLL, "servicePrincipal", "payroll-sync")
WORKLOADS = OwnerAdded((OwnerKind.WORKLOAD, OwnerKind.ITSELF))


def made(of: str, **more: object) -> AuditRecord:
    """As the log writes it with the owner in a property of the application's."""
    name = "ServicePrincipal.ObjectID" if more.get("on") == "ServicePrincipal" else "Application.ObjectID"
    to = "service principal" if more.get("on") == "ServicePrincipal" else "application"
    given: dict[str, object] = {"on": "Application", **more}
    return audit(f"Add owner to {to}", [prop(name, of)], **given)  # pyright: ignore[reportArgumentType]


def owned(*records: AuditRecord, by: tuple[Owner, ...] = (), of_principal: tuple[Owner, ...] = ()) -> Case:
    """These own it now."""
    return but(case(audits=records), owners=Known(Owners(Known(by), Known(of_principal))))


@pytest.mark.parametrize(
    ("of", "answer"),
    [
        (owned(made(ROBOT.id), by=(ANN, ROBOT)), Met),
        (owned(made(ROBOT.id, on="ServicePrincipal"), of_principal=(ROBOT,)), Met),
        (owned(made(PAYROLL), by=(ITSELF,)), Met),
        (owned(made(ANN.id), by=(ANN, ROBOT)), NotMet),
        (owned(made(ROBOT.id), by=(ANN,)), NotMet),
        (owned(by=(ROBOT,)), NotMet),
        (owned(made(ROBOT.id, by=CORDON_PRINCIPAL), by=(ROBOT,)), NotMet),
        (owned(made(ROBOT.id, result="failure"), by=(ROBOT,)), NotMet),
        (owned(made(ROBOT.id, result="timeout"), by=(ROBOT,)), Unknown),
        (owned(made(ROBOT.id, ago=timedelta(days=2)), by=(ROBOT,)), NotMet),
        (owned(made(ROBOT.id), by=(replace(ROBOT, type=None),)), Unknown),
    ],
    ids=[
        "a workload",
        "of the service principal",
        "itself",
        "a colleague beside a workload",
        "taken away since",
        "a workload long since",
        "by Cordon",
        "in vain",
        "nobody knows whether",
        "the day before",
        "of no kind that is told",
    ],
)
def test_it_is_the_new_owner_that_counts(of: Case, answer: type) -> None:
    """Not whoever else is an owner, and only while the directory lists it."""
    assert isinstance(WORKLOADS.check(of), answer)


def test_the_owner_may_be_the_records_other_target() -> None:
    """In whatever order, with the application in the owner's property."""
    targets: list[JsonValue] = [
        {"id": ROBOT.id, "type": "ServicePrincipal", "modifiedProperties": [prop("Application.ObjectID", PAYROLL_APP)]},
        {"id": PAYROLL_APP, "type": "Application", "modifiedProperties": []},
    ]
    for each in (targets, targets[::-1]):
        record = read_audit(
            {
                "id": "Directory_1",
                "activityDisplayName": "Add owner to application",
                "activityDateTime": (START - timedelta(hours=1)).isoformat(),
                "result": "success",
                "initiatedBy": {"app": {"servicePrincipalId": STRANGER}},
                "targetResources": each,
            }
        )
        finding = WORKLOADS.check(owned(record, by=(ANN, ROBOT)))

        assert isinstance(finding, Met)
        assert ROBOT.id in finding.reason
        assert STRANGER in finding.reason


@pytest.mark.parametrize("pair", [(PAYROLL, ROBOT.id), (ROBOT.id, PAYROLL)], ids=["the owned first", "the owner first"])
def test_of_two_service_principals_the_one_that_is_named_is_owned(pair: tuple[str, str]) -> None:
    """In whatever order: the owner's property names it. Who becomes the owner of another one has got no owner by it."""
    of_ours, by_ours = between(*pair, named=PAYROLL), between(*pair, named=ROBOT.id)

    finding = WORKLOADS.check(owned(of_ours, of_principal=(ROBOT,)))

    assert isinstance(finding, Met)
    assert ROBOT.id in finding.reason
    assert isinstance(WORKLOADS.check(owned(by_ours, of_principal=(ROBOT,))), NotMet)


@pytest.mark.parametrize("pair", [(PAYROLL, ROBOT.id), (ROBOT.id, PAYROLL)])
def test_of_two_service_principals_neither_of_which_is_named_each_may_be_the_owned(pair: tuple[str, str]) -> None:
    """Where the directory lists the other one as its owner; where it does not, the record is not about this one."""
    record = between(*pair)

    finding = WORKLOADS.check(owned(record, of_principal=(ROBOT,)))

    assert isinstance(finding, Unknown)
    assert "which of them is owned" in finding.reason
    assert isinstance(WORKLOADS.check(owned(record, of_principal=(replace(ROBOT, id=STRANGER),))), NotMet)


def test_a_record_that_does_not_say_whom_leaves_it_unknown_where_it_may_be_one() -> None:
    """Where no owner is of these kinds nobody can have been added who is."""
    silent = audit("Add owner to application", on="Application")

    assert isinstance(WORKLOADS.check(owned(silent, by=(ANN, ROBOT))), Unknown)
    assert isinstance(WORKLOADS.check(owned(silent, by=(ANN,))), NotMet)


def test_by_itself_and_by_whom_it_is_not_expected() -> None:
    """Whoever signs in as it today makes sure to do so tomorrow; of a nameless actor nobody can tell."""
    by_itself, not_ours = OwnerAdded(by_itself=True), replace(WORKLOADS, by_other_than=(PIPELINE,))

    assert isinstance(by_itself.check(owned(made(ANN.id, by=PAYROLL), by=(ANN,))), Met)
    assert isinstance(by_itself.check(owned(made(ANN.id), by=(ANN,))), NotMet)
    assert isinstance(by_itself.check(owned(made(ANN.id, by=None), by=(ANN,))), Unknown)
    assert isinstance(not_ours.check(owned(made(ROBOT.id, by=PIPELINE), by=(ROBOT,))), NotMet)
    assert isinstance(not_ours.check(owned(made(ROBOT.id), by=(ROBOT,))), Met)
    assert isinstance(not_ours.check(owned(made(ROBOT.id, by=None), by=(ROBOT,))), Unknown)


def test_what_is_unread_is_never_nobody() -> None:
    """Neither the owners, of either object, nor the log; the owners are read first, for they are cheaper."""
    of = owned(made(ROBOT.id), by=(ROBOT,))
    unread = WORKLOADS.check(but(of, owners=NotLooked(), audits=NotLooked()))

    assert isinstance(unread, Unknown)
    assert unread.wants == {PartName.OWNERS}
    assert isinstance(WORKLOADS.check(but(of, owners=UNREADABLE)), Unknown)
    assert isinstance(WORKLOADS.check(but(of, owners=Known(Owners(UNREADABLE, Known(()))))), Unknown)
    assert isinstance(WORKLOADS.check(but(of, audits=UNREADABLE)), Unknown)
    assert isinstance(WORKLOADS.check(but(of, audits=CouldNotLook("odd", partly=(made(ROBOT.id),)))), Met)
    assert isinstance(WORKLOADS.check(but(owned(by=(ANN,)), audits=UNREADABLE)), NotMet)
    assert isinstance(WORKLOADS.check(but(of, identity=UNREADABLE)), Unknown)


def test_of_another_tenants_application_only_one_list_is_there() -> None:
    """The other is not waited for."""
    foreign = having(owned(), payroll(kind=IdentityKind.FOREIGN))

    assert isinstance(WORKLOADS.check(but(foreign, owners=Known(Owners(UNREADABLE, Known(()))))), NotMet)
