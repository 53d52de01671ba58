"""
Which credential is abused: named by detections, sign-ins, the audit log and orders, each with the record that names
it, and whether that one credential explains all that is suspicious. Pure.

Only then is taking that one away enough. So whatever could not be looked at leaves the question open, and an attacker
who leaves something else behind, a second credential, an address, a permission, an owner, is told by it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

from shared.audit import AddedCredential, credential_change
from shared.audit_changes import Change, ChangeKind
from shared.audit_grants import GrantKind, giving
from shared.baseline import LONGEST, SHORTEST, Baseline, Feature, TooShort, baseline_of, joined, recent, value_of
from shared.case import (
    Case,
    CouldNotLook,
    Holder,
    HolderKind,
    IdentityState,
    Known,
    NotLooked,
    RiskDetection,
    SignIn,
    SignInLog,
)
from shared.conditions.credential_added import Explained, explaining, unexplained
from shared.conditions.judging import actor_text
from shared.conditions.learning import LEAST, fell_silent
from shared.conditions.records import changes_about
from shared.conditions.settings import utc
from shared.credentials import is_thumbprint, same_thumbprint, sort_credentials
from shared.identity import canonical_guid
from shared.risk import CONFIRMED_FOLDED
from shared.signal import JsonValue

CredentialType: TypeAlias = Literal["password", "certificate", "federated"]
Source: TypeAlias = Literal["detection", "sign-in", "audit", "order"]

_FEATURES = (Feature.NETWORK, Feature.COUNTRY, Feature.RESOURCE, Feature.CREDENTIAL_TYPE)
_SETTLED = frozenset({"none", "confirmedsafe", "remediated", "dismissed"})  # of a detection's state
_WITHHELD_TYPES = frozenset({"generic", "hidden", "unknownfuturevalue"})
_LOOK_BACK, _BEFORE = timedelta(days=7), timedelta(hours=1)
_LEAST_BACK = timedelta(days=1)
_FARTHEST = timedelta(
    days=28
)  # of a detection that is open for so long: two days of Graph's log are left to learn from
_QUIET = frozenset({ChangeKind.CREDENTIALS, ChangeKind.RISK})  # kinds that leave nothing behind but credentials
_GIVEN = frozenset({ChangeKind.GRANTS, ChangeKind.CONSENT})
_MOST = 20  # grounds that are kept of one thing; one record shows as much as a thousand
_BOTH = (HolderKind.APPLICATION, HolderKind.SERVICE_PRINCIPAL)


class Named(StrEnum):
    """How many credentials are named."""

    ONE = "one"
    SEVERAL = "several"
    NONE = "none"  # everything was looked at, and nothing names any
    UNKNOWN = "unknown"  # nothing names any, and not everything could be looked at


@dataclass(frozen=True, slots=True)
class Ground:
    """One record that speaks: of which source, by its id, and what it says. The text may hold the tenant's words."""

    source: Source
    record: str
    said: str


