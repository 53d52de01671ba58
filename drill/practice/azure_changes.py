"""
What happens in Azure without Cordon, at a moment of the timeline.

    - at: PT10M
      azure:
        addRoleAssignments: [{principalId: …, roleDefinitionName: Key Vault Secrets User, scope: …}]
        removeRoleAssignments: [{principalId: …, scope: …}]            # every one that is like this
        readSecrets: [{vault: shop, secret: partner-key, by: OBJECT ID, version: …}]
        setSecrets: [{vault: shop, secret: partner-key, value: …, old: dies}]
        setDiagnostics: [{vault: shop, diagnostics: false}]           # true, false or settings, as in azure.vaults

Who reads does it with the rights that it has then, and the vault's log tells of it, refused or not. Who sets a
secret is its owner: the service behind it takes the new value from then on, and the old one only with `old: lives`.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from drill.practice.arm.building import role_by
from drill.practice.directory import SERVICE_PRINCIPAL
from drill.practice.service import Service
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, known_keys, objects
from drill.practice.state import TenantState
from drill.practice.vault.building import settings_of, value_of
from drill.practice.web import Refusal, Request

KEYS = ("addRoleAssignments", "removeRoleAssignments", "readSecrets", "setSecrets", "setDiagnostics")
_BY = "timeline"
_ARM = "management.azure.com"


class AzureChanges:
    """Carries out what a moment says, by the services' own calls, so that effects and logs show it."""

    def __init__(self, state: TenantState, vault: Service, arm: Service) -> None:
        self._state, self._vault, self._arm = state, vault, arm

    def happen(self, given: Mapping[str, Any]) -> None:
        """Everything of one moment. Raises ScenarioMistake."""
        known_keys(given, KEYS, "timeline.azure")
        for each in objects(given.get("addRoleAssignments", [])):
            self._give_role(each)
        for each in objects(given.get("removeRoleAssignments", [])):
            self._take_roles(each)
        for each in objects(given.get("setSecrets", [])):
            self._set(each)
        for each in objects(given.get("setDiagnostics", [])):
            self._set_diagnostics(each)
        for each in objects(given.get("readSecrets", [])):
            self._read(each)

    def _give_role(self, given: JsonObject) -> None:
        known_keys(
            given,
            ("name", "principalId", "principalType", "roleDefinitionId", "roleDefinitionName", "scope"),
            "timeline.azure.addRoleAssignments",
        )
        name = str(given.get("name") or self._state.chance.guid("role assignment"))
        scope = str(given.get("scope", "")).rstrip("/")
        properties = {
            "principalId": given.get("principalId"),
            "principalType": given.get("principalType", "ServicePrincipal"),
            "roleDefinitionId": f"/roleDefinitions/{role_by(self._state, given)}",
        }
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        self._on_arm("PUT", path, {"properties": properties})

    def _take_roles(self, given: JsonObject) -> None:
        known_keys(
            given,
            ("principalId", "roleDefinitionId", "roleDefinitionName", "scope"),
            "timeline.azure.removeRoleAssignments",
        )
        role = role_by(self._state, given) if {"roleDefinitionId", "roleDefinitionName"} & {*given} else None
        scope = str(given["scope"]).rstrip("/").lower() if "scope" in given else None
        found = [
            each
            for each in self._state.azure.assignments
            if each.removed_at is None
            and each.principal_id == given.get("principalId")
            and role in (None, each.role)
            and scope in (None, each.scope.lower())
        ]
        if not found:
            raise ScenarioMistake("timeline.azure.removeRoleAssignments: there is none like this")
        for each in found:
            self._on_arm("DELETE", each.id, None)

    def _set_diagnostics(self, given: JsonObject) -> None:
        known_keys(given, ("vault", "diagnostics"), "timeline.azure.setDiagnostics")
        vault = self._state.vaults.get(str(given.get("vault", "")).lower())
        if vault is None:
            raise ScenarioMistake(f"timeline.azure.setDiagnostics: there is no vault {given.get('vault')}")
        after = settings_of(self._state, given.get("diagnostics"))
        path, kept = f"{vault.resource_id}/providers/Microsoft.Insights/diagnosticSettings", {e["name"] for e in after}
        for each in vault.settings.newest:
            if each["name"] not in kept:
                self._on_arm("DELETE", f"{path}/{each['name']}", None)
        for each in after:
            self._on_arm("PUT", f"{path}/{each['name']}", {"properties": each})

    def _on_arm(self, method: str, path: str, body: JsonObject | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        query = {"api-version": "2022-04-01"}
        self._arm.at_once(Request(method, _ARM, path, query, {}, content, by=_BY), as_anybody=True)

    def _set(self, given: JsonObject) -> None:
        known = ("vault", "secret", "value", "valueOf", "tags", "contentType", "attributes", "old")
        known_keys(given, known, "timeline.azure.setSecrets")
        vault, name = self._secret(given)
        value = value_of(self._state, given)
        body = {key: given[key] for key in ("tags", "contentType", "attributes") if key in given} | {"value": value}
        request = self._on_vault("PUT", vault, f"/secrets/{name}", json.dumps(body).encode())
        request.by = _BY
        self._vault.at_once(request, as_anybody=True)
        accepted = self._state.azure.accepted
        if (vault, name) in accepted:
            accepted[vault, name] = {value, *(accepted[vault, name] if given.get("old") == "lives" else ())}

    def _read(self, given: JsonObject) -> None:
        known_keys(given, ("vault", "secret", "version", "by"), "timeline.azure.readSecrets")
        vault, name = self._secret(given)
        reader = str(given.get("by"))
        version = f"/{given['version']}" if "version" in given else ""
        request = self._on_vault("GET", vault, f"/secrets/{name}{version}")
        request.by, request.principal_id, request.app_id = f"somebody:{reader}", reader, self._app_of(reader)
        try:
            status = self._vault.at_once(request).status
        except Refusal as refusal:
            status = refusal.status
        self._state.attempts.append(
            {
                "at": fine_time(self._state.now),
                "by": request.by,
                "does": "read-secret",
                "identity": reader,
                "target": f"{vault}/{name}",
                "status": status,
                "hadToken": True,
            }
        )

    def _app_of(self, principal_id: str) -> str:
        """The client id in its token; of a principal that the scenario does not list, one made from its id."""
        entry = self._state.directory.find(SERVICE_PRINCIPAL, principal_id)
        return str(entry.state["appId"]) if entry else str(uuid.uuid5(uuid.NAMESPACE_OID, f"{principal_id} app"))

    def _secret(self, given: JsonObject) -> tuple[str, str]:
        vault, name = str(given.get("vault", "")).lower(), str(given.get("secret"))
        if vault not in self._state.vaults or name not in self._state.vaults[vault].secrets:
            raise ScenarioMistake(f"timeline.azure: there is no secret {vault}/{name}")
        return vault, name

    def _on_vault(self, method: str, vault: str, path: str, body: bytes = b"") -> Request:
        query = "api-version=7.5"
        return Request(method, f"{vault}.vault.azure.net", path, {"api-version": "7.5"}, {}, body, raw_query=query)
