"""
What the tags of a secret say. Tags are the tenant's text: they choose among what Cordon knows, and become no path.

Those of Microsoft's rotation samples are understood (facts: Azure 4), and Cordon's own:

    ProviderAddress      the source: an ARM id, or the client id of an application
    CredentialId         which of its credentials: key1, secondary, a key id, an administrator's name
    ValidityPeriodDays   how long a new version is to be valid
    cordon-rotator       the name of the rotator, where it should not be left to the others
    cordon-rotate        generated: random text will do; near-expiry: somebody listens for Key Vault's event
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from shared.errors import PlatformRefused
from shared.estate import MOST_TAGS, OPERATION_TAG, SecretSeen
from shared.identity import canonical_guid

PROVIDER = "ProviderAddress"
CREDENTIAL = "CredentialId"
VALIDITY = "ValidityPeriodDays"
ROTATOR = "cordon-rotator"
ROTATE = "cordon-rotate"
OLD_IS_DEAD = "cordon-old-is-dead"
"""The tag by which an owner says, on his new version, of which exposed versions the value opens nothing any more."""
CONSENT = "cordon-secret"
"""On a source whose credentials nobody can read: the secrets, as VAULT/NAME, into which a new one may go."""

_LONGEST_DAYS = 3650
_SHORTEST = timedelta(days=1)
_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC)


def tag(secret: SecretSeen, name: str) -> str:
    """Its text without blanks around it; "" where there is none, or where two differ only in their spelling."""
    found = [text for each, text in secret.tags.items() if each.lower() == name.lower()]
    return found[0].strip() if len(found) == 1 else ""


def spelled(secret: SecretSeen, name: str) -> str:
    """The name as this secret spells it."""
    return next((each for each in secret.tags if each.lower() == name.lower()), name)


def is_for(rotator: str, secret: SecretSeen) -> bool:
    """Whether nobody chose another rotator. What belongs to a certificate or a storage account is not set by hand."""
    return tag(secret, ROTATOR).lower() in ("", rotator) and not secret.managed


def guid_in(text: str) -> str | None:
    """The text as a GUID in its one spelling."""
    try:
        return canonical_guid(text)
    except ValueError:
        return None


def expiry(secret: SecretSeen, now: datetime) -> datetime | None:
    """When a new version expires: after its ValidityPeriodDays, else after as long as the old one had in all."""
    days = tag(secret, VALIDITY)
    if days.isascii() and days.isdigit() and 0 < int(days[:6]) <= _LONGEST_DAYS:
        return now + timedelta(days=int(days))
    if secret.expires is not None:
        return after(now, max(secret.expires - secret.created, _SHORTEST))
    return None


def after(now: datetime, life: timedelta) -> datetime:
    """When a life that begins now ends. What was to live until the last moment that there is lives no longer."""
    return now + min(life, _LAST - now)


def carried(newest: SecretSeen, replaced: Mapping[str, str]) -> dict[str, str]:
    """
    The tags of the next version: those of the newest, with some replaced, however they are spelled there. What an
    owner said by a tag of his version he did not say of ours.
    """
    own = {name.lower() for name in (*replaced, OLD_IS_DEAD)}
    return {**{name: text for name, text in newest.tags.items() if name.lower() not in own}, **replaced}


def check_room(newest: SecretSeen, replaced: Mapping[str, str], doing: str) -> None:
    """
    Whether the next version has room for the tag by which it is found again. Asked before anything is made: what could
    not be stored afterwards would be nobody's, and a password that nobody has locks everybody out.
    """
    tags = {*carried(newest, replaced), OPERATION_TAG}
    if len(tags) > MOST_TAGS:
        why = f"its next version would have {len(tags)} tags, and {MOST_TAGS} are the most. Remove some of them."
        raise PlatformRefused(doing=doing, code="too-many-tags", why=why)


def consents(texts: list[str], secret: SecretSeen) -> bool:
    """Whether one of the source's own texts names this secret as VAULT/NAME."""
    wanted = f"{secret.ref.vault}/{secret.ref.name}".lower()
    return any(wanted in each.lower().replace(",", " ").split() for each in texts)
