"""CXAD (chest radiographs, in-house at the authors of DDAD and not public: bring your own in this layout)."""

from medad.data.datasets._medad_layout import MedADLayout
from medad.registry import datasets

cxad = datasets.register("cxad")(
    MedADLayout(
        title="CXAD",
        folder="CXAD",
        unlabeled=2000,
    )
)
