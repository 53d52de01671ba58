"""Tiers of exposed secrets, told from what was gathered: nothing that could not be looked at counts as clean."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.case import CouldNotLook, Known, Part
from shared.estate import (
    NO_LOG,
    NOBODY,
    DeletedVault,
    DeletedVaults,
    Grant,
    Logging,
    Reach,
    Reached,
    SecretRead,
    SecretRef,
    SecretSeen,
    VaultSeen,
)
from shared.exposure import Exposure, Gathered, find_exposure, with_readers
from shared.rotation_plan import is_read_again

T0 = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
US = "0c0c0c0c-0000-4000-8000-00000000cccc"
DARK = Known(Logging(NO_LOG, dark=True))
OTHER = "0c0c0c0c-1111-4000-8000-00000000cccc"


def read(vault: str, name: str, hours: int = 0, **more: object) -> SecretRead:
    """One read by the identity."""
    at = T0 + timedelta(hours=hours)
    whole = SecretRead(SecretRef(vault, name), (), at, at, 1, ("198.51.100.9",), US)
    return replace(whole, **more)  # type: ignore[arg-type]


def seen(vault: str, name: str) -> SecretSeen:
    return SecretSeen(SecretRef(vault, name), None, True, T0, T0)


def grant(vault: str, *, reads: bool = True, secret: str = "") -> Grant:
    scope = f"/subscriptions/s1/vaults/{vault}" + (f"/secrets/{secret}" if secret else "")
    role = "Key Vault Secrets User" if reads else "Contributor"
    return Grant("role-assignment", f"{scope}/r1", US, scope, role, reads, not reads, {})


def reached(vault: str, *grants: Grant) -> Reached:
    whole = VaultSeen(f"/subscriptions/s1/vaults/{vault}", vault, "s1", rbac=True)
    return Reached(whole, grants or (grant(vault),))


def gathered(
    *vaults: Reached,
    reads: Part[tuple[SecretRead, ...]] | None = None,
    logged: dict[str, Part[Logging]] | None = None,
    unseen: tuple[str, ...] = (),
) -> Gathered:
    """Vaults with the secrets a and b, all of them logged, of which nothing was read."""
    return Gathered(
        reads=reads or Known(()),
        reach=Reach(vaults, unseen),
        logged={each.vault.name: Known(Logging()) for each in vaults} | (logged or {}),
        secrets={each.vault.name: Known((seen(each.vault.name, "b"), seen(each.vault.name, "a"))) for each in vaults},
    )


def tiers(exposure: Exposure) -> dict[str, int]:
    return {f"{each.ref.vault}/{each.ref.name}": each.tier for each in exposure.secrets}


def test_what_was_read_comes_first_then_its_vault_then_what_else_is_within_reach() -> None:
    """The order that was asked for: read, same vault, the rest of the reach."""
    found = find_exposure(gathered(reached("far"), reached("shop"), reads=Known((read("shop", "b"),))))

    assert list(tiers(found).items()) == [("shop/b", 1), ("shop/a", 2), ("far/a", 3), ("far/b", 3)]
    assert found.secrets[0].why == "the identity read it once, 2026-03-02T03:00:00Z, from 198.51.100.9"
    assert "Key Vault Secrets User at /subscriptions/s1/vaults/far" in found.secrets[2].why


def test_rows_of_one_secret_are_told_as_one_reading() -> None:
    """Two workspaces, or a row by object id and one by client id, are no two secrets."""
    rows = (
        read("shop", "a", 5, versions=("v2",), addresses=("203.0.113.1",), count=2),
        read("shop", "a", 1, versions=("v1", "v2")),
    )

    (whole,) = (each.reads for each in find_exposure(gathered(reached("shop"), reads=Known(rows))).of_tier(1))

    assert whole is not None
    assert (whole.count, whole.first, whole.last) == (3, T0 + timedelta(hours=1), T0 + timedelta(hours=5))
    assert (set(whole.versions), set(whole.addresses)) == ({"v1", "v2"}, {"203.0.113.1", "198.51.100.9"})


def test_a_readable_vault_without_a_log_is_not_known_to_be_clean() -> None:
    """No row is no proof: its secrets count as read, and the report says why."""
    found = find_exposure(gathered(reached("dark"), reached("shop"), logged={"dark": DARK}))

    assert tiers(found) == {"dark/a": 1, "dark/b": 1, "shop/a": 3, "shop/b": 3}
    assert "nobody can say that it did not" in found.secrets[0].why
    assert found.secrets[0].reads is None


def test_not_knowing_whether_a_vault_is_logged_is_like_having_no_log() -> None:
    """A right that Cordon lacks makes nothing clean, and is named."""
    found = find_exposure(gathered(reached("dark"), logged={"dark": CouldNotLook("403 from ARM")}))

    assert tiers(found) == {"dark/a": 1, "dark/b": 1}
    assert found.unseen == ("whether reads in vault dark are logged: 403 from ARM",)


def test_logs_that_cannot_be_read_make_everything_readable_exposed() -> None:
    """A result that is not whole proves as little as none."""
    found = find_exposure(gathered(reached("shop"), reads=CouldNotLook("the result is not whole")))

    assert tiers(found) == {"shop/a": 1, "shop/b": 1}
    assert found.unseen == ("which secrets the identity read: the result is not whole",)


def test_a_grant_on_one_secret_reaches_no_other() -> None:
    """A role may be given at a single secret."""
    found = find_exposure(gathered(reached("shop", grant("shop", secret="a"))))

    assert tiers(found) == {"shop/a": 3}


def test_who_can_only_give_itself_access_has_not_read_without_a_log() -> None:
    """It is within reach and says so; that its reads are not logged is told as a doubt."""
    vault = reached("shop", grant("shop", reads=False), grant("shop", secret="a"))

    found = find_exposure(gathered(vault, logged={"shop": DARK}))

    assert tiers(found) == {"shop/a": 1, "shop/b": 3}
    assert "can give itself the right, by Contributor" in found.secrets[1].why
    assert "whether it did is not known" in found.secrets[1].why


def test_a_secret_that_was_read_and_is_no_longer_there_is_named() -> None:
    """Deleting it in the vault closed nothing that it opens."""
    found = find_exposure(gathered(reached("shop"), reads=Known((read("shop", "gone"), read("lost", "x")))))

    assert [each.secret.name for each in found.missing] == ["x", "gone"]
    assert "secret gone of vault shop was read, but the vault does not show it" in found.unseen[1]
    assert tiers(found) == {"shop/a": 2, "shop/b": 2}


def test_what_could_not_be_listed_is_named_and_not_empty() -> None:
    """A firewalled vault, and subscriptions that Cordon may not read."""
    whole = gathered(reached("shut"), unseen=("subscription s2: no Reader",))
    shut = replace(whole, secrets={"shut": CouldNotLook("the vault's firewall")})

    assert find_exposure(shut).unseen == (
        "subscription s2: no Reader",
        "the secrets of vault shut: the vault's firewall",
    )


def test_cordons_own_vault_comes_last_in_its_tier() -> None:
    """A mistake there would cut off the responder itself."""
    whole = gathered(reached("handover"), reached("shop"), reads=Known((read("handover", "a"), read("shop", "b"))))

    found = find_exposure(replace(whole, own_vault="handover"))

    assert list(tiers(found)) == ["shop/b", "handover/a", "shop/a", "handover/b"]


def test_other_readers_are_told_and_the_identity_is_none_of_them() -> None:
    """They are who breaks."""
    rows = (read("shop", "a"), read("shop", "a", reader=OTHER), read("elsewhere", "a", reader=OTHER))
    found = find_exposure(gathered(reached("shop"), reached("dark"), logged={"dark": DARK}))

    told = with_readers(found, Known(rows), lambda row: row.reader == US)
    by_name = {(each.ref.vault, each.ref.name): each for each in told.secrets}

    assert [row.reader for row in by_name["shop", "a"].readers] == [OTHER]
    assert (by_name["shop", "b"].readers, by_name["shop", "b"].more_readers) == ((), None)
    assert "not logged" in (by_name["dark", "a"].more_readers or "")


def test_readers_that_could_not_be_asked_for_are_not_nobody() -> None:
    """The report says that there may be some."""
    found = find_exposure(gathered(reached("shop")))

    told = with_readers(found, CouldNotLook("throttled"), lambda row: False)

    assert found.secrets[0].more_readers == "nobody has looked yet"
    assert {each.more_readers for each in told.secrets} == {"throttled"}
    assert told.unseen == ("who else reads them: throttled",)


def test_a_resource_group_called_secrets_hides_no_vault() -> None:
    """Its name stands in the scope of every grant on a vault in it, as the word does before a single secret's name."""
    id_ = "/subscriptions/s1/resourcegroups/secrets/providers/microsoft.keyvault/vaults/shop"
    whole = Grant("role-assignment", "r1", US, id_, "Key Vault Secrets User", reads=True, grants_itself=False, image={})
    one = replace(whole, scope=f"{id_}/secrets/a")
    vault = VaultSeen(id_, "shop", "s1", rbac=True)

    by_vault = find_exposure(gathered(Reached(vault, (whole,)), logged={"shop": DARK}))
    by_secret = find_exposure(gathered(Reached(vault, (one,))))

    assert tiers(by_vault) == {"shop/a": 1, "shop/b": 1}
    assert tiers(by_secret) == {"shop/a": 3}


