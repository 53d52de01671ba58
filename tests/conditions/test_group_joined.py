"""group-joined: a service principal that was put into a group to which directory roles can be assigned."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.audit import concerns_workloads, group_joined, is_counter_move, is_followed, read_audit
from shared.audit_changes import ChangeKind, kinds_of
from shared.case import AuditRecord, Case, CouldNotLook, Grants, Known, Membership, NotLooked, Part, PartName
from shared.conditions.group_joined import GroupJoined
from shared.conditions.interface import Met, NotMet, Unknown
from shared.signal import JsonObject, JsonValue, NotASignal, Signal
from shared.sources.directory_audit import DirectoryAudit
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, audit, but, case, holding
from tests.fakes import CORDON_PRINCIPAL, NO_GRANTS, PAYROLL, START, TENANT_ID
from tests.policy.test_audit_grants import prop

ADMINS = Membership("9a000000-0000-4000-8000-000000000001", "Admins", assignable=True)
SALES = Membership("9a000000-0000-4000-8000-000000000002", "Sales", assignable=False)
HIDDEN = Membership("9a000000-0000-4000-8000-000000000003", None, None)
JOINED = GroupJoined()


def joined(group: Membership = ADMINS, **more: object) -> AuditRecord:
    """With the group in a property, which is where the log has it beside the group's own target."""
    return audit("Add member to group", [prop("Group.ObjectID", group.id)], **more)  # pyright: ignore[reportArgumentType]


def within(*groups: Membership, records: tuple[AuditRecord, ...] = ()) -> Case:
    """It is in these groups now."""
    return grouped(Known(groups), case(audits=records))


def grouped(groups: Part[tuple[Membership, ...]], of: Case) -> Case:
    assert isinstance(NO_GRANTS, Known)
    held: Grants = NO_GRANTS.value
    return holding(of, replace(held, groups=groups))


@pytest.mark.parametrize(
    ("of", "answer"),
    [
        (within(ADMINS, SALES, records=(joined(),)), Met),
        (within(SALES, records=(joined(SALES),)), NotMet),
        (within(SALES, records=(joined(),)), NotMet),
        (within(ADMINS, SALES, records=(joined(SALES),)), NotMet),
        (within(HIDDEN, records=(joined(HIDDEN),)), Unknown),
        (within(ADMINS, records=(audit("Add member to group"),)), Unknown),
        (within(SALES, records=(audit("Add member to group"),)), NotMet),
        (within(ADMINS), NotMet),
        (within(ADMINS, records=(joined(by=CORDON_PRINCIPAL),)), NotMet),
        (within(ADMINS, records=(joined(result="failure"),)), NotMet),
        (within(ADMINS, records=(joined(result="timeout"),)), Unknown),
        (within(ADMINS, records=(joined(ago=timedelta(days=2)),)), NotMet),
    ],
    ids=[
        "a group of roles",
        "an ordinary group",
        "left since",
        "an ordinary one beside",
        "of a sort that cannot be read",
        "the log does not say which",
        "and none of them is of this sort",
        "in it long since",
        "by Cordon",
        "in vain",
        "nobody knows whether",
        "the day before",
    ],
)
def test_a_group_that_can_hold_roles_counts_while_it_is_in_it(of: Case, answer: type) -> None:
    """By what the directory shows of the group; one that cannot be read is never an ordinary one."""
    assert isinstance(JOINED.check(of), answer)


def test_by_itself_and_by_whom_it_is_not_expected() -> None:
    """Of a nameless actor nobody can tell."""
    by_itself, not_ours = GroupJoined(by_itself=True), GroupJoined(by_other_than=(PIPELINE,))

    assert isinstance(by_itself.check(within(ADMINS, records=(joined(by=PAYROLL),))), Met)
    assert isinstance(by_itself.check(within(ADMINS, records=(joined(),))), NotMet)
    assert isinstance(not_ours.check(within(ADMINS, records=(joined(by=PIPELINE),))), NotMet)
    assert isinstance(not_ours.check(within(ADMINS, records=(joined(),))), Met)
    assert isinstance(not_ours.check(within(ADMINS, records=(joined(by=None),))), Unknown)


def test_what_is_unread_is_never_no_group() -> None:
    """Neither its groups nor the log; without any change of groups they do not matter."""
    of = within(ADMINS, records=(joined(),))
    finding = JOINED.check(but(of, grants=NotLooked()))

    assert isinstance(finding, Unknown)
    assert finding.wants == {PartName.GRANTS}
    assert isinstance(JOINED.check(grouped(UNREADABLE, of)), Unknown)
    assert isinstance(JOINED.check(grouped(UNREADABLE, case())), NotMet)
    assert isinstance(JOINED.check(but(of, audits=UNREADABLE)), Unknown)
    assert isinstance(JOINED.check(but(of, audits=CouldNotLook("odd", partly=(joined(),)))), Met)
    assert isinstance(JOINED.check(but(within(SALES), audits=UNREADABLE)), NotMet)
    assert isinstance(JOINED.check(but(of, identity=UNREADABLE)), Unknown)


def test_the_reason_names_the_group_and_who_did_it() -> None:
    """For whoever has to take it out again."""
    finding = JOINED.check(within(ADMINS, records=(joined(),)))

    assert isinstance(finding, Met)
    assert all(each in finding.reason for each in ("Admins", ADMINS.id, STRANGER, "record Directory_1"))


def raw(kind: str) -> JsonObject:
    """As the log writes it: who joins is the one target, the group the other."""
    targets: list[JsonValue] = [
        {"id": PAYROLL, "type": kind, "modifiedProperties": [prop("Group.ObjectID", ADMINS.id)]},
        {"id": ADMINS.id, "type": "Group", "modifiedProperties": []},
    ]
    return {
        "id": "Directory_1",
        "activityDisplayName": "Add member to group",
        "activityDateTime": (START - timedelta(hours=1)).isoformat(),
        "result": "success",
        "initiatedBy": {"app": {"servicePrincipalId": STRANGER}},
        "targetResources": targets,
    }


def test_a_service_principal_that_joins_a_group_is_a_signal_and_a_person_is_none() -> None:
    """People join groups all day; of those nothing is read but who they are."""
    workload, person = DirectoryAudit().read(raw("ServicePrincipal"), TENANT_ID), raw("User")

    assert isinstance(workload, Signal)
    assert workload.subject.principal_id == PAYROLL
    assert not concerns_workloads(person)
    assert isinstance(DirectoryAudit().read(person, TENANT_ID), NotASignal)


def test_joining_a_group_is_power_given() -> None:
    """For a declaration, and for whoever follows a suspect. It undoes no containment: quarantine is a group too."""
    record = read_audit(raw("ServicePrincipal"))

    assert is_followed("Add member to group")
    assert kinds_of(record) == {ChangeKind.GRANTS}
    assert not is_counter_move(record)
    assert group_joined(record) == ADMINS.id
