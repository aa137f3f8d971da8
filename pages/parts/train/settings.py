"""The settings of a training: bands, augmentation, budget, and what the optimiser needs.

Each function shows widgets for some settings and returns what differs from the model's packaged
configuration, so that a run's order names only what the user has changed.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import streamlit as st

from landcover.core.bands import BAND_NAMES, BANDS
from landcover.models import devices
from landcover.train.augment import Augmentation
from landcover.train.configuration import TrainConfig
from landcover.train.recipes.trainable import Trainable
from pages.parts.shared import widgets

AS_THE_MODEL: Final = "As the model has it"
NONE: Final = "None"
OWN: Final = "My own"
MOST_EPOCHS: Final = 10_000
MOST_BATCH: Final = 8_192
MOST_SIZE: Final = 4_096
_RATES: Final = tuple(
    float(f"{digit}e{power}") for power in range(-6, 0) for digit in (1, 2, 3, 5, 7)
)
_DECAYS: Final = (0.0, 1e-4, 1e-3, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_CURVE_POINTS: Final = 20
"""Validations of a run, so that its curve has a shape."""
SELECT: Final = {
    "last": "The last",
    "macro_ap": "The best macro AP",
    "micro_ap": "The best micro AP",
    "mean_ap": "The best mean of both APs",
    "loss": "The lowest loss",
}
_NO_AUGMENTATION: Final[dict[str, Any]] = {
    "symmetries": False,
    **dict.fromkeys(("paste", "blend", "brightness", "band_gain", "few_bands"), 0.0),
}
_STRENGTHS: Final = (
    ("brightness", "Brightness", 0.3, "spread of a factor on all bands of a patch"),
    ("band_gain", "Gain of single bands", 0.2, "spread of a factor on each band"),
    ("paste", "Paste (CutMix)", 1.0, "share of batches in which a part of another patch is put in"),
    ("blend", "Blend (mixup)", 1.0, "share of batches in which two patches are mixed"),
    ("few_bands", "Few bands", 1.0, "share of batches in which most bands are estimated"),
)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a training is to run; None keeps what the model's configuration says.

    Attributes:
        epochs: passes over the training split.
        settings: what else differs from the configuration.
        seed: of every random draw.
        device: what computes.
    """

    epochs: int | None
    settings: dict[str, Any]
    seed: int | None
    device: str


def bands(model: Trainable) -> tuple[str, ...]:
    """Let the user choose the bands, where the model allows it; empty for the model's own."""
    if not model.choosable:
        return ()
    titles = {band.name: f"{band.name} {band.title}, {band.resolution_m} m" for band in BANDS}
    chosen = widgets.multiselect(
        "Bands",
        BAND_NAMES,
        default=[name for name in BAND_NAMES if name in model.bands],
        format_func=lambda name: titles[name],
        key=f"train_bands_{model.name}",
        help="The model is then trained for these bands alone, and answers for sources that have "
        "no others.",
    )
    return () if set(chosen) == set(model.bands) else tuple(n for n in BAND_NAMES if n in chosen)


def augmentation(config: TrainConfig, chosen: tuple[str, ...]) -> dict[str, Any]:
    """Let the user choose the augmentation; returns its settings that differ.

    Args:
        config: the packaged settings.
        chosen: bands that the user chose; empty for the model's own.
    """
    how = widgets.segmented_control(
        "Augmentation",
        (AS_THE_MODEL, NONE, OWN),
        default=AS_THE_MODEL,
        required=True,
        key="train_augmentation",
        help="Random changes of the training patches that keep their labels true. More of them "
        "help if there are few patches.",
    )
    if how == AS_THE_MODEL:
        return {}
    wanted = _NO_AUGMENTATION if how == NONE else _own_augmentation(config.augmentation, chosen)
    known = asdict(config.augmentation)
    return {name: value for name, value in wanted.items() if known[name] != value}


def _own_augmentation(usual: Augmentation, chosen: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "symmetries": widgets.checkbox(
            "Turn and mirror patches", value=usual.symmetries, key="train_symmetries"
        )
    }
    for name, title, most, what in _STRENGTHS:
        if name == "few_bands" and chosen:  # it needs all twelve
            continue
        found[name] = float(
            widgets.slider(
                title,
                0.0,
                most,
                float(getattr(usual, name)),
                most / 100,
                key=f"train_augment_{name}",
                help=what[:1].upper() + what[1:] + ".",
            )
        )
    return found


