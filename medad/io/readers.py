"""Connect the readers to MONAI: readers for LoadImage and LoadImaged, and ``read_image``.

No other module of ``medad.io`` imports MONAI.
"""

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

from medad.io.core.errors import UnreadableImage
from medad.io.core.formats import IMAGES
from medad.io.core.picture import Array, Picture
from medad.io.core.settings import ReadSettings
from medad.io.image import writable
from medad.io.read import Files, read_picture
from medad.io.reading import Reading


def read_image(files: Files, settings: ReadSettings | None = None) -> MetaTensor:
    """Read the image in one file, or in the DICOM files of one series, in MONAI's axis order.

    Args:
        files: the path of a file, or the paths of the files of one DICOM series, in any order.
        settings: how to read, for example the window of a radiograph; None for the defaults.

    Returns:
        float32 ``(C, W, H)`` for a 2-D image, as acquired; ``(C, X, Y, Z)`` for a volume, turned to RAS.
        ``affine`` is ``(4, 4)``, from index to RAS mm. ``meta["reading"]`` holds the decisions made, as plain JSON.
        ``meta`` holds no patient tag unless ``keep_patient_tags`` is set, which adds ``meta["patient"]``.

    Raises:
        UnreadableImage: The image cannot be read. No other error is raised, whatever the files hold.
    """
    picture = read_picture(files, settings or ReadSettings())
    return as_image(picture, str(files if isinstance(files, (str, Path)) else files[0]))


def as_image(picture: Picture, name: str) -> MetaTensor:
    """Return what :func:`read_image` returns for a ``picture`` that was read from the file ``name``."""
    return MetaTensor(torch.from_numpy(writable(picture.array)), meta=_meta_data(picture, name))


def _meta_data(picture: Picture, name: str) -> dict[str, Any]:
    """Return the ``meta`` dictionary of a MetaTensor."""
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
    """The value that ``read`` hands to ``get_data``: a picture, or the error that prevented one."""

    name: str
    picture: Picture | None
    error: UnreadableImage | None


class StudyReader(ImageReader):
    """A MONAI reader of every supported format; files are recognized by content.

    ``read`` never raises, since LoadImage would then fall back to another reader without a word. ``get_data`` raises
    instead. The reader keeps no state between calls.
    """

    formats: ClassVar[tuple[str, ...]] = IMAGES

    def __init__(self, settings: ReadSettings | None = None) -> None:
        self.settings = settings or ReadSettings()

    def verify_suffix(self, filename: Any) -> bool:
        """Return True: the content of a file decides, not its name."""
        return True

    def read(self, data: Any, **kwargs: Any) -> Loaded:
        """Read one file, or the files of one series, and return the picture or the error.

        Args:
            data: the path of a file, or a sequence of paths.
            kwargs: MONAI's arguments, which are not used.
        """
        files = [Path(data)] if isinstance(data, (str, Path)) else [Path(file) for file in data]
        name = str(files[0]) if files else "-"
        try:
            return Loaded(name, read_picture(files, self.settings, self.formats), None)
        except UnreadableImage as error:
            return Loaded(name, None, error)

    def get_data(self, img: Loaded) -> tuple[Array, dict[str, Any]]:
        """Return the array, ``(C, *spatial)``, and the meta data.

        Raises:
            UnreadableImage: The error that ``read`` met.
        """
        if img.picture is None:
            raise img.error or UnreadableImage(img.name)
        return writable(img.picture.array), _meta_data(img.picture, img.name)


class LoadStudy(LoadImage):
    """MONAI's LoadImage with one of our readers and no fallback: files to a MetaTensor ``(C, *spatial)``."""

    def __init__(self, reader: StudyReader) -> None:
        with _without_codec_warnings():
            super().__init__(reader=reader, image_only=True, ensure_channel_first=False)
        self.readers = [reader]

    def __call__(self, filename: Any, reader: ImageReader | None = None) -> MetaTensor:
        """Read, and restore the type of ``meta["reading"]``, which LoadImage turns into a plain dict."""
        image = super().__call__(filename, reader)
        if isinstance(image, MetaTensor):
            image.meta["reading"] = Reading(image.meta["reading"])
        return image


class DicomReader(StudyReader):
    """Read DICOM files only."""

    formats = ("dicom",)


class NiftiReader(StudyReader):
    """Read NIfTI and MGH files only."""

    formats = ("nifti", "mgh")


class RasterReader(StudyReader):
    """Read PNG, JPEG, TIFF and BMP files only."""

    formats = ("raster",)


class SitkReader(StudyReader):
    """Read NRRD and MetaImage files only."""

    formats = ("itk",)


def load_image_transform(settings: ReadSettings | None = None, reader: StudyReader | None = None) -> LoadStudy:
    """Return MONAI's LoadImage with a reader of this package.

    Args:
        settings: how to read; None for the defaults.
        reader: reads fewer formats, with settings of its own; None for every supported format.
    """
    return LoadStudy(reader or StudyReader(settings))


def load_imaged_transform(
    keys: str | Sequence[str], settings: ReadSettings | None = None, reader: StudyReader | None = None
) -> LoadImaged:
    """Return MONAI's LoadImaged with a reader of this package: files are replaced by MetaTensors.

    Args:
        keys: the keys under which the items have files.
        settings: how to read; None for the defaults.
        reader: reads fewer formats, with settings of its own; None for every supported format.
    """
    with _without_codec_warnings():
        loader = LoadImaged(keys, image_only=True, ensure_channel_first=False)
    loader._loader = LoadStudy(reader or StudyReader(settings))
    return loader


@contextmanager
def _without_codec_warnings() -> Iterator[None]:
    """Silence the warning of a codec that is never used here: LoadImage creates all of MONAI's readers first."""
    log = logging.getLogger("monai.data.nvimgcodec_pydicom_plugin")
    before = log.disabled
    log.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.disabled = before
