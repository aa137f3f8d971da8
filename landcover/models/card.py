"""The model card: everything a net needs in addition to its weights, validated when read.

A model folder holds ``card.json`` and ``weights.safetensors``. The card ties the
weights (by SHA-256) to the bands, units, grid, normalisation, classes, thresholds
and calibration they were made for, so that none of these can be mixed up.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import (
    Field,
    Strict,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from landcover.core import files, own_classes
from landcover.core.bands import BAND_NAMES, PATCH_PIXELS, PIXEL_M, RGB_BANDS
from landcover.core.classes import CLASS_NAMES, CLASS_SETS
from landcover.core.errors import BadInput, CorruptModel
from landcover.core.own_classes import OWN_SET, ClassLook
from landcover.core.regular_file import read_regular
from landcover.core.schema import Schema
from landcover.core.text import plain
from landcover.core.untrusted_json import BadJson, parse
from landcover.decide.calibration import Calibration
from landcover.decide.conformal import LabelSets

__all__ = [
    "BRIGHTNESS",
    "CARD_FILE",
    "CARD_VERSION",
    "EXCLUSIVE_THRESHOLD",
    "LEVELS",
    "LONGEST",
    "MAX_CARD_BYTES",
    "MAX_FORMER",
    "MAX_PIXELS",
    "RESAMPLING",
    "RGB",
    "SIGMOID",
    "SOFTMAX",
    "UNITS",
    "WEIGHTS_FILE",
    "Card",
    "Count",
    "FormerName",
    "Number",
    "parse_card",
    "read_card",
]

CARD_FILE: Final = "card.json"
WEIGHTS_FILE: Final = "weights.safetensors"
CARD_VERSION: Final = 1
MAX_CARD_BYTES: Final = 2_000_000

MAX_PIXELS: Final = 1_000
"""Maximum pixels along a side of a model's window, and metres along a side of a pixel."""
MAX_FORMER: Final = 20
"""Most former names in a card."""
LONGEST: Final = {"name": 100, "title": 200, "summary": 2_000, "licence": 200}
"""Maximum characters of the texts that are shown; they have no control characters."""

UNITS: Final = "surface reflectance"
BRIGHTNESS: Final = "picture brightness"
"""Units of pictures: red, green and blue as a picture file stores them, scaled to 0 to 1."""
RGB: Final = "RGB"
"""The level of colour pictures."""
_HASH_LETTERS: Final = 12
LEVELS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "L2A": (UNITS, BAND_NAMES),
    RGB: (BRIGHTNESS, RGB_BANDS),
}
"""Level of a model's input → its units and available bands."""
SIGMOID: Final = "sigmoid"
SOFTMAX: Final = "softmax"
EXCLUSIVE_THRESHOLD: Final = 0.5
"""The threshold of mutually exclusive classes: a class above one half is the most probable."""
RESAMPLING: Final = "nearest repetition to 10 m"


Number = Annotated[float, Strict()]
"""A finite number; JSON's true and false are rejected."""
Count = Annotated[int, Strict(), Field(ge=0)]


class FormerName(Schema):
    """A name that a model had before it was renamed.

    Attributes:
        name: the name.
        card: hash of the card with that name, by which other files refer to the model.
    """

    name: str
    card: str


