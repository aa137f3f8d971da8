"""Choose calibration, thresholds and label sets on predictions for countries that were left out.

:mod:`landcover.train.decisions` chooses them on the validation split, whose countries the net
has seen. Here they are chosen on out-of-fold predictions (``landcover evaluate --by country``),
in which every patch is scored by a net that had not seen its country. To measure what they are
worth in a new country, all choices are repeated without each country and applied to it (nested
cross-validation): what is measured in a country had seen none of its labels.

Calibration is compared and thresholds are bagged by country as well, so that no country
decides alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from landcover import __version__
from landcover.core.errors import BadInput
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import BoolArray, FloatArray
from landcover.core.text import plain
from landcover.decide import calibration, calibration_fit
from landcover.decide.calibration import Calibration
from landcover.decide.conformal import (
    CertaintyCodes,
    Doubles,
    LabelSets,
    LeftOut,
    codes_from_bounds,
)
from landcover.decide.conformal_fit import WANTED, coverage, fewest
from landcover.decide.place_sets import Fitted, PlaceSets
from landcover.evaluate import decision_scores
from landcover.evaluate.report import LabelSetCoverage
from landcover.evaluate.report_metrics import Material
from landcover.metrics.crossfit import places as products_of
from landcover.metrics.scores import counted_classes
from landcover.models.card import Card
from landcover.train.decisions import (
    THRESHOLD_RULE,
    all_aims,
    choose_thresholds,
    threshold_evidence,
)
from landcover.train.recipes.out_of_fold import OutOfFold
from landcover.trust.place_record import PlaceDecisions, PlaceScores, Way

__all__ = ["RULE", "Answers", "Chosen", "Work", "choose"]

RULE: Final = (
    "the loosest bounds whose statements were right at the target rate in countries that were left "
    "out, over all of them and in each with enough cases; other classes are never certain"
)
_FEWEST: Final = 3
_CHOSEN_ON: Final = "predictions for countries that the fit had not seen"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The choices, and what such choices are worth in a country that they have not seen.

    Attributes:
        calibration, thresholds, aims, label_sets: as in a card.
        evidence: of the thresholds, for a card's ``selection``.
        measured: the record.
        wrong: share of classes decided wrongly in each patch, by choices that had not seen its
            country, ``(patch,)``.
    """

    calibration: Calibration
    thresholds: dict[str, float]
    aims: dict[str, dict[str, float]]
    label_sets: LabelSets
    evidence: dict[str, Any]
    measured: PlaceDecisions
    wrong: Doubles

    def into(self, card: Card) -> Card:
        """Return the card with these choices; its hash changes."""
        return card.with_fields(
            calibration=self.calibration,
            thresholds=self.thresholds,
            threshold_rule=f"{THRESHOLD_RULE}, chosen on {_CHOSEN_ON}",
            aims=self.aims,
            label_sets=self.label_sets,
            selection={**card.selection, "decisions": self.evidence},
        )


def choose(
    material: Material,
    predictions: OutOfFold,
    *,
    dataset: str,
    near: Card | None = None,
    wanted: float = WANTED,
    command: str = "",
    progress: Report | None = None,
) -> Chosen:
    """Choose by place, and measure the choices in countries that were left out.

    Args:
        material: the patches; all countries are known.
        predictions: of these patches, each by a net that had not seen the patch's country.
        dataset: name of the data.
        near: a card whose decisions are measured in the same way; ignored if they were chosen by
            place.
        wanted: target coverage of the label sets, 0 to 1.
        command: the command that repeats it.
        progress: called after each country.

    Raises:
        BadInput: other patches were predicted, a country is divided between folds, there are fewer
            than three countries, or no patch has a class.
    """
    _check(material, predictions)
    logits = predictions.logits_of(material.ids)
    work = Work(material=material, logits=logits, progress=progress or ignore)
    work.prepare()
    sets = PlaceSets(
        calibrated=work.calibrated, truth=material.truth, places=work.countries, alpha=1.0 - wanted
    )
    fitted = sets.fit()
    known = None if near is None or _is_by_place(near) else near
    codes: dict[Way, CertaintyCodes] = {}
    if known is not None and known.label_sets is not None:
        codes["near"] = _near_codes(known, known.label_sets, work)
    codes |= {"plain": sets.nested(sets.plain), "by place": fitted.codes}
    covered = {way: _coverage(work, found, wanted) for way, found in codes.items()}
    ways = work.ways(known)
    record = PlaceDecisions(
        model=predictions.name,
        settings=predictions.settings,
        dataset=dataset,
        wanted_coverage=wanted,
        label_sets=covered,
        strictness=_strictness(fitted),
        said=tuple(n for k, n in enumerate(material.classes) if k not in fitted.unsaid),
        unsaid={material.classes[k]: why for k, why in fitted.unsaid.items()},
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        landcover=__version__,
        **_measured(work, ways),
    )
    wrong = (ways["by place"].predicted != material.truth).mean(axis=1)
    sets_by_place = _label_sets(work, fitted, covered["by place"], wanted)
    return _chosen(work, sets_by_place, record, wrong)


