"""
Include the identity in Cordon's one Conditional Access policy, which blocks workload identities at high risk.

There is one such policy in a tenant, found by its name, made when it is first needed, and extended after that:
never one per incident (facts: Graph 7, at most 195). What people changed in it stays and is said. It works
only where the risk is high, at the next request for a token; confirm-compromised makes it high.
"""

from collections.abc import Iterator
from typing import ClassVar, cast

from shared.actions.interface import Applied, Before, Drift, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.shown import before, listed
from shared.case import CouldNotLook, IdentityState, Known, NotLooked, Part, PartName, RiskPolicy
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import PlatformRefused
from shared.identity import IdentityKind, PrincipalId
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject
from shared.tenant import RISK_POLICY, Tenant
from shared.untrusted import one_line

_WRITE, _LEAVE = "cover by Conditional Access policy", "leave the Conditional Access policy"
_EVERYONE = "ServicePrincipalsInMyTenant"
# The word in the policy file -> Graph's state; a later one is stronger.
_STATES = {"report-only": "enabledForReportingButNotEnforced", "enabled": "enabled"}
_STRENGTH = {"disabled": 0, "enabledForReportingButNotEnforced": 1, "enabled": 2}
_OUTSIDE = "Conditional Access covers only single-tenant applications that are registered in this tenant, not "


