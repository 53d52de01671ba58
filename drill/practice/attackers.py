"""Attackers who do not give up: they hold an identity's credential, and act with its power or a stolen one."""

import base64
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from drill.practice import pki
from drill.practice.arm.sources import works
from drill.practice.building import microsoft_graph
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL, Entry
from drill.practice.graph.credentials import new_key
from drill.practice.graph.permissions import BY_DIRECTORY_ROLE
from drill.practice.graph.policy_shape import clients_of, is_about_workloads
from drill.practice.service import NoAnswer
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, graph_time, known_keys, seconds
from drill.practice.sign_ins import Credential, CredentialKind, sign_in
from drill.practice.state import TenantState
from drill.practice.tokens import ARM, GRAPH, VAULT, Token
from drill.practice.web import Answer, ConnectionLost, Request

Sleep = Callable[[float], Awaitable[None]]
Serve = Callable[[Request], Awaitable[Answer]]
_GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
_SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
_MANAGE_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"  # RoleManagement.ReadWrite.Directory


def stolen_key(state: TenantState, given: Mapping[str, Any]) -> JsonObject:
    """A certificate that an attacker (or a careless owner) has made: keyCredential with its public bytes."""
    key = pki.pooled_key(state.chance.stream("pool").randrange(24))
    state.canaries.adopt_raw(pki.private_bytes(key))
    ends = state.now + timedelta(days=365)
    serial = state.chance.stream("serial").getrandbits(128)
    certificate = pki.self_signed(key, f"CN={given.get('displayName') or 'updater'}", state.now, ends, serial)
    public = base64.b64encode(pki.der(certificate)).decode()
    return new_key(state, {"type": "AsymmetricX509Cert", "usage": "Verify", "key": public, **given})


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
    serve_arm: Serve
    credentials: list[Credential] = field(default_factory=list[Credential])
    tokens: dict[str, Token] = field(default_factory=dict[str, Token])
    loot: str | None = field(default=None, repr=False)  # the last value that it read

    @property
    def name(self) -> str:
        return f"attacker:{self.plan.identity}"

    @property
    def accomplice(self) -> str:
        """The user whom it makes an owner."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.name))

    def prepare(self) -> None:
        """Steal the credential and sign in, before anybody looks."""
        if "add-owner" in self.plan.does:
            self.state.users.append({"id": self.accomplice, "displayName": "Service Desk"})
        if self.plan.power == "admin":
            self.tokens[GRAPH] = self._admin_token()
            return
        self.credentials = self._stolen()
        for audience in dict.fromkeys((GRAPH, *(_AUDIENCES.get(each, GRAPH) for each in self.plan.does))):
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
        audience = _AUDIENCES.get(does, GRAPH)
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
            roles=frozenset(BY_DIRECTORY_ROLE[_GLOBAL_ADMINISTRATOR]),
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

    async def activate(self, token: Token) -> Answer:
        """Undo the deactivation of the application, which its owners can."""
        application = self._application()
        path = f"/applications/{application.id}" if application else f"/servicePrincipals/{self.plan.target}"
        return await self._call(token, "PATCH", path, {"isDisabled": False})

    async def restore(self, token: Token) -> Answer:
        """Bring back what was deleted: the application if it is among that, else the service principal."""
        entry = self.state.directory.any_kind(self.plan.target)
        app_id = entry.state["appId"] if entry else None
        deleted = self.state.directory.all(APPLICATION, deleted=True)
        object_id = next((each.id for each in deleted if each.state["appId"] == app_id), self.plan.target)
        return await self._call(token, "POST", f"/directory/deletedItems/{object_id}/restore")

    async def add_owner(self, token: Token) -> Answer:
        reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{self.accomplice}"}
        return await self._call(token, "POST", f"{self._credential_holder()}/owners/$ref", reference)

    async def add_role(self, token: Token) -> Answer:
        """The app role with which it could make itself anything."""
        body: JsonObject = {
            "principalId": self.plan.target,
            "resourceId": microsoft_graph(self.state).id,
            "appRoleId": _MANAGE_ROLES,
        }
        return await self._call(token, "POST", f"/servicePrincipals/{self.plan.target}/appRoleAssignments", body)

    async def edit_policy(self, token: Token) -> Answer:
        """Exclude the identity from the first policy about workloads that does not exclude it yet."""
        answer = await self._call(token, "GET", "/identity/conditionalAccess/policies")
        found: list[JsonObject] = json.loads(answer.content())["value"] if answer.status == 200 else []
        for policy in filter(is_about_workloads, found):
            clients = clients_of(policy)
            excluded = clients["excludeServicePrincipals"]
            if self.plan.target not in excluded:
                changed = {**clients, "excludeServicePrincipals": [*excluded, self.plan.target]}
                conditions = {**policy["conditions"], "clientApplications": changed}
                path = f"/identity/conditionalAccess/policies/{policy['id']}"
                return await self._call(token, "PATCH", path, {"conditions": conditions})
        return answer

    async def use_token(self, token: Token) -> Answer:
        return await self._call(token, "GET", f"/servicePrincipals/{self.plan.target}")

    async def read_secret(self, token: Token) -> Answer:
        request = self._request(token, "GET", f"/secrets/{self.plan.secret}", None, "api-version=7.5")
        request.host = f"{self.plan.vault}.vault.azure.net"
        answer = await self.serve_vault(request)
        if answer.status == 200 and isinstance(answer.body, dict):
            self.loot = str(answer.body["value"])
        return answer

    async def use_secret(self, token: Token) -> Answer:
        """Whether what it read last still opens anything; who has read nothing yet has nothing to try."""
        del token
        secret = self.plan.vault, self.plan.secret
        return Answer(200 if self.loot is not None and works(self.state, *secret, self.loot) else 401)

    async def grant_access(self, token: Token) -> Answer:
        """Give itself the right to read the vault's secrets, which some roles can."""
        vault = self.state.vaults[self.plan.vault]
        if vault.rbac:
            name = self.state.chance.guid("attacker's assignment")
            path = f"{vault.resource_id}/providers/Microsoft.Authorization/roleAssignments/{name}"
            properties: JsonObject = {"principalId": self.plan.identity, "roleDefinitionId": _SECRETS_USER}
        else:
            path = f"{vault.resource_id}/accessPolicies/add"
            entry: JsonObject = {"tenantId": self.state.id, "objectId": self.plan.identity}
            properties = {"accessPolicies": [{**entry, "permissions": {"secrets": ["get", "list"]}}]}
        request = self._request(token, "PUT", path, {"properties": properties}, "api-version=2023-07-01")
        request.host = "management.azure.com"
        return await self.serve_arm(request)

    def _credential_holder(self) -> str:
        """The application where there is one, since its credentials work everywhere; else the service principal."""
        application = self._application()
        if application and self.plan.on != SERVICE_PRINCIPAL:
            return f"/applications/{application.id}"
        return f"/servicePrincipals/{self.plan.target}"

    def _application(self) -> Entry | None:
        entry = self.state.directory.any_kind(self.plan.target)
        return self.state.directory.by_app_id(APPLICATION, str(entry.state["appId"])) if entry else None

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


_AUDIENCES = {"read-secret": VAULT, "use-secret": VAULT, "grant-access": ARM}  # all others want Graph
ACTS: dict[str, Callable[[Attacker, Token], Awaitable[Answer]]] = {
    "add-password": Attacker.add_password,
    "add-certificate": Attacker.add_certificate,
    "add-federated": Attacker.add_federated,
    "enable": Attacker.enable,
    "activate": Attacker.activate,
    "restore": Attacker.restore,
    "add-owner": Attacker.add_owner,
    "add-role": Attacker.add_role,
    "edit-policy": Attacker.edit_policy,
    "use-token": Attacker.use_token,
    "read-secret": Attacker.read_secret,
    "use-secret": Attacker.use_secret,
    "grant-access": Attacker.grant_access,
}
