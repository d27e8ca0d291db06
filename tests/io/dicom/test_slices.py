"""One axial slice of a volume, by its address: "scan.nii.gz#z12"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medad.data.transforms import DisplayAxes, as_slices
from medad.io import UnreadableImage, read_image
from medad.io.read import _cached_volume


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """(5, 4, 6) voxels, sagittal in file order and flipped, so that no axis is where it is expected."""
    values = np.arange(120, dtype=np.int16).reshape(5, 4, 6)
    affine = np.array([[0, 0, -2.0, 9], [-1.5, 0, 0, 4], [0, 3.0, 0, -7], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def test_slices_are_those_that_the_volume_is_made_of(scan: Path) -> None:
    volume = read_image(scan)
    whole = as_slices(DisplayAxes()(volume))
    assert len(whole) == 4
    for index in range(4):
        one = read_image(scan.with_name(f"scan.nii.gz#z{index + 1}"))
        torch.testing.assert_close(as_slices(DisplayAxes()(one))[0], whole[index])
        first = torch.linalg.inv(volume.affine) @ one.affine @ torch.tensor([1.0, 2, 0, 1], dtype=torch.float64)
        x, y, z = (int(v) for v in first[:3].round())
        assert one[0, 1, 2] == volume[0, x, y, z]


def test_a_volume_is_decoded_once_and_again_when_it_changes(scan: Path) -> None:
    _cached_volume.cache_clear()
    for index in (1, 2, 3):
        read_image(scan.with_name(f"scan.nii.gz#z{index}"))
    assert _cached_volume.cache_info().misses == 1
    image = nib.load(scan)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine), scan)
    assert float(read_image(scan.with_name("scan.nii.gz#z1")).min()) == 1


def test_a_slice_that_is_not_there(scan: Path, dicom: Callable[..., Path]) -> None:
    with pytest.raises(UnreadableImage, match="it has 4 slices, not 5"):
        read_image(scan.with_name("scan.nii.gz#z5"))
    flat = dicom("flat.dcm", np.zeros((4, 4), np.uint16))
    with pytest.raises(UnreadableImage, match="single image"):
        read_image(flat.with_name("flat.dcm#z1"))
    with pytest.raises(UnreadableImage, match="no such file"):
        read_image(scan.with_name("gone.nii.gz#z1"))
