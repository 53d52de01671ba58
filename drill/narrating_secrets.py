"""
The lines of the narrator about exposed secrets: one for each thing that a bystander would want to hear of.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from shared.entries import (
    Entry,
    ExposureFound,
    IdentityAccused,
    RotationApproved,
    RotationEnded,
    RotationHeld,
    RotationPlanned,
    SecretAwaits,
    SecretDone,
    SecretFailed,
    SecretReminded,
    SecretRepeated,
    SecretStopped,
    SecretVerified,
    SecretYields,
)

Teller: TypeAlias = Callable[[Any, str | None], Iterable[str]]

_STAGES = {"made": "is made new", "published": "is published", "retired": "is let die", "disabled": "is disabled"}


def _tell_exposure(entry: ExposureFound, _: str | None) -> Iterable[str]:
    yield f"looks who read what (look {entry.number}): {_by_tier(entry.secrets) or 'no secret exposed'}"
    if entry.read_again:
        yield f"read again since it was rotated: {', '.join(entry.read_again)}"
    for gap in entry.unseen:
        yield f"could not see {gap}"


def _tell_plan(entry: RotationPlanned, _: str | None) -> Iterable[str]:
    how = ", ".join(f"{count} by {rotator}" for rotator, count in entry.rotators.items())
    if how:
        yield f"plans to rotate {how}"
    for step, why in entry.spared.items():
        yield f"{step} is never touched: {why}"


def _tell_held(entry: RotationHeld, _: str | None) -> Iterable[str]:
    what = f"{entry.secrets} secret(s) of tier {entry.tier}" if entry.tier else "the secrets"
    yield f"holds back {what}, by {entry.by}: {entry.reason}"


def _tell_approval(entry: RotationApproved, _: str | None) -> Iterable[str]:
    tiers = ", ".join(map(str, entry.tiers))
    yield f"tier {tiers} of plan {entry.plan_hash[:12]} is let go by {entry.by}: {entry.reason}"


def _tell_done(entry: SecretDone, step: str | None) -> Iterable[str]:
    """That it dies at its source is told by the proof, and what was made by its publishing."""
    if entry.stage == "published":
        yield f"{step}: a new credential stands in the vault"
    if entry.stage == "disabled":
        yield f"{step}: {entry.note or 'the exposed versions are disabled'}"


def _tell_again(entry: SecretRepeated, step: str | None) -> Iterable[str]:
    answers = ", ".join(write.outcome for write in entry.writes) or "nothing was left to do"
    yield f"{step}: {_STAGES[entry.stage]} once more: {answers}"


def _tell_proof(entry: SecretVerified, step: str | None) -> Iterable[str]:
    words = {"held": "is dead", "not-held": "lives still", "unknown": "may live"}
    said = "is said to be dead" if (entry.answer, entry.by) == ("held", "owner") else words[entry.answer]
    yield f"{step}: the exposed credential {said}: {entry.proof}"


def _tell_waiting(entry: SecretAwaits, step: str | None) -> Iterable[str]:
    yield f"{step}: waits for somebody else: {entry.why}"


def _tell_yielding(entry: SecretYields, step: str | None) -> Iterable[str]:
    yield f"{step}: waits its turn: {entry.reason}"


def _tell_reminder(entry: SecretReminded, step: str | None) -> Iterable[str]:
    yield f"{step}: {'calls a person: ' if entry.escalated else ''}{entry.reason}"


def _tell_failure(entry: SecretFailed, step: str | None) -> Iterable[str]:
    yield f"{step}: is tried again before it {_STAGES[entry.stage]}: {entry.reason}"


def _tell_stop(entry: SecretStopped, step: str | None) -> Iterable[str]:
    yield f"{step} stops, {entry.outcome}: {entry.reason} To do: {entry.todo}"


def _tell_accusation(entry: IdentityAccused, step: str | None) -> Iterable[str]:
    yield f"{step} holds a credential of client {entry.client_id}: that identity is looked at too"


def _tell_end(entry: RotationEnded, _: str | None) -> Iterable[str]:
    yield f"ends the rotation, {'whole' if entry.whole else 'with something left'}: {entry.reason}"


def _by_tier(secrets: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of tier {tier}" for tier, count in sorted(secrets.items()) if count)


TELLERS: Mapping[type[Entry], Teller] = {
    ExposureFound: _tell_exposure,
    RotationPlanned: _tell_plan,
    RotationHeld: _tell_held,
    RotationApproved: _tell_approval,
    SecretDone: _tell_done,
    SecretRepeated: _tell_again,
    SecretVerified: _tell_proof,
    SecretAwaits: _tell_waiting,
    SecretYields: _tell_yielding,
    SecretReminded: _tell_reminder,
    SecretFailed: _tell_failure,
    SecretStopped: _tell_stop,
    IdentityAccused: _tell_accusation,
    RotationEnded: _tell_end,
}
