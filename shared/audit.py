"""
The directory's audit records: odd spellings, JSON inside strings, and what they say about credentials.

One record is read alike from Graph (`directoryAudit`) and from the diagnostic log, where lists and values
may be strings of JSON or parsed already. Facts: what real tenants were seen to write.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Literal, TypeAlias, cast

from shared.case import AuditActor, AuditProperty, AuditRecord, AuditTarget, HolderKind
from shared.identity import AppObjectId, ClientId, IdentityRef, PrincipalId, canonical_guid
from shared.once import once
from shared.signal import JsonObject
from shared.untrusted import NAME, Fields, body_of, is_shallow, one_line, parsed

LOOK_BACK = timedelta(days=7)
"""How much of the audit log a case holds: what a tenant without a licence keeps. No condition may ask for more."""

_SENDER = "audit log"
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
# The dash of this one is lost in exports that are read in the wrong encoding: "?", "\ufffd", "â€“", or nothing at all.
_OF_SECRETS = re.compile(r"(update|create) application\b.{0,10}\bcertificates and secrets management")
_BLANKS = re.compile(r"\s+")

# Spelled as Microsoft's reference of audit activities does, compared as `normalise_activity` gives them.
_CREDENTIALS = (
    "Update application - Certificates and secrets management",
    "Create application - Certificates and secrets management",
    "Add service principal credentials",
    "Remove service principal credentials",
    "Update external secrets",
)
_EDITS = ("Update application", "Update service principal")
_GRANTS = (
    "Add app role assignment to service principal",
    "Remove app role assignment from service principal",
    "Add delegated permission grant",
    "Remove delegated permission grant",
)
_OWNERS = (
    "Add owner to application",
    "Add owner to service principal",
    "Remove owner from application",
    "Remove owner from service principal",
)
_JOINS = "Add member to group"
_OTHERS = (
    "Set verified publisher",
    "Unset verified publisher",
    "Consent to application",
    "Restore consent",
    "Add application",
    "Delete application",
    "Hard Delete application",
    "Restore application",
    "Add service principal",
    "Remove service principal",
    "Hard delete service principal",
    "Restore service principal",
    "Add member to role",
    "Add eligible member to role",
    "Add scoped member to role",
    "Remove member from role",
    "Add role assignment to role definition",
    "Add member to role completed (PIM activation)",
    "Add member to role in PIM completed (permanent)",
    "Add member to role in PIM completed (timebound)",
    "Add member to role outside of PIM (permanent)",
    "Add eligible member to role in PIM completed (permanent)",
    "Add eligible member to role in PIM completed (timebound)",
    "confirmServicePrincipalCompromised",
    "DismissServicePrincipal",
)
ACTIVITIES: tuple[str, ...] = (*_CREDENTIALS, *_EDITS, *_GRANTS, *_OWNERS, *_OTHERS, _JOINS)
"""The activities that can concern a workload identity, and that are followed."""


def normalise_activity(text: str) -> str:
    """
    One spelling for all: the log writes "Update application – Certificates and secrets management " with an
    en dash and a blank at its end, exports add a dot or lose the dash, older documents write "principle".
    """
    return _normalised(text) if len(text) <= 200 else text[:200].casefold()


@lru_cache(maxsize=4096)
def _normalised(text: str) -> str:
    plain = _BLANKS.sub(" ", _DASHES.sub("-", _UNSEEN.sub("", text))).strip().removesuffix(".").rstrip()
    plain = plain.casefold().replace("service principle", "service principal")
    found = _OF_SECRETS.fullmatch(plain)
    return f"{found[1]} application - certificates and secrets management" if found else plain


_ROLE_GIVEN = (
    "add member to role",
    "add eligible member to role",
    "add scoped member to role",
    "add role assignment to role definition",
)
_GIVES_NOTHING = ("requested", "approval", "approved", "denied", "canceled", "cancelled", "expired")


@lru_cache(maxsize=1024)
def gives_role(activity: str) -> bool:
    """
    Whether an activity, normalised, gives a directory role, or the eligibility for one. Privileged Identity Management
    has some twenty spellings of its own, "in PIM completed (timebound)" among them; what was asked for only, or
    refused, gives nothing.
    """
    return activity.startswith(_ROLE_GIVEN) and not any(word in activity for word in _GIVES_NOTHING)


_FOLLOWED = frozenset(normalise_activity(activity) for activity in ACTIVITIES)
JOINS_GROUP = normalise_activity(_JOINS)
# Groups are mostly joined by people, so such a record concerns workloads by its target alone.
_FOLLOWED_OR_BLANK = (_FOLLOWED - {JOINS_GROUP}) | {""}
EDITS = frozenset(normalise_activity(activity) for activity in _EDITS)
"""Edits of either object."""
GRANTS = frozenset(normalise_activity(activity) for activity in _GRANTS)
"""Records whose only target is the API that is opened up, or closed (facts: records of real tenants)."""
_FOLDED_OWNERS = frozenset(normalise_activity(activity) for activity in _OWNERS)
ADDS_OWNER = frozenset(each for each in _FOLDED_OWNERS if each.startswith("add "))
_FOLDED_CREDENTIALS = frozenset(normalise_activity(activity) for activity in _CREDENTIALS)
_ON_WORKLOADS = _FOLDED_CREDENTIALS | EDITS | _FOLDED_OWNERS
# These tell in KeyDescription what was added or removed.
_TELLS_KEYS = frozenset(normalise_activity(activity) for activity in _CREDENTIALS[:3])
_CAN_OWN = ("user", "serviceprincipal")
_HOLDERS = {"application": HolderKind.APPLICATION, "serviceprincipal": HolderKind.SERVICE_PRINCIPAL}
# Properties that say which others changed, or repeat the target's names.
_ECHOES = frozenset({"included updated properties", "targetid.serviceprincipalnames"})


def is_followed(activity: object) -> bool:
    """Whether an activity, as the log spells it, can concern a workload identity."""
    return isinstance(activity, str) and normalise_activity(activity) in _FOLLOWED


def concerns_workloads(record: JsonObject) -> bool:
    """
    Whether a raw record can concern a workload identity at all; a quick look at its activity alone.

    A record without a readable activity is let through, so that whoever reads it in full can say what is wrong.
    """
    body, activity = record, record.get("activityDisplayName")
    if activity is None:
        inner = record.get("properties")
        body = inner if isinstance(inner, dict) else {}
        activity = body.get("activityDisplayName")
    if not isinstance(activity, str) or may_concern_workloads(activity):
        return True
    return (
        normalise_activity(activity) == JOINS_GROUP and "serviceprincipal" in str(body.get("targetResources")).lower()
    )


def may_concern_workloads(activity: str) -> bool:
    """Whether an activity, as the log spells it, concerns workload identities whatever its targets are, or is none."""
    return normalise_activity(activity) in _FOLLOWED_OR_BLANK


def read_audit(record: JsonObject, sender: str = _SENDER) -> AuditRecord:
    """One directoryAudit record in either shape. Raises MalformedSignal."""
    body = body_of(record, sender)
    activity = body.values.get("activityDisplayName", body.values.get("operationName"))
    if not isinstance(activity, str) or not activity.strip():
        raise body.wrong("activityDisplayName", "is missing or not a text")
    at = "activityDateTime" if body.values.get("activityDateTime") is not None or "time" not in body.values else "time"
    return AuditRecord(
        id=body.token("id"),
        activity=normalise_activity(activity),
        activity_as_sent=one_line(activity, 200),
        category=body.line("category"),
        at=body.time(at),
        result=_result(body.optional_token("result")),
        correlation_id=body.optional_token("correlationId"),
        actor=_actor(body),
        targets=tuple(_target(target) for target in body.objects("targetResources")),
    )


def _result(text: str | None) -> str:
    """As Graph spells it, in whatever case an export has it."""
    folded = (text or "").casefold()
    return folded if folded in ("success", "failure", "timeout") else text or "unknownFutureValue"


def _actor(body: Fields) -> AuditActor:
    """Who did it. Ids that are none are kept as text: a strange actor is no reason to overlook the act."""
    by = body.object("initiatedBy")
    if by is None:
        return AuditActor()
    user, app = by.object("user"), by.object("app")
    return AuditActor(
        user_id=_lower(user, "id"),
        user_name=user.line("userPrincipalName", 200) if user else None,
        principal_id=_lower(app, "servicePrincipalId"),
        client_id=_lower(app, "appId"),
        ip_address=(user.line("ipAddress") if user else None) or (app.line("ipAddress") if app else None),
    )


def _lower(fields: Fields | None, name: str) -> str | None:
    text = fields.line(name, 200) if fields else None
    return text.lower() if text else None


def _target(fields: Fields) -> AuditTarget:
    type_ = fields.line("type") or "Other"
    is_workload = type_.casefold() in _HOLDERS
    return AuditTarget(
        id=fields.optional_guid("id") if is_workload else fields.line("id", 200),
        type=type_,
        display_name=fields.line("displayName", 200),
        properties=tuple(_property(each) for each in fields.objects("modifiedProperties")),
    )


def _property(fields: Fields) -> AuditProperty:
    return AuditProperty(
        name=fields.line("displayName", 200) or "",
        old=_value(fields, "oldValue"),
        new=_value(fields, "newValue"),
    )


def _value(fields: Fields, name: str) -> object:
    value = parsed(fields.values.get(name))
    if not is_shallow(value):
        raise fields.wrong(name, "is nested too deeply")
    return value


@once
def subject_of(record: AuditRecord) -> IdentityRef | None:
    """
    The workload identity that a record concerns, or None; None too where it may be one of several (`subjects_of`).

    A grant's target is the resource that is opened up; the client that gains by it stands in the modified
    properties. With owners, either target may be the owner, so the activity says which one is owned.
    """
    if record.activity in GRANTS:
        return _named_client(record)
    if record.activity in _FOLDED_OWNERS:
        owned = _owned(record)
        return owned[0] if len(owned) == 1 else None
    return _first_target(record)


def subjects_of(record: AuditRecord) -> tuple[IdentityRef, ...]:
    """Whom a record may concern: its subject, or each of those that it does not tell apart."""
    subject = subject_of(record)
    if subject is not None:
        return (subject,)
    return _owned(record) if record.activity in _FOLDED_OWNERS else ()


def names_several(record: AuditRecord) -> bool:
    """Whether a record of owners does not say which of several is owned: for each of them it is unknown."""
    return record.activity in _FOLDED_OWNERS and len(_owned(record)) > 1


NOT_TOLD_APART = "it names several, and the log does not say which of them is owned"
"""What to say of a record of which `names_several` holds."""


def names_no_client(record: AuditRecord) -> bool:
    """A grant to a service principal that does not say to which one: it cannot be what it claims to be."""
    return record.activity in GRANTS and _named_client(record) is None


def names_no_workload(record: AuditRecord) -> bool:
    """An edit of an application or service principal, its credentials or owners, that does not say of which one."""
    return record.activity in _ON_WORKLOADS and not subjects_of(record)


def _named_client(record: AuditRecord) -> IdentityRef | None:
    principal = _guid_property(record, "serviceprincipal.objectid")
    client = _guid_property(record, "serviceprincipal.appid")
    if principal is None and client is None:
        return None
    return IdentityRef(PrincipalId(principal) if principal else None, ClientId(client) if client else None)


def _guid_property(record: AuditRecord, name: str) -> str | None:
    """A property's id: new where it was added, old where it was removed."""
    for found in properties_of(record, name):
        for value in (*_values(found.new), *_values(found.old)):
            if id_ := _guid(value):
                return id_
    return None


