"""
Random histories: two instances, an attacker, a tenant that throttles and lags, duplicates, messages that come twice
and late, disorder, late audit records, the stop switch, clocks that disagree. All drawn from one seed, judged by the
same checker.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

from shared.case import Grants, Known, Owners
from shared.errors import CordonError
from shared.estate import SecretRef
from shared.fight import RECHECKS
from shared.incident import Status
from shared.signal import JsonObject
from tests.fakes import (
    PAYROLL,
    PAYROLL_CLIENT,
    START,
    Crash,
    app_role,
    certificate,
    delegated,
    federated,
    owner,
    password,
)
from tests.faults.checker import Expected, check
from tests.faults.chronicle import Chronicle
from tests.faults.estate import TIERS, Azure
from tests.faults.gate import KILLS, Call
from tests.faults.ground import CANARY, Ground, event, play, virtual_now
from tests.faults.matrix import Outcome, policy, secrets_policy
from tests.faults.secrets_checker import check_secrets
from tests.stories.world import leak

UNTIL = 5 * 3600.0
WITH_VAULTS = 0.3  # share of the histories in which secrets are read and rotated
UNDONE = 0.3  # share of the histories that a person has undone
TROUBLE = 1800.0  # seconds after which nobody disturbs any more
_PASSING = ("timeout-applied", "timeout", "429", "429-applied", "503", "stale-404")
_ENDS = frozenset({Status.CONTAINED, Status.NEEDS_ATTENTION})


@dataclass(frozen=True, slots=True)
class Weather:
    """What one seed brings."""

    kills: frozenset[int]  # numbers of calls at which a process dies
    kill: str
    throttled: float  # share of the calls that a passing fault strikes
    lag: float  # seconds, at most
    slow: float  # seconds that a call takes, at most
    attacks: tuple[tuple[float, str], ...]
    duplicates: tuple[float, ...]
    skew: timedelta
    stop: tuple[float, float] | None
    undos: tuple[tuple[float, str], ...] = ()  # when a person orders the way back, and of whom

    @property
    def ends(self) -> frozenset[Status]:
        """Deaths, lag, duplicates and clocks that disagree are no reason to call a person; whoever acts, may be."""
        if not (self.attacks or self.stop or self.undos or self.throttled):
            return frozenset({Status.CONTAINED})
        return _ENDS | {Status.RELEASED} if self.undos else _ENDS


def weather_of(random: Random) -> Weather:
    times = sorted(random.uniform(1, TROUBLE) for _ in range(random.choice((0, 0, 1, 2, 6))))
    start = random.uniform(1, 600)
    return Weather(
        kills=frozenset(random.randrange(200) for _ in range(random.choice((0, 0, 1, 2)))),
        kill=random.choice(KILLS),
        throttled=random.choice((0.0, 0.0, 0.02, 0.1)),
        lag=random.choice((0.0, 0.0, 3.0, 15.0)),
        slow=random.choice((0.0, 0.3, 2.0)),
        attacks=tuple((at, random.choice(sorted(_ATTACKS))) for at in times),
        duplicates=tuple(random.uniform(0, 300) for _ in range(random.randrange(4))),
        skew=timedelta(seconds=random.choice((0.0, 2.0, -30.0, 240.0))),
        stop=(start, start + random.uniform(60, 900)) if random.random() < 0.15 else None,
    )


def undos_of(random: Random) -> tuple[tuple[float, str], ...]:
    """In some histories: in the midst of the work, at the very moment of a later look, late, or twice."""
    if random.random() > UNDONE:
        return ()
    times = (random.uniform(0, 5), random.choice(RECHECKS[:3]), random.uniform(1, TROUBLE))
    chosen = random.sample(times, random.choice((1, 1, 2)))
    return tuple((at, random.choice(("one", "two"))) for at in chosen)


def mail_of(random: Random) -> Callable[[], float | None]:
    """A queue gives at least once: in half of the histories some messages come again, at once or long after."""
    share = random.choice((0.0, 0.0, 0.02, 0.1))
    return lambda: random.choice((0.0, 1.0, 45.0, 600.0, 5400.0)) if random.random() < share else None


def play_seed(seed: int) -> Outcome:
    """Play the history of one seed and judge it."""
    seen: list[Ground] = []
    random = Random(seed)  # noqa: S311 - a history, no secret
    weather = replace(weather_of(random), undos=undos_of(Random(f"undo of {seed}")))  # noqa: S311 - the same

    async def story() -> Chronicle:
        ground = _ground(seed, weather)
        seen.append(ground)
        ground.gate.fate = _fate(weather, random, ground)
        ground.skew["two"] = weather.skew
        ground.twice = mail_of(Random(f"letters of {seed}"))  # noqa: S311 - the same
        if weather.lag:
            ground.realm.behind = lambda: random.uniform(0, weather.lag)
        if weather.slow:
            ground.gate.slowness = lambda call: random.uniform(0, weather.slow) if call.part == "tenant" else 0.0
        _begin(ground, weather, random)
        workers = [ground.work(UNTIL, name=lambda name=name: name) for name in ("one", "two")]
        await asyncio.gather(*workers)
        return ground.finish()

    chronicle = play(story)
    (ground,) = seen
    deaths = len(chronicle.all("struck"))
    expected = Expected(weather.ends, most_lives=2 + deaths)
    violations = check(chronicle, expected, lives=ground.lives, canary=CANARY)
    if ground.azure is not None:
        violations += check_secrets(chronicle, ground.azure, ground.evidence.contents)
    return Outcome(chronicle, tuple(violations), tuple(ground.gate.calls))


def _ground(seed: int, weather: Weather) -> Ground:
    """In some histories there are vaults around the tenant, and the thief goes on reading while it may."""
    now, random = virtual_now(), Random(f"vaults of {seed}")  # noqa: S311 - a history, no secret
    chronicle = Chronicle(lag=weather.lag)
    if weather.undos or random.random() > WITH_VAULTS:
        return Ground(lambda call: None, policy(), now, chronicle)
    azure = Azure(now)
    ground = Ground(lambda call: None, secrets_policy(), now, chronicle, azure=azure)
    for at in sorted(random.uniform(0, 600) for _ in range(random.randrange(6))):
        ground.start(_steal(azure, at, random.choice(tuple(TIERS))))
    return ground


async def _steal(azure: Azure, at: float, ref: SecretRef) -> None:
    await asyncio.sleep(at)
    azure.steal(ref)


def _fate(weather: Weather, random: Random, ground: Ground) -> Callable[[Call], str | None]:
    def fate(call: Call) -> str | None:
        kinds = call.kinds()
        if call.number in weather.kills and weather.kill in kinds:
            return weather.kill
        if weather.throttled and ground.now() < TROUBLE and random.random() < weather.throttled:
            return random.choice([kind for kind in _PASSING if kind in kinds] or [None])
        return None

    return fate


def _begin(ground: Ground, weather: Weather, random: Random) -> None:
    ground.start(ground.deliver(event(), to="one"))
    for after in weather.duplicates:
        ground.start(_later(ground, after, event(random.choice((1, 1, 2))), random.choice(("one", "two"))))
    for number, (at, name) in enumerate(weather.attacks, start=1):
        ground.start(_attack(ground, at, name, number))
    if random.random() < 0.5:
        ground.start(_sweeps(ground, random.choice(("one", "two"))))
    for at, name in weather.undos:
        ground.start(ground.order_undo(at, name))
    if weather.stop:
        ground.start(_stop(ground, *weather.stop))


async def _later(ground: Ground, after: float, record: JsonObject, to: str) -> None:
    await asyncio.sleep(after)
    await ground.deliver(record, to)


async def _sweeps(ground: Ground, name: str) -> None:
    """The timers, every five minutes; they find the same by another way."""
    ground.feeds.detections = [[leak()]]
    while ground.now() < TROUBLE + 600:
        await asyncio.sleep(300)
        _, responder = ground.instance(name)
        try:
            await responder.sweep_risk()
            await responder.sweep_audits()
        except (CordonError, Crash):
            continue


async def _stop(ground: Ground, at: float, until: float) -> None:
    await asyncio.sleep(at)
    await ground.switch.set(stopped=True, reason="a drill", by="a responder")
    ground.chronicle.happened(ground.now(), "stopped", "")
    await asyncio.sleep(until - at)
    await ground.switch.set(stopped=False, reason="", by="a responder")
    ground.chronicle.happened(ground.now(), "released", "")


async def _attack(ground: Ground, at: float, name: str, number: int) -> None:
    await asyncio.sleep(at)
    ground.attack(name, lambda: _ATTACKS[name](ground, number))
    ground.feeds.log.append(_audit(ground, number))


def _audit(ground: Ground, number: int) -> JsonObject:
    """The audit log tells of it; when it is read is up to the sweeps."""
    return {
        "id": f"Directory_{number}_{ground.now():.0f}",
        "activityDateTime": (START + timedelta(seconds=ground.now())).isoformat().replace("+00:00", "Z"),
        "activityDisplayName": "Update service principal",
        "category": "ApplicationManagement",
        "result": "success",
        "initiatedBy": {"user": {"id": "0a000000-0000-4000-8000-00000000000a", "userPrincipalName": "x@example.com"}},
        "targetResources": [
            {
                "id": PAYROLL,
                "type": "ServicePrincipal",
                "displayName": "payroll-sync",
                "modifiedProperties": [{"displayName": "AccountEnabled", "oldValue": "[false]", "newValue": "[true]"}],
            }
        ],
        "additionalDetails": [{"key": "AppId", "value": PAYROLL_CLIENT}],
    }


def _enable(ground: Ground, number: int) -> None:
    ground.realm.state = replace(ground.realm.state, enabled=True)


def _add_credential(ground: Ground, number: int) -> None:
    state, number = ground.realm.state, 100 + number
    application = state.application
    assert application is not None
    match number % 3:
        case 0:
            application = replace(application, passwords=(*application.passwords, password(number)))
        case 1:
            application = replace(application, keys=(*application.keys, certificate(number)))
        case _:
            assert isinstance(application.federated, Known)
            application = replace(application, federated=Known((*application.federated.value, federated(number))))
    ground.realm.state = replace(state, application=application)


def _add_owner(ground: Ground, number: int) -> None:
    owners = ground.realm.owners
    assert isinstance(owners, Known)
    assert isinstance(owners.value.application, Known)
    added = Known((*owners.value.application.value, owner(100 + number)))
    ground.realm.owners = Known(Owners(added, owners.value.principal))


def _add_grant(ground: Ground, number: int) -> None:
    grants = ground.realm.grants
    assert isinstance(grants, Known)
    held = grants.value
    assert isinstance(held.app_roles, Known)
    assert isinstance(held.delegated, Known)
    roles = Known((*held.app_roles.value, app_role(100 + number)))
    given = Known((*held.delegated.value, delegated(100 + number)))
    ground.realm.grants = Known(Grants(roles, given, held.directory_roles))


_ATTACKS: dict[str, Callable[[Ground, int], None]] = {
    "enable": _enable,
    "add a credential": _add_credential,
    "add an owner": _add_owner,
    "add grants": _add_grant,
}
