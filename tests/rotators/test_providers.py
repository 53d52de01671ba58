"""Addresses from tags: matched as a whole, or no source at all."""

import pytest

from shared.estate import SOURCE_KEYS
from shared.rotators.providers import idle_beside, read_key, read_provider
from tests.rotators.estate import GROUP, SUBSCRIPTION
from tests.rotators.kinds import BUS, COSMOS, HUB, POSTGRES, REDIS, SQL, STORAGE

RULE = "authorizationRules/RootManageSharedAccessKey"


@pytest.mark.parametrize(
    ("address", "what"),
    [
        (STORAGE, "storage"),
        (COSMOS, "cosmos"),
        (f"{BUS}/{RULE}", "service-bus"),
        (f"{BUS}/queues/orders/{RULE}", "service-bus"),
        (f"{BUS}/topics/orders.eu/{RULE}", "service-bus"),
        (f"{HUB}/{RULE}", "event-hub"),
        (f"{HUB}/eventhubs/clicks/{RULE}", "event-hub"),
        (REDIS, "redis"),
        (POSTGRES, "postgres"),
        (SQL, "sql"),
    ],
)
def test_the_address_of_a_known_source_is_read_in_lower_case(address: str, what: str) -> None:
    """ARM ids are the same in any case."""
    provider = read_provider(address)

    assert provider is not None
    assert (provider.what, provider.resource, provider.whole) == (what, address.lower(), True)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "shopdata",
        f"{STORAGE}/",
        f" {STORAGE}",
        f"{STORAGE}\n",
        f"{STORAGE}/listKeys",
        f"{STORAGE}/../../storageAccounts/other",
        f"{STORAGE}?api-version=1",
        f"{STORAGE}#x",
        STORAGE.replace("shopdata", "shop-data"),
        STORAGE.replace("shopdata", "shop%2fdata"),
        STORAGE.replace("shopdata", ".."),
        STORAGE.replace("shop-rg", ".."),
        STORAGE.replace("shop-rg", "a/b"),
        STORAGE.replace("shop-rg", "x" * 91),
        STORAGE.replace(SUBSCRIPTION, "s1"),
        STORAGE.replace(SUBSCRIPTION, ".."),
        STORAGE.replace("Microsoft.Storage", "MicrosoftxStorage"),
        f"{GROUP}/Microsoft.Compute/virtualMachines/shopdata",
        f"https://management.azure.com{STORAGE}",
        f"https://evil.example{STORAGE}",
        STORAGE.replace("shopdata", "shopdatа"),  # the last letter is Cyrillic
        f"{BUS}/queues/a/b/{RULE}",
        f"{BUS}/eventhubs/clicks/{RULE}",
        f"{SQL}/databases/shop",
        "\u212a" + STORAGE,
    ],
)
def test_all_other_text_is_no_source(address: str) -> None:
    """Nothing that a tag says gets into a path but what these shapes let through."""
    assert read_provider(address) is None


@pytest.mark.parametrize("rule", ["", ".", "..", "a/b", "a?b", "a b", "x" * 257, "ключ"])
def test_a_rule_is_a_name_and_nothing_else(rule: str) -> None:
    """It comes from a connection string, and those are anybody's text."""
    provider = read_provider(BUS)

    assert provider is not None
    assert not provider.whole
    assert provider.with_rule(rule) is None
    whole = provider.with_rule("Sender.1")
    assert whole is not None
    assert whole.resource == f"{BUS.lower()}/authorizationrules/sender.1"


def test_keys_are_known_by_the_words_that_services_use_for_them() -> None:
    """Microsoft's samples say key1; others say what the service's own list says."""
    assert read_key("storage", "Key1") == "key1"
    assert read_key("cosmos", "primaryReadonlyMasterKey") == "primaryreadonly"
    assert read_key("service-bus", "SecondaryKey") == "secondary"
    assert read_key("redis", "Primary") == "primary"
    assert read_key("storage", "kerb1") is None
    assert read_key("storage", "") is None


def test_every_key_has_another_of_its_own_pair() -> None:
    """A read-only key is never replaced by one that may write."""
    for what in ("storage", "cosmos", "service-bus", "event-hub", "redis"):
        for key in SOURCE_KEYS[what]:
            other = idle_beside(what, key)
            assert other != key
            assert idle_beside(what, other) == key
            assert ("readonly" in other) == ("readonly" in key)
