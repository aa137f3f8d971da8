"""The limits on everything that comes from outside: files, archives, catalogues, models, users.

Each limit is a field of :class:`Limits` with a default that suits a shared server of two cores and
five gigabytes. An environment variable changes it: ``LANDCOVER_LIMIT_`` and the field's name in
capitals, such as ``LANDCOVER_LIMIT_READ_SECONDS=10``. docs/limits.md lists them all.

Code asks for a limit when it needs it (``limits.current().read_seconds``), so that tests and
servers can change it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from landcover.core.errors import BadInput

__all__ = ["PREFIX", "Limits", "changed", "current", "from_environment", "replaced", "rows"]

PREFIX: Final = "LANDCOVER_LIMIT_"
"""Start of the names of the environment variables."""
_MOST: Final = 10**13


def _limit(default: int, unit: str, what: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    return field(default=default, metadata={"unit": unit, "what": what})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All limits; each is a whole number of at least 1."""

    # Reading files
    file_bytes: int = _limit(1_000_000_000, "bytes", "the largest file that is read whole")
    side: int = _limit(20_000, "pixels", "the longest side of a raster that is read whole")
    samples: int = _limit(
        100_000_000, "samples", "the most pixels times bands of a raster that is read whole"
    )
    decoded_bytes: int = _limit(
        400_000_000, "bytes", "the most decoded bytes of a raster that is read whole, or of a block"
    )
    touched_bytes: int = _limit(
        2_000_000_000, "bytes", "the most decoded bytes of the blocks that a window touches"
    )
    read_seconds: int = _limit(4, "seconds", "time to read a file, besides that for its size")
    read_bytes_a_second: int = _limit(
        10_000_000, "bytes a second", "further time to read a file, by its size"
    )
    read_seconds_most: int = _limit(60, "seconds", "the most time to read a file of any size")
    read_memory_bytes: int = _limit(
        1_000_000_000, "bytes", "memory of a process that reads files, besides its programs"
    )
    readers: int = _limit(2, "processes", "the most files that are read at the same time")
    held_bytes: int = _limit(
        2_000_000_000, "bytes", "the most decoded pixels that the program holds, of all users"
    )
    session_bytes: int = _limit(
        500_000_000, "bytes", "the most decoded pixels that the app holds for one user"
    )
    session_pictures: int = _limit(200, "pictures", "the most that the app holds for one user")

    # Headers of TIFF files
    tiff_directories: int = _limit(100, "directories", "the most directories of a TIFF file")
    tiff_tags: int = _limit(1_000, "tags", "the most tags of a directory of a TIFF file")
    tiff_tag_bytes: int = _limit(
        50_000_000, "bytes", "the most that the tags of a TIFF file hold, besides its blocks"
    )
    tiff_items: int = _limit(3_000, "items", "the most of GDAL's metadata items of a TIFF file")
    tiff_blocks: int = _limit(2_000_000, "blocks", "the most strips or tiles of a TIFF file")

    # Headers of JPEG 2000 files
    jp2_boxes: int = _limit(1_000, "boxes", "the most boxes of a JPEG 2000 file")
    jp2_box_bytes: int = _limit(
        10_000_000, "bytes", "the most metadata in the boxes of a JPEG 2000 file"
    )
    jp2_tiles: int = _limit(
        50_000, "tiles", "the most tiles times components of a JPEG 2000 file; scenes have 363"
    )
    jp2_layers: int = _limit(100, "layers", "the most quality layers of a JPEG 2000 file")
    jp2_blocks: int = _limit(
        2_000_000, "blocks", "the most code blocks or precincts in a tile of a JPEG 2000 file"
    )

    # Pictures
    picture_parts: int = _limit(100_000, "parts", "the most parts of a PNG or JPEG file")
    jpeg_scans: int = _limit(100, "scans", "the most scans of a JPEG file; real files have 20")

    # Archives
    archive_entries: int = _limit(1_000, "entries", "the most entries of a zip file")
    archive_bytes: int = _limit(
        4_000_000_000, "bytes", "the most that is unpacked from a zip on the user's own disk"
    )
    archive_upload_bytes: int = _limit(
        1_000_000_000, "bytes", "the most that is unpacked from uploaded zips for one request"
    )
    archive_ratio: int = _limit(
        50, "bytes a byte", "the most that is unpacked for a byte of an uploaded zip"
    )
    archive_slack_bytes: int = _limit(
        100_000_000, "bytes", "what may be unpacked from any uploaded zip besides that"
    )

    # Users of a shared server
    sessions: int = _limit(100, "sessions", "the most browser tabs that are open at the same time")
    away_seconds: int = _limit(
        45, "seconds", "time after which a closed browser tab's images and jobs are dropped"
    )
    session_jobs: int = _limit(
        6, "jobs", "the most searches, explanations and grids of a browser tab at the same time"
    )
    session_corrections: int = _limit(
        500, "corrections", "the most corrections of a browser tab of a server, with replaced ones"
    )
    session_models: int = _limit(
        10, "models", "the most adapted models of a browser tab of a server"
    )
    app_area_km2: int = _limit(2_500, "km²", "the largest area that the app maps at a time")
    jobs: int = _limit(200, "jobs", "the most searches, explanations and grids of all users")
    job_seconds: int = _limit(600, "seconds", "time that a search, explanation or grid may compute")
    session_upload_bytes: int = _limit(
        450_000_000, "bytes", "the most of a browser tab's uploaded files that are kept unread"
    )
    upload_bytes: int = _limit(
        1_000_000_000, "bytes", "the most uploaded files that are kept unread, of all users"
    )
    stored_upload_bytes: int = _limit(
        10_000_000_000, "bytes", "the most uploaded files on the server's disk, of all users"
    )
    upload_files: int = _limit(400, "files", "the most files that are uploaded together")
    text_letters: int = _limit(200, "letters", "the longest text that is typed into a field")
    path_letters: int = _limit(1_000, "letters", "the longest path that is typed into a field")

    # Labelled data
    checked_patches: int = _limit(
        10_000, "patches", "the most patches whose labels are checked for errors at a time"
    )

    # The network
    answer_bytes: int = _limit(
        10_000_000, "bytes", "the largest answer of a catalogue or another web service"
    )
    search_bytes: int = _limit(30_000_000, "bytes", "all answers to a search together")
    search_pages: int = _limit(10, "pages", "the most pages of answers to a search")
    search_seconds: int = _limit(40, "seconds", "time to search a catalogue")
    footprint_points: int = _limit(
        300, "points", "the most points of the outline of a scene in a catalogue"
    )
    imagery_seconds: int = _limit(60, "seconds", "time to fetch the imagery of a place")
    imagery_bytes: int = _limit(
        1_000_000_000, "bytes", "the most that is received to fetch the imagery of a place"
    )
    model_download_bytes: int = _limit(
        2_000_000_000, "bytes", "the largest model that is downloaded from a hub"
    )
    memory_cache_bytes: int = _limit(
        100_000_000, "bytes", "what is kept in memory while the cache on disk cannot be written"
    )

    # Dates
    series_dates: int = _limit(400, "dates", "the most dates of a series")
    compared_cells: int = _limit(
        10_000_000, "cells", "the most cells of 80 m of an area whose dates are compared"
    )

    # Corrections
    corrections: int = _limit(
        5_000, "corrections", "the most corrections that are kept or imported"
    )
    correction_points: int = _limit(100, "points", "the most points of a correction's outline")
    correction_features: int = _limit(
        10_000, "files", "the most files of features of corrected windows that are kept"
    )
    correction_features_bytes: int = _limit(
        200_000, "bytes", "the largest file of features of a corrected window"
    )

    # Data sets of one's own
    own_classes: int = _limit(
        500, "classes", "the most classes of a data set or model of one's own"
    )
    table_bytes: int = _limit(50_000_000, "bytes", "the largest table of labels or classes")
    table_rows: int = _limit(200_000, "rows", "the most rows of a table of labels or classes")

    # Areas to map
    area_bytes: int = _limit(20_000_000, "bytes", "the largest file with the outline of an area")
    area_points: int = _limit(200_000, "points", "the most points of the outlines of an area")
    area_km2: int = _limit(
        2_000_000, "km²", "the largest rectangle around an area that is mapped at once"
    )
    area_polygons: int = _limit(20_000, "polygons", "the most polygons of an area")
    area_scratch_bytes: int = _limit(
        1_500_000_000, "bytes", "the most decoded pixels of a file that are kept on disk for a map"
    )
    area_scenes: int = _limit(2_000, "scenes", "the most scenes that an area is mapped from")

    # Runs: trainings and tests that wait, run or have ended
    runs: int = _limit(1_000, "runs", "the most trainings and tests that are kept and listed")
    runs_removed: int = _limit(20, "runs", "the most removed trainings and tests that are kept")
    run_file_bytes: int = _limit(
        2_000_000, "bytes", "the largest file of orders, states or epochs of a run that is read"
    )

    # JSON and models
    models_removed: int = _limit(20, "models", "the most removed models that are kept")
    json_bytes: int = _limit(
        20_000_000, "bytes", "the largest text of JSON, unless its file has a smaller limit"
    )
    json_depth: int = _limit(50, "levels", "the deepest nesting of JSON")
    json_digits: int = _limit(40, "characters", "the longest number in JSON")
    json_values: int = _limit(1_000_000, "values", "the most values of one text of JSON")
    net_parts: int = _limit(
        3_000, "parts", "the most layers of a model's net, counted while it is built"
    )


