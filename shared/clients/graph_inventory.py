"""Microsoft Graph as the inventory of the tenant: pages of applications with owners, and of tenant-wide consents."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from shared.case import CouldNotLook, Known, Owner, Part
from shared.clients.answers import Call
from shared.clients.batch import MOST
from shared.clients.graph_http import GraphHttp, Outcome, read_page
from shared.clients.graph_requests import READ_DELEGATED, READ_DIRECTORY, filtered
from shared.clients.graph_shapes import (
    Unreadable,
    account_of,
    guid_of,
    optional_guid_of,
    optional_text_of,
    optional_texts_of,
    owner_of,
)
from shared.clients.people_requests import account_call, manager_call, tenant_call
from shared.errors import CordonError, Gone, IncompleteAnswer
from shared.identity import canonical_guid
from shared.inventory import Consent, Consents, Contact, Listing, Owned, OwnedApplication, OwnerAccount, Reachable
from shared.signal import JsonObject
from shared.untrusted import NAME, one_line

T = TypeVar("T")

_SETS: Mapping[Listing, str] = {"enterprise": "/servicePrincipals", "registered": "/applications"}
_OF_PRINCIPALS = "id,appId,displayName,appOwnerOrganizationId,accountEnabled,servicePrincipalType"
_OF_APPLICATIONS = "id,appId,displayName"
_OF_CLIENTS = "id,appId,displayName,appOwnerOrganizationId,accountEnabled,verifiedPublisher"
_WIDE = "consentType eq 'AllPrincipals'"
_OF_REACHED = "id,appId,displayName,appOwnerOrganizationId,verifiedPublisher,info,tags"
_ADDRESSES = (
    ("support", "supportUrl"),
    ("privacy", "privacyStatementUrl"),
    ("terms", "termsOfServiceUrl"),
    ("marketing", "marketingUrl"),
)
_LONGEST_SCOPE = 16_000  # Graph takes 3,850 characters: what is cut off would be judged as not given
_MOST_CALLED = 8
_LONGEST_PAGE, _MOST_PAGES = 999, 5  # of consents that are counted to tell how rare one is
_Scope: TypeAlias = tuple[str, str]  # the resource and the folded name
_MOST_ACCOUNTS = 60  # looked up for one page


class GraphInventory:
    """See `shared.inventory.Inventory`."""

    def __init__(self, reader: GraphHttp, tenant_id: str) -> None:
        self._http, self._tenant_id = reader, tenant_id

    async def owned(self, listing: Listing, limit: int, after: str | None) -> Owned:
        """See `Inventory`."""
        select = _OF_PRINCIPALS if listing == "enterprise" else _OF_APPLICATIONS
        path = f"{_SETS[listing]}?$select={select}&$top={limit:d}{_from(after)}"
        records, following = await self._page(Call("GET", path, "listing applications", READ_DIRECTORY, urgent=False))
        found = [_application(each, listing, self._tenant_id) for each in records]
        lists = await self._owners([f"{_SETS[listing]}/{each.object_id}" for each in found])
        if listing == "enterprise":
            own = [each.client_id for each in found if each.owner_tenant == self._tenant_id]
            more = dict(zip(own, await self._owners([f"/applications(appId='{each}')" for each in own]), strict=True))
        else:
            more = dict[str, Part[tuple[Owner, ...]]]()
        whole = [_with_owners(app, [first, *_of(more, app)]) for app, first in zip(found, lists, strict=True)]
        return Owned(await self._with_accounts(whole), following)

    async def consents(self, limit: int, after: str | None) -> Consents:
        """See `Inventory`."""
        path = f"{filtered('/oauth2PermissionGrants', _WIDE)}&$top={limit:d}{_from(after)}"
        records, following = await self._page(Call("GET", path, "listing consents", READ_DELEGATED, urgent=False))
        found = [_consent(each) for each in records if each.get("consentType") == "AllPrincipals"]
        clients = list(dict.fromkeys(each.principal_id for each in found))
        told = dict(zip(clients, await self._batch([_client_call(each) for each in clients]), strict=True))
        people, uncounted = _people_of(clients, await self._batch([_grants_call(each) for each in clients]))
        holders = await self._holders() if found else Known(dict[_Scope, int]())
        return Consents(
            tuple(_counted(_with_client(each, told[each.principal_id]), people, holders) for each in found),
            following,
            (*uncounted, *((holders.why,) if isinstance(holders, CouldNotLook) else ())),
        )

    async def _holders(self) -> Known[dict["_Scope", int]] | CouldNotLook:
        """Of each scope how many clients have it in everybody's name, if that many grants can be read."""
        counted, seen, after = dict[_Scope, set[str]](), 0, None
        for _ in range(_MOST_PAGES):
            path = f"{filtered('/oauth2PermissionGrants', _WIDE)}&$top={_LONGEST_PAGE:d}{_from(after)}"
            try:
                records, after = await self._page(
                    Call("GET", path, "counting who has a scope", READ_DELEGATED, urgent=False)
                )
                for grant in (_consent(each) for each in records if each.get("consentType") == "AllPrincipals"):
                    for scope in _scopes_of(grant):
                        counted.setdefault(scope, set()).add(grant.principal_id)
            except (CordonError, Unreadable, ValueError) as problem:
                return CouldNotLook(f"how rare a scope is could not be counted: {problem}")
            seen += len(records)
            if after is None:
                return Known({scope: len(clients) for scope, clients in counted.items()})
        return CouldNotLook(f"how rare a scope is was not counted: there are more than {seen} consents for everybody")

    async def reach(self, principal: str) -> Reachable:
        """See `Inventory`."""
        path = f"/servicePrincipals/{canonical_guid(principal)}"
        record = await self._http.send(
            Call("GET", f"{path}?$select={_OF_REACHED}", "reading whose it is", READ_DIRECTORY)
        )
        client, tenant = guid_of(record, "appId"), optional_guid_of(record, "appOwnerOrganizationId")
        own = tenant == self._tenant_id
        lists = await self._owners([path, *([f"/applications(appId='{client}')"] if own else [])])
        owners = {owner.id: owner for part in lists if isinstance(part, Known) for owner in part.value}
        people = [each for each in owners if owners[each].type != "servicePrincipal"][:_MOST_CALLED]
        accounts = await self._batch([call for each in people for call in (account_call(each), manager_call(each))])
        contacts, unseen = _contacts(people, accounts)
        home = await self._batch([tenant_call(tenant)]) if tenant and not own else []
        names, missing = _tenant_of(home[0]) if home else ((None, None), ())
        return Reachable(
            name=one_line(optional_text_of(record, "displayName") or "", NAME),
            client_id=client,
            owner_tenant=tenant,
            contacts=contacts,
            publisher=_publisher_of(record),
            addresses=_addresses_of(record),
            tenant_name=names[0],
            tenant_domain=names[1],
            tags=optional_texts_of(record, "tags"),
            unseen=(*(part.why for part in lists if isinstance(part, CouldNotLook)), *unseen, *missing),
        )

    async def _page(self, call: Call) -> tuple[list[JsonObject], str | None]:
        """One page, and Graph's token of the next one. Of its link nothing else is used."""
        body = await self._http.send(call)
        link = body.get("@odata.nextLink")
        if link is None:
            return read_page(call, body), None
        tokens = parse_qs(urlsplit(link).query).get("$skiptoken") if isinstance(link, str) else None
        if not tokens:
            raise IncompleteAnswer(f"Not done: {call.doing}. The next link does not tell where the next page begins.")
        return read_page(call, body), tokens[0]

    async def _owners(self, objects: Sequence[str]) -> list[Part[tuple[Owner, ...]]]:
        """The owners of each object. A list that goes on beyond a page is a hundred owners long, and told as unread."""
        calls = [Call("GET", f"{each}/owners", "reading owners", READ_DIRECTORY, urgent=False) for each in objects]
        outcomes = await self._batch(calls)
        return [_listed(call, outcome) for call, outcome in zip(calls, outcomes, strict=True)]

    async def _with_accounts(self, found: Sequence[OwnedApplication]) -> tuple[OwnedApplication, ...]:
        """The same with what is known of the owners' accounts; each is looked up once."""
        ids = sorted({owner.id for app in found for owner in app.owners if owner.type == "user"})
        outcomes = await self._batch([account_call(each) for each in ids[:_MOST_ACCOUNTS]])
        told = dict(zip(ids[:_MOST_ACCOUNTS], outcomes, strict=True))
        return tuple(_told_accounts(app, told) for app in found)

    async def _batch(self, calls: Sequence[Call]) -> list[Outcome]:
        found = list[Outcome]()
        for start in range(0, len(calls), MOST):
            found += await self._http.send_all(calls[start : start + MOST])
        return found


