"""Access that was given and taken away again before anybody looked: found, or told as what nobody could see."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from drill.practice import Behaviour
from drill.practice.arm.building import DEFAULT_SUBSCRIPTION
from drill.practice.arm.roles import BUILT_IN
from shared.actions.vault_grants import HeldGrant, vault_image
from shared.estate import Estate, Grant
from shared.exposing import look_for_exposure
from shared.exposure import Exposure
from shared.signal import JsonObject
from tests.estate.desk import OTHER_SUBSCRIPTION, OUTER, SUBSCRIPTION, vault_id, with_estate
from tests.estate.test_exposing import ACCUSED, CORP, NESTED, azure, expose, tiers, vault, wired
from tests.practice.desk import PRINCIPAL, Desk, payroll

LATELY = "2026-02-20T10:00:00Z"  # the clock stands at 2026-03-02T03:00:00Z; thirty days count
SOMEBODY = "0c0c0c0c-9999-4000-8000-00000000cccc"
SHOP, BANK = vault("shop", "db"), vault("bank", "pin", subscription=OTHER_SUBSCRIPTION)
WHOLE = f"/subscriptions/{SUBSCRIPTION}"
OTHER = f"/subscriptions/{OTHER_SUBSCRIPTION}"
DEAF = Behaviour(activity_bodies=False)
# Lists of the log: three subscriptions with a vault, two management groups; two more of whether one is logged.
QUIET = 5 + 2


def role_id(name: str) -> str:
    (found,) = (each.id for each in BUILT_IN if each.name == name)
    return f"/providers/Microsoft.Authorization/roleDefinitions/{found}"


GIVEN = Grant(
    kind="role-assignment",
    id=f"{vault_id('shop')}/providers/Microsoft.Authorization/roleAssignments/0d0d0d0d-2222-4000-8000-00000000dddd",
    holder=PRINCIPAL,
    scope=vault_id("shop"),
    role="Key Vault Secrets User",
    reads=True,
    grants_itself=False,
    image={"roleDefinitionId": role_id("Key Vault Secrets User"), "principalId": PRINCIPAL},
)


def held(
    scope: str, until: str = LATELY, *, by: str = PRINCIPAL, role: str = "Key Vault Secrets User"
) -> dict[str, Any]:
    return {"principalId": by, "roleDefinitionName": role, "scope": scope, "removedAt": until}


def exposed_by(
    *assignments: dict[str, Any], vaults: tuple[dict[str, Any], ...] = (SHOP, BANK), **parts: Any
) -> Exposure:
    more = parts.pop("more", {})
    return expose(azure(*vaults, roleAssignments=[*assignments], **more), **parts)


@pytest.mark.parametrize("scope", [WHOLE, CORP, vault_id("shop"), f"{vault_id('shop')}/secrets/db"])
def test_a_role_that_was_taken_away_exposed_what_it_opened(scope: str) -> None:
    """Given, read with, and removed: the secrets count as if it was held still, and the reason names the time."""
    found = exposed_by(held(scope))

    assert ("shop", "db", 3) in tiers(found)
    assert f"held until {LATELY}" in found.secrets[-1].why
    assert found.secrets[-1].why.startswith("the identity cannot read it any more, but could read it")
    assert found.unseen == ()


def test_where_no_log_tells_it_is_as_bad_as_read() -> None:
    """That is the attack: a role for an hour, on a vault that logs nowhere."""
    found = exposed_by(held(WHOLE), vaults=(vault("shop", "db", diagnostics=False),))

    assert tiers(found) == [("shop", "db", 1)]
    assert f"could read it until {LATELY}" in found.secrets[0].why


def test_a_role_that_a_group_had_counts_as_well() -> None:
    """Through another group, too."""
    found = exposed_by(held(WHOLE, by=OUTER), tenant=payroll(groups=NESTED))

    assert tiers(found) == [("shop", "db", 3)]


@pytest.mark.parametrize(
    "assignment",
    [
        held(WHOLE, by=SOMEBODY),
        held(WHOLE, role="Reader"),
        held(WHOLE, "2026-01-15T10:00:00Z"),
        held(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/elsewhere"),
    ],
)
def test_what_opened_nothing_raises_no_alarm(assignment: dict[str, Any]) -> None:
    """Another's, one that reads nothing, one from before the time that counts, one beside the vaults."""
    found = exposed_by(assignment)

    assert tiers(found) == []
    assert found.unseen == ()


