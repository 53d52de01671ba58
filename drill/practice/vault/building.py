"""Vaults from the `azure` part of a scenario; the hand-over vault is always there."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from drill.practice import pki
from drill.practice.arm.activity import event
from drill.practice.arm.building import resource_id_of, source_named, subscription_of
from drill.practice.arm.state import Lagging
from drill.practice.shapes import JsonObject, ScenarioMistake, known_keys, objects, read_time
from drill.practice.state import Taken, TenantState
from drill.practice.vault.granting import give_role
from drill.practice.vault.secrets import new_version
from drill.practice.vault.state import OPENED, Certificate, CertificateVersion, SecretVersion, Vault

HANDOVER = "handover"
_VAULT_KEYS = (
    "name",
    "id",
    "subscription",
    "resourceGroup",
    "rbac",
    "accessPolicies",
    "diagnostics",
    "diagnosticsHistory",
    "secrets",
    "firewall",
    "tags",
    "events",
    *OPENED,
)
_SECRET_KEYS = (
    "name",
    "value",
    "valueOf",
    "countsAt",
    "contentType",
    "attributes",
    "tags",
    "managed",
    "createdDaysAgo",
    "version",
    "deletedDaysAgo",
)
_SETTING_KEYS = (
    "name",
    "workspaceId",
    "logAnalyticsDestinationType",
    "logs",
    "storageAccountId",
    "eventHubAuthorizationRuleId",
)
_READ = re.compile(
    r"https://(?P<vault>[^./]+)\.vault\.azure\.net/secrets/(?P<name>[^/]+)(?:/(?P<version>[0-9a-f]{32}))?"
)
_VERSION = re.compile(r"[0-9a-f]{32}")
_ROTATORS_POLICY: JsonObject = {
    "secrets": ["get", "list", "set"],
    "certificates": ["get", "list", "create", "update"],
    "keys": [],
    "storage": [],
}


def add_vaults(state: TenantState, azure: Mapping[str, Any]) -> None:
    given = objects(azure.get("vaults", []))
    if not any(each.get("name") == HANDOVER for each in given):
        given = [*given, {"name": HANDOVER}]
    trusted = "rotator" not in azure.get("permissions", {})
    for each in given:
        vault = _vault(state, each, trusted=trusted)
        state.vaults[vault.name] = vault
    _grant_handover(state)
    _note_earlier_reads(state)


def _note_earlier_reads(state: TenantState) -> None:
    """Whoever got a value before the drill has it. A read that names no version got the newest one of its time."""
    for record in state.vault_logs.everything():
        found = _READ.fullmatch(str(record.get("properties", {}).get("id", "")))
        if found is None or record.get("operationName") != "SecretGet" or found["vault"] not in state.vaults:
            continue
        at, reader = read_time(str(record["time"])), record.get("identity", {}).get("claim", {}).get("oid")
        versions = state.vaults[found["vault"]].secrets.get(found["name"], [])
        there = [
            each.version for each in versions if each.created_at <= at and found["version"] in (None, each.version)
        ]
        state.taken += [Taken(found["vault"], found["name"], each, str(reader)) for each in there[-1:]]


def _vault(state: TenantState, given: JsonObject, *, trusted: bool) -> Vault:
    known_keys(given, _VAULT_KEYS, "azure.vaults")
    policies = [_policy(state, each) for each in objects(given.get("accessPolicies", []))]
    if trusted and not any(each["objectId"] == state.cordon["rotator"].object_id for each in policies):
        policies.append(
            _policy(state, {"objectId": state.cordon["rotator"].object_id, "permissions": _ROTATORS_POLICY})
        )
    rbac = cast("bool | None", given.get("rbac", True))
    vault = Vault(
        name=str(given["name"]).lower(),
        resource_id=resource_id_of(state, given, "Microsoft.KeyVault/vaults"),
        subscription=subscription_of(state, given),
        settings=Lagging[tuple[JsonObject, ...]].always(settings_of(state, given.get("diagnostics", True))),
        firewalled=bool(given.get("firewall", False)),
        tells=bool(given.get("events", True)),
        rbac=rbac,
        policies=Lagging[tuple[JsonObject, ...]].always(
            () if rbac and not given.get("accessPolicies") else (*policies,)
        ),
        tags=cast("JsonObject", given.get("tags", {})),
        opened=frozenset(name for name in OPENED if given.get(name)),
    )
    for change in objects(given.get("diagnosticsHistory", [])):
        _change_settings(state, vault, change)
    for secret in objects(given.get("secrets", [])):
        _add_secret(state, vault, secret)
    return vault


def _change_settings(state: TenantState, vault: Vault, given: JsonObject) -> None:
    """What became of the settings at a moment before the drill, the oldest first. The activity log tells of each."""
    known_keys(given, ("at", "diagnostics"), "azure.vaults.diagnosticsHistory")
    at, before = read_time(str(given["at"])), vault.settings.newest
    after = settings_of(state, given["diagnostics"])
    vault.settings.write(after, at, at)
    names = [str(each["name"]) for each in (*before, *after)]
    for name in dict.fromkeys(names):
        kind = "write" if any(each["name"] == name for each in after) else "delete"
        path = f"{vault.resource_id}/providers/Microsoft.Insights/diagnosticSettings/{name}"
        state.azure.activity.load([event(state, at, f"Microsoft.Insights/diagnosticSettings/{kind}", path)])


def settings_of(state: TenantState, given: object) -> tuple[JsonObject, ...]:
    """Diagnostic settings: true is the usual one, false none; else one or several, in Azure's own words."""
    if isinstance(given, bool):
        return (_setting(state, {}),) if given else ()
    if isinstance(given, dict):
        return (_setting(state, cast("JsonObject", given)),)
    return tuple(_setting(state, each) for each in objects(given))


