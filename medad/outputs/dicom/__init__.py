"""Write the result of a case as DICOM objects: for research, and the only output that carries a patient's identity.

Each kind of object is one module: ``build`` makes the object of a case, and ``refusal`` says of which sources there can
be none. Importing this package costs no pydicom and no highdicom.
"""

from __future__ import annotations

KINDS = {
    "seg": "fractional segmentation: the anomaly map, scaled to 0-1 by the model's color scale",
    "sr": "structured report (TID 1500): score, percentile, p-value, operating point",
    "sc": "secondary capture: the image under its map, with scales, model and notice burned in",
    "gsps": "grayscale presentation state: outlines of the colored regions, over the source images",
    "pm": "parametric map: the anomaly map as it is, float32",
}
NOTICE = "Research use only. Not for diagnosis."
