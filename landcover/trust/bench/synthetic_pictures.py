"""Bad colour pictures: drawn ones, photographs, and EuroSAT pictures that were altered.

They imitate what people upload instead of a picture of 640 m with pixels of 10 m: drawings,
screenshots, portraits, and scenes that were blurred, rotated, resized or compressed. All are
cut to the size of the model's input. The photographs are the portrait in matplotlib's sample data
and the two pictures in scikit-learn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from landcover.core.bands import EUROSAT_PIXELS as SIDE
from landcover.core.raster import ByteArray, FloatArray, Raster
from landcover.trust.bench.synthetic import PHOTOGRAPHS, Group

__all__ = ["ALTERATIONS", "DRAWN", "PORTRAIT", "Alteration", "bad_pictures"]

Alteration = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Takes a picture ``(y, x, 3)``, 0 to 1, and a random generator."""
PORTRAIT: Final = "grace_hopper.jpg"
"""A portrait in matplotlib's sample data, in the public domain."""
_SCREEN: Final = (720, 1280)


def _gradient(rng: np.random.Generator) -> FloatArray:
    """A rainbow in a random direction."""
    from matplotlib.colors import hsv_to_rgb  # noqa: PLC0415 - slow to import

    angle, turns = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 2)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    hue = (rng.random() + turns * (np.cos(angle) * x + np.sin(angle) * y)) % 1
    full = np.ones_like(hue)
    colours = hsv_to_rgb(np.stack([hue, full * rng.uniform(0.3, 1), full * rng.uniform(0.4, 1)], 2))
    return np.asarray(colours, dtype=np.float32)