def _setting(state: TenantState, given: JsonObject) -> JsonObject:
    """All of the audit log to the first workspace, in its dedicated table, unless it says otherwise."""
    flat: JsonObject = {**given, **given.get("properties", {})}
    flat.pop("properties", None)
    known_keys(flat, _SETTING_KEYS, "azure.vaults.diagnostics")
    usual: JsonObject = {
        "name": "audit",
        "workspaceId": next(iter(state.azure.workspaces.values())).resource_id,
        "logAnalyticsDestinationType": "Dedicated",
        "logs": [{"category": None, "categoryGroup": "audit", "enabled": True}],
    }
    return {**usual, **flat}


def _policy(state: TenantState, given: JsonObject) -> JsonObject:
    known_keys(given, ("tenantId", "objectId", "applicationId", "permissions"), "azure.vaults.accessPolicies")
    asked = cast("JsonObject", given.get("permissions") or {})
    kinds = ("keys", "secrets", "certificates", "storage")
    known_keys(asked, kinds, "azure.vaults.accessPolicies.permissions")
    permissions = {kind: [str(each).lower() for each in asked.get(kind) or ()] for kind in kinds}
    return {"tenantId": state.id, **given, "permissions": permissions}


def _grant_handover(state: TenantState) -> None:
    """Those of Cordon's identities that replace credentials may make certificates here."""
    for role in ("executor", "rotator"):
        give_role(state, state.vaults[HANDOVER], state.cordon[role].object_id, "Key Vault Certificates Officer")


def _add_secret(state: TenantState, vault: Vault, given: JsonObject) -> None:
    """Secrets of one name are versions, the oldest first."""
    known_keys(given, _SECRET_KEYS, "azure.vaults.secrets")
    name = str(given.get("name", "/"))
    if "/" in name:
        raise ScenarioMistake(f"azure.vaults.secrets: {given.get('name')!r} is not a secret's name")
    versions = vault.secrets.setdefault(name, [])
    version = _secret(state, given, len(versions))
    versions.append(version)
    if "deletedDaysAgo" in given:
        vault.deleted[name] = state.now - timedelta(days=float(given["deletedDaysAgo"]))
    _note_origin(state, (vault.name, name), given, version.value)
    if version.managed:
        _add_certificate(state, vault, name, version)


def _secret(state: TenantState, given: JsonObject, number: int) -> SecretVersion:
    text = value_of(state, given)
    at = state.now - timedelta(days=float(given.get("createdDaysAgo", 120)), minutes=-number)
    version = new_version(state, text, given, at)
    version.version = _version_id(given, version.version)
    version.managed = bool(given.get("managed", False))
    if version.managed:
        version.content_type = version.content_type or "application/x-pkcs12"
    return version


