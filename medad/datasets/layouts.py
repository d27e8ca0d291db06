"""Datasets in the published "Med-AD" layout: ``FOLDER/images`` and ``FOLDER/data.json``; the rest is in prepared.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medad.datasets.base import COUNTED, CUSTOM, OFFICIAL, About, Dataset, DatasetError, MissingDataset
from medad.datasets.prepared import CASES, IMAGES, LISTED, MASKS, MaskKind, PreparedCase, mask_of, read_cases
from medad.datasets.raw_downloads import RawCase
from medad.parsing import ParseError, read_json
from medad.splits import Pools, name_digest
from medad.types import Study

# The five lists of data.json and the label of the studies in each.
LISTS = {
    "train normal": (("train", "0"), 0),
    "unlabeled normal": (("train", "unlabeled", "0"), 0),
    "unlabeled abnormal": (("train", "unlabeled", "1"), 1),
    "test normal": (("test", "0"), 0),
    "test abnormal": (("test", "1"), 1),
}


def prepared_layout(folder: str, *, unlabeled: bool = True, masks: bool = False) -> str:
    """Return the expected files below the data root as text; ``masks`` says that masks are required."""
    pool = ', "unlabeled": {"0": [...], "1": [...]}' if unlabeled else ""
    optional = "of every abnormal test image" if masks else "optional"
    return (
        f"{folder}/{IMAGES}/NAME\n"
        f'{folder}/{LISTED}: {{"train": {{"0": [...]{pool}}}, "test": {{"0": [...], "1": [...]}}}}\n'
        f"{folder}/{MASKS}/STEM.png ({optional}; not 0 where the image is abnormal)\n"
        f"{folder}/{CASES} (optional: name,patient,label,mask_kind,attr:...)"
    )


@dataclass(frozen=True)
class MedADLayout(Dataset):
    """A dataset in the Med-AD layout.

    ``digests`` identify the official lists, in the order of LISTS; without them, only the counts are compared.
    ``unlabeled`` is the published size of the unlabeled set, or None for a dataset that was published without one: its
    data.json may omit "unlabeled".
    """

    about: About
    folder: str
    unlabeled: int | None = None
    digests: tuple[str, ...] = field(default=())

    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """Return the five lists of ``data_root``/FOLDER/data.json as studies.

        Raises:
            MissingDataset: the folder has no data.json.
            DatasetError: the lists, images, masks or cases.csv are incomplete or contradictory.
        """
        if data_root is None:
            raise MissingDataset(
                f"{self.title}: say where the data lie: --data-root DIR, for DIR/{self.folder}/{LISTED}"
            )
        root = data_root / self.folder
        if not (root / LISTED).is_file():
            raise MissingDataset(
                f"{self.title}: expected {root / LISTED} and {root / IMAGES}; check --data-root, or get it: "
                f"{self.about.source}"
            )
        names = self.names(root / LISTED)
        self._check(root, names)
        cases = read_cases(root)
        studies = [
            tuple(_study(root, name, label, cases.get(name)) for name in names[title])
            for title, (_, label) in LISTS.items()
        ]
        if "localization" in self.about.tasks:
            _check_masks(root, studies[-1])
        _check_patients(root, [*studies[0], *studies[1], *studies[2]], [*studies[3], *studies[4]])
        return Pools(*studies, kind=self.kind(names), published_unlabeled=self.unlabeled)

    def kind(self, names: Mapping[str, list[str]]) -> str:
        """Return OFFICIAL for the published lists, COUNTED if only their counts are known and equal, else CUSTOM."""
        if self.official(names):
            return OFFICIAL
        lengths = {title: len(listed) for title, listed in names.items() if listed}
        return COUNTED if not self.digests and lengths == dict(self.about.counts) else CUSTOM

    def official(self, names: Mapping[str, list[str]]) -> bool:
        """Return whether the digests of these lists are those of the published lists."""
        return tuple(name_digest(listed) for listed in names.values()) == self.digests

    def own_split(self, cases: Sequence[RawCase]) -> dict[str, list[str]] | None:
        """Return the lists if the raw download defines training and test itself, else None."""
        return None

    def names(self, path: Path) -> dict[str, list[str]]:
        """Return the lists of a data.json, in the order of LISTS. Raises DatasetError."""
        try:
            content = read_json(path)
        except ParseError as error:
            raise DatasetError(str(error)) from None
        train = content.get("train") if isinstance(content, dict) else None
        without = self.unlabeled is None and isinstance(train, dict) and "unlabeled" not in train
        return {
            title: [] if without and "unlabeled" in keys else self._list(path, content, keys)
            for title, (keys, _) in LISTS.items()
        }

    @staticmethod
    def _list(path: Path, content: Any, keys: tuple[str, ...]) -> list[str]:
        for depth, key in enumerate(keys):
            if not isinstance(content, dict) or key not in content:
                where = ".".join(keys[: depth + 1])
                raise DatasetError(
                    f'{path}: no "{where}"; the layout is {{"train": {{"0": [...], "unlabeled": {{"0": [...], '
                    '"1": [...]}}, "test": {"0": [...], "1": [...]}}'
                )
            content = content[key]
        if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
            raise DatasetError(f'{path}: "{".".join(keys)}" must be a list of file names')
        return content

    def _check(self, root: Path, names: dict[str, list[str]]) -> None:
        title_of: dict[str, str] = {}
        for title, listed in names.items():
            for name in listed:
                if name in title_of:
                    raise DatasetError(f"{root / LISTED}: {name!r} is in {title_of[name]!r} and in {title!r}")
                title_of[name] = title
        missing = [name for name in title_of if not (root / IMAGES / name).is_file()]
        if missing:
            raise DatasetError(
                f"{root / IMAGES}: {len(missing)} of {len(title_of)} listed files are missing, first {missing[0]!r}"
            )


def _check_masks(root: Path, abnormal: Sequence[Study]) -> None:
    without = [study.id for study in abnormal if study.mask is None]
    if without:
        raise DatasetError(
            f"{root / MASKS}: {len(without)} of {len(abnormal)} abnormal test images have no mask there, first "
            f"{mask_of(root, without[0]).name!r}"
        )


def _check_patients(root: Path, training: Sequence[Study], test: Sequence[Study]) -> None:
    learned = {study.patient: study.id for study in training if study.patient}
    shared = [(learned[study.patient], study.id) for study in test if study.patient in learned]
    if shared:
        raise DatasetError(
            f"{root / LISTED}: {len(shared)} test images are of patients who are in training too, first "
            f"{shared[0][1]!r}, of the patient of {shared[0][0]!r}; each must be on one side only"
        )


def _study(root: Path, name: str, label: int, case: PreparedCase | None) -> Study:
    """Return a listed image with its row of cases.csv; without a row, an existing mask counts as a mask of pixels."""
    mask = mask_of(root, name)
    kind: MaskKind | None = case.mask_kind if case else "pixels"
    if case and kind and not mask.is_file():
        raise DatasetError(f"{mask} is missing; {root / CASES} says that {name!r} has a mask")
    marked = mask if kind and mask.is_file() else None
    patient, attributes = (case.patient, case.attributes) if case else (None, ())
    return Study(name, (root / IMAGES / name,), patient, label, marked, kind or "pixels", attributes)
