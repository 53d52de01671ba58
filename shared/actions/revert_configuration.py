"""
Put an application's redirect URIs, sign-out URL and identifier URIs back to what they were before named changes.

What was there before is taken from the audit log as Graph shows it now, and from nothing else; what the log does
not tell is named and left. Only what the named changes added is taken out, and what they took out is put back:
what others added since stays, for setting a whole list back would break it. What somebody changed once more after
the named changes is left as they left it, and said.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from shared.actions.addresses import (
    LISTS,
    Revision,
    addresses_in,
    backwards,
    differences,
    image_of,
    left_to_do,
    listed,
    patches,
    revised,
    revision_of,
)
from shared.actions.interface import Applied, Before, Drift, Earlier, Means, Planning, Proof, Tier, WayBack
from shared.actions.registrations import ruled_application
from shared.actions.reverting import Findings, changes_told, told_of, what_to_revert
from shared.actions.writes import outcome_of
from shared.audit import LOOK_BACK
from shared.case import Addresses, CouldNotLook, Holder, IdentityState, Known, NotLooked, PartName
from shared.clock import read_duration
from shared.entries import Change, NamedOutcome, PlannedStep, WriteOutcome
from shared.errors import CannotBeRead
from shared.look import Look, no_image, why_unread
from shared.signal import JsonObject, JsonValue
from shared.tenant import SetAddresses, Tenant
from shared.untrusted import one_line

_CHANGE, _SINCE, _ADDING = "change", "changed-since", "adding"
_LOOK_ALIKES = "look-alikes"
_HELP = (
    "it has change: the id or correlation id of an audit record, or a list of them, or changed-since: for example 24h, "
    "and beside that adding: look-alikes"
)
_MOST = 20  # changes that one choice may name
_UNREAD = "the application's addresses are not in a form that is known here"


class RevertConfiguration:
    """Take named changes of an application's addresses back."""

    name: ClassVar[str] = "revert-configuration"
    permissions: ClassVar[tuple[str, ...]] = ("Application.ReadWrite.All",)
    reads: ClassVar[tuple[str, ...]] = ("Application.Read.All", "AuditLog.Read.All")
    gives_back_with: ClassVar[tuple[str, ...]] = ()
    licence: ClassVar[str | None] = None
    missing_in: ClassVar[tuple[str, ...]] = ()
    contains: ClassVar[bool] = False
    needs_vault: ClassVar[bool] = False
    rank: ClassVar[int] = 45
    tier: ClassVar[Tier] = Tier.REVERSIBLE
    proof_part: ClassVar[PartName] = PartName.IDENTITY
    option_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            _CHANGE: {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": _MOST},
                ],
                "description": "The ids, or correlation ids, of the audit records whose changes are taken back.",
            },
            _SINCE: {
                "type": "string",
                "examples": ["24h"],
                "description": "All changes of addresses from so long before the incident's first sign on; at most 7d. "
                "This or change is given.",
            },
            _ADDING: {
                "const": _LOOK_ALIKES,
                "description": "Of those since then, each alone that added a redirect URI like one of the tenant's "
                "domains; changes that others made in the same time stay.",
            },
        },
        "minProperties": 1,
        "maxProperties": 2,
        "additionalProperties": False,
    }

    def check_options(self, options: JsonObject) -> None:
        unknown = sorted(set(options) - {_CHANGE, _SINCE, _ADDING})
        if unknown:
            raise ValueError(f"revert-configuration has no option {unknown[0]}; {_HELP}")
        if (_CHANGE in options) is (_SINCE in options) or (_CHANGE in options and _ADDING in options):
            raise ValueError(f"revert-configuration takes exactly one option of the two; {_HELP}")
        if options.get(_ADDING, _LOOK_ALIKES) != _LOOK_ALIKES:
            raise ValueError(f"the option adding of revert-configuration is {_LOOK_ALIKES}")
        if _CHANGE in options:
            _named_ids(options[_CHANGE])
        elif _length(options[_SINCE]) > LOOK_BACK:
            raise ValueError(f"the option changed-since of revert-configuration is at most {LOOK_BACK.days}d")

    def parts_to_plan(self, options: JsonObject) -> frozenset[PartName]:
        return frozenset({PartName.AUDITS, *((PartName.DOMAINS,) if _ADDING in options else ())})

    def plan(self, state: IdentityState, options: JsonObject, means: Means) -> Planning:
        application = ruled_application(self.name, state)
        if isinstance(application, NamedOutcome):
            return Planning(not_done=(application,))
        if state.addresses is None:
            return Planning(not_done=(_outcome("cannot-be-read", f"{_UNREAD}."),))
        imitating: frozenset[str] | None = None
        if _ADDING in options:
            if not isinstance(means.domains, Known):
                why = (
                    f"The tenant's domains, which addresses may imitate, could not be read: {why_unread(means.domains)}"
                )
                return Planning(not_done=(_outcome("cannot-be-read", why),))
            imitating = means.domains.value
        match means.audits:
            case Known(records):
                named = _named(options, means, state)
                told = changes_told(records, application.object_id, named, means.own_ids, imitating)
            case NotLooked() | CouldNotLook() as unread:
                why = f"The audit log, which tells what was there before, could not be read: {why_unread(unread)}"
                return Planning(not_done=(_outcome("cannot-be-read", why),))
        records_named = tuple(told_of(told))
        if not records_named:
            return Planning(not_done=(_nothing_named(named),))
        found = what_to_revert(told, state.addresses)
        return _planning(state, application, state.addresses, found, records_named)

    async def capture(self, step: PlannedStep, earlier: Earlier, look: Look) -> Before:
        addresses = await _read(step, look)
        writes = patches(addresses, left_to_do(addresses, _wanted(step)))
        return Before(image_of(addresses), tuple(_name(each) for each in writes))

    async def apply(self, step: PlannedStep, before: JsonObject, tenant: Tenant) -> Applied:
        return await _write(step, addresses_in(before), _wanted(step), tenant)

    async def verify(self, step: PlannedStep, earlier: Earlier, look: Look) -> Proof:
        return await _judge(step, _wanted(step), look)

    async def way_back(self, step: PlannedStep, earlier: Earlier, look: Look) -> WayBack:
        now, first = await _read(step, look), addresses_in(earlier.image or {})
        back = backwards(left_to_do(first, _wanted(step)))
        todo = left_to_do(now, back)
        writes = tuple(_name(each) for each in patches(now, todo))
        return WayBack(writes, {**image_of(now), "back": todo.as_json()}, tuple(_drift(now, back)))

    async def put_back(self, step: PlannedStep, image: JsonObject, tenant: Tenant) -> Applied:
        return await _write(step, addresses_in(image), revision_of(image.get("back")), tenant)

    async def verify_back(self, step: PlannedStep, earlier: Earlier, image: JsonObject, look: Look) -> Proof:
        return await _judge(step, revision_of(image.get("back")), look)


