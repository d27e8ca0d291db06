"""Format parts of messages: counts with nouns, names of limited length, commands to paste into a shell."""

from __future__ import annotations

import shlex


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return the count with its noun: "1 file", "2 files", "0 files"; give ``plural`` if it is not noun + "s"."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def command(*words: object) -> str:
    """Return a command line that a shell splits into exactly these words.

    A word that starts with a single dash is taken for a path and gets "./" in front, so that no command reads it as an
    option. Words that start with two dashes are options and stay.
    """
    texts = (str(word) for word in words)
    return shlex.join(f"./{text}" if text.startswith("-") and not text.startswith("--") else text for text in texts)


def shortened(name: str, length: int) -> str:
    """Return ``name`` cut to ``length`` characters by replacing its middle with "~": names differ at their ends."""
    if len(name) <= length:
        return name
    ahead = (length - 1) // 2
    return f"{name[:ahead]}~{name[len(name) - (length - 1 - ahead) :]}"
