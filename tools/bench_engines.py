"""Compare engines for the net of area maps, and sizes of its tiles: docs/areas-speed.md.

``python -m tools.bench_engines`` computes the cells of one tile with one thread, with each engine
in turns, and prints seconds of work for a million pixels of 10 m, without the margin of the tile.
OpenVINO and ONNX Runtime (with onnx) take part if they are installed; the app needs neither.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from landcover.areas.engine import MARGIN, TILE, Engine
from landcover.core.freed_memory import keep_freed_memory
from landcover.models import registry
from landcover.models.devices import supports_bfloat16
from landcover.models.model import Model
from landcover.nets.cell_net import CellNet
from tools.bench_areas import landscape

TURNS: Final = 5
SHRINK: Final = 2
"""Pixels of 10 m along a pixel that the net looks at."""
SIDES: Final = (180, 240, TILE, 480, 720)
"""Sides of tiles, in pixels that the net looks at."""


class _Cells(nn.Module):
    """Reflectance to moments of cells, as one graph."""

    def __init__(self, net: CellNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.cat(list(self.net.cell_parts(self.net.bands(pixels))), dim=1)


def main() -> None:
    """Print all comparisons."""
    torch.set_num_threads(1)
    keep_freed_memory()
    model = registry.default().load("landcover-area", "cpu")
    plain = copy.deepcopy(model.net).eval()
    assert isinstance(plain, CellNet)
    plain.in_area()
    ours = Engine(model, precision="float32", cores=1).net
    assert isinstance(ours, CellNet)
    _engines(model, _Cells(plain).eval(), _Cells(ours).eval(), _in_bfloat16(model))
    runs = {str(side): _run(_Cells(ours).eval(), _pixels(side)) for side in SIDES}
    areas = {str(side): _area(side) for side in SIDES}
    print("our engine by the side of a tile, in pixels that the net looks at")
    _show(_timed(runs), areas)


def _in_bfloat16(model: Model) -> nn.Module | None:
    """Our engine as maps use it where the processor computes bfloat16; None elsewhere."""
    if not supports_bfloat16(model.device):
        return None
    net = Engine(model, precision="bfloat16", cores=1).net
    assert isinstance(net, CellNet)
    return _Cells(net).eval()


def _engines(model: Model, plain: nn.Module, ours: nn.Module, half: nn.Module | None) -> None:
    pixels = _pixels(TILE)
    print(f"{model.card.title}, tiles of {TILE} pixels that the net looks at, one thread")
    runs = {"plain torch, eager": _run(plain, pixels), "ours": _run(ours, pixels)}
    if half is not None:
        runs["ours in bfloat16"] = _run(half, pixels, torch.bfloat16)
    runs |= dict(_others(plain, pixels))
    wanted = torch.as_tensor(runs["plain torch, eager"]())
    scale = float(wanted.abs().max())
    for name, run in runs.items():
        gap = float((torch.as_tensor(run()) - wanted).abs().max()) / scale
        print(f"  {name}: largest difference {gap:.1e} of the largest value")
    _show(_timed(runs), dict.fromkeys(runs, _area(TILE)))


def _others(net: nn.Module, pixels: Tensor) -> Iterator[tuple[str, Callable[[], Any]]]:
    try:
        compiled = torch.compile(net, dynamic=False)
        run = _run(compiled, pixels)
        run()
        yield "torch.compile", run
    except Exception as error:  # noqa: BLE001 - without a compiler there is nothing to compare
        print(f"  torch.compile does not work here: {str(error).splitlines()[0][:80]}")
    if importlib.util.find_spec("openvino"):
        openvino: Any = importlib.import_module("openvino")
        name = f"OpenVINO {openvino.__version__.partition('-')[0]}"
        yield name, _openvino(openvino, net, pixels, "f32")
        if supports_bfloat16(pixels.device):
            yield f"{name} in bfloat16", _openvino(openvino, net, pixels, "bf16")
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        with tempfile.TemporaryDirectory() as folder:
            stored = str(Path(folder) / "net.onnx")
            torch.onnx.export(net, (pixels,), stored, dynamo=False)
            session = onnxruntime.InferenceSession(stored, options)
        name = session.get_inputs()[0].name
        yield (
            f"ONNX Runtime {onnxruntime.__version__}",
            lambda: session.run(None, {name: pixels.numpy()})[0],
        )


def _openvino(openvino: Any, net: nn.Module, pixels: Tensor, precision: str) -> Callable[[], Any]:  # noqa: ANN401 - a module
    graph = openvino.convert_model(net, example_input=pixels)
    graph.reshape(list(pixels.shape))
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()

    def infer() -> Any:  # noqa: ANN401 - an array of NumPy
        return request.infer({0: pixels.numpy()}, share_inputs=True)[0].copy()

    return infer


def _pixels(side: int) -> Tensor:
    whole = SHRINK * side + 2 * MARGIN
    return landscape(whole, whole)[None]


def _area(side: int) -> float:
    """Millions of pixels of 10 m in a tile."""
    return (SHRINK * side) ** 2 / 1e6


def _run(
    net: Callable[[Tensor], Tensor], pixels: Tensor, dtype: torch.dtype = torch.float32
) -> Callable[[], Tensor]:
    def run() -> Tensor:
        half = torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16)
        with torch.inference_mode(), half:
            return net(pixels).float()

    return run


def _timed(runs: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of work of each, in turns."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(TURNS + 1):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            if turn:  # the first one prepares
                found[name].append(time.process_time() - begin)
    return found


def _show(times: dict[str, list[float]], areas: dict[str, float]) -> None:
    for name, own in times.items():
        each = np.array(own) / areas[name]
        print(
            f"  {name}: {statistics.median(each):.2f} s of work for a million pixels "
            f"({each.min():.2f} to {each.max():.2f}, n = {len(each)})",
            flush=True,
        )


if __name__ == "__main__":
    main()
