"""The demo dataset: simulated slices of invented people, generated from the brain template inside nilearn."""

from __future__ import annotations

from pathlib import Path

from medad.datasets.base import About, Dataset, DatasetError
from medad.datasets.demo.notice import RECORD
from medad.parsing import read_json
from medad.progress import progress
from medad.registry import datasets
from medad.splits import Pools
from medad.types import Study

FOLDER = "demo"


class Demo(Dataset):
    """T1 slices with and without a lesion, as DICOM and NIfTI. Results on them say nothing about patients."""

    generated = True
    about = About(
        title="demo (synthetic brain MR)",
        citation="made by medad from the MNI152 template that ships inside nilearn",
        license="see nilearn; the template's terms are its makers'",
        source="nothing to get: it is made on the spot",
        raw_layout="it is made on the spot",
        prepared_layout=f"{FOLDER}/{RECORD} and what it names (optional)",
        modality="MR slice",
        preset="mr",
        tasks=("detection", "localization"),
    )

    def pools(self, data_root: Path | None, out: Path) -> Pools:
        """Return the studies in ``data_root``/demo if they exist; otherwise generate them in ``out``/data/demo.

        Raises:
            DatasetError: demo.json is damaged.
        """
        root = out / "data" / FOLDER
        if data_root is not None and (data_root / FOLDER / RECORD).is_file():
            root = data_root / FOLDER
        else:
            _make(root)
        groups: dict[tuple[str, int], list[Study]] = {}
        try:
            for item in read_json(root / RECORD)["studies"]:
                study = Study(
                    item["id"],
                    tuple(root / name for name in item["files"]),
                    item["patient"],
                    item["label"],
                    root / item["mask"] if item["mask"] else None,
                )
                groups.setdefault((item["role"], item["label"]), []).append(study)
        except (KeyError, TypeError, ValueError):
            raise DatasetError(f"{root / RECORD}: not the record of the demo data: remove the folder") from None
        order = [("normal", 0), ("unlabeled", 0), ("unlabeled", 1), ("test", 0), ("test", 1)]
        return Pools(*(tuple(groups.get(key, ())) for key in order), kind="demo")


def _make(root: Path) -> None:
    from medad.datasets.demo.files import DemoCounts, write_demo

    total, counts = 0, DemoCounts()
    with progress("make the demo data", sum(vars(counts).values())) as advance:

        def tell(done: int, of: int) -> None:
            nonlocal total
            advance(done - total)
            total = done

        write_demo(root, counts=counts, progress=tell)


datasets.register("demo")(Demo())
