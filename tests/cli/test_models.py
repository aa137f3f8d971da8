"""The command ``models``, and the user's models in other commands."""

from __future__ import annotations

import io
import json
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover import nets
from landcover.cli.exit_status import BAD, DONE, SOME_FAILED
from landcover.cli.main import main
from landcover.core import limits
from landcover.core.classes import CLASS_NAMES
from landcover.models import model_files, registry
from landcover.models.card import CARD_FILE, MAX_CARD_BYTES, WEIGHTS_FILE, read_card
from landcover.models.registry import DEFAULT_MODEL, Registry
from landcover.trust import files
from tests.support import bigearthnet_tree as tree
from tests.support import tiny

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Two shipped models and none of the user's."""
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
    for name in (DEFAULT_MODEL, "shipped"):
        tiny.tiny_folder(tmp_path / "zoo" / name, name=name)
    with registry.use(Registry(shipped=tmp_path / "zoo", home=tmp_path / "home")) as used:
        yield used


@pytest.fixture
def run(known: Registry, capsys: pytest.CaptureFixture[str]) -> Run:
    assert known

    def run(*arguments: object) -> tuple[int, str, str]:
        status = main([str(each) for each in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A trained model, named after its recipe, with one file of each kind and a checkpoint."""
    made = tiny.tiny_folder(tmp_path / "runs" / "first", name="shipped", title="Trained here")
    card = read_card(made)
    files.write_json(made, "stability", card.hash, {"model": card.name, "share": 0.1 + 0.2})
    weights = tiny.TinyNet().head.weight.detach()
    files.write_tensors(made, "novelty", card.hash, {"x": weights}, {"bound": 0.3})
    (made / "evaluation").mkdir()
    report = {"model": card.name, "card_hash": card.hash, "baselines": {"b": {"card_hash": "0"}}}
    (made / "evaluation" / "d-test.json").write_text(json.dumps(report))
    (made / "history.csv").write_text("epoch\n1\n")
    (made / "runs").mkdir()
    (made / "runs" / "checkpoint.pt").write_text("not ours")
    return made


@pytest.fixture
def archive(run: Run, folder: Path, tmp_path: Path) -> Path:
    assert run("models", "export", folder, tmp_path / "model.zip")[0] == DONE
    return tmp_path / "model.zip"


def error(outcome: tuple[int, str, str]) -> str:
    """The one line of an error."""
    status, out, err = outcome
    assert (status, out) == (BAD, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


# List.


def test_the_list_states_the_origin_of_models(run: Run, known: Registry, folder: Path) -> None:
    shutil.rmtree(folder / "evaluation")
    assert run("models", "add", folder, "--name", "mine")[0] == DONE
    _, out, err = run("models", "--json")
    assert err == ""
    rows = json.loads(out)
    assert [(row["name"], row["origin"]) for row in rows] == [
        (DEFAULT_MODEL, "shipped"),
        ("shipped", "shipped"),
        ("mine", "user"),
    ]
    assert [row["default"] for row in rows] == [True, False, False]
    for arguments in (("list", "--json"), ("--json", "list")):
        assert json.loads(run("models", *arguments)[1]) == rows
    assert "mine: Trained here" in run("models", "list")[1]
    assert run("models")[1] == run("models", "list")[1]
    assert known.names()[-1] == "mine"


def test_a_damaged_model_does_not_hide_the_others(run: Run, known: Registry) -> None:
    (known.user / "broken").mkdir(parents=True)
    (known.user / "broken" / CARD_FILE).write_text("{")
    status, out, err = run("models")
    assert status == SOME_FAILED
    assert "shipped: Tiny net" in out
    assert "'broken' cannot be used" in err


def test_a_model_with_a_shipped_name_gives_a_note(run: Run, known: Registry) -> None:
    tiny.tiny_folder(known.user / "shipped", name="shipped", title="In the way")
    status, out, err = run("models")
    assert status == DONE
    assert "In the way" not in out
    assert "is not used, because a shipped model has its name" in err


# Add, remove, restore.


def test_an_added_model_works_by_its_name_with_all_its_files(
    run: Run, known: Registry, folder: Path
) -> None:
    before = read_card(folder)
    status, out, _ = run("models", "add", folder)
    assert (status, out) == (DONE, "Added 'first': landcover classify SOURCE --model first\n")
    card = known.card("first")
    assert (card.name, card.title) == ("first", "Trained here")
    assert read_card(folder) == before, "the original is unchanged"
    own = known.folder("first")
    assert files.read_json(own, "stability", card.hash) == {"model": "first", "share": 0.1 + 0.2}
    kept, there = (files.read_tensors(at, "novelty", card_hash)
                   for at, card_hash in ((folder, before.hash), (own, card.hash)))  # fmt: skip
    assert kept is not None
    assert there is not None
    assert there[0]["x"].equal(kept[0]["x"])
    assert there[1] == {"bound": 0.3}
    report = json.loads((own / "evaluation" / "d-test.json").read_text())
    assert report == {
        "model": "first",
        "card_hash": card.hash,
        "baselines": {"b": {"card_hash": "0"}},
    }
    assert not (own / "runs").exists()
    status, out, _ = run("classify", "finland-lake", "--model", "first", "--json")
    assert status == DONE
    found = json.loads(out)
    assert (found["model"], found["provenance"]["card_hash"]) == ("first", card.hash)


def test_files_of_another_card_are_copied_unchanged(
    run: Run, known: Registry, folder: Path
) -> None:
    files.write_json(folder, "stability", "0" * 12, {"share": 1})
    (folder / "trust" / "damaged.json").write_text("{")
    (folder / "trust" / "damaged.safetensors").write_bytes(b"\xff" * 20)
    assert run("models", "add", folder, "--name", "mine")[0] == DONE
    for name in ("stability.json", "damaged.json", "damaged.safetensors"):
        there = known.folder("mine") / "trust" / name
        assert there.read_bytes() == (folder / "trust" / name).read_bytes()


def test_a_shipped_model_can_be_copied_under_another_name(run: Run, known: Registry) -> None:
    assert run("models", "add", "shipped", "--name", "copy")[0] == DONE
    assert known.card("copy").weights_sha256 == known.card("shipped").weights_sha256


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("shipped", "name of a shipped model"),
        ("Shipped", "name of a shipped model"),
        ("resnet18-s2-v0.2.0", "name of a published model"),
        ("taken", "You already have a model 'taken'"),
        ("TAKEN", "You already have a model 'TAKEN'"),
        ("../up", "cannot be a model's name"),
        (".hidden", "cannot be a model's name"),
        ("a b", "cannot be a model's name"),
        ("", "cannot be a model's name"),
        ("reben:x", "cannot be a model's name"),
        ("dot.", "cannot be a model's name"),
    ],
)
def test_taken_and_invalid_names_are_refused(
    name: str, why: str, run: Run, known: Registry, folder: Path
) -> None:
    tiny.tiny_folder(known.user / "taken", name="taken")
    before = known.names()
    assert why in error(run("models", "add", folder, "--name", name))
    assert known.names() == before
    assert sorted(path.name for path in known.user.iterdir()) == ["taken"]


@given(name=st.text(max_size=70))
@settings(max_examples=60)
def test_every_accepted_name_is_a_plain_folder_name(name: str) -> None:
    if model_files.is_name(name):
        assert Path(name).name == name
        assert name.isascii()
        assert not name.startswith(".")


@pytest.mark.parametrize("damage", ["card", "weights", "none"])
def test_folders_that_are_no_model_are_not_added(
    damage: str, run: Run, known: Registry, folder: Path, tmp_path: Path
) -> None:
    if damage == "card":
        (folder / CARD_FILE).write_text("{}")
    elif damage == "weights":
        (folder / WEIGHTS_FILE).write_bytes(b"other")
    else:
        folder = tmp_path
    error(run("models", "add", folder, "--name", "mine"))
    assert known.names() == (DEFAULT_MODEL, "shipped")
    assert not list(known.user.glob("*"))


def test_a_removed_model_can_be_restored(run: Run, known: Registry, folder: Path) -> None:
    run("models", "add", folder, "--name", "mine")
    card = known.card("mine")
    status, out, _ = run("models", "remove", "mine")
    assert status == DONE
    assert out.endswith("undo: landcover models restore mine\n")
    assert "mine" not in known.names()
    assert "Unknown model 'mine'" in error(run("classify", "finland-lake", "--model", "mine"))
    # Another model gets the name and is removed, too.
    run("models", "add", "shipped", "--name", "mine")
    assert "You have another model 'mine' now" in error(run("models", "restore", "mine"))
    run("models", "remove", "mine")
    assert run("models", "restore", "mine")[0] == DONE
    assert known.card("mine").title == "Tiny net", "the one that was removed last"
    run("models", "remove", "mine")
    (oldest, _) = sorted((known.user.parent / "trash" / "models").iterdir())
    assert run("models", "add", oldest, "--name", "mine")[0] == DONE
    assert known.card("mine") == card


def test_any_removed_model_can_be_restored(run: Run, known: Registry, folder: Path) -> None:
    assert run("models", "removed") == (DONE, "No removed model is kept.\n", "")
    for source in (folder, "shipped"):
        run("models", "add", source, "--name", "mine")
        run("models", "remove", "mine")
    rows = json.loads(run("models", "removed", "--json")[1])
    assert [row["name"] for row in rows] == ["mine", "mine"]
    assert rows[0]["removed"] > rows[1]["removed"]
    assert f"undo: landcover models restore {rows[1]['id']}" in run("models", "removed")[1]
    assert "Restored 'mine'" in run("models", "restore", rows[1]["id"])[1]
    assert known.card("mine").title == "Trained here", "the one that was removed first"


def test_a_limited_number_of_removed_models_is_kept(run: Run, folder: Path) -> None:
    with limits.changed(models_removed=2):
        for number in range(3):
            run("models", "add", folder, "--name", f"m{number}")
            run("models", "remove", f"m{number}")
    rows = json.loads(run("models", "removed", "--json")[1])
    assert [row["name"] for row in rows] == ["m2", "m1"]


def test_a_renamed_model_works_by_its_new_name(run: Run, known: Registry, folder: Path) -> None:
    run("models", "add", folder, "--name", "mine")
    status, out, err = run("models", "rename", "mine", "better")
    assert (status, err) == (DONE, "")
    assert out == "Renamed 'mine' to 'better': landcover classify SOURCE --model better\n"
    assert known.user_names() == ["better"]
    assert "did you mean 'better'" in error(run("models", "export", "mine", folder / "x.zip"))
    assert "only your own models" in error(run("models", "rename", "shipped", "x"))
    assert "is the name of a shipped model" in error(run("models", "rename", "better", "shipped"))


def test_the_model_removed_last_is_restored_after_the_clock_was_set_back(
    run: Run, known: Registry, folder: Path
) -> None:
    run("models", "add", folder, "--name", "mine")
    run("models", "remove", "mine")
    (first,) = (known.user.parent / "trash" / "models").iterdir()
    first.rename(first.with_name("mine@29990101T000000.000000"))
    for _ in range(2):
        run("models", "add", "shipped", "--name", "mine")
        run("models", "remove", "mine")
    assert run("models", "restore", "mine")[0] == DONE
    assert known.card("mine").title == "Tiny net", "the one that was removed last"
    assert len(list(first.parent.iterdir())) == 2


def test_only_the_users_models_can_be_removed(run: Run, known: Registry) -> None:
    assert "is a shipped model: only your own models can be removed" in error(
        run("models", "remove", "shipped")
    )
    for name in ("away", "", "..", "../zoo", "."):
        assert "Unknown model of your own" in error(run("models", "remove", name))
        assert "Unknown removed model" in error(run("models", "restore", name))
    assert known.names() == (DEFAULT_MODEL, "shipped")


def test_after_removing_the_copy_of_a_shipped_model_the_original_is_used(
    run: Run, known: Registry
) -> None:
    copy = known.saves_to("shipped")
    assert run("models", "remove", "shipped")[0] == DONE
    assert not copy.exists()
    assert known.folder("shipped") == known.shipped / "shipped"
    assert run("models", "restore", "shipped")[0] == DONE
    assert known.folder("shipped") == copy


# Export and import.


def test_an_imported_archive_gives_the_same_model(
    run: Run, known: Registry, folder: Path, tmp_path: Path
) -> None:
    run("models", "add", folder, "--name", "mine")
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    for path in (one, two):
        status, out, _ = run("models", "export", "mine", path)
        assert (status, out) == (DONE, f"Written: {path} ({path.stat().st_size:,} bytes)\n")
    assert one.read_bytes() == two.read_bytes()
    assert sorted(zipfile.ZipFile(one).namelist()) == [
        "card.json",
        "evaluation/d-test.json",
        "history.csv",
        "trust/novelty.safetensors",
        "trust/stability.json",
        "weights.safetensors",
    ]
    with registry.use(Registry(shipped=known.shipped, home=tmp_path / "elsewhere")) as other:
        status, out, _ = run("models", "import", one)
        assert (status, out) == (DONE, "Added 'mine': landcover classify SOURCE --model mine\n")
        assert other.card("mine") == known.card("mine")
        theirs, ours = other.folder("mine"), known.folder("mine")
        assert model_files.paths(theirs) == model_files.paths(ours)
        for name in model_files.paths(ours):
            assert (theirs / name).read_bytes() == (ours / name).read_bytes()
        assert run("models", "import", one, "--name", "again")[0] == DONE
        assert other.card("again").name == "again"
        assert "You already have a model 'mine'" in error(run("models", "import", one))


def test_an_archive_that_cannot_be_written_or_read_is_one_sentence(
    run: Run, tmp_path: Path
) -> None:
    away = tmp_path / "away" / "model.zip"
    assert "cannot be written" in error(run("models", "export", "shipped", away))
    assert "cannot be read" in error(run("models", "import", away))
    there = tmp_path / "m.zip"
    assert run("models", "export", "shipped", there)[0] == DONE
    assert "name of a shipped model" in error(run("models", "import", there))


Members = dict[str, bytes]


def packed(members: Members, *, change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(info)
            archive.writestr(info, data)
    return held.getvalue()


def unpacked(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def linked(info: zipfile.ZipInfo) -> None:
    info.external_attr = (stat.S_IFLNK | 0o777) << 16


def by_bzip2(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_BZIP2


def without(name: str) -> Callable[[Members], bytes]:
    return lambda members: packed({k: v for k, v in members.items() if k != name})


def extra(name: str) -> Callable[[Members], bytes]:
    return lambda members: packed({**members, name: b"x"})


def changed_card(**values: Any) -> Callable[[Members], bytes]:
    def change(members: Members) -> bytes:
        card = {**json.loads(members[CARD_FILE]), **values}
        return packed({**members, CARD_FILE: json.dumps(card).encode()})

    return change


def with_comment(members: Members) -> bytes:
    return packed(members)[:-2] + struct.pack("<H", 1) + b"x"


def wrong_size(members: Members) -> bytes:
    """An archive whose directory states 10 bytes for a larger card."""
    bomb = packed({**members, CARD_FILE: b" " * (MAX_CARD_BYTES + 1)})
    return bomb.replace(struct.pack("<L", MAX_CARD_BYTES + 1), struct.pack("<L", 10))


def encrypted(members: Members) -> bytes:
    """An archive whose first member is marked as encrypted."""
    data = bytearray(packed(members))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


HOSTILE: dict[str, tuple[Callable[[Members], bytes], str]] = {
    "traversal": (extra("../../evil.json"), "leads out of its folder"),
    "absolute": (extra("/etc/evil.json"), "leads out of its folder"),
    "backslash": (extra("trust\\..\\evil.json"), "leads out of its folder"),
    "traversal inside": (extra("trust/../evil.json"), "leads out of its folder"),
    "drive": (extra("C:/evil.json"), "leads out of its folder"),
    "code": (extra("model.py"), "does not belong"),
    "pickle": (extra("trust/index.pkl"), "does not belong"),
    "hidden": (extra("trust/.evil.json"), "does not belong"),
    "folder": (extra("trust/"), "do not belong"),
    "control": (extra("trust/a\nb.json"), "control characters"),
    "no card": (without(CARD_FILE), "holds no model: it has no card.json"),
    "no weights": (without(WEIGHTS_FILE), "holds no model: it has no weights.safetensors"),
    "links": (lambda members: packed(members, change=linked), "does not belong"),
    "bzip2": (lambda members: packed(members, change=by_bzip2), "another compression than deflate"),
    "bomb": (lambda m: packed({**m, CARD_FILE: b" " * 50_000_000}), "unpacks to more than 2 MB"),
    "lie": (wrong_size, "damaged|unpacks to more"),
    "many": (
        lambda members: packed({**members, **{f"trust/{k}.json": b"" for k in range(200)}}),
        "lists more than 200 files",
    ),
    "other weights": (
        lambda m: packed({**m, WEIGHTS_FILE: m[WEIGHTS_FILE] + b"0"}),
        "SHA-256 differs from the one in the card",
    ),
    "other hash": (
        changed_card(weights_sha256="0" * 64),
        "SHA-256 differs from the one in the card",
    ),
    "unknown net": (changed_card(net="evil"), "evil|cannot be used"),
    "name as a path": (changed_card(name="../evil"), "cannot be a model's name"),
    "shipped name": (changed_card(name="shipped"), "name of a shipped model"),
    "no JSON": (lambda m: packed({**m, CARD_FILE: b"\xff"}), "cannot be read as JSON"),
    "deep JSON": (lambda m: packed({**m, CARD_FILE: b"[" * 100_000}), "cannot be read as JSON"),
    "comment": (with_comment, "not an archive from `landcover models export`"),
    "empty": (lambda _: b"", "not an archive from"),
    "no zip": (lambda _: b"GIF89a" * 100, "not an archive from"),
    "cut": (lambda members: packed(members)[40:], "damaged|not an archive from"),
    "only an end": (lambda _: b"PK\x05\x06" + bytes(18), "holds no model"),
    "encrypted": (encrypted, "is encrypted"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused(
    kind: str, run: Run, known: Registry, archive: Path, tmp_path: Path
) -> None:
    make, why = HOSTILE[kind]
    held = unpacked(archive)
    members = {**held, CARD_FILE: held[CARD_FILE].replace(b'"shipped"', b'"imported"')}
    bad = tmp_path / "bad" / "bad.zip"
    bad.parent.mkdir()
    bad.write_bytes(make(members))
    before = sorted(tmp_path.rglob("*"))
    said = error(run("models", "import", bad))
    assert any(part in said for part in why.split("|")), said
    assert known.names() == (DEFAULT_MODEL, "shipped")
    assert not list(known.user.glob("*"))
    assert set(tmp_path.rglob("*")) - set(before) <= {known.user.parent, known.user}


def test_the_directory_of_a_zip64_archive_is_not_parsed(
    run: Run, archive: Path, tmp_path: Path
) -> None:
    data = archive.read_bytes()
    locator = b"PK\x06\x07" + bytes(16)
    (tmp_path / "large.zip").write_bytes(data[:-22] + locator + data[-22:])
    assert "is damaged or not a zip" in error(run("models", "import", tmp_path / "large.zip"))


@given(where=st.integers(0, 10**9), byte=st.integers(0, 255), data=st.data())
@settings(max_examples=40)
def test_a_changed_byte_gives_an_error_or_the_same_model(
    where: int, byte: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("changed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)
        source = tiny.tiny_folder(root / "mine", name="mine")
        with registry.use(Registry(shipped=root / "zoo", home=root / "home")) as known:
            path = root / "m.zip"
            assert main(["models", "export", str(source), str(path)]) == DONE
            whole = bytearray(path.read_bytes())
            whole[where % len(whole)] = byte
            if data.draw(st.booleans()):
                del whole[: data.draw(st.integers(0, 60))]
            path.write_bytes(whole)
            status = main(["models", "import", str(path)])
            assert status in (DONE, BAD)
            if status == DONE:
                (name,) = known.names()
                assert known.card(name).weights_sha256 == read_card(source).weights_sha256
    shutil.rmtree(root)


# Folders and names in other commands.


def test_folders_can_be_given_in_place_of_names(run: Run, folder: Path, tmp_path: Path) -> None:
    status, out, _ = run("classify", "finland-lake", "--model", folder, "--json")
    assert status == DONE
    assert json.loads(out)["provenance"]["card_hash"] == read_card(folder).hash
    picture = tmp_path / "why.json"
    where = ("finland-lake", "--label", "Inland waters", "--out", picture)
    assert run("explain", *where, "--model", folder)[0] == DONE
    assert "no card.json" in error(run("classify", "finland-lake", "--model", tmp_path))
    assert "no model folder" in error(run("classify", "finland-lake", "--model", tmp_path / "no"))


SPECS = [
    tree.PatchSpec(tree.v2_id(k, row=20 * s), (CLASS_NAMES[k % 3],), split)
    for s, split in enumerate(("train", "validation", "test"))
    for k in range(12)
]


@pytest.mark.slow
def test_from_training_to_another_computer(run: Run, known: Registry, tmp_path: Path) -> None:
    root = tree.write_v2(tmp_path / "ben", SPECS)
    train = (
        *("train", "--dataset", "bigearthnet", "--root", root, "--model", "band-statistics"),
        *("--out", tmp_path / "run", "--register"),
    )
    assert "name of a shipped model" in error(run(*train, "shipped"))
    assert not (tmp_path / "run").exists(), "a name is refused before anything is trained"
    status, out, _ = run(*train, "mine")
    assert status == DONE
    assert out.endswith("Added 'mine': landcover classify SOURCE --model mine\n")
    assert run(*train, "mine")[:2] == (DONE, out), (
        "a finished run is neither trained nor added again"
    )
    classify = ("classify", "finland-lake", "--model", "mine", "--json")
    status, first, _ = run(*classify)
    assert status == DONE
    evaluate = ("evaluate", root, "--dataset", "bigearthnet", "--bootstraps", 100, "--save")
    assert run(*evaluate, "--model", "mine")[0] == DONE
    (report,) = json.loads(run("models", "--json")[1])[-1]["evaluations"]
    assert report["n"] == 12
    compare = ("compare", "mine", tmp_path / "run", root, "--dataset", "bigearthnet")
    assert "paired bootstrap" in run(*compare, "--bootstraps", 100)[1]
    archive = tmp_path / "mine.zip"
    assert run("models", "export", "mine", archive)[0] == DONE
    assert run("models", "remove", "mine")[0] == DONE
    assert "Unknown model 'mine'" in error(run(*classify))
    assert run("models", "import", archive)[0] == DONE
    assert run(*classify)[1] == first
    assert json.loads(run("models", "--json")[1])[-1]["evaluations"] == [report]
    assert known.names()[-1] == "mine"


def test_scales_of_a_shipped_model_cannot_be_changed(
    run: Run, known: Registry, tmp_path: Path
) -> None:
    root = tree.write_v2(tmp_path / "ben", SPECS)
    asked = ("trust", "scales", root, "--model", "shipped", "--save")
    assert "landcover models add shipped --name NAME" in error(run(*asked))
    assert not list(known.user.glob("*"))
