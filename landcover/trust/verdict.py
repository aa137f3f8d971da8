"""What the checks find and what follows from it: findings, quality and verdict, without the checks.

The checks need a model and so torch (:mod:`landcover.trust.judge`); who only shows a verdict
needs this module alone.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from landcover.core.schema import Schema

__all__ = [
    "ALL_PASSED",
    "AVAILABLE_PASSED",
    "DECISION_LABELS",
    "NODATA_ABSTAIN",
    "NODATA_WARN",
    "About",
    "Decision",
    "Finding",
    "Level",
    "Quality",
    "Verdict",
    "finding",
]

Level = Literal["warn", "grave"]
"""Whether an answer may still be given, with a warning, or none."""
About = Literal["pixels", "place", "answer"]
"""What a finding doubts: the pixels themselves; whether a model knows such a place or season;
or what it answers for some classes."""
Decision = Literal["answer", "warn", "cannot tell"]

DECISION_LABELS: Final[dict[Decision, str]] = {
    "answer": "Looks reliable",
    "warn": "Check this",
    "cannot tell": "Can't tell",
}
NODATA_WARN: Final = 0.05
NODATA_ABSTAIN: Final = 0.50
"""Shares of pixels without data from which there is a warning, and no answer."""
ALL_PASSED: Final = "All checks passed."
AVAILABLE_PASSED: Final = "All checks that could be made passed."


class Finding(Schema):
    """One reason to doubt an answer.

    Attributes:
        check: short name of the check that found it.
        level: how grave it is.
        about: what it doubts.
        value: what was measured, in the check's own unit.
        bound: the value from which the check warns.
        sentence: for people: what it is, and what to do.
    """

    check: str
    level: Level
    about: About
    value: float
    bound: float
    sentence: str


class Quality(Schema):
    """How much of the pixels can be used.

    Attributes:
        nodata_fraction: share of pixels without data, 0 to 1.
        cloud_fraction: share of cloud, cirrus and cloud shadow, 0 to 1, or None: not
            measured, since that takes a scene classification.
        warnings: one sentence a finding, the gravest first.
        abstained: whether no label should be given at all; not part of the JSON.
    """

    nodata_fraction: float
    cloud_fraction: float | None
    warnings: tuple[str, ...]
    abstained: bool = Field(exclude=True)


class Verdict(Schema):
    """Whether to believe an answer.

    Attributes:
        decision: what to do.
        reason: one sentence.
        findings: all reasons for doubt, the gravest first.
        quality: shares of gaps and cloud, with the findings on pixels and place as
            warnings; ``abstained`` where the decision is "cannot tell". Not part of the JSON.
        distances: from the training patches (:mod:`landcover.trust.novelty`).
        unchecked: one sentence for each check that could not be made.
    """

    decision: Decision
    reason: str
    findings: tuple[Finding, ...]
    quality: Quality = Field(exclude=True)
    distances: dict[str, float] = Field(default_factory=dict)
    unchecked: tuple[str, ...] = ()

    @property
    def alarmed(self) -> bool:
        """Whether the pixels themselves are doubted, wherever and whenever they are from."""
        return any(finding.about == "pixels" for finding in self.findings)


def finding(
    check: str,
    level: Level,
    measured: tuple[float, float],
    sentence: str,
    about: About = "pixels",
) -> Finding:
    """A finding from what was measured: its value and bound."""
    value, bound = measured
    return Finding(
        check=check, level=level, about=about, value=value, bound=bound, sentence=sentence
    )
