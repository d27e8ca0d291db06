"""CDO's published details, each on a case that was computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.fakes import fit, ignore, small
from helpers.given_features import cdo_with
from PIL import Image
from torch import Generator, Tensor
from torch.testing import assert_close

import medad.methods.cdo
from medad.data.study_reading import Prepare
from medad.experiments.plan import plan
from medad.functional.synthesis import white_noise
from medad.methods.cdo import CDO, CDOSettings
from medad.pipeline_files import read_pipeline
from medad.registry import methods
from medad.training import Task, train
from medad.types import Study

RIGHT, UP = [1.0, 0.0], [0.0, 1.0]


def row(*vectors: list[float], rows: int = 1) -> Tensor:
    """Features (1, 2, rows, w), one vector for each column."""
    return torch.tensor(vectors).T[None, :, None, :].repeat(1, 1, rows, 1)


def blank(side: int = 12) -> Tensor:
    return torch.zeros(1, 3, side, side)


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Tensor], None]:
    """Makes the synthetic anomalies lie where a mask (H, W) says."""

    def put(mask: Tensor) -> None:
        monkeypatch.setattr(medad.methods.cdo, "white_noise", lambda images, *_: (images, mask[None, None]))

    return put


def test_features_are_upsampled_and_normalized_again_before_they_are_compared() -> None:
    """Expert (1, 0), (0, 1), apprentice (0, 1), (0, 1), on three columns: the middle one of the expert is
    (1/2, 1/2), of length 1 (1, 1) / sqrt 2, at a squared distance of 2 - sqrt 2 from (0, 1). d: 2, 2 - sqrt 2, 0.

    Upsampling d would give 1 in the middle.
    """
    fine = row(RIGHT, RIGHT, RIGHT)
    method = cdo_with([fine, row(RIGHT, UP)], [fine, row(UP, UP)], gamma=0.0, rectangles=0)
    loss = method._loss(Generator(), blank())
    assert loss.item() == pytest.approx((2 + 2 - sqrt(2) + 0) / 3, rel=1e-6)


def test_long_features_weigh_more_between_positions() -> None:
    """(3, 0) and (0, 1): in the middle (3/2, 1/2), at a cosine of 1 / sqrt 10 from (0, 1)."""
    fine = row(RIGHT, RIGHT, RIGHT)
    method = cdo_with([fine, row([3.0, 0.0], UP)], [fine, row(UP, UP)], gamma=0.0, rectangles=0)
    assert method._loss(Generator(), blank()).item() == pytest.approx((2 + 2 - 2 / sqrt(10) + 0) / 3, rel=1e-6)


def test_gradient_of_a_coarse_scale() -> None:
    """Expert (1, 0) everywhere, apprentice (1, 0), (0, 1) on three columns: A = (1 - t, t), d = 2 - 2 cos.

    The loss is the mean of d. By the right-hand vector (0, 1) + (x, 0): at the right end, d' = -2 dcos = -2. In the
    middle, A = ((1 + x) / 2, 1 / 2), cos = (1 + x) / sqrt((1 + x)^2 + 1), whose slope at 0 is 1 / 2^(3/2), d' =
    -1 / sqrt 2.
    """
    fine = row(RIGHT, RIGHT, RIGHT)
    learned = row(RIGHT, UP).requires_grad_()
    method = cdo_with([fine, row(RIGHT, RIGHT)], [fine, learned], gamma=0.0, rectangles=0)
    method._loss(Generator(), blank()).backward()
    assert learned.grad is not None
    assert learned.grad[0, 0, 0, 1].item() == pytest.approx(-(2 + 1 / sqrt(2)) / 3, rel=1e-6)


@pytest.mark.parametrize(("pixel", "synthetic"), [((0, 0), True), ((4, 8), True), ((1, 1), False), ((3, 4), False)])
def test_the_mask_on_the_grid_is_its_nearest_pixel(
    pixel: tuple[int, int], synthetic: bool, masked: Callable[[Tensor], None]
) -> None:
    """12 x 12 pixels on 3 x 3 positions: position (i, j) is the pixel (4 i, 4 j), and no other.

    Where d is 2 everywhere and gamma 0, eight normal positions and a synthetic one give (16 - 2) / 9.
    """
    mask = torch.zeros(12, 12)
    mask[pixel] = 1
    masked(mask)
    method = cdo_with([row(RIGHT, RIGHT, RIGHT, rows=3)], [row(UP, UP, UP, rows=3)], gamma=0.0)
    assert method._loss(Generator(), blank()).item() == pytest.approx(14 / 9 if synthetic else 2, rel=1e-6)


def test_a_faint_rim_of_the_mask_counts_as_synthetic(masked: Callable[[Tensor], None]) -> None:
    mask = torch.zeros(12, 12)
    mask[0, 0] = 0.01
    masked(mask)
    method = cdo_with([row(RIGHT, RIGHT, RIGHT, rows=3)], [row(UP, UP, UP, rows=3)], gamma=0.0)
    assert method._loss(Generator(), blank()).item() == pytest.approx(14 / 9, rel=1e-6)


def boxes(side: int, count: int) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left, right of one rectangle in an image, where there is one."""
    masks = white_noise(torch.zeros(count, 1, side, side), Generator().manual_seed(0), 1)[1][:, 0]
    found = []
    for mask in masks[masks.flatten(1).any(dim=1)]:
        rows, columns = (mask.any(dim=axis).nonzero().flatten() for axis in (1, 0))
        found.append((int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1))
    return found


