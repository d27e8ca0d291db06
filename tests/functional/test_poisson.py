"""Poisson blending against a dense solve, pixel by pixel, and what follows from its definition."""

from __future__ import annotations

import numpy as np
import pytest

from medad.functional.poisson import poisson_blend


def solved(target: np.ndarray, source: np.ndarray, domain: np.ndarray, share: float) -> np.ndarray:
    """For one channel: the sum over neighbors q of f_p - f_q = v_pq in every pixel of the domain, as a dense system."""
    pixels = [tuple(place) for place in np.argwhere(domain)]
    matrix, right = np.zeros((len(pixels), len(pixels))), np.zeros(len(pixels))
    for row, (y, x) in enumerate(pixels):
        for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= q[0] < domain.shape[0] and 0 <= q[1] < domain.shape[1]):
                continue
            own, foreign = target[y, x] - target[q], source[y, x] - source[q]
            stronger = foreign if abs(foreign) > abs(own) else own
            right[row] += share * stronger + (1 - share) * own
            matrix[row, row] += 1
            if domain[q]:
                matrix[row, pixels.index(q)] -= 1
            else:
                right[row] += target[q]
    blended = target.copy()
    blended[domain] = np.linalg.solve(matrix, right)
    return blended


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("shape", ["rectangle", "with holes", "at the border of the image"])
def test_equals_a_dense_solve(shape: str, share: float) -> None:
    rng = np.random.default_rng(3)
    target, source = rng.uniform(0, 255, (2, 2, 9, 11))
    domain = np.zeros((9, 11), dtype=bool)
    domain[1:8, 2:9] = True
    if shape == "with holes":
        domain &= rng.random(domain.shape) < 0.7
    if shape == "at the border of the image":
        domain[:4] = True
    before = target.copy()
    blended = poisson_blend(target, source, domain, share)
    for channel in (0, 1):
        expected = solved(target[channel], source[channel], domain, share)
        assert np.abs(expected - target[channel]).max() > 10
        assert blended[channel] == pytest.approx(expected, abs=1e-8)
    assert np.array_equal(blended[:, ~domain], target[:, ~domain])
    assert np.array_equal(target, before)


def test_what_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    target = rng.uniform(0, 255, (1, 8, 8))
    domain = np.zeros((8, 8), dtype=bool)
    domain[2:6, 2:6] = True
    for source, share in ((rng.uniform(0, 255, (1, 8, 8)), 0.0), (target + 40, 1.0), (np.full((1, 8, 8), 7.0), 1.0)):
        assert poisson_blend(target, source, domain, share) == pytest.approx(target)
    assert np.array_equal(poisson_blend(target, target[:, ::-1], np.zeros_like(domain)), target)


def test_a_domain_without_a_boundary_is_refused() -> None:
    image = np.zeros((1, 3, 3))
    with pytest.raises(ValueError, match="covers the whole image: leave at least one pixel outside"):
        poisson_blend(image, image, np.ones((3, 3), dtype=bool))
