"""The ways by which a user's file reaches the program; they run in a process that is watched."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from landcover.core.errors import LandcoverError, TooLarge
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import sources
from landcover.stac.candidates import SceneQuery
from tools.hostile.corpus import seeds
from tools.hostile.corpus.messages import MOST_LETTERS, message_fault

__all__ = ["GATES", "Found", "WrongAnswer", "fault_of"]

SOURCES: Final = 3
"""How many of the sources in a folder or archive are read."""
DAY: Final = datetime(2020, 7, 14, tzinfo=UTC)


class WrongAnswer(AssertionError):
    """The program gave neither an error nor a right answer."""


@dataclass
class Found:
    """What a gate gave.

    Attributes:
        errors: messages of errors for the user.
        rasters: what was read.
        output: what a command wrote.
    """

    errors: list[str] = field(default_factory=list)
    rasters: list[Raster] = field(default_factory=list)
    output: str = ""


def fault_of(found: Found, must: str) -> str:
    """What is wrong with the answer; empty if nothing is."""
    faults = (message_fault(message) for message in found.errors)
    if fault := next(filter(None, faults), ""):
        return fault
    if found.errors and not found.rasters and must in ("stack", "picture"):
        return f"refused although it is sound: {found.errors[0][:300]}"
    if must == "refused" and not found.errors:
        return "read although it must be refused"
    if not all(np.isfinite(raster.data).all() for raster in found.rasters):
        return "pixels that are no numbers"
    if must in ("stack", "picture"):
        return _difference(found.rasters[0], must)
    return ""


def _difference(raster: Raster, must: str) -> str:
    wanted = _stack() if must == "stack" else _picture()
    if raster.data.shape != wanted.shape:
        return f"a raster of {raster.data.shape}, not {wanted.shape}"
    most = float(np.abs(raster.data - wanted).max())
    return f"pixels that differ by {most:.4f}" if most > 1e-4 else ""


@cache
def _stack() -> npt.NDArray[np.float32]:
    reflectance: npt.NDArray[np.float32] = seeds.pixels().astype(np.float32) / np.float32(10_000)
    return reflectance


@cache
def _picture() -> npt.NDArray[np.float32]:
    rgb = seeds.pixels()[[3, 2, 1], :64, :64]
    brightness: npt.NDArray[np.float32] = np.float32(1 / 255) * (rgb / 16).clip(0, 255).astype(
        np.uint8
    )
    return brightness


def _read_each(
    addresses: Iterable[str], read: Callable[[str, Cut | None], Raster]
) -> Iterator[Raster | str]:
    for address in addresses:
        try:
            try:
                yield read(address, None)
            except TooLarge:
                yield read(address, Cut(size=120))
        except LandcoverError as error:
            yield str(error)


def _collected(answers: Iterable[Raster | str]) -> Found:
    found = Found()
    for one in answers:
        if isinstance(one, str):
            found.errors.append(one)
        else:
            found.rasters.append(one)
    return found


def _path(source: str, home: Path) -> Found:
    """A source on the command line or in Python."""
    del home
    addresses = sources.expand(source)[:SOURCES]
    for address in addresses:
        sources.level_of(address)
    return _collected(_read_each(addresses, sources.read))


def _upload(source: str, home: Path) -> Found:
    """A file in the app."""
    del home
    path = Path(source)
    with sources.Upload([(path.name, path.read_bytes())]) as upload:
        return _collected(
            _read_each(
                upload.expand()[:SOURCES],
                lambda address, cut: upload.read(cut, address=address),
            )
        )


def _index(source: str, home: Path) -> Found:
    """A folder of scenes that is made a catalogue, which is then searched."""
    from landcover.stac import index  # noqa: PLC0415 - only these gates need it
    from landcover.stac.local_catalog import LocalCatalogue  # noqa: PLC0415

    out = home / "own.parquet"
    result = index.build(Path(source), out, date=DAY)
    text = index.index_text(result)
    found = Found(errors=[line.strip() for line in text.splitlines()[2:]])
    catalogue = LocalCatalogue.open(out)
    items = catalogue.search((-180, -90, 180, 90), datetime(2015, 1, 1, tzinfo=UTC), DAY)
    out.unlink()
    if (Path(source) / "sound.tif").exists():
        hrefs = [asset["href"] for item in items for asset in item["assets"].values()]
        if not any(href.endswith("sound.tif") for href in hrefs):
            raise WrongAnswer("the sound scene is not in the catalogue")
    return found


def _catalogue(source: str, home: Path) -> Found:
    """A catalogue of the user's own."""
    from landcover.stac.local_catalog import LocalCatalogue  # noqa: PLC0415
    from landcover.stac.search import search_local  # noqa: PLC0415

    del home
    world = (-180, -90, 180, 90)
    catalogue = LocalCatalogue.open(Path(source))
    catalogue.search(world, datetime(1970, 1, 1, tzinfo=UTC), datetime.now(UTC))
    found = search_local(Path(source), _area(), _query())
    return Found(errors=list(found.unusable))


