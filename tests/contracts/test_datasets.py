"""What every dataset keeps to."""

from __future__ import annotations

from pathlib import Path

import pytest

from medad.data.datasets._dataset import Dataset, MissingDataset
from medad.registry import datasets

MADE_ON_THE_SPOT = {"demo"}
BROUGHT = [name for name in datasets.names() if name not in MADE_ON_THE_SPOT]


@pytest.mark.parametrize("name", datasets.names())
def test_is_a_dataset_with_a_title_of_its_own(name: str) -> None:
    found = datasets.get(name)
    assert isinstance(found, Dataset)
    assert found.title.strip()
    assert sum(datasets.get(other).title == found.title for other in datasets.names()) == 1


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