def _client_call(principal: str) -> Call:
    path = f"/servicePrincipals/{principal}?$select={_OF_CLIENTS}"
    return Call("GET", path, "reading who was consented to", READ_DIRECTORY, urgent=False)


def _grants_call(principal: str) -> Call:
    path = f"/servicePrincipals/{principal}/oauth2PermissionGrants"
    return Call("GET", path, "counting who consented", READ_DELEGATED, urgent=False)


def _people_of(clients: Sequence[str], outcomes: Sequence[Outcome]) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """How many people consented to each client for themselves; why it is not known of those that are left out."""
    found, uncounted = dict[str, int](), list[str]()
    for client, outcome in zip(clients, outcomes, strict=True):
        try:
            if isinstance(outcome, CordonError):
                raise outcome
            records = read_page(_grants_call(client), outcome)
            if outcome.get("@odata.nextLink") is not None:
                raise Unreadable("more consents than one page holds")  # noqa: TRY301 - one reason among several
            own = [each for each in records if each.get("consentType") == "Principal"]
            found[client] = len({guid_of(each, "principalId") for each in own})
        except (CordonError, Unreadable) as problem:
            uncounted.append(f"who consented to {client} for themselves could not be counted: {problem}")
    return found, tuple(uncounted)


def _scopes_of(consent: Consent) -> list[_Scope]:
    return [(consent.resource_id, name.casefold()) for name in consent.scope.split()]


