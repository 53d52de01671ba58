"""What a scenario expects of secrets is held against what Azure is at the end, and what Cordon wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from drill.expect import Outcome, differences
from drill.scenario import ExpectPart

JsonObject = dict[str, Any]
THIEF = "5b0a11de-1111"
INCIDENT = {"id": "i1", "status": "contained", "identity": {"principal_id": THIEF}}
ACCOUNT = "/subscriptions/s/providers/Microsoft.Storage/storageAccounts/data"


def _version(name: str, version: str, *, works: bool, enabled: bool = True, **more: Any) -> JsonObject:
    shown = {"name": name, "version": version, "works": works, "attributes": {"enabled": enabled}}
    return {**shown, "readBy": [], "opens": None, **more}


def _azure(*versions: JsonObject, consumers: Sequence[JsonObject] = ()) -> JsonObject:
    return {"vaults": [{"name": "shop", "secrets": [*versions]}], "consumers": [*consumers]}


STOLEN = _version("a", "1", works=True, readBy=[THIEF])
BEFORE = _azure(STOLEN, _version("b", "1", works=True))
ROTATED = _azure(
    {**STOLEN, "works": False, "attributes": {"enabled": False}},
    _version("a", "2", works=True),
    _version("b", "1", works=True),
    consumers=[{"name": "web", "uses": 50, "failed": 3, "stranded": 0, "works": True}],
)


def _write(name: str, method: str = "PUT", **more: Any) -> JsonObject:
    effect = {"by": "cordon", "service": "vault", "host": "shop.vault.azure.net", "applied": True, "at": "t"}
    return {**effect, "method": method, "path": f"/secrets/{name}", "body": None, **more}


def _found(expect: Mapping[str, Any], *, after: JsonObject = ROTATED, effects: Sequence[JsonObject] = ()) -> str:
    outcome = Outcome(
        incidents=[INCIDENT],
        effects=effects,
        before={"tenant": {}, "azure": BEFORE},
        after={"tenant": {}, "azure": after},
        events=(),
        own=frozenset({"cordon"}),
    )
    return "\n".join(differences(ExpectPart.model_validate(expect), outcome))


HOLDING: list[JsonObject] = [
    {"vault": "shop", "secret": "a", "stolen": "dead", "old": "dead", "newest": "alive", "versions": 2, "disabled": 1},
    {"vault": "shop", "secret": "b", "old": "alive", "versions": 1, "disabled": 0},
    {"vault": "*", "secret": "*", "newest": "alive"},
]


@pytest.mark.parametrize("expected", HOLDING)
def test_secrets_that_are_as_expected_are_no_difference(expected: JsonObject) -> None:
    """What is not expected is not asked for."""
    assert _found({"secrets": [expected]}) == ""


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"secret": "a", "stolen": "alive"}, "shop/a: version 1, which was stolen, is dead"),
        ({"secret": "b", "old": "dead"}, "shop/b: version 1, which was there before, is alive"),
        ({"secret": "b", "stolen": "dead"}, "shop/b: no version was stolen"),
        ({"secret": "b", "versions": 2}, "shop/b: has 1 versions, expected 2"),
        ({"secret": "a", "disabled": 2}, "shop/a: has 1 disabled versions, expected 2"),
        ({"secret": "a", "newest": "dead"}, "shop/a: its newest version is alive"),
        ({"secret": "c"}, "secrets shop/c: there is none"),
    ],
)
def test_secrets_that_are_otherwise_are_told(expected: JsonObject, difference: str) -> None:
    """Also where nothing is found that an expectation could be about."""
    assert difference in _found({"secrets": [{"vault": "shop", **expected}]})


def test_a_newest_version_that_is_disabled_opens_nothing() -> None:
    """Who asks for it without a version is refused."""
    after = _azure(_version("a", "1", works=True, enabled=False))

    assert "its newest version is dead" in _found(
        {"secrets": [{"vault": "shop", "secret": "a", "newest": "alive"}]}, after=after
    )


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"name": "*", "failed": 3, "stranded": 0, "works": True}, ""),
        ({"name": "web", "failed": 2}, "web: failed 3 of 50 times, expected 2 at most"),
        ({"name": "web", "works": False}, "web: works at the end"),
        ({"name": "api"}, "consumers api: there is none"),
    ],
)
def test_consumers_are_held_to_what_they_may_suffer(expected: JsonObject, difference: str) -> None:
    """Counts are the most that is allowed."""
    found = _found({"consumers": [expected]})

    assert difference in found if difference else found == ""


ORDER = {"order": [["shop/a"], ["shop/*"]]}


def test_a_lower_group_comes_after_the_first_write_to_each_higher_one() -> None:
    """Later writes to the higher one, after its grace for example, are not waited for."""
    effects = [_write("a"), _write("b"), _write("a/1", "PATCH")]

    assert _found(ORDER, effects=effects) == ""
    assert "shop/b was touched before shop/a" in _found(ORDER, effects=[_write("b"), _write("a")])


def test_a_key_of_its_service_is_a_touch_of_the_only_secret_that_holds_it() -> None:
    """Where several secrets open one service, a call there says nothing of any of them."""
    regenerated = _write("", "POST", service="arm", host="management.azure.com", path=f"{ACCOUNT}/regenerateKey")
    holds = _azure(STOLEN, _version("b", "1", works=True, opens=ACCOUNT))
    both = _azure({**STOLEN, "opens": ACCOUNT}, _version("b", "1", works=True, opens=ACCOUNT))
    effects = [regenerated, _write("a"), _write("b")]

    assert "shop/b was touched before shop/a" in _found(ORDER, after=holds, effects=effects)
    assert _found(ORDER, after=both, effects=effects) == ""


def test_what_cordon_never_touched_holds_nobody_up() -> None:
    """A secret of the first group that only its owner can rotate, for example."""
    assert _found(ORDER, effects=[_write("b")]) == ""
    assert _found(ORDER, effects=[_write("a", applied=False), _write("b"), _write("a", by="owner:x")]) == ""
