"""Any convolutional trunk of timm with a pooled linear head, if timm is installed.

timm depends on torchvision, which requires a matching build of torch. It is therefore an
optional dependency, and is imported only when such a net is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.nets.pooled import PooledNet

__all__ = ["TimmNet", "timm_trunk"]


def timm_trunk(backbone: str, bands: int, *, pretrained: bool = False) -> nn.Module:
    """Create a trunk of timm that returns maps and takes the given number of bands.

    Args:
        backbone: a name from ``timm.list_models()``.
        bands: number of input channels.
        pretrained: whether to download its published weights. timm repeats the weights of the
            first layer for red, green and blue over all bands.

    Raises:
        BadInput: timm is not installed, has no such trunk, or its weights are not available.
    """
    try:
        timm = import_module("timm")
    except (ImportError, RuntimeError):  # a torchvision of another torch fails as the latter
        raise BadInput(
            f"The trunk '{backbone}' comes from timm, which is not installed or cannot be "
            "imported: pip install 'landcover[hub]'."
        ) from None
    if backbone not in timm.list_models():
        raise BadInput(
            f"timm has no trunk '{backbone[:60]}': `python -c 'import timm; "
            "print(timm.list_models())'` lists the available ones."
        )
    options: dict[str, Any] = {"in_chans": bands, "num_classes": 0, "global_pool": ""}
    try:
        trunk: nn.Module = timm.create_model(backbone, pretrained=pretrained, **options)
    except (OSError, ValueError, RuntimeError):
        raise BadInput(
            f"The weights of timm's '{backbone}' could not be downloaded or do not exist: connect "
            "to the internet, or choose another trunk."
        ) from None
    return trunk


class TimmNet(PooledNet):
    """A trunk of timm with a pooled linear head.

    Args:
        backbone: a name from ``timm.list_models()``.
        bands: names along the input's band axis.
        classes: number of outputs.
        dropout: share of the pooled features that is dropped in training.

    Raises:
        BadInput: timm is not installed or has no such trunk.
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
        channels = int(trunk.num_features)  # type: ignore[arg-type]  # timm gives every trunk one
        super().__init__(trunk, channels, bands=bands, classes=classes, dropout=dropout)
        self.backbone = backbone

    def maps(self, pixels: Tensor) -> Tensor:
        """Compute the trunk's maps ``(n, channel, y, x)`` of reflectance ``(n, band, y, x)``.

        Raises:
            BadInput: the pixels have other bands, or the trunk does not return maps.
        """
        maps = super().maps(pixels)
        if maps.dim() != 4:
            raise BadInput(
                f"timm's '{self.backbone}' does not return maps; many transformers do not: choose "
                "a convolutional trunk such as resnet18."
            )
        return maps
