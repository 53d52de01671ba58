"""What deleting, restoring and purging an application have in common."""

from shared.actions.interface import Proof, WayBack
from shared.case import CouldNotLook, IdentityState, Known, NotLooked
from shared.entries import PlannedStep
from shared.look import Look, no_image, why_unread


def was_disabled_by_microsoft(state: IdentityState) -> str | None:
    """Why Microsoft's word stands above ours, or None."""
    if state.disabled_by_microsoft in (None, "NotDisabled"):
        return None
    return (
        f"Microsoft disabled it ({state.disabled_by_microsoft}). It stays as it is, as evidence; Entra refuses to "
        "delete it. Talk to Microsoft."
    )


async def back_from_deletion(step: PlannedStep, look: Look, write: str) -> WayBack:
    """The way back of a deletion: restore what is still among the deleted items."""
    match await look.deleted():
        case Known(gone) if gone is not None and gone.application is not None:
            lost = ("its memberships in Conditional Access policies: include it again where it was",)
            return WayBack((write,), {"deleted": True, "accountEnabled": gone.enabled}, lost=lost)
        case Known():
            pass
        case NotLooked() | CouldNotLook() as unread:
            raise no_image(f"looking for the deleted application {step.target_id}", unread)
    match await look.identity():
        case Known():
            return WayBack((), {"deleted": False})
        case CouldNotLook(gone=True):
            lost = ("the application: it was purged; register a new one, whose client id will be another",)
            return WayBack((), {"deleted": False}, lost=lost)
        case NotLooked() | CouldNotLook() as unread:
            raise no_image(f"looking for the application {step.target_id}", unread)


async def not_among(look: Look) -> Proof:
    """Whether the identity is there again, by a fresh read of the identity itself."""
    match await look.identity():
        case Known(state):
            word = "enabled" if state.enabled else "blocked"
            return Proof("held", f"the identity is there, its sign-in is {word}, read at {state.read_at:%H:%M:%S} UTC")
        case CouldNotLook(gone=True):
            return Proof("not-held", "the identity is not there")
        case NotLooked() | CouldNotLook() as unread:
            return Proof("unknown", f"the identity could not be read: {why_unread(unread)}")
