"""Colours and small pieces of text that every part of the pages shares."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import streamlit as st
from PIL import Image

from landcover.core.raster import ByteArray

ACCENT: Final = "#e8590c"
"""The chosen square: an orange that stands out from vegetation, water and map alike."""


@dataclass(frozen=True)
class Ink:
    """Colours that depend on whether the page is light or dark."""

    text: str
    quiet: str
    line: str
    ground: str


LIGHT: Final = Ink(text="#1f2328", quiet="#57606a", line="#8c959f", ground="#ffffff")
DARK: Final = Ink(text="#f0f3f6", quiet="#b1bac4", line="#8b949e", ground="#0e1117")


def ink() -> Ink:
    """The colours of the theme that the browser shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def png(picture: ByteArray, enlarge: int = 1) -> bytes:
    """A uint8 picture ``(y, x, 3 or 4)`` as a PNG file, each pixel repeated ``enlarge`` times."""
    big = np.repeat(np.repeat(picture, enlarge, axis=0), enlarge, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(big).save(buffer, "PNG")
    return buffer.getvalue()


def data_url(data: bytes) -> str:
    """PNG bytes as a URL that needs no server."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def place_text(latitude: float, longitude: float) -> str:
    """Such as ``48.2223° N, 13.7209° E``."""
    ns, ew = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.4f}° {ns}, {abs(longitude):.4f}° {ew}"


def literal(text: str) -> str:
    """Text that a page shows as it is, whatever Markdown a file's name may hold.

    A name such as ``![](https://…)`` would otherwise be fetched as a picture.
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def swatch(colour: str) -> str:
    """A small square of that colour, as HTML; text beside it has to say what it means."""
    return (
        f'<span aria-hidden="true" style="display: inline-block; width: .8em; height: .8em; '
        f'background: {colour}; border: 1px solid #8c959f; border-radius: 2px"></span>'
    )
