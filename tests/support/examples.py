"""Number of examples and cases: few in `make test`, all in `make test-all`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import pytest
from hypothesis import settings

USUAL: Final = 100
"""Examples of a property in the profile "all", hypothesis's own default."""
FEW: Final = 10
"""Examples of a property in the profile "commit"."""
LEAST: Final = 3


def register_profiles() -> None:
    """Register the profiles "commit", which is loaded, and "all".

    ``pytest --hypothesis-profile=all`` selects the other. Neither has a deadline, because the time
    of an example depends mostly on the machine's other work.
    """
    settings.register_profile("all", max_examples=USUAL, deadline=None)
    settings.register_profile("commit", max_examples=FEW, deadline=None)
    settings.load_profile("commit")


def examples(count: int) -> int:
    """Number of examples in the current profile for ``count`` in "all", at least three.

    Args:
        count: examples that the property needs in the profile "all".
    """
    return max(min(LEAST, count), count * settings().max_examples // USUAL)


def sampled(values: Iterable[Any], quick: Collection[Any]) -> list[Any]:
    """Cases for ``pytest.mark.parametrize``, of which `make test` runs only the quick ones.

    Args:
        values: all cases, in order; a tuple has a value for each of several names.
        quick: a representative sample.
    """
    return [
        v
        if v in quick
        else pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow)
        for v in values
    ]
