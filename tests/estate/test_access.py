"""
Who gets at which vault: through roles, groups, scopes above and policies; and what could not be seen. Azure notes 3.3
to 3.5.
"""

from typing import Any

import pytest

from drill.practice import Behaviour, cordon_object_id
from shared.actions.declared import with_declared
from shared.case import CouldNotLook, Known
from shared.errors import PermissionMissing, PlatformRefused
from shared.estate import Estate, Grant, Reach, Reached, VaultSeen
from shared.identity import PrincipalId
from tests.estate.desk import (
    GROUP,
    OTHER_SUBSCRIPTION,
    OUTER,
    SUBSCRIPTION,
    estate_of,
    known,
    vault_id,
    with_estate,
)
from tests.practice.desk import PRINCIPAL, Desk, payroll

US = PrincipalId(PRINCIPAL)
PROD = "/providers/Microsoft.Management/managementGroups/prod"
SHOP = VaultSeen(vault_id("shop"), "shop", SUBSCRIPTION, rbac=True)


def role(name: str, scope: str, holder: str = PRINCIPAL, **more: Any) -> dict[str, Any]:
    return {"principalId": holder, "roleDefinitionName": name, "scope": scope, **more}


def policy(*secrets: str, holder: str = PRINCIPAL, **more: Any) -> dict[str, Any]:
    return {"objectId": holder, "permissions": {"secrets": [*secrets]}, **more}


