"""Text from outside, as it may appear in tables, logs and pages: nothing in it is computed, and nothing is hidden."""

from __future__ import annotations

import re
import unicodedata

_TRIGGERS = frozenset("=+-@|")
_LINE_TRIGGERS = ("\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # Unicode's control, format, surrogate and separator characters


def cell(value: object) -> str:
    """A value as the text of a CSV cell: a number as it is, nothing for None and NaN, text visible and guarded."""
    if isinstance(value, str):
        return guarded(visible(value))
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return visible(str(value))


def guarded(text: str) -> str:
    """``text`` with an apostrophe before it where a spreadsheet would take it for a formula; a number is none."""
    return f"'{text}" if _computed(text.lstrip("'")) else text


def unguarded(text: str) -> str:
    """The text that :func:`guarded` was given."""
    return text[1:] if text.startswith("'") and _computed(text.lstrip("'")) else text


def _computed(text: str) -> bool:
    """Whether a spreadsheet may compute a cell: it begins as a formula does, in any width, or with a line's end.

    Characters that are not seen count for nothing, since spreadsheets drop some. A lone "-" stands for "none".
    """
    if text.startswith(_LINE_TRIGGERS):
        return True
    first = next((place for place, sign in enumerate(text) if not _blank(sign)), len(text))
    seen = text[first:]
    if not seen or seen.rstrip() == "-" or _NUMBER.fullmatch(seen.rstrip()):
        return False
    return unicodedata.normalize("NFKC", seen[0])[:1] in _TRIGGERS


def _blank(sign: str) -> bool:
    return sign.isspace() or unicodedata.category(sign) in _INVISIBLE


def visible(text: str, keep: str = "") -> str:
    """``text`` with its control, format and line-separating characters as escapes such as ``\\x0a`` and ``\\u202e``.

    So a file's name can neither end a line of a log or a table, nor turn the direction of what follows it. Bytes of a
    name that are not UTF-8 appear as ``\\xNN``. The characters in ``keep`` stay.
    """
    if text.isprintable():
        return text
    return "".join(_escape(sign) if sign not in keep else sign for sign in text)


def on_page(value: object) -> object:
    """What a page shows of ``value``: text with its control characters as escapes; for Jinja's ``finalize``."""
    return visible(value, keep="\n\t") if type(value) is str else value  # markup is a kind of str, and stays


def _escape(sign: str) -> str:
    if unicodedata.category(sign) not in _INVISIBLE:
        return sign
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
