"""Writing the files of a map from its blocks, as a stream.

Blocks arrive in any order and are written to files of bytes at once, so that memory does not grow
with the area. When all are there, the files become Cloud-Optimised GeoTIFFs, with a STAC item,
QGIS styles and a table beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Final, Protocol

from landcover.areas import legend, stac_item, styles, table
from landcover.areas.cog import write_cog
from landcover.areas.facts import MapFacts, Scene, in_order, tags_of
from landcover.areas.layout import COVER, DECISION, PRESENCE, layers_of
from landcover.areas.plan import CELL, Block, Plan
from landcover.areas.product_files import (
    Needed,
    Written,
    check_space,
    needed,
    settle_all,
    settle_finished,
)
from landcover.areas.pyramid import Pyramid
from landcover.areas.table import AreaRow
from landcover.core import disk_errors, files, progress
from landcover.core.progress import Progress, Report
from landcover.core.raster import ByteArray

__all__ = [
    "AreaRow",
    "MapFacts",
    "Mapped",
    "Needed",
    "Scene",
    "Written",
    "check_space",
    "needed",
    "scene_of",
    "settle_finished",
    "write_products",
]

_WRITING: Final = "Writing the map"


class Mapped(Protocol):
    """The layers of a block, as :class:`landcover.areas.block.BlockMap` has them."""

    @property
    def presence(self) -> ByteArray:
        """Uint8 ``(class + 4, row, column)``."""
        ...

    @property
    def cover(self) -> ByteArray:
        """Uint8 ``(class + 3, row, column)`` at 80 m."""
        ...

    @property
    def decision(self) -> ByteArray:
        """Uint8 ``(row, column)`` at 80 m."""
        ...

    @property
    def scene(self) -> str:
        """Name of the scene that the pixels come from."""
        ...

    @property
    def acquired(self) -> datetime | None:
        """Its sensing time in UTC, if known."""
        ...

    @property
    def baseline(self) -> str | None:
        """Its processing baseline, if known."""
        ...


def scene_of(found: Mapped) -> Scene:
    """The scene that a block comes from."""
    return Scene(name=found.scene, acquired=found.acquired, baseline=found.baseline)


def write_products(
    plan: Plan,
    blocks: Iterable[tuple[Block, Mapped]],
    out: Path,
    facts: MapFacts,
    *,
    rows: Callable[[], Sequence[AreaRow]] = tuple,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Written:
    """Write the files of a map.

    Until all are finished, older files of the same name stay; a kill leaves either those or the
    new ones.

    Args:
        plan: the grids.
        blocks: the blocks of the plan with their layers, in any order. Blocks that are absent
            have no data.
        out: the file of the presence, ends with ``.tif``; the others lie beside it.
        facts: how the map was made. Of its scenes, those are stated that blocks name.
        rows: called after the last block for the rows of the table.
        report: called with the steps of the writing, after the blocks.
        cancel: set to stop.

    Raises:
        BadInput: the disk has too little room or cannot be written to.
        Cancelled: the user stopped it; nothing was changed.
        LandcoverError: as ``blocks`` raises it.
    """
    layers = layers_of(plan, facts.card.classes, facts.covers)
    written = Written.beside(out, cover=bool(facts.covers))
    settle_finished(out)
    check_space(out, layers)
    with files.aside(out.parent, out.name) as folder:
        with disk_errors.explained(out):
            new, work = folder / "new", folder / "work"
            new.mkdir()
            work.mkdir()
            pyramids = {layer.name: Pyramid(layer, work) for layer in layers}
        used = facts.with_scenes(_take(plan, blocks, pyramids, out, cancel))
        listed = rows()
        job = _Job(plan=plan, pyramids=pyramids, facts=used, written=written, new=new)
        with disk_errors.explained(out):
            job.write_rasters(report, cancel)
            job.write_texts(listed)
        progress.check(cancel)
        settle_all(new, out, written)
    return written


def _take(
    plan: Plan,
    blocks: Iterable[tuple[Block, Mapped]],
    pyramids: dict[str, Pyramid],
    out: Path,
    cancel: Event | None,
) -> list[Scene]:
    """Write the blocks into the pyramids, and return their scenes in order."""
    scenes: list[tuple[tuple[int, int], Scene]] = []
    for block, found in blocks:
        progress.check(cancel)
        with disk_errors.explained(out):
            pyramids[PRESENCE].put(block.top // plan.step, block.left // plan.step, found.presence)
            if COVER in pyramids:
                top, left = block.top // CELL, block.left // CELL
                pyramids[COVER].put(top, left, found.cover)
                pyramids[DECISION].put(top, left, found.decision[None])
        scenes.append((block.index, scene_of(found)))
    return in_order(scenes)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Files that are written when all blocks are there.

    Attributes:
        plan: the grids.
        pyramids: name of a layer → its bytes.
        facts: how the map was made.
        written: final paths.
        new: folder in which the files are finished.
    """

    plan: Plan
    pyramids: dict[str, Pyramid]
    facts: MapFacts
    written: Written
    new: Path

    def write_rasters(self, report: Report, cancel: Event | None) -> None:
        """Write the Cloud-Optimised GeoTIFFs."""
        total = len(self.pyramids)
        for done, (name, pyramid) in enumerate(self.pyramids.items()):
            report(Progress(what=_WRITING, done=done, total=total, unit="files", detail=name))
            pyramid.build(cancel)
            write_cog(
                pyramid,
                self.new / self.written.rasters[name].name,
                tags=tags_of(self.facts, self.plan, pyramid.layer),
                colours=legend.palette(pyramid.layer.classes) if name == DECISION else (),
                cancel=cancel,
            )
        report(Progress(what=_WRITING, done=total, total=total, unit="files"))

    def write_texts(self, rows: Sequence[AreaRow]) -> None:
        """Write styles, table and item; the item states size and sum of all other files."""
        for pyramid, path in zip(self.pyramids.values(), self.written.styles, strict=True):
            style = styles.style_of(pyramid.layer, pyramid.smallest())
            files.write_part(self.new / path.name, style)
        files.write_part(self.new / self.written.table.name, table.as_csv(rows, self.facts))
        item = stac_item.item_of(self.plan, self.pyramids, self.facts, self.written, self.new)
        files.write_part(self.new / self.written.item.name, stac_item.as_json(item))
