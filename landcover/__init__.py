"""landcover: classify the land cover in Sentinel-2 patches, with a verdict on each prediction.

The public interface, documented in :mod:`landcover.api`::

    import landcover as lc

    patch = lc.open("finland-lake")
    result = lc.load_model().predict(patch)
    print(result.verdict.reason)
    print(result.to_frame())
    result.explain("Inland waters").plot().savefig("why.png")

Importing the package loads nothing else: each name is loaded on first use.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landcover.api import (
        AreaMap,
        AttributionMap,
        Classification,
        Classifier,
        change_between,
        fetch,
        load_model,
        map_area,
        read_area,
        series_of,
    )
    from landcover.api import open as open  # noqa: A004 - lc.open, and exported

__version__ = "0.1.0"
__all__ = [
    "AreaMap",
    "AttributionMap",
    "Classification",
    "Classifier",
    "__version__",
    "change_between",
    "fetch",
    "load_model",
    "map_area",
    "open",
    "read_area",
    "series_of",
]


# A library's log goes where its user wants it, and nowhere by default.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """Load a public name from :mod:`landcover.api` on first use."""
    if name in __all__:
        value = getattr(import_module("landcover.api"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'landcover' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
