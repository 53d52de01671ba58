"""
How far a ladder is climbed: to the first rung that ends the attack by what is known. Pure.

Each rung below is passed over for a reason: it is not possible here, it does not end it, or nobody knows whether it
does. What is not known is never taken for good news, so it leads further up. Where no rung is known to end it, the
highest that is possible is laid out, and a person is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

from shared.accusation import Accusation, Suspect, is_open
from shared.audit import LOOK_BACK, gives_role
from shared.audit_changes import Change, ChangeKind
from shared.audit_grants import GrantKind
from shared.case import Case, CouldNotLook, Grants, IdentityState, Known, NotLooked, Part, PartName, RiskPolicy
from shared.conditions.dangerous_permission import graded, is_whole
from shared.conditions.declared_change import ExplainedByDeclaration
from shared.conditions.groups import leaves
from shared.conditions.judging import is_unexpected
from shared.entries import AccusationTold, GroundTold, LadderClimbed, RungPassed, SuspectTold
from shared.identity import IdentityKind, canonical_guid
from shared.once import once
from shared.policy import ActionChoice, Policy, Verdict
from shared.privileges import Privilege, Tier, Ungraded, app_role
from shared.rungs import ACTIONS_OF, Ladder, Rung
from shared.untrusted import one_line

PassedKind: TypeAlias = Literal["not-applicable", "not-enough", "unknown"]

_OWN = (IdentityKind.OWN_SINGLE_TENANT, IdentityKind.OWN_MULTI_TENANT)
_ACCUSING = (PartName.DETECTIONS, PartName.AUDITS, PartName.GRANT_AUDITS, PartName.SIGN_INS)
_OWNED_BY = "18a4783c-866b-4cc7-a460-3d5e5662c884"  # Application.ReadWrite.OwnedBy: gives credentials to what it owns
_MALICE = frozenset({"maliciousapplication", "suspiciousapplication"})
_MEANWHILE = "for as long as its tokens live"
# What may hide that the application itself is the attacker's, or a way in that needs no credential; a log that is late
# with one change may be late with an owner. Sign-ins tell of credentials alone, and all of those go.
_MAY_HIDE_A_WAY_IN = frozenset({"identity", "credentials", "detections", "audits", "late"})
_WAYS_IN = frozenset({ChangeKind.OWNERS, ChangeKind.CONFIGURATION, ChangeKind.LIFECYCLE})  # that need no credential
_REVOKES: Mapping[GrantKind, str] = {
    "directory-role": "remove-directory-roles",
    "app-role": "remove-app-roles",
    "delegated": "remove-delegated-grants",
}
_TOLD = 4  # reasons of one rung that are put into words
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Ends:
    """The rung ends the attack by what is known: what is to be done, and why that is enough."""

    actions: tuple[ActionChoice, ...]
    because: str


@dataclass(frozen=True, slots=True)
class Passed:
    """The rung is passed over. `wants`: parts that were not looked at, and may show that it is enough after all."""

    kind: PassedKind
    why: str
    actions: tuple[ActionChoice, ...] = ()  # what it would come to, where it is possible
    wants: frozenset[PartName] = frozenset()


@dataclass(frozen=True, slots=True)
class Climbed:
    """The rung that is taken, and each below it with its reason. `ends`: it is known to end the attack."""

    ladder: Ladder
    rung: Rung | None
    actions: tuple[ActionChoice, ...]
    because: str
    passed: tuple[tuple[Rung, Passed], ...]
    accusation: Accusation
    ends: bool
    wants: frozenset[PartName] = frozenset()


@dataclass(frozen=True, slots=True)
class Footing:
    """What is known where the ladder stands. `cannot`: actions that cannot run here, by name, and why."""

    case: Case
    state: IdentityState
    accusation: Accusation
    ca_policy: Part[tuple[RiskPolicy, ...]] = field(default_factory=NotLooked)
    cannot: Mapping[str, str] = field(default_factory=dict[str, str])
    ladder: Ladder = field(default_factory=Ladder)

    @property
    def kind(self) -> IdentityKind:
        return self.state.identity.kind


def climb(footing: Footing) -> Climbed:
    """Take the first rung that ends the attack; if none is known to, the highest that is possible."""
    passed, possible = list[tuple[Rung, Passed]](), list[tuple[Rung, Passed]]()
    ladder, accusation = footing.ladder, footing.accusation
    for rung in ladder.rungs:
        found = _blocked(rung, footing) or _JUDGES[rung](footing)
        if isinstance(found, Ends):
            return Climbed(ladder, rung, found.actions, found.because, tuple(passed), accusation, ends=True)
        if found.wants:
            return Climbed(ladder, None, (), "", tuple(passed), accusation, ends=False, wants=found.wants)
        passed.append((rung, found))
        if found.actions:
            possible.append((rung, found))
    if not possible:
        return Climbed(
            ladder, None, (), "no rung of the ladder is possible here", tuple(passed), accusation, ends=False
        )
    rung, highest = possible[-1]
    why = f"no rung is known to end the attack, and this is the highest that is possible: {highest.why}"
    return Climbed(ladder, rung, highest.actions, why, tuple(passed), accusation, ends=False)


def verdict_after(verdict: Verdict, climbed: Climbed) -> Verdict:
    """Nothing is called contained by a rung that is not known to end the attack: a person is asked."""
    return Verdict.ASK if verdict is Verdict.CONTAIN and not climbed.ends else verdict


@once
def expectation(policy: Policy) -> Callable[[Change], bool]:
    """
    Which changes a policy expects: by those of whom its conditions expect this kind, or declared in full.
    """
    singles = [leaf for rule in policy.rules for leaf in leaves(rule.when)]
    declared = [leaf for leaf in singles if isinstance(leaf, ExplainedByDeclaration)]
    by: dict[ChangeKind, frozenset[str]] = {}
    for leaf in singles:
        for kind in _EXPECTS.get(leaf.name, ()):
            by[kind] = by.get(kind, frozenset()) | frozenset(getattr(leaf, "by_other_than", None) or ())
    givers = {
        id_ for leaf in singles if leaf.name == "granted-recently" for id_ in getattr(leaf, "by_other_than", ()) or ()
    }

    def is_expected(change: Change) -> bool:
        if any(each.undeclared(change) is None for each in declared):
            return True
        if (
            any(gives_role(each.activity) for each in change.records)
            and is_unexpected(change.actor, givers) is not False
        ):
            return False
        known = [by.get(kind, frozenset()) for kind in change.kinds]
        return bool(known) and all(ids and is_unexpected(change.actor, ids) is False for ids in known)

    return is_expected


_EXPECTS: Mapping[str, tuple[ChangeKind, ...]] = {
    "credential-added": (ChangeKind.CREDENTIALS,),
    "granted-recently": (ChangeKind.GRANTS,),
    "consent": (ChangeKind.CONSENT, ChangeKind.GRANTS),  # one consent writes both; no roles
    "redirect-uri": (ChangeKind.CONFIGURATION,),
    "sign-out-url-changed": (ChangeKind.CONFIGURATION,),
}


# The rungs


def _blocked(rung: Rung, footing: Footing) -> Passed | None:
    """What is needed for a rung and cannot run here: no licence, no permission, not in this cloud."""
    needed = {Rung.DISABLE: ("block-sign-in",), Rung.DEACTIVATE: ("deactivate-application",)}
    for name in needed.get(rung, ACTIONS_OF[rung] if rung is not Rung.REVOKE else ()):
        if name in footing.cannot:
            return Passed("not-applicable", f"{name} cannot run here: {footing.cannot[name]}")
    return None


def _remove_one(footing: Footing) -> Ends | Passed:
    accusation = footing.accusation
    if held := _held_by_others(footing):
        return held
    if malice := _is_malice(footing):
        return Passed("not-enough", malice)
    if accusation.one_explains_all is False:
        return Passed("not-enough", _some(accusation.because))
    if accusation.one_explains_all is None:
        return _not_known(accusation, footing)
    (suspect,) = accusation.suspects
    choice = _only((suspect,))
    if why := _why_not_removable(suspect, footing):
        return Passed("not-applicable", why)
    if choice is None:
        return Passed("not-applicable", f"{suspect.credential_id} is no id by which Graph could remove it")
    return _unless_it_renews(footing, Ends(choice, _explains(suspect)))


def _explains(suspect: Suspect) -> str:
    sources = ", ".join(dict.fromkeys(ground.source for ground in suspect.grounds))
    return f"credential {suspect.credential_id} alone explains everything that is suspicious (told by: {sources})"


def _why_not_removable(suspect: Suspect, footing: Footing) -> str | None:
    if suspect.holder is None and footing.kind not in _OWN:
        return f"credential {suspect.credential_id} lies with its publisher, in another tenant"
    if suspect.holder is None and all(ground.source == "sign-in" for ground in suspect.grounds):
        return (
            f"only sign-ins tell of credential {suspect.credential_id}: nobody holds it, so there is nothing to remove"
        )
    if suspect.holder is not None and not suspect.removable:
        return f"credential {suspect.credential_id} serves single sign-on or encryption as well"
    if not suspect.alone:
        return f"another credential has the id {suspect.credential_id} too, and would go with it"
    return None


def _risk_policy(footing: Footing) -> Ends | Passed:
    if footing.kind is not IdentityKind.OWN_SINGLE_TENANT:
        why = f"Conditional Access covers no {footing.kind.value.replace('-', ' ')} identity"
        return Passed("not-applicable", f"{why}, only single-tenant applications of this tenant")
    if footing.ladder.by_default:
        why = "no read shows that Entra enforces it yet; a rule that trusts it names the rung itself"
        return Passed("unknown", why)
    match footing.ca_policy:
        case NotLooked():
            return Passed("unknown", "the policy was not looked at", wants=frozenset({PartName.CA_POLICY}))
        case CouldNotLook(why):
            return Passed("unknown", f"Conditional Access policies could not be read: {why}")
        case Known(policies):
            return _by_policy(policies, footing.state.identity.principal_id)


def _by_policy(policies: Sequence[RiskPolicy], principal: str) -> Ends | Passed:
    """It has to stand already, and to be enforced: how soon a new one is, nobody publishes (facts: Graph 7)."""
    if len(policies) != 1:
        return Passed("not-enough", f"{len(policies)} policies have the name of Cordon's; one has to stand already")
    (policy,) = policies
    whole = policy.state == "enabled" and policy.blocks and "high" in policy.risk_levels and "All" in policy.resources
    if not whole or policy.other or principal in policy.excluded:
        return Passed("not-enough", f"policy {policy.id} does not block this identity at high risk ({policy.state})")
    actions = (ActionChoice("require-risk-policy", {"state": "enabled"}), ActionChoice("confirm-compromised", {}))
    return Ends(actions, f"policy {policy.id} is enforced, and blocks the identity once its risk is confirmed")


def _revoke(footing: Footing) -> Ends | Passed:
    accusation = footing.accusation
    if accusation.only_grants is False:
        if not accusation.elsewhere:
            return Passed("not-enough", "nothing that it was given lately is known")
        return Passed("not-enough", "more is suspicious than what it was given lately")
    if accusation.only_grants is None:
        return _not_known(accusation, footing)
    gives = [each.gives for each in accusation.elsewhere]
    names = [_REVOKES[kind] for kind in _REVOKES if any(kind in given for given in gives if given is not None)]
    if None in gives or not names:
        return Passed("unknown", "the audit log does not tell in full what was given")
    if blocked := next((name for name in names if name in footing.cannot), None):
        return Passed("not-applicable", f"{blocked} cannot run here: {footing.cannot[blocked]}")
    oldest = min(each.at for each in accusation.elsewhere)
    now = footing.case.now + footing.case.late
    begun = min((max(each.observed_at, now - LOOK_BACK) for each in footing.case.signals), default=now)
    long = max(min(begun, now) - oldest, timedelta()) + timedelta(hours=1)  # counted as the step counts it
    since = f"{int(long.total_seconds() // 60)}m"
    actions = tuple(ActionChoice(name, {"added-since": since}) for name in names)
    return _unless_it_renews(footing, Ends(actions, "what it was given lately is all that is suspicious"))


def _replace_all(footing: Footing) -> Ends | Passed:
    everything = (ActionChoice("replace-credentials", {}),)
    if held := _held_by_others(footing):
        return held
    if footing.kind not in _OWN:
        why = "its publisher's own credentials are in another tenant, and stay"
        return Passed("not-enough", why, everything)
    if malice := _is_malice(footing):
        return Passed("not-enough", malice, everything)
    if staying := [each for each in footing.accusation.suspects if each.holder is not None and not each.removable]:
        why = f"credential {staying[0].credential_id} would stay: it looks like single sign-on or encryption"
        return Passed("not-enough", why, everything)
    if ways := [each.ground.said for each in footing.accusation.elsewhere if each.kinds & _WAYS_IN]:
        return Passed("not-enough", f"a way in may be left that needs no credential: {_some(ways)}", everything)
    if gaps := [gap for gap in footing.accusation.unknown if gap.about in _MAY_HIDE_A_WAY_IN]:
        wants = _unlooked(footing, (PartName.DETECTIONS, PartName.AUDITS))
        return Passed("unknown", _some([gap.why for gap in gaps]), everything, wants)
    return _unless_it_renews(footing, Ends(everything, "every credential goes, so it does not matter which is abused"))


def _disable(footing: Footing) -> Ends | Passed:
    actions = (ActionChoice("block-sign-in", {}), *(_named(footing)))
    elsewhere = Rung.DEACTIVATE in footing.ladder.rungs and "deactivate-application" not in footing.cannot
    if footing.kind is IdentityKind.OWN_MULTI_TENANT and elsewhere:
        return Passed("not-enough", "other tenants would go on issuing tokens to it", actions)
    return Ends(actions, "the identity gets no new tokens in this tenant, whatever is abused")


def _deactivate(footing: Footing) -> Ends | Passed:
    if footing.kind not in _OWN:
        return Passed("not-applicable", "only an application of this tenant can be deactivated")
    actions = (ActionChoice("deactivate-application", {}), ActionChoice("block-sign-in", {}), *(_named(footing)))
    return Ends(actions, "the application gets no new tokens in any tenant, whatever is abused")


_JUDGES: Mapping[Rung, Callable[[Footing], Ends | Passed]] = {
    Rung.REMOVE_ONE: _remove_one,
    Rung.RISK_POLICY: _risk_policy,
    Rung.REVOKE: _revoke,
    Rung.REPLACE_ALL: _replace_all,
    Rung.DISABLE: _disable,
    Rung.DEACTIVATE: _deactivate,
}


# What several rungs ask


def _held_by_others(footing: Footing) -> Passed | None:
    if footing.kind is IdentityKind.MANAGED_IDENTITY:
        return Passed("not-applicable", "Azure holds the credentials of a managed identity")
    if footing.kind is IdentityKind.AGENT:
        return Passed("not-applicable", "the credentials of an agent identity lie on its blueprint")
    return None


def _is_malice(footing: Footing) -> str | None:
    """Where the application itself is the attacker's, its owner gives it whatever credential is taken."""
    part = footing.case.detections
    for detection in part.value if isinstance(part, Known) else ():
        if detection.type.casefold() in _MALICE and is_open(detection):
            return f"the application itself is suspected ({detection.type}, detection {detection.id})"
    return None


