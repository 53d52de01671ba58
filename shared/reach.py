"""
Which rules of a policy can decide at all: what can be proven from the file, before any case. Pure.

Conditions of the catalogue are free, but for what is surely known: an identity has exactly one kind, and a condition
with narrower settings is met only where the wider one is. What takes too long to try out is left unproven.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TypeAlias, cast

from shared.conditions.audit_activity import AuditShows
from shared.conditions.consent import Consented
from shared.conditions.credential_added import CredentialAdded
from shared.conditions.credential_exposed import CredentialExposed
from shared.conditions.dangerous_permission import HoldsDangerousPermission
from shared.conditions.granted_recently import GrantedRecently
from shared.conditions.group_joined import GroupJoined
from shared.conditions.groups import All, AnyOf, Not, leaves
from shared.conditions.identifier_uri import IdentifierUriSuspect
from shared.conditions.identity_kind import IsOfKind
from shared.conditions.interface import Condition
from shared.conditions.owner_added import OwnerAdded
from shared.conditions.property_changed import PropertyChanged
from shared.conditions.redirect_uri import RedirectUriSuspect
from shared.conditions.risk_detection import RiskDetected
from shared.conditions.risk_state import RiskListed
from shared.identity import IdentityKind
from shared.policy import Policy, Rule
from shared.risk import CONFIRMED

_MOST_TRIED = 2_000  # steps of one proof: tenths of a second at the worst

Order: TypeAlias = Callable[[object, object], bool]
World: TypeAlias = Mapping[Condition, bool]


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A rule that never decides: one of the rules `by`, before it, holds whenever it does; none: it cannot hold."""

    rule: Rule
    by: tuple[str, ...]


def shadowed(policy: Policy) -> tuple[Shadowed, ...]:
    """The rules that are proven never to decide, in the order of the file."""
    found: list[Shadowed] = []
    for place, rule in enumerate(policy.rules):
        by = _shadow(rule, policy.rules[:place])
        if by is not None:
            found.append(Shadowed(rule, by))
    return tuple(found)


def _shadow(rule: Rule, before: Sequence[Rule]) -> tuple[str, ...] | None:
    if can_hold(rule.when) is False:
        return ()
    together = can_hold(All((rule.when, *(Not(each.when) for each in before))))
    if together:
        return None
    for each in before:
        if can_hold(All((rule.when, Not(each.when)))) is False:
            return (each.name,)
    return tuple(each.name for each in before) if together is False else None


def can_hold(condition: Condition) -> bool | None:
    """Whether there may be a case in which it is met; None if that could not be found out."""
    asked = tuple(dict.fromkeys(leaves(condition)))
    search = _Search(condition, asked)
    try:
        return any(search.tries(world) for world in _kinds(asked))
    except _Tangled:
        return None


class _Tangled(Exception):
    """The search was given up."""


class _Search:
    """Tries out what the leaves may be, one after the other, and goes no further where the whole is decided."""

    def __init__(self, condition: Condition, leaves: Sequence[Condition]) -> None:
        self._condition, self._leaves, self._steps = condition, leaves, 0

    def tries(self, world: World) -> bool:
        self._steps += 1
        if self._steps > _MOST_TRIED:
            raise _Tangled
        whole = _value(self._condition, world)
        if whole is not None:
            return whole
        leaf = next(each for each in self._leaves if each not in world)
        return any(self.tries({**world, leaf: to}) for to in (True, False) if _may_be(leaf, to, world))


def _kinds(asked: Sequence[Condition]) -> Iterator[World]:
    """An identity is of one kind, so the questions for it are answered together."""
    for_kinds = [leaf for leaf in asked if isinstance(leaf, IsOfKind)]
    if not for_kinds:
        yield {}
        return
    for kind in IdentityKind:
        yield {leaf: kind in leaf.kinds for leaf in for_kinds}


def _may_be(leaf: Condition, to: bool, world: World) -> bool:
    """Whether this agrees with what is taken for given of narrower and wider conditions."""
    for other, holds in world.items():
        if to and not holds and implies(leaf, other):
            return False
        if not to and holds and implies(other, leaf):
            return False
    return True


def _value(condition: Condition, world: World) -> bool | None:
    """In Kleene's logic: None where it hangs on what is not taken for anything yet."""
    match condition:
        case All(members):
            found = {_value(each, world) for each in members}
            return False if False in found else None if None in found else True
        case AnyOf(members):
            found = {_value(each, world) for each in members}
            return True if True in found else None if None in found else False
        case Not(member):
            value = _value(member, world)
            return None if value is None else not value
        case _:
            return world.get(condition)


# Narrower and wider


def _among(narrow: object, wide: object) -> bool:
    """Each that the narrow one names, the wide one names as well; what names none takes all."""
    if wide is None:
        return True
    return narrow is not None and set(cast("Sequence[object]", narrow)) <= set(cast("Sequence[object]", wide))


def _spares(narrow: object, wide: object) -> bool:
    """Settings that take something out: the narrow one spares at least whom the wide one spares."""
    return set(cast("Sequence[object]", wide or ())) <= set(cast("Sequence[object]", narrow or ()))


def _at_most(narrow: object, wide: object) -> bool:
    if wide is None:
        return True
    return narrow is not None and cast("timedelta", narrow) <= cast("timedelta", wide)


def _rather(narrow: object, wide: object) -> bool:
    """Switches that ask for more."""
    return bool(narrow) or not wide


def _detected(narrow: object, wide: object) -> bool:
    """Where no type is named, a confirmation does not count."""
    return CONFIRMED not in cast("Sequence[str]", narrow or ()) if wide is None else _among(narrow, wide)


_ADDRESSES: Mapping[str, Order] = {"findings": _among, "known_domains": _spares, "added_within": _at_most}
_ORDERS: Mapping[type, Mapping[str, Order]] = {
    RiskDetected: {"types": _detected, "levels": _among, "states": _among, "within": _at_most},
    RiskListed: {"levels": _among, "states": _among},
    IsOfKind: {"kinds": _among},
    CredentialAdded: {"within": _at_most, "by_other_than": _spares, "holders": _among},
    CredentialExposed: {"tiers": _among, "within": _at_most},
    AuditShows: {"activities": _among, "within": _at_most, "results": _among},
    HoldsDangerousPermission: {"tiers": _among, "kinds": _among, "escalates": _rather},
    GrantedRecently: {
        "within": _at_most,
        "kinds": _among,
        "tiers": _among,
        "escalates": _rather,
        "by_other_than": _spares,
    },
    PropertyChanged: {"properties": _among, "within": _at_most, "by_other_than": _spares},
    OwnerAdded: {"kinds": _among, "within": _at_most, "by_other_than": _spares, "by_itself": _rather},
    GroupJoined: {"within": _at_most, "by_other_than": _spares, "by_itself": _rather},
    Consented: {"findings": _among, "within": _at_most, "tiers": _among},
    RedirectUriSuspect: _ADDRESSES,
    IdentifierUriSuspect: _ADDRESSES,
}


def implies(narrow: Condition, wide: Condition) -> bool:
    """Whether the one is surely met only where the other is: of one sort, and nowhere wider."""
    if narrow == wide:
        return True
    if type(narrow) is not type(wide):
        return False
    orders = _ORDERS.get(type(narrow), {})
    names = [each.name for each in fields(narrow)]  # pyright: ignore[reportArgumentType]
    return all(orders.get(name, _same)(getattr(narrow, name), getattr(wide, name)) for name in names)


def _same(one: object, other: object) -> bool:
    return one == other
