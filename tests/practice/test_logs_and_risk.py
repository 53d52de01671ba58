"""Audit records with their odd spellings, and identity protection for workloads."""

import asyncio
import json
from datetime import timedelta

import pytest

from drill.practice import Behaviour
from tests.practice.desk import APP_ID, APPLICATION, PRINCIPAL, SECRET, START, Desk, JsonObject, at_the_desk, payroll

AUDITS = "/auditLogs/directoryAudits"
RISKY = "/identityProtection/riskyServicePrincipals"
DETECTIONS = "/identityProtection/servicePrincipalRiskDetections"
NEW_MEMBERS = {"Prefer": "include-unknown-enum-members"}


async def audits(desk: Desk, query: str = "") -> list[JsonObject]:
    reply = await desk.raw("GET", f"{AUDITS}{query}")
    assert reply.status == 200, reply
    return reply.body["value"]


# --- audits ----------------------------------------------------------------------------------------


def test_a_credential_change_is_several_records_with_one_correlation() -> None:
    """The event itself, a bare update, and noise on the service principal (Graph: directoryAudits)."""

    async def story(desk: Desk) -> None:
        await desk.raw("POST", f"/applications/{APPLICATION}/removePassword", {"keyId": SECRET})
        records = await audits(desk, "?$orderby=activityDateTime asc")

        assert [each["activityDisplayName"] for each in records] == [
            "Update application – Certificates and secrets management ",
            "Update application",
            "Update service principal",
        ]
        assert len({each["correlationId"] for each in records}) == 1
        assert records[1]["targetResources"][0]["modifiedProperties"] == []

    at_the_desk(story)


def test_the_application_event_has_an_en_dash_and_ends_in_a_space() -> None:
    """57 characters, U+2013 (measured live, Graph: directoryAudits)."""

    async def story(desk: Desk) -> None:
        await desk.raw("POST", f"/applications/{APPLICATION}/addPassword", {"passwordCredential": {}})
        names = {each["activityDisplayName"] for each in await audits(desk)}
        found = next(name for name in names if "ertificates" in name)

        assert "\u2013" in found
        assert found.endswith(" ")
        assert len(found) == 57

    at_the_desk(story)


def test_values_are_json_inside_a_string() -> None:
    """`"[true]"` for a switch; KeyDescription is a list of bracketed texts; a scalar is quoted."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False})
        added = await desk.raw(
            "POST", f"/servicePrincipals/{PRINCIPAL}/addPassword", {"passwordCredential": {"displayName": "a,b]"}}
        )
        enabled, credentials = [
            next(each for each in await audits(desk) if each["activityDisplayName"] == name)["targetResources"][0]
            for name in ("Update service principal", "Add service principal credentials")
        ]
        switch = (await audits(desk, "?$orderby=activityDateTime asc"))[0]["targetResources"][0]["modifiedProperties"]
        key = next(each for each in credentials["modifiedProperties"] if each["displayName"] == "KeyDescription")

        assert enabled["type"] == "ServicePrincipal"
        assert (switch[0]["displayName"], switch[0]["oldValue"], switch[0]["newValue"]) == (
            "AccountEnabled",
            "[true]",
            "[false]",
        )
        assert json.loads(switch[1]["newValue"]) == "AccountEnabled"
        assert key["oldValue"] == "[]"
        assert json.loads(key["newValue"]) == [
            f"[KeyIdentifier={added.body['keyId']},KeyType=Password,KeyUsage=Verify,DisplayName=a,b]]"
        ]

    at_the_desk(story)


def test_the_caller_is_known_by_its_principal_and_not_by_its_client_id() -> None:
    """app.appId may be null while servicePrincipalId is set (Graph: directoryAudits)."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False}, user_agent="Cordon/1")
        record = (await audits(desk))[0]

        assert record["initiatedBy"]["app"]["appId"] is None
        assert record["initiatedBy"]["app"]["servicePrincipalId"] == desk.tenant.cordon["executor"].object_id
        assert {"key": "User-Agent", "value": "Cordon/1"} in record["additionalDetails"]

    at_the_desk(story)


