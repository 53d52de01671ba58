"""
A revision of an application's addresses: what is taken out of each list and put into it, and the sign-out URL.

Lists are changed entry by entry, so that what others put there stays. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.case import Addresses
from shared.signal import JsonObject, JsonValue

PLATFORMS = ("web", "spa", "publicClient")
IDENTIFIERS = "identifierUris"
LISTS = (*PLATFORMS, IDENTIFIERS)
SIGN_OUT = "logoutUrl"


@dataclass(frozen=True, slots=True)
class Revision:
    """By list, what goes and what comes; for the sign-out URL, what it is and what it becomes (None: none)."""

    remove: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    add: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    sign_out: tuple[str | None, str | None] | None = None

    def as_json(self) -> JsonObject:
        json: JsonObject = {
            name: {"remove": [*self.remove.get(name, ())], "add": [*self.add.get(name, ())]}
            for name in LISTS
            if self.remove.get(name) or self.add.get(name)
        }
        if self.sign_out is not None:
            json[SIGN_OUT] = {"from": self.sign_out[0], "to": self.sign_out[1]}
        return json


def revision_of(value: JsonValue) -> Revision:
    """The revision that `as_json` wrote down."""
    json = value if isinstance(value, dict) else {}
    lists = {name: each for name, each in json.items() if name in LISTS and isinstance(each, dict)}
    sign_out = json.get(SIGN_OUT)
    return Revision(
        {name: _texts(each.get("remove")) for name, each in lists.items()},
        {name: _texts(each.get("add")) for name, each in lists.items()},
        (_text(sign_out.get("from")), _text(sign_out.get("to"))) if isinstance(sign_out, dict) else None,
    )


def image_of(addresses: Addresses) -> JsonObject:
    return {**addresses.platforms, IDENTIFIERS: [*addresses.identifier_uris]}


def addresses_in(image: JsonObject) -> Addresses:
    """The addresses that `image_of` wrote down."""
    platforms = {name: image.get(name) for name in PLATFORMS}
    return Addresses({name: value or {} for name, value in platforms.items()}, _texts(image.get(IDENTIFIERS)))


def listed(addresses: Addresses, name: str) -> tuple[str, ...]:
    return addresses.identifier_uris if name == IDENTIFIERS else addresses.redirects(name)


def revised(addresses: Addresses, revision: Revision, name: str) -> tuple[str, ...]:
    """The list as it becomes."""
    going, coming = revision.remove.get(name, ()), revision.add.get(name, ())
    staying = [uri for uri in listed(addresses, name) if uri not in going]
    return (*staying, *(uri for uri in coming if uri not in staying))


def differences(addresses: Addresses, revision: Revision) -> Iterator[str]:
    """What is not as the revision wants it, for people."""
    for name in LISTS:
        now = listed(addresses, name)
        yield from (f"{name} still holds {uri}" for uri in revision.remove.get(name, ()) if uri in now)
        yield from (f"{name} lacks {uri}" for uri in revision.add.get(name, ()) if uri not in now)
    if revision.sign_out is not None and addresses.logout_url != revision.sign_out[1]:
        yield f"the sign-out URL is {addresses.logout_url or 'none'}"


def left_to_do(addresses: Addresses, revision: Revision) -> Revision:
    """The part of a revision that is not so yet. A sign-out URL that is not what was to be changed is not touched."""
    return Revision(
        {name: tuple(u for u in uris if u in listed(addresses, name)) for name, uris in revision.remove.items()},
        {name: tuple(u for u in uris if u not in listed(addresses, name)) for name, uris in revision.add.items()},
        revision.sign_out if revision.sign_out and addresses.logout_url == revision.sign_out[0] else None,
    )


def backwards(revision: Revision) -> Revision:
    now, then = revision.sign_out or (None, None)
    return Revision(revision.add, revision.remove, (then, now) if revision.sign_out else None)


def patches(addresses: Addresses, revision: Revision) -> Iterator[JsonObject]:
    """
    The properties to send, complex ones whole: the platforms in one request, because a URI may move between
    them, and the identifiers in another, whose refusal must not keep the rest from being done.
    """
    platforms: JsonObject = {}
    for name in PLATFORMS:
        sign_out = name == "web" and revision.sign_out is not None
        if sign_out or revised(addresses, revision, name) != listed(addresses, name):
            platforms[name] = _whole(addresses, revision, name)
    if platforms:
        yield platforms
    identifiers = revised(addresses, revision, IDENTIFIERS)
    if identifiers != addresses.identifier_uris:
        yield {IDENTIFIERS: [*identifiers]}


def _whole(addresses: Addresses, revision: Revision, name: str) -> JsonObject:
    given = addresses.platforms.get(name)
    whole: JsonObject = {k: v for k, v in given.items() if "@" not in k} if isinstance(given, dict) else {}
    uris = revised(addresses, revision, name)
    whole["redirectUris"] = [*uris]
    settings = whole.get("redirectUriSettings")
    if isinstance(settings, list):
        known = {str(each.get("uri")): each for each in settings if isinstance(each, dict)}
        whole["redirectUriSettings"] = [known.get(uri, {"uri": uri, "index": None}) for uri in uris]
    if name == "web" and revision.sign_out is not None:
        whole[SIGN_OUT] = revision.sign_out[1]
    return whole


def _texts(value: JsonValue) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
