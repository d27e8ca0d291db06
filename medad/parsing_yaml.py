"""Parse untrusted YAML by the rules of parsing.py.

Anchors and aliases are refused, since a few lines of them can expand to gigabytes.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from medad.parsing import INTEGERS, ParseError, read_text, repeated

YAML_BYTES = 2**20
DEPTH = 64  # of lists and mappings in each other
YAML_EVENTS = 50_000


def read_yaml(path: Path, limit: int = YAML_BYTES) -> Any:
    """Return the value in a YAML file.

    Raises:
        ParseError: the file cannot be read, or is not valid YAML.
    """
    return parse_yaml(read_text(path, limit), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the value in a YAML text of one document; ``where`` names the source in the error.

    Raises:
        ParseError: the text is not valid YAML, or exceeds the limits of this module.
    """
    try:
        _check_events(text)
        value = yaml.load(text, _Loader)
        _check_numbers(value)
    except yaml.YAMLError as error:
        raise ParseError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError, RecursionError) as error:  # such as a date of the 40th of May
        raise ParseError(f"{where}: not valid YAML: {error}") from None
    return value


class _Loader(yaml.SafeLoader):
    """A safe YAML loader that refuses duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of ``node``. Raises ValueError for a duplicate key."""
        values = super().construct_mapping(node, deep=deep)
        if len(values) < len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            raise ValueError(f"the key {repeated(keys)} is there twice: remove one")
        return values


def _check_events(text: str) -> None:
    """Refuse text that is nested too deeply, is too long or has anchors, before values are built from it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            line = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
            raise ValueError(f"{line}anchors and aliases (& and *) are not read: write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH or number > YAML_EVENTS:
            raise ValueError("nested too deeply, or too long, for settings that anybody writes")


def _check_numbers(value: Any) -> None:
    if isinstance(value, dict):
        for part in (*value.keys(), *value.values()):
            _check_numbers(part)
    elif isinstance(value, (list, tuple, set)):
        for part in value:
            _check_numbers(part)
    elif isinstance(value, int) and value not in INTEGERS:
        raise ValueError("an integer that does not fit into 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
