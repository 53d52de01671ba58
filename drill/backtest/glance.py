"""
A quick look at a line of a log, which makes no objects of what nobody asks about: of a hundred audit records,
ninety-seven are about people, groups and devices, and are only counted; and of a sign-in little is ever asked.

It says something only of a whole and plain record in Graph's own form; of everything else it says nothing, and the line
is read in full, by the reader that says what is wrong with it. So it refuses more than that reader does, never less.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from msgspec import UNSET, DecodeError, Struct, field
from msgspec.json import Decoder

from shared.case import SignIn
from shared.identity import canonical_guid, shown_at_sign_in


class Target(Struct, gc=False):
    """All that is asked of a target."""

    type: str | None = None


class Glanced(Struct, gc=False):
    """The little of a record that says whether it can concern a workload."""

    activity: str = field(name="activityDisplayName")
    at: str = field(name="activityDateTime")
    targets: list[Target] = field(name="targetResources")
    # With any of these it is in another form, or a list.
    properties: Any = UNSET
    value: Any = UNSET
    records: Any = UNSET
    tables: Any = UNSET
    generated: Any = field(name="TimeGenerated", default=UNSET)


_decode: Callable[[bytes], Glanced] = Decoder(Glanced).decode


def glance(line: bytes) -> Glanced | None:
    """None where the line must be read in full. What is skipped is not checked for its encoding, so only ASCII is."""
    if not line.isascii():
        return None
    try:
        found = _decode(line)
    except (DecodeError, RecursionError):
        return None
    is_plain = (
        found.properties is UNSET
        and found.value is UNSET
        and found.records is UNSET
        and found.tables is UNSET
        and found.generated is UNSET
    )
    return found if is_plain and found.at else None


class Ending(Struct, gc=False):
    """How a sign-in ended. Any number is read as what it is: to be a whole one is asked afterwards."""

    code: Any = field(name="errorCode")


class GlancedSignIn(Struct, gc=False):
    """All that is read of a sign-in."""

    id: str
    at: str = field(name="createdDateTime")
    types: list[str] = field(name="signInEventTypes")
    principal: str = field(name="servicePrincipalId")
    status: Ending
    key: str | None = field(name="servicePrincipalCredentialKeyId", default=None)
    federated: str | None = field(name="federatedCredentialId", default=None)
    address: str | None = field(name="ipAddress", default=None)
    credential_type: str | None = field(name="clientCredentialType", default=None)
    resource: str | None = field(name="resourceDisplayName", default=None)
    resource_id: str | None = field(name="resourceId", default=None)
    network: Any = field(name="autonomousSystemNumber", default=None)
    location: Any = None
    user_agent: str | None = field(name="userAgent", default=None)
    thumbprint: str | None = field(name="servicePrincipalCredentialThumbprint", default=None)
    token_id: str | None = field(name="uniqueTokenIdentifier", default=None)
    # With any of these it is in another form, a list, or a record of another log.
    activity: Any = field(name="activityDisplayName", default=UNSET)
    category: Any = UNSET
    properties: Any = UNSET
    value: Any = UNSET
    records: Any = UNSET
    tables: Any = UNSET
    generated: Any = field(name="TimeGenerated", default=UNSET)


_decode_sign_in: Callable[[bytes], GlancedSignIn] = Decoder(GlancedSignIn).decode


def _is_whole(number: object) -> bool:
    """Of larger ones readers of JSON make different things."""
    return type(number) is int and abs(number) < 2**63


def glance_at_sign_in(line: bytes) -> tuple[str, SignIn, list[str]] | None:
    """A sign-in with whose it is, and of which types; None where the line must be read in full."""
    if not line.isascii():
        return None
    try:
        found = _decode_sign_in(line)
        principal = canonical_guid(found.principal)
        at = datetime.fromisoformat(found.at)
    except (DecodeError, RecursionError, ValueError):
        return None
    code, network = found.status.code, found.network
    place = cast("dict[str, object]", found.location) if isinstance(found.location, dict) else {}
    country = place.get("countryOrRegion")
    if country is not None and not isinstance(country, str):
        return None
    is_plain = (
        _is_whole(code)
        and (type(network) is not int or _is_whole(network))
        and at.tzinfo is UTC
        and found.activity is UNSET
        and found.category is UNSET
        and found.properties is UNSET
        and found.value is UNSET
        and found.records is UNSET
        and found.tables is UNSET
        and found.generated is UNSET
    )
    if not is_plain:
        return None
    sign_in = SignIn(
        found.id,
        at,
        code,
        found.address or None,
        shown_at_sign_in(found.key, found.federated),
        found.credential_type,
        found.resource,
        found.resource_id or None,
        network if type(network) is int and network > 0 else None,
        country or None,
        found.user_agent or None,
        found.thumbprint or None,
        found.token_id or None,
    )
    return principal, sign_in, found.types
