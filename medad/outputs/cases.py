"""Pictures of the cases that a score got most right and most wrong, for whoever reads only the results folder.

They are written while the images are at hand. cases/cases.json lists them: for each case its ID, label, rank
and score, the files of its image, of the image with its mask's outline (where there is a mask) and of its maps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.outputs.pictures import COLORS, to_gray
from medad.results.names import PICTURE_INDEX
from medad.types import Case

EACH = 3
OUTLINE = (0, 220, 220)
OUTLINE_SIDE = 256  # an outline on fewer pixels hides what it surrounds
SHADES = 64  # colors in the picture of a map

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pick:
    """A case by its place in the table; ``rank`` 1 is the most confidently right, or wrong, of its class."""

    index: int
    label: int
    right: bool
    rank: int


def rule(by: str, each: int = EACH) -> str:
    """How :func:`pick_cases` chooses, in a sentence."""
    return (
        f"Chosen by the score {by} alone, up to {each} of a kind: the abnormal cases with the highest scores (found) "
        "and the lowest (missed), the normal cases with the lowest scores (passed) and the highest (false alarms)."
    )


def pick_cases(labels: NDArray[np.int64], values: NDArray[np.float64], each: int = EACH) -> list[Pick]:
    """Up to ``each`` of the most confidently right and wrong cases of each class; no case twice.

    ``labels`` and ``values`` are (N,); equal values keep the order of the table.
    """
    picks = []
    for label in (1, 0):
        falling = [int(index) for index in np.argsort(-values, kind="stable") if labels[index] == label]
        right = falling if label else falling[::-1]
        count = min(each, (len(right) + 1) // 2)
        wrong = right[count:][::-1][:each]
        picks += [Pick(index, label, True, rank) for rank, index in enumerate(right[:count], 1)]
        picks += [Pick(index, label, False, rank) for rank, index in enumerate(wrong, 1)]
    return picks


def save_cases(
    folder: Path,
    ids: Sequence[str],
    labels: NDArray[np.int64],
    scores: Mapping[str, NDArray[np.float64]],
    picture: Callable[[int, str], Case],
    tops: Mapping[str, float],
) -> None:
    """Write the pictures of the chosen cases to ``folder``; the last score chooses.

    ``ids`` (N), ``labels`` (N,) and ``scores`` {name: (N,)} are those of the test set; ``picture(index, score)`` is
    the case's slice where that score is highest, with its maps; ``tops`` are the tops of the maps' color scales.
    """
    by = list(scores)[-1]
    folder.mkdir(parents=True, exist_ok=True)
    normals = scores[by][labels == 0]
    entries = []
    for number, pick in enumerate(pick_cases(labels, scores[by])):
        value = float(scores[by][pick.index])
        entries.append(
            {
                "id": ids[pick.index],
                "label": pick.label,
                "right": pick.right,
                "rank": pick.rank,
                "value": value,
                "above_normals": float(np.mean(normals < value)) if len(normals) else None,
                **_write_pictures(folder, f"{number:02d}", picture(pick.index, by), tops),
            }
        )
    part = folder / f"{PICTURE_INDEX}.part"
    content = {"score": by, "rule": rule(by), "cases": entries}
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(folder / PICTURE_INDEX)


def _write_pictures(folder: Path, stem: str, case: Case, tops: Mapping[str, float]) -> dict[str, Any]:
    """The files of one case, and what alternative text needs to say of them."""
    gray = (to_gray(case.image) * 255).round().astype(np.uint8)
    mask = None if case.mask is None or not bool(case.mask.any()) else case.mask.numpy() > 0
    entry: dict[str, Any] = {"image": _save(folder / f"{stem}-image.png", gray), "mask": None, "maps": {}}
    if mask is not None:
        entry["mask"] = _save(folder / f"{stem}-mask.png", outlined(gray, mask))
        entry["mask_share"] = float(mask.mean())
    for name, tensor in case.maps.items():
        values: NDArray[np.float32] = tensor[0].float().numpy()
        top = tops.get(name) or 1.0
        entry["maps"][name] = {
            "file": _save(folder / f"{stem}-map-{name}.png", _colored(values, top)),
            "top": float(top),
            "highest": float(values.max()),
            "inside": None if mask is None else float(values[mask].mean()),
            "outside": None if mask is None or mask.all() else float(values[~mask].mean()),
        }
    return entry


def outlined(gray: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """A gray image (H, W) as RGB, enlarged, with the outline of ``mask`` (H, W) around what it marks: (kH, kW, 3)."""
    from scipy.ndimage import binary_dilation

    factor = max(1, OUTLINE_SIDE // max(gray.shape))
    large = np.kron(gray, np.ones((factor, factor), np.uint8))
    marked = np.kron(mask, np.ones((factor, factor), bool)).astype(bool)
    width = max(1, max(large.shape) // 128)
    colored: Pixels = np.repeat(large[..., None], 3, axis=2)
    colored[binary_dilation(marked, iterations=width) & ~marked] = OUTLINE
    return colored


def _colored(values: NDArray[np.float32], top: float) -> Pixels:
    """(H, W), colored from 0 to ``top`` -> RGB in few colors, which compress well: (H, W, 3)."""
    import matplotlib

    steps = np.round(np.clip(values / top, 0, 1) * (SHADES - 1)) / (SHADES - 1)
    colors: Pixels = (matplotlib.colormaps[COLORS](steps)[..., :3] * 255).round().astype(np.uint8)
    return colors


def _save(path: Path, pixels: Pixels) -> str:
    from PIL import Image

    picture = Image.fromarray(pixels)
    if pixels.ndim == 3:
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(path, format="PNG", optimize=True)
    return path.name
