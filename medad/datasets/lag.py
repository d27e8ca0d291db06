"""LAG: fundus photographs, suspicious for glaucoma or not.

The official lists name images; whether by the names that they have in the download could not be verified without the
lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medad.datasets.base import About, Example, numbered
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.datasets.raw_downloads import RawCase, images_in, need_folder, unique_names
from medad.registry import datasets

CLASSES = {"non_glaucoma": 0, "suspicious_glaucoma": 1}
RAW = """non_glaucoma/image/NAME.jpg (or non_glaucoma/NAME.jpg)
suspicious_glaucoma/image/NAME.jpg (or suspicious_glaucoma/NAME.jpg)"""


class LAG(MedADLayout):
    """non_glaucoma is normal, suspicious_glaucoma abnormal; the attention maps beside the images are left alone."""

    example = Example(
        normal=numbered("non_glaucoma/image/{:04d}.jpg", 24),
        abnormal=numbered("suspicious_glaucoma/image/{:04d}.jpg", 16, start=500),
        unused=numbered("suspicious_glaucoma/attention_map/{:04d}.jpg", 2, start=500),
    )

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Return the images of the two label folders."""
        cases = []
        for name, label in CLASSES.items():
            folder = need_folder(raw / name, RAW)
            inner = folder / "image"
            cases += [RawCase(path.name, (path,), label) for path in images_in(inner if inner.is_dir() else folder)]
        return unique_names(cases, raw)


datasets.register("lag")(
    LAG(
        About(
            title="LAG",
            citation="Li et al., Attention based glaucoma detection: a large-scale database and CNN model, CVPR 2019",
            license="given by its authors on request: see the source",
            source="https://github.com/smilell/AG-CNN",
            raw_layout=RAW,
            prepared_layout=prepared_layout("LAG"),
            modality="fundus photograph",
            preset="fundus",
            counts=(
                ("train normal", 1500),
                ("unlabeled normal", 832),
                ("unlabeled abnormal", 900),
                ("test normal", 811),
                ("test abnormal", 811),
            ),
        ),
        folder="LAG",
        unlabeled=1500,
        digests=("755ba89df963", "d5249e89a3e2", "c4307c7122f3", "eedf377a0bd3", "7e7fe7a5d55f"),
    )
)