def test_records_appear_minutes_late() -> None:
    """Two to five minutes by default, and with their own time (limits A.3)."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", f"/servicePrincipals/{PRINCIPAL}", {"accountEnabled": False})
        await asyncio.sleep(119)
        early = await audits(desk)
        await asyncio.sleep(182)
        late = await audits(desk)

        assert early == []
        assert late[0]["activityDateTime"] == "2026-03-02T03:00:00.0000000Z"

    at_the_desk(story, behaviour=Behaviour.gentle(audit_delay=Behaviour().audit_delay))


def logged(count: int) -> JsonObject:
    """Records of the last hours, one a minute, newest last."""
    records: list[JsonObject] = [
        {
            "id": f"record-{number}",
            "activityDisplayName": "Update application",
            "activityDateTime": (START - timedelta(minutes=count - number)).isoformat(),
            "targetResources": [{"id": APPLICATION if number % 2 else PRINCIPAL, "type": "Application"}],
        }
        for number in range(count)
    ]
    return {"directoryAudits": records}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("activityDateTime ge 2026-03-02T02:58:00Z", ["record-9", "record-8"]),
        (
            "activityDateTime ge 2026-03-02T02:55:00Z and activityDateTime le 2026-03-02T02:56:00Z",
            ["record-6", "record-5"],
        ),
        ("id eq 'record-3'", ["record-3"]),
        ("startswith(activityDisplayName,'Update app') and id eq 'record-4'", ["record-4"]),
        (f"targetResources/any(t:t/id eq '{PRINCIPAL}') and activityDateTime ge 2026-03-02T02:57:00Z", ["record-8"]),
        ("id eq 'record-1' or id eq 'record-2'", ["record-2", "record-1"]),
        ("not(activityDateTime le 2026-03-02T02:58:00Z)", ["record-9"]),
        ("activityDisplayName eq 'It''s'", []),
    ],
)
def test_the_documented_filters_find_what_they_say(query: str, expected: list[str]) -> None:
    """Newest first (Graph: directoryaudit-list)."""

    async def story(desk: Desk) -> None:
        assert [each["id"] for each in await audits(desk, f"?$filter={query}")] == expected

    at_the_desk(story, logs=logged(10))


@pytest.mark.parametrize(
    "query",
    [
        "$filter=category eq 'ApplicationManagement'",
        "$filter=activityDateTime gt 2026-03-02T02:58:00Z",
        "$filter=contains(activityDisplayName,'app')",
        "$filter=activityDateTime ge yesterday",
        "$filter=id eq 'a' and",
        "$filter=(id eq 'a'",
        "$filter=initiatedBy/app/servicePrincipalId eq 'x'",
        "$select=id",
        "$count=true",
        "$orderby=id",
        "$top=1001",
    ],
)
def test_other_filters_and_options_are_400(query: str) -> None:
    """Not listed: category, gt, lt, contains, servicePrincipalId (Graph: directoryAudits)."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("GET", f"{AUDITS}?{query}")).status == 400

    at_the_desk(story)


def test_pages_of_audits_follow_their_links_and_do_not_shift_when_records_arrive() -> None:
    """A page is a cut through the log as it was when the first page was asked for."""

    async def story(desk: Desk) -> None:
        first = await desk.raw("GET", f"{AUDITS}?$top=4&$filter=startswith(activityDisplayName,'Update app')")
        await desk.raw("POST", f"/applications/{APPLICATION}/removePassword", {"keyId": SECRET})
        second = await desk.raw("GET", first.body["@odata.nextLink"])
        third = await desk.raw("GET", second.body["@odata.nextLink"])

        ids = [each["id"] for page in (first, second, third) for each in page.body["value"]]
        assert ids == [f"record-{number}" for number in reversed(range(10))]
        assert "@odata.nextLink" not in third.body

    at_the_desk(story, logs=logged(10))


