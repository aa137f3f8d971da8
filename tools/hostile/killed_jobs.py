"""The jobs that :mod:`tools.hostile.kills` kills: all that writes files which must not be lost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from landcover.cli.main import main as landcover
from landcover.core import files
from landcover.core.classes import CLASS_NAMES
from landcover.core.progress import Progress
from landcover.datasets import Dataset, convert, memory_mapped, open_dataset
from landcover.datasets.arrays import NativeStore
from landcover.datasets.downloads import SOURCES, RetryPolicy, Source, download
from landcover.datasets.downloads.zenodo import Contents
from landcover.evaluate.report_files import read_report, reports
from landcover.models import store
from landcover.models.model import load_model
from landcover.models.registry import Registry
from landcover.net.disk_cache import DiskCache
from landcover.stac import index
from landcover.stac.local_catalog import LocalCatalogue
from landcover.train.checkpoint import CHECKPOINT_FILE, CONFIG_FILE
from landcover.train.configuration import TrainConfig
from landcover.train.history import HISTORY_FILE, LINES_FILE
from landcover.train.loop import train
from landcover.train.recipes import bigearthnet
from landcover.train.recipes.order import Order
from tests.datasets.downloads.test_unpack import contents_of, tar_of
from tests.support import bigearthnet_tree as tree
from tests.support.file_server import FileServer, Step
from tools.hostile.kills import Job, Say

__all__ = ["jobs"]

BLOCK: Final = 2
PATCHES: Final = 16
KEYS: Final = 60
_WORLD: Final = (-180.0, -90.0, 180.0, 90.0)
_ALWAYS: Final = (datetime(2015, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
CONFIG: Final = TrainConfig(
    net_options={"members": 1, "width": 4, "stem": 4, "spectral": 4},
    epochs=4,
    batch=4,
    validate_every=2,
    device="cpu",
    precision="float32",
)


def jobs(stack: ExitStack, home: Path, *, short: bool) -> Iterator[Job]:
    """All jobs; what they share is made once.

    Args:
        stack: closes the file server at the end.
        home: a folder for what they share.
        short: leave out the jobs whose runs take seconds.
    """
    torch.set_num_threads(1)
    data = tree.write_v2(home / "ben", _specs())
    dataset = open_dataset("bigearthnet", data)
    model = home / "class-prior"
    bigearthnet.make("class-prior", dataset, model, Order(fit="train"))
    yield _files()
    yield _training()
    yield _conversion(dataset)
    yield _index(data)
    yield _cache()
    yield _models(model)
    yield _archives(model, home)
    yield _download(stack, data, home)
    if not short:
        yield _evaluation(data, model)
        yield _explanation()


def _specs() -> list[tree.PatchSpec]:
    splits = ("train", "train", "validation", "test")
    return [
        tree.PatchSpec(
            patch_id=tree.v2_id(k % 12, row=20 * (k % 4) + k // 12),
            labels=(CLASS_NAMES[k % 5], CLASS_NAMES[7]),
            split=splits[k % 4],
            cloudy=k == PATCHES - 1,
        )
        for k in range(PATCHES)
    ]


def _sums(folder: Path) -> dict[str, str]:
    """Path → hash of all files of a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tmp" not in path.relative_to(folder).parts
    }


# Any file


