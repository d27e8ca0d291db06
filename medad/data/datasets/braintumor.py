"""Brain Tumor MRI (MR slices; Kaggle brain-tumor-mri-dataset)."""

from medad.data.datasets._medad_layout import MedADLayout
from medad.registry import datasets

braintumor = datasets.register("braintumor")(
    MedADLayout(
        title="Brain Tumor MRI",
        folder="BrainTumor",
        unlabeled=1000,
        digests=("9f27637c358c", "8d0c326ae209", "7cabe0453776", "71506171afe7", "5b63834552be"),
    )
)
