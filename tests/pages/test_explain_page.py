"""The Explain page without a browser: its jobs, texts and downloads."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.core.classes import BY_NAME, CLASS_NAMES
from landcover.core.errors import Cancelled
from landcover.core.progress import Report, ignore
from landcover.core.raster import Raster
from landcover.datasets import album
from landcover.evaluate.report_files import read_report
from landcover.explain import band_attribution, explanation, what_if
from landcover.explain.faithfulness import ratings
from landcover.explain.neighbours import load as load_index
from landcover.io import samples
from landcover.io.images import picture_of
from landcover.jobs import queue
from landcover.models import registry
from landcover.models.model import Model
from landcover.trust import shift_stability
from pages.parts.explain import bands as bands_part
from pages.parts.explain import choose, computation, maps, what_if_controls
from pages.parts.explain import what_if as what_if_part
from pages.parts.explain.computation import Failed, Request, Store, Subject
from pages.parts.shared import choice, loaded_models, patch_link, theme
from tests.support.colour_pictures import pixels
from tests.support.held import hold
from tests.support.tiny import NAME, TinyNet, random_patch, result_of, tiny_folder, tiny_model

ROOT = Path(__file__).parents[2]
PAGE = str(ROOT / "pages" / "explain.py")
PATIENCE_S = 60


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry of two tiny models, with empty caches."""
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    monkeypatch.delenv(patch_link.VARIABLE, raising=False)
    for name in ("one", "two"):
        tiny_folder(tmp_path / name, name=name, title=f"Net {name}")
    st.cache_resource.clear()
    st.cache_data.clear()
    with registry.use(registry.Registry(shipped=tmp_path)):
        yield tmp_path
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.fixture
def page(zoo: Path) -> Iterator[AppTest]:
    assert zoo.is_dir()
    test = AppTest.from_file(PAGE, default_timeout=60)
    test.session_state["app_page"] = "by itself"
    yield finished(test.run())
    assert not test.exception


def finished(test: AppTest) -> AppTest:
    """Wait for the background job, as a browser does by polling."""
    deadline = time.monotonic() + PATIENCE_S
    while (job := job_of(test)) is not None and not (job.cancelled or job.error):
        assert time.monotonic() < deadline
        time.sleep(0.02)
        if job.done:
            test.run()
    assert not test.exception
    return test


def job_of(test: AppTest) -> Any:
    try:
        return test.session_state["explain_job"]
    except KeyError:
        return None


def headings(test: AppTest) -> list[str]:
    return [item.value for item in test.header]


def captions(test: AppTest) -> str:
    return " ".join(item.value for item in test.caption).replace("\\", "")


def markdown(test: AppTest) -> str:
    return " ".join(item.value for item in test.markdown).replace("\\", "")


def labels(test: AppTest) -> list[str]:
    return [button.label for button in test.get("download_button")]


def test_it_opens_with_a_sample_and_shows_everything(page: AppTest) -> None:
    assert page.title[0].value == "Why this result?"
    first = samples.samples()[0]
    assert page.selectbox(key="explain_place").value == first.name
    assert headings(page) == [
        "Which pixels are evidence for or against it?",
        "Which bands are evidence for or against it?",
        "Which training patches are similar?",
        "What if the patch looked different?",
        "Is it stable if the window moves?",
    ]
    assert labels(page) == [
        *("Maps as PNG", "Maps as GeoTIFF", "Maps as JSON", "Bands as CSV"),
        *("Indices as PNG", "Indices as GeoTIFF", "Indices as CSV", "Stability as CSV"),
    ]
    assert "is being computed" not in captions(page)
    assert "has not been measured" in captions(page)
    assert any("landcover trust neighbours" in item.value.replace("\\", "") for item in page.info)
    assert page.metric[0].value.endswith("%")
    tables = [item.value for item in page.table]
    assert any("NDVI: vegetation" in table.index for table in tables)


