"""Find the pixels of corrections among files: the same source, place and hash.

A correction names its source, never a path, so the files are given again. One that names none, as
in a file that was written by hand, is looked for in every file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from landcover.adapt.corrections import Correction, pixels_sha256
from landcover.core.bands import PATCH_PIXELS
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import Progress, Report, ignore
from landcover.core.raster import Raster
from landcover.core.text import place_text, plain
from landcover.core.window import Cut
from landcover.io import sources

__all__ = ["find", "paths"]

_NUDGE: Final = 2e-4
"""Degrees of latitude: 22 m."""


def paths(named: Sequence[str]) -> list[str]:
    """List the sources that are named, with those in folders and zips.

    Raises:
        BadInput: a folder contains none, or too many.
    """
    return [each for one in named for each in sources.expand(one.strip())]


def find(
    corrections: Sequence[Correction], among: Sequence[str], report: Report = ignore
) -> tuple[list[tuple[Correction, Raster]], list[str]]:
    """Read the window of each correction.

    Args:
        corrections: what to look for.
        among: samples and paths of files, as :func:`paths` returns them.
        report: called with the number of corrections done.

    Returns:
        The corrections that were found, with their windows; and a sentence about each other one.
    """
    found, lost = [], []
    for done, one in enumerate(corrections, start=1):
        try:
            found.append((one, _window(one, among)))
        except LandcoverError as error:
            lost.append(f"{place_text(*one.place)}: {error}")
        report(Progress(what="Pixels", done=done, total=len(corrections), unit="windows"))
    return found, lost


def _window(one: Correction, among: Sequence[str]) -> Raster:
    """Read the window of a correction from the first source that has it.

    Raises:
        BadInput: no source has it, or its pixels have changed.
    """
    candidates = [each for each in among if not one.source or _name(each) == one.source]
    if not candidates:
        raise BadInput(
            f"'{plain(one.source)[:60]}' is not among the sources: name the folder with that file."
        )
    cut, why = Cut(size=PATCH_PIXELS, place=_inside(one)), BadInput("no source has its place.")
    for each in candidates:
        try:
            patch = sources.read(each, cut)
        except LandcoverError as error:
            why = BadInput(str(error)) if one.source else why
            continue
        if one.pixels_sha256 in ("", pixels_sha256(patch)):
            return patch
        why = BadInput("the pixels are not those that were corrected: name the file of that day.")
    raise why


def _name(source: str) -> str:
    return source if source in sources.samples.NAMES else Path(source).name


def _inside(one: Correction) -> tuple[float, float]:
    """Return the place to cut around.

    Windows start at multiples of six pixels, and the centre of one lies on such a line: a point
    some 20 m to the south-east of it belongs to the same window, whatever rounding does.
    """
    latitude, longitude = one.place
    if not one.pixels_sha256:
        return latitude, longitude
    return latitude - _NUDGE, longitude + _NUDGE / max(math.cos(math.radians(latitude)), 0.01)
