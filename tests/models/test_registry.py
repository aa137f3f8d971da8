"""Models by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover.core.errors import UnknownName
from landcover.models import registry
from landcover.models.card import WEIGHTS_FILE
from landcover.train.recipes import table
from tests.support import tiny

MEGABYTE = 1_000_000


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "ZOO", tmp_path)
    for name in ("b", "a", registry.DEFAULT_MODEL):
        tiny.tiny_folder(tmp_path / name, name=name)
    (tmp_path / "no-model").mkdir()
    return tmp_path


def test_the_default_model_comes_first(zoo: Path) -> None:
    assert registry.names() == (registry.DEFAULT_MODEL, "a", "b")
    assert registry.folder("a") == zoo / "a"


def test_an_unknown_model_is_named_with_the_known_ones(zoo: Path) -> None:
    with pytest.raises(UnknownName, match=r"Unknown model 'no-model'.*Known are: a; b"):
        registry.folder("no-model")
    for name in ("../a", str(zoo / "a"), ""):
        with pytest.raises(UnknownName):
            registry.folder(name)


def test_what_ships_can_be_made_and_loaded() -> None:
    shipped = registry.names()
    assert shipped[0] == registry.DEFAULT_MODEL
    assert {"class-prior", "band-statistics"} <= set(shipped)
    assert set(registry.for_patches()) <= set(table.NAMES)
    for name in shipped:
        model = registry.load(name, "cpu")
        assert model.card.name == name
        assert registry.card(name) == model.card


def test_shipped_weights_stay_small() -> None:
    sizes = [path.stat().st_size for path in registry.ZOO.glob(f"*/{WEIGHTS_FILE}")]
    assert 0 < sum(sizes) < 60 * MEGABYTE
