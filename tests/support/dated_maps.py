"""Maps of an invented area at invented dates, as the map of a scene would be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from landcover.areas import sky
from landcover.areas.block import encoded
from landcover.areas.layout import NODATA
from landcover.core.raster import FloatArray
from landcover.core.window import Window
from landcover.metrics.area_estimate import Clustered
from landcover.time.dated import DateMap, Facts

COVERS: Final = ("Built-up", "Cropland", "Forest", "Water")
SIDE: Final = 60


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(hour=10, tzinfo=UTC)


def facts(when: str | None = "2021-06-26", **more: Any) -> Facts:
    given = {
        "source": f"scene of {when}",
        "acquired": day(when) if when else None,
        "level": "L2A",
        "model": "landcover-mosaic",
        "card": "abc",
        "baseline": "03.01",
        "scaling": "reflectance = DN / 10000",
    }
    return Facts(**{**given, **more})


def grid(side: int = SIDE) -> Window:
    return Window(
        crs="EPSG:32631",
        transform=(80.0, 0.0, 480_000.0, 0.0, -80.0, 4_690_080.0),
        width=side,
        height=side,
    )


def ground(seed: int = 0, side: int = SIDE) -> np.ndarray:
    """Numbers of the covers of an area of fields and woods ``(side, side)``."""
    random = np.random.default_rng(seed)
    return np.kron(random.integers(0, len(COVERS), (side // 6, side // 6)), np.ones((6, 6), int))


def answers(truth: np.ndarray, seed: int = 0, spread: float = 3.0) -> FloatArray:
    """Calibrated probabilities ``(cover, row, column)`` of a net that errs in a few cells."""
    random = np.random.default_rng(seed)
    seen = random.normal(size=(len(COVERS), *truth.shape))
    seen += spread * (np.arange(len(COVERS))[:, None, None] == truth)
    chances = np.exp(spread * (seen - seen.max(axis=0)))
    return (chances / chances.sum(axis=0)).astype(np.float32)


def date_map(
    when: str | None = "2021-06-26",
    *,
    truth: np.ndarray | None = None,
    seed: int = 0,
    mask: np.ndarray | None = None,
    inside: np.ndarray | None = None,
    **more: Any,
) -> DateMap:
    """The map of a date; where ``mask`` is cloud there is no answer."""
    truth = ground() if truth is None else truth
    chances = answers(truth, seed)
    mask = np.zeros(truth.shape, dtype=np.uint8) if mask is None else mask
    cover = np.empty((len(COVERS) + 3, *truth.shape), dtype=np.uint8)
    cover[: len(COVERS)] = encoded(chances)
    cover[len(COVERS)] = encoded(1 - chances.max(axis=0))
    cover[: len(COVERS) + 1, np.isin(mask, (sky.CLOUD, sky.NO_ANSWER))] = NODATA
    cover[len(COVERS) + 1] = mask
    cover[len(COVERS) + 2] = 250
    if inside is not None:
        cover[:, ~inside] = NODATA
    made = DateMap(
        facts=facts(when, **{k: v for k, v in more.items() if k in Facts.__dataclass_fields__}),
        grid=grid(truth.shape[0]),
        covers=COVERS,
        cover=cover,
    )
    return replace(made, **{k: v for k, v in more.items() if k in DateMap.__dataclass_fields__})


def reference(shares: np.ndarray, spread: float = 0.01) -> Clustered:
    """Measured errors: shares of the true covers in each mapped one, and how they vary."""
    size = len(shares)
    covariance = np.repeat(np.eye(size)[None] * spread**2, size, axis=0)
    return Clustered(
        shares=shares,
        covariance=covariance,
        spread=np.zeros((size, size)),
        places=np.full(size, 9),
    )
