"""Pages of a file: each is a row when they are split, and none is left out without a word."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from numpy.testing import assert_array_equal
from PIL import Image
from typer.testing import CliRunner

from medad.cli import app
from medad.io import ReadSettings, UnreadableImage, discover
from medad.types import Study

RNG = np.random.default_rng(0)
PAGES = [RNG.integers(0, 256, (6 + number, 9)).astype(np.uint8) for number in range(3)]  # of different sizes
SPLIT = ReadSettings(time="split")


def save_pages(path, pages, **options):
    images = [Image.fromarray(page) for page in pages]
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def ids(root, settings=SPLIT):
    return [one.id for one in discover(root, settings) if isinstance(one, Study)]


def inspect(*arguments):
    done = CliRunner().invoke(app, ["inspect", *(str(one) for one in arguments), "--json"])
    return done, json.loads(done.stdout)


def test_every_page_is_a_row(read, tmp_path):
    path = save_pages(tmp_path / "a.tif", PAGES)
    done, rows = inspect(tmp_path, "--split")
    assert done.exit_code == 0
    assert [row["file"] for row in rows] == ["a.tif", "a.tif#2", "a.tif#3"]
    assert [row["shape"] for row in rows] == [[1, 9, 6], [1, 9, 7], [1, 9, 8]]
    for number, page in enumerate(PAGES):
        assert_array_equal(read(f"{path}#{number + 1}").array[0], page.T)  # a part that is named needs no setting
    done, rows = inspect(tmp_path)
    assert done.exit_code == 1
    assert [(row["status"], row["what"]) for row in rows] == [("refused", "multi-page")]
    assert "3 pages" in rows[0]["reason"]


def test_one_file_that_is_named_is_split_as_its_folder_is(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6, 3), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    done, rows = inspect(tmp_path / "a.nii.gz", "--split")
    assert done.exit_code == 0, done.output
    assert [row["file"] for row in rows] == ["a.nii.gz", "a.nii.gz#2", "a.nii.gz#3"]
    assert rows == inspect(tmp_path, "--split")[1]
    path = save_pages(tmp_path / "b.tif", PAGES)
    assert ids(path) == ["b.tif", "b.tif#2", "b.tif#3"]


def test_a_smaller_copy_of_a_page_is_no_page(read, tmp_path):
    """Pyramids: NewSubfileType says that a page is another one, reduced, or a mask."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    path = tmp_path / "a.tif"
    for kind in (1, 4, 5):
        tags = ImageFileDirectory_v2()
        tags[254] = kind
        small = Image.fromarray(PAGES[0][::2, ::2])
        small.encoderinfo = {"tiffinfo": tags}
        Image.fromarray(PAGES[0]).save(path, save_all=True, append_images=[small])
        assert ids(path) == ["a.tif"]
        picture = read(path)
        assert_array_equal(picture.array[0], PAGES[0].T)
        assert any("1 smaller copies, masks or further pictures" in note for note in picture.reading["assumed"])


def test_an_animated_png_is_pages_and_a_gif_is_named(tmp_path):
    same = [RNG.integers(0, 256, (6, 9)).astype(np.uint8) for _ in range(3)]
    save_pages(tmp_path / "a.png", same)
    assert ids(tmp_path) == ["a.png", "a.png#2", "a.png#3"]
    save_pages(tmp_path / "b.gif", same)
    save_pages(tmp_path / "c.webp", same)
    reasons = {one.path.name: one.reason for one in discover(tmp_path, SPLIT) if not isinstance(one, Study)}
    assert "GIF" in reasons["b.gif"]
    assert "WebP" in reasons["c.webp"]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.uint32, np.float32])
def test_deep_pages(read, tmp_path, kind):
    pages = [RNG.integers(0, 60000, (6, 9)).astype(kind) for _ in range(2)]
    volume = sitk.GetImageFromArray(np.stack(pages))
    sitk.WriteImage(volume, str(tmp_path / "a.tif"), imageIO="TIFFImageIO")
    for number, page in enumerate(pages):
        assert_array_equal(read(f"{tmp_path}/a.tif#{number + 1}").array[0], page.T.astype(np.float32))


def test_large_unsigned_values_of_32_bits(read, tmp_path):
    page = np.full((6, 9), 3_000_000_000, np.uint32)
    sitk.WriteImage(sitk.GetImageFromArray(page), str(tmp_path / "a.tif"), imageIO="TIFFImageIO")
    assert read(tmp_path / "a.tif").array.min() == np.float32(3_000_000_000)


def test_color_pages_of_16_bits(read, tmp_path):
    pages = RNG.integers(0, 65536, (2, 6, 9, 3)).astype(np.uint16)
    sitk.WriteImage(sitk.GetImageFromArray(pages, isVector=True), str(tmp_path / "a.tif"), imageIO="TIFFImageIO")
    for number, page in enumerate(pages):
        assert_array_equal(read(f"{tmp_path}/a.tif#{number + 1}").array, page.transpose(2, 1, 0))


def test_a_page_that_is_not_there(read, tmp_path):
    path = save_pages(tmp_path / "a.tif", PAGES)
    with pytest.raises(UnreadableImage, match="it has 3 pages, not 4"):
        read(f"{path}#4")
