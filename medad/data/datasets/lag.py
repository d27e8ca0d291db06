"""LAG (fundus photographs, suspicious glaucoma is abnormal; Li et al., CVPR 2019)."""

from medad.data.datasets._medad_layout import MedADLayout
from medad.registry import datasets

lag = datasets.register("lag")(
    MedADLayout(
        title="LAG",
        folder="LAG",
        unlabeled=1500,
        digests=("755ba89df963", "d5249e89a3e2", "c4307c7122f3", "eedf377a0bd3", "7e7fe7a5d55f"),
    )
)
