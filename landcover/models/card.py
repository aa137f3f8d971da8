"""The card: everything a net needs beside its weights, checked before it is believed.

A model folder holds ``card.json`` and ``weights.safetensors``. The card binds the
weights (by SHA-256) to the bands, units, grid, normalisation, classes, thresholds
and calibration they were made for, so that none of these can be mixed up.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, PIXEL_M, RGB_BANDS
from landcover.core.classes import CLASS_NAMES, CLASS_SETS
from landcover.core.errors import CorruptModel

CARD_FILE: Final = "card.json"
WEIGHTS_FILE: Final = "weights.safetensors"
CARD_VERSION: Final = 1
MAX_CARD_BYTES: Final = 2_000_000

UNITS: Final = "surface reflectance"
BRIGHTNESS: Final = "picture brightness"
"""Red, green and blue as a picture file holds them, 0 to 1: how bright a screen shows a pixel."""
RGB: Final = "RGB"
"""The level of pictures."""
LEVELS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "L2A": (UNITS, BAND_NAMES),
    RGB: (BRIGHTNESS, RGB_BANDS),
}
"""What a model may look at → its units and the bands that there are."""
SIGMOID: Final = "sigmoid"
SOFTMAX: Final = "softmax"
EVEN: Final = 0.5
"""The one threshold of exclusive classes: who has more than half is the most probable."""
RESAMPLING: Final = "nearest repetition to 10 m"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model is, what it may be given and what its numbers mean.

    Attributes:
        name: the folder's name in the registry.
        title: the name that people read.
        summary: one or two sentences on what it is and what it is good for.
        net: name of the architecture in :data:`landcover.nets.NETS`.
        net_options: keyword arguments of that architecture, JSON values only.
        bands: names along the input's band axis, in order.
        units, level, pixel_m, pixels, resampling: what a patch must be; level "RGB" is a
            picture.
        mean, std: per band, in ``units``; the net normalises with them itself.
        class_set: key of :data:`landcover.core.classes.CLASS_SETS`.
        classes: names along the output's axis, in order.
        activation: "sigmoid" where each class is there or not, "softmax" where the classes
            exclude each other; then the most probable one is called, whatever the thresholds.
        thresholds: class → probability from which it is called present.
        threshold_rule: how the thresholds were chosen, and on what.
        aims: aim → class → threshold that serves it (:mod:`landcover.models.thresholds`); a class
            that validation could not bring there is left out.
        calibration: ``{"method": "none"}`` or a method with its parameters
            (:mod:`landcover.decide.calibration`).
        label_sets: bounds of "certain" and "possible", and the coverage that they had
            (:mod:`landcover.decide.conformal`); empty where they were not made.
        explainable: whether gradients of the scores with respect to pixels exist.
        explanation_scales: attribution method → the value drawn in full colour,
            common to all classes and patches (see :mod:`landcover.explain.explanation`).
        training: data set, splits, number of patches, configuration, seed, date.
        selection: figures on validation from which the choices were made.
        weights_sha256: of the weights file.
        parameters: number of trained values.
        licence: of the weights.
    """

    name: str
    title: str
    summary: str
    net: str
    net_options: dict[str, Any]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    thresholds: dict[str, float]
    threshold_rule: str
    training: dict[str, Any]
    weights_sha256: str
    parameters: int
    selection: dict[str, Any] = field(default_factory=dict)
    explainable: bool = True
    explanation_scales: dict[str, float] = field(default_factory=dict)
    aims: dict[str, dict[str, float]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=lambda: {"method": "none"})
    label_sets: dict[str, Any] = field(default_factory=dict)
    bands: tuple[str, ...] = BAND_NAMES
    units: str = UNITS
    level: str = "L2A"
    pixel_m: int = PIXEL_M
    pixels: int = PATCH_PIXELS
    resampling: str = RESAMPLING
    class_set: str = "bigearthnet-19"
    classes: tuple[str, ...] = CLASS_NAMES
    activation: str = SIGMOID
    licence: str = "MIT"
    version: int = CARD_VERSION

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return asdict(self)

    @property
    def exclusive(self) -> bool:
        """Whether exactly one of the classes is called."""
        return self.activation == SOFTMAX

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the card's canonical JSON.

        It covers the weights too, since their own hash is in the card.
        """
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def write(self, folder: Path) -> None:
        """Write ``card.json`` into a folder that exists."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")


def read_card(folder: Path) -> Card:
    """Read and check a model folder's card.

    Raises:
        CorruptModel: the card is absent, not JSON, of another version, or inconsistent.
    """
    path = folder / CARD_FILE
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise _corrupt(folder, "its card is larger than 2 MB")
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _corrupt(folder, f"it has no {CARD_FILE}") from None
    except (OSError, ValueError, RecursionError):
        raise _corrupt(folder, f"its {CARD_FILE} cannot be read as JSON") from None
    return parse_card(raw, folder)


def parse_card(raw: object, folder: Path) -> Card:
    """A card from JSON values that nobody has vouched for.

    Raises:
        CorruptModel: a field is missing, unknown, of a wrong type or inconsistent.
    """
    if not isinstance(raw, dict):
        raise _corrupt(folder, "its card is not a JSON object")
    if raw.get("version") != CARD_VERSION:
        raise _corrupt(folder, f"its card has version {raw.get('version')!r}, not {CARD_VERSION}")
    known = {f.name for f in fields(Card)}
    if unknown := sorted(set(raw) - known):
        raise _corrupt(folder, f"its card has the unknown field '{str(unknown[0])[:40]}'")
    for name in ("mean", "std", "bands", "classes"):
        if not isinstance(raw.get(name), list):
            raise _corrupt(folder, f"its card has no list '{name}'")
    try:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        card = Card(**values)
    except TypeError:
        raise _corrupt(folder, "its card lacks a field") from None
    _check(card, folder)
    return card


