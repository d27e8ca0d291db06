"""What every dataset keeps to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.dataset_files import check_cases, check_classes, check_pools, has_parser, write_data

from medad.data.transforms import PRESETS
from medad.datasets.base import About, Dataset, DatasetError, Example, MissingDataset, numbered
from medad.datasets.class_benchmarks import Classes
from medad.datasets.layouts import LISTS, MedADLayout, prepared_layout
from medad.datasets.raw_downloads import RawCase, images_in, need_folder
from medad.registry import datasets

BROUGHT = [name for name in datasets.names() if not datasets.get(name).generated]
PARSED = [name for name in BROUGHT if has_parser(name)]
LAYOUTS = [name for name in BROUGHT if isinstance(datasets.get(name), MedADLayout)]


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


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_counts_are_of_the_lists_that_were_published(name: str) -> None:
    dataset = datasets.get(name)
    lists = [title for title in LISTS if dataset.unlabeled or not title.startswith("unlabeled")]
    assert [title for title, _ in dataset.about.counts] in (lists, [])


@pytest.mark.parametrize(
    ("name", "counts", "unlabeled"),
    [
        ("rsna", (3851, 4000, 5012, 1000, 1000), 4000),
        ("vindr", (4000, 5606, 3394, 1000, 1000), 4000),
        ("cxad", (), 2000),
        ("braintumor", (1000, 400, 600, 600, 600), 1000),
        ("lag", (1500, 832, 900, 811, 811), 1500),
        ("isic2018", (6705, 909, 603), None),
        ("camelyon16", (5088, 1120, 1113), None),
        ("brats2021", (4211, 828, 1948), None),
    ],
)
def test_the_published_counts(name: str, counts: tuple[int, ...], unlabeled: int | None) -> None:
    """The counts of the publications of DDAD and MedIAnomaly, written out a second time, in the order of the lists."""
    dataset = datasets.get(name)
    assert tuple(count for _, count in dataset.about.counts) == counts
    assert dataset.unlabeled == unlabeled


@pytest.mark.parametrize("name", PARSED)
def test_the_parser_finds_the_cases_of_the_example(name: str, tmp_path: Path) -> None:
    check_cases(name, tmp_path)


@pytest.mark.parametrize("name", PARSED)
def test_an_empty_folder_is_answered_with_the_layout(name: str, tmp_path: Path) -> None:
    dataset = datasets.get(name)
    with pytest.raises(DatasetError) as raised:
        dataset.raw_cases(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert dataset.about.raw_layout in str(raised.value)


@pytest.mark.parametrize("name", sorted(set(datasets.names()) - set(PARSED)))
def test_a_dataset_without_a_parser_says_what_to_do_instead(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is nothing to prepare") as raised:
        datasets.get(name).raw_cases(tmp_path)
    assert datasets.get(name).about.raw_layout in str(raised.value)


@pytest.mark.parametrize("name", BROUGHT)
def test_a_miniature_is_read(name: str, tmp_path: Path) -> None:
    write_data(name, tmp_path / "data", tmp_path / "raw")
    if isinstance(datasets.get(name), Classes):
        check_classes(name, tmp_path / "data")
    else:
        check_pools(name, tmp_path / "data")


class ByFolder(MedADLayout):
    """A dataset of a test: normal and abnormal images in a folder each, with masks."""

    example = Example(
        normal=numbered("healthy/{:02d}.png", 12),
        abnormal=numbered("ill/{:02d}.png", 12, start=50),
        masks=numbered("marked/{:02d}.png", 12, start=50),
    )

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        folders = [need_folder(raw / name, self.about.raw_layout) for name in ("healthy", "ill")]
        cases = [
            RawCase(path.name, (path,), label) for label, folder in enumerate(folders) for path in images_in(folder)
        ]
        return [replace(case, mask=raw / "marked" / case.name) if case.label else case for case in cases]


class Mislabeled(ByFolder):
    """Takes an abnormal image for a normal one."""

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        cases = super().raw_cases(raw)
        return [*cases[:-1], replace(cases[-1], label=0, mask=None)]


class Maskless(ByFolder):
    """Forgets the masks."""

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        return [replace(case, mask=None) for case in super().raw_cases(raw)]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[MedADLayout]], str]:
    """Register a dataset as its one file would, until the test ends."""

    def add(kind: type[MedADLayout]) -> str:
        counts = tuple((title, 6) for title in LISTS)
        texts = ("New", "a citation", "a license", "a source", "healthy/ and ill/", prepared_layout("New"), "MR")
        about = About(*texts, "mr", counts, ("detection", "localization"))
        monkeypatch.setitem(datasets._things, "new", kind(about, "New", unlabeled=4))
        return "new"

    return add


@pytest.mark.parametrize("kind", [ByFolder, MedADLayout])
def test_a_new_dataset_is_tested_with_no_other_file_edited(
    kind: type[MedADLayout], register: Callable[[type[MedADLayout]], str], tmp_path: Path
) -> None:
    """The registry names it, so that every test above runs on it; what they need comes from the dataset."""
    name = register(kind)
    assert name in datasets.names()
    assert has_parser(name) == (kind is ByFolder)
    if kind is ByFolder:
        test_the_parser_finds_the_cases_of_the_example(name, tmp_path / "cases")
        (tmp_path / "empty").mkdir()
        test_an_empty_folder_is_answered_with_the_layout(name, tmp_path / "empty")
    test_a_miniature_is_read(name, tmp_path)
    test_says_what_it_is_and_where_to_get_it(name)


@pytest.mark.parametrize("kind", [Mislabeled, Maskless])
def test_a_new_dataset_with_a_wrong_parser_fails(
    kind: type[MedADLayout], register: Callable[[type[MedADLayout]], str], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError):
        check_cases(register(kind), tmp_path)


def test_a_parser_without_an_example_is_told_to_declare_one(
    register: Callable[[type[MedADLayout]], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ByFolder, "example", None)
    with pytest.raises(AssertionError, match="new parses files: declare an Example"):
        check_cases(register(ByFolder), tmp_path)


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
