"""What each cell of a map depends on, compared with gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from landcover.nets.symmetry import symmetry, undo_symmetry
from landcover.nets.tracing import Tracer

SIDE = 48
CHAINS: dict[str, Callable[[Tensor], Tensor]] = {
    "convolutions": lambda x: conv(conv(x, 3, 2), 5, 1),
    "dilation": lambda x: conv(x, 3, 1, dilation=3),
    "no padding": lambda x: F.conv2d(x, torch.ones(1, 1, 4, 4), stride=2),
    "padding by name": lambda x: F.conv2d(x, torch.ones(1, 1, 3, 3), padding="same"),
    "pooling": lambda x: F.max_pool2d(F.avg_pool2d(x, 2), 3, 2, 1),
    "repetition": lambda x: conv(F.interpolate(F.avg_pool2d(x, 6), scale_factor=3.0), 3, 2),
    "interpolation": lambda x: conv(F.interpolate(x, scale_factor=2.0, mode="bilinear"), 3, 2),
    "reduction by interpolation": lambda x: F.interpolate(x, size=(36, 36), mode="bilinear"),
    "mirrored edges": lambda x: conv(F.pad(x, (4, 4, 4, 4), mode="reflect"), 3, 1)[:, :, 4:44],
    "zeros around": lambda x: conv(F.pad(x, (1, 2, 1, 2)), 4, 2),
    "every second row": lambda x: conv(x, 3, 1)[:, :, 1::2, ::2] + conv(x, 5, 2),
    "two branches": lambda x: torch.cat((conv(x, 7, 2), F.avg_pool2d(x, 2)), dim=1),
    "skip": lambda x: x + conv(conv(x, 3, 1), 3, 1),
    "shares of channels": lambda x: torch.cat((conv(x, 3, 1), x), 1).softmax(dim=1)[:, :1],
    "other order of axes": lambda x: (
        conv(x, 3, 1).permute(0, 2, 3, 1) @ torch.ones(1, 2)
    ).transpose(1, 3),
    "matrix product": lambda x: F.linear(conv(x, 3, 2).permute(0, 2, 3, 1), torch.ones(4, 1)),
    "lengths of vectors": lambda x: F.normalize(torch.cat((conv(x, 5, 2), 1 - conv(x, 3, 2)), 1)),
    "stacked": lambda x: torch.stack((x, conv(x, 3, 1))).mean(dim=0),
    "summed over channels": lambda x: conv(x, 3, 1).sum(dim=1),
    "another shape": lambda x: conv(x, 3, 1).view(1, 1, 1, SIDE, SIDE).squeeze(0),
    "chosen channels": lambda x: torch.cat((x, conv(x, 5, 1)), 1)[:, [1]],
    "in place": lambda x: conv(x, 3, 1).clone().add_(1).mul_(2),
}


def conv(x: Tensor, kernel: int, stride: int, dilation: int = 1) -> Tensor:
    weight = torch.ones(1, x.shape[1], kernel, kernel)
    return F.conv2d(x, weight, None, stride, dilation * (kernel // 2), dilation)


def by_gradient(run: Callable[[Tensor], Tensor], rows_at: int, row: int) -> tuple[int, int]:
    """First and last row of the input on which the middle of an output's row depends."""
    # Different values, so that a maximum is one pixel; all windows are tried by several of them.
    found: list[int] = []
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        pixels = torch.rand(1, 1, SIDE, SIDE, generator=generator).requires_grad_()
        run(pixels).select(rows_at, row).sum().backward()
        assert pixels.grad is not None
        found += pixels.grad[0, 0].abs().sum(dim=1).nonzero().flatten().tolist()
    return min(found), max(found)


@pytest.mark.parametrize("chain", CHAINS)
def test_cells_depend_on_the_pixels_that_have_a_gradient(chain: str) -> None:
    run = CHAINS[chain]
    pixels = torch.zeros(1, 1, SIDE, SIDE)
    with torch.inference_mode(), Tracer() as tracer:
        tracer.begin(pixels, 7)
        out = run(pixels)
        trace = tracer.of(out)
    assert trace is not None
    assert trace.sources == {7}
    assert trace.rows is not None
    reach, tested = trace.rows.reach, 0
    for row in range(0, out.shape[trace.rows.dim], 4):
        if reach.last[row] < SIDE - 8:  # the traced axis is longer than these pixels
            expected = by_gradient(run, trace.rows.dim, row)
            assert (max(reach.first[row], 0), reach.last[row]) == expected
            tested += 1
    assert tested > 2


@pytest.mark.parametrize(
    "run",
    [
        lambda x: conv(x, 3, 1).mean(dim=(2, 3)),
        lambda x: conv(x, 3, 1).flatten(1) @ torch.ones(SIDE * SIDE, 2),
        lambda x: x.flatten(2).sort(dim=-1).values,
        lambda x: x * x.mean(dim=(2, 3), keepdim=True),
        lambda x: F.layer_norm(x, (SIDE, SIDE)),
        lambda x: F.adaptive_avg_pool2d(x, 4),
        torch.linalg.inv,
        lambda x: x.flatten(2) @ x.flatten(2).transpose(1, 2),
    ],
)
def test_what_mixes_all_pixels_depends_on_all(run: Callable[[Tensor], Tensor]) -> None:
    pixels = torch.eye(SIDE).view(1, 1, SIDE, SIDE)
    with torch.inference_mode(), Tracer() as tracer:
        tracer.begin(pixels, 7)
        trace = tracer.of(run(pixels))
    assert trace is not None
    assert trace.sources == {7}
    assert trace.field is None


@pytest.mark.parametrize("turn", range(8))
def test_symmetries_move_what_a_cell_depends_on(turn: int) -> None:
    def run(x: Tensor) -> Tensor:
        return undo_symmetry(F.conv2d(symmetry(x, turn), torch.ones(1, 1, 5, 3)), turn)

    pixels = torch.zeros(1, 1, SIDE, SIDE)
    with torch.inference_mode(), Tracer() as tracer:
        tracer.begin(pixels, 0)
        trace = tracer.of(run(pixels))
    assert trace is not None
    assert trace.rows is not None
    assert trace.columns is not None
    widths = (trace.rows.reach.width, trace.columns.reach.width)
    assert widths == ((3, 5) if turn >= 4 else (5, 3))
    assert (trace.rows.dim, trace.columns.dim) == (-2, -1)


def test_a_constant_depends_on_no_pixel() -> None:
    pixels = torch.zeros(1, 1, SIDE, SIDE)
    with torch.inference_mode(), Tracer() as tracer:
        tracer.begin(pixels, 0)
        assert tracer.of(torch.ones(2, 2) * 3) is None
        assert not tracer.looked
        assert tracer.of(torch.ones(1) * pixels) is not None
        assert tracer.looked
