"""Pictures of the cases that a score got most right and most wrong, for whoever reads only the results folder.

They are written while the images are at hand. cases/cases.json names the score that chose them and the map that is
drawn elsewhere too, and lists them: for each case its ID, label, rank and score, the files of its image, of the image
with its mask's outline (where there is a mask) and of the image under each of its maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medad.files import write_json, writing
from medad.outputs.pictures import Scale, overlay, to_gray, with_bar
from medad.results.names import PICTURE_INDEX
from medad.types import Case

EACH = 3
OUTLINE = (0, 220, 220)
SIDE = 256  # pixels that a picture is enlarged to, for an outline or a color bar would hide what it explains

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
    scales: Mapping[str, Scale],
    by: str,
    drawn: str,
) -> None:
    """Write the pictures of the cases that the score ``by`` chooses to ``folder``; ``drawn`` names the model's map.

    ``ids`` (N), ``labels`` (N,) and ``scores`` {name: (N,)} are those of the test set; ``picture(index, score)`` is
    the case's slice where that score is highest, with its maps; ``scales`` are their color scales.
    """
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
                **_write_pictures(folder, f"{number:02d}", picture(pick.index, by), scales),
            }
        )
    content = {"score": by, "map": drawn, "rule": rule(by), "cases": entries}
    write_json(folder / PICTURE_INDEX, content, indent=1)


def _write_pictures(folder: Path, stem: str, case: Case, scales: Mapping[str, Scale]) -> dict[str, Any]:
    """The files of one case, and what alternative text needs to say of them."""
    gray = (to_gray(case.image) * 255).round().astype(np.uint8)
    mask = None if case.mask is None or not bool(case.mask.any()) else case.mask.numpy() > 0
    entry: dict[str, Any] = {"image": _save(folder / f"{stem}-image.png", gray), "mask": None, "maps": {}}
    if mask is not None:
        entry["mask"] = _save(folder / f"{stem}-mask.png", outlined(gray, mask))
        entry["mask_share"] = float(mask.mean())
    for name, tensor in case.maps.items():
        values: NDArray[np.float32] = tensor[0].float().numpy()
        colored = with_bar(_enlarged(overlay(gray, values, scales[name])), scales[name])
        entry["maps"][name] = {
            "file": _save(folder / f"{stem}-map-{name}.png", colored),
            "low": float(scales[name].low),
            "top": float(scales[name].high),
            "highest": float(values.max()),
            "inside": None if mask is None else float(values[mask].mean()),
            "outside": None if mask is None or mask.all() else float(values[~mask].mean()),
        }
    return entry


def outlined(gray: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """A gray image (H, W) as RGB, enlarged, with the outline of ``mask`` (H, W) around what it marks: (kH, kW, 3)."""
    from scipy.ndimage import binary_dilation

    colored = _enlarged(np.repeat(gray[..., None], 3, axis=2))
    marked = _enlarged(mask.astype(np.uint8)).astype(bool)
    width = max(1, max(marked.shape) // 128)
    colored[binary_dilation(marked, iterations=width) & ~marked] = OUTLINE
    return colored


def _enlarged(pixels: Pixels) -> Pixels:
    """(H, W) or (H, W, 3) -> (kH, kW) or (kH, kW, 3), each pixel a square: about ``SIDE`` a side, or as it is."""
    factor = max(1, SIDE // max(pixels.shape[:2]))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)


def _save(path: Path, pixels: Pixels) -> str:
    from PIL import Image

    picture = Image.fromarray(pixels)
    if pixels.ndim == 3:
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    with writing(path) as part:
        picture.save(part, format="PNG", optimize=True)
    return path.name
