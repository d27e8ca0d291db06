"""VisA: photographs of 12 classes of industrial objects, split by its own table for one-class learning."""

from __future__ import annotations

from pathlib import Path

from medad.datasets.base import About, DatasetError, Example, numbered
from medad.datasets.class_benchmarks import Classes, Lists, abnormal_image, class_counts
from medad.datasets.raw_downloads import read_table
from medad.registry import datasets
from medad.types import Study

SIZES = (
    ("candle", 900, 100, 100),
    ("capsules", 542, 60, 100),
    ("cashew", 450, 50, 100),
    ("chewinggum", 453, 50, 100),
    ("fryum", 450, 50, 100),
    ("macaroni1", 900, 100, 100),
    ("macaroni2", 900, 100, 100),
    ("pcb1", 904, 100, 100),
    ("pcb2", 901, 100, 100),
    ("pcb3", 905, 101, 100),
    ("pcb4", 904, 101, 100),
    ("pipe_fryum", 450, 50, 100),
)
TABLE = Path("split_csv") / "1cls.csv"
COLUMNS = ("object", "split", "label", "image", "mask")
LAYOUT = f"""VisA/{TABLE}: {",".join(COLUMNS)} (train or test; normal or anomaly; paths below VisA)
VisA/CLASS/Data/Images/{{Normal,Anomaly}}/*.JPG
VisA/CLASS/Data/Masks/Anomaly/*.png"""


def _example() -> Example:
    """Return the files of one class."""
    normal = numbered("candle/Data/Images/Normal/{:04d}.JPG", 9)
    abnormal = numbered("candle/Data/Images/Anomaly/{:03d}.JPG", 3)
    masks = numbered("candle/Data/Masks/Anomaly/{:03d}.png", 3)
    rows = [",".join(COLUMNS)]
    rows += [f"candle,{'train' if index < 6 else 'test'},normal,{name}," for index, name in enumerate(normal)]
    rows += [f"candle,test,anomaly,{name},{mask}" for name, mask in zip(abnormal, masks, strict=True)]
    texts = {TABLE.as_posix(): "".join(f"{row}\n" for row in rows)}
    return Example(normal, abnormal, masks, texts=texts)


class VisA(Classes):
    """The split of the table 1cls.csv; every abnormal image has a mask of its pixels."""

    example = _example()

    def classes_in(self, root: Path) -> set[str]:
        """Return the classes of the table whose folders exist."""
        if not (root / TABLE).is_file():
            return set()
        named = {row["object"] for row in read_table(root / TABLE, COLUMNS, LAYOUT)}
        return {name for name in named if (root / name / "Data" / "Images").is_dir()}

    def lists(self, root: Path) -> Lists:
        """Return the studies of the chosen class, in the order of the table."""
        studies_by_list: dict[tuple[str, str], list[Study]] = {("train", "normal"): [], ("test", "normal"): []}
        studies_by_list["test", "anomaly"] = []
        for row in read_table(root / TABLE, COLUMNS, LAYOUT):
            if row["object"] != self.chosen:
                continue
            place = studies_by_list.get((row["split"], row["label"]))
            if place is None:
                raise DatasetError(f"{root / TABLE}: {row['image']} is {row['label']!r} in {row['split']!r}")
            path = root / row["image"]
            if not path.is_file():
                raise DatasetError(f"{path} is missing; {root / TABLE} names it")
            normal = row["label"] == "normal"
            place.append(
                Study(row["image"], (path,), label=0)
                if normal
                else abnormal_image(path, root / row["mask"], "anomaly", root)
            )
        train, normal_test, abnormal = (tuple(studies) for studies in studies_by_list.values())
        return train, normal_test, abnormal


datasets.register("visa")(
    VisA(
        About(
            title="VisA",
            citation="Zou et al., SPot-the-difference self-supervised pre-training for anomaly detection and "
            "segmentation, ECCV 2022",
            license="see the source",
            source="https://github.com/amazon-science/spot-diff",
            raw_layout="the download is read as it is: unpack it into VisA",
            prepared_layout=LAYOUT,
            modality="photograph",
            preset="published",
            counts=class_counts(SIZES),
            tasks=("detection", "localization"),
        ),
        folder="VisA",
        sizes=SIZES,
    )
)
