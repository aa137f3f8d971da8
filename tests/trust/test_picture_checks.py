"""Which pictures get a warning, and for which labels are withheld."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landcover.datasets.eurosat import open_eurosat
from landcover.io.images import picture_of
from landcover.trust.quality import quality_of
from tests.support.colour_pictures import pixels


def opaque(image: np.ndarray, share: float) -> np.ndarray:
    alpha = np.zeros(image.shape[:2], np.uint8)
    alpha[: round(share * len(alpha))] = 255
    return np.dstack([image, alpha])


def test_a_normal_picture_has_no_findings() -> None:
    found = quality_of(picture_of(pixels(), "p.png"))
    assert found.warnings == ()
    assert not found.abstained
    assert found.cloud_fraction is None


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full((64, 64, 3), 90, np.uint8), "The entire picture has one colour"),
        (np.repeat(pixels()[..., :1], 3, axis=2), "grey"),
        (opaque(pixels(), 0.25), "75% of the pixels are transparent: choose"),
    ],
)
def test_labels_are_withheld_for_unusable_pictures(image: np.ndarray, said: str) -> None:
    found = quality_of(picture_of(image, "p.png"))
    assert found.abstained
    assert said in found.warnings[0]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (opaque(pixels(), 0.9), "filled with the mean colour"),
        ((pixels() // 4).astype(np.uint8), "The colours differ from those of EuroSAT"),
        (pixels()[..., ::-1] // np.array([1, 1, 2], np.uint8), "blue 0.17"),
    ],
)
def test_unusual_pictures_get_a_warning(image: np.ndarray, said: str) -> None:
    found = quality_of(picture_of(np.ascontiguousarray(image), "p.png"))
    assert not found.abstained
    assert any(said in warning for warning in found.warnings)


@pytest.mark.parametrize(("side", "warned"), [(10.0, 0), (12.0, 0), (20.0, 1), (0.5, 1), (None, 0)])
def test_the_size_of_a_pixel_is_compared(side: float | None, warned: int) -> None:
    found = quality_of(replace(picture_of(pixels(), "p.png"), pixel_m=side))
    assert len(found.warnings) == warned


@pytest.mark.slow
@pytest.mark.data
def test_hardly_any_picture_of_eurosat_gets_a_warning(shared_data: Path) -> None:
    dataset = open_eurosat(shared_data / "eurosat")
    some = dataset.load_pictures(dataset.records("all")[::10])
    found = [quality_of(picture_of(image, "p")) for image in some.bytes]
    assert not any(each.abstained for each in found)
    assert sum(bool(each.warnings) for each in found) < 0.008 * len(found)
