"""
What became of each credential, told from what was seen, what was to be removed, and what was proven.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from shared.entries import Applied, CredentialSeen, Entry, Intended, Investigated, Verified, WriteOutcome
from shared.history import History, StepStory, is_proof
from shared.report.images import id_of, made_by, objects_in
from shared.report.model import Credential
from shared.report.words import utc

Fate: TypeAlias = Literal["removed", "kept", "still-there", "added", "in-doubt"]

REPLACE = "replace-credentials"
_LISTS: dict[str, Literal["password", "certificate", "federated"]] = {
    "passwords": "password",
    "keys": "certificate",
    "federated": "federated",
    "keptKeys": "certificate",
    "keptPasswords": "password",
}


@dataclass(frozen=True, slots=True)
class Sighting:
    """A credential as first seen, and the place of the newest look at the identity that showed it."""

    seen: CredentialSeen
    newest: int


def tell_credentials(history: History) -> Iterator[Credential]:
    """Every credential that was seen or written down, as first seen; then what was made."""
    removals = {step.planned.target_id: step for step in history.steps if step.planned and _is_removal(step)}
    for sighting in _all_seen(history, removals).values():
        seen = sighting.seen
        fate, why = _fate(sighting, removals.get(seen.object_id))
        yield Credential(
            holder=seen.holder,
            object_id=seen.object_id,
            type=_type(seen),
            id=seen.id,
            name=seen.name,
            detail=seen.detail,
            start=seen.start,
            end=seen.end,
            accused=seen.accused,
            fate=fate,
            why=why,
        )
    yield from (_told_new(made) for made in new_certificates(history))


def _all_seen(history: History, removals: dict[str, StepStory]) -> dict[tuple[str, str, str], Sighting]:
    found: dict[tuple[str, str, str], Sighting] = {}
    for line in history.lines:
        for seen in _credentials_in(line.entry):
            key = (seen.object_id, seen.type, seen.id)
            first = found[key].seen if key in found else seen
            accused = first.accused or seen.accused
            found[key] = Sighting(first.model_copy(update={"accused": accused}), line.record.sequence)
    for object_id, step in removals.items():
        for seen in _written_down(object_id, step):
            found.setdefault((object_id, seen.type, seen.id), Sighting(seen, -1))
    return found


def _credentials_in(entry: Entry) -> tuple[CredentialSeen, ...]:
    return entry.identity.credentials if isinstance(entry, Investigated) and entry.identity else ()


def _written_down(object_id: str, step: StepStory) -> Iterator[CredentialSeen]:
    """Credentials in the step's images: one that was added after the investigation is only there."""
    for name, type_ in _LISTS.items():
        for entry in objects_in(step, name):
            yield CredentialSeen(
                holder=_holder(step),
                object_id=object_id,
                type=type_,
                id=id_of(entry),
                name=_text(entry.get("displayName") or entry.get("name")),
                usage=_text(entry.get("usage")),
                detail=_text(entry.get("issuer")),
            )


def _holder(step: StepStory) -> Literal["application", "service-principal"]:
    is_application = step.planned is not None and step.planned.target_kind == "application"
    return "application" if is_application else "service-principal"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _type(seen: CredentialSeen) -> str:
    words = {"password": "secret", "certificate": "certificate", "federated": "federated credential"}
    use = f" ({seen.usage})" if seen.usage and seen.usage.lower() != "verify" else ""
    return words[seen.type] + use


def _is_removal(step: StepStory) -> bool:
    planned = step.planned
    return planned is not None and planned.action == REPLACE and planned.options.get("part") != "new-certificate"


def _fate(sighting: Sighting, step: StepStory | None) -> tuple[Fate, str]:
    if step is None:
        return "kept", "no step of the plan removes credentials of this object"
    if not any(True for _ in step.all(Intended)):
        return "kept", "its removal was not begun"
    if _is_in(sighting, step, "keptKeys", "keptPasswords"):
        return "kept", "it serves SAML signing or token encryption, not the identity's own sign-in"
    if _is_in(sighting, step, "ownKeys"):
        return "kept", "it is the new certificate that Cordon made"
    newest = step.lines[-1]
    if sighting.newest > newest.record.sequence:
        return "still-there", "it was seen after the removal: not removed, or added again"
    if not _is_in(sighting, step, "passwords", "keys", "federated"):
        return "in-doubt", "it was seen, but no longer there when the removal began: somebody else removed it"
    if isinstance(newest.entry, Verified) and is_proof(newest.entry):
        return "removed", f"a fresh read shows it gone, {utc(newest.record.time)}"
    return "in-doubt", _why_in_doubt(sighting.seen, step)


def _is_in(sighting: Sighting, step: StepStory, *names: str) -> bool:
    return any(id_of(entry) == sighting.seen.id for entry in objects_in(step, *names))


def _why_in_doubt(seen: CredentialSeen, step: StepStory) -> str:
    refused = next((w for w in _writes(step) if seen.id in w.write and w.outcome == "refused"), None)
    if refused is not None:
        return f"its removal was refused: {refused.detail or refused.write}"
    if step.stopped is not None:
        return f"its removal stopped: {step.stopped.outcome}"
    return f"its removal is not proven (step is {step.state})"


def _writes(step: StepStory) -> Iterator[WriteOutcome]:
    for _, applied in step.all(Applied):
        yield from applied.writes


# What was made


@dataclass(frozen=True, slots=True)
class NewCertificate:
    """A certificate of the hand-over vault, and whether a read shows it on the application."""

    vault: str | None
    name: str
    version: str
    thumbprint: str
    expires: str | None
    object_id: str
    held: bool


def new_certificates(history: History) -> Iterator[NewCertificate]:
    """The certificates that were made, told from the steps' ids of what they made."""
    for step in history.steps:
        made = made_by(step)
        if step.planned is None or not isinstance(made.get("thumbprint"), str):
            continue
        yield NewCertificate(
            vault=_text(made.get("vault")) or _text(step.planned.options.get("vault")),
            name=str(made.get("certificateName", "")),
            version=str(made.get("certificateVersion", "")),
            thumbprint=str(made["thumbprint"]),
            expires=_text(made.get("expires")),
            object_id=step.planned.target_id,
            held=step.state == "held",
        )


def where(certificate: NewCertificate) -> str:
    """Where its owner fetches it."""
    vault = f"vault {certificate.vault}" if certificate.vault else "the hand-over vault (CORDON_HANDOVER_VAULT)"
    return f"{vault}, certificate {certificate.name}, version {certificate.version}"


def _told_new(made: NewCertificate) -> Credential:
    return Credential(
        holder="application",
        object_id=made.object_id,
        type="certificate",
        id=made.thumbprint,
        name=made.name,
        detail=None,
        start=None,
        end=datetime.fromisoformat(made.expires) if made.expires else None,
        accused=False,
        fate="added" if made.held else "in-doubt",
        why=f"made by Cordon; to be fetched from {where(made)}"
        if made.held
        else f"made in {where(made)}, but no read shows it on the application",
    )
