"""Attackers, sign-ins, the timeline, and what the tenant remembers of them."""

import asyncio
import base64
import json
import time

import pytest
from azure.keyvault.certificates import CertificatePolicy

from drill.practice import Behaviour, Credential, CredentialKind, PracticeTenant, ScenarioMistake
from tests.practice.desk import (
    APPLICATION,
    CERTIFICATE,
    FEDERATED,
    PRINCIPAL,
    SECRET,
    START,
    Desk,
    JsonObject,
    at_the_desk,
    payroll,
)

SP = f"/servicePrincipals/{PRINCIPAL}"
APP = f"/applications/{APPLICATION}"
WRITE_ALL = {"principalId": PRINCIPAL, "appRoleId": "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9"}
WRITE_OWNED = {"principalId": PRINCIPAL, "appRoleId": "18a4783c-866b-4cc7-a460-3d5e5662c884"}
LEAKED = Credential(CredentialKind.SECRET, SECRET)


def attacker(does: str | list[str], **more: object) -> JsonObject:
    return {"identity": PRINCIPAL, "every": "PT3S", "from": "PT1M", "until": "PT10M", "does": does, **more}


def by_attackers(desk: Desk, *, applied: bool = True) -> list[JsonObject]:
    return [each for each in desk.tenant.effects if each["by"].startswith("attacker") and each["applied"] is applied]


# --- sign-ins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        (LEAKED, 0),
        (Credential(CredentialKind.CERTIFICATE, CERTIFICATE), 0),
        (Credential(CredentialKind.FEDERATED, FEDERATED), 0),
        (Credential(CredentialKind.SECRET, value="a guess"), 7000215),
        (Credential(CredentialKind.CERTIFICATE, SECRET), 700027),
        (Credential(CredentialKind.MANAGED_IDENTITY), 700016),
    ],
)
def test_a_sign_in_depends_on_the_credential(credential: Credential, code: int) -> None:
    """Error codes are Entra's (Graph: sign-ins)."""

    async def story(desk: Desk) -> None:
        assert desk.tenant.sign_in(PRINCIPAL, credential).error_code == code

    at_the_desk(story)


def test_what_stops_new_tokens_and_what_does_not() -> None:
    """accountEnabled, isDisabled and deletion do; removing one secret leaves the federated path (levers table)."""

    async def story(desk: Desk) -> None:
        federated = Credential(CredentialKind.FEDERATED, FEDERATED)

        async def tried(method: str, path: str, body: object) -> tuple[int, int]:
            await desk.raw(method, path, body)
            return desk.tenant.sign_in(PRINCIPAL, LEAKED).error_code, desk.tenant.sign_in(
                PRINCIPAL, federated
            ).error_code

        assert await tried("PATCH", SP, {"accountEnabled": False}) == (7000112, 7000112)
        assert await tried("PATCH", SP, {"accountEnabled": True}) == (0, 0)
        assert await tried("PATCH", APP, {"isDisabled": True}) == (7000112, 7000112)
        assert await tried("PATCH", APP, {"isDisabled": False}) == (0, 0)
        assert await tried("POST", f"{APP}/removePassword", {"keyId": SECRET}) == (7000215, 0)
        assert await tried("DELETE", APP, None) == (700016, 700016)

    at_the_desk(story)


def test_an_expired_secret_is_told_apart() -> None:
    """7000222, not 7000215."""
    old = {"keyId": SECRET, "endDateTime": "2026-03-01T00:00:00Z"}

    async def story(desk: Desk) -> None:
        assert desk.tenant.sign_in(PRINCIPAL, LEAKED).error_code == 7000222

    at_the_desk(story, payroll(application={"passwordCredentials": [old]}))


# --- attackers -------------------------------------------------------------------------------------


