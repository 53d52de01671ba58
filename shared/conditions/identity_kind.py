"""What sort of identity is it?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, unknown
from shared.conditions.settings import SETTINGS, Several
from shared.identity import IdentityKind

_YES = {kind: Met(f"its kind is {kind.value}") for kind in IdentityKind}
_NO = {kind: NotMet(f"its kind is {kind.value}") for kind in IdentityKind}


@dataclass(frozen=True, slots=True)
class IsOfKind:
    """
    Met when the identity is of one of these kinds: own-single-tenant, own-multi-tenant, foreign,
    managed-identity, microsoft, agent.
    """

    name: ClassVar[str] = "identity-kind"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = ""
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    kinds: Several[IdentityKind]
    """One of these."""

    def __post_init__(self) -> None:
        if set(self.kinds) == set(IdentityKind):
            raise ValueError("names every kind there is, so it would always hold")

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        kind = part.value.identity.kind
        return _YES[kind] if kind in self.kinds else _NO[kind]
