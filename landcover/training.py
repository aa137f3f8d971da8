"""Training: one loop that fits any of our nets, and goes on exactly where it was killed.

The loop is :func:`train`; everything else here serves it. The weights that are kept
are an exponential moving average of the trained ones: on a few hundred patches single
steps are noisy, and their average generalises better.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from landcover import nets
from landcover.augment import Augmentation
from landcover.datasets.store import PatchSet
from landcover.devices import knows_bfloat16, pick_device
from landcover.errors import BadInput, UnknownName
from landcover.metrics import average_precision, counted_classes

CHECKPOINT_FILE: Final = "checkpoint.pt"
CONFIG_FILE: Final = "config.json"
HISTORY_FILE: Final = "history.csv"
STATISTICS_PATCHES: Final = 512
"""Patches from which the normalisation is estimated; 512 hold 7 million pixels a band."""

Precision = Literal["auto", "float32", "bfloat16"]
Metric = Literal["last", "loss", "macro_ap", "micro_ap", "mean_ap", "accuracy"]
Loss = Literal["multilabel", "softmax"]
AUGMENTED_AT_ONCE: Final = 32
"""Patches augmented together: 22 MB, which the allocator reuses. Larger blocks are
returned to the system and cost a page fault every 4 kB when they are next asked for."""
State = dict[str, Tensor]
Progress = Callable[["Epoch"], None]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides what a run yields, save the data.

    Attributes:
        net: name of the architecture.
        net_options: its keyword arguments.
        epochs: passes over the training set. A net of several members gives each of
            them its share of a batch, so that k members need k times the epochs.
        batch: patches a step, about: an epoch is cut into equal batches of nearly this
            size, so that no patch sits it out.
        learning_rate: the peak, of AdamW.
        trunk_rate: factor on the learning rate of a part called ``trunk``, which pre-trained
            weights let learn more slowly.
        weight_decay: of weights; biases and normalisations have none.
        warm_up: share of the steps in which the learning rate rises; then it falls as
            a half cosine to 0.
        ema: decay of the moving average of weights, per step.
        loss: ``multilabel`` asks of each class by itself (binary cross-entropy), and
            ``softmax`` which one class it is.
        label_smoothing: share by which targets move towards the classes' frequencies.
        augmentation: changes to training batches.
        select: which epoch's weights are kept: the best of a figure on validation
            (``mean_ap`` is the mean of both average precisions), or the ``last``.
        validate_every: epochs from one validation to the next.
        patience: validations without a better figure after which training stops; 0 never.
        precision: ``auto`` is bfloat16 where the device computes in it, else float32.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        seed: of every random draw.

    Raises:
        BadInput: a number is outside its range, or a name is unknown.
    """

    net: str = "trigrid"
    net_options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 40
    batch: int = 32
    learning_rate: float = 3e-3
    trunk_rate: float = 1.0
    weight_decay: float = 0.05
    warm_up: float = 0.075
    ema: float = 0.99
    loss: Loss = "multilabel"
    label_smoothing: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    select: Metric = "last"
    validate_every: int = 5
    patience: int = 0
    precision: Precision = "auto"
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            (self.epochs >= 1, "epochs must be at least 1"),
            (self.batch >= 2, "batch must be at least 2"),
            (self.learning_rate > 0, "learning_rate must be above 0"),
            (self.trunk_rate > 0, "trunk_rate must be above 0"),
            (self.weight_decay >= 0, "weight_decay must be at least 0"),
            (0 <= self.warm_up < 1, "warm_up must lie between 0 and 1"),
            (0 <= self.ema < 1, "ema must lie between 0 and 1"),
            (0 <= self.label_smoothing < 1, "label_smoothing must lie between 0 and 1"),
            (self.validate_every >= 1, "validate_every must be at least 1"),
            (self.patience >= 0, "patience must be at least 0"),
            (self.loss in get_args(Loss), f"loss is one of {', '.join(get_args(Loss))}"),
            (self.select in get_args(Metric), f"select is one of {', '.join(get_args(Metric))}"),
            (
                self.precision in get_args(Precision),
                f"precision is one of {', '.join(get_args(Precision))}",
            ),
        )
        for holds, complaint in rules:
            if not holds:
                raise BadInput(f"Training configuration: {complaint}.")

    def to_json(self) -> str:
        """As text that :meth:`from_json` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a configuration; what it leaves out keeps its default.

        Raises:
            BadInput: it is not JSON, names an unknown setting, or a value is unusable.
        """
        try:
            values = json.loads(text)
        except ValueError:
            raise BadInput("The training configuration is not JSON: correct the file.") from None
        if not isinstance(values, dict):
            raise BadInput("The training configuration must be a JSON object of settings.")
        _refuse_unknown(values, cls)
        inner = values.get("augmentation", {})
        if not isinstance(inner, dict):
            raise BadInput("Training configuration: augmentation must be an object.")
        _refuse_unknown(inner, Augmentation)
        try:
            return cls(**{**values, "augmentation": Augmentation(**inner)})
        except TypeError:
            raise BadInput(
                "The training configuration has a value of the wrong kind: numbers are "
                "written without quotes, names with them."
            ) from None


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of a run's history; figures on validation are NaN where none was made."""

    epoch: int
    train_loss: float
    val_loss: float
    val_macro_ap: float
    val_micro_ap: float
    learning_rate: float
    patches_per_second: float
    seconds: float
    val_accuracy: float = math.nan
    """Share whose highest score is of their class; NaN for multi-label losses."""

    def figure(self, metric: Metric) -> float:
        """The figure that selection maximises."""
        return {
            "last": float(self.epoch),
            "loss": -self.val_loss,
            "macro_ap": self.val_macro_ap,
            "micro_ap": self.val_micro_ap,
            "mean_ap": (self.val_macro_ap + self.val_micro_ap) / 2,
            "accuracy": self.val_accuracy,
        }[metric]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a run leaves: the weights, and what a model's card says of them.

    Attributes:
        state: weights of the kept epoch, on the CPU, averaged over steps.
        config: the run's settings.
        epoch: the kept epoch, from 1.
        history: one entry an epoch.
        mean, std: of surface reflectance per band, over training patches.
        selection: figures on validation at the kept epoch; empty without validation.
        precision: what was computed in.
        patches: number of training patches.
    """

    state: State
    config: TrainConfig
    epoch: int
    history: tuple[Epoch, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    selection: dict[str, float]
    precision: str
    patches: int

    def net(self) -> nn.Module:
        """The trained net, in evaluation mode."""
        net = nets.build(self.config.net, **self.config.net_options)
        net.load_state_dict(self.state)
        return net.eval()


def train(
    config: TrainConfig,
    train_set: PatchSet,
    validation_set: PatchSet | None,
    out: Path,
    progress: Progress | None = None,
    *,
    initial: Mapping[str, Tensor] | None = None,
) -> TrainResult:
    """Fit a net; go on from ``out`` if a run of the same configuration was cut off there.

    Without a validation set the run takes all its epochs and keeps the last weights:
    so are train and validation fitted together, once every choice is made.

    Args:
        config: the settings.
        train_set: patches to learn from.
        validation_set: patches to choose the epoch by.
        out: folder for ``config.json``, ``history.csv`` and ``checkpoint.pt``.
        progress: called after each epoch.
        initial: weights to start from, for instance of a net trained on another data
            set. What they lack or hold in another shape (a head of other classes)
            starts as ever.

    Raises:
        BadInput: the folder holds another run, or settings and data do not fit.
    """
    _check(config, train_set, validation_set)
    run = Run(config, train_set, initial)
    run.open(out)
    while not run.finished:
        begin = time.perf_counter()
        rate = run.learning_rate()
        run.net.train()
        losses = [run.step(pixels, targets) for pixels, targets in run.batches()]
        seconds = time.perf_counter() - begin
        run.epoch += 1
        checked = run.validate(validation_set)
        run.record(losses, rate, seconds, checked)
        run.save(out)
        if progress:
            progress(run.history[-1])
    return run.result()


def predict_logits(
    net: nn.Module,
    patches: PatchSet,
    *,
    device: torch.device | None = None,
    precision: str = "float32",
    batch: int = 64,
) -> Tensor:
    """Logits, float32 ``(patch, class)`` on the CPU, of a net in evaluation mode."""
    where = device or torch.device("cpu")
    net.eval()
    answers = []
    with torch.inference_mode(), _autocast(where, precision):
        for start in range(0, len(patches), batch):
            rows = range(start, min(start + batch, len(patches)))
            answers.append(net(patches.pixels(rows).to(where)).float().cpu())
    return torch.cat(answers)


def average_precisions(
    targets: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Macro average precision over classes with five positives or more, and micro.

    NaN where there is no such class, or no positive at all.
    """
    truth = targets.astype(bool)
    each = [average_precision(truth[:, k], scores[:, k]) for k in counted_classes(truth)]
    macro = float(np.mean(each)) if each else math.nan
    micro = average_precision(truth, scores)
    return macro, micro


