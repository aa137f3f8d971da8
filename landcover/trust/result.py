"""Prediction and verdict for a raster, from one forward pass.

The command line, the app and the public interface all call :func:`predict`. It is in
``trust`` because this is the lowest package that imports both models and checks, so that
explanations and reports can use its result.
"""

from __future__ import annotations

from dataclasses import dataclass

from landcover.core.raster import Raster
from landcover.models import band_choice
from landcover.models.band_subset import estimated_bands
from landcover.models.features import features_and_scores
from landcover.models.model import Model, Prediction
from landcover.models.thresholds import DEFAULT_AIM, thresholds_for
from landcover.trust import wording
from landcover.trust.assessment import assess, novelty_of
from landcover.trust.novelty import Novelty
from landcover.trust.verdict import Quality, Verdict

__all__ = ["Result", "predict"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A model's prediction for a raster, and whether to trust it.

    Attributes:
        raster: the input, with its provenance.
        prediction: a score, probability and decision for each class.
        verdict: the decision of all checks, with their findings.
        estimated: the bands that the model estimated, because the raster lacks them.
        gives_up: what that costs, in a sentence with measured values; empty without them.
    """

    raster: Raster
    prediction: Prediction
    verdict: Verdict
    estimated: tuple[str, ...] = ()
    gives_up: str = ""

    @property
    def headline(self) -> str:
        """Which land covers are there and whether to rely on it."""
        return wording.headline(self.prediction, self.verdict)

    @property
    def quality(self) -> Quality:
        """Shares of gaps and cloud, the warnings, and whether labels are withheld."""
        return self.verdict.quality


def predict(
    model: Model,
    raster: Raster,
    aim: str = DEFAULT_AIM,
    *,
    deep: bool = False,
    known: Novelty | None = None,
) -> Result:
    """Predict the classes of a patch or picture and assess whether to trust the prediction.

    Args:
        model: the model to use.
        raster: a raster with the size, bands and level that the model's card requires.
        aim: the aim of the thresholds, as parsed by
            :func:`landcover.models.thresholds.parse_aim`.
        deep: also check whether a shift of 100 m changes the prediction, which takes eight more
            forward passes. Pictures have no scale in metres and are not shifted.
        known: distances fitted to the model's training patches; by default loaded from the
            model folder (:func:`landcover.trust.assessment.novelty_of`).

    Raises:
        ModelMismatch: the raster does not meet the card's requirements.
        BadInput: the aim is unknown, or the model has no thresholds for it.
    """
    if known is None:
        known, _ = novelty_of(model)
    if known is None or known.space is None:
        prediction, features = model.predict(raster, aim), None
    else:
        thresholds_for(model.card, aim)  # report a wrong aim before running the net
        seen, scores = features_and_scores(model, model.tensor(raster)[None])
        prediction = model.predictions(scores, aim)[0]
        features = known.feature_distance_from(seen, scores)
    verdict = assess(model, raster, prediction, known=known, features=features, deep=deep)
    return Result(
        raster=raster,
        prediction=prediction,
        verdict=verdict,
        estimated=estimated_bands(model.card),
        gives_up=band_choice.gives_up(model.card, band_choice.read()),
    )
