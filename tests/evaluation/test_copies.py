"""An image that was learned from, or has two labels, in whatever file it is: refused by an evaluation as by a check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.making import gray_image
from PIL import Image

from medad.config import Settings
from medad.data.loading import Loader
from medad.data.training_marks import write_marks
from medad.experiments.duplicate_images import CopiedStudies, check_copies
from medad.types import Study


def study(root: Path, name: str, seed: int, label: int | None) -> Study:
    Image.fromarray(gray_image(np.random.default_rng(seed), side=20)).save(root / name)
    return Study(name, (root / name,), label=label)


def test_pixels_that_were_learned_from_are_refused_in_a_manifest(tmp_path: Path) -> None:
    loader = Loader(Settings(size=16))
    learned = [study(tmp_path, f"{seed}.png", seed, None) for seed in range(3)]
    loader(learned)
    write_marks(tmp_path / "model", learned, "ward", loader.pixels(learned))
    test = [study(tmp_path, "x.bmp", 2, 0), study(tmp_path, "y.png", 7, 1)]
    check_copies(tmp_path / "model", [test[1]], loader, "manifest")
    loader(test)
    with pytest.raises(CopiedStudies, match="1 of 2 images have been learned from, pixel for pixel"):
        check_copies(tmp_path / "model", test, loader, "manifest")
    check_copies(tmp_path / "model", test[1:], loader, "manifest")
    check_copies(tmp_path / "another model", test, loader, "manifest")


def test_one_image_with_two_labels_is_refused_and_in_a_published_split_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = Loader(Settings(size=16))
    test = [study(tmp_path, "x.bmp", 2, 0), study(tmp_path, "y.png", 2, 1), study(tmp_path, "z.png", 3, 1)]
    loader(test)
    with pytest.raises(CopiedStudies, match="1 images are listed as normal and as abnormal"):
        check_copies(tmp_path, test, loader, "manifest")
    check_copies(tmp_path, test, loader, "official")
    assert "1 images are listed as normal and as abnormal" in caplog.text
    check_copies(tmp_path, test[1:], loader, "manifest")


def test_blank_images_are_nobodys_copies(tmp_path: Path) -> None:
    loader = Loader(Settings(size=16))
    test = []
    for label in (0, 1):
        Image.new("L", (20, 20)).save(tmp_path / f"{label}.png")
        test.append(Study(str(label), (tmp_path / f"{label}.png",), label=label))
    loader(test)
    check_copies(tmp_path, test, loader, "manifest")
