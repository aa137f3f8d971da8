"""Random filters: whitening, both signs of the responses, and features of an area."""

from __future__ import annotations

import pytest
import torch

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.nets.random_convolution import RandomConvolution
from landcover.train.recipes import reference_fit

SMALL = {"filters": 6, "sides": [3, 5]}


def drawn(**options: object) -> RandomConvolution:
    """Make a net with small random filters, as if they had been fitted."""
    net = nets.build("random-convolution", **{**SMALL, **options})
    assert isinstance(net, RandomConvolution)
    torch.manual_seed(0)
    net.initialise(torch.rand(4, len(net.log_mean), 24, 24), torch.zeros(4, len(CLASS_NAMES)))
    for layer in net.convolutions():
        torch.nn.init.normal_(layer.weight, std=0.1)
        torch.nn.init.normal_(layer.bias, std=0.1)
    return net.eval()


def test_both_signs_of_each_filter_are_averaged_over_the_patch() -> None:
    net, pixels = drawn(), torch.rand(2, 12, 48, 48)
    found = net.features(pixels)
    assert found.shape == (2, 2 * 6 * 2)
    first = net.convolutions()[0](net.images(pixels))
    assert torch.allclose(found[:, :6], first.clamp(min=0).mean(dim=(2, 3)), atol=1e-5)
    assert torch.allclose(found[:, 6:12], (-first).clamp(min=0).mean(dim=(2, 3)), atol=1e-5)
    assert torch.allclose(net(pixels), net.head(found), atol=1e-5)


def test_cells_of_an_area_equal_the_inner_cells_of_its_windows() -> None:
    net, area = drawn(bands=["B04", "B08"]), torch.rand(1, 2, 96, 96)
    whole, window = net.cells(area), net.cells(area[:, :, 16:80, 24:88])
    assert whole.shape == (1, 24, 12, 12)
    assert torch.allclose(whole[:, :, 3:9, 4:10], window[:, :, 1:-1, 1:-1], atol=1e-5)
    assert not torch.allclose(whole[:, :, 2, 3:11], window[:, :, 0], atol=1e-3)


def test_filter_responses_have_a_deviation_of_one_around_the_mean_window() -> None:
    chance = torch.Generator().manual_seed(0)
    mixing = torch.randn(2 * 9, 2 * 9, generator=chance) * 0.6 ** torch.arange(18.0)[:, None]
    windows = (3 + torch.randn(4000, 2 * 9, generator=chance) @ mixing).view(-1, 2, 3, 3)
    layer = torch.nn.Conv2d(2, 20, 3)
    reference_fit.set_filters(layer, windows, chance)
    responses = layer(windows).flatten(1)
    assert responses.mean(dim=0).abs().max() < 1e-3
    assert torch.allclose(responses.std(dim=0), torch.ones(20), atol=1e-3)
    # Without whitening, all windows would respond along the few strong directions.
    raw = torch.nn.functional.conv2d(windows, windows[:20]).flatten(1)
    correlation = [torch.corrcoef(a.T).tril(-1).abs().mean() for a in (responses, raw)]
    assert correlation[0] < 0.6 * correlation[1]


def test_windows_are_cut_out_of_the_images() -> None:
    images = torch.arange(2 * 3 * 20 * 20.0).view(2, 3, 20, 20)
    found = reference_fit.sample_windows(images, 5, torch.Generator().manual_seed(0))
    assert found.shape == (2 * reference_fit.WINDOWS, 3, 5, 5)
    corner = found[:, 0, 0, 0].long()
    image, row, column = corner // 1200, corner % 1200 // 20, corner % 20
    assert image.tolist() == sorted(image.tolist())
    assert len(set(corner.tolist())) > reference_fit.WINDOWS
    k = 77
    expected = images[image[k], :, row[k] : row[k] + 5, column[k] : column[k] + 5]
    assert torch.equal(found[k], expected)


@pytest.mark.parametrize("options", [{"filters": 0}, {"sides": []}, {"sides": [4]}])
def test_impossible_filter_sizes_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="filters of sides"):
        RandomConvolution(**{**SMALL, **options})