def _screenshot(rng: np.random.Generator) -> FloatArray:
    """A window of a drawn screen with boxes and text, light or dark, with part of a line in it."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - slow to import

    dark = rng.random() < 0.5
    paper, ink = ((32, 35, 40), (220, 225, 230)) if dark else ((255, 255, 255), (30, 30, 30))
    screen = Image.new("RGB", _SCREEN[::-1], paper)
    draw = ImageDraw.Draw(screen)
    for _ in range(12):
        left, top = rng.integers(0, _SCREEN[1] - 200), rng.integers(0, _SCREEN[0] - 60)
        colour = tuple(rng.integers(0, 256, 3).tolist())
        corner = (int(left + rng.integers(40, 300)), int(top + rng.integers(16, 120)))
        draw.rectangle([(int(left), int(top)), corner], fill=colour)
    for line in range(8, _SCREEN[0], 16):
        words = ["".join(map(chr, rng.integers(97, 123, rng.integers(2, 10)))) for _ in range(30)]
        draw.text((int(rng.integers(4, 60)), line), " ".join(words), fill=ink)
    return _cut(np.asarray(screen), rng)


def _portrait(rng: np.random.Generator) -> FloatArray:
    """The portrait, entire or a window of it, at a random size."""
    from matplotlib import cbook  # noqa: PLC0415 - slow to import
    from PIL import Image  # noqa: PLC0415 - as above

    path = cbook.get_sample_data(PORTRAIT, asfileobj=False)
    photo = Image.open(str(path)).convert("RGB")
    side = int(rng.choice([SIDE, 128, 256]))
    small = photo.resize((side, round(side * photo.height / photo.width)))
    return _cut(np.asarray(small), rng)


def _photograph(rng: np.random.Generator) -> FloatArray:
    """A window of a photograph of a building or a flower, at a random size."""
    from PIL import Image  # noqa: PLC0415 - slow to import
    from sklearn.datasets import load_sample_image  # noqa: PLC0415 - as above

    photo = Image.fromarray(load_sample_image(str(rng.choice(PHOTOGRAPHS))))
    factor = rng.choice([1.0, 0.5, 0.2])
    small = photo.resize((round(photo.width * factor), round(photo.height * factor)))
    return _cut(np.asarray(small), rng)


def _cut(image: ByteArray, rng: np.random.Generator) -> FloatArray:
    top, left = (int(rng.integers(size - SIDE + 1)) for size in image.shape[:2])
    window = image[top : top + SIDE, left : left + SIDE]
    return window.astype(np.float32) / np.float32(255)


def _blurred(sigma: float) -> Alteration:
    def blur(image: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001 - as declared
        from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow to import

        found: FloatArray = gaussian_filter(image, (sigma, sigma, 0), mode="reflect")
        return found

    return blur


def _rotated(mode: str) -> Alteration:
    def rotate(image: FloatArray, rng: np.random.Generator) -> FloatArray:
        from scipy.ndimage import rotate as turn  # noqa: PLC0415 - slow to import

        degrees = float(rng.uniform(10, 80))
        found: FloatArray = turn(image, degrees, reshape=False, order=1, mode=mode, cval=0.0)
        return found

    return rotate


def _resized(factor: float) -> Alteration:
    def resize(image: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001 - as declared
        from PIL import Image  # noqa: PLC0415 - slow to import

        part = round(SIDE / factor)
        edge = (SIDE - part) // 2
        window = image[edge : edge + part, edge : edge + part]
        large = Image.fromarray((window * 255).astype(np.uint8)).resize((SIDE, SIDE))
        return np.asarray(large, dtype=np.float32) / np.float32(255)

    return resize


def _shrunk(image: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001 - as declared
    """Pixels of 20 m instead of 10 m; the picture is mirrored to fill the frame."""
    half = image.reshape(SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(1, 3))
    found: FloatArray = np.pad(half, ((0, SIDE // 2), (0, SIDE // 2), (0, 0)), mode="symmetric")
    return found


def _jpeg(quality: int) -> Alteration:
    def compress(image: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001 - as declared
        from PIL import Image  # noqa: PLC0415 - slow to import

        out = io.BytesIO()
        Image.fromarray((image * 255).astype(np.uint8)).save(out, "JPEG", quality=quality)
        return np.asarray(Image.open(out), dtype=np.float32) / np.float32(255)

    return compress


def _noisy(image: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.clip(image + rng.normal(0, 0.1, image.shape).astype(np.float32), 0, 1)


def _swapped(image: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001 - as declared
    return image[..., ::-1]


def _inverted(image: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG001 - as declared
    return np.float32(1) - image


DRAWN: Final[dict[str, tuple[str, str, Callable[[np.random.Generator], FloatArray]]]] = {
    "rainbow": ("a rainbow gradient", "drawn", _gradient),
    "screenshot": ("a screen with text and boxes", "drawn with Pillow", _screenshot),
    "portrait": ("a portrait", f"{PORTRAIT} of matplotlib", _portrait),
    "photograph": ("a photograph", f"{' and '.join(PHOTOGRAPHS)} of scikit-learn", _photograph),
}
"""Name → title, source, and function that makes a picture ``(y, x, 3)``, 0 to 1."""

ALTERATIONS: Final[dict[str, tuple[str, Alteration]]] = {
    "blurred-1.5": ("blurred with a sigma of 1.5 pixels", _blurred(1.5)),
    "blurred-3": ("blurred with a sigma of 3 pixels", _blurred(3.0)),
    "rotated-black": ("rotated by 10 to 80 degrees, with black corners", _rotated("constant")),
    "rotated-mirrored": ("rotated by 10 to 80 degrees, mirrored corners", _rotated("mirror")),
    "enlarged-2": ("enlarged twice: pixels of 5 m", _resized(2.0)),
    "enlarged-4": ("enlarged four times: pixels of 2.5 m", _resized(4.0)),
    "shrunk-2": ("shrunk twice: pixels of 20 m", _shrunk),
    "jpeg-10": ("compressed as JPEG with a quality of 10", _jpeg(10)),
    "noise": ("noise with a deviation of 0.1", _noisy),
    "red-blue": ("red and blue swapped", _swapped),
    "inverted": ("colours inverted", _inverted),
}
"""Name → title and function that alters a EuroSAT picture."""


def bad_pictures(pictures: Sequence[Raster], *, seed: int = 0) -> tuple[Group, ...]:
    """Make one group of as many pictures for each entry of :data:`DRAWN` and :data:`ALTERATIONS`.

    Args:
        pictures: good pictures of the model's input size.
        seed: random seed; each picture of each group has its own random generator.
    """
    drawn = [
        _group(name, title, made_of, partial(_drawn, pictures, draw, (seed, number)))
        for number, (name, (title, made_of, draw)) in enumerate(DRAWN.items())
    ]
    source = f"{len(pictures)} EuroSAT pictures, altered"
    altered = [
        _group(name, title, source, partial(_altered, pictures, how, (seed, len(DRAWN) + number)))
        for number, (name, (title, how)) in enumerate(ALTERATIONS.items())
    ]
    return (*drawn, *altered)


def _group(name: str, title: str, made_of: str, patches: Callable[[], Iterator[Raster]]) -> Group:
    return Group(name=name, title=title, kind="bad", real=False, made_of=made_of, patches=patches)


def _drawn(
    pictures: Sequence[Raster],
    draw: Callable[[np.random.Generator], FloatArray],
    seed: tuple[int, int],
) -> Iterator[Raster]:
    for index, picture in enumerate(pictures):
        yield _with_image(picture, draw(np.random.default_rng((*seed, index))))


def _altered(
    pictures: Sequence[Raster], how: Alteration, seed: tuple[int, int]
) -> Iterator[Raster]:
    for index, picture in enumerate(pictures):
        image = np.moveaxis(picture.data, 0, -1)
        yield _with_image(picture, how(image, np.random.default_rng((*seed, index))))


def _with_image(picture: Raster, image: FloatArray) -> Raster:
    """Replace the pixels; brightness is rounded to bytes, as in a file."""
    rounded = np.round(np.clip(image, 0, 1) * 255).astype(np.float32) / np.float32(255)
    return replace(picture, data=np.ascontiguousarray(np.moveaxis(rounded, -1, 0)))
