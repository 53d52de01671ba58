"""
The way back, step by step and by hand, from the recorded pre-images, for whoever would rather not order the undo.
Newest step first.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial

from shared.entries import Opened, PlannedStep
from shared.history import History, StepStory
from shared.report import undoing_levers
from shared.report.credentials import REPLACE
from shared.report.images import changed_something, first_image, id_of, made_by, objects_in, shown
from shared.report.model import WayBack
from shared.report.tokens import BLOCK
from shared.report.ways import call, way
from shared.signal import JsonObject

_CENTRE = "Entra admin centre"
_DISMISS = "/identityProtection/riskyServicePrincipals/dismiss"


def tell_undo(history: History) -> Iterator[WayBack]:
    """One way back for each step that may have changed something, and that Cordon did not go itself."""
    known, opened = dict(BY_HAND), history.last(Opened)
    if opened is not None:
        known["custody"] = partial(undoing_levers.custody, graph=opened.graph)
        known["cut-vault-access"] = partial(undoing_levers.vault_access, arm=opened.arm)
    for step in reversed(history.steps):
        image = first_image(step)
        if step.planned is None or image is None:
            continue
        if not changed_something(step):
            yield way(step, "nothing: it was so before, and Cordon changed nothing")
        elif step.undone and step.back:
            yield way(step, "nothing more: Cordon has put it back", cannot=step.planned.cannot_be_undone)
        else:
            yield known.get(step.planned.action, _any_other)(step, step.planned, image)


def _allow_sign_in(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    if image.get("accountEnabled") is not True:
        return way(step, "nothing: sign-in was blocked before Cordon came")
    return way(
        step,
        "sign-in, for whoever holds a credential: do this last, when nothing that is known to the attacker is left",
        call("PATCH", f"/servicePrincipals/{planned.target_id}", {"accountEnabled": True}),
        portal=f"{_CENTRE}, Enterprise applications, object {planned.target_id}, Properties, Enabled for users to "
        "sign in: Yes",
    )


def _credentials(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    if planned.options.get("part") == "new-certificate":
        return _take_certificate_back(step, planned)
    path = f"/{_collection(planned)}/{planned.target_id}"
    trusts = [call("POST", f"{path}/federatedIdentityCredentials", _trust(t)) for t in _first(image, "federated")]
    lock = image.get("instanceLock")
    if isinstance(lock, dict):
        trusts.append(
            call("PATCH", f"/applications/{image.get('lockedBy')}", {"servicePrincipalLockConfiguration": lock})
        )
    return way(
        step,
        f"{len(_first(image, 'federated'))} federated credential(s), as recorded; check first that each is yours"
        + ("; the instance lock, if the step broke off before it was put back" if isinstance(lock, dict) else ""),
        *trusts,
        portal=f"{_CENTRE}, App registrations, Certificates & secrets",
        cannot=_lost(step),
    )


def _collection(planned: PlannedStep) -> str:
    return "applications" if planned.target_kind == "application" else "servicePrincipals"


def _first(image: JsonObject, name: str) -> list[JsonObject]:
    value = image.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _trust(entry: JsonObject) -> JsonObject:
    """What Graph takes when a federated credential is made: what was read, without the id it gave itself."""
    names = ("name", "issuer", "subject", "audiences", "description", "claimsMatchingExpression")
    return shown({name: entry[name] for name in names if entry.get(name) is not None})


def _lost(step: StepStory) -> str | None:
    secrets = sorted({id_of(entry) for entry in objects_in(step, "passwords")})
    keys = sorted({id_of(entry) for entry in objects_in(step, "keys")})
    parts: list[str] = []
    if secrets:
        parts.append(f"secrets {', '.join(secrets)}: Entra never shows their values; make new ones")
    if keys:
        by_cordon = " (Cordon's undo puts back those whose public part it could write down)"
        parts.append(f"certificates {', '.join(keys)}: their owner can upload the public part again{by_cordon}")
    return "; ".join(parts) or None


def _take_certificate_back(step: StepStory, planned: PlannedStep) -> WayBack:
    thumbprint = made_by(step).get("thumbprint")
    if not isinstance(thumbprint, str):
        return way(step, "nothing: no certificate is known to have been made; look into the hand-over vault")
    return way(
        step,
        f"the application without the new certificate {thumbprint}, if its owner does not want it",
        portal=f"{_CENTRE}, App registrations, object {planned.target_id}, Certificates & secrets: delete the "
        f"certificate with thumbprint {thumbprint}. By Graph: PATCH keyCredentials with every other entry as read.",
    )


def _dismiss(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    return way(
        step,
        f"the risk state, which was {image.get('riskState') or 'not read'}: dismissing sets it to dismissed",
        call(
            "POST", "/identityProtection/riskyServicePrincipals/dismiss", {"servicePrincipalIds": [planned.target_id]}
        ),
        portal=f"{_CENTRE}, Identity Protection, Risky workload identities: Dismiss service principal risk",
    )


def _any_other(step: StepStory, planned: PlannedStep, image: JsonObject) -> WayBack:
    """An action that has no words of its own here: its changes backwards, and its own word on what is lost."""
    back = "; ".join(f"{change.property} back to {change.before}" for change in planned.changes)
    recorded = json.dumps(shown(image))
    return way(
        step,
        f"{back or 'what was recorded before it'}, on {planned.target_kind} {planned.target_id}. Recorded: {recorded}",
        cannot=planned.cannot_be_undone,
    )


BY_HAND: dict[str, Callable[[StepStory, PlannedStep, JsonObject], WayBack]] = {
    BLOCK: _allow_sign_in,
    REPLACE: _credentials,
    "confirm-compromised": _dismiss,
    "deactivate-application": undoing_levers.deactivation,
    "remove-app-roles": undoing_levers.app_roles,
    "remove-delegated-grants": undoing_levers.delegated_grants,
    "remove-directory-roles": undoing_levers.directory_roles,
    "custody": undoing_levers.custody,
    "cut-vault-access": undoing_levers.vault_access,
    "revert-configuration": undoing_levers.configuration,
    "require-risk-policy": undoing_levers.risk_policy,
    "dismiss-risk": undoing_levers.dismissal,
    "delete-application": undoing_levers.deletion,
    "restore-application": undoing_levers.restoration,
    "purge-application": undoing_levers.purging,
}
