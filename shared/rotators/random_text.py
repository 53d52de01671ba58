"""Random text from random bytes, for passwords and values that only have to be unguessable."""

from collections.abc import Callable, Mapping

ALPHABETS: Mapping[str, str] = {
    "alphanumeric": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    "hex": "0123456789abcdef",
    "base64url": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    "printable": "".join(chr(code) for code in range(33, 127)),
}
_PASSWORD = 40  # characters: over 230 bits, within the 128 that servers take


def random_text(length: int, alphabet: str, token: Callable[[int], bytes]) -> str:
    """So many characters, each as likely as the others: bytes that would favour some are thrown away."""
    fair = 256 - 256 % len(alphabet)
    text = ""
    while len(text) < length:
        text += "".join(alphabet[byte % len(alphabet)] for byte in token(length) if byte < fair)
    return text[:length]


def password(token: Callable[[int], bytes]) -> str:
    """A password that needs no quoting in connection strings and URLs. Its beginning has a character of each class."""
    return "Aa0-" + random_text(_PASSWORD, ALPHABETS["base64url"], token)
