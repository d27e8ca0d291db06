"""SSIM autoencoder: an autoencoder whose loss and map are 1 - SSIM (Bergmann et al., VISAPP 2019)."""

from __future__ import annotations

from torch import Generator, Tensor

from medad.functional.discrepancy import over_channels
from medad.functional.similarity import dissimilarity, on_whole_image
from medad.methods._ae_ssim_settings import AESSIMSettings
from medad.methods._reconstruction import AutoencoderMethod
from medad.registry import methods


@methods.register("ae_ssim")
class AESSIM(AutoencoderMethod):
    """The dissimilarity of structure between an image and its reconstruction, in Gaussian windows of 11 x 11 pixels."""

    settings_model = AESSIMSettings
    title = "AE-SSIM"
    settings: AESSIMSettings

    @property
    def scores(self) -> dict[str, str]:
        """Return the single score, "ssim"."""
        return {"ssim": "1 - structural similarity to the reconstruction"}

    def loss(self, generator: Generator, batch: Tensor) -> Tensor:
        """Return the mean of 1 - SSIM of a ``batch`` and its reconstruction."""
        return dissimilarity(batch, self.network(batch)).mean()

    def maps(self, images: Tensor) -> Tensor:
        """Return 1 - SSIM, resized to the grid of ``images`` and averaged over the channels."""
        return over_channels(on_whole_image(dissimilarity(images, self.network(images)), images))
