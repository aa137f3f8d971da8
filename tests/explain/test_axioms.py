"""The axioms of attribution, tested on the shipped net.

Sundararajan et al. 2017 ("Axiomatic attribution for deep networks") define them:
completeness, implementation invariance, symmetry, sensitivity, zero attribution to irrelevant
inputs ("dummy"), and linearity.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.raster import Raster
from landcover.explain import explanation
from landcover.explain.baselines import BASELINES, baseline
from landcover.io.samples import read_sample
from landcover.models import registry
from landcover.models.model import Model
from landcover.nets.outputs import MappedNet, View
from landcover.nets.symmetry import symmetry
from landcover.nets.taught import TaughtNet
from tests.support import tiny
from tests.support.examples import sampled

SMALL = "landcover-cnn"
"""The shipped net that is explained in the least time."""
WATER = "Inland waters"
COMPLETE = ("integrated-gradients", "fine-cam")
"""The methods whose attributions add up to the score's change."""


@pytest.fixture(scope="module", params=sampled([SMALL, registry.DEFAULT_MODEL], [SMALL]))
def cnn(request: pytest.FixtureRequest) -> Model:
    return registry.default().load(request.param, "cpu")


@pytest.fixture(scope="module")
def lake() -> Raster:
    return read_sample("finland-lake")


def like(model: Model, net: nn.Module) -> Model:
    return Model(model.card, net, model.device)


def change(model: Model, patch: Raster, label: str, name: str) -> float:
    """Compute the score's change from the baseline, with the net itself."""
    pixels = model.tensor(patch)[None]
    start = baseline(model.card, pixels, name)
    with torch.no_grad():
        before, after = model.scores(torch.cat([start, pixels])).double()
    return float((after - before)[model.card.classes.index(label)])


@pytest.mark.parametrize("name", sampled(BASELINES, {"mean"}))
@pytest.mark.parametrize("method", COMPLETE)
def test_completeness(cnn: Model, lake: Raster, method: str, name: str) -> None:
    """All values add up to the score's change within 1 %, for a class that is present and one
    that is not."""
    labels = [WATER, "Vineyards" if "Vineyards" in CLASS_NAMES else "Arable land"]
    for found in explanation.explain_many(cnn, lake, labels, [method], baseline=name):
        moved = change(cnn, lake, found.label, name)
        total = float(found.attribution.sum(dtype=np.float64))
        assert total == pytest.approx(moved, abs=0.01 * max(abs(moved), 1.0) + 1e-3)
        assert found.convergence_delta is not None
        assert found.convergence_delta <= explanation.TOLERANCE


def folded(net: nn.Module) -> nn.Module:
    """Build the same function without normalisation layers."""
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        if isinstance(module, nn.Sequential):
            for k in range(len(module) - 1):
                conv, norm = module[k], module[k + 1]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[k], module[k + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return net


def permuted(net: nn.Module) -> nn.Module:
    """Build the same function with the channels of every pixel-wise branch in another order."""
    net = copy.deepcopy(net)
    random = torch.Generator().manual_seed(0)
    for branch in (m.spectrum for m in net.modules() if hasattr(m, "spectrum")):
        first, second = branch[0], branch[1]
        order = torch.randperm(first[0].out_channels, generator=random)
        first[0].weight.data = first[0].weight.data[order]
        for part in ("weight", "bias", "running_mean", "running_var"):
            getattr(first[1], part).data = getattr(first[1], part).data[order]
        second[0].weight.data = second[0].weight.data[:, order]
    return net


@pytest.mark.parametrize("rebuilt", sampled([folded, permuted], {folded}))
@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam", "fine-cam"])
def test_implementation_invariance(
    cnn: Model, lake: Raster, method: str, rebuilt: Callable[[nn.Module], nn.Module]
) -> None:
    """Two nets that compute the same function have the same explanation."""
    other = like(cnn, rebuilt(cnn.net))
    pixels = cnn.tensor(lake)[None]
    with torch.no_grad():
        torch.testing.assert_close(cnn.scores(pixels), other.scores(pixels), rtol=1e-3, atol=1e-3)
    first, second = (explanation.explain(model, lake, WATER, method) for model in (cnn, other))
    np.testing.assert_allclose(
        first.attribution, second.attribution, atol=0.02 * float(np.abs(first.attribution).max())
    )


def test_the_same_function_from_different_modules() -> None:
    """max(x, 0) as ReLU and as (x + |x|) / 2: equal outputs, equal explanations."""

    class Half(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return (values + values.abs()) / 2

    def build(active: nn.Module) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(12, 6, 3, 2, 1),
            active,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 19),
        )

    card, patch = tiny.tiny_card(b""), tiny.random_patch()
    first, second = (
        explanation.explain(Model(card, build(active), torch.device("cpu")), patch, WATER)
        for active in (nn.ReLU(), Half())
    )
    np.testing.assert_allclose(first.attribution, second.attribution, atol=1e-6)


@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam", "occlusion"])
def test_a_rotated_patch_has_the_rotated_map(method: str) -> None:
    """Symmetry: for a net without direction, the map of a rotated patch is the rotated map."""

    class Pixelwise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cam_layer = nn.Conv2d(12, 8, 1)
            self.head = nn.Linear(8, 19)

        def forward(self, pixels: Tensor) -> Tensor:
            scores: Tensor = self.head(torch.relu(self.cam_layer(pixels)).mean(dim=(2, 3)))
            return scores

    torch.manual_seed(0)
    model = Model(tiny.tiny_card(b""), Pixelwise(), torch.device("cpu"))
    patch = tiny.random_patch()
    straight = torch.from_numpy(explanation.explain(model, patch, WATER, method).attribution.copy())
    for which in (1, 4, 7):
        turned = symmetry(torch.from_numpy(patch.data.copy()), which)
        other = tiny.random_patch(data=np.ascontiguousarray(turned.numpy()))
        found = explanation.explain(model, other, WATER, method).attribution
        np.testing.assert_allclose(found, symmetry(straight, which).numpy(), atol=1e-5)


