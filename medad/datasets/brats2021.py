"""BraTS2021: slices of brain MR with and without tumor, from the benchmark MedIAnomaly, with masks of the tumor."""

from medad.datasets.base import About
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.registry import datasets

datasets.register("brats2021")(
    MedADLayout(
        About(
            title="BraTS2021",
            citation="Baid et al., The RSNA-ASNR-MICCAI BraTS 2021 benchmark on brain tumor segmentation and "
            "radiogenomic classification, arXiv:2107.02314, 2021",
            license="see the source",
            source="https://www.synapse.org/brats2021; the slices are those of the benchmark MedIAnomaly",
            raw_layout="medad picks no slices out of the volumes; lay out the benchmark's slices and masks as prepared",
            prepared_layout=prepared_layout("BraTS2021", unlabeled=False, masks=True),
            modality="MR slice",
            preset="mr",
            counts=(("train normal", 4211), ("test normal", 828), ("test abnormal", 1948)),
            tasks=("detection", "localization"),
        ),
        folder="BraTS2021",
    )
)
