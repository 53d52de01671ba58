"""
What the audit log tells of grants: app roles, delegated scopes, directory roles, and consents. Pure.

Facts, from records of real tenants: a grant's target is the API that is opened up, and the client stands in the
properties, often by its client id alone; values are quoted texts, only new ones for app roles and directory roles,
both sides for scopes. A consent's target is the client. `ConsentContext.IsAdminConsent` says that an administrator
agreed, and not for whom: that is in `OnBehalfOfAll` and in the entries of `ConsentAction.Permissions`, a text of the
form "[old entries] => [new entries]", or of the new ones alone. One consent writes several records under one
correlation id: the consent, a delegated grant for each API, and an app role each.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from shared.audit import ACTIVITIES, gives_role, normalise_activity, properties_of
from shared.case import AuditRecord
from shared.once import once
from shared.privileges import SCOPES, Privilege, app_role, directory_role

GrantKind: TypeAlias = Literal["app-role", "delegated", "directory-role"]
GRANT_KINDS: tuple[GrantKind, ...] = ("app-role", "delegated", "directory-role")

APP_ROLE_GIVEN = normalise_activity("Add app role assignment to service principal")
DELEGATED_GIVEN = normalise_activity("Add delegated permission grant")
CONSENTED = normalise_activity("Consent to application")
ROLE_GIVEN = frozenset(found for each in ACTIVITIES if gives_role(found := normalise_activity(each)))
"""Those that are followed; `gives_role` knows the log's other spellings too."""
# By which real tenants' logs name a directory role. Its object id in a tenant is no template's.
_NAMES_ROLE = ("role.templateid", "templateid", "roledefinitionoriginid", "role.objectid")
_SHOWS_ROLE = ("role.displayname", "roledefinition.displayname")

_ENTRY = re.compile(r"\[(?=Id:)(?P<fields>[^\[\]]*)\]")
_FIELD = re.compile(r"(?:^|, )(?P<name>[A-Za-z]+): (?P<value>.*?)(?=, [A-Za-z]+: ?|$)")
_SCOPE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Given:
    """
    One permission that a record shows as newly given. `everybody` is whether it holds for the whole tenant: an app
    role always; a scope if it is for all users; None where the log does not say.
    """

    kind: GrantKind
    name: str  # the log's text: a role's value, a scope, a directory role's name
    privilege: Privilege | None  # what it is in the catalogue
    everybody: bool | None
    user_id: str | None = None  # in whose name, where it is one user's
    role_id: str | None = None  # appRoleId, or the template of a directory role


@dataclass(frozen=True, slots=True)
class Giving:
    """All that a record gives. `unread` says why some of it could not be understood, if so."""

    given: tuple[Given, ...] = ()
    unread: str | None = None


NOTHING = Giving()


@once
def giving(record: AuditRecord) -> Giving:
    """What a record gives to the identity that it is about; nothing if it is no grant."""
    if record.activity == APP_ROLE_GIVEN:
        return _app_role(record)
    if record.activity == DELEGATED_GIVEN:
        return _delegated(record)
    if record.activity == CONSENTED:
        return consent(record)
    return _directory_role(record) if gives_role(record.activity) else NOTHING


def _app_role(record: AuditRecord) -> Giving:
    id_, value = _new(record, "approle.id"), _new(record, "approle.value")
    if id_ is None and value is None:
        return Giving(unread="it does not say which app role")
    name = value or _new(record, "approle.displayname") or f"app role {id_}"
    return Giving((Given("app-role", name, app_role(id_, value), everybody=True, role_id=_lower(id_)),))


def _delegated(record: AuditRecord) -> Giving:
    after, before = _new(record, "delegatedpermissiongrant.scope"), _old(record, "delegatedpermissiongrant.scope")
    if after is None:
        return Giving(unread="it does not say which scopes")
    type_ = _new(record, "delegatedpermissiongrant.consenttype")
    had = {scope.casefold() for scope in (before or "").split()}
    scopes = [scope for scope in after.split() if scope.casefold() not in had]
    return Giving(tuple(_scope(scope, _is_for_all(type_), None) for scope in scopes))


