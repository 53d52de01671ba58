"""Times, durations, sentences and names of steps as people read them."""

import math
import re
from datetime import UTC, datetime, timedelta


def utc(time: datetime) -> str:
    """2026-03-02 03:00:01.3 UTC; tenths are cut off, not rounded."""
    time = time.astimezone(UTC)
    return f"{time:%Y-%m-%d %H:%M:%S}.{time.microsecond // 100_000} UTC"


def utc_at_latest(time: datetime) -> str:
    """2026-03-02 04:31 UTC; rounded up to the minute, because an end must never be told too early."""
    time = time.astimezone(UTC)
    floor = time.replace(second=0, microsecond=0)
    return f"{floor if floor == time else floor + timedelta(minutes=1):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """1.2 s · 42 s · 3 min 05 s · 1 h 35 min · 3 d 4 h; a minus sign before what lies in the past."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 10:
        return f"{math.floor(seconds * 10 + 0.5) / 10:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def sentence(text: str) -> str:
    """The text with a full stop, if it ends without any."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


_OBJECT = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def step_name(step: str) -> str:
    """A step's id without the object id at its end, which is told beside it."""
    return _OBJECT.sub("", step)