def test_an_attacker_adds_secrets_again_and_again() -> None:
    """Every three seconds from the first to the tenth minute, with the identity's own power."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        moves = by_attackers(desk)

        assert len(moves) == 181
        assert len(desk.application()["passwordCredentials"]) == 182
        assert moves[0]["by"] == f"attacker:{PRINCIPAL}"

    at_the_desk(story, payroll(appRoleAssignments=[WRITE_ALL]), attackers=[attacker("add-password")])


def test_a_disabled_identity_goes_on_with_the_token_it_has() -> None:
    """Disabling leaves issued tokens alive, here for 75 minutes (limits A.3); then it is out."""
    lifetime = Behaviour.gentle(token_lifetime=(4500.0, 4500.0))

    async def story(desk: Desk) -> None:
        world = asyncio.create_task(desk.tenant.run_world())
        await asyncio.sleep(30)
        await desk.raw("PATCH", SP, {"accountEnabled": False})
        await asyncio.sleep(1)
        await world
        moves = by_attackers(desk)
        refused = [each for each in desk.tenant.attempts if each["does"] == "sign-in" and each["errorCode"] == 7000112]

        assert len(moves) == 75  # one a minute while the token lived
        assert refused
        assert not desk.principal()["accountEnabled"]

    move = attacker("add-password", every="PT1M", **{"from": "PT0S", "until": "PT2H"})
    at_the_desk(story, payroll(appRoleAssignments=[WRITE_ALL]), behaviour=lifetime, attackers=[move])


def test_a_cae_token_dies_with_the_identity() -> None:
    """Graph refuses it at once, and says it with a claims challenge (Graph: CAE)."""

    async def story(desk: Desk) -> None:
        token = desk.tenant.sign_in(PRINCIPAL, LEAKED, continuous=True).token
        assert token is not None
        before = await desk.raw("GET", SP, token=token.text)
        await desk.raw("PATCH", SP, {"accountEnabled": False})
        after = await desk.raw("GET", SP, token=token.text)

        assert (before.status, after.status) == (200, 401)
        assert "insufficient_claims" in after.headers["www-authenticate"]

    at_the_desk(story, payroll(appRoleAssignments=[WRITE_ALL]))


@pytest.mark.parametrize(
    ("roles", "owners", "moves"),
    [([], {}, 0), ([WRITE_OWNED], {}, 0), ([WRITE_OWNED], {APPLICATION: [PRINCIPAL]}, 1), ([WRITE_ALL], {}, 1)],
)
def test_an_attacker_has_the_power_of_the_identity_and_no_more(
    roles: list[JsonObject], owners: JsonObject, moves: int
) -> None:
    """OwnedBy reaches what it owns; without a role every move is 403, and recorded as refused."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()

        assert len(by_attackers(desk)) == moves
        assert [each["status"] for each in by_attackers(desk, applied=False)] == [403] * (1 - moves)

    tenant = payroll(appRoleAssignments=roles, owners=owners)
    at_the_desk(story, tenant, attackers=[attacker("add-password", until="PT1M")])


def test_whatever_an_attacker_adds_is_a_way_back_in() -> None:
    """After the stolen secret is gone, an added certificate or federated credential still signs in."""

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        await desk.raw("POST", f"{APP}/removePassword", {"keyId": SECRET})
        keys = desk.application()["keyCredentials"]
        federated = desk.tenant.snapshot()["tenant"]["federatedIdentityCredentials"][APPLICATION]

        assert desk.tenant.sign_in(PRINCIPAL, LEAKED).error_code == 7000215
        assert desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.CERTIFICATE, keys[-1]["keyId"])).succeeded
        assert desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.FEDERATED, federated[-1]["id"])).succeeded

    moves = attacker(["add-certificate", "add-federated"], until="PT63S")
    at_the_desk(story, payroll(appRoleAssignments=[WRITE_ALL]), attackers=[moves])


def test_a_stolen_administrator_enables_what_was_disabled() -> None:
    """`power: admin` does not depend on the identity's own token."""

    async def story(desk: Desk) -> None:
        await desk.raw("PATCH", SP, {"accountEnabled": False})
        await desk.tenant.run_world()

        assert desk.principal()["accountEnabled"] is True

    at_the_desk(story, attackers=[attacker("enable", power="admin", until="PT1M")])


