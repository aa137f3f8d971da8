"""The verdict: a label and an icon for each decision, and all findings listed."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from landcover.core.errors import CorruptModel, LandcoverError, ModelMismatch
from landcover.trust import wording
from landcover.trust.result import Result
from landcover.trust.verdict import ALL_PASSED, Finding, Quality, Verdict
from pages.parts.shared import theme, verdict_banner
from tests.support.tiny import random_patch, tiny_model


def judged(decision: str, count: int, unchecked: int) -> Result:
    findings = tuple(
        Finding(
            check=f"c{k}",
            level="severe" if decision == "cannot tell" else "warn",
            about="pixels",
            value=1.0,
            bound=0.5,
            sentence=f"Finding *{k}*.",
        )
        for k in range(count)
    )
    verdict = Verdict(
        decision=decision,  # type: ignore[arg-type]
        reason=findings[0].sentence if findings else ALL_PASSED,
        findings=findings,
        quality=Quality(nodata_fraction=0, cloud_fraction=None, warnings=(), abstained=False),
        unchecked=("*Not* checked.",) * unchecked,
        checked=("pixels",) if decision != "unchecked" else (),
    )
    model, patch = tiny_model(), random_patch()
    return Result(raster=patch, prediction=model.predict(patch), verdict=verdict)


def script(found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - run without imports
    from pages.parts.shared import verdict_banner  # noqa: PLC0415 - the script is run alone

    verdict_banner.show(found)


def refusal(error):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - as above
    from pages.parts.shared import verdict_banner  # noqa: PLC0415 - as above

    verdict_banner.show_error(error)


@pytest.mark.parametrize(
    ("error", "is_verdict"),
    [(ModelMismatch("it was made for L2A."), True), (CorruptModel("It is damaged."), False)],
)
def test_a_model_mismatch_is_shown_as_a_verdict(
    error: LandcoverError,
    is_verdict: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    (box,) = AppTest.from_function(refusal, args=(error,)).run().error
    assert ("**Can't tell.** It" in box.value) is is_verdict
    assert (box.icon == verdict_banner.ICONS["cannot tell"]) is is_verdict
    assert r"L2A\." in box.value or r"damaged\." in box.value


@pytest.mark.parametrize(
    ("decision", "kind", "count", "unchecked", "label"),
    [
        ("answer", "success", 0, 0, "Looks reliable"),
        ("answer", "info", 0, 1, "Looks reliable as far as checked"),
        ("warn", "warning", 1, 0, "Check this"),
        ("cannot tell", "error", 3, 1, "Can't tell which land cover is here"),
        ("unchecked", "info", 0, 0, "Not checked"),
    ],
)
def test_each_decision_has_a_headline_a_colour_and_an_icon(
    decision: str, kind: str, count: int, unchecked: int, label: str
) -> None:
    found = judged(decision, count, unchecked)
    app = AppTest.from_function(script, args=(found,)).run()
    boxes = {name: list(getattr(app, name)) for name in ("success", "info", "warning", "error")}
    (box,) = boxes.pop(kind)
    assert not any(boxes.values())
    assert theme.literal(f"{label}.") + "**" in box.value
    assert theme.literal(wording.headline(found.prediction, found.verdict)) in box.value
    icon = "unchecked" if kind == "info" else decision
    assert box.icon == verdict_banner.ICONS[icon]  # type: ignore[index]
    assert len(set(verdict_banner.ICONS.values())) == 4
    expanders = [item.label for item in app.expander]
    if kind == "info":
        # What was not checked is in the open.
        assert [r"\*Not\* checked\."] * unchecked == [item.value for item in app.caption]
    if decision != "cannot tell":
        assert expanders == []
        return
    assert expanders == ["Other findings and skipped checks (3)"]
    listed = app.expander[0].markdown[0].value
    # A file's name in a sentence must not become Markdown.
    assert r"Finding \*1\*\." in listed
    assert r"\*Not\* checked\." in listed
