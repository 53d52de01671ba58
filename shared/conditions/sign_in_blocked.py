"""Is its sign-in blocked already?"""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from shared.case import Case, IdentityState, Known, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import SETTINGS, Flag
from shared.identity import IdentityKind

_OPEN, _BLOCKED = NotMet("sign-in is not blocked"), Met("sign-in is blocked")


@dataclass(frozen=True, slots=True)
class SignInBlocked:
    """
    Met when accountEnabled is false on the service principal. Tokens that were issued before live on, and
    its credentials are still there. An application of this tenant that other tenants use as well still gets tokens
    there: `everywhere: true` asks whether it is deactivated too, or Microsoft has disabled it.
    """

    name: ClassVar[str] = "sign-in-blocked"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = "with everywhere, Graph's answer does not tell whether it is deactivated"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    everywhere: Flag = False
    """Whether an application that other tenants use must be deactivated as well."""

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        state = part.value
        if state.enabled:
            return _OPEN
        here_only = state.identity.kind is IdentityKind.OWN_MULTI_TENANT and not _is_disabled_by_microsoft(state)
        if not self.everywhere or not here_only or state.deactivated:
            return _BLOCKED
        if state.deactivated is None:
            return Unknown("sign-in is blocked here, and Graph does not tell whether other tenants go on")
        return NotMet("sign-in is blocked here, and other tenants go on issuing tokens to it")


def _is_disabled_by_microsoft(state: IdentityState) -> bool:
    return state.disabled_by_microsoft not in (None, "", "NotDisabled")
