"""
The workload identities we watch over, and the three ids that get mixed up.

Entra gives one workload a client id (`appId`), an application object id and a
service principal object id. All three are GUIDs, and passing the wrong one to
Graph hits the wrong object or none. So each has its own type here.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

ClientId = NewType("ClientId", str)  # what the workload signs in as, in any tenant
AppObjectId = NewType("AppObjectId", str)  # its registration, in the home tenant only
PrincipalId = NewType("PrincipalId", str)  # its service principal here: what we contain

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def canonical_guid(text: object) -> str:
    """Give a GUID in its one canonical spelling (lower case); raise ValueError for anything else."""
    if not isinstance(text, str) or not _GUID.fullmatch(text):
        raise ValueError("not a GUID")
    return text.lower()


class IdentityKind(StrEnum):
    """What sort of identity it is; decides which actions are possible. Values are the policy's words."""

    OWN_SINGLE_TENANT = "own-single-tenant"
    OWN_MULTI_TENANT = "own-multi-tenant"
    FOREIGN = "foreign"  # registered in another tenant; no application object here
    MANAGED_IDENTITY = "managed-identity"
    MICROSOFT = "microsoft"  # owned by one of Microsoft's own tenants
    AGENT = "agent"  # agent identities and their blueprints


@dataclass(frozen=True, slots=True)
class IdentityRef:
    """What a signal knows of an identity: at least one of the three ids. Never a display name."""

    principal_id: PrincipalId | None = None
    client_id: ClientId | None = None
    app_object_id: AppObjectId | None = None

    def __post_init__(self) -> None:
        if not (self.principal_id or self.client_id or self.app_object_id):
            raise ValueError("an identity needs at least one of its three ids")

    def __str__(self) -> str:
        known = (
            ("service principal", self.principal_id),
            ("client", self.client_id),
            ("application", self.app_object_id),
        )
        return ", ".join(f"{name} {value}" for name, value in known if value)


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """A service principal of this tenant with its application, if this tenant owns one."""

    principal_id: PrincipalId
    client_id: ClientId
    app_object_id: AppObjectId | None
    display_name: str  # the tenant's text: data, never part of a path or query
    kind: IdentityKind

    @property
    def ref(self) -> IdentityRef:
        return IdentityRef(self.principal_id, self.client_id, self.app_object_id)


# Microsoft's own tenants that own first-party applications, and the one of personal accounts. Not a
# closed list, so operators name further ones in the policy's protected list.
MICROSOFT_TENANTS = frozenset(
    {
        "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "9188040d-6c67-4c5b-b112-36a304b66dad",
    }
)


_NO_KEY = "00000000-0000-0000-0000-000000000000"  # what logs show of a key where none was shown


def shown_at_sign_in(key_id: str | None, federated_id: str | None) -> str | None:
    """
    The credential that a sign-in record names; None if it names none. A federated one has an id of its own, and the
    key id beside it may be all zeros: nobody showed that key.
    """
    return next((id_ for id_ in (federated_id, key_id) if id_ and id_ != _NO_KEY), None)
