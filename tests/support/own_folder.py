"""Small data sets of one's own: noisy stacks on a lattice, and their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

from landcover.core.bands import BAND_NAMES

CLASSES = ("Tall trees", "Open water")


def write_stack(
    path: Path,
    seed: int = 0,
    *,
    corner: tuple[float, float] | None = (600_000, 5_300_040),
    bands: Sequence[str] = BAND_NAMES,
    side: int = 120,
    level: float = 1.0,
) -> None:
    """Write digital numbers of noise, brighter by ``level``."""
    random = np.random.default_rng(seed)
    pixels = (random.normal(1500, 200, (len(bands), side, side)) * level).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {}
    if corner is not None:
        place = {"crs": "EPSG:32633", "transform": Affine(10, 0, corner[0], 0, -10, corner[1])}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=len(bands),
        dtype="uint16",
        **place,
    ) as file:
        file.write(pixels)
        for number, band in enumerate(bands, start=1):
            file.set_band_description(number, band)


def write_folder(
    root: Path,
    count: int = 24,
    *,
    apart_m: int = 60_000,
    labels: Mapping[int, str] | None = None,
    table: str = "",
    bands: Sequence[str] = BAND_NAMES,
) -> Path:
    """Write patches in rows of four, ``apart_m`` apart, dark and bright in turn."""
    for k in range(count):
        corner = (240_000 + apart_m * (k % 4), 5_500_020 - apart_m * (k // 4))
        write_stack(
            root / f"field_{k}.tif", k, corner=corner, bands=bands, level=0.5 if k % 2 else 1.5
        )
    usual = {k: CLASSES[k % 2] for k in range(count)}
    lines = [f"field_{k}.tif,{(labels or usual).get(k, '')}" for k in range(count)]
    (root / "labels.csv").write_text(table or "\n".join(["file,labels", *lines]) + "\n")
    return root
