"""What a map would consist of and cost, before it is started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd
import streamlit as st

from landcover.areas import plan as plans
from landcover.areas.imagery import FileSpec, ImagerySpec, RasterSpec
from landcover.areas.imagery_folder import scenes_spec
from landcover.core import limits
from landcover.core.bands import PIXEL_M
from landcover.core.errors import BadInput, LandcoverError
from pages.parts.area import live, state
from pages.parts.area import source as sources
from pages.parts.shared import loaded_models
from pages.parts.shared.holdings import Whole

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.areas.area_file import Area
    from landcover.areas.mapping import Prepared

STEPS: Final = (8, 16, 24, 32, 48, 120)
SMALL_BLOCK: Final = 72
"""Side of a block of an example, which is so small that it would be a single one otherwise."""
MEMORY_BYTES: Final = 1_000_000_000
"""What the blocks of a map of the app may use, so that other users' jobs fit beside them."""
FIRST_SPEED: Final = 40.0
"""Square kilometres a second that are expected before a map was made on this computer: less than
half of what the usual model reads on two cores."""
_LEAST_KM2: Final = 50.0
"""Smaller maps are mostly made of what any map takes, and tell no speed."""
_MADE: Final = "area_request"
_MOST_SPEEDS: Final = 50
_speeds: Final[dict[str, float]] = {}
"""Model → square kilometres a second that were read for the latest map with it. Jobs write it,
which have no session, so it is not one of Streamlit's caches."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A map that can be started.

    Attributes:
        source: the imagery.
        title: of the imagery.
        prepared: what is made.
        km2: size of the area that has imagery.
        download_bytes: what is fetched over the network, about; 0 for imagery that is here.
    """

    source: state.Source
    title: str
    prepared: Prepared
    km2: float
    download_bytes: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """Identifies the map."""
        return tuple(task.key for task in self.prepared.tasks)

    @property
    def read_km2(self) -> float:
        """What is read to map it: blocks with their halos, square kilometres."""
        count = 0
        for task in self.prepared.tasks:
            windows = [task.plan.block_at(index).read for index in task.plan.indices]
            count += sum(window.width * window.height for window in windows)
        return count * PIXEL_M**2 / 1e6

    @property
    def windows(self) -> int:
        """Number of windows of 1200 m in the blocks that touch the area."""
        count = 0
        for task in self.prepared.tasks:
            for index in task.plan.indices:
                block, step = task.plan.block_at(index), task.plan.step
                count += block.height // step * (block.width // step)
        return count


def models() -> tuple[str, ...]:
    """Names of the models that map areas, the usual one first."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    names = [name for name in loaded_models.for_patches() if _maps_areas(name)]
    usual = registry.default().usual_for_areas()
    return tuple(sorted(names, key=lambda name: name != usual))


def _maps_areas(name: str) -> bool:
    from landcover.models.band_subset import architecture  # noqa: PLC0415 - loads torch
    from landcover.nets import NETS  # noqa: PLC0415 - as above
    from landcover.nets.cell_net import CellNet  # noqa: PLC0415 - as above
    from landcover.nets.mosaic import Mosaic  # noqa: PLC0415 - as above

    try:
        net = NETS.get(architecture(loaded_models.card(name)))
    except LandcoverError:
        return False
    return isinstance(net, type) and issubclass(net, CellNet | Mosaic)


def where(name: str) -> str:
    """What names a model for a map: its folder, if only this session has it."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    models = loaded_models.registry_of(name)
    return name if models is registry.default() else str(models.folder(name))


def wanted(
    source: state.Source,
    area: Area | None,
    *,
    model: str,
    step: int,
    found: ImagerySpec | None = None,
) -> Request:
    """Plan the map of an area; the latest plan is kept.

    Args:
        source: the imagery.
        area: the outline; None for the entire imagery.
        model: name of the model.
        step: pixels from window to window.
        found: imagery that was found in an archive.

    Raises:
        LandcoverError: the area is too large or lies outside the imagery, or the model or the
            imagery cannot be used.
    """
    by = model, loaded_models.stamp(model), step
    pixels = sources.token(source)
    asked = (source, area, by, pixels, id(found), limits.current().app_area_km2)
    kept = st.session_state.get(_MADE)
    if kept is None or kept[0] != asked:
        try:
            spec = _spec(source, area) if found is None else found
            kept = (asked, _made(source, spec, area, model=where(model), step=step))
        except LandcoverError as error:
            kept = (asked, error)
        st.session_state[_MADE] = kept
    if isinstance(kept[1], LandcoverError):
        raise kept[1]
    assert isinstance(kept[1], Request)
    return kept[1]


