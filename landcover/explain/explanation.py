"""Which pixels and bands speak for a class, and which against it.

All methods explain the raw score (logit) rather than the probability: scores add up, and a
probability near 1 would hide every difference. A class that the net calls absent is
explained as one that it calls present: what speaks for it and what against.

Most methods compare the patch with a *baseline*. Ours is a flat patch with the mean
spectrum of the training data, "average land": what is explained is then why this place
differs from an average one. Others can be asked for (:mod:`landcover.explain.baselines`).

The value drawn in full colour is common to all classes and patches of a model and
method (:func:`explanation_scale`, kept in the model's card). So a class that the net
hardly reacts to looks pale, and two classes can be compared by eye.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Final

import numpy as np

from landcover.core import progress
from landcover.core.classes import resolve
from landcover.core.errors import ModelMismatch, UnknownName
from landcover.core.raster import FloatArray, Raster
from landcover.explain import feature_map_methods, pixel_methods
from landcover.explain.baselines import BASELINES, DEFAULT_BASELINE, resolve_baseline
from landcover.explain.baselines import baseline as baseline_of
from landcover.explain.feature_map_methods import TOLERANCE, Attribution, AttributionTask
from landcover.explain.overlay import AGAINST_RGB, FOR_RGB, Legend, legend, overlay
from landcover.explain.pixel_methods import CELL_PIXELS, SMOOTHING, smooth
from landcover.models.model import Model

__all__ = [
    "AGAINST_RGB",
    "BASELINES",
    "CELL_PIXELS",
    "DEFAULT_BASELINE",
    "DEFAULT_METHOD",
    "FOR_RGB",
    "LOCAL_SCALE_RULE",
    "METHODS",
    "SCALE_RULE",
    "SMOOTHING",
    "TOLERANCE",
    "Explanation",
    "Legend",
    "Method",
    "check_explainable",
    "explain",
    "explain_many",
    "explanation_scale",
    "explanation_scales",
    "legend",
    "overlay",
    "resolve_method",
    "smooth",
]

DEFAULT_METHOD: Final = "integrated-gradients"

SCALE_PERCENTILE: Final = 99.0
SCALE_RULE: Final = (
    "99th percentile of the absolute attribution over the classes predicted on validation "
    "patches, common to all classes and patches of this model and method"
)
LOCAL_SCALE_RULE: Final = (
    "99th percentile of the absolute attribution over the classes predicted on this patch, "
    "because the model's card states no common scale"
)
SMALLEST_SCALE: Final = 1e-9
"""Keeps the scale above 0 where a net ignores its input."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to attribute a score to pixels."""

    name: str
    title: str
    summary: str
    captum: str
    """The class of captum that does it, or that does the same more slowly."""
    unit: str
    uses_baseline: bool
    compute: Callable[[AttributionTask], Iterable[Attribution]]
    """An attribution for each class that is asked about, each as soon as it is ready."""
    needs_maps: bool = False
    """Whether it weighs maps of features, which not every net has."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a model gave one class its score on one patch.

    Attributes:
        label: full name of the class.
        method: name in :data:`METHODS`.
        model, card_hash: which model was asked.
        attribution: float32 ``(y, x)`` in ``unit``, above 0 where a pixel speaks for the
            class, summed over bands. Read-only.
        unit: what one pixel's value means.
        band_share: band → share of the absolute attribution, adding up to 1. None for
            the methods that see all bands at once.
        baseline: what the patch was compared with, in words.
        convergence_delta: where a method promises a sum, by how much the sum of all
            attributions misses the score's change from baseline to patch, relative to that
            change (or to one logit where the change is smaller).
        scale: the value drawn in full colour.
        scale_rule: where the scale comes from.
        passes: of the net, one a patch in a batch.
        seconds: since the method began, for this class and those asked about before it.
    """

    label: str
    method: str
    model: str
    card_hash: str
    attribution: FloatArray
    unit: str
    band_share: dict[str, float] | None
    baseline: str
    convergence_delta: float | None
    scale: float
    scale_rule: str
    passes: int
    seconds: float


def resolve_method(name: str) -> Method:
    """The method of that name.

    Raises:
        UnknownName: there is no such method.
    """
    if name not in METHODS:
        raise UnknownName("method", name, METHODS)
    return METHODS[name]


