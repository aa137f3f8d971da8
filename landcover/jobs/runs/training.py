"""A run that trains a model and adds it to the user's models."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from landcover import datasets
from landcover.core.errors import LandcoverError
from landcover.core.progress import Progress
from landcover.jobs.runs import folder, settings
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.progress import RunLog, write_history
from landcover.models import registry, store
from landcover.train import trackers
from landcover.train.callbacks import Training, use_callbacks
from landcover.train.checkpoint import CHECKPOINT_FILE
from landcover.train.recipes import table

__all__ = ["train"]


def train(order: RunOrder, run: Path) -> str:
    """Train the model of an order in a run's folder, or go on after its last epoch.

    Returns:
        its name among the user's models.

    Raises:
        LandcoverError: the order cannot be carried out, or the name has been taken meanwhile.
    """
    out = run / folder.MODEL_FOLDER
    log = RunLog(run, fits=2 if order.fit == "train+validation" else 1)
    dataset = datasets.open_any(order.dataset, order.root)
    log.report(Progress(what="Reading the data set"))
    recorded = Training(name=order.name, folder=out, settings=_facts(order))
    with trackers.tracking(order.places(run), recorded), use_callbacks(log):
        table.make(order.model, dataset, out, settings.to_order(order, run))
    write_history(run)
    # The run may have been renamed meanwhile.
    name = RunOrder.from_json((run / folder.ORDER_FILE).read_bytes()).name
    models = registry.default()
    if not store.holds(models, name, out):
        store.add(models, out, name)
    for checkpoint in out.glob(f"runs/**/{CHECKPOINT_FILE}"):
        with suppress(OSError, LandcoverError):  # room that nobody needs any more
            checkpoint.unlink()
    print(f"Added to your models as '{name}'.", flush=True)  # noqa: T201 - to the log
    return name


def _facts(order: RunOrder) -> dict[str, object]:
    """What identifies a training, for trackers."""
    return {
        "dataset": order.dataset,
        "model": order.model,
        "fit": order.fit,
        "device": order.device,
    }
