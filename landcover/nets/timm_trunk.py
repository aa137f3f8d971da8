"""Any convolutional trunk of timm with our head, where that library is installed.

timm brings torchvision, which wants a build of torch of its own beside it: that is why it
is an extra and not a dependency. It is imported when such a net is built.
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
    """A trunk of timm that puts out maps; its first layer is widened to the bands.

    Args:
        backbone: a name that ``timm.list_models()`` has.
        bands: channels of the input.
        pretrained: whether to fetch its published weights. timm repeats what the first
            layer learned of red, green and blue over all bands.

    Raises:
        BadInput: timm is not installed, has no such trunk, or its weights cannot be had.
    """
    try:
        timm = import_module("timm")
    except (ImportError, RuntimeError):  # a torchvision of another torch fails as the latter
        raise BadInput(
            f"The trunk '{backbone}' comes from timm, which is not installed or does not run "
            "here: pip install 'landcover[hub]'."
        ) from None
    if backbone not in timm.list_models():
        raise BadInput(
            f"timm has no trunk '{backbone[:60]}': `python -c 'import timm; "
            "print(timm.list_models())'` lists those that it has."
        )
    options: dict[str, Any] = {"in_chans": bands, "num_classes": 0, "global_pool": ""}
    try:
        trunk: nn.Module = timm.create_model(backbone, pretrained=pretrained, **options)
    except (OSError, ValueError, RuntimeError):
        raise BadInput(
            f"The weights of timm's '{backbone}' could not be fetched, or it has none: connect "
            "to the internet, or choose another trunk."
        ) from None
    return trunk


class TimmNet(PooledNet):
    """A trunk of timm with a pooled linear head.

    Args:
        backbone: a name that ``timm.list_models()`` has.
        bands: names along the input's band axis.
        classes: number of outputs.
        dropout: share of the pooled features dropped in training.

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
        """The trunk's maps ``(n, channel, y, x)`` of reflectance.

        Raises:
            BadInput: the pixels have other bands, or the trunk puts out no maps.
        """
        maps = super().maps(pixels)
        if maps.dim() != 4:
            raise BadInput(
                f"timm's '{self.backbone}' puts out no maps, as transformers do not: choose a "
                "convolutional trunk such as resnet18."
            )
        return maps
