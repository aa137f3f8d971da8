"""A net with its card: loads, refuses what it was not made for, predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from landcover import nets
from landcover.card import WEIGHTS_FILE, Card, read_card
from landcover.devices import pick_device
from landcover.errors import CorruptModel, LandcoverError, ModelMismatch
from landcover.patch import FloatArray, Patch
from landcover.sentinel2 import BAND_NAMES

MAX_WEIGHTS_BYTES: Final = 400_000_000
MAX_PARAMETERS: Final = 100_000_000
_ALL_BANDS: Final = list(range(len(BAND_NAMES)))


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """What a model says of one class."""

    label: str
    score: float
    """The net's raw score (logit), before calibration."""
    probability: float
    """0 to 1; calibrated where the card says so."""
    threshold: float
    predicted: bool


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one patch: one :class:`LabelScore` a class, in the card's order."""

    model: str
    card_hash: str
    labels: tuple[LabelScore, ...]

    @property
    def predicted(self) -> tuple[LabelScore, ...]:
        """The classes called present, the most probable first."""
        found = [item for item in self.labels if item.predicted]
        return tuple(sorted(found, key=lambda item: -item.probability))

    def of(self, label: str) -> LabelScore:
        """The score of one class by its full name."""
        return next(item for item in self.labels if item.label == label)


class Model:
    """A net in evaluation mode on one device, with the card it belongs to."""

    def __init__(self, card: Card, net: nn.Module, device: torch.device) -> None:
        self.card = card
        self.net = net.to(device).eval().requires_grad_(requires_grad=False)
        self.device = device

    def refuse(self, patch: Patch) -> None:
        """Raise unless the patch is what the card asks for.

        Raises:
            ModelMismatch: level, bands or size differ, or no pixel is valid.
        """
        card = self.card
        if patch.provenance.level != card.level:
            raise ModelMismatch(
                f"{card.title} was made for {card.level} (surface reflectance), "
                f"and this is {patch.provenance.level}: use a Level-2A product of the same scene."
            )
        if missing := [band for band in card.bands if band not in patch.bands]:
            raise ModelMismatch(
                f"{card.title} needs the band{'s' * (len(missing) > 1)} {', '.join(missing)}, "
                "which this source does not have: give all twelve Level-2A bands."
            )
        if (patch.height, patch.width) != (card.pixels, card.pixels):
            raise ModelMismatch(
                f"{card.title} looks at {card.pixels} × {card.pixels} pixels of {card.pixel_m} m, "
                f"and this patch has {patch.height} × {patch.width}: choose a window."
            )
        if not patch.valid.any():
            raise ModelMismatch(
                "Not one pixel of this patch has data: choose another window or date."
            )

    def tensor(self, patch: Patch) -> Tensor:
        """The patch as the net's input, float32 ``(band, y, x)``, nodata filled.

        Pixels without data take their band's mean over the valid ones, which adds no
        edge that the net could take for a border between covers.
        """
        self.refuse(patch)
        order = [patch.bands.index(band) for band in self.card.bands]
        pixels = np.array(patch.reflectance[order], dtype=np.float32)
        if not patch.valid.all():
            fill = pixels[:, patch.valid].mean(axis=1)
            pixels[:, ~patch.valid] = fill[:, None]
        return torch.from_numpy(pixels)

    def scores(self, pixels: Tensor) -> Tensor:
        """Raw scores ``(n, class)`` of float32 reflectance ``(n, band, y, x)``.

        Differentiable with respect to the pixels; the caller decides on gradients.
        """
        scores: Tensor = self.net(pixels.to(self.device))
        return scores

    def probabilities(self, scores: Tensor) -> Tensor:
        """Probabilities of raw scores, both ``(n, class)``."""
        return torch.sigmoid(scores)

    def predict_pixels(self, pixels: Tensor) -> FloatArray:
        """Probabilities, float32 ``(n, class)``, for patches without gaps.

        Args:
            pixels: float32 reflectance ``(n, 12, y, x)``, bands in the order of
                :data:`~landcover.sentinel2.BAND_NAMES`.
        """
        order = [BAND_NAMES.index(band) for band in self.card.bands]
        with torch.inference_mode():
            scores = self.scores(pixels if order == _ALL_BANDS else pixels[:, order])
            probabilities: FloatArray = self.probabilities(scores.float()).cpu().numpy()
        return probabilities

    def predict_many(self, patches: Sequence[Patch]) -> list[Prediction]:
        """A prediction for each patch, in order, in one pass of the net.

        Raises:
            ModelMismatch: one of the patches is not what the card asks for.
        """
        if not patches:
            return []
        with torch.inference_mode():
            scores = self.scores(torch.stack([self.tensor(patch) for patch in patches])).float()
            probabilities = self.probabilities(scores).cpu().numpy()
        return [
            self._prediction(row, probability)
            for row, probability in zip(scores.cpu().numpy(), probabilities, strict=True)
        ]

    def predict(self, patch: Patch) -> Prediction:
        """What the model says of one patch.

        Raises:
            ModelMismatch: the patch is not what the card asks for.
        """
        return self.predict_many([patch])[0]

    def _prediction(self, scores: FloatArray, probabilities: FloatArray) -> Prediction:
        labels = []
        for label, score, probability in zip(self.card.classes, scores, probabilities, strict=True):
            threshold = self.card.thresholds[label]
            labels.append(
                LabelScore(
                    label=label,
                    score=float(score),
                    probability=float(probability),
                    threshold=threshold,
                    predicted=bool(probability >= threshold),
                )
            )
        return Prediction(model=self.card.name, card_hash=self.card.hash, labels=tuple(labels))


