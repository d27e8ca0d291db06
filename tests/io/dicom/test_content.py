"""What a header says that an image shows, in fixed words."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

PIXELS = np.arange(20, dtype=np.uint16).reshape(4, 5)


def coded(value: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "not read"
    return Sequence([item])


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize(
    ("tags", "key", "word"),
    [
        ({"ViewPosition": "PA"}, "view", "frontal"),
        ({"ViewPosition": "RL"}, "view", "lateral"),
        ({"ViewPosition": "MLO"}, "view", "MLO"),
        ({"ViewPosition": "Doe^Jane"}, "view", None),
        ({"ViewCodeSequence": coded("399173006")}, "view", "lateral"),
        ({"ViewCodeSequence": coded("R-10206")}, "view", "frontal"),
        ({"ViewCodeSequence": coded("1")}, "view", None),
        ({"PatientOrientation": ["L", "F"]}, "view", "frontal"),
        ({"PatientOrientation": ["P", "F"]}, "view", "lateral"),
        ({"PatientOrientation": ["L", "P"]}, "view", None),
        ({"PatientOrientation": ["A", "F"], "Modality": "MR"}, "view", None),
        ({"BodyPartExamined": "CHEST PA"}, "region", "chest"),
        ({"BodyPartExamined": "LSPINE"}, "region", "spine"),
        ({"BodyPartExamined": "CHEST/ABDOMEN"}, "region", None),
        ({"BodyPartExamined": "Doe^Jane"}, "region", None),
        ({"Modality": "Doe, Jane"}, "modality", None),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer", True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "OT"}, "capture", True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "Modality": "CR"}, "capture", False),
    ],
)
def test_words(dicom, read, tags, key, word):
    assert read(dicom("a.dcm", PIXELS, **{"Modality": "DX", **tags})).reading[key] == word
