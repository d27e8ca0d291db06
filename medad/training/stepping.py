"""Compute the losses of a training step: of a single network, or of several of one architecture, vectorized."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

LOSS = "loss"  # the name of a task's own loss, beside those of its opponents
Loss = Callable[[Tensor], Tensor]  # batch (B, C, H, W) -> scalar


class Steps(Protocol):
    """What takes a step: networks whose losses are minimized by one backward pass and one step of ``optimizer``."""

    optimizer: Optimizer

    def losses(self, batches: Tensor) -> Tensor:
        """Return the loss of each network, (K,), on its batch in ``batches`` (K, B, C, H, W)."""

    def clip(self, most: float) -> None:
        """Scale the gradient of each network down to the 2-norm ``most`` if it is longer."""


class Stepper(Steps, Protocol):
    """K networks that are trained together, and the opponents of an adversarial training."""

    def players(self, place: int) -> list[tuple[str, Steps]]:
        """Return what steps, in order and by name, on the batch number ``place`` (from 0) of an epoch."""

    def give_back(self) -> None:
        """Copy the state of the training to the networks and their own optimizers."""


class Player:
    """A loss and the optimizer that minimizes it, for a single network."""

    def __init__(self, loss: Loss, optimizer: Optimizer) -> None:
        self._loss = loss
        self.optimizer = optimizer

    def losses(self, batches: Tensor) -> Tensor:
        """Return the loss (1,) of one batch (1, B, C, H, W)."""
        return self._loss(batches[0])[None]

    def clip(self, most: float) -> None:
        """Scale the gradient of the network down to the 2-norm ``most`` if it is longer."""
        clip_grad_norm_([value for group in self.optimizer.param_groups for value in group["params"]], most)


class Alone(Player):
    """A single network with its own optimizer, and its opponents, if it has any."""

    def __init__(
        self, loss: Loss, optimizer: Optimizer, opponents: Mapping[str, Player] | None = None, every: int = 1
    ) -> None:
        super().__init__(loss, optimizer)
        self._opponents, self._every = opponents or {}, every

    def players(self, place: int) -> list[tuple[str, Steps]]:
        """Return the opponents, followed by the network itself in the first of every ``every`` batches."""
        own: list[tuple[str, Steps]] = [(LOSS, self)] if place % self._every == 0 else []
        return [*self._opponents.items(), *own]

    def give_back(self) -> None:
        """Do nothing: the network itself is trained."""


class Together:
    """K networks of one architecture, stacked on ``device``: each layer runs once for all of them.

    ``loss`` is the loss of the first network and is applied to all of them. It may depend on the network's parameters
    and buffers and on the batch, and on nothing else that differs between the networks. The optimizers must have equal
    settings and update each number independently, as Adam does; one optimizer over the stack is then equivalent.
    """

    def __init__(
        self, networks: Sequence[nn.Module], loss: Loss, optimizers: Sequence[Optimizer], device: torch.device
    ) -> None:
        self._networks, self._optimizers = networks, optimizers
        self._loss = _WithNetwork(networks[0], loss)
        weights, buffers = stack_module_state(list(networks))
        self._weights = {
            name: _on(device, value).requires_grad_(value.requires_grad) for name, value in weights.items()
        }
        self._buffers = {name: _on(device, value) for name, value in buffers.items()}
        self.optimizer: Optimizer = type(optimizers[0])(self._weights.values(), **optimizers[0].defaults)
        states = [optimizer.state_dict()["state"] for optimizer in optimizers]
        _load(self.optimizer, {index: self._stack(index, states) for index in states[0]})

    def players(self, place: int) -> list[tuple[str, Steps]]:
        """Return the stacked networks themselves: they have no opponents."""
        return [(LOSS, self)]

    def losses(self, batches: Tensor) -> Tensor:
        """Return the loss of each network, (K,), on its batch in ``batches`` (K, B, C, H, W)."""

        def network_loss(weights: dict[str, Tensor], buffers: dict[str, Tensor], batch: Tensor) -> Any:
            state = {f"network.{name}": value for name, value in (*weights.items(), *buffers.items())}
            return functional_call(self._loss, state, (batch,))

        losses: Tensor = vmap(network_loss)(self._weights, self._buffers, batches)
        return losses

    @torch.no_grad()
    def clip(self, most: float) -> None:
        """Scale the gradient of each stacked network down to the 2-norm ``most`` if it is longer."""
        gradients = [value.grad for value in self._weights.values() if value.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        factors = (most / (norms + 1e-6)).clamp(max=1)  # as clip_grad_norm_
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))

    @torch.no_grad()
    def give_back(self) -> None:
        """Copy the weights into the networks, and the optimizer's state into their own optimizers."""
        state = self.optimizer.state_dict()["state"]
        for place, (network, optimizer) in enumerate(zip(self._networks, self._optimizers, strict=True)):
            for name, value in (*network.named_parameters(), *network.named_buffers()):
                value.copy_((self._weights if name in self._weights else self._buffers)[name][place])
            parameters = dict(enumerate(network.parameters()))
            _load(optimizer, {index: _member(values, place, parameters[index]) for index, values in state.items()})

    def _stack(self, index: int, states: Sequence[dict[int, dict[str, Tensor]]]) -> dict[str, Tensor]:
        return {
            key: value.clone() if key == "step" else torch.stack([state[index][key] for state in states]).contiguous()
            for key, value in states[0][index].items()
        }


class _WithNetwork(nn.Module):
    """A loss as a module that contains its network, so that ``functional_call`` can replace the weights."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, batch: Tensor) -> Tensor:
        return self.loss(batch)


def _on(device: torch.device, value: Tensor) -> Tensor:
    """Return ``value`` on ``device``, contiguous like its optimizer state: fused optimizers assume equal strides."""
    return value.detach().to(device).contiguous()


def _member(values: dict[str, Tensor], place: int, like: Tensor) -> dict[str, Tensor]:
    """Return the part of one network in a stacked optimizer state, with the strides of its weights."""
    return {
        key: value.clone() if key == "step" else torch.empty_like(like).copy_(value[place])
        for key, value in values.items()
    }


def _load(optimizer: Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
