"""
A credential of this identity lay in a secret that another identity, a compromised one, had exposed.

Only Cordon itself says so, when it has read it: no event type and no log category leads here, so that nobody from
outside can accuse an identity in this way.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from shared.errors import MalformedSignal
from shared.estate import SecretRef
from shared.identity import ClientId, IdentityRef
from shared.signal import JsonObject, JsonValue, NotASignal, Signal
from shared.untrusted import Fields, one_line

_TIERS = (1, 2, 3)


class ExposedSecret:
    """
    Reads {appId, incident, vault, secret, versions, tier, why, at, unsure}, as `exposed` puts it together. `unsure` is
    there where only the secret's tags say whose credential it is: whoever may store secrets can write any tag.

    The record's id follows from identity, secret and versions: where two identities expose each other's credentials,
    the second accusation of the same is known already, and the circle ends.
    """

    name: ClassVar[str] = "exposed-secret"
    event_types: ClassVar[tuple[str, ...]] = ()  # nothing that is pushed may accuse
    categories: ClassVar[tuple[str, ...]] = ()

    def read(self, record: JsonObject, tenant_id: str) -> Signal | NotASignal:
        body = Fields(self.name, record)
        client, vault, secret = body.guid("appId"), body.token("vault"), body.token("secret")
        versions = [Fields(self.name, {"versions": each}).token("versions") for each in _strings(body)]
        incident, tier = body.token("incident"), record.get("tier")
        if tier not in _TIERS or isinstance(tier, bool):
            raise body.wrong("tier", "is not 1, 2 or 3")
        why = body.line("why", 300) or "why is not said"
        facts: dict[str, JsonValue] = {
            "incident": incident,
            "vault": vault,
            "secret": secret,
            "versions": [*versions],
            "tier": tier,
            "why": why,
        }
        if record.get("unsure") is not None:
            facts["unsure"] = body.line("unsure", 300) or "why is not said"
        return Signal(
            source=self.name,
            record_id=_id(client, vault, secret, versions),
            subject=IdentityRef(client_id=ClientId(client)),
            observed_at=body.time("at"),
            summary=one_line(f"{_what(facts)} in secret {vault}/{secret} was exposed ({incident}): {why}"),
            facts=facts,
        )


def _what(facts: JsonObject) -> str:
    return "What is tagged as its credential" if "unsure" in facts else "Its credential"


def exposed(
    client: str,
    ref: SecretRef,
    versions: Sequence[str],
    *,
    incident: str,
    tier: int,
    why: str,
    at: datetime,
    unsure: str | None = None,
) -> JsonObject:
    """The record that says: the secret holds a credential of this client, and the incident's identity exposed it."""
    return {
        **({} if unsure is None else {"unsure": unsure}),
        "appId": client,
        "incident": incident,
        "vault": ref.vault,
        "secret": ref.name,
        "versions": [*versions],
        "tier": tier,
        "why": why,
        "at": at.isoformat(),
    }


def _strings(body: Fields) -> list[str]:
    found = body.list("versions")
    if not all(isinstance(each, str) for each in found):
        raise MalformedSignal(source=body.sender, why="versions is not a list of ids")
    return [str(each) for each in found]


def _id(client: str, vault: str, secret: str, versions: Sequence[str]) -> str:
    text = "|".join((vault.lower(), secret.lower(), *sorted(versions)))
    return f"{client}.{hashlib.sha256(text.encode()).hexdigest()[:32]}"