def _counted(consent: Consent, people: Mapping[str, int], holders: Known[dict[_Scope, int]] | CouldNotLook) -> Consent:
    """The same with how rare it is. A scope that is not among those counted came in between: it is not called rare."""
    alone = None
    if isinstance(holders, Known):
        named = zip(_scopes_of(consent), consent.scope.split(), strict=True)
        alone = tuple(name for scope, name in named if holders.value.get(scope) == 1)
    return replace(
        consent,
        people=people.get(consent.principal_id),
        alone_with=alone,
    )


def _from(after: str | None) -> str:
    """Graph's own token, as a value of the query and nothing else."""
    return f"&$skiptoken={quote(after, safe='')}" if after else ""


def _application(record: JsonObject, listing: Listing, tenant_id: str) -> OwnedApplication:
    enabled = record.get("accountEnabled")
    return OwnedApplication(
        object_id=guid_of(record, "id"),
        client_id=guid_of(record, "appId"),
        name=one_line(optional_text_of(record, "displayName") or "", NAME),
        owner_tenant=tenant_id if listing == "registered" else optional_guid_of(record, "appOwnerOrganizationId"),
        enabled=enabled if isinstance(enabled, bool) else None,
        type=optional_text_of(record, "servicePrincipalType"),
        owners=(),
    )


def _listed(call: Call, outcome: Outcome) -> Part[tuple[Owner, ...]]:
    if isinstance(outcome, Gone):
        return Known(())
    if isinstance(outcome, CordonError):
        return CouldNotLook(str(outcome))
    try:
        owners = tuple(owner_of(each) for each in read_page(call, outcome))
    except (CordonError, Unreadable) as problem:
        return CouldNotLook(str(problem))
    return Known(owners) if outcome.get("@odata.nextLink") is None else CouldNotLook("it has more owners than are read")


def _of(more: Mapping[str, Part[tuple[Owner, ...]]], app: OwnedApplication) -> list[Part[tuple[Owner, ...]]]:
    found = more.get(app.client_id)
    return [] if found is None else [found]


def _with_owners(app: OwnedApplication, lists: Sequence[Part[tuple[Owner, ...]]]) -> OwnedApplication:
    owners = {owner.id: owner for part in lists if isinstance(part, Known) for owner in part.value}
    seen = tuple(
        OwnerAccount(each.id, each.type, one_line(each.name, NAME) if each.name else None) for each in owners.values()
    )
    return replace(app, owners=seen, unseen=tuple(part.why for part in lists if isinstance(part, CouldNotLook)))