def test_the_place_is_shared_with_classify(page: AppTest) -> None:
    page.selectbox(key="explain_place").select("finland-lake").run()
    finished(page)
    assert page.session_state["classify_trail"][-1] == choice.Chosen(sample="finland-lake")
    page.session_state["classify_trail"] = [choice.Chosen(sample="austria-fields")]
    finished(page.run())
    assert page.selectbox(key="explain_place").value == "austria-fields"


def test_a_choice_that_is_no_longer_held_gives_a_sample(page: AppTest) -> None:
    page.session_state["classify_trail"] = [choice.Chosen(upload="upload:gone")]
    finished(page.run())
    assert page.selectbox(key="explain_place").value == samples.samples()[0].name
    assert "so a sample is shown" in captions(page)


def test_up_to_four_classes_are_compared_and_none_means_the_usual_ones(page: AppTest) -> None:
    box = page.multiselect(key="explain_labels")
    usual = list(box.value)
    assert box.proto.max_selections == choose.MOST
    finished(box.set_value(list(CLASS_NAMES[:4])).run())
    for label in CLASS_NAMES[:4]:
        assert BY_NAME[label].short in markdown(page)
    assert "All maps share this scale" in captions(page)
    finished(page.multiselect(key="explain_labels").set_value([]).run())
    assert page.multiselect(key="explain_labels").value == usual
    assert labels(page)


def test_two_models_have_their_own_scales_and_files(page: AppTest) -> None:
    finished(page.segmented_control(key="explain_side").set_value("Two models").run())
    assert "All maps share this scale" not in captions(page)
    assert labels(page)[:1] == ["Maps of Net one as PNG"]
    assert labels(page)[3:4] == ["Maps of Net two as PNG"]


def test_methods_are_compared(page: AppTest) -> None:
    page.segmented_control(key="explain_side").set_value("Methods").run()
    page.multiselect(key="explain_methods").set_value(["grad-cam", "fine-cam"]).run()
    finished(page)
    for name in ("grad-cam", "fine-cam"):
        assert explanation.METHODS[name].title in markdown(page)


def test_a_net_without_gradients_is_explained_in_a_sentence(page: AppTest, zoo: Path) -> None:
    real = loaded_models.card("one")
    real.with_fields(explainable=False).write(zoo / "one")
    page.run()
    assert real.explainable
    assert any("has no gradients" in item.value for item in page.info)
    assert labels(page) == []


def test_a_colour_picture_has_maps_but_no_neighbours() -> None:
    st.cache_resource.clear()
    test = AppTest.from_file(PAGE, default_timeout=60)
    test.session_state["app_page"] = "by itself"
    hold(test.session_state, pictures={"picture:x": picture_of(pixels(100, 80), "my_f.png")})
    test.session_state["classify_trail"] = [choice.Chosen(colours="picture:x", row=18, col=8)]
    finished(test.run())
    st.cache_resource.clear()
    assert labels(test) == ["Maps as PNG", "Maps as JSON", "Bands as CSV"]
    assert any("Sentinel-2 patches only" in item.value for item in test.info)
    assert not test.get("metric")


def test_changes_move_the_result_and_can_be_undone(page: AppTest) -> None:
    def now() -> what_if_controls.Settings:
        held = page.session_state["explain_changes_now"]
        assert isinstance(held, what_if_controls.Settings)
        return held

    assert page.button(key="explain_undo").disabled
    page.slider(key="explain_change_cloud").set_value(80).run()
    page.multiselect(key="explain_change_off").set_value(["red edge"]).run()
    assert now() == what_if_controls.Settings(cloud=80, off=("red edge",))
    assert "painted cloud" in markdown(page)
    assert any("Still: " in item.value or "Now: " in item.value for item in page.markdown)
    page.button(key="explain_undo").click().run()
    assert now() == what_if_controls.Settings(cloud=80)
    assert page.multiselect(key="explain_change_off").value == []
    page.button(key="explain_reset").click().run()
    assert now() == what_if_controls.Settings()
    assert page.button(key="explain_reset").disabled
    page.button(key="explain_undo").click().run()
    assert page.slider(key="explain_change_cloud").value == 80


