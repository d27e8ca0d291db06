"""PII: Poisson image interpolation (Tan et al., MICCAI 2021; as in MedIAnomaly, 2025)."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from medad.functional.patches import Picture, changed, gradients_blended, put_patches
from medad.methods._foreign_patches import ForeignPatchMethod
from medad.methods._pii_settings import PIISettings
from medad.registry import methods

Floats = NDArray[np.float64]
FACTORS = (0.05, 0.95)  # between which the interpolation factor is uniform


@methods.register("pii")
class PII(ForeignPatchMethod):
    """Gradients of patches are mixed with the same place of another image by a factor, which the network predicts."""

    settings_model = PIISettings
    title = "PII"
    settings: PIISettings

    def corrupted(self, image: Picture, donor: Picture, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Blend patches seamlessly; the label of each changed pixel is the factor, one for all patches of the image."""
        factor = rng.uniform(*FACTORS)
        blend = partial(gradients_blended, factor=factor)
        levels, covered = put_patches(image, donor, blend, rng, most=self.settings.patches)
        return levels, factor * changed(image.levels, levels, covered).astype(np.float64)
