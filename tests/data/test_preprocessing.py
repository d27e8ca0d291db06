"""Preprocessing for scoring equals MONAI's transforms, which training uses, to the last bit."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch
from helpers.making import gray_image, write_dicom
from PIL import Image

from medad.config import Settings
from medad.data.preprocessing import Preprocessing, on_source_grid
from medad.data.study_reading import Prepare
from medad.data.transforms import as_slices, restore
from medad.methods._cdo_settings import CDOSettings
from medad.types import Study

OBLIQUE = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, -2.0]])
SAGITTAL = np.array([[0, 0, 2.0], [0.5, 0, 0], [0, -0.5, 0]])


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[Study]:
    """DICOM, an 8-bit and a 16-bit PNG, color, volumes in several orientations, and a DICOM series."""
    folder, rng = tmp_path_factory.mktemp("studies"), np.random.default_rng(0)
    gray = gray_image(rng, side=70)[:, :50].copy()
    write_dicom(folder / "x.dcm", gray, WindowCenter=900, WindowWidth=1500)
    Image.fromarray(gray).save(folder / "8.png")
    Image.fromarray(gray.astype(np.uint16) * 200).save(folder / "16.png")
    Image.fromarray(np.stack([gray, gray // 2, 255 - gray], axis=-1)).save(folder / "color.png")
    for name, axes in (("oblique", OBLIQUE), ("sagittal", SAGITTAL), ("ras", np.diag([1.0, 1.0, 3.0]))):
        affine = np.eye(4)
        affine[:3, :3] = axes
        nib.save(
            nib.Nifti1Image(rng.normal(100, 40, (40, 33, 5)).astype(np.float32), affine), folder / f"{name}.nii.gz"
        )
    tags = {"SeriesInstanceUID": "1.2.3.4", "FrameOfReferenceUID": "1.2.9"}
    slices = [write_dicom(folder / f"s{z}", gray_image(rng), **tags, ImagePositionPatient=[0, 0, z]) for z in range(3)]
    single = [Study(path.name, (path,)) for path in sorted(folder.iterdir()) if path not in slices]
    return [*single, Study("series", tuple(slices))]


@pytest.mark.parametrize(
    "settings",
    [
        *(Settings(size=32, preset=preset) for preset in ("published", "cxr", "mr", "ct")),
        Settings(size=48, channels=3, preset="fundus"),
        CDOSettings(size=64, channels=3),
    ],
    ids=lambda settings: f"{settings.preset}-{settings.resampling}-{settings.channels}",
)
def test_values_are_those_of_the_monai_transforms(settings: Settings, studies: list[Study]) -> None:
    ours, monai = Preprocessing(settings), Prepare(settings)
    for study in studies:
        source, expected = ours.read(study), monai(study)
        assert torch.equal(source.pixels, monai.read(study).as_tensor()), study.id
        assert torch.equal(ours.slices(source), as_slices(expected)), study.id


def test_maps_return_to_the_source_as_by_the_inverse_of_the_monai_transforms(studies: list[Study]) -> None:
    settings = Settings(size=32)
    ours, monai = Preprocessing(settings), Prepare(settings)
    for study in studies:
        source, image = ours.read(study), monai(study)
        maps = torch.rand(len(as_slices(image)), 1, 32, 32, generator=torch.Generator().manual_seed(0))
        restored = restore(maps, image)
        if source.volume:
            turned = nib.Nifti1Image(restored.as_tensor()[0].numpy(), np.asarray(restored.affine))
            turn = nib.orientations.ornt_transform(
                nib.orientations.io_orientation(turned.affine), nib.orientations.io_orientation(source.original_affine)
            )
            expected = np.asarray(turned.as_reoriented(turn).dataobj)
        else:
            expected = restored.as_tensor()[0].T.numpy()
        np.testing.assert_array_equal(on_source_grid(maps, source), expected, err_msg=study.id)
