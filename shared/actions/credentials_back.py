"""
The way back of removed credentials, as far as there is one. Pure.

Certificates come back with their public part in one PATCH of keyCredentials, federated credentials are made
again; a secret's value is shown by nobody. What detections accuse stays away, unless the order names it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from shared.actions.interface import Drift, Earlier, WayBack
from shared.case import FederatedCredential, Holder, HolderKind, IdentityState, Known
from shared.credentials import is_locked, raw_keys, same_thumbprint
from shared.signal import JsonObject, JsonValue
from shared.tenant import CredentialWrite, GiveBack, ReplaceKeys, SetInstanceLock

_TRUST = ("issuer", "subject", "audiences", "claimsMatchingExpression")
_NEW_ENTRY = ("keyId", "type", "usage", "displayName", "startDateTime", "endDateTime")


def plan_removed(holder: Holder, state: IdentityState, earlier: Earlier) -> WayBack:
    """What of this object's removed credentials comes back now."""
    first = earlier.image or {}
    keys, lost_keys = _keys_back(holder, first, earlier, state.read_at)
    trusts, drifted, lost_trusts = _trusts_back(holder, first, earlier)
    image: JsonObject = {
        "keysBack": [*keys],
        "keysNow": [*raw_keys(holder.keys)],
        "federatedBack": [*trusts],
        **_lock(state, first, writing=bool(keys), goes=earlier.lock_goes),
    }
    secrets = tuple(_secret(str(id_)) for id_ in _list(first.get("passwords")))
    writes = tuple(name_back(write) for write in writes_back(holder.kind, holder.object_id, image))
    return WayBack(writes, image, drifted, (*secrets, *lost_keys, *lost_trusts))


def plan_made(holder: Holder, earlier: Earlier) -> WayBack:
    """The certificate that Cordon made stays, for its owner may use it by now, unless the order names its step."""
    thumbprint = earlier.made.get("thumbprint")
    if not isinstance(thumbprint, str):  # the work ended before an answer was written down
        why = "A new certificate may have been made and is not told from others: look for one that is nobody's."
        return WayBack((), {}, lost=(why,))
    ours = [key for key in holder.keys if same_thumbprint(key.custom_key_identifier, thumbprint)]
    if not ours:
        return WayBack((), {})
    if not earlier.named:
        why = f"The new certificate {thumbprint} stays: its owner may use it. Name this step to take it away."
        return WayBack((), {}, lost=(why,))
    if len(ours) > 1:
        drift = Drift(f"certificate {thumbprint}", "not there", "one entry", f"{len(ours)} entries")
        return WayBack((), {}, (drift,))
    staying: list[JsonValue] = [*raw_keys([key for key in holder.keys if key is not ours[0]])]
    image: JsonObject = {"keysWithout": staying, "removing": ours[0].key_id}
    writes = tuple(name_back(write) for write in writes_back(holder.kind, holder.object_id, image))
    return WayBack(writes, image)


def not_back(holder: Holder, image: JsonObject) -> list[str]:
    """What this way back means to bring and is not there."""
    trusts = {credential.name for credential in _federated(holder)}
    left = [f"certificate {_text(key, 'keyId')}" for key in _objects(image, "keysBack") if not _shows(holder, key)]
    left += [
        f"federated credential {_text(t, 'name')}" for t in _objects(image, "federatedBack") if t["name"] not in trusts
    ]
    if any(key.key_id == image.get("removing") for key in holder.keys):
        left.append(f"the application without certificate {image['removing']}")
    return left


def writes_back(kind: HolderKind, object_id: str, image: JsonObject) -> Iterator[CredentialWrite]:
    """The writes that follow from an image; the instance lock is lifted for them and put back after them."""
    lock, locked_by = image.get("instanceLock"), str(image.get("lockedBy"))
    if isinstance(lock, dict) and image.get("lift") is True:
        yield SetInstanceLock(locked_by, {**lock, "isEnabled": False})
    if "keysWithout" in image:
        yield ReplaceKeys(kind, object_id, keep=tuple(_objects(image, "keysWithout")))
    if _list(image.get("keysBack")):
        yield ReplaceKeys(kind, object_id, keep=(*_objects(image, "keysNow"), *_objects(image, "keysBack")))
    for trust in _objects(image, "federatedBack"):
        yield GiveBack("federated", kind, object_id, trust)
    if isinstance(lock, dict):
        yield SetInstanceLock(locked_by, lock)


