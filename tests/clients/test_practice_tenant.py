"""The clients against the practice tenant: real SDKs, lagging replicas, throttling, faults on order, virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from drill.practice import Behaviour, PracticeTenant
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport
from drill.virtual_time import VirtualClock, virtual_clock
from shared.case import CouldNotLook, HolderKind, IdentityState, Known, PartName, Provenance
from shared.clients.tenant import make_tenant
from shared.errors import CordonError, OutcomeUnknown, PermissionMissing, StoppedBySwitch
from shared.fence import fenced
from shared.identity import AppObjectId, ClientId, IdentityKind, IdentityRef, PrincipalId
from shared.tenant import (
    Gathered,
    RemoveFederated,
    RemovePassword,
    ReplaceKeys,
    SetInstanceLock,
    Tenant,
    WriteDone,
)
from tests.clients.fake_graph import START, play, seeded
from tests.clients.test_tenant import SETTINGS
from tests.practice.desk import APP_ID, APPLICATION, FEDERATED, PRINCIPAL, SECRET, payroll

T = TypeVar("T")

REF = IdentityRef(PrincipalId(PRINCIPAL), ClientId(APP_ID), AppObjectId(APPLICATION))
IDENTITY = frozenset({PartName.IDENTITY})
REMOVALS = (
    RemovePassword(HolderKind.APPLICATION, APPLICATION, SECRET),
    RemoveFederated(HolderKind.APPLICATION, APPLICATION, FEDERATED),
)


@dataclass(frozen=True, slots=True)
class Place:
    """The practice tenant and Cordon's clients to it."""

    practice: PracticeTenant
    tenant: Tenant
    clock: VirtualClock

    async def state(self) -> IdentityState:
        found = (await self.tenant.directory.look(REF, IDENTITY)).identity
        assert isinstance(found, Known), found
        return found.value

    def truth(self, collection: str = "servicePrincipals", id: str = PRINCIPAL) -> dict[str, Any]:
        return next(each for each in self.practice.snapshot()["tenant"][collection] if each["id"] == id)

    def certificates(self) -> int:
        made = [effect for effect in self.practice.effects if str(effect["path"]).endswith("/create")]
        return sum(effect["status"] == 202 for effect in made)


def at(
    story: Callable[[Place], Awaitable[T]],
    tenant: dict[str, Any] | None = None,
    *,
    behaviour: Behaviour | None = None,
    workspaces: Sequence[str] | None = (),
    **parts: Any,
) -> T:
    """Play a story. `workspaces` are what the settings name; None: all that the tenant has."""

    async def main() -> T:
        clock = virtual_clock()
        practice = PracticeTenant(
            tenant or payroll(), behaviour=behaviour or Behaviour(), clock=clock.now, seed=1, **parts
        )
        cordon = practice.cordon
        settings = replace(
            SETTINGS,
            reader_client_id=cordon["reader"].client_id,
            executor_client_id=cordon["executor"].client_id,
            rotator_client_id=cordon["rotator"].client_id,
            topic_endpoint=None,
            log_workspaces=practice.workspaces if workspaces is None else tuple(workspaces),
        )
        clients = make_tenant(
            settings,
            credential_for=lambda client_id: PracticeCredential(practice, client_id),
            graph_transport=PracticeHttpxTransport(practice.asgi),
            azure_transport=lambda: PracticeAzureTransport(practice.asgi),
            clock=clock.now,
            random=seeded(),
        )
        return await story(Place(practice, clients, clock))

    return play(main)


def fault(match: str, kind: str, service: str = "graph", **more: object) -> dict[str, object]:
    return {"service": service, "match": match, "kind": kind, "count": 1, **more}


def test_an_identity_is_contained_with_four_requests_and_the_proof_is_in_the_last() -> None:
    """Look, block, take the credentials away, look again: 0.4 s at 100 ms a request, and what it says is true."""

    async def story(place: Place) -> tuple[float, IdentityState]:
        await place.state()
        await place.tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        await place.tenant.directory.write_credentials(
            [*REMOVALS, ReplaceKeys(HolderKind.APPLICATION, APPLICATION, ())]
        )
        state = await place.state()
        assert place.truth()["accountEnabled"] is False
        assert place.truth("applications", APPLICATION)["passwordCredentials"] == []
        return place.clock.elapsed, state

    elapsed, state = at(story, behaviour=Behaviour(read_lag_share=0.0))

    # The three inner writes are carried out one after the other, which costs their service time.
    assert elapsed == pytest.approx(0.1 + 0.1 + 0.18 + 0.1)
    assert not state.enabled
    assert all(not holder.passwords and not holder.keys for holder in state.holders)
    assert all(holder.federated == Known(()) for holder in state.holders)


