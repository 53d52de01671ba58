"""Throttle buckets: sliding windows, as the platform's limits are written (n per so many seconds)."""

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