def test_settings_stand_for_changes() -> None:
    settings = what_if_controls.Settings(
        off=("visible", "B03", "B12"), cloud=40, season="winter", strength=50,
        brightness=120, east=-100, north=60,
    )  # fmt: skip
    assert settings.bands == ("B02", "B03", "B04", "B12")
    assert settings.changes == (
        what_if.Shift(east_m=-100.0, north_m=60.0),
        what_if.Season(to="winter", strength=0.5),
        what_if.Brightness(gain=1.2),
        what_if.Cloud(opacity=0.4, size=0.5),
        what_if.BandsOff(bands=("B02", "B03", "B04", "B12")),
    )
    assert what_if_controls.Settings().changes == ()
    assert set(what_if_controls.SEASONS[1:]) == set(what_if.SEASONS)


def test_chart_and_table_of_what_if_have_the_same_values() -> None:
    model, patch = tiny_model(), random_patch()
    outcome = what_if.what_if(model, patch, [what_if.BandsOff(bands=("B04", "B08"))])
    shown = what_if_part.most_changed(outcome)
    assert set(outcome.flipped) <= set(shown) or len(shown) == what_if_part.SHOWN
    table = what_if_part.table(outcome)
    assert len(table) == len(CLASS_NAMES)
    figure = what_if_part.chart(outcome, theme.DARK)
    after = [f"{x:.1%}" for x in figure.data[2].x]
    assert after == [table.loc[BY_NAME[label].short, "After"] for label in shown]
    taken = what_if_part.values(outcome).set_index("label")
    for label in shown:
        assert f"{taken.loc[label, 'after']:.1%}" == table.loc[BY_NAME[label].short, "After"]
        turned = taken.loc[label, "predicted_before"] != taken.loc[label, "predicted_after"]
        assert turned == (label in outcome.flipped)
    assert "B04, B08" in what_if_part.sentence(outcome)
    still = what_if.what_if(model, patch, [what_if.Brightness(gain=1.0)])
    assert "no land cover changes between present and absent" in what_if_part.sentence(still)
    assert what_if_part.points(-0.0001) == "0"
    assert what_if_part.points(-0.123) == "−12"


def test_stability_table_has_every_class() -> None:
    model, patch = tiny_model(), random_patch()
    found = shift_stability.stability(model, patch)
    answer = result_of(model, patch)
    table = what_if_part.stability_table(found, answer)
    assert len(table) == len(CLASS_NAMES)
    turned = [row for row in table["Label changes in"] if not row.startswith("0 ")]
    assert len(turned) == len(found.flips)
    taken = what_if_part.stability_values(found, answer).set_index("label")
    assert dict(taken["largest_change"]) == pytest.approx(found.change)
    assert int((taken["windows_turned"] > 0).sum()) == len(found.flips)


def test_band_charts_share_one_axis_and_agree_with_the_table() -> None:
    model, patch = tiny_model(), random_patch()
    found = band_attribution.attribute_bands_many(model, patch, list(CLASS_NAMES[:2]))
    pairs = [(BY_NAME[own.label].short, own) for own in found]
    span = bands_part.axis_of(found, 0.2)
    figures = [bands_part.chart(own, span, theme.LIGHT) for own in found]
    values = [value for figure in figures for value in figure.data[0].x]
    assert span[0] < min(*values, 0) <= max(*values, 0) < span[1]
    assert figures[0].layout.xaxis.range == figures[1].layout.xaxis.range
    table = bands_part.table(pairs)
    for (title, own), figure in zip(pairs, figures, strict=True):
        assert list(table[f"{title} (logits)"]) == list(figure.data[0].text)
        for value, colour in zip(
            figure.data[0].x, figure.data[0].marker.color, strict=True
        ):  # the sign has the same meaning as the colour
            assert (colour == bands_part.FOR) == (value > 0)
        assert len(table) == len(own.bands) + len(own.groups)
    taken = bands_part.values(pairs)
    assert len(taken) == sum(len(own.bands) + len(own.groups) for own in found)
    one = taken[(taken["label"] == CLASS_NAMES[1]) & (taken["name"] == "B04")]["logits"]
    assert list(one) == [found[1].bands["B04"]]
    assert bands_part.signed(-0.001) == "0.00"


