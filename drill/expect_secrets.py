"""
What a scenario expects of secrets: what is dead and alive at the end, whom it broke, in which order it was done.

    secrets:
      - {vault: shop, secret: "*", stolen: dead, newest: alive}
    consumers:
      - {name: "*", stranded: 0, works: true}
    order: [[shop/a, shop/b], ["shop/*"], ["other/*"]]

`order`: nothing of a later group is touched before everything of the earlier ones that Cordon wrote to at all has had
its first write in its vault. A secret is in the first group that names it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from drill.scenario import ExpectedConsumer, ExpectedSecret, ExpectPart


@dataclass(frozen=True, slots=True)
class _Secret:
    """One secret, and what the state says of its versions, the oldest first."""

    vault: str
    name: str
    versions: Sequence[Mapping[str, Any]]

    @property
    def place(self) -> str:
        return f"{self.vault}/{self.name}"

    @property
    def opens(self) -> str | None:
        return self.versions[-1].get("opens")


def about_secrets(
    expect: ExpectPart,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    own: Sequence[Mapping[str, Any]],
    accused: Set[str],
) -> Iterator[str]:
    """Everything that did not come as expected. `own` are the writes of Cordon's that were carried out, in order."""
    secrets = list(_secrets_in(after))
    old = {version["version"] for secret in _secrets_in(before) for version in secret.versions}
    for wanted in expect.secrets:
        yield from _about_one(wanted, secrets, old, accused)
    for wanted in expect.consumers:
        yield from _about_consumers(wanted, after.get("consumers", ()))
    if expect.order:
        yield from _about_order(expect.order, secrets, own)


def _secrets_in(azure: Mapping[str, Any]) -> Iterator[_Secret]:
    for vault in azure.get("vaults", ()):
        names = dict.fromkeys(str(each["name"]) for each in vault["secrets"])
        for name in names:
            yield _Secret(vault["name"], name, [each for each in vault["secrets"] if each["name"] == name])


# --- what they are -----------------------------------------------------------------------------------------


def _about_one(wanted: ExpectedSecret, secrets: Iterable[_Secret], old: Set[str], accused: Set[str]) -> Iterator[str]:
    found = [
        each for each in secrets if fnmatchcase(each.vault, wanted.vault) and fnmatchcase(each.name, wanted.secret)
    ]
    if not found:
        yield f"secrets {wanted.vault}/{wanted.secret}: there is none"
    for each in found:
        was_there = [version for version in each.versions if version["version"] in old]
        stolen = [version for version in each.versions if accused & {*version["readBy"]}]
        yield from _all_are(wanted.old, "was there before", each, was_there)
        yield from _all_are(wanted.stolen, "was stolen", each, stolen)
        yield from _newest_is(wanted.newest, each)
        yield from _count_is(wanted.versions, "versions", each, len(each.versions))
        yield from _count_is(wanted.disabled, "disabled versions", each, sum(not _enabled(v) for v in each.versions))


def _all_are(wanted: str | None, which: str, secret: _Secret, versions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if wanted is not None and not versions:
        yield f"secret {secret.place}: no version {which}"
    for each in versions:
        is_alive = "alive" if each["works"] else "dead"
        if wanted not in (None, is_alive):
            yield f"secret {secret.place}: version {each['version'][:8]}, which {which}, is {is_alive}"


def _newest_is(wanted: str | None, secret: _Secret) -> Iterator[str]:
    newest = secret.versions[-1]
    is_alive = "alive" if newest["works"] and _enabled(newest) else "dead"
    if wanted not in (None, is_alive):
        yield f"secret {secret.place}: its newest version is {is_alive}"


def _count_is(wanted: int | None, what: str, secret: _Secret, found: int) -> Iterator[str]:
    if wanted not in (None, found):
        yield f"secret {secret.place}: has {found} {what}, expected {wanted}"


def _enabled(version: Mapping[str, Any]) -> bool:
    return bool(version["attributes"].get("enabled", True))


# --- whom it broke -----------------------------------------------------------------------------------------


def _about_consumers(wanted: ExpectedConsumer, consumers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = [each for each in consumers if fnmatchcase(each["name"], wanted.name)]
    if not found:
        yield f"consumers {wanted.name}: there is none"
    for each in found:
        for what, most in (("failed", wanted.failed), ("stranded", wanted.stranded)):
            if most is not None and each[what] > most:
                yield f"consumer {each['name']}: {what} {each[what]} of {each['uses']} times, expected {most} at most"
        if wanted.works not in (None, each["works"]):
            yield f"consumer {each['name']}: {'works' if each['works'] else 'does not work'} at the end"


# --- in which order ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Touched:
    """When Cordon first wrote anything that concerns a secret, and when first to the secret in its vault."""

    secret: _Secret
    first: int
    stored: int | None


def _about_order(
    groups: Sequence[Sequence[str]], secrets: Sequence[_Secret], own: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    touched = [each for secret in secrets if (each := _touched(secret, secrets, own))]
    grouped = [(_group_of(each.secret, groups), each) for each in touched]
    for group, each in grouped:
        for other_group, other in grouped:
            if other_group < group and (other.stored is None or each.first < other.stored):
                yield f"order: {each.secret.place} was touched before {other.secret.place} had its first write"


def _group_of(secret: _Secret, groups: Sequence[Sequence[str]]) -> int:
    """The place of the first group that names it; what none names comes last."""
    named = (n for n, group in enumerate(groups) if any(fnmatchcase(secret.place, each) for each in group))
    return next(named, len(groups))


def _touched(secret: _Secret, secrets: Sequence[_Secret], own: Sequence[Mapping[str, Any]]) -> _Touched | None:
    """A service whose credentials lie in several secrets tells nothing of any one of them."""
    only = secret.opens and [each.place for each in secrets if each.opens == secret.opens] == [secret.place]
    in_vault = [n for n, effect in enumerate(own) if _is_in_vault(effect, secret)]
    at_source = [n for n, effect in enumerate(own) if only and str(secret.opens).lower() in effect["path"].lower()]
    if not in_vault and not at_source:
        return None
    return _Touched(secret, min(in_vault + at_source), min(in_vault, default=None))


def _is_in_vault(effect: Mapping[str, Any], secret: _Secret) -> bool:
    if effect["service"] != "vault" or effect["host"].partition(".")[0] != secret.vault:
        return False
    kind, name = f"{effect['path']}//".split("/")[1:3]
    return kind in ("secrets", "certificates") and name.lower() == secret.name.lower()
