"""
Whether what the policy arms in Azure can run: what Cordon's own executor and rotator reach, asked as of any identity.

Told at the start and in health, and never before an effect: Resource Graph lags behind a role that was just given, and
what nobody could look at is no missing role. So nothing is left out of a plan by this; a refusal is told by name.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.actions import cut_vault_access, rotate_secrets
from shared.case import CouldNotLook, Known, NotLooked, Part
from shared.clock import Clock
from shared.errors import CordonError
from shared.estate import Grant, Reach
from shared.identity import ClientId, IdentityRef
from shared.look import Look
from shared.policy import Policy, Verdict
from shared.tenant import Tenant
from shared.together import together

log = logging.getLogger("cordon")

_FRESH, _AGAIN = timedelta(hours=1), timedelta(minutes=5)  # what could not be looked at is looked at sooner
_PATIENCE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class _Need:
    """What one of Cordon's identities has to hold on at least one vault, and how that is given."""

    action: str
    role: str
    setting: str
    suffices: Callable[[Grant], bool]
    lacks: str
    todo: str


_NEEDS = (
    _Need(
        cut_vault_access.NAME,
        "executor",
        "CORDON_EXECUTOR_CLIENT_ID",
        # One role may give both; then it is told as reading.
        lambda grant: grant.reads or (grant.grants_itself and not grant.by_deployment),
        "holds no role by which it could take access away, on any vault that Cordon's reader sees",
        "Assign User Access Administrator and Key Vault Contributor to it where access is to be cut.",
    ),
    _Need(
        rotate_secrets.NAME,
        "rotator",
        "CORDON_ROTATOR_CLIENT_ID",
        lambda grant: grant.reads,
        "can read the secrets of no vault that Cordon's reader sees",
        "Assign Key Vault Secrets Officer, Key Vault Certificates Officer and Cordon Rotator to it.",
    ),
)


class AzureStanding:
    """One instance's look at what Cordon itself may do in Azure. `clients` are the client ids by role."""

    def __init__(
        self, policy: Policy, tenant: Tenant, clients: Mapping[str, str | None], mode: str, clock: Clock
    ) -> None:
        self._policy, self._tenant, self._clients, self._mode, self._clock = policy, tenant, clients, mode, clock
        self._told: tuple[str, ...] = ()
        self._next: datetime | None = None
        self._looking = asyncio.Lock()

    async def told(self) -> tuple[str, ...]:
        """One sentence for each thing that is armed and cannot run, or may not. Never raises for what is not seen."""
        if self._mode == "watch" or self._tenant.estate is None:  # nothing is changed; or preflight says why
            return ()
        async with self._looking:
            if self._next is None or self._clock() >= self._next:
                await self._look()
        return self._told

    async def _look(self) -> None:
        armed = [(need, rules) for need in _NEEDS if (rules := self._armed_by(need.action))]
        parts = await together(*(self._reach_of(self._clients.get(need.role)) for need, _ in armed))
        found = [said for (need, rules), part in zip(armed, parts, strict=True) for said in _judge(need, rules, part)]
        self._next = self._clock() + (_FRESH if all(isinstance(part, Known) for part in parts) else _AGAIN)
        for said in found:
            if said not in self._told:
                log.warning("preflight: %s", said)
        self._told = tuple(found)

    def _armed_by(self, action: str) -> str:
        rules = (each for each in self._policy.rules if each.verdict in (Verdict.CONTAIN, Verdict.ASK))
        return ", ".join(rule.name for rule in rules if action in rule.may_do)

    async def _reach_of(self, client_id: str | None) -> Part[Reach]:
        if client_id is None or self._tenant.estate is None:
            return Known(Reach(()))
        look = Look(
            self._tenant.directory, IdentityRef(client_id=ClientId(client_id)), self._clock, self._tenant.estate
        )
        try:
            async with asyncio.timeout(_PATIENCE):
                identity = await look.identity()
                if not isinstance(identity, Known):
                    return CouldNotLook(identity.why) if isinstance(identity, CouldNotLook) else identity
                return await look.vault_access()
        except TimeoutError:
            return CouldNotLook(f"no answer within {_PATIENCE:.0f} s", may_help_later=True)
        except CordonError as error:
            return CouldNotLook(str(error))


def _judge(need: _Need, rules: str, part: Part[Reach]) -> Iterator[str]:
    start = f"{need.action} (rule {rules})"
    match part:
        case Known(reach) if any(need.suffices(grant) for each in reach.vaults for grant in each.grants):
            return
        case Known(reach) if doubts := [each for each in reach.unseen if each not in reach.blind]:
            yield f"{start} may not be able to run: the roles of the {need.role} could not be looked at: {doubts[0]}"
        case Known():
            yield f"{start} cannot run: the {need.role} ({need.setting}) {need.lacks}. {need.todo}"
        case CouldNotLook(why):
            yield f"{start} may not be able to run: the roles of the {need.role} could not be looked at: {why}"
        case NotLooked():
            yield f"{start} may not be able to run: the roles of the {need.role} were not looked at"
