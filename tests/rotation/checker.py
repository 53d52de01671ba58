"""What must hold of every rotation, told from the world and from the journal."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.chain import Chain
from shared.entries import RotationPlanned, SecretAwaits, SecretDone, SecretStopped
from shared.estate import OPERATION_TAG
from shared.rotation_plan import read_planned
from tests.rotation.world import RotationWorld

GRACE = timedelta(minutes=15)


async def faults(world: RotationWorld, *, grace: timedelta = GRACE) -> list[str]:
    """Everything that is wrong at the end; nothing, if all went well."""
    return [*_dead(world), *_once(world), *await _in_order(world, grace), *await _no_values(world)]


def _dead(world: RotationWorld) -> Iterator[str]:
    """Every value that was there at the start opens nothing, and is given out by no vault."""
    for ref, held in world.vaults.held.items():
        for seen, value in held:
            if OPERATION_TAG in seen.tags:
                continue
            if world.is_alive(value):
                yield f"{ref} still opens its source"
            if seen.enabled:
                yield f"the exposed version of {ref} is given out"
        newest, value = held[-1]
        if not newest.enabled or (newest.tags.get("ProviderAddress") and not world.is_alive(value)):
            yield f"the newest version of {ref} opens nothing"


def _once(world: RotationWorld) -> Iterator[str]:
    """One version for each operation, and so many new keys as there are keys."""
    for ref, held in world.vaults.held.items():
        operations = [seen.tags[OPERATION_TAG] for seen, _ in held if OPERATION_TAG in seen.tags]
        if len(operations) != len(set(operations)):
            yield f"{ref} has two versions of one operation"


async def _in_order(world: RotationWorld, grace: timedelta) -> Iterator[str]:
    """No write touches a secret while one of a higher tier could go on."""
    chain = await world.secrets_chain()
    tiers: dict[str, int] = {}
    sources: dict[str, int] = {}
    for planned in chain.all(RotationPlanned):
        content = await world.store.evidence.fetch(planned.evidence)
        assert content is not None
        for each in read_planned(content):
            tiers[each.step] = min(each.tier, tiers.get(each.step, 9))
            sources[each.serves.resource] = min(each.tier, sources.get(each.serves.resource, 9))
    return iter(
        [
            f"{at:%H:%M:%S.%f} {what} of tier {tier} while {step} of tier {tiers[step]} could go on"
            for at, what, name in world.touched
            if (tier := tiers.get(name, sources.get(name))) is not None
            for step in tiers
            if tiers[step] < tier and _could_go_on(chain, step, at, grace)
        ]
    )


def _could_go_on(chain: Chain, step: str, at: datetime, grace: timedelta) -> bool:
    """Whether this secret had something to do at that moment, by what was written until then."""
    planned_at = next(line.record.time for line in chain.lines if isinstance(line.entry, RotationPlanned))
    told = [line for line in chain.lines if line.record.step == step and line.record.time <= at]
    if at < planned_at or any(isinstance(line.entry, SecretStopped) for line in told):
        return False
    done = {line.entry.stage: line.record.time for line in told if isinstance(line.entry, SecretDone)}
    if "published" not in done:
        return not any(isinstance(line.entry, SecretAwaits) for line in told)
    if at < done["published"] + grace:
        return False
    return "disabled" not in done


async def _no_values(world: RotationWorld) -> Iterator[str]:
    """No value, new or old, stands in anything that is kept or told."""
    chain = await world.chain()
    secrets = await world.secrets_chain()
    kept = [json.dumps(record.data) for record in (*chain.records, *secrets.records)]
    for record in secrets.records:
        evidence = record.data.get("evidence")
        if isinstance(evidence, str):
            content = await world.store.evidence.fetch(evidence)
            assert content is not None
            kept.append(content.decode())
    text = "\n".join(kept)
    values = {*world.sources.made, *(value for held in world.vaults.held.values() for _, value in held)}
    return iter(["a value stands in the journal" for value in values if value in text])