def test_a_disabled_identity_still_reads_the_vault_with_the_token_it_has() -> None:
    """Only Graph honours revocation: Key Vault takes the token until it expires (limits 0.5)."""
    azure = {
        "vaults": [{"name": "shop", "secrets": [{"name": "db"}]}],
        "roleAssignments": [{"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": "/"}],
    }

    async def story(desk: Desk) -> None:
        world = asyncio.create_task(desk.tenant.run_world())
        await asyncio.sleep(30)
        await desk.raw("PATCH", SP, {"accountEnabled": False})
        await asyncio.sleep(1)
        await world

        reads = [each["status"] for each in desk.tenant.attempts if each["does"] == "read-secret"]
        assert reads == [200]

    at_the_desk(story, azure=azure, attackers=[attacker("read-secret", vault="shop", secret="db", until="PT1M")])


# --- timeline --------------------------------------------------------------------------------------


def test_the_timeline_patches_objects_and_leaves_audit_records() -> None:
    """A rogue credential appears at its minute, in the effects and, later, in the log."""
    rogue = "0d0d0d0d-0000-4000-8000-000000000009"
    entry = {"at": "PT4M", "patch": {"servicePrincipals": {PRINCIPAL: {"passwordCredentials": [{"keyId": rogue}]}}}}

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        records = (await desk.raw("GET", "/auditLogs/directoryAudits")).body["value"]

        assert [(each["by"], each["at"]) for each in desk.tenant.effects] == [
            ("timeline", "2026-03-02T03:04:00.0000000Z")
        ]
        assert "Add service principal credentials" in {each["activityDisplayName"] for each in records}
        assert desk.tenant.sign_in(PRINCIPAL, Credential(CredentialKind.SECRET, rogue)).succeeded

    at_the_desk(story, timeline=[entry])


def test_log_records_of_the_timeline_are_late_unless_told_otherwise() -> None:
    """`late` says how long a record takes to appear."""
    audit = {"activityDisplayName": "Update application", "targetResources": [{"id": APPLICATION}]}

    async def story(desk: Desk) -> None:
        await desk.tenant.run_world()
        at_once = (await desk.raw("GET", "/auditLogs/directoryAudits")).body["value"]
        await asyncio.sleep(3600)
        later = (await desk.raw("GET", "/auditLogs/directoryAudits")).body["value"]

        assert (len(at_once), len(later)) == (1, 2)

    timeline = [
        {"at": "PT1M", "late": "PT0S", "directoryAudits": [audit]},
        {"at": "PT1M", "late": "PT1H", "directoryAudits": [audit]},
    ]
    at_the_desk(story, timeline=timeline)


MISTAKES: list[tuple[JsonObject, str]] = [
    ({"tenant": {"servicePrincipels": []}}, "servicePrincipels"),
    ({"tenant": {"servicePrincipals": [{"acountEnabled": True}]}}, "acountEnabled"),
    ({"tenant": {"behaviour": {"readLagg": 0}}}, "readLagg"),
    ({"tenant": {"owners": {"nobody": []}}}, "nobody"),
    ({"timeline": [{"at": "soon"}]}, "soon"),
    ({"timeline": [{"at": 0, "patches": {}}]}, "patches"),
    ({"attackers": [{"identity": PRINCIPAL, "does": "dance"}]}, "dance"),
    ({"faults": [{"match": "GET *", "kind": "gremlins"}]}, "gremlins"),
    ({"azure": {"vaults": [{"name": "v", "secretz": []}]}}, "secretz"),
]


@pytest.mark.parametrize(("parts", "why"), MISTAKES)
def test_a_mistake_in_a_scenario_is_named(parts: JsonObject, why: str) -> None:
    """A typo must not make a drill milder without a word."""
    given: JsonObject = {"tenant": {}, **parts}

    with pytest.raises(ScenarioMistake, match=why):
        PracticeTenant(clock=lambda: START, **given)


def test_behaviour_is_read_in_the_scenarios_own_words() -> None:
    """camelCase, durations of three kinds, spans as pairs or single values."""
    given = {
        "latency": {"network": "60ms", "service": 0.04},
        "auditDelay": ["PT2M", "PT3H"],
        "freshFor": 5,
        "throttling": False,
    }
    behaviour = Behaviour.from_scenario(given)

    assert (behaviour.network, behaviour.service) == (0.06, 0.04)
    assert behaviour.audit_delay == (120.0, 10800.0)
    assert behaviour.fresh_for == (5.0, 5.0)
    assert behaviour.throttling is False


