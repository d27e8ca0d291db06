"""MONAI's side: LoadImage, LoadImaged, data sets and workers, and nothing else ever reading in our place."""

from __future__ import annotations

import json
import sys
import types
import warnings

import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader, Dataset, MetaTensor, PersistentDataset
from monai.transforms import Orientation
from PIL import Image
from torch.testing import assert_close

from medad.io import (
    DicomReader,
    NiftiReader,
    RasterReader,
    ReadSettings,
    SitkReader,
    UnreadableImage,
    load_image_transform,
    load_imaged_transform,
    read_image,
)

PIXELS = np.arange(20, dtype=np.uint16).reshape(4, 5)


@pytest.fixture
def files(dicom, tmp_path):
    """Eight DICOM files, all of one size."""
    return [dicom(f"{index}.dcm", PIXELS * index, PhotometricInterpretation="MONOCHROME1") for index in range(8)]


def test_read_image_is_a_metatensor_with_decisions_and_no_patient(dicom):
    path = dicom("a.dcm", PIXELS, ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                 PixelSpacing=[0.5, 0.75])  # fmt: skip
    image = read_image(path)
    assert isinstance(image, MetaTensor)
    assert image.shape == (1, 5, 4)
    assert image.dtype == torch.float32
    expected = [[-0.75, 0, 0, -1], [0, -0.5, 0, -2], [0, 0, 1, 3], [0, 0, 0, 1]]
    assert_close(image.affine, torch.tensor(expected, dtype=torch.float64))
    assert isinstance(image.meta["reading"], dict)
    assert json.loads(json.dumps(image.meta["reading"])) == image.meta["reading"]
    assert image.meta["filename_or_obj"] == str(path)
    assert not any(secret in str(image.meta) for secret in ("4711", "Doe", "1970", "0815", "1.2.3.4"))
    assert read_image(path, ReadSettings(keep_patient_tags=True)).meta["patient"]["PatientName"] == "Doe^Jane"


def test_settings_are_json_frozen_and_strict():
    settings = ReadSettings(voi="window", window="LUNG", non_finite="fill")
    assert ReadSettings.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(ValueError, match="frozen"):
        settings.voi = "off"
    with pytest.raises(ValueError, match="Extra inputs"):
        ReadSettings(voy="off")


def test_a_volume_is_ras_for_monai_too(series, volume):
    image = read_image(series("a", volume))
    assert_close(Orientation("RAS", labels=(("L", "R"), ("P", "A"), ("I", "S")))(image).as_tensor(), image.as_tensor())
    assert image.is_contiguous()


def test_load_image_and_load_imaged_give_the_same(files):
    one = read_image(files[3])
    two = load_image_transform()(files[3])
    three = load_imaged_transform("image")({"image": (str(files[3]),)})["image"]
    for other in (two, three):
        assert_close(other.as_tensor(), one.as_tensor())
        assert_close(other.affine, one.affine)
        assert other.meta["reading"] == one.meta["reading"]


@pytest.mark.parametrize("kind", ["Dataset", "CacheDataset", "PersistentDataset"])
@pytest.mark.parametrize("workers", [0, 2])
def test_data_sets_and_workers_give_what_read_image_gives(files, tmp_path, kind, workers):
    transform, items = load_imaged_transform("image"), [{"image": str(path)} for path in files]
    data = {
        "Dataset": lambda: Dataset(items, transform),
        "CacheDataset": lambda: CacheDataset(items, transform, progress=False),
        "PersistentDataset": lambda: PersistentDataset(items, transform, cache_dir=tmp_path / "cache"),
    }[kind]()
    for _ in range(2):
        loader = DataLoader(data, batch_size=4, num_workers=workers)
        batch = torch.cat([torch.as_tensor(part["image"]) for part in loader])
        assert_close(batch, torch.stack([read_image(path).as_tensor() for path in files]))


def test_decisions_stay_with_their_images_in_a_batch(files, dicom, tmp_path):
    names = [files[0], dicom("x.dcm", PIXELS, RescaleSlope=0)]
    data = Dataset([{"image": str(path)} for path in names], load_imaged_transform("image"))
    (batch,) = DataLoader(data, batch_size=2)
    readings = batch["image"].meta["reading"]
    assert [reading["inverted"] for reading in readings] == [True, False]
    assert len(readings[1]["assumed"]) == len(readings[0]["assumed"]) + 1
    warnings.simplefilter("error")  # MONAI only warns when it cannot load what it kept
    kept = PersistentDataset(
        [{"image": str(files[0])}], load_imaged_transform("image"), tmp_path / "kept", track_meta=True
    )
    assert kept[0]["image"].meta["reading"] == kept[0]["image"].meta["reading"] == read_image(files[0]).meta["reading"]


@pytest.mark.parametrize("importable", [True, False])
def test_results_do_not_depend_on_itk_being_there(files, bundled, monkeypatch, importable):
    before = [read_image(path) for path in (*files[:2], bundled / "examples_palette.dcm")]
    stub = types.ModuleType("itk") if importable else None
    monkeypatch.setitem(sys.modules, "itk", stub)
    monkeypatch.setattr("monai.data.image_reader.has_itk", importable)
    loader = load_image_transform()
    assert [type(reader).__name__ for reader in loader.readers] == ["StudyReader"]
    for path, image in zip((*files[:2], bundled / "examples_palette.dcm"), before, strict=True):
        assert_close(loader(path).as_tensor(), image.as_tensor())


def test_nothing_falls_back_to_another_reader(dicom, tmp_path):
    path = dicom("a.dcm", PIXELS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableImage) as caught:
        load_image_transform()(path)
    assert caught.value.kind == "truncated"
    with pytest.raises(RuntimeError) as wrapped:
        Dataset([{"image": path}], load_imaged_transform("image"))[0]
    assert isinstance(wrapped.value.__cause__, UnreadableImage)
    Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / "b.png")
    for reader in (DicomReader(), NiftiReader(), SitkReader()):
        with pytest.raises(UnreadableImage, match="of the kind 'raster'"):
            load_image_transform(reader=reader)(tmp_path / "b.png")
    assert load_image_transform(reader=RasterReader())(tmp_path / "b.png").shape == (1, 5, 4)


@pytest.mark.parametrize("files", [[], "missing.dcm", "."])
def test_wrong_arguments_are_the_same_family(files):
    with pytest.raises(UnreadableImage):
        read_image(files)


def test_running_out_of_memory_is_the_same_family(dicom, monkeypatch):
    def full(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr("medad.io.dicom.header.read_tags", full)
    with pytest.raises(UnreadableImage) as caught:
        read_image(dicom("a.dcm", PIXELS))
    assert caught.value.kind == "too-large"


def test_an_interrupt_is_let_through(dicom, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("medad.io.dicom.header.read_tags", stop)
    with pytest.raises(KeyboardInterrupt):
        read_image(dicom("a.dcm", PIXELS))