def _told_accounts(app: OwnedApplication, told: Mapping[str, Outcome]) -> OwnedApplication:
    owners, unseen = list[OwnerAccount](), list(app.unseen)
    for owner in app.owners:
        outcome = told.get(owner.id)
        if owner.type != "user":
            owners.append(owner)
        elif isinstance(outcome, Gone):
            owners.append(replace(owner, gone=True))
        elif outcome is None or isinstance(outcome, CordonError):
            owners.append(owner)
            unseen.append(f"the account of owner {owner.id}: {outcome or 'more accounts than are looked up at once'}")
        else:
            account = account_of(outcome)
            guest = account.type == "Guest" if account.type else None
            owners.append(replace(owner, name=account.name, enabled=account.enabled, guest=guest))
    return replace(app, owners=tuple(owners), unseen=tuple(unseen))


def _consent(record: JsonObject) -> Consent:
    return Consent(
        grant_id=optional_text_of(record, "id") or "",
        principal_id=canonical_guid(record.get("clientId")),
        resource_id=canonical_guid(record.get("resourceId")),
        scope=one_line(optional_text_of(record, "scope") or "", _LONGEST_SCOPE),
    )


def _with_client(consent: Consent, outcome: Outcome) -> Consent:
    if isinstance(outcome, CordonError):
        return replace(consent, unseen=str(outcome))
    publisher, enabled = outcome.get("verifiedPublisher"), outcome.get("accountEnabled")
    try:
        return replace(
            consent,
            client_id=guid_of(outcome, "appId"),
            name=one_line(optional_text_of(outcome, "displayName") or "", NAME),
            owner_tenant=optional_guid_of(outcome, "appOwnerOrganizationId"),
            publisher=optional_text_of(publisher, "verifiedPublisherId") if isinstance(publisher, dict) else None,
            enabled=enabled if isinstance(enabled, bool) else None,
        )
    except Unreadable as problem:
        return replace(consent, unseen=str(problem))


# Whom to call


def _contacts(people: Sequence[str], outcomes: Sequence[Outcome]) -> tuple[tuple[Contact, ...], tuple[str, ...]]:
    """Each person's account and manager stand one after the other."""
    contacts, unseen = list[Contact](), list[str]()
    for place, id_ in enumerate(people):
        account, manager = outcomes[2 * place], outcomes[2 * place + 1]
        if isinstance(account, Gone):
            contacts.append(Contact(id_, None, gone=True))
            continue
        if isinstance(account, CordonError):
            contacts.append(Contact(id_, None))
            unseen.append(f"the account of owner {id_}: {account}")
            continue
        shown = account_of(account)
        above = None if isinstance(manager, CordonError) else account_of(manager)
        if isinstance(manager, CordonError) and not isinstance(manager, Gone):
            unseen.append(f"the manager of {shown.name}: {manager}")
        contacts.append(
            Contact(
                id=id_,
                name=shown.name,
                mail=_line(shown.mail),
                manager=above.name if above else None,
                manager_mail=_line(above.mail) if above else None,
                enabled=shown.enabled,
            )
        )
    return tuple(contacts), tuple(unseen)


def _tenant_of(outcome: Outcome) -> tuple[tuple[str | None, str | None], tuple[str, ...]]:
    if isinstance(outcome, CordonError):
        return (None, None), (f"whose tenant it is: {outcome}",)
    return (_text(outcome, "displayName"), _text(outcome, "defaultDomainName")), ()


def _publisher_of(record: JsonObject) -> str | None:
    publisher = record.get("verifiedPublisher")
    if not isinstance(publisher, dict) or not publisher.get("verifiedPublisherId"):
        return None
    return _text(publisher, "displayName")


def _addresses_of(record: JsonObject) -> tuple[tuple[str, str], ...]:
    """Those that its maker gives, if they are https; they are shown to a person and never asked."""
    info = record.get("info")
    found = [(what, _text(info, name)) for what, name in _ADDRESSES] if isinstance(info, dict) else []
    return tuple((what, url) for what, url in found if url and url.startswith("https://"))


def _text(record: JsonObject, name: str) -> str | None:
    value = record.get(name)
    return _line(value) if isinstance(value, str) else None


def _line(text: str | None) -> str | None:
    return one_line(text, 200) if text else None
