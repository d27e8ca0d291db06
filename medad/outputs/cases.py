"""Write pictures of the most confidently right and wrong cases, for readers who have only the results folder.

The pictures are written during the evaluation, while the images are available. The index cases/cases.json names the
score that chose the cases and the map that heatmaps and triage pages show. For each case it lists ID, label, rank and
score, and the files of the image, of the image with the outline of its mask (if it has one) and of each map overlay.
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
SIDE = 256  # pixels; small pictures are enlarged, since an outline or a color bar would hide too much of them

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pick:
    """A case by its row in the table; ``rank`` 1 is the most confidently right (or wrong) case of its class."""

    index: int
    label: int
    right: bool
    rank: int


def rule(by: str, each: int = EACH) -> str:
    """Return a sentence that describes how :func:`pick_cases` chooses cases by the score ``by``."""
    return (
        f"Chosen by the score {by} alone, up to {each} of a kind: the abnormal cases with the highest scores (found) "
        "and the lowest (missed), the normal cases with the lowest scores (passed) and the highest (false alarms)."
    )


def pick_cases(labels: NDArray[np.int64], values: NDArray[np.float64], each: int = EACH) -> list[Pick]:
    """Return up to ``each`` of the most confidently right and wrong cases of each class, without repetition.

    ``labels`` and ``values`` are (N,); cases with equal values keep the order of the table.
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
    """Write pictures of the cases chosen by the score ``by``, and their index, to ``folder``.

    Args:
        folder: the folder to write to; it is created if necessary.
        ids: the IDs of the N test studies.
        labels: 0 (normal) or 1 (abnormal) for each study, (N,).
        scores: the scores of the studies, (N,), by name.
        picture: returns the slice of study ``index`` where the given score is highest, with its maps.
        scales: the color scale of each map.
        by: the score that chooses the cases.
        drawn: the map that heatmaps and triage pages show.
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
    """Write the pictures of one case; return the file names and the values for their alternative texts."""
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
    """Return a gray image (H, W), enlarged to RGB (kH, kW, 3), with the outline of ``mask`` (H, W)."""
    from scipy.ndimage import binary_dilation

    colored = _enlarged(np.repeat(gray[..., None], 3, axis=2))
    marked = _enlarged(mask.astype(np.uint8)).astype(bool)
    width = max(1, max(marked.shape) // 128)
    colored[binary_dilation(marked, iterations=width) & ~marked] = OUTLINE
    return colored


def _enlarged(pixels: Pixels) -> Pixels:
    """Enlarge (H, W) or (H, W, 3) by the largest integer factor k that keeps it within ``SIDE``, at least 1."""
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