def loss_of(name: Loss, logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of logits ``(n, class)`` under targets between 0 and 1."""
    if name == "softmax":
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets)


def take_up(net: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy weights into a net where name and shape agree; returns the names that were taken."""
    own = net.state_dict()
    same = {k: v for k, v in weights.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict({**own, **same})
    return list(same)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of a step, counted from 0, of ``steps`` in all."""
    warm = max(1, round(config.warm_up * steps))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


class Run:
    """All that changes while a net is fitted, and how it is kept."""

    def __init__(
        self,
        config: TrainConfig,
        train_set: PatchSet,
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.config = config
        self.train_set = train_set
        self.device = pick_device(config.device)
        self.precision = _precision(config, self.device)
        self.steps_per_epoch = max(1, round(len(train_set) / config.batch))
        self.prior = train_set.targets.mean(dim=0)
        # Two sources of chance: ours for order and augmentation, torch's own for
        # initial weights and dropout. Both are kept in checkpoints.
        self.generator = Generator().manual_seed(config.seed)
        torch.manual_seed(config.seed)
        self.net = nets.build(config.net, **config.net_options)
        self.average = nets.build(config.net, **config.net_options)
        take_up(self.net, initial or {})
        self.mean, self.std = self._start()
        # Convolutions are faster with channels as the innermost axis.
        for net in (self.net, self.average):
            net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average.eval().requires_grad_(requires_grad=False)
        self.optimiser = _optimiser(self.net, config)
        self.epoch = 0
        self.steps = 0
        self.history: list[Epoch] = []
        self.best_epoch = 0
        self.best_state: State = {}
        self.stale = 0

    def _start(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Statistics of some training patches; a net that asks for them gets them."""
        rows = torch.randperm(len(self.train_set), generator=self.generator)
        pixels = self.train_set.pixels(rows[:STATISTICS_PATCHES].tolist())
        start_from = getattr(self.net, "start_from", None)
        if start_from is not None:
            start_from(pixels, self.train_set.targets)
        self.average.load_state_dict(self.net.state_dict())
        mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3)).clamp(min=1e-6)
        return tuple(mean.tolist()), tuple(std.tolist())

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or validation has not improved for too long."""
        impatient = 0 < self.config.patience <= self.stale
        return impatient or self.epoch >= self.config.epochs

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented batches of one epoch, of the same size but for one patch."""
        order = torch.randperm(len(self.train_set), generator=self.generator)
        for rows in order.tensor_split(self.steps_per_epoch):
            parts = [self._augmented(part) for part in torch.split(rows, AUGMENTED_AT_ONCE)]
            yield torch.cat([pixels for pixels, _ in parts]), torch.cat([y for _, y in parts])

    def _augmented(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        pixels, targets = self.train_set.pixels(rows.tolist()), self.train_set.targets[rows]
        return self.config.augmentation(pixels, targets, self.generator)

    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.config, self.steps, self.config.epochs * self.steps_per_epoch)

    def step(self, pixels: Tensor, targets: Tensor) -> float:
        """One step of the optimiser and of the moving average; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * self.learning_rate()
        smooth = torch.lerp(targets, self.prior.expand_as(targets), self.config.label_smoothing)
        with _autocast(self.device, self.precision):
            logits = self.net(pixels.to(self.device))
        loss = loss_of(self.config.loss, logits.float(), smooth.to(self.device))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.steps += 1
        self._average()
        return loss.item()

    def _average(self) -> None:
        # With a long memory from the first step on, the average would cling to the start.
        decay = min(self.config.ema, (1 + self.steps) / (10 + self.steps))
        kept, new = self.average.state_dict().values(), self.net.state_dict().values()
        for old, value in zip(kept, new, strict=True):
            if old.is_floating_point():
                old.lerp_(value, 1 - decay)
            else:
                old.copy_(value)

    def validate(self, patches: PatchSet | None) -> tuple[float, float, float, float] | None:
        """Loss, macro and micro average precision and accuracy, in the epochs that are due."""
        last = self.epoch == self.config.epochs
        if patches is None or not (last or self.epoch % self.config.validate_every == 0):
            return None
        logits = predict_logits(self.average, patches, device=self.device, precision=self.precision)
        loss = float(loss_of(self.config.loss, logits, patches.targets))
        # Pooled over classes, only probabilities of one sum are comparable.
        scores = logits if self.config.loss == "multilabel" else logits.softmax(dim=1)
        macro, micro = average_precisions(patches.targets.numpy(), scores.numpy())
        accuracy = math.nan
        if self.config.loss == "softmax":
            hits = scores.argmax(dim=1) == patches.targets.argmax(dim=1)
            accuracy = float(hits.float().mean())
        return loss, macro, micro, accuracy

    def record(
        self,
        losses: list[float],
        rate: float,
        seconds: float,
        checked: tuple[float, float, float, float] | None,
    ) -> None:
        """Add the epoch to the history, and keep its weights if they are to be kept."""
        loss, macro, micro, accuracy = checked or (math.nan,) * 4
        entry = Epoch(
            epoch=self.epoch,
            train_loss=math.fsum(losses) / len(losses),
            val_loss=loss,
            val_macro_ap=macro,
            val_micro_ap=micro,
            learning_rate=rate,
            patches_per_second=len(self.train_set) / seconds,
            seconds=seconds,
            val_accuracy=accuracy,
        )
        best = (
            self.history[self.best_epoch - 1].figure(self.config.select)
            if self.best_epoch
            else -math.inf
        )
        self.history.append(entry)
        if entry.figure(self.config.select) > best:
            self.best_epoch, self.stale = self.epoch, 0
            self.best_state = _copy(self.average)
        elif checked:
            self.stale += 1

    def save(self, out: Path) -> None:
        """Write history and checkpoint, each whole or not at all."""
        rows = [asdict(entry) for entry in self.history]
        with _whole(out / HISTORY_FILE) as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, [item.name for item in fields(Epoch)])
            writer.writeheader()
            writer.writerows(rows)
        with _whole(out / CHECKPOINT_FILE) as part:
            torch.save(self._checkpoint(rows), part)

    def _checkpoint(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "config": self.config.to_json(),
            "ids": list(self.train_set.ids),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "epoch": self.epoch,
            "steps": self.steps,
            "history": rows,
            "best_epoch": self.best_epoch,
            "best_state": self.best_state,
            "stale": self.stale,
        }

    def open(self, out: Path) -> None:
        """Start in a fresh folder, or take up the run that was cut off in it.

        Raises:
            BadInput: the folder holds a run with other settings or other patches.
        """
        out.mkdir(parents=True, exist_ok=True)
        path = out / CHECKPOINT_FILE
        if not path.exists():
            with _whole(out / CONFIG_FILE) as part:
                part.write_text(self.config.to_json(), encoding="utf-8")
            return
        try:
            kept = torch.load(path, map_location="cpu", weights_only=True)
            same = kept["config"] == self.config.to_json()
            if same and kept["ids"] == list(self.train_set.ids):
                self._take_up(kept)
                return
        except (RuntimeError, ValueError, TypeError, KeyError, EOFError, UnpicklingError):
            raise BadInput(
                f"The checkpoint in '{out.name}' cannot be read: remove {path.name} to start "
                "anew, or choose another folder."
            ) from None
        raise BadInput(
            f"The folder '{out.name}' holds a run with other settings or other patches: "
            "choose another folder, or remove its checkpoint."
        )

    def _take_up(self, kept: Mapping[str, Any]) -> None:
        self.net.load_state_dict(kept["net"])
        self.average.load_state_dict(kept["average"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.generator.set_state(kept["generator"])
        torch.set_rng_state(kept["torch"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(kept["cuda"])
        self.epoch, self.steps = kept["epoch"], kept["steps"]
        self.history = [Epoch(**row) for row in kept["history"]]
        self.best_epoch, self.stale = kept["best_epoch"], kept["stale"]
        self.best_state = kept["best_state"]

    def result(self) -> TrainResult:
        """What the finished run leaves."""
        entry = self.history[self.best_epoch - 1]
        figures = {
            "val_loss": entry.val_loss,
            "val_macro_ap": entry.val_macro_ap,
            "val_micro_ap": entry.val_micro_ap,
        }
        if not math.isnan(entry.val_accuracy):
            figures["val_accuracy"] = entry.val_accuracy
        return TrainResult(
            state=self.best_state,
            config=self.config,
            epoch=self.best_epoch,
            history=tuple(self.history),
            mean=self.mean,
            std=self.std,
            selection={} if math.isnan(entry.val_loss) else figures,
            precision=self.precision,
            patches=len(self.train_set),
        )


def _check(config: TrainConfig, train_set: PatchSet, validation_set: PatchSet | None) -> None:
    if len(train_set) < config.batch:
        raise BadInput(
            f"The training set has {len(train_set)} patches, fewer than a batch of "
            f"{config.batch}: give more patches or choose a smaller batch."
        )
    if validation_set is None and (config.select != "last" or config.patience):
        raise BadInput(
            "Choosing the epoch or stopping early needs a validation set: give one, or set "
            "select to 'last' and patience to 0."
        )


def _optimiser(net: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW that decays weights but neither biases nor normalisations."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, values in net.named_parameters():
        if values.requires_grad:
            factor = config.trunk_rate if name.startswith("trunk.") else 1.0
            decay = config.weight_decay if values.dim() > 1 else 0.0
            groups.setdefault((factor, decay), []).append(values)
    parts = [
        {"params": values, "weight_decay": decay, "factor": factor}
        for (factor, decay), values in groups.items()
    ]
    return torch.optim.AdamW(parts, lr=config.learning_rate, fused=True)


def _precision(config: TrainConfig, device: torch.device) -> str:
    if config.precision != "auto":
        return config.precision
    return "bfloat16" if knows_bfloat16(device) else "float32"


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _copy(net: nn.Module) -> State:
    """A net's weights on the CPU, apart from the net."""
    return {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in net.state_dict().items()
    }


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to, which takes its real name only once it is on the disk."""
    part = path.with_name(path.name + ".part")
    yield part
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _refuse_unknown(values: Mapping[str, Any], kind: type[Any]) -> None:
    known = [item.name for item in fields(kind)]
    for name in values:
        if name not in known:
            raise UnknownName("training setting", name, known)
