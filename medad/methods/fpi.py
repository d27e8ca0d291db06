"""FPI: foreign patch interpolation (Tan, Hou, Batten, Qiu and Kainz, MELBA 2022; as in MedIAnomaly, 2025)."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from medad.functional.patches import Picture, changed, interpolated, put_patches
from medad.methods._foreign_patches import ForeignPatchMethod
from medad.methods._fpi_settings import FPISettings
from medad.registry import methods

Floats = NDArray[np.float64]
FACTORS = (0.05, 0.95)  # between which the interpolation factor is uniform


@methods.register("fpi")
class FPI(ForeignPatchMethod):
    """Patches are mixed with the same place of another image by a random factor, which the network predicts."""

    settings_model = FPISettings
    title = "FPI"
    settings: FPISettings

    def corrupted(self, image: Picture, donor: Picture, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Interpolate patches; the label of each changed pixel is the factor, one for all patches of the image."""
        factor = rng.uniform(*FACTORS)
        blend = partial(interpolated, factor=factor)
        levels, covered = put_patches(image, donor, blend, rng, most=self.settings.patches)
        return levels, factor * changed(image.levels, levels, covered).astype(np.float64)
