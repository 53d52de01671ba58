"""Has the identity more, or longer-lived, credentials than the policy allows?"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from shared.case import Case, CouldNotLook, Holder, Known, NotLooked, PartName
from shared.conditions.credential_use import Usable, usable_of, why_unused
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import DURATION_SCHEMA, SETTINGS, Duration, Flag, utc
from shared.credentials import Sorted, keys_in_doubt, sort_credentials

SHORTEST, LONGEST = timedelta(days=7), timedelta(days=90)


def _is_long_enough(length: timedelta) -> timedelta:
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"must be {SHORTEST.days}d to {LONGEST.days}d")
    return length


DisuseDuration = Annotated[Duration, AfterValidator(_is_long_enough), WithJsonSchema(DURATION_SCHEMA)]


@dataclass(frozen=True, slots=True)
class CredentialExcess:
    """
    Met when one of these holds: the identity has more usable credentials than `more-than`, counted over the
    application and its service principals, federated ones included; one was made to last, or will still last, longer
    than `valid-longer-than`; `on-both-objects: true` and both objects carry some; one was not used for `unused-for`
    (7d to 90d), and is there for that long. What has expired does not count, nor do keys of single sign-on and token
    encryption. At least one of the four must be given. Disuse takes a sign-in log that goes back so far, of Graph or of
    a workspace, or Graph's report on the use of credentials; where neither tells, it is unknown.
    """

    name: ClassVar[str] = "credential-excess"
    needs: ClassVar[tuple[PartName, ...]] = (
        PartName.IDENTITY,
        PartName.KEY_USE,
        PartName.SIGN_INS,
        PartName.OLDER_SIGN_INS,
    )
    unknown_when: ClassVar[str] = (
        "federated credentials could not be read, and there is no excess without them; for unused-for, no source goes "
        "back so far; for valid-longer-than, one has no end"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    more_than: Annotated[int, Field(ge=0, le=1000, strict=True)] | None = None
    """How many usable credentials are allowed."""
    valid_longer_than: Duration | None = None
    """For how long one may be valid."""
    on_both_objects: Flag = False
    """Whether both objects may carry some: true asks about it."""
    unused_for: DisuseDuration | None = None
    """For how long one may be there without anybody using it: 7d to 90d."""

    def __post_init__(self) -> None:
        asked = (self.more_than, self.valid_longer_than, self.unused_for, self.on_both_objects or None)
        if not any(each is not None for each in asked):
            choices = "more-than, valid-longer-than, unused-for or on-both-objects: true"
            raise ValueError(f"needs {choices}, else it could never be met")

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        holders = [(holder, sort_credentials(holder)) for holder in part.value.holders]
        usable = {holder.object_id: list(usable_of(found, case.now)) for holder, found in holders}
        if reason := self._excess(holders, usable, case.now):
            return Met(reason)
        disused = self._disused(case, [each for found in usable.values() for each in found])
        if isinstance(disused, Met) or (disused and disused.wants):
            return disused
        if unread := _unread(holders):
            return unread
        if self.valid_longer_than is not None:
            endless = (
                each for found in usable.values() for each in found if each.end is None and each.start is not None
            )
            if (each := next(endless, None)) is not None:
                return Unknown(f"Graph does not tell until when {each.text} is valid")
        if disused:
            return disused
        count = sum(len(each) for each in usable.values())
        return NotMet(f"its {count} usable credentials are within what is allowed")

    def _excess(
        self, holders: list[tuple[Holder, Sorted]], usable: dict[str, list[Usable]], now: datetime
    ) -> str | None:
        everything = [each for found in usable.values() for each in found]
        if self.more_than is not None and len(everything) > self.more_than:
            return f"it has {len(everything)} usable credentials, and {self.more_than} are allowed"
        if self.valid_longer_than is not None:
            for each in everything:
                if reason := _too_long(each, self.valid_longer_than, now):
                    return reason
        kinds = {holder.kind for holder, _ in holders if usable[holder.object_id] or _may_authenticate(holder, now)}
        if self.on_both_objects and len(kinds) > 1:
            return "both the application and its service principal carry usable credentials"
        return None

    def _disused(self, case: Case, usable: list[Usable]) -> Met | Unknown | None:
        """
        A start is its maker's word: who dates a credential back makes it look unused, and that is what it is. A
        federated one has no date, so of one that was never seen nobody knows whether it is new.
        """
        if self.unused_for is None:
            return None
        since, doubt = case.now - self.unused_for, None
        for each in usable:
            if each.start is not None and each.start > since:
                continue
            found = why_unused(case, each, since)
            if isinstance(found, str) and each.end is None and each.start is None:
                doubt = doubt or Unknown(f"{each.text} {found}, and Graph does not tell since when it is there")
            elif isinstance(found, str):
                return Met(f"{each.text} {found}, which is longer than {self.unused_for.days} days")
            elif found is not None:
                doubt = found if doubt is None or found.wants else doubt
        return doubt


def _may_authenticate(holder: Holder, now: datetime) -> bool:
    """Whether a key that looks like single sign-on or encryption, and is not seen to serve it, lets somebody in."""
    keys = (key for doubt in keys_in_doubt(holder, now) for key in doubt.keys)
    return any(key.usage.lower() == "verify" and (key.end is None or key.end > now) for key in keys)


def _too_long(credential: Usable, longest: timedelta, now: datetime) -> str | None:
    """Federated trust has no end at all, and is for another condition to judge."""
    if credential.end is None:
        return None
    begun = min(credential.start or now, now)
    if credential.end - begun <= longest:
        return None
    return f"{credential.text} is valid until {utc(credential.end)}, longer than {longest.days} days are allowed"


def _unread(holders: list[tuple[Holder, Sorted]]) -> Unknown | None:
    """Federated credentials that could not be read may be the ones too many."""
    for holder, _ in holders:
        match holder.federated:
            case Known():
                continue
            case CouldNotLook(why):
                return Unknown(f"the federated credentials of the {holder.kind.value} could not be read: {why}")
            case NotLooked():
                return Unknown(f"the federated credentials of the {holder.kind.value} were not looked at")
    return None
