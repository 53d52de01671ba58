"""
Text from outside as Markdown shows it: as text and nothing else.

Names in a tenant are written by whoever owns the object, an attacker included. Here they lose every power:
no link, image, HTML, heading, list, table cell, code fence, mention or line of their own, and characters
that cannot be seen or that reorder what can be seen show as escapes such as \\u202e.
"""

import unicodedata

_LONGEST = 600  # characters; what is longer is cut with a mark

# Backslash first: what is escaped here must not be escaped again. "&", "<" and ">" as entities, because
# some renderers look for HTML before they look for backslashes.
_MARKUP = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "\\`*_[]|~$"},
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "@": "`@`",  # a code span of its own: renderers make links and mentions of a bare one, even behind a backslash
        "#": "\\#",
    }
)
_HIDDEN = frozenset("ᅟᅠㅤﾠ͏⠀")  # letters and marks that show as nothing
_AT_THE_START = "-+"


def plain(text: str, longest: int = _LONGEST) -> str:
    """Any text as inert Markdown on one line."""
    safe = visible(text, longest).strip().translate(_MARKUP)
    safe = safe.replace("://", "\\://").replace("www.", "www\\.")
    if safe[:1] in _AT_THE_START and safe:
        safe = "\\" + safe
    return _no_numbered_list(safe)


def code(text: str, longest: int = _LONGEST) -> str:
    """Any text as one code span, also in a table cell; nothing in it can end the span or the cell."""
    safe = visible(text, longest)
    for mark in "`|<>":
        safe = safe.replace(mark, f"\\u{ord(mark):04x}")
    return f"`{safe.strip() or ' '}`"


def visible(text: str, longest: int = _LONGEST) -> str:
    """The text on one line and within bounds, with what cannot be seen as escapes."""
    shown = "".join(map(_seen, text[:longest]))
    return f"{shown} …({len(text) - longest} more characters)" if len(text) > longest else shown


def _seen(character: str) -> str:
    if character == " " or (character not in _HIDDEN and _is_visible(character)):
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _is_visible(character: str) -> bool:
    """Everything but controls, formats (bidi, joiners), separators, surrogates, private and unassigned ones."""
    return unicodedata.category(character)[0] not in "CZ"


def _no_numbered_list(text: str) -> str:
    digits = len(text) - len(text.lstrip("0123456789"))
    if digits and text[digits : digits + 1] in (".", ")"):
        return f"{text[:digits]}\\{text[digits:]}"
    return text
