"""1 × 1 convolutions with a stride, on some of which torch ends the process in a training.

torch 2.13 (oneDNN 3.12) writes beyond its buffer in their backward pass if the maps are
channels-last and have fewer input channels than a register of the processor: 8 with AVX2, 16 with
AVX-512. With four channels it corrupts the heap silently. Without a stride it does not.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["EverySecond", "replace_crashing"]

_SAFE_CHANNELS: Final = 16


class EverySecond(nn.Conv2d):
    """A 1 × 1 convolution with a stride that first takes the pixels it looks at."""

    def __init__(self, conv: nn.Conv2d) -> None:
        with torch.device("meta"):  # its own weights are never used
            stride = (conv.stride[0], conv.stride[1])
            super().__init__(conv.in_channels, conv.out_channels, 1, stride, groups=conv.groups)
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """``(n, channel, y, x)`` to ``(n, channel, y/stride, x/stride)``."""
        down, across = self.stride
        seen = input[:, :, ::down, ::across]
        return nn.functional.conv2d(seen, self.weight, self.bias, groups=self.groups)


def replace_crashing(trunk: nn.Module) -> None:
    """Replace the convolutions on which torch would end the process; the weights stay the same."""
    for name, each in list(trunk.named_modules()):
        if (
            isinstance(each, nn.Conv2d)
            and each.kernel_size == (1, 1)
            and max(each.stride) > 1
            and each.padding == (0, 0)
            and each.in_channels // each.groups < _SAFE_CHANNELS
        ):
            trunk.set_submodule(name, EverySecond(each))
