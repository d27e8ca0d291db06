"""MVTec 3D-AD: 10 classes of industrial objects; its color photographs, without the 3-D scans.

The normal images of the validation part are not used.
"""

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
    ("bagel", 244, 22, 88),
    ("cable_gland", 223, 21, 87),
    ("carrot", 286, 27, 132),
    ("cookie", 210, 28, 103),
    ("dowel", 288, 26, 104),
    ("foam", 236, 20, 80),
    ("peach", 361, 26, 106),
    ("potato", 300, 22, 92),
    ("rope", 298, 32, 69),
    ("tire", 210, 25, 87),
)
LAYOUT = """MVTec3D/CLASS/{train,validation}/good/rgb/*.png
MVTec3D/CLASS/test/{good,DEFECT}/{rgb,gt}/*.png (gt: the mask, under the image's name)"""


class MVTec3D(Classes):
    """train/good is normal; a test image is abnormal unless its folder is "good", and has a mask of its pixels."""

    def classes_in(self, root: Path) -> set[str]:
        """Return the names of the folders with a train/good/rgb."""
        return {folder.name for folder in folders_in(root) if (folder / "train" / GOOD / "rgb").is_dir()}

    def lists(self, root: Path) -> Lists:
        """Return the published training and test images of the chosen class."""
        home = root / self.chosen
        abnormal = tuple(
            abnormal_image(path, defect / "gt" / path.name, defect.name, home)
            for defect in folders_in(home / "test")
            if defect.name != GOOD
            for path in images_in(defect / "rgb")
        )
        good = [normal_images(home / part / GOOD / "rgb", home) for part in ("train", "test")]
        return good[0], good[1], abnormal


datasets.register("mvtec3d")(
    MVTec3D(
        About(
            title="MVTec 3D-AD (RGB)",
            citation="Bergmann et al., The MVTec 3D-AD dataset for unsupervised 3D anomaly detection and "
            "localization, VISAPP 2022",
            license="see the source",
            source="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
            raw_layout="the download is read as it is: unpack it into MVTec3D",
            prepared_layout=LAYOUT,
            modality="photograph",
            preset="published",
            counts=class_counts(SIZES),
            tasks=("detection", "localization"),
        ),
        folder="MVTec3D",
        sizes=SIZES,
    )
)
