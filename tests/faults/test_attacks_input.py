"""Records that were made to hurt, and more of them than Cordon may act on."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

import pytest

from shared.case import HolderKind, PartName
from shared.clock import Clock
from shared.identity import IdentityRef, PrincipalId
from shared.incident import Status, status_of
from shared.journal import IncidentId
from shared.signal import JsonObject
from shared.tenant import CredentialWrite, Gathered, SetInstanceLock, WriteResult
from tests.fakes import CORDON_CLIENT, TENANT_ID, FakeDirectory, password, payroll
from tests.faults.attacks import DEPTH, hooked
from tests.stories.world import World, detection, leak, play

STATE = payroll(application=[password(1)])
GOOD = {"category": "ServicePrincipalRiskEvents", "tenantId": TENANT_ID, "properties": leak()}


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


HOSTILE = {
    "not JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"records": [\xff\xfe]}',
    "a number": b"17",
    "NaN": b'{"records": [NaN, {"category": NaN, "properties": {"id": Infinity}}]}',
    "a long number": b'{"records": [' + b"9" * 5000 + b"]}",
    "ten megabytes": b'{"records": ["' + b"x" * 10_000_000 + b'"]}',
    "many nothings": b'{"records": [' + b"null," * 1_000 + b"null]}",
    "surrogates": b'{"records": [{"category": "\\ud800\\u0000"}]}',
    "another tenant": json.dumps({"records": [{**GOOD, "tenantId": "bbbbbbbb-0000-4000-8000-000000000009"}]}).encode(),
    "a nested id": json.dumps({"records": [{**GOOD, "properties": {**leak(), "id": [[[]]]}}]}).encode(),
    **{
        f"{depth} deep in {where}": template.replace("@", _nested(depth)).encode()
        for depth in (50, 800, 950, 990, 5_000, 100_000)
        for where, template in {
            "a record": '{"records": [@]}',
            "its category": '{"records": [{"category": @}]}',
            "its properties": '{"records": [{"category": "AuditLogs", "properties": {"targetResources": @}}]}',
        }.items()
    },
}


def test_an_event_whose_type_is_no_word_takes_no_other_event_with_it() -> None:
    """The host hands over what it could parse; a type that is nested for ever is printed by nobody."""

    async def story(world: World) -> None:
        kind: list[object] = []
        for _ in range(100_000):
            kind = [kind]
        good: JsonObject = {"type": "Cordon.Signal.RiskDetection", "id": "e1", "source": "t", "data": leak()}
        odd = cast("JsonObject", {"type": kind, "id": "e2", "source": "t", "data": leak()})
        taken = await world.instance().receive_events([odd, good])

        assert taken.accepted == 1
        assert len(taken.set_aside) == 1

    play(story, STATE)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_set_aside_and_the_good_one_beside_it_is_taken_in(name: str) -> None:
    """In bounded time, with no error but a reason."""

    async def story(world: World) -> None:
        begun = time.perf_counter()
        bodies = [HOSTILE[name], json.dumps({"records": [GOOD]}).encode()]
        intake = await world.instance().receive_stream(bodies)

        assert intake.accepted == 1
        assert intake.set_aside or intake.not_ours
        assert time.perf_counter() - begun < 5
        assert await world.status() is Status.PROVING

    play(story, STATE)


@dataclass
class ManyDirectory:
    """As many identities as are asked about, each of its own."""

    clock: Clock
    identities: dict[str, FakeDirectory] = field(default_factory=dict[str, FakeDirectory])
    blocked: list[str] = field(default_factory=list[str])

    def of(self, principal: str) -> FakeDirectory:
        if principal not in self.identities:
            number = principal[-12:]
            identity = replace(
                STATE.identity,
                principal_id=PrincipalId(principal),
                client_id=f"20000000-0000-4000-8000-{number}",
                app_object_id=f"30000000-0000-4000-8000-{number}",
            )
            assert STATE.application is not None
            state = replace(
                STATE,
                identity=identity,
                principals=tuple(replace(holder, object_id=principal) for holder in STATE.principals),
                application=replace(STATE.application, object_id=f"30000000-0000-4000-8000-{number}"),
            )
            shown = replace(detection(), id=f"70000000-0000-4000-8000-{number}")
            self.identities[principal] = FakeDirectory(state, self.clock, detections=(shown,))
        return self.identities[principal]

    async def look(self, subject: IdentityRef, parts: frozenset[PartName]) -> Gathered:
        if subject.client_id == CORDON_CLIENT:
            return await FakeDirectory(STATE, self.clock).look(subject, parts)
        principal = subject.principal_id or f"10000000-0000-4000-8000-{str(subject.client_id)[-12:]}"
        return await self.of(principal).look(subject, parts)

    async def look_at_people(self, gathered: Gathered, parts: frozenset[PartName], now: datetime) -> Gathered:
        raise NotImplementedError

    async def set_account_enabled(self, principal: PrincipalId, enabled: bool) -> None:
        self.blocked.append(principal)
        await self.of(principal).set_account_enabled(principal, enabled)

    async def confirm_compromised(self, principals: Sequence[PrincipalId]) -> None:
        raise NotImplementedError

    async def write_credentials(self, writes: Sequence[CredentialWrite]) -> Sequence[WriteResult]:
        first = writes[0]
        assert not isinstance(first, SetInstanceLock)
        assert first.holder in HolderKind
        return await self.of(f"10000000-0000-4000-8000-{first.object_id[-12:]}").write_credentials(writes)

    async def count_enabled_principals(self) -> int:
        return 500


def _leak_of(number: int) -> JsonObject:
    return {
        **leak(number),
        "servicePrincipalId": f"10000000-0000-4000-8000-{number:012d}",
        "appId": f"20000000-0000-4000-8000-{number:012d}",
    }


@pytest.mark.parametrize("seed", range(DEPTH))
def test_a_storm_over_two_instances_is_held_at_the_limit_exactly(seed: int) -> None:
    """
    Two hundred identities at once, five allowed, each told three times in any order: none is touched, not even
    the first, and a person is asked about every one.
    """

    async def story(world: World) -> None:
        chance, directory = random.Random(seed), ManyDirectory(world.clock)  # noqa: S311 - a test's dice
        world = replace(world, directory=directory)  # pyright: ignore[reportArgumentType]

        async def jitter(name: str) -> None:
            await asyncio.sleep(chance.random() * 0.01)

        here, there = (hooked(world, jitter) for _ in range(2))
        one, two = here.instance("one"), there.instance("two")
        told = [n for n in range(1, 201) for _ in range(3)]
        chance.shuffle(told)
        bodies = [
            json.dumps({"records": [{**GOOD, "properties": _leak_of(n)} for n in told[start : start + 300]]}).encode()
            for start in (0, 300)
        ]
        await asyncio.gather(*((one, two)[n % 2].receive_stream([body]) for n, body in enumerate(bodies)))
        await asyncio.gather(world.work_queue(one), world.work_queue(two))
        listed = await world.store.documents.query("incidents")
        chains = [await world.store.journal.read(IncidentId(str(d.body["incident"]))) for d in listed]
        statuses = [status_of(records, world.clock()) for records in chains]

        assert directory.blocked == []
        assert statuses.count(Status.AWAITING_APPROVAL) == 200

    play(story, STATE)


def test_what_a_vault_tells_of_its_versions_is_no_signal_and_no_mishap() -> None:
    """Each new version that Cordon stores raises one: who rotates reads the vault, and nobody is warned."""

    async def story(world: World) -> None:
        types = ("SecretNewVersionCreated", "SecretNearExpiry", "CertificateNewVersionCreated")
        told: list[JsonObject] = [
            {"type": f"Microsoft.KeyVault.{each}", "id": each, "source": "v", "data": {"VaultName": "shop"}}
            for each in types
        ]
        taken = await world.instance().receive_events(told)

        assert (taken.not_ours, taken.set_aside) == (3, ())

    play(story, STATE)