# --- identity protection ---------------------------------------------------------------------------

DETECTION = {
    "id": "detection-1",
    "riskEventType": "leakedCredentials",
    "riskLevel": "high",
    "servicePrincipalId": PRINCIPAL,
    "keyIds": [SECRET],
    "additionalInfo": '[{"Key":"alertUrl","Value":null}]',
}


def test_a_detection_of_the_timeline_appears_on_time_and_makes_its_principal_risky() -> None:
    """Detections are offline; the risky entry follows (Graph: identityProtection)."""

    async def story(desk: Desk) -> None:
        before = (await desk.raw("GET", DETECTIONS)).body["value"]
        await desk.tenant.run_world()
        detection = (await desk.raw("GET", DETECTIONS, **NEW_MEMBERS)).body["value"][0]
        risky = (await desk.raw("GET", f"{RISKY}/{PRINCIPAL}")).body

        assert before == []
        assert desk.tenant.state.elapsed == 240
        assert detection["detectedDateTime"] == "2026-03-02T03:04:00.0000000Z"
        assert (detection["appId"], detection["activity"]) == (APP_ID, "servicePrincipal")
        assert (risky["riskLevel"], risky["riskState"], risky["isEnabled"]) == ("high", "atRisk", True)

    at_the_desk(story, timeline=[{"at": "PT4M", "servicePrincipalRiskDetections": [DETECTION]}])


def test_new_enum_members_are_hidden_from_those_who_do_not_ask() -> None:
    """Without `Prefer: include-unknown-enum-members` they read unknownFutureValue (Graph: every call)."""

    async def story(desk: Desk) -> None:
        plain = (await desk.raw("GET", DETECTIONS)).body["value"][0]
        asked = (await desk.raw("GET", DETECTIONS, **NEW_MEMBERS)).body["value"][0]

        assert (plain["activity"], asked["activity"]) == ("unknownFutureValue", "servicePrincipal")

    at_the_desk(story, payroll(servicePrincipalRiskDetections=[DETECTION]))


def test_confirming_contains_nothing() -> None:
    """It raises the risk, adds a detection that comes back in the poll, leaves accountEnabled alone, and is audited."""

    async def story(desk: Desk) -> None:
        reply = await desk.raw("POST", f"{RISKY}/confirmCompromised", {"servicePrincipalIds": [PRINCIPAL]})
        risky = (await desk.raw("GET", f"{RISKY}/{PRINCIPAL}", **NEW_MEMBERS)).body
        detection = (await desk.raw("GET", DETECTIONS)).body["value"][0]
        record = (await audits(desk))[0]

        assert (reply.status, reply.body) == (204, b"")
        assert (risky["riskLevel"], risky["riskState"]) == ("high", "confirmedCompromised")
        assert risky["riskDetail"] == "adminConfirmedServicePrincipalCompromised"
        assert detection["riskEventType"] == "adminConfirmedServicePrincipalCompromised"
        assert desk.principal()["accountEnabled"] is True
        assert (record["activityDisplayName"], record["category"]) == ("confirmServicePrincipalCompromised", "Other")

    at_the_desk(story)