def _version_id(given: JsonObject, made: str) -> str:
    """As the scenario says, so that logs and consumers can name it."""
    named = str(given.get("version", made))
    if not _VERSION.fullmatch(named):
        raise ScenarioMistake(f"azure.vaults.secrets.version: {named!r} is not 32 hexadecimal digits")
    return named


def value_of(state: TenantState, given: JsonObject) -> str:
    """
    As given, made up, or what opens a service of this tenant:
    `{resource: NAME or ARM id, key: key1, as: key | connectionString}` or a client secret, `{keyId: …}`.
    """
    wanted = cast("JsonObject | None", given.get("valueOf"))
    if wanted is None:
        value = given.get("value")
        return state.canaries.make(lambda canary: canary) if value is None else str(value)
    known_keys(wanted, ("resource", "key", "as", "keyId"), "azure.vaults.secrets.valueOf")
    if "keyId" in wanted:
        if wanted["keyId"] not in state.secrets:
            raise ScenarioMistake(f"azure.vaults.secrets.valueOf: there is no client secret {wanted['keyId']}")
        return state.secrets[wanted["keyId"]]
    source, key = source_named(state, str(wanted.get("resource"))), str(wanted.get("key"))
    if key not in source.keys:
        raise ScenarioMistake(f"azure.vaults.secrets.valueOf: {source.name} has the keys {', '.join(source.keys)}")
    whole = wanted.get("as", "key") == "connectionString"
    return source.text(key) if whole else source.keys[key].value


def _note_origin(state: TenantState, secret: tuple[str, str], given: JsonObject, value: str) -> None:
    """
    Where the value counts. Of what nobody knows the service of, only its owner can change what it takes; a
    certificate works as long as the vault gives it out.
    """
    usual = "source" if "valueOf" in given else "vault" if given.get("managed") else "service"
    counts_at = str(given.get("countsAt", usual))
    if counts_at not in ("source", "service", "vault"):
        raise ScenarioMistake(f"azure.vaults.secrets.countsAt: {counts_at} is not one of service, vault")
    state.azure.origins[secret] = counts_at
    if "valueOf" in given:
        state.azure.opens[secret] = _opened_by(state, given["valueOf"])
    if counts_at == "service":
        state.azure.accepted[secret] = {value}  # of several versions only the newest


def _opened_by(state: TenantState, wanted: JsonObject) -> str:
    """The ARM id of the service, or the object id of the application, that takes it."""
    if "keyId" not in wanted:
        return source_named(state, str(wanted.get("resource"))).resource_id
    holders = [*state.directory.all("application"), *state.directory.all("servicePrincipal")]
    listed = [(each["keyId"], holder.id) for holder in holders for each in holder.state.get("passwordCredentials", [])]
    return dict(listed).get(wanted["keyId"], "")


def _add_certificate(state: TenantState, vault: Vault, name: str, secret: SecretVersion) -> None:
    """The certificate whose secret this is, so that it can be made anew by its own policy."""
    certificate = vault.certificates.setdefault(name, Certificate(name))
    key = pki.pooled_key(sum(len(each.versions) for each in vault.certificates.values()))
    state.canaries.adopt_raw(pki.private_bytes(key))
    starts = secret.created_at.replace(microsecond=0)
    ends = starts + timedelta(days=365)
    serial = state.chance.stream("serial").getrandbits(128)
    made = pki.self_signed(key, f"CN={name}", starts, ends, serial)
    secret.attributes = {**secret.attributes, "nbf": int(starts.timestamp()), "exp": int(ends.timestamp())}
    certificate.versions.append(
        CertificateVersion(
            version=secret.version,
            der=pki.der(made),
            created_at=secret.created_at,
            updated_at=secret.created_at,
            attributes=secret.attributes,
            policy=_policy_of_certificate(name),
            tags=secret.tags,
        )
    )


def _policy_of_certificate(name: str) -> JsonObject:
    return {
        "issuer": {"name": "Self"},
        "key_props": {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False},
        "secret_props": {"contentType": "application/x-pkcs12"},
        "x509_props": {"subject": f"CN={name}", "validity_months": 12},
    }
