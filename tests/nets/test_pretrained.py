"""The pre-trained nets, and the Mosaic that combines them."""

from __future__ import annotations

import math

import pytest
import torch

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.io import samples
from landcover.models import registry
from landcover.nets.efficientnet_lite0 import Lite0
from landcover.nets.label_sets import LabelSets, count_label_sets, from_counts
from landcover.nets.mosaic import Mosaic, join
from landcover.nets.rgb_lite0 import RgbNet
from landcover.nets.spectral_lite0 import VISIBLE, SpectralLite, inflate
from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.taught import TaughtNet
from tests.support.examples import sampled

TAUGHT = {"stem": 8, "widths": [8, 12, 16], "blocks": [1, 1, 1]}
TAPS = {"taps": [2, 4]}


def published(trunk: Lite0) -> dict[str, torch.Tensor]:
    """Make a state like the published file: with other names, and a classifier."""
    state = {f"_{k}": torch.full_like(v, 0.5) for k, v in enumerate(trunk.state_dict().values())}
    return {**state, "_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}


def test_lite0_has_the_published_size_and_strides() -> None:
    trunk = Lite0().eval()
    classifier = 1280 * 1000 + 1000
    assert sum(p.numel() for p in trunk.parameters()) + classifier == 4_652_008
    shapes = [tuple(m.shape[1:]) for m in trunk.maps(torch.zeros(1, 3, 64, 64))]
    assert shapes == [
        (16, 32, 32),
        (24, 16, 16),
        (40, 8, 8),
        (80, 4, 4),
        (112, 4, 4),
        (192, 2, 2),
        (320, 2, 2),
        (1280, 2, 2),
    ]
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(trunk(images), trunk.maps(images)[-1])
    assert Lite0(head=False).eval()(images).shape[1] == 320
    assert Lite0(stem_stride=1).eval()(images).shape[2:] == (4, 4)


def test_published_weights_are_matched_by_order() -> None:
    trunk, wide = Lite0(), Lite0(12)
    state = published(trunk)
    trunk.load_imagenet(state)
    assert all((v == 0.5).all() for n, v in trunk.state_dict().items() if v.is_floating_point())
    stem = wide.stem[0].weight.clone()
    wide.load_imagenet(state)
    assert torch.equal(wide.stem[0].weight, stem)
    with pytest.raises(ValueError, match="not the weights"):
        trunk.load_imagenet({"_0": torch.zeros(1)})
    with pytest.raises(ValueError, match="another shape"):
        trunk.load_imagenet({**state, "_6": torch.zeros(1)})


def test_the_rgb_net_accepts_pictures_of_any_size() -> None:
    net = RgbNet(enlarge=1.5).eval()
    pixels = torch.rand(4, 3, 64, 64)
    net.initialise(pixels, torch.zeros(4, 10))
    assert torch.allclose(net.mean, pixels.mean(dim=(0, 2, 3)))
    assert net(pixels).shape == (4, 10)
    assert net(torch.rand(1, 3, 96, 128)).shape == (1, 10)
    assert sum(p.numel() for p in net.parameters()) < 5_000_000


def test_scores_averaged_over_all_symmetries_do_not_depend_on_the_orientation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, pixels = RgbNet(symmetries=8).eval(), torch.rand(2, 3, 64, 64)
    # A trunk that uses one pixel only; an untrained one hardly distinguishes pictures.
    place = torch.zeros(64, 64)
    place[3, 17] = 4096.0
    monkeypatch.setattr(
        net, "maps", lambda images: (images[:, :1] * place).expand(-1, 1280, 64, 64)
    )
    turned = symmetry(pixels, 5)
    assert torch.allclose(net(turned), net(pixels), atol=1e-4)
    net.symmetries = 1
    expected = net.classifier(pixels[:, :1, 3, 17].expand(-1, 1280))
    assert torch.allclose(net(pixels), expected, atol=1e-4)
    assert not torch.allclose(net(turned), net(pixels), atol=1e-2)


def test_the_maps_of_all_symmetries_have_the_orientation_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, pixels = RgbNet(symmetries=8).eval(), torch.rand(1, 3, 64, 64)
    monkeypatch.setattr(net, "maps", lambda images: images[:, :1].expand(-1, 1280, 64, 64))
    seen: list[torch.Tensor] = []
    net.cam_layer.register_forward_hook(lambda _, __, maps: seen.append(maps))
    net(pixels)
    assert len(seen) == 1
    assert torch.allclose(seen[0][0, 7], pixels[0, 0], atol=1e-6)


def test_dense_scores_of_one_window_of_a_picture_are_those_of_the_picture() -> None:
    net = registry.default().load("eurosat-rgb", "cpu").net
    reflectance = samples.read_sample("austria-fields").data[[3, 2, 1], :64, :79]
    pixels = torch.from_numpy(reflectance).mul(3).clamp(0, 1)[None]
    with torch.inference_mode():
        dense = net.dense(pixels)
        assert dense.shape == (1, 10, 1, 1)
        torch.testing.assert_close(dense[..., 0, 0], net(pixels[..., :64]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("turn", sampled(range(1, 8), [1, 6]))
def test_a_rotated_picture_has_the_rotated_windows(turn: int) -> None:
    net, pixels = RgbNet(enlarge=2.0, symmetries=8).eval(), torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        whole = net.dense(pixels)
        assert whole.shape == (1, 10, 1, 3)
        turned = net.dense(symmetry(pixels, turn))
        torch.testing.assert_close(turned, symmetry(whole, turn), rtol=1e-3, atol=1e-4)


def test_pictures_without_whole_windows_are_refused() -> None:
    with pytest.raises(BadInput, match="smaller than one window"):
        RgbNet(enlarge=2.0).eval().dense(torch.rand(1, 3, 64, 63))
    with pytest.raises(BadInput, match="does not have a whole number of cells in 64 pixels"):
        RgbNet(enlarge=1.5).eval().dense(torch.rand(1, 3, 64, 64))


def test_an_inflated_net_uses_only_the_visible_bands_before_training() -> None:
    trunk = Lite0(head=False)
    net = SpectralLite(spectral=0, **TAPS).eval()
    missing = net.load_state_dict(
        inflate({f"trunk.{k}": v for k, v in trunk.state_dict().items()}), strict=False
    ).missing_keys
    assert not any(name.startswith("trunk.") for name in missing)
    pixels = torch.rand(2, 12, 48, 48)
    before = net.trunk.stem(net.bands(pixels))
    pixels[:, [b for b in range(12) if b not in VISIBLE]] = 0.3
    assert torch.allclose(net.trunk.stem(net.bands(pixels)), before, atol=1e-5)
    pixels[:, VISIBLE[0]] = 0.3
    assert not torch.allclose(net.trunk.stem(net.bands(pixels)), before, atol=1e-2)


@pytest.mark.parametrize("side", [48, 120])
def test_a_patch_is_the_average_of_its_cells(side: int) -> None:
    net = SpectralLite(**TAPS).eval()
    pixels = torch.rand(2, 12, side, side)
    cells = net.cells(net.bands(pixels))
    assert cells.shape[2:] == (side // 8, side // 8)
    assert torch.allclose(net.classify(cells.mean(dim=(2, 3))), net(pixels), atol=1e-5)


def test_band_dropout_keeps_the_visible_bands() -> None:
    torch.manual_seed(0)
    net = SpectralLite(spectral=0, band_dropout=0.99, dropout=0.0, **TAPS)
    net.initialise(torch.rand(8, 12, 48, 48), torch.rand(8, 19))
    seen: list[torch.Tensor] = []
    net.trunk.stem.register_forward_pre_hook(lambda _net, given: seen.append(given[0]))
    net.train()(torch.rand(8, 12, 48, 48))
    lost = [b for b in range(12) if (seen[0][:, b] == 0).all()]
    assert lost
    assert not set(lost) & set(VISIBLE)


def test_label_sets_exclude_what_never_occurs_and_add_classes_that_always_do() -> None:
    a, b, c = CLASS_NAMES[:3]
    net = from_counts(count_label_sets([[a, b]] * 6 + [[a]] * 5 + [[c]] * 9 + [[b, c]] * 4))
    assert len(net.members) == 3
    logits = torch.full((1, len(CLASS_NAMES)), -4.0)
    logits[0, 1] = 3.0
    probability = net(logits).sigmoid()[0]
    assert probability[0] > 0.5, "b only occurs with a"
    assert probability[2] < 0.1
    assert probability[3:].max() < 1e-5
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(50 * logits), net(50 * logits).float())
        assert net(50 * logits).isfinite().all()
    stronger = LabelSets(3, strength=1.0)
    stronger.load_state_dict(net.state_dict())
    assert not torch.equal(stronger(logits), net(logits))
    with pytest.raises(ValueError, match="5 patches"):
        from_counts(count_label_sets([[a]]))


def test_the_excess_of_a_label_set_is_over_independent_classes() -> None:
    a, b = CLASS_NAMES[:2]
    net = from_counts(count_label_sets([[a]] * 10 + [[b]] * 10))
    # Half of all patches each; if the classes were independent, a alone would be a quarter.
    assert torch.allclose(net.excess, torch.full((2,), math.log(0.5 / 0.25)), atol=1e-3)


def test_a_mosaic_averages_the_parts_that_were_joined() -> None:
    torch.manual_seed(0)
    options = {"taught": [TAUGHT], "lites": [TAPS, TAPS], "shares": [3, 1, 1], "sets": 2}
    mosaic = nets.build("mosaic", **options)
    assert isinstance(mosaic, Mosaic)
    taught = TaughtNet(**TAUGHT).eval()
    lites = [SpectralLite(**TAPS).eval() for _ in range(2)]
    prior = from_counts(count_label_sets([CLASS_NAMES[:1]] * 5 + [CLASS_NAMES[1:3]] * 5))
    join(mosaic, [taught], lites, prior)
    pixels = torch.rand(2, 12, 48, 48)
    views = [lites[k](symmetry(pixels, w)) for k, w in ((0, 0), (0, 4), (1, 1), (1, 5))]
    expected = prior(0.6 * taught(pixels) + 0.4 * torch.stack(views).mean(dim=0))
    assert torch.allclose(mosaic(pixels), expected, atol=1e-4)
    moments = [view.moments() for view in mosaic.views(pixels)]
    assert torch.allclose(mosaic.scores_from(moments), expected, atol=1e-4)


def test_a_mosaic_without_prior_gives_mean_logits() -> None:
    mosaic = Mosaic(taught=[TAUGHT], lites=[TAPS], shares=[1.0, 0.0]).eval()
    pixels = torch.rand(2, 12, 48, 48)
    assert torch.allclose(mosaic(pixels), mosaic.taught[0](pixels))


def test_a_mosaic_needs_a_part_and_a_share_for_each() -> None:
    for options in (
        {"shares": []},
        {"taught": [TAUGHT], "shares": [0.5, 0.5]},
        {"taught": [TAUGHT], "shares": [0.0]},
        {"taught": [TAUGHT, TAUGHT], "shares": [1.0, -0.5]},
    ):
        with pytest.raises(ValueError, match="share"):
            Mosaic(**options)


def test_dense_scores_of_one_window_of_the_shipped_mosaic_are_those_of_the_patch() -> None:
    model = registry.default().load("landcover-mosaic", "cpu")
    pixels = model.tensor(samples.read_sample("finland-lake"))[None]
    with torch.inference_mode():
        dense = model.net.dense(pixels)
        assert dense.shape == (1, len(CLASS_NAMES), 1, 1)
        assert torch.allclose(dense[:, :, 0, 0], model.net(pixels), atol=1e-3)


def test_windows_of_an_area_are_close_to_patches_cut_out() -> None:
    model = registry.default().load("landcover-mosaic", "cpu")
    names = ("finland-lake", "austria-fields", "portugal-hills", "finland-snow")
    four = [model.tensor(samples.read_sample(name)) for name in names]
    area = torch.cat([torch.cat(four[:2], dim=2), torch.cat(four[2:], dim=2)], dim=1)[None]
    with torch.inference_mode():
        dense = model.net.dense(area, step=24).sigmoid()
        assert dense.shape[2:] == (6, 6)
        alone = model.net(torch.stack(four)).sigmoid()
    # Pixels beyond a window's edge change the scores, but less than another place does.
    for k, (row, column) in enumerate(((0, 0), (0, 5), (5, 0), (5, 5))):
        apart = (dense[0, :, row, column] - alone).abs().mean(dim=1)
        assert apart[k] < 0.05
        assert apart[k] == apart.min()


@pytest.mark.parametrize("turn", sampled(range(1, 8), [5]))
def test_a_rotated_area_has_the_rotated_windows(turn: int) -> None:
    net = Mosaic(lites=[TAPS], shares=[1.0], symmetries=8).eval()
    area = torch.rand(1, 12, 144, 192) * 0.4
    with torch.inference_mode():
        # 24 and 72 pixels are left for windows: the rest beyond a multiple of 16 is cut off.
        straight = net.dense(area, step=16)
        assert straight.shape[2:] == (2, 5)
        fitting = area[:, :, :136, :184]
        answers = [
            undo_symmetry(net.lites[0].dense(symmetry(fitting, which), 16), which)
            for which in range(8)
        ]
        assert torch.allclose(straight, torch.stack(answers).mean(dim=0), atol=1e-4)
        turned = net.dense(symmetry(area[:, :, :120, :168], turn), step=24)
        whole = net.dense(area[:, :, :120, :168], step=24)
        assert torch.allclose(turned, symmetry(whole, turn), atol=1e-3)


def test_dense_refuses_other_steps_and_small_areas() -> None:
    net = SpectralLite(**TAPS).eval()
    with pytest.raises(BadInput, match="multiples of 8"):
        net.dense(torch.rand(1, 12, 120, 120), step=12)
    with pytest.raises(BadInput, match="smaller than one window"):
        net.dense(torch.rand(1, 12, 120, 96))
