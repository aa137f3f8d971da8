"""Explanations add up, differ between classes, depend on the weights, and share one scale."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from landcover import nets
from landcover.core.bands import BAND_NAMES, COMPOSITES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import ModelMismatch, UnknownName
from landcover.core.raster import Raster
from landcover.explain import explanation
from landcover.io.samples import read_sample
from landcover.models import registry
from landcover.models.card import Card
from landcover.models.model import Model
from tests.support import tiny
from tests.support.examples import sampled

SMALL = "landcover-cnn"
"""The shipped net that is explained in the least time."""
WATER = "Inland waters"
IG = "integrated-gradients"
QUICK = (IG, "grad-cam")


@pytest.fixture(scope="module", params=sampled([SMALL, registry.DEFAULT_MODEL], [SMALL]))
def cnn(request: pytest.FixtureRequest) -> Model:
    return registry.default().load(request.param, "cpu")


@pytest.fixture(scope="module")
def lake() -> Raster:
    return read_sample("finland-lake")


Ask = Callable[[str, str], explanation.Explanation]


@pytest.fixture(scope="module")
def ask(cnn: Model, lake: Raster) -> Ask:
    """The real net's explanations of the lake, each computed once."""
    return lru_cache(maxsize=None)(
        lambda label, method: explanation.explain(cnn, lake, label, method)
    )


def with_card(model: Model, **changes: object) -> Model:
    card: Card = model.card.with_fields(**changes)  # type: ignore[arg-type]
    return Model(card, model.net, model.device)


def score_change(model: Model, patch: Raster, label: str, spectrum: list[float]) -> float:
    pixels = model.tensor(patch)[None]
    start = torch.tensor(spectrum).view(1, -1, 1, 1).expand_as(pixels)
    with torch.inference_mode():
        scores = model.scores(torch.cat([start, pixels]))[:, CLASS_NAMES.index(label)]
    return float(scores[1] - scores[0])


@pytest.mark.parametrize("label", sampled([WATER, "Coniferous forest", "Arable land"], {WATER}))
def test_integrated_gradients_add_up_to_the_change_of_the_score(
    cnn: Model, lake: Raster, ask: Ask, label: str
) -> None:
    found = ask(label, IG)
    change = score_change(cnn, lake, label, list(cnn.card.mean))
    total = float(found.attribution.sum(dtype=np.float64))
    assert total == pytest.approx(change, abs=0.01 * max(abs(change), 1.0) + 1e-4)
    assert found.convergence_delta is not None
    assert found.convergence_delta <= explanation.TOLERANCE
    assert found.passes >= 5


def test_another_baseline_gives_another_explanation(cnn: Model, lake: Raster, ask: Ask) -> None:
    found = explanation.explain(cnn, lake, WATER, baseline="zero")
    change = score_change(cnn, lake, WATER, [0.0] * 12)
    total = float(found.attribution.sum(dtype=np.float64))
    assert total == pytest.approx(change, abs=0.01 * max(abs(change), 1.0) + 1e-4)
    assert "zero reflectance" in found.baseline
    assert not np.allclose(found.attribution, ask(WATER, IG).attribution)


def test_the_evidence_for_water_is_on_the_water(lake: Raster, ask: Ask) -> None:
    """The sample has a lake in the north-west; dark near infrared shows its area."""
    is_water = lake.band("B08") < 0.06
    assert 0.05 < is_water.mean() < 0.5
    for method in (IG, "grad-cam", "occlusion"):
        found = ask(WATER, method)
        inside, outside = (found.attribution[part].mean() for part in (is_water, ~is_water))
        # Hiding the lake takes less from "water" than hiding the land adds to it.
        assert inside > 0 or method == "occlusion"
        assert inside - outside > 0.1 * found.scale


@pytest.mark.parametrize("method", sampled(explanation.METHODS, QUICK))
def test_classes_differ(ask: Ask, method: str) -> None:
    first = ask(WATER, method).attribution
    second = ask("Coniferous forest", method).attribution
    assert first.shape == second.shape == (120, 120)
    assert first.dtype == np.float32
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.95


@pytest.mark.parametrize("method", sampled(explanation.METHODS, QUICK))
def test_other_weights_give_another_explanation(
    cnn: Model, lake: Raster, ask: Ask, method: str
) -> None:
    """Adebayo et al. 2018: a map that does not depend on the weights only shows edges."""
    first = ask(WATER, method).attribution
    alike = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        net = nets.build(cnn.card.net, **cnn.card.net_options)
        if hasattr(net, "prior"):
            # The prior of label sets is not trained: without it the net gives no useful scores.
            net.get_submodule("prior").load_state_dict(cnn.net.get_submodule("prior").state_dict())
        random = Model(cnn.card, net, cnn.device)
        other = explanation.explain(random, lake, WATER, method).attribution
        # The sign matters: an inverted map means the opposite.
        alike.append(np.corrcoef(first.ravel(), other.ravel())[0, 1])
        assert not np.allclose(first, other, rtol=0.2)
    # The filters of one random net may happen to find dark water, too.
    assert np.mean(alike) < 0.9