def test_a_read_of_which_the_log_names_nobody_was_of_anybody_who_gets_at_the_vault() -> None:
    """Of a vault within reach it may have been the identity; of another it was not."""
    rows = (read("shop", "a", reader=NOBODY), read("far", "a", reader=NOBODY))

    found = find_exposure(gathered(reached("shop"), reads=Known(rows)))

    assert tiers(found) == {"shop/a": 1, "shop/b": 2}
    assert "the log does not say by whom" in found.secrets[0].why
    assert found.dark == {"shop"}
    assert found.missing == ()


def test_a_read_of_nobody_s_says_nothing_more_of_what_the_identity_read() -> None:
    """It may be a consumer's, and must not have the secret rotated again and again."""
    rows = (read("shop", "a", reader=NOBODY, count=9), read("shop", "a"))

    found = find_exposure(gathered(reached("shop"), reads=Known(rows)))

    assert found.secrets[0].reads is not None
    assert found.secrets[0].reads.count == 1
    assert not is_read_again(replace(found.secrets[0], reads=replace(rows[0], unnamed=True)), "v2", T0)


def test_a_log_that_names_nobody_tells_of_no_later_read_either() -> None:
    """Also where the identity is known to have read that secret while the log still named its readers."""
    rows = (read("shop", "a", reader=NOBODY), read("shop", "a"), read("far", "a", reader=NOBODY))

    assert find_exposure(gathered(reached("shop"), reads=Known(rows))).dark == {"shop"}


