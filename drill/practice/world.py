"""What happens in the tenant without Cordon: the timeline of the scenario, and attackers who do not give up."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from drill.practice import pki
from drill.practice.building import add_object, attach, complete_audit, complete_vault_log
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL
from drill.practice.graph import risk
from drill.practice.graph.audit_trail import AuditTrail
from drill.practice.graph.credentials import new_key, new_password
from drill.practice.graph.objects import DEFAULTS, SETS, completed
from drill.practice.graph.property_changes import property_changes
from drill.practice.graph.workloads import new_federated
from drill.practice.masking import masked
from drill.practice.service import NoAnswer
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, graph_time, known_keys, objects, seconds
from drill.practice.sign_ins import Credential, CredentialKind, complete_sign_in, sign_in
from drill.practice.state import TenantState
from drill.practice.tokens import GRAPH, VAULT, Token
from drill.practice.web import Answer, ConnectionLost, Request

Sleep = Callable[[float], Awaitable[None]]
Serve = Callable[[Request], Awaitable[Answer]]
TIMELINE = "timeline"
_SETS = {"applications": APPLICATION, "servicePrincipals": SERVICE_PRINCIPAL}


# --- timeline --------------------------------------------------------------------------------------


class Timeline:
    """Plays the scenario's entries, each at its time after the start."""

    _KEYS = (
        "at",
        "late",
        "servicePrincipalRiskDetections",
        "riskyServicePrincipals",
        "directoryAudits",
        "signIns",
        "keyVaultAudits",
        "patch",
        "add",
        "delete",
    )

    def __init__(self, state: TenantState, entries: Iterable[Mapping[str, Any]], sleep: Sleep) -> None:
        self._state = state
        self._sleep = sleep
        self._entries = sorted(entries, key=lambda entry: seconds(entry.get("at", 0), "timeline.at"))
        for entry in self._entries:
            known_keys(entry, self._KEYS, "timeline")

    async def play(self) -> None:
        for entry in self._entries:
            wait = seconds(entry.get("at", 0), "timeline.at") - self._state.elapsed
            if wait > 0:
                await self._sleep(wait)
            self.happen(entry)

    def happen(self, entry: Mapping[str, Any]) -> None:
        """Everything of one entry, now. `late` overrides how long its log records take to appear."""
        known_keys(entry, self._KEYS, "timeline")
        for name, given in cast("Mapping[str, Any]", entry.get("add", {})).items():
            self._add(name, given)
        for name, given in cast("Mapping[str, Any]", entry.get("patch", {})).items():
            for object_id, changes in cast("Mapping[str, Any]", given).items():
                self._patch(name, object_id, changes)
        for object_id in entry.get("delete", []):
            self._delete(object_id)
        self._log(entry)
        self._raise_risk(entry)

    def _raise_risk(self, entry: Mapping[str, Any]) -> None:
        risky = objects(entry.get("riskyServicePrincipals", []))
        for given in objects(entry.get("servicePrincipalRiskDetections", [])):
            detection = risk.detect(self._state, given)
            if not any(each.get("id") == detection["servicePrincipalId"] for each in risky):
                self._follow(detection)
        for given in risky:
            risk.set_risk(self._state, given)

    def _follow(self, detection: JsonObject) -> None:
        """A detection makes its service principal risky, as the service itself would."""
        if self._state.directory.any_kind(str(detection["servicePrincipalId"])):
            level = {"riskLevel": detection["riskLevel"], "riskState": detection["riskState"]}
            risk.set_risk(self._state, {"id": detection["servicePrincipalId"], **level})

    def _log(self, entry: Mapping[str, Any]) -> None:
        state, behaviour, chance = self._state, self._state.behaviour, self._state.chance
        logs = (
            ("directoryAudits", state.audits, complete_audit, behaviour.audit_delay),
            ("signIns", state.sign_ins, complete_sign_in, behaviour.sign_in_delay),
            ("keyVaultAudits", state.vault_logs, complete_vault_log, behaviour.vault_log_delay),
        )
        for name, log, complete, span in logs:
            for given in objects(entry.get(name, [])):
                late = seconds(entry["late"], "timeline.late") if "late" in entry else chance.between("late", span)
                log.add(complete(state, given), state.now, late)

    def _add(self, name: str, given: Any) -> None:  # noqa: ANN401 - JSON of the scenario
        if name in _SETS:
            for each in objects(given):
                record = add_object(self._state, _SETS[name], each, fresh=True)
                self._record("POST", f"/{name}", 201, record)
        elif name == "federatedIdentityCredentials":
            for holder, listed in cast("Mapping[str, Any]", given).items():
                for each in objects(listed):
                    attach(self._state, holder, "@fic", [new_federated(self._state, each)])
                    self._record("POST", f"/{holder}/federatedIdentityCredentials", 201, each)
        else:
            raise ScenarioMistake(f"timeline.add: unknown {name}")

    def _patch(self, name: str, object_id: str, changes: JsonObject) -> None:
        """Somebody with every right changes an object; credentials of both kinds may be given as whole lists."""
        if name not in _SETS:
            raise ScenarioMistake(f"timeline.patch: unknown {name}")
        kind = _SETS[name]
        known_keys(changes, DEFAULTS[kind], f"timeline.patch.{name}")
        entry = self._state.directory.find(kind, object_id)
        if entry is None:
            raise ScenarioMistake(f"timeline.patch.{name}: no object with id {object_id}")
        before = entry.state
        whole = completed(changes, before)
        if "passwordCredentials" in changes:
            whole["passwordCredentials"] = self._passwords(before, objects(changes["passwordCredentials"]))
        if "keyCredentials" in changes:
            whole["keyCredentials"] = self._keys(before, objects(changes["keyCredentials"]))
        self._state.directory.change(entry, self._state.now, **whole)
        if changes.get("accountEnabled") is False:
            self._state.tokens.revoke_continuous(entry.id)
        self._record("PATCH", f"/{name}/{object_id}", 204, changes)
        trail = AuditTrail(self._state, Request("PATCH", "", "", {}, {}, by=TIMELINE))
        if {"passwordCredentials", "keyCredentials"} & set(changes):
            trail.credentials(entry, before, added=True)
        if properties := property_changes(before, entry.state, changes):
            trail.update(entry, properties)

    def _passwords(self, before: JsonObject, wanted: list[JsonObject]) -> list[JsonObject]:
        known = {each["keyId"]: each for each in before["passwordCredentials"]}
        return [known.get(each.get("keyId")) or new_password(self._state, each, self._state.now) for each in wanted]

    def _keys(self, before: JsonObject, wanted: list[JsonObject]) -> list[JsonObject]:
        known = {each["keyId"]: each for each in before["keyCredentials"]}
        return [known.get(each.get("keyId")) or stolen_key(self._state, each) for each in wanted]

    def _delete(self, object_id: str) -> None:
        entry = self._state.directory.any_kind(object_id)
        if entry is None or entry.deleted:
            raise ScenarioMistake(f"timeline.delete: no object with id {object_id}")
        self._state.directory.delete(entry, self._state.now)
        self._record("DELETE", f"/{SETS[entry.kind]}/{object_id}", 204, None)

    def _record(self, method: str, path: str, status: int, body: object) -> None:
        self._state.effects.append(
            {
                "at": fine_time(self._state.now),
                "by": TIMELINE,
                "service": "graph",
                "host": "graph.microsoft.com",
                "method": method,
                "path": path,
                "status": status,
                "applied": True,
                "answerLost": False,
                "body": masked(body),
            }
        )


