"""The result of a case, and what all of its DICOM objects share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from medad import __version__
from medad.outputs.dicom.source import Source
from medad.outputs.dicom.uids import Uids
from medad.outputs.pictures import Scale

MAKER = "medad"
SCHEME = "99MEDAD"
INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
LEVELS = 255  # of a map that is stored in 8 bits


@dataclass(frozen=True)
class ModelFacts:
    """What names a model: its method, the version of medad that trained it, and the digest of its files."""

    method: str
    version: str
    digest: str

    @property
    def name(self) -> str:
        """The model as a name of at most 64 characters."""
        return f"medad {self.method}"[:64]


@dataclass(frozen=True)
class Verdict:
    """What the rules say about a case.

    ``percentile`` and ``p`` are among ``normals`` held-out normals, None if there are none; ``alpha`` is the p-value
    up to which a case is flagged. ``point`` and ``threshold`` are the operating point in use, None if there is none.
    ``flagged`` is None if no rule could flag the case; ``flagged_by`` names the rules that do.
    """

    name: str
    score: float
    percentile: float | None
    p: float | None
    normals: int
    alpha: float
    point: str | None
    threshold: float | None
    flagged: bool | None
    flagged_by: str

    def words(self) -> list[str]:
        """Return the verdict as short sentences."""
        lines = [f"Score {self.name} {self.score:.5g}"]
        if self.p is not None:
            lines.append(f"percentile {self.percentile:g}, p {self.p:.3g} among {self.normals} normals")
        if self.threshold is not None:
            lines.append(f"operating point {self.point}: {self.threshold:.5g}")
        answer = {None: "no rule to flag", True: f"flagged ({self.flagged_by})", False: "not flagged"}
        return [*lines, answer[self.flagged]]


@dataclass(frozen=True)
class CaseResult:
    """The result of a case.

    ``heat`` is its map, float32 (N, rows, columns): the slices are those of ``source``, in its order, with the rows and
    columns of the files. ``worst`` is the index of the slice with the highest score, and ``gray`` is that slice of the
    image, float32 (rows, columns).
    """

    source: Source
    heat: NDArray[np.float32]
    gray: NDArray[np.float32]
    worst: int
    scale: Scale
    verdict: Verdict
    model: ModelFacts

    @property
    def levels(self) -> NDArray[np.uint8]:
        """The map scaled to 0-255 by the model's color scale, the same for every image of the model."""
        share = np.clip((self.heat - self.scale.low) / (self.scale.high - self.scale.low), 0, 1)
        return np.asarray((share * LEVELS).round(), np.uint8)

    @property
    def rule(self) -> str:
        """A sentence that says how the map becomes a number from 0 to 1."""
        start = f", the {self.scale.start}" if self.scale.start else ""
        return (
            f"Anomaly map {self.scale.name}, scaled by a rule fixed for the model, not for the image: 0 is a map value "
            f"of at most {self.scale.low:.6g}{start}; 1 is one of at least {self.scale.high:.6g}. It is no probability."
        )


def code(value: str, meaning: str) -> Code:
    """Return a code of the private scheme of medad."""
    return Code(value, SCHEME, meaning)


def plain(text: str, length: int = 64) -> str:
    """Return text that any character set can hold, without the separator of values, of at most ``length`` signs."""
    return text.encode("ascii", "replace").decode("ascii").replace("\\", "/")[:length]


def equipment(result: CaseResult) -> dict[str, Any]:
    """Return the arguments of highdicom that describe the device: the model."""
    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": plain(result.model.name),
        "software_versions": __version__,
        "device_serial_number": plain(result.model.digest),
    }


def series(uids: Uids, number: int, what: str) -> dict[str, Any]:
    """Return the arguments of highdicom that describe the series, which has this one instance."""
    return {
        "series_instance_uid": uids.series,
        "series_number": number,
        "sop_instance_uid": uids.instance,
        "instance_number": 1,
        "series_description": f"medad {what} - research use only",
    }


def algorithm(result: CaseResult) -> AlgorithmIdentificationSequence:
    """Return the identification of the model."""
    model = result.model
    parameters = {"digest": model.digest, "score": result.verdict.name, "map": result.scale.name}
    return AlgorithmIdentificationSequence(model.name, INTELLIGENCE, model.version, MAKER, parameters)


def finish(dataset: Dataset, result: CaseResult, uids: Uids, *, coded: bool) -> Dataset:
    """Complete an object of highdicom: derived UIDs, the source's character set, and with ``coded`` our code scheme."""
    uids.replace_random(dataset)
    dataset.pop("SpecificCharacterSet", None)
    if result.source.characters is not None:
        dataset.SpecificCharacterSet = result.source.characters
    if coded:
        dataset.CodingSchemeIdentificationSequence = [
            CodingSchemeIdentificationItem(SCHEME, name="medad research results", responsible_organization=MAKER)
        ]
    return dataset


# Body parts that dciodvfy and CID 4 of PS3.16 know as unpaired: an object with one of them must not state Laterality.
_UNPAIRED = frozenset(
    {"ABDOMEN", "BLADDER", "BRAIN", "CERVIX", "CHEST", "COCCYX", "COLON", "CSPINE", "CTSPINE", "HEAD", "HEART", "JAW"}
    | {"LIVER", "LSPINE", "LSSPINE", "MEDIASTINUM", "NECK", "PANCREAS", "PELVIS", "PROSTATE", "RECTUM", "SKULL"}
    | {"SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH", "TLSPINE", "TSPINE", "UTERUS", "WHOLEBODY"}
)


def state_laterality(dataset: Dataset, source: Dataset) -> None:
    """Copy BodyPartExamined and Laterality as General Series wants them (PS3.3 C.7.3.1, type 2C).

    Laterality is written, empty if the source does not state it, unless the body part is an unpaired one.
    """
    part = str(source.get("BodyPartExamined") or "")
    if part:
        dataset.BodyPartExamined = part
    if part.upper() not in _UNPAIRED:
        side = str(source.get("Laterality") or source.get("ImageLaterality") or "")
        dataset.Laterality = side if side in ("L", "R") else ""


def orientation_of(source: Dataset) -> list[str]:
    """Return the directions of rows and columns as in PatientOrientation; [] if the source states none."""
    cosines = source.get("ImageOrientationPatient")
    if cosines is not None and len(cosines) == 6:
        return [_direction([float(part) for part in cosines[start : start + 3]]) for start in (0, 3)]
    stated = source.get("PatientOrientation")
    return [str(part) for part in stated] if stated is not None and len(stated) == 2 else []


def _direction(vector: list[float]) -> str:
    """Return the letters of a unit vector in patient coordinates (LPS), the largest part first.

    >>> _direction([0.0, 0.8, -0.6])
    'PF'
    """
    parts = sorted(zip(vector, ("RL", "AP", "FH"), strict=True), key=lambda part: -abs(part[0]))
    return "".join(letters[value > 0] for value, letters in parts if abs(value) > 0.1)
