"""MVTec 3D-AD: 10 classes of industrial objects; its color photographs, without the 3-D scans.

The normal images of the validation part are not used.
"""

from __future__ import annotations

from pathlib import Path

from medad.datasets.base import About, Example, numbered
from medad.datasets.class_benchmarks import DefectFolders, class_counts
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


class MVTec3D(DefectFolders):
    """train/good is normal; a test image is abnormal unless its folder is "good", and has a mask of its pixels."""

    example = Example(
        normal=(*numbered("bagel/train/good/rgb/{:03d}.png", 6), *numbered("bagel/test/good/rgb/{:03d}.png", 3)),
        abnormal=numbered("bagel/test/crack/rgb/{:03d}.png", 3),
        masks=numbered("bagel/test/crack/gt/{:03d}.png", 3),
        unused=("bagel/validation/good/rgb/000.png", "bagel/test/crack/xyz/000.tiff"),
    )

    def images(self, folder: Path) -> Path:
        """Return ``folder``/rgb."""
        return folder / "rgb"

    def mask(self, defect: Path, image: Path) -> Path:
        """Return the file with the name of the image in CLASS/test/DEFECT/gt."""
        return defect / "gt" / image.name


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