def _made(
    source: state.Source, spec: ImagerySpec, area: Area | None, *, model: str, step: int
) -> Request:
    from landcover.areas import mapping  # noqa: PLC0415 - loads torch

    most = limits.current().app_area_km2
    if area is not None:
        _check(area.km2, most)
    title = sources.title(source)
    with st.spinner("Planning the map …"):
        imagery = spec.open()  # once: planning opens it too, and what is open is shared
        prepared = mapping.prepare(
            spec, source=title, area=area, model=model, step=step, memory=MEMORY_BYTES
        )
    if source.kind == "sample":
        prepared = _in_small_blocks(prepared)
    # All of an image is mapped in whole cells, and so is a little more.
    extents = [grid.width * grid.height * grid.pixel_m**2 / 1e6 for grid in imagery.grids]
    km2 = min(prepared.km2, sum(extents))
    made = Request(source=source, title=title, prepared=prepared, km2=km2)
    _check(made.km2, most)
    if source.kind == "live":
        return replace(made, download_bytes=live.download_bytes(made.read_km2))
    return made


def _check(km2: float, most: int) -> None:
    """Check the size of an area.

    Raises:
        BadInput: it is too large.
    """
    if km2 > most:
        raise BadInput(
            f"This area has {km2:,.0f} km², and the app maps at most {most:,} km² at a time: draw "
            "a smaller one, or use 'landcover map' on the command line."
        )


def _in_small_blocks(prepared: Prepared) -> Prepared:
    tasks = tuple(
        replace(
            task,
            plan=plans.plan(
                task.plan.window,
                step=task.plan.step,
                block=SMALL_BLOCK,
                outline=task.plan.outline,
            ),
        )
        for task in prepared.tasks
    )
    return replace(prepared, tasks=tasks)


def _file_spec(image: Whole) -> FileSpec:
    files = tuple((name, file.path) for name, file in image.files)
    return FileSpec.of_upload(files, image.address)


def _spec(source: state.Source, area: Area | None) -> ImagerySpec:
    """The imagery of a source; that of a raster is kept: its identity is a digest of all pixels.

    Raises:
        BadInput: the image is gone, or cannot be mapped.
    """
    if source.kind == "scenes":
        specs = [_file_spec(one) for one in sources.together().values()]
        with st.spinner("Opening the scenes …"):
            return scenes_spec(specs, sources.title(source), area)
    pixels = sources.pixels_of(source)
    if pixels is None:
        raise BadInput("This image is not here any more: upload it again, or choose another one.")
    if isinstance(pixels, Whole):
        return _file_spec(pixels)
    kept = st.session_state.get("area_spec")
    if isinstance(kept, RasterSpec) and kept.raster is pixels:
        return kept
    made = st.session_state["area_spec"] = RasterSpec(pixels)
    return made


def facts(request: Request) -> pd.DataFrame:
    """What the map would consist of and cost, as rows of a table."""
    tasks = request.prepared.tasks
    step, cells = tasks[0].plan.step, sum(t.plan.cover.width * t.plan.cover.height for t in tasks)
    fetched = f"at most about {request.download_bytes / 1e6:,.0f} MB"
    rows = {
        "Size": f"{request.km2:,.1f} km²",
        "Cells of 80 m": f"{cells:,}",
        "Windows of 1200 m": f"{request.windows:,}, one every {step * 10} m",
        "Blocks": f"{request.prepared.blocks:,}",
        "Model": model_text(request),
        "Time": duration(request.read_km2 / speed(tasks[0].model)),
        "To fetch": fetched if request.download_bytes else "nothing: the imagery is here",
    }
    return pd.DataFrame([[name, text] for name, text in rows.items()], columns=["What", "How much"])


def model_text(request: Request) -> str:
    """Name the model of a map, and its bands if the imagery has not all of them."""
    from landcover.models.band_subset import split_name  # noqa: PLC0415 - loads torch

    name = Path(request.prepared.tasks[0].model).name
    parts = split_name(name)
    if parts is None:
        return loaded_models.title(name)
    *first, last = parts[1]
    return (
        f"{loaded_models.title(parts[0])}, from the bands {', '.join(first)} and {last} alone: "
        "without the others it is less accurate"
    )


def speed(model: str) -> float:
    """Square kilometres a second that were read for the latest map with a model here."""
    return _speeds.get(model, FIRST_SPEED)


def note_speed(model: str, km2: float, seconds: float) -> None:
    """Keep how fast a map was made."""
    if km2 >= _LEAST_KM2 and seconds > 0:
        _speeds.pop(model, None)
        _speeds[model] = km2 / seconds
        while len(_speeds) > _MOST_SPEEDS:  # sessions bring models of their own
            del _speeds[next(iter(_speeds))]


def duration(seconds: float) -> str:
    """Say about how long something takes."""
    if seconds < 2:
        return "about a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min"