class Card(Schema):
    """Metadata of a model: what it is, the input it accepts and how to read its output.

    Attributes:
        name: the folder's name in the registry.
        title: the name shown to users.
        summary: one or two sentences on what the model is and what to use it for.
        net: name of the architecture in :data:`landcover.nets.NETS`.
        net_options: keyword arguments of that architecture, JSON values only.
        bands: names along the input's band axis, in order.
        units, level, pixel_m, pixels, resampling: requirements on the input; level "RGB" is
            a picture.
        mean, std: per band, in ``units``; the net applies this normalisation itself.
        class_set: key of :data:`landcover.core.classes.CLASS_SETS`, or "own" for classes of one's
            own data.
        classes: names along the output's axis, in order.
        looks: class → how it is shown, for classes of one's own; not written if empty.
        activation: "sigmoid" for independent classes, "softmax" for mutually exclusive ones,
            of which the most probable is predicted regardless of the thresholds.
        thresholds: class → probability from which it is predicted.
        threshold_rule: how the thresholds were chosen, and on what data.
        aims: aim → class → threshold for that aim (:mod:`landcover.models.thresholds`); a class
            that could not reach the aim on validation is left out.
        calibration: a method with its parameters.
        label_sets: bounds of "certain" and "possible", with their measured coverage; None
            (``{}`` in JSON) if there are none.
        explainable: whether gradients of the scores with respect to pixels exist.
        explanation_scales: attribution method → the value drawn in full colour, the same for
            all classes and patches (see :mod:`landcover.explain.explanation`).
        training: data set, splits, number of patches, configuration, seed, date.
        selection: validation metrics on which model choices were based.
        weights_sha256: of the weights file.
        parameters: number of trained values.
        licence: of the weights.
        former: names that the model had before, oldest first; not written if empty.
    """

    name: str
    title: str
    summary: str
    net: str
    net_options: dict[str, Any]
    mean: tuple[Number, ...]
    std: tuple[Number, ...]
    thresholds: dict[str, Number]
    threshold_rule: str
    training: dict[str, Any]
    weights_sha256: str
    parameters: Count
    selection: dict[str, Any] = Field(default_factory=dict)
    explainable: Annotated[bool, Strict()] = True
    explanation_scales: dict[str, Number] = Field(default_factory=dict)
    aims: dict[str, dict[str, Number]] = Field(default_factory=dict)
    calibration: Calibration = Calibration(method="none")
    label_sets: LabelSets | None = None
    bands: tuple[str, ...] = BAND_NAMES
    units: str = UNITS
    level: str = "L2A"
    pixel_m: Count = PIXEL_M
    pixels: Count = PATCH_PIXELS
    resampling: str = RESAMPLING
    class_set: str = "bigearthnet-19"
    classes: tuple[str, ...] = CLASS_NAMES
    looks: dict[str, ClassLook] = Field(default_factory=dict, exclude_if=lambda looks: not looks)
    activation: str = SIGMOID
    licence: str = "MIT"
    former: Annotated[tuple[FormerName, ...], Field(max_length=MAX_FORMER)] = Field(
        default=(), exclude_if=lambda former: not former
    )
    version: int = CARD_VERSION

    @field_validator("label_sets", mode="before")
    @classmethod
    def _empty_means_none(cls, raw: object) -> object:
        return None if raw == {} else raw

    @field_serializer("calibration")
    def _calibration_as_dict(self, calibration: Calibration) -> dict[str, Any]:
        return calibration.as_dict()

    @field_serializer("label_sets")
    def _label_sets_as_dict(self, sets: LabelSets | None) -> dict[str, Any]:
        return {} if sets is None else sets.as_dict()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for holds, complaint in (*_input_rules(self), *_rules(self), *_decision_rules(self)):
            if not holds:
                raise ValueError(complaint)
        return self

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values, including defaults."""
        return self.model_dump(mode="json")

    @property
    def exclusive(self) -> bool:
        """Whether the classes exclude each other, so that exactly one is predicted."""
        return self.activation == SOFTMAX

    @property
    def hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the card's canonical JSON.

        It also covers the weights, because the card contains their hash.
        """
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LETTERS]

    def write(self, folder: Path) -> None:
        """Write ``card.json`` into an existing folder; an older card is replaced at once.

        Raises:
            BadInput: it cannot be written.
        """
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        files.write_text(folder / CARD_FILE, text + "\n")