def _first_target(record: AuditRecord) -> IdentityRef | None:
    for target in record.targets:
        type_ = target.type.casefold()
        if target.id and type_ in _HOLDERS:
            return _ref(type_, target.id)
    return None


def _ref(type_: str, id_: str) -> IdentityRef:
    if type_ == "application":
        return IdentityRef(app_object_id=AppObjectId(id_))
    return IdentityRef(principal_id=PrincipalId(id_))


@once
def _owned(record: AuditRecord) -> tuple[IdentityRef, ...]:
    """
    What is owned by a record of owners, or may be. A service principal can own another one, and its target looks the
    same: the owned one is that which another target's property names (`ServicePrincipal.ObjectID`). It may stand there
    alone, without a target of its own.
    """
    type_ = "application" if record.activity.endswith("application") else "serviceprincipal"
    found = {target.id: None for target in record.targets if target.id and target.type.casefold() == type_}
    if len(found) != 1:
        named = dict.fromkeys(_named_by_owners(record, type_))
        fitting = [id_ for id_ in named if id_ in found or not found]
        found = dict.fromkeys(fitting) if len(fitting) == 1 else found or named
    return tuple(_ref(type_, id_) for id_ in found)


def _named_by_owners(record: AuditRecord, type_: str) -> Iterator[str]:
    """Whom the property of what can be an owner names as the owned one; itself it never names so."""
    for target in record.targets:
        if target.id and target.type.casefold() in _CAN_OWN:
            for each in target.properties:
                if each.name.casefold() == f"{type_}.objectid":
                    ids = map(_guid, (*_values(each.new), *_values(each.old)))
                    yield from (id_ for id_ in ids if id_ and id_ != target.id.lower())


