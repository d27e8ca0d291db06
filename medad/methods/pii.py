"""PII: Poisson image interpolation (Tan et al., MICCAI 2021; as in MedIAnomaly, 2025)."""

from __future__ import annotations

from medad.functional.patches import gradients_blended
from medad.methods._foreign_patches import InterpolationMethod
from medad.methods._pii_settings import PIISettings
from medad.registry import methods


@methods.register("pii")
class PII(InterpolationMethod):
    """Gradients of patches are mixed with the same place of another image by a factor, which the network predicts."""

    settings_model = PIISettings
    title = "PII"
    settings: PIISettings
    mixed = staticmethod(gradients_blended)
