"""federated-trust-breadth: whose tokens does the identity accept?"""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.case import AuditRecord, Case, FederatedCredential, Known, NotLooked, PartName
from shared.conditions.federated_trust_breadth import FederatedTrustTooWide
from shared.conditions.interface import Met, NotMet, Unknown
from shared.signal import JsonValue
from shared.trust import Breadth
from tests.conditions.cases import PIPELINE, STRANGER, UNREADABLE, audit, but, case, having
from tests.fakes import CORDON_PRINCIPAL, TENANT_ID, payroll

GITHUB = "https://token.actions.githubusercontent.com"
PRODUCTION = "repo:contoso/payroll:environment:production"
OTHER_TENANT = "cccccccc-0000-4000-8000-000000000003"


def _trust(
    issuer: str = GITHUB,
    subject: str | None = PRODUCTION,
    audience: str = "api://AzureADTokenExchange",
    expression: str | None = None,
) -> Case:
    claims = {"value": expression, "languageVersion": 1} if expression else None
    raw = {"name": "ci", "issuer": issuer, "audiences": [audience], "claimsMatchingExpression": claims}
    credential = FederatedCredential("fic-1", "ci", issuer, subject, raw)  # pyright: ignore[reportArgumentType]
    return having(case(), payroll(application=[credential]))


def test_an_edit_of_trust_that_the_log_only_names_may_be_this() -> None:
    """Whoever turns an old trust to an issuer of his own adds none; which it was, the log does not always say."""
    names: JsonValue = {"displayName": "Included Updated Properties", "newValue": '"FederatedIdentityCredentials"'}
    edit = audit("Update application", [names], on="Application")
    lately = FederatedTrustTooWide(added_within=timedelta(hours=24))

    assert isinstance(lately.check(but(_trust("https://ci.evil.example"), audits=Known((edit,)))), Unknown)
    assert isinstance(lately.check(but(_trust(), audits=Known((edit,)))), NotMet)


