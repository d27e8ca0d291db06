"""Define the interface of a backbone, and load ImageNet weights into its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Generator, Tensor, default_generator, nn, random

from medad.backbones import Fusion
from medad.types import MedadError

Tensors = Mapping[str, Tensor]


class BackboneError(MedadError):
    """The backbone cannot be built, or its weights are missing or belong to another architecture."""


@dataclass(frozen=True)
class WeightsSource:
    """The source of ImageNet weights: ``file`` in the folder of weights, and the ``url`` to download it from.

    ``digest`` holds the first digits of the file's SHA-256, or "" if the publisher gives none.
    """

    file: str
    url: str
    digest: str = ""


class Backbone(ABC):
    """An architecture whose network maps normalized RGB images (B, 3, S, S) to feature maps (B, C, h, w).

    The maps are ordered from fine to coarse. S is a multiple of 32.
    """

    title: str

    @abstractmethod
    def source(self) -> WeightsSource:
        """Return the source of the ImageNet weights."""

    @abstractmethod
    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """Build the network with the weights ``tensors``, or with random weights.

        Raises:
            BackboneError: a package is missing, or ``tensors`` are not the weights of this architecture.
        """

    def trunk(self, tensors: Tensors | None = None) -> nn.Module:
        """Build the network whose output ends with its last feature map, after those of :meth:`build`.

        By default there is no further map, and this is :meth:`build`.
        """
        return self.build(tensors)

    def with_fusion(self, fusion: Fusion) -> Backbone:
        """Return the backbone with this upsampling where its branches are fused; the weights are the same.

        Most backbones have no branches and return themselves.
        """
        return self

    def part(self, name: str) -> Backbone:
        """Return the backbone that "FAMILY:name" stands for, such as "timm:convnext_tiny.fb_in1k".

        Raises:
            BackboneError: this backbone is not a family of models.
        """
        raise BackboneError(f"{self.title} is no family of models, got {name!r}: leave out the part after the colon")


def built(backbone: Backbone, generator: Generator, trunk: bool = False) -> nn.Module:
    """Build a network with random weights, drawn from ``generator`` and not from the global random state.

    With ``trunk``, :meth:`Backbone.trunk` is built, else :meth:`Backbone.build`.
    """
    with random.fork_rng(devices=[]):
        default_generator.manual_seed(generator.initial_seed())  # torch.manual_seed would seed GPUs too
        return backbone.trunk() if trunk else backbone.build()


def fill(network: nn.Module, tensors: Tensors, title: str, unused: tuple[str, ...]) -> nn.Module:
    """Load all weights of ``network`` from ``tensors`` and return it.

    ``tensors`` whose names start with one of ``unused`` are ignored; any other extra tensor is an error.

    Raises:
        BackboneError: a tensor is missing, has another shape or belongs to another architecture.
    """
    state = network.state_dict()
    counters = {name: value for name, value in state.items() if name.endswith("num_batches_tracked")}
    weights = {**counters, **{name: value for name, value in tensors.items() if not name.startswith(unused)}}
    expected = {name: tuple(value.shape) for name, value in state.items()}
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = [name for name in sorted(expected.keys() | shapes.keys()) if expected.get(name) != shapes.get(name)]
    if wrong:
        name = wrong[0]
        raise BackboneError(
            f"these are not the weights of {title}: {len(wrong)} tensors do not fit; the first is {name!r}: expected "
            f"{expected.get(name, 'none')}, found {shapes.get(name, 'none')}"
        )
    network.load_state_dict(weights)
    return network
