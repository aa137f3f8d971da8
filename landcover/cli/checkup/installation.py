"""Whether the program is complete: Python, packages, GDAL, torch, models, the map's files."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from landcover.cli.checkup.finding import Finding, ok, problem, warning

__all__ = ["gdal", "map_files", "models", "packages", "python", "torch"]

_PACKAGE: Final = Path(__file__).parents[2]
_ROOT: Final = _PACKAGE.parent
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*([^#]+))?")
_LEAST: Final = (3, 11)
_INSTALL: Final = "pip install --no-deps --require-hashes -r requirements.lock"
_NEEDED_DRIVERS: Final = ("GTiff", "JP2OpenJPEG")
_UNUSUAL_DRIVERS: Final = frozenset(
    {"ECW", "GeoRaster", "JP2ECW", "JP2KAK", "JP2MrSID", "MSSQLSpatial", "MrSID", "MySQL", "OCI"}
    | {"ODBC", "PostGISRaster", "PostgreSQL"}
)
"""Drivers of other builds of GDAL. The program opens no file with them, but they are loaded."""
_SAMPLE: Final = "finland-lake"
_LABEL: Final = "Inland waters"
_EXPECTED: Final = 0.633
"""Probability of ``_LABEL`` in ``_SAMPLE`` by the default model, on a CPU."""
_TOLERANCE: Final = 0.01


def python() -> Iterator[Finding]:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _LEAST:
        yield problem(f"Python {version} is too old.", "Install Python 3.11 or newer.")
    else:
        yield ok(f"Python {version}")


def packages() -> Iterator[Finding]:
    """The releases of the packages that the program imports."""
    wanted = dict(_pins())
    if not wanted:
        yield warning("The list of required packages was not found.", "Install landcover again.")
        return
    missing, other = [], []
    for name, release in wanted.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if found.partition("+")[0] != release:
            other.append(f"{name} {found} instead of {release}")
    if missing:
        command = f"Run: {_INSTALL}"
        if "torch" in missing:
            command += ", and: pip install --no-deps -r requirements-torch.lock"
        yield problem(f"Packages are missing: {', '.join(missing)}.", command)
    if other:
        yield warning(f"Other releases than the tested ones: {'; '.join(other)}.", _INSTALL)
    if not missing and not other:
        yield ok(f"{len(wanted)} packages at the tested releases")


def _pins() -> Iterator[tuple[str, str]]:
    """Names and releases from requirements.txt, or from the installed package's metadata."""
    file = _ROOT / "requirements.txt"
    if file.is_file():
        lines = file.read_text("utf-8").splitlines()
    else:
        try:
            lines = importlib.metadata.requires("landcover") or []
        except importlib.metadata.PackageNotFoundError:
            lines = []
    for line in lines:
        found = _PIN.match(line)
        if found and "extra ==" not in line and _applies(found[3]):
            yield found[1], found[2]


def _applies(marker: str | None) -> bool:
    if not marker:
        return True
    try:
        from packaging.markers import Marker  # noqa: PLC0415 - may be missing
    except ImportError:
        return False
    return Marker(marker.strip()).evaluate()


def gdal() -> Iterator[Finding]:
    """The drivers of GDAL: those needed are there, and none of another build."""
    import rasterio  # noqa: PLC0415 - may be missing

    with rasterio.Env() as env:
        drivers = set(env.drivers())
    missing = [name for name in _NEEDED_DRIVERS if name not in drivers]
    if missing:
        yield problem(
            f"GDAL {rasterio.__gdal_version__} cannot read {' and '.join(missing)}.",
            f"Install rasterio from PyPI, whose GDAL can: {_INSTALL}",
        )
    unusual = sorted(drivers & _UNUSUAL_DRIVERS)
    if unusual:
        yield warning(
            f"GDAL has drivers that are not tested: {', '.join(unusual)}.",
            "Unset GDAL_DRIVER_PATH, or install rasterio from PyPI.",
        )
    if not missing and not unusual:
        yield ok(f"rasterio {rasterio.__version__} with GDAL {rasterio.__gdal_version__}")


def torch() -> Iterator[Finding]:
    """The library of the nets, its device and its threads."""
    engine = importlib.import_module("torch")
    devices = importlib.import_module("landcover.models.devices").available()
    threads = int(engine.get_num_threads())
    yield ok(f"torch {engine.__version__} on {devices[0]}, {threads} thread{'s' * (threads > 1)}")


def models() -> Iterator[Finding]:
    """Every model loads, and the default one gives the known answer for a sample."""
    from landcover.core.errors import LandcoverError  # noqa: PLC0415 - may be damaged
    from landcover.io.samples import read_sample  # noqa: PLC0415 - as above
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    known = registry.default()
    names = known.names()
    good = 0
    for name in names:
        try:
            model = known.load(name, "cpu")
        except LandcoverError as error:
            own = "" if known.origin(name) == "shipped" else f"landcover models remove {name}, or "
            yield problem(str(error), f"Run: {own}install landcover again.")
            continue
        good += 1
        if name == registry.DEFAULT_MODEL:
            found = model.predict(read_sample(_SAMPLE)).of(_LABEL).probability
            if abs(found - _EXPECTED) > _TOLERANCE:
                yield problem(
                    f"{name} gives {_LABEL} {found:.3f} for {_SAMPLE} instead of {_EXPECTED}.",
                    "Do not use its results. Install the tested releases: " + _INSTALL,
                )
            else:
                yield ok(f"{name} gives the known answer for a sample ({_LABEL} {found:.3f})")
    if registry.DEFAULT_MODEL not in names:
        yield problem(f"{registry.DEFAULT_MODEL} is missing.", "Install landcover again.")
    yield ok(f"{good} of {len(names)} models load")


def map_files() -> Iterator[Finding]:
    """The background of the app's map, where the app is."""
    if not (_ROOT / "app.py").is_file():
        yield ok("Only the library and this command are installed, without the app")
        return
    folders = {"overview": "tiles", "names of places": "places"}
    missing = [what for what, name in folders.items() if not (_ROOT / "static" / name).is_dir()]
    if missing:
        yield warning(
            f"The map's {' and '.join(missing)} are not unpacked.",
            "Run: python tools/unpack_basemap.py (needs requirements-basemap.txt)",
        )
    else:
        yield ok("The map's background and names of places are unpacked")
