"""The Data page without a browser: every view, parts of the data, and the outlines of land."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shapely import Point, Polygon
from streamlit.testing.v1 import AppTest

from landcover.datasets.overview import shipped, together
from pages.parts.data import land
from pages.parts.data import together as pairs_of_page
from tests.support.models_view import by_class

PAGE = str(Path(__file__).parents[2] / "pages" / "data.py")


@pytest.fixture
def page() -> Iterator[AppTest]:
    test = AppTest.from_file(PAGE, default_timeout=60)
    test.session_state["app_page"] = "by itself"
    test.run()
    yield test
    assert not test.exception


def text_of(page: AppTest) -> str:
    return "\n".join(str(one.value) for one in (*page.markdown, *page.caption, *page.info))


def open_view(page: AppTest, view: str) -> AppTest:
    page.segmented_control(key="data_view").set_value(view).run()
    assert not page.exception
    assert not page.error
    return page


def test_each_view_shows_the_shipped_figures(page: AppTest) -> None:
    assert "**480,038 patches**" in text_of(page)
    frame = page.dataframe[0].value
    urban = by_class(frame).loc["Urban"]
    assert urban[["All", "train", "validation", "test"]].tolist() == [63758, 33626, 17308, 12824]
    open_view(page, "Together")
    assert "square root" in text_of(page)
    open_view(page, "Combinations")
    listed = page.dataframe[1].value
    assert listed.iloc[0]["Combination"] == "Marine waters"
    assert listed.iloc[0]["Patches"] == 52_477
    open_view(page, "Seasons")
    assert "from 2017-06-13 to 2018-05-29" in text_of(page)
    open_view(page, "Map")
    assert "3,248 blocks" in text_of(page)
    assert len(page.dataframe[0].value) == 54
    open_view(page, "Spectra")
    assert "labelled patches of the training and validation splits" in text_of(page)


def test_a_part_is_shown_alone(page: AppTest) -> None:
    page.selectbox(key="data_country").select("Luxembourg").run()
    page.selectbox(key="data_split").select("train").run()
    found = shipped().where("country", "Luxembourg").where("split", "train")
    assert f"**{found.n:,} patches**" in text_of(page)
    # Only seasons in which there were patches are offered.
    assert page.selectbox(key="data_season").options == ["All seasons", "spring", "autumn"]


def test_combinations_are_browsed_by_class(page: AppTest) -> None:
    open_view(page, "Combinations")
    page.multiselect(key="data_combination").set_value(["Beaches, dunes, sands"]).run()
    page.segmented_control(key="data_match").set_value("Exactly these").run()
    beaches = shipped().with_classes(["Beaches, dunes, sands"], exactly=True)
    assert f"{beaches.n} of 480,038 patches in 1 combination:" in text_of(page)


def test_names_of_classes_lead_to_the_guide(page: AppTest) -> None:
    guide = "[What do these classes mean?](classes)"
    assert guide in text_of(page)
    assert guide in text_of(open_view(page, "Together"))
    assert guide in text_of(open_view(page, "Seasons"))
    open_view(page, "Combinations")
    assert page.table[0].value["Combination"][0] == "[Marine waters](classes?about=Marine%20waters)"
    open_view(page, "Map")
    page.selectbox(key="data_places_class").select("Beaches, dunes, sands").run()
    assert "have [Beaches](classes?about=Beaches%2C%20dunes%2C%20sands)." in text_of(page)
    open_view(page, "Spectra")
    assert "What they are: [Arable](classes?about=Arable%20land)" in text_of(page)


def test_the_table_of_pairs_has_each_pair_that_occurs() -> None:
    counts = shipped()
    pairs = together(counts)
    found = pairs_of_page.table(counts, pairs)
    assert len(found) == (pairs.both > 0).sum() - 19
    row = found[(found["Class"] == "Beaches") & (found["Other class"] == "Marine waters")].iloc[0]
    assert row["Both"] == pairs.both[14, 18]
    assert row["Lift"] == row["Both"] / row["Expected by chance"]


def test_outlines_of_land_are_cut_at_the_edges() -> None:
    x, y = land.outlines(35, -12, 45, 5)
    ends = [k for k, value in enumerate(x) if value is None]
    assert y[ends[0]] is None
    starts = [0, *(k + 1 for k in ends[:-1])]
    shapes = [
        Polygon([*zip(x[a:b], y[a:b], strict=True)]) for a, b in zip(starts, ends, strict=True)
    ]

    def is_land(longitude: float, latitude: float) -> bool:
        return any(shape.contains(Point(longitude, latitude)) for shape in shapes)

    assert is_land(-3.7, 40.4)  # Madrid
    assert not is_land(-11, 40)  # the Atlantic
    assert not is_land(2.5, 48.9)  # Paris lies outside
