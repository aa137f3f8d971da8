"""The estimate of missing bands: conditional means of a mixture, on the native grids."""

from __future__ import annotations

import pytest
import torch

from landcover.core.bands import BAND_NAMES
from landcover.io.samples import read_sample, samples
from landcover.models import band_mixture
from landcover.nets.estimated_bands import BandEstimate, Mixture
from landcover.nets.reflectance import DARKEST, log_reflectance

SUBSETS = (
    ("B02", "B03", "B04"),
    ("B04", "B03", "B02", "B08"),
    ("B02", "B03", "B04", "B8A", "B11", "B12"),
    tuple(name for name in BAND_NAMES if name not in ("B01", "B09")),
)


def estimate(bands: tuple[str, ...], mixture: Mixture | None = None) -> BandEstimate:
    chosen = mixture or band_mixture.load().tensors()
    net = BandEstimate(bands, len(chosen.weights))
    net.fit(chosen)
    return net


def pixels(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 12, 24, 24, generator=torch.Generator().manual_seed(seed)) * 0.4 + 0.02


@pytest.mark.parametrize("bands", SUBSETS)
def test_present_bands_are_kept_and_the_others_lie_on_their_own_grid(
    bands: tuple[str, ...],
) -> None:
    whole = pixels()
    found = estimate(bands)(whole[:, [BAND_NAMES.index(name) for name in bands]])
    assert found.shape == whole.shape
    for name in bands:
        column = BAND_NAMES.index(name)
        torch.testing.assert_close(found[:, column], whole[:, column], rtol=0, atol=0)
    for name, factor in (("B05", 2), ("B01", 6)):
        if name not in bands:
            band = found[:, BAND_NAMES.index(name)]
            repeated = band[:, ::factor, ::factor].repeat_interleave(factor, 1)
            torch.testing.assert_close(band, repeated.repeat_interleave(factor, 2))


def test_one_gaussian_gives_the_regression_on_the_present_bands() -> None:
    random = torch.Generator().manual_seed(1)
    factor = torch.randn(12, 12, generator=random, dtype=torch.float64) / 5
    one = Mixture(
        weights=torch.ones(1, dtype=torch.float64),
        means=torch.full((1, 12), -2.0, dtype=torch.float64),
        covariances=(factor @ factor.T + 0.01 * torch.eye(12))[None],
    )
    bands = tuple(name for name in BAND_NAMES if name != "B08")
    columns = [BAND_NAMES.index(name) for name in bands]
    present = pixels()[:, columns]
    covariance, lost = one.covariances[0], BAND_NAMES.index("B08")
    slope = torch.linalg.solve(covariance[columns][:, columns], covariance[columns, lost])
    logs = log_reflectance(present.clone()).double() + 2.0
    expected = (torch.einsum("nbyx,b->nyx", logs, slope) - 2.0).exp() - DARKEST
    torch.testing.assert_close(
        estimate(bands, one)(present)[:, lost].double(), expected, rtol=1e-4, atol=1e-4
    )


def test_the_estimate_is_near_the_measured_bands_of_real_patches() -> None:
    """On the samples, near infrared from red edge and shortwave infrared from all other bands."""
    for lost, most in (("B8A", 0.03), ("B05", 0.02), ("B12", 0.06)):
        bands = tuple(name for name in BAND_NAMES if name != lost)
        net = estimate(bands)
        for sample in samples():
            whole = torch.from_numpy(read_sample(sample.name).data.copy())[None]
            found = net(whole[:, [BAND_NAMES.index(name) for name in bands]])
            column = BAND_NAMES.index(lost)
            error = (found[:, column] - whole[:, column]).square().mean().sqrt()
            assert error < most, (sample.name, lost)


def test_gradients_reach_the_present_bands_and_half_precision_changes_nothing() -> None:
    net = estimate(SUBSETS[0])
    given = pixels()[:, [1, 2, 3]].requires_grad_()
    whole = net(given)
    whole.sum().backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    assert torch.isfinite(given.grad).all()
    assert (given.grad != 0).any(dim=(0, 2, 3)).all()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(net(given.detach()), whole.detach())


def test_unknown_bands_are_refused() -> None:
    for bands in ((), ("B10",), ("B02", "B02")):
        with pytest.raises(ValueError, match="not bands of Level-2A"):
            BandEstimate(bands, 1)
