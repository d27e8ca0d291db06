"""Camelyon16: color patches of lymph node sections, from the benchmark MedIAnomaly."""

from medad.datasets.base import About
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.registry import datasets

datasets.register("camelyon16")(
    MedADLayout(
        About(
            title="Camelyon16",
            citation="Bejnordi et al., Diagnostic assessment of deep learning algorithms for detection of lymph node "
            "metastases in women with breast cancer, JAMA 318, 2017",
            license="see the source",
            source="https://camelyon16.grand-challenge.org; the patches are those of the benchmark MedIAnomaly",
            raw_layout="medad cuts no patches out of the whole slides; lay out the benchmark's patches as prepared",
            prepared_layout=prepared_layout("Camelyon16", unlabeled=False),
            modality="histology patch",
            preset="published",
            counts=(("train normal", 5088), ("test normal", 1120), ("test abnormal", 1113)),
        ),
        folder="Camelyon16",
    )
)