def _not_known(accusation: Accusation, footing: Footing) -> Passed:
    return Passed("unknown", _some(accusation.because), wants=_unlooked(footing, _ACCUSING))


def _unlooked(footing: Footing, parts: Sequence[PartName]) -> frozenset[PartName]:
    return frozenset(part for part in parts if isinstance(getattr(footing.case, part.value), NotLooked))


def _unless_it_renews(footing: Footing, ends: Ends) -> Ends | Passed:
    """A thief whose live tokens may give the identity a new credential, or its power back, is not out by this."""
    match footing.case.grants:
        case NotLooked():
            why = "what it holds was not looked at"
            return Passed("unknown", why, ends.actions, frozenset({PartName.GRANTS}))
        case CouldNotLook(why):
            return Passed("unknown", f"what it holds could not be read: {why}", ends.actions)
        case Known(grants):
            power = _renewing(grants)
    if power is None:
        return ends
    kind, why = power
    return Passed(kind, why, ends.actions)


def _renewing(grants: Grants) -> tuple[PassedKind, str] | None:
    """By what the identity could give itself back what is taken from it; or why that is not known."""
    of_groups = (grants.through_groups, "directory roles through groups")
    for part, words in ((grants.app_roles, "app roles"), (grants.directory_roles, "directory roles"), of_groups):
        if not isinstance(part, Known):
            return "unknown", f"its {words} could not be read: {_why(part)}"
    roles = grants.app_roles.value if isinstance(grants.app_roles, Known) else ()
    for role in roles:
        found = app_role(role.role_id)
        if role.role_id.lower() == _OWNED_BY or (found is not None and found.tier is Tier.ZERO):
            name = found.name if found else "Application.ReadWrite.OwnedBy"
            return "not-enough", f"it holds {name}, by which it could give itself another way in {_MEANWHILE}"
    lists = (grants.directory_roles, grants.through_groups)
    assigned = [each for part in lists if isinstance(part, Known) for each in part.value]
    held = [(each, graded(each)) for each in assigned]
    for each, found in held:
        if isinstance(found, Privilege) and found.tier is Tier.ZERO and is_whole(each):
            return "not-enough", f"it is {found.name}, and could give itself another way in {_MEANWHILE}"
    for _, found in held:
        if isinstance(found, Ungraded):
            return "unknown", f"it holds {found.why}"
        if found is not None and found.tier is Tier.ZERO:
            return "unknown", f"it is {found.name} over a part of the tenant, and what that leads to is not looked up"
    return None


