"""MONAI's side: readers for LoadImage and LoadImaged, and ``read_image``. The only file here that imports MONAI."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from monai.data import MetaTensor
from monai.data.image_reader import ImageReader
from monai.transforms import LoadImage, LoadImaged
from torch.utils.data._utils.collate import default_collate_fn_map

from medad.io.errors import UnreadableImage
from medad.io.formats import IMAGES
from medad.io.picture import Array, Picture
from medad.io.read import Files, read_picture
from medad.io.settings import ReadSettings


class Reading(dict[str, Any]):
    """The decisions of one reading: plain JSON. In a batch they stay a list with one entry for each image, since their
    notes differ in number; torch and MONAI would try to stack them."""

    def __reduce__(self) -> tuple[type[Reading], tuple[dict[str, Any]]]:
        return Reading, (dict(self),)  # torch loads this with weights_only=True; a plain subclass of dict it would not


def _listed(batch: list[Reading], **_: Any) -> list[Reading]:
    return list(batch)


default_collate_fn_map[Reading] = _listed  # torch's documented way to extend default_collate
torch.serialization.add_safe_globals([Reading])  # so that PersistentDataset can keep it


def read_image(files: Files, settings: ReadSettings | None = None) -> MetaTensor:
    """The image in one file, or in the DICOM files of one series, in MONAI's axis order.

    Returns:
        float32 (C, W, H) for a 2-D image, as acquired; (C, X, Y, Z) for a volume, turned to RAS. ``affine`` is (4, 4),
        index to RAS mm. ``meta["reading"]`` holds the decisions made, as plain JSON; no patient tag is in ``meta``
        unless ``keep_patient_tags`` asks for it (``meta["patient"]``).

    Raises:
        UnreadableImage: and nothing else, whatever the files hold.
    """
    picture = read_picture(files, settings or ReadSettings())
    return as_image(picture, str(files if isinstance(files, (str, Path)) else files[0]))


def as_image(picture: Picture, name: str) -> MetaTensor:
    """What :func:`read_image` gives for a ``picture`` that was read from the file called ``name``."""
    return MetaTensor(torch.from_numpy(_writable(picture.array)), meta=_meta(picture, name))


def _writable(array: Array) -> Array:
    return array if array.flags.writeable and min(array.strides) >= 0 else array.copy()


def _meta(picture: Picture, name: str) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "affine": torch.from_numpy(picture.affine.copy()),
        "original_affine": torch.from_numpy(picture.original_affine.copy()),
        "spatial_shape": torch.tensor(picture.array.shape[1:]),
        "original_channel_dim": 0,
        "space": "RAS",
        "reading": Reading(picture.reading),
        "filename_or_obj": name,
    }
    return {**meta, "patient": picture.patient} if picture.patient else meta


@dataclass(frozen=True)
class Loaded:
    """What ``read`` hands to ``get_data``: a picture, or why there is none."""

    name: str
    picture: Picture | None
    error: UnreadableImage | None


class StudyReader(ImageReader):
    """A MONAI reader of every format that medad reads; files are told apart by content.

    ``read`` never raises, since LoadImage would then fall back to another reader in silence: ``get_data`` raises.
    It keeps no state between calls.
    """

    formats: ClassVar[tuple[str, ...]] = IMAGES

    def __init__(self, settings: ReadSettings | None = None) -> None:
        self.settings = settings or ReadSettings()

    def verify_suffix(self, filename: Any) -> bool:
        """True: names say nothing here."""
        return True

    def read(self, data: Any, **kwargs: Any) -> Loaded:
        """Read one file, or the files of one series."""
        files = [Path(data)] if isinstance(data, (str, Path)) else [Path(one) for one in data]
        name = str(files[0]) if files else "-"
        try:
            return Loaded(name, read_picture(files, self.settings, self.formats), None)
        except UnreadableImage as error:
            return Loaded(name, None, error)

    def get_data(self, img: Loaded) -> tuple[Array, dict[str, Any]]:
        """Array (C, *spatial) and meta data.

        Raises:
            UnreadableImage: what ``read`` found.
        """
        if img.picture is None:
            raise img.error or UnreadableImage(img.name)
        return _writable(img.picture.array), _meta(img.picture, img.name)


class LoadStudy(LoadImage):
    """MONAI's LoadImage with one of our readers and no other to fall back to: files -> MetaTensor (C, *spatial)."""

    def __init__(self, reader: StudyReader) -> None:
        with _quiet():
            super().__init__(reader=reader, image_only=True, ensure_channel_first=False)
        self.readers = [reader]

    def __call__(self, filename: Any, reader: ImageReader | None = None) -> MetaTensor:
        """Read, and give ``meta["reading"]`` back the type that LoadImage turned into a plain dict."""
        image = super().__call__(filename, reader)
        if isinstance(image, MetaTensor):
            image.meta["reading"] = Reading(image.meta["reading"])
        return image


class DicomReader(StudyReader):
    """DICOM only."""

    formats = ("dicom",)


class NiftiReader(StudyReader):
    """NIfTI and MGH only."""

    formats = ("nifti", "mgh")


class RasterReader(StudyReader):
    """PNG, JPEG, TIFF and BMP only."""

    formats = ("raster",)


class SitkReader(StudyReader):
    """NRRD and MetaImage only."""

    formats = ("itk",)


def load_image_transform(settings: ReadSettings | None = None, reader: StudyReader | None = None) -> LoadStudy:
    """MONAI's LoadImage for every format that medad reads, or for that of ``reader``: files -> MetaTensor."""
    return LoadStudy(reader or StudyReader(settings))


def load_imaged_transform(
    keys: str | Sequence[str], settings: ReadSettings | None = None, reader: StudyReader | None = None
) -> LoadImaged:
    """The same for dictionaries: ``keys`` hold files, and are replaced by MetaTensors."""
    with _quiet():
        loader = LoadImaged(keys, image_only=True, ensure_channel_first=False)
    loader._loader = LoadStudy(reader or StudyReader(settings))
    return loader


@contextmanager
def _quiet() -> Iterator[None]:
    """LoadImage first makes all of MONAI's readers, one of which warns of a codec that is never used here."""
    log = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before
