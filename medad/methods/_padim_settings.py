"""Settings of PaDiM, which can be listed and checked without importing torch."""

from __future__ import annotations

from pydantic import Field

from medad.config import MOST_IMAGES
from medad.methods._archive_settings import ArchiveBackboneSettings
from medad.registry import methods


@methods.settings_of("padim")
class PaDiMSettings(ArchiveBackboneSettings):
    """The settings of PaDiM; the defaults are those of the paper (Defard et al., ICPR workshops 2021) for ResNet-18."""

    backbone: str = Field("resnet18", max_length=1000, description="published: resnet18 and wide_resnet50_2")
    batch_size: int = Field(32, ge=2, le=MOST_IMAGES, description="images in a pass through the backbone")
    dimensions: int = Field(
        100,
        ge=1,
        le=2048,
        description="random dimensions of the features, or all if they have fewer; published: 100 of 448 for resnet18, "
        "550 of 1792 for wide_resnet50_2. Memory grows with its square",
    )
    regularization: float = Field(
        0.01, gt=0, le=1e6, description="added to the diagonal of each covariance matrix; the paper's value"
    )
    sigma: float = Field(4.0, ge=0, le=64, description="of the Gaussian that smooths the maps, in pixels; the paper's")
