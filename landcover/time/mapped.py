"""Images of several dates, mapped on one grid by one model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Event
from typing import Final

import numpy as np

from landcover.areas.area_file import Area
from landcover.areas.canvas import Canvas
from landcover.areas.imagery import Imagery, ImagerySpec, imagery_of
from landcover.areas.imagery_files import FileSpec
from landcover.areas.imagery_folder import FilePass, extent_of, scenes_spec
from landcover.areas.job import Executor, MapTask, open_imagery, open_mapper
from landcover.areas.layout import NODATA
from landcover.areas.plan import DEFAULT_STEP, Plan
from landcover.areas.plan_area import plans_of
from landcover.areas.product import Scene, scene_of
from landcover.core import progress
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.progress import Progress, Report
from landcover.io.guard import shown
from landcover.models import registry
from landcover.stac.passes import ONE_PASS
from landcover.time.dated import DateMap, Facts, check_cells
from landcover.time.pixels import pixel_facts

__all__ = [
    "Shot",
    "check_suits",
    "facts_of",
    "grids_of",
    "map_of",
    "model_for",
    "one_a_pass",
    "opened",
]

_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """An image of one date.

    Attributes:
        name: of the source, for messages.
        spec: what it is read from.
    """

    name: str
    spec: ImagerySpec

    @property
    def imagery(self) -> Imagery:
        """The image, opened. Only the latest few stay open: each holds a file and temporary ones.

        Raises:
            LandcoverError: it is gone, has changed, or cannot be read.
        """
        return open_imagery(self.spec)


def opened(source: str, spec: ImagerySpec | None = None, *, cancel: Event | None = None) -> Shot:
    """Open a source, which finds out whether it can be read.

    Args:
        source: as for :func:`landcover.areas.imagery.imagery_of`, or a name for ``spec``.
        spec: what to read, if it is known already.
        cancel: set to stop.

    Raises:
        LandcoverError: it cannot be read.
        Cancelled: the user stopped it.
    """
    found = imagery_of(source) if spec is None else spec
    shot = Shot(name=shown(source), spec=found)
    kept = found.open(cancel=cancel), shot.imagery  # the same twice; only the first can be stopped
    del kept
    return shot


def one_a_pass(
    shots: Sequence[tuple[datetime, Shot]], area: Area | None, *, cancel: Event | None = None
) -> list[tuple[datetime, Shot]]:
    """Join the tiles of a pass, which a satellite took within minutes, to one image.

    Images in memory, of other bands or of several UTM zones stay as they are.

    Args:
        shots: images and their times, in order of time.
        area: what is looked at; None for all of an image.
        cancel: set to stop.

    Raises:
        Cancelled: the user stopped it.
    """
    found: list[tuple[datetime, Shot]] = []
    tiles: list[Shot] = []  # those of the last one of them
    for when, shot in shots:
        together = None
        if found and when - found[-1][0] <= ONE_PASS:
            together = _joined([*tiles, shot], area, cancel)
        if together is None:
            found.append((when, shot))
            tiles = [shot]
        else:
            found[-1] = (found[-1][0], together)
            tiles.append(shot)
    return found


def _joined(shots: Sequence[Shot], area: Area | None, cancel: Event | None) -> Shot | None:
    """Files of one pass as one image; None where they cannot be one."""
    specs = [shot.spec for shot in shots if isinstance(shot.spec, FileSpec)]
    if len(specs) < len(shots):
        return None
    name = " + ".join(shot.name for shot in shots)
    try:
        spec = scenes_spec(specs, name, area, cancel=cancel)
    except BadInput:  # other bands, or one of them is outside the area
        return None
    scenes = [scene for one in spec.passes if isinstance(one, FilePass) for scene in one.scenes]
    if len(spec.grids) > 1 or len(scenes) < len(shots):
        return None
    exact = extent_of(scenes) if area is None else None
    return opened(name, replace(spec, grids=(exact,)) if exact else spec, cancel=cancel)


def grids_of(
    shot: Shot, area: Area | None, *, step: int = DEFAULT_STEP, cancel: Event | None = None
) -> Plan:
    """The grids of all dates, which are those of the first.

    Args:
        shot: the first date.
        area: the area; None for what the image covers.
        step: pixels from window to window, a multiple of 8.
        cancel: set to stop.

    Raises:
        BadInput: the area is outside, or in several UTM zones.
        LandcoverError: the image cannot be read.
        Cancelled: the user stopped it.
    """
    found = plans_of(area, shot.spec, step=step, cancel=cancel)
    if len(found) > 1:
        raise BadInput(
            "The area lies in several UTM zones, which have no common grid: give the part in each "
            "by itself."
        )
    (only,) = found
    check_cells(only.cover)
    return only


def model_for(model: str | None, bands: tuple[str, ...]) -> tuple[str, str]:
    """Name and hash of the card of the model that maps some bands.

    Args:
        model: name or path; None for the first usual one that has a cover head.
        bands: of the images.

    Raises:
        LandcoverError: there is no such model, or it cannot be used.
    """
    models = registry.default()
    usual = (models.usual_for_areas(), registry.DEFAULT_MODEL)
    found = []
    for each in usual if model is None else (model,):
        name = models.choice(each, bands).name
        found.append((name, models.card(name).hash))
        if open_mapper(*found[-1]).covers:
            return found[-1]
    return found[0]


def check_suits(shot: Shot, model: str, card: str, *, cancel: Event | None = None) -> None:
    """Check, before anything is mapped, that an image has the level and the bands of a model.

    Raises:
        ModelMismatch: it has not; the message names the image.
        LandcoverError: it cannot be read.
        Cancelled: the user stopped it.
    """
    imagery = shot.imagery
    pixel = imagery.read(imagery.extent.part(0, 0, 1, 1), cancel=cancel)
    try:
        open_mapper(model, card).model.check_bands(pixel)
    except ModelMismatch as error:
        raise ModelMismatch(f"{shot.name}: {error}") from None


def facts_of(shot: Shot, model: str, card: str) -> Facts:
    """What a map of an image says of itself."""
    imagery = shot.imagery
    stated = imagery.provenance
    return Facts(
        source=stated.scene or stated.source,
        acquired=imagery.acquired,
        level=imagery.level,
        baseline=stated.baseline,
        scaling=stated.scaling,
        model=model,
        card=card,
    )


def map_of(
    shot: Shot,
    plan: Plan,
    model: str,
    card: str,
    executor: Executor,
    *,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> DateMap:
    """Map an image of one date.

    Args:
        shot: the image.
        plan: grids and blocks, the same for all dates.
        model: name or path of the model.
        card: hash of its card.
        executor: where the blocks are computed.
        report: called with the blocks that are done.
        cancel: set to stop.

    Raises:
        LandcoverError: a block cannot be read, or does not suit the model.
        Cancelled: the user stopped it.
    """
    task = MapTask(plan=plan, imagery=shot.spec, model=model, model_hash=card)
    mapper = open_mapper(model, card)
    total = len(plan.indices)

    own = mapper.model.card
    canvas = Canvas(plan, own.classes, mapper.covers)
    scenes: set[Scene] = set()
    with closing(executor.run(task, plan.indices, cancel)) as every:  # type: ignore[type-var]
        for done, (index, found) in enumerate(every, start=1):
            what = f"Mapping {shot.name}"
            report(Progress(what=what, done=done, total=total, unit="blocks"))
            canvas.put(plan.block_at(index), found)
            if np.isin(found.cover[-1], (0, NODATA), invert=True).any():  # its validity
                scenes.add(scene_of(found))
    made = DateMap(
        facts=_with_scenes(facts_of(shot, own.name, card), scenes),
        grid=plan.cover,
        covers=mapper.covers,
        cover=canvas.cover,
        classes=own.classes,
        presence=canvas.presence,
    )
    pixels = pixel_facts(shot.imagery, plan, made.seen, cancel=cancel)
    return replace(made, haze=pixels.haze, index_water=pixels.water, dark=pixels.dark)


def _with_scenes(facts: Facts, scenes: set[Scene]) -> Facts:
    """What all scenes of the blocks state, where the imagery as a whole does not."""
    times = [scene.acquired for scene in scenes if scene.acquired is not None]
    baselines = {scene.baseline for scene in scenes}
    acquired, baseline = facts.acquired, facts.baseline
    if acquired is None and times and len(times) == len(scenes):
        acquired = min(times) if max(times) - min(times) < _ONE_DAY else None
    if baseline is None and len(baselines) == 1:
        (baseline,) = baselines
    return replace(facts, acquired=acquired, baseline=baseline)
