"""What every dataset keeps to."""

from __future__ import annotations

from pathlib import Path

import pytest

from medad.data.transforms import PRESETS
from medad.datasets.base import Dataset, MissingDataset
from medad.datasets.layouts import LISTS, MedADLayout
from medad.registry import datasets

MADE_ON_THE_SPOT = {"demo"}
BROUGHT = [name for name in datasets.names() if name not in MADE_ON_THE_SPOT]


@pytest.mark.parametrize("name", datasets.names())
def test_is_a_dataset_with_a_title_of_its_own(name: str) -> None:
    found = datasets.get(name)
    assert isinstance(found, Dataset)
    assert found.title.strip()
    assert sum(datasets.get(other).title == found.title for other in datasets.names()) == 1


@pytest.mark.parametrize("name", datasets.names())
def test_says_what_it_is_and_where_to_get_it(name: str) -> None:
    about = datasets.get(name).about
    texts = (about.citation, about.license, about.source, about.raw_layout, about.prepared_layout, about.modality)
    assert all(text.strip() == text and text for text in texts)
    assert about.preset in PRESETS
    assert "detection" in about.tasks
    assert set(about.tasks) <= {"detection", "localization"}
    assert all(count > 0 for _, count in about.counts)


@pytest.mark.parametrize("name", BROUGHT)
def test_the_layout_that_is_told_is_the_one_that_is_looked_for(name: str) -> None:
    found = datasets.get(name)
    assert all(line.startswith(f"{found.folder}/") for line in found.about.prepared_layout.splitlines())
    assert sum(datasets.get(other).folder == found.folder for other in BROUGHT) == 1


def test_the_published_counts() -> None:
    """METHODS.md, written out a second time, in the order of the lists."""
    counts = {
        "rsna": (3851, 4000, 5012, 1000, 1000),
        "vindr": (4000, 5606, 3394, 1000, 1000),
        "cxad": (),
        "braintumor": (1000, 400, 600, 600, 600),
        "lag": (1500, 832, 900, 811, 811),
        "isic2018": (6705, 909, 603),
        "camelyon16": (5088, 1120, 1113),
        "brats2021": (4211, 828, 1948),
    }
    unlabeled = {"rsna": 4000, "vindr": 4000, "cxad": 2000, "braintumor": 1000, "lag": 1500}
    layouts = {name: found for name in datasets.names() if isinstance(found := datasets.get(name), MedADLayout)}
    assert {name: tuple(count for _, count in found.about.counts) for name, found in layouts.items()} == counts
    assert {name: found.unlabeled for name, found in layouts.items() if found.unlabeled} == unlabeled
    for found in layouts.values():
        own = [title for title in LISTS if found.unlabeled or not title.startswith("unlabeled")]
        assert [title for title, _ in found.about.counts] in (own, [])


@pytest.mark.parametrize("name", BROUGHT)
def test_a_missing_dataset_is_an_error_that_names_the_path(name: str, tmp_path: Path) -> None:
    root, out = tmp_path / "empty", tmp_path / "out"
    root.mkdir()
    with pytest.raises(MissingDataset) as raised:
        datasets.get(name).pools(root, out)
    assert str(root) in str(raised.value)
    assert datasets.get(name).title in str(raised.value)
    assert not list(root.iterdir())
    assert not out.exists()


@pytest.mark.parametrize("name", BROUGHT)
def test_without_a_data_root_the_error_says_how_to_give_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingDataset, match="--data-root"):
        datasets.get(name).pools(None, tmp_path)


@pytest.mark.parametrize("name", BROUGHT)
def test_a_data_root_that_does_not_exist(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingDataset) as raised:
        datasets.get(name).pools(tmp_path / "nowhere", tmp_path / "out")
    assert str(tmp_path / "nowhere") in str(raised.value)
