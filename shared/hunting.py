"""
What is worth a look in the tenant at large: applications that nobody answers for, and consents that nobody should have
given. Pure. Whatever is found is a candidate for a person; nothing is done about it, and no incident is opened.
"""

from collections.abc import Iterable, Iterator

from shared.conditions.publisher import imitated
from shared.entries import TeamTold
from shared.identity import MICROSOFT_TENANTS
from shared.inventory import Consent, Consents, Owned, OwnedApplication, Reachable
from shared.privileges import Privilege, scopes, worst
from shared.views import (
    CandidateView,
    ConsentsView,
    ContactsView,
    ContactView,
    OwnedView,
    OwnersView,
    OwnerView,
    TeamView,
)


def owners_view(page: Owned, tenant_id: str) -> OwnersView:
    """The page as it is shown; each application with what is wrong about its owners."""
    return OwnersView(
        applications=tuple(
            OwnedView(
                object_id=app.object_id,
                client_id=app.client_id,
                name=app.name,
                origin=origin_of(app.owner_tenant, app.type, tenant_id),
                enabled=app.enabled,
                owners=tuple(
                    OwnerView(
                        id=each.id,
                        type=each.type,
                        name=each.name,
                        enabled=each.enabled,
                        guest=each.guest,
                        gone=each.gone,
                    )
                    for each in app.owners
                ),
                findings=tuple(_findings(app, tenant_id)),
                unseen=app.unseen,
            )
            for app in page.applications
        ),
        next=page.next,
    )


def consents_view(page: Consents, tenant_id: str) -> ConsentsView:
    """The candidates of the page, and how many consents it held, so that none is not mistaken for not looked."""
    found = [_candidate(each, tenant_id) for each in page.consents]
    return ConsentsView(
        candidates=tuple(each for each in found if each is not None),
        looked_at=len(page.consents),
        next=page.next,
        uncounted=page.uncounted,
    )


def origin_of(owner_tenant: str | None, type_: str | None, tenant_id: str) -> str:
    """Where an application is registered."""
    if type_ == "ManagedIdentity":
        return "managed-identity"
    if owner_tenant is None:
        return "not-told"
    if owner_tenant == tenant_id:
        return "own"
    return "microsoft" if owner_tenant in MICROSOFT_TENANTS else "foreign"


def _findings(app: OwnedApplication, tenant_id: str) -> Iterator[str]:
    """Microsoft's applications and managed identities need no owner here."""
    origin = origin_of(app.owner_tenant, app.type, tenant_id)
    people = [each for each in app.owners if each.type != "servicePrincipal"]
    if origin in ("own", "foreign", "not-told"):
        if not app.owners and not app.unseen:
            yield "orphan"
        elif people and not app.unseen and all(each.gone or each.enabled is False for each in people):
            yield "nobody-who-can-act"
    if any(each.enabled is False for each in people):
        yield "owner-blocked"
    if any(each.gone for each in people):
        yield "owner-gone"
    if any(each.guest for each in people):
        yield "owner-guest"
    if any(each.type == "servicePrincipal" for each in app.owners):
        yield "owner-workload"


def _candidate(consent: Consent, tenant_id: str) -> CandidateView | None:
    """A consent to something dangerous, or to somebody nobody has verified; what could not be read is one as well."""
    dangerous, origin = scopes(consent.scope), origin_of(consent.owner_tenant, None, tenant_id)
    if origin in ("own", "microsoft") and not consent.unseen:
        return None
    reasons = list(_reasons(consent, dangerous))
    if not dangerous and not (reasons and consent.unseen is None and _imitates(consent)):
        return None
    top = worst(dangerous)
    return CandidateView(
        grant_id=consent.grant_id,
        principal_id=consent.principal_id,
        client_id=consent.client_id,
        name=consent.name,
        owner_tenant=consent.owner_tenant,
        enabled=consent.enabled,
        scope=consent.scope,
        tier=top.tier.value if top else None,
        reasons=tuple(reasons),
        unseen=consent.unseen,
        people=consent.people,
        alone_with=consent.alone_with,
    )


def _reasons(consent: Consent, dangerous: tuple[Privilege, ...]) -> Iterator[str]:
    if dangerous:
        yield f"in everybody's name: {', '.join(each.name for each in dangerous[:5])}"
    if consent.unseen is None and consent.publisher is None:
        yield "nobody has verified who publishes it"
    if mark := _imitates(consent):
        yield mark


def _imitates(consent: Consent) -> str | None:
    return imitated(consent.name) if consent.name else None


def contacts_view(
    incident: str, found: Reachable, tenant_id: str, said: str, teams: Iterable[TeamTold] = ()
) -> ContactsView:
    """Whom to call, and for a third party what to write. `said` is what the incident's status is, in a word."""
    origin = origin_of(found.owner_tenant, None, tenant_id)
    return ContactsView(
        incident=incident,
        name=found.name,
        client_id=found.client_id,
        origin=origin,
        owners=tuple(
            ContactView(
                id=each.id,
                name=each.name,
                mail=each.mail,
                manager=each.manager,
                manager_mail=each.manager_mail,
                enabled=each.enabled,
                gone=each.gone,
            )
            for each in found.contacts
        ),
        publisher=found.publisher,
        tenant=found.owner_tenant,
        tenant_name=found.tenant_name,
        tenant_domain=found.tenant_domain,
        addresses=dict(found.addresses),
        notice=_notice(incident, found, tenant_id, said) if origin in ("foreign", "not-told") else None,
        unseen=found.unseen,
        teams=tuple(TeamView(team=each.team, reach=each.reach, because=each.because) for each in teams),
    )


def _notice(incident: str, found: Reachable, tenant_id: str, said: str) -> str:
    """A draft, with ids and no detail that an attacker who reads it with them could use."""
    whom = found.publisher or found.tenant_name or "whom it may concern"
    return (
        f"To: {whom}\n"
        f"Subject: Your application {found.client_id} in our tenant\n\n"
        f"Your application “{found.name}” (client id {found.client_id}) shows signs of misuse in our Microsoft Entra "
        f"tenant {tenant_id}. On our side it is {said} (our reference: {incident}).\n\n"
        "Please check whether its credentials or your systems were taken over, replace every client secret, "
        "certificate and federated credential of it, and tell us since when and which data of ours was reached. "
        "Please answer through a channel that you published before, not by replying to an address in this message.\n"
    )