def test_what_could_be_taken_by_a_deployment_is_told_as_that() -> None:
    """No log names who had it read, so that a quiet log is not called a proof."""
    way = replace(grant("shop", reads=False), by_deployment=True)

    found = find_exposure(gathered(reached("shop", way)))

    assert tiers(found) == {"shop/a": 3, "shop/b": 3}
    assert "could take it by a deployment, which no log tells in its name" in found.secrets[0].why


def binned(vault: str, name: str, days: int) -> SecretSeen:
    return replace(seen(vault, name), deleted=T0 - timedelta(days=days))


def with_bin(given: Gathered, *deleted: SecretSeen) -> Gathered:
    return replace(given, deleted={"shop": Known(deleted)}, since=T0 - timedelta(days=30))


def test_a_secret_that_was_deleted_since_is_in_its_tier() -> None:
    """Whoever had its value has it still; deleting it in the vault closed nothing."""
    reads = Known((read("shop", "gone", hours=-200),))

    found = find_exposure(with_bin(gathered(reached("shop"), reads=reads), binned("shop", "gone", 2)))

    assert tiers(found) == {"shop/gone": 1, "shop/a": 2, "shop/b": 2}
    assert "it was deleted at 2026-02-28T03:00:00Z, and can be recovered only" in found.secrets[0].why
    assert found.missing == ()


def test_a_secret_that_was_deleted_before_counts_only_where_no_log_tells() -> None:
    """Nobody reads it then but by recovering it or as a deleted one, and the log tells of both."""
    old = binned("shop", "gone", 40)

    assert "shop/gone" not in tiers(find_exposure(with_bin(gathered(reached("shop")), old)))
    dark = find_exposure(with_bin(gathered(reached("shop"), logged={"shop": DARK}), old))
    assert tiers(dark)["shop/gone"] == 1


def test_deleted_secrets_and_vaults_that_nobody_can_look_into_are_named() -> None:
    """A list that could not be read is not empty, and a vault that is gone was not."""
    vaults = Known(DeletedVaults((DeletedVault("old", "s1", T0),)))
    given = replace(gathered(reached("shop")), deleted={"shop": CouldNotLook("403")}, deleted_vaults=vaults)

    unseen = find_exposure(given).unseen

    assert unseen[0] == "the deleted secrets of vault shop: 403"
    assert unseen[1].startswith("vault old of subscription s1 was deleted at 2026-03-02T03:00:00Z: nobody can tell")
    blind = replace(given, deleted={}, deleted_vaults=CouldNotLook("503"))
    assert find_exposure(blind).unseen == ("vaults that were deleted: 503",)


def test_a_subscription_that_does_not_tell_its_deleted_vaults_is_named_beside_those_of_the_others() -> None:
    """What is known stays known; and where no role leads there, it is nothing."""
    vaults = Known(DeletedVaults((DeletedVault("old", "s1", T0),), {"s2": "503"}))
    given = replace(gathered(reached("shop")), deleted_vaults=vaults)
    within = replace(given, reach=replace(given.reach, scopes=("/subscriptions/s1",)))

    assert [each.partition(":")[0] for each in find_exposure(given).unseen] == [
        "vaults that were deleted in subscription s2",
        "vault old of subscription s1 was deleted at 2026-03-02T03",
    ]
    assert len(find_exposure(within).unseen) == 1
