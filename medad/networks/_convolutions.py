"""Fast 3 x 3 convolutions for scoring on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class ManyMaps:
    """A 3 x 3 convolution of many maps with a third fewer products: (B, C, H + 2, W) -> (B, D, H, W), H even.

    The rows of the input are already padded, the columns are not. The weights are copied when the object is built, and
    there are no gradients. This is Winograd's F(2, 3) along the rows (Lavin and Gray, CVPR 2016): two output rows from
    four 1 x 3 convolutions instead of six. The result differs by 1e-6 of the largest value, as another order of
    summation would.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        above, here, below = torch.split(convolution.weight.detach(), 1, dim=2)
        filters = (above, (above + here + below) / 2, (above - here + below) / 2, below)
        self._filters = [row_filter.contiguous(memory_format=torch.channels_last) for row_filter in filters]
        bias = None if convolution.bias is None else convolution.bias.detach()
        self._biases = (None, bias, None, None)  # the second term is part of both rows

    def __call__(self, maps: Tensor) -> Tensor:
        """Return the convolution (B, D, H, W) of ``maps`` (B, C, H + 2, W)."""
        batch, _, padded, width = maps.shape
        a, b, c, d = (maps[:, :, row : row + padded - 3 : 2] for row in range(4))
        sums = (a - c, b + c, c - b, b - d)
        p, q, r, s = map(self._convolve, sums, self._filters, self._biases)
        answer = torch.empty_like(p).resize_(batch, q.shape[1], padded - 2, width, memory_format=torch.channels_last)
        torch.add(p.add_(q), r, out=answer[:, :, 0::2])
        torch.sub(q.sub_(r), s, out=answer[:, :, 1::2])
        return answer

    @staticmethod
    def _convolve(maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(maps, weight, bias, padding=(0, 1))


def to_few_maps(maps: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Apply a 3 x 3 convolution with padding 1 that has few output maps: (B, C, H, W) -> (B, D, H, W).

    One matrix product reads the maps once for all nine positions of the filter; the nine results are shifted and
    summed.
    """
    batch, channels, height, width = maps.shape
    filters = convolution.weight.permute(1, 2, 3, 0).reshape(channels, -1)
    places = (maps.permute(0, 2, 3, 1).reshape(-1, channels) @ filters).view(batch, height, width, 9, -1)
    padded = F.pad(places.permute(3, 0, 4, 1, 2), (1, 1, 1, 1))
    answer = torch.zeros_like(padded[0, :, :, 1:-1, 1:-1])
    for place in range(9):
        row, column = divmod(place, 3)
        answer += padded[place, :, :, row : row + height, column : column + width]
    return answer if convolution.bias is None else answer + convolution.bias[:, None, None]