def stolen_key(state: TenantState, given: Mapping[str, Any]) -> JsonObject:
    """A certificate that an attacker (or a careless owner) has made: keyCredential with its public bytes."""
    key = pki.pooled_key(state.chance.stream("pool").randrange(24))
    state.canaries.adopt_raw(pki.private_bytes(key))
    ends = state.now + timedelta(days=365)
    serial = state.chance.stream("serial").getrandbits(128)
    certificate = pki.self_signed(key, f"CN={given.get('displayName') or 'updater'}", state.now, ends, serial)
    public = base64.b64encode(pki.der(certificate)).decode()
    return new_key(state, {"type": "AsymmetricX509Cert", "usage": "Verify", "key": public, **given})


# --- attackers -------------------------------------------------------------------------------------


_PLAN_KEYS = frozenset(
    "identity every from until does target on credential power cae vault secret".split()  # noqa: SIM905 - a word list
)


@dataclass(slots=True)
class Plan:
    """One entry of `attackers`."""

    identity: str
    does: tuple[str, ...]
    every: float
    starts: float
    ends: float
    target: str
    on: str | None
    credential: str | None
    power: str
    continuous: bool
    vault: str
    secret: str

    @classmethod
    def from_scenario(cls, given: Mapping[str, Any]) -> "Plan":
        keys = (
            "identity",
            "every",
            "from",
            "until",
            "does",
            "target",
            "on",
            "credential",
            "power",
            "cae",
            "vault",
            "secret",
        )
        known_keys(given, keys, "attackers")
        does = given.get("does", "use-token")
        listed = tuple(cast("list[str]", does)) if isinstance(does, list) else (str(does),)
        if unknown := set(listed) - ACTS.keys():
            raise ScenarioMistake(
                f"attackers: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(ACTS))}"
            )
        identity = str(given["identity"])
        return cls(
            identity=identity,
            does=listed,
            every=max(0.001, seconds(given.get("every", "PT3S"), "attackers.every")),
            starts=seconds(given.get("from", 0), "attackers.from"),
            ends=seconds(given["until"], "attackers.until") if "until" in given else float("inf"),
            target=str(given.get("target", identity)),
            on=given.get("on"),
            credential=given.get("credential"),
            power=str(given.get("power", "identity")),
            continuous=bool(given.get("cae", False)),
            vault=str(given.get("vault", "")),
            secret=str(given.get("secret", "")),
        )


