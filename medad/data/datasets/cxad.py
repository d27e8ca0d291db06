"""CXAD: chest radiographs, in-house at the authors of DDAD and not public. Bring your own under this name."""

from medad.data.datasets._dataset import About
from medad.data.datasets._medad_layout import MedADLayout, prepared_layout
from medad.registry import datasets

datasets.register("cxad")(
    MedADLayout(
        About(
            title="CXAD",
            citation="Cai et al., Dual-distribution discrepancy with self-supervised refinement for anomaly detection "
            "in medical images, Medical Image Analysis 86:102794, 2023",
            license="private",
            source="not public; bring radiographs of your own, as a manifest (medad data init) or in this layout",
            raw_layout="it is private, so there is no raw download; make a manifest of your own files with "
            "'medad data init', or lay them out as CXAD/images and CXAD/data.json",
            prepared_layout=prepared_layout("CXAD"),
            modality="chest X-ray",
            preset="cxr",
        ),
        folder="CXAD",
        unlabeled=2000,
    )
)