def new_owner(record: AuditRecord) -> str | None:
    """
    Whom a record makes an owner, by its object id: the other target, or in a property. None where it does not say so,
    or names several.
    """
    owned = _ids_of(subject_of(record))
    others = {target.id.lower() for target in record.targets if target.id} - owned
    if not others:
        named = (each for target in record.targets for each in target.properties if _is_object_id(each.name))
        others = {id_ for each in named for value in _values(each.new) if (id_ := _guid(value))} - owned
    return others.pop() if len(others) == 1 else None


def group_joined(record: AuditRecord) -> str | None:
    """To which group a record adds somebody, by its object id; None where it does not say, or names several."""
    found = {target.id.lower() for target in record.targets if target.id and target.type.casefold() == "group"}
    if not found:
        named = properties_of(record, "group.objectid")
        found = {id_ for each in named for value in _values(each.new) if (id_ := _guid(value))}
    return found.pop() if len(found) == 1 else None


def _ids_of(subject: IdentityRef | None) -> set[str]:
    return {id_ for id_ in (subject.principal_id, subject.app_object_id) if id_} if subject else set()


def _is_object_id(name: str) -> bool:
    return name.casefold().endswith(".objectid")


def _guid(value: object) -> str | None:
    try:
        return canonical_guid(value)
    except ValueError:
        return None