@dataclass(frozen=True, slots=True)
class Novelty:
    """
    Something else that is new on the identity: when, of which kinds, and the record that tells of it. `gives` are the
    sorts of what it was given by it; None: the record does not tell in full.
    """

    at: datetime
    kinds: frozenset[ChangeKind]
    ground: Ground
    gives: frozenset[GrantKind] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be looked at or judged, in words. `late`: of a credential that shows, who added it and when."""

    about: Literal["identity", "credentials", "detections", "audits", "grant_audits", "sign_ins", "late"]
    why: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """
    A credential that is named, by its key id or the id of a federated one. `holder` None: no object of the identity
    here holds it (any more). `removable`: it authenticates the workload, and serves nothing else. `alone`: no other
    credential has its id; whoever writes a certificate chooses the id, and may choose that of a rightful secret.
    """

    credential_id: str
    grounds: tuple[Ground, ...]
    type: CredentialType | None = None
    holder: HolderKind | None = None
    object_id: str | None = None
    removable: bool = False
    start: datetime | None = None
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Accusation:
    """
    The answer. `unnamed` is what is suspicious and names no credential, `elsewhere` what else is new on the identity,
    `unknown` what could not be looked at or judged. `compared` says which sign-ins were held against which past:
    whoever was in before that passes for usual.
    """

    suspects: tuple[Suspect, ...] = ()
    unnamed: tuple[Ground, ...] = ()
    elsewhere: tuple[Novelty, ...] = ()
    unknown: tuple[Gap, ...] = ()
    compared: str | None = None

    @property
    def named(self) -> Named:
        if len(self.suspects) > 1:
            return Named.SEVERAL
        if self.suspects:
            return Named.ONE
        return Named.UNKNOWN if self.unknown else Named.NONE

    @property
    def one_explains_all(self) -> bool | None:
        """Whether a single credential explains everything that is suspicious; None: it cannot be told."""
        if len(self.suspects) > 1 or self.unnamed or self.elsewhere:
            return False
        if self.unknown:
            return None
        return len(self.suspects) == 1

    @property
    def because(self) -> tuple[str, ...]:
        """Why it is no single credential that explains all, or why that is not known; empty where one does."""
        several = [f"{len(self.suspects)} credentials are named"] if len(self.suspects) > 1 else []
        known = (*several, *(each.said for each in (*self.unnamed, *(new.ground for new in self.elsewhere))))
        if known:
            return known
        none = [] if self.suspects else ["no credential is named"]
        return (*none, *(gap.why for gap in self.unknown))

    @property
    def only_grants(self) -> bool | None:
        """Whether all that is suspicious is what the identity was given lately; None: it cannot be told."""
        if self.suspects or self.unnamed or not self.elsewhere:
            return False
        if any(each.kinds - _GIVEN for each in self.elsewhere):
            return False
        return None if self.unknown else True


def accuse(case: Case, is_expected: Callable[[Change], bool] = lambda change: False) -> Accusation:
    """Name the abused credential by what the case knows. A change that `is_expected` by the policy is nothing new."""
    if not isinstance(case.identity, Known):
        return Accusation(unknown=(Gap("identity", f"the identity could not be read: {_why(case.identity)}"),))
    return _Weighing(case, case.identity.value, is_expected).accusation()


def is_open(detection: RiskDetection) -> bool:
    """Not dismissed, remediated or found safe; a state that is new to us counts as open."""
    return detection.state.casefold() not in _SETTLED


@dataclass(frozen=True, slots=True)
class _Held:
    """A credential that an object of the identity holds."""

    id: str
    type: CredentialType
    holder: HolderKind
    object_id: str
    removable: bool
    name: str | None
    thumbprint: str | None
    start: datetime | None


@dataclass(slots=True)
class _Weighing:
    """Collects what is said, source after source."""

    case: Case
    state: IdentityState
    is_expected: Callable[[Change], bool]
    held: dict[str, _Held] = field(default_factory=dict[str, _Held])
    twice: set[str] = field(default_factory=set[str])  # ids that several credentials have
    named: dict[str, list[Ground]] = field(default_factory=lambda: defaultdict(list))
    unnamed: list[Ground] = field(default_factory=list[Ground])
    elsewhere: list[Novelty] = field(default_factory=list[Novelty])
    unknown: list[Gap] = field(default_factory=list[Gap])
    compared: str | None = None

    def accusation(self) -> Accusation:
        for holder in self.state.holders:
            for each in _held(holder):
                self._hold(each)
            if not isinstance(holder.federated, Known):
                said = f"the federated credentials of the {_words(holder.kind)} could not be read"
                self.unknown.append(Gap("credentials", f"{said}: {_why(holder.federated)}"))
        self._hear_orders()
        now = self.case.now
        begun = min([now - _LEAST_BACK, *self._hear_changes(), *self._hear_detections()]) - _BEFORE
        self._hear_sign_ins(max(min(begun, now - _LOOK_BACK), now - _FARTHEST), max(begun, now - _FARTHEST))
        suspects = tuple(self._suspect(id_, grounds) for id_, grounds in sorted(self.named.items()))
        unknown = tuple(dict.fromkeys(self.unknown))
        return Accusation(suspects, _few(self.unnamed), tuple(self.elsewhere[:_MOST]), unknown, self.compared)

    def _hold(self, found: _Held) -> None:
        """A signing key and its password share an id by nature, and neither of them is removable."""
        other = self.held.get(found.id)
        if other is not None and (other.removable or found.removable):
            self.twice.add(found.id)
        self.held[found.id] = found

    def _suspect(self, id_: str, grounds: Sequence[Ground]) -> Suspect:
        found = self.held.get(id_)
        if found is None:
            return Suspect(id_, _few(grounds))
        told, alone = _few(grounds), id_ not in self.twice
        return Suspect(id_, told, found.type, found.holder, found.object_id, found.removable, found.start, alone)

    def _hear_orders(self) -> None:
        for signal in self.case.signals:
            if signal.source == "manual":
                for id_ in _ordered(signal.facts.get("actions")):
                    self.named[id_].append(Ground("order", signal.record_id, "a person's order names it"))

    # The audit log

    def _hear_changes(self) -> Iterator[datetime]:
        """What was changed; gives the moments at which credentials were added."""
        if not isinstance(self.case.audits, Known):
            self.unknown.append(Gap("audits", f"the audit log could not be read: {_why(self.case.audits)}"))
        if not isinstance(self.case.grant_audits, Known):
            said = f"what the audit log tells of grants could not be read: {_why(self.case.grant_audits)}"
            self.unknown.append(Gap("grant_audits", said))
        explained = set[Explained]()
        for change in changes_about(self.case, self.state):
            explained.update(explaining(key, change.at) for key in change.credentials)
            if not self.is_expected(change):
                yield from self._hear_change(change)
        since = self.case.now - _LOOK_BACK
        if isinstance(self.case.audits, Known) and (late := unexplained(self.state, _BOTH, explained, since)):
            self.unknown.append(Gap("late", late))

    def _hear_change(self, change: Change) -> Iterator[datetime]:
        record, by = change.records[0], actor_text(change.actor)
        for key in change.credentials:
            said = f"{key.type} was added to the {_words(key.holder)} by {by} at {utc(change.at)}"
            self.named[self._id_of(key)].append(Ground("audit", record.id, said))
            yield change.at
        if change.credentials and self._is_itself(change):
            said = f"a credential was added by the identity itself at {utc(change.at)}: whoever did it had another one"
            self.elsewhere.append(Novelty(change.at, change.kinds, Ground("audit", record.id, said)))
        if any(credential_change(each).unread for each in change.records):
            said = f"“{record.activity_as_sent}” at {utc(change.at)} tells of credentials in an odd form"
            self.unknown.append(Gap("late", said))
        if other := sorted(change.kinds - _QUIET):
            said = f"“{record.activity_as_sent}” by {by} at {utc(change.at)} ({', '.join(other)})"
            self.elsewhere.append(Novelty(change.at, change.kinds, Ground("audit", record.id, said), _gives(change)))

    def _id_of(self, key: AddedCredential) -> str:
        """
        Of a federated credential the log tells the name; Graph's id is what can be removed. The name is its maker's
        text, so of one that nobody holds (any more) it is never taken for an id: it may be another credential's.
        """
        if key.type != "federated":
            return key.key_id.lower()
        trusts = [each for each in self.held.values() if each.type == "federated"]
        named = (each.id for each in trusts if key.key_id in (each.name, each.id))
        return next(named, f"federated: {key.key_id}")

    def _is_itself(self, change: Change) -> bool:
        actor, identity = change.actor, self.state.identity
        return identity.principal_id == actor.principal_id or identity.client_id == actor.client_id

    # Identity Protection

    def _hear_detections(self) -> Iterator[datetime]:
        """What is detected and not settled; gives the moments that it tells of."""
        part = self.case.detections
        if not isinstance(part, Known):
            self.unknown.append(Gap("detections", f"the detections could not be read: {_why(part)}"))
            return
        for detection in part.value:
            if not is_open(detection) or detection.type.casefold() == CONFIRMED_FOLDED:
                continue
            self._hear_detection(detection)
            if at := detection.activity_at or detection.detected_at:
                yield at

    def _hear_detection(self, detection: RiskDetection) -> None:
        told = f"{detection.type}, level {detection.level} (detection {detection.id})"
        if detection.level == "hidden" or detection.type.casefold() in _WITHHELD_TYPES:
            said = f"{told} withholds what was seen: the tenant lacks the licence"
            self.unknown.append(Gap("detections", said))
        for id_ in detection.key_ids:
            self.named[id_.lower()].append(Ground("detection", detection.id, f"{told} names it"))
        if not detection.key_ids:
            self._trace(detection, told)

    def _trace(self, detection: RiskDetection, told: str) -> None:
        """A detection that names no credential: who signed in from its address?"""
        log = self.case.sign_ins
        if not isinstance(log, Known):
            said = f"{told} names no credential, and the sign-in log could not be read: {_why(log)}"
            self.unknown.append(Gap("sign_ins", said))
            return
        there = [each for each in log.value.records if each.address and each.address == detection.ip_address]
        if not there:
            said = f"{told} names no credential, and no sign-in from its address is in the log"
            self.unnamed.append(Ground("detection", detection.id, said))
        for sign_in in there:
            self._name_by(sign_in, f"from {sign_in.address}, the address of {told}")

    # The sign-in log

    def _hear_sign_ins(self, since: datetime, latest: datetime) -> None:
        """
        Hold those since then against the time before. Of a young log it may begin later, yet not after `latest`, when
        what is suspicious began.
        """
        part = self.case.sign_ins
        if not isinstance(part, Known):
            self.unknown.append(Gap("sign_ins", f"the sign-in log could not be read: {_why(part)}"))
            return
        older = self.case.older_sign_ins
        log = joined(part.value, older.value) if isinstance(older, Known) else part.value
        if log.since > since:
            self.unknown.append(Gap("sign_ins", f"the sign-in log was read back to {utc(log.since)} only"))
        if silent := fell_silent(log):
            self.unknown.append(Gap("sign_ins", silent))
        found = self._usual_before(log, since, latest)
        if found is None:
            return
        since, usual = found
        self.compared = (
            f"sign-ins since {utc(since)} were held against {usual.count} over the {usual.learned.days} days before"
        )
        for sign_in in recent(log, since):
            new = [f for f in _FEATURES if (v := value_of(sign_in, f)) and not usual.has(f, v) and usual.seen(f)]
            if new:
                what = ", ".join(f"{each} {value_of(sign_in, each)}" for each in new)
                self._name_by(sign_in, f"with new {what}")
            elif not sign_in.address:
                said = f"the log does not tell from where the sign-in at {utc(sign_in.at)} came"
                self.unknown.append(Gap("sign_ins", said))

    def _usual_before(self, log: SignInLog, since: datetime, latest: datetime) -> tuple[datetime, Baseline] | None:
        """What is usual before this moment; of a log that is too young for that, before as early a one as can be."""
        usual = baseline_of(log, since, LONGEST, LEAST, SHORTEST)
        if not isinstance(usual, TooShort):
            return since, usual
        issued = [each.at for each in reversed(log.records) if each.error_code == 0]
        if len(issued) > LEAST and (begin := max(issued[0] + SHORTEST, issued[LEAST])) <= latest:
            young = baseline_of(log, begin, LONGEST, LEAST, SHORTEST)
            if not isinstance(young, TooShort):
                return begin, young
        self.unknown.append(Gap("sign_ins", f"what is usual cannot be told: {usual.why}"))
        return None

    def _name_by(self, sign_in: SignIn, why: str) -> None:
        said = f"a token was issued at {utc(sign_in.at)} {why} (sign-in {sign_in.id})"
        id_ = self._used(sign_in)
        if id_ is None:
            self.unknown.append(Gap("sign_ins", f"{said}, and the log does not tell with which credential"))
            return
        self.named[id_].append(Ground("sign-in", sign_in.id, said))

    def _used(self, sign_in: SignIn) -> str | None:
        """The credential of a sign-in; by its thumbprint, where the log gives no id of a certificate."""
        if sign_in.credential_id:
            return sign_in.credential_id.lower()
        shown = (sign_in.thumbprint or "").replace(":", "")
        if not is_thumbprint(shown):
            return None
        same = (each.id for each in self.held.values() if same_thumbprint(each.thumbprint, shown))
        return next(same, shown.lower())


def _gives(change: Change) -> frozenset[GrantKind] | None:
    """The sorts of what a change gave; None where a record does not tell."""
    told = [giving(record) for record in change.records]
    if any(each.unread for each in told):
        return None
    return frozenset(given.kind for each in told for given in each.given)


def _held(holder: Holder) -> Iterator[_Held]:
    going = sort_credentials(holder)
    kind, id_ = holder.kind, holder.object_id
    for each in holder.passwords:
        yield _Held(
            each.key_id.lower(), "password", kind, id_, each in going.passwords, each.display_name, None, each.start
        )
    for key in holder.keys:
        removable, thumbprint = key in going.keys, key.custom_key_identifier
        yield _Held(key.key_id.lower(), "certificate", kind, id_, removable, key.display_name, thumbprint, key.start)
    for trust in going.federated:
        yield _Held(trust.id.lower(), "federated", kind, id_, True, trust.name, None, None)


def _ordered(actions: JsonValue) -> Iterator[str]:
    """The credentials that an order names to be removed."""
    for action in actions if isinstance(actions, list) else ():
        options = action.get("replace-credentials") if isinstance(action, dict) else None
        only = options.get("only") if isinstance(options, dict) else None
        for id_ in only if isinstance(only, list) else ():
            try:
                yield canonical_guid(id_)
            except ValueError:
                continue  # the order itself is refused for it


def _few(grounds: Iterable[Ground]) -> tuple[Ground, ...]:
    return tuple(dict.fromkeys(grounds))[:_MOST]


def _words(kind: HolderKind) -> str:
    return kind.value.replace("-", " ")


def _why(part: NotLooked | CouldNotLook) -> str:
    return part.why if isinstance(part, CouldNotLook) else "it was not looked at"
