"""
Finds a secret in output, however it got there.

Every secret, token and private key of a practice tenant holds random bytes that are found nowhere else. Any eight of
them in a row are a leak: raw or as hex text, in base64 at any offset (plain or for URLs), percent-encoded,
escaped for JSON or XML, or back to front.

    scan = Scanner(tenant.canaries)
    scan.find(output)        # what was found, in words that do not repeat it
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from urllib.parse import unquote_to_bytes

WINDOW = 8  # random bytes in a row that make a leak
_WORD = 4  # bytes; any window holds a whole one, wherever it begins
_SHORTEST = 8  # characters of a secret that was given by hand, and is looked for as a whole
_RANDOM = re.compile(rb"[0-9a-f]{64}")
_HEX_RUN = re.compile(rb"[0-9a-fA-F]{16,}")
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_ESCAPE = re.compile(rb"\\(?:(?:u00|x)([0-9a-fA-F]{2})|(.))", re.DOTALL)  # of JSON, and of Python's repr
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_XML_ESCAPE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,4})|([0-9]{1,5}));")
_TO_PLAIN = bytes.maketrans(b"-_", b"+/")


class Scanner:
    """Looks for these canaries: texts around 64 hex digits, secrets given by hand, and raw private keys."""

    def __init__(self, canaries: Iterable[bytes]) -> None:
        self._whole: set[bytes] = set()
        self._random: set[bytes] = set()
        for canary in canaries:
            self._learn(canary)
        self._words = frozenset[int]().union(*map(_every_word, self._random))

    def find(self, output: str | bytes) -> str | None:
        """How a secret stands in the output, or None."""
        content = output.encode("utf-8", "surrogatepass") if isinstance(output, str) else output
        for how, view in _views(content):
            if self._is_in(view):
                return how
            if self._is_in(view[::-1]):
                return f"{how}, back to front"
        spelled = _from_base64(content)
        return "in base64" if self._is_in(spelled) else None

    def _learn(self, canary: bytes) -> None:
        found = _RANDOM.findall(canary)
        for digits in found:
            self._random.add(bytes.fromhex(digits.decode()))
            self._random.add(bytes.fromhex(digits[1:-1].decode()))  # 16 digits from the middle of a byte
        if found:
            return
        if _is_text(canary):
            if len(canary) >= _SHORTEST:
                self._whole.add(canary)
        else:
            self._random.add(canary)

    def _is_in(self, view: bytes) -> bool:
        """In the view as it is, in what its hex digits spell, or in what the hex digits in that spell."""
        once = _from_hex(view)
        return self._has(view) or self._has(once) or self._has(_from_hex(once))

    def _has(self, content: bytes) -> bool:
        """
        Text has no window of random bytes in it, so that only the rest is looked at closely.

        Each window holds a whole aligned word. Where no word of the content is one of a canary's, which is nearly
        always, that settles it, many times as fast as a look at each window.
        """
        if any(whole in content for whole in self._whole):
            return True
        if content.isascii() or self._words.isdisjoint(_aligned_words(content)):
            return False
        return not self._windows.isdisjoint(_slices(content))

    @cached_property
    def _windows(self) -> set[bytes]:
        return {window for each in self._random for window in _slices(each)}


@lru_cache(maxsize=8192)  # a tenant's canaries are learned once for all the tests that it lives through
def _every_word(canary: bytes) -> frozenset[int]:
    """The words that begin at each of its bytes."""
    return frozenset(word for start in range(_WORD) for word in _aligned_words(canary[start:]))


def _aligned_words(content: bytes) -> Iterable[int]:
    return memoryview(content[: len(content) // _WORD * _WORD]).cast("I")


def _slices(content: bytes) -> Iterator[bytes]:
    return (content[start : start + WINDOW] for start in range(len(content) - WINDOW + 1))


def _is_text(canary: bytes) -> bool:
    try:
        return canary.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _views(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The output as it is, and with its escapes undone."""
    yield "as it is", content
    undone: tuple[tuple[str, bytes, Callable[[bytes], bytes]], ...] = (
        ("percent-encoded", b"%", unquote_to_bytes),
        ("escaped as in JSON", b"\\", _without_escapes),
        ("escaped for XML", b"&", _without_xml),
    )
    for how, sign, undo in undone:
        if sign in content and (plain := undo(content)) != content:
            yield how, plain
    if not content.isascii():
        yield "as Latin-1", content.decode("utf-8", "replace").encode("latin-1", "replace")


def _without_escapes(content: bytes) -> bytes:
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else _ESCAPED.get(found[2], found[2]), content
    )


def _without_xml(content: bytes) -> bytes:
    plain = _XML_ESCAPE.sub(lambda found: _character(found[1], found[2]), content)
    for name, character in ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&apos;", b"'"), (b"&amp;", b"&")):
        plain = plain.replace(name, character)
    return plain


def _character(in_hex: bytes | None, in_decimal: bytes | None) -> bytes:
    number = int(in_hex, 16) if in_hex else int(in_decimal or b"0")
    return bytes([number]) if number < 256 else chr(number).encode("utf-8", "surrogatepass")


def _from_hex(content: bytes) -> bytes:
    """What all runs of hex digits spell, whichever digit is the first of a byte."""
    runs = set(_HEX_RUN.findall(content))
    shifted = [*runs, *(run[1:] for run in runs)]
    return b" ".join(bytes.fromhex(run[: len(run) // 2 * 2].decode()) for run in shifted)


def _from_base64(content: bytes) -> bytes:
    """What all runs of base64 spell, wherever the first group begins."""
    runs = [run.translate(_TO_PLAIN) for run in set(_BASE64_RUN.findall(content))]
    return b" ".join(_decoded(run[start:]) for run in runs for start in range(4))


def _decoded(run: bytes) -> bytes:
    """One digit alone at the end spells nothing."""
    whole = run[: len(run) - 1] if len(run) % 4 == 1 else run
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def spellings(secret: bytes) -> dict[str, bytes]:
    """One secret as leaks spell it: what the scanner is tried on."""
    text = secret.decode("latin-1")
    return {
        "raw": secret,
        "base64, offset 0": base64.b64encode(secret),
        "base64, offset 1": base64.b64encode(b"x" + secret),
        "base64, offset 2": base64.b64encode(b"xy" + secret),
        "base64 for URLs": base64.urlsafe_b64encode(b"\xff\xfe" + secret),
        "base64 without padding": base64.b64encode(secret).rstrip(b"="),
        "hex": secret.hex().encode(),
        "hex in capitals": secret.hex().upper().encode(),
        "percent-encoded": b"".join(b"%%%02X" % byte for byte in secret),
        "JSON": json.dumps(text).encode(),
        "repr": repr(secret).encode(),
        "Latin-1 as UTF-8": text.encode(),
        "JSON, every character escaped": b"".join(b"\\u%04x" % byte for byte in secret),
        "XML, in hex": "".join(f"&#x{ord(character):X};" for character in text).encode(),
        "XML, in decimals": "".join(f"&#{ord(character)};" for character in text).encode(),
        "reversed": secret[::-1],
    }
