"""
Which credentials of an object authenticate the workload, and which serve something else. Pure.

Certificates with usage Sign, and the entries that Entra made together with them, serve single sign-on
of people (SAML); certificates named by tokenEncryptionKeyId or with usage Encrypt encrypt tokens.
Removing those breaks a company's sign-in without stopping an attacker, so they are told apart here. But the
Verify entry of a pair authenticates like any other certificate, and whoever may write credentials may write a
pair: only what single sign-on really uses is kept without asking (`keys_in_doubt`).
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.case import (
    CouldNotLook,
    FederatedCredential,
    Holder,
    HolderKind,
    IdentityState,
    Key,
    Known,
    NotLooked,
    Password,
)
from shared.once import once
from shared.signal import JsonObject

_YOUNG = timedelta(days=7)  # a key made so shortly before the look may be the attacker's own


@dataclass(frozen=True, slots=True)
class Sorted:
    """One object's credentials: what authenticates the workload, and what is kept for another purpose."""

    passwords: tuple[Password, ...]
    keys: tuple[Key, ...]
    federated: tuple[FederatedCredential, ...]
    kept_keys: tuple[Key, ...]
    kept_passwords: tuple[Password, ...]
    own_keys: tuple[Key, ...]  # the certificate that Cordon itself put there
    unread: str | None  # why the federated credentials could not be read, if so
    spared_keys: tuple[Key, ...] = ()  # they authenticate, and are not among those that are to go

    @property
    def removable(self) -> int:
        return len(self.passwords) + len(self.keys) + len(self.federated)


def sort_credentials(
    holder: Holder,
    own_thumbprint: str | None = None,
    known: frozenset[str] | None = None,
    condemned: frozenset[str] = frozenset(),
) -> Sorted:
    """
    Tell apart what authenticates and what is kept.

    Entra writes a signing certificate as three entries: a Sign key, one Verify key and a password, which
    share a customKeyIdentifier; the password also shares the Sign key's id (facts: Graph
    addTokenSigningCertificate). An attacker could hide a Verify key behind the same identifier, so of each
    Sign key at most one Verify entry is kept, and only if its dates are the Sign key's. Whoever writes a
    certificate also chooses the identifier it shows: where two show `own_thumbprint`, neither is taken for ours.

    `known` holds the key ids that were there before the first change: once they are written down, nothing that
    was added later is kept, for its Verify entry would authenticate. `condemned` keys are not kept either.
    """
    if own_thumbprint is None and known is None and not condemned:
        return _sorted_as_shown(holder)
    return _sorted(holder, own_thumbprint, known, condemned)


@once
def _sorted_as_shown(holder: Holder) -> Sorted:
    return _sorted(holder, None, None, frozenset())


def _sorted(
    holder: Holder, own_thumbprint: str | None, known: frozenset[str] | None, condemned: frozenset[str]
) -> Sorted:
    federated, unread = _federated(holder)
    if not holder.keys:
        return Sorted(holder.passwords, (), federated, (), (), (), unread)
    old = [k for k in holder.keys if (known is None or k.key_id in known) and k.key_id not in condemned]
    signing = [key for key in old if key.usage.lower() == "sign"]
    kept = {key.key_id for key in old if _encrypts(key, holder)} | {key.key_id for key in signing}
    for sign in signing:
        partner = next((key for key in old if _is_partner(key, sign) and key.key_id not in kept), None)
        if partner is not None:
            kept.add(partner.key_id)
    kept_passwords = tuple(p for p in holder.passwords if any(_belongs(p, sign) for sign in signing))
    own = [key for key in holder.keys if own_thumbprint and same_thumbprint(key.custom_key_identifier, own_thumbprint)]
    own = own if len(own) == 1 else []
    staying = kept | {key.key_id for key in own}
    return Sorted(
        passwords=tuple(p for p in holder.passwords if p not in kept_passwords),
        keys=tuple(key for key in holder.keys if key.key_id not in staying),
        federated=federated,
        kept_keys=tuple(key for key in holder.keys if key.key_id in kept),
        kept_passwords=kept_passwords,
        own_keys=tuple(own),
        unread=unread,
    )


def is_certificate(key: Key) -> bool:
    """Whether it has a public part that may be shown; a symmetric key has none."""
    return key.type == "AsymmetricX509Cert" and key.usage == "Verify"


