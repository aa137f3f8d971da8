"""Which pixels and bands speak for a class, and which against it.

All methods are captum's and explain the raw score (logit) rather than the probability:
scores add up, and a probability near 1 would hide every difference.

Integrated Gradients and occlusion compare the patch with a *baseline*. Ours is a flat
patch with the mean spectrum of the training data, "average land": what is explained is
then why this place differs from an average one. Zero reflectance, the usual choice for
photographs, is no absence of information here but deep water or shadow, so every bright
pixel would speak against water merely by being land; it can be asked for all the same.

The value drawn in full colour is common to all classes and patches of a model and
method (:func:`explanation_scale`, kept in the model's card). So a class that the net
hardly reacts to looks pale, and two classes can be compared by eye.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from landcover.errors import ModelMismatch, UnknownName
from landcover.model import Model
from landcover.nomenclature import resolve
from landcover.patch import ByteArray, FloatArray, Patch
from landcover.picture import Picture
from landcover.sentinel2 import COMPOSITES

DEFAULT_METHOD: Final = "integrated-gradients"

START_STEPS: Final = 12
MAX_STEPS: Final = 96
"""Gauss-Legendre steps from baseline to patch: doubled until the sum is right."""
TOLERANCE: Final = 0.01
"""What Integrated Gradients may miss of the score's change, relative to it."""
AT_ONCE: Final = 8
"""Patches in one pass of the net, which bounds memory."""

SMOOTHING: Final = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Binomial weights over 5 pixels, by which Integrated Gradients are smoothed on both axes.

Gradients through strided convolutions carry a checkerboard of 20 and 40 m (Odena et al.
2016, "Deconvolution and checkerboard artifacts") that says nothing of the land. These
weights remove a period of two pixels wholly and of four by three quarters; mirrored at
the edges, they leave the sum as it is.
"""

CELL_PIXELS: Final = 24
"""Side of the squares that occlusion replaces: 240 m, a small field; 25 squares a patch."""

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

AGAINST_RGB: Final = (33, 102, 172)
FOR_RGB: Final = (178, 24, 43)
"""The ends of ColorBrewer's RdBu, which people with colour-blindness can tell apart."""

BASELINES: Final[dict[str, str]] = {
    "mean": "a flat patch with the mean spectrum of the training data (average land)",
    "zero": "a flat patch of zero reflectance (as dark as deep water)",
}


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What a method yields before it is put on a scale.

    Attributes:
        pixels: float32 ``(y, x)``, above 0 where a pixel speaks for the class.
        bands: per band, the summed absolute attribution; None where the method sees none.
        delta: error of the sum, relative to the score's change (or to one logit where the
            change is smaller than that); None where no sum is promised.
        passes: of the net, one a patch in a batch.
    """

    pixels: FloatArray
    bands: FloatArray | None = None
    delta: float | None = None
    passes: int = 1


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to attribute a score to pixels."""

    name: str
    title: str
    summary: str
    captum: str
    """The class of captum that does it."""
    unit: str
    uses_baseline: bool
    compute: Callable[[Model, Tensor, Tensor, int], Attribution]
    """From model, pixels ``(1, band, y, x)``, baseline of that shape, and class index."""


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
            Grad-CAM and occlusion, which see all bands at once.
        baseline: what the patch was compared with, in words.
        convergence_delta: for Integrated Gradients, by how much the sum of all attributions
            misses the score's change from baseline to patch, relative to that change (or
            to one logit where the change is smaller).
        scale: the value drawn in full colour.
        scale_rule: where the scale comes from.
        passes: of the net, one a patch in a batch.
        seconds: what it took.
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
    patch: Patch | Picture,
    label: str,
    method: str = DEFAULT_METHOD,
    *,
    baseline: str = "mean",
) -> Explanation:
    """Attribute the score of a class to the pixels (and bands) of a patch.

    Args:
        model: the model to question.
        patch: what it looks at; pixels without data count as it sees them, filled.
        label: full or short name of a class.
        method: a name in :data:`METHODS`.
        baseline: a name in :data:`BASELINES`; Grad-CAM has none.

    Raises:
        UnknownName: no such class, method or baseline.
        ModelMismatch: the model has no gradients, or was not made for this patch.
    """
    begin = time.perf_counter()
    way = resolve_method(method)
    name = resolve(label, model.card.classes).name
    refuse(model, way)
    pixels = model.tensor(patch)[None]
    start = _baseline(model, pixels, baseline)
    found = way.compute(model, pixels, start, model.card.classes.index(name))
    scale, rule = _scale(model, patch, way, baseline, found)
    found.pixels.flags.writeable = False
    return Explanation(
        label=name,
        method=way.name,
        model=model.card.name,
        card_hash=model.card.hash,
        attribution=found.pixels,
        unit=way.unit,
        band_share=_shares(model.card.bands, found.bands),
        baseline=BASELINES[baseline] if way.uses_baseline else "none",
        convergence_delta=found.delta,
        scale=scale,
        scale_rule=rule,
        passes=found.passes,
        seconds=time.perf_counter() - begin,
    )


