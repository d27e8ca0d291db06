"""Miniature downloads of the public data sets, in their true layouts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from making import gray_image
from PIL import Image


def color_image(rng: np.random.Generator, abnormal: bool, side: int = 40) -> np.ndarray:
    """(side, side, 3), 8-bit."""
    return np.stack([gray_image(rng, abnormal, side)] * 3, axis=-1)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def square(side: int = 40) -> np.ndarray:
    """A mask: 0 and 255."""
    mask = np.zeros((side, side), np.uint8)
    mask[10:20, 12:22] = 255
    return mask


def mvtec(root: Path, classes: tuple[str, ...] = ("bottle", "grid"), train: int = 8) -> Path:
    """MVTec AD: two classes, "grid" in gray; two kinds of defects."""
    rng = np.random.default_rng(1)
    home = root / "MVTecAD"
    for name in classes:
        make = gray_image if name == "grid" else color_image
        for index in range(train):
            save(home / name / "train" / "good" / f"{index:03d}.png", make(rng, False))
        for index in range(3):
            save(home / name / "test" / "good" / f"{index:03d}.png", make(rng, False))
            for defect in ("broken", "glue"):
                save(home / name / "test" / defect / f"{index:03d}.png", make(rng, True))
                save(home / name / "ground_truth" / defect / f"{index:03d}_mask.png", square())
        (home / name / "readme.txt").write_text("Attribution\n")
    return home


def mvtec3d(root: Path) -> Path:
    """MVTec 3D-AD: one class, with the 3-D scans beside the photographs."""
    rng = np.random.default_rng(2)
    home = root / "MVTec3D" / "bagel"
    for part, defects in (("train", ("good",)), ("validation", ("good",)), ("test", ("good", "crack", "hole"))):
        for defect in defects:
            for index in range(6 if part == "train" else 3):
                name = f"{index:03d}"
                save(home / part / defect / "rgb" / f"{name}.png", color_image(rng, defect != "good"))
                save(home / part / defect / "gt" / f"{name}.png", square() if defect != "good" else square() * 0)
                save(home / part / defect / "xyz" / f"{name}.tiff", np.zeros((40, 40), np.float32))
    return home.parent


def visa(root: Path) -> Path:
    """VisA: one class that the table names and that is there, and one that is not."""
    rng = np.random.default_rng(3)
    home = root / "VisA"
    rows = [["object", "split", "label", "image", "mask"]]
    for name in ("candle", "pcb1"):
        for index in range(9):
            image = f"{name}/Data/Images/Normal/{index:04d}.JPG"
            rows.append([name, "train" if index < 6 else "test", "normal", image, ""])
        for index in range(3):
            image, mask = (f"{name}/Data/{kind}/Anomaly/{index:03d}" for kind in ("Images", "Masks"))
            rows.append([name, "test", "anomaly", f"{image}.JPG", f"{mask}.png"])
    for name, _, label, image, mask in rows[1:]:
        if name == "candle":
            save(home / image, color_image(rng, label == "anomaly"))
            if mask:
                save(
                    home / mask, (square() > 0).astype(np.uint8)
                )  # VisA's masks number the kinds of defects: 1, 2, ...
    (home / "split_csv").mkdir()
    with (home / "split_csv" / "1cls.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return home
