"""A net with its card: load it, check its input, predict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from pydantic import model_validator
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from landcover import nets
from landcover.core import files, limits
from landcover.core.errors import CorruptModel, LandcoverError, ModelMismatch
from landcover.core.raster import FloatArray, Raster
from landcover.core.regular_file import read_regular
from landcover.core.schema import Schema
from landcover.decide import calibration
from landcover.decide.conformal import Basis, Certainty, certainty
from landcover.io.level import PIXELS_OF_1C
from landcover.models.card import LEVELS, RGB, WEIGHTS_FILE, Card, read_card
from landcover.models.devices import pick_device
from landcover.models.inference import Scorer
from landcover.models.thresholds import DEFAULT_AIM, Thresholds, thresholds_for
from landcover.nets import NetTooLarge

__all__ = [
    "MAX_HEADER_BYTES",
    "MAX_PARAMETERS",
    "MAX_WEIGHTS_BYTES",
    "LabelScore",
    "Model",
    "Prediction",
    "load_model",
    "save_model",
    "untrained",
    "weights_bytes",
]

MAX_WEIGHTS_BYTES: Final = 400_000_000
MAX_HEADER_BYTES: Final = 2_000_000
"""Maximum bytes of the JSON at the start of a weights file; that of a large net has 100 kB."""
MAX_PARAMETERS: Final = 100_000_000
_SHIPPED: Final = Path(__file__).parents[1] / "zoo"
"""Models in this folder are not tried before use, which saves a tenth of a second."""
_WANTS_PATCH: Final = (
    "{title} needs twelve bands of reflectance, and this is a picture of red, green and blue: "
    "use a model for pictures such as eurosat-rgb, or a Level-2A product of the same place."
)
"""Message if a model for reflectance gets a picture."""
_WANTS_PICTURE: Final = (
    "{title} needs a picture of red, green and blue with EuroSAT's stretch, and this is "
    "reflectance, whose stretch is unknown: use a model for Level-2A such as landcover-cnn."
)
"""Message if a model for pictures gets reflectance."""


class LabelScore(Schema):
    """A model's output for one class."""

    label: str
    score: float
    """The net's raw score (logit), before calibration."""
    probability: float
    """0 to 1; calibrated if the card has a calibration."""
    threshold: float
    """0 to 1; for mutually exclusive classes at most the highest probability."""
    predicted: bool
    certainty: Certainty | None = None
    """The class's place in the conformal label set; None without one. A predicted class is at
    least "possible", whatever the aim."""

    @model_validator(mode="before")
    @classmethod
    def _predicted_is_possible(cls, raw: Any) -> Any:  # noqa: ANN401 - raw input of any type
        if isinstance(raw, dict) and raw.get("predicted") and raw.get("certainty") == "absent":
            return {**raw, "certainty": "possible"}
        return raw


class Prediction(Schema):
    """A model's output for one patch: one :class:`LabelScore` per class, in the card's order."""

    model: str
    card_hash: str
    labels: tuple[LabelScore, ...]
    aim: str = DEFAULT_AIM
    """The aim of the thresholds: a name in :data:`landcover.models.thresholds.AIMS`."""
    aim_fallback: tuple[str, ...] = ()
    """Classes without a threshold for the aim, which keep their default threshold."""
    basis: Basis | None = None
    """What the certainties rest on; None without label sets."""

    @property
    def predicted(self) -> tuple[LabelScore, ...]:
        """The predicted classes, most probable first."""
        found = [item for item in self.labels if item.predicted]
        return tuple(sorted(found, key=lambda item: -item.probability))

    def of(self, label: str) -> LabelScore:
        """Return the score of one class by its full name."""
        return next(item for item in self.labels if item.label == label)


