"""Maps that were made before, as :mod:`landcover.areas.product` writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Final

from landcover.areas.layout import COVER, PRESENCE
from landcover.areas.reading import open_product
from landcover.core.errors import BadInput
from landcover.io.guard import shown
from landcover.io.headers import header
from landcover.time.dated import DateMap, Facts, check_cells

__all__ = ["is_map", "read_map"]

_SUFFIXES: Final = (".tif", ".tiff")


def is_map(source: str) -> bool:
    """Whether a text names a file that ``landcover map`` wrote."""
    path = Path(source)
    try:
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            return False
        with header(path) as file:
            return {"LAYER", "CARD"} <= set(file.tags())
    except (BadInput, OSError, ValueError):
        return False  # reading it as imagery reports why


def read_map(source: str, *, cancel: Event | None = None) -> DateMap:
    """Read the cover of a map.

    Args:
        source: path of its cover, or of its presence, beside which the cover is.
        cancel: set to stop.

    Raises:
        BadInput: it is no such map, or has no cover.
        Cancelled: the user stopped it.
    """
    path = Path(source)
    found = open_product(path)
    if found.layer == PRESENCE:
        cover = path.with_name(f"{path.stem}-cover{path.suffix}")
        if not cover.is_file():
            raise BadInput(
                f"'{shown(path.name)}' is the presence in windows of 1200 m, of which no change of "
                "ground can be told: give the cover, a file that ends with -cover.tif."
            )
        found = open_product(cover)
    if found.layer != COVER:
        raise BadInput(
            f"'{shown(path.name)}' is the {found.layer} of a map: give its cover, the file that "
            "ends with -cover.tif."
        )
    facts = found.facts
    check_cells(found.window)
    return DateMap(
        facts=Facts(
            source=facts.get("SOURCE") or shown(path.name),
            acquired=_date(facts.get("ACQUIRED", "")),
            level=facts.get("LEVEL", ""),
            model=facts.get("MODEL", ""),
            card=facts.get("CARD", ""),
            baseline=facts.get("BASELINE") or None,
        ),
        grid=found.window,
        covers=found.classes,
        cover=found.read_bytes(found.bands, cancel=cancel),
    )


def _date(text: str) -> datetime | None:
    """The sensing time in a tag; None if it states none, or times of several days."""
    try:
        times = [datetime.fromisoformat(part.strip()) for part in text.split("/")]
        times = [time.replace(tzinfo=time.tzinfo or UTC) for time in times]
    except ValueError:
        return None
    return times[0] if times[-1] - times[0] < timedelta(days=1) else None
