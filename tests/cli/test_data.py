"""``landcover data``: output and exit status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from landcover.cli.exit_status import BAD, DONE, INTERRUPTED, SOME_FAILED
from landcover.cli.main import main
from landcover.datasets.downloads import SOURCES, Source
from landcover.datasets.downloads.check import OFFICIAL
from tests.datasets.downloads.test_unpack import contents_of, zip_of
from tests.datasets.test_eurosat import picture
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tests.support.file_server import FileServer, Step
from tests.support.interrupts import interrupted

RGB = "EuroSAT_RGB.zip"


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    archive = tmp_path_factory.mktemp("published") / RGB
    zip_of(archive, {f"EuroSAT_RGB/River/River_{n}.jpg": picture(n) for n in range(3)})
    with FileServer({RGB: archive.read_bytes()}) as server:
        yield server


@pytest.fixture
def server(one_server: FileServer) -> FileServer:
    one_server.reset()
    return one_server


@pytest.fixture
def eurosat(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A data set of three pictures in place of the real one."""
    file = server.remote(RGB, contents=contents_of("eurosat", units=3, files=3))
    source = replace(SOURCES["eurosat"], base=server.url, record=4711, files=(file,))
    monkeypatch.setitem(SOURCES, "eurosat", source)
    monkeypatch.setitem(OFFICIAL, "eurosat", {"all": 3})
    return source


@pytest.mark.usefixtures("eurosat")
def test_download_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(tmp_path / "new")
    assert main(["data", "download", "eurosat", "--to", root, "--json"]) == DONE
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "root": root,
        "fetched": [RGB],
        "present": [],
        "unpacked": {"EuroSAT_RGB": 3},
        "notes": [],
    }
    assert err == ""  # a log gets lines only from jobs longer than a minute
    assert main(["data", "download", "eurosat", "--to", root]) == DONE
    assert capsys.readouterr().out.splitlines() == [
        "Already there:     EuroSAT_RGB.zip",
        f"EuroSAT RGB (MIT) is in {root}",
    ]
    assert main(["data", "check", root, "--dataset", "eurosat", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["complete"] is True
    next((tmp_path / "new").rglob("River_2.jpg")).unlink()
    assert main(["data", "check", root, "--dataset", "eurosat"]) == SOME_FAILED
    assert "EuroSAT RGB has 3 in 'all', but 2 are here." in capsys.readouterr().out


def test_an_unreachable_record_gives_a_note(
    server: FileServer, eurosat: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.record = b""
    assert main(["data", "download", eurosat.name, "--to", str(tmp_path)]) == DONE
    assert "note: http://127.0.0.1:" in capsys.readouterr().err


@pytest.mark.usefixtures("eurosat")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["download", "eurosta", "--to", "X"], "did you mean 'eurosat'"),
        (["download", "eurosat"], "The following arguments are required: --to"),
        (["download", "eurosat", "--to", "X", "--metadata-only"], "omit --metadata-only"),
        (["download", "eurosat", "--to", "X", "--no-unpack", "--keep-archive"], "not allowed"),
        (["check", "nowhere"], "There is no folder 'nowhere'"),
        (["check", ".", "--sample", "-1"], "give 0 or more"),
        (["check", ".", "--dataset", "imagenet"], "Unknown data set 'imagenet'"),
        (["fetch"], "invalid choice"),
        ([], "required: ACTION"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


def test_an_interrupt_keeps_the_download_and_says_how_to_resume(
    server: FileServer, eurosat: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script.extend([Step(kind="trickle", count=5)] * 3)
    part = tmp_path / f"{RGB}.part"

    with interrupted(lambda: part.exists() and part.stat().st_size > 0):
        status = main(["data", "download", eurosat.name, "--to", str(tmp_path)])
    assert status == INTERRUPTED
    assert f"'{tmp_path}': run the same command again to resume" in capsys.readouterr().err
    came = part.stat().st_size
    assert 0 < came < len(server.originals[RGB])
    server.script.clear()
    assert main(["data", "download", eurosat.name, "--to", str(tmp_path)]) == DONE
    assert (tmp_path / "EuroSAT_RGB" / "River" / "River_2.jpg").read_bytes() == picture(2)


def test_help_states_the_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["data", "download", "--help"])
    text = capsys.readouterr().out
    files = {file.name: file for source in SOURCES.values() for file in source.files}
    for name in ("BigEarthNet-S2.tar.zst", RGB):
        size = files[name].size
        assert (f"{size / 1e9:.1f} GB" if size > 1e9 else f"{size / 1e6:.1f} MB") in text
    patches = files["BigEarthNet-S2.tar.zst"].contents
    assert patches is not None
    assert f"{patches.files:,} files" in text
    assert f"{patches.bytes / 1e9:.1f} GB" in text
    assert f"{patches.disk_bytes / 1e9:.1f} GB" in text
    tables = [f.size for f in SOURCES["bigearthnet"].files if f.contents is None]
    assert f"{sum(tables) / 1e6:.1f} MB" in text


def test_describe_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_v2(tmp_path, [PatchSpec(v2_id(1), ("Pastures",))])
    assert main(["data", "describe", str(root), "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["splits"] == {"train": 1, "all": 1}


def test_the_example_can_be_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(tmp_path / "six")
    assert main(["data", "example", root]) == DONE
    assert main(["data", "describe", root, "--json"]) == DONE
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["splits"] == {"train": 3, "validation": 1, "test": 1, "all": 5}
    assert main(["data", "example", str(tmp_path)]) == BAD
    assert "name a new folder" in capsys.readouterr().err


def test_an_overview_of_the_shipped_counts_needs_no_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["data", "overview", "--combinations", "2"]) == DONE
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 480_038
    assert [one["labels"] for one in found["most_frequent_combinations"]] == [
        ["Marine waters"],
        ["Coniferous forest", "Mixed forest", "Transitional woodland, shrub"],
    ]
    assert main(["data", "overview", "--combinations", "-1"]) == BAD
    assert main(["data", "overview", "nowhere"]) == BAD
