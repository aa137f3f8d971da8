"""Bad patches for which labels should be withheld: good ones, each corrupted in one way.

The corruptions imitate errors that users make with files (offsets, scales, orders of bands,
photographs) and effects of weather (cloud, shadow, snow). Real bad scenes are in
:mod:`landcover.trust.bench.real_scenes`. Each group states what it is made of, since a detection
rate only holds for that kind of patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from landcover.core.bands import BAND_NAMES, BANDS_10M, BANDS_20M, BANDS_60M
from landcover.core.raster import BoolArray, FloatArray, Raster

__all__ = [
    "CLOUD",
    "CORRUPTIONS",
    "OFFSET",
    "PHOTOGRAPHS",
    "SHADE",
    "SNOW",
    "Corruption",
    "Floats",
    "Group",
    "Kind",
    "blob",
    "made_groups",
    "paint",
    "photographs",
    "reorder_bands",
    "with_pixels",
]

Kind = Literal["bad", "elsewhere", "good"]
"""``elsewhere``: good pixels of a place unlike the training data; ``good``: good
pixels of a familiar landscape, where every alarm is a false one."""
Floats = npt.NDArray[np.floating]

CLOUD: Final = (0.77, 0.79, 0.75, 0.75, 0.79, 0.78, 0.77, 0.82, 0.75, 1.13, 0.43, 0.31)
"""Median reflectance per band of the pixels above 0.5 in B02 of Boadella on 2020-01-23."""
SNOW: Final = (0.51, 0.50, 0.43, 0.43, 0.46, 0.50, 0.49, 0.53, 0.49, 0.46, 0.06, 0.07)
"""Median reflectance per band of the pixels above 0.3 in B02 of the sample finland-snow."""
SHADE: Final = (0.55, 0.5, 0.45, 0.42, 0.4, 0.38, 0.38, 0.38, 0.37, 0.37, 0.35, 0.35)
"""Factor per band in a cloud's shadow, largest in blue because of light from the sky. An estimate
of the size shown by Zhu and Woodcock (2012), not a measurement."""
OFFSET: Final = np.float32(0.1)
"""The offset of processing baseline 04.00, +1000 in digital numbers, as reflectance."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Patches with one problem.

    Attributes:
        name: short name for files and tests.
        title: the problem, in words.
        kind: kind of the patches.
        real: whether a satellite acquired them like this; otherwise they were made.
        made_of: source of the patches.
        patches: function that makes the patches; every call gives the same ones.
    """

    name: str
    title: str
    kind: Kind
    real: bool
    made_of: str
    patches: Callable[[], Iterator[Raster]]


Corruption = Callable[[Raster, np.random.Generator], Raster]


def with_pixels(patch: Raster, pixels: Floats, valid: BoolArray | None = None) -> Raster:
    """Replace the patch's reflectance ``(band, y, x)``."""
    return replace(
        patch,
        data=pixels.astype(np.float32),
        valid=patch.valid if valid is None else valid,
    )


def reorder_bands(patch: Raster, names: Sequence[str]) -> Raster:
    """Reorder the pixels as if bands in this order had been mistaken for the documented one."""
    order = [patch.bands.index(name) for name in names]
    return with_pixels(patch, patch.data[order])


def blob(shape: tuple[int, int], share: float, rng: np.random.Generator) -> FloatArray:
    """Make a soft-edged, cloud-like mask ``(y, x)``, 0 to 1, over about that share of the pixels.

    Smooth noise (a Gaussian field with a sigma of 12 pixels, 120 m) above the quantile that
    gives the share, with an edge about 50 m wide.
    """
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow to import

    field = gaussian_filter(rng.standard_normal(shape), 12, mode="reflect")
    field /= field.std()
    height = np.quantile(field, 1 - share)
    mask: FloatArray = np.clip((field - height) / 0.4 + 0.5, 0, 1).astype(np.float32)
    return mask


def paint(patch: Raster, spectrum: Sequence[float], cover: FloatArray) -> Raster:
    """Paint a spectrum over a patch.

    Args:
        patch: the patch.
        spectrum: reflectance per band, in the patch's order.
        cover: opacity ``(y, x)``, 0 to 1.
    """
    colour = np.asarray(spectrum, dtype=np.float32)[:, None, None]
    return with_pixels(patch, patch.data * (1 - cover) + colour * cover)