def read_card(folder: Path) -> Card:
    """Read and validate a model folder's card.

    Raises:
        CorruptModel: the card is missing, not JSON, of another version, or inconsistent.
    """
    path = folder / CARD_FILE
    try:
        data = read_regular(path, MAX_CARD_BYTES, inside=folder)
    except FileNotFoundError:
        raise _corrupt(folder, f"it has no {CARD_FILE}") from None
    except OSError:
        raise _corrupt(folder, f"its {CARD_FILE} cannot be read, or is not a file of it") from None
    except ValueError:
        raise _corrupt(folder, "its card is larger than 2 MB") from None
    try:
        return parse_card(parse(data), folder)
    except BadJson as error:
        raise _corrupt(folder, f"its {CARD_FILE} cannot be read as JSON, because {error}") from None


def parse_card(raw: object, folder: Path) -> Card:
    """Build a card from untrusted JSON values.

    Raises:
        CorruptModel: a field is missing, unknown, of a wrong type or inconsistent.
    """
    if not isinstance(raw, dict):
        raise _corrupt(folder, "its card is not a JSON object")
    if raw.get("version") != CARD_VERSION:
        raise _corrupt(
            folder,
            f"its card has version {plain(str(raw.get('version')))[:40]}, not {CARD_VERSION}",
        )
    try:
        card = Card.model_validate(raw)
    except ValidationError as error:
        raise _corrupt(folder, _complaint(error)) from None
    own_classes.declare(card.looks, str(card.training.get("date", ""))[:40])
    return card


_COMPLAINTS: Final[dict[str, str]] = {
    "mean": "mean and std must be numbers",
    "std": "mean and std must be numbers",
    "bands": "bands and classes must be text",
    "classes": "bands and classes must be text",
    "looks": "every look must have a short name and a colour such as #1f77b4",
    "thresholds": "every threshold must lie between 0 and 1",
    "explanation_scales": "every explanation scale must be above 0",
    "aims": "every aim must give classes thresholds between 0 and 1",
    "calibration": "the only known calibrations are none and platt",
    "former": f"former must give at most {MAX_FORMER} names with the hash of a card each",
    "label_sets": "label_sets must bound certain and possible between 0 and 1 for each class",
}
"""Field → error message for a value of the wrong type inside it."""
_KINDS: Final[dict[str, str]] = {
    "string_type": "text",
    "dict_type": "an object",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "greater_than_equal": "a whole number",
}


def _complaint(error: ValidationError) -> str:
    """Return the first error that pydantic found, as the end of a sentence."""
    first = error.errors(include_url=False)[0]
    kind, where = first["type"], first["loc"]
    if not where:
        return str(first["ctx"]["error"])  # one of the card's own rules
    name = plain(str(where[0]))[:40]
    if len(where) == 1 and kind == "extra_forbidden":
        return f"its card has the unknown field '{name}'"
    if len(where) == 1 and kind == "missing":
        return f"its card lacks the field '{name}'"
    if len(where) == 1 and kind == "tuple_type":
        return f"its card has no list '{name}'"
    return _COMPLAINTS.get(name, f"{name} must be {_KINDS.get(kind, 'of another type')}")


def _rules(card: Card) -> tuple[tuple[bool, str], ...]:
    return (
        (len(card.mean) == len(card.std) == len(card.bands), "mean and std must match the bands"),
        (all(v > 0 for v in card.std), "every std must be above 0"),
        (len(set(card.bands)) == len(card.bands), "a band is named twice"),
        (len(set(card.classes)) == len(card.classes), "a class is named twice"),
        (1 <= card.pixels <= MAX_PIXELS, f"pixels must be 1 to {MAX_PIXELS:,}"),
        (1 <= card.pixel_m <= MAX_PIXELS, f"pixel_m must be 1 to {MAX_PIXELS:,}"),
        *(
            (_is_line(getattr(card, field), most), f"{field} must be a text of at most {most:,}")
            for field, most in LONGEST.items()
        ),
        (
            all(
                _is_line(one.name, LONGEST["name"]) and _is_line(one.card, _HASH_LETTERS)
                for one in card.former
            ),
            "former must give a name and the hash of a card each",
        ),
        (set(card.thresholds) == set(card.classes), "thresholds must name each class once"),
        (
            all(map(_is_share, card.thresholds.values())),
            "every threshold must lie between 0 and 1",
        ),
        (
            not card.exclusive or all(v == EXCLUSIVE_THRESHOLD for v in card.thresholds.values()),
            f"thresholds of exclusive classes must be {EXCLUSIVE_THRESHOLD}",
        ),
        (
            all(v > 0 for v in card.explanation_scales.values()),
            "every explanation scale must be above 0",
        ),
    )


