"""Is its sign-in blocked already?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, unknown
from shared.conditions.settings import SETTINGS

_OPEN, _BLOCKED = NotMet("sign-in is not blocked"), Met("sign-in is blocked")


@dataclass(frozen=True, slots=True)
class SignInBlocked:
    """
    Met when accountEnabled is false on the service principal. Tokens that were issued before live on, and
    its credentials are still there.
    """

    name: ClassVar[str] = "sign-in-blocked"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = ""
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        return _OPEN if part.value.enabled else _BLOCKED
