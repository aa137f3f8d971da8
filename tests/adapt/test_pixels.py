"""Test finding the pixels of corrections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landcover.adapt import corrections, pixels
from landcover.adapt.corrections import Correction, of_answer
from landcover.core.raster import Raster
from landcover.core.window import Cut
from landcover.io import sources
from tests.support import stack_files

SAMPLE = "finland-lake"


def correct(patch: Raster) -> Correction:
    return of_answer(patch, {}, predicted=[], present=["Inland waters"])


def test_a_window_is_found_by_its_source_and_hash() -> None:
    patch = sources.read(SAMPLE)
    found, lost = pixels.find([correct(patch)], ["austria-fields", SAMPLE])
    assert lost == []
    assert (found[0][1].data == patch.data).all()


def test_other_pixels_are_not_taken() -> None:
    patch = sources.read(SAMPLE)
    other = replace(patch, data=patch.data * 0.5)
    found, lost = pixels.find([correct(other), correct(patch)], [SAMPLE])
    assert len(found) == 1
    assert "the pixels are not those that were corrected" in lost[0]


def test_a_correction_without_a_source_is_looked_for_everywhere() -> None:
    patch = sources.read(SAMPLE)
    plain = corrections.built(
        {"outline": [patch.centre], "added": ["Inland waters"], "made": "2026-11-29T12:00:00Z"}
    )
    (found,), lost = pixels.find([plain], ["austria-fields", SAMPLE])
    assert lost == []
    assert (found[1].data == patch.data).all()
    assert pixels.find([plain], ["austria-fields"])[1][0].endswith("no source has its place.")


@pytest.mark.parametrize("corner", [(0, 0), (60, 120), (126, 6), (180, 180)])
def test_a_window_of_a_scene_is_found_again(tmp_path: Path, corner: tuple[int, int]) -> None:
    path = tmp_path / "scene.tif"
    path.write_bytes(stack_files.tif(stack_files.numbers(side=300)))
    patch = sources.read(path, Cut(size=120, corner=corner))
    (found,), lost = pixels.find([correct(patch)], pixels.paths([str(tmp_path)]))
    assert lost == []
    assert found[1].transform == patch.transform
