"""Colours and small text and image functions that all pages share."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import numpy as np
import streamlit as st
from PIL import Image

from landcover.core.raster import ByteArray

ACCENT: Final = "#e8590c"
"""Colour of the chosen patch: an orange that stands out from vegetation, water and the map."""


@dataclass(frozen=True)
class Ink:
    """Colours of a light or dark page."""

    text: str
    quiet: str
    line: str
    ground: str


LIGHT: Final = Ink(text="#1f2328", quiet="#57606a", line="#8c959f", ground="#ffffff")
DARK: Final = Ink(text="#f0f3f6", quiet="#b1bac4", line="#8b949e", ground="#0e1117")

KEPT_PIXELS: Final = 250_000
"""Bytes of the pixels of a picture whose PNG is kept: those of a patch are 58 kB."""


def ink() -> Ink:
    """Return the colours of the theme that the browser shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def png(picture: ByteArray, enlarge: int = 1) -> bytes:
    """Encode a uint8 picture ``(y, x, 3 or 4)`` as PNG, each pixel repeated ``enlarge`` times.

    Each run of a page shows the same pictures again, so small ones are kept.
    """
    if picture.nbytes > KEPT_PIXELS:
        return _encoded(picture, enlarge)
    return _kept(picture.tobytes(), picture.shape, enlarge)


@lru_cache(maxsize=128)
def _kept(pixels: bytes, shape: tuple[int, ...], enlarge: int) -> bytes:
    return _encoded(np.frombuffer(pixels, np.uint8).reshape(shape), enlarge)


def _encoded(picture: ByteArray, enlarge: int) -> bytes:
    big = np.repeat(np.repeat(picture, enlarge, axis=0), enlarge, axis=1)
    buffer = io.BytesIO()
    # Level 2 takes half the time of the default and 8 % more bytes.
    Image.fromarray(big).save(buffer, "PNG", compress_level=2)
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    """Return PNG bytes as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def place_text(latitude: float, longitude: float) -> str:
    """Return coordinates as text, such as ``48.2223° N, 13.7209° E``."""
    ns, ew = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.4f}° {ns}, {abs(longitude):.4f}° {ew}"


def literal(text: str) -> str:
    """Escape all Markdown in a text, such as a file's name.

    Otherwise a name such as ``![](https://…)`` would load a picture from the internet.
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def sign(svg: str) -> str:
    """Return a small drawing as HTML, next to which its meaning stands.

    It is an image, because ``st.html`` leaves out an SVG element.
    """
    return (
        f'<img alt="" style="vertical-align: middle; width: 24px; height: 24px" '
        f'src="data:image/svg+xml,{quote(svg)}">'
    )


def swatch(colour: str) -> str:
    """Return a small square of that colour as HTML; put text with the meaning next to it."""
    return (
        f'<span aria-hidden="true" style="display: inline-block; width: .8em; height: .8em; '
        f'background: {colour}; border: 1px solid #8c959f; border-radius: 2px"></span>'
    )
