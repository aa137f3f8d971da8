"""Training: one loop that fits any of our nets, and goes on exactly where it was killed.

The loop is :func:`train`; everything else here serves it. The weights that are kept
are an exponential moving average of the trained ones: on a few hundred patches single
steps are noisy, and their average generalises better.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from landcover import nets
from landcover.core.errors import BadInput
from landcover.core.prefetch import ahead
from landcover.datasets.arrays import PatchSet
from landcover.metrics.scores import average_precision, counted_classes
from landcover.models.devices import knows_bfloat16, pick_device
from landcover.train import distributed
from landcover.train.callbacks import Moment, watchers
from landcover.train.configuration import Loss, Metric, Precision, TrainConfig
from landcover.train.distributed import Team
from landcover.train.history import HISTORY_FILE, Epoch, whole, write
from landcover.train.loading import Batch, Piece, plan, prepare

__all__ = [
    "CHECKPOINT_FILE",
    "CONFIG_FILE",
    "HISTORY_FILE",
    "Epoch",
    "Loss",
    "Metric",
    "OnEpoch",
    "Precision",
    "Run",
    "State",
    "TrainConfig",
    "TrainResult",
    "autocast",
    "average_precisions",
    "learning_rate",
    "loss_of",
    "precision_of",
    "predict_logits",
    "take_up",
    "train",
]

CHECKPOINT_FILE: Final = "checkpoint.pt"
CONFIG_FILE: Final = "config.json"
STATISTICS_PATCHES: Final = 512
"""Patches from which the normalisation is estimated; 512 hold 7 million pixels a band."""
VALIDATED_AT_ONCE: Final = 64
AHEAD: Final = 2
"""Batches made ready beyond the one that is learnt from, for each thread that makes them."""
_MOST_LOADERS: Final = 8

State = dict[str, Tensor]
OnEpoch = Callable[["Epoch"], None]


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
    on_epoch: OnEpoch | None = None,
    *,
    initial: Mapping[str, Tensor] | None = None,
    teacher: nn.Module | None = None,
) -> TrainResult:
    """Fit a net; go on from ``out`` if a run of the same configuration was cut off there.

    Without a validation set the run takes all its epochs and keeps the last weights:
    so are train and validation fitted together, once every choice is made.

    Under ``torchrun`` (see :mod:`landcover.train.distributed`) all processes call this with the
    same arguments and get the same result; the first one writes the files.

    Args:
        config: the settings.
        train_set: patches to learn from.
        validation_set: patches to choose the epoch by.
        out: folder for ``config.json``, ``history.csv``, ``history.jsonl`` and
            ``checkpoint.pt``; one that all processes see.
        on_epoch: called after each epoch.
        initial: weights to start from, for instance of a net trained on another data
            set. What they lack or hold in another shape (a head of other classes)
            starts as ever.
        teacher: a net in evaluation mode that says what it thinks of each batch; how much
            that counts is ``config.trust``. It is the caller's to give the same one when a
            run goes on.

    Raises:
        BadInput: the folder holds another run, or settings and data do not fit.
        ProcessLost: another process of this training is gone.
    """
    _check(config, train_set, validation_set, teacher)
    run = Run(config, train_set, initial, teacher)
    run.open(out)
    while not run.finished:
        begin = time.perf_counter()
        rate = run.learning_rate()
        run.net.train()
        losses: list[float] = []
        for loss in run.learn():
            losses.append(loss)
            run.tell(_name(out), losses)
        seconds = time.perf_counter() - begin
        run.epoch += 1
        checked = run.validate(validation_set)
        run.record(losses, rate, seconds, checked)
        if run.team.leads:
            run.save(out)
            for watcher in watchers():
                watcher.epoch(_name(out), run.history[-1], config.epochs)
        if on_epoch:
            on_epoch(run.history[-1])
    return run.result()


def predict_logits(
    net: nn.Module,
    patches: PatchSet,
    *,
    device: torch.device | None = None,
    precision: str = "float32",
    batch: int = VALIDATED_AT_ONCE,
    team: Team = distributed.ALONE,
) -> Tensor:
    """Logits, float32 ``(patch, class)`` on the CPU, of a net in evaluation mode.

    A team shares the work; each of its processes gets all the logits.
    """
    where = device or torch.device("cpu")
    net.eval()
    starts = range(0, len(patches), batch)[team.rank :: team.size]
    blocks = [range(start, min(start + batch, len(patches))) for start in starts]
    with (
        torch.inference_mode(),
        autocast(where, precision),
        ThreadPoolExecutor(1) as reader,
    ):
        read = ahead(reader, patches.pixels, blocks, AHEAD)
        answers = [net(pixels.to(where)).float().cpu() for pixels in read]
    if team.size == 1:
        return torch.cat(answers)
    everything = torch.zeros(patches.targets.shape, device=where)
    for rows, answer in zip(blocks, answers, strict=True):
        everything[rows.start : rows.stop] = answer.to(where)
    team.add([everything])
    return everything.cpu()


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
        teacher: nn.Module | None = None,
    ) -> None:
        self.team = distributed.current()
        if config.shards % self.team.size:
            # Raises where no number of shards is meant.
            config = replace(config, shards=distributed.shards_for(config.shards, self.team))
        self.config = config
        self.train_set = train_set
        self.device = pick_device(config.device)
        self.precision = precision_of(config, self.device)
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
        self.teacher = teacher
        if teacher is not None:
            teacher.to(self.device).eval().requires_grad_(requires_grad=False)
        self.optimiser = _optimiser(self.net, config)
        # Small gradients vanish in float16 unless the loss is scaled up before.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")
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
        """Augmented pieces of one epoch in turn, of all processes together."""
        pieces = [piece for step in self._plan() for piece in step]
        return ((batch.pixels, batch.targets) for batch in map(self._prepare, pieces))

    def learn(self) -> Iterator[float]:
        """Make the steps of one epoch, and tell the loss of each."""
        steps = [self.team.mine(step) for step in self._plan()]
        with ThreadPoolExecutor(self._loaders()) as pool:
            pieces = [piece for step in steps for piece in step]
            ready = ahead(pool, self._prepare, pieces, AHEAD * self._loaders())
            for step in steps:
                yield self._step(islice(ready, len(step)))

    def tell(self, run: str, losses: Sequence[float]) -> None:
        """Tell those who look on how far this epoch is."""
        if self.team.leads and watchers():
            moment = Moment(
                run=run,
                epoch=self.epoch + 1,
                epochs=self.config.epochs,
                step=len(losses),
                steps=self.steps_per_epoch,
                patches=len(self.train_set),
                loss=math.fsum(losses) / len(losses),
            )
            for watcher in watchers():
                watcher.step(moment)

    def _plan(self) -> list[list[Piece]]:
        return plan(len(self.train_set), self.steps_per_epoch, self.config.shards, self.generator)

    def _loaders(self) -> int:
        """Threads that make pieces ready; one where chance must come in their order."""
        if self.config.shards == 1:
            return 1
        return max(1, min(_MOST_LOADERS, (os.cpu_count() or 1) // self.team.size))

    def _prepare(self, piece: Piece) -> Batch:
        batch = prepare(piece, self.train_set, self.config.augmentation, self.generator)
        if self.device.type == "cuda":
            # From locked memory a GPU fetches while it computes.
            batch = replace(batch, pixels=batch.pixels.pin_memory())
        return batch

    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return learning_rate(self.config, self.steps, self.config.epochs * self.steps_per_epoch)

    def step(self, pixels: Tensor, targets: Tensor) -> float:
        """One step on one batch in one piece; returns the loss."""
        return self._step([Batch(pixels, targets)])

    def _step(self, pieces: Iterable[Batch]) -> float:
        """One step of the optimiser and of the moving average; returns the mean loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * self.learning_rate()
        self.optimiser.zero_grad()
        if self.config.shards == 1:
            (piece,) = pieces
            loss = self._gradients(piece)
        else:
            loss = self._summed(pieces)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.steps += 1
        self._average()
        return loss.item()

    def _gradients(self, batch: Batch) -> Tensor:
        """Add the gradients of a piece to what is there; returns its share of the loss."""
        pixels = batch.pixels.to(self.device, non_blocking=True)
        targets = batch.targets
        smooth = torch.lerp(targets, self.prior.expand_as(targets), self.config.label_smoothing)
        wanted = self._taught(pixels, smooth.to(self.device))
        with autocast(self.device, self.precision):
            logits = self.net(pixels)
        loss = loss_of(self.config.loss, logits.float(), wanted)
        if batch.share != 1.0:
            loss = loss * batch.share
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _taught(self, pixels: Tensor, targets: Tensor) -> Tensor:
        """Targets moved towards what the teacher says of the very same pixels."""
        if self.teacher is None:
            return targets
        with torch.no_grad(), autocast(self.device, self.precision):
            said = self.teacher(pixels).float()
        exclusive = self.config.loss == "softmax"
        chances = said.softmax(dim=1) if exclusive else said.sigmoid()
        return torch.lerp(targets, chances, self.config.trust)

    def _summed(self, pieces: Iterable[Batch]) -> Tensor:
        """The step of a batch in several pieces, some of them in other processes.

        Each piece starts from the same running statistics and moves them; they take the
        mean of all moves, so that neither order nor processes matter.
        """
        buffers = list(self.net.buffers())
        begin = [buffer.clone() for buffer in buffers]
        moved = [torch.zeros_like(b) for b in buffers if b.is_floating_point()]
        total = torch.zeros((), device=self.device)
        for piece in pieces:
            for buffer, start in zip(buffers, begin, strict=True):
                buffer.copy_(start)
            # Dropout draws from torch's own chance; augmentation had the seed itself.
            torch.manual_seed((piece.seed or 0) + 1)
            total += self._gradients(piece)
            for move, buffer, start in _floating(moved, buffers, begin):
                move.add_(buffer - start)
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        self.team.add([*gradients, *moved, total])
        for move, buffer, start in _floating(moved, buffers, begin):
            buffer.copy_(start + move / self.config.shards)
        return total

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
        logits = predict_logits(
            self.average,
            patches,
            device=self.device,
            precision=self.precision,
            team=self.team,
        )
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
        write(self.history, out)
        with whole(out / CHECKPOINT_FILE) as part:
            torch.save(self._checkpoint(), part)

    def _checkpoint(self) -> dict[str, Any]:
        return {
            "config": self.config.to_json(),
            "ids": list(self.train_set.ids),
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "epoch": self.epoch,
            "steps": self.steps,
            "history": [asdict(entry) for entry in self.history],
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
        if path.exists():
            self._go_on(path)
        elif self.team.leads:
            with whole(out / CONFIG_FILE) as part:
                part.write_text(self.config.to_json(), encoding="utf-8")
        if not self.team.agree([self.steps, len(self.train_set)], self.device):
            raise BadInput(
                "The processes of this training see different checkpoints or patches: give all "
                "of them the same folders."
            )

    def _go_on(self, path: Path) -> None:
        try:
            kept = torch.load(path, map_location="cpu", weights_only=True)
            same = TrainConfig.from_json(kept["config"]) == self.config
            if same and kept["ids"] == list(self.train_set.ids):
                self._take_up(kept)
                return
        except (RuntimeError, ValueError, TypeError, KeyError, EOFError, UnpicklingError):
            raise BadInput(
                f"The checkpoint in '{path.parent.name}' cannot be read: remove {path.name} to "
                "start anew, or choose another folder."
            ) from None
        raise BadInput(
            f"The folder '{path.parent.name}' holds a run with other settings or other patches: "
            "choose another folder, or remove its checkpoint."
        )

    def _take_up(self, kept: Mapping[str, Any]) -> None:
        self.net.load_state_dict(kept["net"])
        self.average.load_state_dict(kept["average"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.scaler.load_state_dict(kept.get("scaler") or self.scaler.state_dict())
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


def _name(out: Path) -> str:
    """What people call a run: where its folder lies among those of a model's runs."""
    above = [part for part in out.parts[:-1] if part == "runs"]
    start = len(out.parts) - out.parts[::-1].index("runs") if above else len(out.parts) - 1
    return "/".join(out.parts[start:])


def _check(
    config: TrainConfig,
    train_set: PatchSet,
    validation_set: PatchSet | None,
    teacher: nn.Module | None,
) -> None:
    if (config.trust > 0) != (teacher is not None):
        raise BadInput(
            "A setting trust above 0 needs a teacher, and a teacher needs it: only the recipe of "
            "landcover-mosaic has one, so set trust to 0."
        )
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


def precision_of(config: TrainConfig, device: torch.device) -> str:
    """What a run computes in on a device."""
    if config.precision != "auto":
        return config.precision
    if knows_bfloat16(device):
        return "bfloat16"
    return "float16" if device.type == "cuda" else "float32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Compute in that precision inside, where it is worth it."""
    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return torch.autocast(device.type, kind or torch.bfloat16, enabled=kind is not None)


def _floating(
    moved: Sequence[Tensor], buffers: Sequence[Tensor], begin: Sequence[Tensor]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Each buffer of real numbers with its move and where it began."""
    pairs = [(b, start) for b, start in zip(buffers, begin, strict=True) if b.is_floating_point()]
    return ((move, b, start) for move, (b, start) in zip(moved, pairs, strict=True))


def _copy(net: nn.Module) -> State:
    """A net's weights on the CPU, apart from the net."""
    return {
        name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, value in net.state_dict().items()
    }