def _check(material: Material, predictions: OutOfFold) -> None:
    """Check that predictions can be used to decide by country.

    Raises:
        BadInput: they cannot.
    """
    country = dict(zip(material.ids, material.countries, strict=True))
    if set(country) != {name for fold in predictions.folds for name in fold}:
        raise BadInput(
            "The predictions are of other patches: give the folders and the data set that "
            "`landcover evaluate --by` was given."
        )
    inside = [{country[name] for name in fold} for fold in predictions.folds]
    found = {name for names in inside for name in names}
    if sum(map(len, inside)) > len(found):
        raise BadInput(
            "A country is divided between folds, so that its patches were predicted by nets that "
            "had seen it: make the predictions with `landcover evaluate --by country`."
        )
    if len(found) < _FEWEST:
        raise BadInput(
            "Decisions by place need patches of at least three countries: to choose on, to check "
            "and to measure."
        )


def _chosen(work: Work, sets: LabelSets, measured: PlaceDecisions, wrong: Doubles) -> Chosen:
    """Choose calibration and thresholds on all countries."""
    truth, countries = work.material.truth, work.countries
    every = np.ones(len(truth), dtype=bool)
    probability = work.calibrated(every)
    aims = all_aims(truth, probability, countries, work.material.classes)
    evidence = {
        "measured_on": _CHOSEN_ON,
        "n": len(truth),
        "places": len(work.places),
        "held_out_thresholds": threshold_evidence(truth, probability, countries),
    }
    return Chosen(
        calibration=work.calibration(every),
        thresholds=aims["f1"],
        aims={name: table for name, table in aims.items() if table},
        label_sets=sets,
        evidence=evidence,
        measured=measured,
        wrong=wrong,
    )


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Probabilities and predicted classes, ``(patch, class)`` each."""

    probability: Doubles
    predicted: BoolArray


@dataclass(kw_only=True)
class Work:
    """The patches, with the calibrations that have been fitted so far.

    Attributes:
        material: the patches.
        logits: ``(patch, class)``, each by a net that had not seen the patch's country.
        progress: called after each country.
    """

    material: Material
    logits: FloatArray
    progress: Report = ignore
    _fits: dict[bytes, Calibration] = field(default_factory=dict)

    @property
    def countries(self) -> npt.NDArray[Any]:
        """The country of each patch, ``(patch,)``."""
        return np.array(self.material.countries)

    @property
    def places(self) -> list[str]:
        """The names of the countries."""
        return [str(name) for name in np.unique(self.countries)]

    @property
    def products(self) -> npt.NDArray[Any]:
        """The product of each patch, ``(patch,)``."""
        return products_of(self.material.ids)

    def prepare(self) -> None:
        """Fit all calibrations: without each country, and without each two."""
        for done, place in enumerate(self.places):
            self._report(done, place)
            inside = self.countries != place
            self.calibration(inside)
            for other in self.places[:done]:
                self.calibration(inside & (self.countries != other))
        self._report(len(self.places), "label sets")

    def _report(self, done: int, detail: str) -> None:
        total = len(self.places) + 1
        self.progress(
            Progress(
                what="Deciding by place", done=done, total=total, unit="steps", detail=plain(detail)
            )
        )

    def calibration(self, rows: BoolArray) -> Calibration:
        """The calibration fitted to some patches."""
        key = rows.tobytes()
        if key not in self._fits:
            self._fits[key] = calibration_fit.fit(
                self.logits[rows],
                self.material.truth[rows],
                self.countries[rows],
                self.material.classes,
            )
        return self._fits[key]

    def calibrated(self, rows: BoolArray) -> Doubles:
        """Probabilities of all patches, calibrated by a fit to those of the mask alone."""
        return probabilities(self.calibration(rows), self.material.classes, self.logits)

    def ways(self, near: Card | None) -> dict[Way, Answers]:
        """What each way of deciding makes of the same scores."""
        raw = probabilities(Calibration(method="none"), self.material.classes, self.logits)
        found: dict[Way, Answers] = {"raw": Answers(probability=raw, predicted=raw >= 0.5)}
        if near is not None:
            own = probabilities(near.calibration, self.material.classes, self.logits)
            limits = [near.thresholds[name] for name in self.material.classes]
            found["near"] = Answers(probability=own, predicted=own >= limits)
        return {**found, "by place": self.elsewhere()}

    def elsewhere(self) -> Answers:
        """Decide in each country by what was chosen in the others."""
        chances = np.zeros(self.logits.shape)
        predicted = np.zeros(self.logits.shape, dtype=bool)
        for place in self.places:
            out = self.countries == place
            own = self.calibrated(~out)
            limits = choose_thresholds(
                self.material.truth[~out], own[~out], self.countries[~out], self.material.classes
            )
            chances[out] = own[out]
            predicted[out] = own[out] >= [limits[name] for name in self.material.classes]
        return Answers(probability=chances, predicted=predicted)


def probabilities(found: Calibration, classes: Sequence[str], logits: FloatArray) -> Doubles:
    """Calibrate logits by the same steps, in the same precision, as for a user's patch."""
    scores = torch.from_numpy(np.asarray(logits, dtype=np.float32))
    chances: Doubles = calibration.apply(found, classes, scores).numpy().astype(np.float64)
    return chances