def test_risk_has_a_history_that_says_who_changed_it() -> None:
    """history adds initiatedBy (Graph: identityProtection)."""

    async def story(desk: Desk) -> None:
        await desk.raw("POST", f"{RISKY}/confirmCompromised", {"servicePrincipalIds": [PRINCIPAL]})
        await desk.raw("POST", f"{RISKY}/dismiss", {"servicePrincipalIds": [PRINCIPAL]})
        past = (await desk.raw("GET", f"{RISKY}/{PRINCIPAL}/history")).body["value"]

        assert [each["riskState"] for each in past] == ["dismissed", "confirmedCompromised", "atRisk"]
        assert [each["initiatedBy"] for each in past[:2]] == [desk.tenant.cordon["executor"].object_id] * 2

    at_the_desk(story, payroll(riskyServicePrincipals=[{"id": PRINCIPAL}]))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"servicePrincipalIds": []}, 400),
        ({"servicePrincipalIds": [PRINCIPAL], "why": "x"}, 400),
        ({"servicePrincipalIds": [PRINCIPAL] * 61}, 400),
        ({"servicePrincipalIds": [APPLICATION]}, 404),
    ],
)
def test_confirming_wants_between_one_and_sixty_principals(body: JsonObject, status: int) -> None:
    """Ids are those of service principals, 60 at most (Graph: identityProtection)."""

    async def story(desk: Desk) -> None:
        assert (await desk.raw("POST", f"{RISKY}/confirmCompromised", body)).status == status

    at_the_desk(story)


def test_managed_identities_are_out_of_scope() -> None:
    """Identity protection does not cover them."""

    async def story(desk: Desk) -> None:
        own = desk.tenant.cordon["reader"].object_id
        reply = await desk.raw("POST", f"{RISKY}/confirmCompromised", {"servicePrincipalIds": [own]})

        assert reply.status == 404

    at_the_desk(story)


def test_without_the_licence_details_are_hidden_or_everything_is_refused() -> None:
    """`hidden` is unknown, not low (Graph: identityProtection)."""
    tenant = payroll(licences=[], servicePrincipalRiskDetections=[DETECTION])

    async def story(desk: Desk) -> tuple[object, int, int]:
        detections = await desk.raw("GET", DETECTIONS)
        seen = detections.body["value"][0]["riskLevel"] if detections.status == 200 else None
        return seen, detections.status, (await desk.raw("GET", RISKY)).status

    assert at_the_desk(story, dict(tenant)) == ("hidden", 200, 403)
    assert at_the_desk(story, dict(tenant), behaviour=Behaviour.gentle(unlicensed="forbidden")) == (None, 403, 403)


@pytest.mark.parametrize("filter_", ["riskState eq 'atRisk'", "riskLastUpdatedDateTime ge 2026-03-02T00:00:00Z"])
def test_unverified_risk_filters_work_only_on_a_generous_day(filter_: str) -> None:
    """Documented are riskLevel eq and riskLastUpdatedDateTime eq; more is unverified."""

    async def story(desk: Desk) -> int:
        return (await desk.raw("GET", f"{RISKY}?$filter={filter_}")).status

    assert at_the_desk(story) == 400
    assert at_the_desk(story, behaviour=Behaviour.gentle(risk_filters="generous")) == 200


def test_documented_risk_filters_find_what_they_say() -> None:
    """riskLevel eq; servicePrincipalId eq; the samples' `or`."""

    async def story(desk: Desk) -> None:
        for path, query, found in (
            (RISKY, "riskLevel eq 'high'", 0),
            (RISKY, "riskLevel eq 'medium'", 1),
            (DETECTIONS, f"servicePrincipalId eq '{PRINCIPAL}'", 1),
            (DETECTIONS, "riskEventType eq 'generic' or riskLevel eq 'high'", 1),
            (DETECTIONS, "requestId eq 'x'", 0),
        ):
            assert len((await desk.raw("GET", f"{path}?$filter={query}")).body["value"]) == found

    at_the_desk(story, payroll(servicePrincipalRiskDetections=[DETECTION], riskyServicePrincipals=[{"id": PRINCIPAL}]))


def test_the_tenant_says_who_it_is_and_what_it_has_bought() -> None:
    """organization and subscribedSkus, as far as a responder asks."""

    async def story(desk: Desk) -> None:
        organization = (await desk.raw("GET", "/organization")).body["value"][0]
        skus = (await desk.raw("GET", "/subscribedSkus")).body["value"]

        assert organization["id"] == desk.tenant.state.id
        assert [each["skuPartNumber"] for each in skus] == ["WorkloadIdentitiesPremium"]

    at_the_desk(story)
