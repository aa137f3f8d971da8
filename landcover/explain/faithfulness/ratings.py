"""Whether a model's explanations may be believed: what was measured, and what follows.

For each attribution method of a model: whether the score follows the map
(:mod:`~landcover.explain.faithfulness.curves`), whether the map depends on the net's weights
(:mod:`~landcover.explain.faithfulness.randomisation`), how steady it is under the sensor's noise
(:mod:`~landcover.explain.faithfulness.noise_stability`), whether methods agree, and whether they
mark the land
that they speak of (:mod:`~landcover.explain.faithfulness.pointing`). All of it is measured by
:mod:`~landcover.explain.faithfulness.protocol` and kept beside the model's card. Nothing here
needs a net.

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
"""Change of a map in parts of its size (L2) under another 1 % of noise, below which it is
steady. Two dates of one unchanged place differ by more than such noise, so a map that moves
further tells of the sensor. Of 30 pairs of model and method, 26 move by 0.19 at most and four,
all gradients of the two nets that began as ImageNet's, by 0.27 to 0.40."""
FAITHFUL: Final = "faithful"
NOT_FAITHFUL: Final = "not faithful"


Replacement = Literal["mean", "blurred"]
"""What land becomes where it is taken away: average, or the patch's own blur."""


@dataclass(frozen=True, kw_only=True)
class MethodRating:
    """Whether a method's maps of a model may be believed.

    Attributes:
        method: its name.
        faithful: whether it is faithful by :data:`RULE`.
        passes_randomisation: whether its maps depend on the weights.
        holds_blurred: whether the gain stays above 0 where land is blurred rather than
            made average.
        steady: whether noise changes the map by less than :data:`STEADY`.
        sentence: what to say beside a map, with the metrics.
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


class MethodSummary(Schema):
    """A :class:`MethodRating` in a word and in a sentence, to be told beside a map."""

    word: str
    sentence: str


class CurveMeasurement(Schema):
    """How the score follows an order of the land.

    ``deletion`` and ``insertion`` are mean probabilities of ``n`` patches at the measurement's
    ``shares``, ``gain`` is the area between them over random orders, and ``over`` the same over
    each reference, in probability.
    """

    n: int
    deletion: tuple[float, ...] = ()
    insertion: tuple[float, ...] = ()
    gain: Mean
    over: dict[str, Mean] = Field(default_factory=dict)


class ShuffledMeasurement(Schema):
    """How alike maps are before and after a ``share`` of the layers is shuffled."""

    share: float
    n: int
    absolute_spearman: float
    spearman: float
    ssim: float


class Unrelated(Schema):
    """What maps of different patches have in common: absolute Spearman, mean and 95 %."""

    mean: float
    high: float


class Randomisation(Schema):
    """Whether maps depend on the weights: ``likeness`` is that with all of them shuffled."""

    likeness: Mean
    passed: bool
    by_share: tuple[ShuffledMeasurement, ...] = ()
    unrelated: Unrelated | None = None


class NoiseStability(Schema):
    """How a map changes under another 1 % of the sensor's noise; sensitivities in parts of it."""

    n: int
    draws: int
    spearman: float
    mean_sensitivity: float
    max_sensitivity: float


class PointingMeasurement(Schema):
    """How much of the positive attribution lies where it should.

    ``share`` is that of the area, ``energy`` that of the attribution, ``strongest`` that of the
    strongest fifth of the pixels; in ``hits`` of ``n`` windows ``strongest`` is above ``share``.
    ``places`` and ``called`` (windows in which the class is called) are of land-cover maps.
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
    """Pointing at halves of patches, and at land-cover maps; None where it was left out."""

    halves: PointingMeasurement | None = None
    maps: PointingMeasurement | None = None


class MethodMeasurement(Schema):
    """All that was measured of one method; ``seconds`` of a processor for one map (median)."""

    title: str
    curves: Annotated[dict[Replacement, CurveMeasurement], requires_keys("mean", "blurred")]
    randomisation: Randomisation
    stability: NoiseStability
    pointing: Pointing = Pointing()
    seconds: float | None = None


class Patches(Schema):
    """Which patches explanations were measured on: names, and those of land-cover maps."""

    dataset: str
    split: str
    drawn_from: int | None = None
    seen_in_training: bool | None = None
    patches: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()


class Faithfulness(Schema):
    """What was measured of a model's explanations.

    ``methods`` are by their names, ``references`` by replacement and name, ``agreement`` is the
    mean Spearman of two methods' maps. ``n`` patches were explained, each by one of ``classes``
    (class → patches). ``bound`` is the likeness that passes, ``noise`` the share of noise.
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
        """The measured methods, the largest gain first."""
        gains = {name: one.curves["mean"].gain.mean for name, one in self.methods.items()}
        return tuple(sorted(gains, key=lambda name: -gains[name]))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The faithful methods: the steady ones first, and then by gain."""
        found = {name: self.verdict(name) for name in self.by_gain}
        faithful = [name for name in self.by_gain if found[name].faithful]
        return tuple(sorted(faithful, key=lambda name: not found[name].steady))

    @property
    def best(self) -> str | None:
        """The method to show unless asked otherwise; None where none is faithful."""
        return next(iter(self.ranked), None)

    @property
    def offered(self) -> tuple[str, ...]:
        """The methods that pass the randomisation check, the largest gain first."""
        return tuple(name for name in self.by_gain if self.verdict(name).passes_randomisation)

    def verdict(self, method: str) -> MethodRating:
        """Whether a method is faithful for this model, and why.

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
            sentence=self._sentence(one, gains=gains, blurred=blurred),
        )

    def _sentence(self, one: MethodMeasurement, *, gains: bool, blurred: bool) -> str:
        gain, like = one.curves["mean"].gain, one.randomisation.likeness.mean
        low, high = gain.interval
        span = f"{gain.mean:+.2f}, 95 % interval {low:+.2f} to {high:+.2f}, {self.n} patches"
        if not one.randomisation.passed:
            return (
                f"{one.title} is not faithful for this model: its maps hardly change when the "
                f"net's weights are shuffled (rank correlation {like:.2f}, at most "
                f"{self.bound:.2f} is asked), so they show the picture rather than reasons."
            )
        if not gains:
            return (
                f"{one.title} is not faithful for this model: the places that it marks move the "
                f"probability no more than random places do ({span})."
            )
        also = "" if blurred else "; where land is blurred instead of made average, no gain is sure"
        change = one.stability.mean_sensitivity
        if change >= STEADY:
            also += f"; but another 1 % of noise changes them by {change:.0%}"
        return (
            f"{one.title} is faithful for this model: the places that it marks move the "
            f"probability more than random places do ({span}), and its maps change when the "
            f"net's weights are shuffled (rank correlation {like:.2f}){also}."
        )


def save(found: Faithfulness, folder: Path) -> Path:
    """Write a measurement into a model folder, as ``trust/faithfulness.json``."""
    values = {name: value for name, value in found.as_dict().items() if name != "card_hash"}
    return files.write_json(folder, FILE, found.card_hash, values)


def load(folder: Path) -> Faithfulness | None:
    """The measurement in a model folder; None where there is none.

    Raises:
        CorruptModel: card or measurement are damaged, or the measurement is another card's.
    """
    card_hash = read_card(folder).hash
    found = files.read_record(folder, FILE, card_hash, Faithfulness, "landcover trust faithfulness")
    if found is None:
        return None
    return found.with_fields(model=found.model or folder.name, card_hash=card_hash)
