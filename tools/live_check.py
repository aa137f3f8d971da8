"""Check live imagery against the real archives; needs internet access: ``make live``.

The script searches every archive at a few fixed places and dates, fetches a patch from each and
prints one line for it. If two archives have the same pass, both must give the same reflectance.
The exit status is 1 if anything failed.

The variables ``LANDCOVER_CATALOG_…`` select other servers, as in the app; ``--place`` and
``--date`` replace the fixed places and dates.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from landcover.core.errors import BadInput, LandcoverError
from landcover.core.progress import Progress
from landcover.core.raster import Raster
from landcover.io.scaling import darkest
from landcover.stac import catalog
from landcover.stac.catalog import CATALOGUES, Candidate, SceneQuery, SearchResult

PLACES: Final[Mapping[str, tuple[float, float]]] = {
    "Vienna": (48.2082, 16.3738),
    "Fiji, antimeridian": (-16.8300, 180.0),
    "Svalbard": (78.2200, 15.6500),
    "Buenos Aires": (-34.6037, -58.3816),
    "Sahara": (24.5000, 5.0000),
    # Easting 409800 in zone 33, where tile 33UUP ends
    "tile border, Austria": (48.1259, 13.7879),
}
DATES: Final = (date(2019, 7, 15), date(2023, 7, 15))
"""Before and after ESA introduced the offset in January 2022. Svalbard has daylight on both."""

SAME_PASS: Final = timedelta(minutes=45)
"""Largest difference of time within a pass. Some archives state when the pass began, others when
the granule was acquired, up to about 40 minutes later; the next pass over a place is at least one
orbit of 100 minutes later."""
MIN_EQUAL_SHARE: Final = 0.98
"""Minimum share of equal pixels if both archives have the same processing baseline."""
MAX_MEDIAN_DIFFERENCE: Final = 0.02
"""Maximum median difference of reflectance if the processing baselines differ."""
CLIP_REFLECTANCE: Final = 0.0001
"""Reflectance at which Earth Search clips; ESA's values go down to -0.1."""
TOO_DARK: Final = -0.05
"""No surface has a lower reflectance: the offset was subtracted twice."""


@dataclass(kw_only=True)
class Line:
    """The result of one archive at one place and date.

    Attributes:
        requests, bytes: for pixels, without the search.
        failure: a sentence that says what is wrong, or "".
        agreement: how the pixels compare with another archive's, if that has the same pass.
        reached: whether the archive responded at all.
    """

    catalogue: str
    place: str
    wanted: str
    scene: str = ""
    acquired: str = ""
    baseline: str | None = None
    scaling: str = ""
    darkest: float | None = None
    cloud: float | None = None
    nodata: float | None = None
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    agreement: str = ""
    failure: str = ""
    reached: bool = True

    @property
    def text(self) -> str:
        """The result as one line of text."""
        head = f"{self.catalogue} · {self.place} · {self.wanted}"
        if not self.scene:
            return f"FAILED {head}: {self.failure}"
        parts = [
            f"{'FAILED' if self.failure else 'ok'} {head}: {self.scene}",
            f"baseline {self.baseline or 'not stated'}",
            self.scaling,
            f"darkest {self.darkest:.3f}" if self.darkest is not None else "nothing visible",
            "cloud unknown" if self.cloud is None else f"cloud {self.cloud:.0%}",
            f"{self.requests} requests, {self.bytes / 1e6:.2f} MB, {self.seconds:.1f} s",
            self.agreement,
            self.failure,
        ]
        return " · ".join(part for part in parts if part)


@dataclass
class Traffic:
    """Sum of the requests and bytes that several jobs report; each job counts from zero."""

    requests: int = 0
    bytes: int = 0
    _last: Progress = field(default_factory=lambda: Progress(what=""))

    def __call__(self, progress: Progress) -> None:
        """Add a report of :func:`catalog.find` or :func:`catalog.fetch`."""
        begun = progress.requests < self._last.requests
        self.requests += progress.requests - (0 if begun else self._last.requests)
        self.bytes += progress.bytes - (0 if begun else self._last.bytes)
        self._last = progress


