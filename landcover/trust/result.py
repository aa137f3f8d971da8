"""Ask a model about a raster: prediction and verdict from one pass of the net.

This is the one way from pixels to an answer: the command line, the pages and the public
interface all call :func:`predict`. It stands in ``trust`` because that is the lowest package
that knows both models and checks, so that explanations and reports can build on its result.
"""

from __future__ import annotations

from dataclasses import dataclass

from landcover.core.raster import Raster
from landcover.models.features import features_and_scores
from landcover.models.model import Model, Prediction
from landcover.models.thresholds import DEFAULT_AIM, thresholds_for
from landcover.trust.judge import judge, known_of
from landcover.trust.novelty import Novelty
from landcover.trust.verdict import Quality, Verdict

__all__ = ["Result", "predict"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a model says of a raster, and whether to believe it.

    Attributes:
        raster: what it looked at, with its provenance.
        prediction: a score, probability and decision for each class.
        verdict: the decision of all checks, with their findings.
    """

    raster: Raster
    prediction: Prediction
    verdict: Verdict

    @property
    def quality(self) -> Quality:
        """Shares of gaps and cloud, the warnings, and whether no label is given."""
        return self.verdict.quality


def predict(
    model: Model,
    raster: Raster,
    aim: str = DEFAULT_AIM,
    *,
    deep: bool = False,
    known: Novelty | None = None,
) -> Result:
    """Predict the classes of a patch or picture and check whether to believe them.

    Args:
        model: the model to ask.
        raster: a window of the size, bands and level that the model's card names.
        aim: what the thresholds should serve, as :func:`landcover.models.thresholds.parse_aim`
            reads it.
        deep: check too whether a shift of 100 m changes the answer, which takes eight more
            passes of the net; pictures, which have no metres, are not shifted.
        known: what was fitted of the model's training patches; what lies beside the model
            otherwise (:func:`landcover.trust.judge.known_of`).

    Raises:
        ModelMismatch: the raster is not what the model was made for.
        BadInput: the aim is unknown, or the model has no thresholds for it.
    """
    if known is None and not raster.is_rgb:
        known, _ = known_of(model)
    if known is None or known.space is None:
        prediction, features = model.predict(raster, aim), None
    else:
        thresholds_for(model.card, aim)  # a wrong aim is told before the net has run
        seen, scores = features_and_scores(model, model.tensor(raster)[None])
        prediction = model.predictions(scores, aim)[0]
        features = known.of_seen(seen, scores)
    verdict = judge(model, raster, prediction, known=known, features=features, deep=deep)
    return Result(raster=raster, prediction=prediction, verdict=verdict)
