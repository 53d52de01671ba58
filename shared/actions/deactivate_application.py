"""
Deactivate the application itself, so that Entra issues it no new tokens in any tenant.

Blocking sign-in of a service principal holds in this tenant only; this holds wherever the application is used.
Tokens it already holds live on. Its owners can undo it, so take them away first: that is custody (facts: Graph 5).
"""

from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.registrations import ruled_application
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import CannotBeRead
from shared.identity import AppObjectId
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import Tenant

_WRITE, _BACK = "PATCH isDisabled=true", "PATCH isDisabled=false"
_UNSAID = "the answer does not say whether the application is deactivated"


class DeactivateApplication:
    """Set isDisabled to true on the application."""

    name: ClassVar[str] = "deactivate-application"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 15
    proof_part: ClassVar[PartName] = PartName.IDENTITY

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("deactivate-application has no options")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        application = ruled_application(self.name, state)
        if isinstance(application, NamedOutcome):
            return Planning(not_done=(application,))
        step = PlannedStep(
            id=self.name,
            action=self.name,
            target_kind=application.kind.value,
            target_id=application.object_id,
            target_name=state.identity.display_name,
            describe=(
                "Deactivate the application: Entra issues it no new tokens in any tenant. Its owners can activate it "
                "again; only custody takes them away."
            ),
            changes=(Change(property="isDisabled", before=_word(state.deactivated), after="true"),),
            permissions=self.permissions,
            reversible=True,
            breaks="Everything that signs in as this application, in every tenant, stops when its present tokens end.",
            cannot_be_proven="What holds in other tenants: only this one can be read. Issued tokens live on.",
            touches=(application.object_id,),
        )
        return Planning((step,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        doing = "writing down whether the application is deactivated"
        match await look.identity():
            case Known(state) if state.deactivated is None:
                raise CannotBeRead(doing, f"{_UNSAID}.")
            case Known(state):
                return Before({"isDisabled": state.deactivated}, () if state.deactivated else (_WRITE,))
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(doing, unread)

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if before.get("isDisabled") is True:
            return Applied((WriteOutcome(write=_WRITE, outcome="already", detail="it was deactivated before"),))
        await tenant.directory.set_application_disabled(AppObjectId(step.target_id), disabled=True)
        return Applied((WriteOutcome(write=_WRITE, outcome="accepted"),))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.identity():
            case Known(state) if state.deactivated is None:
                return Proof("unknown", _UNSAID)
            case Known(state):
                word = _word(state.deactivated)
                answer = "held" if state.deactivated else "not-held"
                return Proof(answer, f"isDisabled is {word}, read at {state.read_at:%H:%M:%S} UTC")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the application could not be read: {why_unread(unread)}")

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        if (earlier.image or {}).get("isDisabled") is not False:
            return WayBack((), {"active": False})
        doing = "writing down whether the application is deactivated"
        match await look.identity():
            case Known(state) if state.deactivated is None:
                raise CannotBeRead(doing, f"{_UNSAID}.")
            case Known(state):
                return WayBack((_BACK,) if state.deactivated else (), {"active": True, "now": state.deactivated})
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(doing, unread)

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        await tenant.directory.set_application_disabled(AppObjectId(step.target_id), disabled=False)
        return Applied((WriteOutcome(write=_BACK, outcome="accepted"),))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        if image.get("active") is not True:
            return Proof("held", "the application was deactivated before Cordon came")
        match await self.verify(step, earlier, look):
            case Proof("unknown") as unknown:
                return unknown
            case Proof(answer, why):
                return Proof("not-held" if answer == "held" else "held", why)


def _word(deactivated: bool | None) -> str:
    return "not said" if deactivated is None else str(deactivated).lower()
