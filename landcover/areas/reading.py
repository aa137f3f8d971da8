"""Reading the files of a map back: bands by name, probabilities with NaN where there are none.

A file may come from anywhere, so worker processes open it (:mod:`landcover.io.map_files`), and it
must have the layers that this program writes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import numpy as np

from landcover.areas.layout import (
    COVER,
    COVER_EXTRA,
    DECISION,
    NO_DECISION,
    NODATA,
    PRESENCE,
    PRESENCE_EXTRA,
    UNIT,
)
from landcover.areas.product_files import Written
from landcover.core import limits
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray, FloatArray
from landcover.core.window import Window
from landcover.io.guard import Part, shown
from landcover.io.map_files import read_map_file
from landcover.io.map_layers import MapLayers, Wanted

__all__ = ["Product", "open_map", "open_product"]

_EXTRA: Final = {PRESENCE: PRESENCE_EXTRA, COVER: COVER_EXTRA}
_NUMBERS: Final = ("decision", "mask")
"""Bands that hold numbers, not steps of :data:`~landcover.areas.layout.UNIT`."""
_ROUNDED: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Product:
    """A raster of a map, open for reading.

    Attributes:
        path: of the file.
        layer: ``"presence"``, ``"cover"`` or ``"decision"``.
        window: its pixels on the ground.
        bands: names, in the order of the file.
        classes: names of the classes, in the order of their numbers from 1.
        facts: how the map was made; name in capitals → text.
        levels: rows and columns at full size, then of each smaller version.
    """

    path: Path
    layer: str
    window: Window
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    facts: Mapping[str, str]
    levels: tuple[tuple[int, int], ...]

    @property
    def map(self) -> str:
        """Identifies the map; its files have it in common."""
        return self.facts.get("MAP", "")

    def level_within(self, most: int) -> int:
        """The largest version of at most so many pixels a side; else the smallest one."""
        fitting = [level for level, shape in enumerate(self.levels) if max(shape) <= most]
        return fitting[0] if fitting else len(self.levels) - 1

    def read(
        self,
        names: Sequence[str] | None = None,
        *,
        part: Part | None = None,
        level: int = 0,
        cancel: Event | None = None,
    ) -> FloatArray:
        """Read bands as float32 ``(band, row, column)``, NaN without data.

        Probabilities and shares are 0 to 1; decisions and flags are their numbers.

        Args:
            names: of the bands; by default those of the classes, or the decision.
            part: first row, first column, rows and columns; by default everything.
            level: 0 for the full size; see :attr:`levels`.
            cancel: set to stop.

        Raises:
            BadInput: there is no such band, part or level, or the file is damaged, was changed, or
                is too large to be read at once.
            Cancelled: the user stopped it.
        """
        wanted = list(names if names is not None else self._usual)
        stored = self.read_bytes(wanted, part=part, level=level, cancel=cancel)
        nodata = NO_DECISION if self.layer == DECISION else NODATA
        found = stored.astype(np.float32)
        shares = [name not in _NUMBERS for name in wanted]
        # Bytes above 250 are not written, but a damaged file may have them.
        found[shares] = np.minimum(found[shares] * np.float32(UNIT), 1)
        found[stored == nodata] = np.nan
        return found

    def read_bytes(
        self,
        names: Sequence[str],
        *,
        part: Part | None = None,
        level: int = 0,
        cancel: Event | None = None,
    ) -> ByteArray:
        """Read bands as they are stored, uint8 ``(band, row, column)``; see :meth:`read`."""
        if strange := [name for name in names if name not in self.bands]:
            raise BadInput(
                f"'{shown(self.path.name)}' has no band '{strange[0][:60]}': it has "
                f"{', '.join(self.bands)}."
            )
        if not 0 <= level < len(self.levels):
            raise BadInput(
                f"'{shown(self.path.name)}' has {len(self.levels)} sizes: choose a level from 0 to "
                f"{len(self.levels) - 1}."
            )
        layers = tuple(self.bands.index(name) + 1 for name in names)
        pieces = [
            read_map_file(
                self.path, Wanted(layers=layers, part=strip, level=level), cancel=cancel
            ).values
            for strip in self._strips(part, level)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def at(self, latitude: float, longitude: float) -> dict[str, float | None] | None:
        """Values of all bands at a place (WGS 84 degrees), None for no data.

        Returns:
            None outside the map.

        Raises:
            BadInput: as for :meth:`read`.
        """
        if not self.window.covers(latitude, longitude):
            return None
        row, column = map(int, self.window.pixel_of(latitude, longitude))
        values = self.read(self.bands, part=(row, column, 1, 1))[:, 0, 0]
        pairs = zip(self.bands, values.tolist(), strict=True)
        return {name: None if math.isnan(value) else value for name, value in pairs}

    @property
    def _usual(self) -> tuple[str, ...]:
        return self.bands if self.layer == DECISION else self.classes

    def _strips(self, part: Part | None, level: int) -> list[Part]:
        """Parts of a part, each small enough to be read at once, from above."""
        top, left, rows, columns = part or (0, 0, *self.levels[level])
        most = limits.current().samples // 2 // len(self.bands)
        tall = max(1, most // max(columns, 1))
        return [(top + y, left, min(tall, rows - y), columns) for y in range(0, max(rows, 1), tall)]


def open_product(path: Path | str) -> Product:
    """Open a raster that ``landcover map`` wrote.

    Args:
        path: of the presence, the cover or the decision.

    Raises:
        BadInput: it is missing or damaged, or no such file.
    """
    place = Path(path)
    found = read_map_file(place, Wanted(layers=()))
    layer = found.tags.get("LAYER", "")
    classes = _classes(found, layer)
    if classes is None or not _is_ours(found, layer, len(classes)):
        raise BadInput(
            f"'{shown(place.name)}' is not a map that this program made: give the presence, the "
            "cover or the decision that `landcover map` wrote."
        )
    return Product(
        path=place,
        layer=layer,
        window=found.window,
        bands=found.names,
        classes=classes,
        facts=found.tags,
        levels=((found.window.height, found.window.width), *found.levels),
    )


def open_map(out: Path | str) -> dict[str, Product]:
    """Open all rasters of a map.

    Args:
        out: the file of the presence; the others are looked for beside it.

    Returns:
        Name of a layer → its raster.

    Raises:
        BadInput: as for :func:`open_product`, or the files are of different maps.
    """
    names = Written.beside(Path(out), cover=True).rasters
    found = {name: open_product(path) for name, path in names.items() if path.is_file()}
    if PRESENCE not in found:
        found = {PRESENCE: open_product(names[PRESENCE]), **found}
    for name, product in found.items():
        if product.layer != name or product.map != found[PRESENCE].map:
            raise BadInput(
                f"'{shown(product.path.name)}' does not belong to the map "
                f"'{shown(names[PRESENCE].name)}': map the area again."
            )
    return found


def _classes(found: MapLayers, layer: str) -> tuple[str, ...] | None:
    """Names of the classes; None if the bands are not those of the layer."""
    if layer == DECISION:
        count = sum(key.startswith("CLASS_") for key in found.tags)
        names = [found.tags.get(f"CLASS_{number}", "") for number in range(1, count + 1)]
        return tuple(names) if all(names) and found.names == (DECISION,) else None
    extra = _EXTRA.get(layer)
    if extra is None or found.names[-len(extra) :] != extra:
        return None
    return found.names[: -len(extra)]


def _is_ours(found: MapLayers, layer: str, classes: int) -> bool:
    """Whether grid, names and units are those of a map."""
    a, b, _, d, e, _ = found.window.transform
    own = NO_DECISION if layer == DECISION else NODATA
    scaled = zip(found.names, found.scales, strict=True)
    return (
        classes > 0
        and all(found.names)
        and len(set(found.names)) == len(found.names)
        and b == d == 0
        and a == -e
        and a > 0
        and found.nodata == own
        and all(
            math.isclose(scale, 1.0 if name in _NUMBERS else UNIT, rel_tol=_ROUNDED)
            for name, scale in scaled
        )
    )