def azure(*roles: dict[str, Any], shop: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The vaults shop and bank in two subscriptions, of which only the first is in the group prod."""
    return {
        "subscriptions": [
            {"subscriptionId": SUBSCRIPTION, "managementGroupAncestorsChain": [{"name": "Prod"}, {"name": "corp"}]},
            {"subscriptionId": OTHER_SUBSCRIPTION, "managementGroupAncestorsChain": [{"name": "corp"}]},
        ],
        "vaults": [
            {
                "name": "shop",
                "subscription": SUBSCRIPTION,
                "secrets": [{"name": "db"}, {"name": "api"}],
                **(shop or {}),
            },
            {"name": "bank", "subscription": OTHER_SUBSCRIPTION, "secrets": [{"name": "db"}]},
        ],
        "roleAssignments": [*roles],
        **more,
    }


def reached_by(*roles: dict[str, Any], groups: tuple[str, ...] = (), **more: Any) -> Reach:
    """What the identity reaches by these roles."""

    async def story(estate: Estate, _: Desk) -> Reach:
        return await estate.access.reach(US, Known(groups))

    return with_estate(story, azure(*roles, **more))


def names(reach: Reach) -> list[str]:
    return [each.vault.name for each in reach.vaults]


def only(reach: Reach) -> Reached:
    (found,) = reach.vaults
    return found


def test_a_nested_group_at_a_management_group_reaches_every_vault_below() -> None:
    """From Graph's groups in groups to a role two levels above the vault."""
    groups = [{"id": GROUP, "members": [PRINCIPAL]}, {"id": OUTER, "members": [GROUP]}]

    async def story(estate: Estate, desk: Desk) -> None:
        reach = await estate.access.reach(US, Known((GROUP, OUTER)))
        found = only(reach)

        assert (found.vault.name, found.vault.rbac, found.only) == ("shop", True, frozenset())
        assert [(each.holder, each.scope, each.reads) for each in found.grants] == [(OUTER, PROD.lower(), True)]
        assert found.grants[0].role == "Key Vault Secrets User"
        assert reach.unseen == ()

    with_estate(story, azure(role("Key Vault Secrets User", PROD, OUTER)), tenant=payroll(groups=groups))


@pytest.mark.parametrize(
    ("scope", "reached"),
    [
        ("/", ["bank", "handover", "shop"]),
        ("/providers/Microsoft.Management/managementGroups/corp", ["bank", "shop"]),
        (PROD, ["shop"]),
        (f"/subscriptions/{OTHER_SUBSCRIPTION}", ["bank"]),
        (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Practice", ["shop"]),
        (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/pract", []),
        (vault_id("shop"), ["shop"]),
        (vault_id("sho"), []),
        (f"{vault_id('shop')}/secrets/db", ["shop"]),
        (f"{vault_id('shop')}/keys/db", []),
    ],
)
def test_a_scope_covers_what_lies_below_it_and_nothing_beside(scope: str, reached: list[str]) -> None:
    """Prefixes end at a slash; groups of subscriptions are found through the chain above them."""
    assert sorted(names(reached_by(role("Key Vault Secrets User", scope)))) == reached


def test_a_role_on_one_secret_reaches_that_secret_alone() -> None:
    """The scope of a role may be a single secret."""
    found = only(reached_by(role("Key Vault Secrets User", f"{vault_id('shop')}/secrets/db")))

    assert found.only == {"db"}


def test_a_role_on_the_vault_beside_one_on_a_secret_reaches_all_of_it() -> None:
    """The wider one counts."""
    both = (role("Key Vault Secrets User", f"{vault_id('shop')}/secrets/db"), role("Key Vault Administrator", PROD))

    assert only(reached_by(*both)).only == frozenset()


@pytest.mark.parametrize(
    ("permissions", "reaches"),
    [
        ({"dataActions": ["Microsoft.KeyVault/vaults/secrets/getSecret/action"]}, True),
        ({"dataActions": ["microsoft.keyvault/VAULTS/*"]}, True),
        ({"dataActions": ["*"]}, True),
        ({"dataActions": ["Microsoft.KeyVault/vaults/secrets/backup/action"]}, True),
        ({"dataActions": ["Microsoft.KeyVault/vaults/secrets/readMetadata/action"]}, False),
        ({"dataActions": ["*"], "notDataActions": ["Microsoft.KeyVault/*"]}, False),
        ({"dataActions": ["*/getSecret/action"], "notDataActions": ["*/backup/action"]}, True),
        ({"actions": ["*/read"]}, False),
        ({"actions": ["Microsoft.Authorization/roleAssignments/*"]}, True),
        ({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}, True),  # by a deployment
        ({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write", "Microsoft.KeyVault/*"]}, False),
    ],
)
def test_a_custom_role_is_judged_by_its_data_actions(permissions: dict[str, list[str]], reaches: bool) -> None:
    """With wildcards, and with what it takes away from itself."""
    definition = {"roleName": "Tailored", "permissions": [permissions]}

    reach = reached_by(role("Tailored", vault_id("shop")), roleDefinitions=[definition])

    assert bool(reach.vaults) is reaches


@pytest.mark.parametrize(
    ("name", "rbac", "itself"),
    [
        ("Owner", True, True),
        ("User Access Administrator", True, True),
        ("Role Based Access Control Administrator", True, True),
        ("Key Vault Data Access Administrator", True, True),
        ("Contributor", True, True),  # it opens the vault to templates, and deploys one
        ("Key Vault Contributor", True, True),
        ("Key Vault Reader", True, None),
        ("Key Vault Crypto Officer", True, None),
        ("Key Vault Certificate User", True, False),
        ("Contributor", False, True),
        ("Key Vault Contributor", False, True),
        ("Owner", False, True),
        ("User Access Administrator", False, True),
        ("Key Vault Secrets User", False, None),
        ("Reader", False, None),
    ],
)
def test_who_can_give_itself_access_is_within_reach_and_marked(name: str, rbac: bool, itself: bool | None) -> None:
    """By the vault's own rule: roles count where roles decide, and policies where policies do."""
    reach = reached_by(role(name, vault_id("shop")), shop={"rbac": rbac})

    marks = [(each.grants_itself, each.reads) for found in reach.vaults for each in found.grants]
    assert marks == ([] if itself is None else [(itself, not itself)])


@pytest.mark.parametrize(
    ("actions", "opened", "reaches"),
    [
        (["Microsoft.KeyVault/vaults/deploy/action"], "enabledForTemplateDeployment", True),
        (["Microsoft.KeyVault/vaults/deploy/action"], "enabledForDeployment", True),
        (["Microsoft.KeyVault/vaults/deploy/action"], "enabledForDiskEncryption", True),
        (["Microsoft.KeyVault/vaults/deploy/action"], None, False),
        (["Microsoft.KeyVault/vaults/deploy/action", "Microsoft.KeyVault/vaults/write"], None, True),
        (["Microsoft.KeyVault/vaults/write"], "enabledForTemplateDeployment", False),
    ],
)
def test_who_deploys_from_a_vault_that_is_open_to_it_could_take_its_secrets(
    actions: list[str], opened: str | None, reaches: bool
) -> None:
    """No right to read is needed for that; who may write the vault opens it."""
    definition = {"roleName": "Tailored", "permissions": [{"actions": actions}]}

    reach = reached_by(
        role("Tailored", vault_id("shop")),
        roleDefinitions=[definition],
        shop={} if opened is None else {opened: True},
    )

    marks = [(each.reads, each.grants_itself, each.by_deployment) for found in reach.vaults for each in found.grants]
    assert marks == ([(False, True, True)] if reaches else [])


def test_one_role_may_open_a_vault_and_another_deploy_from_it() -> None:
    """Two halves in one hand."""
    halves = [
        {"roleName": "Opens", "permissions": [{"actions": ["Microsoft.KeyVault/vaults/write"]}]},
        {"roleName": "Deploys", "permissions": [{"actions": ["Microsoft.KeyVault/vaults/deploy/action"]}]},
    ]

    reach = reached_by(role("Opens", PROD), role("Deploys", vault_id("shop")), roleDefinitions=halves)

    assert [each.role for each in only(reach).grants] == ["Deploys"]


@pytest.mark.parametrize("action", ["roleDefinitions", "roleAssignmentScheduleRequests"])
def test_who_changes_its_own_role_or_asks_for_one_can_give_itself_access(action: str) -> None:
    """There is more than one way to a role."""
    definition = {"roleName": "Tailored", "permissions": [{"actions": [f"Microsoft.Authorization/{action}/write"]}]}

    (grant,) = only(reached_by(role("Tailored", vault_id("shop")), roleDefinitions=[definition])).grants

    assert (grant.reads, grant.grants_itself, grant.by_deployment) == (False, True, False)


def test_a_role_with_a_condition_counts_and_says_so() -> None:
    """What the condition comes to is not judged."""
    given = role("Key Vault Secrets User", vault_id("shop"), condition="@Resource[x] StringEquals 'y'")

    (grant,) = only(reached_by(given)).grants

    assert grant.reads
    assert grant.role == "Key Vault Secrets User (with a condition)"


@pytest.mark.parametrize("rbac", [False, None])
def test_access_policies_count_where_they_decide(rbac: bool | None) -> None:
    """Of the identity and its groups; those for an application on behalf of users are not its own."""
    entries = [
        policy("Get", "List"),
        policy("all", holder=GROUP),
        policy("list", holder=OUTER),
        policy("get", applicationId="0a0a0a0a-0000-4000-8000-00000000aaaa"),
    ]

    found = only(reached_by(shop={"rbac": rbac, "accessPolicies": entries}, groups=(GROUP, OUTER)))

    assert not found.vault.rbac
    assert [(each.kind, each.holder, each.reads) for each in found.grants] == [
        ("access-policy", PRINCIPAL, True),
        ("access-policy", GROUP, True),
    ]
    assert "secrets: get, list" in found.grants[0].role


def test_access_policies_of_a_vault_where_roles_decide_are_dead_letters() -> None:
    """They may have been left behind."""
    assert not reached_by(shop={"accessPolicies": [policy("get")]}).vaults


def test_groups_that_could_not_be_read_are_named() -> None:
    """What they reach is not known, and that is not nothing."""

    async def story(estate: Estate, _: Desk) -> None:
        reach = await estate.access.reach(US, CouldNotLook("Graph says 403"))

        assert names(reach) == ["shop"]
        assert any("groups" in each and "Graph says 403" in each for each in reach.unseen)

    with_estate(story, azure(role("Key Vault Secrets User", PROD)))


def test_no_reader_is_not_no_vaults() -> None:
    """An empty list from somebody who may not look is no list."""
    reach = reached_by(role("Key Vault Secrets User", PROD), permissions={"reader": []})

    assert not reach.vaults
    assert any("no role" in each and "sees none at all" in each for each in reach.unseen)


def test_a_reader_of_one_subscription_says_that_there_may_be_others() -> None:
    """The other subscription's vault is missing, and nothing in the answer shows it."""
    reader = [{"roleDefinitionName": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]

    reach = reached_by(role("Key Vault Secrets User", "/"), permissions={"reader": reader})

    assert names(reach) == ["shop"]
    (unseen,) = reach.unseen
    assert f"sees only {SUBSCRIPTION}" in unseen
    assert "Assign the role Reader to the identity of CORDON_READER_CLIENT_ID at the scope" in unseen
    assert reach.passing == ()


@pytest.mark.parametrize(
    ("declared", "accepted"),
    [((SUBSCRIPTION,), True), ((OTHER_SUBSCRIPTION, SUBSCRIPTION), False), ((OTHER_SUBSCRIPTION,), False), ((), False)],
)
def test_a_policys_word_on_the_subscriptions_counts_only_where_the_reader_sees_just_these(
    declared: tuple[str, ...], accepted: bool
) -> None:
    """A list that is not what there is says nothing; and without one, nobody knows that there is no more."""
    reader = [{"roleDefinitionName": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]
    reach = with_declared(reached_by(role("Key Vault Secrets User", "/"), permissions={"reader": reader}), declared)

    assert names(reach) == ["shop"]
    assert bool(reach.accepted) is accepted
    assert (reach.unseen == ()) is accepted
    assert any("is not what there is" in each for each in reach.unseen) is (bool(declared) and not accepted)


def test_a_policys_word_covers_nothing_but_other_subscriptions() -> None:
    """Groups that could not be read stay unseen, whatever is declared."""
    reader = [{"roleDefinitionName": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]

    async def story(estate: Estate, _: Desk) -> None:
        reach = with_declared(await estate.access.reach(US, CouldNotLook("Graph says 403")), (SUBSCRIPTION,))

        (left,) = reach.unseen
        assert "Graph says 403" in left

    with_estate(story, azure(role("Key Vault Secrets User", PROD), permissions={"reader": reader}))


@pytest.mark.parametrize("match", ["GET *managementGroups*", "GET /subscriptions"])
def test_whether_all_is_seen_may_be_told_later_where_nobody_answers_now(match: str) -> None:
    """A busy service is no missing right: the look is taken again, and nobody is called."""
    fault = {"service": "arm", "match": match, "kind": "503"}
    reader = [{"roleDefinitionName": "Reader", "scope": f"/subscriptions/{SUBSCRIPTION}"}]

    async def story(estate: Estate, _: Desk) -> None:
        reach = await estate.access.reach(US, Known(()))

        assert names(reach) == ["shop"]
        (unseen,) = reach.unseen
        assert "503" in unseen
        assert reach.passing == reach.unseen

    roles = azure(role("Key Vault Secrets User", PROD), permissions={"reader": reader})
    with_estate(story, roles, faults=[fault])


def test_a_list_that_was_cut_is_not_taken_for_the_whole() -> None:
    """Resource Graph says so in one word, beside rows that look complete."""

    async def story(estate: Estate, _: Desk) -> None:
        reach = await estate.access.reach(US, Known(()))

        assert not reach.vaults
        assert any("cut the result" in each for each in reach.unseen)

    with_estate(story, azure(role("Key Vault Secrets User", PROD)), behaviour=Behaviour.gentle(truncated_graph=True))


def test_vaults_on_later_pages_are_found() -> None:
    """The skip token leads to the rest."""

    async def story(estate: Estate, _: Desk) -> None:
        reach = await estate.access.reach(US, Known(()))

        assert len(reach.vaults) == 71
        assert reach.unseen == ()

    many = {"vaults": [{"name": f"vault{n}", "subscription": SUBSCRIPTION} for n in range(70)]}
    roles = role("Key Vault Secrets User", "/")
    with_estate(story, {**azure(roles), **many}, behaviour=Behaviour.gentle(resource_graph_page=30))


def test_a_storm_of_refusals_is_waited_out() -> None:
    """Resource Graph allows fifteen questions in five seconds; others may have used them."""
    fault = {"service": "arm", "match": "POST *ResourceGraph*", "kind": "429", "count": 3, "retryAfter": 5}

    async def story(estate: Estate, _: Desk) -> None:
        assert names(await estate.access.reach(US, Known(()))) == ["shop"]

    with_estate(story, azure(role("Key Vault Secrets User", PROD)), faults=[fault])


def test_resource_graph_that_does_not_answer_leaves_its_part_unseen() -> None:
    """All of it is named; nothing is made up."""
    fault = {"service": "arm", "match": "POST *ResourceGraph*", "kind": "503"}

    async def story(estate: Estate, _: Desk) -> None:
        reach = await estate.access.reach(US, Known(()))

        assert not reach.vaults
        assert sum("503" in each for each in reach.unseen) == 2

    with_estate(story, azure(role("Key Vault Secrets User", PROD)), faults=[fault])


# --- grants -------------------------------------------------------------------------------------------------


async def grants(estate: Estate, holder: str = PRINCIPAL) -> tuple[Grant, ...]:
    return known(await estate.access.grants_on(SHOP, holder))


def test_a_role_is_taken_away_and_given_back_under_the_same_id() -> None:
    """Taken twice, and given back twice, comes to the same."""
    given = role("Key Vault Secrets User", vault_id("shop"), condition="@Resource[x] StringEquals 'y'")

    async def story(estate: Estate, desk: Desk) -> None:
        (before,) = await grants(estate)
        await estate.access.remove_grant(before)
        await estate.access.remove_grant(before)
        assert await grants(estate) == ()

        await estate.access.restore_grant(before)
        await estate.access.restore_grant(before)
        assert await grants(estate) == (before,)
        assert {each["by"] for each in desk.tenant.effects} == {desk.tenant.cordon["executor"].client_id}

    with_estate(story, azure(given))


def test_a_role_from_above_and_one_on_a_secret_are_grants_on_the_vault() -> None:
    """Whoever takes away only what lies on the vault itself has cut nothing."""
    roles = (
        role("Key Vault Secrets User", PROD),
        role("Key Vault Secrets User", f"{vault_id('shop')}/secrets/db"),
        role("Key Vault Secrets User", f"{vault_id('shop')}/keys/db"),
        role("Owner", f"/subscriptions/{SUBSCRIPTION}"),
        role("Reader", "/"),
        role("Key Vault Secrets User", vault_id("shop"), GROUP),
    )

    async def story(estate: Estate, _: Desk) -> None:
        found = await grants(estate)

        assert [(each.scope, each.reads, each.grants_itself) for each in found] == [
            (PROD.lower(), True, False),
            (f"{vault_id('shop')}/secrets/db", True, False),
            (f"/subscriptions/{SUBSCRIPTION}", False, True),
        ]

    with_estate(story, azure(*roles), tenant=payroll(groups=[{"id": GROUP, "members": [PRINCIPAL]}]))


def test_an_entry_of_an_access_policy_is_taken_away_and_given_back_whole() -> None:
    """With what it gave on keys and certificates; the entries of others stay."""
    entry = {"objectId": PRINCIPAL, "permissions": {"secrets": ["get", "list"], "keys": ["sign"]}}
    entries = [entry, policy("get", holder=GROUP)]

    async def story(estate: Estate, desk: Desk) -> None:
        (before,) = await grants(estate)
        await estate.access.remove_grant(before)
        await estate.access.remove_grant(before)
        assert await grants(estate) == ()
        assert len(await grants(estate, GROUP)) == 1

        await estate.access.restore_grant(before)
        assert await grants(estate) == (before,)
        assert before.image["permissions"]["keys"] == ["sign"]  # type: ignore[index,call-overload]

    with_estate(story, azure(shop={"rbac": False, "accessPolicies": entries}))


@pytest.mark.parametrize("kind", ["timeout-applied", "503-applied", "429-applied", "reset", "429"])
def test_taking_away_is_repeated_after_a_lost_answer(kind: str) -> None:
    """Taken is taken: the second answer says that there is nothing left."""
    fault = {"service": "arm", "match": "DELETE *", "kind": kind, "count": 1}

    async def story(estate: Estate, _: Desk) -> None:
        (before,) = await grants(estate)
        await estate.access.remove_grant(before)

        assert await grants(estate) == ()

    with_estate(story, azure(role("Key Vault Secrets User", vault_id("shop"))), faults=[fault])


def test_a_role_that_somebody_gave_again_meanwhile_counts_as_given_back() -> None:
    """The same role for the same holder under another id is the same power."""

    async def story(estate: Estate, desk: Desk) -> None:
        (before,) = await grants(estate)
        await estate.access.remove_grant(before)
        another = before.id[:-12] + "999999999999"
        await estate.access.restore_grant(
            Grant(before.kind, another, before.holder, before.scope, before.role, True, False, before.image)
        )
        await estate.access.restore_grant(before)

        assert [each.id for each in await grants(estate)] == [another]

    with_estate(story, azure(role("Key Vault Secrets User", vault_id("shop"))))


def test_a_right_to_take_away_that_is_missing_is_named() -> None:
    """And nothing was changed."""

    async def story(estate: Estate, desk: Desk) -> None:
        (before,) = await grants(estate)
        with pytest.raises(PermissionMissing, match="User Access Administrator"):
            await estate.access.remove_grant(before)

        assert await grants(estate) == (before,)

    with_estate(story, azure(role("Key Vault Secrets User", vault_id("shop")), permissions={"executor": []}))


def test_without_an_executor_nothing_is_taken_away() -> None:
    """In watch mode there may be none."""

    async def story(_: Estate, desk: Desk) -> None:
        estate = estate_of(desk.tenant, CORDON_EXECUTOR_CLIENT_ID="", CORDON_MODE="watch")
        (before,) = await grants(estate)
        with pytest.raises(PlatformRefused, match="CORDON_EXECUTOR_CLIENT_ID"):
            await estate.access.remove_grant(before)

    with_estate(story, azure(role("Key Vault Secrets User", vault_id("shop"))))


def test_cordon_s_own_grants_are_told_like_any_other() -> None:
    """Whom to leave alone is decided elsewhere, by ids."""

    async def story(estate: Estate, _: Desk) -> None:
        assert [each.role for each in await grants(estate, cordon_object_id("rotator"))] == [
            "Key Vault Secrets Officer"
        ]

    with_estate(story, azure())


def test_a_role_whose_definition_is_not_shown_is_named() -> None:
    """What it allows is not known."""
    fault = {"service": "arm", "match": "POST *ResourceGraph*", "kind": "403", "after": 2}

    async def story(estate: Estate, _: Desk) -> None:
        reach = await estate.access.reach(US, Known(()))

        assert not reach.vaults
        assert any("what its roles allow" in each for each in reach.unseen)

    with_estate(story, azure(role("Key Vault Secrets User", PROD)), faults=[fault])


def test_what_could_not_be_seen_for_a_moment_is_told_apart_from_what_nobody_may_see() -> None:
    """A later look sees the one; of the other a person has to be told."""

    async def story(given: Estate, desk: Desk) -> Reach:
        return await given.access.reach(PrincipalId(PRINCIPAL), CouldNotLook("busy", may_help_later=True))

    gone = {"service": "arm", "match": "POST */resources", "kind": "403", "count": 1}
    found = with_estate(story, {"vaults": [{"name": "shop"}]}, faults=[gone])

    assert len(found.unseen) == 2
    assert [each for each in found.unseen if each not in found.passing] != []
    assert ["busy" in each for each in found.passing] == [True]
