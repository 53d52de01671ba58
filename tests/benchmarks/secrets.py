"""
A thousand exposed secrets in twenty vaults, rotated under the platform's real quotas, against what the quotas allow.

Under virtual time, on the practice tenant: the same on every machine. Each secret holds the key of a storage account
of its own, so that two calls of Resource Manager stand behind each: 200 at once and 10 a second for one caller and
subscription is what there is (facts: limits A.3). Nobody can be faster than that, whatever he does in between.

Beside it a script as one would write it by hand: one secret after the other, with the SDK's own clients and retries.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from azure.core import AsyncPipelineClient
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, AsyncRetryPolicy
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.keyvault.secrets.aio import SecretClient

from drill.app_process import AppProcess
from drill.grounds import Choices, Grounds, Ways, lay_grounds
from drill.practice import PracticeTenant
from drill.scenario import Scenario, as_json, read_scenario
from drill.transports import PracticeAzureTransport, PracticeCredential
from drill.virtual_time import run, virtual_clock
from shared.entries import SecretsBegun
from shared.journal import IncidentId, Journal, Record
from tests.benchmarks.rows import Choices as HowMuch
from tests.benchmarks.rows import Row
from tests.benchmarks.stage import folder

_VAULTS = 20
_GRACE = 60.0  # seconds; shorter than what the quotas take for a thousand, so that it does not hide them
_AT_ONCE, _A_SECOND = 200, 10  # writes to Resource Manager
_GOAL, _MOST_REFUSED = 1.15, 0.02
_LONGEST, _LOOKS_EVERY = 3 * 3600.0, 10.0
_START = datetime(2026, 3, 2, 3, tzinfo=UTC)
_TENANT = "3f8e6a10-52c4-4c8f-9d3b-0a6f5be1c7d2"
_THIEF = "5b0a11de-b111-4e2b-9c55-6f0d3b8e2a03"
_CLIENT = "c1a7c1de-b111-4e2b-9c55-6f0d3b8e2a02"
_GROUP = "/subscriptions/5ab50001-0000-4000-8000-000000000001/resourceGroups/practice"


@dataclass(frozen=True, slots=True)
class Run:
    """How long it took from the first thought to the last old version disabled, and how many requests it took."""

    seconds: float
    requests: int
    refused: int
    done: int

    @property
    def share(self) -> float:
        return self.refused / self.requests


def secrets(choices: HowMuch) -> list[Row]:
    """Time against what the quotas allow, and the share of the requests that were refused."""
    count = choices.pick(40, 1000)
    with folder() as place:
        ours, script = ours_of(count, place), script_of(count, place)
    least = floor(count)
    about = f"{count} secrets in {_VAULTS} vaults, virtual time"
    return [
        Row(
            "rotation: time to the last dead secret, against the quotas' least",
            ours.seconds,
            least,
            "s",
            ours.seconds / least,
            _GOAL,
            note=f"{about}; {ours.requests} requests; {count - ours.done} not done",
        ),
        Row(
            "rotation: share of requests refused with 429",
            ours.share * 100,
            script.share * 100,
            "%",
            ours.share,
            _MOST_REFUSED,
            note=f"{ours.refused} of {ours.requests}, against a plain script's {script.refused} of {script.requests}",
        ),
        Row(
            "rotation: time against a plain SDK script, one secret after the other",
            ours.seconds,
            script.seconds,
            "s",
            ours.seconds / script.seconds,
            note=f"the script's {script.requests} requests; {count - script.done} not done",
        ),
    ]


def floor(count: int) -> float:
    """Seconds that two writes for each secret take at least, with a full bucket at the beginning."""
    return max(1.0, (2 * count - _AT_ONCE) / _A_SECOND)


# --- the world -----------------------------------------------------------------------------------------------


def scenario(count: int, path: Path) -> Scenario:
    """Storage keys in vaults that nobody logs, so that all of them count as read."""
    names = [f"account{number:04d}" for number in range(count)]
    content = {
        "name": "many-secrets",
        "clock": _START.isoformat().replace("+00:00", "Z"),
        "tenant": {
            "id": _TENANT,
            "licences": ["WorkloadIdentitiesPremium"],
            "servicePrincipals": [{"id": _THIEF, "appId": _CLIENT, "displayName": "batch"}],
            "servicePrincipalRiskDetections": [_detection()],
        },
        "azure": {
            "storageAccounts": [{"name": name, "id": _account(name)} for name in names],
            "roleAssignments": [
                {"principalId": _THIEF, "roleDefinitionName": "Key Vault Secrets User", "scope": _GROUP}
            ],
            "vaults": [_vault(number, names[number::_VAULTS]) for number in range(_VAULTS)],
        },
        "run": {"policy": _policy(), "until": f"PT{_LONGEST:g}S"},
    }
    return read_scenario(as_json(content).encode(), path / "many-secrets.yaml")


def _detection() -> dict[str, str]:
    return {
        "id": "b1f0d2c9e6b1a4e5f8a3c5d7e9f1b3d5",
        "servicePrincipalId": _THIEF,
        "riskEventType": "leakedCredentials",
        "riskLevel": "high",
        "riskState": "atRisk",
    }


def _vault(number: int, names: Sequence[str]) -> dict[str, Any]:
    secrets = [
        {
            "name": name,
            "tags": {"ProviderAddress": _account(name), "CredentialId": "key1"},
            "valueOf": {"resource": name, "key": "key1"},
        }
        for name in names
    ]
    return {
        "name": f"vault{number:02d}",
        "id": f"{_GROUP}/providers/Microsoft.KeyVault/vaults/vault{number:02d}",
        "diagnostics": False,
        "events": False,
        "secrets": secrets,
    }


def _account(name: str) -> str:
    return f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/{name}"


def _policy() -> Mapping[str, Any]:
    rotate = {"tiers": [1], "ask": [], "grace": f"PT{_GRACE:g}S"}
    return {
        "version": 1,
        "limits": {"secrets-per-hour": 100_000, "percent-of-enabled-per-hour": 100},
        "rules": [
            {
                "name": "leaked",
                "when": {"risk-detection": {"types": ["leakedCredentials"], "levels": ["high"]}},
                "verdict": "contain",
                "actions": ["block-sign-in", {"rotate-secrets": rotate}],
            }
        ],
    }


def _world(count: int, place: Path) -> Grounds:
    file = scenario(count, place)
    clock = virtual_clock().now
    return lay_grounds(file, Choices(), place, clock=clock, ways=Ways.in_process, say=lambda _: None)


# --- Cordon --------------------------------------------------------------------------------------------------


class NotingJournal:
    """A journal that notes when the rotation was set off."""

    def __init__(self, inner: Journal) -> None:
        self._inner = inner
        self.begun: datetime | None = None

    async def append(self, records: Sequence[Record]) -> None:
        await self._inner.append(records)
        if any(record.kind == SecretsBegun.kind for record in records):
            self.begun = self.begun or virtual_clock().now()

    async def read(self, incident: IncidentId) -> Sequence[Record]:
        return await self._inner.read(incident)


def ours_of(count: int, place: Path) -> Run:
    """The whole of Cordon, as in a drill."""

    async def main() -> Run:
        laid = _world(count, place)
        journal = NotingJournal(laid.store.journal)
        grounds = replace(laid, store=replace(laid.store, journal=journal))
        app = AppProcess(grounds)
        async with asyncio.TaskGroup() as group:
            tasks = [*grounds.tenant.start(group), group.create_task(app.keep_alive())]
            await _until_done(grounds.tenant, count)
            for task in tasks:
                task.cancel()
        await app.stop()
        await laid.store.close()
        return _judged(grounds.tenant, journal.begun or _START, count)

    return run(main, start=_START)


async def _until_done(tenant: PracticeTenant, count: int) -> None:
    for _ in range(int(_LONGEST / _LOOKS_EVERY)):
        await asyncio.sleep(_LOOKS_EVERY)
        if len(_ends(tenant)) >= count:
            return


def _ends(tenant: PracticeTenant) -> list[datetime]:
    """When the old versions were disabled."""
    return [
        datetime.fromisoformat(each["at"])
        for each in tenant.effects
        if each["service"] == "vault" and each["method"] == "PATCH" and each["applied"]
    ]


def _judged(tenant: PracticeTenant, begun: datetime, count: int) -> Run:
    ends = _ends(tenant)
    asked = [each for each in tenant.requests if each.service in ("vault", "arm") and each.at >= begun]
    azure = tenant.snapshot()["azure"]
    listed = [each for vault in azure["vaults"] for each in vault["secrets"]]
    old = [each for each in listed if not each["works"]]
    return Run(
        seconds=(max(ends, default=virtual_clock().now()) - begun).total_seconds(),
        requests=len(asked),
        refused=sum(1 for each in asked if each.status == 429),
        done=min(len(old), len(ends), count),
    )


# --- the script ----------------------------------------------------------------------------------------------


def script_of(count: int, place: Path) -> Run:
    """As one would write it by hand: serial, with the retries that the clients bring along."""

    async def main() -> Run:
        grounds = _world(count, place)
        tenant = grounds.tenant
        credential = PracticeCredential(tenant, tenant.cordon["rotator"].client_id)
        transport = PracticeAzureTransport(tenant.asgi)
        begun = virtual_clock().now()
        arm = _Arm(credential, transport)
        old: list[tuple[SecretClient, str, str | None, str]] = []
        for number in range(_VAULTS):
            vault = SecretClient(f"https://vault{number:02d}.vault.azure.net", credential, transport=transport)
            async for each in vault.list_properties_of_secrets():
                name, tags = str(each.name), each.tags or {}
                before = (await vault.get_secret(name)).properties.version
                key = await arm.regenerate(tags["ProviderAddress"], "key2")
                await vault.set_secret(name, key, tags={**tags, "CredentialId": "key2"})
                old.append((vault, name, before, tags["ProviderAddress"]))
        await asyncio.sleep(_GRACE)
        for vault, name, version, account in old:
            await arm.regenerate(account, "key1")
            await vault.update_secret_properties(name, version, enabled=False)
        await grounds.store.close()
        return _judged(tenant, begun, count)

    return run(main, start=_START)


class _Arm:
    """Resource Manager as the management SDKs call it."""

    def __init__(self, credential: AsyncTokenCredential, transport: PracticeAzureTransport) -> None:
        signing = cast("Any", AsyncBearerTokenCredentialPolicy(credential, "https://management.azure.com/.default"))
        policies: list[Any] = [AsyncRetryPolicy(), signing]
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            "https://management.azure.com", policies=policies, transport=transport
        )

    async def regenerate(self, account: str, key: str) -> str:
        url = f"https://management.azure.com{account}/regenerateKey?api-version=2024-01-01"
        answer = await self._client.send_request(HttpRequest("POST", url, json={"keyName": key}))
        answer.raise_for_status()
        keys = cast("list[dict[str, str]]", answer.json()["keys"])
        return next(each["value"] for each in keys if each["keyName"] == key)
