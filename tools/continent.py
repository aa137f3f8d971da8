"""What a map of a whole continent would take, computed from what one tile takes here.

``python -m tools.continent --tile-seconds S --written-bytes B``

The rates are those that were measured for a tile of 10980 × 10980 pixels (docs/areas-speed.md). The
rest is geometry: Sentinel-2's tiles are 109.8 km wide and overlap, and of a scene the twelve bands
are read at their own resolutions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from landcover.core.bands import BANDS

TILE_KM2: Final = 100.0 * 100.0
"""Area that a tile adds: tiles lie every 100 km and overlap by 9.8 km."""
TILE_PIXELS: Final = 10_980
BYTES_A_SAMPLE: Final = 2
PACKED: Final = 0.6
"""Bytes that a compressed sample of a real COG takes, per byte: archives' COGs have 0.5 to 0.7."""
AREAS: Final = {
    "Switzerland": 41_285,
    "Germany": 357_600,
    "European Union": 4_233_000,
    "Europe": 10_180_000,
    "Africa": 30_370_000,
}
"""Square kilometres of land (United Nations, Demographic Yearbook)."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a tile takes.

    Attributes:
        tile_seconds: seconds on all cores of the machine.
        cores: of the machine.
        written_bytes: bytes of the files of a tile.
    """

    tile_seconds: float
    cores: int
    written_bytes: float


def tile_bytes() -> float:
    """Compressed bytes of the twelve bands of a tile."""
    samples = sum((TILE_PIXELS * 10 // band.resolution_m) ** 2 for band in BANDS)
    return samples * BYTES_A_SAMPLE * PACKED


def rows(rates: Rates, price: float) -> Sequence[Sequence[str]]:
    """Area, tiles, bytes read, bytes written, core hours and their price, for each area."""
    found = []
    for name, km2 in AREAS.items():
        tiles = km2 / TILE_KM2
        hours = tiles * rates.tile_seconds * rates.cores / 3600
        found.append(
            (
                name,
                f"{km2:,}",
                f"{tiles:,.0f}",
                f"{tiles * tile_bytes() / 1e12:,.2f} TB",
                f"{tiles * rates.written_bytes / 1e9:,.1f} GB",
                f"{hours:,.1f}",
                f"{hours * price:,.2f}",
            )
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tile-seconds", type=float, required=True, help="for a tile")
    parser.add_argument("--written-bytes", type=float, required=True, help="of a tile")
    parser.add_argument("--cores", type=int, default=2, help="that were used")
    parser.add_argument("--price", type=float, default=0.05, help="of a core hour")
    options = parser.parse_args()
    rates = Rates(
        tile_seconds=options.tile_seconds,
        cores=options.cores,
        written_bytes=options.written_bytes,
    )
    print("| area | km² | tiles | read | written | core hours | cost |")
    print("|---|---|---|---|---|---|---|")
    for row in rows(rates, options.price):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
