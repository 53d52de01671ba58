"""
What the audit log tells of properties that decide who may use an identity: its audience, and the switch of its sign-in.
Pure.

How the log calls the audience is not documented: records of real tenants show `AvailableToOtherTenants`, and Graph's
own name is read as well. An object that was made so tells no side of before, and was not changed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import cast

from shared.audit import EDITS, properties_of
from shared.case import AuditProperty, AuditRecord


class Property(StrEnum):
    """Graph's names, which are the policy's words. What counts is that it was opened up."""

    SIGN_IN_AUDIENCE = "signInAudience"  # from AzureADMyOrg to any other
    ACCOUNT_ENABLED = "accountEnabled"  # from false to true


SPELLINGS: Mapping[Property, tuple[str, ...]] = {
    Property.SIGN_IN_AUDIENCE: ("availabletoothertenants", "signinaudience"),
    Property.ACCOUNT_ENABLED: ("accountenabled",),
}
"""By which the log may call it, folded."""
_OPEN: Mapping[str, bool] = {"true": True, "false": False, "azureadmyorg": False}
_NONE = ("", "null")


def opened(record: AuditRecord, property_: Property) -> bool | None:
    """Whether a record shows that it was opened up; None where an edit does not tell both sides of it."""
    found = [_was_opened(each, record) for name in SPELLINGS[property_] for each in properties_of(record, name)]
    return True if True in found else None if None in found else False


def tells(record: AuditRecord, property_: Property) -> bool:
    """Whether a record tells of it at all, beyond its name."""
    return any(properties_of(record, name) for name in SPELLINGS[property_])


def names_only(record: AuditRecord, property_: Property) -> bool:
    """Whether a record lists it among what was touched, and does not tell how."""
    listed = [str(each.new).casefold() for each in properties_of(record, "included updated properties")]
    return not tells(record, property_) and any(name in names for names in listed for name in SPELLINGS[property_])


def _was_opened(change: AuditProperty, record: AuditRecord) -> bool | None:
    before, after = is_open(change.old), is_open(change.new)
    if before or after is False:
        return False
    if before is False and after:
        return True
    return None if record.activity in EDITS else False


def is_open(value: object) -> bool | None:
    """A list of one, also where it stands in a text once more, as exports write it; None where no side is given."""
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = [text for each in values if each is not None and (text := str(each).strip(' []"').casefold()) not in _NONE]
    return _OPEN.get(texts[0], True) if len(texts) == 1 else None