@dataclass(slots=True)
class Attacker:
    """
    Holds credentials of an identity and acts with its power, through the same doors as everybody.

    It has signed in before the drill starts, so a token issued then works on until it expires, whatever
    is done to the identity. With `power: admin` it acts as a stolen administrator instead.
    """

    state: TenantState
    plan: Plan
    sleep: Sleep
    serve_graph: Serve
    serve_vault: Serve
    credentials: list[Credential] = field(default_factory=list[Credential])
    tokens: dict[str, Token] = field(default_factory=dict[str, Token])

    @property
    def name(self) -> str:
        return f"attacker:{self.plan.identity}"

    def prepare(self) -> None:
        """Steal the credential and sign in, before anybody looks."""
        if self.plan.power == "admin":
            self.tokens[GRAPH] = self._admin_token()
            return
        self.credentials = self._stolen()
        audiences = (GRAPH, VAULT) if "read-secret" in self.plan.does else (GRAPH,)
        for audience in audiences:
            self._sign_in(audience)

    async def attack(self) -> None:
        turn = 0
        wait = self.plan.starts - self.state.elapsed
        while self.state.elapsed + max(0.0, wait) <= self.plan.ends:
            await self.sleep(max(0.0, wait))
            await self._act(self.plan.does[turn % len(self.plan.does)])
            turn += 1
            wait = self.plan.starts + turn * self.plan.every - self.state.elapsed

    async def _act(self, does: str) -> None:
        audience = VAULT if does == "read-secret" else GRAPH
        token = self._usable_token(audience)
        status: int | None = None
        if token:
            try:
                status = (await ACTS[does](self, token)).status
            except (ConnectionLost, NoAnswer):
                status = None
            if status == 401:
                self.tokens.pop(audience, None)
        self.state.attempts.append(
            {
                "at": fine_time(self.state.now),
                "by": self.name,
                "does": does,
                "identity": self.plan.identity,
                "target": self.plan.target,
                "status": status,
                "hadToken": token is not None,
            }
        )

    def _usable_token(self, audience: str) -> Token | None:
        token = self.tokens.get(audience)
        if token and token.expires_at > self.state.now:
            return token
        return None if self.plan.power == "admin" else self._sign_in(audience)

    def _sign_in(self, audience: str) -> Token | None:
        """Try every credential, the newest first."""
        for credential in reversed(self.credentials):
            result = sign_in(
                self.state,
                self.plan.identity,
                credential,
                audience=audience,
                by=self.name,
                continuous=self.plan.continuous,
            )
            if result.token:
                self.tokens[audience] = result.token
                return result.token
        return None

    def _admin_token(self) -> Token:
        return self.state.tokens.issue(
            principal_id="",
            app_id="",
            audience=GRAPH,
            roles=frozenset({"Application.ReadWrite.All"}),
            now=self.state.now,
            lifetime=(10.0**7, 10.0**7),
            by=self.name,
        )

    def _stolen(self) -> list[Credential]:
        """The one that the scenario names, or the first that can be found."""
        entry = self.state.directory.any_kind(self.plan.identity)
        if entry is None:
            raise ScenarioMistake(f"attackers: no service principal with id {self.plan.identity}")
        application = self.state.directory.by_app_id(APPLICATION, str(entry.state["appId"]))
        holders = [holder.state for holder in (application, entry) if holder]
        found = [
            Credential(kind, each[key])
            for kind, name, key in (
                (CredentialKind.SECRET, "passwordCredentials", "keyId"),
                (CredentialKind.CERTIFICATE, "keyCredentials", "keyId"),
                (CredentialKind.FEDERATED, "@fic", "id"),
            )
            for holder in holders
            for each in holder.get(name, [])
        ]
        if self.plan.credential:
            found = [each for each in found if each.key_id == self.plan.credential]
        if entry.state["servicePrincipalType"] == "ManagedIdentity":
            found = [*found, Credential(CredentialKind.MANAGED_IDENTITY)]
        return found[:1]

    # --- the acts -------------------------------------------------------------------------------

    async def add_password(self, token: Token) -> Answer:
        base = self._credential_holder()
        answer = await self._call(token, "POST", f"{base}/addPassword", {"passwordCredential": {"displayName": "sync"}})
        if answer.status == 200 and isinstance(answer.body, dict):
            self.credentials.append(Credential(CredentialKind.SECRET, answer.body["keyId"]))
        return answer

    async def add_certificate(self, token: Token) -> Answer:
        base = self._credential_holder()
        answer = await self._call(token, "GET", base, None, "$select=keyCredentials")
        if answer.status != 200 or not isinstance(answer.body, dict):
            return answer
        made = stolen_key(self.state, {"displayName": "updater"})
        wanted = [*answer.body["keyCredentials"], made]
        answer = await self._call(token, "PATCH", base, {"keyCredentials": wanted})
        if answer.status == 204:
            self.credentials.append(Credential(CredentialKind.CERTIFICATE, made["keyId"]))
        return answer

    async def add_federated(self, token: Token) -> Answer:
        body = {
            "name": f"ci-{self.state.chance.stream('attackers').getrandbits(32):08x}",
            "issuer": "https://token.actions.example",
            "subject": f"repo:mirror/tools:{graph_time(self.state.now)}",
            "audiences": ["api://AzureADTokenExchange"],
        }
        answer = await self._call(token, "POST", f"{self._credential_holder()}/federatedIdentityCredentials", body)
        if answer.status == 201 and isinstance(answer.body, dict):
            self.credentials.append(Credential(CredentialKind.FEDERATED, answer.body["id"]))
        return answer

    async def enable(self, token: Token) -> Answer:
        return await self._call(token, "PATCH", f"/servicePrincipals/{self.plan.target}", {"accountEnabled": True})

    async def use_token(self, token: Token) -> Answer:
        return await self._call(token, "GET", f"/servicePrincipals/{self.plan.target}")

    async def read_secret(self, token: Token) -> Answer:
        request = self._request(token, "GET", f"/secrets/{self.plan.secret}", None, "api-version=7.5")
        request.host = f"{self.plan.vault}.vault.azure.net"
        return await self.serve_vault(request)

    def _credential_holder(self) -> str:
        """The application where there is one, since its credentials work everywhere; else the service principal."""
        entry = self.state.directory.any_kind(self.plan.target)
        app_id = str(entry.state["appId"]) if entry else ""
        application = self.state.directory.by_app_id(APPLICATION, app_id)
        if application and self.plan.on != SERVICE_PRINCIPAL:
            return f"/applications/{application.id}"
        return f"/servicePrincipals/{self.plan.target}"

    async def _call(
        self, token: Token, method: str, path: str, body: JsonObject | None = None, query: str = ""
    ) -> Answer:
        return await self.serve_graph(self._request(token, method, path, body, query))

    def _request(self, token: Token, method: str, path: str, body: JsonObject | None, query: str) -> Request:
        return Request(
            method=method,
            host="graph.microsoft.com",
            path=path,
            query=dict(part.split("=", 1) for part in query.split("&") if part),
            headers={"authorization": f"Bearer {token.text}", "user-agent": "python-requests/2.31.0"},
            body=json.dumps(body).encode() if body is not None else b"",
            raw_query=query,
        )


ACTS: dict[str, Callable[[Attacker, Token], Awaitable[Answer]]] = {
    "add-password": Attacker.add_password,
    "add-certificate": Attacker.add_certificate,
    "add-federated": Attacker.add_federated,
    "enable": Attacker.enable,
    "use-token": Attacker.use_token,
    "read-secret": Attacker.read_secret,
}


@dataclass(slots=True)
class World:
    """Timeline and attackers together."""

    timeline: Timeline
    attackers: list[Attacker]

    def start(self, group: asyncio.TaskGroup) -> list["asyncio.Task[None]"]:
        """Begin, as tasks of this group; they end when the scenario has nothing more to happen."""
        for attacker in self.attackers:
            attacker.prepare()
        running = [group.create_task(self.timeline.play(), name="practice timeline")]
        return running + [group.create_task(each.attack(), name=each.name) for each in self.attackers]
