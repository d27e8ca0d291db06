"""RSNA pneumonia detection challenge (chest radiographs; Shih et al., Radiology: AI 2019)."""

from medad.data.datasets._medad_layout import MedADLayout
from medad.registry import datasets

rsna = datasets.register("rsna")(
    MedADLayout(
        title="RSNA",
        folder="RSNA",
        unlabeled=4000,
        digests=("4c3f927c358d", "781cea398040", "ed28e0f9438f", "c2d4756867a1", "573565a7ae05"),
    )
)
