"""Whether a model's explanations may be believed: what was measured, and what follows.

For each attribution method of a model: whether the score follows the map
(:mod:`~landcover.explain.faithfulness.curves`), whether the map depends on the net's weights
(:mod:`~landcover.explain.faithfulness.randomisation`), how steady it is under the sensor's noise
(:mod:`~landcover.explain.faithfulness.noise_stability`), whether methods agree, and whether they
mark the land
that they speak of (:mod:`~landcover.explain.faithfulness.pointing`). :func:`measure` finds the
figures, which are kept beside the model's card.

The rules:

- *offered* is a method whose maps change when all weights are shuffled (mean absolute rank
  correlation of at most 0.5);
- *faithful* is one that is offered and whose gain over random orders (area under insertion
  less area under deletion) has a 95 % interval above 0;
- *steady* is one whose map changes by less than a quarter of its size under another 1 % of
  the sensor's noise;
- *best* is the faithful one with the largest gain among the steady ones, or among all where
  none is steady.

Agreement and pointing are shown and decide nothing: a net may really use land beside the
cover that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from landcover.core.errors import CorruptModel, UnknownName
from landcover.core.progress import Report
from landcover.models.card import read_card
from landcover.trust import files

# Pages read figures without waiting for torch.
if TYPE_CHECKING:
    from landcover.core.raster import Raster
    from landcover.explain.explanation import Method
    from landcover.explain.faithfulness.pointing import Scene
    from landcover.models.model import Model

FILE: Final = "faithfulness"
RULE: Final = (
    "faithful: maps change when all weights are shuffled (mean absolute Spearman at most 0.5) "
    "and the gain over random orders in deletion and insertion has a 95 % interval above 0; "
    "best: the faithful method with the largest gain among those whose map changes by less than "
    "a quarter of its size under another 1 % of noise, or among all where none is so steady"
)
STEADY: Final = 0.25
"""Change of a map in parts of its size (L2) under another 1 % of noise, below which it is
steady. Two dates of one unchanged place differ by more than such noise, so a map that moves
further tells of the sensor. Of 30 pairs of model and method, 26 move by 0.19 at most and four,
all gradients of the two nets that began as ImageNet's, by 0.27 to 0.40."""
FAITHFUL: Final = "faithful"
NOT_FAITHFUL: Final = "not faithful"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a method's maps of a model may be believed.

    Attributes:
        method: its name.
        faithful: whether it is faithful by :data:`RULE`.
        passes_randomisation: whether its maps depend on the weights.
        holds_blurred: whether the gain stays above 0 where land is blurred rather than
            made average.
        steady: whether noise changes the map by less than :data:`STEADY`.
        sentence: what to say beside a map, with the figures.
    """

    method: str
    faithful: bool
    passes_randomisation: bool
    holds_blurred: bool
    steady: bool
    sentence: str

    @property
    def word(self) -> str:
        """What to call it: "faithful" or "not faithful"."""
        return FAITHFUL if self.faithful else NOT_FAITHFUL


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """What was measured of a model's explanations.

    Attributes:
        model: its name.
        card_hash: of the card that it had.
        figures: JSON-ready. ``methods`` holds, a name each: ``title``; ``curves`` with
            ``mean`` and ``blurred``, each of ``n``, ``deletion`` and ``insertion`` (mean
            probability at the top-level ``shares``), ``gain`` over random and ``over`` each
            reference (``mean`` and ``interval``, in probability); ``randomisation`` with
            ``likeness``, ``passed`` and ``by_share``; ``stability``; ``pointing``; and
            ``seconds``, the processor's for one map (median). Beside it are ``references``,
            ``agreement``, ``n``, ``classes`` and what it was measured on.
    """

    model: str
    card_hash: str
    figures: dict[str, Any]

    @property
    def methods(self) -> tuple[str, ...]:
        """The measured methods, the largest gain first."""
        gains = {name: self._gain(name)["mean"] for name in self.figures["methods"]}
        return tuple(sorted(gains, key=lambda name: -gains[name]))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The faithful methods: the steady ones first, and then by gain."""
        found = {name: self.verdict(name) for name in self.methods}
        faithful = [name for name in self.methods if found[name].faithful]
        return tuple(sorted(faithful, key=lambda name: not found[name].steady))

    @property
    def best(self) -> str | None:
        """The method to show unless asked otherwise; None where none is faithful."""
        return next(iter(self.ranked), None)

    @property
    def offered(self) -> tuple[str, ...]:
        """The methods that pass the randomisation check, the largest gain first."""
        return tuple(name for name in self.methods if self.verdict(name).passes_randomisation)

    def with_origin(self, measured_on: dict[str, Any]) -> Faithfulness:
        """The same figures, with what they were measured on."""
        return replace(self, figures={"measured_on": measured_on, **self.figures})

    def verdict(self, method: str) -> Verdict:
        """Whether a method is faithful for this model, and why.

        Raises:
            UnknownName: it was not measured.
        """
        if method not in self.figures["methods"]:
            raise UnknownName("measured method", method, self.figures["methods"])
        passes = bool(self._of(method)["randomisation"]["passed"])
        gains = self._gain(method)["interval"][0] > 0
        blurred = self._gain(method, "blurred")["interval"][0] > 0
        return Verdict(
            method=method,
            faithful=passes and gains,
            passes_randomisation=passes,
            holds_blurred=blurred,
            steady=self._change(method) < STEADY,
            sentence=self._sentence(method, passes=passes, gains=gains, blurred=blurred),
        )

    def _of(self, method: str) -> dict[str, Any]:
        found: dict[str, Any] = self.figures["methods"][method]
        return found

    def _gain(self, method: str, replacement: str = "mean") -> dict[str, Any]:
        found: dict[str, Any] = self._of(method)["curves"][replacement]["gain"]
        return found

    def _change(self, method: str) -> float:
        return float(self._of(method)["stability"]["mean_sensitivity"])

    def _sentence(self, method: str, *, passes: bool, gains: bool, blurred: bool) -> str:
        gain, like = self._gain(method), self._of(method)["randomisation"]["likeness"]["mean"]
        low, high = gain["interval"]
        title, bound, n = self._of(method)["title"], self.figures["bound"], self.figures["n"]
        span = f"{gain['mean']:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}, {n} patches"
        if not passes:
            return (
                f"{title} is not faithful for this model: its maps hardly change when the "
                f"net's weights are shuffled (rank correlation {like:.2f}, at most {bound:.2f} "
                "is asked), so they show the picture rather than reasons."
            )
        if not gains:
            return (
                f"{title} is not faithful for this model: the places that it marks move the "
                f"probability no more than random places do ({span})."
            )
        also = "" if blurred else "; where land is blurred instead of made average, no gain is sure"
        if self._change(method) >= STEADY:
            also += f"; but another 1 % of noise changes them by {self._change(method):.0%}"
        return (
            f"{title} is faithful for this model: the places that it marks move the "
            f"probability more than random places do ({span}), and its maps change when the "
            f"net's weights are shuffled (rank correlation {like:.2f}){also}."
        )


