"""Colour pictures as files, for tests of their readers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image


def pixels(height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    """Bytes ``(y, x, 3)`` with the average colours of EuroSAT's pictures."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 20, (height, width, 1)) + random.normal(0, 6, (height, width, 3))
    return (np.array([86, 97, 104]) + noise).clip(0, 255).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Encode a picture as the bytes of a file."""
    out = io.BytesIO()
    whole = image if isinstance(image, Image.Image) else Image.fromarray(image)
    whole.save(out, kind, **options)
    return out.getvalue()


def geotiff(
    path: Path, image: np.ndarray, *, pixel: float = 10.0, crs: str | None = "EPSG:32633"
) -> Path:
    """Write bytes ``(y, x, band)`` as a GeoTIFF; a fourth band is opacity."""
    height, width, count = image.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=count,
        dtype=image.dtype,
        crs=crs,
        transform=rasterio.Affine(pixel, 0, 600_000, 0, -pixel, 5_300_000),
        photometric="RGB",
        **({"alpha": "YES"} if count == 4 else {}),
    ) as file:
        file.write(image.transpose(2, 0, 1))
    return path
