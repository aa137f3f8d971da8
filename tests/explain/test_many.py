"""Explanations of several classes and methods: order, progress, cancelling, shared passes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, LayerGradCam, LayerIntegratedGradients
from torch import Tensor, nn

from landcover.core.bands import RGB_BANDS
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import Cancelled, ModelMismatch, UnknownName
from landcover.core.progress import Progress
from landcover.core.raster import Provenance, Raster
from landcover.explain import explanation
from landcover.explain.baselines import baseline
from landcover.explain.feature_map_methods import AttributionTask, with_own_modules
from landcover.io.samples import read_sample
from landcover.models import registry
from landcover.models.model import Model
from tests.support import tiny
from tests.support.examples import sampled

WATER, FOREST = "Inland waters", "Coniferous forest"


def test_explanations_come_in_order_and_equal_single_ones() -> None:
    model, patch = tiny.tiny_model(), tiny.random_patch()
    methods = list(explanation.METHODS)
    many = list(explanation.explain_many(model, patch, [WATER, FOREST], methods))
    assert [(e.method, e.label) for e in many] == [
        (method, label) for method in methods for label in (WATER, FOREST)
    ]
    for each in many:
        alone = explanation.explain(model, patch, each.label, each.method)
        np.testing.assert_allclose(each.attribution, alone.attribution, atol=1e-6)
        assert each.scale == pytest.approx(alone.scale)


def test_the_same_class_twice_is_explained_twice() -> None:
    many = list(explanation.explain_many(tiny.tiny_model(), tiny.random_patch(), [WATER, WATER]))
    assert [e.label for e in many] == [WATER, WATER]


def test_explanations_are_computed_lazily_but_arguments_are_checked_at_the_call() -> None:
    model, patch = tiny.tiny_model(), tiny.random_patch()
    reports: list[Progress] = []
    many = explanation.explain_many(model, patch, [WATER], ["occlusion"], report=reports.append)
    assert isinstance(many, Iterator)
    assert not reports
    next(many)
    assert reports
    for arguments in ([["Moon"], ["occlusion"]], [[WATER], ["magic"]]):
        with pytest.raises(UnknownName):
            explanation.explain_many(model, patch, *arguments)
    with pytest.raises(ModelMismatch):
        explanation.explain_many(model, tiny.random_patch(size=144), [WATER])


@pytest.mark.parametrize("method", list(explanation.METHODS))
def test_a_job_reports_and_stops_between_steps(method: str) -> None:
    model, patch, cancel = tiny.tiny_model(), tiny.random_patch(), threading.Event()
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        cancel.set()

    with pytest.raises(Cancelled):
        list(
            explanation.explain_many(model, patch, [WATER], [method], report=report, cancel=cancel)
        )
    assert len(reports) == 1
    assert explanation.METHODS[method].title in reports[0].what
    complete: list[Progress] = []
    list(explanation.explain_many(model, patch, [WATER], [method], report=complete.append))
    assert len(complete) >= 2
    assert all(0 <= p.fraction <= 1 for p in complete)


def test_grad_cam_equals_captums_for_a_net_with_one_feature_map() -> None:
    model, patch = registry.default().load("landcover-cnn", "cpu"), read_sample("finland-lake")
    net, target = with_own_modules(model), CLASS_NAMES.index(WATER)
    pixels = model.tensor(patch)[None].requires_grad_()
    coarse = LayerGradCam(net.scores, net.net.cam_layer).attribute(pixels, target=target)
    fine = nn.functional.interpolate(coarse.detach(), size=(120, 120), mode="bilinear")[0, 0]
    found = explanation.explain(model, patch, WATER, "grad-cam").attribution
    np.testing.assert_allclose(found, fine.numpy(), atol=1e-3 * float(fine.abs().max()))


def test_fine_cam_adds_up_to_captums_cells() -> None:
    """If all data passes through one layer, captum's method for that layer gives the same."""
    model, patch = registry.default().load("landcover-cnn", "cpu"), read_sample("finland-lake")
    net, target = with_own_modules(model), CLASS_NAMES.index(WATER)
    pixels = model.tensor(patch)[None]
    start = baseline(model.card, pixels)
    cells = LayerIntegratedGradients(net.scores, net.net.cam_layer).attribute(
        pixels, start, target=target, n_steps=32, internal_batch_size=8
    )
    expected = cells[0].sum(dim=0).detach().numpy()
    found = explanation.explain(model, patch, WATER, "fine-cam").attribution
    blocks = found.reshape(15, 8, 15, 8).sum(axis=(1, 3))
    assert blocks.sum() == pytest.approx(expected.sum(), rel=0.02)
    assert np.corrcoef(blocks.ravel(), expected.ravel())[0, 1] > 0.98