# Options


def _named_ids(value: JsonValue) -> frozenset[str]:
    ids = value if isinstance(value, list) else [value]
    texts = [each for each in ids if isinstance(each, str) and 1 <= len(each) <= 200 and each.isprintable()]
    if not 1 <= len(ids) <= _MOST or len(texts) != len(ids):
        raise ValueError(f"the option change of revert-configuration names 1 to {_MOST} audit records by their ids")
    return frozenset(texts)


def _length(value: JsonValue) -> timedelta:
    try:
        return read_duration(value)
    except ValueError as problem:
        raise ValueError(f"the option changed-since of revert-configuration {problem}") from None


def _named(options: JsonObject, means: Means, state: IdentityState) -> frozenset[str] | datetime:
    if _CHANGE in options:
        return _named_ids(options[_CHANGE])
    now = means.now or state.read_at
    return max(min(now, means.evidence_at or now) - _length(options[_SINCE]), now - LOOK_BACK)


# Planning


def _outcome(outcome: str, reason: str) -> NamedOutcome:
    return NamedOutcome(action=RevertConfiguration.name, outcome=outcome, reason=reason)


def _nothing_named(named: frozenset[str] | datetime) -> NamedOutcome:
    if isinstance(named, datetime):
        return _outcome(
            "already-so",
            f"The audit log shows no change of the application's addresses since {named:%Y-%m-%d %H:%M} UTC.",
        )
    ids = ", ".join(sorted(one_line(each, 100) for each in named))
    return _outcome(
        "change-not-found",
        f"The audit log of the last {LOOK_BACK.days} days shows no change of this application's addresses under "
        f"{ids}. Records may come minutes late; older ones have to be reverted by hand.",
    )


