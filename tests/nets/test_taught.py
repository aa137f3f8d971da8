"""The net that learns pixel covers from a teacher, and what cell nets share."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from landcover.nets.taught import TaughtNet

SMALL = {"stem": 8, "widths": [8, 12, 16], "blocks": [1, 1, 1], "covers": 3, "features": 6}


def test_one_pass_gives_the_classes_and_what_the_teacher_would_say() -> None:
    torch.manual_seed(0)
    net = TaughtNet(**SMALL).eval()
    pixels = torch.rand(2, 12, 48, 72) * 0.3
    classes, covers, features = net.taught(pixels)
    assert torch.allclose(classes, net(pixels), atol=1e-5)
    assert covers.shape == (2, 3, 24, 36)
    assert features.shape == (2, 6, 24, 36)


def test_of_squares_all_maps_are_half_as_fine() -> None:
    torch.manual_seed(0)
    net = TaughtNet(**SMALL, shrink=2).eval()
    pixels = torch.rand(2, 12, 120, 120) * 0.3
    classes, covers, features = net.taught(pixels)
    assert torch.allclose(classes, net(pixels), atol=1e-4)
    assert covers.shape == (2, 3, 30, 30)
    assert features.shape == (2, 6, 30, 30)
    (view,) = net.views(pixels)
    assert [each.values.shape[2] for each in view.groups[0]] == [30, 15, 8, 30, 30]
    assert torch.allclose(net.scores_from([view.moments()]), net(pixels), atol=1e-4)
    assert net.cells(net.bands(pixels)).shape[2:] == (15, 15)
    # It sees the means of 2 × 2 pixels only.
    coarse = F.interpolate(F.avg_pool2d(pixels, 2), scale_factor=2.0)
    assert torch.allclose(net(coarse), net(pixels), atol=1e-4)
    with pytest.raises(ValueError, match="sides of 1 or 2"):
        TaughtNet(shrink=3)


def test_mirrored_edges_stand_for_what_lies_around_a_patch() -> None:
    torch.manual_seed(0)
    net = TaughtNet(**SMALL, shrink=2, mirror=32).eval()
    pixels = torch.rand(1, 12, 120, 120) * 0.3
    (view,) = net.views(pixels)
    assert [each.values.shape[2] for each in view.groups[0]] == [30, 15, 8, 30, 30]
    assert torch.allclose(net.scores_from([view.moments()]), net(pixels), atol=1e-4)
    assert torch.allclose(net.taught(pixels)[0], net(pixels), atol=1e-4)
    # The pixels of 20 m beyond an edge are those within it, and none is at it twice.
    around = F.pad(F.avg_pool2d(pixels, 2), (16, 16, 16, 16), mode="reflect")
    cells = net.cells(net.bands(pixels))
    net.in_area()
    wide = net.cells(net.bands(F.interpolate(around, scale_factor=2.0)))
    assert torch.allclose(wide[:, :, 4:19, 4:19], cells, atol=1e-4)
    for edge in (8, 112):
        with pytest.raises(ValueError, match="a multiple of 16 pixels up to 96"):
            TaughtNet(mirror=edge)


def test_the_scores_depend_on_moments_of_the_maps() -> None:
    torch.manual_seed(0)
    net = TaughtNet(**SMALL).eval()
    pixels = torch.rand(2, 12, 48, 48) * 0.3
    (view,) = net.views(pixels)
    assert torch.allclose(net.scores_from([view.moments()]), net(pixels), atol=1e-4)
    assert torch.allclose(
        net.dense(pixels.repeat(1, 1, 3, 3)[:, :, :120, :120])[:, :, 0, 0],
        net(pixels.repeat(1, 1, 3, 3)[:, :, :120, :120]),
        atol=1e-4,
    )


def test_a_statistic_far_from_all_training_patches_does_not_decide_alone() -> None:
    torch.manual_seed(0)
    far = torch.full((1, 12, 48, 48), 1.4)
    spread = {}
    for clip in (None, 2.5):
        net = TaughtNet(**SMALL, clip=clip).eval()
        net.norm.running_var.fill_(1e-6)  # hardly any variation in training
        with torch.inference_mode():
            features = net.read(far).features
        spread[clip] = float(features.abs().max())
    assert spread[2.5] <= 2.5
    assert spread[None] > 100