class Model:
    """A net in evaluation mode on one device, with its card.

    Its ``folder`` is the one it was loaded from, which also holds reports and fitted
    values; None for a model made in memory.
    """

    def __init__(
        self, card: Card, net: nn.Module, device: torch.device, folder: Path | None = None
    ) -> None:
        self.card = card
        self.folder = folder
        self.net = net.to(device).eval().requires_grad_(requires_grad=False)
        self.device = device
        self._scorer: Scorer | None = None

    def check_bands(self, patch: Raster) -> None:
        """Check that a raster of any size has the level and the bands of the card.

        Raises:
            ModelMismatch: it has not.
        """
        card = self.card
        if (card.level == RGB) != patch.is_rgb:
            wants = _WANTS_PICTURE if card.level == RGB else _WANTS_PATCH
            raise ModelMismatch(wants.format(title=card.title))
        if patch.provenance.level != card.level:
            found = next((note for note in patch.provenance.notes if note == PIXELS_OF_1C), "")
            raise ModelMismatch(
                f"{card.title} was made for {card.level} (surface reflectance), and this is "
                f"{patch.level}{f', {found}' if found else ''}: use the Level-2A product of the "
                "same scene, or make one with ESA's Sen2Cor."
            )
        if missing := [band for band in card.bands if band not in patch.bands]:
            raise ModelMismatch(
                f"{card.title} needs the band{'s' * (len(missing) > 1)} {', '.join(missing)}, "
                f"which this source does not have: `landcover bands best {','.join(patch.bands)}` "
                "names the model for its bands."
            )

    def check_input(self, patch: Raster) -> None:
        """Check that the patch or picture meets the card's requirements.

        Raises:
            ModelMismatch: level, bands or size differ, or no pixel is valid.
        """
        self.check_bands(patch)
        card = self.card
        if (patch.height, patch.width) != (card.pixels, card.pixels):
            raise ModelMismatch(
                f"{card.title} needs {card.pixels} × {card.pixels} pixels of {card.pixel_m} m, "
                f"and this patch has {patch.height} × {patch.width}: choose a window."
            )
        if not patch.valid.any():
            raise ModelMismatch("No pixel of this patch has data: choose another window or date.")

    def tensor(self, patch: Raster) -> Tensor:
        """Convert a patch or picture to the net's input, float32 ``(band, y, x)``.

        Pixels without data get the mean of their band's valid pixels, so that the gap has no
        strong edge that the net could mistake for a border between classes.

        Raises:
            ModelMismatch: the patch does not meet the card's requirements.
        """
        self.check_input(patch)
        order = [patch.bands.index(band) for band in self.card.bands]
        pixels = np.array(patch.data[order], dtype=np.float32)
        if not patch.valid.all():
            fill = pixels[:, patch.valid].mean(axis=1)
            pixels[:, ~patch.valid] = fill[:, None]
        return torch.from_numpy(pixels)

    def scores(self, pixels: Tensor) -> Tensor:
        """Compute raw scores ``(n, class)`` of float32 reflectance ``(n, band, y, x)``.

        The scores are differentiable with respect to the pixels; the caller enables or
        disables gradients.
        """
        scores: Tensor = self.net(pixels.to(self.device))
        return scores

    def probabilities(self, scores: Tensor) -> Tensor:
        """Convert raw scores to calibrated probabilities, both ``(n, class)``."""
        if self.card.exclusive:
            return scores.softmax(dim=-1)
        return calibration.apply(self.card.calibration, self.card.classes, scores)

    def predict_pixels(self, pixels: Tensor, *, fast: bool = False) -> FloatArray:
        """Compute probabilities, float32 ``(n, class)``, of patches without gaps.

        Args:
            pixels: float32 reflectance ``(n, 12, y, x)``, bands in the order of
                :data:`~landcover.core.bands.BAND_NAMES`; for models for pictures brightness
                ``(n, 3, y, x)``, 0 to 1: red, green, blue.
            fast: score many patches several times as fast, in bfloat16 if the device
                supports it. That is precise enough for maps, but not to the last digits
                (:mod:`landcover.models.inference`).
        """
        every = LEVELS[self.card.level][1]
        order = [every.index(band) for band in self.card.bands]
        wanted = pixels if order == list(range(len(every))) else pixels[:, order]
        with torch.inference_mode():
            scores = self.fast_scores(wanted) if fast else self.scores(wanted)
            probabilities: FloatArray = self.probabilities(scores.float()).cpu().numpy()
        return probabilities

    def fast_scores(self, pixels: Tensor) -> Tensor:
        """Compute raw scores several times as fast as :meth:`scores`, without gradients.

        The result is on the CPU. The first call prepares the net, which takes some tenths of a
        second.
        """
        if not len(pixels):
            return torch.empty(0, len(self.card.classes))
        if self._scorer is None:
            self._scorer = Scorer(self.net, pixels[:2])
        return self._scorer(pixels)

    def predict_many(self, patches: Sequence[Raster], aim: str = DEFAULT_AIM) -> list[Prediction]:
        """Predict each patch, in order, in one forward pass.

        Args:
            patches: patches or pictures that meet the card's requirements.
            aim: the aim of the thresholds, as parsed by
                :func:`landcover.models.thresholds.parse_aim`.

        Raises:
            ModelMismatch: one of the patches does not meet the card's requirements.
            BadInput: the aim is unknown, or the card has no thresholds for it.
        """
        thresholds_for(self.card, aim)  # report a wrong aim before running the net
        if not patches:
            return []
        with torch.inference_mode():
            scores = self.scores(torch.stack([self.tensor(patch) for patch in patches])).float()
        return self.predictions(scores, aim)

    def predictions(self, scores: Tensor, aim: str = DEFAULT_AIM) -> list[Prediction]:
        """Build the prediction for each row of raw scores ``(n, class)``.

        Raises:
            BadInput: the aim is unknown, or the card has no thresholds for it.
            CorruptModel: a score or probability is not a finite number.
        """
        thresholds = thresholds_for(self.card, aim)
        with torch.inference_mode():
            probabilities = self.probabilities(scores).cpu().numpy()
        rows = scores.cpu().numpy()
        if not (np.isfinite(rows).all() and np.isfinite(probabilities).all()):
            raise CorruptModel(
                f"The model '{self.card.name}' gave a score that is not a finite number: "
                "train it again, or choose another model."
            )
        return [
            self._prediction(row, probability, thresholds)
            for row, probability in zip(rows, probabilities, strict=True)
        ]

    def predict(self, patch: Raster, aim: str = DEFAULT_AIM) -> Prediction:
        """Predict the classes of one patch or picture.

        Args:
            patch: a patch or picture that meets the card's requirements.
            aim: the aim of the thresholds, as parsed by
                :func:`landcover.models.thresholds.parse_aim`.

        Raises:
            ModelMismatch: the patch does not meet the card's requirements.
            BadInput: the aim is unknown, or the card has no thresholds for it.
        """
        return self.predict_many([patch], aim)[0]

    def _prediction(
        self, scores: FloatArray, probabilities: FloatArray, thresholds: Thresholds
    ) -> Prediction:
        labels = []
        # One of exclusive classes is always predicted, so the best must reach its threshold.
        best = float(probabilities.max()) if self.card.exclusive else 1.0
        chances = probabilities.astype(np.float64).tolist()
        for label, score, chance in zip(self.card.classes, scores, chances, strict=True):
            threshold = min(thresholds.of[label], best)
            labels.append(
                LabelScore(
                    label=label,
                    score=float(score),
                    probability=chance,
                    threshold=threshold,
                    predicted=chance >= threshold,
                    certainty=certainty(self.card.label_sets, label, chance),
                )
            )
        return Prediction(
            model=self.card.name,
            card_hash=self.card.hash,
            labels=tuple(labels),
            aim=thresholds.aim,
            aim_fallback=thresholds.fallback,
            basis=None if self.card.label_sets is None else self.card.label_sets.basis,
        )


