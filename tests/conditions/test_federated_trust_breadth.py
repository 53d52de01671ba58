"""federated-trust-breadth: whose tokens does the identity accept?"""

from dataclasses import replace

import pytest

from shared.case import Case, FederatedCredential
from shared.conditions.federated_trust_breadth import FederatedTrustTooWide
from shared.conditions.interface import Met, NotMet, Unknown
from shared.trust import Breadth
from tests.conditions.cases import UNREADABLE, case, having
from tests.fakes import TENANT_ID, payroll

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
        (_trust(subject=None, expression="claims['sub'] matches 'repo:contoso/payroll:ref:refs/heads/*'"), None),
        (_trust(audience="https://evil.example"), Breadth.ODD_AUDIENCE),
    ],
)
def test_each_sort_of_breadth_is_found_and_none_where_there_is_none(of: Case, breadth: Breadth | None) -> None:
    """Asked for alone it is met, and with all the others asked for it is not."""
    if breadth is None:
        assert isinstance(FederatedTrustTooWide().check(of), NotMet)
        return
    others = tuple(each for each in Breadth if each is not breadth and each is not Breadth.UNKNOWN_ISSUER)
    found = FederatedTrustTooWide((breadth,)).check(of)

    assert isinstance(found, Met)
    assert breadth in found.reason
    assert isinstance(FederatedTrustTooWide(others).check(of), NotMet)


def test_an_issuer_that_the_policy_names_is_trusted_as_it_stands() -> None:
    """A slash at the end and the case of the host make no other issuer."""
    ours = FederatedTrustTooWide(trusted_issuers=("https://ci.contoso.example",))

    assert isinstance(ours.check(_trust("https://CI.contoso.example/")), NotMet)
    assert isinstance(ours.check(_trust("https://ci.contoso.example.evil.example")), Met)


def test_trust_that_could_not_be_read_is_unknown() -> None:
    """And what was read of the other object still decides."""
    state = payroll()
    blind = tuple(replace(each, federated=UNREADABLE) for each in state.principals)
    wide = payroll(application=[FederatedCredential("f", "f", "http://x", "s", {})])

    assert isinstance(FederatedTrustTooWide().check(having(case(), replace(state, principals=blind))), Unknown)
    assert isinstance(FederatedTrustTooWide().check(having(case(), replace(wide, principals=blind))), Met)
