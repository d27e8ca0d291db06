"""Woven textures in MVTec AD's layout: ROOT/CLASS/{train,test,ground_truth}, with defects and their masks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

Gray = np.ndarray


def weave(rng: np.random.Generator, side: int) -> Gray:
    """Threads over and under each other, 8 pixels wide, at a random phase; uneven light and noise. (side, side)."""
    rows, columns = np.mgrid[0:side, 0:side] + rng.integers(0, 16, 2)[:, None, None]
    over = ((rows // 8 + columns // 8) % 2).astype(bool)
    warp, weft = np.sin(np.pi * (columns % 8) / 8), np.sin(np.pi * (rows % 8) / 8)
    light = 1 + 0.1 * np.sin(2 * np.pi * (rows + columns) / side + rng.uniform(0, 6))
    return (light * (70 + 90 * np.where(over, warp, weft)) + rng.normal(0, 6, (side, side))).astype(np.float32)


def hole(image: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """A dark blot of a few threads."""
    mask = _drawn(image, "ellipse", _box(image, rng, 9, 14))
    return np.where(mask, 0.25 * image, image), mask


def stain(image: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """A brighter blot, through which the threads are seen."""
    mask = _drawn(image, "ellipse", _box(image, rng, 16, 26))
    return np.where(mask, image + 35, image), mask


def seam(image: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """A field where the threads run obliquely: other structure, the same brightness."""
    mask = _drawn(image, "rectangle", _box(image, rng, 18, 26))
    tilted = Image.fromarray(weave(rng, 2 * image.shape[0])).rotate(45, resample=Image.Resampling.BILINEAR)
    half = image.shape[0] // 2
    return np.where(mask, np.asarray(tilted)[half:-half, half:-half], image), mask


def thread(image: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """A bright fiber that lies on the fabric."""
    side = image.shape[0]
    (left, top), (right, bottom) = rng.integers(side // 8, 7 * side // 8, (2, 2)).tolist()
    mask = _drawn(image, "line", (left, top, right, bottom), width=3)
    return np.where(mask, 225.0, image), mask


DEFECTS: dict[str, Callable[[Gray, np.random.Generator], tuple[Gray, Gray]]] = {
    "hole": hole,
    "stain": stain,
    "seam": seam,
    "thread": thread,
}


def _box(image: Gray, rng: np.random.Generator, least: int, most: int) -> tuple[int, ...]:
    height, width = rng.integers(least, most + 1, 2)
    top, left = rng.integers(4, image.shape[0] - most - 4, 2)
    return int(left), int(top), int(left + width), int(top + height)


def _drawn(image: Gray, shape: str, box: tuple[int, ...], **more: int) -> Gray:
    canvas = Image.new("L", image.shape)
    getattr(ImageDraw.Draw(canvas), shape)(box, fill=255, **more)
    return np.asarray(canvas) > 0


def write_textures(
    root: Path, normal: int = 24, good: int = 8, each: int = 4, side: int = 128, name: str = "weave"
) -> Path:
    """A class with ``normal`` training images, ``good`` normal test images and ``each`` of every defect; its folder."""
    rng = np.random.default_rng(5)
    folder = root / name
    for place, count in (("train/good", normal), ("test/good", good)):
        for index in range(count):
            _save(folder / place / f"{index:03d}.png", weave(rng, side))
    for kind, spoil in DEFECTS.items():
        for index in range(each):
            image, mask = spoil(weave(rng, side), rng)
            _save(folder / "test" / kind / f"{index:03d}.png", image)
            _save(folder / "ground_truth" / kind / f"{index:03d}_mask.png", mask * 255.0)
    return folder


def _save(path: Path, image: Gray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)).save(path)
