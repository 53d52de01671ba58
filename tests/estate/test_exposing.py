"""An identity's exposure, looked for with the real clients: complete, or with every gap named."""

import asyncio
from typing import Any

from drill.practice import Behaviour, cordon_client_id, cordon_object_id
from drill.transports import PracticeAzureTransport, PracticeCredential, PracticeHttpxTransport
from drill.virtual_time import virtual_clock
from shared.actions.vault_grants import HeldGrant, vault_image
from shared.clients.pacing import Pacing
from shared.clients.tenant import make_tenant
from shared.estate import Estate
from shared.exposing import Accused, look_for_exposure
from shared.exposure import Exposure
from shared.identity import ClientId, PrincipalId
from shared.signal import JsonObject
from shared.tenant import Tenant
from tests.estate.desk import (
    GROUP,
    OTHER_SUBSCRIPTION,
    OUTER,
    SUBSCRIPTION,
    estate_of,
    settings_for,
    with_estate,
)
from tests.estate.test_vault_logs import APP, SINCE, USER, VERSION, read
from tests.practice.desk import APP_ID, PRINCIPAL, Desk, payroll

ACCUSED = Accused(PrincipalId(PRINCIPAL), ClientId(APP_ID), SINCE)
CORP = "/providers/Microsoft.Management/managementGroups/corp"
NESTED = [{"id": GROUP, "members": [PRINCIPAL]}, {"id": OUTER, "members": [GROUP]}]


def vault(name: str, *secrets: str, subscription: str = SUBSCRIPTION, **more: Any) -> dict[str, Any]:
    return {"name": name, "subscription": subscription, "secrets": [{"name": each} for each in secrets], **more}


