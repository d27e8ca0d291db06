"""Escape text from outside for tables, logs and pages: no cell becomes a formula, no character stays invisible."""

from __future__ import annotations

import re
import unicodedata

_TRIGGERS = frozenset("=+-@|")
_LINE_TRIGGERS = ("\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode's control, format, surrogate and separator characters


def cell(value: object) -> str:
    """Return ``value`` as the text of a CSV cell: "" for None and NaN; text is made visible and guarded."""
    if isinstance(value, str):
        return guarded(visible(value))
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return visible(str(value))


def guarded(text: str) -> str:
    """Return ``text`` with an apostrophe in front if a spreadsheet would read it as a formula; numbers stay."""
    return f"'{text}" if _computed(text.lstrip("'")) else text


def unguarded(text: str) -> str:
    """Return the original text from the result of :func:`guarded`."""
    return text[1:] if text.startswith("'") and _computed(text.lstrip("'")) else text


def _computed(text: str) -> bool:
    """Return whether a spreadsheet may compute ``text``: it starts like a formula (in any width) or with a line break.

    Leading invisible characters are skipped, since some spreadsheets drop them. A lone "-" is text, it means "none".
    """
    if text.startswith(_LINE_TRIGGERS):
        return True
    first = next((place for place, sign in enumerate(text) if not _blank(sign)), len(text))
    printable = text[first:]
    if not printable or printable.rstrip() == "-" or _NUMBER.fullmatch(printable.rstrip()):
        return False
    return unicodedata.normalize("NFKC", printable[0])[:1] in _TRIGGERS


def _blank(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) in _INVISIBLE


def visible(text: str, keep: str = "") -> str:
    """Return ``text`` with control, format and line-separating characters as escapes, such as ``\\x0a``, ``\\u202e``.

    A file name therefore can neither break a line of a log or table nor change the writing direction of the text after
    it. Bytes of a name that are not UTF-8 appear as ``\\xNN``. The characters in ``keep`` stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(_escape(sign) if sign not in keep else sign for sign in text)


def on_page(value: object) -> object:
    """Return ``value`` as a page shows it, with control characters of text escaped; for Jinja's ``finalize``."""
    return visible(value, keep="\n\t") if type(value) is str else value  # Markup, a subclass of str, is left alone


def _escape(sign: str) -> str:
    if unicodedata.category(sign) not in _INVISIBLE:
        return sign
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