def test_explanations_are_reproducible(lake: Raster) -> None:
    model = tiny.tiny_model()
    for method in explanation.METHODS:
        first, second = (explanation.explain(model, lake, WATER, method) for _ in range(2))
        np.testing.assert_array_equal(first.attribution, second.attribution)


def test_shares_of_bands_add_up_and_follow_the_net() -> None:
    model = tiny.tiny_model()
    with torch.no_grad():
        model.net.get_parameter("conv.weight")[:, BAND_NAMES.index("B11")] = 0.0
    share = explanation.explain(model, tiny.random_patch(), WATER).band_share
    assert share is not None
    assert list(share) == list(BAND_NAMES)
    assert sum(share.values()) == pytest.approx(1.0)
    assert share["B11"] == 0.0
    assert all(value > 0 for band, value in share.items() if band != "B11")
    for method in ("grad-cam", "occlusion"):
        assert explanation.explain(model, tiny.random_patch(), WATER, method).band_share is None


def test_occlusion_is_the_fall_of_the_score() -> None:
    model, patch = tiny.tiny_model(), tiny.random_patch(3)
    found = explanation.explain(model, patch, WATER, "occlusion").attribution
    side = explanation.CELL_PIXELS
    assert len(np.unique(found)) <= 25
    pixels = model.tensor(patch)[None]
    occluded = pixels.clone()
    occluded[..., side : 2 * side, :side] = torch.tensor(model.card.mean)[:, None, None]
    with torch.inference_mode():
        scores = model.scores(torch.cat([pixels, occluded]))[:, CLASS_NAMES.index(WATER)]
    assert found[side + 1, 1] == pytest.approx(float(scores[0] - scores[1]), abs=1e-6)


def test_a_linear_net_is_explained_exactly() -> None:
    """If the score is a sum over pixels, the exact attribution is known."""

    class Linear(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(19, 12, 120, 120))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.einsum("nbyx,cbyx->nc", pixels, self.weight)

    torch.manual_seed(0)
    net, patch = Linear(), tiny.random_patch()
    model = Model(tiny.tiny_card(b""), net, torch.device("cpu"))
    found = explanation.explain(model, patch, WATER)
    weight = net.weight[CLASS_NAMES.index(WATER)].detach().numpy()
    exact = (weight * (patch.data - 0.1)).sum(axis=0)
    np.testing.assert_allclose(found.attribution, explanation.smooth(exact), atol=1e-4)
    with pytest.raises(ModelMismatch, match="has no feature map, which Grad-CAM needs"):
        explanation.explain(model, patch, WATER, "grad-cam")


@given(arrays(np.float32, (12, 9), elements=st.floats(-1, 1, width=32)))
def test_smoothing_keeps_the_sum_and_removes_the_checkerboard(values: np.ndarray) -> None:
    assert explanation.smooth(values).sum() == pytest.approx(float(values.sum()), abs=1e-4)
    board = np.indices((12, 12)).sum(axis=0) % 2 * 2.0 - 1.0
    assert np.abs(explanation.smooth(board.astype(np.float32))[2:-2, 2:-2]).max() < 1e-6


def test_the_scale_in_the_card_is_used_for_every_class_and_patch(lake: Raster) -> None:
    model = with_card(tiny.tiny_model(), explanation_scales={IG: 0.25, "grad-cam": 3.0})
    for label in (WATER, "Pastures"):
        for patch in (lake, tiny.random_patch()):
            assert explanation.explain(model, patch, label).scale == 0.25
            assert explanation.explain(model, patch, label, "grad-cam").scale == 3.0
    assert explanation.explain(model, lake, WATER).scale_rule == explanation.SCALE_RULE


def test_without_a_scale_in_the_card_the_scale_of_the_patch_is_used(lake: Raster) -> None:
    model = tiny.tiny_model()
    first, second = (explanation.explain(model, lake, label) for label in (WATER, "Pastures"))
    assert first.scale == second.scale == explanation.explanation_scale(model, [lake], IG)
    assert first.scale_rule == explanation.LOCAL_SCALE_RULE