def _directory_role(record: AuditRecord) -> Giving:
    id_ = next((found for name in _NAMES_ROLE if (found := _new(record, name))), None)
    name = next((found for each in _SHOWS_ROLE if (found := _new(record, each))), None) or _role_target(record)
    if id_ is None and name is None:
        return Giving(unread="it does not say which directory role")
    return Giving(
        (Given("directory-role", name or f"role {id_}", directory_role(id_), everybody=None, role_id=_lower(id_)),)
    )


def _role_target(record: AuditRecord) -> str | None:
    """Privileged Identity Management has the role as a target, by its name."""
    return next((each.display_name for each in record.targets if each.type.casefold() == "role"), None)


def consent(record: AuditRecord) -> Giving:
    """What a consent adds. A list that cannot be read may hold anything."""
    text = _new(record, "consentaction.permissions", whole=True)
    if text is None:
        return Giving(unread="it does not say to what")
    for_all = _flag(_new(record, "consentcontext.onbehalfofall"))
    _, arrow, after = text.partition("=>")
    new = _entries(after if arrow else text)
    if not new:
        return _plain(text, for_all)
    old = {
        (*_key(entry), scope.casefold())
        for entry in _entries(text.partition("=>")[0] if arrow else "")
        for scope in entry.get("Scope", "").split()
    }
    return Giving(
        tuple(
            _scope(scope, _is_for_all(entry.get("ConsentType")), entry.get("PrincipalId") or None)
            for entry in new
            for scope in entry.get("Scope", "").split()
            if (*_key(entry), scope.casefold()) not in old
        )
    )


def scopes_listed(record: AuditRecord) -> frozenset[str]:
    """Every scope that a consent lists, folded, as held before or as given; none where the list is odd or cut off."""
    text = _new(record, "consentaction.permissions", whole=True) or ""
    if not text.rstrip("; ").endswith("]"):
        return frozenset()
    return frozenset(scope.casefold() for each in _entries(text) for scope in each.get("Scope", "").split())


def is_by_admin(record: AuditRecord) -> bool | None:
    """Whether an administrator agreed, for whomever."""
    return _flag(_new(record, "consentcontext.isadminconsent"))


def _plain(text: str, for_all: bool | None) -> Giving:
    """Older records and exports hold the scopes alone, as a list or with blanks between them."""
    names = text.translate(_AROUND_NAMES).split()
    if not names or not all(_SCOPE_NAME.fullmatch(name) for name in names):
        return Giving(unread="what was consented to is in a form not known here")
    return Giving(tuple(_scope(name, for_all, None) for name in names))


_AROUND_NAMES = str.maketrans(dict.fromkeys("[]\"',", " "))


def _entries(text: str) -> list[dict[str, str]]:
    found = (_FIELD.finditer(entry["fields"]) for entry in _ENTRY.finditer(text))
    return [{field["name"]: field["value"].strip() for field in fields} for fields in found]


def _key(entry: dict[str, str]) -> tuple[str, str, str]:
    return entry.get("ResourceId", ""), entry.get("ConsentType", ""), entry.get("PrincipalId", "")


def _scope(name: str, everybody: bool | None, user: str | None) -> Given:
    return Given("delegated", name, SCOPES.get(name.casefold()), everybody, user.lower() if user else None)


def _is_for_all(type_: str | None) -> bool | None:
    """AllPrincipals, or Principal: one user. In whatever case; anything else is not known."""
    return {"allprincipals": True, "principal": False}.get((type_ or "").casefold())


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None


def _flag(text: str | None) -> bool | None:
    return {"true": True, "false": False}.get((text or "").casefold())


def _new(record: AuditRecord, name: str, *, whole: bool = False) -> str | None:
    return next((text for new, _ in _sides(record, name) if (text := _text(new, whole=whole))), None)


def _old(record: AuditRecord, name: str) -> str | None:
    return next((text for _, old in _sides(record, name) if (text := _text(old))), None)


def _sides(record: AuditRecord, name: str) -> Iterator[tuple[object, object]]:
    return ((found.new, found.old) for found in properties_of(record, name))


def _text(value: object, *, whole: bool = False) -> str | None:
    """A quoted scalar, or a list of one; `whole`: of a list that holds more, all of it, with blanks between."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        texts = [each for each in cast("list[object]", value) if isinstance(each, str)]
        return (" ".join(texts) if whole or len(texts) == 1 else None) or None
    return value if isinstance(value, str) and value else None
