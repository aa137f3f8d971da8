"""The verdict: a label and an icon for each decision, and all findings listed."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from landcover.core.errors import CorruptModel, LandcoverError, ModelMismatch
from landcover.trust.verdict import ALL_PASSED, Finding, Quality, Verdict
from pages.parts.shared import verdict_banner


def judged(decision: str, count: int) -> Verdict:
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
    return Verdict(
        decision=decision,  # type: ignore[arg-type]
        reason=findings[0].sentence if findings else ALL_PASSED,
        findings=findings,
        quality=Quality(nodata_fraction=0, cloud_fraction=None, warnings=(), abstained=False),
        unchecked=("Not checked.",) * (count > 1),
    )


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
    ("decision", "kind", "count", "label"),
    [
        ("answer", "success", 0, "Looks reliable"),
        ("warn", "warning", 1, "Check this"),
        ("cannot tell", "error", 3, "Can't tell"),
    ],
)
def test_each_decision_has_a_label_and_an_icon(
    decision: str, kind: str, count: int, label: str
) -> None:
    app = AppTest.from_function(script, args=(judged(decision, count),)).run()
    (box,) = getattr(app, kind)
    assert f"**{label}.**" in box.value
    assert box.icon == verdict_banner.ICONS[decision]  # type: ignore[index]
    assert len(set(verdict_banner.ICONS.values())) == 3
    expanders = [item.label for item in app.expander]
    if count < 2:
        assert expanders == []
        return
    assert expanders == [f"Other findings and skipped checks ({count})"]
    listed = app.expander[0].markdown[0].value
    # A file's name in a sentence must not become Markdown.
    assert r"Finding \*1\*\." in listed
    assert r"Not checked\." in listed
