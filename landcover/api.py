"""The public interface: ``import landcover as lc``.

From a file to a prediction with an explanation in five lines::

    import landcover as lc

    patch = lc.open("scene.tif", at=(42.40, 2.80))  # or lc.fetch(42.40, 2.80, near="2024-06-15")
    result = lc.load_model().predict(patch)
    result.to_frame()  # a row a class
    result.explain("Inland waters").plot()  # a matplotlib figure

A map of an area, the change between two dates, and a place through many::

    lc.map_area("scene.tif", "valley.tif", area="valley.geojson").to_frame()
    lc.change_between("june.tif", "may.tif", area=lc.read_area("valley.geojson")).rows
    lc.series_of(["a.tif", "b.tif", "c.tif"], at=(42.345, 2.823)).moments

In a notebook, rasters, results and attribution maps are displayed as pictures.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from landcover.areas import mapping
from landcover.areas.area_file import Area, as_area, read_area
from landcover.areas.cluster import executor_of
from landcover.areas.imagery import Dates, imagery_of
from landcover.areas.memory import DEFAULT_MEMORY, bytes_of
from landcover.areas.plan import DEFAULT_STEP
from landcover.core import notebook
from landcover.core.bands import PATCH_PIXELS
from landcover.core.classes import cover_of
from landcover.core.errors import BadInput
from landcover.core.raster import Raster
from landcover.core.text import plain
from landcover.core.window import Cut
from landcover.explain import explanation as explaining
from landcover.explain import sentences
from landcover.explain.baselines import DEFAULT_BASELINE
from landcover.explain.explanation import DEFAULT_METHOD, Explanation
from landcover.explain.faithfulness import ratings
from landcover.explain.overlay import AGAINST_RGB, FOR_RGB, overlay
from landcover.io import sources
from landcover.models import registry
from landcover.models.band_subset import derive, lacks
from landcover.models.card import Card
from landcover.models.model import Model
from landcover.models.thresholds import DEFAULT_AIM
from landcover.report.classification import label_rows
from landcover.stac import catalog as archives
from landcover.time.between import change_between
from landcover.time.series import series_of
from landcover.trust.result import Result, predict

__all__ = [
    "AreaMap",
    "AttributionMap",
    "Classification",
    "Classifier",
    "change_between",
    "fetch",
    "load_model",
    "map_area",
    "open",
    "read_area",
    "series_of",
]

_COLOURS: Final = LinearSegmentedColormap.from_list(
    "attribution", [np.divide(rgb, 255) for rgb in (AGAINST_RGB, (255, 255, 255), FOR_RGB)]
)


def open(path: str | Path, *, at: tuple[float, float] | None = None) -> Raster:  # noqa: A001 - lc.open
    """Read a Sentinel-2 patch, a scene or a colour picture.

    Args:
        path: a GeoTIFF or JPEG 2000 stack, a SAFE product, a folder of band files, a zip of one
            of these, a PNG or JPEG picture, or the name of a sample such as ``"finland-lake"``.
        at: latitude and longitude (WGS 84 degrees); reads only the window of 1200 m around
            this location.

    Returns:
        A raster of surface reflectance (0 to about 1) on a 10 m grid, or for a picture its
        brightness (0 to 1).

    Raises:
        BadInput: the file is none of these, cannot be used, or does not contain the location.
    """
    return sources.read(path, None if at is None else Cut(size=PATCH_PIXELS, place=at))


def fetch(
    lat: float, lon: float, *, near: str | date | None = None, catalog: str = archives.DEFAULT
) -> Raster:
    """Fetch the best recent pass over a location, or the one nearest to a day, from an archive.

    Args:
        lat: latitude, WGS 84 degrees.
        lon: longitude, WGS 84 degrees.
        near: a day such as ``"2024-06-15"``; by default the recent pass with the least cloud.
        catalog: ``"earth-search"``, ``"planetary-computer"``, ``"copernicus"``, or the path of
            a file that ``landcover index`` made.

    Returns:
        Surface reflectance (0 to about 1) of the twelve bands on a 10 m grid, in a window of
        1200 m centred on the location.

    Raises:
        BadInput: there is no usable pass, or ``near`` is not a date.
        UnknownName: there is no such catalogue.
        FetchError: the archive cannot be reached or its response is invalid.
    """
    day = None if near is None else _day(near)
    return archives.fetch_best(catalog, archives.usual_query(catalog, lat, lon, day))


def load_model(name_or_path: str | Path | None = None, device: str = "auto") -> Classifier:
    """Load a model by its name, or from a model folder.

    Args:
        name_or_path: a name that ``landcover models`` lists, or a folder that
            ``landcover train`` wrote; None for the default model.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises:
        UnknownName: there is no such model.
        CorruptModel: card or weights are damaged or do not belong together.
        BadInput: the folder contains no model, or this machine has no such device.
    """
    wanted = registry.DEFAULT_MODEL if name_or_path is None else name_or_path
    return Classifier(registry.default().load(wanted, device))


def map_area(
    source: str | Path,
    out: str | Path,
    *,
    area: Area | str | Path | None = None,
    model: str | None = None,
    step: int = DEFAULT_STEP,
    memory: float = DEFAULT_MEMORY / 1e9,
    near: str | date | None = None,
    scheduler: str | None = None,
) -> AreaMap:
    """Map the land covers of an area and write the files of the map.

    A map that was stopped goes on when the call is repeated.

    Args:
        source: a GeoTIFF or JPEG 2000 stack, a SAFE product, a folder, zip or catalogue of one or
            many scenes, the name of a sample, or an archive such as ``"earth-search"``.
        out: the file of the presence, which ends with ``.tif``; the others lie beside it.
        area: a GeoJSON, GeoPackage or KML file, ``"WEST,SOUTH,EAST,NORTH"`` in degrees (WGS 84),
            or what :func:`read_area` returned; None for all of the source.
        model: name or folder of a model; None for the usual one.
        step: pixels of 10 m from one window of 1200 m to the next, a multiple of 8.
        memory: gigabytes that the work may use.
        near: preferred day, of many scenes or an archive.
        scheduler: address of a Dask scheduler; None for the cores of this machine.

    Raises:
        LandcoverError: source, area, model or scheduler cannot be used, or a file not written.
    """
    path, name = Path(out), str(source)
    mapping.check_out(path)
    where = as_area(area)
    day = None if near is None else _day(near)
    spec = imagery_of(name, area=where, dates=Dates(near=day))
    prepared = mapping.prepare(
        spec,
        source=Path(name).name or name,
        area=where,
        model=model,
        step=step,
        memory=bytes_of(memory),
    )
    executor = None if scheduler is None else executor_of(scheduler)
    return AreaMap(results=mapping.run(prepared, path, executor=executor))


@dataclass(frozen=True)
class Classifier:
    """A loaded model that gives the prediction and the verdict in one forward pass.

    Attributes:
        model: the net with its card.
    """

    model: Model

    @property
    def card(self) -> Card:
        """The model card: input, architecture, classes, thresholds and training."""
        return self.model.card

    def predict(self, raster: Raster, aim: str = DEFAULT_AIM) -> Classification:
        """Predict the classes of a patch or picture and assess whether to trust the prediction.

        Args:
            raster: a raster with the level and size that the card requires. If it lacks bands,
                the model estimates them from the others (:mod:`landcover.models.band_subset`);
                the result's ``gives_up`` says what that costs.
            aim: the aim of the thresholds: ``"f1"``, ``"f2"``, ``"precision=P"`` or
                ``"recall=R"``.

        Raises:
            ModelMismatch: the raster does not meet the card's requirements.
            BadInput: the aim is unknown, or the model has no thresholds for it.
        """
        model = self.model
        if not raster.is_rgb and lacks(model.card, raster.bands):
            model = derive(model, raster.bands)
        return Classification(model=model, **vars(predict(model, raster, aim)))

    def _repr_html_(self) -> str:
        card = self.card
        return notebook.html(
            {
                "model": f"{card.title} ({card.name})",
                "input": f"{card.level}, {' '.join(card.bands)}",
                "window": f"{card.pixels} × {card.pixels} pixels of {card.pixel_m} m",
                "classes": str(len(card.classes)),
                "card": card.hash,
            }
        )


@dataclass(frozen=True, kw_only=True)
class Classification(Result):
    """A model's prediction for a raster, with the verdict.

    Attributes:
        model: the model.
        raster: its input.
        prediction: score, probability, threshold and decision of each class.
        verdict: whether to trust the prediction, with the findings of all checks.
    """

    model: Model

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per class, in the nomenclature's order.

        The columns are ``label``, ``theme``, ``probability`` and ``threshold`` (0 to 1),
        ``predicted``, ``certainty`` and ``outcome``. If the verdict is "cannot tell", no class is
        predicted and none has a certainty or an outcome. ``attrs`` holds the source, the model and
        the verdict.
        """
        frame = pd.DataFrame([row.as_dict() for row in label_rows(self)])
        frame.attrs = {
            "source": plain(self.raster.provenance.source),
            "model": self.prediction.model,
            "verdict": self.verdict.decision,
        }
        return frame

    def explain(
        self, label: str, method: str | None = None, *, baseline: str = DEFAULT_BASELINE
    ) -> AttributionMap:
        """Compute which pixels are evidence for a class and which against it.

        Args:
            label: full or short name of a class, predicted or not.
            method: ``"integrated-gradients"``, ``"gradient-shap"``, ``"grad-cam"``,
                ``"fine-cam"`` or ``"occlusion"``; None for the most faithful one, as measured
                for this model.
            baseline: what the patch is compared with: ``"mean"``, ``"dark"`` or ``"blurred"``.

        Raises:
            UnknownName: there is no such class, method or baseline.
            ModelMismatch: the model has no gradients.
        """
        chosen = method or _best_method(self.model)
        found = explaining.explain(self.model, self.raster, label, chosen, baseline=baseline)
        return AttributionMap(raster=self.raster, explanation=found)

    def _repr_html_(self) -> str:
        frame = self.to_frame().sort_values("probability", ascending=False).head(8)
        facts = {
            "source": plain(self.raster.provenance.source),
            "result": self.headline,
            "model": self.model.card.title,
            "verdict": f"{self.verdict.label}: {self.verdict.reason}",
        }
        frame["predicted"] = frame["predicted"].map({True: "yes", False: ""})
        columns = ["label", "probability", "threshold", "predicted"]
        table = frame[columns].to_html(index=False, float_format="{:.2f}".format, border=0)
        return notebook.html(facts, self._repr_png_(), table)

    def _repr_png_(self) -> bytes | None:
        return self.raster._repr_png_()


