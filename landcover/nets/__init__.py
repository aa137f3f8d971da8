"""Network architectures by name. To add one, add a file and a line here.

Every net takes float32 surface reflectance ``(n, band, y, x)`` on one 10 m grid and
returns logits ``(n, class)``. The bands are the twelve of
:data:`landcover.core.bands.BAND_NAMES`, or those that its option ``bands`` names. It
normalises its input itself. Besides scores it returns what explanations and checks need
(:mod:`landcover.nets.outputs`): ``read`` gives scores and features of one pass, ``views`` and
``scores_from`` the maps that the scores rest on. Where a net has no ``views``, its ``cam_layer``
attribute is the module whose output Grad-CAM weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from torch import nn

from landcover.core.errors import UnknownName
from landcover.nets.adapted import Adapted
from landcover.nets.budget import NetTooLarge, bounded
from landcover.nets.colour_statistics import ColourForest
from landcover.nets.efficientnet_lite0 import LiteNet
from landcover.nets.estimated_bands import EstimatedBands, with_estimated_bands
from landcover.nets.mosaic import Mosaic
from landcover.nets.random_convolution import RandomConvolution
from landcover.nets.reference import BandStatisticsForest, ClassPrior
from landcover.nets.resnet import ResNet
from landcover.nets.rgb_lite0 import RgbNet
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.taught import TaughtNet
from landcover.nets.timm_trunk import TimmNet
from landcover.nets.trigrid import TriGrid

__all__ = ["ADAPTED", "BASELINE_NETS", "ESTIMATED_BANDS", "NETS", "NetTooLarge", "bounded", "build"]

ESTIMATED_BANDS: Final = "estimated-bands"
"""Name of a net behind an estimate of the bands that the input lacks."""
ADAPTED: Final = "adapted"
"""Name of a net whose scores are corrected."""


def _estimated_bands(
    *,
    net: str,
    net_options: Mapping[str, Any],
    bands: Sequence[str],
    needs: Sequence[str],
    components: int,
) -> EstimatedBands:
    own = build(net, **net_options)
    return with_estimated_bands(own, bands=bands, needs=needs, components=components)


def _adapted(*, net: str, net_options: Mapping[str, Any], features: int, classes: int) -> nn.Module:
    return Adapted(build(net, **net_options), features=features, classes=classes)


NETS: Final[dict[str, Callable[..., nn.Module]]] = {
    "trigrid": TriGrid,
    "rgb-lite0": RgbNet,
    "mosaic": Mosaic,
    "spectral-lite0": SpectralLite,
    "taught": TaughtNet,
    "lite0": LiteNet,
    "resnet": ResNet,
    "timm": TimmNet,
    "random-convolution": RandomConvolution,
    ESTIMATED_BANDS: _estimated_bands,
    ADAPTED: _adapted,
    "class-prior": ClassPrior,
    "band-statistics": BandStatisticsForest,
    "colour-statistics": ColourForest,
}
"""Name → constructor; options are keyword arguments with JSON values."""

BASELINE_NETS: Final[dict[str, str]] = {
    "class-prior": "looks at no pixel and predicts the same for every place",
    "band-statistics": "uses only how the values of each band are distributed",
    "random-convolution": "uses random filters that were not trained",
    "colour-statistics": "uses only how the colours of the picture are distributed",
}
"""Name of an architecture that other nets are compared with → what it does, after "it"."""


def build(name: str, **options: Any) -> nn.Module:  # noqa: ANN401 - each net has its own
    """A net of a registered architecture, with untrained weights.

    Raises:
        UnknownName: no architecture has that name.
        TypeError: the architecture does not take one of the options.
    """
    if name not in NETS:
        raise UnknownName("net", name, NETS)
    return NETS[name](**options)
