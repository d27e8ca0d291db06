"""Define the interface of a backbone, and load ImageNet weights into its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Generator, Tensor, default_generator, nn, random
from torch.nn.utils.fusion import fuse_conv_bn_eval

from medad.backbones import Fusion
from medad.tensor_forms import misfit, with_counters
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

        It serves frozen features: its batch norms may be folded into the convolutions. By default there is no further
        map, and this is :meth:`build`.
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
    weights = with_counters({name: value for name, value in tensors.items() if not name.startswith(unused)}, state)
    expected, shapes = ({name: tuple(value.shape) for name, value in part.items()} for part in (state, weights))
    difference = misfit(shapes, expected, "its layers")
    if difference is not None:
        raise BackboneError(f"these are not the weights of {title}: {difference}")
    network.load_state_dict(weights)
    return network


def fold_batch_norms(network: nn.Module, pairs: Sequence[tuple[str, str]]) -> nn.Module:
    """Fold each batch norm into the convolution before it, for inference, and return the network in evaluation mode.

    ``pairs`` are the names of a convolution and of the batch norm that directly follows it, within any submodule. The
    network computes the same function with fewer passes over its feature maps; it can no longer be trained as before.
    """
    network.eval()
    for module in list(network.modules()):
        children = dict(module.named_children())
        for names in pairs:
            convolution, norm = (children.get(name) for name in names)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, names[0], fuse_conv_bn_eval(convolution, norm))
                setattr(module, names[1], nn.Identity())
    return network
