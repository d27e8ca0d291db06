"""VinDr-CXR (chest radiographs; Nguyen et al., Scientific Data 2022)."""

from medad.data.datasets._medad_layout import MedADLayout
from medad.registry import datasets

vindr = datasets.register("vindr")(
    MedADLayout(
        title="VinDr-CXR",
        folder="VinCXR",
        unlabeled=4000,
        digests=("03ac304b17ff", "3cbd3863d806", "ec77a715e4a4", "75cdf7db411b", "2bb9ab5aa9a1"),
    )
)
