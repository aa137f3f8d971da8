"""Whether a model's explanations are faithful: the measurements and the resulting ratings.

For each attribution method of a model, this is measured: whether the probability changes as the
map predicts (:mod:`~landcover.explain.faithfulness.curves`), whether the map depends on the net's
weights (:mod:`~landcover.explain.faithfulness.randomisation`), how stable it is under sensor noise
(:mod:`~landcover.explain.faithfulness.noise_stability`), whether methods agree, and whether they
mark the land cover of the class (:mod:`~landcover.explain.faithfulness.pointing`).
:mod:`~landcover.explain.faithfulness.protocol` makes the measurement, which is saved next to the
model's card. This module does not need a net.

The rules:

- a method is *offered* if its maps change when all weights are shuffled (mean absolute rank
  correlation of at most 0.5);
- it is *faithful* if it is offered and its gain over random orders (area under insertion
  minus area under deletion) has a 95 % interval above 0;
- it is *steady* if its maps change by less than a quarter of their size under an additional 1 % of
  sensor noise;
- the *best* method is the faithful one with the largest gain among the steady ones, or among all
  if none is steady.

Agreement and pointing are shown but do not affect the rating: a net may really use the land around
the class that it predicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from landcover.core.errors import UnknownName
from landcover.core.schema import Mean, Schema, requires_keys
from landcover.models.card import read_card
from landcover.trust import files

__all__ = [
    "FAITHFUL",
    "FILE",
    "NOT_FAITHFUL",
    "RULE",
    "STEADY",
    "CurveMeasurement",
    "Faithfulness",
    "MethodMeasurement",
    "MethodRating",
    "MethodSummary",
    "NoiseStability",
    "Patches",
    "Pointing",
    "PointingMeasurement",
    "Randomisation",
    "Replacement",
    "ShuffledMeasurement",
    "Unrelated",
    "load",
    "save",
]

FILE: Final = "faithfulness"
RULE: Final = (
    "faithful: maps change when all weights are shuffled (mean absolute Spearman at most 0.5) "
    "and the gain over random orders in deletion and insertion has a 95 % interval above 0; "
    "best: the faithful method with the largest gain among those whose map changes by less than "
    "a quarter of its size under another 1 % of noise, or among all where none is so steady"
)
STEADY: Final = 0.25
"""Change of a map relative to its size (L2) under an additional 1 % of noise, below which it is
steady. Two dates of an unchanged place differ by more than such noise, so a map that changes
more shows the sensor. Of 15 pairs of patch model and method, 11 change by at most 0.19 and four,
all gradients of the two nets pretrained on ImageNet, by 0.27 to 0.40."""
FAITHFUL: Final = "faithful"
NOT_FAITHFUL: Final = "not faithful"


Replacement = Literal["mean", "blurred"]
"""What removed land is replaced by: average land, or the blurred patch."""


@dataclass(frozen=True, kw_only=True)
class MethodRating:
    """Whether a method's maps are faithful to a model.

    Attributes:
        method: its name.
        faithful: whether it is faithful according to :data:`RULE`.
        passes_randomisation: whether its maps depend on the weights.
        holds_blurred: whether the gain is also above 0 if land is blurred instead of replaced by
            average land.
        steady: whether noise changes the map by less than :data:`STEADY`.
        badge: the gain over chance and the rank among the measured methods, in a few words.
        sentence: the rating with its metrics, to show next to a map.
    """

    method: str
    faithful: bool
    passes_randomisation: bool
    holds_blurred: bool
    steady: bool
    badge: str
    sentence: str

    @property
    def word(self) -> str:
        """The rating: "faithful" or "not faithful"."""
        return FAITHFUL if self.faithful else NOT_FAITHFUL


class MethodSummary(Schema):
    """A :class:`MethodRating` in words, to show next to a map."""

    word: str
    badge: str
    sentence: str


class CurveMeasurement(Schema):
    """Deletion and insertion curves for one order of the cells.

    ``deletion`` and ``insertion`` are mean probabilities of ``n`` patches at the measurement's
    ``shares``. ``gain`` is the area between them minus that of random orders, and ``over`` minus
    that of each reference, in probability.
    """

    n: int
    deletion: tuple[float, ...] = ()
    insertion: tuple[float, ...] = ()
    gain: Mean
    over: dict[str, Mean] = Field(default_factory=dict)


class ShuffledMeasurement(Schema):
    """How similar maps are before and after a ``share`` of the layers is shuffled."""

    share: float
    n: int
    absolute_spearman: float
    spearman: float
    ssim: float


class Unrelated(Schema):
    """Correlation of maps of different patches: absolute Spearman, mean and 95th percentile."""

    mean: float
    high: float


class Randomisation(Schema):
    """Whether maps depend on the weights.

    ``likeness`` is the mean absolute Spearman correlation with all weights shuffled.
    """

    likeness: Mean
    passed: bool
    by_share: tuple[ShuffledMeasurement, ...] = ()
    unrelated: Unrelated | None = None


class NoiseStability(Schema):
    """How maps change under an additional 1 % of noise; sensitivities are relative to the map."""

    n: int
    draws: int
    spearman: float
    mean_sensitivity: float
    max_sensitivity: float


class PointingMeasurement(Schema):
    """How much of the positive attribution lies in the target area.

    ``share`` is the target's share of the area, ``energy`` its share of the positive attribution,
    ``strongest`` its share of the strongest fifth of the pixels. In ``hits`` of ``n`` windows,
    ``strongest`` is above ``share``. Only land-cover maps have ``places`` and ``called``, the
    number of windows for which the class is predicted.
    """

    n: int
    share: float
    energy: float
    strongest: float
    energy_ratio: Mean
    hits: int
    hit_rate: float
    places: int | None = None
    called: int | None = None


class Pointing(Schema):
    """Pointing tests with halves of patches and with land-cover maps; None if not measured."""

    halves: PointingMeasurement | None = None
    maps: PointingMeasurement | None = None


class MethodMeasurement(Schema):
    """All measurements of one method; ``seconds`` is the median processor time for one map."""

    title: str
    curves: Annotated[dict[Replacement, CurveMeasurement], requires_keys("mean", "blurred")]
    randomisation: Randomisation
    stability: NoiseStability
    pointing: Pointing = Pointing()
    seconds: float | None = None


class Patches(Schema):
    """The patches that explanations were measured on: names of patches and land-cover maps."""

    dataset: str
    split: str
    drawn_from: int | None = None
    seen_in_training: bool | None = None
    patches: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()


class Faithfulness(Schema):
    """The measured faithfulness of a model's explanations.

    ``methods`` has the measurements by method, ``references`` by replacement and reference, and
    ``agreement`` the mean Spearman correlation of each two methods' maps. ``n`` patches were
    explained, each for one of ``classes`` (class → number of patches). ``bound`` is the largest
    likeness that passes, ``noise`` the relative noise.
    """

    version: Literal[1] = 1
    model: str = ""
    card_hash: str = ""
    measured_on: Patches | None = None
    rule: str = RULE
    n: int
    classes: dict[str, int] = Field(default_factory=dict)
    replacements: dict[str, str] = Field(default_factory=dict)
    noise: float = 0.01
    bound: float
    shares: tuple[float, ...] = ()
    methods: dict[str, MethodMeasurement] = Field(min_length=1)
    references: dict[Replacement, dict[str, CurveMeasurement]] = Field(default_factory=dict)
    agreement: dict[str, dict[str, float]] = Field(default_factory=dict)
    seconds: float = 0.0

    @property
    def by_gain(self) -> tuple[str, ...]:
        """The measured methods by falling gain."""
        gains = {name: one.curves["mean"].gain.mean for name, one in self.methods.items()}
        return tuple(sorted(gains, key=lambda name: -gains[name]))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The faithful methods: the steady ones first, then by falling gain."""
        found = {name: self.verdict(name) for name in self.by_gain}
        faithful = [name for name in self.by_gain if found[name].faithful]
        return tuple(sorted(faithful, key=lambda name: not found[name].steady))

    @property
    def best(self) -> str | None:
        """The method to show by default; None if none is faithful."""
        return next(iter(self.ranked), None)

    @property
    def offered(self) -> tuple[str, ...]:
        """The methods that pass the randomisation check, by falling gain."""
        return tuple(name for name in self.by_gain if self.verdict(name).passes_randomisation)

    def verdict(self, method: str) -> MethodRating:
        """Rate a method for this model.

        Raises:
            UnknownName: it was not measured.
        """
        if method not in self.methods:
            raise UnknownName("measured method", method, self.methods)
        one = self.methods[method]
        gains = one.curves["mean"].gain.interval[0] > 0
        blurred = one.curves["blurred"].gain.interval[0] > 0
        return MethodRating(
            method=method,
            faithful=one.randomisation.passed and gains,
            passes_randomisation=one.randomisation.passed,
            holds_blurred=blurred,
            steady=one.stability.mean_sensitivity < STEADY,
            badge=self._badge(method),
            sentence=self._sentence(method, gains=gains, blurred=blurred),
        )

    def _badge(self, method: str) -> str:
        one = self.methods[method]
        if not one.randomisation.passed:
            return "does not depend on the net"
        return f"{one.curves['mean'].gain.mean:+.2f} over chance, {self._rank(method)}"

    def _rank(self, method: str) -> str:
        """Such as ``2nd of 5``, by falling gain."""
        nth = self.by_gain.index(method) + 1
        ending = {1: "st", 2: "nd", 3: "rd"}.get(nth, "th")
        return f"{nth}{ending} of {len(self.methods)}"

    def _others(self, method: str) -> str:
        """The gains of the other measured methods, such as ``the others +0.04 to +0.15``."""
        gains = [self.methods[name].curves["mean"].gain.mean for name in self.by_gain[::-1]
                 if name != method]  # fmt: skip
        if not gains:
            return ""
        if len(gains) == 1:
            return f", {self._rank(method)} methods, the other {gains[0]:+.2f}"
        return f", {self._rank(method)} methods, the others {gains[0]:+.2f} to {gains[-1]:+.2f}"

    def _sentence(self, method: str, *, gains: bool, blurred: bool) -> str:
        one = self.methods[method]
        gain, like = one.curves["mean"].gain, one.randomisation.likeness.mean
        low, high = gain.interval
        span = (
            f"{gain.mean:+.2f} over chance, 95 % interval {low:+.2f} to {high:+.2f}, {self.n} "
            f"patches{self._others(method)}"
        )
        if not one.randomisation.passed:
            return (
                f"{one.title} is not faithful for this model: its maps hardly change when the "
                f"net's weights are shuffled (rank correlation {like:.2f}, at most "
                f"{self.bound:.2f} is allowed), so they show the picture and not the net's reasons."
            )
        if not gains:
            return (
                f"{one.title} is not faithful for this model: the places that it marks change the "
                f"probability no more than random places do ({span})."
            )
        also = "" if blurred else "; with blurred instead of average land, the gain is uncertain"
        change = one.stability.mean_sensitivity
        if change >= STEADY:
            also += f"; but an additional 1 % of noise changes them by {change:.0%}"
        return (
            f"{one.title} is faithful for this model on average: the places that it marks change "
            f"the probability more than random places do ({span}), and its maps change when the "
            f"net's weights are shuffled (rank correlation {like:.2f}){also}."
        )


def save(found: Faithfulness, folder: Path) -> Path:
    """Write a measurement into a model folder, as ``trust/faithfulness.json``."""
    values = {name: value for name, value in found.as_dict().items() if name != "card_hash"}
    return files.write_json(folder, FILE, found.card_hash, values)


def load(folder: Path) -> Faithfulness | None:
    """Read the measurement in a model folder; None if there is none.

    Raises:
        CorruptModel: card or measurement are damaged, or the measurement is of another card.
    """
    card_hash = read_card(folder).hash
    found = files.read_record(folder, FILE, card_hash, Faithfulness, "landcover trust faithfulness")
    if found is None:
        return None
    return found.with_fields(model=found.model or folder.name, card_hash=card_hash)
