"""granted-recently: more power lately, and who gave it."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from shared.case import AppRole, AuditRecord, Case, DirectoryRole, Grants, Known, NotLooked, PartName
from shared.conditions.granted_recently import GrantedRecently
from shared.conditions.interface import Met, NotMet, Unknown
from shared.privileges import Tier
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, audit, but, case, holding, unread
from tests.fakes import CORDON_PRINCIPAL, GRAPH, PAYROLL, PAYROLL_CLIENT, START
from tests.policy.test_audit_grants import MANAGES_ROLES, consent, entry, prop

ROLES = GrantedRecently(kinds=("app-role",))
READS_USERS = "df021288-bdef-4463-88db-98f22de89214"


def given(
    role: str = MANAGES_ROLES,
    *,
    by: str | None = STRANGER,
    ago: timedelta = timedelta(hours=1),
    result: str = "success",
    to: str = PAYROLL_CLIENT,
) -> AuditRecord:
    """An app role was given: the target is the API, the client stands in the properties, by its client id."""
    properties = [
        prop("AppRole.Id", role),
        prop("AppRole.Value", "RoleManagement.ReadWrite.Directory"),
        prop("ServicePrincipal.AppId", to),
    ]
    activity = "Add app role assignment to service principal"
    return audit(activity, properties, id_=GRAPH, by=by, ago=ago, result=result, record="Directory_9")


def dated(role: str = MANAGES_ROLES, *, ago: timedelta = timedelta(hours=1)) -> Grants:
    return Grants(Known((AppRole("r", role, GRAPH, "Microsoft Graph", START - ago),)), Known(()), Known(()))


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (given(), Met),
        (given(ago=timedelta(hours=25)), NotMet),
        (given(result="failure"), NotMet),
        (given(result="timeout"), Unknown),
        (given(by=CORDON_PRINCIPAL), NotMet),
        (given(to="88888888-0000-4000-8000-000000000001"), NotMet),
    ],
)
def test_time_result_actor_and_client_must_fit(record: AuditRecord, answer: type) -> None:
    """The client is told by its client id alone, as the log often does."""
    assert isinstance(ROLES.check(case(given=(record,))), answer)


def test_the_reason_says_what_by_whom_and_when() -> None:
    """And which record, so that it can be found."""
    assert ROLES.check(case(given=(given(),))) == Met(
        "it was given RoleManagement.ReadWrite.Directory (tier-0) for the whole tenant by service principal "
        f"{STRANGER} at 2026-03-02 02:00 UTC (record Directory_9)"
    )


def test_whom_the_policy_expects_does_not_count() -> None:
    """By id; of an actor that the log does not name nobody can tell."""
    expected = GrantedRecently(kinds=("app-role",), by_other_than=(PIPELINE,))

    assert isinstance(expected.check(case(given=(given(by=PIPELINE),))), NotMet)
    assert isinstance(expected.check(case(given=(given(),))), Met)
    assert isinstance(expected.check(case(given=(given(by=None),))), Unknown)


def test_graphs_own_date_is_enough_where_it_does_not_matter_who() -> None:
    """No log is waited for: what it holds came with the identity."""
    early = but(holding(case(), dated()), audits=NotLooked(), grant_audits=NotLooked())

    assert isinstance(ROLES.check(early), Met)
    assert isinstance(GrantedRecently(tiers=(Tier.DATA,)).check(early), Unknown)


def test_a_role_whose_giver_the_log_does_not_show_yet_is_unknown() -> None:
    """The log is late; the date is not."""
    expected = GrantedRecently(kinds=("app-role",), by_other_than=(PIPELINE,))
    late = holding(case(), dated())

    assert isinstance(expected.check(late), Unknown)
    assert isinstance(expected.check(but(late, grant_audits=Known((given(by=PIPELINE),)))), NotMet)
    assert isinstance(expected.check(holding(case(), dated(ago=timedelta(days=3)))), NotMet)


def test_an_older_giving_of_the_same_role_does_not_explain_todays() -> None:
    """It was given by whoever may, and taken away; nor does an attempt that failed explain it."""
    expected = GrantedRecently(kinds=("app-role",), by_other_than=(PIPELINE,))
    now = holding(case(), dated())
    earlier = replace(given(by=PIPELINE, ago=timedelta(days=2)), id="Directory_8")
    failed = given(by=PIPELINE, result="failure")

    assert isinstance(expected.check(but(now, grant_audits=Known((earlier,)))), Unknown)
    assert isinstance(expected.check(but(now, grant_audits=Known((failed,)))), Unknown)
    assert isinstance(expected.check(but(now, grant_audits=Known((earlier, given(by=PIPELINE))))), NotMet)


def test_tiers_and_paths_narrow_it() -> None:
    """What is not in the catalogue is no danger that it knows."""
    harmless = replace(given(READS_USERS))
    zero = partial(GrantedRecently, kinds=("app-role",))

    assert isinstance(zero().check(case(given=(harmless,))), Met)
    assert isinstance(zero(tiers=(Tier.ZERO,)).check(case(given=(harmless,))), NotMet)
    assert isinstance(zero(escalates=True).check(case(given=(given(),))), Met)


def test_directory_roles_and_consents_are_records_of_the_identity_itself() -> None:
    """They stand in the audit records that are read by its own id."""
    role = audit("Add member to role", [prop("Role.TemplateId", "62e90394-69f5-4237-9190-012177145e10")])
    agreed = consent(f"[] => [{entry('Mail.Read')}]")
    directory: Case = but(case(audits=(role,)), grant_audits=NotLooked())

    assert isinstance(GrantedRecently(kinds=("directory-role",), tiers=(Tier.ZERO,)).check(directory), Met)
    assert isinstance(GrantedRecently(kinds=("delegated",), tiers=(Tier.DATA,)).check(case(audits=(agreed,))), Met)
    assert isinstance(GrantedRecently(kinds=("directory-role",)).check(case(audits=(agreed,))), NotMet)


def test_a_directory_role_of_the_tenants_own_is_what_its_definition_allows() -> None:
    """The log tells its name alone; what is held still tells the rest, and of what is gone nobody knows."""
    own = "70000000-0000-4000-8000-000000000007"
    record = audit("Add member to role", [prop("Role.TemplateId", own), prop("Role.DisplayName", "Key keeper")])
    zero = GrantedRecently(kinds=("directory-role",), tiers=(Tier.ZERO,))

    def held(*actions: str) -> Case:
        role = DirectoryRole("d", own, "Key keeper", "/", None, built_in=False, actions=actions)
        return holding(case(audits=(record,)), Grants(Known(()), Known(()), Known((role,))))

    assert isinstance(zero.check(held("microsoft.directory/applications/credentials/update")), Met)
    assert isinstance(zero.check(held("microsoft.directory/applications/standard/read")), NotMet)
    assert isinstance(zero.check(case(audits=(record,))), Unknown)
    assert isinstance(GrantedRecently(kinds=("directory-role",)).check(case(audits=(record,))), Met)


def test_each_kind_wants_the_records_that_tell_of_it() -> None:
    """And what could not be read leaves it unknown, never clean."""
    unlooked = but(case(), audits=NotLooked(), grant_audits=NotLooked())

    def wants(*kinds: str) -> frozenset[PartName]:
        finding = GrantedRecently(kinds=kinds).check(unlooked)  # pyright: ignore[reportArgumentType]
        assert isinstance(finding, Unknown)
        return finding.wants

    assert wants("app-role") == wants("delegated") == {PartName.GRANT_AUDITS}
    assert wants("directory-role") == {PartName.AUDITS}
    assert isinstance(ROLES.check(but(case(), grant_audits=UNREADABLE)), Unknown)
    assert ROLES.check(unread(NotLooked())) == Unknown("the identity was not looked at", frozenset({PartName.IDENTITY}))


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (given(by=PAYROLL), Met),
        (given(by=STRANGER), NotMet),
        (given(by=None), Unknown),
        (given(by=PAYROLL, result="timeout"), Unknown),
    ],
)
def test_what_the_identity_gave_itself_is_told_by_the_actor(record: AuditRecord, answer: type) -> None:
    """Its service principal's id, which the log always gives; nobody is told by a name."""
    assert isinstance(GrantedRecently(by_itself=True).check(case(given=(record,))), answer)


def test_a_role_that_graph_dates_is_not_taken_for_a_gift_to_itself() -> None:
    """Graph does not say who gave it: until the log does, it may have been the identity."""
    holds = but(case(), grants=Known(dated()))

    assert isinstance(GrantedRecently(by_itself=True).check(holds), Unknown)
    assert isinstance(GrantedRecently(by_itself=True).check(but(holds, grant_audits=Known((given(),)))), NotMet)


def test_without_the_roles_that_it_holds_a_late_log_is_not_called_clean() -> None:
    """Their dates are what shows that the log lacks one."""
    blind = holding(case(), Grants(UNREADABLE, Known(()), Known(())))

    assert isinstance(GrantedRecently(kinds=("app-role",)).check(blind), Unknown)
    assert isinstance(GrantedRecently(kinds=("app-role",)).check(but(case(), grants=UNREADABLE)), Unknown)
    assert isinstance(GrantedRecently(kinds=("delegated",)).check(blind), NotMet)
