"""Dynamic World's network (Brown et al. 2022), as a teacher in training.

It was trained by its authors on about 24,000 hand-labelled pictures from all over the world, and
gives nine covers a pixel. Its weights are not part of this package: whoever trains names the file
(``dynamicworld.npz``), and only the answers are learned from.

The network takes digital numbers of Level-1C, and our patches are Level-2A, so that they are
converted first by one line a band (:data:`TO_LEVEL_1C`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES, QUANTIFICATION
from landcover.core.errors import BadInput
from landcover.core.numpy_files import DAMAGED
from landcover.core.text import plain

__all__ = [
    "ATTRIBUTION",
    "BANDS",
    "COVERS",
    "FEATURES",
    "TO_LEVEL_1C",
    "DynamicWorld",
    "load",
    "to_level_1c",
]

ATTRIBUTION: Final = (
    "Dynamic World's network (Brown et al. 2022, Apache-2.0), whose weights are not part of "
    "this model"
)
"""For the card of a model that has learned from it."""
BANDS: Final = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")
"""Its input bands, in order."""
COVERS: Final = (
    "water",
    "trees",
    "grass",
    "flooded vegetation",
    "crops",
    "shrub and scrub",
    "built",
    "bare",
    "snow and ice",
)
"""Its covers, in the order of its scores."""
FEATURES: Final = 144
"""Features of a pixel, from which the scores are computed."""
TO_LEVEL_1C: Final = (
    (0.82, 600.0),
    (0.86, 350.0),
    (0.90, 200.0),
    (0.92, 150.0),
    (0.95, 50.0),
    (0.96, 0.0),
    (0.97, 0.0),
    (0.97, 0.0),
    (0.97, 0.0),
)
"""Slope and offset of each band, from digital numbers of Level-2A to those of Level-1C."""
_EPSILON: Final = 1e-3
_MOST_BYTES: Final = 5_000_000
"""Of the file and of its arrays, which together have a fifth of it."""
_NORMALISATION: Final = (
    (1.74172680, 2.02329871),
    (1.72612050, 2.03890520),
    (1.67983463, 2.17959282),
    (1.77349695, 2.28900683),
    (2.28915408, 2.61716745),
    (2.38293971, 2.77341858),
    (2.38289394, 2.75783326),
    (2.19524843, 2.78909248),
    (1.55481295, 2.41405349),
)
"""Offset and scale of the logarithm of each band."""
_COLUMNS: Final = tuple(BAND_NAMES.index(name) for name in BANDS)
_UNFIT: Final[tuple[type[Exception], ...]] = (*DAMAGED, AttributeError)
"""Errors of a file that is damaged, or holds something else."""


class DynamicWorld(nn.Module):
    """The network, which is never trained itself.

    Args:
        weights: ``conv0`` to ``conv14``, ``depthwise0`` to ``9`` and ``norm0`` to ``23``, as in
            the published file. They are not part of the module's state.
        sha256: of the file with the weights.
    """

    shift: Tensor

    def __init__(self, weights: Mapping[str, Tensor], sha256: str = "") -> None:
        super().__init__()
        self.sha256 = sha256
        for name, value in weights.items():
            self.register_buffer(name.replace(".", "_"), value.float(), persistent=False)
        self._identity: str | None = None
        shift = torch.tensor(_NORMALISATION).T.reshape(2, 1, -1, 1, 1)
        self.register_buffer("shift", shift, persistent=False)

    @property
    def identity(self) -> str:
        """A hash of the weights and of the constants that pixels are converted with."""
        if self._identity is None:
            found = hashlib.sha256(repr((TO_LEVEL_1C, _EPSILON)).encode())
            for name, value in sorted(self.named_buffers()):
                found.update(name.encode())
                found.update(value.float().cpu().contiguous().numpy().tobytes())
            self._identity = found.hexdigest()
        return self._identity

    def forward(self, reflectance: Tensor) -> tuple[Tensor, Tensor]:
        """Answer for Level-2A reflectance ``(n, 12, y, x)``.

        Returns:
            Logits ``(n, 9, y, x)`` and features ``(n, 144, y, x)`` of length 1.
        """
        return self.answers(self.normalised(to_level_1c(reflectance)))

    def normalised(self, numbers: Tensor) -> Tensor:
        """Normalise Level-1C digital numbers ``(n, 9, y, x)``; the result is between 0 and 1."""
        offset, scale = self.shift
        logs = (torch.log(0.005 * numbers.clamp(min=0.0) + 1.0) - offset) / scale
        return torch.sigmoid(5.0 * logs - 1.0)

    def answers(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits and features of normalised bands ``(n, 9, y, x)``."""
        full = self._unit(0, self._conv(0, inputs))
        half = F.interpolate(full, scale_factor=0.5, mode="bilinear", antialias=True)
        beside = self._unit(1, self._conv(1, half))
        beside = self._unit(2, self._depthwise(0, beside))
        deep = self._block(half, conv=2, depthwise=1, norm=3)
        deep = self._block(deep, conv=6, depthwise=4, norm=10)
        deep = self._block(torch.cat((deep, beside), dim=1), conv=10, depthwise=7, norm=17)
        deep = F.interpolate(deep, size=inputs.shape[2:], mode="bilinear")
        features = F.normalize(deep, dim=1)
        return self._conv(14, features), features

    def _block(self, inputs: Tensor, *, conv: int, depthwise: int, norm: int) -> Tensor:
        """Three pairs of a pixel-wise and a depthwise convolution, and a skip around them."""
        maps = inputs
        for k in range(3):
            maps = self._unit(norm + 2 * k, self._conv(conv + k, maps))
            maps = self._unit(norm + 2 * k + 1, self._depthwise(depthwise + k, maps))
        return maps + self._unit(norm + 6, self._conv(conv + 3, inputs))

    def _conv(self, number: int, maps: Tensor) -> Tensor:
        weight, bias = self._pair(f"conv{number}")
        return F.conv2d(maps, weight, bias, padding=weight.shape[-1] // 2)

    def _depthwise(self, number: int, maps: Tensor) -> Tensor:
        weight, bias = self._pair(f"depthwise{number}")
        return F.conv2d(maps, weight, bias, padding=1, groups=len(weight))

    def _unit(self, number: int, maps: Tensor) -> Tensor:
        name = f"norm{number}"
        weight, bias = self._pair(name)
        mean, variance = self.get_buffer(f"{name}_mean"), self.get_buffer(f"{name}_variance")
        return F.mish(F.batch_norm(maps, mean, variance, weight, bias, eps=_EPSILON))

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")


def to_level_1c(reflectance: Tensor) -> Tensor:
    """Convert Level-2A reflectance ``(n, 12, y, x)`` to Level-1C digital numbers of nine bands."""
    bands = (
        reflectance[:, column : column + 1] * (QUANTIFICATION * slope) + offset
        for column, (slope, offset) in zip(_COLUMNS, TO_LEVEL_1C, strict=True)
    )
    return torch.cat(list(bands), dim=1)


def load(path: Path) -> DynamicWorld:
    """Read the published weights.

    Raises:
        BadInput: the file is missing or is not that of this network.
    """
    # The network itself also runs where there is no rasterio.
    from landcover.io.guard import read_file  # noqa: PLC0415

    content = read_file(path, _MOST_BYTES)
    try:
        weights = _arrays(content)
        net = DynamicWorld(weights, hashlib.sha256(content).hexdigest()).eval()
        with torch.no_grad():
            logits, features = net(torch.full((1, len(BAND_NAMES), 8, 8), 0.1))
        sizes = (logits.shape[1], features.shape[1])
        fits = sizes == (len(COVERS), FEATURES) and bool(logits.isfinite().all())
    except _UNFIT:
        fits = False
    if not fits:
        raise BadInput(
            f"'{plain(path.name)}' does not hold the weights of Dynamic World's network: give "
            "the file dynamicworld.npz with its 15 convolutions."
        )
    return net


def _arrays(content: bytes) -> dict[str, Tensor]:
    """Read the arrays of a file.

    Raises:
        ValueError: they are larger than those of the network can be.
        Exception: one of :data:`landcover.core.numpy_files.DAMAGED`; it is damaged.
    """
    with ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
            raise ValueError
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