def _query() -> SceneQuery:
    return SceneQuery(latitude=48.1, longitude=12.8, start=date(2020, 1, 1), end=date(2020, 12, 31))


def _area() -> Mapping[str, object]:
    ring = [[12.79, 48.09], [12.81, 48.09], [12.81, 48.11], [12.79, 48.11], [12.79, 48.09]]
    return {"type": "Polygon", "coordinates": [ring]}


def _answer(source: str, home: Path) -> Found:
    """The answer of a catalogue to a search, and the passes that are made of it."""
    from landcover.stac.archives import CATALOGUES  # noqa: PLC0415
    from landcover.stac.passes import passes  # noqa: PLC0415
    from landcover.stac.search import search_archive  # noqa: PLC0415
    from tools.hostile.corpus.answer_server import answering  # noqa: PLC0415

    del home
    with answering(Path(source), CATALOGUES["earth-search"]) as row:
        found = search_archive(row, _area(), _query())
    passes(found.scenes, 48.1, 12.8)
    return Found(errors=list(found.unusable))


def _archive(source: str, home: Path) -> Found:
    """A model archive that is imported."""
    from landcover.models import store  # noqa: PLC0415 - loads torch
    from landcover.models.registry import Registry  # noqa: PLC0415

    registry = Registry(home=home / "models-home")
    try:
        name = store.import_archive(registry, Path(source))
    except LandcoverError:
        if list(registry.user.glob("*")) or list(registry.user.glob(".*")):
            raise WrongAnswer("refused, but something of it stays") from None
        raise
    store.remove(registry, name)
    _removed(home / "models-home")
    return Found()


