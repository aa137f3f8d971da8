"""Pictures that a session holds, put there without an upload."""

from __future__ import annotations

from typing import Any

from landcover.core.raster import Raster
from pages.parts.shared import holdings


def hold(
    state: Any,
    *,
    uploads: dict[str, Raster] | None = None,
    pictures: dict[str, Raster] | None = None,
) -> None:
    held = holdings.Holdings()
    held.uploads.update(uploads or {})
    held.pictures.update(pictures or {})
    state[holdings.KEY] = held
