"""
Restore a deleted application with its service principal here, and keep its sign-in blocked.

Whoever restores a contained application does not let it go by that: unless the order says otherwise, sign-in is
blocked as soon as the service principal is there. In the seconds between, it is as it was when it was deleted.
Memberships in Conditional Access policies do not come back (facts: Graph 5).
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.writes import outcome_of
from shared.case import CouldNotLook, HolderKind, IdentityState, Known, NotLooked, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import CannotBeRead, Gone
from shared.identity import IdentityKind, PrincipalId
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import DeleteApplication, RestoreDeleted, Tenant

_SIGN_IN = "sign-in"
_BLOCKED, _AS_IT_WAS = "blocked", "as-it-was"
_RESTORE, _BLOCK, _DELETE = "POST restore", "PATCH accountEnabled=false", "DELETE application"


class RestoreApplication:
    """Bring an application, or a service principal alone, back from the deleted items."""

    name: ClassVar[str] = "restore-application"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 5
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    proof_part: ClassVar[PartName] = PartName.IDENTITY
    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            _SIGN_IN: {
                "enum": [_BLOCKED, _AS_IT_WAS],
                "default": _BLOCKED,
                "description": "Whether its sign-in is blocked when it is back.",
            }
        },
        "additionalProperties": False,
    }

    def check_options(self, options: JsonObject) -> None:
        if set(options) - {_SIGN_IN} or options.get(_SIGN_IN, _BLOCKED) not in (_BLOCKED, _AS_IT_WAS):
            raise ValueError("restore-application has one option, sign-in: blocked or as-it-was")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        identity = state.identity
        if state.deleted_at is None:
            return Planning(not_done=(_not_deleted(self.name),))
        if identity.kind is IdentityKind.MANAGED_IDENTITY:
            reason = "Entra restores no managed identities; make a new one."
            return Planning(not_done=(NamedOutcome(action=self.name, outcome="managed-identity", reason=reason),))
        if identity.kind is IdentityKind.AGENT:
            reason = "Agents are restored with their blueprint, with permissions that Cordon does not hold."
            return Planning(not_done=(NamedOutcome(action=self.name, outcome="agent-identity", reason=reason),))
        target = state.application or state.principals[0]
        blocked = options.get(_SIGN_IN, _BLOCKED) == _BLOCKED
        enabled = str(state.enabled).lower()
        step = PlannedStep(
            id=self.name,
            action=self.name,
            target_kind=target.kind.value,
            target_id=target.object_id,
            target_name=identity.display_name,
            describe=(
                f"Restore what was deleted on {state.deleted_at:%Y-%m-%d %H:%M} UTC. "
                + ("Its sign-in is blocked at once." if blocked else "Its sign-in is as it was then, as ordered.")
                + " Its memberships in Conditional Access policies do not come back."
            ),
            changes=(
                Change(property="object", before="among the deleted items", after="there"),
                Change(property="accountEnabled", before=enabled, after="false" if blocked else enabled),
            ),
            options={"principal": identity.principal_id, _SIGN_IN: _BLOCKED if blocked else _AS_IT_WAS},
            permissions=self.permissions,
            reversible=target.kind is HolderKind.APPLICATION,
            cannot_be_undone=None if target.kind is HolderKind.APPLICATION else "Delete the service principal by hand.",
            breaks="Nothing; what it may do, its consents and assignments come back with it.",
            touches=(target.object_id, identity.principal_id),
            contains=blocked,
        )
        return Planning((step,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        doing = f"writing down the deleted object {step.target_id}"
        match await look.deleted():
            case Known(gone) if gone is not None:
                writes = (_RESTORE, _BLOCK) if gone.enabled and _stays_blocked(step) else (_RESTORE,)
                return Before({"deleted": True, "accountEnabled": gone.enabled}, writes)
            case Known():
                pass
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(doing, unread)
        match await look.identity():
            case Known(state):
                writes = (_BLOCK,) if state.enabled and _stays_blocked(step) else ()
                return Before({"deleted": False, "accountEnabled": state.enabled}, writes)
            case CouldNotLook(gone=True) as unread if earlier.image is None:
                raise CannotBeRead(doing, f"it is not among the deleted items: {why_unread(unread)}.")
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(doing, unread)

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        done: list[WriteOutcome] = []
        if before.get("deleted") is True:
            (result,) = await tenant.directory.write_access((RestoreDeleted(step.target_id),))
            done.append(outcome_of(_RESTORE, result))
        must_block = _stays_blocked(step) and before.get("accountEnabled") is not False
        if must_block and not (done and done[0].outcome == "refused" and done[0].stop != "gone"):
            done.append(await _block(step, tenant))
        return Applied(tuple(done) or (WriteOutcome(write=_RESTORE, outcome="already"),))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.identity():
            case Known(state) if state.enabled and _stays_blocked(step):
                return Proof("not-held", f"it is restored, and accountEnabled is true at {state.read_at:%H:%M:%S} UTC")
            case Known(state):
                return Proof("held", f"it is there, accountEnabled is {str(state.enabled).lower()}")
            case CouldNotLook(gone=True):
                return Proof("not-held", "it is not there yet")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the identity could not be read: {why_unread(unread)}")

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        """Undoing a restoration is deleting again."""
        if (earlier.image or {}).get("deleted") is not True:
            return WayBack((), {})
        if step.target_kind != HolderKind.APPLICATION.value:
            return WayBack((), {}, lost=("the deletion of the service principal alone: delete it by hand",))
        match await look.identity():
            case Known():
                return WayBack((_DELETE,), {"there": True})
            case CouldNotLook(gone=True):
                return WayBack((), {"there": False})
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(f"looking for the application {step.target_id}", unread)

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        if image.get("there") is not True:
            return Applied((WriteOutcome(write=_DELETE, outcome="already"),))
        (result,) = await tenant.directory.write_access((DeleteApplication(step.target_id),))
        return Applied((outcome_of(_DELETE, result),))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        match await look.deleted():
            case Known(gone) if gone is not None:
                return Proof("held", "it is among the deleted items")
            case Known():
                return Proof("not-held", "it is not among the deleted items")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the deleted items could not be read: {why_unread(unread)}")


def _not_deleted(action: str) -> NamedOutcome:
    return NamedOutcome(action=action, outcome="already-so", reason="It is not deleted; there is nothing to restore.")


def _stays_blocked(step: PlannedStep) -> bool:
    return step.options.get(_SIGN_IN) != _AS_IT_WAS


async def _block(step: PlannedStep, tenant: Tenant) -> WriteOutcome:
    """What is not there yet is not lost: the next round blocks it."""
    try:
        await tenant.directory.set_account_enabled(PrincipalId(str(step.options["principal"])), enabled=False)
    except Gone as gone:
        return WriteOutcome(write=_BLOCK, outcome="unknown", detail=str(gone))
    return WriteOutcome(write=_BLOCK, outcome="accepted")
