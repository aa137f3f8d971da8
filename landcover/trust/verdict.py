"""The values that checks return: finding, quality and verdict.

The checks themselves need a model and torch (:mod:`landcover.trust.assessment`). Code that only
shows a verdict needs only this module.
"""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from landcover.core.schema import Schema

__all__ = [
    "ALL_PASSED",
    "AVAILABLE_PASSED",
    "CHECKED_DECISIONS",
    "DECISION_LABELS",
    "LABELS",
    "NODATA_ABSTAIN",
    "NODATA_WARN",
    "PARTLY_CHECKED",
    "Decision",
    "Finding",
    "Level",
    "Part",
    "Quality",
    "Subject",
    "Verdict",
    "finding",
]

Level = Literal["warn", "severe"]
"""Severity of a finding: "warn" adds a warning, "severe" withholds the labels."""
Subject = Literal["pixels", "place", "answer"]
"""What a finding concerns: the pixels themselves; a place or season unlike the training data; or
the prediction for some classes."""
Decision = Literal["answer", "warn", "cannot tell", "unchecked"]
Part = Literal["pixels", "training data", "place", "prediction"]
"""What was checked: the pixels; their distance from the training data; place and season; the
prediction."""

DECISION_LABELS: Final[dict[Decision, str]] = {
    "answer": "Looks reliable",
    "warn": "Check this",
    "cannot tell": "Can't tell",
    "unchecked": "Not checked",
}
CHECKED_DECISIONS: Final[tuple[Decision, ...]] = ("answer", "warn", "cannot tell")
"""The decisions of a model that can be checked; a baseline may also be "unchecked"."""
PARTLY_CHECKED: Final = "Looks reliable as far as checked"
"""Label of "answer" if some checks could not be made."""
LABELS: Final[tuple[str, ...]] = (
    DECISION_LABELS["answer"],
    PARTLY_CHECKED,
    *(words for decision, words in DECISION_LABELS.items() if decision != "answer"),
)
"""All labels of verdicts, the best first."""
NODATA_WARN: Final = 0.05
NODATA_ABSTAIN: Final = 0.50
"""Shares of pixels without data above which there is a warning, and above which labels are
withheld."""
ALL_PASSED: Final = "All checks passed."
AVAILABLE_PASSED: Final = "All checks that could be made passed."


class Finding(Schema):
    """One reason not to trust a prediction.

    Attributes:
        check: short name of the check.
        level: severity.
        about: what it concerns.
        value: the measured value, in the check's own unit.
        bound: the value from which the check reports a finding.
        sentence: message to the user: what is wrong, and what to do.
    """

    check: str
    level: Level
    about: Subject
    value: float
    bound: float
    sentence: str


class Quality(Schema):
    """How much of the pixels can be used.

    Attributes:
        nodata_fraction: share of pixels without data, 0 to 1.
        cloud_fraction: share of cloud, cirrus and cloud shadow, 0 to 1; None without a scene
            classification, from which it is measured.
        warnings: one sentence per finding, the most severe first.
        abstained: whether labels are withheld; not part of the JSON.
    """

    nodata_fraction: float
    cloud_fraction: float | None
    warnings: tuple[str, ...]
    abstained: bool = Field(exclude=True)


class Verdict(Schema):
    """Whether to trust a prediction.

    The decision can only be "answer" if the pixels or their distance from the training data were
    checked, and nothing was found.

    Attributes:
        decision: "answer" (looks reliable), "warn" (check this), "cannot tell", or "unchecked"
            (a baseline, or nothing could be checked).
        reason: one sentence.
        findings: all findings, the most severe first.
        quality: shares of gaps and cloud, with the findings on pixels and place as
            warnings; ``abstained`` if the decision is "cannot tell". Not part of the JSON.
        distances: distances from the training patches (:mod:`landcover.trust.novelty`).
        unchecked: one sentence for each check that could not be made.
        checked: the parts that were checked.
    """

    decision: Decision
    reason: str
    findings: tuple[Finding, ...]
    quality: Quality = Field(exclude=True)
    distances: dict[str, float] = Field(default_factory=dict)
    unchecked: tuple[str, ...] = ()
    checked: tuple[Part, ...] = ()

    @model_validator(mode="after")
    def _reliable_only_if_checked(self) -> Self:
        if self.decision == "answer" and not {"pixels", "training data"} & set(self.checked):
            raise ValueError("nothing was checked, so the decision cannot be 'answer'")
        if self.decision == "answer" and self.findings:
            raise ValueError("there are findings, so the decision cannot be 'answer'")
        return self

    @property
    def label(self) -> str:
        """The decision in words, which say so if only a part could be checked."""
        if self.decision == "answer" and self.unchecked:
            return PARTLY_CHECKED
        return DECISION_LABELS[self.decision]

    @property
    def pixels_flagged(self) -> bool:
        """Whether a finding concerns the pixels themselves, regardless of place and season."""
        return any(finding.about == "pixels" for finding in self.findings)


def finding(
    check: str,
    level: Level,
    measured: tuple[float, float],
    sentence: str,
    about: Subject = "pixels",
) -> Finding:
    """Build a finding from a measured value and its bound."""
    value, bound = measured
    return Finding(
        check=check, level=level, about=about, value=value, bound=bound, sentence=sentence
    )