def _cloud(patch: Raster, rng: np.random.Generator) -> Raster:
    cover = blob(patch.valid.shape, rng.uniform(0.25, 0.8), rng) * rng.uniform(0.6, 1.0)
    return paint(patch, CLOUD, cover.astype(np.float32))


def _snow(patch: Raster, rng: np.random.Generator) -> Raster:
    return paint(patch, SNOW, blob(patch.valid.shape, rng.uniform(0.4, 0.9), rng))


def _shadow(patch: Raster, rng: np.random.Generator) -> Raster:
    mask = blob(patch.valid.shape, rng.uniform(0.3, 0.7), rng)
    left = np.asarray(SHADE, dtype=np.float32)[:, None, None]
    return with_pixels(patch, patch.data * (1 - mask * (1 - left)))


def _gaps(patch: Raster, rng: np.random.Generator) -> Raster:
    valid = np.array(patch.valid)
    valid[: round(rng.uniform(0.1, 0.9) * patch.height)] = False
    return with_pixels(patch, patch.data * valid, valid)


def _saturated(patch: Raster, rng: np.random.Generator) -> Raster:
    mask = blob(patch.valid.shape, rng.uniform(0.03, 0.3), rng) > 0.5
    pixels = np.array(patch.data)
    pixels[:, mask] = 6.5535
    return with_pixels(patch, pixels)


def _constant(patch: Raster, rng: np.random.Generator) -> Raster:
    flat = np.full_like(patch.data, rng.uniform(0.0, 0.5))
    return with_pixels(patch, flat)


def _white_noise(patch: Raster, rng: np.random.Generator) -> Raster:
    return with_pixels(patch, rng.uniform(0, 0.5, patch.data.shape))


def _matched_noise(patch: Raster, rng: np.random.Generator) -> Raster:
    mean = patch.data.mean(axis=(1, 2), keepdims=True)
    std = patch.data.std(axis=(1, 2), keepdims=True)
    return with_pixels(patch, mean + std * rng.standard_normal(patch.data.shape))


def _shuffled(patch: Raster, rng: np.random.Generator) -> Raster:
    """Shuffle the pixels; each keeps its spectrum."""
    flat = patch.data.reshape(len(patch.bands), -1)
    return with_pixels(patch, flat[:, rng.permutation(flat.shape[1])].reshape(patch.data.shape))


def _random_order(patch: Raster, rng: np.random.Generator) -> Raster:
    return reorder_bands(patch, [str(name) for name in rng.permutation(np.array(BAND_NAMES))])


def _band_lost(patch: Raster, rng: np.random.Generator) -> Raster:
    pixels = np.array(patch.data)
    pixels[rng.integers(len(patch.bands))] = 0
    return with_pixels(patch, pixels)


def _swapped(first: str, second: str) -> Corruption:
    names = [{first: second, second: first}.get(name, name) for name in BAND_NAMES]
    return lambda patch, _: reorder_bands(patch, names)


def _scaled(factor: float, shift: float = 0.0) -> Corruption:
    def corrupt(patch: Raster, _: np.random.Generator) -> Raster:
        return with_pixels(patch, patch.data * np.float32(factor) + np.float32(shift))

    return corrupt


_ALPHABETICAL: Final = sorted(BAND_NAMES)
_BY_GRID: Final = (*BANDS_10M, *BANDS_20M, *BANDS_60M)

