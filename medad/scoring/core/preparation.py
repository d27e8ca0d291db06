"""The first half of the way of a study to its scores: read it, ask the gate, and compute the network's input."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from medad.config import Settings
from medad.data.preprocessing import Preprocessing
from medad.io.image import Image, with_channels
from medad.model import Card
from medad.scoring.core.gate import Gate
from medad.types import MedadError, Study


class Refused(MedadError):
    """A study that is unlike the training images of the model; its score would mean nothing."""


@dataclass(frozen=True)
class Prepared:
    """A study ready for the networks: ``source`` as it is in its files, and the network's input (N, C, S, S)."""

    source: Image
    slices: Tensor


class Preparation:
    """Prepares studies for the model with ``card``; every way to a score goes through it.

    ``settings`` are those of the model's method. With ``force``, studies that the gate refuses are prepared as well.
    With ``split``, the first of several volumes or pages in a file is read; without, such a file is refused.
    """

    def __init__(self, card: Card, settings: Settings, *, force: bool = False, split: bool = False) -> None:
        """Raises ProfileError: the profile of the card is damaged, or of another version."""
        self.preprocessing = Preprocessing(settings, split)
        self.gate = None if force else Gate(card.profile)

    def read(self, study: Study) -> Image:
        """Return the image of ``study`` as it is in its files. Raises UnreadableImage."""
        return self.preprocessing.read(study)

    def in_memory(self, image: Image) -> Image:
        """Return an image that no file holds, with the channels of the model. Raises UnreadableImage."""
        return with_channels(image, self.preprocessing.settings.channels)

    def __call__(self, source: Image) -> Prepared:
        """Return the network's input of an image.

        Raises:
            Refused: the gate refuses the image; the message says why.
        """
        if self.gate is not None and (reason := self.gate.check(source)):
            raise Refused(reason)
        return self.again(source)

    def again(self, source: Image) -> Prepared:
        """Return the network's input of an image that has passed the gate before."""
        return Prepared(source, self.preprocessing.slices(source))