def weights_bytes(net: nn.Module) -> bytes:
    """A net's state as the bytes of a safetensors file."""
    state = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    return dump_tensors(state)


def save_model(card: Card, weights: bytes, folder: Path) -> None:
    """Write a model folder: the weights first, then the card that names their hash.

    Raises:
        CorruptModel: the card's hash is not that of the weights.
    """
    if hashlib.sha256(weights).hexdigest() != card.weights_sha256:
        raise CorruptModel(f"The card of '{card.name}' belongs to other weights: make it anew.")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (WEIGHTS_FILE + ".part")
    part.write_bytes(weights)
    part.replace(folder / WEIGHTS_FILE)
    card.write(folder)


def load_model(folder: Path, device: str = "auto") -> Model:
    """Load a model folder, believing nothing in it before it is checked.

    Raises:
        CorruptModel: card or weights are absent, damaged, or do not belong together.
        BadInput: there is no such device here.
    """
    where = pick_device(device)
    card = read_card(folder)
    return Model(card, _load_net(card, folder / WEIGHTS_FILE), where)


def _load_net(card: Card, path: Path) -> nn.Module:
    def corrupt(why: str) -> CorruptModel:
        return CorruptModel(
            f"The weights of '{card.name}' cannot be used: {why}; "
            "install landcover again or train the model anew."
        )

    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise corrupt("the file is larger than 400 MB")
        data = path.read_bytes()
    except OSError:
        raise corrupt(f"{path.name} cannot be read") from None
    if hashlib.sha256(data).hexdigest() != card.weights_sha256:
        raise corrupt("the file is not the one that the card names (SHA-256 differs)")
    try:
        # A card could ask for a net of any size; on "meta" it costs no memory.
        with torch.device("meta"):
            net = nets.build(card.net, **card.net_options)
        if sum(v.numel() for v in net.state_dict().values()) > MAX_PARAMETERS:
            raise corrupt("the card asks for more than 100 million parameters")
        state: dict[str, Any] = load_tensors(data)
        net.load_state_dict(state, strict=True, assign=True)
    except LandcoverError:
        raise
    except (SafetensorError, RuntimeError, TypeError, ValueError, KeyError):
        raise corrupt("they do not fit the architecture that the card names") from None
    whole: nn.Module = net.float()
    return whole