CORRUPTIONS: Final[dict[str, tuple[str, Corruption]]] = {
    "offset-left": ("+1000 of baseline 04.00 not removed", _scaled(1, float(OFFSET))),
    "offset-twice": ("the offset removed twice", _scaled(1, -float(OFFSET))),
    "times-10000": ("digital numbers mistaken for reflectance", _scaled(1e4)),
    "over-10000": ("divided by 10000 twice", _scaled(1e-4)),
    "times-2.75": ("reflectance stretched to 8 bits, over 0.36", _scaled(1 / 0.36)),
    "constant": ("one value everywhere", _constant),
    "gaps": ("10 to 90 % of the pixels without data", _gaps),
    "saturated": ("3 to 30 % of the pixels saturated", _saturated),
    "alphabetical": (
        "files sorted by name: B8A last",
        lambda p, _: reorder_bands(p, _ALPHABETICAL),
    ),
    "by-grid": ("bands sorted by resolution", lambda p, _: reorder_bands(p, _BY_GRID)),
    "reversed": ("bands in reverse order", lambda p, _: reorder_bands(p, BAND_NAMES[::-1])),
    "red-blue": ("B02 and B04 swapped", _swapped("B02", "B04")),
    "nir-swir": ("B08 and B11 swapped", _swapped("B08", "B11")),
    "nir-red-edge": ("B08 and B05 swapped", _swapped("B08", "B05")),
    "random-order": ("bands in a random order", _random_order),
    "band-lost": ("one band filled with 0", _band_lost),
    "white-noise": ("uniform noise from 0 to 0.5", _white_noise),
    "matched-noise": ("noise with the mean and deviation of a patch's bands", _matched_noise),
    "shuffled": ("a patch's pixels in a random order", _shuffled),
    "painted-cloud": ("a cloud painted over 25 to 80 %", _cloud),
    "painted-shadow": ("a cloud's shadow painted over 30 to 70 %", _shadow),
    "painted-snow": ("snow painted over 40 to 90 %", _snow),
}
"""Name → title and function that corrupts a patch; all keep its place and date."""


def made_groups(patches: Sequence[Raster], *, seed: int = 0) -> tuple[Group, ...]:
    """Make one group per corruption, and the photographs.

    Args:
        patches: good patches of 12 bands.
        seed: random seed; each patch of each group has its own random generator.
    """
    groups = [
        Group(
            name=name,
            title=title,
            kind="bad",
            real=False,
            made_of=f"{len(patches)} good patches, corrupted",
            patches=partial(_corrupted, patches, how, (seed, number)),
        )
        for number, (name, (title, how)) in enumerate(CORRUPTIONS.items())
    ]
    return (*groups, *photographs(patches))


def _corrupted(
    patches: Sequence[Raster], how: Corruption, seed: tuple[int, int]
) -> Iterator[Raster]:
    for index, patch in enumerate(patches):
        yield how(patch, np.random.default_rng((*seed, index)))


PHOTOGRAPHS: Final = ("china.jpg", "flower.jpg")
_WINDOWS: Final = 12
"""Windows per photograph."""


def photographs(patches: Sequence[Raster]) -> tuple[Group, ...]:
    """Make twelve-band patches from the two photographs in scikit-learn, in two ways.

    The colours, scaled to 0 to 0.3, become the visible bands; the invisible bands are
    filled with the grey value, or with red.

    Args:
        patches: one or more patches whose places and dates are used.
    """
    return tuple(
        Group(
            name=f"photograph-{way}",
            title=f"a photograph, with {way} in the invisible bands",
            kind="bad",
            real=False,
            made_of=f"{_WINDOWS} windows each of {' and '.join(PHOTOGRAPHS)} of scikit-learn",
            patches=partial(_photographs, patches, way),
        )
        for way in ("grey", "red")
    )


def _photographs(patches: Sequence[Raster], way: str) -> Iterator[Raster]:
    from sklearn.datasets import load_sample_image  # noqa: PLC0415 - slow to import

    for number, name in enumerate(PHOTOGRAPHS):
        picture = load_sample_image(name).astype(np.float32) * np.float32(0.3 / 255)
        rng = np.random.default_rng(number)
        for index in range(_WINDOWS):
            patch = patches[index % len(patches)]
            row = rng.integers(picture.shape[0] - patch.height + 1)
            col = rng.integers(picture.shape[1] - patch.width + 1)
            view = picture[row : row + patch.height, col : col + patch.width]
            red, green, blue = np.moveaxis(view, -1, 0)
            rest = red if way == "red" else view.mean(axis=-1)
            colours = {"B01": blue, "B02": blue, "B03": green, "B04": red}
            yield with_pixels(patch, np.stack([colours.get(band, rest) for band in patch.bands]))
