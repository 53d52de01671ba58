"""
Remove every credential that authenticates the identity, on the application and on each of its service
principals here, and if asked make a new certificate for its owner.

Secrets go by removePassword, certificates by one PATCH of keyCredentials (addKey and removeKey need a
proof signed with an existing key, which a responder does not hold), federated credentials by DELETE:
they survive the removal of everything else. SAML signing and token encryption keys stay where they are in use;
one that is accused goes, and about one that nothing shows to be in use a person is asked (`signing-keys`). With
`only`, no credential goes but those that are named or that detections accuse. The new
certificate is a step of its own behind the removal, because a failed addition must never block it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from shared.actions.credentials_back import name_back, not_back, plan_made, plan_removed, writes_back
from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.case import (
    CouldNotLook,
    Holder,
    HolderKind,
    IdentityState,
    Key,
    Known,
    NotLooked,
    PartName,
    Password,
)
from shared.credentials import (
    InDoubt,
    Sorted,
    accused_with,
    find_holder,
    is_certificate,
    is_locked,
    keys_in_doubt,
    only_named,
    raw_keys,
    same_thumbprint,
    sort_credentials,
)
from shared.entries import SIGNING_KEYS_IN_DOUBT, Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import PlatformRefused, Unreachable
from shared.identity import AppObjectId, IdentityKind, canonical_guid
from shared.look import Look, why_unread
from shared.refusals import refusal_name
from shared.signal import JsonObject, JsonValue
from shared.tenant import (
    CredentialWrite,
    GiveBack,
    RemoveFederated,
    RemovePassword,
    ReplaceKeys,
    SetInstanceLock,
    Tenant,
    WriteDone,
    WriteRefused,
    WriteResult,
    WriteUnknown,
)

_REMOVE, _RENEW = "remove", "new-certificate"
_BLOCK, _NO_APPLICATION = "block-sign-in", "no-application-here"
_OPTIONS = {"new-certificate", "only", "signing-keys"}
_SIGNING = ("ask", "keep", "remove")
_ACCUSED = "accused"
_SHOWN = 20  # credentials that a plan names
_MOST = 100  # credentials named in one choice; Graph holds about as many on one object


class ReplaceCredentials:
    """Remove the credentials of one object, or put a new certificate on the application."""

    name: ClassVar[str] = "replace-credentials"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.CREDENTIALS
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = True
    rank: ClassVar[int] = 20
    proof_part: ClassVar[PartName] = PartName.IDENTITY
    parts_to_capture: ClassVar[frozenset[PartName]] = frozenset({PartName.PUBLIC_KEYS})
    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "new-certificate": {
                "type": "boolean",
                "default": False,
                "description": "Whether a new certificate is made in the hand-over vault for the owner to fetch.",
            },
            "only": {
                "anyOf": [
                    {"const": _ACCUSED},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": _MOST},
                ],
                "description": "Only those that detections accuse, or those with these ids; left out: all of them.",
            },
            "signing-keys": {
                "enum": [*_SIGNING],
                "default": "ask",
                "description": "What becomes of signing keys that single sign-on is not seen to use.",
            },
        },
        "additionalProperties": False,
    }

    def check_options(self, options: JsonObject) -> None:
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise ValueError(
                f"replace-credentials has no option {unknown[0]}; it has new-certificate: true or false, only: "
                "accused or a list of credential ids, and signing-keys: ask, keep or remove"
            )
        if not isinstance(options.get("new-certificate", False), bool):
            raise ValueError("new-certificate is true or false")  # noqa: TRY004 - bad input, not a wrong call
        if "only" in options:
            _check_only(options["only"])
        if options.get("signing-keys", "ask") not in _SIGNING:
            raise ValueError("signing-keys is ask, keep or remove: what becomes of signing keys that are not in use")

    def parts_to_plan(self, options: JsonObject) -> frozenset[PartName]:
        return frozenset({PartName.DETECTIONS}) if options.get("only") == _ACCUSED else frozenset()

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        kind = state.identity.kind
        if kind is IdentityKind.MANAGED_IDENTITY:
            return Planning(not_done=(_platform_held(self.name),))
        if kind is IdentityKind.AGENT:
            return Planning(not_done=(_agent(self.name),))
        only = _chosen(options.get("only"), means)
        if isinstance(only, NamedOutcome):
            return Planning(not_done=(only, *_left_out(state, {}, asks=False, blocks=_BLOCK in means.beside)))
        going = {holder.object_id: _condemned(holder, state, options, means) for holder in state.holders}
        holding = [each for each in state.holders if only is None or _holds(each, only, going[each.object_id])]
        # Where none holds them (any more), looks see that it stays so: they may have been removed a moment ago.
        looked_at = holding or (state.holders if only is not None and only.isdisjoint(_all_ids(state)) else ())
        steps = [_removal(holder, state, only, going[holder.object_id]) for holder in looked_at]
        asks = only is None and options.get("signing-keys") != "keep"
        not_done = list(_left_out(state, going, asks=asks, blocks=_BLOCK in means.beside))
        if only is not None:
            not_done += _not_held(state, only)
        if options.get("new-certificate") is True:
            match _renewal(state, means, only):
                case NamedOutcome() as outcome:
                    not_done.append(outcome)
                case step:
                    steps.append(step)
        return Planning(tuple(steps), tuple(not_done))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        state, holder = await _read(step, look)
        found = _sorted(step, holder, earlier)
        if found.unread is not None:
            raise Unreachable(f"writing down the federated credentials of {step.target_id}", found.unread)
        image = _image(holder, found)
        image |= _lock_image(holder, found, state, earlier.image or {})
        if step.options.get("part") == _RENEW:
            staying = [*_list(image["keptKeys"]), *_list(image["sparedKeys"])]
            return Before({"keptKeys": staying}, ("find or make the certificate", "PATCH keyCredentials"))
        if found.keys:
            image["publicKeys"] = await _public_parts(found, holder, earlier.image, look)
        return Before(image, tuple(_name(write) for write in _writes(step, image)))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if step.options.get("part") == _RENEW:
            return await _renew(step, before, tenant)
        writes = tuple(_writes(step, before))
        if not writes:
            return Applied((WriteOutcome(write="nothing to remove", outcome="already"),))
        results = await tenant.directory.write_credentials(writes)
        return Applied(_outcomes(writes, results))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.identity():
            case Known(state):
                holder = find_holder(state, step.target_id)
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the object could not be read: {why_unread(unread)}")
        if holder is None:
            return Proof("unknown", "the object was not in the answer")
        if step.options.get("part") == _RENEW:
            return await _verify_new(holder, earlier.made, look)
        return _verify_gone(step, holder, earlier, state)

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        state, holder = await _read(step, look)
        if step.options.get("part") == _RENEW:
            return plan_made(holder, earlier)
        if not isinstance(holder.federated, Known):
            raise Unreachable(f"reading the federated credentials of {step.target_id}", why_unread(holder.federated))
        return plan_removed(holder, state, earlier)

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        writes = tuple(writes_back(HolderKind(step.target_kind), step.target_id, image))
        results = await tenant.directory.write_credentials(writes)
        return Applied(tuple(_outcome(name_back(w), result) for w, result in zip(writes, results, strict=True)))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        try:
            state, holder = await _read(step, look)
        except Unreachable as error:
            return Proof("unknown", str(error))
        left = not_back(holder, image)
        if isinstance(image.get("instanceLock"), dict) and not is_locked(state) and not earlier.lock_goes:
            left.append("the instance lock")
        if left:
            return Proof("not-held", "; ".join(f"not back yet: {each}" for each in left))
        return Proof("held", f"what can come back is there, read at {state.read_at:%H:%M:%S} UTC")


# Planning


def _condemned(holder: Holder, state: IdentityState, options: JsonObject, means: Means) -> frozenset[str]:
    """The signing and encryption keys that go with the rest: accused ones, and if so chosen those not in use."""
    going = accused_with(holder, means.accused.value) if isinstance(means.accused, Known) else frozenset[str]()
    if options.get("signing-keys") == "remove":
        going |= {key.key_id for doubt in keys_in_doubt(holder, state.read_at) for key in doubt.keys}
    return going


def _removal(holder: Holder, state: IdentityState, only: frozenset[str] | None, going: frozenset[str]) -> PlannedStep:
    whole = sort_credentials(holder, condemned=going)
    found = whole if only is None else only_named(whole, only)
    locked = holder.kind is HolderKind.SERVICE_PRINCIPAL and is_locked(state)
    touches = (holder.object_id, *((state.identity.app_object_id,) if locked and state.identity.app_object_id else ()))
    return PlannedStep(
        id=f"replace-credentials-{holder.kind.value}-{holder.object_id}",
        action=ReplaceCredentials.name,
        target_kind=holder.kind.value,
        target_id=holder.object_id,
        target_name=state.identity.display_name,
        describe=_describe_removal(holder, found, locked, going),
        changes=(
            _change("passwordCredentials", _ids_of(found.passwords), _ids_of(holder.passwords)),
            _change("keyCredentials", _ids_of(found.keys), _ids_of(holder.keys)),
            _trusts(found, whole),
        ),
        options={
            "part": _REMOVE,
            **({} if only is None else {"only": [*sorted(only)]}),
            **({"signingKeys": [*sorted(going)]} if going else {}),
        },
        permissions=ReplaceCredentials.permissions,
        reversible=False,
        cannot_be_undone="Removed secrets cannot come back: Entra never shows their values. Owners need new ones.",
        breaks="Whatever signs in with these credentials needs a new one before it works again.",
        cannot_be_proven="That nobody uses a removed one elsewhere; tokens issued with it live on.",
        touches=touches,
    )


def _describe_removal(holder: Holder, found: Sorted, locked: bool, going: frozenset[str]) -> str:
    what = (
        f"{len(found.passwords)} secret(s), {len(found.keys)} certificate(s) and "
        f"{len(found.federated)} federated credential(s)"
    )
    if not found.removable:
        return f"The {holder.kind.value.replace('-', ' ')} holds no credential of this kind; see that it stays so."
    kept = f" {len(found.kept_keys)} signing or encryption key(s) stay." if found.kept_keys else ""
    signing = [key for key in found.keys if key.key_id in going]
    gone = f" {len(signing)} of the certificates are signing or encryption keys (accused, or not in use)."
    kept = (gone if signing else "") + kept
    lock = " The instance lock is lifted for these writes and put back." if locked and found.removable else ""
    return f"Remove {what} from the {holder.kind.value.replace('-', ' ')}.{kept}{lock}"


def _change(name: str, removed: Sequence[str], there: Sequence[str]) -> Change:
    staying = [each for each in there if each not in removed]
    return Change(property=name, before=_entries(there), after=_entries(staying))


def _entries(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{len(ids)} entries: {', '.join(ids[:_SHOWN])}{more}" if ids else "none"


def _ids_of(credentials: Sequence[Key] | Sequence[Password]) -> list[str]:
    return [each.key_id for each in credentials]


def _trusts(removed: Sorted, whole: Sorted) -> Change:
    """Named by Graph's ids, for their names are their makers' text. What could not be read is not called none."""
    name = "federatedIdentityCredentials"
    if whole.unread is not None:
        return Change(property=name, before=f"not known: {whole.unread}", after="none that is chosen")
    return _change(name, [each.id for each in removed.federated], [each.id for each in whole.federated])


def _renewal(state: IdentityState, means: Means, only: frozenset[str] | None) -> PlannedStep | NamedOutcome:
    application = state.application
    if application is None:
        return NamedOutcome(
            action=ReplaceCredentials.name,
            outcome=_NO_APPLICATION,
            reason="The application is registered in another tenant; only its owner can give it a new credential.",
        )
    if not means.handover_vault:
        return NamedOutcome(
            action=ReplaceCredentials.name,
            outcome="no-handover-vault",
            reason="No hand-over vault is configured (CORDON_HANDOVER_VAULT), so no new certificate is made.",
        )
    return PlannedStep(
        id=f"replace-credentials-new-certificate-{application.object_id}",
        action=ReplaceCredentials.name,
        target_kind=application.kind.value,
        target_id=application.object_id,
        target_name=state.identity.display_name,
        describe="Make a new certificate in the hand-over vault and put its public part on the application.",
        changes=(Change(property="keyCredentials", before="without it", after="with one new certificate"),),
        options={
            "part": _RENEW,
            "certificate": f"cordon-{means.incident}",
            "operation": means.incident,
            **({} if only is None else {"only": [*sorted(only)]}),
        },
        permissions=ReplaceCredentials.permissions,
        reversible=True,
        breaks="Nothing; its owner fetches it from the vault once sign-in is allowed again.",
        cannot_be_proven="That its owner has fetched it.",
        touches=(application.object_id,),
        once=True,
        stage=1,  # it takes the vault seconds, and the proof that the old ones are gone does not wait for it
        contains=False,
    )


def _left_out(
    state: IdentityState, going: Mapping[str, frozenset[str]], *, asks: bool, blocks: bool
) -> Iterator[NamedOutcome]:
    """
    What is not removed. With `asks`, signing keys that nothing shows to be in use are a person's to settle. `blocks`:
    the same plan blocks sign-in.
    """
    if state.application is None:
        here = "sign-in is blocked for this tenant" if blocks else "only blocking its sign-in keeps it out"
        yield NamedOutcome(
            action=ReplaceCredentials.name,
            outcome=_NO_APPLICATION,
            reason=(
                "The application is registered in another tenant: its own credentials can only be removed by its "
                f"owner. Tell the publisher; here, {here}."
            ),
        )
    for holder in state.holders:
        condemned = going.get(holder.object_id, frozenset())
        found = sort_credentials(holder, condemned=condemned)
        doubts = [d for d in keys_in_doubt(holder, state.read_at) if not condemned.issuperset(k.key_id for k in d.keys)]
        doubts = doubts if asks else []
        asked = {key.key_id for doubt in doubts for key in doubt.keys}
        yield from (_in_doubt(holder, doubt) for doubt in doubts)
        if kept := [key for key in found.kept_keys if key.key_id not in asked]:
            yield NamedOutcome(
                action=ReplaceCredentials.name,
                outcome="signing-or-encryption-keys-kept",
                reason=(
                    f"{len(kept)} key(s) of the {holder.kind.value.replace('-', ' ')} serve single "
                    "sign-on or token encryption, not this identity's own sign-in; removing them breaks people's "
                    "sign-in. Check whether they are yours: " + ", ".join(key.key_id for key in kept)
                ),
            )


def _in_doubt(holder: Holder, doubt: InDoubt) -> NamedOutcome:
    ids = ", ".join(key.key_id for key in doubt.keys)
    return NamedOutcome(
        action=ReplaceCredentials.name,
        outcome=SIGNING_KEYS_IN_DOUBT,
        reason=(
            f"Key(s) {ids} of the {holder.kind.value.replace('-', ' ')} look like single sign-on, and nothing shows "
            f"that it needs them: {doubt.why}. Their Verify entry lets whoever made them sign in as this identity, "
            "once sign-in is allowed again. They were kept: removing them may break people's sign-in."
        ),
    )


def _platform_held(action: str) -> NamedOutcome:
    return NamedOutcome(
        action=action,
        outcome="platform-held-credentials",
        reason=(
            "Azure holds the credentials of a managed identity; there is nothing to replace. Detach the identity "
            "from its resource or remove its role assignments. Its tokens are cached for up to 24 hours."
        ),
    )


def _agent(action: str) -> NamedOutcome:
    return NamedOutcome(
        action=action,
        outcome="agent-identity",
        reason="Credentials of agent identities lie on their blueprint (AgentIdentityBlueprint.AddRemoveCreds.All).",
    )


# Only some of them


def _check_only(value: JsonValue) -> None:
    if value == _ACCUSED:
        return
    ids = value if isinstance(value, list) else []
    if not 1 <= len(ids) <= _MOST:
        raise ValueError(f"the option only of replace-credentials is accused, or a list of 1 to {_MOST} credential ids")
    for id_ in ids:
        try:
            canonical_guid(id_)
        except ValueError:
            raise ValueError(
                "the option only of replace-credentials holds something that is no credential id"
            ) from None


def _chosen(value: JsonValue, means: Means) -> frozenset[str] | NamedOutcome | None:
    """The ids that are to go; None for all; by name why it is not known which."""
    if value is None:
        return None
    if value != _ACCUSED:
        return frozenset(canonical_guid(id_) for id_ in _list(value))
    match means.accused:
        case Known(ids) if ids:
            return ids
        case Known():
            reason = "No detection names a credential. Name the ids (only: [...]), or replace all of them."
            return NamedOutcome(action=ReplaceCredentials.name, outcome="no-accused-credential", reason=reason)
        case NotLooked() | CouldNotLook() as unread:
            reason = (
                f"Which credentials are accused could not be read: {why_unread(unread)} None was removed; name the "
                "ids (only: [...]), or replace all of them."
            )
            return NamedOutcome(action=ReplaceCredentials.name, outcome="cannot-be-read", reason=reason)


def _holds(holder: Holder, ids: frozenset[str], going: frozenset[str]) -> bool:
    """Whether the object may hold one of these; where its federated credentials are unread, it may."""
    found = only_named(sort_credentials(holder, condemned=going), ids)
    return bool(found.removable) or found.unread is not None


def _all_ids(state: IdentityState) -> set[str]:
    held: set[str] = set()
    for holder in state.holders:
        held |= {key.key_id for key in holder.keys} | {password.key_id for password in holder.passwords}
        held |= {credential.id.lower() for credential in sort_credentials(holder).federated}
    return held


def _not_held(state: IdentityState, ids: frozenset[str]) -> Iterator[NamedOutcome]:
    """Named credentials that are not there to be removed; kept keys are told by `_left_out`."""
    if gone := sorted(ids - _all_ids(state)):
        yield NamedOutcome(
            action=ReplaceCredentials.name,
            outcome="already-so",
            reason=f"This identity holds no credential {', '.join(gone)} (any more).",
        )


# Reading and writing


async def _read(step: PlannedStep, look: Look) -> tuple[IdentityState, Holder]:
    match await look.identity():
        case Known(state):
            holder = find_holder(state, step.target_id)
        case NotLooked() | CouldNotLook() as unread:
            raise Unreachable(f"writing down the credentials of {step.target_id}", why_unread(unread))
    if holder is None:
        raise Unreachable(f"writing down the credentials of {step.target_id}", "it was not in the answer")
    return state, holder


async def _public_parts(found: Sorted, holder: Holder, first: JsonObject | None, look: Look) -> JsonObject:
    """
    The public part of each certificate that goes, for undo. The removal waits for this, but not for its success:
    without it the certificate cannot come back, and undo says so. Later rounds remove what undo never gives back.
    """
    if first is not None:
        return {}
    wanted = frozenset(key.key_id for key in found.keys if is_certificate(key))
    match await look.public_keys(holder.kind, holder.object_id, wanted):
        case Known(parts):
            return {key.key_id: parts[key.key_id] for key in found.keys if key.key_id in parts}
        case NotLooked() | CouldNotLook():
            return {}


def _image(holder: Holder, found: Sorted) -> JsonObject:
    return {
        "passwords": [p.key_id for p in found.passwords],
        "keys": _as_json(raw_keys(found.keys)),
        "federated": _as_json([dict(credential.raw) for credential in found.federated]),
        "keptKeys": _as_json(raw_keys(found.kept_keys)),
        "ownKeys": _as_json(raw_keys(found.own_keys)),
        "sparedKeys": _as_json(raw_keys(found.spared_keys)),
        "keptPasswords": [p.key_id for p in found.kept_passwords],
        "holder": holder.kind.value,
    }


def _lock_image(holder: Holder, found: Sorted, state: IdentityState, first: JsonObject) -> JsonObject:
    """
    The lock to lift for these writes and put back after them.

    A crash may have left it lifted, so what the first round found goes before what is there now.
    """
    if "instanceLock" in first:
        return {"instanceLock": first["instanceLock"], "lockedBy": first["lockedBy"]}
    if holder.kind is HolderKind.SERVICE_PRINCIPAL and is_locked(state) and found.removable:
        return {"instanceLock": dict(state.instance_lock or {}), "lockedBy": state.identity.app_object_id}
    return {}


def _as_json(entries: Sequence[JsonObject]) -> list[JsonValue]:
    return list(entries)


def _writes(step: PlannedStep, image: JsonObject) -> Iterator[CredentialWrite]:
    """
    The writes that follow from an image, and from nothing else: a resumed step sends the same ones. Where nothing is
    left to remove, the lock is only put on: lifted, it would be open to whoever waits for that.
    """
    lock, locked_by = image.get("instanceLock"), image.get("lockedBy")
    lifted = isinstance(lock, dict) and isinstance(locked_by, str)
    removals = tuple(_removals(step, image))
    if lifted and removals:
        yield SetInstanceLock(str(locked_by), {**_object(lock), "isEnabled": False})
    yield from removals
    if lifted:
        yield SetInstanceLock(str(locked_by), _object(lock))


def _removals(step: PlannedStep, image: JsonObject) -> Iterator[CredentialWrite]:
    holder, target = HolderKind(step.target_kind), step.target_id
    for key_id in _list(image["passwords"]):
        yield RemovePassword(holder, target, str(key_id))
    if _list(image["keys"]):
        staying = (*_list(image["keptKeys"]), *_list(image["ownKeys"]), *_list(image.get("sparedKeys", [])))
        yield ReplaceKeys(holder, target, keep=tuple(_object(key) for key in staying))
    for credential in _list(image["federated"]):
        yield RemoveFederated(holder, target, str(_object(credential)["id"]))


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _name(write: CredentialWrite) -> str:
    match write:
        case RemovePassword():
            return f"removePassword {write.key_id}"
        case ReplaceKeys():
            return f"PATCH keyCredentials, keeping {len(write.keep)}" + (" and adding one" if write.add else "")
        case RemoveFederated():
            return f"DELETE federatedIdentityCredential {write.credential_id}"
        case SetInstanceLock():
            return f"PATCH instance lock {'on' if write.lock.get('isEnabled') else 'off'}"
        case GiveBack():
            return name_back(write)


def _outcomes(writes: Sequence[CredentialWrite], results: Sequence[WriteResult]) -> tuple[WriteOutcome, ...]:
    return tuple(_outcome(_name(write), result) for write, result in zip(writes, results, strict=True))


def _outcome(name: str, result: WriteResult) -> WriteOutcome:
    match result:
        case WriteDone(already=already):
            return WriteOutcome(write=name, outcome="already" if already else "accepted")
        case WriteRefused(error):
            return WriteOutcome(write=name, outcome="refused", detail=str(error), stop=refusal_name(error))
        case WriteUnknown(why):
            return WriteOutcome(write=name, outcome="unknown", detail=why)


async def _renew(step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
    """
    Find the certificate of this operation or make it, then put it on the application.

    The PATCH sends what was to stay and the new one: whatever else was added meanwhile goes with it.
    """
    if tenant.handover is None:
        raise PlatformRefused(doing=step.describe, code="no-handover-vault", why="no vault is configured any more.")
    name, operation = str(step.options["certificate"]), str(step.options["operation"])
    certificate = await tenant.handover.find_certificate(name, operation)
    found = certificate is not None
    if certificate is None:
        certificate = await tenant.handover.make_certificate(name, f"CN={step.target_id}", operation)
    keep = tuple(_object(key) for key in _list(before["keptKeys"]))
    write = ReplaceKeys(HolderKind.APPLICATION, step.target_id, keep=keep, add=certificate)
    (result,) = await tenant.directory.write_credentials((write,))
    making = WriteOutcome(write=f"make certificate {name}", outcome="already" if found else "accepted")
    made: JsonObject = {
        "certificateName": certificate.name,
        "certificateVersion": certificate.version,
        "thumbprint": certificate.thumbprint,
        "sha256": hashlib.sha256(certificate.cer).hexdigest(),
        "expires": certificate.expires.isoformat(),
    }
    return Applied((making, _outcome(_name(write), result)), made)


def _sorted(step: PlannedStep, holder: Holder, earlier: Earlier) -> Sorted:
    """
    Our certificate is put on the application only; what shows its identifier elsewhere is somebody else's. Of the
    keys that serve another purpose only those stay that the first image holds.
    """
    own = _own_thumbprint(earlier.made) if holder.kind is HolderKind.APPLICATION else None
    known = None
    if earlier.image is not None:
        known = frozenset(str(_object(entry).get("keyId")) for entry in _list(earlier.image.get("keptKeys", [])))
    found, only = sort_credentials(holder, own, known, _going(step)), step.options.get("only")
    return found if only is None else only_named(found, frozenset(str(id_) for id_ in _list(only)))


def _going(step: PlannedStep) -> frozenset[str]:
    """The signing and encryption keys that the plan removes with the rest."""
    return frozenset(str(id_) for id_ in _list(step.options.get("signingKeys", [])))


def _own_thumbprint(made: Mapping[str, object]) -> str | None:
    thumbprint = made.get("thumbprint")
    return thumbprint if isinstance(thumbprint, str) else None


# Proof


def _verify_gone(step: PlannedStep, holder: Holder, earlier: Earlier, state: IdentityState) -> Proof:
    before = earlier.image or {}
    found = _sorted(step, holder, earlier)
    if found.unread is not None:
        return Proof("unknown", f"the federated credentials could not be read: {found.unread}")
    left = [
        *(f"secret {p.key_id}" for p in found.passwords),
        *(f"certificate {k.key_id}" for k in found.keys),
        *(f"federated credential {c.id}" for c in found.federated),
    ]
    lost = _lost(before, found, _going(step))
    if left or lost:
        return Proof("not-held", "; ".join((*(f"still there: {item}" for item in left), *lost)))
    lock = before.get("instanceLock")
    if isinstance(lock, dict) and not is_locked(state):
        return Proof("not-held", "the instance lock is not back yet")
    kept = f", {len(found.kept_keys)} signing or encryption key(s) kept" if found.kept_keys else ""
    left_over = "none of the chosen credentials is left" if "only" in step.options else "no credential left but ours"
    proof = f"{left_over}{kept}, read at {state.read_at:%H:%M:%S} UTC"
    return Proof("held", proof, () if "only" in step.options else tuple(_works_on(state)))


def _works_on(state: IdentityState) -> Iterator[NamedOutcome]:
    """What a publisher holds elsewhere lets it in here as before, however little its service principal holds."""
    if state.identity.kind in (IdentityKind.FOREIGN, IdentityKind.MICROSOFT) and state.enabled:
        yield NamedOutcome(
            action=ReplaceCredentials.name,
            outcome=_NO_APPLICATION,
            reason="Its own credentials lie with its publisher, in another tenant, and its sign-in here is allowed.",
            todo=f"Order block-sign-in for service principal {state.identity.principal_id}, and tell the publisher.",
        )


def _lost(before: JsonObject, found: Sorted, going: frozenset[str]) -> list[str]:
    """Keys that were to stay and are gone: somebody's single sign-on may be broken, so it is said."""
    shown = {key.key_id for key in found.kept_keys}
    wanted = {str(_object(entry).get("keyId")) for entry in _list(before.get("keptKeys", []))}
    return [f"missing: signing or encryption key {key_id}" for key_id in sorted(wanted - shown - going)]


async def _verify_new(holder: Holder, made: Mapping[str, object], look: Look) -> Proof:
    """The identifier that a key shows is chosen by whoever writes it; only its public part proves whose it is."""
    thumbprint = _own_thumbprint(made)
    if thumbprint is None:
        return Proof("not-held", "no new certificate was made yet")
    matching = [key for key in holder.keys if same_thumbprint(key.custom_key_identifier, thumbprint)]
    if len(matching) != 1:
        return Proof("not-held", f"the application shows {len(matching)} entries for the new certificate {thumbprint}")
    match await look.key_digests(AppObjectId(holder.object_id)):
        case Known(digests) if digests.get(matching[0].key_id) == made.get("sha256"):
            return Proof("held", f"the application holds the new certificate {thumbprint} as key {matching[0].key_id}")
        case Known():
            return Proof("not-held", f"key {matching[0].key_id} shows the new certificate's identifier and is another")
        case CouldNotLook() | NotLooked() as unread:
            return Proof("unknown", f"the public part of the new certificate could not be read: {why_unread(unread)}")