def explanation_scale(model: Model, patches: Sequence[Patch | Picture], method: str) -> float:
    """The attribution to draw in full colour, for all classes and patches of a model.

    It is the 99th percentile of the absolute attribution over all pixels of ``patches``
    and the classes predicted on each (the most probable one where none is): a maximum
    would let one odd pixel make all pictures pale. Always above 0.

    Raises:
        UnknownName: there is no such method.
        ModelMismatch: the model has no gradients, or was not made for these patches.
    """
    way = resolve_method(method)
    refuse(model, way)
    found = [part for patch in patches for part in _predicted_attributions(model, patch, way)]
    return _percentile(found)


def refuse(model: Model, method: Method) -> None:
    """Raise unless the model can be explained by that method.

    Raises:
        ModelMismatch: its card says that it has no gradients, or it has no layer for Grad-CAM.
    """
    if not model.card.explainable:
        raise ModelMismatch(
            f"{model.card.title} cannot be explained, because its scores have no gradients "
            "with respect to pixels: choose another model, such as the custom CNN."
        )
    if method.compute is _grad_cam and not hasattr(model.net, "cam_layer"):
        raise ModelMismatch(
            f"{model.card.title} has no map of features that {method.title} could weigh: "
            f"choose the method {DEFAULT_METHOD}."
        )


def _baseline(model: Model, pixels: Tensor, name: str) -> Tensor:
    if name not in BASELINES:
        raise UnknownName("baseline", name, BASELINES)
    if name == "zero":
        return torch.zeros_like(pixels)
    mean = torch.tensor(model.card.mean, dtype=pixels.dtype)
    return mean.view(1, -1, 1, 1).expand_as(pixels).contiguous()


def _integrated_gradients(model: Model, pixels: Tensor, start: Tensor, target: int) -> Attribution:
    """Sundararajan et al. 2017: gradients summed along the straight way from the baseline."""
    from captum.attr import IntegratedGradients  # noqa: PLC0415 - slow to import

    with torch.no_grad():
        before, after = model.scores(torch.cat([start, pixels]))[:, target].double().cpu().tolist()
    # Below one logit the relative error would blow up without the picture being worse.
    change = max(abs(after - before), 1.0)
    passes, steps = 0, START_STEPS
    while True:
        parts = IntegratedGradients(model.scores).attribute(
            pixels, start, target=target, n_steps=steps, internal_batch_size=AT_ONCE
        )
        passes += steps
        delta = abs(float(parts.double().sum()) - (after - before)) / change
        if delta <= TOLERANCE or steps >= MAX_STEPS:
            break
        steps *= 2
    values = parts[0].detach().cpu().numpy()
    return Attribution(
        pixels=smooth(values.sum(axis=0)),
        bands=np.abs(values).sum(axis=(1, 2), dtype=np.float64).astype(np.float32),
        delta=delta,
        passes=passes,
    )


