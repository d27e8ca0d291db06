"""Words of messages: counts with their nouns, names of a bounded length, commands that can be pasted into a shell."""

from __future__ import annotations

import shlex


def counted(count: int, noun: str, plural: str = "") -> str:
    """The count with its noun: "1 file", "2 files", "0 files"; ``plural`` where an "s" does not make it."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def command(*words: object) -> str:
    """A command line that a shell reads as these words, whatever is in their names.

    A path that starts with a dash is written as one of this folder, so that no command takes it for an option; options
    are the words that start with two dashes.
    """
    texts = (str(word) for word in words)
    return shlex.join(f"./{text}" if text.startswith("-") and not text.startswith("--") else text for text in texts)


def shortened(name: str, length: int) -> str:
    """``name`` with its middle left out where it is longer than ``length``: names differ at their ends."""
    if len(name) <= length:
        return name
    ahead = (length - 1) // 2
    return f"{name[:ahead]}~{name[len(name) - (length - 1 - ahead) :]}"
