"""MVTec AD: photographs of industrial objects and textures, 15 classes, with masks for pixel metrics."""

from __future__ import annotations

from pathlib import Path

from medad.datasets.base import About, Example, numbered
from medad.datasets.class_benchmarks import DefectFolders, class_counts
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


class MVTecAD(DefectFolders):
    """train/good is normal; a test image is abnormal unless its folder is "good", and has a mask of its pixels."""

    example = Example(
        normal=(*numbered("bottle/train/good/{:03d}.png", 8), *numbered("bottle/test/good/{:03d}.png", 3)),
        abnormal=numbered("bottle/test/broken/{:03d}.png", 3),
        masks=numbered("bottle/ground_truth/broken/{:03d}_mask.png", 3),
        texts={"bottle/readme.txt": "Attribution\n"},
    )

    def mask(self, defect: Path, image: Path) -> Path:
        """Return CLASS/ground_truth/DEFECT/NAME_mask.png."""
        return defect.parents[1] / "ground_truth" / defect.name / f"{image.stem}_mask.png"


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