@dataclass(frozen=True, kw_only=True)
class AreaMap:
    """A map of an area.

    Attributes:
        results: one for each CRS: files, sums and scenes.
    """

    results: tuple[mapping.MapResult, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that were written."""
        return tuple(path for result in self.results for path in result.written.all)

    def to_frame(self) -> pd.DataFrame:
        """Return the table of the map: hectares of covers with intervals, windows of classes.

        The columns are ``label``, ``mapped_ha``, ``adjusted_ha``, ``low_ha``, ``high_ha``,
        ``windows`` and ``note``; with several CRS also ``crs``.
        """
        frames = []
        for result in self.results:
            frame = pd.DataFrame([asdict(row) for row in result.rows])
            if len(self.results) > 1:
                frame["crs"] = result.crs
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, float_format="{:,.0f}".format, border=0)
        facts = {"files": ", ".join(plain(path.name) for path in self.files)}
        return notebook.html(facts, None, table)


@dataclass(frozen=True, kw_only=True)
class AttributionMap:
    """A map of the evidence that each pixel of a raster gives for or against a class.

    Attributes:
        raster: the raster that was classified.
        explanation: attribution ``(y, x)`` with its method, unit and scale.
    """

    raster: Raster
    explanation: Explanation

    @property
    def reading(self) -> str:
        """A sentence that describes the map."""
        return sentences.sentence(self.explanation, self.raster)

    def plot(self) -> Figure:
        """Plot the picture next to the attribution overlay with its colour scale."""
        found = self.explanation
        title = explaining.METHODS[found.method].title
        figure = NotebookFigure(figsize=(8.6, 4.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.imshow(self.raster.image())
        left.set_title(plain(self.raster.provenance.source))
        right.imshow(overlay(found, self.raster))
        right.set_title(f"{cover_of(found.label).short}: {title}")
        scale = ScalarMappable(Normalize(-found.scale, found.scale), _COLOURS)
        figure.colorbar(
            scale,
            ax=right,
            location="bottom",
            ticks=(-found.scale, 0.0, found.scale),
            format="%+.2g",
            label=f"against ← {found.unit} → for",
        )
        for axes in (left, right):
            axes.set_axis_off()
        return figure

    def _repr_png_(self) -> bytes:
        return notebook.png(overlay(self.explanation, self.raster))


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=110)
        return out.getvalue()


def _best_method(model: Model) -> str:
    """Return the most faithful method for a model; the default one if none was measured."""
    measured = None if model.folder is None else ratings.load(model.folder)
    return (measured.best if measured else None) or DEFAULT_METHOD


def _day(text: str | date) -> date:
    if isinstance(text, datetime):
        return text.date()
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(
            f"near is '{text[:40]}', which is not a date: give one such as \"2024-06-15\"."
        ) from None
