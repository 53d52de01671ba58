"""
The directory's objects, with replicas that lag: a write is done at once, and some reads show what was before.

An object's state is a dict in Graph's own words that is never changed in place. Keys that begin with `@`
are navigations and secrets of ours (`@fic`, `@owners`, `@appRoleAssignments`, `@oauth2PermissionGrants`,
`@roleAssignments`); Graph never shows them as properties.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drill.practice.behaviour import Behaviour
from drill.practice.chance import Chance
from drill.practice.shapes import JsonObject, graph_time

APPLICATION = "application"
SERVICE_PRINCIPAL = "servicePrincipal"
POLICY = "policy"  # of Conditional Access


@dataclass(slots=True)
class Entry:
    """One object: its versions (when, state or None while it does not exist), newest last."""

    id: str
    kind: str
    versions: list[tuple[datetime, JsonObject | None]]
    fresh_until: datetime
    password_added_at: datetime | None = None
    writing: bool = field(default=False)  # a write to it is under way
    deleted: bool = False  # soft-deleted: only directory/deletedItems sees it

    @property
    def state(self) -> JsonObject:
        """What is true now."""
        newest = self.versions[-1][1]
        assert newest is not None, self.id  # noqa: S101 - purged entries leave the directory altogether
        return newest

    @property
    def exists(self) -> bool:
        return self.versions[-1][1] is not None

    def as_of(self, at: datetime) -> JsonObject | None:
        for written_at, state in reversed(self.versions):
            if written_at <= at:
                return state
        return None


class Directory:
    """All applications and service principals, soft-deleted ones too."""

    def __init__(self, behaviour: Behaviour, chance: Chance) -> None:
        self._behaviour = behaviour
        self._chance = chance
        self._entries: dict[str, Entry] = {}
        self._by_app_id: dict[tuple[str, str], str] = {}

    def add(self, kind: str, state: JsonObject, now: datetime, *, fresh: bool) -> Entry:
        """A new object. `fresh`: made during the run, so that replicas do not know it yet."""
        settles = timedelta(seconds=self._chance.between("fresh", self._behaviour.fresh_for)) if fresh else timedelta()
        long_ago = datetime.min.replace(tzinfo=now.tzinfo)
        entry = Entry(state["id"], kind, [(now if fresh else long_ago, state)], now + settles)
        self._entries[entry.id] = entry
        self._by_app_id[kind, str(state.get("appId"))] = entry.id
        return entry

    def find(self, kind: str, object_id: str) -> Entry | None:
        """The living object of this kind, as the primary knows it."""
        entry = self._entries.get(object_id)
        return entry if entry and entry.kind == kind and not entry.deleted else None

    def find_deleted(self, object_id: str) -> Entry | None:
        entry = self._entries.get(object_id)
        return entry if entry and entry.deleted else None

    def any_kind(self, object_id: str) -> Entry | None:
        return self._entries.get(object_id)

    def by_app_id(self, kind: str, app_id: str) -> Entry | None:
        object_id = self._by_app_id.get((kind, app_id))
        return self.find(kind, object_id) if object_id else None

    def all(self, kind: str, *, deleted: bool = False) -> Iterator[Entry]:
        return (entry for entry in self._entries.values() if entry.kind == kind and entry.deleted == deleted)

    def read(self, entry: Entry, now: datetime, staleness: float = 0.0) -> JsonObject | None:
        """What some replica shows: mostly the truth, sometimes the state of moments ago (None: not there yet)."""
        if len(entry.versions) == 1 and entry.versions[0][0].year == 1:
            return entry.versions[0][1]
        lag = staleness or self._lag()
        return entry.as_of(now - timedelta(seconds=lag)) if lag else entry.versions[-1][1]

    def change(self, entry: Entry, now: datetime, **changes: object) -> JsonObject:
        """A new version with these properties; returns it."""
        state = {**entry.state, **changes}
        self._write(entry, now, state)
        return state

    def delete(self, entry: Entry, now: datetime) -> None:
        self.change(entry, now, deletedDateTime=graph_time(now))
        entry.deleted = True

    def vanish(self, entry: Entry, now: datetime) -> None:
        """It is gone for good, and a lagging replica shows it for a while."""
        self._write(entry, now, None)

    def restore(self, entry: Entry, now: datetime) -> None:
        self.change(entry, now, deletedDateTime=None)
        entry.deleted = False

    def purge(self, entry: Entry) -> None:
        del self._entries[entry.id]
        self._by_app_id.pop((entry.kind, str(entry.state.get("appId"))), None)

    def _lag(self) -> float:
        if not self._behaviour.read_lag:
            return 0.0
        random = self._chance.stream("lag")
        return (
            random.uniform(0.0, self._behaviour.read_lag) if random.random() < self._behaviour.read_lag_share else 0.0
        )

    def _write(self, entry: Entry, now: datetime, state: JsonObject | None) -> None:
        entry.versions.append((now, state))
        if len(entry.versions) > _VERSIONS_KEPT:
            del entry.versions[: _VERSIONS_KEPT // 2]


# Enough to look back over a stale read of some minutes while an attacker writes every second or so.
_VERSIONS_KEPT = 400
