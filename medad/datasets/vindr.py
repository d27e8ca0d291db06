"""VinDr-CXR, as the VinBigData challenge published its training part: chest radiographs, three readers for each.

An image is normal if every reader says "No finding", and abnormal if any reader marks a finding. The publications of
DDAD give no rule for readers who disagree; their 10,606 normal and 4,394 abnormal studies are all 15,000 images of the
challenge. Images are named image_id.png, which has the form of the names in the official lists (32 hex digits).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medad.datasets.base import About, DatasetError, Example, numbered
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.datasets.raw_downloads import RawCase, need_folder, numbers, read_table
from medad.registry import datasets

NOTHING = "No finding"
CORNERS = ("x_min", "y_min", "x_max", "y_max")
RAW = f"""train/IMAGE_ID.dicom
train.csv: image_id,class_name,class_id,rad_id,{",".join(CORNERS)} (a row for each box of each reader; "{NOTHING}")"""
Box = tuple[float, float, float, float]


def _example() -> Example:
    """Return radiographs in which nobody finds anything, and ones in which one of two readers marks a box."""
    images = numbered("{:032x}", 40)
    rows = [f"{image},{NOTHING},14,R8,,,,\n" for image in images]
    rows += [f"{image},{NOTHING},14,R9,,,,\n" for image in images[:24]]
    rows += [f"{image},Cardiomegaly,3,R9,6,20,30,40\n" for image in images[24:]]
    paths = tuple(f"train/{image}.dicom" for image in images)
    heading = f"image_id,class_name,class_id,rad_id,{','.join(CORNERS)}\n"
    return Example(normal=paths[:24], abnormal=paths[24:], texts={"train.csv": "".join([heading, *rows])})


class VinDr(MedADLayout):
    """An image is normal if all readers say "No finding"; its boxes are those of all readers."""

    example = _example()

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Return a case for each image of train.csv with the boxes of its readers, but not the classes of findings."""
        boxes: dict[str, list[Box]] = {}
        abnormal: set[str] = set()
        for row in read_table(raw / "train.csv", ("image_id", "class_name", "rad_id", *CORNERS), RAW):
            marked = boxes.setdefault(row["image_id"], [])
            if row["class_name"] == NOTHING:
                continue
            abnormal.add(row["image_id"])
            corners = numbers(row, CORNERS, raw / "train.csv")
            if corners:
                left_edge, top, right, bottom = corners
                if right <= left_edge or bottom <= top:
                    raise DatasetError(f"{raw / 'train.csv'}: {row['image_id']}: box {corners} has no area")
                marked.append((left_edge, top, right - left_edge, bottom - top))
        folder = need_folder(raw / "train", RAW)
        return [
            RawCase(f"{name}.png", (folder / f"{name}.dicom",), int(name in abnormal), boxes=tuple(boxes[name]))
            for name in sorted(boxes)
        ]


datasets.register("vindr")(
    VinDr(
        About(
            title="VinDr-CXR",
            citation="Nguyen et al., VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations, "
            "Scientific Data 9:429, 2022",
            license="see the rules of the challenge at the source",
            source="https://www.kaggle.com/c/vinbigdata-chest-xray-abnormalities-detection/data",
            raw_layout=RAW,
            prepared_layout=prepared_layout("VinCXR"),
            modality="chest X-ray",
            preset="cxr",
            counts=(
                ("train normal", 4000),
                ("unlabeled normal", 5606),
                ("unlabeled abnormal", 3394),
                ("test normal", 1000),
                ("test abnormal", 1000),
            ),
        ),
        folder="VinCXR",
        unlabeled=4000,
        digests=("03ac304b17ff", "3cbd3863d806", "ec77a715e4a4", "75cdf7db411b", "2bb9ab5aa9a1"),
    )
)
