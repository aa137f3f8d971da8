"""An area through many dates: probabilities, hectares, gaps with their reasons, and trends.

Each date is mapped on the same grid by the same model. A date on which more than a fifth of the
area is hidden is a gap that says what hides it; so is one whose verdict withholds its labels.
Months put their dates together, so that one shows what clouds hid at another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Final

import numpy as np

from landcover.areas import hectares, legend
from landcover.areas.area_file import Area, as_area
from landcover.areas.hectares import CELL_HA
from landcover.areas.job import Executor, LocalExecutor, close_imagery, open_mapper
from landcover.areas.memory import DEFAULT_MEMORY, check_memory
from landcover.areas.plan import DEFAULT_STEP, Plan, plan
from landcover.areas.plan_area import notes_of
from landcover.core import limits, progress
from landcover.core.bands import COMPOSITES, PATCH_PIXELS
from landcover.core.classes import Rgb
from landcover.core.errors import BadInput, Cancelled, LandcoverError
from landcover.core.progress import Report
from landcover.core.raster import ByteArray, Raster
from landcover.core.text import plain
from landcover.core.window import Window
from landcover.io.sources import expand
from landcover.time.animation import Frame
from landcover.time.change import Estimate
from landcover.time.dated import DateMap
from landcover.time.mapped import Shot, grids_of, map_of, model_for, one_a_pass, opened
from landcover.time.moments import Moment, Month, Monthly, moment_of
from landcover.time.trend import Trend, trend_of
from landcover.trust.result import predict
from landcover.trust.verdict import Verdict

__all__ = ["Series", "series_of"]

_PICTURE: Final = 960
"""Longer side of a picture that is read for the animation, in pixels, about."""
_READ: Final = 2_400
"""Longest side of an area that is drawn, in pixels of 10 m."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """An area through its dates.

    Attributes:
        where: the area in words.
        whole: its size in hectares.
        model: name of the model.
        covers: names of the covers; empty without a cover head.
        classes: names of the classes of the presence.
        moments: the dates, in their order.
        months: the months; empty without a cover head.
        hectare_trends: trend of each cover's hectares.
        presence_trends: trend of each class's mean probability.
        index_trend: trend of the water by its index; None if it is not known.
        failed: each source that could not be used, and why.
        notes: what was repaired of the area, and how much of it is not mapped, a sentence each.
        frames: pictures for an animation, if they were asked for.
        legend: names and colours of the covers.
    """

    where: str
    whole: float
    model: str
    covers: tuple[str, ...]
    classes: tuple[str, ...]
    moments: tuple[Moment, ...]
    months: tuple[Month, ...]
    hectare_trends: dict[str, Trend]
    presence_trends: dict[str, Trend]
    index_trend: Trend | None
    failed: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    legend: tuple[tuple[str, Rgb], ...] = ()


def series_of(
    sources: str | Path | Shot | Iterable[str | Path | Shot],
    *,
    at: tuple[float, float] | None = None,
    area: Area | str | Path | None = None,
    model: str | None = None,
    step: int = DEFAULT_STEP,
    frames: bool = False,
    memory: int = DEFAULT_MEMORY,
    executor: Executor | None = None,
    report: Report = progress.ignore,
    cancel: Event | None = None,
) -> Series:
    """Follow an area through many dates.

    Args:
        sources: images of the dates, in any order: as for
            :func:`landcover.areas.imagery.imagery_of`, or open already; folders and zips of them.
            Files of one pass, such as two tiles of a day, are one date.
        at: latitude and longitude (WGS 84 degrees) of the centre of a window of 1200 m.
        area: an area, or what :func:`landcover.areas.area_file.read_area` reads; without it and
            ``at``, all of the first image.
        model: name or path of the model; None for the usual one of maps.
        step: pixels from window to window, a multiple of 8.
        frames: whether to read pictures for an animation.
        memory: bytes that the blocks of a date may use.
        executor: where blocks are computed; by default threads of this process.
        report: called with the progress.
        cancel: set to stop.

    Raises:
        BadInput: there is no usable source, there are too many, or the area is outside.
        LandcoverError: the model cannot be used.
        Cancelled: the user stopped it.
    """
    listed, most = _listed(sources), limits.current().series_dates
    if len(listed) > most:
        raise BadInput(
            f"A series has at most {most} dates, and these are {len(listed)}: choose fewer."
        )
    check_memory(memory)
    area = as_area(area)
    shots, failed = _open(listed, cancel)
    if not shots:
        why = f" ({failed[0][0]}: {failed[0][1]})" if failed else ""
        raise BadInput(f"None of the sources can be used{why[:400]}: give images with a date.")
    shots = one_a_pass(shots, area, cancel=cancel)
    grids = _plan(shots[0][1], at, area, step, cancel)
    notes = notes_of(area, shots[0][1].spec, cancel=cancel)
    if frames and max(grids.window.width, grids.window.height) > _READ:
        raise BadInput(
            f"The area is wider than {_READ * 10 / 1000:g} km, too large for an animation: give a "
            "smaller --area, or leave --gif out."
        )
    name, card = model_for(model, shots[0][1].imagery.bands)
    usual = executor or LocalExecutor.within(memory, grids, open_mapper(name, card))
    run = _Run(name, card, grids, executor=usual, frames=frames, at=at)
    for number, (_, shot) in enumerate(shots):
        progress.check(cancel)
        report(progress.Progress(what="Dates", done=number, total=len(shots), unit="dates"))
        try:
            run.add(shot, cancel)
        except Cancelled:
            raise
        except LandcoverError as error:
            failed.append((shot.name, str(error)))
        finally:
            close_imagery(shot.spec)
    if not run.moments:
        raise BadInput(f"None of the dates can be mapped ({failed[0][1][:400]}): choose others.")
    found = run.finished(_words(grids, at, area), tuple(failed))
    return replace(found, notes=notes)


class _Run:
    """A series in the making: one date after the other."""

    def __init__(
        self,
        model: str,
        card: str,
        grids: Plan,
        *,
        executor: Executor,
        frames: bool,
        at: tuple[float, float] | None,
    ) -> None:
        self.mapper = open_mapper(model, card)
        self.model, self.card, self.grids, self.executor = model, card, grids, executor
        self.with_frames, self.at = frames, at
        self.moments: list[Moment] = []
        self.months: list[Month] = []
        self.frames: list[Frame] = []
        self.whole = 0.0
        has_covers = bool(self.mapper.covers)
        self.rows_of = (lambda tally: hectares.rows_of(tally, self.mapper)) if has_covers else None
        self.monthly = Monthly(self.rows_of) if self.rows_of else None

    def add(self, shot: Shot, cancel: Event | None) -> None:
        found = map_of(shot, self.grids, self.model, self.card, self.executor, cancel=cancel)
        verdict = self._verdict(shot, cancel) if self.at is not None else None
        moment = moment_of(found, self.rows_of, verdict)
        self.whole = float(found.inside.sum()) * CELL_HA
        self.moments.append(moment)
        if self.monthly is not None and (done := self.monthly.add(found)):
            self.months.append(done)
        if self.with_frames:
            self.frames.append(self._frame(shot, found, moment, cancel))

    def finished(self, where: str, failed: tuple[tuple[str, str], ...]) -> Series:
        if self.monthly is not None and (done := self.monthly.finish()):
            self.months.append(done)
        covers, classes = self.mapper.covers, self.mapper.model.card.classes
        dates = [one.facts.acquired or datetime.min for one in self.moments]  # noqa: DTZ901 - all have one
        areas = [one.hectares for one in self.moments]
        chances = [one.presence for one in self.moments]
        water = [one.index_water for one in self.moments]
        own = legend.palette(covers)[1:]
        return Series(
            where=where,
            whole=self.whole,
            model=self.mapper.model.card.name,
            covers=covers,
            classes=classes,
            moments=tuple(self.moments),
            months=tuple(self.months),
            hectare_trends={
                name: trend_of(dates, [one[name].value if name in one else None for one in areas])
                for name in covers
                if any(name in one for one in areas)
            },
            presence_trends={
                name: trend_of(dates, [one.get(name) for one in chances]) for name in classes
            },
            index_trend=trend_of(dates, water) if any(x is not None for x in water) else None,
            failed=failed,
            frames=tuple(self.frames),
            legend=tuple(zip(covers, own, strict=True)),
        )

    def _verdict(self, shot: Shot, cancel: Event | None) -> Verdict:
        model = self.mapper.model
        bands = model.card.bands
        raster = shot.imagery.read(self.grids.window, cancel=cancel)
        if raster.bands != bands:
            order = [raster.bands.index(band) for band in bands]
            raster = replace(raster, data=raster.data[order], bands=bands)
        return predict(model, raster).verdict

    def _frame(self, shot: Shot, found: DateMap, moment: Moment, cancel: Event | None) -> Frame:
        raster = shot.imagery.read(self.grids.window, cancel=cancel)
        named = [f"{name} {value.value:,.0f} ha" for name, value in _largest(moment)]
        if moment.index_water is not None:
            named.append(f"water by its index {moment.index_water:,.0f} ha")
        cover = None
        if found.covers:
            colours = np.array([(255, 255, 255), *legend.palette(found.covers)[1:]], np.uint8)
            best = found.cover[: len(found.covers)].argmax(axis=0) + 1
            cover = colours[np.where(found.seen, best, 0)]
        return Frame(
            title=found.facts.day,
            words=moment.gap or ", ".join(named) or moment.caution,
            picture=_picture(raster),
            mask=np.where(found.seen | ~found.inside, 0, found.mask).astype(np.uint8),
            cover=cover,
        )


def _listed(sources: str | Path | Shot | Iterable[str | Path | Shot]) -> list[str | Shot]:
    """The images that are named, with those in folders and zips."""
    found: list[str | Shot] = []
    for one in [sources] if isinstance(sources, str | Path | Shot) else sources:
        if isinstance(one, Shot):
            found.append(one)
            continue
        try:
            found += expand(one)
        except BadInput:  # opening it reports why
            found.append(str(one))
    return found


def _open(
    sources: Sequence[str | Shot], cancel: Event | None
) -> tuple[list[tuple[datetime, Shot]], list[tuple[str, str]]]:
    """Open all sources and sort them by date; those that cannot be used have a reason."""
    shots: list[tuple[datetime, Shot]] = []
    failed: list[tuple[str, str]] = []
    for source in sources:
        progress.check(cancel)
        name = source if isinstance(source, str) else source.name
        try:
            shot = opened(source, cancel=cancel) if isinstance(source, str) else source
            acquired = shot.imagery.acquired
            if acquired is None:
                raise BadInput(
                    "It states no date: put it into the name of the file, such as "
                    "lake_2021-06-26.tif."
                )
        except Cancelled:
            raise
        except LandcoverError as error:
            failed.append((plain(name), str(error)))
        else:
            shots.append((acquired, shot))
    return sorted(shots, key=lambda pair: pair[0]), failed


def _plan(
    shot: Shot,
    at: tuple[float, float] | None,
    area: Area | None,
    step: int,
    cancel: Event | None,
) -> Plan:
    """The grid of all dates, which is that of the first."""
    if at is not None:
        where = shot.imagery.extent
        if not where.covers(*at):
            raise BadInput(
                f"{at[0]:.5f}, {at[1]:.5f} lies outside {shot.name}: choose a place inside."
            )
        window = Window.around(*at, pixels=PATCH_PIXELS, crs=where.crs)
        return plan(window, step=PATCH_PIXELS)
    return grids_of(shot, area, step=step, cancel=cancel)


def _words(grids: Plan, at: tuple[float, float] | None, area: Area | None) -> str:
    if at is not None:
        return f"the window of 1200 m around {at[0]:.4f}, {at[1]:.4f}"
    if area is not None and area.name:
        return plain(area.name)
    latitude, longitude = grids.window.centre
    size = f"{grids.window.width / 100:.1f} × {grids.window.height / 100:.1f} km"
    return f"{size} around {latitude:.4f}, {longitude:.4f}"


def _picture(raster: Raster) -> ByteArray:
    """The natural colours of a raster, thinned if it is large; white without data."""
    step = max(1, -(-max(raster.height, raster.width) // _PICTURE))
    composite = next((one for one in raster.composites if one is COMPOSITES[0]), None)
    if composite is None:
        return np.full((-(-raster.height // step), -(-raster.width // step), 3), 255, np.uint8)
    drawn = raster.image(composite)[::step, ::step]
    found: ByteArray = np.where(drawn[..., 3:] > 0, drawn[..., :3], 255).astype(np.uint8)
    return found


def _largest(moment: Moment) -> list[tuple[str, Estimate]]:
    """The three covers with the most hectares."""
    return sorted(moment.hectares.items(), key=lambda item: -item[1].value)[:3]