def test_a_role_that_is_held_again_is_told_as_held() -> None:
    """The same assignment, taken away and given back."""
    again = {**held(WHOLE), "name": "0d0d0d0d-1111-4000-8000-00000000dddd"}

    found = exposed_by(again, {name: each for name, each in again.items() if name != "removedAt"})

    assert tiers(found) == [("shop", "db", 3)]
    assert "until" not in found.secrets[0].why


def test_a_removal_of_which_the_log_does_not_say_whose_it_was_is_named() -> None:
    """It may have been the identity's. One where no vault is says nothing."""
    elsewhere = held(f"/subscriptions/{SUBSCRIPTION}/resourceGroups/elsewhere", by=SOMEBODY)

    found = exposed_by(held(WHOLE, by=SOMEBODY), elsewhere, behaviour=DEAF)

    assert tiers(found) == []
    assert found.unseen == (
        f"whose role it was that was taken away at {LATELY} at {WHOLE}: Azure's activity log does not say it",
    )


def test_a_log_that_cannot_be_read_is_never_clean() -> None:
    """Of subscriptions and of management groups; an answer that may come later is told as one."""
    fault = {"service": "arm", "match": "GET *eventtypes*", "kind": "503"}

    found = exposed_by(held(WHOLE), faults=[fault])

    places = [each.partition(":")[0] for each in found.unseen if each.startswith("which roles were taken away in ")]
    assert f"which roles were taken away in {WHOLE}" in places
    assert any("managementgroups/corp" in each for each in places)
    assert {*found.unseen} == {*found.reach.passing}


def test_what_is_above_all_that_the_reader_sees_is_the_policys_word_as_well() -> None:
    """Who has a role on subscriptions alone reads no log of a management group: told, and so among what it covers."""
    reader = [
        {"roleDefinitionName": "Reader", "scope": f"/subscriptions/{each}"}
        for each in (SUBSCRIPTION, OTHER_SUBSCRIPTION, DEFAULT_SUBSCRIPTION)
    ]
    more = {"permissions": {"reader": reader}}

    found = exposed_by(held(WHOLE), more=more)

    groups = [each for each in found.unseen if each.startswith("which roles were taken away in ")]
    assert len(groups) == 2
    assert {*groups} < {*found.reach.blind}
    assert ("shop", "db", 3) in tiers(found)


def test_the_whole_attack_as_the_log_tells_it() -> None:
    """Given and taken away at Resource Manager minutes before the look: the one tells who by its order alone."""

    async def story(estate: Estate, desk: Desk) -> None:
        await estate.access.restore_grant(GIVEN)
        await asyncio.sleep(300)
        await estate.access.remove_grant(GIVEN)
        await estate.access.remove_grant(GIVEN)
        await asyncio.sleep(1200)
        made = wired(desk)
        assert made.estate is not None

        found = await look_for_exposure(made.estate, made.directory, ACCUSED)

        assert tiers(found) == [("shop", "db", 3)]
        assert "held until 2026-03-02T03:05:00Z" in found.secrets[0].why
        assert found.unseen == ()
        assert len([each for each in desk.tenant.requests if "eventtypes" in each.path]) == QUIET

    with_estate(story, azure(SHOP, BANK, roleAssignments=[]), tenant=payroll(groups=NESTED))