def test_fine_cam_is_finer_than_grad_cam() -> None:
    """It is steeper than Grad-CAM, as at the shore of the lake."""
    model, patch = (
        registry.default().load(registry.DEFAULT_MODEL, "cpu"),
        read_sample("finland-lake"),
    )
    fine, coarse = (
        explanation.explain(model, patch, WATER, m).attribution for m in ("fine-cam", "grad-cam")
    )

    def steepness(values: np.ndarray) -> float:
        return float(np.abs(np.diff(values, axis=0)).mean() / np.abs(values).mean())

    assert steepness(fine) > 1.3 * steepness(coarse)


@pytest.mark.slow
def test_gradient_shap_agrees_with_captum() -> None:
    """With a constant gradient, every sample is exact, here and in captum."""

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.weight = nn.Parameter(torch.randn(19, 12, 120, 120) / 100)

        def forward(self, pixels: Tensor) -> Tensor:
            return torch.einsum("nbyx,cbyx->nc", pixels, self.weight)

    model, patch = Model(tiny.tiny_card(b""), Linear(), torch.device("cpu")), tiny.random_patch()
    pixels = model.tensor(patch)[None]
    found = explanation.explain(model, patch, WATER, "gradient-shap")
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - captum draws from it
    starts = torch.cat([baseline(model.card, pixels) + z * 0.1 for z in (-0.9, -0.3, 0.3, 0.9)])
    captum = GradientShap(model.scores).attribute(
        pixels, starts.clamp(min=0), n_samples=400, stdevs=0.01, target=CLASS_NAMES.index(WATER)
    )
    expected = explanation.smooth(captum[0].sum(dim=0).detach().numpy())
    assert np.corrcoef(found.attribution.ravel(), expected.ravel())[0, 1] > 0.98
    assert found.convergence_delta is not None
    assert found.convergence_delta < 0.1


def picture() -> Raster:
    random = np.random.default_rng(0)
    return Raster(
        bands=RGB_BANDS,
        data=random.uniform(0.2, 0.6, (3, 64, 64)).astype(np.float32),
        valid=np.ones((64, 64), bool),
        provenance=Provenance(source="x.png", level="RGB"),
    )


@pytest.mark.parametrize(
    "name",
    sampled(["eurosat-rgb", "resnet", "efficientnet-lite0", "cnn-rgb"], {"resnet"}),
)
def test_every_kind_of_net_is_explained_by_every_method(name: str) -> None:
    model = tiny.load(name)
    raster = picture() if model.card.level == "RGB" else read_sample("finland-lake")
    label = model.predict(raster).labels[0].label
    for found in explanation.explain_many(model, raster, [label], list(explanation.METHODS)):
        assert found.attribution.shape == (raster.height, raster.width)
        assert np.isfinite(found.attribution).all()
        assert np.abs(found.attribution).max() > 0
        if found.method in {"integrated-gradients", "fine-cam"}:
            assert found.convergence_delta is not None
            assert found.convergence_delta < 0.05
    if model.card.level == "RGB":
        assert "picture" in found.baseline


def test_several_classes_share_the_forward_passes() -> None:
    model, patch = registry.default().load("landcover-cnn", "cpu"), read_sample("finland-lake")
    pixels = model.tensor(patch)[None]
    calls: list[int] = []
    start = baseline(model.card, pixels)
    task = AttributionTask(
        model=model,
        pixels=pixels,
        start=start,
        targets=(0, 1, 2),
        report=lambda progress: calls.append(progress.done),
    )
    found = list(explanation.METHODS["fine-cam"].compute(task))
    assert len(found) == 3
    assert {each.passes for each in found} == {2}
    assert calls == [2]