def budget(model: Trainable, config: TrainConfig | None) -> Budget:
    """Let the user choose epochs, and behind *More settings* all that few will change.

    Args:
        model: what is trained.
        config: its settings for this number of patches; None if it is not trained by gradients.
    """
    if config is None:
        return _without_settings(model)
    epochs = widgets.number_input(
        "Epochs",
        min_value=1,
        max_value=MOST_EPOCHS,
        value=config.epochs,
        key=f"train_epochs_{model.name}",
        help="Passes over the training split.",
    )
    with st.expander("More settings"):
        settings, net_options = _optimiser(model, config, epochs), _sizes(model, config)
        seed, device = _seed(config.seed), _device()
    packaged = model.config or config
    found = {name: v for name, v in settings.items() if v != getattr(packaged, name)}
    if net_options:
        found["net_options"] = net_options
    return Budget(
        epochs=None if epochs == packaged.epochs else epochs,
        settings=found,
        seed=None if seed == packaged.seed else seed,
        device=device,
    )


def _without_settings(model: Trainable) -> Budget:
    """Return the budget of a model that is fitted in one step, or in phases."""
    epochs = None
    if model.phases:
        usual = ", ".join(map(str, model.phases))
        if widgets.checkbox(f"Other epochs than {usual} in its phases", key="train_own_epochs"):
            epochs = widgets.number_input(
                "Epochs of each phase",
                min_value=1,
                max_value=MOST_EPOCHS,
                value=min(model.phases),
                key="train_epochs_phases",
            )
    else:
        st.caption("It is fitted in one step, without epochs.")
    with st.expander("More settings"):
        seed, device = _seed(0), _device()
    return Budget(epochs=epochs, settings={}, seed=seed or None, device=device)


def _optimiser(model: Trainable, config: TrainConfig, epochs: int) -> dict[str, Any]:
    key = f"train_{model.name}"
    found: dict[str, Any] = {
        "batch": widgets.number_input(
            "Batch",
            min_value=2,
            max_value=MOST_BATCH,
            value=config.batch,
            key=f"{key}_batch_{config.batch}",
            help="Patches of a step. A smaller batch needs less memory.",
        ),
        "learning_rate": widgets.select_slider(
            "Learning rate",
            _with(_RATES, config.learning_rate),
            value=config.learning_rate,
            format_func=lambda rate: f"{rate:g}",
            key=f"{key}_rate",
        ),
        "weight_decay": widgets.select_slider(
            "Weight decay",
            _with(_DECAYS, config.weight_decay),
            value=config.weight_decay,
            format_func=lambda decay: f"{decay:g}",
            key=f"{key}_decay",
        ),
        "validate_every": widgets.number_input(
            "Epochs from one validation to the next",
            min_value=1,
            max_value=MOST_EPOCHS,
            value=_validate_every(config, epochs),
            key=f"{key}_validate_{epochs}",
        ),
        "select": widgets.selectbox(
            "Epoch whose weights are kept",
            list(SELECT),
            index=list(SELECT).index(config.select),
            format_func=lambda name: SELECT[name],
            key=f"{key}_select",
        ),
        "patience": widgets.number_input(
            "Validations without improvement until it stops (0: never)",
            min_value=0,
            max_value=MOST_EPOCHS,
            value=config.patience,
            key=f"{key}_patience",
        ),
    }
    if config.shards != (model.config or config).shards:
        found["shards"] = config.shards
    return found


def _validate_every(config: TrainConfig, epochs: int) -> int:
    """Return how often to validate, so that the curve has some points."""
    return min(config.validate_every, max(1, math.ceil(epochs / _CURVE_POINTS)))


def _with(values: tuple[float, ...], own: float) -> tuple[float, ...]:
    return tuple(sorted({*values, own}))


def _sizes(model: Trainable, config: TrainConfig) -> dict[str, Any]:
    """Let the user change the whole numbers among the options of the net."""
    packaged = (model.config or config).net_options
    found = {}
    for name, value in config.net_options.items():
        if type(value) is not int:
            continue
        chosen = widgets.number_input(
            f"Net: {name}",
            min_value=1,
            max_value=MOST_SIZE,
            value=value,
            key=f"train_{model.name}_{name}_{value}",
        )
        if chosen != packaged[name]:
            found[name] = chosen
    return found


def _seed(usual: int) -> int:
    return widgets.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        value=usual,
        key="train_seed",
        help="Two runs of the same seed give the same weights on the same computer.",
    )


def _device() -> str:
    names = ("auto", *devices.available())
    if len(names) == 2:  # the processor alone
        return "auto"
    return str(widgets.selectbox("Device", names, key="train_device"))
