"""Commands on disks that are full or read-only: one sentence, nothing lost, the next run works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from landcover.core.classes import CLASS_NAMES
from landcover.datasets import open_dataset
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from tests.support import bigearthnet_tree as tree
from tests.support.disks import needs_mounts

SETTINGS = {
    "net_options": {"members": 1, "width": 4, "stem": 4, "spectral": 4},
    "epochs": 2,
    "batch": 6,
    "validate_every": 1,
}

RUNS = """
import contextlib, io, json, os, shutil, subprocess, sys
from pathlib import Path

disk, full, words = Path(sys.argv[1]), sys.argv[2] == "full", json.loads(sys.argv[3])
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=True)
shutil.copytree(sys.argv[4], disk / "prior")
(disk / "home").mkdir()
(disk / "mine.parquet").write_bytes(b"PAR1 an older catalogue")
os.environ["LANDCOVER_HOME"] = str(disk / "home")

def fill():
    if not full:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        return
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with (disk / "ballast").open("rb+") as file:
        file.truncate(file.seek(0, 2) - 40_000)  # small files still fit

def empty():
    if full:
        (disk / "ballast").unlink()
    else:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)

def content():
    return {
        path.relative_to(disk).as_posix(): path.read_bytes()
        for path in disk.rglob("*")
        if path.is_file() and path.name != "ballast"
    }

def run(words):
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        status = main(words)
    return [status, err.getvalue()]

from landcover.cli.main import main

first, found = content(), {}
fill()
for name, each in words.items():
    found[name] = [run(each)]
kept = {name: content().get(name) == data for name, data in first.items()}
left = sorted(name for name in content() if ".part" in name or "lock" in name)
empty()
for name, each in words.items():
    found[name].append(run(each))
print(json.dumps({"runs": found, "kept": kept, "left": left}))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    specs = [
        tree.PatchSpec(
            patch_id=tree.v2_id(column),
            labels=(CLASS_NAMES[column % 3],),
            split="train" if column < 12 else "validation",
        )
        for column in range(18)
    ]
    return tree.write_v2(tmp_path_factory.mktemp("data") / "ben", specs)


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "prior"
    bigearthnet.make("class-prior", open_dataset("bigearthnet", data), folder, Order(fit="train"))
    return folder


@needs_mounts
@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "ro"])
def test_commands_on_a_full_or_read_only_disk(
    fault: str, data: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "small.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "disk").mkdir()
    disk = str(tmp_path / "disk")
    dataset = ("--dataset", "bigearthnet")
    words = {
        "train": [
            *("train", *dataset, "--root", str(data), "--device", "cpu"),
            *("--model", "landcover-cnn", "--config", str(tmp_path / "small.json")),
            *("--out", f"{disk}/run"),
        ],
        "evaluate": [
            *("evaluate", str(data), *dataset, "--split", "validation", "--bootstraps", "100"),
            *("--model", f"{disk}/prior", "--save", "--allow-touching"),
        ],
        "index": ["index", str(data), "--out", f"{disk}/mine.parquet"],
        "classify": ["classify", "austria-fields", "--out", f"{disk}/classes.json"],
        "add": ["models", "add", str(model), "--name", "mine"],
    }
    found = done(fault, words, model, disk)
    for name, ((status, said), (later, then)) in found["runs"].items():
        if fault == "full" and name == "classify":
            continue  # small enough
        assert status == 2, (name, said)
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, said
        assert errors[0].endswith(".")
        assert "Traceback" not in said
        assert name == "add" or fault == "ro" or "is full" in errors[0], errors
        assert later == 0, (name, then)
    assert all(found["kept"].values()), found["kept"]
    assert found["left"] == []


def done(fault: str, words: dict[str, list[str]], model: Path, disk: str) -> dict[str, Any]:
    command = ["unshare", "-m", sys.executable, "-c", RUNS, disk, fault, json.dumps(words)]
    child = subprocess.run([*command, str(model)], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return result
