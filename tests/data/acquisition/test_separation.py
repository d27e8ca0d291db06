"""Planted differences of the acquisition are named, and a random split of one source is called clean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from helpers.acquired import Image, coarser, facts_of_scan, framed, scan, sharpened

from medad.data.acquisition.facts import AcquisitionFacts
from medad.data.acquisition.separation import Separation, by_patient, separation
from medad.types import Study

COUNT = 50
By = dict[str, list[AcquisitionFacts]]


@pytest.fixture(scope="module")
def scans() -> list[Image]:
    rng = np.random.default_rng(0)
    return [scan(rng) for _ in range(2 * COUNT)]


def group(name: str, images: list[Image], bits: int = 8) -> By:
    return {f"{name}{index}": [facts_of_scan(image, bits)] for index, image in enumerate(images)}


def compared(first: By, second: By) -> Separation:
    found = separation(("known normals", "the archive"), first, second)
    assert found is not None
    return found


def test_a_random_split_is_called_clean(scans: list[Image]) -> None:
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(2 * COUNT)
        halves = ([scans[index] for index in part] for part in (order[:COUNT], order[COUNT:]))
        found = compared(*(group(str(number), half) for number, half in enumerate(halves)))
        assert not found.separated, found.text
        assert found.low < 0.55
        assert "acquired differently" not in found.text


@pytest.mark.parametrize(
    ("change", "aspect", "remedy"),
    [
        (coarser, "bit depth", "one bit depth"),
        (framed, "border", "crop frames"),
        (sharpened, "sharpness", "read the adjusted auc"),
    ],
)
def test_a_planted_difference_is_named(
    scans: list[Image], change: Callable[[Image], Image], aspect: str, remedy: str
) -> None:
    found = compared(group("n", scans[:COUNT]), group("u", [change(image) for image in scans[COUNT:]]))
    assert found.separated
    assert found.low > 0.9
    assert aspect in found.leading
    assert aspect == "sharpness" or found.leading[0] == aspect, "sharpening changes the noise even more"
    assert aspect in found.text
    assert "acquired differently" in found.text
    assert remedy in found.text.lower()


def test_the_bit_depth_of_the_header_is_named(scans: list[Image]) -> None:
    """Equal gray levels, but files of 16 bits in the archive: only the header says so."""
    found = compared(group("n", scans[:COUNT]), group("u", scans[COUNT:], bits=16))
    assert found.separated
    assert found.leading == ("bit depth",)


def test_few_patients_are_not_measured(scans: list[Image]) -> None:
    """Fifty images of nineteen patients say little about a source."""
    facts = [facts_of_scan(image) for image in scans[:COUNT]]
    few: By = {}
    for index, image in enumerate(facts):
        few.setdefault(str(index % 19), []).append(image)
    assert separation(("a", "b"), few, group("u", scans[COUNT:])) is None


def test_images_are_grouped_by_patient() -> None:
    from pathlib import Path

    facts = AcquisitionFacts({"mean": 0.5}, {})
    studies = [
        Study(name, (Path(name),), patient=patient)
        for name, patient in zip("abcd", ("p", "p", None, None), strict=True)
    ]
    groups = by_patient(studies, [facts, facts, facts, None])
    assert [len(images) for images in groups.values()] == [2, 1]
