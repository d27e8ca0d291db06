"""RSNA pneumonia detection challenge: chest radiographs.

Images are named patientId.png, which has the form UUID.png of the names in the official lists. The published 5,012 +
1,000 abnormal studies are as many as stage 2 has patients of the class Lung Opacity, so the official lists may contain
only these. Here both abnormal classes are labeled abnormal; the attribute "class" distinguishes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medad.datasets.base import About, DatasetError, Example, numbered
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.datasets.raw_downloads import RawCase, need_folder, numbers, read_table
from medad.registry import datasets

NORMAL, ABNORMAL = "Normal", ("Lung Opacity", "No Lung Opacity / Not Normal")
CLASSES, LABELS, IMAGES = "stage_2_detailed_class_info.csv", "stage_2_train_labels.csv", "stage_2_train_images"
BOX = ("x", "y", "width", "height")
RAW = f"""{IMAGES}/PATIENTID.dcm
{CLASSES}: patientId,class ({NORMAL}; {"; ".join(ABNORMAL)})
{LABELS}: patientId,x,y,width,height,Target (a row for each box)"""


def _example() -> Example:
    """Return radiographs of the three classes, with a box in each opacity."""
    patients = numbered("patient{:02d}", 40)
    kinds = [*[NORMAL] * 24, *ABNORMAL * 8]
    boxes = {NORMAL: ",,,,0", ABNORMAL[0]: "5.0,8.0,10.0,20.0,1", ABNORMAL[1]: ",,,,0"}
    class_rows = [f"{patient},{kind}\n" for patient, kind in zip(patients, kinds, strict=True)]
    label_rows = [f"{patient},{boxes[kind]}\n" for patient, kind in zip(patients, kinds, strict=True)]
    paths = tuple(f"{IMAGES}/{patient}.dcm" for patient in patients)
    return Example(
        normal=paths[:24],
        abnormal=paths[24:],
        texts={
            CLASSES: "".join(["patientId,class\n", *class_rows]),
            LABELS: "".join([f"patientId,{','.join(BOX)},Target\n", *label_rows]),
        },
    )


class RSNA(MedADLayout):
    """Normal is normal; Lung Opacity and No Lung Opacity / Not Normal are abnormal; boxes mark the opacities."""

    example = _example()

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Return a case for each patient of the class table, with the boxes of all its rows in the table of labels."""
        classes: dict[str, str] = {}
        for row in read_table(raw / CLASSES, ("patientId", "class"), RAW):
            if row["class"] != NORMAL and row["class"] not in ABNORMAL:
                raise DatasetError(f"{raw / CLASSES}: unknown class {row['class']!r}; known: {NORMAL}, {ABNORMAL}")
            if classes.setdefault(row["patientId"], row["class"]) != row["class"]:
                raise DatasetError(f"{raw / CLASSES}: {row['patientId']} has two classes")
        boxes: dict[str, list[tuple[float, ...]]] = {}
        for row in read_table(raw / LABELS, ("patientId", *BOX, "Target"), RAW):
            box = numbers(row, BOX, raw / LABELS)
            boxes.setdefault(row["patientId"], []).extend([box] if box else [])
        if boxes.keys() != classes.keys():
            lone = sorted(boxes.keys() ^ classes.keys())
            raise DatasetError(f"{raw}: {len(lone)} patients are in one of the two tables only, first {lone[0]}")
        folder = need_folder(raw / IMAGES, RAW)
        return [
            RawCase(
                f"{patient}.png",
                (folder / f"{patient}.dcm",),
                int(kind != NORMAL),
                patient,
                tuple((x, y, width, height) for x, y, width, height in boxes[patient]),
                attributes=(("class", kind),),
            )
            for patient, kind in sorted(classes.items())
        ]


datasets.register("rsna")(
    RSNA(
        About(
            title="RSNA",
            citation="Shih et al., Augmenting the National Institutes of Health chest radiograph dataset with expert "
            "annotations of possible pneumonia, Radiology: Artificial Intelligence 2019",
            license="see the rules of the challenge at the source",
            source="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data (stage 2)",
            raw_layout=RAW,
            prepared_layout=prepared_layout("RSNA"),
            modality="chest X-ray",
            preset="cxr",
            counts=(
                ("train normal", 3851),
                ("unlabeled normal", 4000),
                ("unlabeled abnormal", 5012),
                ("test normal", 1000),
                ("test abnormal", 1000),
            ),
        ),
        folder="RSNA",
        unlabeled=4000,
        digests=("4c3f927c358d", "781cea398040", "ed28e0f9438f", "c2d4756867a1", "573565a7ae05"),
    )
)
