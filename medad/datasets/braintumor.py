"""Brain Tumor MRI: MR slices of the Kaggle brain-tumor-mri-dataset.

The official lists name images of both parts, Training and Testing. Whether their names are those of the download has
not been verified, since the lists were not available. The images name no patients, so slices of one person may be on
both sides of a split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medad.datasets.base import About, Example, numbered
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.datasets.raw_downloads import RawCase, images_in, need_folder, unique_names
from medad.registry import datasets

PARTS = ("Training", "Testing")
CLASSES = {"notumor": 0, "glioma": 1, "meningioma": 1}
RAW = """Training/{notumor,glioma,meningioma,pituitary}/NAME.jpg
Testing/{notumor,glioma,meningioma,pituitary}/NAME.jpg"""


class BrainTumor(MedADLayout):
    """notumor is normal; glioma and meningioma are abnormal; pituitary is left out, as published."""

    example = Example(
        normal=(*numbered("Training/notumor/Tr-no_{:04d}.jpg", 12), *numbered("Testing/notumor/Te-no_{:04d}.jpg", 12)),
        abnormal=tuple(
            name
            for kind in ("glioma", "meningioma")
            for part in PARTS
            for name in numbered(f"{part}/{kind}/{part[:2]}-{kind[:2]}_{{:04d}}.jpg", 4)
        ),
        unused=("Training/pituitary/Tr-pi_0000.jpg", "Testing/pituitary/Te-pi_0000.jpg"),
    )

    def raw_cases(self, raw: Path) -> Sequence[RawCase]:
        """Return the images of both parts; the parts are the split of the challenge, which is not used."""
        cases = [
            RawCase(path.name, (path,), label, attributes=(("class", name),))
            for part in PARTS
            for name, label in CLASSES.items()
            for path in images_in(need_folder(raw / part / name, RAW))
        ]
        return unique_names(cases, raw)


datasets.register("braintumor")(
    BrainTumor(
        About(
            title="Brain Tumor MRI",
            citation="Nickparvar, Brain Tumor MRI Dataset, Kaggle 2021",
            license="see the source",
            source="https://www.kaggle.com/datasets/masoudnickparvar/brain-tumor-mri-dataset",
            raw_layout=RAW,
            prepared_layout=prepared_layout("BrainTumor"),
            modality="MR slice",
            preset="mr",
            counts=(
                ("train normal", 1000),
                ("unlabeled normal", 400),
                ("unlabeled abnormal", 600),
                ("test normal", 600),
                ("test abnormal", 600),
            ),
        ),
        folder="BrainTumor",
        unlabeled=1000,
        digests=("9f27637c358c", "8d0c326ae209", "7cabe0453776", "71506171afe7", "5b63834552be"),
    )
)
