"""Turn what users hand over (paths, arrays, studies, lists of them) into studies and images in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

from medad.config import Settings
from medad.io.core.errors import UnreadableImage
from medad.types import MedadError, Study

if TYPE_CHECKING:
    from medad.io.image import Image

    Item: TypeAlias = Study | Image | MedadError


class InputError(MedadError):
    """What was handed over is no image, path, study or list of these."""


class ArrayLike(Protocol):
    """An array of numpy, a tensor, or what else converts to an array and knows its shape."""

    @property
    def shape(self) -> Sequence[int]:
        """Return the length of each axis."""


def is_array(value: object) -> TypeGuard[ArrayLike]:
    """Return whether ``value`` is an array or a tensor."""
    return hasattr(value, "__array__") and hasattr(value, "shape")


def is_single(value: object) -> bool:
    """Return whether ``value`` stands for one study: a path, a study, or an array (H, W) or (C, H, W)."""
    return isinstance(value, (str, os.PathLike, Study)) or (is_array(value) and len(value.shape) < 4)


def items_of(value: object, settings: Settings, name: str = "images") -> Iterator[Item]:
    """Yield the studies and images of ``value``; an item that cannot be read is yielded as its error.

    Args:
        value: A path, a study, an array (N, C, H, W), (C, H, W) or (H, W), a tensor, or a list of these.
        settings: The settings of the model's method, which say how pixels are read.
        name: What messages call an array.

    Raises:
        InputError: ``value`` is empty, or of another type.
        ArrayError: an array that is not in a list has a wrong shape or type.
    """
    if is_array(value):
        yield from _images(value, settings, name)
    elif isinstance(value, (str, os.PathLike, Study)):
        yield _attempt(value, settings, name)
    elif isinstance(value, (list, tuple)):
        if not value:
            raise InputError(f"{name}: the list is empty: give at least one image")
        for place, item in enumerate(value):
            yield _attempt(item, settings, f"{name}[{place}]")
    else:
        raise InputError(f"{name}: {type(value).__name__} is no image: give paths, arrays (N, C, H, W), or a list")


def all_items(value: object, settings: Settings, name: str) -> list[Study | Image]:
    """Return the studies and images of ``value``.

    Raises:
        MedadError: one of them cannot be read; the message names it.
    """
    items: list[Study | Image] = []
    for item in items_of(value, settings, name):
        if isinstance(item, MedadError):
            raise item
        items.append(item)
    return items


def _attempt(item: object, settings: Settings, name: str) -> Item:
    """Return the study or image of one item of a list, or its error: it must not lose the items beside it."""
    from medad.io.arrays import ArrayError
    from medad.scoring.study_scorer import single_study

    try:
        if isinstance(item, Study):
            return item
        if isinstance(item, (str, os.PathLike)):
            return single_study(Path(item))
        if not is_array(item):
            raise InputError(f"{name}: {type(item).__name__} is no image: give a path, a study or an array")
        images = list(_images(item, settings, name))
        if len(images) != 1:
            raise ArrayError(f"{name}: an array of {len(images)} images in a list: give one image for each item")
        return images[0]
    except MedadError as error:
        return error


def _images(array: Any, settings: Settings, name: str) -> Iterator[Image | UnreadableImage]:
    """Yield the images of an array, and an error for each that has a NaN or infinite pixel."""
    from medad.data.presets import read_settings
    from medad.io.arrays import images_in, picture_of
    from medad.io.image import image_of

    if hasattr(array, "detach"):  # a tensor, perhaps on a GPU
        array = array.detach().cpu()
    images = images_in(array, name)
    reading = read_settings(settings)
    for place, image in enumerate(images):
        label = name if len(images) == 1 else f"{name}[{place}]"
        try:
            yield image_of(picture_of(image, reading, label), label)
        except UnreadableImage as error:
            yield error
