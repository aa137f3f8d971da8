"""Images a second of every architecture: ours compared with a plain loop in the same run.

The plain loop is a simple first version: PyTorch's defaults, float32, batches of 32 from a
``DataLoader``. Both run in turns, so that a machine whose speed drifts favours neither, and each
turn gives one ratio. A ratio is only valid at equal metrics: each line also states how much
probabilities change and, if BigEarthNet is available, average precision.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from landcover import nets
from landcover.core.classes import CLASS_NAMES
from landcover.datasets.arrays import NativeStore
from landcover.datasets.band_subset import select_bands as bands_of
from landcover.datasets.bigearthnet import open_v2
from landcover.io.samples import NAMES, native, samples
from landcover.metrics.scores import average_precision, counted_classes
from landcover.models import registry
from landcover.models.inference import Scorer
from landcover.nets.symmetry import symmetry
from landcover.train import loop
from landcover.train.configuration import TrainConfig
from landcover.train.optimisation import loss_of

BATCH: Final = 32
TURNS: Final = 3
TARGETS: Final = {"train": "target ≥ 2", "infer": "target ≥ 3"}
BIGEARTHNET: Final = Path(__file__).parents[2] / "shared" / "data" / "bigearthnet"
TRAINED: Final[dict[str, TrainConfig]] = {
    "trigrid": TrainConfig(net="trigrid", batch=100),
    "spectral-lite0": TrainConfig(net="spectral-lite0", net_options={"taps": [2, 4]}),
    "taught": TrainConfig(net="taught"),
    "lite0": TrainConfig(net="lite0"),
    "resnet-18": TrainConfig(net="resnet", net_options={"depth": 18}),
    "resnet-50": TrainConfig(net="resnet", net_options={"depth": 50}),
    "rgb-lite0": TrainConfig(net="rgb-lite0", batch=64, loss="softmax"),
}
"""Every architecture that is trained by gradient descent, with the batch size of its recipe. The
plain loop trains each with a batch of 32. A mosaic is joined from nets trained separately."""
UNTRAINED: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "trigrid": ("trigrid", {}),
    "spectral-lite0": ("spectral-lite0", {"taps": [2, 4]}),
    "taught": ("taught", {}),
    "rgb-lite0": ("rgb-lite0", {}),
    "lite0": ("lite0", {}),
    "resnet-18": ("resnet", {"depth": 18}),
    "resnet-50": ("resnet", {"depth": 50}),
    "random-convolution": ("random-convolution", {}),
    "mosaic": (
        "mosaic",
        {"taught": [{}, {}], "lites": [{"taps": [2, 4]}], "shares": [0.5, 0.3, 0.2]},
    ),
}
"""Architectures to measure if no registered model has them: speed does not depend on training."""


@dataclass(frozen=True)
class Pictures:
    """The centres of patches in red, green and blue, as large as a EuroSAT picture."""

    patches: NativeStore
    targets: Tensor

    @property
    def ids(self) -> tuple[str, ...]:
        """A name for each picture."""
        return self.patches.ids

    def __len__(self) -> int:
        return len(self.patches)

    def pixels(self, indices: Any) -> Tensor:  # noqa: ANN401 - as in PatchSet
        """Brightness ``(n, 3, 64, 64)``, 0 to 1."""
        return pictures_of(self.patches.pixels(indices))


def train_speed() -> None:
    """Print training images a second: our loop and a plain eager float32 loop."""
    store = _store(128)
    print(f"training, {BATCH} in a plain batch; precision of ours: auto")
    for name, config in TRAINED.items():
        patches: NativeStore | Pictures = store
        if config.net == "rgb-lite0":
            classes = torch.arange(len(store)) % 10
            patches = Pictures(store, F.one_hot(classes, 10).float())
        run = loop.Run(config, patches)
        _report(
            f"train {name}", _Ours(run, config.batch), _Plain(config, patches), TARGETS["train"], ""
        )


class _Ours:
    """Our training loop, a few steps at a time."""

    def __init__(self, run: loop.Run, batch: int) -> None:
        self.run, self.batch = run, batch
        self.losses = self._endless()
        next(self.losses)  # the first step is the warm-up

    def _endless(self) -> Iterator[float]:
        while True:
            yield from self.run.steps()

    def __call__(self) -> float:
        """Images a second."""
        steps = max(2, 128 // self.batch)
        per_step = len(self.run.train_set) / self.run.loader.steps_per_epoch
        begin = time.perf_counter()
        for _ in range(steps):
            next(self.losses)
        return steps * per_step / (time.perf_counter() - begin)


class _AugmentedPatches(TorchDataset[tuple[Tensor, Tensor]]):
    """Read and augment one patch at a time, on access."""

    def __init__(self, patches: NativeStore | Pictures) -> None:
        self.patches = patches

    def __len__(self) -> int:
        return len(self.patches)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        pixels = symmetry(self.patches.pixels([index])[0], int(torch.randint(0, 8, ())))
        gain = torch.exp(0.06 * torch.randn(1) + 0.03 * torch.randn(len(pixels), 1, 1))
        return (pixels * gain).contiguous(), self.patches.targets[index]


class _Plain:
    """A plain training loop with the same net, loss, optimiser and moving average."""

    def __init__(self, config: TrainConfig, patches: NativeStore | Pictures) -> None:
        torch.manual_seed(0)
        self.loss = loss_of
        self.kind = config.loss
        self.net: nn.Module = nets.build(config.net, **config.net_options).train()
        self.average: nn.Module = nets.build(config.net, **config.net_options)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=1e-3, weight_decay=0.05)
        self.patches = patches
        self._step(*next(iter(self._loader())))

    def _loader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(_AugmentedPatches(self.patches), BATCH, shuffle=True, drop_last=True)

    def __call__(self, steps: int = 3) -> float:
        """Images a second."""
        begin, done = time.perf_counter(), 0
        for pixels, targets in self._loader():
            self._step(pixels, targets)
            done += 1
            if done == steps:
                break
        return done * BATCH / (time.perf_counter() - begin)

    def _step(self, pixels: Tensor, targets: Tensor) -> None:
        loss = self.loss(self.kind, self.net(pixels), targets)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        with torch.no_grad():
            states = (self.average.state_dict().values(), self.net.state_dict().values())
            for old, new in zip(*states, strict=True):
                if old.is_floating_point():
                    old.mul_(0.99).add_(new, alpha=0.01)


def infer_speed(count: int = 96) -> None:
    """Print inference images a second: the fast path and a plain loop, with their metrics."""
    store = open_v2(BIGEARTHNET).load("validation") if BIGEARTHNET.is_dir() else _store(len(NAMES))
    print(f"inference of {count} images; equal metrics on {_origin(store)}")
    measured = set()
    for name in registry.default().names():
        model = registry.default().load(name, "cpu")
        measured.add(model.card.net + str(model.card.net_options.get("depth", "")))
        _infer(name, model.net, _input(store, model.card.bands, model.card.level), store, count)
    for name, (kind, options) in UNTRAINED.items():
        if kind + str(options.get("depth", "")) not in measured:
            torch.manual_seed(0)
            net = nets.build(kind, **options).eval().requires_grad_(requires_grad=False)
            level = "RGB" if kind == "rgb-lite0" else "L2A"
            _infer(f"{name} (untrained)", net, _input(store, None, level), store, count)


def _input(store: NativeStore, bands: tuple[str, ...] | None, level: str) -> Tensor:
    """Return the input of a net for every patch of a store."""
    rows = range(len(store))
    if level == "RGB":
        return pictures_of(store.pixels(rows))
    return store.pixels(rows) if bands is None else bands_of(store, bands).pixels(rows)


def _infer(name: str, net: nn.Module, pixels: Tensor, store: NativeStore, count: int) -> None:
    some = pixels[torch.arange(count) % len(pixels)]
    scorer = Scorer(net, some[:2])

    def plain(images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([net(part) for (part,) in DataLoader(TensorDataset(images), BATCH)])

    def per_second(run_images: Callable[[Tensor], Tensor]) -> Callable[[], float]:
        def turn() -> float:
            begin = time.perf_counter()
            run_images(some)
            return count / (time.perf_counter() - begin)

        return turn

    note = f"{scorer.precision}, {_difference(plain(pixels), scorer(pixels), store)}"
    _report(f"infer {name}", per_second(scorer), per_second(plain), TARGETS["infer"], note)


def _difference(plain: Tensor, fast: Tensor, store: NativeStore) -> str:
    """Describe how far probabilities and average precision of both paths differ."""
    if plain.shape[1] != len(CLASS_NAMES):
        change = (plain.softmax(dim=1) - fast.softmax(dim=1)).abs().max()
        same = (plain.argmax(dim=1) == fast.argmax(dim=1)).float().mean()
        return f"max |Δp| {float(change):.1e}, same class {float(same):.1%}"
    truth = store.targets.numpy().astype(bool)
    classes = counted_classes(truth)
    each = [
        (
            float(np.mean([average_precision(truth[:, k], p[:, k]) for k in classes])),
            average_precision(truth, p),
        )
        for p in (plain.sigmoid().numpy(), fast.sigmoid().numpy())
        if len(classes)
    ]
    change = (plain.sigmoid() - fast.sigmoid()).abs().max()
    note = f"max |Δp| {float(change):.1e}"
    if each:
        macro, micro = np.subtract(each[1], each[0])
        note += f", ΔAP macro {macro:+.1e} micro {micro:+.1e}"
    return note


def _report(
    what: str, ours: Callable[[], float], plain: Callable[[], float], target: str, note: str
) -> None:
    """Measure both in turns and print one line."""
    pairs = [(ours(), plain()) for _ in range(TURNS)]
    ratios = [a / b for a, b in pairs]
    a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
    tail = f"; {note}" if note else ""
    print(
        f"{what}: {a:.4g} images/s, plain {b:.4g}, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}, n = {len(ratios)}, {target}){tail}",
        flush=True,
    )


def pictures_of(patches: Tensor) -> Tensor:
    """Return the centre of patches ``(n, 12, 120, 120)`` as pictures ``(n, 3, 64, 64)``, 0 to 1."""
    middle = patches[:, [3, 2, 1], 28:92, 28:92]
    return (middle / 0.3).clamp(0.0, 1.0)


def _origin(store: NativeStore) -> str:
    here = "validation patches of BigEarthNet" if BIGEARTHNET.is_dir() else "bundled samples"
    return f"{len(store)} {here}"


def _store(count: int) -> NativeStore:
    """Return the six real samples, repeated: speed does not depend on the pixel values."""
    natives = [native(NAMES[i % len(NAMES)]) for i in range(count)]
    truth = {sample.name: sample.truth for sample in samples()}
    targets = torch.tensor(
        [
            [float(label in truth[NAMES[i % len(NAMES)]]) for label in CLASS_NAMES]
            for i in range(count)
        ]
    )
    return NativeStore(
        g10=np.stack([item.g10 for item in natives]),
        g20=np.stack([item.g20 for item in natives]),
        g60=np.stack([item.g60 for item in natives]),
        targets=targets,
        ids=tuple(f"{item.name}-{i}" for i, item in enumerate(natives)),
        countries=("",) * count,
    )


def show(what: str, values: list[float], unit: str, target: str = "") -> None:
    """Print the median and range of a measurement."""
    low, middle, high = min(values), statistics.median(values), max(values)
    tail = f"  ({target})" if target else ""
    print(
        f"{what}: median {middle:.3g} {unit}, {low:.3g} to {high:.3g}, n = {len(values)}{tail}",
        flush=True,
    )


if __name__ == "__main__":
    train_speed()
    infer_speed()