_COUNTER_MOVES = frozenset(
    normalise_activity(activity)
    for activity in (
        "Restore application",
        "Restore service principal",
        "Add service principal",
        "Add service principal credentials",
        "Add app role assignment to service principal",
        "Add delegated permission grant",
        "Consent to application",
        "Add owner to application",
        "Add owner to service principal",
    )
)
_POLICY_CHANGES = frozenset(
    normalise_activity(f"{verb} {what}policy")
    for verb in ("Add", "Update", "Delete", "Hard Delete", "Restore")
    for what in ("", "Conditional Access ")
)


def is_counter_move(record: AuditRecord) -> bool:
    """Whether a record can have worked against a containment: something was given, switched on or edited."""
    if record.result not in ("success", "unknownFutureValue"):
        return False
    if newly_enabled(record) or added_credentials(record) or record.activity in _COUNTER_MOVES:
        return True
    if gives_role(record.activity):
        return True
    return record.activity in EDITS and not is_echo(record) and not newly_disabled(record)


def touches_policy(record: JsonObject) -> bool:
    """Whether a raw record tells of a policy that was made, edited or deleted: a quick look at its activity alone."""
    activity = record.get("activityDisplayName")
    if activity is None:
        inner = record.get("properties")
        activity = inner.get("activityDisplayName") if isinstance(inner, dict) else None
    return isinstance(activity, str) and normalise_activity(activity) in _POLICY_CHANGES


@once
def is_echo(record: AuditRecord) -> bool:
    """
    An update that changes nothing it tells of. Every change writes some, beside the record that tells; the
    directory writes more of them whenever it refreshes a service principal from its application.
    """
    if record.activity not in EDITS:
        return False
    properties = (each for target in record.targets for each in target.properties)
    return all(each.name.casefold() in _ECHOES or each.old == each.new for each in properties)


# Credentials


@dataclass(frozen=True, slots=True)
class AddedCredential:
    """A credential that was not there before. `type` is the log's: Password, AsymmetricX509Cert, or federated."""

    key_id: str
    type: str
    usage: str
    display_name: str  # its maker's text
    holder: HolderKind
    object_id: str | None


@dataclass(frozen=True, slots=True)
class CredentialChange:
    """What a record says about credentials. `unread` says why some of it could not be understood, if so."""

    added: tuple[AddedCredential, ...] = ()
    unread: str | None = None


# One credential is one string, and it starts with its id. DisplayName comes last and may hold anything.
_KEY = re.compile(
    r"\[?KeyIdentifier=(?P<id>[0-9a-fA-F-]{36}),KeyType=(?P<type>\w{1,60}),KeyUsage=(?P<usage>\w{1,60}),"
    r"DisplayName=(?P<name>.*)",
    re.DOTALL,
)
_FEDERATED = "federatedidentitycredentials"


_NO_CHANGE = CredentialChange()


