"""Access tokens for one host: kept until shortly before they end, asked for once however many calls wait."""

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.clients.text import fit
from shared.clock import Clock
from shared.errors import Unreachable

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_EARLY = 300  # seconds before its end at which a token is no longer used
_CLAIMS = re.compile(r'claims="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Held:
    """A token; its text is in no repr."""

    text: str = field(repr=False)
    ends: float  # seconds since 1970


class TokenSource:
    """Tokens of one identity for one scope. Only this module sees the credential."""

    def __init__(self, credential: "AsyncTokenCredential", scope: str, clock: Clock) -> None:
        self._credential, self._scope, self._clock = credential, scope, clock
        self._held: Held | None = None
        self._asking = asyncio.Lock()

    async def get(self) -> Held:
        """A token that is good for some minutes yet. Raises Unreachable."""
        if not self._usable():
            async with self._asking:
                if not self._usable():
                    self._held = await self._ask(None)
        assert self._held is not None  # noqa: S101 - by the lines above
        return self._held

    async def replace(self, refused: Held, challenge: str | None) -> Held:
        """
        Another token in place of one that was refused with 401. `challenge` is the WWW-Authenticate
        header: its claims are passed on, which also makes the credential bypass its own cache.
        """
        async with self._asking:
            if self._held is refused or self._held is None:
                self._held = await self._ask(read_claims(challenge))
            return self._held

    def _usable(self) -> bool:
        return self._held is not None and self._held.ends - _EARLY > self._clock().timestamp()

    async def _ask(self, claims: str | None) -> Held:
        from azure.core.exceptions import AzureError

        try:
            token = await self._credential.get_token(self._scope, claims=claims, enable_cae=True)
        except AzureError as problem:
            why = f"the identity gives no token: {type(problem).__name__}: {fit(problem, 200)}"
            raise Unreachable(f"asking for a token for {self._scope}", why) from None
        return Held(token.token, float(token.expires_on))


def read_claims(challenge: str | None) -> str | None:
    """The claims of a continuous access evaluation challenge, decoded; None if there are none."""
    found = _CLAIMS.search(challenge or "")
    if found is None:
        return None
    try:
        return base64.b64decode(found.group(1), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