@pytest.mark.parametrize(
    ("principal", "kind"),
    [
        ({"appOwnerOrganizationId": "99999999-0000-4000-8000-000000000009"}, IdentityKind.FOREIGN),
        ({"appOwnerOrganizationId": "f8cdef31-a31e-4b4a-93e4-5f571e91255a"}, IdentityKind.MICROSOFT),
        ({"servicePrincipalType": "ManagedIdentity", "appOwnerOrganizationId": None}, IdentityKind.MANAGED_IDENTITY),
    ],
)
def test_identities_without_an_application_here_are_read_at_once(principal: dict[str, Any], kind: IdentityKind) -> None:
    """No application object is missed where there can be none."""
    given: dict[str, Any] = {**payroll(principal=principal), "applications": [], "federatedIdentityCredentials": {}}

    async def story(place: Place) -> tuple[IdentityState, float]:
        found = (await place.tenant.directory.look(IdentityRef(PrincipalId(PRINCIPAL)), IDENTITY)).identity
        assert isinstance(found, Known), found
        return found.value, place.clock.elapsed

    state, elapsed = at(story, given)

    assert state.identity.kind is kind
    assert state.application is None
    assert elapsed < 0.5


def test_a_new_certificate_is_made_in_the_vault_and_put_on_the_application() -> None:
    """The key pair is born in the vault; Graph shows the thumbprint that the vault told."""

    async def story(place: Place) -> None:
        assert place.tenant.handover is not None
        made = await place.tenant.handover.make_certificate("cordon-1", f"CN={APPLICATION}", "op-1")
        write = ReplaceKeys(HolderKind.APPLICATION, APPLICATION, (), made)
        assert await place.tenant.directory.write_credentials([write]) == [WriteDone()]
        (key,) = place.truth("applications", APPLICATION)["keyCredentials"]
        assert key["customKeyIdentifier"] == made.thumbprint
        assert await place.tenant.handover.find_certificate("cordon-1", "op-1") == made
        assert place.certificates() == 1

    at(story)


@pytest.mark.parametrize("kind", ["timeout-applied", "503-applied", "429-applied", "reset-applied", "504-applied"])
def test_an_order_whose_answer_is_lost_still_makes_one_certificate(kind: str) -> None:
    """Never sent again by itself; the search finds what was made."""

    async def story(place: Place) -> None:
        assert place.tenant.handover is not None
        with pytest.raises(OutcomeUnknown):
            await place.tenant.handover.make_certificate("cordon-1", "CN=x", "op-1")
        assert await place.tenant.handover.find_certificate("cordon-1", "op-1") is not None
        assert place.certificates() == 1

    at(story, faults=[fault("POST /certificates/*/create", kind, "vault")])


@pytest.mark.parametrize(
    "kind",
    ["401", "404", "409", "429", "500", "502", "503", "504", "timeout", "reset", "html-body",
     "429-applied", "503-applied", "504-applied", "timeout-applied", "reset-applied", "slow", "cut-body"],
)  # fmt: skip
def test_one_fault_at_the_block_is_survived_or_told_truly(kind: str) -> None:
    """What is reported is never better than what the tenant holds."""

    async def story(place: Place) -> tuple[CordonError | None, bool]:
        try:
            await place.tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        except CordonError as error:
            return error, place.truth()["accountEnabled"]
        return None, place.truth()["accountEnabled"]

    error, enabled = at(story, faults=[fault("PATCH /servicePrincipals/*", kind)])

    assert error is None
    assert enabled is False


@pytest.mark.parametrize(
    "kind", ["429", "500", "503", "timeout", "reset", "cut-body", "timeout-applied", "429-applied"]
)
@pytest.mark.parametrize("match", ["POST /$batch", "POST /applications/*", "DELETE /applications/*"])
def test_one_fault_among_the_credential_writes_is_survived(match: str, kind: str) -> None:
    """Every write ends as done, and the tenant agrees."""

    async def story(place: Place) -> None:
        results = await place.tenant.directory.write_credentials(REMOVALS)
        assert all(isinstance(result, WriteDone) for result in results), results
        assert place.truth("applications", APPLICATION)["passwordCredentials"] == []

    at(story, faults=[fault(match, kind)])


