"""Models by name and by path."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from landcover import nets
from landcover.core.errors import BadInput, CorruptModel, UnknownName
from landcover.models import registry
from landcover.models.card import CARD_FILE, WEIGHTS_FILE
from landcover.models.registry import DEFAULT_MODEL, Registry
from landcover.train.recipes import table
from tests.support import tiny

MEGABYTE = 1_000_000


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Three shipped models and one of the user's."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    for name in ("b", "a", DEFAULT_MODEL):
        tiny.tiny_folder(tmp_path / "zoo" / name, name=name)
    (tmp_path / "zoo" / "no-model").mkdir()
    tiny.tiny_folder(tmp_path / "home" / "models" / "mine", name="mine")
    return Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")


def test_the_default_model_comes_first_and_the_users_last(known: Registry) -> None:
    assert known.names() == (DEFAULT_MODEL, "a", "b", "mine")
    assert known.folder("a") == known.shipped / "a"
    assert known.folder("mine") == known.user / "mine"
    assert [known.origin(name) for name in ("a", "mine")] == ["shipped", "user"]


def test_an_unknown_model_is_named_with_the_known_ones(known: Registry) -> None:
    with pytest.raises(UnknownName, match=r"Unknown model 'no-model'.*Known are: a; b"):
        known.folder("no-model")
    for name in ("", " ", "x" * 300, "a\0b", "~nobody-at-all"):
        with pytest.raises(UnknownName):
            known.folder(name)


def test_a_path_can_replace_a_name(known: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = known.user / "mine"
    assert known.folder(str(mine)) == known.folder(mine) == mine
    assert known.load(mine, "cpu").folder == mine
    monkeypatch.chdir(known.user)
    assert known.folder("./mine").resolve() == mine
    monkeypatch.setenv("HOME", str(known.user))
    assert known.folder("~/mine") == mine


def test_a_name_wins_over_a_folder_in_the_working_directory(
    known: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.tiny_folder(tmp_path / "a", title="Beside us")
    tiny.tiny_folder(tmp_path / "c")
    monkeypatch.chdir(tmp_path)
    assert known.folder("a") == known.shipped / "a"
    assert known.card("./a").title == "Beside us"
    assert known.folder("c") == Path("c")


def test_a_path_without_a_model_gives_one_sentence(known: Registry, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no-model' is not a model folder: it has no card\.json"):
        known.folder(known.shipped / "no-model")
    with pytest.raises(BadInput, match=r"There is no model folder '.*away': check the path"):
        known.folder(tmp_path / "away")
    with pytest.raises(BadInput, match="There is no model folder '/x"):
        known.folder("/" + "x" * 5000)


def test_added_and_replaced_models_are_noticed(known: Registry) -> None:
    before = known.stamp("mine")
    assert known.stamp("mine") == before
    tiny.tiny_folder(known.user / "other", name="other")
    assert known.names()[-2:] == ("mine", "other")
    tiny.tiny_folder(known.user / "mine", name="mine", title="Another net")
    assert known.card("mine").title == "Another net"
    assert known.stamp("mine") != before
    measured = known.stamp("mine", "trust/faithfulness.json")
    (known.user / "mine" / "trust").mkdir()
    (known.user / "mine" / "trust" / "faithfulness.json").write_text("{}")
    assert known.stamp("mine", "trust/faithfulness.json") != measured
    shutil.rmtree(known.user / "mine")
    with pytest.raises(UnknownName):
        known.load("mine")


def test_the_title_of_a_users_model_includes_its_name(known: Registry) -> None:
    assert known.title("a") == "Tiny net"
    assert known.title("mine") == "Tiny net (mine)"
    (known.user / "mine" / CARD_FILE).write_text("{")
    assert known.title("mine") == "mine"
    assert "mine" in known.for_patches()
    assert known.for_pictures() == ()
    with pytest.raises(CorruptModel):
        known.card("mine")


def test_the_shipped_models_need_no_home_folder(tmp_path: Path, known: Registry) -> None:
    (tmp_path / "file").write_text("")
    away = Registry(shipped=known.shipped, home=tmp_path / "file")
    assert away.names() == (DEFAULT_MODEL, "a", "b")
    assert away.folder("a") == known.shipped / "a"
    with pytest.raises(BadInput, match="LANDCOVER_HOME"):
        away.saves_to("a")


# Where reports are written.


def test_reports_on_a_shipped_model_go_to_a_copy_that_is_then_used(known: Registry) -> None:
    card, before = known.card("a"), sorted(known.shipped.rglob("*"))
    folder = known.saves_to("a")
    assert folder == known.user / "a"
    (folder / "evaluation").mkdir()
    assert known.folder("a") == known.saves_to("a") == folder
    assert known.card("a") == card
    assert known.load("a", "cpu").folder == folder
    assert known.names() == (DEFAULT_MODEL, "a", "b", "mine")
    assert sorted(known.shipped.rglob("*")) == before
    assert known.shadowed() == ()


def test_a_copy_of_an_older_shipped_model_is_not_used(known: Registry) -> None:
    known.saves_to("a")
    path = known.shipped / "a" / CARD_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "title": "Newer net"}))
    assert known.folder("a") == known.shipped / "a"
    assert known.card("a").title == "Newer net"
    assert known.shadowed() == ("a",)
    with pytest.raises(BadInput, match="another model with the name of a shipped one"):
        known.saves_to("a")


def test_reports_on_a_folder_go_to_that_folder(known: Registry, tmp_path: Path) -> None:
    assert known.saves_to("mine") == known.user / "mine"
    # As maintainers of the package do, in its source tree.
    assert known.saves_to(known.shipped / "a") == known.shipped / "a"
    installed = tmp_path / "site-packages" / "zoo"
    shutil.copytree(known.shipped, installed)
    with pytest.raises(BadInput, match=r"in the installed package.*--model a"):
        Registry(shipped=installed, home=known.home).saves_to(installed / "a")
    other = tiny.tiny_folder(tmp_path / "site-packages" / "other")
    assert Registry(shipped=installed, home=known.home).saves_to(other) == other


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions of a user")
def test_a_copy_that_cannot_be_written_gives_one_sentence(known: Registry) -> None:
    known.user.chmod(0o500)
    with pytest.raises(BadInput, match="cannot be written"):
        known.saves_to("a")
    known.user.chmod(0o700)


def test_the_command_line_option_names_a_model_or_a_folder(known: Registry) -> None:
    assert known.option(known.card("mine")) == "--model mine"
    other = tiny.tiny_folder(known.user.parent / "runs", name="mine", title="Another")
    assert known.option(known.card(other)) == "--model FOLDER"


# The default registry.


def test_another_registry_can_be_the_default_temporarily(known: Registry) -> None:
    before = registry.default()
    with registry.use(known):
        assert registry.default() is known
    assert registry.default() is before


def test_the_users_models_are_in_the_programs_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANDCOVER_HOME", str(tmp_path / "own"))
    assert registry.default().user == tmp_path / "own" / "models"
    assert not (tmp_path / "own").exists()


def test_shipped_models_can_be_made_and_loaded() -> None:
    known = registry.default()
    shipped = known.shipped_names()
    assert known.names()[0] == DEFAULT_MODEL
    assert {"class-prior", "band-statistics"} <= set(shipped)
    assert set(known.for_patches()) & set(shipped) <= set(table.NAMES)
    for name in shipped:
        model = known.load(name, "cpu")
        assert model.card.name == name
        assert known.card(name) == model.card


def test_shipped_weights_stay_small() -> None:
    sizes = [path.stat().st_size for path in registry.ZOO.glob(f"*/{WEIGHTS_FILE}")]
    assert 0 < sum(sizes) < 60 * MEGABYTE