def _named(footing: Footing) -> tuple[ActionChoice, ...]:
    """The credentials that are known to be abused go along, so that they do not come back with the sign-in."""
    if "replace-credentials" in footing.cannot or _held_by_others(footing):
        return ()
    return _only([each for each in footing.accusation.suspects if each.holder is not None and each.removable]) or ()


def _only(suspects: Sequence[Suspect]) -> tuple[ActionChoice, ...] | None:
    ids = [id_ for each in suspects if (id_ := _guid(each.credential_id))]
    return (ActionChoice("replace-credentials", {"only": [*ids]}),) if ids else None


def _guid(text: str) -> str | None:
    try:
        return canonical_guid(text)
    except ValueError:
        return None


def _some(reasons: Sequence[str]) -> str:
    more = f"; and {len(reasons) - _TOLD} more" if len(reasons) > _TOLD else ""
    return "; ".join(reasons[:_TOLD]) + more


def _why(part: NotLooked | CouldNotLook) -> str:
    return part.why if isinstance(part, CouldNotLook) else "they were not looked at"


# For the journal


def as_told(climbed: Climbed) -> LadderClimbed:
    """The choice in the journal's words."""
    return LadderClimbed(
        rungs=tuple(rung.value for rung in climbed.ladder.rungs),
        rung=climbed.rung.value if climbed.rung else None,
        ends=climbed.ends,
        because=one_line(climbed.because, _LONGEST),
        passed=tuple(
            RungPassed(rung=rung.value, kind=each.kind, why=one_line(each.why, _LONGEST))
            for rung, each in climbed.passed
            if rung is not climbed.rung
        ),
        accusation=_accusation_told(climbed.accusation),
    )


def _accusation_told(accusation: Accusation) -> AccusationTold:
    return AccusationTold(
        named=accusation.named.value,
        one_explains_all=accusation.one_explains_all,
        suspects=tuple(map(_suspect_told, accusation.suspects)),
        because=tuple(one_line(each, _LONGEST) for each in accusation.because[:20]),
        compared=accusation.compared,
    )


def _suspect_told(suspect: Suspect) -> SuspectTold:
    return SuspectTold(
        credential_id=one_line(suspect.credential_id, 200),
        type=suspect.type,
        holder=suspect.holder.value if suspect.holder else None,
        object_id=suspect.object_id,
        start=suspect.start,
        grounds=tuple(
            GroundTold(source=each.source, record=one_line(each.record, 200), said=one_line(each.said, _LONGEST))
            for each in suspect.grounds[:10]
        ),
    )
