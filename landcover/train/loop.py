"""The training loop of all our nets, which resumes exactly where it was interrupted.

The algorithm is here, in :func:`train` and :meth:`Run.step`; data, objective, optimiser,
validation and checkpoint have their own modules. No library is used, because an interrupted run
must end with the same weights as an uninterrupted one, and several processes with the same
sums as one (see :mod:`landcover.train.distributed`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Generator, Tensor, nn

from landcover import nets
from landcover.core.errors import BadInput
from landcover.datasets.arrays import PatchSet
from landcover.models.devices import pick_device
from landcover.train import checkpoint, distributed, optimisation
from landcover.train.answer_cache import AnswerCache
from landcover.train.callbacks import StepProgress, active_callbacks
from landcover.train.configuration import TrainConfig
from landcover.train.dynamic_world import DynamicWorld
from landcover.train.history import Epoch
from landcover.train.loading import Batch, Loader
from landcover.train.objective import Objective
from landcover.train.state import TrainState, Weights
from landcover.train.teaching import Pupil
from landcover.train.validation import Validation, validate

__all__ = ["STATISTICS_PATCHES", "OnEpoch", "Run", "TrainResult", "train"]

STATISTICS_PATCHES: Final = 512
"""Patches from which the normalisation is estimated; 512 hold 7 million pixels a band."""

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The result of a run: the weights, and facts about them for the model card.

    Attributes:
        state: weights of the kept epoch, on the CPU, averaged over steps.
        config: the run's settings.
        epoch: the kept epoch, from 1.
        history: one entry an epoch.
        mean, std: surface reflectance per band, over training patches.
        selection: metrics on validation at the kept epoch; empty without validation.
        precision: numeric precision of the computation.
        patches: number of training patches.
    """

    state: Weights
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
    teacher: DynamicWorld | None = None,
    answers: Path | None = None,
) -> TrainResult:
    """Train a net; resume from ``out`` if a run of the same configuration was interrupted there.

    Without a validation set all epochs are run and the last weights are kept. This is how a
    net is trained on train and validation together once all choices are made.

    Under ``torchrun`` (see :mod:`landcover.train.distributed`) all processes call this with the
    same arguments and get the same result; the first writes the files.

    Args:
        config: the settings.
        train_set: patches to train on.
        validation_set: patches to choose the epoch by.
        out: folder for ``config.json``, ``history.csv``, ``history.jsonl`` and
            ``checkpoint.pt``; the same for all processes.
        on_epoch: called after each epoch.
        initial: weights to start from, for instance of a net trained on another data
            set. Weights that are missing or have another shape (a head of other classes)
            start untrained.
        teacher: a net whose answers for each pixel the net also learns to predict;
            ``config.teach`` is their weight. Pass the same teacher when a run is resumed.
        answers: folder where the teacher's answers are kept, so that each patch needs them once,
            in this run and in others (see :mod:`landcover.train.answer_cache`).

    Raises:
        BadInput: the folder holds another run, or settings and data do not fit.
        ProcessLost: another process of this training has ended.
    """
    _check(config, train_set, validation_set, teacher)
    run = Run(config, train_set, initial, teacher, answers)
    state, name = run.state, _name(out)
    checkpoint.start_or_resume(state, train_set.ids, out, run.group)
    while not state.finished:
        begin = time.perf_counter()
        rate = run.learning_rate()
        losses: list[float] = []
        for loss in run.steps():
            losses.append(loss)
            run.report_step(name, losses)
        seconds = time.perf_counter() - begin
        state.epoch += 1
        due = state.epoch % config.validate_every == 0 or state.epoch == config.epochs
        found = Validation()
        if validation_set is not None and due:
            found = run.validate(validation_set)
        entry = Epoch(
            epoch=state.epoch,
            train_loss=math.fsum(losses) / len(losses),
            val_loss=found.loss,
            val_macro_ap=found.macro_ap,
            val_micro_ap=found.micro_ap,
            learning_rate=rate,
            patches_per_second=len(train_set) / seconds,
            seconds=seconds,
            val_accuracy=found.accuracy,
        )
        state.record(entry, validated=validation_set is not None and due)
        if run.group.is_main:
            checkpoint.save(state, train_set.ids, out)
            for callback in active_callbacks():
                callback.epoch(name, entry, config.epochs)
        if on_epoch:
            on_epoch(entry)
    return run.result()


