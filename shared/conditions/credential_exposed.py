"""Did another identity expose a credential of this one?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import ConfigDict

from shared.case import Case, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown
from shared.conditions.settings import SETTINGS, Duration, Several
from shared.signal import Signal

SOURCE = "exposed-secret"


@dataclass(frozen=True, slots=True)
class CredentialExposed:
    """
    Met when Cordon found a credential of this identity in a secret that a compromised identity exposed, in one of
    these tiers (1: it read the secret, or nobody can say that it did not; 2: it lies in a vault from which it read
    others; 3: it was within its reach), within the time before now.

    The secret itself is rotated by the other incident; what matters here is who used it before that.
    """

    name: ClassVar[str] = "credential-exposed"
    needs: ClassVar[tuple[PartName, ...]] = ()
    unknown_when: ClassVar[str] = "only the secret's tags say whose credential it is, and its value does not show it"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    tiers: Several[Literal[1, 2, 3]] = (1, 2, 3)
    """How near the secret was to what was read."""
    within: Duration = timedelta(days=7)
    """How long ago that was found at most."""

    def check(self, case: Case) -> Finding:
        found = [signal for signal in case.signals if signal.source == SOURCE]
        meant = [each for each in found if self._is_meant(each, case)]
        sure = next((each for each in meant if "unsure" not in each.facts), None)
        if sure is not None:
            return Met(_told(sure))
        if meant:
            return Unknown(f"{_told(meant[0])}, as its tags say: {meant[0].facts['unsure']}")
        if found:
            return NotMet("a credential of it was exposed, but longer ago or in another tier")
        return NotMet("no other incident exposed a credential of it")

    def _is_meant(self, signal: Signal, case: Case) -> bool:
        return signal.facts.get("tier") in self.tiers and case.now - signal.observed_at <= self.within


def _told(signal: Signal) -> str:
    facts = signal.facts
    where = f"{facts.get('vault')}/{facts.get('secret')}"
    return f"incident {facts.get('incident')} exposed its credential in secret {where} (tier {facts.get('tier')})"