class RequireRiskPolicy:
    """Create or extend Cordon's Conditional Access policy."""

    name: ClassVar[str] = "require-risk-policy"
    permissions: ClassVar[tuple[str, ...]] = (
        "Policy.ReadWrite.ConditionalAccess",
        "Policy.Read.All",
        "Application.Read.All",
    )
    reads: ClassVar[tuple[str, ...]] = ("Policy.Read.All",)
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = "Workload Identities Premium"
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    missing_in: ClassVar[tuple[str, ...]] = ("china",)
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 80
    parts_to_show: ClassVar[frozenset[PartName]] = frozenset({PartName.CA_POLICY})
    proof_part: ClassVar[PartName] = PartName.CA_POLICY
    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "state": {
                "enum": [*_STATES],
                "default": "report-only",
                "description": "Whether the policy blocks at high risk, or only tells that it would.",
            }
        },
        "additionalProperties": False,
    }

    def check_options(self, options: JsonObject) -> None:
        unknown = sorted(set(options) - {"state"})
        if unknown:
            raise ValueError(f"require-risk-policy has no option {unknown[0]}; it has state: report-only or enabled")
        if options.get("state", "report-only") not in _STATES:
            raise ValueError("the option state of require-risk-policy is report-only or enabled")

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        identity = state.identity
        if identity.kind is not IdentityKind.OWN_SINGLE_TENANT:
            reason = f"{_OUTSIDE}what is {identity.kind.value.replace('-', ' ')}."
            outcome = NamedOutcome(action=self.name, outcome="outside-conditional-access", reason=reason)
            return Planning(not_done=(outcome,))
        wanted = str(options.get("state", "report-only"))
        step = PlannedStep(
            id=self.name,
            action=self.name,
            target_kind="service-principal",
            target_id=identity.principal_id,
            target_name=identity.display_name,
            describe=(
                f"Include the identity in the Conditional Access policy “{RISK_POLICY}”, which blocks it at high risk. "
                f"If the tenant has none yet, it is made, {wanted}; one that is there keeps its state."
            ),
            changes=_changes(means.ca_policy, wanted),
            options={"state": wanted},
            permissions=self.permissions,
            reversible=True,
            breaks=(
                "Nothing; the policy only reports."
                if wanted == "report-only"
                else "At high risk the identity gets no new tokens, until its risk is dismissed."
            ),
            cannot_be_proven="That Entra enforces it yet: how fast a policy takes effect is not published.",
            touches=(RISK_POLICY,),
            once=True,
            contains=False,
        )
        return Planning((step,))

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        policy = _only(await look.ca_policy(), "writing down Cordon's Conditional Access policy")
        image: JsonObject = {"policy": _image(policy) if policy else None, "sentBefore": earlier.image is not None}
        covered = policy is not None and _covers(policy, step.target_id)
        return Before(image, () if covered else (_WRITE,))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        state = _STATES[str(step.options["state"])]
        covers = await tenant.directory.cover_by_risk_policy(
            PrincipalId(step.target_id), state, sent_before=before.get("sentBefore") is True
        )
        outcome = "already" if covers.how == "already" else "accepted"
        done = WriteOutcome(write=_WRITE, outcome=outcome, detail=f"{covers.how}: policy {covers.policy_id}")
        writes = (done, *_kept(step, before))
        return Applied(writes, {"policyId": covers.policy_id} if covers.how == "created" else {})

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        match await look.ca_policy():
            case Known(policies) if len(policies) > 1:
                return Proof("not-held", f"{len(policies)} policies are named “{RISK_POLICY}”; there must be one")
            case Known((policy,)):
                return _judge(step, policy, f"{look.begun_at:%H:%M:%S} UTC")
            case Known():
                return Proof("not-held", f"there is no policy named “{RISK_POLICY}”")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"Conditional Access policies could not be read: {why_unread(unread)}")

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        first = (earlier.image or {}).get("policy")
        if isinstance(first, dict) and _covers(_policy(first), step.target_id):
            return WayBack((), {})
        policy = _only(await look.ca_policy(), "reading Cordon's Conditional Access policy")
        if policy is None or step.target_id not in policy.included:
            return WayBack((), {})
        ours = not isinstance(first, dict)  # there was none before, so it was made for this incident
        image: JsonObject = {"policyId": policy.id, "deleteIfOurs": False, "now": _image(policy)}
        if policy.included != (step.target_id,):
            return WayBack((_LEAVE,), image)
        state = _STATES[str(step.options["state"])]
        untouched = _as_made(policy, state)
        if ours and untouched:
            return WayBack((_LEAVE,), {**image, "deleteIfOurs": True})
        drift = Drift(
            f"policy “{RISK_POLICY}”",
            "not there" if ours else "without this identity",
            f"{state}, for this identity at high risk",
            f"{policy.state}, for this identity alone, at risk {', '.join(policy.risk_levels)}"
            + ("" if untouched else "; somebody changed it"),
        )
        return WayBack((), {"now": _image(policy)}, (drift,))

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        await tenant.directory.leave_risk_policy(
            PrincipalId(step.target_id), str(image["policyId"]), delete_if_ours=image.get("deleteIfOurs") is True
        )
        return Applied((WriteOutcome(write=_LEAVE, outcome="accepted"),))

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        if "policyId" not in image:
            return Proof("held", "nothing of Cordon's is to be taken out of the policy")
        match await look.ca_policy():
            case Known(policies) if any(step.target_id in each.included for each in policies):
                return Proof("not-held", f"the policy “{RISK_POLICY}” still includes the identity")
            case Known():
                return Proof("held", f"no policy of Cordon's names the identity, read at {look.begun_at:%H:%M:%S} UTC")
            case NotLooked() | CouldNotLook() as unread:
                return Proof("unknown", f"Conditional Access policies could not be read: {why_unread(unread)}")


def _changes(shown: Part[tuple[RiskPolicy, ...]], wanted: str) -> tuple[Change, ...]:
    """What is there of the policy; of several by that name none is changed, and the step says so."""
    included = Change(
        property="includeServicePrincipals",
        before=before(shown, lambda found: "; ".join(_included(each) for each in found) or "no such policy"),
        after="with this one",
    )
    match shown:
        case Known(()):
            return (Change(property="state", before="no such policy", after=wanted), included)
        case Known(found):
            states = "; ".join(one_line(each.state, 60) for each in found)
            return (Change(property="state", before=states, after=states), included)
        case NotLooked() | CouldNotLook():
            return (included,)


