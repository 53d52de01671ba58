"""Who may knock: the identities of Cordon, and the tokens that the tenant has issued."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drill.practice.chance import Canaries, Chance

GRAPH = "https://graph.microsoft.com"
VAULT = "https://vault.azure.net"
ARM = "https://management.azure.com"
LOGS = "https://api.loganalytics.io"


@dataclass(frozen=True, slots=True)
class CordonIdentity:
    """One of the three managed identities that Cordon runs as."""

    role: str  # reader, executor, rotator
    client_id: str
    object_id: str
    permissions: tuple[str, ...]  # of Graph, by name


@dataclass(slots=True)
class Token:
    """An issued access token. Its roles stay what they were when it was issued (facts: graph 6)."""

    text: str = field(repr=False)
    principal_id: str
    app_id: str
    audience: str
    roles: frozenset[str]
    issued_at: datetime
    expires_at: datetime
    by: str  # who holds it: the client id, or "attacker:<id>" when it is in the wrong hands
    continuous: bool = False  # a CAE token: revoked when the identity is disabled, deleted or at high risk
    managed_identity: bool = False
    unique_id: str = ""  # the sign-in log's uniqueTokenIdentifier, Graph's SignInActivityId
    revoked: bool = False  # by a CAE event; only Graph cares


class Tokens:
    """Every token issued, by its text."""

    def __init__(self, chance: Chance, canaries: Canaries) -> None:
        self._chance = chance
        self._canaries = canaries
        self._issued: dict[str, Token] = {}

    def issue(
        self,
        *,
        principal_id: str,
        app_id: str,
        audience: str,
        roles: frozenset[str],
        now: datetime,
        lifetime: tuple[float, float],
        by: str,
        continuous: bool = False,
        managed_identity: bool = False,
    ) -> Token:
        token = Token(
            text=self._canaries.make(lambda canary: f"eyJpracticeTenant.{canary}.token"),
            principal_id=principal_id,
            app_id=app_id,
            audience=audience,
            roles=roles,
            issued_at=now,
            expires_at=now + timedelta(seconds=int(self._chance.between("token lifetime", lifetime))),
            by=by,
            continuous=continuous,
            managed_identity=managed_identity,
        )
        self._issued[token.text] = token
        return token

    def find(self, text: str) -> Token | None:
        return self._issued.get(text)

    def revoke_continuous(self, principal_id: str) -> None:
        """A CAE event: the identity was disabled or deleted, or its risk is high (facts: graph 7)."""
        for token in self._issued.values():
            if token.continuous and token.principal_id == principal_id:
                token.revoked = True


def audience_of(scope: str) -> str:
    """`https://graph.microsoft.com/.default` is asked for, `https://graph.microsoft.com` is meant."""
    return scope.removesuffix("/.default").rstrip("/")
