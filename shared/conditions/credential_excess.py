"""Has the identity more, or longer-lived, credentials than the policy allows?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.case import Case, CouldNotLook, Holder, Known, NotLooked, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import SETTINGS, Duration, utc
from shared.credentials import Sorted, sort_credentials


@dataclass(frozen=True, slots=True)
class _Credential:
    """One credential that authenticates: until when, and for how long it was made."""

    text: str
    start: datetime | None
    end: datetime | None  # None: it never ends, as federated ones


@dataclass(frozen=True, slots=True)
class CredentialExcess:
    """
    Met when one of these holds: the identity has more usable credentials than `more-than`, counted over the
    application and its service principals, federated ones included; one was made to last, or will still last, longer
    than `valid-longer-than`; `on-both-objects: true` and both objects carry some. What has expired does not count,
    nor do keys of single sign-on and token encryption. At least one of the three must be given.
    """

    name: ClassVar[str] = "credential-excess"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = "federated credentials could not be read, and there is no excess without them"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    more_than: Annotated[int, Field(ge=0, le=1000, strict=True)] | None = None
    """How many usable credentials are allowed."""
    valid_longer_than: Duration | None = None
    """For how long one may be valid."""
    on_both_objects: bool = False
    """Whether both objects may carry some: true asks about it."""

    def __post_init__(self) -> None:
        if self.more_than is None and self.valid_longer_than is None and not self.on_both_objects:
            raise ValueError("needs more-than, valid-longer-than or on-both-objects: true, else it could never be met")

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        holders = [(holder, sort_credentials(holder)) for holder in part.value.holders]
        usable = {holder.object_id: list(_usable(found, case.now)) for holder, found in holders}
        if reason := self._excess(holders, usable, case.now):
            return Met(reason)
        if unread := _unread(holders):
            return unread
        count = sum(len(each) for each in usable.values())
        return NotMet(f"its {count} usable credentials are within what is allowed")

    def _excess(
        self, holders: list[tuple[Holder, Sorted]], usable: dict[str, list[_Credential]], now: datetime
    ) -> str | None:
        everything = [each for found in usable.values() for each in found]
        if self.more_than is not None and len(everything) > self.more_than:
            return f"it has {len(everything)} usable credentials, and {self.more_than} are allowed"
        if self.valid_longer_than is not None:
            for each in everything:
                if reason := _too_long(each, self.valid_longer_than, now):
                    return reason
        kinds = {holder.kind for holder, _ in holders if usable[holder.object_id]}
        if self.on_both_objects and len(kinds) > 1:
            return "both the application and its service principal carry usable credentials"
        return None


def _usable(found: Sorted, now: datetime) -> Iterator[_Credential]:
    for password in found.passwords:
        if password.end is None or password.end > now:
            yield _Credential(f"secret {password.key_id}", password.start, password.end)
    for key in found.keys:
        if key.end is None or key.end > now:
            yield _Credential(f"certificate {key.key_id}", key.start, key.end)
    for trust in found.federated:
        yield _Credential(f"federated credential {trust.id}", None, None)


def _too_long(credential: _Credential, longest: timedelta, now: datetime) -> str | None:
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