def _input_rules(card: Card) -> tuple[tuple[bool, str], ...]:
    """Rules on level, units, bands, classes and activation: only known values are allowed."""
    units, bands = LEVELS.get(card.level, ("", ()))
    return (
        (card.level in LEVELS, f"the only known levels are {', '.join(LEVELS)}"),
        (card.units == units, f"the only known units of {card.level} are {units}"),
        (set(card.bands) <= set(bands), f"it names bands that {card.level} does not have"),
        *_class_rules(card),
        (
            card.activation in (SIGMOID, SOFTMAX),
            f"the only known activations are {SIGMOID} and {SOFTMAX}",
        ),
    )


def _class_rules(card: Card) -> tuple[tuple[bool, str], ...]:
    """Rules on the classes: those of a class set, or a list of one's own."""
    if card.class_set == OWN_SET:
        return (
            (_can_be_named(card.classes), "its own classes have names that cannot be shown"),
            (set(card.looks) <= set(card.classes), "looks must be of its classes"),
        )
    classes = CLASS_SETS.get(card.class_set, ())
    known = ", ".join((*CLASS_SETS, OWN_SET))
    return (
        (bool(classes), f"the only known class sets are {known}"),
        (set(card.classes) <= set(classes), "it names classes outside the nomenclature"),
        (not card.looks, "only classes of one's own have looks"),
    )


def _can_be_named(classes: tuple[str, ...]) -> bool:
    try:
        own_classes.check_names(classes)
    except BadInput:
        return False
    return True


def _decision_rules(card: Card) -> tuple[tuple[bool, str], ...]:
    """Rules on calibration, aims and label sets."""
    every = set(card.classes)
    aims_hold = all(
        set(table) <= every and all(map(_is_share, table.values())) for table in card.aims.values()
    )
    return (
        (
            _platt_holds(card.calibration, every),
            "platt needs scale above 0 and shift of each class",
        ),
        (aims_hold, _COMPLAINTS["aims"]),
        (_sets_hold(card.label_sets, every), _COMPLAINTS["label_sets"]),
    )


def _platt_holds(calibration: Calibration, every: set[str]) -> bool:
    if calibration.method == "none":
        return calibration.scale is None and calibration.shift is None
    scale, shift = calibration.scale or {}, calibration.shift or {}
    return set(scale) == set(shift) == every and all(value > 0 for value in scale.values())


def _sets_hold(sets: LabelSets | None, every: set[str]) -> bool:
    if sets is None:
        return True
    bounds = [value for value in sets.certain.values() if value is not None]
    return (
        set(sets.certain) == set(sets.possible) == every
        and all(map(_is_share, (*bounds, *sets.possible.values())))
        and _is_share(sets.wanted_coverage)
    )


def _is_line(text: str, most: int) -> bool:
    return len(text) <= most and all(letter.isprintable() or letter == "\n" for letter in text)


def _is_share(value: float) -> bool:
    return 0.0 <= value <= 1.0


def _corrupt(folder: Path, why: str) -> CorruptModel:
    return CorruptModel(
        f"The model folder '{plain(folder.name)}' cannot be used: {why}; "
        "install landcover again or train the model again."
    )
