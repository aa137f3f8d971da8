"""The lean net for maps of areas."""

from __future__ import annotations

import pytest
import torch

from landcover.nets.area import AreaNet


@pytest.fixture
def net() -> AreaNet:
    torch.manual_seed(0)
    return AreaNet(stem=8, widths=[12, 16], blocks=[1, 1], covers=3, features=6).eval()


def test_one_pass_gives_the_classes_and_the_teachers_answers_at_40_m(net: AreaNet) -> None:
    pixels = torch.rand(2, 12, 48, 72) * 0.3
    classes, covers, features = net.taught(pixels)
    assert torch.allclose(classes, net(pixels), atol=1e-5)
    assert covers.shape == (2, 3, 12, 18)
    assert features.shape == (2, 6, 12, 18)


def test_the_scores_depend_on_moments_of_the_maps(net: AreaNet) -> None:
    pixels = torch.rand(2, 12, 120, 120) * 0.3
    (view,) = net.views(pixels)
    moments = view.moments()
    assert torch.allclose(net.scores_from([moments]), net(pixels), atol=1e-4)
    found, wanted = net.output_from([moments]), net.read(pixels)
    assert torch.allclose(found.features, wanted.features, atol=1e-3)
    assert torch.allclose(net.dense(pixels)[:, :, 0, 0], net(pixels), atol=1e-4)


def test_cells_do_not_see_what_lies_far_away(net: AreaNet) -> None:
    pixels = torch.rand(1, 12, 240, 240) * 0.3
    other = pixels.clone()
    other[:, :, :, 168:] = 0.9
    near, far = (net.cells(net.bands(each)) for each in (pixels, other))
    assert torch.equal(near[..., :15], far[..., :15])
    assert not torch.equal(near[..., 20:], far[..., 20:])


@pytest.mark.parametrize("blocks", [[0, 1], [1, 17]])
def test_a_level_has_1_to_16_blocks(blocks: list[int]) -> None:
    with pytest.raises(ValueError, match="1 to 16 blocks"):
        AreaNet(blocks=blocks)
