"""
The modifiedProperties of an update, as audit records spell them (facts: graph 2).

Redirect URIs of all kinds are one property, `AppAddress`. The names for the sign-out URL and the
application ID URIs are unverified, and so is the one for isDisabled.
"""

from collections.abc import Iterable
from typing import cast

from drill.practice.graph.audit_trail import changed
from drill.practice.shapes import JsonObject

_CREDENTIALS = frozenset({"keyCredentials", "passwordCredentials"})  # these have records of their own
_WITH_ADDRESSES = frozenset({"web", "spa", "publicClient", "replyUrls"})
_NAMES = {"identifierUris": "AppIdentifierUri", "logoutUrl": "LogoutUrl", "homepage": "Homepage"}
_CLIENT_TYPES = {"web": 1, "spa": 2, "publicClient": 3}  # the numbers are unverified


def property_changes(before: JsonObject, after: JsonObject, names: Iterable[str]) -> list[JsonObject]:
    """One modifiedProperty for each thing among these properties that is not what it was."""
    named = set(names) - _CREDENTIALS
    pairs: list[tuple[str, object, object]] = [
        (_NAMES.get(name, name[0].upper() + name[1:]), before.get(name), after.get(name))
        for name in sorted(named - _WITH_ADDRESSES)
    ]
    if named & _WITH_ADDRESSES:
        pairs.append(("AppAddress", _addresses(before), _addresses(after)))
    if "web" in named:
        pairs.extend(
            (_NAMES[name], _of_web(before, key), _of_web(after, key))
            for name, key in (("logoutUrl", "logoutUrl"), ("homepage", "homePageUrl"))
        )
    return [changed(name, _side(old), _side(new)) for name, old, new in pairs if old != new]


def _side(value: object) -> object:
    """What is not set is written as the empty set, as AccountEnabled is on creation (facts: graph 2)."""
    return [] if value is None else value


def _of_web(record: JsonObject, key: str) -> object:
    return cast("JsonObject", record["web"]).get(key)


def _addresses(record: JsonObject) -> list[JsonObject]:
    """Reply addresses of an application by platform, or of a service principal as one list."""
    if "web" not in record:
        return [_address(uri, 0) for uri in record["replyUrls"]]
    return [
        _address(uri, number) for name, number in _CLIENT_TYPES.items() for uri in record[name].get("redirectUris", [])
    ]


def _address(uri: str, client_type: int) -> JsonObject:
    return {
        "AddressType": 0,
        "Address": uri,
        "ReplyAddressClientType": client_type,
        "ReplyAddressIndex": None,
        "IsReplyAddressDefault": False,
    }
