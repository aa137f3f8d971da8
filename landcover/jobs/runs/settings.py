"""The settings of a run: the packaged configuration of its model with the run's overrides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from landcover import datasets
from landcover.core import files, untrusted_json
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.jobs.runs.folder import SETTINGS_FILE, read_json
from landcover.jobs.runs.order import RunOrder
from landcover.jobs.runs.record import Run
from landcover.models import registry
from landcover.train.configuration import TrainConfig
from landcover.train.recipes import bigearthnet, eurosat, mosaic_parts, table, trainable
from landcover.train.recipes.order import Order

__all__ = [
    "configuration",
    "flat",
    "packaged",
    "prepared",
    "refuse_other_data",
    "starts_from_scratch",
    "to_order",
    "values_of",
    "write",
]


def packaged(model: str) -> dict[str, Any]:
    """The packaged configuration of a model; empty if it has none.

    Raises:
        UnknownName: no such model can be trained.
    """
    if model in table.SEVERAL_STEPS:
        name = model
    else:
        if model not in table.NAMES and not model.startswith(bigearthnet.TIMM):
            raise UnknownName("model", model, table.NAMES)
        name = bigearthnet.find(model).config
    if not name:
        return {}
    file = resources.files("landcover.train") / "configs" / f"{name}.json"
    return dict(untrusted_json.parse(file.read_text(encoding="utf-8")))


def write(order: RunOrder, folder: Path) -> None:
    """Write the settings of a run into its folder, from where :func:`to_order` takes them.

    Raises:
        BadInput: they cannot be used, or the file cannot be written.
        UnknownName: no such model can be trained, or there is no such setting.
    """
    wanted = _wanted(order)
    if not wanted and not order.configuration:
        return
    given = packaged(order.model) and (order.configuration or packaged(order.model))
    if not given:
        raise BadInput(
            f"The model '{order.model}' is fitted without a configuration: leave the settings out."
        )
    text = json.dumps(_merged(given, wanted), indent=2, allow_nan=False) + "\n"
    files.write_text(folder / SETTINGS_FILE, text)


def to_order(order: RunOrder, folder: Path) -> Order:
    """The order of a recipe, whose configuration is in the run's folder.

    Raises:
        BadInput: a setting cannot be used.
        UnknownName: no such model can be trained, or there is no such setting.
    """
    file = folder / SETTINGS_FILE
    made = Order(
        config_file=file if file.exists() else None,
        fit=order.fit,
        epochs=order.epochs,
        seed=order.seed,
        shards=order.shards,
        device=order.device,
        teacher=order.teacher,
        unlabelled=order.unlabelled,
    )
    _check(order.model, made)
    return made


@contextmanager
def prepared(order: RunOrder) -> Iterator[Order]:
    """The order of a recipe before there is a run, with its configuration in a temporary file.

    Raises:
        BadInput: a setting cannot be used.
        UnknownName: no such model can be trained, or there is no such setting.
    """
    with files.scratch() as folder:
        write(order, folder)
        yield to_order(order, folder)


def configuration(order: RunOrder) -> TrainConfig | None:
    """The complete settings of a training of one net; None for other models.

    Raises:
        BadInput: a setting cannot be used.
        UnknownName: no such model can be trained, or there is no such setting.
    """
    with prepared(order) as made:
        if order.model in table.SEVERAL_STEPS or not packaged(order.model):
            return None
        return bigearthnet.configuration(order.model, made)


def starts_from_scratch(order: RunOrder) -> bool:
    """Whether a training starts from random weights instead of those of the model's recipe.

    Raises:
        BadInput: a setting cannot be used.
        UnknownName: no such model can be trained, or there is no such setting.
    """
    if order.model == registry.PICTURE_MODEL:
        with prepared(order) as made:
            return eurosat.plan(made).phases[0].start == "random"
    config = configuration(order)
    return config is not None and config.start == "random"


def refuse_other_data(order: RunOrder) -> None:
    """Refuse to train a model of patches on pictures, or the other way round.

    Raises:
        BadInput: the model is not trained on this kind of data.
    """
    pictures = order.dataset in datasets.PICTURES
    if pictures != (order.model == registry.PICTURE_MODEL):
        fitting = registry.PICTURE_MODEL if pictures else "landcover-cnn"
        raise BadInput(
            f"The model '{order.model}' is not trained on {order.dataset}: train '{fitting}', or "
            "give another data set."
        )


def values_of(run: Run) -> dict[str, Any]:
    """What decided the result of a run, flat: ``{"augmentation.brightness": 0.06, …}``."""
    order = run.order
    values: dict[str, Any] = {
        "model": order.model,
        "data set": order.dataset,
        "folder": str(order.root),
    }
    if order.kind == "test":
        return {**values, "split": order.split, **order.settings}
    try:
        settings = read_json(run.folder / SETTINGS_FILE)
    except (OSError, ValueError):
        settings = _packaged_or_none(order.model)
    given = {"epochs": order.epochs, "seed": order.seed, "shards": order.shards}
    settings = _merged(settings, {k: v for k, v in given.items() if v is not None})
    return {**values, "fit": order.fit, "device": order.device, **flat(settings)}


def _packaged_or_none(model: str) -> dict[str, Any]:
    try:
        return packaged(model)
    except UnknownName:
        return {}


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings under dotted names; lists of tables, such as phases, are counted from 1."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{name}.")
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            found |= flat({str(k): v for k, v in enumerate(value, 1)}, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = value
    return found


def _check(model: str, order: Order) -> None:
    """Read all settings once, so that what is wrong with them is said before the run."""
    table.refuse_lessons(order, [model])
    if model == registry.PICTURE_MODEL:
        eurosat.plan(order)
    elif model == mosaic_parts.NAME:
        mosaic_parts.settings(order)
    elif model not in table.SEVERAL_STEPS and packaged(model):
        bigearthnet.configuration(model, order)
    elif order.epochs is not None and model not in table.SEVERAL_STEPS:
        raise BadInput(f"The model '{model}' is fitted without epochs: leave them out.")


def _wanted(order: RunOrder) -> dict[str, Any]:
    """The overrides, with the bands among them."""
    wanted = dict(order.settings)
    if not order.bands or order.bands == BAND_NAMES:
        return wanted
    unknown = [band for band in order.bands if band not in BAND_NAMES]
    if unknown:
        raise UnknownName("band", unknown[0], BAND_NAMES)
    if not trainable.find(order.model).choosable:
        raise BadInput(
            f"The bands of the model '{order.model}' cannot be chosen: leave them out, or train "
            "landcover-cnn."
        )
    chosen = [band for band in BAND_NAMES if band in order.bands]
    return _merged(wanted, {"net_options": {"bands": chosen}})


def _merged(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with overrides; those of pictures' nets hold for all phases."""
    phases = given.get("phases")
    if isinstance(phases, list) and "phases" not in wanted:
        own = {key: value for key, value in wanted.items() if key in given}
        each = {key: value for key, value in wanted.items() if key not in given}
        return {**given, **own, "phases": [_merged(phase, each) for phase in phases]}
    merged = dict(given)
    for key, value in wanted.items():
        inner = merged.get(key)
        deeper = isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(inner, value) if deeper else value  # type: ignore[arg-type]
    return merged
