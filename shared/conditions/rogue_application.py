"""Is it an application that is known to be rogue?"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from shared.case import Case, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, unknown
from shared.conditions.settings import SETTINGS, Guid


@dataclass(frozen=True, slots=True)
class RogueApplication:
    """
    Met when the application's client id is in your own list of known rogue ones: what others have published, or what
    you have seen. Cordon ships no list. A client id is Entra's, the same in every tenant, and nobody can choose one.
    """

    name: ClassVar[str] = "rogue-application"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = ""
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    client_ids: Annotated[tuple[Guid, ...], Field(min_length=1, max_length=5000)]
    """The client ids (application ids) of rogue applications."""

    def check(self, case: Case) -> Finding:
        if not isinstance(case.identity, Known):
            return unknown(PartName.IDENTITY, case.identity)
        client = case.identity.value.identity.client_id
        if client in self.client_ids:
            return Met(f"its client id {client} is in the list of rogue applications")
        return NotMet(f"its client id {client} is none of {len(self.client_ids)} rogue ones")
