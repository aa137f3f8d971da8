"""How a map was made: source, scenes, model and options, as its files state them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from landcover import __version__
from landcover.areas.layout import Layer
from landcover.areas.plan import Plan
from landcover.core.bands import PIXEL_M
from landcover.core.text import plain
from landcover.models.card import Card
from landcover.models.thresholds import DEFAULT_AIM

__all__ = ["JOINED", "MapFacts", "Scene", "identity", "in_order", "tags_of"]

JOINED: Final = " + "
"""Between the names of scenes of one pass."""
_MOST_SCENES: Final = 6
"""Scenes named in the tags of a raster; the STAC item names all."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A scene that pixels of a map come from.

    Attributes:
        name: such as ESA's product name, never a path; of several scenes that were taken within
            minutes all names, with :data:`JOINED` between them.
        acquired: sensing time in UTC, if known.
        baseline: ESA's processing baseline, if known.
    """

    name: str
    acquired: datetime | None = None
    baseline: str | None = None


@dataclass(frozen=True, kw_only=True)
class MapFacts:
    """What the files of a map say of themselves.

    Attributes:
        source: name of the file, folder or catalogue; never a full path.
        card: of the model that answered.
        covers: classes of its cover head; empty without one.
        cover_hash: of the weights of the cover head, if there is one.
        scenes: the scenes that pixels come from, as far as known.
        items: id of a scene → address of its STAC item, if it came from a catalogue.
        level: product level of the pixels.
        aim: of the decision thresholds.
        estimated_bands: bands that the source lacks and that were estimated.
        engine: what the net was computed with, such as ``"torch bfloat16"``.
        area: name of the area, if it has one.
        created: when the map was made, UTC. Only the STAC item states it, so that the same map
            gives the same rasters to the byte.
        notes: further remarks, one sentence each.
    """

    source: str
    card: Card
    covers: tuple[str, ...] = ()
    cover_hash: str | None = None
    scenes: tuple[Scene, ...] = ()
    items: Mapping[str, str] = field(default_factory=dict)
    level: str = "L2A"
    aim: str = DEFAULT_AIM
    estimated_bands: tuple[str, ...] = ()
    engine: str = ""
    area: str | None = None
    created: datetime | None = None
    notes: tuple[str, ...] = ()

    def with_scenes(self, scenes: Sequence[Scene]) -> MapFacts:
        """The same facts with only these scenes; what they lack is taken from those known."""
        known = {scene.name: scene for scene in self.scenes}
        used = []
        for scene in scenes:
            own = known.get(scene.name, scene)
            used.append(
                Scene(
                    name=scene.name,
                    acquired=scene.acquired or own.acquired,
                    baseline=scene.baseline or own.baseline,
                )
            )
        return replace(self, scenes=tuple(used)) if used else self

    @property
    def dates(self) -> tuple[datetime, datetime] | None:
        """First and last sensing time; None if no scene has one."""
        times = sorted(scene.acquired for scene in self.scenes if scene.acquired is not None)
        return (times[0], times[-1]) if times else None


def in_order(scenes: Iterable[tuple[tuple[int, int], Scene]]) -> list[Scene]:
    """The scenes of blocks, each once, in an order that is not that in which blocks arrive.

    Args:
        scenes: row and column of each block, and its scene.
    """
    first: dict[Scene, tuple[int, int]] = {}
    for index, scene in scenes:
        if scene.name:
            first[scene] = min(index, first.get(scene, index))
    return sorted(first, key=lambda scene: (first[scene], scene.name))


def tags_of(facts: MapFacts, plan: Plan, layer: Layer) -> dict[str, str]:
    """The tags of a raster: name in capitals → one line of text; what is not known is absent."""
    card = facts.card
    tags = {
        "LAYER": layer.name,
        "TIFFTAG_IMAGEDESCRIPTION": layer.title,
        "TIFFTAG_SOFTWARE": f"landcover {__version__}",
        "SOFTWARE": f"landcover {__version__}",
        "MAP": identity(facts, plan),
        "SOURCE": plain(facts.source),
        "LEVEL": facts.level,
        "MODEL": plain(card.name),
        "CARD": card.hash,
        "AIM": facts.aim,
        "CALIBRATION": card.calibration.method,
        "STEP": f"{plan.step} pixels of {PIXEL_M} m",
        "ESTIMATED_BANDS": ", ".join(facts.estimated_bands) or "none",
    }
    if facts.cover_hash:
        tags["COVER_HEAD"] = facts.cover_hash
    if facts.engine:
        tags["ENGINE"] = plain(facts.engine)
    if facts.area:
        tags["AREA"] = plain(facts.area)
    if facts.dates is not None:
        first, last = (time.isoformat() for time in facts.dates)
        tags["ACQUIRED"] = first if first == last else f"{first} / {last}"
    named = facts.scenes[:_MOST_SCENES]
    tags |= {f"SCENE_{n}": plain(scene.name) for n, scene in enumerate(named, start=1)}
    if facts.scenes:
        tags["SCENES"] = str(len(facts.scenes))
    baselines = sorted({scene.baseline for scene in facts.scenes if scene.baseline})
    if baselines:
        tags["BASELINE"] = plain(", ".join(baselines))
    tags |= {f"NOTE_{n}": plain(note) for n, note in enumerate(facts.notes, start=1)}
    tags |= {f"CLASS_{n}": name for n, name in enumerate(layer.classes, start=1)}
    return tags


def identity(facts: MapFacts, plan: Plan) -> str:
    """Twelve hexadecimal digits that the files of one map have in common."""
    window = plan.window
    grid = [window.crs, window.transform, window.width, window.height, plan.step]
    made = [facts.source, [scene.name for scene in facts.scenes], facts.card.hash, facts.cover_hash]
    outline = (plan.outline or b"").hex()
    text = json.dumps([grid, outline, made, facts.aim, __version__])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