@pytest.mark.parametrize("kind", ["401", "404", "429", "500", "503", "timeout", "reset", "cut-body", "html-body"])
def test_one_fault_in_a_look_is_survived(kind: str) -> None:
    """A fresh read is repeated where it stumbled, and shows the whole identity."""

    async def story(place: Place) -> IdentityState:
        return await place.state()

    for match in ("GET /servicePrincipals/*", "GET /applications*", "POST /$batch"):
        state = at(story, faults=[fault(match, kind)])
        assert state.application is not None
        assert [password.key_id for password in state.application.passwords] == [SECRET]
        assert isinstance(state.application.federated, Known)
        assert len(state.application.federated.value) == 1


def test_a_permission_that_is_taken_away_is_named_at_once() -> None:
    """403 in the middle: no retry, and the look says which right is missing."""

    async def story(place: Place) -> None:
        with pytest.raises(PermissionMissing, match=r"Application\.ReadWrite\.All"):
            await place.tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        assert place.clock.elapsed < 1.0

    at(story, faults=[fault("PATCH /servicePrincipals/*", "403", count=None)])


def test_a_tenant_without_the_licence_leaves_risk_unknown_and_the_rest_known() -> None:
    """Unlicensed tenants refuse identity protection; the identity is read all the same."""
    given: dict[str, Any] = {**payroll(), "licences": []}

    async def story(place: Place) -> None:
        gathered = await place.tenant.directory.look(REF, frozenset(PartName))
        assert isinstance(gathered.identity, Known)
        assert isinstance(gathered.risk, CouldNotLook)
        assert "licence" in gathered.risk.why

    at(story, given, behaviour=Behaviour(unlicensed="forbidden"))


def test_fifty_identities_at_once_take_little_longer_than_one() -> None:
    """Directory calls share no lock; only the quotas make anybody wait."""
    ids = [f"0c0c0c0c-0000-4000-8000-{number:012d}" for number in range(50)]
    elsewhere = SETTINGS.tenant_id.replace("1", "2")
    more = [
        {"id": each, "appId": each.replace("0c0c0c0c", "0a0a0a0a"), "appOwnerOrganizationId": elsewhere} for each in ids
    ]

    async def story(place: Place) -> float:
        async def contain(principal: str) -> None:
            await place.tenant.directory.look(IdentityRef(PrincipalId(principal)), IDENTITY)
            await place.tenant.directory.set_account_enabled(PrincipalId(principal), False)

        async with asyncio.TaskGroup() as group:
            for each in ids:
                group.create_task(contain(each))
        assert all(place.truth(id=each)["accountEnabled"] is False for each in ids)
        return place.clock.elapsed

    assert at(story, payroll(principals=more)) < 1.0


def test_a_sweep_reads_every_record_of_every_feed_within_the_quotas() -> None:
    """Pages, throttling and late records: what is given out is what the tenant holds."""
    principals = [{"id": f"0c0c0c0c-0000-4000-8000-{number:012d}"} for number in range(250)]
    detections = [{"id": f"{number:032x}", "servicePrincipalId": PRINCIPAL} for number in range(230)]

    async def story(place: Place) -> tuple[int, int, int, int]:
        feeds = place.tenant.feeds
        await place.tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        await asyncio.sleep(900)
        risky = [record async for page in feeds.risky_principals() for record in page]
        seen = [record async for page in feeds.risk_detections() for record in page]
        audits = [
            r async for page in feeds.audits(place.clock.now() - timedelta(hours=1), place.clock.now()) for r in page
        ]
        refused = sum(request.status == 429 for request in place.practice.requests)
        return len(risky), len({str(record["id"]) for record in seen}), len(audits), refused

    timeline = [{"at": "PT0M", "riskyServicePrincipals": principals, "servicePrincipalRiskDetections": detections}]

    async def with_world(place: Place) -> tuple[int, int, int, int]:
        await place.practice.run_world()
        return await story(place)

    risky, seen, audits, refused = at(with_world, timeline=timeline)

    assert (risky, seen) == (250 + 1, 230)  # the identity of the detections is listed as risky, too
    assert audits >= 1
    assert refused == 0


