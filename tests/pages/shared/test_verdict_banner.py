"""The verdict above the answer: words and a sign for each decision, and nothing hidden."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from landcover.core.errors import CorruptModel, LandcoverError, ModelMismatch
from landcover.trust.verdict import NOTHING, Finding, Quality, Verdict
from pages.parts.shared import verdict_banner


def judged(decision: str, count: int) -> Verdict:
    findings = tuple(
        Finding(
            check=f"c{k}",
            level="grave" if decision == "cannot tell" else "warn",
            about="pixels",
            value=1.0,
            bound=0.5,
            sentence=f"Finding *{k}*.",
        )
        for k in range(count)
    )
    return Verdict(
        decision=decision,  # type: ignore[arg-type]
        reason=findings[0].sentence if findings else NOTHING,
        findings=findings,
        quality=Quality(nodata_fraction=0, cloud_fraction=None, warnings=(), abstained=False),
        unchecked=("Not looked at.",) * (count > 1),
    )


def script(found):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - run without imports
    from pages.parts.shared import verdict_banner  # noqa: PLC0415 - the script is run alone

    verdict_banner.show(found)


def refusal(error):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - as above
    from pages.parts.shared import verdict_banner  # noqa: PLC0415 - as above

    verdict_banner.refuse(error)


@pytest.mark.parametrize(
    ("error", "told"),
    [(ModelMismatch("it was made for L2A."), True), (CorruptModel("It is damaged."), False)],
)
def test_pixels_that_a_model_was_not_made_for_are_a_verdict_too(
    error: LandcoverError,
    told: bool,  # noqa: FBT001 - pytest gives it by name
) -> None:
    (box,) = AppTest.from_function(refusal, args=(error,)).run().error
    head, icon = verdict_banner.HEADS["cannot tell"]
    assert (f"**{head}** It" in box.value) is told
    assert (box.icon == icon) is told
    assert r"L2A\." in box.value or r"damaged\." in box.value


@pytest.mark.parametrize(
    ("decision", "kind", "count"),
    [("answer", "success", 0), ("warn", "warning", 1), ("cannot tell", "error", 3)],
)
def test_each_decision_is_said_in_words_with_a_sign(decision: str, kind: str, count: int) -> None:
    app = AppTest.from_function(script, args=(judged(decision, count),)).run()
    (box,) = getattr(app, kind)
    head, icon = verdict_banner.HEADS[decision]  # type: ignore[index]
    assert f"**{head}**" in box.value
    assert box.icon == icon
    assert len({icon for _, icon in verdict_banner.HEADS.values()}) == 3
    expanders = [item.label for item in app.expander]
    if count < 2:
        assert expanders == []
        return
    assert expanders == [f"{count} more about whether to believe it"]
    listed = app.expander[0].markdown[0].value
    # A file's name in a sentence must not become Markdown.
    assert r"Finding \*1\*\." in listed
    assert r"Not looked at\." in listed
