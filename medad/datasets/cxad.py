"""CXAD: private chest radiographs of the authors of DDAD. Users can provide their own images under this name."""

from __future__ import annotations

from pathlib import Path

from medad.datasets.base import About
from medad.datasets.layouts import MedADLayout, prepared_layout
from medad.registry import datasets
from medad.splits import Pools


class CXAD(MedADLayout):
    """The manifest CXAD/manifest.csv, or else a folder in the Med-AD layout."""

    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """Return the studies of the manifest if there is one, else those of the Med-AD layout."""
        # Imported here because it imports numpy, which a listing of datasets does not need.
        from medad.manifest.reading import has_manifest, read_manifest

        if data_root is not None and has_manifest(data_root / self.folder):
            return read_manifest(data_root / self.folder).pools()
        return super().pools(data_root, out)


datasets.register("cxad")(
    CXAD(
        About(
            title="CXAD",
            citation="Cai et al., Dual-distribution discrepancy with self-supervised refinement for anomaly detection "
            "in medical images, Medical Image Analysis 86:102794, 2023",
            license="private",
            source="not public; bring radiographs of your own: medad data init --normal DIR ... ROOT/CXAD",
            raw_layout="it is private, so there is no raw download; make a manifest of your own files: "
            "medad data init --normal DIR --unlabeled DIR --test-normal DIR --test-abnormal DIR ROOT/CXAD",
            prepared_layout=f"CXAD/manifest.csv (or .parquet), or else\n{prepared_layout('CXAD')}",
            modality="chest X-ray",
            preset="cxr",
        ),
        folder="CXAD",
        unlabeled=2000,
    )
)
