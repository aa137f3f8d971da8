"""Notebook display: an image as a PNG file, and a picture next to a table of facts."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["SIDE", "html", "png"]

SIDE: Final = 360
"""Length of the longer side of a picture in a notebook, in pixels."""


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode an RGB or RGBA image uint8 ``(y, x, 3 or 4)`` as a PNG file.

    The image is enlarged to about :data:`SIDE` by repeating pixels, so that it stays sharp. A
    larger image keeps its size.
    """
    factor = max(1, SIDE // max(pixels.shape[:2]))
    image = Image.fromarray(pixels.repeat(factor, axis=0).repeat(factor, axis=1))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def html(facts: Mapping[str, str], picture: bytes | None = None, below: str = "") -> str:
    """HTML of a picture (a PNG file) next to a table of facts.

    Args:
        facts: name → value, plain text; both are escaped.
        picture: shown on the left if given.
        below: HTML that follows the table.
    """
    rows = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    image = ""
    if picture is not None:
        data = base64.b64encode(picture).decode("ascii")
        image = f"<img alt='' src='data:image/png;base64,{data}'>"
    return (
        "<div style='display:flex;gap:1em;align-items:flex-start'>"
        f"{image}<div><table>{rows}</table>{below}</div></div>"
    )