def _planning(
    state: IdentityState, application: Holder, now: Addresses, found: Findings, records: tuple[str, ...]
) -> Planning:
    not_done: list[NamedOutcome] = []
    if found.unknown:
        why = "; ".join(one_line(each) for each in found.unknown)
        not_done.append(_outcome("old-value-unknown", f"Left as it is, because nothing is guessed: {why}."))
    if found.left:
        why = "; ".join(one_line(each) for each in found.left)
        not_done.append(_outcome("changed-again", f"Left as it is: {why}. Name that change as well to revert it."))
    if not list(differences(now, found.revision)):
        if not not_done:
            not_done.append(_outcome("already-so", "Nothing is left of the named changes."))
        return Planning(not_done=tuple(not_done))
    return Planning((_step(state, application, now, found.revision, records),), tuple(not_done))


def _step(
    state: IdentityState, application: Holder, now: Addresses, revision: Revision, records: tuple[str, ...]
) -> PlannedStep:
    return PlannedStep(
        id=RevertConfiguration.name,
        action=RevertConfiguration.name,
        target_kind=application.kind.value,
        target_id=application.object_id,
        target_name=state.identity.display_name,
        describe=(
            f"Take back what {len(records)} recorded change(s) did to the application's addresses. Only what they "
            "added goes, and what they removed comes back; the rest of each list stays as it is now."
        ),
        changes=tuple(_changes(now, revision)),
        options={"revision": revision.as_json(), "records": [*records]},
        permissions=RevertConfiguration.permissions,
        reversible=True,
        breaks="Sign-in of people through the addresses that are taken out.",
        cannot_be_proven="That nothing was sent to those addresses before.",
        touches=(application.object_id,),
        contains=False,
    )


def _changes(now: Addresses, revision: Revision) -> Iterator[Change]:
    for name in LISTS:
        before, after = listed(now, name), revised(now, revision, name)
        if before != after:
            label = name if name == "identifierUris" else f"{name}.redirectUris"
            yield Change(property=label, before=_lines(before), after=_lines(after))
    if revision.sign_out is not None:
        before_url, after_url = revision.sign_out
        yield Change(property="web.logoutUrl", before=_lines((before_url,)), after=_lines((after_url,)))


def _lines(uris: tuple[str | None, ...]) -> str:
    return ", ".join(one_line(uri, 300) for uri in uris if uri) or "none"


# Reading, writing, proof


def _wanted(step: PlannedStep) -> Revision:
    return revision_of(step.options.get("revision"))


async def _read(step: PlannedStep, look: Look) -> Addresses:
    doing = f"writing down the addresses of application {step.target_id}"
    match await look.identity():
        case Known(state) if state.addresses is not None:
            return state.addresses
        case Known():
            raise CannotBeRead(doing, f"{_UNREAD}.")
        case NotLooked() | CouldNotLook() as unread:
            raise no_image(doing, unread)


async def _write(step: PlannedStep, before: Addresses, wanted: Revision, tenant: Tenant) -> Applied:
    found = list(patches(before, left_to_do(before, wanted)))
    if not found:
        return Applied((WriteOutcome(write="nothing to change", outcome="already"),))
    results = await tenant.directory.write_access([SetAddresses(step.target_id, each) for each in found])
    return Applied(tuple(outcome_of(_name(each), result) for each, result in zip(found, results, strict=True)))


def _name(properties: JsonObject) -> str:
    return f"PATCH {', '.join(properties)}"


async def _judge(step: PlannedStep, wanted: Revision, look: Look) -> Proof:
    match await look.identity():
        case Known(state) if state.addresses is None:
            return Proof("unknown", _UNREAD)
        case Known(state):
            wrong = [one_line(each) for each in differences(state.addresses or addresses_in({}), wanted)]
            read = f"read at {state.read_at:%H:%M:%S} UTC"
            return (
                Proof("not-held", "; ".join(wrong)) if wrong else Proof("held", f"the addresses are as meant, {read}")
            )
        case NotLooked() | CouldNotLook() as unread:
            return Proof("unknown", f"the application could not be read: {why_unread(unread)}")


def _drift(now: Addresses, back: Revision) -> Iterator[Drift]:
    """Lists are given back entry by entry, whatever else changed; only the one sign-out URL can stand in the way."""
    if back.sign_out is None or now.logout_url in back.sign_out:
        return
    left, before = back.sign_out
    yield Drift("web.logoutUrl", _lines((before,)), _lines((left,)), _lines((now.logout_url,)))
