"""Single patches of a data set as pictures."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets.thumbnails import TRUE_COLOUR, open_thumbnails
from landcover.io import sources
from tests.support.bigearthnet_tree import PRODUCT, PatchSpec, v2_id, write_v2
from tests.support.own_folder import write_folder

SPECS = (PatchSpec(v2_id(0), ("Pastures",)), PatchSpec(v2_id(1), ("Mixed forest",), "test"))


def test_a_patch_of_bigearthnet_is_its_true_colour(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "bigearthnet", SPECS)
    thumbnails = open_thumbnails("bigearthnet-v2", root)
    assert set(thumbnails.readers) == {spec.patch_id for spec in SPECS}
    picture = thumbnails.picture(v2_id(1))
    patch = sources.read(root / "BigEarthNet-S2" / PRODUCT / v2_id(1))
    assert np.array_equal(picture, patch.image(TRUE_COLOUR))


def test_the_patch_of_a_picture_has_all_bands(tmp_path: Path) -> None:
    thumbnails = open_thumbnails("bigearthnet-v2", write_v2(tmp_path / "bigearthnet", SPECS))
    patch = thumbnails.patch(v2_id(0))
    assert patch is not None
    assert patch.bands == BAND_NAMES
    assert thumbnails.patch("nowhere") is None
    own = open_thumbnails("folder", write_folder(tmp_path / "own", 4))
    read = [own.patch(name) for name in own.patches]
    assert [one.data.shape for one in read if one is not None] == [(12, 120, 120)] * 4


def test_a_picture_of_eurosat_is_shown_unchanged(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=100, subsampling=0)
    with zipfile.ZipFile(tmp_path / "EuroSAT_RGB.zip", "w") as archive:
        archive.writestr("EuroSAT_RGB/Forest/Forest_7.jpg", buffer.getvalue())
    thumbnails = open_thumbnails("eurosat", tmp_path)
    with Image.open(buffer) as expected:
        assert np.array_equal(thumbnails.picture("Forest_7"), np.asarray(expected))


def test_missing_patches_and_folders_give_one_sentence(tmp_path: Path) -> None:
    thumbnails = open_thumbnails("bigearthnet-v2", write_v2(tmp_path / "bigearthnet", SPECS))
    with pytest.raises(BadInput, match="has no patch nowhere in this folder"):
        thumbnails.picture("nowhere")
    with pytest.raises(BadInput, match="There is no folder"):
        open_thumbnails("bigearthnet-v2", tmp_path / "nowhere")
    with pytest.raises(BadInput):
        open_thumbnails("eurosat", tmp_path)
    with pytest.raises(UnknownName):
        open_thumbnails("no-such", tmp_path)
