"""Benchmarks with one dataset for each class, in FOLDER/CLASS, read as published and named "NAME:CLASS"."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medad.datasets.base import COUNTED, CUSTOM, About, Dataset, DatasetError, MissingDataset
from medad.datasets.raw_downloads import images_in
from medad.registry import datasets
from medad.splits import Pools
from medad.types import Study

GOOD = "good"
Lists = tuple[tuple[Study, ...], tuple[Study, ...], tuple[Study, ...]]


@dataclass(frozen=True)
class Classes(Dataset):
    """A benchmark with classes.

    ``sizes`` are the published (class, train normal, test normal, test abnormal). ``chosen`` is one class, or "" for
    all of them. There are no digests of these benchmarks: a split is recognized by its counts alone.
    """

    about: About
    folder: str
    sizes: tuple[tuple[str, int, int, int], ...]
    chosen: str = ""

    @abstractmethod
    def classes_in(self, root: Path) -> set[str]:
        """Return the classes that exist below ``root``."""

    @abstractmethod
    def lists(self, root: Path) -> Lists:
        """Return training normals, test normals and test abnormals of the chosen class, whose folder must exist."""

    def parts(self, data_root: Path | None) -> list[str]:
        """Return the existing classes: the published ones first in their order, then others by name."""
        present = self.classes_in(data_root / self.folder) if data_root and not self.chosen else set()
        published = [name for name, *_ in self.sizes if name in present]
        return [*published, *sorted(present - set(published))]

    def part(self, name: str) -> Dataset:
        """Return the dataset of the class ``name``. Raises DatasetError if that is not a class name."""
        if not name or Path(name).name != name:
            raise DatasetError(f"{self.title}: {name!r} is no name of a class")
        sizes = [size for size in self.sizes if size[0] == name]
        about = replace(self.about, title=f"{self.title}, {name}", counts=class_counts(sizes) if sizes else ())
        return replace(self, about=about, chosen=name)

    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """Return the studies of the chosen class; the unlabeled pools are empty.

        Raises:
            MissingDataset: the class does not exist below ``data_root``.
            DatasetError: no class is chosen, or its files are incomplete.
        """
        if data_root is None:
            raise MissingDataset(f"{self.title}: say where the data lie: --data-root DIR, for DIR/{self.folder}/CLASS")
        there = replace(self, chosen="").parts(data_root)
        if not there or self.chosen not in ("", *there):
            expected = data_root / self.folder / (self.chosen or "CLASS")
            raise MissingDataset(
                f"{self.title}: expected {expected}, as in:\n{self.about.prepared_layout}\nThere are: "
                f"{', '.join(there) or 'none'}; check --data-root, or get it: {self.about.source}"
            )
        if not self.chosen:
            raise DatasetError(f"{self.title} is one dataset for each class: add ':' and one of {', '.join(there)}")
        normal, test_normal, test_abnormal = self.lists(data_root / self.folder)
        sizes = tuple(size for _, size in self.about.counts)
        kind = COUNTED if sizes == (len(normal), len(test_normal), len(test_abnormal)) else CUSTOM
        return Pools(normal, (), (), test_normal, test_abnormal, kind=kind)


class DefectFolders(Classes):
    """A benchmark whose folder names are the labels, as in MVTec AD.

    CLASS/train/good holds normal images. An image below CLASS/test is abnormal unless its folder is "good", and has a
    mask of its pixels.
    """

    def images(self, folder: Path) -> Path:
        """Return where the images of ``folder``, such as train/good or a folder of defects, are."""
        return folder

    @abstractmethod
    def mask(self, defect: Path, image: Path) -> Path:
        """Return the path of the mask of an image in ``defect``, a folder below CLASS/test."""

    def classes_in(self, root: Path) -> set[str]:
        """Return the names of the folders with normal training images."""
        return {folder.name for folder in folders_in(root) if self.images(folder / "train" / GOOD).is_dir()}

    def lists(self, root: Path) -> Lists:
        """Return the published training and test images of the chosen class."""
        home = root / self.chosen
        abnormal = tuple(
            abnormal_image(path, self.mask(defect, path), defect.name, home)
            for defect in folders_in(home / "test")
            if defect.name != GOOD
            for path in images_in(self.images(defect))
        )
        normal = [normal_images(self.images(home / part / GOOD), home) for part in ("train", "test")]
        return normal[0], normal[1], abnormal


def class_counts(sizes: Sequence[tuple[str, int, int, int]]) -> tuple[tuple[str, int], ...]:
    """Return the published counts, summed over the classes."""
    uses = ("train normal", "test normal", "test abnormal")
    return tuple(zip(uses, (sum(column) for column in zip(*(size[1:] for size in sizes), strict=True)), strict=True))


def folders_in(path: Path) -> list[Path]:
    """Return the visible folders in ``path``, sorted by name; an empty list if ``path`` is not a folder."""
    if not path.is_dir():
        return []
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def normal_images(folder: Path, root: Path) -> tuple[Study, ...]:
    """Return the images in ``folder`` as normal studies, named by their paths below ``root``. Raises DatasetError."""
    if not folder.is_dir() or not images_in(folder):
        raise DatasetError(f"{folder}: there are no images")
    return tuple(Study(path.relative_to(root).as_posix(), (path,), label=0) for path in images_in(folder))


def abnormal_image(path: Path, mask: Path, defect: str, root: Path) -> Study:
    """Return an image of a defect as an abnormal study. Raises DatasetError if its mask is missing."""
    if not mask.is_file():
        raise DatasetError(f"{mask} is missing: the mask of {path}")
    return Study(path.relative_to(root).as_posix(), (path,), None, 1, mask, "pixels", (("defect", defect),))


def expand(names: Iterable[str], data_root: Path | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Replace each name of a benchmark with classes by "NAME:CLASS" for every existing class.

    Returns:
        The expanded names; and by name a sentence on missing published classes, for benchmarks that are incomplete.
    """
    expanded, missing = [], {}
    for name in names:
        whole = datasets.get(name)
        parts = whole.parts(data_root)
        expanded += [f"{name}:{part}" for part in parts] or [name]
        absent = [part for part, *_ in whole.sizes if part not in parts] if parts else []
        if absent:
            missing[name] = f"{len(absent)} published classes of {whole.title} are not there: {', '.join(absent)}"
    return tuple(expanded), missing
