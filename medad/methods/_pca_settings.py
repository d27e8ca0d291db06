"""Settings of the PCA baseline, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.config import Settings
from medad.registry import methods


@methods.settings_of("pca")
class PCASettings(Settings):
    """Settings of the PCA baseline."""

    components: int = Field(
        16, ge=1, le=10_000, description="principal components; 16 is the width of the autoencoders' code"
    )
