"""What the command line does with pictures of red, green and blue."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from landcover.core.errors import BadInput

if TYPE_CHECKING:
    from landcover.models.model import Model
    from landcover.report.classification import ClassificationReport, View
    from landcover.trust.result import Result

__all__ = ["ASKED", "WINDOW", "is_picture", "model_name", "read", "report_of", "report_on"]

ASKED: Final = "as asked for"
WINDOW: Final = re.compile(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*")


def is_picture(source: str) -> bool:
    """Whether a source is a file for the models of pictures; opens nothing but such a file."""
    from landcover.io import images  # noqa: PLC0415 - most commands need it not

    return images.is_picture(Path(source.strip()))


def model_name(options: argparse.Namespace) -> str:
    """The model for pictures: the one that was asked for, else the registered one."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    return str(options.model or registry.PICTURE_MODEL)


def read(source: str, options: argparse.Namespace) -> View:
    """Read a picture and cut the window that was asked for, else the middle one.

    Raises:
        BadInput: it cannot be used, or an option asks for a place or date.
    """
    from landcover.io import images  # noqa: PLC0415
    from landcover.report import classification  # noqa: PLC0415 - loads torch

    for name in ("at", "date", "catalog"):
        if getattr(options, name) is not None:
            raise BadInput(f"A picture has no place or date, so --{name} means nothing: drop it.")
    path = Path(source.strip())
    whole = images.read_picture(path, path.name)
    if options.window is None:
        return classification.view(whole)
    match = WINDOW.fullmatch(options.window)
    if match is None:
        raise BadInput(f"'{options.window}' is not a window: give ROW,COL such as 120,60.")
    return classification.view(whole, (int(match[1]), int(match[2])))


def report_on(model: Model, source: str, options: argparse.Namespace) -> ClassificationReport:
    """The report of what the model says of a picture.

    Raises:
        LandcoverError: the picture cannot be read, or the model was not made for it.
    """
    from landcover.trust.result import predict  # noqa: PLC0415 - loads torch

    seen = read(source, options)
    return report_of(model, predict(model, seen.picture), seen, source, options)


def report_of(
    model: Model, found: Result, seen: View, source: str, options: argparse.Namespace
) -> ClassificationReport:
    """The report of a result of a window of a picture."""
    from landcover.models import registry  # noqa: PLC0415 - loads torch
    from landcover.report import classification, picture_limits  # noqa: PLC0415 - loads torch

    return classification.report_of(
        found,
        source.strip(),
        seen=seen,
        limits=picture_limits.limits_of(model.folder or registry.default().folder(model.card.name)),
        choice=ASKED if options.model else classification.RGB_MODEL_REASON,
    )
