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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from urllib.parse import unquote_to_bytes

WINDOW = 8  # random bytes in a row that make a leak
_WORD = 4  # bytes; any window holds a whole one, wherever it begins
_SHORTEST = 8  # characters of a secret that was given by hand, and is looked for as a whole
_RANDOM = re.compile(rb"[0-9a-f]{64}")
_HEX_RUN = re.compile(rb"[0-9a-fA-F]{16,}")
_HEX_DIGITS = bytes(ord("x") if chr(byte) in "0123456789abcdefABCDEF" else ord(".") for byte in range(256))
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_ESCAPE = re.compile(rb"\\(?:(?:u00|x)([0-9a-fA-F]{2})|(.))", re.DOTALL)  # of JSON, and of Python's repr
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_BLANK = b" ".hex().encode()
_XML_ESCAPE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,4})|([0-9]{1,5}));")
_TO_PLAIN = bytes.maketrans(b"-_", b"+/")


class Scanner:
    """Looks for these canaries: texts around 64 hex digits, secrets given by hand, and raw private keys."""

    def __init__(self, canaries: Iterable[bytes] = ()) -> None:
        self._whole: set[bytes] = set()
        self._random: Counter[bytes] = Counter()  # by how many canaries it is held
        self._words: Counter[int] = Counter()  # by how many of those it is held
        self._canaries: set[bytes] = set()
        self._windows: set[bytes] | None = None
        self.look_for(canaries)

    def look_for(self, canaries: Iterable[bytes]) -> None:
        """For these and no others, from now on; what it knew already is not learned again."""
        wanted = set(canaries)
        for canary in self._canaries - wanted:
            self._forget(canary)
        for canary in wanted - self._canaries:
            self._learn(canary)
        self._canaries = wanted

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
        whole, random = _looked_for(canary)
        self._whole |= whole
        for each in random:
            self._random[each] += 1
            if self._random[each] == 1:
                self._words.update(_every_word(each))
                self._windows = None

    def _forget(self, canary: bytes) -> None:
        whole, random = _looked_for(canary)
        self._whole -= whole
        for each in random:
            self._random[each] -= 1
            if not self._random[each]:
                del self._random[each]
                self._forget_words(each)
                self._windows = None

    def _forget_words(self, random: bytes) -> None:
        for word in _every_word(random):
            self._words[word] -= 1
            if not self._words[word]:
                del self._words[word]

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
        if content.isascii() or self._words.keys().isdisjoint(_aligned_words(content)):
            return False
        if self._windows is None:
            self._windows = {window for each in self._random for window in _slices(each)}
        return not self._windows.isdisjoint(_slices(content))


def _looked_for(canary: bytes) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """What of it is looked for as a whole, and the random bytes of which any window is."""
    if found := _RANDOM.findall(canary):
        spelled = (digits.decode() for digits in found)
        parts = (part for each in spelled for part in (each, each[1:-1]))  # and from the middle of a byte
        return frozenset(), frozenset(map(bytes.fromhex, parts))
    if not _is_text(canary):
        return frozenset(), frozenset({canary})
    return frozenset({canary} if len(canary) >= _SHORTEST else ()), frozenset()


@lru_cache(maxsize=8192)  # tenants of one seed have the same, and come and go
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
    """What all runs of hex digits spell, whichever digit is the first of a byte; blanks stand between them."""
    if b"x" * 16 not in content.translate(_HEX_DIGITS):  # which is seen many times as fast as a run is found
        return b""
    runs = set(_HEX_RUN.findall(content))
    shifted = [*runs, *(run[1:] for run in runs)]
    return binascii.unhexlify(_BLANK.join(run[: len(run) // 2 * 2] for run in shifted))


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
