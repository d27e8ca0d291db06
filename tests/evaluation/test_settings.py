"""Settings of the evaluation: given like any other, and no part of what was run."""

from __future__ import annotations

from typing import Any

import pytest

from medad.config import ConfigError, Pipeline
from medad.experiments.plan import Experiment, plan


def planned(overrides: dict[str, Any], **settings: Any) -> Experiment:
    return plan(Pipeline(datasets=("demo",), methods=("max_intensity",), settings=settings), overrides)[0]


def test_an_override_wins_over_the_pipeline_and_names_the_same_cell() -> None:
    plain, other = planned({}), planned({"prevalence": 0.02, "specificities": [0.99]}, prevalence=0.5, resamples=500)
    assert (other.evaluation.prevalence, other.evaluation.specificities) == (0.02, (0.99,))
    assert (other.evaluation.resamples, plain.evaluation.prevalence) == (500, None)
    assert plain.name("x") == other.name("x")
    assert planned({"calibration": 0.1}).name("x") != plain.name("x")


@pytest.mark.parametrize(
    ("key", "value"), [("prevalence", 1.5), ("specificities", [1.0]), ("resamples", 3), ("confidence", 95)]
)
def test_a_value_that_is_none_is_named(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"settings: {key}.* is not allowed"):
        planned({key: value})
    with pytest.raises(ConfigError, match="Did you mean 'prevalence'"):
        planned({"prevalance": 0.1})