def test_indices_have_a_table_even_without_usable_pixels() -> None:
    table = bands_part.index_table(samples.read_sample("austria-fields"))
    assert next(iter(table.index)) == "NDVI: vegetation"
    dark = random_patch(data=np.zeros((12, 120, 120), np.float32))
    assert set(bands_part.index_table(dark)["Mean"]) == {"–"}
    few = random_patch(data=np.zeros((1, 120, 120), np.float32), bands=("B02",))
    assert bands_part.index_table(few).empty


def test_pictures_of_training_patches_are_in_the_album_and_none_is_read_from_elsewhere(
    tmp_path: Path,
) -> None:
    st.cache_data.clear()
    assert patch_link.picture("../../etc", tmp_path) is None
    known = (album.FOLDER / album.NAMES).read_text().split()
    for name in (known[0], known[-1]):
        assert patch_link.read(name, tmp_path) is None
        small = album.picture(name)
        assert small is not None
        assert small.shape == (album.SIDE, album.SIDE, 3)
        assert small.std() > 0
        assert patch_link.picture(name, None) == theme.png(small, 4)
    st.cache_data.clear()


def test_every_failure_and_neighbour_of_the_default_model_has_a_picture() -> None:
    folder = registry.default().folder(registry.DEFAULT_MODEL)
    index = load_index(folder, registry.default().card(registry.DEFAULT_MODEL).hash)
    assert index is not None
    shown = read_report(folder, "bigearthnet-v2", "test").predictions.ids
    assert all(album.picture(name) is not None for name in (*index.ids, *shown))


def requests(**changes: str) -> list[Request]:
    values = {"model": NAME, "key": "k", "method": "grad-cam", "baseline": "mean", **changes}
    return [Request(kind="map", label=label, **values) for label in CLASS_NAMES[:2]]  # type: ignore[arg-type]


def run_work(
    needed: list[Request], patch: Raster, *, model: Model | None = None, cancel: bool = False
) -> Store:
    kept, stop = Store(), threading.Event()
    if cancel:
        stop.set()
    own = {NAME: model or tiny_model()}
    for _ in computation.work_for(needed, Subject(patch), own, kept)(ignore, stop):
        pass
    return kept


def test_results_are_those_of_the_library() -> None:
    model, patch, needed = tiny_model(), random_patch(), requests()
    kept = run_work(needed, patch, model=model)
    for request in needed:
        own = explanation.explain(model, patch, request.label, "grad-cam")
        assert np.array_equal(kept.get(request).attribution, own.attribution)


def test_a_failure_is_kept_as_a_sentence_and_the_rest_is_computed() -> None:
    good = requests()
    bad = requests(baseline="no such")
    kept = run_work([*bad, *good], random_patch())
    assert all(isinstance(kept.get(request), Failed) for request in bad)
    assert "no such" in kept.get(bad[0]).sentence
    assert kept.ready(good) == 2
    assert not any(isinstance(kept.get(request), Failed) for request in good)


def test_a_stopped_job_keeps_nothing() -> None:
    with pytest.raises(Cancelled):
        run_work(requests(), random_patch(), cancel=True)


