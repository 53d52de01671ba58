"""Text that a service sent, made fit for an error message: one line, short, no control characters, no secrets."""

import re

from shared.identity import canonical_guid

LIMIT = 300

# Anything long without blanks could be a key or a token. Names of properties and GUIDs are let through.
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_=~.\-]{32,}")
_BEARER = re.compile(r"(?i)\bbearer\s+\S+")


def fit(text: object, limit: int = LIMIT) -> str:
    """The text, masked, escaped and cut to `limit` characters."""
    masked = _LONG_RUN.sub(_masked, _BEARER.sub("Bearer [masked]", str(text)[: 8 * limit]))
    shown = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in masked)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def _masked(run: re.Match[str]) -> str:
    text = run.group()
    return text if not any(each.isdigit() for each in text) or _is_guid(text.strip("./=")) else "[masked]"


def _is_guid(text: str) -> bool:
    try:
        canonical_guid(text)
    except ValueError:
        return False
    return True