def only_named(found: Sorted, ids: frozenset[str]) -> Sorted:
    """Of what authenticates only these go; a key that serves another purpose stays even if it is named."""
    return replace(
        found,
        passwords=tuple(p for p in found.passwords if p.key_id in ids),
        keys=tuple(key for key in found.keys if key.key_id in ids),
        federated=tuple(c for c in found.federated if c.id.lower() in ids),
        spared_keys=tuple(key for key in found.keys if key.key_id not in ids),
    )


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Kept keys that belong together and that nothing shows to be in use, with the reason."""

    keys: tuple[Key, ...]
    why: str


def keys_in_doubt(holder: Holder, now: datetime) -> tuple[InDoubt, ...]:
    """
    Kept keys that could let somebody sign in as the identity, and that single sign-on is not seen to use.

    A pair is in use if its service principal signs people in by SAML (preferredSingleSignOnMode) with just this
    key (preferredTokenSigningKeyThumbprint). Whoever may write a pair may write these too, so a young one is in
    doubt all the same. A key that is marked for token encryption and has usage Verify authenticates as well.
    """
    kept = sort_credentials(holder).kept_keys
    signs = [(key, _why_in_doubt(holder, key, now)) for key in kept if key.usage.lower() == "sign"]
    pairs = [InDoubt((key, *(k for k in kept if _is_partner(k, key))), why) for key, why in signs if why]
    told = {key.key_id for pair in pairs for key in pair.keys}
    marked = [key for key in kept if key.usage.lower() == "verify" and _encrypts(key, holder)]
    why = "it is marked for token encryption, but its usage lets its holder sign in"
    return (*pairs, *(InDoubt((key,), why) for key in marked if key.key_id not in told))


def _why_in_doubt(holder: Holder, sign: Key, now: datetime) -> str | None:
    if holder.kind is HolderKind.APPLICATION:
        return "tokens are signed by keys of service principals, and this one is on the application"
    if (holder.single_sign_on or "").lower() != "saml":
        return f"the service principal does not use SAML (preferredSingleSignOnMode: {holder.single_sign_on or 'none'})"
    thumbprint = (holder.signing_thumbprint or "").replace(":", "")
    if not is_thumbprint(thumbprint) or not same_thumbprint(sign.custom_key_identifier, thumbprint):
        return "it is not the key that the service principal signs with (preferredTokenSigningKeyThumbprint)"
    if sign.start is None or now - sign.start < _YOUNG:
        return "it is in use, but it was made within the last 7 days"
    return None


def accused_with(holder: Holder, accused: frozenset[str]) -> frozenset[str]:
    """The kept keys of which one is accused, each with all entries that belong to it."""
    kept = sort_credentials(holder).kept_keys
    signs = [key for key in kept if key.usage.lower() == "sign"]
    groups = [{sign.key_id, *(key.key_id for key in holder.keys if _is_partner(key, sign))} for sign in signs]
    groups += [{key.key_id} for key in kept if _encrypts(key, holder)]
    return frozenset(id_ for group in groups if not accused.isdisjoint(group) for id_ in group)


def _encrypts(key: Key, holder: Holder) -> bool:
    return key.usage.lower() == "encrypt" or (
        holder.token_encryption_key_id is not None and key.key_id == holder.token_encryption_key_id
    )


def _is_partner(key: Key, sign: Key) -> bool:
    return (
        key.usage.lower() == "verify"
        and key.custom_key_identifier is not None
        and key.custom_key_identifier == sign.custom_key_identifier
        and (key.start, key.end) == (sign.start, sign.end)
    )


def _belongs(password: Password, sign: Key) -> bool:
    return password.key_id == sign.key_id and password.custom_key_identifier == sign.custom_key_identifier


def _federated(holder: Holder) -> tuple[tuple[FederatedCredential, ...], str | None]:
    match holder.federated:
        case Known(value):
            return value, None
        case CouldNotLook(why):
            return (), why
        case NotLooked():
            return (), "they were not looked at"


def find_holder(state: IdentityState, object_id: str) -> Holder | None:
    """The object with this id, as the look showed it."""
    return next((holder for holder in state.holders if holder.object_id == object_id), None)


def raw_keys(keys: Sequence[Key]) -> list[JsonObject]:
    """Entries as read, for sending them back unaltered or writing them down."""
    return [dict(key.raw) for key in keys]


def is_locked(state: IdentityState) -> bool:
    """True if the application's instance lock protects the credentials of its service principals."""
    lock = state.instance_lock or {}
    covers = ("allProperties", "credentialsWithUsageVerify", "credentialsWithUsageSign")
    return lock.get("isEnabled") is True and any(lock.get(name) is True for name in covers)


def same_thumbprint(shown: str | None, thumbprint: str) -> bool:
    """Graph shows a certificate's thumbprint as hex in practice and as base64 elsewhere (facts: Graph 5)."""
    if shown is None:
        return False
    return shown.upper() == thumbprint.upper() or shown == b64encode(bytes.fromhex(thumbprint)).decode()


def is_thumbprint(text: str) -> bool:
    """A SHA-1 in hex."""
    return len(text) == 40 and all(character in "0123456789abcdefABCDEF" for character in text)
