"""Settings of the denoising autoencoder; tests/reference/test_reconstruction.py compares network, noise and loss."""

from __future__ import annotations

import pytest
from contracts.fakes import small

TINY = {"width": 4, "depth": 3, "noise_grid": 4}


@pytest.mark.parametrize(("size", "depth"), [(16, 5), (100, 5), (34, 3), (32, 6)])
def test_a_size_that_the_unet_cannot_halve_is_refused(size: int, depth: int) -> None:
    with pytest.raises(ValueError, match=f"size={size} cannot be halved {depth - 1} times"):
        small("dae", size=size, depth=depth)
    assert small("dae", size=8 * depth, depth=3).score