def _is_by_place(card: Card) -> bool:
    return card.label_sets is not None and card.label_sets.by_place is not None


def _near_codes(card: Card, sets: LabelSets, work: Work) -> CertaintyCodes:
    """Apply bounds that were chosen near the training places as they are."""
    classes = work.material.classes
    certain = [sets.certain[name] for name in classes]
    bounds = (
        np.array([sets.possible[name] for name in classes]),
        np.array([np.inf if value is None else value for value in certain]),
    )
    return codes_from_bounds(bounds, probabilities(card.calibration, classes, work.logits))


def _coverage(work: Work, codes: CertaintyCodes, wanted: float) -> LabelSetCoverage:
    found = coverage(
        codes,
        work.material.truth,
        work.material.countries,
        work.material.classes,
        work.products,
    )
    return LabelSetCoverage.model_validate({"wanted_coverage": wanted, **found})


def _label_sets(work: Work, fitted: Fitted, covered: LabelSetCoverage, wanted: float) -> LabelSets:
    classes = work.material.classes
    few = work.material.truth.sum(axis=0) < fewest(1.0 - wanted)
    return LabelSets(
        wanted_coverage=wanted,
        rule=RULE,
        certain={
            label: float(value) if value <= 1 else None
            for label, value in zip(classes, fitted.certain, strict=True)
        },
        possible=dict(zip(classes, fitted.possible.tolist(), strict=True)),
        pooled=tuple(label for label, rare in zip(classes, few, strict=True) if rare),
        by_place=LeftOut(
            unit="country",
            places=len(work.places),
            patches=len(work.material.ids),
            strictness=_strictness(fitted),
            measured=covered.as_dict(),
            unsaid={classes[k]: why for k, why in fitted.unsaid.items()},
        ),
    )


def _strictness(fitted: Fitted) -> dict[str, float]:
    return {"possible": fitted.sides.possible, "certain": fitted.sides.certain}


def _measured(work: Work, ways: dict[Way, Answers]) -> dict[str, Any]:
    """The fields of the record on calibration and F1."""
    material = work.material
    every = np.ones(len(material.ids), dtype=bool)
    return {
        "n": len(material.ids),
        "products": len(np.unique(work.products)),
        "places": tuple(work.places),
        "macro_classes": tuple(material.classes[k] for k in counted_classes(material.truth)),
        "overall": _scores(work, ways, every),
        "per_country": {n: _scores(work, ways, work.countries == n) for n in work.places},
    }


def _scores(work: Work, ways: dict[Way, Answers], rows: BoolArray) -> PlaceScores:
    products = work.products[rows]
    return PlaceScores(
        n=int(rows.sum()),
        products=len(np.unique(products)),
        ways={
            way: decision_scores.score(
                work.material.truth[rows], one.probability[rows], one.predicted[rows], products
            )
            for way, one in ways.items()
        },
    )
