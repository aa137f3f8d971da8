"""What can be checked before a run is queued, so that it does not fail after hours."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from landcover import datasets
from landcover.core import files, home
from landcover.core.errors import BadInput
from landcover.datasets import Dataset
from landcover.datasets.split_distance import refuse_leaking_splits
from landcover.evaluate import run as evaluation
from landcover.jobs.runs import folder, record, settings, testing
from landcover.jobs.runs.order import RunOrder
from landcover.models import registry, store
from landcover.models.devices import pick_device
from landcover.train import trackers
from landcover.train.recipes import build, table, trainable

__all__ = ["LEAST_ROOM", "check", "check_name", "tracked"]

LEAST_ROOM: Final = 200_000_000
"""Bytes of the disk below which no run is started."""
_UNFINISHED: Final = frozenset({"queued", "running", "stopped", "interrupted"})


def check(order: RunOrder, *, run: Path | None = None) -> None:
    """Refuse an order that cannot be carried out.

    Args:
        order: what is to be done.
        run: the folder of the run, if it exists already.

    Raises:
        LandcoverError: name, model, settings, data set, device or disk cannot be used.
    """
    check_name(order, run=run)
    pick_device(order.device)
    if order.kind == "train":
        _check_training(order)
    else:
        _check_test(order)
    free = files.free_bytes(home.location())
    if free < LEAST_ROOM:
        raise BadInput(
            f"The disk of {home.VARIABLE} has only {free / 1e6:,.0f} MB of room: make room, or "
            "name another folder."
        )


def check_name(order: RunOrder, *, run: Path | None = None) -> None:
    """Refuse a training whose model's name is taken, by a model or by another run.

    Raises:
        BadInput: the name is invalid or taken.
    """
    if order.kind != "train":
        return
    models = registry.default()
    if run is None or not store.holds(models, order.name, run / folder.MODEL_FOLDER):
        store.check_new(models, order.name)
    for other in record.all_runs():
        same = other.order.kind == "train" and other.name.casefold() == order.name.casefold()
        if same and other.folder != run and other.state in _UNFINISHED and not other.damaged:
            raise BadInput(
                f"The run {other.id} ({other.state}) makes a model '{other.name}': give another "
                "name, or remove that run."
            )


def tracked(order: RunOrder) -> dict[str, str]:
    """Where the trackers of an order write, seen from any folder; empty for the run's own.

    Raises:
        UnknownName: there is no such tracker.
        BadInput: its package is not installed, or it cannot write there.
    """
    found = trackers.checked(order.places(folder.runs()))
    return {name: place and found[name] for name, place in order.trackers.items()}


def _check_training(order: RunOrder) -> None:
    config = settings.configuration(order)
    settings.refuse_other_data(order)
    tracked(order)
    model = trainable.find(order.model)
    if model.missing and not settings.starts_from_scratch(order):
        raise BadInput(model.missing)
    for lesson in model.needs:
        if getattr(order, lesson) is None:
            raise BadInput(
                f"The model '{model.name}' learns from Dynamic World: give its weights with "
                f"--{lesson}, or train landcover-cnn."
            )
    dataset = datasets.open_any(order.dataset, order.root)
    count = len(dataset.records("train"))
    dataset.records("validation")
    if isinstance(dataset, Dataset):
        refuse_leaking_splits(dataset)
        if order.model in table.SEVERAL_STEPS:
            build.require_the_19(order.model, dataset)
        options = config.net_options if config is not None else {}
        build.require_bands(order.model, dataset, options.get("bands", model.bands))
    if config is not None and count < config.batch:
        raise BadInput(
            f"There are {count} training patches, fewer than a batch of {config.batch}: "
            "choose a smaller batch."
        )


def _check_test(order: RunOrder) -> None:
    given = testing.test_settings(order)
    dataset = datasets.open_any(order.dataset, order.root)
    card = registry.default().card(order.model)
    task = evaluation.task_of(dataset)
    task.check(card)
    task.refuse_leaks(card, order.split, allow_touching=given["allow_touching"])
    dataset.records(order.split)
