"""
The plan: a decision's actions on one identity as ordered steps, each with before and after. Pure.

The order is the actions' rank: the reversible cut that stops the bleeding comes first.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.actions import planner_named
from shared.actions.interface import Means, Planning
from shared.actions.people import for_deleted
from shared.canonical import canonical
from shared.case import Holder, IdentityState, Known
from shared.entries import NamedOutcome, Planned, PlannedStep
from shared.identity import IdentityKind
from shared.policy import ActionChoice

LIFE = timedelta(hours=1)  # a plan that waits longer is made again


def make_plan(
    actions: Sequence[ActionChoice],
    state: IdentityState,
    means: Means,
    now: datetime,
    left_out: Mapping[str, NamedOutcome] | None = None,
) -> Planned:
    """
    Lay out what these actions come to for this identity, as it was read. `left_out` are actions that cannot
    run here at all, with the reason: they stand in the plan by name, and the others go on. The hash is that of the
    plan that nothing was read for beside: whether somebody is shown more changes nothing of what is approved.
    """
    steps, not_done = lay_out(actions, state, means, left_out or {})
    unshown = means.unshown
    bound = steps if unshown is means else lay_out(actions, state, unshown, left_out or {})[0]
    print_ = fingerprint(state)
    return Planned(
        hash=_hash([_hashed(step) for step in bound], print_),
        fingerprint=print_,
        steps=steps,
        not_done=not_done,
        expires_at=now + LIFE,
    )


def lay_out(
    actions: Sequence[ActionChoice], state: IdentityState, means: Means, left_out: Mapping[str, NamedOutcome]
) -> tuple[tuple[PlannedStep, ...], tuple[NamedOutcome, ...]]:
    """The steps of such a plan and what is not done, without the hash by which somebody could approve it."""
    possible = [choice for choice in actions if choice.name not in left_out]
    means = replace(means, beside=frozenset(choice.name for choice in possible))
    steps: list[PlannedStep] = []
    not_done = [left_out[choice.name] for choice in actions if choice.name in left_out]
    for choice in sorted(possible, key=lambda choice: planner_named(choice.name).rank):
        planning = _planning(choice, state, means)
        steps += planning.steps
        not_done += planning.not_done
    numbered = tuple(step.model_copy(update={"id": f"{n}-{step.id}"}) for n, step in enumerate(steps, start=1))
    return numbered, tuple(not_done)


def _planning(choice: ActionChoice, state: IdentityState, means: Means) -> Planning:
    """Of what is deleted only its deletion is anybody's business."""
    if state.deleted_at is None or for_deleted((choice.name,)):
        return planner_named(choice.name).plan(state, choice.options, means)
    reason = (
        f"The identity was deleted on {state.deleted_at:%Y-%m-%d %H:%M} UTC: it gets no tokens, and nothing of it can "
        "be changed. It can be restored for 30 days (restore-application)."
    )
    return Planning(not_done=(NamedOutcome(action=choice.name, outcome="soft-deleted", reason=reason),))


_LATER = ("lasting",)  # fields that plans of earlier versions had not: at rest, they leave the hash as it was


def _hashed(step: PlannedStep) -> dict[str, object]:
    """What a person approves. The incident's name is not part of it: a preview has none yet."""
    shown = step.model_dump(mode="json")
    shown["options"] = {k: v for k, v in step.options.items() if k not in ("certificate", "operation")}
    for name in _LATER:
        if shown[name] == PlannedStep.model_fields[name].default:
            del shown[name]
    return shown


def fingerprint(state: IdentityState) -> str:
    """Covers everything of the state that a plan depends on: equal prints, equal plans."""
    return _hash(
        *_who_rules_it(state),
        state.identity.principal_id,
        state.enabled,
        state.instance_lock,
        state.deactivated,
        _addresses(state),
        state.deleted_at is not None,
        [_credentials(holder) for holder in state.holders],
    )


def _who_rules_it(state: IdentityState) -> list[object]:
    """Whose it is and whether Microsoft has disabled it; at rest, prints of earlier plans stay as they were."""
    kind, disabled = state.identity.kind, state.disabled_by_microsoft
    usual = kind is IdentityKind.OWN_SINGLE_TENANT and disabled in (None, "NotDisabled")
    return [] if usual else [[kind.value, disabled]]


def _addresses(state: IdentityState) -> list[object]:
    found = state.addresses
    return [] if found is None else [found.platforms, found.identifier_uris]


def _credentials(holder: Holder) -> list[object]:
    read = holder.federated
    federated = sorted(credential.id for credential in read.value) if isinstance(read, Known) else "unread"
    return [
        holder.object_id,
        sorted(password.key_id for password in holder.passwords),
        sorted((key.key_id, key.usage) for key in holder.keys),
        [holder.single_sign_on, holder.signing_thumbprint, holder.token_encryption_key_id],
        federated,
    ]


def _hash(*things: object) -> str:
    text = canonical(things)
    return hashlib.sha256(text.encode()).hexdigest()
