"""Which source told of the identity?"""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from pydantic import ConfigDict

from shared.case import Case, PartName
from shared.conditions.interface import Finding, Met, NotMet
from shared.conditions.settings import SETTINGS, Several

SourceName: TypeAlias = Literal[
    "directory-audit",
    "risk-detection",
    "risky-service-principal",
    "exposed-secret",
    "suspect-change",
    "sign-in",
    "manual",
]


@dataclass(frozen=True, slots=True)
class Signalled:
    """
    Met when a signal of one of these sources opened or joined the incident. A signal is a sender's claim and proves
    nothing: put it in front of conditions that read a log, so that the log is read only where it may have something
    to tell.
    """

    name: ClassVar[str] = "signalled"
    needs: ClassVar[tuple[PartName, ...]] = ()
    unknown_when: ClassVar[str] = ""
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    sources: Several[SourceName]
    """Who may have told of it."""

    def check(self, case: Case) -> Finding:
        for signal in case.signals:
            if signal.source in self.sources:
                return Met(f"a signal of {signal.source} tells of it (record {signal.record_id})")
        return NotMet(f"no signal of {', '.join(self.sources)} tells of it")
