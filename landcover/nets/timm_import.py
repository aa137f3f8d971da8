"""Import timm beside a torch that its torchvision was not built for.

timm needs torchvision for the transforms of pictures. The torchvision that PyPI has was built for
CUDA. Beside a torch for CPU its compiled operators cannot be loaded, and then it cannot even be
imported, because it describes two of them for ``torch.compile``. Nothing here calls those two, so
it is enough to declare them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Final

import torch

from landcover.core.errors import BadInput

__all__ = ["load_timm"]

_OPERATORS: Final = ("nms", "qnms")
"""Those that torchvision 0.15 to 0.29 describes without having loaded them."""
_ARGUMENTS: Final = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []
"""Operators are forgotten together with their library."""


def load_timm(purpose: str) -> ModuleType:
    """Import timm.

    Args:
        purpose: what needs it, as the subject of the error's sentence.

    Raises:
        BadInput: it is not installed, or cannot be imported.
    """
    try:
        try:
            return import_module("timm")
        except RuntimeError:
            if _declared or hasattr(torch.ops.torchvision, "nms"):
                raise
        _declare()
        return import_module("timm")
    except ImportError as error:
        if error.name not in {None, "timm"}:
            raise _broken(purpose) from None
        raise BadInput(
            f"{purpose} comes from timm, which is not installed: pip install 'landcover[hub]'."
        ) from None
    except RuntimeError:
        raise _broken(purpose) from None


def _declare() -> None:
    """Declare torchvision's operators, and forget what was imported without them."""
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    _declared.append(library)
    for name in _OPERATORS:
        library.define(f"{name}{_ARGUMENTS}")  # type: ignore[no-untyped-call]
    for name in list(sys.modules):
        if name.partition(".")[0] in {"timm", "torchvision"}:
            del sys.modules[name]


def _broken(purpose: str) -> BadInput:
    return BadInput(
        f"{purpose} comes from timm, which is installed but cannot be imported: install a "
        "torchvision that fits the installed torch (`python -c 'import timm'` shows the error)."
    )
