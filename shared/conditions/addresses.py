"""What may be wrong with an address of an application, and which addresses a change has added."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, WithJsonSchema

from shared.audit import AddressChange, address_changes, tells_addresses
from shared.audit_changes import AT_ONCE
from shared.case import AuditRecord, Case, IdentityState
from shared.conditions.judging import is_unexpected
from shared.conditions.records import is_one_change, those_about
from shared.conditions.settings import utc
from shared.hosts import Address, address_of, is_below, is_microsofts, is_on_shared_platform, looks_like, visible
from shared.once import once


class AddressFlaw(StrEnum):
    """What is wrong with an address. Values are the policy's words."""

    LOOK_ALIKE = "look-alike"  # it imitates one of the tenant's domains, punycode included
    FOREIGN_DOMAIN = "foreign-domain"  # below no verified domain of the tenant, nor one that the policy names
    SHARED_PLATFORM = "shared-platform"  # anybody can take such a name, and take it over
    WILDCARD = "wildcard"
    INSECURE = "insecure"  # http, and not this machine
    LOOPBACK = "loopback"
    CUSTOM_SCHEME = "custom-scheme"  # whichever application claims it on a machine or a telephone is opened


BY_DOMAIN = frozenset({AddressFlaw.LOOK_ALIKE, AddressFlaw.FOREIGN_DOMAIN})
"""The flaws that can be told only by the tenant's domains."""

_DOMAIN = r"[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))+"


def _is_domain(text: str) -> str:
    if not re.fullmatch(_DOMAIN, folded := text.casefold()):
        raise ValueError("is not a domain, such as contoso.example: no address, no path, no star")
    return folded


Domain = Annotated[
    str,
    AfterValidator(_is_domain),
    WithJsonSchema({"type": "string", "pattern": f"^{_DOMAIN.replace('a-z', 'A-Za-z')}$"}),
]
# What Microsoft's own libraries and brokers are opened by (facts: Entra docs reply-url); urn: and api: open nothing.
_OPENED = re.compile(r"https?|urn|api|ms-app|ms-appx|ms-appx-web|msauth(\..+)?|msal[0-9a-f-]{36}|brk-[a-z0-9-]+|\?|")
Kind: TypeAlias = Literal["redirect", "identifier", "sign-out"]
KINDS: tuple[Kind, ...] = ("redirect", "identifier", "sign-out")
_INCLUDED = "included updated properties"
_WORDS: Mapping[Kind, tuple[str, ...]] = {  # by which it may be listed; of these AppAddress alone is verified
    "redirect": ("appaddress", "replyurl", "redirecturi"),
    "identifier": ("identifieruri",),
    "sign-out": ("logout",),
}


def flaws_of(text: str, domains: frozenset[str]) -> Iterator[tuple[AddressFlaw, str]]:
    """
    Each flaw of an address, with the reason; of an address that is not on the web, only a wildcard. Without any
    domains those that are told by them are left out.
    """
    address = address_of(text)
    if domains and address.is_web and not address.is_loopback:
        yield from _by_domain(address, domains)
    if domains and address.scheme == "?":
        yield AddressFlaw.FOREIGN_DOMAIN, f"“{text}” cannot be taken apart, so nobody can tell whose it is"
    if "*" in text:
        yield AddressFlaw.WILDCARD, f"“{text}” holds a wildcard"
    if address.is_loopback and address.is_web:
        yield AddressFlaw.LOOPBACK, f"“{text}” leads to the machine of whoever opens it"
    elif address.scheme == "http":
        yield AddressFlaw.INSECURE, f"“{text}” is not https"
    if not _OPENED.fullmatch(address.scheme):
        yield AddressFlaw.CUSTOM_SCHEME, f"“{text}” opens whatever claims “{address.scheme}:” on a machine"
    if address.is_web and is_on_shared_platform(address.host):
        yield AddressFlaw.SHARED_PLATFORM, f"“{text}” is a name that anybody can take once it is given up"


def _by_domain(address: Address, domains: frozenset[str]) -> Iterator[tuple[AddressFlaw, str]]:
    host = address.host.removeprefix("*.")
    if is_below(host, domains) or is_microsofts(host):
        return
    if imitated := looks_like(host, sorted(domains)):
        shown = f" (“{visible(host)}”)" if visible(host) != host else ""
        yield AddressFlaw.LOOK_ALIKE, f"“{address.text}”{shown} looks like {imitated} and does not belong to it"
    if not is_on_shared_platform(host):
        yield AddressFlaw.FOREIGN_DOMAIN, f"“{address.text}” is on none of the tenant's verified domains"


@dataclass(frozen=True, slots=True)
class Moved:
    """A record that changed addresses of one kind."""

    record: AuditRecord
    change: AddressChange


def moved(case: Case, state: IdentityState, kind: Kind, within: timedelta) -> Iterator[Moved]:
    """The changes of such addresses of either object in this time, that may have happened."""
    for record in those_about(case, state, tells_addresses):
        if record.result == "failure" or case.now - record.at > within:
            continue
        for holder in state.holders:
            for change in address_changes(record, holder.object_id):
                if change.kind == kind and (change.old is None or change.old != change.new):
                    yield Moved(record, change)


def hidden(
    case: Case, state: IdentityState, kind: Kind, within: timedelta, expected: Collection[str] | None = None
) -> str | None:
    """
    A record by somebody else than these that says only that such addresses were changed, where none of the same change
    says how: what they were changed to is not known. Every edit writes a list of what it touched beside the record that
    tells (facts: Graph 2).
    """
    naming = [
        each
        for each in those_about(case, state, _NAMING[kind])
        if each.result != "failure"
        and case.now - each.at <= within
        and is_unexpected(each.actor, expected) is not False
    ]
    told = [each.record for each in moved(case, state, kind, within + AT_ONCE)] if naming else []
    for record in naming:
        if not any(is_one_change(record, each) for each in told):
            return f"“{record.activity_as_sent}” at {utc(record.at)} names it and not how it was changed"
    return None


def _naming(kind: Kind) -> Callable[[AuditRecord], bool]:
    def names(record: AuditRecord) -> bool:
        listed = _listed(record)
        return bool(listed) and any(word in names for names in listed for word in _WORDS[kind])

    return names


_NAMING: Mapping[Kind, Callable[[AuditRecord], bool]] = {kind: _naming(kind) for kind in KINDS}


@once
def _listed(record: AuditRecord) -> tuple[str, ...]:
    """Folded, the names of what was changed."""
    properties = (each for target in record.targets for each in target.properties)
    return tuple(str(each.new).casefold() for each in properties if each.name.casefold() == _INCLUDED)


def added(change: AddressChange) -> frozenset[str] | None:
    """The addresses that a change added; None if the log does not tell both sides."""
    if change.old is None or change.new is None:
        return None
    return frozenset(address for address, _ in change.new) - frozenset(address for address, _ in change.old)


def among(held: frozenset[str], told: frozenset[str]) -> frozenset[str]:
    """
    Those of the addresses held that the log tells of. Whether it writes them as the object does, capitals and a slash
    at the end, is not documented; two that differ by these alone lead to one place.
    """
    named = {_plain(each) for each in told}
    return frozenset(each for each in held if _plain(each) in named)


def _plain(uri: str) -> str:
    return uri.strip().rstrip("/").casefold()
