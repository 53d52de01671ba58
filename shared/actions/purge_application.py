"""
Purge a deleted application and its service principal here, for ever.

It takes two people: one orders it, another approves the very plan. Only what is deleted already can be purged, and
nothing of it can come back (facts: Graph 5). A purged application leaves its service principal among the deleted
items, so that is purged as well.
"""

from collections.abc import Iterator
from typing import ClassVar

from shared.actions.interface import Applied, Before, Earlier, Means, Planning, Proof, Tier
from shared.actions.lifecycle import was_disabled_by_microsoft
from shared.actions.no_way_back import NoWayBack
from shared.actions.registrations import ruled_application
from shared.actions.writes import outcome_of
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.identity import IdentityKind
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import PurgeDeleted, Tenant

_OWN = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT)
_NEVER = "Nothing of it can come back: a new application gets a new client id, new consents and new credentials."


class PurgeApplication(NoWayBack):
    """Delete the application and its service principal from the deleted items."""

    name: ClassVar[str] = "purge-application"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 99
    tier: ClassVar[Tier] = Tier.IRREVERSIBLE
    proof_part: ClassVar[PartName] = PartName.IDENTITY
    lost: ClassVar[str] = "the application and its service principal: they were purged; register a new application"

    def check_options(self, options: JsonObject) -> None:
        if options:
            raise ValueError("purge-application has no options")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        identity = state.identity
        ruled = ruled_application(self.name, state)
        if isinstance(ruled, NamedOutcome) and identity.kind not in _OWN:
            return Planning(not_done=(ruled,))
        if state.deleted_at is None:
            reason = "It is not deleted. Delete it first, and purge it when nobody needs it as evidence."
            return Planning(not_done=(NamedOutcome(action=self.name, outcome="not-deleted", reason=reason),))
        if why := was_disabled_by_microsoft(state):
            return Planning(not_done=(NamedOutcome(action=self.name, outcome="disabled-by-microsoft", reason=why),))
        target = state.application or state.principals[0]
        step = PlannedStep(
            id=self.name,
            action=self.name,
            target_kind=target.kind.value,
            target_id=target.object_id,
            target_name=identity.display_name,
            describe=f"Purge what was deleted on {state.deleted_at:%Y-%m-%d %H:%M} UTC, for ever. {_NEVER}",
            changes=(Change(property="object", before="among the deleted items", after="gone for ever"),),
            options={"principal": identity.principal_id},
            permissions=self.permissions,
            reversible=False,
            cannot_be_undone=_NEVER,
            breaks="It can never be restored, and what it was can be read from this journal and the logs only.",
            cannot_be_proven="That no other tenant still holds a service principal of it.",
            touches=(target.object_id, identity.principal_id),
        )
        return Planning((step,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        match await look.deleted():
            case Known(gone):
                ids = _ids(step) if gone is not None else ()
                image: JsonObject = {"deleted": gone is not None, "comesBack": "nothing"}
                return Before(image, tuple(f"DELETE deleted item {id_}" for id_ in ids))
            case NotLooked() | CouldNotLook() as unread:
                raise no_image(f"writing down the deleted object {step.target_id}", unread)

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        if before.get("deleted") is not True:
            return Applied(
                (WriteOutcome(write="purge", outcome="already", detail="it was not among the deleted items"),)
            )
        ids = tuple(_ids(step))
        results = await tenant.directory.write_access([PurgeDeleted(id_) for id_ in ids])
        named = zip(ids, results, strict=True)
        return Applied(tuple(outcome_of(f"DELETE deleted item {id_}", result) for id_, result in named))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        """Neither among the deleted items nor there: somebody may have restored it in between."""
        match await look.deleted():
            case Known(gone) if gone is not None:
                return Proof("not-held", "it is still among the deleted items")
            case Known():
                pass
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the deleted items could not be read: {why_unread(unread)}")
        match await look.identity():
            case Known():
                return Proof("not-held", "it is not deleted: somebody restored it")
            case CouldNotLook(gone=True):
                return Proof(
                    "held", f"it is neither there nor among the deleted items, read at {look.begun_at:%H:%M:%S} UTC"
                )
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"the identity could not be read: {why_unread(unread)}")


def _ids(step: PlannedStep) -> Iterator[str]:
    yield from dict.fromkeys((step.target_id, str(step.options["principal"])))
