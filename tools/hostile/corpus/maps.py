"""Finished maps: bytes of the header of a cover changed, cuts, and facts that are not so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import CANARY, Case, Gate, of_bytes, random_of
from tools.hostile.corpus.flips import CHANGES, tiff_spans

__all__ = ["cases"]

KIND: Final = "finished maps"
GATE: Final[Gate] = "map"
FILE: Final = "a-cover.tif"
_CUTS: Final = 60
_ODD: Final[tuple[dict[str, Any], ...]] = (
    {"dtype": "uint16"},
    {"dtype": "float32"},
    {"crs": None},
    {"crs": "EPSG:4326"},
    {"crs": "EPSG:3857"},
    {"nodata": None},
    {"nodata": 0},
    {"scale": 1.0},
    {"scale": float("nan")},
    {"scale": 1e308},
    {"west": 1e300},
    {"west": float("nan")},
    {"pixel": 0.0},
    {"pixel": 1e-300},
    {"pixel": -80.0},
    {"names": ("",)},
    {"names": ("Water", "Water")},
    {"names": tuple(f"cover {n}" for n in range(61))},
    {"names": tuple(f"cover {n}" for n in range(62))},
    {"names": ("=cmd|' /C calc'!A0",)},
    {"names": ("<script>alert(1)</script>", "a\nb", "\x1b[31m", "\u202e" * 400)},
    {"names": ("mask", "validity")},
    {"tags": {"LAYER": ""}},
    {"tags": {"LAYER": "presence"}},
    {"tags": {"LAYER": "decision"}},
    {"tags": {"LAYER": "cover" * 10_000}},
    {"tags": {"MAP": "\u0000" * 5}},
    {"tags": {f"CLASS_{n}": "x" for n in range(2_000)}},
    {"tags": {f"CLASS_{10**n}": "x" for n in range(300)}},
    {"tags": {"SOURCE": f"{CANARY}/secret"}},
    {"size": (1, 1)},
    {"size": (1, 70_000)},
    {"size": (70_000, 1)},
    {"size": (50_000, 50_000)},
)


def cases() -> Iterator[Case]:
    """Damaged maps, and maps that say what is not so."""
    yield of_bytes(KIND, "sound", f"sound-{FILE}", seeds.finished_map, gate=GATE)
    sound = seeds.finished_map()
    places = [at for start, end in tiff_spans(sound) for at in range(start, end)]
    for at in dict.fromkeys(places):
        for which, change in enumerate(CHANGES):
            data = partial(_changed, sound, at, change(sound[at]))
            yield of_bytes(KIND, f"byte {at}, {which}", FILE, data, gate=GATE)
    drawn = random_of(KIND)
    for _ in range(_CUTS):
        end = drawn.randrange(len(sound))
        yield of_bytes(KIND, f"first {end} bytes", FILE, sound[:end], gate=GATE)
    for number, facts in enumerate(_ODD):
        name = f"{number}: {next(iter(facts))}"
        yield of_bytes(KIND, name, FILE, partial(seeds.finished_map, **facts), gate=GATE)


def _changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]
