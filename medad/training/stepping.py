"""How networks learn from a batch: one by itself, or several of one architecture in one vectorized step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

Loss = Callable[[Tensor], Tensor]  # batch (B, C, H, W) -> scalar


class Stepper(Protocol):
    """K networks whose losses one backward pass and one step of ``optimizer`` bring down."""

    optimizer: Optimizer

    def losses(self, batches: Tensor) -> Tensor:
        """A batch for each network, (K, B, C, H, W) -> the loss of each, (K,)."""

    def clip(self, most: float) -> None:
        """Scale the gradient of each network down to the 2-norm ``most`` where it is longer."""

    def give_back(self) -> None:
        """Bring the networks and their own optimizers to where the training is."""


class Alone:
    """One network and its own optimizer."""

    def __init__(self, loss: Loss, optimizer: Optimizer) -> None:
        self._loss = loss
        self.optimizer = optimizer

    def losses(self, batches: Tensor) -> Tensor:
        """One batch, (1, B, C, H, W) -> its loss, (1,)."""
        return self._loss(batches[0])[None]

    def clip(self, most: float) -> None:
        """Scale the gradient of the network."""
        clip_grad_norm_([value for group in self.optimizer.param_groups for value in group["params"]], most)

    def give_back(self) -> None:
        """Nothing: the network itself is what learns."""


class Together:
    """K networks of one architecture, stacked on ``device``: each layer runs once for all of them.

    ``loss`` is that of the first network, which lends it to the others: it may depend on that network's parameters
    and buffers and on the batch, and on nothing else that differs between the networks. The optimizers must treat each
    number by itself, as Adam does, and have equal settings; then one over the stack is the K of them.
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

    def losses(self, batches: Tensor) -> Tensor:
        """A batch for each network, (K, B, C, H, W) -> the loss of each, (K,)."""

        def network_loss(weights: dict[str, Tensor], buffers: dict[str, Tensor], batch: Tensor) -> Any:
            state = {f"network.{name}": value for name, value in (*weights.items(), *buffers.items())}
            return functional_call(self._loss, state, (batch,))

        losses: Tensor = vmap(network_loss)(self._weights, self._buffers, batches)
        return losses

    @torch.no_grad()
    def clip(self, most: float) -> None:
        """Scale the gradient of each of the stacked networks by its own norm."""
        gradients = [value.grad for value in self._weights.values() if value.grad is not None]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients]).norm(dim=0)
        factors = (most / (norms + 1e-6)).clamp(max=1)  # as clip_grad_norm_
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))

    @torch.no_grad()
    def give_back(self) -> None:
        """Copy what was learned into the networks, and the optimizer's state into their own optimizers."""
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
    """A loss as a module that owns its network, so that ``functional_call`` can give it other weights."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, batch: Tensor) -> Tensor:
        return self.loss(batch)


def _on(device: torch.device, value: Tensor) -> Tensor:
    """``value`` there, contiguous as its optimizer state is: fused optimizers take equal strides for granted."""
    return value.detach().to(device).contiguous()


def _member(values: dict[str, Tensor], place: int, like: Tensor) -> dict[str, Tensor]:
    """One network's part of a stacked optimizer state, with the strides of its weights."""
    return {
        key: value.clone() if key == "step" else torch.empty_like(like).copy_(value[place])
        for key, value in values.items()
    }


def _load(optimizer: Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