@pytest.mark.parametrize(
    ("of", "breadth"),
    [
        (_trust(), None),
        (_trust("https://gitlab.com"), None),
        (_trust("https://ci.evil.example"), Breadth.UNKNOWN_ISSUER),
        (_trust("https://token.actions.githubusercontent.com.evil.example"), Breadth.UNKNOWN_ISSUER),
        (_trust("https://eastus.oic.prod-aks.azure.com/t/1/"), None),
        (_trust(f"https://login.microsoftonline.com/{TENANT_ID}/v2.0", "an-identity"), None),
        (_trust(f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", "an-identity"), Breadth.FOREIGN_TENANT),
        (_trust("https://login.microsoftonline.com/common/v2.0", "an-identity"), Breadth.FOREIGN_TENANT),
        (_trust("http://gitlab.com"), Breadth.INSECURE_ISSUER),
        (_trust("https://gitlab.com:8443"), Breadth.INSECURE_ISSUER),
        (_trust("https://203.0.113.9"), Breadth.INSECURE_ISSUER),
        (_trust("https://[broken"), Breadth.UNKNOWN_ISSUER),
        (_trust(subject="repo:contoso/payroll:pull_request"), Breadth.WIDE_SUBJECT),
        (_trust(subject="repo:contoso/payroll:ref:refs/heads/main"), None),
        (_trust(subject="system:serviceaccount:payroll:default"), Breadth.WIDE_SUBJECT),
        (_trust(subject="system:serviceaccount:payroll:sync"), None),
        (_trust(subject="*"), Breadth.WIDE_SUBJECT),
        (_trust(subject=None), Breadth.WIDE_SUBJECT),
        (_trust(subject=None, expression="claims['sub'] matches 'repo:contoso/*'"), Breadth.WIDE_SUBJECT),
        (
            _trust(subject=None, expression="claims['sub'] matches 'repo:???????/payroll:ref:main'"),
            Breadth.WIDE_SUBJECT,
        ),
        (_trust(subject=None, expression="claims['sub'] matches 'repo:contoso/payroll:ref:refs/heads/*'"), None),
        (_trust(audience="https://evil.example"), Breadth.ODD_AUDIENCE),
    ],
)
def test_each_sort_of_breadth_is_found_and_none_where_there_is_none(of: Case, breadth: Breadth | None) -> None:
    """Asked for alone it is met, and with all the others asked for it is not."""
    if breadth is None:
        assert isinstance(FederatedTrustTooWide().check(of), NotMet)
        return
    by_name = (Breadth.UNKNOWN_ISSUER, Breadth.UNKNOWN_OWNER)
    others = tuple(each for each in Breadth if each is not breadth and each not in by_name)
    found = FederatedTrustTooWide((breadth,)).check(of)

    assert isinstance(found, Met)
    assert breadth in found.reason
    assert isinstance(FederatedTrustTooWide(others).check(of), NotMet)


def test_an_issuer_that_the_policy_names_is_trusted_as_it_stands() -> None:
    """A slash at the end and the case of the host make no other issuer."""
    ours = FederatedTrustTooWide(trusted_issuers=("https://ci.contoso.example",))

    assert isinstance(ours.check(_trust("https://CI.contoso.example/")), NotMet)
    assert isinstance(ours.check(_trust("https://ci.contoso.example.evil.example")), Met)


@pytest.mark.parametrize(
    ("of", "answer"),
    [
        (_trust(), NotMet),
        (_trust(subject="repo:Contoso/payroll:pull_request"), NotMet),
        (_trust(f"https://login.microsoftonline.com/{TENANT_ID}/v2.0", STRANGER), Met),
        (_trust(f"https://sts.windows.net/{TENANT_ID}/", STRANGER), Met),
        (_trust(f"https://login.microsoftonline.com/{TENANT_ID}/v2.0", PIPELINE.upper()), NotMet),
        (_trust(subject="repo:contoso-evil/payroll:ref:refs/heads/main"), Met),
        (_trust(subject="repo:evil/x:environment:repo:contoso/"), Met),
        (_trust("https://gitlab.com", "project_path:contoso/payroll:ref_type:branch:ref:main"), NotMet),
        (_trust("https://gitlab.com", "project_path:contosos/payroll:ref_type:branch:ref:main"), Met),
        (_trust(subject=None, expression="claims['sub'] matches 'repo:contoso/*'"), NotMet),
        (_trust(subject=None, expression="claims['sub'] matches 'repo:*'"), Met),
        (_trust(subject=None, expression="claims['job_workflow_ref'] matches 'contoso/*'"), Met),
        (_trust("https://eastus.oic.prod-aks.azure.com/t/1/", "system:serviceaccount:payroll:sync"), Met),
        (_trust("https://eastus.oic.prod-aks.azure.com/t/2/", "system:serviceaccount:payroll:sync"), NotMet),
        (_trust("https://ci.evil.example", "repo:evil/x"), NotMet),
    ],
)
def test_on_a_shared_platform_the_subject_tells_whose_it_is(of: Case, answer: type) -> None:
    """Everybody's workloads have the same issuer there; in a cluster its owner names them as he likes."""
    asked = FederatedTrustTooWide(
        (Breadth.UNKNOWN_OWNER,),
        trusted_issuers=("https://eastus.oic.prod-aks.azure.com/t/2",),
        trusted_subjects=("repo:contoso/", "project_path:contoso", PIPELINE),
    )

    assert isinstance(asked.check(of), answer)


@pytest.mark.parametrize("settings", [{"findings": (Breadth.UNKNOWN_OWNER,)}, {"trusted_subjects": ("repo:contoso/",)}])
def test_whose_subjects_are_trusted_is_said_where_it_is_asked(settings: dict[str, tuple[str, ...]]) -> None:
    """Either alone would mean nothing, and its writer would not notice."""
    with pytest.raises(ValueError, match="trusted-subjects"):
        FederatedTrustTooWide(**settings)  # pyright: ignore[reportArgumentType]


def test_trust_that_could_not_be_read_is_unknown() -> None:
    """And what was read of the other object still decides."""
    state = payroll()
    blind = tuple(replace(each, federated=UNREADABLE) for each in state.principals)
    wide = payroll(application=[FederatedCredential("f", "f", "http://x", "s", {})])

    assert isinstance(FederatedTrustTooWide().check(having(case(), replace(state, principals=blind))), Unknown)
    assert isinstance(FederatedTrustTooWide().check(having(case(), replace(wide, principals=blind))), Met)


EVIL = "https://ci.evil.example"
LATELY = FederatedTrustTooWide((Breadth.UNKNOWN_ISSUER,), added_within=timedelta(hours=24), by_other_than=(PIPELINE,))


def _added(
    name: str = "ci", *, by: str | None = STRANGER, ago: timedelta = timedelta(hours=1), result: str = "success"
) -> AuditRecord:
    """The log names what was added; in which form is not documented."""
    change: JsonValue = {
        "displayName": "FederatedIdentityCredentials",
        "oldValue": "[]",
        "newValue": json.dumps([name]),
    }
    return audit("Update application", [change], on="Application", by=by, ago=ago, result=result)


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (_added(), Met),
        (_added("fic-1"), Met),
        (_added(by=PIPELINE), NotMet),
        (_added(by=CORDON_PRINCIPAL), NotMet),
        (_added(ago=timedelta(hours=25)), NotMet),
        (_added(result="failure"), NotMet),
        (_added(by=None), Unknown),
        (_added("in some other form"), Unknown),
    ],
)
def test_when_and_by_whom_a_trust_was_added_is_told_by_the_log(record: AuditRecord, answer: type) -> None:
    """Graph dates no federated credential. What the log names in a way not known here may be this one."""
    assert isinstance(LATELY.check(but(_trust(EVIL), audits=Known((record,)))), answer)


def test_another_trust_that_was_added_says_nothing_of_an_old_one() -> None:
    """A wide one has been there for years; a good one came today."""
    old = FederatedCredential("fic-1", "ci", EVIL, PRODUCTION, {})
    new = FederatedCredential("fic-2", "docs", GITHUB, PRODUCTION, {})
    of = but(having(case(), payroll(application=[old, new])), audits=Known((_added("docs"),)))

    assert isinstance(LATELY.check(of), NotMet)


def test_the_log_is_asked_for_only_where_a_trust_is_too_wide() -> None:
    """Most identities have none, or good ones."""
    unread_log = NotLooked()

    assert isinstance(LATELY.check(but(_trust(), audits=unread_log)), NotMet)
    found = LATELY.check(but(_trust(EVIL), audits=unread_log))
    assert isinstance(found, Unknown)
    assert found.wants == {PartName.AUDITS}
    assert isinstance(LATELY.check(but(_trust(EVIL), audits=UNREADABLE)), Unknown)


def test_who_is_expected_needs_a_time() -> None:
    """Without the log nobody knows who added one."""
    with pytest.raises(ValueError, match="needs added-within"):
        FederatedTrustTooWide(by_other_than=(PIPELINE,))
