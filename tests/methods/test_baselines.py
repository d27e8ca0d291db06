"""The baselines: principal components, and the brightest pixel."""

from __future__ import annotations

import pytest
import torch
from contracts.fakes import fake_load, fit, small, studies, training_set

from medad.training import TrainingError


def test_pca_finds_what_principal_components_leave() -> None:
    """The remainder of an image in the span is zero; that of noise is what numpy's SVD leaves."""
    method = small("pca")
    load, data = fake_load(method), training_set(normal=12)
    fit(method, data=data)
    normal = load(data.normal).flatten(1).double()
    center = normal.mean(0)
    _, _, rows = torch.linalg.svd(normal - center, full_matrices=False)
    image = load(studies("test", 1))
    centered = image.flatten(1).double() - center
    left = centered - centered @ rows[:4].T @ rows[:4]
    assert method.score(image)["rec"].score.item() == pytest.approx(left.square().mean().item(), rel=1e-3)
    spanned = (center + 3 * rows[0] - rows[3]).float().view_as(image)
    assert method.score(spanned)["rec"].score.item() < 1e-4 * left.square().mean().item()


def test_pca_with_too_few_images_names_the_setting() -> None:
    with pytest.raises(TrainingError, match="components"):
        fit(small("pca"), data=training_set(normal=4))


def test_the_brightest_pixel() -> None:
    method = small("max_intensity")
    images = torch.full((2, 1, 32, 32), -1.0)
    images[1, 0, 5, 6] = 0.5
    assert method.score(images)["max"].score.tolist() == [-1.0, 0.5]