def test_half_sides_end_below_a_tenth() -> None:
    """H = 80: from 80 / 40 = 2 to below 80 / 10 = 8, so up to 7."""
    sides = {bottom - top for top, bottom, _, _ in boxes(80, 600)}
    assert sides == {4, 6, 8, 10, 12, 14}


def test_no_rectangle_crosses_the_border() -> None:
    """Every side is twice an integer: none is cut. 1 / (80 - 2 h) of the rows begin at 0, one in 71 on average."""
    found = boxes(80, 2000)
    assert all((bottom - top) % 2 == 0 and (right - left) % 2 == 0 for top, bottom, left, right in found)
    touching = np.mean([min(top, left) == 0 or max(bottom, right) == 80 for top, bottom, left, right in found])
    assert touching == pytest.approx(2 / 71, abs=0.02)


def test_the_paper_s_noise_is_as_it_was_drawn() -> None:
    """White: neighbors do not depend on each other. On a finer grid they share pixels and are six times fainter."""
    settings = plan(read_pipeline("cdo").model_copy(update={"datasets": ("demo",)}), {})[0].settings
    assert isinstance(settings, CDOSettings)
    method = small("cdo", channels=3, noise_grain=settings.noise_grain)
    assert isinstance(method, CDO)
    made, masks = method._with_noise(torch.full((60, 3, 64, 64), 7.0), Generator().manual_seed(0), 4)
    noise = made[masks.bool().expand_as(made)]
    assert noise.std().item() / 2 == pytest.approx(12**-0.5, abs=0.005)


def steps_of(monkeypatch: pytest.MonkeyPatch, **settings: object) -> Task:
    """The task of a fit, not trained."""
    made: list[Task] = []
    monkeypatch.setattr(medad.methods.cdo, "train", lambda tasks, what, **_: made.extend(tasks))
    fit(small("cdo", **settings))
    return made[0]


def test_the_incomplete_last_batch_is_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten images in batches of four."""
    task = steps_of(monkeypatch)
    seen: list[int] = []
    inner = task.loss

    def noted(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return inner(batch)

    task.loss = noted
    train([task], "train", track=ignore)
    assert seen == [4, 4, 2] * 2


def test_the_gradient_is_clipped_where_the_release_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = methods.get("cdo").settings_model
    assert steps_of(monkeypatch, clip=kind(**read_pipeline("cdo_2025").settings).clip).clip == 5
    assert steps_of(monkeypatch, clip=kind(**read_pipeline("cdo").settings).clip).clip is None


# The first scale has d = 0 and 4 in its two columns, the second d = 0.
FINE = [row(RIGHT, RIGHT, rows=2), row(RIGHT, [-1.0, 0.0], rows=2)]
COARSE = [row(UP), row(UP)]


def test_the_map_of_2023() -> None:
    """The sum of d over the scales; from two columns to four without aligned corners: 0, 1/4, 3/4 and 1 of the way."""
    method = cdo_with([FINE[0], COARSE[0]], [FINE[1], COARSE[1]], maps="features", sigma=0.0, top_share=0.25)
    scored = method._score(blank(4))
    assert_close(scored["max"].anomaly_map, torch.tensor([0.0, 1.0, 3.0, 4.0]).expand(1, 1, 4, 4))
    assert scored["max"].score.item() == pytest.approx(4)


def test_the_map_of_2025() -> None:
    """The mean over the scales of 1 - cosine, 0 and 2 at the corners, a third of the way at each step."""
    method = cdo_with([FINE[0], COARSE[0]], [FINE[1], COARSE[1]], maps="cosine", sigma=0.0, top_share=0.5)
    scored = method._score(blank(4))
    assert_close(scored["top"].anomaly_map, torch.tensor([0.0, 1 / 3, 2 / 3, 1.0]).expand(1, 1, 4, 4))
    assert scored["top"].score.item() == pytest.approx((4 * 1 + 4 * 2 / 3) / 8)


def test_the_paper_s_score_and_map_are_the_defaults() -> None:
    assert CDOSettings().maps == "features"
    assert next(iter(small("cdo").scores)) == "max"


@pytest.mark.parametrize(("resize", "expected"), [("plain", 0.0), ("antialiased", 1 / 4), ("two_steps", 1 / 4)])
def test_how_an_image_reaches_the_grid(resize: str, expected: float, tmp_path: Path) -> None:
    """128 pixels on 32: plainly, position i lies between the pixels 4 i + 1 and 4 i + 2, and sees no other.

    Columns 0, 4, 8, ... are white, a quarter of all; between two columns a plain resize finds black alone. The triangle
    of an antialiased one weighs column 4 i by (1 - 3/8) / 4 and 4 i + 4 by (1 - 5/8) / 4.
    """
    pixels = np.zeros((128, 128), np.uint8)
    pixels[:, ::4] = 255
    Image.fromarray(pixels).save(tmp_path / "columns.png")
    settings = CDOSettings(size=32, channels=1, resize=resize)
    image = Prepare(settings)(Study("x", (tmp_path / "columns.png",))).as_tensor()[0, 8:-8, 8:-8]
    assert_close((image + 1) / 2, torch.full_like(image, expected), rtol=0, atol=1e-5)
