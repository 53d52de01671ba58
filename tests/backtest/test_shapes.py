"""Records are told apart by what they hold, and get the shape that Graph gives."""

from typing import Any

import pytest

from drill.backtest.shapes import Sort, as_graph, sort_of
from shared.clients.graph_shapes import sign_in_of

SP = "5b0a11de-d111-4e2b-9c55-6f0d3b8e2a03"


@pytest.mark.parametrize(
    ("record", "context", "expected"),
    [
        ({"activityDisplayName": "Update user"}, "", Sort.AUDIT),
        ({"category": "AuditLogs", "properties": {}}, "", Sort.AUDIT),
        ({"category": "ManagedIdentitySignInLogs", "properties": {}}, "", Sort.MANAGED_SIGN_IN),
        ({"category": "NonInteractiveUserSignInLogs", "properties": {}}, "", None),
        ({"TimeGenerated": "t", "Type": "AADServicePrincipalSignInLogs"}, "", Sort.SIGN_IN),
        ({"TimeGenerated": "t", "Type": "SigninLogs"}, "", None),
        ({"TimeGenerated": "t", "ServicePrincipalId": SP, "ResultType": "0"}, "", Sort.SIGN_IN),
        ({"signInEventTypes": ["servicePrincipal"]}, "", Sort.SIGN_IN),
        ({"signInEventTypes": ["interactiveUser"]}, "", None),
        ({"riskEventType": "leakedCredentials", "servicePrincipalId": SP}, "", Sort.DETECTION),
        ({"riskEventType": "leakedCredentials", "userId": SP}, "", None),
        ({"id": SP, "riskState": "atRisk", "riskLastUpdatedDateTime": "t"}, "", Sort.RISK),
        ({"id": SP, "appId": SP, "servicePrincipalType": "Application"}, "", Sort.PRINCIPAL),
        ({"id": SP, "appId": SP, "passwordCredentials": []}, "", Sort.APPLICATION),
        ({"id": "contoso.example", "isVerified": True}, "", Sort.DOMAIN),
        ({"appRoleId": SP, "principalId": SP}, "", Sort.APP_ROLE),
        ({"clientId": SP, "consentType": "Principal"}, "", Sort.DELEGATED),
        ({"roleDefinitionId": SP, "principalId": SP}, "", Sort.DIRECTORY_ROLE),
        ({}, "https://graph.microsoft.com/v1.0/$metadata#servicePrincipals(id,appId)", Sort.PRINCIPAL),
        ({}, "https://graph.microsoft.com/v1.0/$metadata#identityProtection/riskyServicePrincipals", Sort.RISK),
        ({"id": SP, "displayName": "x"}, "", None),
    ],
)
def test_a_record_is_of_a_sort_or_told_as_unknown(record: dict[str, Any], context: str, expected: Sort | None) -> None:
    """What is not known here is a text for the report, never taken for something else."""
    found = sort_of(record, context)

    assert found == expected if expected else not isinstance(found, Sort)


def test_the_name_of_the_file_tells_two_tables_apart_whose_rows_look_alike() -> None:
    """Both tables of sign-ins have the same columns."""
    row: dict[str, Any] = {"TimeGenerated": "t", "ServicePrincipalId": SP, "ResultType": "0"}

    assert sort_of(row, name="AADManagedIdentitySignInLogs.csv") is Sort.MANAGED_SIGN_IN


def test_one_sign_in_is_the_same_by_every_way() -> None:
    """Graph, the diagnostic record and both forms of the table: what one tells, the others tell."""
    graph: dict[str, Any] = {
        "id": "s1",
        "createdDateTime": "2026-03-02T03:00:00Z",
        "servicePrincipalId": SP,
        "servicePrincipalCredentialKeyId": "k1",
        "servicePrincipalCredentialThumbprint": "AB",
        "uniqueTokenIdentifier": "t1",
        "clientCredentialType": "clientSecret",
        "resourceDisplayName": "Microsoft Graph",
        "resourceId": "00000003-0000-0000-c000-000000000000",
        "ipAddress": "203.0.113.7",
        "autonomousSystemNumber": 64496,
        "userAgent": "curl/8",
        "location": {"countryOrRegion": "NL"},
        "status": {"errorCode": 7000222},
    }
    diagnostic: dict[str, Any] = {
        "time": "2026-03-02T03:00:00Z",
        "category": "ServicePrincipalSignInLogs",
        "resultType": "7000222",
        "callerIpAddress": "203.0.113.7",
        "properties": {name: value for name, value in graph.items() if name not in ("status", "ipAddress")},
    }
    row: dict[str, Any] = {
        "TimeGenerated": "2026-03-02T03:00:00Z",
        "Id": "s1",
        "ServicePrincipalId": SP,
        "ServicePrincipalCredentialKeyId": "k1",
        "ServicePrincipalCredentialThumbprint": "AB",
        "UniqueTokenIdentifier": "t1",
        "ClientCredentialType": "clientSecret",
        "ResourceDisplayName": "Microsoft Graph",
        "ResourceIdentity": "00000003-0000-0000-c000-000000000000",
        "IPAddress": "203.0.113.7",
        "AutonomousSystemNumber": "64496",
        "UserAgent": "curl/8",
        "LocationDetails": '{"countryOrRegion": "NL"}',
        "ResultType": "7000222",
        "TenantId": "the workspace",
    }

    told = [sign_in_of(as_graph(each, Sort.SIGN_IN), SP) for each in (graph, diagnostic, row)]

    assert told[1:] == told[:1] * 2
    assert (told[0].error_code, told[0].thumbprint, told[0].token_id) == (7000222, "AB", "t1")


def test_a_code_that_is_no_number_is_told_and_not_guessed() -> None:
    """It stays as it is, so that whoever reads the record in full refuses it."""
    row: dict[str, Any] = {"TimeGenerated": "t", "ResultType": "odd"}

    assert as_graph(row, Sort.SIGN_IN)["status"] == {"errorCode": "odd"}
