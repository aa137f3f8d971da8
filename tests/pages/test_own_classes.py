"""A model with classes of one's own on the Classify page."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from landcover import nets
from landcover.io.samples import samples
from landcover.models import registry, store
from tests.pages.test_classify_page import ROOT
from tests.support import tiny

NAMES = tuple(f"Crop {k}" for k in range(19))


def test_its_classes_are_shown_and_not_compared_with_the_reference_label(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    folder = tiny.tiny_folder(
        tmp_path_factory.mktemp("models") / "crops",
        class_set="own",
        classes=NAMES,
        thresholds=dict.fromkeys(NAMES, 0.0),
    )
    store.add(registry.default(), folder, "crops")
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    page.query_params["sample"] = samples()[0].name
    page.query_params["model"] = "crops"
    page.run()
    assert not page.exception
    shown = " ".join(str(one.value) for one in (*page.caption, *page.get("html"), *page.markdown))
    assert "classes of its own" in shown
    assert "trained on data of one's own" in shown
    assert "reference label" not in shown
