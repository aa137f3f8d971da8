"""The comparison of recipes for EuroSAT on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from landcover.nets.efficientnet_lite0 import Depthwise
from tools.research.eurosat_recipes import Small, main


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_small_maps_are_convolved_as_by_torch(side: int, kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    ours = Small(6, 6, kernel, stride, kernel // 2, groups=6, bias=False)
    theirs = Depthwise(6, 6, kernel, stride, kernel // 2, groups=6, bias=False)
    theirs.load_state_dict(ours.state_dict())

    def results(net: Depthwise) -> tuple[Tensor, Tensor, Tensor]:
        maps = torch.arange(18.0 * side * side).sin().reshape(3, 6, side, side).requires_grad_()
        found = net(maps)
        (found * torch.arange(found.numel()).view_as(found).cos()).sum().backward()
        assert maps.grad is not None
        assert net.weight.grad is not None
        return found.detach(), maps.grad, net.weight.grad

    for one, other in zip(results(ours), results(theirs), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_table_compares_on_the_folds_that_both_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = np.arange(20) % 10
    right, wrong = np.eye(10)[truth], np.eye(10)[(truth + 1) % 10]
    half = np.where(np.arange(20)[:, None] < 10, right, wrong)
    cell = np.array(["48,16", "38,-2"]).repeat(10)
    for name, logits in (("shipped-0", right), ("shipped-1", wrong), ("colour-0", half)):
        np.savez(tmp_path / f"{name}.npz", logits=logits, truth=truth, cell=cell)
    assert main([str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("colour: folds 0.5000; on [0], 20 pictures in 2 cells: 0.5000")
    assert "above shipped -0.5000 [-1.0000, 0.0000]" in told[0]
    assert told[2].startswith("shipped: folds 1.0000 0.0000; on [0, 1], 40 pictures")
