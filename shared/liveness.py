"""
When each rule of the policy last decided, and how often: a rule that never does is wrong, or waits for an attack
that never came, and a rule that often cannot be judged lacks something to read.

Counted after an incident was worked on, never before an effect: noted in memory, and written to one small document
at once where it tells something new of a rule, else about once a minute. An instance that dies in between loses a
minute of counting, and never the first match. What was counted is remembered for a while, so that an incident that
is taken up again after a crash counts once.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from shared.clock import Clock
from shared.entries import Decided
from shared.errors import CordonError
from shared.journal import IncidentId
from shared.policy import Policy, Rule
from shared.signal import JsonObject, JsonValue
from shared.store import Documents

_PARTITION, _KEY = "rules", "matches"
_EVERY = timedelta(seconds=60)
_OLD = timedelta(hours=1)  # a decision that old was counted when it was made, or is lost
_REMEMBERED = 200  # decisions that were counted, so that none counts twice
_TRIES = 3

log = logging.getLogger("cordon")


@dataclass(frozen=True, slots=True)
class RuleLife:
    """
    What became of one rule. `since` is when a running Cordon first had it in this form; `matches` how often it
    decided from then on; `unjudged` how often a person was asked because it could not be judged.
    """

    name: str
    verdict: str
    since: datetime
    matches: int = 0
    last: datetime | None = None
    unjudged: int = 0
    last_unjudged: datetime | None = None

    @property
    def told(self) -> str:
        """In words."""
        if self.last is None:
            return f"never matched since it is there ({self.since:%Y-%m-%d %H:%M} UTC)"
        return f"last matched {self.last:%Y-%m-%d %H:%M} UTC, {self.matches} times since {self.since:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class _Noted:
    """One decision that is to be counted."""

    key: str
    rule: str
    at: datetime
    met: bool


class Liveness:
    """The counter of one instance, and the document that all instances share."""

    def __init__(self, documents: Documents, policy: Policy, clock: Clock) -> None:
        self._documents, self._clock, self._policy = documents, clock, policy
        self._forms = {rule.name: _form_of(rule) for rule in policy.rules}
        self._pending: dict[str, _Noted] = {}
        self._counted: dict[str, None] = {}
        self._known: frozenset[tuple[str, bool]] = frozenset()  # of which the document tells already
        self._kept_at: datetime | None = None

    def note(self, incident: IncidentId, sequence: int, at: datetime, decided: Decided) -> None:
        """Take down a decision that is in the journal. Costs nothing but memory; the same one again is nothing."""
        key = f"{incident}:{sequence}"
        if decided.policy != self._policy.digest or decided.by_person is not None or decided.rule not in self._forms:
            return
        if key in self._counted or self._clock() - at > _OLD:
            return
        self._counted[key] = None
        if len(self._counted) > 10 * _REMEMBERED:
            self._counted.pop(next(iter(self._counted)))
        met = any(each.rule == decided.rule and each.finding.answer == "met" for each in decided.rules)
        self._pending[key] = _Noted(key, decided.rule, at, met)

    async def keep(self) -> None:
        """Write what is due. What cannot be written now is kept for the next time: it holds up nothing."""
        if not self._is_due():
            return
        try:
            await self._write()
        except CordonError as problem:
            log.info("when rules matched could not be written down, it is tried again later: %s", problem)

    async def told(self) -> tuple[RuleLife, ...]:
        """Every rule in the order of the policy, with what this instance has not written yet. Reads the store."""
        found = await self._documents.get(_PARTITION, _KEY)
        lives, recent = self._read(found.body if found else {})
        lives, _ = _counted(lives, recent, self._pending)
        return tuple(lives.values())

    def _is_due(self) -> bool:
        if self._kept_at is None or any((each.rule, each.met) not in self._known for each in self._pending.values()):
            return True
        return bool(self._pending) and self._clock() - self._kept_at >= _EVERY

    async def _write(self) -> None:
        for _ in range(_TRIES):
            pending = dict(self._pending)
            found = await self._documents.get(_PARTITION, _KEY)
            lives, recent = _counted(*self._read(found.body if found else {}), pending)
            body = _body(lives, self._forms, recent)
            if found is not None and found.body == body:
                done = True
            elif found is None:
                done = await self._documents.insert(_PARTITION, _KEY, body)
            else:
                done = await self._documents.replace(_PARTITION, _KEY, body, found.etag)
            if done:
                self._was_kept(lives, pending)
                return

    def _was_kept(self, lives: Mapping[str, RuleLife], pending: Mapping[str, _Noted]) -> None:
        for key in pending:
            self._pending.pop(key, None)
        matched = {(name, True) for name, life in lives.items() if life.last is not None}
        unjudged = {(name, False) for name, life in lives.items() if life.last_unjudged is not None}
        self._known, self._kept_at = frozenset(matched | unjudged), self._clock()

    def _read(self, body: JsonObject) -> tuple[dict[str, RuleLife], tuple[str, ...]]:
        """The rules of this policy as the document tells of them; one that has changed begins anew."""
        now, told = self._clock(), _members(body.get("rules"))
        lives: dict[str, RuleLife] = {}
        for rule in self._policy.rules:
            fresh = RuleLife(rule.name, rule.verdict.value, now)
            kept = _members(told.get(rule.name))
            lives[rule.name] = _life(fresh, kept) if kept.get("form") == self._forms[rule.name] else fresh
        recent = body.get("recent")
        return lives, tuple(str(each) for each in recent) if isinstance(recent, list) else ()


def _form_of(rule: Rule) -> str:
    """What tells whether a rule is still the same: its condition, verdict and actions, however they are written."""
    text = repr((rule.when, rule.verdict.value, [(each.name, each.options) for each in rule.actions]))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _counted(
    lives: dict[str, RuleLife], recent: tuple[str, ...], pending: Mapping[str, _Noted]
) -> tuple[dict[str, RuleLife], tuple[str, ...]]:
    """The lives with these decisions, each once."""
    seen, found = set(recent), dict(lives)
    new = [each for each in pending.values() if each.key not in seen]
    for each in new:
        found[each.rule] = _with(found[each.rule], each)
    return found, (*recent, *(each.key for each in new))[-_REMEMBERED:]


def _with(life: RuleLife, noted: _Noted) -> RuleLife:
    if noted.met:
        return replace(life, matches=life.matches + 1, last=max(life.last or noted.at, noted.at))
    newest = max(life.last_unjudged or noted.at, noted.at)
    return replace(life, unjudged=life.unjudged + 1, last_unjudged=newest)


def _body(lives: Mapping[str, RuleLife], forms: Mapping[str, str], recent: tuple[str, ...]) -> JsonObject:
    rules: dict[str, JsonValue] = {
        name: {
            "form": forms[name],
            "since": life.since.isoformat(),
            "matches": life.matches,
            "last": life.last.isoformat() if life.last else None,
            "unjudged": life.unjudged,
            "lastUnjudged": life.last_unjudged.isoformat() if life.last_unjudged else None,
        }
        for name, life in lives.items()
    }
    return {"rules": rules, "recent": [*recent]}


def _life(fresh: RuleLife, kept: JsonObject) -> RuleLife:
    """What cannot be read of the document counts from now on: it is a help, and no evidence."""
    since, last, unjudged = (_moment(kept.get(name)) for name in ("since", "last", "lastUnjudged"))
    return replace(
        fresh,
        since=since or fresh.since,
        matches=_number(kept.get("matches")),
        last=last,
        unjudged=_number(kept.get("unjudged")),
        last_unjudged=unjudged,
    )


def _moment(value: JsonValue) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _members(value: object) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}
