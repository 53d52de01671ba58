"""
The workloads of a tenant at their daily work: they sign in with their own credential, over and over; whom Cordon
breaks is counted.

    workloads:
      - {identity: ID, credential: KEY, every: PT6H, since: P20D, address: 203.0.113.20, resource: https://storage.azure.com,
         then: [{at: PT10M, address: 192.0.2.20}]}

`since` is for how long it has done so before the drill: that is in the sign-in log from the start. `then` says what
changes, and when: where it runs, what it signs in with, what for. In the tenant's state it is `workloads`: how often it
signed in, how often in vain (`failed`), and whether it works now.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, known_keys, objects, seconds
from drill.practice.sign_ins import (
    CREDENTIAL_TYPES,
    Credential,
    CredentialKind,
    complete_sign_in,
    load_sign_ins,
    names_of,
    sign_in,
)
from drill.practice.state import TenantState
from drill.practice.tokens import GRAPH

Sleep = Callable[[float], Awaitable[None]]
_KEYS = ("identity", "credential", "every", "from", "until", "since", "address", "resource", "then")
_CHANGES = ("at", "credential", "address", "resource")
_HOLDS = (
    (CredentialKind.SECRET, "passwordCredentials", "keyId"),
    (CredentialKind.CERTIFICATE, "keyCredentials", "keyId"),
    (CredentialKind.FEDERATED, "@fic", "id"),
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How it signs in. `credential` is the id of a key or of a federated credential; "" is the first it has."""

    credential: str = ""
    address: str = "203.0.113.20"
    resource: str = GRAPH

    def changed(self, given: Mapping[str, Any]) -> "Manner":
        return replace(
            self, **{name: str(given[name]) for name in ("credential", "address", "resource") if name in given}
        )


@dataclass(slots=True)
class Workload:
    """One entry of `workloads`. Durations are seconds; `record` is what the tenant's state shows of it."""

    state: TenantState
    identity: str
    every: float
    starts: float
    ends: float
    manners: tuple[tuple[float, Manner], ...]  # from when on, latest last
    sleep: Sleep
    record: JsonObject = field(default_factory=dict[str, Any])

    @classmethod
    def begin(cls, state: TenantState, given: Mapping[str, Any], sleep: Sleep) -> "Workload":
        """One whose past is in the sign-in log and that is listed in the tenant's state."""
        known_keys(given, _KEYS, "workloads")
        identity = str(given.get("identity"))
        if state.directory.find(SERVICE_PRINCIPAL, identity) is None:
            raise ScenarioMistake(f"workloads: no service principal with id {identity}")
        every = seconds(given.get("every", 3600), "workloads.every")
        ends = seconds(given["until"], "workloads.until") if "until" in given else float("inf")
        starts = seconds(given.get("from", 0), "workloads.from")
        made = cls(state, identity, max(1.0, every), starts, ends, _manners(given), sleep)
        made.record |= {"identity": identity, "credential": made.manners[0][1].credential}
        made.record |= {"signIns": 0, "failed": 0, "works": None}
        state.workloads.append(made.record)
        made.remember(seconds(given.get("since", 0), "workloads.since"))
        return made

    @property
    def name(self) -> str:
        return f"workload:{self.identity}"

    def remember(self, length: float) -> None:
        """Its sign-ins of that long before the drill, each its own habit apart from the next."""
        manner = self.manners[0][1]
        credential = self._credential(manner)
        times = int(length // self.every)
        before = (self.state.now - timedelta(seconds=self.every * n) for n in range(times, 0, -1))
        habit = self._logged(manner, credential)
        made = [complete_sign_in(self.state, {**habit, "createdDateTime": fine_time(at)}) for at in before]
        load_sign_ins(self.state, made)

    async def work(self) -> None:
        """Until cancelled, or over."""
        wait = self.starts - self.state.elapsed
        while self.state.elapsed + max(0.0, wait) <= self.ends:
            await self.sleep(max(0.0, wait))
            self._sign_in()
            wait = self.every

    def _sign_in(self) -> None:
        manner = next(each for at, each in reversed(self.manners) if at <= self.state.elapsed)
        found = sign_in(
            self.state,
            self.identity,
            self._credential(manner),
            audience=manner.resource,
            by=self.name,
            address=manner.address,
        )
        self.record["signIns"] += 1
        self.record["failed"] += not found.succeeded
        self.record["works"] = found.succeeded

    def _logged(self, manner: Manner, credential: Credential) -> JsonObject:
        """A sign-in of the past, as `sign_in` would have written it."""
        entry = self.state.directory.find(SERVICE_PRINCIPAL, self.identity)
        managed = credential.kind is CredentialKind.MANAGED_IDENTITY
        return {
            "signInEventTypes": ["managedIdentity" if managed else "servicePrincipal"],
            "ipAddress": manner.address,
            "appId": entry.state["appId"] if entry else None,
            "servicePrincipalId": self.identity,
            "servicePrincipalName": entry.state.get("displayName") if entry else None,
            **names_of(self.state, credential),
            "clientCredentialType": CREDENTIAL_TYPES[credential.kind],
            "resourceDisplayName": manner.resource,
        }

    def _credential(self, manner: Manner) -> Credential:
        """The one that is named, which may not be there (yet, or any more), or the first."""
        entry = self.state.directory.find(SERVICE_PRINCIPAL, self.identity)
        if entry is not None and entry.state["servicePrincipalType"] == "ManagedIdentity":
            return Credential(CredentialKind.MANAGED_IDENTITY)
        held = _held(self.state, entry) if entry else []
        named = [each for each in held if manner.credential in ("", each.key_id)]
        return named[0] if named else Credential(CredentialKind.SECRET, manner.credential)


def _manners(given: Mapping[str, Any]) -> tuple[tuple[float, Manner], ...]:
    found = [(0.0, Manner().changed(given))]
    for each in objects(given.get("then", [])):
        known_keys(each, _CHANGES, "workloads.then")
        found.append((seconds(each.get("at", 0), "workloads.then.at"), found[-1][1].changed(each)))
    return tuple(sorted(found, key=lambda manner: manner[0]))


def _held(state: TenantState, entry: Entry) -> list[Credential]:
    application = state.directory.by_app_id(APPLICATION, str(entry.state["appId"]))
    holders = [holder.state for holder in (application, entry) if holder]
    return [
        Credential(kind, each[key]) for kind, name, key in _HOLDS for holder in holders for each in holder.get(name, [])
    ]