def test_the_common_scale_is_a_percentile_over_predicted_classes() -> None:
    model = with_card(tiny.tiny_model(), thresholds=dict.fromkeys(CLASS_NAMES, 0.5))
    patches = [tiny.random_patch(seed) for seed in range(2)]
    parts = [
        explanation.explain(model, patch, item.label, "grad-cam").attribution
        for patch in patches
        for item in model.predict(patch).predicted
    ]
    assert parts
    expected = np.percentile(np.abs(np.stack(parts)), 99)
    assert explanation.explanation_scale(model, patches, "grad-cam") == pytest.approx(expected)


def test_a_net_that_ignores_its_input_still_has_a_scale() -> None:
    model = tiny.tiny_model()
    with torch.no_grad():
        model.net.get_parameter("head.weight").zero_()
    found = explanation.explain(model, tiny.random_patch(), WATER)
    assert found.scale > 0
    assert found.band_share is not None
    assert sum(found.band_share.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"label": "Moon"}, "Unknown class 'Moon'"),
        ({"method": "magic"}, "Unknown method 'magic'"),
        ({"method": "gradcam"}, "did you mean 'grad-cam'"),
        ({"baseline": "noise"}, "Unknown baseline 'noise'"),
    ],
)
def test_unknown_names_are_refused(arguments: dict[str, str], sentence: str) -> None:
    options = {"label": WATER, **arguments}
    with pytest.raises(UnknownName, match=sentence):
        explanation.explain(tiny.tiny_model(), tiny.random_patch(), **options)


def test_a_model_without_gradients_is_refused() -> None:
    model = with_card(tiny.tiny_model(), explainable=False)
    with pytest.raises(ModelMismatch, match="cannot be explained"):
        explanation.explain(model, tiny.random_patch(), WATER)
    with pytest.raises(ModelMismatch, match="cannot be explained"):
        explanation.explanation_scale(model, [tiny.random_patch()], IG)


def test_a_patch_of_another_size_is_refused() -> None:
    with pytest.raises(ModelMismatch, match="120 × 120"):
        explanation.explain(tiny.tiny_model(), tiny.random_patch(size=144), WATER)


def test_predictions_in_another_thread_do_not_affect_grad_cam() -> None:
    model, patch, other = tiny.tiny_model(), tiny.random_patch(0), tiny.random_patch(1)
    expected = explanation.explain(model, patch, WATER, "grad-cam").attribution
    stop = threading.Event()

    def predict() -> None:
        while not stop.is_set():
            model.predict(other)

    thread = threading.Thread(target=predict)
    thread.start()
    try:
        for _ in range(10):
            found = explanation.explain(model, patch, WATER, "grad-cam").attribution
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    finally:
        stop.set()
        thread.join()


def test_the_overlay_is_red_above_zero_blue_below_and_uncoloured_at_zero() -> None:
    patch = tiny.random_patch(valid=np.indices((120, 120))[0] > 5)
    values = np.zeros((120, 120), np.float32)
    values[20:40], values[50:70] = 2.0, -2.0
    found = replace(
        explanation.explain(tiny.tiny_model(), patch, WATER), attribution=values, scale=1.0
    )
    full = explanation.overlay(found, patch, 1.0)
    assert full.shape == (120, 120, 4)
    assert full.dtype == np.uint8
    assert tuple(full[30, 7, :3]) == explanation.FOR_RGB
    assert tuple(full[60, 7, :3]) == explanation.AGAINST_RGB
    grey = full[90, :, :3].astype(int)
    assert (grey.max(axis=-1) - grey.min(axis=-1)).max() <= 1
    assert (full[:6, :, 3] == 0).all()
    assert (full[6:, :, 3] == 255).all()
    np.testing.assert_array_equal(
        explanation.overlay(found, patch, 0.0), patch.image(COMPOSITES[0])
    )
    np.testing.assert_array_equal(explanation.overlay(found, patch, 7.0), full)


def test_the_legend_ranges_from_evidence_against_to_evidence_for() -> None:
    found = replace(
        explanation.explain(tiny.tiny_model(), tiny.random_patch(), WATER), scale=0.0123
    )
    key = explanation.legend(found, width=101, height=4)
    assert key.bar.shape == (4, 101, 3)
    assert tuple(key.bar[0, 0]) == explanation.AGAINST_RGB
    assert tuple(key.bar[0, -1]) == explanation.FOR_RGB
    assert tuple(key.bar[0, 50]) == (255, 255, 255)
    assert "−0.012" in key.against
    assert "+0.012" in key.in_favour
    assert explanation.LOCAL_SCALE_RULE in key.note


def test_an_explanation_is_read_only() -> None:
    found = explanation.explain(tiny.tiny_model(), tiny.random_patch(), WATER, "grad-cam")
    with pytest.raises(ValueError, match="read-only"):
        found.attribution[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.scale = 1.0  # type: ignore[misc]