# --- what is left behind ---------------------------------------------------------------------------


def busy(seed: int) -> str:
    """Everything at once on a bad day; the whole trace as text."""

    async def story(desk: Desk) -> str:
        world = asyncio.create_task(desk.tenant.run_world())
        for turn in range(40):
            await desk.batch({"id": "1", "method": "GET", "url": SP}, {"id": "2", "method": "GET", "url": APP})
            await desk.raw("PATCH", SP, {"accountEnabled": False, "tags": [str(turn)]})
            await desk.raw("GET", "/identityProtection/riskyServicePrincipals")
            if turn == 3:
                await desk.certificates().create_certificate("c", _policy())
            await asyncio.sleep(10)
        await world
        state = desk.tenant
        return json.dumps([state.effects, state.attempts, state.snapshot(), [str(each) for each in state.requests]])

    return at_the_desk(
        story,
        payroll(appRoleAssignments=[WRITE_ALL]),
        behaviour=Behaviour(),
        seed=seed,
        attackers=[attacker(["add-password", "add-certificate", "add-federated", "enable"])],
        timeline=[{"at": "PT2M", "servicePrincipalRiskDetections": [{"servicePrincipalId": PRINCIPAL}]}],
        faults=[{"match": "PATCH *", "kind": "503", "share": 0.2}],
    )


def _policy() -> CertificatePolicy:
    return CertificatePolicy(issuer_name="Self", subject="CN=c")


def test_the_same_seed_leaves_the_same_trace() -> None:
    """Effects, attempts, requests with their times, ids, certificates: all of it (invariant I15)."""
    first, again, other = busy(5), busy(5), busy(6)

    assert first == again
    assert first != other


def test_no_secret_is_in_what_the_tenant_tells_about_itself() -> None:
    """Effects, attempts, snapshot, requests, log records: no canary in any of them; but the canaries are real."""

    async def story(desk: Desk) -> None:
        made = await desk.raw("POST", f"{APP}/addPassword", {"passwordCredential": {}})
        await desk.certificates().create_certificate("c", _policy())
        await desk.raw("PATCH", SP, {"tags": ["x"]})
        tenant = desk.tenant
        told = json.dumps(
            [tenant.effects, tenant.attempts, tenant.snapshot(), tenant.state.audits.everything()]
            + [tenant.state.vault_logs.everything(), tenant.state.sign_ins.everything(), repr(tenant.state.tokens)]
            + [str(each) for each in tenant.requests]
        ).encode()

        assert made.body["secretText"].encode() in tenant.canaries
        assert not [canary for canary in tenant.canaries if canary in told]
        assert not [canary for canary in tenant.canaries if base64.b64encode(canary) in told]

    at_the_desk(story)


def test_a_day_of_logs_is_read_in_pages_without_getting_slower() -> None:
    """20,000 audits and 2,000 detections, page by page, in a second or two."""
    records: list[JsonObject] = [
        {
            "id": f"r{number}",
            "activityDisplayName": "Update application",
            "activityDateTime": f"2026-03-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        }
        for number in range(20_000)
    ]
    detections: list[JsonObject] = [{"servicePrincipalId": PRINCIPAL} for _ in range(2_000)]

    async def counted(desk: Desk, url: str) -> int:
        page = (await desk.raw("GET", url)).body
        count = len(page["value"])
        while "@odata.nextLink" in page:
            page = (await desk.raw("GET", page["@odata.nextLink"])).body
            count += len(page["value"])
        return count

    async def story(desk: Desk) -> tuple[int, int]:
        audits = await counted(desk, "/auditLogs/directoryAudits?$top=500")
        return audits, await counted(desk, "/identityProtection/servicePrincipalRiskDetections")

    began = time.process_time()
    tenant = payroll(servicePrincipalRiskDetections=detections)

    assert at_the_desk(story, tenant, logs={"directoryAudits": records}) == (20_000, 2_000)
    assert time.process_time() - began < 10
