"""The headline and the word of each class: plain, complete, and never contradictory."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from landcover.core.classes import CLASS_NAMES, CLASS_SETS, EUROSAT_CLASSES
from landcover.models.model import LabelScore, Prediction
from landcover.trust.verdict import (
    ALL_PASSED,
    AVAILABLE_PASSED,
    DECISION_LABELS,
    Decision,
    Finding,
    Quality,
    Verdict,
)
from landcover.trust.wording import (
    NEXT_STEPS,
    OUTCOMES,
    PHRASES,
    headline,
    next_step,
    outcome,
)

QUALITY = Quality(nodata_fraction=0.0, cloud_fraction=None, warnings=(), abstained=False)


def found(check: str, level: str = "warn") -> Finding:
    return Finding(
        check=check,
        level=level,
        about="pixels",
        value=1.0,
        bound=0.5,
        sentence="Something is wrong.",
    )


def judged(decision: Decision, *, partly: bool = False, check: str = "haze") -> Verdict:
    level = "severe" if decision == "cannot tell" else "warn"
    findings = (found(check, level),) if decision in ("warn", "cannot tell") else ()
    return Verdict(
        decision=decision,
        reason=findings[0].sentence if findings else ALL_PASSED,
        findings=findings,
        quality=QUALITY.with_fields(abstained=decision == "cannot tell"),
        unchecked=("Something was not checked.",) if partly else (),
        checked=() if decision == "unchecked" else ("pixels",),
    )


def score(label: str, probability: float, **fields: object) -> LabelScore:
    values = {"score": 0.0, "threshold": 0.5, "predicted": probability >= 0.5, **fields}
    return LabelScore(label=label, probability=probability, **values)  # type: ignore[arg-type]


def prediction(*named: str) -> Prediction:
    classes = EUROSAT_CLASSES if named and named[0] in EUROSAT_CLASSES else CLASS_NAMES
    labels = tuple(
        score(label, 0.9 - 0.01 * named.index(label) if label in named else 0.1)
        for label in classes
    )
    return Prediction(model="m", card_hash="0123456789ab", labels=labels)


@pytest.mark.parametrize(
    ("named", "decision", "expected"),
    [
        ((), "warn", "No land cover is found. Check this."),
        (("Inland waters",), "answer", "A lake or river. Looks reliable."),
        (
            ("Inland waters", "Coniferous forest"),
            "answer",
            "Coniferous forest with a lake or river. Looks reliable.",
        ),
        (
            ("Pastures", "Arable land", "Mixed forest"),
            "warn",
            "Pastures, arable land and mixed forest. Check this.",
        ),
        (
            ("Pastures", "Arable land", "Marine waters", "Urban fabric"),
            "answer",
            "Pastures, arable land and built-up land with the sea. Looks reliable.",
        ),
        (
            ("Pastures", "Marine waters", "Urban fabric", "Arable land", "Mixed forest"),
            "answer",
            "Pastures, built-up land and 2 other land covers with the sea. Looks reliable.",
        ),
        (("Pastures",), "unchecked", "Pastures. Not checked."),
        (("SeaLake",), "answer", "Mostly a lake or the sea. Looks reliable."),
        (("Pastures",), "cannot tell", "Can't tell which land cover is here."),
    ],
)
def test_the_headline_names_the_land_covers_and_the_verdict(
    named: tuple[str, ...], decision: Decision, expected: str
) -> None:
    assert headline(prediction(*named), judged(decision)) == expected


def test_a_partly_checked_prediction_says_so() -> None:
    verdict = judged("answer", partly=True)
    assert (
        headline(prediction("Pastures"), verdict) == "Pastures. Looks reliable as far as checked."
    )


@given(
    named=st.lists(st.sampled_from(CLASS_NAMES), unique=True),
    decision=st.sampled_from(list(DECISION_LABELS)),
    partly=st.booleans(),
)
def test_every_headline_is_plain_and_names_no_cover_as_fact_if_the_verdict_is_cannot_tell(
    named: list[str],
    decision: Decision,
    partly: bool,  # noqa: FBT001 - hypothesis gives it by name
) -> None:
    verdict = judged(decision, partly=partly)
    text = headline(prediction(*named), verdict)
    assert text[0].isupper()
    assert text.endswith(".")
    assert not re.search(r"  |\.\.|, and|,\.| \.|\band and\b|with with", text)
    phrases = [PHRASES[label] for label in named if PHRASES[label] in text.lower()]
    if decision == "cannot tell":
        assert phrases == []
        return
    others = re.search(r"(\d+) other land cover", text)
    assert len(phrases) + int(others[1] if others else 0) >= len(named)
    assert text.endswith(f" {verdict.label}.")


def test_every_class_has_a_phrase() -> None:
    assert set(PHRASES) == {label for names in CLASS_SETS.values() for label in names}


@given(
    probability=st.floats(0, 1),
    threshold=st.floats(0, 1),
    certainty=st.sampled_from([None, "absent", "possible", "certain"]),
)
def test_the_word_of_a_class_never_contradicts_its_decision_or_its_probability(
    probability: float, threshold: float, certainty: str | None
) -> None:
    one = score(
        "Pastures",
        probability,
        threshold=threshold,
        predicted=probability >= threshold,
        certainty=certainty,
    )
    word = outcome(one)
    assert word in OUTCOMES
    assert (word in ("certain", "found")) == one.predicted
    assert not (one.predicted and one.certainty == "absent")
    if word == "possible":
        assert f"{probability:.0%}" != "0%"


@pytest.mark.parametrize("check", sorted(NEXT_STEPS))
def test_a_bad_verdict_says_what_to_do_next(check: str) -> None:
    assert next_step(judged("warn", check=check)) == NEXT_STEPS[check]
    assert NEXT_STEPS[check].endswith(".")
    assert next_step(judged("answer")) == ""


def test_a_verdict_cannot_be_good_if_nothing_was_checked() -> None:
    for checked in ((), ("place",), ("prediction", "place")):
        with pytest.raises(ValidationError, match="nothing was checked"):
            Verdict(
                decision="answer",
                reason=AVAILABLE_PASSED,
                findings=(),
                quality=QUALITY,
                checked=checked,
            )
    with pytest.raises(ValidationError, match="there are findings"):
        judged("answer").with_fields(findings=(found("haze"),))