def added_credentials(record: AuditRecord) -> tuple[AddedCredential, ...]:
    """The credentials that a record shows to be new; see `credential_change` for what could not be read."""
    return credential_change(record).added


@once
def credential_change(record: AuditRecord) -> CredentialChange:
    """
    Compare both sides of KeyDescription and FederatedIdentityCredentials: full lists, before and after. A record of
    credentials that gives neither side does not say that none was added.
    """
    tells_keys, named = record.activity in _TELLS_KEYS, _named(record)
    if not (tells_keys or "keydescription" in named or _FEDERATED in named):
        return _NO_CHANGE
    added: list[AddedCredential] = []
    unread: str | None = None
    if tells_keys and not any(_tells(each) for each in properties_of(record, "keydescription")):
        unread = "it does not say which credentials"
    for target in record.targets:
        holder = _HOLDERS.get(target.type.casefold())
        if holder is None:
            continue
        for change in target.properties:
            name = change.name.casefold()
            if name == "keydescription":
                keys, problem = _new_keys(change, holder, target.id)
            elif name == _FEDERATED:
                keys, problem = _new_federated(change, holder, target.id)
            else:
                continue
            added += keys
            unread = unread or problem
    return CredentialChange(tuple(added), unread)


def tells_trust(record: AuditRecord) -> bool:
    """Whether a record shows the list of federated credentials on either side."""
    return any(_tells(each) for each in properties_of(record, _FEDERATED))


@once
def names_trust_only(record: AuditRecord) -> bool:
    """
    Whether a record lists the federated credentials among what was touched, and shows none. How the log tells of them
    is not documented (facts: Graph 2), so that may be all that it says.
    """
    named = (str(each.new).casefold() for each in properties_of(record, "included updated properties"))
    return not tells_trust(record) and any(_FEDERATED in names for names in named)


def _tells(change: AuditProperty) -> bool:
    """Whether a side is given: the empty list is one, and nothing at all is none."""
    return any(side not in (None, "") for side in (change.old, change.new))


Described: TypeAlias = tuple[str, str, str, str]
"""(id, type, usage, name) of a credential, as one entry of KeyDescription tells it."""


def described_keys(value: object) -> tuple[Described, ...] | None:
    """Each credential in one side of KeyDescription; None if one cannot be understood."""
    found = [_described(text) for text in _texts(value)]
    known = tuple(key for key in found if key)
    return known if len(known) == len(found) else None


def _described(text: str) -> Described | None:
    """A list is told anew with every change of it, so most entries were read before."""
    return _described_before(text) if len(text) <= _SHORT else _read_key(text)


def _read_key(text: str) -> Described | None:
    key = _KEY.match(text)
    return (key["id"].lower(), key["type"], key["usage"], _name(key["name"])) if key else None


_SHORT = 300  # of such texts so many are kept
_described_before = lru_cache(maxsize=4096)(_read_key)


def _new_keys(
    change: AuditProperty, holder: HolderKind, object_id: str | None
) -> tuple[list[AddedCredential], str | None]:
    old, new = [_described(text) for text in _texts(change.old)], [_described(text) for text in _texts(change.new)]
    before = {key[:2] for key in old if key}
    signing = {id_ for id_, _, usage, _ in filter(None, new) if usage == "Sign"}
    added = [
        AddedCredential(id_, type_, usage, name, holder, object_id)
        for id_, type_, usage, name in filter(None, new)
        if (id_, type_) not in before and usage != "Sign" and not (type_ == "Password" and id_ in signing)
    ]
    return added, None if all(old) and all(new) else "its list of credentials is in a form not known here"


def _name(text: str) -> str:
    return one_line(text.removesuffix("]"), NAME)


def _new_federated(
    change: AuditProperty, holder: HolderKind, object_id: str | None
) -> tuple[list[AddedCredential], str | None]:
    """The form of an entry is not documented: entries are compared as they are."""
    before = [repr(each) for each in _values(change.old)]
    entries = [each for each in _values(change.new) if repr(each) not in before]
    added = [
        AddedCredential(_federated_name(each), "federated", "Verify", _federated_name(each), holder, object_id)
        for each in entries
    ]
    return added, None


def _federated_name(entry: object) -> str:
    if isinstance(entry, dict):
        fields = {str(name).casefold(): value for name, value in cast("dict[object, object]", entry).items()}
        found = fields.get("name") or fields.get("id") or fields.get("issuer")
        return one_line(str(found), NAME) if found else "federated credential"
    return one_line(str(entry), NAME) or "federated credential"