def weights_bytes(net: nn.Module) -> bytes:
    """Serialise a net's state as a safetensors file."""
    state = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    return dump_tensors(state)


def save_model(card: Card, weights: bytes, folder: Path) -> None:
    """Write a model folder: first the weights, then the card with their hash.

    Raises:
        CorruptModel: the hash in the card is not that of the weights.
        BadInput: a file cannot be written.
    """
    if hashlib.sha256(weights).hexdigest() != card.weights_sha256:
        raise CorruptModel(f"The card of '{card.name}' belongs to other weights: make it again.")
    files.make_folder(folder)
    files.write_bytes(folder / WEIGHTS_FILE, weights)
    card.write(folder)


def load_model(folder: Path, device: str = "auto") -> Model:
    """Load and validate a model folder.

    Raises:
        CorruptModel: card or weights are missing, damaged, or do not belong together.
        BadInput: this machine has no such device.
    """
    where = pick_device(device)
    card = read_card(folder)
    return Model(card, _load_net(card, folder / WEIGHTS_FILE), where, folder)


def untrained(card: Card) -> nn.Module:
    """Build the net of a card without memory for its weights.

    Raises:
        CorruptModel: its options do not fit its architecture, or it has too many layers or
            weights.
        LandcoverError: it needs a package that is not installed.
    """
    most = limits.current().net_parts
    try:
        with nets.bounded(most, MAX_PARAMETERS), torch.device("meta"):
            net = nets.build(card.net, **card.net_options)
    except NetTooLarge as error:
        raise _corrupt(card, str(error)) from None
    except LandcoverError:
        raise
    # Options of any kind and value reach the constructors, which can fail in any way.
    except Exception:  # noqa: BLE001
        raise _corrupt(card, "the card's options do not fit its architecture") from None
    # A list of layers that is shared or replaced is counted again here.
    if sum(v.numel() for v in net.state_dict().values()) > MAX_PARAMETERS:
        raise _corrupt(card, "the card's architecture has more than 100 million parameters")
    return net


