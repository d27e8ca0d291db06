"""Draw a random subject as one axial T1 slice from the MNI152 T1 average that nilearn ships.

Every subject is the average brain at another level, pose, size and shape, so all share its folding pattern. This suits
demonstrations and regression tests, but no claim about patients. Template: Fonov et al., NeuroImage 54(1):313-327,
2011. Intensities are fractions of the subject's white matter, lengths are in mm, coordinates are RAS.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medad.datasets.demo.lesion import Lesion, draw_lesion
from medad.types import MedadError

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float32]

FIELD_OF_VIEW_MM = 216.0
TEMPLATE_CENTER_MM = (0.0, -18.0, 22.0)  # the middle voxel of the 1 mm template, in its own space
WHITE_MATTER = 222.0  # the template's T1 value in white matter, of 255
LEVELS_MM = (14.0, 22.0)  # superior coordinate: through the lateral ventricles, as a technologist would aim

ROTATION_DEG = (4.0, 3.0, 3.0)  # pitch, roll and yaw, either way
SHIFT_MM = (2.0, 2.0, 0.0)
SCALE = (0.05, 0.05, 0.05)  # either way
WARPS_MM = ((4, 4.0, 4.0), (9, 2.0, 3.0), (20, 1.0, 2.5))  # control points a side, amplitude in plane, through plane
VENTRICLES_MM = ((0.0, -12.0, 18.0), 24.0)  # center and Gaussian radius of the region that widens or narrows
VENTRICLE_GAIN = (-0.20, 0.35)
GAMMA = (0.85, 1.35)
GRAY_MATTER_SHIFT = (-0.08, 0.05)
SHARPENING = (0.0, 0.8)
BIAS = (-0.10, 0.10)  # Legendre coefficients, degree 3, of the logarithm of the receive field
NOISE = (0.015, 0.04)  # standard deviation of each of the two Gaussian channels


@dataclass(frozen=True)
class Template:
    """T1 (white matter is 1), gray matter and white matter probability: (3, X, Y, Z) float32, 1 mm, RAS."""

    maps: Tensor


@dataclass(frozen=True)
class Subject:
    """One axial slice: ``image`` and ``mask`` are (H, W), rows from anterior to posterior, columns from right to left.

    ``image`` is what the scanner measures, in fractions of white matter; ``mask`` marks the lesion, if there is one.
    """

    image: Array
    mask: NDArray[np.bool_]
    level_mm: float
    spacing_mm: float
    lesion: Lesion | None = None


def load_template() -> Template:
    """Read the MNI152 maps from the installed nilearn package. Raises MedadError if they are missing."""
    package = importlib.util.find_spec("nilearn")
    if package is None or package.origin is None:
        raise MedadError("the demo data needs nilearn, which is not installed; run: pip install 'medad[demo]'")
    import nibabel
    import torch

    folder = Path(package.origin).parent / "datasets" / "data"
    paths = [folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz" for name in ("t1", "gm", "wm")]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise MedadError(f"nilearn in {folder.parent.parent} has no {missing[0]}; run: pip install 'medad[demo]'")
    maps = np.stack([np.asarray(nibabel.load(path).dataobj, dtype=np.float32) for path in paths])
    maps /= np.array([WHITE_MATTER, 255.0, 255.0], dtype=np.float32)[:, None, None, None]
    return Template(torch.from_numpy(maps))


def draw_subject(template: Template, rng: np.random.Generator, *, abnormal: bool, size: int) -> Subject:
    """Draw a subject on a (size, size) grid; an ``rng`` state gives the same anatomy with and without a lesion."""
    anatomy, disease, scanner = rng.spawn(3)
    spacing = FIELD_OF_VIEW_MM / size
    level = float(anatomy.uniform(*LEVELS_MM))
    positions = slice_positions(size, level)
    maps = _sample(template, _template_positions(positions, anatomy))
    tissue = np.clip(maps[1] + maps[2], 0.0, 1.0)
    image = _contrast(maps, anatomy)
    mask, lesion = np.zeros((size, size), dtype=np.bool_), None
    if abnormal:
        added, mask, lesion = draw_lesion(positions, tissue, disease)
        image = np.maximum(image + added, 0.0)
    return Subject(_acquire(image, scanner), mask, level, spacing, lesion)


def slice_positions(size: int, level_mm: float) -> Array:
    """Return the position of each pixel, (3, H, W) in RAS mm; row 0 is anterior, column 0 is the patient's right."""
    offsets = (np.arange(size) - (size - 1) / 2) * (FIELD_OF_VIEW_MM / size)
    y, x = np.meshgrid(TEMPLATE_CENTER_MM[1] - offsets, -offsets, indexing="ij")
    return np.stack([x, y, np.full_like(x, level_mm)]).astype(np.float32)


