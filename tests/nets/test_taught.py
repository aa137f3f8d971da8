"""The net that learns pixel covers from a teacher, and what cell nets share."""

from __future__ import annotations

import torch

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