def name_back(write: CredentialWrite) -> str:
    """Each write of a way back, for people and auditors."""
    match write:
        case GiveBack():
            return f"POST federatedIdentityCredential {write.taken.get('name')}"
        case ReplaceKeys():
            return f"PATCH keyCredentials, {len(write.keep)} entries"
        case SetInstanceLock():
            return f"PATCH instance lock {'on' if write.lock.get('isEnabled') else 'off'}"
        case _:
            return type(write).__name__


def _keys_back(
    holder: Holder, first: JsonObject, earlier: Earlier, now: datetime
) -> tuple[list[JsonObject], list[str]]:
    public = first.get("publicKeys")
    parts = public if isinstance(public, dict) else {}
    back: list[JsonObject] = []
    lost: list[str] = []
    for entry in _objects(first, "keys"):
        id_ = _text(entry, "keyId")
        if _shows(holder, entry):
            continue
        if why := _stays_away(id_, earlier):
            lost.append(f"certificate {why}")
        elif not isinstance(parts.get(id_), str):
            lost.append(f"certificate {id_}: its public part was not written down; its owner uploads it, or a new one")
        elif _is_over(entry, now):
            lost.append(f"certificate {id_}: it has expired; its owner needs a new one")
        else:
            back.append({**{n: entry[n] for n in _NEW_ENTRY if entry.get(n) is not None}, "key": parts[id_]})
    return back, lost


def _trusts_back(
    holder: Holder, first: JsonObject, earlier: Earlier
) -> tuple[list[JsonObject], tuple[Drift, ...], list[str]]:
    there = {credential.name: dict(credential.raw) for credential in _federated(holder)}
    back: list[JsonObject] = []
    drifted: list[Drift] = []
    lost: list[str] = []
    for trust in _objects(first, "federated"):
        now = there.get(_text(trust, "name"))
        if now is not None:
            if _trusted(now) != _trusted(trust):
                name = f"federated credential {_text(trust, 'name')}"
                drifted.append(Drift(name, str(_trusted(trust)), "no such credential", str(_trusted(now))))
        elif why := _stays_away(_text(trust, "id"), earlier):
            lost.append(f"federated credential {why}")
        else:
            back.append(trust)
    return back, tuple(drifted), lost


def _stays_away(id_: str, earlier: Earlier) -> str | None:
    if id_ not in earlier.accused or id_ in earlier.give_back:
        return None
    return f"{id_} is kept away: a detection accuses it. Name it in the order if it has to come back."


def _lock(state: IdentityState, first: JsonObject, *, writing: bool, goes: bool) -> JsonObject:
    """
    The lock as it was before the removal, if it is to be put back: after these writes, or because it is off. Where it
    was custody's, and `goes` with that, nobody puts it back once it is off.
    """
    lock, locked = first.get("instanceLock"), is_locked(state)
    if not isinstance(lock, dict) or (not writing if locked else goes):
        return {}
    return {"instanceLock": lock, "lockedBy": first.get("lockedBy"), "lift": locked and writing}


def _shows(holder: Holder, entry: Mapping[str, JsonValue]) -> bool:
    identifier = entry.get("customKeyIdentifier")
    return any(
        key.key_id == entry.get("keyId") or (identifier is not None and key.custom_key_identifier == identifier)
        for key in holder.keys
    )


def _is_over(entry: JsonObject, now: datetime) -> bool:
    ends = entry.get("endDateTime")
    return isinstance(ends, str) and datetime.fromisoformat(ends) <= now


def _secret(id_: str) -> str:
    return f"secret {id_}: Entra never shows its value; its owner makes a new one"


def _trusted(trust: JsonObject) -> JsonObject:
    return {name: trust[name] for name in _TRUST if trust.get(name) is not None}


def _federated(holder: Holder) -> Sequence[FederatedCredential]:
    return holder.federated.value if isinstance(holder.federated, Known) else ()


def _text(entry: Mapping[str, JsonValue], name: str) -> str:
    return str(entry.get(name) or "")


def _objects(image: JsonObject, name: str) -> Iterator[JsonObject]:
    return (entry for entry in _list(image.get(name)) if isinstance(entry, dict))


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