def measure(
    model: Model,
    patches: Sequence[Raster],
    maps: Sequence[Scene] | None = None,
    report: Report | None = None,
    cancel: Event | None = None,
    *,
    methods: Mapping[str, Method] | None = None,
) -> Faithfulness:
    """Measure a model's explanations: :func:`landcover.explain.faithfulness.protocol.measure`.

    Raises:
        BadInput: fewer than four patches.
        ModelMismatch: the model cannot be explained, or was not made for these patches.
        Cancelled: ``cancel`` was set.
    """
    from landcover.explain.faithfulness import protocol  # noqa: PLC0415 - see the top

    figures = protocol.measure(model, patches, maps, report, cancel, methods=methods)
    return Faithfulness(
        model=model.card.name, card_hash=model.card.hash, figures={"rule": RULE, **figures}
    )


def save(found: Faithfulness, folder: Path) -> Path:
    """Write the figures into a model folder, as ``trust/faithfulness.json``."""
    values = {"model": found.model, **found.figures}
    return files.write_json(folder, FILE, found.card_hash, values)


def load(folder: Path) -> Faithfulness | None:
    """The figures of a model folder; None where they were not measured.

    Raises:
        CorruptModel: card or figures are damaged, or the figures are another card's.
    """
    card_hash = read_card(folder).hash
    values = files.read_json(folder, FILE, card_hash)
    if values is None:
        return None
    found = Faithfulness(
        model=str(values.pop("model", folder.name)), card_hash=card_hash, figures=values
    )
    try:
        # All that the sentences rest on is read once, so that a damaged file is told apart.
        for name in found.methods:
            found.verdict(name)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise CorruptModel(
            f"{FILE}.json of the model '{folder.name}' cannot be used: figures are missing; "
            "make it anew with `landcover trust faithfulness`."
        ) from None
    return found
