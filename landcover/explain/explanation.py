"""Which pixels and bands are evidence for a class, and which against it.

All methods explain the raw score (logit) rather than the probability: scores add up, and a
probability near 1 would hide every difference. Classes that the model does not predict are
explained in the same way as predicted ones: by the evidence for and against them.

Most methods compare the patch with a *baseline*. The default is a flat patch with the mean
spectrum of the training data, "average land": the explanation then shows why this place
differs from an average one. :mod:`landcover.explain.baselines` has the other baselines.

The value drawn in full colour is the same for all classes and patches of a model and
method (:func:`explanation_scale`, stored in the model's card). A class that the net
hardly reacts to therefore looks pale, and two classes can be compared by eye.
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
"""Lower limit of the scale, so that it stays above 0 for a net that ignores its input."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method that attributes a score to pixels."""

    name: str
    title: str
    summary: str
    captum: str
    """The captum class that implements it, or that computes the same more slowly."""
    unit: str
    uses_baseline: bool
    compute: Callable[[AttributionTask], Iterable[Attribution]]
    """Yields an attribution for each target class, each as soon as it is ready."""
    needs_maps: bool = False
    """Whether it weights feature maps, which not every net has."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a model gave one class its score on one patch.

    Attributes:
        label: full name of the class.
        method: name in :data:`METHODS`.
        model, card_hash: the model that was explained.
        attribution: float32 ``(y, x)`` in ``unit``, summed over bands; above 0 where a pixel
            is evidence for the class. Read-only.
        unit: the unit of a pixel's value.
        band_share: band → share of the absolute attribution, adding up to 1. None for
            methods that do not separate bands.
        baseline: description of what the patch was compared with.
        convergence_delta: for methods whose attributions should add up to the score's change
            from baseline to patch: the error of the sum, relative to that change (or to one
            logit if the change is smaller). None for other methods.
        scale: the value drawn in full colour.
        scale_rule: how the scale was determined.
        passes: number of forward passes of the net, counted per patch.
        seconds: time since the method began, including the classes explained before this one.
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
    """Return the method of that name.

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
        model: the model to explain.
        patch: its input; pixels without data are filled, as in a prediction.
        label: full or short name of a class.
        method: a name in :data:`METHODS`.
        baseline: a name in :data:`BASELINES`; Grad-CAM has none.
        report: called at each step.
        cancel: set to stop before the next step.

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
    """Explain several classes, method by method; yield each explanation as soon as it is ready.

    The classes share the forward passes of the net. The arguments are checked at the call, before
    the first explanation is computed.

    Args:
        model: the model to explain.
        patch: its input.
        labels: full or short names of classes.
        methods: names in :data:`METHODS`.
        baseline: a name in :data:`BASELINES`.
        report: called at each step.
        cancel: set to stop before the next step.

    Raises:
        UnknownName: no such class, method or baseline.
        ModelMismatch: the model has no gradients, or was not made for this patch.
        Cancelled: ``cancel`` was set; raised between two steps.
    """
    chosen = [resolve_method(name) for name in methods]
    names = [resolve(label, model.card.classes).name for label in labels]
    for method in chosen:
        check_explainable(model, method)
    pixels = model.tensor(patch)[None]
    start = baseline_of(model.card, pixels, baseline)
    words = resolve_baseline(baseline, model.card)[1]

    def explanations() -> Iterator[Explanation]:
        for number, method in enumerate(chosen, 1):
            count = f" ({number} of {len(chosen)})" if len(chosen) > 1 else ""
            task = AttributionTask(
                model=model,
                pixels=pixels,
                start=start,
                targets=(),
                what=f"{method.title}{count}",
                report=report,
                cancel=cancel,
            )
            # The predicted classes are needed only if the card states no scale.
            known = method.name in model.card.explanation_scales
            others = () if known else _predicted(model, patch)
            yield from _explanations(task, method, names, words, others)

    return explanations()


