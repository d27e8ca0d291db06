"""The files of a dataset in miniature, made from what the dataset says about itself, and the checks on what it reads.

A dataset with a raw parser, or with a layout of its own, declares an example; one in the Med-AD layout needs none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from helpers import raw_downloads
from helpers.making import gray_image, write_dicom, write_med_ad
from PIL import Image

from medad.data.prepare.prepare import prepare
from medad.datasets.base import Dataset, Example
from medad.datasets.class_benchmarks import Classes
from medad.datasets.layouts import MedADLayout
from medad.datasets.prepared import mask_of
from medad.registry import datasets
from medad.splits import Pools


def has_parser(name: str) -> bool:
    """Whether the dataset parses a raw download."""
    return type(datasets.get(name)).raw_cases is not Dataset.raw_cases


def write_example(name: str, folder: Path) -> Example:
    """Write the files that the dataset declares; masks mark a square, and abnormal images have a brighter one."""
    example: Example | None = datasets.get(name).example
    assert example is not None, f"{name} parses files: declare an Example of them in the class of the dataset"
    rng = np.random.default_rng(0)
    for label, paths in enumerate(((*example.normal, *example.unused), example.abnormal)):
        for path in paths:
            _write_image(folder / path, gray_image(rng, bool(label)))
    for path in example.masks:
        raw_downloads.save(folder / path, raw_downloads.square())
    for path, text in example.texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return example


def _write_image(path: Path, image: np.ndarray) -> None:
    if path.suffix.lower() in (".dcm", ".dicom"):
        write_dicom(path, image, Modality="CR")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def write_data(name: str, root: Path, raw: Path) -> None:
    """Write the dataset below the data root; prepare a raw download, made in ``raw``, as 'medad data prepare' does."""
    dataset = datasets.get(name)
    if has_parser(name):
        write_example(name, raw)
        prepare(name, raw, root, workers=1)
    elif isinstance(dataset, MedADLayout):
        write_layout(dataset, root)
    else:
        write_example(name, root / dataset.folder)


def write_layout(dataset: MedADLayout, root: Path) -> None:
    """Write a folder in the Med-AD layout: with an unlabeled pool or masks only where the dataset has them."""
    pooled = dataset.unlabeled is not None
    home = write_med_ad(root, dataset.folder, (5, 5, 5, 3, 3) if pooled else (6, 0, 0, 3, 3))
    content = json.loads((home / "data.json").read_text())
    if not pooled:
        del content["train"]["unlabeled"]
        (home / "data.json").write_text(json.dumps(content))
    if "localization" in dataset.about.tasks:
        for name in content["test"]["1"]:
            raw_downloads.save(mask_of(home, name), raw_downloads.square())


def check_cases(name: str, folder: Path) -> None:
    """Check that the parser finds the images of the example in ``folder``, with their labels and masks, in order."""
    dataset, example = datasets.get(name), write_example(name, folder)
    cases = dataset.raw_cases(folder)
    assert [case.name for case in cases] == sorted({case.name for case in cases})
    for label, paths in enumerate((example.normal, example.abnormal)):
        assert _paths(path for case in cases if case.label == label for path in case.files) == sorted(
            str(folder / path) for path in paths
        )
    masks = [folder / path for path in example.masks]
    mask_by_image = dict(zip((folder / path for path in example.abnormal), masks, strict=True)) if masks else {}
    assert {case.files[0]: case.mask for case in cases if case.mask} == mask_by_image
    assert list(dataset.raw_cases(folder)) == list(cases)


def check_classes(name: str, root: Path) -> None:
    """Check that a benchmark with classes reads its example below ``root`` as one dataset for its class."""
    dataset = datasets.get(name)
    assert isinstance(dataset, Classes)
    example, home = dataset.example, root / dataset.folder
    assert example is not None
    (part,) = dataset.parts(root)
    pools: Pools = datasets.get(f"{name}:{part}").pools(root, root)
    images = ((*pools.normal, *pools.test_normal), pools.test_abnormal)
    for label, (studies, paths) in enumerate(zip(images, (example.normal, example.abnormal), strict=True)):
        assert {study.label for study in studies} == {label}
        assert _paths(file for study in studies for file in study.files) == sorted(str(home / path) for path in paths)
    assert _paths(study.mask for study in pools.test_abnormal if study.mask) == sorted(
        str(home / path) for path in example.masks
    )


def check_pools(name: str, root: Path) -> None:
    """Check that the dataset's folder below ``root`` has training and test studies, all with files, each once."""
    pools: Pools = datasets.get(name).pools(root, root)
    by_label = (
        (*pools.normal, *pools.unlabeled_normal, *pools.test_normal),
        (*pools.unlabeled_abnormal, *pools.test_abnormal),
    )
    for label, studies in enumerate(by_label):
        assert {study.label for study in studies} == {label}
        assert all(path.is_file() for study in studies for path in study.files)
    assert len({study.id for studies in by_label for study in studies}) == sum(map(len, by_label))
    assert pools.normal
    assert pools.untestable() is None
    if "localization" in datasets.get(name).about.tasks:
        assert all(study.mask and study.mask.is_file() for study in pools.test_abnormal)


def _paths(paths: Iterable[Path]) -> list[str]:
    return sorted(map(str, paths))
