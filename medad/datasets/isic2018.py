"""ISIC 2018, task 3: dermatoscopic photographs of seven kinds of skin lesions; melanocytic nevi are normal. Color.

The benchmark's 6,705 training nevi are those of the challenge's training part, and its 909 + 603 test images are the
whole test part, so the split follows from the download. The validation part is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medad.datasets.base import About, DatasetError, Example, numbered
from medad.datasets.layouts import LISTS, MedADLayout, prepared_layout
from medad.datasets.raw_downloads import RawCase, need_folder, numbers, read_table
from medad.registry import datasets

NORMAL = "NV"
KINDS = ("MEL", NORMAL, "BCC", "AKIEC", "BKL", "DF", "VASC")
TASK = "ISIC2018_Task3_"
PARTS = {"Training": "train", "Test": "test"}
GROUPS = f"{TASK}Training_LesionGroupings.csv"
RAW = f"""{TASK}{{Training,Test}}_Input/IMAGE.jpg
{TASK}{{Training,Test}}_GroundTruth/{TASK}{{Training,Test}}_GroundTruth.csv: image,{",".join(KINDS)} (1.0 for one)
{GROUPS}: image,lesion_id,... (optional)"""


def _table(names: Sequence[str], kinds: Sequence[str]) -> str:
    """Return a table of ground truth in which each image is of one kind."""
    rows = [[name, *(f"{kind == column:.1f}" for column in KINDS)] for name, kind in zip(names, kinds, strict=True)]
    return "".join(",".join(row) + "\n" for row in [["image", *KINDS], *rows])


def _example() -> Example:
    """Return nevi and a melanoma of the training part, and nevi and other lesions of the test part."""
    training, test = numbered("ISIC_{:07d}", 13), numbered("ISIC_{:07d}", 9, start=100)
    input_paths = [f"{TASK}Training_Input/{name}.jpg" for name in training]
    test_paths = [f"{TASK}Test_Input/{name}.jpg" for name in test]
    tables = {
        "Training": _table(training, [*[NORMAL] * 12, "MEL"]),
        "Test": _table(test, [*[NORMAL] * 5, "MEL", "BCC", "AKIEC", "VASC"]),
    }
    return Example(
        normal=(*input_paths[:12], *test_paths[:5]),
        abnormal=tuple(test_paths[5:]),
        unused=(input_paths[12],),
        texts={f"{TASK}{part}_GroundTruth/{TASK}{part}_GroundTruth.csv": table for part, table in tables.items()},
    )


class ISIC2018(MedADLayout):
    """NV is normal, the other classes are abnormal.

    If the table of lesions exists, the images of a lesion stay on one side, like those of a patient.
    """

    example = _example()

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Return the nevi of the training part and all images of the test part."""
        groups = raw / GROUPS
        rows = read_table(groups, ("image", "lesion_id"), RAW) if groups.is_file() else ()
        lesions = {row["image"]: row["lesion_id"] for row in rows}
        cases = []
        for part, use in PARTS.items():
            folder = need_folder(raw / f"{TASK}{part}_Input", RAW)
            table = raw / f"{TASK}{part}_GroundTruth" / f"{TASK}{part}_GroundTruth.csv"
            for row in read_table(table, ("image", *KINDS), RAW):
                kind, name = _kind(row, table), f"{row['image']}.jpg"
                if use == "test" or kind == NORMAL:
                    attributes = (("class", kind), ("part", use))
                    label, lesion = int(kind != NORMAL), lesions.get(row["image"])
                    cases.append(RawCase(name, (folder / name,), label, lesion, attributes=attributes))
        return sorted(cases, key=lambda case: case.name)

    def own_split(self, cases: Sequence[RawCase]) -> dict[str, list[str]] | None:
        """Return the lists of the challenge's own split."""
        lists: dict[str, list[str]] = {title: [] for title in LISTS}
        for case in cases:
            lists[f"{dict(case.attributes)['part']} {'abnormal' if case.label else 'normal'}"].append(case.name)
        return lists


def _kind(row: dict[str, str], table: Path) -> str:
    marked = [kind for kind, value in zip(KINDS, numbers(row, KINDS, table), strict=False) if value == 1]
    if len(marked) != 1:
        raise DatasetError(f"{table}: {row['image']} must be of one kind, and is of {len(marked)}")
    return marked[0]


datasets.register("isic2018")(
    ISIC2018(
        About(
            title="ISIC2018",
            citation="Codella et al., Skin lesion analysis toward melanoma detection 2018, arXiv:1902.03368, 2019; "
            "Tschandl et al., The HAM10000 dataset, Scientific Data 5:180161, 2018",
            license="see the source",
            source="https://challenge.isic-archive.com/data/#2018 (task 3)",
            raw_layout=RAW,
            prepared_layout=prepared_layout("ISIC2018", unlabeled=False),
            modality="dermatoscopy",
            preset="published",
            counts=(("train normal", 6705), ("test normal", 909), ("test abnormal", 603)),
        ),
        folder="ISIC2018",
    )
)
