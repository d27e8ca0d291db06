"""Discrepancies of DDAD (Cai et al., Medical Image Analysis 86:102794, 2023), per pixel and channel."""

from __future__ import annotations

from torch import Tensor


def spread(members: Tensor) -> Tensor:
    """Return the unbiased standard deviation over the ensemble ``members``: (K, B, C, H, W) -> (B, C, H, W).

    Raises:
        ValueError: there is only one network.

    >>> import torch
    >>> spread(torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1, 1, 1)).item()
    1.0
    """
    if len(members) < 2:
        raise ValueError(f"intra-discrepancy needs at least 2 networks, got {len(members)}: set members=2 or more")
    deviations = members - members.mean(dim=0)  # torch.std is slow for so few values
    return deviations.square().sum(dim=0).div(len(members) - 1).sqrt()


def gap(first: Tensor, second: Tensor) -> Tensor:
    """Return ``|mean of the first ensemble - mean of the second|``: two (K, B, C, H, W) -> (B, C, H, W).

    >>> import torch
    >>> gap(torch.ones(3, 1, 1, 2, 2), torch.zeros(5, 1, 1, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """
    return (first.mean(dim=0) - second.mean(dim=0)).abs()


def over_channels(maps: Tensor) -> Tensor:
    """Return the mean over the channels: (..., C, H, W) -> (..., 1, H, W)."""
    return maps.mean(dim=-3, keepdim=True)