def explain(
    model: Model,
    patch: Raster,
    label: str,
    method: str = DEFAULT_METHOD,
    *,
    baseline: str = DEFAULT_BASELINE,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Explanation:
    """Attribute the score of a class to the pixels (and bands) of a patch.

    Args:
        model: the model to task.
        patch: what it looks at; pixels without data count as it sees them, filled.
        label: full or short name of a class.
        method: a name in :data:`METHODS`.
        baseline: a name in :data:`BASELINES`; Grad-CAM has none.
        report: is told of each step.
        cancel: stops it before the next step.

    Raises:
        UnknownName: no such class, method or baseline.
        ModelMismatch: the model has no gradients, or was not made for this patch.
        Cancelled: ``cancel`` was set.
    """
    return next(
        explain_many(
            model, patch, [label], [method], baseline=baseline, report=report, cancel=cancel
        )
    )


def explain_many(
    model: Model,
    patch: Raster,
    labels: Sequence[str],
    methods: Sequence[str] = (DEFAULT_METHOD,),
    *,
    baseline: str = DEFAULT_BASELINE,
    report: progress.Report = progress.ignore,
    cancel: Event | None = None,
) -> Iterator[Explanation]:
    """Explanations of several classes, each as soon as it is ready: method by method.

    The classes share the passes of the net. Everything is checked at once, before the
    first explanation is asked for.

    Args:
        model: the model to task.
        patch: what it looks at.
        labels: full or short names of classes.
        methods: names in :data:`METHODS`.
        baseline: a name in :data:`BASELINES`.
        report: is told of each step.
        cancel: stops it before the next step.

    Raises:
        UnknownName: no such class, method or baseline.
        ModelMismatch: the model has no gradients, or was not made for this patch.
        Cancelled: ``cancel`` was set; raised between two steps.
    """
    ways = [resolve_method(name) for name in methods]
    names = [resolve(label, model.card.classes).name for label in labels]
    for way in ways:
        check_explainable(model, way)
    pixels = model.tensor(patch)[None]
    start = baseline_of(model.card, pixels, baseline)
    words = resolve_baseline(baseline, model.card)[1]

    def answers() -> Iterator[Explanation]:
        for number, way in enumerate(ways, 1):
            count = f" ({number} of {len(ways)})" if len(ways) > 1 else ""
            task = AttributionTask(
                model=model,
                pixels=pixels,
                start=start,
                targets=(),
                what=f"{way.title}{count}",
                report=report,
                cancel=cancel,
            )
            # Only a scale of this patch's own needs what is predicted here.
            known = way.name in model.card.explanation_scales
            others = () if known else _predicted(model, patch)
            yield from _answers(task, way, names, words, others)

    return answers()


def _answers(
    task: AttributionTask, way: Method, names: Sequence[str], words: str, predicted: Sequence[int]
) -> Iterator[Explanation]:
    """One method's explanations of all classes.

    ``predicted`` are the columns that give the scale where the card states none.
    """
    begin, model = time.perf_counter(), task.model
    task.step(0)
    columns = [model.card.classes.index(name) for name in names]
    common = model.card.explanation_scales.get(way.name)
    targets = tuple(dict.fromkeys([*predicted, *columns]))
    found: dict[int, Attribution] = {}
    parts = iter(way.compute(replace(task, targets=targets)))
    scale, rule = common, SCALE_RULE
    for target in predicted:
        found[target] = next(parts)
    if scale is None:
        scale, rule = _percentile([found[k].pixels for k in predicted]), LOCAL_SCALE_RULE
    for name, column in zip(names, columns, strict=True):
        while column not in found:
            found[targets[len(found)]] = next(parts)
        part = found[column]
        part.pixels.flags.writeable = False
        yield Explanation(
            label=name,
            method=way.name,
            model=model.card.name,
            card_hash=model.card.hash,
            attribution=part.pixels,
            unit=way.unit,
            band_share=_shares(model.card.bands, part.bands),
            baseline=words if way.uses_baseline else "none",
            convergence_delta=part.delta,
            scale=scale,
            scale_rule=rule,
            passes=part.passes,
            seconds=time.perf_counter() - begin,
        )


def explanation_scale(model: Model, patches: Sequence[Raster], method: str) -> float:
    """The attribution to draw in full colour, for all classes and patches of a model.

    It is the 99th percentile of the absolute attribution over all pixels of ``patches``
    and the classes predicted on each (the most probable one where none is): a maximum
    would let one odd pixel make all pictures pale. Always above 0.

    Raises:
        UnknownName: there is no such method.
        ModelMismatch: the model has no gradients, or was not made for these patches.
    """
    way = resolve_method(method)
    check_explainable(model, way)
    found: list[FloatArray] = []
    for patch in patches:
        pixels = model.tensor(patch)[None]
        start = baseline_of(model.card, pixels)
        targets = tuple(_predicted(model, patch))
        task = AttributionTask(model=model, pixels=pixels, start=start, targets=targets)
        found += [part.pixels for part in way.compute(task)]
    return _percentile(found)


def explanation_scales(
    model: Model,
    patches: Sequence[Raster],
    report: progress.Report = progress.ignore,
) -> dict[str, float]:
    """For the model's card: each method that it can be explained by → its scale.

    Raises:
        ModelMismatch: the model has no gradients, or was not made for these patches.
    """
    able = [way for way in METHODS.values() if not way.needs_maps or has_maps(model)]
    found = {}
    for k, way in enumerate(able):
        report(progress.Progress(what=way.title, done=k, total=len(able), unit="methods"))
        found[way.name] = explanation_scale(model, patches, way.name)
    report(progress.Progress(what="Scales", done=len(able), total=len(able), unit="methods"))
    return found


def has_maps(model: Model) -> bool:
    """Whether the net has a map of features that Grad-CAM and its like could weigh."""
    return hasattr(model.net, "cam_layer")


def check_explainable(model: Model, method: Method) -> None:
    """Raise unless the model can be explained by that method.

    Raises:
        ModelMismatch: its card says that it has no gradients, or it has no layer for the
            methods that weigh maps of features.
    """
    if not model.card.explainable:
        raise ModelMismatch(
            f"{model.card.title} cannot be explained, because its scores have no gradients "
            "with respect to pixels: choose another model, such as the custom CNN."
        )
    if method.needs_maps and not has_maps(model):
        raise ModelMismatch(
            f"{model.card.title} has no map of features that {method.title} could weigh: "
            f"choose the method {DEFAULT_METHOD}."
        )


def _predicted(model: Model, patch: Raster) -> list[int]:
    """Columns of the classes predicted on a patch, or of the most probable one."""
    prediction = model.predict(patch)
    labels = prediction.predicted or (max(prediction.labels, key=lambda s: s.probability),)
    return [model.card.classes.index(item.label) for item in labels]


def _percentile(parts: Sequence[FloatArray]) -> float:
    values = np.concatenate([np.abs(part).ravel() for part in parts]) if parts else np.zeros(1)
    return max(float(np.percentile(values, SCALE_PERCENTILE)), SMALLEST_SCALE)


def _shares(bands: tuple[str, ...], sums: FloatArray | None) -> dict[str, float] | None:
    if sums is None:
        return None
    total = float(sums.sum(dtype=np.float64))
    even = 1.0 / len(bands)
    return {
        band: float(value) / total if total > 0 else even
        for band, value in zip(bands, sums, strict=True)
    }


METHODS: Final[dict[str, Method]] = {
    method.name: method
    for method in (
        Method(
            name=DEFAULT_METHOD,
            title="Integrated Gradients",
            summary=(
                "How much each pixel and band moves the score on the way from the baseline to "
                "this patch; all values add up to the score's change. Smoothed over about 30 m."
            ),
            captum="IntegratedGradients",
            unit="logits a pixel",
            uses_baseline=True,
            compute=pixel_methods.integrated_gradients,
        ),
        Method(
            name="gradient-shap",
            title="GradientSHAP",
            summary=(
                "As Integrated Gradients, but on the ways from darker and brighter baselines, "
                "at random places: less depends on one baseline, and the sum is right only on "
                "average. Smoothed over about 30 m."
            ),
            captum="GradientShap",
            unit="logits a pixel",
            uses_baseline=True,
            compute=pixel_methods.gradient_shap,
        ),
        Method(
            name="grad-cam",
            title="Grad-CAM",
            summary=(
                "Which parts of the net's last map of features pull the score up or down: "
                "coarse, fast, and without a baseline."
            ),
            captum="LayerGradCam",
            unit="Grad-CAM units (gradient × feature)",
            uses_baseline=False,
            compute=feature_map_methods.grad_cam,
            needs_maps=True,
        ),
        Method(
            name="fine-cam",
            title="Fine CAM",
            summary=(
                "By how much the features at each place, which see their surroundings too, move "
                "the score away from the baseline's: as fine as the net's maps are (20 m where "
                "it has such), and all values add up to the score's change."
            ),
            captum="LayerIntegratedGradients",
            unit="logits a pixel",
            uses_baseline=True,
            compute=feature_map_methods.fine_cam,
            needs_maps=True,
        ),
        Method(
            name="occlusion",
            title="Occlusion",
            summary=(
                "By how much the score falls when a square of 240 m is replaced by the "
                "baseline: coarse, but measured rather than derived."
            ),
            captum="Occlusion",
            unit="logits a square of 240 m",
            uses_baseline=True,
            compute=pixel_methods.occlusion,
        ),
    )
}
"""The attribution methods, by the name that the command line takes."""
