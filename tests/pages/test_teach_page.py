"""The Teach page without a browser: the list, export and import, the adaptation, suggestions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.adapt import corrections, evidence, geojson
from landcover.adapt.corrections import Correction, Kept, of_answer
from landcover.adapt.judgement import Change, ClassChange, Judgement
from landcover.core import limits
from landcover.core.classes import CLASS_NAMES
from landcover.io.samples import read_sample, samples
from landcover.models import registry
from pages.parts.shared import choice, holdings, loaded_models, shown
from pages.parts.teach import judged, next_place
from tests.adapt.test_adaptation import corrected
from tests.support.tiny import NAME, TinyNet, tiny_folder, tiny_model

PAGE = str(Path(__file__).parents[2] / "pages" / "teach.py")
PATIENCE_S = 60


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry with one tiny model, and empty caches."""
    monkeypatch.setitem(nets.NETS, NAME, TinyNet)
    tiny_folder(tmp_path / "zoo" / NAME)
    st.cache_resource.clear()
    with registry.use(registry.Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")):
        yield tmp_path
    st.cache_resource.clear()


def opened(made: list[Correction], *, features: bool = False) -> AppTest:
    """The page of a session with some corrections."""
    test = AppTest.from_file(PAGE, default_timeout=60)
    test.session_state["app_page"] = "by itself"
    held = holdings.Holdings()
    kept = Kept(path=held.folder / corrections.FILE)
    kept.add(made)
    if features:
        for one, patch in corrected(len(made)):
            evidence.keep(kept, one, tiny_model(), patch)
    test.session_state[holdings.KEY] = held
    test.run()
    assert not test.exception
    return test


def kept(page: AppTest) -> tuple[Correction, ...]:
    return Kept(path=page.session_state[holdings.KEY].folder / corrections.FILE).read()


def ids(made: Iterable[Correction]) -> set[str]:
    return {one.id for one in made}


def press(page: AppTest, label: str) -> AppTest:
    page = next(one for one in page.button if one.label == label).click().run()
    assert not page.exception
    return page


def finished(page: AppTest, key: str) -> AppTest:
    """Run the page until its job has ended; AppTest does not poll."""
    until = time.monotonic() + PATIENCE_S
    while page.session_state[key] is not None:
        assert time.monotonic() < until
        time.sleep(0.05)
        page.run()
    return page


def of_sample(name: str) -> Correction:
    return of_answer(
        read_sample(name), {}, predicted=["Pastures"], present=["Pastures"], absent=["Arable land"]
    )


def eight() -> list[Correction]:
    return [one for one, _ in corrected()]


def many() -> list[Correction]:
    """As many as are needed to show that they help."""
    return [one for one, _ in corrected(20)]


def texts(page: AppTest) -> str:
    kinds: tuple[Any, ...] = (page.info, page.success, page.warning, page.error, page.markdown)
    return "\n".join(str(item.value) for kind in kinds for item in kind)


def test_without_corrections_it_says_what_to_do(zoo: Path) -> None:  # noqa: ARG001
    page = opened([])
    assert "There are no corrections yet" in texts(page)
    assert "5 more corrections" in texts(page)
    assert not any(one.label.startswith("Adapt") for one in page.button)


def test_below_five_it_says_how_many_are_missing_and_why(zoo: Path) -> None:  # noqa: ARG001
    page = opened(eight()[:4])
    assert "1 more correction at other places" in texts(page)
    assert "each place is left out once" in texts(page)


def test_a_correction_is_listed_removed_and_brought_back(zoo: Path) -> None:  # noqa: ARG001
    page = opened([of_sample("ireland-fields"), of_sample("austria-fields")])
    assert "52.3084° N" in texts(page)
    assert "Confirmed: [Pastures](classes?about=Pastures)" in texts(page)
    assert "Struck out: [Arable land](classes?about=Arable%20land)" in texts(page)
    assert any("austria" in item.value for item in page.caption)
    before = kept(page)
    press(page, "Remove correction 1")
    assert kept(page) == before[1:]
    assert "1 correction was removed" in texts(page)
    press(page, "Bring it back")
    assert ids(kept(page)) == ids(before)
    press(page, "Remove all corrections")
    assert kept(page) == ()
    press(page, "Bring them back")
    assert ids(kept(page)) == ids(before)


def test_many_corrections_are_shown_in_steps(zoo: Path) -> None:  # noqa: ARG001
    page = opened([one for one, _ in corrected(15)])
    assert sum(one.label.startswith("Remove correction") for one in page.button) == 10
    press(page, "Show older ones (5)")
    assert sum(one.label.startswith("Remove correction") for one in page.button) == 15


def test_import_adds_what_is_new_and_names_what_is_wrong(zoo: Path) -> None:  # noqa: ARG001
    given = eight()  # once: the time at which each is made is part of it
    page = opened(given[:1])
    text = geojson.as_text(given[:3]).encode()
    page.file_uploader[0].set_value([("a.geojson", text, "application/geo+json")]).run()
    assert len(kept(page)) == 3
    assert "Added 2 of 3 corrections" in texts(page)
    for bad in (
        b"\xff\0",
        b"[" * 10_000,
        json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature"}]}).encode(),
        text.replace(b"Inland waters", b"<script>"),
    ):
        page.file_uploader[0].set_value([("bad.json", bad, "application/json")]).run()
        assert len(page.error) == 1
        assert not page.exception
    assert len(kept(page)) == 3


def test_a_model_is_adapted_named_used_and_removed(zoo: Path) -> None:
    page = opened(many(), features=True)
    finished(press(page, "Adapt Tiny net to 20 corrections"), "teach_job")
    assert "It helps at places left out" in texts(page)
    assert any("says neither “certain” nor “possible”" in item.value for item in page.caption)
    rows = page.table[0].value
    assert list(rows["Land cover"])[:2] == ["All, micro average precision", "All, log loss"]
    assert "[" in rows["Gain [95 % interval]"][0]
    page.text_input(key="teach_name").input(NAME)
    press(page, "Use this model")
    assert "There is a model" in page.error[0].value.replace("\\", "")
    page.text_input(key="teach_name").input("valley")
    press(page, "Use this model")
    assert page.session_state[shown.KEY].model == "valley"
    assert "valley" in page.success[0].value
    # It belongs to this session: the server's models stay as they are.
    assert registry.default().names() == (NAME,)
    assert not (zoo / "home" / "models" / "valley").exists()
    press(page, "Remove valley")
    assert "valley was removed" in texts(page)
    press(page, "Bring it back")
    assert any(one.label == "Remove valley" for one in page.button)


def test_a_model_that_is_not_shown_to_help_is_kept_on_purpose_only(zoo: Path) -> None:  # noqa: ARG001
    page = opened(eight(), features=True)
    finished(press(page, "Adapt Tiny net to 8 corrections"), "teach_job")
    assert "Correct more places" in page.warning[0].value
    labels = {one.label for one in page.button}
    assert "Keep it anyway" in labels
    assert "Use this model" not in labels


def test_corrections_without_pixels_are_named(zoo: Path) -> None:  # noqa: ARG001
    page = finished(press(opened(eight()), "Adapt Tiny net to 8 corrections"), "teach_job")
    assert "no corrections with their pixels" in page.error[0].value


def test_samples_need_no_features_because_their_pixels_are_here(zoo: Path) -> None:  # noqa: ARG001
    page = opened([of_sample(sample.name) for sample in samples()])
    finished(press(page, "Adapt Tiny net to 6 corrections"), "teach_job")
    assert not page.error
    assert page.table[0].value["Known (there)"][0] == "12 (6)"


def test_places_that_look_least_like_the_corrected_ones_are_suggested(
    zoo: Path,  # noqa: ARG001
) -> None:
    page = opened([of_sample(sample.name) for sample in samples()[:2]])
    finished(press(page, "Suggest places"), "teach_next_job")
    assert "Of 6 windows at hand" in texts(page)
    names = [one.value for one in page.caption]
    assert not any(samples()[0].title in name for name in names)
    assert sum(one.label.startswith("Show suggestion") for one in page.button) == next_place.COUNT


def test_numbers_are_written_with_a_sign_and_without_a_negative_zero() -> None:
    none = Change(before=None, after=None, gain=None, interval=None)
    some = Change(before=0.5, after=0.5, gain=-0.0001, interval=(-0.0002, 0.25))
    found = judged.table(
        Judgement(
            n=1, places=1, known=1, present=1, log_loss=some, micro_ap=none, helps=False,
            reason="", per_class={CLASS_NAMES[0]: ClassChange(known=1, present=1, log_loss=some)},
        )
    )  # fmt: skip
    assert list(found["Gain [95 % interval]"]) == ["–", *["+0.000 [+0.000, +0.250]"] * 2]


def test_another_session_does_not_have_the_model(zoo: Path) -> None:  # noqa: ARG001
    page = opened(many(), features=True)
    finished(press(page, "Adapt Tiny net to 20 corrections"), "teach_job")
    press(page, "Use this model")
    assert any(one.label == "Remove my-region" for one in page.button)
    other = opened([])
    assert not any(one.label == "Remove my-region" for one in other.button)
    assert loaded_models.for_patches() == (NAME,)


def test_a_tab_keeps_a_limited_number_of_corrections_and_models(
    zoo: Path,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{limits.PREFIX}SESSION_CORRECTIONS", "20")
    monkeypatch.setenv(f"{limits.PREFIX}SESSION_MODELS", "1")
    page = opened(many(), features=True)
    text = geojson.as_text([of_sample("austria-fields")]).encode()
    page.file_uploader[0].set_value([("a.geojson", text, "application/geo+json")]).run()
    assert "at most 20 corrections" in page.error[0].value
    page.file_uploader[0].set_value([]).run()
    for _ in range(3):
        finished(press(page, "Adapt Tiny net to 20 corrections"), "teach_job")
        press(page, "Use this model")
        assert not page.error
        press(page, "Remove my-region")
    press(page, "Bring it back")
    finished(press(page, "Adapt Tiny net to 20 corrections"), "teach_job")
    press(page, "Use this model")
    assert "at most 1 adapted models" in page.error[0].value
    trash = page.session_state[holdings.KEY].folder / "trash" / "models"
    assert len(list(trash.iterdir())) <= 1


def test_windows_of_uploads_are_at_hand_too(zoo: Path) -> None:  # noqa: ARG001
    page = opened([])
    sample = read_sample("austria-fields")
    twice = replace(
        sample, data=np.tile(sample.data, (1, 1, 2)), valid=np.tile(sample.valid, (1, 2)), scl=None
    )
    page.session_state[holdings.KEY].uploads["upload:1"] = twice
    finished(press(page, "Suggest places"), "teach_next_job")
    assert "Of 8 windows at hand, these differ most" in texts(page)


def test_a_correction_of_an_upload_leads_back_to_its_window(zoo: Path) -> None:  # noqa: ARG001
    patch = read_sample("austria-fields")
    one = of_sample("austria-fields")
    page = opened([one])
    page.session_state[holdings.KEY].uploads["upload:1"] = patch
    chosen = choice.Chosen(upload="upload:1")
    page.session_state["taught_choices"] = {one.pixels_sha256: chosen}
    show = next(item for item in page.button if item.label == "Show place 1")
    show.click().run()
    assert page.session_state["classify_trail"][-1] == chosen


def test_a_window_without_the_model_s_bands_is_named_and_the_others_are_used(
    zoo: Path,  # noqa: ARG001
) -> None:
    whole = read_sample("austria-fields")
    few = replace(whole, data=whole.data[:4], bands=whole.bands[:4])
    one = of_answer(few, {}, predicted=[], present=["Pastures"])
    page = opened([one, *(of_sample(sample.name) for sample in samples()[:5])])
    page.session_state[holdings.KEY].uploads["upload:1"] = few
    page.session_state["taught_choices"] = {one.pixels_sha256: choice.Chosen(upload="upload:1")}
    finished(press(page, "Adapt Tiny net to 6 corrections"), "teach_job")
    assert any(item.label == "1 correction could not be used" for item in page.expander)
    assert any("5 corrections at 5 places" in item.value for item in page.caption)