def from_environment(variables: Mapping[str, str] = os.environ) -> Limits:
    """The defaults, changed by environment variables.

    Raises:
        BadInput: a variable names no limit, or its value is not a whole number of at least 1.
    """
    known = {f"{PREFIX}{each.name.upper()}": each.name for each in fields(Limits)}
    changes = {}
    for variable, text in variables.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in known:
            raise BadInput(f"{variable[:80]} names no limit: docs/limits.md lists all of them.")
        plain = text.strip().replace("_", "")
        if not (plain.isascii() and plain.isdecimal() and 1 <= int(plain[:20]) <= _MOST):
            raise BadInput(
                f"{variable} is '{text[:40]}': give a whole number of at least 1, without a unit."
            )
        changes[known[variable]] = int(plain)
    return replace(Limits(), **changes)


_changed: ContextVar[Limits | None] = ContextVar("landcover_limits", default=None)
_read: list[tuple[dict[str, str], Limits]] = []


def current() -> Limits:
    """The limits that apply now.

    Raises:
        BadInput: as for :func:`from_environment`.
    """
    special = _changed.get()
    if special is not None:
        return special
    # Every value is decoded when it is read, and this is asked thousands of times.
    given = {key: os.environ[key] for key in os.environ if key.startswith(PREFIX)}
    if not _read or _read[0][0] != given:
        _read[:] = [(given, from_environment(given))]
    return _read[0][1]


@contextmanager
def changed(**changes: int) -> Iterator[None]:
    """Change limits for a block of code in this thread; used by tests and tools."""
    with replaced(replace(current(), **changes)):
        yield


@contextmanager
def replaced(limits: Limits) -> Iterator[None]:
    """Replace all limits for a block of code in this thread."""
    token = _changed.set(limits)
    try:
        yield
    finally:
        _changed.reset(token)


def rows() -> list[tuple[str, int, str, str]]:
    """Environment variable, default, unit and meaning of each limit, for the documentation."""
    return [
        (
            f"{PREFIX}{each.name.upper()}",
            int(str(each.default)),
            str(each.metadata["unit"]),
            str(each.metadata["what"]),
        )
        for each in fields(Limits)
    ]
