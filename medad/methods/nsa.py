"""NSA: natural synthetic anomalies (Schlüter, Tan, Hou and Kainz, ECCV 2022; as in MedIAnomaly, 2025)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medad.functional.patches import Picture, changed, gradients_blended, logistic_labels, put_patches
from medad.methods._foreign_patches import ForeignPatchMethod
from medad.methods._nsa_settings import NSASettings
from medad.registry import methods

Floats = NDArray[np.float64]


@methods.register("nsa")
class NSA(ForeignPatchMethod):
    """Patches of another image are resized, moved and blended seamlessly; the network predicts how much they change."""

    settings_model = NSASettings
    title = "NSA"
    settings: NSASettings

    def corrupted(self, image: Picture, donor: Picture, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Blend moved patches; the label of each changed pixel is a logistic function of the change."""
        settings = self.settings
        levels, covered = put_patches(image, donor, gradients_blended, rng, moved=True, most=settings.patches)
        where = changed(image.levels, levels, covered)
        return levels, logistic_labels(image.levels, levels, where, settings.steepness, settings.midpoint)