def test_a_result_that_another_visitor_computed_meanwhile_is_not_computed_again() -> None:
    needed, kept = requests(), Store()
    kept.put(needed[0], "of another visitor")
    work = computation.work_for(needed, Subject(random_patch()), {NAME: tiny_model()}, kept)
    turns = sum(1 for _ in work(ignore, threading.Event()))
    assert kept.get(needed[0]) == "of another visitor"
    assert kept.ready(needed) == 2
    assert turns == 1


def test_the_store_drops_the_least_recently_used() -> None:
    kept = Store(most=2)
    first, second = requests()
    third = requests(key="other")[0]
    kept.put(first, 1)
    kept.put(second, 2)
    assert kept.get(first) == 1
    kept.put(third, 3)
    assert (kept.get(first), kept.get(second), kept.get(third)) == (1, None, 3)


def test_place_in_the_queue_stop_and_resume(page: AppTest) -> None:
    begun, release = threading.Event(), threading.Event()

    def work(_report: Report, _cancel: threading.Event) -> None:
        begun.set()
        release.wait(PATIENCE_S)

    other = queue.default().submit(queue.EXPLAIN, "of another visitor", work, owner="another")
    assert begun.wait(PATIENCE_S)
    try:
        page.selectbox(key="explain_place").select("finland-lake").run()
        job = job_of(page)
        assert job.waits
        # How long it takes is learned from the jobs before, which other tests may have made quick.
        assert job.text.startswith(("1st in the queue, about", "Next in the queue"))
        assert "is being computed" in captions(page)
        page.button(key="explain_stop").click().run()
        assert job.done  # at once, because it was not running
        page.run()
        assert any("Stopped before everything was computed" in item.value for item in page.markdown)
    finally:
        release.set()
    page.button(key="explain_go_on").click().run()
    finished(page)
    assert other.done
    assert "is being computed" not in captions(page)


def test_methods_that_fail_the_randomisation_check_are_offered_on_request(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = SimpleNamespace(
        methods=("occlusion", "grad-cam"),
        by_gain=("occlusion", "grad-cam"),
        offered=("occlusion",),
        best="occlusion",
        verdict=lambda name: ratings.MethodRating(
            method=name,
            faithful=name == "occlusion",
            passes_randomisation=name == "occlusion",
            holds_blurred=True,
            steady=True,
            badge="1st of 2" if name == "occlusion" else "does not depend on the net",
            sentence=f"{name} was measured.",
        ),
    )
    monkeypatch.setattr(choose, "measured", lambda _: known)
    st.cache_resource.clear()
    test = AppTest.from_file(PAGE, default_timeout=60)
    test.session_state["app_page"] = "by itself"
    finished(test.run())
    assert page.title
    box = test.selectbox(key="explain_method")
    assert box.value == "occlusion"
    assert box.options == ["Occlusion (1st of 2)"]
    assert "occlusion was measured" in captions(test)
    test.checkbox(key="explain_all_methods").check().run()
    options = test.selectbox(key="explain_method").options
    assert "Grad-CAM (does not depend on the net)" in options
    assert "Integrated Gradients (not measured)" in options


def test_scales_differ_only_between_models_and_methods() -> None:
    st.cache_resource.clear()
    panels = [
        choose.Panel(title=request.label, map=request, bands=request)
        for request in [*requests(), requests(method="occlusion")[0]]
    ]
    own = {
        panel.map: SimpleNamespace(model="m", method=panel.map.method, scale=1.0)
        for panel in panels
    }
    for request, piece in own.items():
        computation.store().put(request, piece)
    assert maps.scale_of_all(panels[:2]) is own[panels[0].map]
    assert maps.scale_of_all(panels) is None
    st.cache_resource.clear()


def test_a_loaded_model_is_excluded_from_garbage_collection(zoo: Path) -> None:
    assert zoo.is_dir()
    gc.unfreeze()
    try:
        computation.job_model("one")
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    finally:
        gc.unfreeze()
