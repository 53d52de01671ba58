"""
What an application's addresses were before changes that the audit log tells of. Pure; nothing is guessed.

The log gives both sides of a change in full, and the platform of a redirect URI as a number whose meaning is not
documented. So which number is which platform is learned by comparing the log with what the application shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from shared.actions.addresses import IDENTIFIERS, PLATFORMS, Revision, listed
from shared.audit import AddressChange, address_changes
from shared.case import Addresses, AuditRecord
from shared.hosts import imitates

Pair: TypeAlias = tuple[str, str]  # an address, and its platform as the log numbers it


@dataclass(frozen=True, slots=True)
class Told:
    """One change of addresses, with the record that tells of it; `named` if it is to be taken back."""

    at: datetime
    record: str
    named: bool
    change: AddressChange


@dataclass(frozen=True, slots=True)
class Findings:
    """What is to be done, and what is not, with the reason."""

    revision: Revision
    unknown: tuple[str, ...] = ()  # what was there before is not told
    left: tuple[str, ...] = ()  # changed once more since, by somebody else


def changes_told(
    records: Sequence[AuditRecord],
    application: str,
    named: frozenset[str] | datetime,
    own_ids: frozenset[str],
    imitating: frozenset[str] | None = None,
) -> list[Told]:
    """
    The changes of this application's addresses, oldest first. Named are records by id or correlation id, or all
    since a moment that are not Cordon's own doing; of those, where `imitating` is given, each that added a redirect
    URI that imitates one of these domains.
    """
    told: list[Told] = []
    for record in sorted(records, key=lambda record: record.at):
        if record.result.casefold() in ("failure", "timeout"):
            continue
        own = {record.actor.principal_id, record.actor.client_id} & own_ids
        found = list(address_changes(record, application))
        chosen = (
            not own and record.at >= named and (imitating is None or any(_adds(each, imitating) for each in found))
            if isinstance(named, datetime)
            else bool({record.id, record.correlation_id} & named)
        )
        told += [Told(record.at, record.id, chosen, change) for change in found]
    return told


def _adds(change: AddressChange, imitating: frozenset[str]) -> bool:
    """Whether it may have added such an address; of a side that is not told nobody knows."""
    if change.kind != "redirect":
        return False
    old, new = change.old or frozenset(), change.new
    return new is None or any(imitates(uri, imitating) for uri, _ in new - old)


def what_to_revert(told: Sequence[Told], now: Addresses) -> Findings:
    """What takes the named changes back, from what the application shows now."""
    redirects = _lists([each for each in told if each.change.kind == "redirect"], now, _learned(told, now))
    identifiers = _lists([each for each in told if each.change.kind == "identifier"], now, {"": IDENTIFIERS})
    sign_out = _sign_out([each for each in told if each.change.kind == "sign-out"], now)
    parts = (redirects, identifiers, sign_out)
    return Findings(
        Revision(
            {**redirects.revision.remove, **identifiers.revision.remove},
            {**redirects.revision.add, **identifiers.revision.add},
            sign_out.revision.sign_out,
        ),
        tuple(why for part in parts for why in part.unknown),
        tuple(why for part in parts for why in part.left),
    )


# Lists


def _lists(told: Sequence[Told], now: Addresses, platforms: Mapping[str, str]) -> Findings:
    unread = tuple(_untold(each) for each in told if each.named and _sides(each) is None)
    if unread:
        return Findings(Revision(), unread)
    remove: dict[str, list[str]] = {}
    add: dict[str, list[str]] = {}
    unknown: list[str] = []
    left: list[str] = []
    for pair, was_there in _before(told).items():
        uri, number = pair
        if by := _changed_again(told, pair):
            left.append(f"{uri} was changed once more by record {by}")
            continue
        places = _places(uri, number, told, now, platforms)
        if places is None:
            unknown.append(f"the log does not show on which platform {uri} was (it says {number or 'nothing'})")
            continue
        for name in places:
            if was_there != (uri in listed(now, name)):
                (add if was_there else remove).setdefault(name, []).append(uri)
    return Findings(Revision(_frozen(remove), _frozen(add)), tuple(unknown), tuple(left))


def _before(told: Sequence[Told]) -> dict[Pair, bool]:
    """Of each address that a named change put in or took out: whether it was there before the first of them."""
    found: dict[Pair, bool] = {}
    for each in told:
        if each.named and (sides := _sides(each)):
            old, new = sides
            for pair in sorted(old ^ new):
                found.setdefault(pair, pair in old)
    return found


def _changed_again(told: Sequence[Told], pair: Pair) -> str | None:
    """The record of another change of this address after the last named one; a side that is not told may hold it."""
    last = max(n for n, each in enumerate(told) if each.named and _moved(each, pair))
    return next((each.record for each in told[last + 1 :] if not each.named and _moved(each, pair)), None)


def _moved(each: Told, pair: Pair) -> bool:
    sides = _sides(each)
    return sides is None or pair in sides[0] ^ sides[1]


def _places(
    uri: str, number: str, told: Sequence[Told], now: Addresses, platforms: Mapping[str, str]
) -> Sequence[str] | None:
    """The lists that the log's number means; None if that cannot be told."""
    if number in platforms:
        return (platforms[number],)
    newest = next((sides[1] for each in reversed(told) if (sides := _sides(each))), frozenset[Pair]())
    holding = [name for name in PLATFORMS if uri in listed(now, name)]
    elsewhere = any(pair[0] == uri and pair[1] != number for pair in newest)
    was_there = _before(told).get((uri, number), False)
    return holding if not was_there and not elsewhere else None  # whatever the number means: it goes from there


def _learned(told: Sequence[Told], now: Addresses) -> dict[str, str]:
    """The platform of each number, where everything that the log and the application show agrees on it."""
    seen: dict[str, set[str]] = {}
    for each in told:
        if each.change.kind == "redirect" and (sides := _sides(each)):
            for uri, number in sides[1]:
                holding = [name for name in PLATFORMS if uri in listed(now, name)]
                if len(holding) == 1:
                    seen.setdefault(number, set()).add(holding[0])
    return {number: names.copy().pop() for number, names in seen.items() if len(names) == 1}


def _sides(each: Told) -> tuple[frozenset[Pair], frozenset[Pair]] | None:
    old, new = each.change.old, each.change.new
    return None if old is None or new is None else (old, new)


def _frozen(lists: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys(uris)) for name, uris in lists.items()}


# The sign-out URL


def _sign_out(told: Sequence[Told], now: Addresses) -> Findings:
    named = [each for each in told if each.named]
    if not named:
        return Findings(Revision())
    before, after = named[0].change.old, named[-1].change.new
    if before is None or after is None or len(before) > 1 or len(after) > 1:
        return Findings(Revision(), (_untold(named[0]),))
    later = next((each.record for each in told[told.index(named[-1]) + 1 :] if not each.named), None)
    if later or now.logout_url != _only(after):
        why = f"by record {later}" if later else f"it is {now.logout_url or 'none'} now"
        done = now.logout_url == _only(before)
        return Findings(Revision(), left=() if done else (f"the sign-out URL was changed once more: {why}",))
    return Findings(Revision(sign_out=(now.logout_url, _only(before))))


def _only(side: frozenset[Pair]) -> str | None:
    return next((uri for uri, _ in side), None)


def _untold(each: Told) -> str:
    return f"record {each.record} does not tell the {each.change.kind} addresses before and after"


def told_of(told: Sequence[Told]) -> Iterator[str]:
    """The ids of the named records, oldest first."""
    yield from dict.fromkeys(each.record for each in told if each.named)
