"""Build backbones with timm, an optional extra."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from medad.backbones import Fusion
from medad.backbones.base import Backbone, BackboneError, Tensors, WeightsSource, fill

FINEST, COARSEST = 4, 16  # range of the strides of the feature maps that are used


def timm() -> Any:
    """Import and return the package timm.

    Raises:
        BackboneError: it cannot be imported.
    """
    try:
        import timm as package
    except (ImportError, RuntimeError) as error:  # a torchvision that does not fit torch raises RuntimeError
        raise BackboneError(
            f"this backbone needs timm, which cannot be imported here ({' '.join(str(error).split())}): install it "
            "with pip install 'medad[timm]', with a torchvision that fits the installed torch"
        ) from None
    return package


def published(model: str) -> WeightsSource:
    """Return the source of the weights that timm publishes for ``model`` (NAME.TAG)."""
    return WeightsSource(f"{model}.safetensors", f"https://huggingface.co/timm/{model}/resolve/main/model.safetensors")


@dataclass(frozen=True)
class HRNet(Backbone):
    """The first three of the four branches after HRNet's stage 4 (Wang et al., TPAMI 2020): strides 4, 8 and 16.

    Coarse branches are upsampled before they are added to fine ones: "bilinear" with aligned corners, as published for
    HRNet and CDO, or "nearest", as timm does.
    """

    title: str
    model: str
    fusion: Fusion = "bilinear"

    def with_fusion(self, fusion: Fusion) -> Backbone:
        """Return the same model with another upsampling between branches; the weights are the same."""
        return replace(self, fusion=fusion)

    def source(self) -> WeightsSource:
        """Return the source of timm's file."""
        return published(f"{self.model}.ms_in1k")

    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """Build the network without the classification head, which would widen the branches."""
        network: nn.Module = timm().create_model(
            self.model, features_only=True, feature_location="", out_indices=(1, 2, 3)
        )
        if self.fusion == "bilinear":
            self._fuse_bilinearly(network)
        head = ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.")
        return network if tensors is None else fill(network, tensors, self.title, head)

    def _fuse_bilinearly(self, network: nn.Module) -> None:
        upsamplings = [part for part in network.modules() if isinstance(part, nn.Upsample)]
        if not upsamplings:
            raise BackboneError(
                f"{self.title}: this timm builds it without upsampling layers that could be made bilinear: install "
                "timm 1.0, for which this was written, or take its own form (--set fusion=nearest)"
            )
        for part in upsamplings:
            part.mode, part.align_corners = "bilinear", True


@dataclass(frozen=True)
class AnyTimm(Backbone):
    """Any model of timm that offers feature maps; the maps with strides from 4 to 16 are used."""

    title: str
    model: str

    def part(self, name: str) -> Backbone:
        """Return the model that timm calls ``name`` (NAME.TAG, where TAG names the weights)."""
        return AnyTimm(f"timm's {name}", name)

    def source(self) -> WeightsSource:
        """Return the source of timm's file."""
        return published(self._model)

    def build(self, tensors: Tensors | None = None) -> nn.Module:
        """Build the network with ``features_only``; timm maps ``tensors`` to this form of the model."""
        offered = self._create(())
        strides = offered.feature_info.reduction()
        places = tuple(place for place, stride in enumerate(strides) if FINEST <= stride <= COARSEST)
        if not places:
            raise BackboneError(f"{self.title} has no feature map of stride 4 to 16 (it has {strides})")
        network: nn.Module
        if tensors is None:
            network = self._create(places)
            return network
        with torch.random.fork_rng(devices=[]):
            state = torch.get_rng_state()
            start = dict(self._create(places).named_parameters())
            torch.set_rng_state(state)
            overlay = {"state_dict": dict(tensors)}
            network = self._create(places, pretrained=True, pretrained_cfg_overlay=overlay)
        unchanged = [name for name, value in network.named_parameters() if value.std() > 0 and value.equal(start[name])]
        if unchanged:
            raise BackboneError(
                f"these are not the weights of {self.title}: {len(unchanged)} of its tensors are not among them, first "
                f"{unchanged[0]!r}"
            )
        return network

    @property
    def _model(self) -> str:
        if not self.model:
            raise BackboneError("say which model of timm: backbone=timm:NAME, for example timm:convnext_tiny.fb_in1k")
        return self.model

    def _create(self, places: tuple[int, ...], **more: Any) -> Any:
        chosen = {"out_indices": places} if places else {}
        try:
            return timm().create_model(self._model, features_only=True, **chosen, **more)
        except (RuntimeError, KeyError, ValueError, AttributeError) as error:
            raise BackboneError(f"{self.title}: timm refuses it: {' '.join(str(error).split())}") from None
