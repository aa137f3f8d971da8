"""The Models page: how good a model's verdicts and attribution maps are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core.classes import EUROSAT_CLASSES
from landcover.explain.faithfulness import ratings
from landcover.metrics.intervals import wilson
from landcover.models import registry
from landcover.trust import files
from landcover.trust.bench import records
from landcover.trust.bench.records import Rate
from pages.parts.models import faithfulness as models_faithful
from pages.parts.models import trust
from tests.support import models_view, tiny, verdict_file

PAGE = str(Path(__file__).parents[2] / "pages" / "models.py")
NAME = "landcover-cnn"
SHIPPED = registry.default().shipped / registry.DEFAULT_MODEL / "trust"
"""Real files of the default model, whose values are read here and not written down."""


def trust_script(name):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - run without imports
    from landcover.models import registry  # noqa: PLC0415 - the script is run alone
    from pages.parts.models import data, trust  # noqa: PLC0415

    trust.render(data.Entry(name, registry.default().card(name), 1, None))


def card_script(name):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201 - as above
    from landcover.models import registry  # noqa: PLC0415 - as above
    from pages.parts.models import data  # noqa: PLC0415
    from pages.parts.models import faithfulness as models_faithful  # noqa: PLC0415

    models_faithful.render(data.Entry(name, registry.default().card(name), 1, None))


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One tiny model without any figures, in place of the registry's."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    tiny.tiny_folder(tmp_path / NAME, name=NAME)
    with registry.use(registry.Registry(shipped=tmp_path)):
        yield tmp_path


def draw(script: Callable[[str], None], name: str = NAME) -> AppTest:
    shown = AppTest.from_function(script, args=(name,), default_timeout=60).run()
    assert not shown.exception
    return shown


def text(shown: AppTest) -> str:
    parts = (*shown.markdown, *shown.caption, *shown.info, *shown.warning, *shown.error)
    return "\n".join(part.value for part in parts).replace("\\", "")


def table(shown: AppTest, column: str) -> pd.DataFrame:
    found: pd.DataFrame = next(f.value for f in shown.dataframe if column in f.value.columns)
    return found


def values(file: str) -> dict[str, Any]:
    """What a shipped file of the default model holds."""
    found: dict[str, Any] = json.loads((SHIPPED / f"{file}.json").read_text())["values"]
    return found


def keep(zoo: Path, file: str, found: dict[str, Any]) -> None:
    files.write_json(zoo / NAME, file, registry.default().card(NAME).hash, found)


def shipped_page(view: str) -> AppTest:
    shown = AppTest.from_file(PAGE, default_timeout=60)
    shown.session_state["app_page"] = "by itself"
    shown.run()
    models_view.view(shown, view)
    shown.selectbox(key="models_one").set_value(registry.DEFAULT_MODEL).run()
    assert not shown.exception
    assert not shown.error
    return shown


def test_the_shipped_model_shows_how_good_its_verdicts_are() -> None:
    shown = shipped_page("Can it be trusted?")
    found = records.load(SHIPPED.parent, registry.default().card(registry.DEFAULT_MODEL).hash)
    assert found is not None
    said = text(shown)
    for rate in (found.good.alarms, found.good.cannot_tell, found.bad["all"]):
        assert trust.percent(rate) in said
    caught = table(shown, "Group")
    assert sorted(caught["Group"]) == sorted(group.title for group in found.groups)
    keys = {button.key for button in shown.get("download_button")}
    for stem in ("false-alarms", "caught", "risk-verdict"):
        assert any(f"models_csv_{stem}" in str(key) for key in keys), stem


def test_the_curve_of_the_verdict_is_below_that_of_test_patches() -> None:
    shown = shipped_page("Risk and coverage")
    assert (
        "The curve above is for ordinary test patches, in the order of the model's confidence"
        in text(shown)
    )
    assert len([f for f in shown.dataframe if "Coverage" in f.value.columns]) == 2


def test_the_shipped_card_shows_how_good_its_maps_are() -> None:
    shown = shipped_page("Card")
    found = ratings.load(SHIPPED.parent)
    assert found is not None
    said = text(shown)
    for method in found.methods:
        assert found.verdict(method).sentence in said
    rows = table(shown, "Gain over random")
    assert len(rows) == len(found.methods)
    assert list(rows["Verdict"]).count(models_faithful.BEST) == (found.best is not None)
    stability, neighbours = values("stability"), values("neighbours")
    assert f"{stability['score']['mean']:.0%} [" in said
    assert f"{neighbours['rows'][0]['features']:.0%} [" in said


def test_false_alarms_are_those_of_the_file(zoo: Path) -> None:
    keep(zoo, records.FILE, verdict_file.figures())
    shown = draw(trust_script)
    both = table(shown, "Check").set_index("Check")
    test = both[both["Split"] == "test"]
    assert test.loc["any check of the pixels", "Flagged"] == 3
    rows = both[both["Split"] == "validation"]
    assert rows.loc["any check of the pixels", "Flagged"] == 2
    assert rows.loc[records.PIXEL_CHECKS["unlike"], "Flagged"] == 1
    assert rows.loc[records.PIXEL_CHECKS["offset"], "Flagged"] == 0
    assert rows.loc[records.OTHER_CHECKS["season"], "About"] == "place or result, no alarm"
    assert ((rows["Low"] <= rows["Share"]) & (rows["Share"] <= rows["High"])).all()
    said = text(shown)
    assert "Tiny net was trained on these patches" in said
    assert "Of 30 good patches of the test split" in said
    assert f"{records.PIXEL_CHECKS['shade']} 3." in said
    assert "Flagged for their pixels in clear scenes of other places: " in said
    silent = said.partition("Never raised on these patches: ")[2]
    assert records.PIXEL_CHECKS["offset"] in silent
    assert records.PIXEL_CHECKS["unlike"] not in silent.partition(".")[0]


def test_the_least_flagged_come_first_and_good_patches_last(zoo: Path) -> None:
    keep(zoo, records.FILE, verdict_file.figures())
    shown = draw(trust_script)
    rows = table(shown, "Group")
    titles = [title.removeprefix("the group ") for title in rows["Group"]]
    assert titles == ["swap", "fog", "clear", "kenya"]
    assert list(rows["Kind"].str.split(",").str[0]) == ["bad", "bad", "good and clear", "good"]
    assert rows["Can't tell"].tolist() == rows["Flagged"].tolist()
    said = text(shown)
    assert "Groups below the target: the group swap 75%." in said
    assert "corrupted good patches: 75.0% [" in said


def test_risk_is_shown_for_good_patches_and_among_corrupted_ones(zoo: Path) -> None:
    keep(zoo, records.FILE, verdict_file.figures())
    shown = draw(trust_script)
    assert "sorts neither better nor worse than the model's confidence" in text(shown)
    switch = shown.segmented_control(key="models_trust_patches")
    switch.set_value("Good patches mixed with corrupted ones").run()
    assert not shown.exception
    said = text(shown)
    raw = verdict_file.figures()["selective"]["mixed"]
    assert f"the verdict **{raw['verdict']['area']:.3f} [" in said
    assert "Here the verdict sorts better than the model's confidence" in said
    assert "Check this: – in 0" in said
    rows = table(shown, "Coverage")
    assert rows["The verdict"].tolist() == raw["verdict"]["risk"]
    assert rows["Confidence alone"].tolist() == raw["confidence"]["risk"]


def test_curves_of_other_coverages_are_listed_below_each_other(zoo: Path) -> None:
    raw = verdict_file.figures()
    raw["selective"]["good"]["novelty"] = verdict_file.curve(0.2, 0.2)
    keep(zoo, records.FILE, raw)
    rows = table(draw(trust_script), "Coverage")
    assert rows.groupby("Order").size().to_dict() == {
        "Confidence alone": 4,
        "Novelty alone": 2,
        "The verdict": 4,
    }


@pytest.mark.parametrize(
    ("hits", "n", "said"),
    [
        (0, 500, "the target of at most 5% is met"),
        (2, 50, "is met, but the interval extends beyond it"),
        (4, 50, "is missed, but the interval includes it"),
        (50, 100, "the target of at most 5% is missed"),
    ],
)
def test_a_target_is_assessed_with_its_interval(hits: int, n: int, said: str) -> None:
    rate = Rate(n=n, hits=hits, share=hits / n, interval=wilson(hits, n))
    assert trust.target_sentence(rate, at_most=0.05).endswith(said)
    other = Rate(n=n, hits=n - hits, share=1 - hits / n, interval=wilson(n - hits, n))
    assert trust.target_sentence(other, at_least=0.95).endswith(
        said.replace("most 5%", "least 95%")
    )


def test_without_measurements_the_commands_are_named(zoo: Path) -> None:
    assert zoo.is_dir()
    assert f"landcover trust measure ROOT --dataset bigearthnet --model {NAME}" in text(
        draw(trust_script)
    )
    said = text(draw(card_script))
    for action in ("faithfulness", "stability", "neighbours"):
        assert f"landcover trust {action} ROOT --dataset bigearthnet --model {NAME} --save" in said


def test_a_model_for_pictures_is_not_measured(zoo: Path) -> None:
    tiny.tiny_folder(
        zoo / "pictures",
        name="pictures",
        title="Pictures",
        class_set="eurosat-10",
        classes=EUROSAT_CLASSES,
        thresholds=dict.fromkeys(EUROSAT_CLASSES, 0.5),
        activation="softmax",
        units="picture brightness",
        level="RGB",
        bands=("red", "green", "blue"),
        mean=(0.3,) * 3,
        std=(0.1,) * 3,
    )
    assert "which lack the bands" in text(draw(trust_script, "pictures"))
    said = text(draw(card_script, "pictures"))
    assert said.count("models for Sentinel-2 patches only") == 2
    assert "landcover trust faithfulness ROOT --dataset eurosat" in said


def test_a_model_without_gradients_has_no_maps_to_measure() -> None:
    assert "has no gradients" in text(draw(card_script, "class-prior"))


@pytest.mark.parametrize(
    "content", [b"nonsense", b"{}", b'{"card_hash": "0", "values": {}}', None, "empty"]
)
def test_damaged_files_are_one_sentence_each(zoo: Path, content: bytes | str | None) -> None:
    for file in ("verdict", "faithfulness", "stability", "neighbours"):
        if isinstance(content, bytes):
            (zoo / NAME / "trust").mkdir(exist_ok=True)
            (zoo / NAME / "trust" / f"{file}.json").write_bytes(content)
        else:
            keep(zoo, file, {} if content == "empty" else {"rows": [{"k": "x"}], "score": 3})
    for script, count in ((trust_script, 1), (card_script, 3)):
        shown = draw(script)
        sentences = [warning.value for warning in shown.warning]
        assert len(sentences) == count
        assert all("cannot be used" in sentence for sentence in sentences)


def test_values_that_only_tables_show_may_be_missing(zoo: Path) -> None:
    raw = values("faithfulness")
    for one in raw["methods"].values():
        del one["pointing"], one["seconds"]
    keep(zoo, ratings.FILE, raw)
    shown = draw(card_script)
    assert not shown.warning
    rows = table(shown, "Gain over random")
    assert set(rows["On the right half"]) == set(rows["On mapped land"]) == {"–"}


def test_methods_that_are_not_faithful_are_marked(zoo: Path) -> None:
    raw = values("faithfulness")
    for one in raw["methods"].values():
        one["randomisation"]["passed"] = False
    keep(zoo, ratings.FILE, raw)
    shown = draw(card_script)
    assert "No method is faithful to this model" in text(shown)
    rows = table(shown, "Gain over random")
    assert set(rows["Verdict"]) == {models_faithful.WORDS[False]}
