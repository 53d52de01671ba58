"""Seeded randomness: one stream for each purpose, so that one more draw here does not shift what happens there."""

import base64
import random
import uuid
from collections.abc import Callable


class Chance:
    """Same seed, same draws, in each stream for itself."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, purpose: str) -> random.Random:
        if purpose not in self._streams:
            self._streams[purpose] = random.Random(f"{self._seed}:{purpose}")
        return self._streams[purpose]

    def between(self, purpose: str, span: tuple[float, float]) -> float:
        low, high = span
        return low if low == high else self.stream(purpose).uniform(low, high)

    def guid(self, purpose: str = "guid") -> str:
        return str(uuid.UUID(int=self.stream(purpose).getrandbits(128), version=4))

    def opaque_id(self, purpose: str) -> str:
        """43 letters, digits, `-` and `_`: what grants and assignments have for ids, and not a GUID."""
        return base64.urlsafe_b64encode(self.stream(purpose).randbytes(32)).decode().rstrip("=")


class Canaries:
    """
    Makes every secret, token and private key of the tenant, and remembers it, so that a scan can find a leak.

    `texts` and `raw` hold the strings and byte strings that must appear nowhere outside process memory.
    """

    def __init__(self, chance: Chance) -> None:
        self._random = chance.stream("canaries")
        self.texts: set[str] = set()
        self.raw: set[bytes] = set()

    def make(self, shape: Callable[[str], str]) -> str:
        """A secret of the given shape around 32 random bytes (hex)."""
        canary = self._random.randbytes(32).hex()
        secret = shape(canary)
        self.texts.update((canary, secret))
        return secret

    def adopt(self, secret: str) -> str:
        """A secret that the scenario brought along."""
        self.texts.add(secret)
        return secret

    def adopt_raw(self, private: bytes) -> None:
        self.raw.add(private)