def test_two_roles_under_one_id_are_two() -> None:
    """Whoever writes chooses the id, and may give it to a harmless role after the other."""

    async def story(estate: Estate, desk: Desk) -> None:
        await estate.access.restore_grant(GIVEN)
        await estate.access.remove_grant(GIVEN)
        other = replace(GIVEN, image={**GIVEN.image, "roleDefinitionId": role_id("Reader")})
        await estate.access.restore_grant(other)
        await asyncio.sleep(1200)
        made = wired(desk)
        assert made.estate is not None

        found = await look_for_exposure(made.estate, made.directory, ACCUSED)

        assert tiers(found) == [("shop", "db", 3)]

    with_estate(story, azure(SHOP, BANK, roleAssignments=[]), tenant=payroll(groups=NESTED))


# --- vaults that were deleted -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignments", "is_named"),
    [
        ([], False),
        ([{"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": WHOLE}], True),
        ([{"principalId": PRINCIPAL, "roleDefinitionName": "Reader", "scope": WHOLE}], False),
        ([{"principalId": PRINCIPAL, "roleDefinitionName": "Contributor", "scope": OTHER}], False),
        ([held(WHOLE)], True),
        ([held(vault_id("lost"))], True),
        ([held(CORP)], True),
    ],
)
def test_a_deleted_vault_counts_if_the_identity_could_have_reached_it(
    assignments: list[dict[str, Any]], is_named: bool
) -> None:
    """By a role on it or above it, held or taken away. Anybody's else keeps no rotation from its end."""
    lost = {"name": "lost", "subscription": SUBSCRIPTION, "deletedAt": "2026-02-25T00:00:00Z"}

    found = exposed_by(*assignments, more={"deletedVaults": [lost]})

    assert [each.partition(" of ")[0] for each in found.unseen] == (["vault lost"] if is_named else [])


def test_a_subscription_that_does_not_list_its_deleted_vaults_leaves_those_of_the_others_known() -> None:
    """One that could not be looked at is named, and not all of them."""
    lost = {"name": "lost", "subscription": SUBSCRIPTION, "deletedAt": "2026-02-25T00:00:00Z"}
    fault = {"service": "arm", "match": f"GET {OTHER}*/deletedVaults*", "kind": "503"}

    found = exposed_by(held(CORP), more={"deletedVaults": [lost]}, faults=[fault])

    (unread, told) = found.unseen
    assert unread.startswith(f"vaults that were deleted in subscription {OTHER_SUBSCRIPTION}: ")
    assert told.startswith("vault lost of")


def test_while_the_roles_are_not_known_every_deleted_vault_counts() -> None:
    """Nobody can say then that it was out of reach."""
    lost = {"name": "lost", "subscription": SUBSCRIPTION, "deletedAt": "2026-02-25T00:00:00Z"}
    fault = {"service": "arm", "match": "GET *eventtypes*", "kind": "503"}

    found = exposed_by(more={"deletedVaults": [lost]}, faults=[fault])

    assert any(each.startswith("vault lost") for each in found.unseen)


def test_what_cordon_itself_cut_leads_to_a_deleted_vault_as_before() -> None:
    """The look comes after the cut, and the log of it later still."""
    lost = {"name": "lost", "subscription": SUBSCRIPTION, "deletedAt": "2026-02-25T00:00:00Z"}
    role = {"principalId": PRINCIPAL, "roleDefinitionName": "Key Vault Secrets User", "scope": WHOLE}

    async def story(estate: Estate, desk: Desk) -> None:
        before = await look_for_exposure(estate, wired(desk).directory, ACCUSED)
        (held_by,) = (HeldGrant(each.grants[0], each.vault) for each in before.reach.vaults)
        await estate.access.remove_grant(held_by.grant)
        await asyncio.sleep(600)
        image: JsonObject = {"vaults": [vault_image(held_by.vault)], "removing": [held_by.image]}

        after = await look_for_exposure(estate, wired(desk).directory, ACCUSED, taken=[image])

        assert [each.partition(" of ")[0] for each in after.unseen] == ["vault lost"]

    late = Behaviour.gentle(activity_delay=(900.0, 900.0))
    with_estate(
        story,
        azure(SHOP, roleAssignments=[role], deletedVaults=[lost]),
        behaviour=late,
        tenant=payroll(groups=NESTED),
    )
