"""The bands of a stack: by their names, their colours, or the documented order."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from landcover.core.bands import BAND_NAMES, L1C_BAND_NAMES
from landcover.core.errors import BadInput
from landcover.io.band_names import band_of, candidates, identify
from landcover.io.band_order import band_order
from landcover.io.stack import read_stack
from tests.support.stack_files import numbers, tif


@pytest.mark.parametrize(
    "names",
    [
        ("B1", "b02", "B3 green", "S2_B04_10m", "B05", "B6", "B07", "B08", "b8a", "B9", "B11", "B12"),
        ("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22"),
    ],
)  # fmt: skip
def test_descriptions_decide_the_order(names: tuple[str, ...]) -> None:
    order = [11, 3, 0, 8, 7, 1, 2, 10, 4, 5, 6, 9]
    pixels = numbers()
    patch = read_stack(tif(pixels[order], bands=tuple(names[i] for i in order)), "a.tif")
    np.testing.assert_allclose(patch.data, pixels / 1e4, rtol=1e-6)
    assert patch.bands == BAND_NAMES
    assert patch.provenance.band_order == "band descriptions"


@pytest.mark.parametrize(
    "bands",
    [("B04", "B03", "B02"), ("red", "green", "blue", "nir"), (*BAND_NAMES[1:9], "B11", "B12"),
     ("Blue", "Green", "Red", "Narrow NIR", "SWIR 1", "SWIR 2"), BAND_NAMES[1:], BAND_NAMES[:10]],
)  # fmt: skip
def test_any_bands_that_include_blue_green_and_red_are_read(bands: tuple[str, ...]) -> None:
    pixels = numbers(len(bands))
    patch = read_stack(tif(pixels, bands=bands), "a.tif")
    assert patch.bands == tuple(band for band in BAND_NAMES if band in patch.bands)
    assert patch.provenance.missing_bands == tuple(b for b in BAND_NAMES if b not in patch.bands)
    assert len(patch.bands) == len(bands)
    order = [bands.index(name) for name in bands if band_of(name) == "B04"]
    np.testing.assert_allclose(patch.band("B04"), pixels[order[0]] / 1e4, rtol=1e-6)


RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@pytest.mark.parametrize(
    ("colours", "bands"),
    [
        (RGB, ("B02", "B03", "B04")),
        ((*RGB, ColorInterp.nir), ("B02", "B03", "B04", "B08")),
        ((*RGB, ColorInterp.alpha), ("B02", "B03", "B04")),
    ],
)
def test_three_or_four_bands_without_names_are_known_by_their_colours(
    colours: tuple[ColorInterp, ...], bands: tuple[str, ...]
) -> None:
    data = tif(numbers(len(colours)), photometric="RGB", colours=colours)
    patch = read_stack(data, "a.tif")
    assert patch.bands == bands
    assert patch.band("B04")[0, 0] == pytest.approx(0.05)


def test_further_bands_are_ignored() -> None:
    patch = read_stack(tif(numbers(14), bands=(*BAND_NAMES, "SCL", "AOT")), "a.tif")
    assert patch.bands == BAND_NAMES
    assert patch.provenance.level == "L2A"
    assert "2 other bands ignored" in patch.provenance.band_order


def test_eurosats_order_is_read_from_the_descriptions() -> None:
    names = (*(n for n in L1C_BAND_NAMES if n != "B8A"), "B8A")
    patch = read_stack(tif(numbers(13), bands=names), "a.tif")
    assert patch.bands == L1C_BAND_NAMES
    assert patch.band("B8A")[0, 0] == pytest.approx(0.17)
    assert patch.provenance.level == "L1C"


def test_partial_descriptions_must_agree() -> None:
    patch = read_stack(tif(bands=("B01", "B02", *["" for _ in range(10)])), "a.tif")
    assert "2 band descriptions agree" in patch.provenance.band_order
    with pytest.raises(BadInput, match="band 1 is B02 instead of B01"):
        read_stack(tif(bands=("B02", *["" for _ in range(11)])), "a.tif")


VOCABULARIES = {
    "planetary computer": ("Band 1 - Coastal aerosol - 60m", "Band 2 - Blue - 10m", "Band 3 - Green - 10m", "Band 4 - Red - 10m", "Band 5 - Vegetation red edge 1 - 20m", "Band 6 - Vegetation red edge 2 - 20m", "Band 7 - Vegetation red edge 3 - 20m", "Band 8 - NIR - 10m", "Band 8A - Vegetation red edge 4 - 20m", "Band 9 - Water vapor - 60m", "Band 11 - SWIR (1.6) - 20m", "Band 12 - SWIR (2.2) - 20m"),
    "earth search": ("Coastal - 60m", "Blue - 10m", "Green - 10m", "Red - 10m", "Red Edge 1 - 20m", "Red Edge 2 - 20m", "Red Edge 3 - 20m", "NIR 1 - 10m", "NIR 2 - 20m", "NIR 3 - 60m", "SWIR 1 - 1.6μm - 20m", "SWIR 2 - 2.2μm - 20m"),
    "copernicus": ("Coastal aerosol (band 1) - 60m", "Blue (band 2) - 10m", "Green (band 3) - 10m", "Red (band 4) - 10m", "Red edge 1 (band 5) - 20m", "Red edge 2 (band 6) - 20m", "Red edge 3 (band 7) - 20m", "NIR 1 (band 8) - 10m", "NIR 2 (band 8A) - 20m", "NIR 3 (band 9) - 60m", "SWIR 1 (band 11) - 20m", "SWIR 2 (band 12) - 20m"),
    "stac 2": ("coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078", "nir", "nir08", "nir09", "swir16", "swir22"),
    "digital earth africa": ("coastal_aerosol", "blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir_1", "nir_2", "water_vapour", "swir_1", "swir_2"),
    "digital earth australia": ("nbart_coastal_aerosol", "nbart_blue", "nbart_green", "nbart_red", "nbart_red_edge_1", "nbart_red_edge_2", "nbart_red_edge_3", "nbart_nir_1", "nbart_nir_2", "B09", "nbart_swir_2", "nbart_swir_3"),
    "terratorch": ("COASTAL_AEROSOL", "BLUE", "GREEN", "RED", "RED_EDGE_1", "RED_EDGE_2", "RED_EDGE_3", "NIR_BROAD", "NIR_NARROW", "WATER_VAPOR", "SWIR_1", "SWIR_2"),
    "force": ("COASTAL", "BLUE", "GREEN", "RED", "REDEDGE1", "REDEDGE2", "REDEDGE3", "BROADNIR", "NIR", "VAPOR", "SWIR1", "SWIR2"),
    "indices": ("A", "B", "G", "R", "RE1", "RE2", "RE3", "N", "N2", "WV", "S1", "S2"),
    "wavelengths": ("443 nm", "490 nm", "560nm", "0.665 um", "705 nm", "740 nm", "783 nm", "842 nm", "865 nm", "945 nm", "1610 nm", "2190 nm"),
    "files": tuple(f"T33UUP_20170613T101031_{name}_20m.jp2" for name in BAND_NAMES),
    "counted with words": ("Band 1: coastal", "Band 2: blue", "Band 3: green", "Band 4: red", "Band 5: red edge 1", "Band 6: red edge 2", "Band 7: red edge 3", "Band 8: NIR", "Band 9: narrow NIR", "Band 10: water vapour", "Band 11: SWIR 1", "Band 12: SWIR 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", VOCABULARIES)
@given(st.permutations(range(12)))
def test_vocabularies_are_understood_in_any_order(name: str, order: list[int]) -> None:
    names = VOCABULARIES[name]
    found = band_order([names[i] for i in order])
    assert found.bands == BAND_NAMES
    assert [order[index - 1] for index in found.indexes] == list(range(12))
    assert found.notes == ()


def test_a_word_that_several_bands_share_stands_for_them_in_the_files_order() -> None:
    names = (
        "blue",
        "green",
        "red",
        "rededge",
        "rededge",
        "rededge",
        "nir",
        "rededge",
        "swir",
        "swir",
    )
    found = band_order(names)
    assert found.bands == (*BAND_NAMES[1:9], "B11", "B12")
    assert found.indexes == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert found.notes == (
        "2 bands are named 'swir'; they were taken as B11, B12 in the file's order",
        "4 bands are named 'rededge'; they were taken as B05, B06, B07, B8A in the file's order",
    )
    one = band_order(("blue", "green", "red", "rededge", "SCL"))
    assert one.bands == ("B02", "B03", "B04")
    assert one.notes == ("band names that were not understood: 'rededge', 'SCL'",)


@pytest.mark.parametrize("names", [
    [f"b{i}" for i in range(1, 13)], [f"Band {i}" for i in range(1, 13)], [str(i) for i in range(1, 13)],
    [f"B{i:02d}" for i in range(1, 13)],
])  # fmt: skip
def test_names_that_only_count_say_nothing(names: list[str]) -> None:
    assert band_order(names).description == "documented order B01 … B12 (of 12)"
    with pytest.raises(BadInput, match="4 bands that are only numbered"):
        band_order([f"b{i}" for i in range(1, 5)])


def test_a_stack_of_another_sensor_is_refused() -> None:
    with pytest.raises(
        BadInput, match=r"not understood: 'SR_B2', 'SR_B3', 'SR_B4', 'SR_B5'\): give"
    ):
        band_order(("SR_B2", "SR_B3", "SR_B4", "SR_B5"))


@pytest.mark.parametrize("name", [
    "B4 blue", "view_zenith_B2", "B8 narrow nir", "B02 B03", "quality", "SR_B5", "sur_refl_b01",
    "LC08_B4",
])  # fmt: skip
def test_layers_about_a_band_and_contradictions_are_not_bands(name: str) -> None:
    assert candidates(name) == ()


def test_names_in_the_metadata_of_the_bands_are_read() -> None:
    order = (11, 3, 0, 8, 7, 1, 2, 10, 4, 5, 6, 9)
    pixels = numbers()
    items = [{"DESCRIPTION": BAND_NAMES[i]} for i in order]
    patch = read_stack(tif(pixels[list(order)], items=items), "a.tif")
    np.testing.assert_allclose(patch.data, pixels / 1e4, rtol=1e-6)
    assert patch.provenance.band_order == "names in the metadata of the bands"
    envi = {f"Band_{i}": BAND_NAMES[at] for i, at in enumerate(order, 1)}
    patch = read_stack(tif(pixels[list(order)], tags=envi), "a.tif")
    np.testing.assert_allclose(patch.data, pixels / 1e4, rtol=1e-6)


def write_sidecar(path: Path, names: tuple[str, ...]) -> None:
    bands = "".join(
        f"<PAMRasterBand band='{i}'><Description>{name}</Description></PAMRasterBand>"
        for i, name in enumerate(names, 1)
    )
    path.write_text(f"<PAMDataset>{bands}</PAMDataset>", encoding="utf-8")


def test_names_in_a_sidecar_are_read_from_disk(tmp_path: Path) -> None:
    path, sidecar = tmp_path / "a.tif", tmp_path / "a.tif.aux.xml"
    path.write_bytes(tif())
    write_sidecar(sidecar, BAND_NAMES[::-1])
    patch = read_stack(path, path.name)
    assert patch.provenance.band_order == "names in the sidecar .aux.xml"
    assert patch.band("B12")[0, 0] == pytest.approx(0.05)
    assert read_stack(path.read_bytes(), "a.tif").band("B01")[0, 0] == pytest.approx(0.05)
    sidecar.write_text("<!DOCTYPE a [<!ENTITY b 'c'>]><PAMDataset>&b;</PAMDataset>")
    with pytest.raises(BadInput, match=r"The sidecar 'a.tif.aux.xml' is damaged"):
        read_stack(path, path.name)


def test_a_mask_next_to_the_file_is_read_from_disk(tmp_path: Path) -> None:
    path, sidecar = tmp_path / "a.tif", tmp_path / "a.tif.msk"
    path.write_bytes(tif())
    mask = np.full((1, 120, 120), 255, dtype=np.uint8)
    mask[:, :30] = 0
    sidecar.write_bytes(tif(mask))
    patch = read_stack(path, path.name)
    assert not patch.valid[:30].any()
    assert patch.valid[30:].all()
    assert read_stack(path.read_bytes(), "a.tif").valid.all()
    sidecar.write_bytes(tif(mask[:, :60]))
    with pytest.raises(BadInput, match=r"The mask 'a.tif.msk' has another size than its file"):
        read_stack(path, path.name)


def test_metadata_that_takes_too_long_to_read_are_refused_before_opening() -> None:
    data = tif(tags={f"key{i}": "value" * 20 for i in range(5_000)})
    with pytest.raises(BadInput, match=r"more than 3,000 metadata items, which takes too long"):
        read_stack(data, "a.tif")
    assert read_stack(tif(tags={"key": "value"}, BIGTIFF="YES"), "a.tif").valid.all()


@given(st.lists(st.one_of(st.none(), st.text(), st.sampled_from(["b1", "nir", "rededge", "B04"]))))
def test_any_names_give_an_order_or_a_sentence(names: list[str | None]) -> None:
    found = identify(names)
    assert len(found.bands) == len(names)
    assert set(found.bands) <= {None, *L1C_BAND_NAMES}
    with contextlib.suppress(BadInput):
        order = band_order(names)
        assert {"B02", "B03", "B04"} <= set(order.bands)
        assert list(order.bands) == [b for b in L1C_BAND_NAMES if b in order.bands]
        assert not set(order.missing) & set(order.bands)
