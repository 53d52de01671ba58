"""
Refusals that no retry can help, by name: the words of reports, and what a person does about each.
"""

from shared.errors import (
    CannotBeRead,
    CordonError,
    Deleted,
    Gone,
    InstanceLocked,
    LicenceMissing,
    PermissionMissing,
    PlatformRefused,
    UnavailableInCloud,
)

_NAMES: tuple[tuple[type[CordonError], str], ...] = (
    (PermissionMissing, "permission-missing"),
    (LicenceMissing, "licence-missing"),
    (UnavailableInCloud, "unavailable-in-cloud"),
    (InstanceLocked, "instance-locked"),
    (CannotBeRead, "cannot-be-read"),
    (Deleted, "soft-deleted"),
    (Gone, "gone"),
    (PlatformRefused, "refused-by-platform"),
)

_TODO = {
    "permission-missing": "Have an administrator grant the permission, then order the incident again.",
    "licence-missing": "Buy the licence, or take the action out of the policy. The other steps do not need it.",
    "unavailable-in-cloud": "Take the action out of the policy: this cloud does not offer it.",
    "instance-locked": "The application's owner must lift the instance lock, or remove the credentials there.",
    "cannot-be-read": "Mend what keeps Cordon from reading (the reason names it), then order the incident again.",
    "kept-as-people-changed-it": "Set Cordon's Conditional Access policy back, or take the action out of the policy.",
    "no-executor": "Set CORDON_EXECUTOR_CLIENT_ID, and grant that identity what the action needs.",
    "changed-since": "Somebody changed it since Cordon put it back, and it was left so. Find out in the audit log who, "
    "and decide which of the two is right.",
    "soft-deleted": "Restore it (order restore-application; possible for 30 days), then order the undo of these steps "
    "by name: an undo of the whole incident would delete it again.",
    "gone": "Check whether somebody deleted it: a deleted application can be restored for 30 days.",
    "resource-locked": "Have the lock lifted on the resource that the reason names, then order the incident again.",
    "refused-by-platform": "Do this step by hand in the Entra admin centre or the Azure portal, then order the "
    "incident again.",
}


def refusal_name(error: Exception) -> str | None:
    """The named outcome of an error that no retry can help; None for an error that time may help."""
    return next((name for kind, name in _NAMES if isinstance(error, kind)), None)


def todo_for(name: str) -> str:
    """What a person does about a named outcome."""
    return _TODO.get(name, _TODO["refused-by-platform"])
