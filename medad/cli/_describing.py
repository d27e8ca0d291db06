"""Describe the settings that --set accepts, from the pydantic models that validate them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from medad.config import Strict


def describe(model: type[Strict]) -> list[dict[str, str]]:
    """Return key, type, default, range and description of each setting of ``model``."""
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
    """Return the type of a value in YAML terms, as "integer", "number, or null" or "list of strings"."""
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
    """Return the constraints of the items of a list."""
    items = get_args(annotation) if get_origin(annotation) is tuple else ()
    return [constraint for item in items if get_origin(item) is Annotated for constraint in get_args(item)[1].metadata]


def _bounds(constraints: Sequence[Any]) -> list[str]:
    """Describe pydantic constraints in words, as ">= 1" or "multiple of 32"."""
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
