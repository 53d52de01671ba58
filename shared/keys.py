"""
What may be a key in a store: the same everywhere, so that no twin accepts what another refuses.

Azure Tables forbids `/ \\ # ?` and control characters in keys (facts: Tables data model); blobs, files and
filters have ideas of their own. The alphabet below is safe in all of them, unescaped.
"""

import re

LONGEST_KEY = 200

_KEY = re.compile(rf"[A-Za-z0-9._:-]{{1,{LONGEST_KEY}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_key(text: str, what: str) -> None:
    """Raise ValueError unless it can be a key. The text is not repeated: it may come from anywhere."""
    if not _KEY.fullmatch(text):
        raise ValueError(f"{what} must be 1 to {LONGEST_KEY} characters of A-Z a-z 0-9 . _ : -")


def check_digest(text: str) -> None:
    """Raise ValueError unless it is a SHA-256 in lower-case hex."""
    if not _DIGEST.fullmatch(text):
        raise ValueError("evidence is named by its SHA-256 in lower-case hex")
