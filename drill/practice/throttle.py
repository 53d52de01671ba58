"""Throttle buckets: sliding windows (n per so many seconds), and buckets that fill up again by so many a second."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """At most `limit` units in any `window` seconds; says how long to wait where the service would."""

    limit: int
    window: float
    tells_wait: bool = True
    _spent: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])
    _sum: int = 0

    def spend(self, now: float, units: int = 1) -> float | None:
        """None if there was room; else the seconds until there is. A refused request costs nothing."""
        while self._spent and self._spent[0][0] <= now - self.window:
            self._sum -= self._spent.popleft()[1]
        if self._sum + units > self.limit:
            return self._spent[0][0] + self.window - now if self._spent else self.window
        self._spent.append((now, units))
        self._sum += units
        return None

    @property
    def left(self) -> int:
        """As of the last question."""
        return self.limit - self._sum


@dataclass(slots=True)
class RefillingBucket:
    """Holds `size` tokens and gets `per_second` new ones (facts: limits A.3, Resource Manager)."""

    size: int
    per_second: float
    _level: float = -1.0  # full at the first question
    _at: float = 0.0

    def take(self, now: float) -> float | None:
        """None if there was a token; else the seconds until there is one."""
        filled = self.size if self._level < 0 else self._level + (now - self._at) * self.per_second
        self._level, self._at = min(float(self.size), filled), now
        if self._level < 1:
            return (1 - self._level) / self.per_second
        self._level -= 1
        return None

    @property
    def left(self) -> int:
        return int(self._level)