def test_bands_with_equal_weights_have_equal_shares() -> None:
    """Symmetry over bands: equal values and equal weights get equal shares."""
    model = tiny.tiny_model()
    one, two = BAND_NAMES.index("B11"), BAND_NAMES.index("B12")
    weight = model.net.get_parameter("conv.weight")
    with torch.no_grad():
        weight[:, two] = weight[:, one]
    reflectance = tiny.random_patch().data.copy()
    reflectance[two] = reflectance[one]
    for method in ("integrated-gradients",):
        share = explanation.explain(
            model, tiny.random_patch(data=reflectance), WATER, method
        ).band_share
        assert share is not None
        assert share["B11"] == pytest.approx(share["B12"], rel=1e-4)
        assert share["B11"] > 0


def without_band(net: nn.Module, band: str) -> nn.Module:
    """Copy the net with all weights of a band measured at 20 m set to zero."""
    net = copy.deepcopy(net)
    index = BAND_NAMES.index(band)
    for module in net.modules():
        if isinstance(module, TaughtNet):
            module.trunk["stem"][0].weight.data[:, index] = 0.0
        elif hasattr(module, "trunk"):
            module.trunk.stem[0].weight.data[:, index] = 0.0
            if module.spectrum is not None:
                module.spectrum[0][0].weight.data[:, index] = 0.0
        if hasattr(module, "members") and hasattr(module, "columns"):
            place = list(module.columns.middle).index(index)
            for member in module.members:
                member.middle[0].weight.data[:, place] = 0.0
                offset = 2 * len(module.columns.fine) + place
                member.spectrum[0][0].weight.data[:, offset] = 0.0
    return net


def test_a_band_without_effect_has_no_attribution(cnn: Model, lake: Raster) -> None:
    """Dummy: with zero weights for B11, its attribution is zero."""
    model = like(cnn, without_band(cnn.net, "B11"))
    share = explanation.explain(model, lake, WATER).band_share
    assert share is not None
    assert share["B11"] == 0.0
    assert all(value > 0 for band, value in share.items() if band != "B11")


def test_only_pixels_that_differ_from_the_baseline_have_attribution(
    cnn: Model, lake: Raster
) -> None:
    """Sensitivity: if only a square differs from the baseline, it has all the attribution."""
    reflectance = np.tile(np.array(cnn.card.mean, np.float32)[:, None, None], (1, 120, 120))
    reflectance[:, 24:48, 48:72] = lake.data[:, :24, :24]
    patch = tiny.random_patch(data=reflectance)
    found = explanation.explain(cnn, patch, WATER).attribution
    inside = np.zeros((120, 120), bool)
    inside[22:50, 46:74] = True
    assert np.abs(found[inside]).sum() > 0
    assert np.abs(found[~inside]).max() == 0.0


def test_linearity_in_the_scores(cnn: Model, lake: Raster) -> None:
    """The explanation of 2 a − b is twice that of a minus that of b."""

    class Mixed(nn.Module):
        def __init__(self, net: nn.Module, first: int, second: int) -> None:
            super().__init__()
            self.net, self.first, self.second = net, first, second
            self.cam_layer = net.cam_layer

        def forward(self, pixels: Tensor) -> Tensor:
            return self.mixed(self.net(pixels))

        def views(self, pixels: Tensor) -> list[View]:
            assert isinstance(self.net, MappedNet)
            return self.net.views(pixels)

        def scores_from(self, moments: Sequence[Tensor]) -> Tensor:
            assert isinstance(self.net, MappedNet)
            return self.mixed(self.net.scores_from(moments))

        def mixed(self, scores: Tensor) -> Tensor:
            mixed = 2 * scores[:, self.first] - scores[:, self.second]
            return torch.cat([mixed[:, None], scores[:, 1:]], dim=1)

    one, two = "Inland waters", "Coniferous forest"
    columns = [cnn.card.classes.index(label) for label in (one, two)]
    mixed = like(cnn, Mixed(cnn.net, *columns))
    for method, atol in (("grad-cam", 1e-3), ("fine-cam", 0.01)):
        a, b = (e.attribution for e in explanation.explain_many(cnn, lake, [one, two], [method]))
        both = explanation.explain(mixed, lake, cnn.card.classes[0], method).attribution
        scale = float(np.abs(2 * a - b).max())
        np.testing.assert_allclose(both, 2 * a - b, atol=atol * scale)


def test_integrated_gradients_agree_with_captum() -> None:
    """For a smooth net, few adaptive steps give the same map as captum's many even steps."""

    class Smooth(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(12, 8, 3, 2, 1), nn.Linear(8, 19)

        def forward(self, pixels: Tensor) -> Tensor:
            scores: Tensor = self.head(torch.tanh(4 * self.conv(pixels)).mean(dim=(2, 3)))
            return scores

    torch.manual_seed(0)
    model, patch = Model(tiny.tiny_card(b""), Smooth(), torch.device("cpu")), tiny.random_patch()
    pixels = model.tensor(patch)[None]
    start = baseline(model.card, pixels)
    target = CLASS_NAMES.index(WATER)
    many = IntegratedGradients(model.scores).attribute(pixels, start, target=target, n_steps=64)
    exact = explanation.smooth(many[0].sum(dim=0).numpy())
    found = explanation.explain(model, patch, WATER).attribution
    assert np.abs(found - exact).sum() < 0.02 * np.abs(exact).sum()
