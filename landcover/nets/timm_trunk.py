"""Any trunk of timm that computes maps, with a pooled linear head, if timm is installed.

timm depends on torchvision, which requires a matching build of torch. It is therefore an
optional dependency, and is imported only when such a net is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.pooled import PooledNet
from landcover.nets.timm_import import load_timm

__all__ = ["TimmNet", "timm_trunk"]

_SAFE_CHANNELS: Final = 8


def timm_trunk(backbone: str, bands: int, *, pretrained: bool = False) -> nn.Module:
    """Create a trunk of timm that returns maps and takes the given number of bands.

    Args:
        backbone: a name from ``timm.list_models()``, which may name its weights after a point.
        bands: number of input channels.
        pretrained: whether to download its published weights. timm repeats the weights of the
            first layer for red, green and blue over all bands.

    Raises:
        BadInput: timm is not installed, has no such trunk, or its weights are not available.
    """
    timm = load_timm(f"The trunk '{backbone[:60]}'")
    if not timm.is_model(backbone) or not _has_weights(timm, backbone):
        raise BadInput(
            f"timm has no trunk '{backbone[:60]}': `python -c 'import timm; "
            "print(timm.list_models())'` lists the available ones."
        )
    # Its hundreds of constructors and the hub's library have errors of their own.
    try:
        trunk: nn.Module = timm.create_model(
            backbone, in_chans=bands, num_classes=0, global_pool=""
        )
    except Exception:  # noqa: BLE001
        raise BadInput(_unsuitable(backbone, bands)) from None
    if not pretrained:
        return trunk
    try:
        # Of a net without its classes timm accepts weights that lack layers, and leaves those as
        # they were by chance.
        whole = timm.create_model(backbone, in_chans=bands, pretrained=True).state_dict()
        trunk.load_state_dict({name: whole[name] for name in trunk.state_dict()})
    except Exception:  # noqa: BLE001
        raise BadInput(
            f"The weights of timm's '{backbone}' could not be downloaded, do not exist or are "
            "damaged: connect to the internet, or choose another trunk."
        ) from None
    return trunk


def _has_weights(timm: Any, backbone: str) -> bool:  # noqa: ANN401 - a module
    """Whether timm knows the weights that a name asks for, such as ``a1_in1k`` of ``resnet18``."""
    name, _, tag = backbone.partition(".")
    return not tag or backbone in timm.list_pretrained(f"{name}.*")


def _unsuitable(backbone: str, bands: int) -> str:
    return (
        f"timm's '{backbone}' does not return maps of {bands} bands of {PATCH_PIXELS} × "
        f"{PATCH_PIXELS} pixels, as many transformers do not: choose a convolutional trunk such "
        "as resnet18."
    )


def _check_convolutions(trunk: nn.Module, backbone: str, bands: int) -> None:
    """Refuse a trunk that would end the process.

    torch 2.13 (oneDNN 3.12, AVX2) writes beyond its buffer in the backward pass of a 1 × 1
    convolution with a stride and two to seven input channels, if the maps are channels-last.

    Raises:
        BadInput: the trunk has such a convolution.
    """
    for each in trunk.modules():
        if (
            isinstance(each, nn.Conv2d)
            and max(each.kernel_size) == 1
            and max(each.stride) > 1
            and 1 < each.in_channels // each.groups < _SAFE_CHANNELS
        ):
            raise BadInput(
                f"timm's '{backbone}' would crash in a training with {bands} bands, because of a "
                f"fault of torch with strided 1 × 1 convolutions of fewer than {_SAFE_CHANNELS} "
                f"channels: choose another trunk such as resnet18, or {_SAFE_CHANNELS} bands or "
                "more."
            )


def _channels(trunk: nn.Module, backbone: str, bands: int) -> int:
    """Run a trunk on an empty patch and return the channels of its maps.

    Raises:
        BadInput: it cannot be run on a patch, or returns something else than maps.
    """
    place = next(trunk.parameters()).device
    trunk.eval()  # statistics of an empty patch would spoil a normalisation
    try:
        with torch.no_grad():
            maps = trunk(torch.zeros(1, bands, PATCH_PIXELS, PATCH_PIXELS, device=place))
    # A trunk for pictures of one size can fail in any way.
    except Exception:  # noqa: BLE001
        raise BadInput(_unsuitable(backbone, bands)) from None
    finally:
        trunk.train()
    known = {getattr(trunk, name, None) for name in ("num_features", "head_hidden_size")}
    if not isinstance(maps, Tensor) or maps.dim() != 4 or maps.shape[1] not in known:
        raise BadInput(_unsuitable(backbone, bands))  # not (n, channel, y, x)
    return maps.shape[1]


class TimmNet(PooledNet):
    """A trunk of timm with a pooled linear head.

    Args:
        backbone: a name from ``timm.list_models()``.
        bands: names along the input's band axis.
        classes: number of outputs.
        dropout: share of the pooled features that is dropped in training.

    Raises:
        BadInput: timm is not installed, has no such trunk, or the trunk does not return maps.
    """

    def __init__(
        self,
        *,
        backbone: str,
        bands: Sequence[str] = BAND_NAMES,
        classes: int = len(CLASS_NAMES),
        dropout: float = 0.2,
    ) -> None:
        trunk = timm_trunk(backbone, len(bands))
        _check_convolutions(trunk, backbone, len(bands))
        channels = _channels(trunk, backbone, len(bands))
        super().__init__(trunk, channels, bands=bands, classes=classes, dropout=dropout)
