"""MVTec AD: photographs of industrial objects and textures, 15 classes, with masks for pixel metrics."""

from __future__ import annotations

from pathlib import Path

from medad.datasets.base import About
from medad.datasets.class_benchmarks import (
    GOOD,
    Classes,
    Lists,
    abnormal_image,
    class_counts,
    folders_in,
    normal_images,
)
from medad.datasets.raw_downloads import images_in
from medad.registry import datasets

SIZES = (
    ("bottle", 209, 20, 63),
    ("cable", 224, 58, 92),
    ("capsule", 219, 23, 109),
    ("carpet", 280, 28, 89),
    ("grid", 264, 21, 57),
    ("hazelnut", 391, 40, 70),
    ("leather", 245, 32, 92),
    ("metal_nut", 220, 22, 93),
    ("pill", 267, 26, 141),
    ("screw", 320, 41, 119),
    ("tile", 230, 33, 84),
    ("toothbrush", 60, 12, 30),
    ("transistor", 213, 60, 40),
    ("wood", 247, 19, 60),
    ("zipper", 240, 32, 119),
)
LAYOUT = """MVTecAD/CLASS/train/good/*.png
MVTecAD/CLASS/test/{good,DEFECT}/*.png
MVTecAD/CLASS/ground_truth/DEFECT/NAME_mask.png"""


class MVTecAD(Classes):
    """train/good is normal; a test image is abnormal unless its folder is "good", and has a mask of its pixels."""

    def classes_in(self, root: Path) -> set[str]:
        """Return the names of the folders with a train/good."""
        return {folder.name for folder in folders_in(root) if (folder / "train" / GOOD).is_dir()}

    def lists(self, root: Path) -> Lists:
        """Return the published split of the chosen class."""
        home = root / self.chosen
        abnormal = tuple(
            abnormal_image(path, home / "ground_truth" / defect.name / f"{path.stem}_mask.png", defect.name, home)
            for defect in folders_in(home / "test")
            if defect.name != GOOD
            for path in images_in(defect)
        )
        return normal_images(home / "train" / GOOD, home), normal_images(home / "test" / GOOD, home), abnormal


datasets.register("mvtec")(
    MVTecAD(
        About(
            title="MVTec AD",
            citation="Bergmann et al., MVTec AD: A comprehensive real-world dataset for unsupervised anomaly "
            "detection, CVPR 2019; International Journal of Computer Vision 129, 2021",
            license="CC BY-NC-SA 4.0 (not for commercial use)",
            source="https://www.mvtec.com/company/research/datasets/mvtec-ad",
            raw_layout="the download is read as it is: unpack it into MVTecAD",
            prepared_layout=LAYOUT,
            modality="photograph",
            preset="published",
            counts=class_counts(SIZES),
            tasks=("detection", "localization"),
        ),
        folder="MVTecAD",
        sizes=SIZES,
    )
)
