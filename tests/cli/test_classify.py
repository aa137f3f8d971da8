"""Many sources: one table or file, a summary, and what failed; nothing is lost."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from landcover.cli.exit_status import BAD, DONE, SOME_FAILED
from landcover.cli.main import main
from landcover.io.gate import pool
from landcover.io.samples import read_sample
from landcover.report import classification_table
from tests.browser.steps import write_stack
from tests.support.safe_tree import Safe, write_safe

DEVICE = ("--device", "cpu")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(path)
    return path


def test_a_table_has_patches_and_pictures_with_their_verdicts(
    picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = ("finland-lake", str(picture), "austria-fields")
    assert main(["classify", *sources, "--csv", *DEVICE]) == DONE
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert tuple(rows[0]) == classification_table.COLUMNS
    counts = [sum(row["source"] == source for row in rows) for source in sources]
    assert counts == [19, 10, 19]
    assert all(row["verdict"] and row["reason"] for row in rows)
    assert rows[0]["latitude"] == "62.819622"
    assert rows[19]["latitude"] == ""
    assert rows[19]["row"] == "0"
    assert err.splitlines()[-1].startswith("3 sources: ")


@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".txt"])
def test_results_are_written_to_a_file_and_failures_are_named(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"results{suffix}"
    path.write_text("older results")
    status = main(["classify", "finland-lake", "missing.tif", "--out", str(path), *DEVICE])
    assert status == SOME_FAILED
    out, err = capsys.readouterr()
    assert out.startswith("finland-lake: Coniferous")
    assert len(out.splitlines()) == 1
    assert "error: missing.tif: There is no file" in err
    assert err.splitlines()[-1] == "2 sources: 1 “Looks reliable”, 1 failed"
    text = path.read_text()
    if suffix == ".csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == 19
    elif suffix == ".txt":
        assert text.startswith("finland-lake: ")
    else:
        found = json.loads(text) if suffix == ".json" else [json.loads(text)]
        assert [one["source"] for one in found] == ["finland-lake"]
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_an_older_file_is_kept_if_every_source_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.csv"
    path.write_text("older results")
    assert main(["classify", "missing.tif", "--out", str(path), *DEVICE]) == BAD
    assert path.read_text() == "older results"
    assert "Written" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("results.xlsx", "--out must name a .csv, .json, .jsonl or .txt file, not 'results.xlsx'."),
        ("none/results.csv", "does not exist: make it, or name another."),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(
    name: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", "finland-lake", "--out", str(tmp_path / name)]) == BAD
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err


def test_what_was_classified_before_an_interruption_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from landcover.io import sources  # noqa: PLC0415

    read = sources.read

    def interrupted(source: str, *rest: object) -> object:
        if source == "austria-fields":
            raise KeyboardInterrupt
        return read(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(sources, "read", interrupted)
    path = tmp_path / "results.jsonl"
    assert main(["classify", "finland-lake", "austria-fields", "--out", str(path), *DEVICE]) == 130
    assert json.loads(path.read_text())["source"] == "finland-lake"
    assert capsys.readouterr().err.splitlines()[-1] == "error: Interrupted."


def test_a_folder_is_classified_file_by_file(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stack(tmp_path / "deep_2017-06-13.tif", read_sample("finland-lake"))
    (tmp_path / "broken.tif").write_bytes(b"II*\0nonsense")
    product = write_safe(tmp_path / "safe", Safe(offsets=["0"] * 13))
    level_1c = write_safe(tmp_path / "safe", Safe(level="1C"))
    assert main(["classify", str(tmp_path), "--json", *DEVICE]) == SOME_FAILED
    out, err = capsys.readouterr()
    found = [json.loads(line)["source"] for line in out.splitlines()]
    assert found == [str(tmp_path / "deep_2017-06-13.tif"), str(picture), str(product)]
    lines = err.splitlines()
    assert lines[0] == (
        f"error: {tmp_path}/broken.tif: 'broken.tif' is damaged or truncated: copy or export it "
        "again."
    )
    assert lines[1].startswith(f"error: {level_1c}: landcover mosaic was made for L2A")
    assert lines[-1].startswith("5 sources: ")


def test_a_product_is_classified_as_its_pixels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product = write_safe(tmp_path, Safe(offsets=["0"] * 13))
    assert main(["classify", str(product), "austria-fields", "--json", *DEVICE]) == DONE
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [one["probability"] for one in first["labels"]] == pytest.approx(
        [one["probability"] for one in second["labels"]], abs=1e-6
    )
    assert first["quality"]["cloud_fraction"] == 0.0


def test_a_file_is_opened_for_its_level_and_for_its_pixels_only(
    picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = []
    real = pool.call

    def counted(task: str, *values: Any, **options: Any) -> Any:
        tasks.append(task)
        return real(task, *values, **options)

    monkeypatch.setattr(pool, "call", counted)
    assert main(["classify", str(picture), *DEVICE]) == DONE
    assert tasks == ["level", "read"]
