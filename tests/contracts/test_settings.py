"""Every setting has a range, and every method can be described by its settings without memory for its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import annotated_types
import pytest
import torch
from contracts.fakes import small, variants
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from medad.registry import methods
from medad.weights import forms_of


def numbers(field: FieldInfo) -> tuple[bool, Sequence[object]] | None:
    """Whether a setting is a list of numbers, and the bounds of each; None for a setting that is no number."""
    parts = get_args(field.annotation) or (field.annotation,)
    if {int, float} & set(parts):
        return Ellipsis in parts, [] if Ellipsis in parts else field.metadata
    for part in parts:
        kind, *more = get_args(part) or (None,)
        if kind in (int, float):
            return True, [one for each in more for one in getattr(each, "metadata", [each])]
    return None


@pytest.mark.parametrize("name", methods.names())
def test_every_number_has_a_range(name: str) -> None:
    model = methods.get(name).settings_model
    for key, field in model.model_fields.items():
        if (number := numbers(field)) is None:
            continue
        listed, bounds = number
        lower = any(isinstance(one, (annotated_types.Ge, annotated_types.Gt)) for one in bounds)
        upper = any(isinstance(one, (annotated_types.Le, annotated_types.Lt)) for one in bounds)
        assert lower, f"{name}: {key} has no lower bound"
        assert upper, f"{name}: {key} has no upper bound"
        for value in (float("nan"), float("inf"), 10**30):
            with pytest.raises(ValidationError, match=key):
                model.model_validate({key: [value] if listed else value})


@pytest.mark.parametrize("variant", variants(), ids=str)
def test_a_method_without_memory_has_the_tensors_of_a_real_one(variant: tuple[str, str | None]) -> None:
    real = small(*variant)
    with torch.device("meta"):
        described = type(real)(real.settings)
    assert forms_of(described.state_dict()) == forms_of(real.state_dict())
    assert len(real.state_dict()) >= real.settings.least_tensors
    assert {value.device.type for value in described.state_dict().values()} <= {"meta"}