def test_nothing_that_the_clients_say_holds_a_secret_of_the_tenant() -> None:
    """Every token, secret and key the tenant made is searched for in all that came back and in all errors."""

    async def story(place: Place) -> tuple[str, frozenset[bytes]]:
        said = [repr(await place.tenant.directory.look(REF, frozenset(PartName)))]
        said.append(repr(await place.tenant.directory.write_credentials([*REMOVALS, *REMOVALS])))
        assert place.tenant.handover is not None
        said.append(repr(await place.tenant.handover.make_certificate("cordon-1", "CN=x", "op-1")))
        try:
            await place.tenant.directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
        except CordonError as error:
            said.append(str(error))
        return "\n".join(said), place.practice.canaries

    said, canaries = at(story, faults=[fault("PATCH /servicePrincipals/*", "403", count=None)])

    assert len(canaries) > 3
    assert not [canary for canary in canaries if canary in said.encode()]


MANAGE_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"
GRANT_AUDITS = frozenset({PartName.GRANT_AUDITS})


def _role_given(number: int, app_id: str) -> dict[str, Any]:
    """As the log writes it: the only target is the API, and the client is told by its client id alone."""
    return {
        "id": f"Directory_{number}",
        "activityDisplayName": "Add app role assignment to service principal",
        "activityDateTime": "2026-03-01T00:00:00Z",
        "category": "ApplicationManagement",
        "result": "success",
        "targetResources": [
            {
                "id": "90000000-0000-4000-8000-000000000001",
                "type": "ServicePrincipal",
                "modifiedProperties": [
                    {"displayName": "AppRole.Id", "oldValue": None, "newValue": f'"{MANAGE_ROLES}"'},
                    {"displayName": "ServicePrincipal.AppId", "oldValue": None, "newValue": f'"{app_id}"'},
                ],
            }
        ],
    }


@pytest.mark.parametrize("ref", [REF, IdentityRef(PrincipalId(PRINCIPAL)), IdentityRef(client_id=ClientId(APP_ID))])
def test_grants_to_a_client_are_found_in_the_log_although_their_target_is_the_api(ref: IdentityRef) -> None:
    """Asked for by activity, and told apart by who gains; records that only name the identity as target hold none."""
    other = "20000000-0000-4000-8000-00000000beef"

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(ref, GRANT_AUDITS | {PartName.AUDITS})

    found = at(story, logs={"directoryAudits": [_role_given(1, APP_ID), _role_given(2, other)]})

    assert isinstance(found.grant_audits, Known)
    assert [record.id for record in found.grant_audits.value] == ["Directory_1"]
    assert found.audits == Known(())


def test_domains_are_read_and_unverified_ones_are_not_the_tenants() -> None:
    """Anybody may add a domain to his tenant; what counts is that it was proven."""
    domains = [{"id": "contoso.example", "isInitial": True}, {"id": "claimed.example", "isVerified": False}]

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, frozenset({PartName.DOMAINS}))

    assert at(story, payroll(domains=domains)).domains == Known(frozenset({"contoso.example"}))
    refused = at(story, payroll(permissions={"reader": ["Application.Read.All"]})).domains
    assert isinstance(refused, CouldNotLook)
    assert not refused.may_help_later


def test_where_an_application_comes_from_is_read_with_it() -> None:
    """Publisher, gallery and the service principal's own addresses cost no request."""

    async def story(place: Place) -> object:
        found = (await place.tenant.directory.look(REF, IDENTITY)).identity
        return found.value.provenance if isinstance(found, Known) else found

    assert at(story) == Provenance(None, None, None, (), None)


SIGN_INS = frozenset({PartName.SIGN_INS, PartName.ATTEMPTS})


def _signed_in(number: int, days: float, code: int = 0, principal: str = PRINCIPAL) -> dict[str, Any]:
    at = START - timedelta(days=days)
    status = {"errorCode": code, "failureReason": None, "additionalDetails": None}
    return {
        "id": f"s{number}",
        "createdDateTime": at.isoformat(),
        "servicePrincipalId": principal,
        "appId": APP_ID,
        "status": status,
    }


def test_sign_ins_are_read_as_far_back_as_the_log_goes_and_attempts_for_a_day() -> None:
    """By type, identity and code; another identity's are not asked for."""
    held = [_signed_in(1, 29), _signed_in(2, 0.5), _signed_in(3, 0.2, 7000215), _signed_in(4, 3, 7000215)]

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS)

    found = at(story, {**payroll(), "licences": ["AAD_PREMIUM"]}, logs={"signIns": held})

    assert isinstance(found.sign_ins, Known)
    assert isinstance(found.attempts, Known)
    assert [each.id for each in found.sign_ins.value.records] == ["s2", "s1"]
    assert [each.id for each in found.attempts.value.records] == ["s3", "s2"]
    assert found.sign_ins.value.records[0].network == 64496


