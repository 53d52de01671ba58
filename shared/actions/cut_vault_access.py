"""
Cut the identity's own access to the secrets in vaults: its role assignments and entries in access policies.

A blocked identity gets no new token, but those that it has work on at vaults for 60 to 90 minutes, and for up to 24
hours with a managed identity. Vaults ask for the right at each call, so that taking it away ends that sooner:
within about ten minutes (facts: limits A.3). What it holds is read from ARM when the step begins, for Resource Graph
lags. What a group gives is not taken: others are in the group.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import ClassVar, TypeAlias

from shared.actions.declared import SCHEMA, read_declared, with_declared
from shared.actions.interface import Applied, Before, Drift, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.shown import before, listed
from shared.actions.vault_grants import (
    AT_ONCE,
    GrantsSeen,
    HeldGrant,
    held_in,
    in_its_place,
    is_same,
    key_of,
    look_at_grants,
    own_grants_on,
    removal_of,
    return_of,
    told_grant,
    told_rights,
    vault_image,
    vaults_in,
)
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, Part, PartName
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import CordonError, OperatorMustAct, PlatformRefused, TimeMayHelp
from shared.estate import Access, Grant, Reach
from shared.identity import IdentityKind
from shared.look import Look, no_image, why_unread
from shared.refusals import refusal_name
from shared.signal import JsonObject
from shared.tenant import Tenant
from shared.together import together

NAME = "cut-vault-access"
SELF_GRANTING = "self-granting"
_WORDS = ("keep", "remove")
_SHOWN = 5  # vaults or scopes named in a sentence
_LOCKED = "ScopeLocked"  # ARM's code for what a lock protects


class CutVaultAccess:
    """Remove the grants by which the identity itself reads the values of secrets."""

    name: ClassVar[str] = NAME
    permissions: ClassVar[tuple[str, ...]] = ()  # on Graph; on Azure those below
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All",)  # the groups that it is in
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    tier: ClassVar[Tier] = Tier.GRANTS
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = True
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 17
    parts_to_show: ClassVar[frozenset[PartName]] = frozenset({PartName.VAULT_ACCESS})
    proof_part: ClassVar[PartName] = PartName.VAULT_ACCESS
    azure_permissions: ClassVar[tuple[str, ...]] = (
        "Microsoft.Authorization/roleAssignments/delete",
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.KeyVault/vaults/accessPolicies/write",
    )

    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            SELF_GRANTING: {
                "enum": [*_WORDS],
                "default": "keep",
                "description": "Whether roles by which it could give itself access to secrets go as well.",
            },
            **SCHEMA,
        },
        "additionalProperties": False,
    }

    def check_options(self, options: JsonObject) -> None:
        known = (SELF_GRANTING, *SCHEMA)
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"{NAME} has no option {unknown[0]}; there are {', '.join(known)}")
        read_declared(NAME, options)
        if options.get(SELF_GRANTING, "keep") not in _WORDS:
            raise ValueError(f"the option self-granting of {NAME} is keep or remove")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        if not means.estate:
            return Planning(not_done=(_NO_AZURE,))
        if state.identity.kind is IdentityKind.MICROSOFT:
            return Planning(not_done=(_MICROSOFT,))
        return Planning((_step(state, options, means.vault_access),))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        """
        What can be seen goes, also where a vault could not be read: there the proof is not given. Vaults that were
        written down before are looked at again, though Resource Graph may show them no more.
        """
        doing = f"writing down by what {step.target_id} gets at secrets"
        found = await _look(step, earlier, look)
        if not isinstance(found, GrantsSeen):
            raise no_image(doing, found)
        if not found.own and found.passing:
            raise no_image(doing, CouldNotLook(found.passing[0], may_help_later=True))
        going = [each for each in found.own if _goes(each.grant, step)]
        image: JsonObject = {
            "vaults": [vault_image(each) for each in found.vaults],
            "unread": [*found.passing],
            "removing": [each.image for each in going],
            "keeping": [each.image for each in found.own if each not in going],
        }
        return Before(image, tuple(removal_of(each.grant) for each in going))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        going = list(held_in(before, "removing"))
        if not going:
            return Applied((WriteOutcome(write="nothing to remove", outcome="already"),))
        access = _access(tenant)
        return Applied(await _in_lanes(going, lambda each: _remove(access, each.grant)))

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        found = await _look(step, earlier, look)
        if not isinstance(found, GrantsSeen):
            return Proof("unknown", f"it could not be read by what the identity gets at secrets: {why_unread(found)}")
        left = [each for each in found.own if _goes(each.grant, step)]
        if left:
            return Proof("not-held", "; ".join(f"it still has {told_grant(each.grant)}" for each in left))
        if found.passing:
            return Proof("unknown", f"not every vault could be read: {'; '.join(found.passing)}")
        of = f"{len(found.vaults)} vault(s) within its reach" if found.vaults else "any vault that Cordon sees"
        proof = (
            f"no grant of its own opens secrets of {of}, read from Azure at {look.begun_at:%H:%M:%S} UTC. Vaults may "
            "take about ten minutes to follow."
        )
        proof = " ".join((proof, *(f"Not looked at: {each}." for each in found.accepted)))
        return Proof("held", proof, tuple(_stays(step, found)))

    # The way back

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        """What is missing comes back under its old id; where somebody put another in its place, that stays."""
        first = earlier.image or {}
        taken = list(held_in(first, "removing"))
        now = await own_grants_on([each.vault for each in taken], look)
        giving: list[HeldGrant] = []
        drifted: list[Drift] = []
        lost = list(_never_written_down(first))
        for each in taken:
            part = now[each.vault.id]
            if isinstance(part, CouldNotLook) and part.gone and _lies_in(each):
                lost.append(f"{told_grant(each.grant)}: vault {each.vault.name} is not there any more")
            elif isinstance(part, CouldNotLook) and part.gone:
                giving.append(each)  # it stands above the vault, and whether it is back already does not matter
            elif not isinstance(part, Known):
                raise no_image(f"looking what stands in the place of {told_grant(each.grant)}", part)
            elif (other := in_its_place(each.grant, part.value)) is None:
                giving.append(each)
            elif not is_same(each.grant, other):
                drifted.append(Drift(told_grant(each.grant), told_rights(each.grant), "removed", told_rights(other)))
        image: JsonObject = {"giving": [each.image for each in giving]}
        return WayBack(tuple(return_of(each.grant) for each in giving), image, tuple(drifted), tuple(lost))

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        giving, access = list(held_in(image, "giving")), _access(tenant)
        return Applied(await _in_lanes(giving, lambda each: _restore(access, each.grant)))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        given = list(held_in(image, "giving"))
        now = await own_grants_on([each.vault for each in given], look)
        for each in given:
            part = now[each.vault.id]
            if isinstance(part, CouldNotLook) and part.gone:
                continue  # what stands above a vault that is gone cannot be seen through it
            if not isinstance(part, Known):
                return Proof("unknown", f"the grants on vault {each.vault.name} could not be read: {why_unread(part)}")
            other = in_its_place(each.grant, part.value)
            if other is None or not is_same(each.grant, other):
                return Proof("not-held", f"not back yet: {told_grant(each.grant)}")
        return Proof("held", f"each grant that was to come back is there ({len(given)}), read from Azure")


async def _look(step: PlannedStep, earlier: Earlier, look: Look) -> GrantsSeen | CouldNotLook | NotLooked:
    declared = read_declared(NAME, step.options)
    return await look_at_grants(step.target_id, tuple(vaults_in(earlier.image or {})), look, declared)


def _never_written_down(image: JsonObject) -> Iterator[str]:
    unread = image.get("unread")
    for each in unread if isinstance(unread, list) else ():
        yield f"what was removed later where nobody could look at first ({each}); the report tells how by hand"


def _lies_in(held: HeldGrant) -> bool:
    """Whether the grant went with the vault."""
    return f"{held.grant.scope.lower()}/".startswith(f"{held.vault.id.lower()}/")


def _goes(grant: Grant, step: PlannedStep) -> bool:
    return grant.reads or (grant.grants_itself and step.options.get(SELF_GRANTING) == "remove")


# What stays open


def _stays(step: PlannedStep, found: GrantsSeen) -> Iterator[NamedOutcome]:
    """What a proof that its own grants are gone must not hide."""
    by_group: dict[str, list[HeldGrant]] = {}
    for each in found.shared:
        if each.grant.reads:
            by_group.setdefault(each.grant.holder, []).append(each)
    for group, ways in by_group.items():
        roles = _some([f"{each.grant.role} at {each.grant.scope}" for each in ways])
        yield NamedOutcome(
            action=NAME,
            outcome="access-through-group",
            reason=(
                f"Group {group} opens secrets to it, in {_vault_names(ways)}, by {roles}. The group was left as it is: "
                "others are in it."
            ),
            todo=f"Take service principal {step.target_id} out of group {group}. The next look tells that it is out.",
        )
    giving = [each for each in (*found.own, *found.shared) if each.grant.grants_itself and not each.grant.reads]
    if giving:
        roles = _some([f"{each.grant.role} at {each.grant.scope}" for each in giving])
        yield NamedOutcome(
            action=NAME,
            outcome="can-grant-itself",
            reason=f"It cannot read these secrets, but can give itself the right, by {roles}. That was kept "
            "(self-granting: keep)."
            if step.options.get(SELF_GRANTING) != "remove"
            else f"By a group it can give itself the right to read secrets, by {roles}. Groups are left as they are.",
        )
    if found.unseen:
        yield NamedOutcome(
            action=NAME,
            outcome="vaults-not-seen",
            reason=f"Not everything could be looked at; there may be access that nobody sees: {_some(found.unseen)}.",
            todo="Give Cordon's identities the Azure roles that the reason names; later looks then see it. Where the "
            "subscriptions that Cordon sees are all that there are, the policy can say so (unseen: accept).",
        )


def _vault_names(ways: Sequence[HeldGrant]) -> str:
    return f"vault(s) {_some(sorted({each.vault.name for each in ways}))}"


def _some(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = len(unique) - _SHOWN
    return ", ".join(unique[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


# Writing

_Do: TypeAlias = "Callable[[HeldGrant], Awaitable[WriteOutcome]]"
_Write: TypeAlias = Callable[[Grant], Awaitable[None]]


def _access(tenant: Tenant) -> Access:
    if tenant.estate is None:
        raise PlatformRefused(doing=NAME, code="azure-not-configured", why="CORDON_ROTATOR_CLIENT_ID is not set.")
    return tenant.estate.access


async def _in_lanes(several: Sequence[HeldGrant], do: _Do) -> tuple[WriteOutcome, ...]:
    """Vaults side by side; what is written to one vault, one after the other. The outcomes in the given order."""
    lanes: dict[str, list[int]] = {}
    for place, each in enumerate(several):
        lanes.setdefault(each.vault.id, []).append(place)
    gate, outcomes = asyncio.Semaphore(AT_ONCE), dict[int, WriteOutcome]()

    async def lane(places: Sequence[int]) -> None:
        async with gate:
            for place in places:
                outcomes[place] = await do(several[place])

    await together(*(lane(places) for places in lanes.values()))
    return tuple(outcomes[place] for place in range(len(several)))


async def _remove(access: Access, grant: Grant) -> WriteOutcome:
    return await _tried(removal_of(grant), access.remove_grant, grant)


async def _restore(access: Access, grant: Grant) -> WriteOutcome:
    return await _tried(return_of(grant), access.restore_grant, grant)


async def _tried(name: str, write: _Write, grant: Grant) -> WriteOutcome:
    """A refusal of one grant does not keep the others."""
    try:
        await write(grant)
    except TimeMayHelp as error:
        return WriteOutcome(write=name, outcome="unknown", detail=str(error))
    except (OperatorMustAct, PlatformRefused) as error:
        return WriteOutcome(write=name, outcome="refused", detail=str(error), stop=_stop(error))
    return WriteOutcome(write=name, outcome="accepted")


def _stop(error: CordonError) -> str | None:
    if isinstance(error, PlatformRefused) and error.code == _LOCKED:
        return "resource-locked"
    return refusal_name(error)


# Planning


def _step(state: IdentityState, options: JsonObject, shown: Part[Reach]) -> PlannedStep:
    identity, removes = state.identity, options.get(SELF_GRANTING) == "remove"
    also = ", and those by which it could give itself such access" if removes else ""
    return PlannedStep(
        id=NAME,
        action=NAME,
        target_kind="service-principal",
        target_id=identity.principal_id,
        target_name=identity.display_name,
        describe=(
            "Remove the role assignments and access policies by which this service principal itself reads the values "
            f"of secrets{also}. What it has is read when the step begins; what a group gives is told, not taken."
        ),
        changes=(_change(state.identity.principal_id, options, shown),),
        options=dict(options),
        permissions=CutVaultAccess.azure_permissions,
        reversible=True,
        breaks=(
            "Whatever reads secrets as this identity fails within about ten minutes. A role goes as a whole, with all "
            "else that it gives, and one at a subscription or above for everything below."
        ),
        cannot_be_proven="That a vault has followed already, and that nothing was read before it did.",
        touches=(f"vault-access:{identity.principal_id}",),
    )


def _change(principal: str, options: JsonObject, shown: Part[Reach]) -> Change:
    """Resource Graph lags by minutes, so that what is shown may not be all of what the step finds."""

    def tell(reach: Reach) -> str:
        seen = with_declared(reach, read_declared(NAME, options))
        grants = {key_of(g): g for vault in seen.vaults for g in vault.grants if g.holder == principal}
        going = [told_grant(g) for _, g in sorted(grants.items()) if g.reads or options.get(SELF_GRANTING) == "remove"]
        return listed(going) + (f" (not everything could be looked at: {_some(seen.unseen)})" if seen.unseen else "")

    return Change(property="access to secrets in vaults", before=before(shown, tell), after="none of its own")


_NO_AZURE = NamedOutcome(
    action=NAME,
    outcome="azure-not-configured",
    reason="Cordon has no way to vaults and subscriptions: set CORDON_ROTATOR_CLIENT_ID, and give it the Azure roles "
    "of docs/permissions.md. What the identity can read in vaults is neither looked at nor cut.",
)
_MICROSOFT = NamedOutcome(
    action=NAME,
    outcome="owned-by-microsoft",
    reason="Microsoft's own services need what they hold; report the identity to Microsoft.",
)
