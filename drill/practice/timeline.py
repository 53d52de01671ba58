"""The timeline of a scenario: what happens in the tenant without Cordon and without attackers."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from drill.practice.attackers import stolen_key
from drill.practice.azure_changes import AzureChanges
from drill.practice.building import add_object, attach, complete_audit, complete_vault_log, microsoft_graph
from drill.practice.directory import APPLICATION, SERVICE_PRINCIPAL
from drill.practice.graph import (
    app_roles,
    conditional_access,
    consents,
    delegated_grants,
    deleted_items,
    directory_roles,
    owners,
    risk,
    user_risk,
)
from drill.practice.graph.activity_log import complete_activity
from drill.practice.graph.audit_trail import AuditTrail, changed
from drill.practice.graph.credentials import new_password
from drill.practice.graph.navigation import members
from drill.practice.graph.objects import DEFAULTS, SETS, completed
from drill.practice.graph.property_changes import property_changes
from drill.practice.graph.workloads import new_federated
from drill.practice.late_log import LateLog
from drill.practice.masking import masked
from drill.practice.shapes import JsonObject, ScenarioMistake, fine_time, known_keys, objects, seconds
from drill.practice.sign_ins import complete_sign_in, keep_sign_in
from drill.practice.state import TenantState
from drill.practice.web import Handler, Refusal, Request

Sleep = Callable[[float], Awaitable[None]]
TIMELINE = "timeline"
_SETS = {"applications": APPLICATION, "servicePrincipals": SERVICE_PRINCIPAL}


class Timeline:
    """Plays the scenario's entries, each at its time after the start."""

    _KEYS = (
        "at",
        "by",
        "late",
        "servicePrincipalRiskDetections",
        "riskyServicePrincipals",
        "riskDetections",
        "riskyUsers",
        "directoryAudits",
        "signIns",
        "keyVaultAudits",
        "graphActivity",
        "patch",
        "add",
        "consents",
        "delete",
        "restore",
        "azure",
    )

    def __init__(
        self, state: TenantState, entries: Iterable[Mapping[str, Any]], sleep: Sleep, azure: AzureChanges
    ) -> None:
        self._state = state
        self._sleep = sleep
        self._azure = azure
        self._by = Request("", "", "", {}, {}, by=TIMELINE)  # who does what the entry at hand says
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
        """
        Everything of one entry, now. `late` overrides how long its log records take to appear; `by` is who adds,
        patches, deletes, restores and consents: a user or service principal of the tenant, nobody in particular if not
        said.
        """
        known_keys(entry, self._KEYS, "timeline")
        self._by = self._caller(entry.get("by"))
        for name, given in cast("Mapping[str, Any]", entry.get("add", {})).items():
            self._add(name, given)
        for name, given in cast("Mapping[str, Any]", entry.get("patch", {})).items():
            for object_id, changes in cast("Mapping[str, Any]", given).items():
                self._patch(name, object_id, changes)
        for each in objects(entry.get("consents", [])):
            self._consent(each)
        for object_id in entry.get("delete", []):
            self._delete(object_id)
        for object_id in entry.get("restore", []):
            path = f"/directory/deletedItems/{object_id}/restore"
            self._carry_out("POST", path, {}, partial(deleted_items.bring_back, item=object_id))
        self._azure.happen(entry.get("azure", {}))
        self._log(entry)
        self._raise_risk(entry)

    def _caller(self, given: object) -> Request:
        """As whom the calls of an entry are made, whose every right is taken for granted."""
        if given is None:
            return Request("", "", "", {}, {}, by=TIMELINE)
        principal = self._state.directory.find(SERVICE_PRINCIPAL, str(given))
        if principal is not None:
            return Request("", "", "", {}, {}, by=TIMELINE, principal_id=principal.id)
        if not any(each["id"] == given for each in self._state.users):
            raise ScenarioMistake(f"timeline.by: no user or service principal with id {given}")
        return Request("", "", "", {}, {}, by=str(given))

    def _consent(self, given: JsonObject) -> None:
        """Somebody agrees that an application may act in their name, or in everybody's."""
        known_keys(given, consents.FIELDS, "timeline.consents")
        body = {"resourceId": microsoft_graph(self._state).id, "consentType": "Principal", **given}
        if body["consentType"] == "Principal":
            body.setdefault("principalId", self._by.by)
        self._carry_out("POST", "/oauth2PermissionGrants", body, consents.consent)

    def _raise_risk(self, entry: Mapping[str, Any]) -> None:
        risky = objects(entry.get("riskyServicePrincipals", []))
        for given in objects(entry.get("servicePrincipalRiskDetections", [])):
            detection = risk.detect(self._state, given)
            if not any(each.get("id") == detection["servicePrincipalId"] for each in risky):
                self._follow(detection)
        for given in risky:
            risk.set_risk(self._state, given)
        for given in objects(entry.get("riskDetections", [])):
            self._state.user_detections.add(user_risk.complete_detection(self._state, given), self._state.now, 0.0)
        for given in objects(entry.get("riskyUsers", [])):
            user_risk.set_risk(self._state, given)

    def _follow(self, detection: JsonObject) -> None:
        """A detection makes its service principal risky, as the service itself would."""
        if self._state.directory.any_kind(str(detection["servicePrincipalId"])):
            level = {"riskLevel": detection["riskLevel"], "riskState": detection["riskState"]}
            risk.set_risk(self._state, {"id": detection["servicePrincipalId"], **level})

    def _log(self, entry: Mapping[str, Any]) -> None:
        state, behaviour, chance = self._state, self._state.behaviour, self._state.chance
        logs = (
            ("directoryAudits", _in(state.audits), complete_audit, behaviour.audit_delay),
            ("signIns", keep_sign_in, complete_sign_in, behaviour.sign_in_delay),
            ("graphActivity", _in(state.graph_activity), complete_activity, behaviour.workspace_delay),
            ("keyVaultAudits", _in(state.vault_logs), complete_vault_log, behaviour.vault_log_delay),
        )
        for name, keep, complete, span in logs:
            for given in objects(entry.get(name, [])):
                late = seconds(entry["late"], "timeline.late") if "late" in entry else chance.between("late", span)
                keep(state, complete(state, given), late)

    def _add(self, name: str, given: Any) -> None:  # noqa: ANN401 - JSON of the scenario
        if name in _SETS:
            for each in objects(given):
                record = add_object(self._state, _SETS[name], each, fresh=True)
                self._record("POST", f"/{name}", 201, record)
        elif name in _GIVEN:
            for each in objects(given):
                self._give(name, each)
        elif name in _BY_HOLDER:
            for holder, listed in cast("Mapping[str, list[Any]]", given).items():
                for each in listed:
                    _BY_HOLDER[name](self, holder, each)
        else:
            raise ScenarioMistake(f"timeline.add: unknown {name}")

    def _give(self, name: str, given: JsonObject) -> None:
        path, handler = _GIVEN[name]
        body = {"resourceId": microsoft_graph(self._state).id, **given} if name in _FOR_GRAPH else given
        self._carry_out("POST", path.format(principalId=given.get("principalId")), body, handler(given))

    def federate(self, holder: str, given: JsonObject) -> None:
        """A federated credential appears. It may bring its id."""
        entry = self._state.directory.any_kind(holder)
        names = [each["name"] for each in members(entry.state, "@fic")] if entry else []
        attach(self._state, holder, "@fic", [new_federated(self._state, given)])
        self._record("POST", f"/{holder}/federatedIdentityCredentials", 201, given)
        if entry:
            change = changed("FederatedIdentityCredentials", names, [*names, given.get("name")])
            self._trail().update(entry, [change])

    def own(self, holder: str, owner_id: str) -> None:
        """Somebody becomes an owner; a user whom the scenario has not listed is one nevertheless."""
        entry = self._state.directory.any_kind(holder)
        if entry is None:
            raise ScenarioMistake(f"timeline.add.owners: no object with id {holder}")
        if owners.as_owner(self._state, owner_id) is None:
            self._state.users.append({"id": owner_id, "displayName": None})
        adding = partial(owners.add_owner, kind=entry.kind, object_id=holder)
        reference = {"@odata.id": f"https://graph.microsoft.com/v1.0/directoryObjects/{owner_id}"}
        self._carry_out("POST", f"/{SETS[entry.kind]}/{holder}/owners/$ref", reference, adding)

    def _carry_out(self, method: str, path: str, body: JsonObject, handler: Handler) -> None:
        """What Graph's own call does, records and all, by somebody with every right."""
        request = replace(
            self._by, method=method, host="graph.microsoft.com", path=path, body=json.dumps(body).encode()
        )
        try:
            answer = handler(self._state, request)
        except Refusal as refusal:
            raise ScenarioMistake(f"timeline: {method} {path}: {refusal.message}") from refusal
        self._record(method, path, answer.status, body)

    def _patch(self, name: str, object_id: str, changes: JsonObject) -> None:
        """Somebody with every right changes an object; credentials of both kinds may be given as whole lists."""
        if name == "conditionalAccessPolicies":
            path = f"/identity/conditionalAccess/policies/{object_id}"
            self._carry_out("PATCH", path, changes, partial(conditional_access.patch_policy, policy=object_id))
            return
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
        trail = self._trail()
        if {"passwordCredentials", "keyCredentials"} & set(changes):
            trail.credentials(entry, before, added=True)
        if properties := property_changes(before, entry.state, changes):
            trail.update(entry, properties)

    def _trail(self) -> AuditTrail:
        return AuditTrail(self._state, replace(self._by, method="PATCH"))

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
        conditional_access.forget(self._state, object_id)
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


def _in(log: LateLog) -> Callable[[TenantState, JsonObject, float], None]:
    """Keeps a record in this log alone."""
    return lambda state, record, late: log.add(record, state.now, late)


# What can be given to a service principal: the path of Graph's call, and the call for what is given.
_GIVEN: dict[str, tuple[str, Callable[[JsonObject], Handler]]] = {
    "appRoleAssignments": (
        "/servicePrincipals/{principalId}/appRoleAssignments",
        lambda each: partial(app_roles.give, object_id=str(each.get("principalId"))),
    ),
    "oauth2PermissionGrants": ("/oauth2PermissionGrants", lambda _: delegated_grants.add_grant),
    "roleAssignments": ("/roleManagement/directory/roleAssignments", lambda _: directory_roles.add_assignment),
    "conditionalAccessPolicies": ("/identity/conditionalAccess/policies", lambda _: conditional_access.add_policy),
}
_BY_HOLDER: dict[str, Callable[[Timeline, str, Any], None]] = {
    "federatedIdentityCredentials": Timeline.federate,
    "owners": Timeline.own,
}
_FOR_GRAPH = ("appRoleAssignments", "oauth2PermissionGrants")  # for Microsoft Graph unless they say otherwise