def _corrupt(card: Card, why: str) -> CorruptModel:
    return CorruptModel(
        f"The weights of '{card.name}' cannot be used: {why}; "
        "install landcover again or train the model again."
    )


def _load_net(card: Card, path: Path) -> nn.Module:
    try:
        data = read_regular(path, MAX_WEIGHTS_BYTES, inside=path.parent)
    except OSError:
        why = f"{path.name} cannot be read, or is not a file of its folder"
        raise _corrupt(card, why) from None
    except ValueError:
        raise _corrupt(card, "the file is larger than 400 MB") from None
    if hashlib.sha256(data).hexdigest() != card.weights_sha256:
        raise _corrupt(card, "the file's SHA-256 differs from the one in the card")
    if int.from_bytes(data[:8], "little") > MAX_HEADER_BYTES:
        raise _corrupt(card, "they do not fit the card's architecture")
    net = untrained(card)
    try:
        state: dict[str, Any] = load_tensors(data)
        net.load_state_dict(state, strict=True, assign=True)
    except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError):
        raise _corrupt(card, "they do not fit the card's architecture") from None
    loaded: nn.Module = net.float()
    if not path.is_relative_to(_SHIPPED) and not _reads_window(loaded, card):
        raise _corrupt(card, "the card's options do not fit its architecture")
    return loaded


def _reads_window(net: nn.Module, card: Card) -> bool:
    """Whether a net gives a score of each class for a window as the card describes it."""
    empty = torch.zeros(1, len(card.bands), card.pixels, card.pixels)
    try:
        with torch.inference_mode():
            return bool(net.eval()(empty).shape == (1, len(card.classes)))
    # Weights and options that fit each other can still fail in any way.
    except Exception:  # noqa: BLE001
        return False