def smooth(values: FloatArray) -> FloatArray:
    """``(y, x)`` smoothed by :data:`SMOOTHING`, with the same sum."""
    reach = len(SMOOTHING) // 2
    out = values.astype(np.float64)
    for axis in (0, 1):
        padded = np.pad(out, [(reach, reach) if k == axis else (0, 0) for k in (0, 1)], "symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(SMOOTHING), axis=axis)
        out = windows @ np.array(SMOOTHING)
    return out.astype(np.float32)


def _grad_cam(model: Model, pixels: Tensor, _start: Tensor, target: int) -> Attribution:
    """Selvaraju et al. 2017, without their ReLU, which would hide what speaks against."""
    from captum.attr import LayerAttribution, LayerGradCam  # noqa: PLC0415 - slow to import

    twin = _twin(model)
    cam = LayerGradCam(twin.scores, twin.net.cam_layer)
    coarse = cam.attribute(pixels.clone().requires_grad_(), target=target).detach()
    fine = LayerAttribution.interpolate(coarse, tuple(pixels.shape[2:]), "bilinear")
    return Attribution(pixels=fine[0, 0].float().cpu().numpy())


def _occlusion(model: Model, pixels: Tensor, start: Tensor, target: int) -> Attribution:
    """Zeiler and Fergus 2014: by how much the score falls when a square becomes average."""
    from captum.attr import Occlusion  # noqa: PLC0415 - slow to import

    square = (pixels.shape[1], CELL_PIXELS, CELL_PIXELS)
    parts = Occlusion(model.scores).attribute(
        pixels,
        sliding_window_shapes=square,
        strides=square,
        baselines=start,
        target=target,
        perturbations_per_eval=AT_ONCE,
    )
    # All bands of a square carry the same value: they were replaced together.
    squares = (-(-pixels.shape[2] // CELL_PIXELS)) * (-(-pixels.shape[3] // CELL_PIXELS))
    return Attribution(pixels=parts[0, 0].detach().float().cpu().numpy().copy(), passes=squares + 1)


def _twin(model: Model) -> Model:
    """The model with modules of its own that share the weights.

    captum hangs a hook on the layer. On the shared net, a prediction that another thread
    makes meanwhile would run into it.
    """
    shared = {id(t): t for t in (*model.net.parameters(), *model.net.buffers())}
    return Model(model.card, copy.deepcopy(model.net, shared), model.device)


def _scale(
    model: Model, patch: Patch | Picture, method: Method, baseline: str, found: Attribution
) -> tuple[float, str]:
    common = model.card.explanation_scales.get(method.name)
    if common is not None:
        return common, SCALE_RULE
    parts = _predicted_attributions(model, patch, method, baseline)
    return _percentile(parts or [found.pixels]), LOCAL_SCALE_RULE


def _predicted_attributions(
    model: Model, patch: Patch | Picture, method: Method, baseline: str = "mean"
) -> list[FloatArray]:
    """Attributions of the predicted classes, or of the most probable one."""
    prediction = model.predict(patch)
    labels = prediction.predicted or (max(prediction.labels, key=lambda s: s.probability),)
    pixels = model.tensor(patch)[None]
    start = _baseline(model, pixels, baseline)
    targets = [model.card.classes.index(item.label) for item in labels]
    return [method.compute(model, pixels, start, target).pixels for target in targets]


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
                "How much each pixel and band moves the score on the way from average land to "
                "this patch; all values add up to the score's change. Smoothed over about 30 m."
            ),
            captum="IntegratedGradients",
            unit="logits a pixel",
            uses_baseline=True,
            compute=_integrated_gradients,
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
            compute=_grad_cam,
        ),
        Method(
            name="occlusion",
            title="Occlusion",
            summary=(
                "By how much the score falls when a square of 240 m is replaced by average "
                "land: coarse, but measured rather than derived."
            ),
            captum="Occlusion",
            unit="logits a square of 240 m",
            uses_baseline=True,
            compute=_occlusion,
        ),
    )
}
"""The attribution methods, by the name that the command line takes."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What the colours of an explanation mean.

    Attributes:
        bar: uint8 ``(y, x, 3)``, from full colour against on the left to for on the right.
        against, neutral, speaks_for: texts below its left end, middle and right end.
        note: one sentence on unit and scale.
    """

    bar: ByteArray
    against: str
    neutral: str
    speaks_for: str
    note: str


def legend(explanation: Explanation, width: int = 256, height: int = 14) -> Legend:
    """The colour bar of an explanation with its texts."""
    values = np.tile(np.linspace(-1.0, 1.0, width, dtype=np.float32), (height, 1))
    white = np.full((height, width, 3), 255.0, dtype=np.float32)
    number = f"{explanation.scale:.2g}"
    return Legend(
        bar=_tint(white, values, 1.0),
        against=f"−{number} and below: against",
        neutral="0: neither",
        speaks_for=f"for: +{number} and above",
        note=f"In {explanation.unit}. Full colour: {explanation.scale_rule}.",
    )


def overlay(explanation: Explanation, patch: Patch | Picture, opacity: float = 0.8) -> ByteArray:
    """The attribution over the true-colour picture, uint8 RGBA ``(y, x, 4)``.

    Blue speaks against the class, red for it; the stronger, the less of the picture
    shows through, and around 0 the picture is as it is. The picture loses its own
    colours as ``opacity`` grows, so that red roofs and blue water are not taken for
    attribution. Pixels without data are transparent.

    Args:
        explanation: of this patch.
        patch: what was explained.
        opacity: 0 (only the picture) to 1; values beyond are clipped.
    """
    strength = float(np.clip(opacity, 0.0, 1.0))
    picture = patch.image() if isinstance(patch, Picture) else patch.picture(COMPOSITES[0])
    colour = picture[..., :3].astype(np.float32)
    # Rec. 601 luma, lifted so that blue stands out from dark forest.
    grey = 70.0 + 185.0 / 255.0 * (colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32))
    base = colour + strength * (grey[..., None] - colour)
    out = picture.copy()
    values = np.clip(explanation.attribution / explanation.scale, -1.0, 1.0)
    out[..., :3] = _tint(base, values, strength)
    return out


def _tint(base: FloatArray, values: FloatArray, strength: float) -> ByteArray:
    """Mix full colours into ``base`` ``(y, x, 3)`` by values of -1 to 1."""
    ends = np.array([AGAINST_RGB, FOR_RGB], dtype=np.float32)
    colour = ends[(values > 0).astype(int)]
    weight = (np.abs(values) * strength)[..., None]
    tinted: ByteArray = np.round(base + weight * (colour - base)).clip(0, 255).astype(np.uint8)
    return tinted
