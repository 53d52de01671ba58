"""Does the identity trust tokens that too many can get?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field

from shared.audit import added_credentials
from shared.case import (
    AuditRecord,
    Case,
    CouldNotLook,
    FederatedCredential,
    Holder,
    IdentityState,
    Known,
    Part,
    PartName,
)
from shared.conditions.interface import Finding, Met, NotMet, Unknown, unknown
from shared.conditions.judging import actor_text, both, has_result, is_unexpected, is_within
from shared.conditions.records import hidden_trust, records_about
from shared.conditions.settings import SETTINGS, AuditDuration, Guid, Several, utc
from shared.trust import Breadth, breadth_of, plain_issuer


def _is_issuer(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("is not an issuer, such as https://gitlab.example.com")
    return plain_issuer(text)


def _is_beginning(text: str) -> str:
    if len(text) < 3 or not text.isprintable() or any(each in text for each in "*? "):
        raise ValueError("is not the beginning of a subject, such as repo:contoso/: no star, no blank")
    return text


Issuer = Annotated[str, Field(max_length=200), AfterValidator(_is_issuer)]
Subject = Annotated[str, Field(max_length=200), AfterValidator(_is_beginning)]
_ASKED = tuple(each for each in Breadth if each is not Breadth.UNKNOWN_OWNER)


@dataclass(frozen=True, slots=True)
class FederatedTrustTooWide:
    """
    Met when a federated credential of the application or its service principal is too wide in one of these ways:
    its issuer is none of the known platforms nor of `trusted-issuers`, is another Entra tenant, or is not plain
    https; its subject, or its expression, admits many workloads; it takes tokens that are made for something
    else. All those are asked about where nothing is said. `unknown-owner` is asked for by name: on a platform that
    everybody shares its subject begins with none of `trusted-subjects`, its issuer is a cluster that
    `trusted-issuers` does not name, or it is a managed identity of this tenant whose object id is none of
    `trusted-subjects`. `added-within` asks for those alone that the audit log shows as
    added in this time, by somebody who is not named in `by-other-than` (object or client ids) and is not Cordon; Graph
    itself dates none of them.
    """

    name: ClassVar[str] = "federated-trust-breadth"
    needs: ClassVar[tuple[PartName, ...]] = (PartName.IDENTITY, PartName.AUDITS)
    unknown_when: ClassVar[str] = (
        "federated credentials could not be read, or the log names one that was added in a form not known here"
    )
    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    findings: Several[Breadth] = _ASKED
    """What is too wide."""
    trusted_issuers: Several[Issuer] | None = None
    """Issuers that are known, by their https address."""
    trusted_subjects: Several[Subject] | None = None
    """How the subjects of your own workloads on shared platforms begin, such as repo:contoso/; identities' ids."""
    added_within: AuditDuration | None = None
    """Only those that the audit log shows as added in this time."""
    by_other_than: Several[Guid] | None = None
    """Object or client ids of those who are expected to add some; left out: whoever it was."""

    def __post_init__(self) -> None:
        if self.by_other_than is not None and self.added_within is None:
            raise ValueError(
                "by-other-than needs added-within: who has a credential added is told by the audit log alone"
            )

        asks_owner = Breadth.UNKNOWN_OWNER in self.findings
        if asks_owner and self.trusted_subjects is None:
            raise ValueError("unknown-owner needs trusted-subjects: how those of your own workloads begin")
        if self.trusted_subjects is not None and not asks_owner:
            raise ValueError("trusted-subjects means nothing unless findings names unknown-owner")

    def check(self, case: Case) -> Finding:
        part = case.identity
        if not isinstance(part, Known):
            return unknown(PartName.IDENTITY, part)
        unread = next((each for holder in part.value.holders if (each := _unread(holder, holder.federated))), None)
        held = _held(part.value)
        wide = [(each, said) for each in held if (said := self._told(each, case.tenant_id))]
        if not wide:
            return unread or NotMet(f"none of its {len(held)} federated credentials is too wide")
        if self.added_within is None:
            return Met(wide[0][1])
        return self._dated(wide, part.value, case, unread)

    def _told(self, credential: FederatedCredential, tenant_id: str) -> str | None:
        trusted = frozenset(self.trusted_issuers or ())
        for breadth, why in breadth_of(credential, tenant_id, trusted, self.trusted_subjects):
            if breadth in self.findings:
                return f"federated credential {credential.id} ({breadth}): {why}"
        return None

    def _dated(
        self,
        wide: Sequence[tuple[FederatedCredential, str]],
        state: IdentityState,
        case: Case,
        unread: Unknown | None,
    ) -> Finding:
        """Which of those were added in this time. In which form the log names one is not documented."""
        if not isinstance(case.audits, Known):
            return unknown(PartName.AUDITS, case.audits)
        doubt: str | None = None
        for record in records_about(case, state):
            names = {key.key_id.casefold() for key in added_credentials(record) if key.type == "federated"}
            counts = self._counts(record, case) if names else False
            if counts is False:
                continue
            by = f"by {actor_text(record.actor)} at {utc(record.at)} (record {record.id})"
            found = next((said for each, said in wide if names & {each.name.casefold(), each.id.casefold()}), None)
            if counts and found:
                return Met(f"{found}; added {by}")
            known_names = {text.casefold() for each in _held(state) for text in (each.name, each.id)}
            if found or not names <= known_names:
                doubt = doubt or f"a federated credential was added {by}, and it may be this: {wide[0][1]}"
        hidden = hidden_trust(case, state, self.added_within or timedelta(), self.by_other_than)
        if doubt or hidden:
            return Unknown(doubt or f"{hidden}, and it may be this: {wide[0][1]}")
        return unread or NotMet(f"none of its {len(wide)} federated credentials that are too wide was added lately")

    def _counts(self, record: AuditRecord, case: Case) -> bool | None:
        return both(
            is_within(record.at, self.added_within, case.now),
            has_result(record, ("success",)),
            is_unexpected(record.actor, self.by_other_than),
        )


def _held(state: IdentityState) -> list[FederatedCredential]:
    parts = (holder.federated for holder in state.holders)
    return [credential for part in parts if isinstance(part, Known) for credential in part.value]


def _unread(holder: Holder, part: Part[tuple[FederatedCredential, ...]]) -> Unknown | None:
    if isinstance(part, Known):
        return None
    why = part.why if isinstance(part, CouldNotLook) else "they were not looked at"
    return Unknown(f"the federated credentials of the {holder.kind.value} are not known: {why}")
