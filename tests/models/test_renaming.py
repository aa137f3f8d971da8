"""Renaming of a user's model."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from landcover import nets
from landcover.core import files as disk
from landcover.core.errors import BadInput, CorruptModel, LandcoverError, UnknownName
from landcover.models import hub, store
from landcover.models.card import CARD_FILE, MAX_FORMER, WEIGHTS_FILE, read_card
from landcover.models.registry import DEFAULT_MODEL, Registry
from landcover.trust import files
from tests.conftest import ROOT
from tests.support import tiny


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two shipped models, and one of the user's with files that belong to it."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    for name in (DEFAULT_MODEL, "shipped"):
        tiny.tiny_folder(tmp_path / "zoo" / name, name=name)
    folder = tiny.tiny_folder(tmp_path / "home" / "models" / "old", name="old")
    files.write_json(folder, "stability", read_card(folder).hash, {"model": "old", "share": 0.5})
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("not a file of ours")
    return Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")


def test_a_renamed_model_keeps_what_belongs_to_it(models: Registry) -> None:
    before = models.card("old")
    folder = store.rename(models, "old", "new")
    card = models.load("new", "cpu").card
    assert (folder, card.name, models.user_names()) == (models.user / "new", "new", ["new"])
    assert files.read_json(folder, "stability", card.hash) == {"model": "new", "share": 0.5}
    assert (folder / "notes" / "mine.txt").read_text() == "not a file of ours"
    assert sorted(path.name for path in models.user.iterdir()) == ["new"], "nothing is left"
    assert models.by_hash(before.hash) == models.by_hash(card.hash) == "new"
    assert models.renamed("old") == "new"
    with pytest.raises(UnknownName, match="did you mean 'new'"):
        models.folder("old")


def test_the_old_name_is_free_again(models: Registry) -> None:
    before = models.card("old")
    store.rename(models, "old", "new")
    tiny.tiny_folder(models.user / "old", name="old", title="Another net")
    assert models.folder("old") == models.user / "old"
    assert models.by_hash(before.hash) == "new"
    store.rename(models, "new", "newer")
    assert models.by_hash(before.hash) == "newer"


def test_a_card_keeps_a_limited_number_of_former_names(models: Registry) -> None:
    names = ["old", *(f"n{number}" for number in range(MAX_FORMER + 2))]
    for old, new in pairwise(names):
        store.rename(models, old, new)
    former = models.card(names[-1]).former
    assert [one.name for one in former] == names[-1 - MAX_FORMER : -1]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("old", "shipped", "is the name of a shipped model"),
        ("old", next(iter(hub.MODELS)).removeprefix(hub.PREFIX), "of a published model"),
        ("old", "Other", "You already have a model 'Other'"),
        ("old", "old", "is the name that the model has"),
        ("old", "OLD", "is the name that the model has"),
        ("old", "", "cannot be a model's name"),
        ("old", "../x", "cannot be a model's name"),
        ("old", "a\0b", "cannot be a model's name"),
        ("old", "x" * 65, "cannot be a model's name"),
        ("shipped", "new", "only your own models can be renamed"),
        ("away", "new", "Unknown model of your own 'away'"),
        ("../old", "new", "Unknown model of your own"),
    ],
)
def test_what_cannot_be_renamed_is_one_sentence(
    models: Registry, old: str, new: str, why: str
) -> None:
    tiny.tiny_folder(models.user / "other", name="other")
    with pytest.raises(BadInput, match=why) as found:
        store.rename(models, old, new)
    assert "\n" not in str(found.value)
    assert models.user_names() == ["old", "other"]


def test_a_copy_of_a_shipped_model_keeps_its_name(models: Registry) -> None:
    models.saves_to("shipped")
    with pytest.raises(BadInput, match="only your own models"):
        store.rename(models, "shipped", "new")


def test_a_model_in_the_way_of_a_shipped_one_can_be_renamed(models: Registry) -> None:
    tiny.tiny_folder(models.user / "shipped", name="shipped", title="In the way")
    assert models.shadowed() == ("shipped",)
    store.rename(models, "shipped", "new")
    assert models.card("new").title == "In the way"
    assert models.shadowed() == ()


def test_a_damaged_model_stays_as_it_is(models: Registry) -> None:
    (models.user / "old" / WEIGHTS_FILE).write_bytes(b"damaged")
    with pytest.raises(CorruptModel):
        store.rename(models, "old", "new")
    (models.user / "old" / CARD_FILE).write_text("{")
    with pytest.raises(CorruptModel):
        store.rename(models, "old", "new")
    assert models.user_names() == ["old"]


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_are_not_copied(models: Registry, kind: str) -> None:
    odd = models.user / "old" / "notes" / "odd"
    odd.symlink_to("/dev/zero") if kind == "link" else os.mkfifo(odd)
    with pytest.raises(BadInput, match="is a link or a device"):
        store.rename(models, "old", "new")
    assert models.user_names() == ["old"]


def test_a_model_that_is_written_to_waits(models: Registry) -> None:
    folder = models.user / "old"
    with disk.lock_file(folder / "trust" / "novelty"):
        for change in (
            partial(store.rename, models, "old", "new"),
            partial(store.remove, models, "old"),
        ):
            with pytest.raises(BadInput, match="Another program writes 'novelty'"):
                change()
    store.rename(models, "old", "new")


@pytest.mark.slow
def test_a_killed_renaming_leaves_the_old_model_or_the_new_one(
    models: Registry, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.killed_renaming", str(tmp_path / "home")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout) > 20, "steps on disk"
    assert models.user_names() == ["old"]


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{",
        b"[]",
        b'{"old": "old", "new": "away"}',
        b'{"old": "../../zoo/shipped", "new": "old"}',
        b'{"old": 1, "new": 2}',
        b'{"old": "old", "new": "old"}',
        b"x" * 20_000,
    ],
)
def test_a_note_that_does_not_fit_changes_nothing(models: Registry, note: bytes) -> None:
    (models.user / ".renamed").write_bytes(note)
    store.tidy(models)
    assert models.user_names() == ["old"]
    assert (models.shipped / "shipped" / CARD_FILE).is_file()
    assert not (models.user / ".renamed").exists()


def test_former_names_in_a_card_are_checked(models: Registry) -> None:
    card = models.card("old")
    one = {"name": "a", "card": "0" * 12}
    for former in ([one] * (MAX_FORMER + 1), [{"name": "a"}], [{**one, "name": "x" * 101}], "a"):
        with pytest.raises((ValueError, LandcoverError)):
            card.with_fields(former=former)
    assert card.with_fields(former=[one]).hash != card.hash
    assert "former" not in card.as_dict()