def _included(policy: RiskPolicy) -> str:
    return listed(sorted(policy.included))


def _as_made(policy: RiskPolicy, state: str) -> bool:
    """Still as Cordon makes it."""
    plain = not policy.excluded and not policy.other and policy.blocks
    return plain and policy.state == state and policy.risk_levels == ("high",) and policy.resources == ("All",)


def _only(part: Part[tuple[RiskPolicy, ...]], doing: str) -> RiskPolicy | None:
    """Cordon's policy, if there is one. Two of its name are for a person to sort out."""
    match part:
        case Known(policies) if len(policies) > 1:
            why = f"{len(policies)} policies are named “{RISK_POLICY}”; Cordon changes none of them."
            raise PlatformRefused(doing=doing, code="several-policies", why=why)
        case Known(policies):
            return policies[0] if policies else None
        case NotLooked() | CouldNotLook():
            raise no_image(doing, part)


def _image(policy: RiskPolicy) -> JsonObject:
    return {
        "id": policy.id,
        "state": policy.state,
        "includeServicePrincipals": [*policy.included],
        "excludeServicePrincipals": [*policy.excluded],
        "servicePrincipalRiskLevels": [*policy.risk_levels],
        "includeApplications": [*policy.resources],
        "blocks": policy.blocks,
        "other": [*policy.other],
    }


def _covers(policy: RiskPolicy, principal: str) -> bool:
    return principal in policy.included or _EVERYONE in policy.included


def _weakened(step: PlannedStep, policy: RiskPolicy) -> Iterator[str]:
    """What keeps the policy from doing for this identity what Cordon means it to do."""
    wanted = _STATES[str(step.options["state"])]
    if _STRENGTH.get(policy.state, 0) < _STRENGTH[wanted]:
        yield f"its state is {policy.state}, not {wanted}"
    if step.target_id in policy.excluded or _EVERYONE in policy.excluded:
        yield "it excludes this identity"
    if "high" not in policy.risk_levels:
        yield f"it applies at risk {', '.join(policy.risk_levels) or 'none'}, not high"
    if "All" not in policy.resources:
        yield "it does not cover all resources"
    if not policy.blocks:
        yield "it does not block"
    if policy.other:
        yield f"it is limited by {', '.join(policy.other)}"


def _kept(step: PlannedStep, before: JsonObject) -> Iterator[WriteOutcome]:
    """Changes of people that weaken the policy: kept, and a named end for the step if they stay."""
    image = before.get("policy")
    weakened = list(_weakened(step, _policy(image))) if isinstance(image, dict) else []
    if weakened:
        yield WriteOutcome(
            write="keep what people changed in it",
            outcome="refused",
            detail=f"Cordon does not overrule changes to “{RISK_POLICY}”: {'; '.join(weakened)}.",
            stop="kept-as-people-changed-it",
        )


def _policy(image: JsonObject) -> RiskPolicy:
    def texts(name: str) -> tuple[str, ...]:
        return tuple(cast("list[str]", image[name]))

    return RiskPolicy(
        id=str(image["id"]),
        state=str(image["state"]),
        included=texts("includeServicePrincipals"),
        excluded=texts("excludeServicePrincipals"),
        risk_levels=texts("servicePrincipalRiskLevels"),
        resources=texts("includeApplications"),
        blocks=image["blocks"] is True,
        other=texts("other"),
    )


def _judge(step: PlannedStep, policy: RiskPolicy, read: str) -> Proof:
    wrong = list(_weakened(step, policy))
    if not _covers(policy, step.target_id):
        wrong.insert(0, "it does not include this identity")
    if wrong:
        return Proof("not-held", f"policy {policy.id}: {'; '.join(wrong)}")
    word = "reports on" if policy.state == _STATES["report-only"] else "blocks"
    others = f"; it also excludes {len(policy.excluded)} other(s)" if policy.excluded else ""
    return Proof("held", f"policy {policy.id} {word} this identity at high risk, read at {read}{others}")
