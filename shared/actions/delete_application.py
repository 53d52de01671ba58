"""
Delete an own application, with its service principal here. Soft: it can be restored for 30 days.

Deleting removes the traces that responders need, so deactivated applications are better kept; this is done only
on a person's order, and never to what Microsoft disabled (facts: Graph 5). Its proof is that the application is
found among the deleted items.
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.lifecycle import back_from_deletion, not_among, was_disabled_by_microsoft
from shared.actions.registrations import ruled_application
from shared.actions.writes import outcome_of
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import CannotBeRead
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import DeleteApplication as Delete
from shared.tenant import RestoreDeleted, Tenant

_WRITE, _BACK = "DELETE application", "POST restore application"


class DeleteApplication:
    """Soft-delete the application and its service principal in this tenant."""

    name: ClassVar[str] = "delete-application"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 97
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    proof_part: ClassVar[PartName] = PartName.IDENTITY

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("delete-application has no options")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        application = ruled_application(self.name, state)
        if isinstance(application, NamedOutcome):
            return Planning(not_done=(application,))
        if why := was_disabled_by_microsoft(state):
            return Planning(not_done=(NamedOutcome(action=self.name, outcome="disabled-by-microsoft", reason=why),))
        step = PlannedStep(
            id=self.name,
            action=self.name,
            target_kind=application.kind.value,
            target_id=application.object_id,
            target_name=state.identity.display_name,
            describe=(
                "Delete the application and its service principal here. Both can be restored for 30 days; its "
                "memberships in Conditional Access policies do not come back."
            ),
            changes=(Change(property="application", before="there", after="among the deleted items"),),
            options={"principal": state.identity.principal_id},
            permissions=self.permissions,
            reversible=True,
            cannot_be_undone="Its memberships in Conditional Access policies: make them anew after it was restored.",
            breaks="Everything that signs in as this application or calls its APIs, in every tenant.",
            cannot_be_proven="What remains of it in other tenants; issued tokens live on.",
            touches=(application.object_id, state.identity.principal_id),
        )
        return Planning((step,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        doing = f"writing down the application {step.target_id} before it is deleted"
        match await look.deleted():
            case Known(gone) if gone is not None and gone.application is not None:
                return Before({"deleted": True, "accountEnabled": gone.enabled}, ())
            case Known():
                pass
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(doing, unread)
        match await look.identity():
            case Known(state):
                return Before({"deleted": False, "accountEnabled": state.enabled}, (_WRITE,))
            case CouldNotLook(gone=True):
                raise CannotBeRead(doing, "it is neither there nor among the deleted items.")
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(doing, unread)

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if before.get("deleted") is True:
            return Applied((WriteOutcome(write=_WRITE, outcome="already", detail="it was deleted before"),))
        (result,) = await tenant.directory.write_access((Delete(step.target_id),))
        return Applied((outcome_of(_WRITE, result),))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.deleted():
            case Known(gone) if gone is not None and gone.application is not None:
                return Proof("held", f"the application is among the deleted items, read at {gone.read_at:%H:%M:%S} UTC")
            case Known():
                return Proof("not-held", "the application is not among the deleted items")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the deleted items could not be read: {why_unread(unread)}")

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        """Restoring brings the service principal back as it was deleted: blocked if it was blocked."""
        if (earlier.image or {}).get("deleted") is True:
            return WayBack((), {})
        return await back_from_deletion(step, look, _BACK)

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        if image.get("deleted") is not True:
            return Applied((WriteOutcome(write=_BACK, outcome="already"),))
        (result,) = await tenant.directory.write_access((RestoreDeleted(step.target_id),))
        return Applied((outcome_of(_BACK, result),))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        return await not_among(look)
