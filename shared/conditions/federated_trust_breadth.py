"""Does the identity trust tokens that too many can get?"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field

from shared.case import Case, CouldNotLook, Holder, Known, NotLooked, PartName
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.settings import SETTINGS, Several
from shared.trust import Breadth, breadth_of, plain_issuer


def _is_issuer(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("is not an issuer, such as https://gitlab.example.com")
    return plain_issuer(text)


Issuer = Annotated[str, Field(max_length=200), AfterValidator(_is_issuer)]


@dataclass(frozen=True, slots=True)
class FederatedTrustTooWide:
    """
    Met when a federated credential of the application or its service principal is too wide in one of these ways:
    its issuer is none of the known platforms nor of `trusted-issuers`, is another Entra tenant, or is not plain
    https; its subject, or its expression, admits many workloads; it takes tokens that are made for something
    else. All are asked about where nothing is said.
    """

    name: ClassVar[str] = "federated-trust-breadth"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY,)
    unknown_when: ClassVar[str] = "federated credentials could not be read"
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[Breadth] = tuple(Breadth)
    """What is too wide."""
    trusted_issuers: Several[Issuer] | None = None
    """Issuers that are known, by their https address."""

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        count, unread = 0, None
        trusted = frozenset(self.trusted_issuers or ())
        for holder in part.value.holders:
            if not isinstance(holder.federated, Known):
                unread = unread or _unread(holder, holder.federated)
                continue
            for credential in holder.federated.value:
                count += 1
                for breadth, why in breadth_of(credential, case.tenant_id, trusted):
                    if breadth in self.findings:
                        return Met(f"federated credential {credential.id} ({breadth}): {why}")
        return unread or NotMet(f"none of its {count} federated credentials is too wide")


def _unread(holder: Holder, part: CouldNotLook | NotLooked) -> Unknown:
    why = part.why if isinstance(part, CouldNotLook) else "they were not looked at"
    return Unknown(f"the federated credentials of the {holder.kind.value} are not known: {why}")
