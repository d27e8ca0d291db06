"""What a backbone is, and how its ImageNet weights enter it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Generator, Tensor, default_generator, nn, random

from medad.backbones import Fusion
from medad.types import MedadError

Tensors = Mapping[str, Tensor]


class BackboneError(MedadError):
    """A backbone that cannot be built here, or weights that are not there or are not its own."""


@dataclass(frozen=True)
class Source:
    """Where ImageNet weights come from: ``file`` in the folder of weights, downloaded from ``url`` if it is not there.

    ``digest`` is how the file's SHA-256 begins, where its publisher says so.
    """

    file: str
    url: str
    digest: str = ""


class Backbone(ABC):
    """An architecture whose network takes normalized RGB images (B, 3, S, S) and gives feature maps (B, C, h, w).

    The maps come from fine to coarse. S is a multiple of 32.
    """

    title: str

    @abstractmethod
    def source(self) -> Source:
        """Where its ImageNet weights are."""

    @abstractmethod
    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """The network with the weights ``tensors``, or with the architecture's own random ones.

        Raises:
            BackboneError: a package is missing, or ``tensors`` are not the weights of this architecture.
        """

    def trunk(self, tensors: Tensors | None = None) -> nn.Module:
        """The network up to its last feature map, which comes after those of :meth:`build`; those alone by default."""
        return self.build(tensors)

    def with_fusion(self, fusion: Fusion) -> Backbone:
        """The backbone whose branches are upsampled so where they meet; most have no branches and stay as they are.

        The weights are the same.
        """
        return self

    def part(self, name: str) -> Backbone:
        """What "FAMILY:name" stands for, such as "timm:convnext_tiny.fb_in1k"; most backbones are no family."""
        raise BackboneError(f"{self.title} is no family of models, got {name!r}: leave out the part after the colon")


def built(backbone: Backbone, generator: Generator, trunk: bool = False) -> nn.Module:
    """A network with the architecture's own random weights, drawn from ``generator`` and not from the global state.

    ``trunk`` asks for :meth:`Backbone.trunk`, else for :meth:`Backbone.build`.
    """
    with random.fork_rng(devices=[]):
        default_generator.manual_seed(generator.initial_seed())  # torch.manual_seed would seed GPUs too
        return backbone.trunk() if trunk else backbone.build()


def fill(network: nn.Module, tensors: Tensors, title: str, unused: tuple[str, ...]) -> nn.Module:
    """Give ``network`` all of its weights from ``tensors``, whose other names begin with one of ``unused``.

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
