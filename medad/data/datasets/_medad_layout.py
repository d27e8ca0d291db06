"""Datasets in the published "Med-AD" layout: FOLDER/images/* and FOLDER/data.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medad.data.datasets._dataset import Dataset, DatasetError, MissingDataset
from medad.data.splits import Pools, name_digest
from medad.types import Study

# The five lists of data.json and the label of the studies in each.
LISTS = {
    "train normal": (("train", "0"), 0),
    "unlabeled normal": (("train", "unlabeled", "0"), 0),
    "unlabeled abnormal": (("train", "unlabeled", "1"), 1),
    "test normal": (("test", "0"), 0),
    "test abnormal": (("test", "1"), 1),
}


@dataclass(frozen=True)
class MedADLayout(Dataset):
    """``digests`` recognize the official lists, in the order of LISTS; ``unlabeled`` is the published size of D_u."""

    title: str
    folder: str
    unlabeled: int
    digests: tuple[str, ...] = field(default=())

    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """The five lists of ``data_root``/FOLDER/data.json as studies."""
        if data_root is None:
            raise MissingDataset(
                f"{self.title}: say where the data lie: --data-root DIR, for DIR/{self.folder}/data.json"
            )
        root = data_root / self.folder
        if not (root / "data.json").is_file():
            raise MissingDataset(
                f"{self.title}: expected {root / 'data.json'} and {root / 'images'}; check --data-root, or download it"
            )
        names = self._names(root / "data.json")
        self._check(root, names)
        official = tuple(name_digest(listed) for listed in names.values()) == self.digests
        studies = {
            title: tuple(Study(name, (root / "images" / name,), label=label) for name in names[title])
            for title, (_, label) in LISTS.items()
        }
        kind = "official" if official else "custom split"
        return Pools(*studies.values(), kind=kind, published_unlabeled=self.unlabeled)

    def _names(self, path: Path) -> dict[str, list[str]]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path}: not valid JSON: {error}") from None
        return {title: self._list(path, content, keys) for title, (keys, _) in LISTS.items()}

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
        seen: dict[str, str] = {}
        for title, listed in names.items():
            for name in listed:
                if name in seen:
                    raise DatasetError(f"{root / 'data.json'}: {name!r} is in {seen[name]!r} and in {title!r}")
                seen[name] = title
        missing = [name for name in seen if not (root / "images" / name).is_file()]
        if missing:
            raise DatasetError(
                f"{root / 'images'}: {len(missing)} of {len(seen)} listed files are missing, first {missing[0]!r}"
            )