def _files() -> Job:
    """Ten files are replaced ten times each; each must be one of the versions."""
    sizes = (1, 3_000, 200_000, 2_000_000)

    def content(version: int, number: int) -> bytes:
        return f"{version} ".encode() * (sizes[number % 4] // 4 + 1)

    def work(folder: Path, say: Say) -> None:
        for version in range(10):
            for number in range(10):
                files.write_bytes(folder / f"{number}.bin", content(version, number))
                say(f"{number} {version}")

    def check(folder: Path, confirmed: list[str]) -> None:
        # Each run begins again with version 0, so that only the files of the last run count.
        for number in range(10):
            path = folder / f"{number}.bin"
            versions = [line.split()[1] for line in confirmed if line.split()[0] == str(number)]
            if path.exists() or versions:
                data = path.read_bytes()
                assert data in [content(version, number) for version in range(10)], path.name
                if versions:
                    at_least = int(versions[-1])
                    assert int(data[:1]) in {at_least, at_least + 1, 0}, path.name

    return Job(what="any file", kills=40, work=work, check=check, result=_sums)


# Training


def _patches(count: int, seed: int) -> NativeStore:
    chance = np.random.default_rng(seed)
    targets = np.zeros((count, 19), dtype=np.float32)
    targets[:, :3] = chance.random((count, 3)) < 0.5

    def grid(bands: int, side: int) -> NDArray[np.uint16]:
        return chance.integers(0, 3000, (count, bands, side, side)).astype(np.uint16)

    return NativeStore(
        g10=grid(4, 120),
        g20=grid(6, 60),
        g60=grid(2, 20),
        targets=torch.from_numpy(targets),
        ids=tuple(f"patch-{seed}-{k}" for k in range(count)),
        countries=("Austria",) * count,
    )


def _training() -> Job:
    training, validation = _patches(8, 0), _patches(4, 1)

    def work(folder: Path, say: Say) -> None:
        train(CONFIG, training, validation, folder / "run", lambda entry: say(str(entry.epoch)))

    def check(folder: Path, confirmed: list[str]) -> None:
        out, epochs = folder / "run", max(map(int, confirmed), default=0)
        if epochs:
            kept = torch.load(out / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
            assert TrainConfig.from_json(kept["config"]) == CONFIG
            assert len((out / HISTORY_FILE).read_text().splitlines()) - 1 >= epochs
        if (out / LINES_FILE).exists():
            lines = (out / LINES_FILE).read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in lines] == [*range(1, len(lines) + 1)]
            assert len(lines) >= epochs
        if (out / CONFIG_FILE).exists():
            assert TrainConfig.from_json((out / CONFIG_FILE).read_text()) == CONFIG

    def result(folder: Path) -> object:
        kept = torch.load(folder / "run" / CHECKPOINT_FILE, map_location="cpu", weights_only=True)
        weights = {name: value.tolist() for name, value in kept["net"].items()}
        lines = (folder / "run" / LINES_FILE).read_text().splitlines()
        return weights, [json.loads(line)["train_loss"] for line in lines]

    return Job(what="training", kills=20, few=1, work=work, check=check, result=result)


# Data


def _conversion(dataset: Dataset) -> Job:
    def work(folder: Path, say: Say) -> None:
        def report(progress: Progress) -> None:
            if progress.what == "Converting":
                say(str(progress.done))

        convert.convert(dataset, folder / "fast", block=BLOCK, report=report, spare_bytes=0)

    def check(folder: Path, confirmed: list[str]) -> None:
        out = folder / "fast"
        if memory_mapped.is_store(out):
            memory_mapped.verify(out)
        elif confirmed:
            whole = (out / convert.JOURNAL_FILE).read_bytes().count(b"\n") - 1
            assert whole * BLOCK >= max(map(int, confirmed)), "a confirmed block is lost"

    return Job(
        what="data convert", kills=25, work=work, check=check, result=lambda f: _sums(f / "fast")
    )


def _index(data: Path) -> Job:
    """An older, smaller catalogue is replaced."""
    old = next(path for path in sorted((data / "BigEarthNet-S2").iterdir()) if path.is_dir())

    def count(folder: Path) -> int:
        found = LocalCatalogue.open(folder / "mine.parquet")
        return len(found.search(_WORLD, *_ALWAYS, limit=10_000))

    def prepare(folder: Path) -> None:
        index.build(old, folder / "mine.parquet")

    def work(folder: Path, say: Say) -> None:
        index.build(data, folder / "mine.parquet")
        say("written")

    def check(folder: Path, confirmed: list[str]) -> None:
        found = count(folder)
        assert found in {few, PATCHES}, found
        assert not confirmed or found == PATCHES

    few = sum(1 for path in old.iterdir() if path.is_dir())
    return Job(what="index", kills=25, work=work, check=check, result=count, prepare=prepare)


def _download(stack: ExitStack, data: Path, home: Path) -> Job:
    """A data set of two tables and an archive, over connections that break."""
    tar = tar_of(data, home / "BigEarthNet-S2.tar.zst")
    names = ("metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet")
    served = {path.name: path.read_bytes() for path in (*(data / name for name in names), tar)}
    server = stack.enter_context(FileServer(served))
    server.latency = 0.02
    bands = PATCHES * 12
    contents: Contents = contents_of(
        "bigearthnet",
        units=PATCHES,
        files=bands,
        bytes=bands * 30_000,
        disk_bytes=bands * 32_768,
    )
    remote = tuple(server.remote(name) for name in names)
    source: Source = replace(
        SOURCES["bigearthnet"],
        base=server.url,
        record=4711,
        files=(*remote, server.remote(tar.name, contents=contents)),
    )
    quick = RetryPolicy(attempts=9, first_attempts=9, first_wait_s=0.001, silence_s=5)

    def work(folder: Path, say: Say) -> None:
        def report(progress: Progress) -> None:
            if progress.what == f"Fetching {tar.name}":
                say(f"part {progress.done}")

        download(source, folder / "data", retry_policy=quick, report=report)
        say("all")

    def check(folder: Path, confirmed: list[str]) -> None:
        root = folder / "data"
        for name, content in served.items():
            if (root / name).exists():
                assert (root / name).read_bytes() == content, name
        for path in root.rglob("*.tif"):
            twin = data / path.relative_to(root)
            assert path.read_bytes() == twin.read_bytes(), path.name
        came = max((int(line.split()[1]) for line in confirmed if line != "all"), default=0)
        part = root / f"{tar.name}.part"
        if part.exists():
            assert served[tar.name].startswith(part.read_bytes())
            assert part.stat().st_size >= came, "received bytes are lost"

    def begin() -> None:
        server.reset()
        server.latency = 0.02
        server.script.extend([Step(kind="drop", count=30_000), Step(kind="well")] * 3)

    return Job(
        what="data download",
        kills=25,
        few=2,
        work=work,
        check=check,
        result=lambda f: _sums(f / "data"),
        begin=begin,
    )


# The cache


def _cache() -> Job:
    def value(key: str) -> bytes:
        return hashlib.sha256(key.encode()).digest() * 3_000

    def work(folder: Path, say: Say) -> None:
        cache = DiskCache(folder / "cache", 10**9)
        for number in range(KEYS):
            assert cache.put(str(number), value(str(number)))
            say(str(number))

    def check(folder: Path, confirmed: list[str]) -> None:
        cache = DiskCache(folder / "cache", 10**9)
        for number in range(KEYS):
            found = cache.get(str(number))
            assert found in {None, value(str(number))}
            assert found is not None or str(number) not in confirmed, "a stored value is lost"

    def result(folder: Path) -> object:
        cache = DiskCache(folder / "cache", 10**9)
        return [cache.get(str(number)) == value(str(number)) for number in range(KEYS)]

    return Job(what="disk cache", kills=25, work=work, check=check, result=result)


# Models and results


def _registry(folder: Path) -> Registry:
    return Registry(home=folder / "home")


def _same_model(folder: Path) -> object:
    return _sums(folder / "home" / "models")


def _check_models(folder: Path, confirmed: list[str]) -> None:
    mine = _registry(folder)
    names = mine.user_names()
    assert set(names) <= {"mine"}, names
    assert set(confirmed) <= set(names), "an added model is lost"
    for name in names:
        load_model(mine.user_folder(name), "cpu")


def _models(model: Path) -> Job:
    def work(folder: Path, say: Say) -> None:
        mine = _registry(folder)
        store.tidy(mine)  # as each `landcover models` command does
        if "mine" not in mine.user_names():
            store.add(mine, model, "mine")
        say("mine")

    return Job(what="models add", kills=25, work=work, check=_check_models, result=_same_model)


def _archives(model: Path, home: Path) -> Job:
    archive = home / "model.zip"
    store.export_archive(_registry(home), model, archive)

    def work(folder: Path, say: Say) -> None:
        mine = _registry(folder)
        store.tidy(mine)
        if "mine" not in mine.user_names():
            store.import_archive(mine, archive, "mine")
        say("mine")
        store.export_archive(mine, "mine", folder / "again.zip")

    def check(folder: Path, confirmed: list[str]) -> None:
        _check_models(folder, confirmed)
        if (folder / "again.zip").exists():
            with files.scratch() as look:
                assert store.import_archive(_registry(look), folder / "again.zip") == "mine"

    return Job(
        what="models import, export", kills=20, few=1, work=work, check=check, result=_same_model
    )


def _evaluation(data: Path, model: Path) -> Job:
    """Evaluates and saves twice; the second report replaces the first."""

    def prepare(folder: Path) -> None:
        store.add(_registry(folder), model, "mine")

    def work(folder: Path, say: Say) -> None:
        os.environ["LANDCOVER_HOME"] = str(folder / "home")
        own = folder / "home" / "models" / "mine"
        for _ in range(2):
            words = ("evaluate", str(data), "--dataset", "bigearthnet", "--split", "validation")
            more = ("--model", str(own), "--bootstraps", "100", "--save", "--allow-touching")
            assert landcover([*words, *more]) == 0
            say("saved")

    def check(folder: Path, confirmed: list[str]) -> None:
        own = folder / "home" / "models" / "mine"
        found = reports(own)
        assert found or not confirmed, "a saved report is lost"
        for name, split in found:
            read_report(own, name, split)

    def result(folder: Path) -> object:
        own = folder / "home" / "models" / "mine"
        return {
            (name, split): read_report(own, name, split).predictions.probability.tolist()
            for name, split in reports(own)
        }

    return Job(
        what="evaluate --save", kills=20, work=work, check=check, result=result, prepare=prepare
    )


def _explanation() -> Job:
    def outputs(folder: Path) -> list[Path]:
        return [folder / f"why{suffix}" for suffix in (".png", ".tif", ".json")]

    def prepare(folder: Path) -> None:
        for path in outputs(folder):
            path.write_bytes(b"good")

    def work(folder: Path, say: Say) -> None:
        words = ["explain", "austria-fields", "--method", "grad-cam", "--label", "Pastures"]
        outs = [word for path in outputs(folder) for word in ("--out", str(path))]
        assert landcover([*words, *outs]) == 0
        say("written")

    def check(folder: Path, confirmed: list[str]) -> None:
        starts = {".png": b"\x89PNG", ".tif": b"II", ".json": b"{"}
        for path in outputs(folder):
            data = path.read_bytes()
            assert data == b"good" or data.startswith(starts[path.suffix])
            assert data != b"good" or not confirmed
        if (data := outputs(folder)[2].read_bytes()) != b"good":
            json.loads(data)
        if (data := outputs(folder)[0].read_bytes()) != b"good":
            assert data.endswith(b"IEND\xaeB`\x82")

    def result(folder: Path) -> Any:  # noqa: ANN401 - compared only
        return [path.stat().st_size for path in outputs(folder)][:2]

    return Job(
        what="explain --out", kills=15, work=work, check=check, result=result, prepare=prepare
    )