def azure(*vaults: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Two subscriptions under one management group, at which a group of a group of the identity may read secrets."""
    chain = {"managementGroupAncestorsChain": [{"name": "corp"}]}
    return {
        "subscriptions": [{"subscriptionId": each, **chain} for each in (SUBSCRIPTION, OTHER_SUBSCRIPTION)],
        "vaults": [*vaults],
        "roleAssignments": [{"principalId": OUTER, "roleDefinitionName": "Key Vault Secrets User", "scope": CORP}],
        **more,
    }


def wired(desk: Desk, **settings: str) -> Tenant:
    """The tenant as the function app makes it, but for the network."""
    return make_tenant(
        settings_for(desk.tenant, **settings),
        credential_for=lambda client_id: PracticeCredential(desk.tenant, client_id),
        graph_transport=PracticeHttpxTransport(desk.tenant.asgi),
        azure_transport=lambda: PracticeAzureTransport(desk.tenant.asgi),
        clock=virtual_clock().now,
        random=lambda: 0.5,
        pace=Pacing(),
    )


def expose(given: dict[str, Any], *, tenant: dict[str, Any] | None = None, **parts: Any) -> Exposure:
    """What is found, by everything as it is wired."""
    settings = parts.pop("settings", {})

    async def story(_: Estate, desk: Desk) -> Exposure:
        made = wired(desk, **settings)
        assert made.estate is not None
        await asyncio.sleep(1)
        own = frozenset(cordon_client_id(role) for role in ("reader", "executor", "rotator"))
        return await look_for_exposure(made.estate, made.directory, ACCUSED, own)

    return with_estate(story, given, tenant=tenant or payroll(groups=NESTED), **parts)


def tiers(exposure: Exposure) -> list[tuple[str, str, int]]:
    return [(each.ref.vault, each.ref.name, each.tier) for each in exposure.secrets]


THREE = (
    vault("shop", "db", "api"),
    vault("bank", "pin", "vip", subscription=OTHER_SUBSCRIPTION),
    vault("attic", "old", subscription=OTHER_SUBSCRIPTION),
)
READS = {
    "keyVaultAudits": [
        read(f"db/{VERSION}", "2026-02-20T10:00:00Z"),
        read("pin", "2026-02-21T10:00:00Z", vault="bank", subscription=OTHER_SUBSCRIPTION),
        read("db", "2026-02-22T10:00:00Z", oid=USER, app=APP),
        read("db", "2026-02-22T10:00:00Z", oid=cordon_object_id("rotator"), app=cordon_client_id("rotator")),
    ]
}


def test_through_a_nested_group_at_a_management_group_every_tier_is_found() -> None:
    """Read in two vaults, with two more secrets beside them and another vault within reach."""
    found = expose(azure(*THREE), logs=READS)

    assert tiers(found) == [
        ("bank", "pin", 1),
        ("shop", "db", 1),
        ("bank", "vip", 2),
        ("shop", "api", 2),
        ("attic", "old", 3),
    ]
    assert found.unseen == ()
    db = found.secrets[1]
    assert db.reads is not None
    assert db.reads.versions == (VERSION,)
    assert [each.reader for each in db.readers] == [USER]
    assert db.more_readers is None


def test_a_vault_without_a_log_is_rotated_as_if_it_had_been_read() -> None:
    """No row is no proof."""
    dark = vault("dark", "x", diagnostics=False)

    found = expose(azure(*THREE, dark), logs=READS)

    assert tiers(found)[2] == ("dark", "x", 1)
    assert "not logged" in found.secrets[2].why
    assert "not logged" in (found.secrets[2].more_readers or "")


def test_what_was_deleted_lately_is_found_where_it_lies() -> None:
    """A secret in the bin of its vault, and a whole vault."""
    binned = {"name": "gone", "deletedDaysAgo": 3}
    shop = {**THREE[0], "secrets": [*THREE[0]["secrets"], binned, {"name": "older", "deletedDaysAgo": 60}]}
    lost = [{"name": "lost", "deletedAt": "2026-02-20T00:00:00Z"}, {"name": "old", "deletedAt": "2026-01-01T00:00:00Z"}]

    found = expose(azure(shop, deletedVaults=lost), logs=READS)

    assert ("shop", "gone", 2) in tiers(found)
    assert "older" not in {name for _, name, _ in tiers(found)}
    (unseen,) = (each for each in found.unseen if "deleted" in each)
    assert unseen.startswith("vault lost of subscription")


def test_a_firewalled_vault_is_named_and_the_others_are_told() -> None:
    """What lies in it cannot be listed from here."""
    found = expose(azure(*THREE, vault("shut", "x", firewall=True)), logs=READS)

    assert len(found.secrets) == 5
    (unseen,) = found.unseen
    assert unseen.startswith("the secrets of vault shut")
    assert "firewall" in unseen


def test_a_read_in_a_firewalled_vault_is_not_forgotten() -> None:
    """Nobody can rotate it from here, and so it is named by itself."""
    logs = {"keyVaultAudits": [read("x", "2026-02-20T10:00:00Z", vault="shut")]}

    found = expose(azure(vault("shut", "x", firewall=True)), logs=logs)

    assert [each.secret.name for each in found.missing] == ["x"]
    assert any("x of vault shut was read" in each for each in found.unseen)


def test_without_a_reader_role_nothing_is_found_and_everything_is_named() -> None:
    """Not one of the three looks into Azure was possible."""
    found = expose(azure(*THREE, permissions={"reader": []}), logs=READS)

    assert found.secrets == ()
    assert any("which secrets the identity read" in each for each in found.unseen)
    assert any("subscriptions on which Cordon's reader has no role" in each for each in found.unseen)


def test_partial_logs_make_all_that_is_readable_exposed() -> None:
    """Which of them were read is not known, so all of them count."""
    found = expose(azure(*THREE), logs=READS, behaviour=Behaviour.gentle(partial_logs=True))

    assert {tier for _, _, tier in tiers(found)} == {1}
    assert any("not whole" in each for each in found.unseen)


def test_without_a_workspace_all_that_is_readable_is_exposed() -> None:
    """Nobody can say who read what."""
    found = expose(azure(*THREE), logs=READS, settings={"CORDON_LOG_WORKSPACES": ""})

    assert {tier for _, _, tier in tiers(found)} == {1}
    assert any("CORDON_LOG_WORKSPACES" in each for each in found.unseen)


def test_groups_that_graph_does_not_tell_are_named() -> None:
    """What was read is known all the same."""
    fault = {"service": "graph", "match": "GET *transitiveMemberOf*", "kind": "403"}

    found = expose(azure(*THREE), logs=READS, faults=[fault])

    assert [each[2] for each in tiers(found)] == [1, 1, 2, 2]
    assert any("the groups that the identity is in" in each for each in found.unseen)


def test_cordon_s_own_vault_comes_last_in_its_tier() -> None:
    """The vault of the settings, by its name."""
    handover = {"CORDON_HANDOVER_VAULT": "handover"}
    given = azure(*THREE, vault("handover", "aaa", subscription=OTHER_SUBSCRIPTION))

    found = expose(given, logs=READS, settings=handover)

    assert tiers(found)[-2:] == [("attic", "old", 3), ("handover", "aaa", 3)]


def test_a_nasty_day_changes_nothing_but_the_time_it_takes() -> None:
    """Throttling, latency, and every service failing now and then."""
    faults = [{"service": name, "match": "* *", "kind": "503", "share": 0.1} for name in ("arm", "logs", "vault")]
    nasty = Behaviour(resource_graph_delay=0.0)

    found = expose(azure(*THREE), logs=READS, faults=faults, behaviour=nasty)

    assert len(tiers(found)) == 5
    assert found.unseen == ()


def test_without_a_rotator_there_is_no_estate() -> None:
    """Nobody may look into the vaults; without a workspace only the logs are missing."""

    async def story(_: Estate, desk: Desk) -> None:
        assert wired(desk, CORDON_ROTATOR_CLIENT_ID="").estate is None
        assert estate_of(desk.tenant, CORDON_LOG_WORKSPACES="").logs is None

    with_estate(story, azure())


def test_what_was_reached_before_the_cut_is_exposed_all_the_same() -> None:
    """
    Access is cut first and exposure looked for afterwards: by then Azure shows no way to these vaults any more, and its
    activity log not yet.
    """
    scope = f"/subscriptions/{SUBSCRIPTION}"
    role = {"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User"}
    single = f"{scope}/resourceGroups/practice/providers/Microsoft.KeyVault/vaults/shop/secrets/db"
    elsewhere = vault("far", "z", subscription=OTHER_SUBSCRIPTION)

    async def story(given: Estate, desk: Desk) -> list[list[tuple[str, str, int]]]:
        before = await look_for_exposure(given, wired(desk).directory, ACCUSED)
        ways = {grant.id: HeldGrant(grant, each.vault) for each in before.reach.vaults for grant in each.grants}
        image: JsonObject = {
            "vaults": [vault_image(each.vault) for each in before.reach.vaults],
            "removing": [each.image for each in ways.values()],
        }
        for held in ways.values():
            await given.access.remove_grant(held.grant)
        await asyncio.sleep(600)
        nothing = await look_for_exposure(given, wired(desk).directory, ACCUSED)
        after = await look_for_exposure(given, wired(desk).directory, ACCUSED, taken=[image])
        return [tiers(each) for each in (before, nothing, after)]

    late = Behaviour.gentle(activity_delay=(900.0, 900.0))
    for scopes in ([scope], [single], [single, scope]):
        given = azure(
            vault("shop", "db", "api"),
            vault("old", "x"),
            elsewhere,
            roleAssignments=[{**role, "scope": each} for each in scopes],
        )
        before, nothing, after = with_estate(story, given, behaviour=late)

        assert before
        assert nothing == []
        assert sorted(after) == sorted(before)
