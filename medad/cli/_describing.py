"""Settings in words: what can be given to --set, taken from the models that check it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from medad.config import Strict


def describe(model: type[Strict]) -> list[dict[str, str]]:
    """Each key of ``model`` as it is given on a command line: key, type, default, range and description."""
    return [
        {
            "key": key,
            "type": _kind(field.annotation),
            "default": json.dumps(field.get_default(call_default_factory=True)),
            "range": "; ".join([*_choices(field.annotation), *_bounds([*field.metadata, *_inner(field.annotation)])]),
            "description": field.description or "",
        }
        for key, field in model.model_fields.items()
    ]


def _kind(annotation: Any) -> str:
    """ "int", "number, or null", "list of strings": what a value is, in a YAML reader's words."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    arguments = [part for part in get_args(annotation) if part is not Ellipsis]
    if get_origin(annotation) is Literal:
        return _kind(type(arguments[0]))
    if get_origin(annotation) is tuple:
        return f"list of {_kind(arguments[0])}s"
    if type(None) in arguments:
        return ", ".join([*(_kind(part) for part in arguments if part is not type(None)), "or null"])
    return {str: "string", float: "number", int: "integer", bool: "true or false"}.get(annotation, str(annotation))


def _choices(annotation: Any) -> list[str]:
    return [", ".join(map(str, get_args(annotation)))] if get_origin(annotation) is Literal else []


def _inner(annotation: Any) -> list[Any]:
    """The constraints of a list's items."""
    items = get_args(annotation) if get_origin(annotation) is tuple else ()
    return [constraint for item in items if get_origin(item) is Annotated for constraint in get_args(item)[1].metadata]


def _bounds(constraints: Sequence[Any]) -> list[str]:
    """What pydantic's constraints allow, in words: ">= 1", "multiple of 32"."""
    words = {
        "gt": "> {}",
        "ge": ">= {}",
        "lt": "< {}",
        "le": "<= {}",
        "multiple_of": "multiple of {}",
        "min_length": "at least {} of them",
        "max_length": "at most {} of them",
    }
    return [
        word.format(getattr(constraint, name))
        for constraint in constraints
        for name, word in words.items()
        if getattr(constraint, name, None) is not None
    ]