# Addresses


@dataclass(frozen=True, slots=True)
class AddressChange:
    """
    A change of an application's addresses: both sides in full, each a set of (address, platform's number as the
    log gives it). None is a side that the log does not give, or not in a form known here: it is not "none".
    """

    kind: Literal["redirect", "identifier", "sign-out"]
    old: frozenset[tuple[str, str]] | None
    new: frozenset[tuple[str, str]] | None


def address_changes(record: AuditRecord, object_id: str) -> Iterator[AddressChange]:
    """
    What a record says about the addresses of this application or service principal. Verified is only the name
    AppAddress; the others are told by what they contain (facts: Graph 2).
    """
    for target in record.targets:
        if target.type.casefold() not in _HOLDERS or target.id != object_id:
            continue
        for change in target.properties:
            if kind := _address_kind(change.name.casefold()):
                yield AddressChange(kind, _addresses(change.old), _addresses(change.new))


@once
def tells_addresses(record: AuditRecord) -> bool:
    """Whether a record says anything about addresses, of whichever object."""
    return any(map(_address_kind, _named(record)))


def _address_kind(name: str) -> Literal["redirect", "identifier", "sign-out"] | None:
    if name == "appaddress":
        return "redirect"
    if "identifieruri" in name:
        return "identifier"
    return "sign-out" if "logout" in name else None


def _addresses(value: object) -> frozenset[tuple[str, str]] | None:
    """A list, "[]" being the empty one, or one address. What begins like a list and is none was cut off."""
    if isinstance(value, str) and not value.startswith(("[", "{")):
        value = [value]
    if not isinstance(value, list):
        return None
    found = [_one_address(each) for each in cast("list[object]", value)]
    known = frozenset(each for each in found if each is not None)
    return known if None not in found else None


def _one_address(entry: object) -> tuple[str, str] | None:
    entry = parsed(entry)
    if isinstance(entry, dict):
        fields = {str(name).casefold(): value for name, value in cast("dict[object, object]", entry).items()}
        address, platform = fields.get("address"), fields.get("replyaddressclienttype")
        return (address, "" if platform is None else str(platform)) if isinstance(address, str) and address else None
    return (entry, "") if isinstance(entry, str) and ":" in entry else None


# Other changes


@once
def newly_enabled(record: AuditRecord) -> bool:
    """Whether sign-in was switched on: AccountEnabled is "[true]" now and was not before."""
    return any(
        _says(change.new, "true") and not _says(change.old, "true")
        for change in properties_of(record, "accountenabled")
    )


@once
def newly_disabled(record: AuditRecord) -> bool:
    switch = properties_of(record, "accountenabled")
    return any(_says(each.new, "false") and not _says(each.old, "false") for each in switch)


def _says(value: object, word: str) -> bool:
    """Also where the list stands in a text once more, as exports write it."""
    return any(str(each).strip(' []"').casefold() == word for each in _values(value))


def properties_of(record: AuditRecord, name: str) -> Sequence[AuditProperty]:
    """The properties with this name, folded, of any target."""
    return _named(record).get(name, ())


@once
def _named(record: AuditRecord) -> Mapping[str, Sequence[AuditProperty]]:
    found = dict[str, list[AuditProperty]]()
    for target in record.targets:
        for each in target.properties:
            found.setdefault(each.name.casefold(), []).append(each)
    return found


def _values(value: object) -> list[object]:
    """A value as a list: "[]" is the empty set, null and "" are nothing, anything else stands for itself."""
    if isinstance(value, list):
        return cast("list[object]", value)
    return [] if value is None or value == "" else [value]


def _texts(value: object) -> list[str]:
    return [each if isinstance(each, str) else repr(each) for each in _values(value)]


def about(records: Sequence[AuditRecord], principal: str | None, application: str | None) -> tuple[AuditRecord, ...]:
    """Those whose target is one of an identity's two objects."""
    own = {principal, application} - {None}
    return tuple(each for each in records if any(target.id in own for target in each.targets))


def grants_to(records: Sequence[AuditRecord], principal: str, client: str) -> tuple[AuditRecord, ...]:
    """Grants to an identity, by either of its ids: their target is the API that is opened up."""
    found = ((each, subject_of(each)) for each in records if each.activity in GRANTS)
    return tuple(
        each
        for each, named in found
        if named is not None and (named.principal_id == principal or named.client_id == client)
    )