def check(
    names: Iterable[str], place: str, where: tuple[float, float], day: date
) -> Iterator[Line]:
    """Yield one line for each archive, compared with the first archive that gave a patch."""
    first: tuple[str, Candidate, Raster] | None = None
    for name in names:
        line = Line(catalogue=name, place=place, wanted=str(day))
        traffic, begin = Traffic(), time.monotonic()
        try:
            result = catalog.find(name, SceneQuery.around(*where, day), report=traffic)
            candidate, same = _chosen(result, first[1] if first else None)
            patch = catalog.fetch(candidate, report=traffic)
        except LandcoverError as fault:
            line.failure = str(fault)
            line.reached = isinstance(fault, BadInput) or traffic.requests > 0
            yield line
            continue
        line.seconds = time.monotonic() - begin
        line.requests, line.bytes = traffic.requests, traffic.bytes
        _describe(line, candidate, patch)
        if first is None:
            first = name, candidate, patch
        elif same:
            _compare(line, patch, first[0], first[2])
        else:
            line.agreement = f"{first[0]} has another pass"
        yield line


def _chosen(result: SearchResult, other: Candidate | None) -> tuple[Candidate, bool]:
    """Return the pass that the other archive gave, or else the best; and whether it is the same."""
    if result.best is None:
        raise BadInput(result.reason)
    for candidate in result.candidates if other else ():
        assert other is not None
        near = abs(candidate.acquired - other.acquired) <= SAME_PASS
        if near and candidate.target == other.target:
            return candidate, True
    return result.candidates[result.best], False


def _describe(line: Line, candidate: Candidate, patch: Raster) -> None:
    source = patch.provenance
    line.scene, line.baseline, line.scaling = source.scene or "", source.baseline, source.scaling
    line.acquired = candidate.acquired.isoformat()
    if candidate.preview is not None:
        line.cloud, line.nodata = candidate.preview.cloud, candidate.preview.nodata
    if not patch.valid.any():
        return
    line.darkest = darkest(patch.data[:, patch.valid])
    if line.darkest < TOO_DARK:
        line.failure = f"no surface is as dark as {line.darkest:.3f}: the offset is wrong"


def _compare(line: Line, patch: Raster, name: str, other: Raster) -> None:
    both = patch.valid & other.valid
    if not both.any():
        line.agreement = f"no pixel in common with {name}"
        return
    here, there = (np.maximum(p.data[:, both], CLIP_REFLECTANCE) for p in (patch, other))
    difference = np.abs(here - there)
    share = float((difference < 0.00005).mean())
    middle = float(np.median(difference))
    same = line.baseline == other.provenance.baseline
    line.agreement = f"{share:.1%} of pixels equal to {name}'s" + (
        "" if same else f" (baseline {other.provenance.baseline}), median difference {middle:.4f}"
    )
    if same and share < MIN_EQUAL_SHARE:
        line.failure = line.failure or "the two archives differ"
    elif middle > MAX_MEDIAN_DIFFERENCE:
        line.failure = line.failure or "the two archives differ by more than processing explains"


def main() -> int:
    """Run all checks, print them and return the exit status."""
    options = _options()
    places = dict(options.place) or PLACES
    failed = found = 0
    unreachable: set[str] = set()
    answered: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="landcover-live-") as home:
        os.environ["LANDCOVER_HOME"] = home  # an empty cache, so that everything is requested
        for day in options.date or DATES:
            for place, where in places.items():
                # An archive that never responded is not requested again.
                names = [name for name in options.catalog if name not in unreachable]
                for line in check(names, place, where, day):
                    if line.reached:
                        answered.add(line.catalogue)
                    elif line.catalogue not in answered:
                        unreachable.add(line.catalogue)
                    failed += bool(line.failure)
                    found += bool(line.scene)
                    print(json.dumps(asdict(line)) if options.json else line.text, flush=True)
    print(f"{found} patches fetched, {failed} failures", file=sys.stderr)
    return 1 if failed or not found else 0


def _options() -> Any:  # noqa: ANN401 - argparse has no better type
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    open_to_all = [name for name, row in CATALOGUES.items() if not row.needs]
    parser.add_argument(
        "--catalog",
        action="append",
        choices=list(CATALOGUES),
        help=f"may be repeated (default: {' and '.join(open_to_all)})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--place",
        action="append",
        type=_place,
        default=[],
        metavar="NAME=LAT,LON",
        help="may be repeated",
    )
    parser.add_argument(
        "--date",
        action="append",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="may be repeated",
    )
    options = parser.parse_args()
    options.catalog = options.catalog or open_to_all
    return options


def _place(text: str) -> tuple[str, tuple[float, float]]:
    name, _, numbers = text.rpartition("=")
    latitude, longitude = numbers.split(",")
    return name or numbers, (float(latitude), float(longitude))


if __name__ == "__main__":
    sys.exit(main())