def _seeded(transform: Any, rng: np.random.Generator) -> Any:
    return transform.set_random_state(seed=int(rng.integers(2**32)))


def _template_positions(positions: Array, rng: np.random.Generator) -> Tensor:
    """Map scanner mm (3, H, W) to template mm around its center (3, H, W, 1), with random pose, size and shape."""
    import torch
    from monai.transforms import RandAffineGrid

    center = torch.tensor(TEMPLATE_CENTER_MM)[:, None, None, None]
    grid = torch.from_numpy(positions)[..., None] - center
    pose = _seeded(RandAffineGrid(np.deg2rad(ROTATION_DEG).tolist(), None, SHIFT_MM, SCALE), rng)
    grid = torch.as_tensor(pose(grid=torch.cat([grid, torch.ones_like(grid[:1])])))[:3].float()
    for points, in_plane, through_plane in WARPS_MM:
        amplitude = torch.tensor([in_plane, in_plane, through_plane])[:, None, None]
        grid = grid + (amplitude * _smooth_field(3, points, grid.shape[1], rng))[..., None]
    middle, radius = VENTRICLES_MM
    offset = grid + center - torch.tensor(middle)[:, None, None, None]
    near = torch.exp(-offset.square().sum(0) / (2 * radius**2))
    return grid - float(rng.uniform(*VENTRICLE_GAIN)) * near * offset


def _smooth_field(channels: int, points: int, size: int, rng: np.random.Generator) -> Tensor:
    """Return smooth noise in about [-1, 1], (C, H, W), through ``points`` random control points per side."""
    from monai.transforms import SmoothField
    from torch.nn.functional import interpolate

    field = _seeded(SmoothField((points, points), channels=channels), rng)(randomize=True)
    field = field.reshape(1, channels, points, points)
    return interpolate(field, size=(size, size), mode="bicubic", align_corners=True)[0]


def _sample(template: Template, grid: Tensor) -> Array:
    """Return the template's maps (3, H, W) at ``grid`` (3, H, W, 1); zero outside the template."""
    from monai.transforms import Resample

    sample = Resample(mode="bilinear", padding_mode="zeros", align_corners=True, dtype=np.float32)
    return np.asarray(sample(template.maps, grid)[..., 0], dtype=np.float32)


def _contrast(maps: Array, rng: np.random.Generator) -> Array:
    """Return the image (H, W) with a random T1 contrast, gamma and sharpness; white matter becomes 1."""
    import torch
    from monai.transforms import GaussianSharpen, RandAdjustContrast

    t1, gray, white = maps
    image = torch.from_numpy(t1 + gray * float(rng.uniform(*GRAY_MATTER_SHIFT)))[None]
    image = GaussianSharpen(sigma1=0.4, sigma2=2.0, alpha=float(rng.uniform(*SHARPENING)))(image)
    image = _seeded(RandAdjustContrast(prob=1.0, gamma=GAMMA), rng)(image.clamp(min=0))
    result = np.asarray(image[0], dtype=np.float32) * (t1 > 0)
    return np.asarray(result / np.median(result[white > 0.9]), dtype=np.float32)


def _acquire(image: Array, rng: np.random.Generator) -> Array:
    """Add a receive bias field and Rician noise: (H, W) -> (H, W)."""
    import torch
    from monai.transforms import RandBiasField, RandRicianNoise

    measured = _seeded(RandBiasField(degree=3, coeff_range=BIAS, prob=1.0), rng)(torch.from_numpy(image)[None])
    noise = RandRicianNoise(prob=1.0, std=float(rng.uniform(*NOISE)), sample_std=False)
    return np.asarray(_seeded(noise, rng)(measured)[0], dtype=np.float32)