def _explanations(
    task: AttributionTask,
    method: Method,
    names: Sequence[str],
    words: str,
    predicted: Sequence[int],
) -> Iterator[Explanation]:
    """Explain all classes by one method.

    The columns ``predicted`` determine the scale if the card states none.
    """
    begin, model = time.perf_counter(), task.model
    task.step(0)
    columns = [model.card.classes.index(name) for name in names]
    common = model.card.explanation_scales.get(method.name)
    targets = tuple(dict.fromkeys([*predicted, *columns]))
    found: dict[int, Attribution] = {}
    parts = iter(method.compute(replace(task, targets=targets)))
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
            method=method.name,
            model=model.card.name,
            card_hash=model.card.hash,
            attribution=part.pixels,
            unit=method.unit,
            band_share=_shares(model.card.bands, part.bands),
            baseline=words if method.uses_baseline else "none",
            convergence_delta=part.delta,
            scale=scale,
            scale_rule=rule,
            passes=part.passes,
            seconds=time.perf_counter() - begin,
        )


def explanation_scale(model: Model, patches: Sequence[Raster], method: str) -> float:
    """Compute the attribution to draw in full colour, for all classes and patches of a model.

    It is the 99th percentile of the absolute attribution over all pixels of ``patches``
    and the classes predicted on each (the most probable one if none is): with the maximum,
    a single outlier would make all pictures pale. Always above 0.

    Raises:
        UnknownName: there is no such method.
        ModelMismatch: the model has no gradients, or was not made for these patches.
    """
    chosen = resolve_method(method)
    check_explainable(model, chosen)
    found: list[FloatArray] = []
    for patch in patches:
        pixels = model.tensor(patch)[None]
        start = baseline_of(model.card, pixels)
        targets = tuple(_predicted(model, patch))
        task = AttributionTask(model=model, pixels=pixels, start=start, targets=targets)
        found += [part.pixels for part in chosen.compute(task)]
    return _percentile(found)


def explanation_scales(
    model: Model,
    patches: Sequence[Raster],
    report: progress.Report = progress.ignore,
) -> dict[str, float]:
    """Compute the scales for the model's card: method → scale, for each usable method.

    Raises:
        ModelMismatch: the model has no gradients, or was not made for these patches.
    """
    usable = [one for one in METHODS.values() if not one.needs_maps or has_maps(model)]
    found = {}
    for k, method in enumerate(usable):
        report(progress.Progress(what=method.title, done=k, total=len(usable), unit="methods"))
        found[method.name] = explanation_scale(model, patches, method.name)
    report(progress.Progress(what="Scales", done=len(usable), total=len(usable), unit="methods"))
    return found


def has_maps(model: Model) -> bool:
    """Tell whether the net has a feature map for methods such as Grad-CAM."""
    return hasattr(model.net, "cam_layer")


def check_explainable(model: Model, method: Method) -> None:
    """Check that the model can be explained by that method.

    Raises:
        ModelMismatch: the model has no gradients according to its card, or it has no feature
            map and the method needs one.
    """
    if not model.card.explainable:
        raise ModelMismatch(
            f"{model.card.title} cannot be explained, because its scores have no gradients "
            "with respect to pixels: choose another model, such as the custom CNN."
        )
    if method.needs_maps and not has_maps(model):
        raise ModelMismatch(
            f"{model.card.title} has no feature map, which {method.title} needs: "
            f"choose the method {DEFAULT_METHOD}."
        )


def _predicted(model: Model, patch: Raster) -> list[int]:
    """List the columns of the predicted classes, or of the most probable one if none is."""
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
                "How much each pixel and band changes the score along the path from the baseline "
                "to this patch; all values add up to the score's change. Smoothed over about 30 m."
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
                "Like Integrated Gradients, but at random points of the paths from darker and "
                "brighter baselines: it depends less on one baseline, and the sum is right only "
                "on average. Smoothed over about 30 m."
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
                "Which parts of the net's last feature map raise or lower the score: coarse, fast "
                "and without a baseline."
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
                "How much the features at each place change the score from that of the baseline; "
                "features depend on their surroundings too. It is as fine as the net's feature "
                "maps (up to 20 m), and all values add up to the score's change."
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
                "baseline: coarse, but measured directly."
            ),
            captum="Occlusion",
            unit="logits a square of 240 m",
            uses_baseline=True,
            compute=pixel_methods.occlusion,
        ),
    )
}
"""The attribution methods, by their names on the command line."""
