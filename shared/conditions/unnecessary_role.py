"""Does it hold a dangerous permission of Graph that it does not use?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import AppRole, Case, GraphActivity, Known, PartName
from shared.conditions.credential_excess import DisuseDuration
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.learning import fell_silent
from shared.conditions.settings import SETTINGS, Several, utc
from shared.permission_use import could_have_needed, is_judged
from shared.privileges import VERSION, Privilege, Tier, app_role

_KEPT_AT = timedelta(days=1)  # by which the log may begin later than asked


@dataclass(frozen=True, slots=True)
class RoleUnnecessary:
    """
    Met when an app role on Microsoft Graph of these tiers is held for longer than `unused-for` (7d to 90d), and in that
    time the identity made no call to Graph that could have needed it. A role counts as used by any call to its part of
    Graph, also one that a weaker permission would have allowed. Only what is in Cordon's catalogue of permissions is
    asked about.
    """

    name: ClassVar[str] = "unnecessary-role"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.GRANTS, PartName.GRAPH_ACTIVITY)
    unknown_when: ClassVar[str] = (
        "the activity log does not go back so far, has fallen silent or has too many kinds of calls, or a role is of "
        "another API"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    tiers: Several[Tier] = (Tier.ZERO, Tier.ONE)
    """Of which tiers the role is."""
    unused_for: DisuseDuration = timedelta(days=30)
    """For how long nobody used it: 7d to 90d."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.grants, Known):
            return unknown(PartName.GRANTS, case.grants)
        held = case.grants.value.app_roles
        if not isinstance(held, Known):
            return unknown(PartName.GRANTS, held)
        since = case.now - self.unused_for
        asked = [(role, each) for role in held.value if (each := app_role(role.role_id)) and each.tier in self.tiers]
        old = [(role, each) for role, each in asked if role.created is None or role.created <= since]
        if not old:
            return NotMet(f"it holds {len(asked)} app roles of {', '.join(self.tiers)}, none for so long")
        if not isinstance(case.graph_activity, Known):
            return unknown(PartName.GRAPH_ACTIVITY, case.graph_activity)
        return self._judged(old, case.graph_activity.value, case)

    def _judged(self, old: list[tuple[AppRole, Privilege]], activity: GraphActivity, case: Case) -> Finding:
        since, doubt = case.now - self.unused_for, None
        for role, privilege in old:
            if not is_judged(privilege.name):
                doubt = doubt or f"Graph's activity log does not tell of {privilege.name} on “{role.resource_name}”"
                continue
            if any(could_have_needed(privilege.name, each.path) for each in activity.calls if each.last >= since):
                continue
            if reason := _why_unsure(role, privilege, activity, since):
                doubt = doubt or reason
                continue
            return Met(_told(role, privilege, self.unused_for))
        told = f"each of {len(old)} app roles may have been used (catalogue {VERSION})"
        return Unknown(doubt) if doubt else NotMet(told)


def _why_unsure(role: AppRole, privilege: Privilege, activity: GraphActivity, since: datetime) -> str | None:
    """Why it may have been used although no call tells of it; None: it was not."""
    if activity.since > since + _KEPT_AT:
        return f"Graph's activity log begins at {utc(activity.since)}"
    if not activity.all_calls:
        return "there are more kinds of calls to Graph than were read"
    if silent := fell_silent(activity):
        return silent
    if role.created is None:
        return f"Graph does not tell since when it holds {privilege.name}"
    return None


def _told(role: AppRole, privilege: Privilege, length: timedelta) -> str:
    since = f", which it holds since {utc(role.created)}" if role.created else ""
    return f"no call to Graph in {length.days} days could have needed {privilege.name} ({privilege.tier}){since}"