def _removed(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def _model(source: str, home: Path) -> Found:
    """A model folder that is loaded and used."""
    from landcover.models.registry import Registry  # noqa: PLC0415 - loads torch

    registry = Registry(home=home / "models-home")
    registry.card(Path(source))
    model = registry.load(Path(source), "cpu")
    if model.card.level != "RGB":
        labels = model.predict(sources.read(seeds.SAMPLE)).labels
        if not all(0 <= label.probability <= 1 for label in labels):
            raise WrongAnswer("a probability that is no share")
    return Found()


def _record(source: str, home: Path) -> Found:
    """The report and the measured values in a model folder."""
    from landcover.evaluate import report_files  # noqa: PLC0415 - loads torch
    from landcover.explain.faithfulness import ratings  # noqa: PLC0415
    from landcover.models.card import read_card  # noqa: PLC0415
    from landcover.trust import novelty  # noqa: PLC0415
    from landcover.trust.bench import records  # noqa: PLC0415

    del home
    folder = Path(source)
    card_hash = read_card(folder).hash
    found = Found()
    readers: tuple[Callable[[], object], ...] = (
        lambda: report_files.read_report(folder, "bigearthnet-v2", "test"),
        lambda: report_files.observed_coverage(folder, card_hash),
        lambda: ratings.load(folder),
        lambda: novelty.load(folder, card_hash),
        lambda: records.load(folder, card_hash),
    )
    for read in readers:
        try:
            read()
        except LandcoverError as error:
            found.errors.append(str(error))
    return found


def _corrections(source: str, home: Path) -> Found:
    """Corrections that are read, exported, read again, kept and undone."""
    from landcover.adapt import geojson  # noqa: PLC0415 - only this gate needs it
    from landcover.adapt.corrections import Kept  # noqa: PLC0415

    path, folder = Path(source), home / "corrections"
    own = path.suffix == ".json"
    found = Kept(path=path).read() if own else geojson.read(path)
    if path.stem == "sound" and len(found) != 1:
        raise WrongAnswer("a sound correction is lost")
    folder.mkdir()
    try:
        geojson.write(found, folder / "back.geojson")
        if geojson.read(folder / "back.geojson") != found:
            raise WrongAnswer("an export is read as something else")
        kept = Kept(path=folder / "corrections.json")
        added = kept.add(found)
        if len(kept.read()) != added:
            raise WrongAnswer("what is kept is not what was added")
        if added:
            kept.undo()
    finally:
        _removed(folder)
        folder.rmdir()
    return Found()


def _map(source: str, home: Path) -> Found:
    """A finished map that is read back: bands, the smallest version, and a place."""
    from landcover.areas.reading import open_product  # noqa: PLC0415 - only this gate needs it

    del home
    found = Found()
    try:
        product = open_product(source)
        small = product.read(product.bands, level=len(product.levels) - 1)
        values = [small, product.read(part=(0, 0, 1, 1))]
        if any((each < 0).any() for each in values) or (small[:-2] > 1).any():
            raise WrongAnswer("probabilities beyond 0 to 1")
        product.at(*product.window.centre)
    except LandcoverError as error:
        found.errors.append(str(error))
    if Path(source).stem.startswith("sound") and found.errors:
        raise WrongAnswer(f"a sound map is refused: {found.errors[0]}")
    return found


def _outline(source: str, home: Path) -> Found:
    """The outline of an area, as a file and as what a browser sends."""
    from landcover.areas.area_file import read_area  # noqa: PLC0415 - only this gate needs it

    del home
    path, found = Path(source), Found()
    for given in (path, path.read_bytes()):
        try:
            area = read_area(given, name=path.name)
        except LandcoverError as error:
            found.errors.append(str(error))
            continue
        west, south, east, north = area.geometry.bounds
        inside = -180 <= west < east <= 180 and -80 <= south < north <= 84
        if not (inside and area.geometry.is_valid and 0 < area.km2 < 6e8):
            raise WrongAnswer("an area that is none")
    if path.name.startswith("sound") and found.errors:
        raise WrongAnswer(f"a sound area is refused: {found.errors[0]}")
    return found


def _classify(source: str, home: Path) -> Found:
    """The command ``classify``, in this process."""
    from landcover.cli.main import main  # noqa: PLC0415 - loads torch

    del home
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["classify", source, "--json"])
    return _of_command(status, out.getvalue(), err.getvalue())


def _process(source: str, home: Path) -> Found:
    """The command ``classify``, in a process of its own."""
    del home
    command = [sys.executable, "-m", "landcover", "classify", source, "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    return _of_command(done.returncode, done.stdout.decode(), done.stderr.decode())


def _of_command(status: int, output: str, errors: str) -> Found:
    lines = errors.splitlines()
    if status not in (0, 1, 2) or "Traceback" in errors:
        raise WrongAnswer(f"exit status {status}: {errors[-400:]}")
    if status and not any(line.startswith("error: ") for line in lines):
        raise WrongAnswer(f"exit status {status} without an error: {errors[-400:]}")
    for line in output.splitlines():
        json.loads(line)
    # A line names the source besides the sentence.
    return Found(errors=[line[:MOST_LETTERS] for line in lines], output=output)


GATES: Final[Mapping[str, Callable[[str, Path], Found]]] = {
    "path": _path,
    "upload": _upload,
    "index": _index,
    "catalogue": _catalogue,
    "answer": _answer,
    "archive": _archive,
    "model": _model,
    "record": _record,
    "corrections": _corrections,
    "map": _map,
    "outline": _outline,
    "classify": _classify,
    "process": _process,
}
"""Name → function of the source's path or text and of a folder for the program's own files."""
