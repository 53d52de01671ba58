"""
The tenant at large, page by page: whose every application is, and what was consented to for everybody. Reading only.

A page costs a few requests and is told by Graph's own token, so that nobody waits for ten thousand applications, and
nothing is kept between two pages.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Listing: TypeAlias = Literal["enterprise", "registered"]


@dataclass(frozen=True, slots=True)
class OwnerAccount:
    """An owner. `enabled` and `guest` are None where they could not be read; `gone` is an account that is not there."""

    id: str
    type: str | None  # Graph's: user, servicePrincipal
    name: str | None  # the tenant's text
    enabled: bool | None = None
    guest: bool | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class OwnedApplication:
    """An application with its owners, as far as they could be read; `unseen` says what could not be, and why."""

    object_id: str  # of the service principal, or of the application where those are listed
    client_id: str
    name: str  # the tenant's text
    owner_tenant: str | None
    enabled: bool | None
    type: str | None  # servicePrincipalType
    owners: tuple[OwnerAccount, ...]
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """
    A consent in everybody's name. What of its client could not be read is None, and `unseen` says why; a client with
    neither publisher nor `unseen` has nobody who was verified.
    """

    grant_id: str
    principal_id: str
    resource_id: str
    scope: str
    client_id: str | None = None
    name: str | None = None  # the tenant's text
    owner_tenant: str | None = None
    publisher: str | None = None  # verifiedPublisherId
    enabled: bool | None = None
    unseen: str | None = None
    people: int | None = None  # who consented to this client for themselves; None: could not be counted
    alone_with: tuple[str, ...] | None = None  # scopes that no other client has in everybody's name; None: as above


@dataclass(frozen=True, slots=True)
class Owned:
    """A page; `next` tells where the following one begins."""

    applications: tuple[OwnedApplication, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Consents:
    """The same of consents."""

    consents: tuple[Consent, ...]
    next: str | None
    uncounted: tuple[str, ...] = ()  # why rarity could not be told, of some or all


class Inventory(Protocol):
    """Raises what the directory raises if a page itself cannot be read; what of it cannot be read says so in it."""

    async def owned(self, listing: Listing, limit: int, after: str | None) -> Owned:
        """Applications with their owners: those that may sign in here, or those that are registered here."""
        ...

    async def consents(self, limit: int, after: str | None) -> Consents:
        """Delegated permissions that hold for the whole tenant, with who they were given to."""
        ...

    async def reach(self, principal: str) -> "Reachable":
        """Whom to call about this service principal, read now."""
        ...


@dataclass(frozen=True, slots=True)
class Contact:
    """An owner as somebody to call; what could not be read, or is not set, is None."""

    id: str
    name: str | None
    mail: str | None = None
    manager: str | None = None
    manager_mail: str | None = None
    enabled: bool | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Reachable:
    """
    How to reach whoever answers for an application: its owners here, and of another tenant's application whoever
    publishes it. All names and addresses are others' text: to be shown, and never followed.
    """

    name: str
    client_id: str
    owner_tenant: str | None
    contacts: tuple[Contact, ...]
    publisher: str | None = None  # verified by Microsoft, if it is there
    addresses: tuple[tuple[str, str], ...] = ()  # support, privacy, terms, …: what for, and the https address
    tenant_name: str | None = None
    tenant_domain: str | None = None
    tags: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