_TEXTS: Final = (
    "name",
    "title",
    "summary",
    "net",
    "threshold_rule",
    "weights_sha256",
    "units",
    "level",
    "resampling",
    "class_set",
    "activation",
    "licence",
)
_OBJECTS: Final = (
    "net_options",
    "training",
    "selection",
    "thresholds",
    "aims",
    "calibration",
    "label_sets",
    "explanation_scales",
)
_WHOLE: Final = ("parameters", "pixel_m", "pixels")


def _check(card: Card, folder: Path) -> None:
    """Types first, since the rules rest on them."""
    _check_types(card, folder)
    rules = (*_input_rules(card), *_rules(card), *_decision_rules(card))
    for holds, complaint in rules:
        if not holds:
            raise _corrupt(folder, complaint)


def _check_types(card: Card, folder: Path) -> None:
    for names, kind, what in ((_TEXTS, str, "text"), (_OBJECTS, dict, "an object")):
        for name in names:
            if not isinstance(getattr(card, name), kind):
                raise _corrupt(folder, f"{name} must be {what}")
    for name in _WHOLE:
        if not (_is_number(getattr(card, name)) and getattr(card, name) >= 0):
            raise _corrupt(folder, f"{name} must be a whole number")
    if not all(isinstance(v, str) for v in (*card.bands, *card.classes)):
        raise _corrupt(folder, "bands and classes must be text")
    if not all(_is_number(v) for v in (*card.mean, *card.std)):
        raise _corrupt(folder, "mean and std must be numbers")


def _rules(card: Card) -> tuple[tuple[bool, str], ...]:
    return (
        (isinstance(card.explainable, bool), "explainable must be true or false"),
        (len(card.mean) == len(card.std) == len(card.bands), "mean and std must match the bands"),
        (all(v > 0 for v in card.std), "every std must be above 0"),
        (set(card.thresholds) == set(card.classes), "thresholds must name each class once"),
        (
            all(_is_number(v) and 0.0 <= v <= 1.0 for v in card.thresholds.values()),
            "every threshold must lie between 0 and 1",
        ),
        (
            not card.exclusive or all(v == EVEN for v in card.thresholds.values()),
            f"thresholds of exclusive classes must be {EVEN}",
        ),
        (
            all(_is_number(v) and v > 0 for v in card.explanation_scales.values()),
            "every explanation scale must be above 0",
        ),
    )


def _input_rules(card: Card) -> tuple[tuple[bool, str], ...]:
    """What must be one of the things that we know."""
    units, bands = LEVELS.get(card.level, ("", ()))
    classes = CLASS_SETS.get(card.class_set, ())
    return (
        (card.level in LEVELS, f"the only known levels are {', '.join(LEVELS)}"),
        (card.units == units, f"the only known units of {card.level} are {units}"),
        (set(card.bands) <= set(bands), f"it names bands that {card.level} does not have"),
        (bool(classes), f"the only known class sets are {', '.join(CLASS_SETS)}"),
        (set(card.classes) <= set(classes), "it names classes outside the nomenclature"),
        (
            card.activation in (SIGMOID, SOFTMAX),
            f"the only known activations are {SIGMOID} and {SOFTMAX}",
        ),
    )


def _decision_rules(card: Card) -> tuple[tuple[bool, str], ...]:
    """What calibration, aims and label sets must keep to."""
    every = set(card.classes)
    aims_hold = all(
        isinstance(table, dict) and set(table) <= every and all(map(_is_share, table.values()))
        for table in card.aims.values()
    )
    return (
        (
            card.calibration.get("method") in ("none", "platt"),
            "the only known calibrations are none and platt",
        ),
        (
            _platt_holds(card.calibration, every),
            "platt needs scale above 0 and shift of each class",
        ),
        (aims_hold, "every aim must give classes thresholds between 0 and 1"),
        (
            _sets_hold(card.label_sets, every),
            "label_sets must bound certain and possible between 0 and 1 for each class",
        ),
    )


def _platt_holds(calibration: dict[str, Any], every: set[str]) -> bool:
    if calibration.get("method") == "none":
        return True
    scale, shift = _table(calibration, "scale"), _table(calibration, "shift")
    named = set(scale) == set(shift) == every
    numbers = all(map(_is_number, (*scale.values(), *shift.values())))
    return named and numbers and all(value > 0 for value in scale.values())


def _sets_hold(sets: dict[str, Any], every: set[str]) -> bool:
    if not sets:
        return True
    certain, possible = _table(sets, "certain"), _table(sets, "possible")
    bounds = [value for value in certain.values() if value is not None]
    return (
        set(certain) == set(possible) == every
        and all(map(_is_share, (*bounds, *possible.values())))
        and _is_share(sets.get("wanted_coverage"))
    )


def _table(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _is_share(value: object) -> bool:
    return _is_number(value) and 0.0 <= value <= 1.0  # type: ignore[operator]  # a number by then


def _is_number(value: object) -> bool:
    """Whether it is a finite number; JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _corrupt(folder: Path, why: str) -> CorruptModel:
    return CorruptModel(
        f"The model folder '{folder.name}' cannot be used: {why}; "
        "install landcover again or train the model anew."
    )