def test_a_log_that_is_too_long_is_read_as_far_as_the_budget_goes() -> None:
    """Ten pages, the newest first; it is said from when on it is whole."""
    held = [_signed_in(n, 0.001 * (n + 1)) for n in range(60)]

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, frozenset({PartName.SIGN_INS}))

    found = at(
        story,
        {**payroll(), "licences": ["AAD_PREMIUM"]},
        logs={"signIns": held},
        behaviour=Behaviour(sign_in_page=(5, 5)),
    )

    assert isinstance(found.sign_ins, Known)
    read = found.sign_ins.value
    assert (len(read.records), read.cut_short) == (50, True)
    assert read.since == read.records[-1].at


@pytest.mark.parametrize("lack", ["licence", "permission"])
def test_a_sign_in_log_that_is_not_to_be_had_says_why(lack: str) -> None:
    """Unknown for good, and everything else stays known."""
    licences = ["WorkloadIdentitiesPremium"] if lack == "licence" else ["AAD_PREMIUM"]
    permissions = {} if lack == "licence" else {"permissions": {"reader": ["Application.Read.All"]}}

    async def story(place: Place) -> Gathered:
        return await place.tenant.directory.look(REF, SIGN_INS | IDENTITY)

    found = at(story, {**payroll(), "licences": licences, **permissions})

    assert isinstance(found.identity, Known)
    for part in (found.sign_ins, found.attempts):
        assert isinstance(part, CouldNotLook)
        assert not part.may_help_later
        assert ("AuditLog.Read.All" in part.why) or ("licence" in part.why.lower())


@pytest.mark.parametrize("wait", ["30", None], ids=["as it asks", "our own back-off"])
@pytest.mark.parametrize(
    ("match", "what"), [("PATCH /servicePrincipals/*", "block"), ("POST /applications/*/removePassword", "remove")]
)
def test_a_write_that_had_to_wait_is_not_sent_after_the_stop(match: str, what: str, wait: str | None) -> None:
    """The tenant throttles it; a person stops Cordon meanwhile, and what was asked for before does not go out."""

    async def story(place: Place) -> None:
        stopped_at = place.clock.now() + timedelta(seconds=2)

        async def check() -> None:
            if place.clock.now() >= stopped_at:
                raise StoppedBySwitch

        directory = fenced(place.tenant, check).directory
        with pytest.raises(StoppedBySwitch):
            await (
                directory.set_account_enabled(PrincipalId(PRINCIPAL), False)
                if what == "block"
                else directory.write_credentials(REMOVALS[:1])
            )
        accepted = [effect for effect in place.practice.effects if int(str(effect["status"])) < 300]

        assert [effect for effect in accepted if not str(effect["path"]).endswith("$batch")] == []

    throttled = {**fault(match, "429"), "count": 3, **({"retryAfter": wait} if wait else {})}
    at(story, faults=[throttled], behaviour=Behaviour.gentle())


def test_an_instance_lock_that_was_lifted_is_put_back_whatever_was_stopped_meanwhile() -> None:
    """The removal between the two is throttled and a person stops Cordon: the lock does not stay off."""
    lock = {"isEnabled": True, "allProperties": True}
    tenant = payroll(
        application={"servicePrincipalLockConfiguration": lock},
        principal={"passwordCredentials": [{"keyId": SECRET, "displayName": "sp"}]},
    )

    async def story(place: Place) -> None:
        stopped_at = place.clock.now() + timedelta(seconds=2)

        async def check() -> None:
            if place.clock.now() >= stopped_at:
                raise StoppedBySwitch

        await fenced(place.tenant, check).directory.write_credentials(
            [
                SetInstanceLock(APPLICATION, {**lock, "isEnabled": False}),
                RemovePassword(HolderKind.SERVICE_PRINCIPAL, PRINCIPAL, SECRET),
                SetInstanceLock(APPLICATION, {**lock}),
            ]
        )

        assert place.truth("applications", APPLICATION)["servicePrincipalLockConfiguration"]["isEnabled"] is True

    throttled = fault("POST /servicePrincipals/*/removePassword", "429", retryAfter="30")
    at(story, tenant, faults=[throttled], behaviour=Behaviour.gentle())
