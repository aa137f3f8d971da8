"""Any trunk of timm that computes maps, with a pooled linear head, if timm is installed.

timm depends on torchvision, which requires a matching build of torch. It is therefore an
optional dependency, and is imported only when such a net is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.pooled import PooledNet
from landcover.nets.strided import replace_crashing
from landcover.nets.timm_import import load_timm

__all__ = ["TimmNet", "timm_trunk"]


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
        replace_crashing(trunk)
        channels = _channels(trunk, backbone, len(bands))
        super().__init__(trunk, channels, bands=bands, classes=classes, dropout=dropout)