class Run:
    """One net in training: ``state`` changes, everything else stays the same."""

    def __init__(
        self,
        config: TrainConfig,
        train_set: PatchSet,
        initial: Mapping[str, Tensor] | None = None,
        teacher: DynamicWorld | None = None,
        answers: Path | None = None,
    ) -> None:
        self.group = distributed.current()
        if config.shards % self.group.size:
            # Raises if the processes cannot share the shards evenly.
            config = replace(config, shards=distributed.shards_for(config.shards, self.group))
        self.config, self.train_set = config, train_set
        self.device = pick_device(config.device)
        self.precision = optimisation.precision_of(config, self.device)
        # Two random generators: ours for order and augmentation, torch's own for
        # initial weights and dropout. Checkpoints hold the states of both.
        generator = Generator().manual_seed(config.seed)
        torch.manual_seed(config.seed)
        # The second one is for the average. Building it draws random numbers, too; without it a
        # seed would give other weights than before.
        net, second = (nets.build(config.net, **config.net_options) for _ in range(2))
        if config.teach and not isinstance(net, Pupil):
            raise BadInput(
                f"The net '{config.net}' does not predict a teacher's answers: set net to "
                "'taught', or teach to 0."
            )
        optimisation.load_matching(net, initial or {})
        self.mean, self.std = _initialise(net, train_set, generator)
        second.load_state_dict(net.state_dict())
        # Convolutions are faster with channels as the innermost axis.
        for each in (net, second):
            each.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Small gradients become 0 in float16 unless the loss is scaled up.
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")
        self.state = TrainState(
            config=config,
            device=self.device,
            net=net,
            average=optimisation.average_of(second, config.ema),
            optimiser=optimisation.optimiser_of(net, config),
            scaler=scaler,
            generator=generator,
        )
        known = None
        if teacher is not None:
            teacher.to(self.device).eval().requires_grad_(requires_grad=False)
            known = AnswerCache(teacher, answers, patches=len(train_set))
        self.loader = Loader(train_set, config, generator, self.group, self.device, known=known)
        self.objective = Objective(
            config=config,
            prior=train_set.targets.mean(dim=0),
            scaler=scaler,
            device=self.device,
            precision=self.precision,
        )

    def steps(self) -> Iterator[float]:
        """Run the steps of one epoch; yields the loss of each."""
        self.state.net.train()
        for pieces in self.loader.epoch():
            yield self.step(pieces)

    def step(self, pieces: Iterable[Batch]) -> float:
        """Run one step of the optimiser and of the moving average; returns the mean loss."""
        state = self.state
        for group in state.optimiser.param_groups:
            group["lr"] = group["factor"] * self.learning_rate()
        state.optimiser.zero_grad()
        if self.config.shards == 1:
            (batch,) = pieces
            loss = self.objective.backward(state.net, batch)
        else:
            loss = self.objective.backward_in_pieces(state.net, pieces, self.group)
        state.scaler.step(state.optimiser)
        state.scaler.update()
        state.steps += 1
        state.average.update_parameters(state.net)
        return loss.item()

    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        steps = self.config.epochs * self.loader.steps_per_epoch
        return optimisation.learning_rate(self.config, self.state.steps, steps)

    def validate(self, patches: PatchSet) -> Validation:
        """Metrics of the averaged net on patches."""
        return validate(
            self.state.average,
            patches,
            self.config.loss,
            device=self.device,
            precision=self.precision,
            group=self.group,
        )

    def report_step(self, run: str, losses: Sequence[float]) -> None:
        """Pass the progress of this epoch to the callbacks."""
        if self.group.is_main and active_callbacks():
            progress = StepProgress(
                run=run,
                epoch=self.state.epoch + 1,
                epochs=self.config.epochs,
                step=len(losses),
                steps=self.loader.steps_per_epoch,
                patches=len(self.train_set),
                loss=math.fsum(losses) / len(losses),
            )
            for callback in active_callbacks():
                callback.step(progress)

    def result(self) -> TrainResult:
        """The result of the finished run."""
        state = self.state
        entry = state.history[state.best_epoch - 1]
        metrics = {
            "val_loss": entry.val_loss,
            "val_macro_ap": entry.val_macro_ap,
            "val_micro_ap": entry.val_micro_ap,
        }
        if not math.isnan(entry.val_accuracy):
            metrics["val_accuracy"] = entry.val_accuracy
        return TrainResult(
            state=state.best_weights,
            config=self.config,
            epoch=state.best_epoch,
            history=tuple(state.history),
            mean=self.mean,
            std=self.std,
            selection={} if math.isnan(entry.val_loss) else metrics,
            precision=self.precision,
            patches=len(self.train_set),
        )


def _initialise(
    net: nn.Module, patches: PatchSet, generator: Generator
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per band of some patches; initialises nets that need them."""
    rows = torch.randperm(len(patches), generator=generator)
    pixels = patches.pixels(rows[:STATISTICS_PATCHES].tolist())
    initialise = getattr(net, "initialise", None)
    if initialise is not None:
        initialise(pixels, patches.targets)
    mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3)).clamp(min=1e-6)
    return tuple(mean.tolist()), tuple(std.tolist())


def _name(out: Path) -> str:
    """Display name of a run: the path of its folder below the model's ``runs``."""
    above = [part for part in out.parts[:-1] if part == "runs"]
    start = len(out.parts) - out.parts[::-1].index("runs") if above else len(out.parts) - 1
    return "/".join(out.parts[start:])


def _check(
    config: TrainConfig,
    train_set: PatchSet,
    validation_set: PatchSet | None,
    teacher: DynamicWorld | None,
) -> None:
    if (config.teach > 0) != (teacher is not None):
        raise BadInput(
            "The setting teach must be above 0 with a teacher and 0 without: only the recipe of "
            "landcover-mosaic has a teacher, so set teach to 0."
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
