"""The acquisition model: terms of numbers and words, missing ones, and what it stores."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.acquired import facts_of_scan, framed, scan
from pydantic import ValidationError

from medad.data.acquisition.facts import FAMILIES, WORDS, AcquisitionFacts, acquisition_facts
from medad.data.acquisition.model import AcquisitionModel, fit_acquisition, groups_of
from medad.functional.adjusted_auc import adjusted_auc
from medad.functional.delong import auc_interval
from medad.functional.image_statistics import STATISTICS
from medad.io.core.picture import begin


def people(count: int, **facts: object) -> dict[str, list[AcquisitionFacts]]:
    """Made facts: numbers by a function of the index, words as they are."""
    numbers = {name: value for name, value in facts.items() if callable(value)}
    words = {name: str(value) for name, value in facts.items() if not callable(value)}
    return {
        f"{words}{index}": [AcquisitionFacts({name: value(index) for name, value in numbers.items()}, words)]
        for index in range(count)
    }


def test_every_fact_belongs_to_an_aspect() -> None:
    assert {*STATISTICS, *WORDS} <= set(FAMILIES)


def test_words_and_missing_numbers_tell_groups_apart() -> None:
    """A scanner and a tube voltage that only the archive states."""
    normal = people(40, mean=lambda index: index / 40, scanner="a")
    archive = people(40, mean=lambda index: index / 40, scanner="b", kvp=lambda index: 80.0 + index % 3)
    model = fit_acquisition(groups_of(normal, archive))
    scores = model.score([facts for images in (*normal.values(), *archive.values()) for facts in images])
    assert scores[:40].max() < scores[40:].min()
    assert "kvp" in model.terms.numbers
    assert model.terms.words == {"scanner": ("a", "b")}


def test_a_word_that_training_did_not_have_counts_as_none() -> None:
    model = fit_acquisition(groups_of(people(30, scanner="a"), people(30, scanner="b")))
    scores = model.score([AcquisitionFacts({}, {"scanner": word}) for word in "abc"])
    assert scores[0] < scores[2] < scores[1]


def test_without_an_archive_the_score_is_the_distance_from_the_normals() -> None:
    model = fit_acquisition(groups_of(people(50, mean=lambda index: index / 50), {}))
    near, far = model.score([AcquisitionFacts({"mean": value}, {}) for value in (0.5, 3.0)])
    assert near < far


def test_it_survives_json_and_refuses_other_lengths() -> None:
    model = fit_acquisition(groups_of(people(30, mean=lambda index: index), people(30, mean=lambda index: index + 20)))
    stored = json.loads(model.model_dump_json())
    facts = [AcquisitionFacts({"mean": 12.0}, {})]
    again = AcquisitionModel.model_validate(json.loads(json.dumps(stored)) | {"terms": stored["terms"]}, strict=False)
    assert again.score(facts) == model.score(facts)
    with pytest.raises(ValidationError, match="must have"):
        AcquisitionModel.model_validate({**stored, "weights": stored["weights"][1:]})
    with pytest.raises(ValidationError, match="greater than 0"):
        AcquisitionModel.model_validate({**stored, "scale": [0.0] * len(stored["scale"])})


def test_no_single_image_is_stored() -> None:
    """The extremes of the training images, which belong to one person each, are not among the knots."""
    normal = people(60, mean=lambda index: index / 7)
    model = fit_acquisition(groups_of(normal, {}))
    values = [facts.numbers["mean"] for images in normal.values() for facts in images]
    assert min(values) < min(model.terms.numbers["mean"])
    assert max(values) > max(model.terms.numbers["mean"])


def test_facts_of_a_volume_and_of_its_header() -> None:
    rng = np.random.default_rng(0)
    volume = rng.normal(100, 10, (1, 20, 24, 7))
    equipment = {"manufacturer": "ge", "scanner": "0123abcd", "kvp": 120.0, "portable": True, "field_strength": None}
    reading = begin("dicom", equipment=equipment, bits=[12, 16], transfer_syntax="JPEG 2000", modality="CT")
    facts = acquisition_facts(volume, reading, np.diag([0.7, 0.7, 3, 1]))
    assert facts.numbers["slices"] == 7
    assert facts.numbers["spacing"] == pytest.approx(0.7)
    assert (facts.numbers["kvp"], facts.numbers["bits"], facts.numbers["short_side"]) == (120, 12, 20)
    assert facts.words["format"] == "JPEG 2000"
    assert (facts.words["manufacturer"], facts.words["portable"]) == ("ge", "True")
    assert "field_strength" not in facts.numbers


def test_the_adjustment_pulls_down_a_score_that_rides_on_a_burned_in_frame() -> None:
    """A frame in 20 % of normals and 70 % of patients; one score sees the frame, another a lesion."""
    rng = np.random.default_rng(1)

    def drawn(count: int, share: float) -> list[AcquisitionFacts]:
        return [
            facts_of_scan(framed(scan(rng)) if framed_one else scan(rng)) for framed_one in rng.random(count) < share
        ]

    training = [
        {f"{side}{i}": [facts] for i, facts in enumerate(drawn(80, share))} for side, share in ((0, 0.2), (1, 0.5))
    ]
    model = fit_acquisition(groups_of(*training))
    test = drawn(120, 0.2) + drawn(120, 0.7)
    labels = np.repeat([0, 1], 120)
    covariate = model.score(test)
    border = np.array([facts.numbers["border_mean"] for facts in test]) + rng.normal(0, 0.05, 240)
    lesion = rng.normal(0, 1, 240) + 1.5 * labels
    aucs = {}
    for name, score in (("border", border), ("lesion", lesion)):
        adjusted = adjusted_auc(labels, score[:, None], covariate, rng=np.random.default_rng(0), resamples=200)
        aucs[name] = auc_interval(labels, score[:, None]).value, adjusted.interval
    assert aucs["border"][0] > 0.7
    assert aucs["border"][1].low < 0.5 < aucs["border"][1].high
    assert aucs["lesion"][1].value == pytest.approx(aucs["lesion"][0], abs=0.05)
    assert aucs["lesion"][1].low > 0.7
