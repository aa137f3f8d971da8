"""Measure what a fitted correction of Level-1C costs: ``python -m tools.level_1c_cost FOLDER``.

``FOLDER/S2L1C`` and ``FOLDER/S2L2A`` have files of the same names, one pair for each scene. For
each scene a line is fitted to each band of all other pairs (least squares over all pixels) and
applied to its Level-1C, and the same model classifies windows of the result and of the true
Level-2A. If the darkest pixels still contain the offset of 0.1, it is removed first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from landcover.core.bands import BAND_NAMES
from landcover.core.raster import FloatArray, Raster
from landcover.io.scaling import DARK_LOW, OFFSET, darkest
from landcover.io.stack import read_stack
from landcover.models import registry
from landcover.models.model import Model, Prediction

__all__ = ["corrected", "fit_lines"]

WINDOWS_A_SIDE: Final = 3


def fit_lines(pairs: Sequence[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Slope and intercept ``(band, 2)`` from Level-1C to Level-2A, both ``(band, y, x)``."""
    bands = range(len(pairs[0][0]))
    return np.stack(
        [
            np.polyfit(
                np.concatenate([source[band].ravel() for source, _ in pairs]),
                np.concatenate([target[band].ravel() for _, target in pairs]),
                1,
            )
            for band in bands
        ]
    ).astype(np.float32)


def corrected(values: FloatArray, lines: FloatArray) -> FloatArray:
    """Apply slope and intercept of each band to reflectance ``(band, y, x)``."""
    found: FloatArray = values * lines[:, :1, None] + lines[:, 1:, None]
    return found


def _reflectance(path: Path) -> FloatArray:
    raster = read_stack(path, path.name)
    values = raster.data[[raster.bands.index(name) for name in BAND_NAMES]]
    shifted = darkest(values.reshape(len(values), -1)) >= DARK_LOW
    return values + np.float32(OFFSET) if shifted else values


def _windows(raster: Raster, values: FloatArray, size: int) -> list[tuple[Raster, Raster]]:
    """Windows of the true Level-2A, and the same with other values."""
    steps = np.linspace(0, min(raster.height, raster.width) - size, WINDOWS_A_SIDE).astype(int)
    corners = [(int(row), int(col)) for row in steps for col in steps]
    other = replace(raster, data=values)
    return [(raster.window(*at, size), other.window(*at, size)) for at in corners]


def _compare(model: Model, pairs: Sequence[tuple[Raster, Raster]]) -> tuple[float, float]:
    """The largest difference of a probability, and how well the predicted classes agree (F1)."""
    largest, agreement = 0.0, []
    for both in pairs:
        true, other = (model.predict(patch) for patch in both)
        gaps = np.abs(_probabilities(true) - _probabilities(other))
        largest = max(largest, float(gaps.max()))
        a, b = _predicted(true), _predicted(other)
        agreement.append(2 * len(a & b) / max(1, len(a) + len(b)))
    return largest, float(np.mean(agreement))


def _probabilities(found: Prediction) -> FloatArray:
    return np.array([one.probability for one in found.labels], dtype=np.float32)


def _predicted(found: Prediction) -> set[str]:
    return {one.label for one in found.labels if one.predicted}


def main() -> None:
    """Print one line for each scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=registry.DEFAULT_MODEL)
    args = parser.parse_args()
    model = registry.default().load(args.model)
    names = sorted(path.name for path in (args.folder / "S2L1C").glob("*.tif"))
    true = {name: read_stack(args.folder / "S2L2A" / name, name) for name in names}
    sources = {name: _reflectance(args.folder / "S2L1C" / name) for name in names}
    for name in names:
        lines = fit_lines([(sources[other], true[other].data) for other in names if other != name])
        for kind, values in (
            ("Level-1C", sources[name]),
            ("corrected", corrected(sources[name], lines)),
        ):
            largest, agreement = _compare(model, _windows(true[name], values, model.card.pixels))
            print(
                f"{name} {kind}: probabilities differ by up to {largest:.2f}; "
                f"F1 of the predicted classes {agreement:.2f}"
            )


if __name__ == "__main__":
    main()
