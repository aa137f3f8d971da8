"""Unpack the map's offline background into static/, as the app does when it starts."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pages.parts.shared import basemap

if __name__ == "__main__":
    if basemap.unpack_if_missing():
        print(f"The offline background is in static/{basemap.TILES.name}.")
    else:
        print(basemap.HOW_TO_GET)
    if basemap.write_places_if_missing():
        print(f"The places of the map are in static/{basemap.PLACES.name}.")
