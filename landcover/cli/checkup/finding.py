"""The result of a check, and checks that cannot fail with a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Finding", "Level", "findings_of", "ok", "problem", "warning"]

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor.

    Attributes:
        level: ``problem`` if something does not work, ``warning`` if it may not.
        text: what was found.
        todo: what to do about it; empty if nothing has to be done.
    """

    level: Level
    text: str
    todo: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(text: str) -> Finding:
    """What is as it should be."""
    return Finding("ok", text)


def warning(text: str, todo: str) -> Finding:
    """What works, but may fail or is not tested."""
    return Finding("warning", text, todo)


def problem(text: str, todo: str) -> Finding:
    """What does not work."""
    return Finding("problem", text, todo)


def findings_of(name: str, check: Check) -> Iterator[Finding]:
    """Run a check; whatever goes wrong in it is a problem, not the end of the others."""
    from landcover.core.errors import LandcoverError  # noqa: PLC0415 - may be damaged

    try:
        yield from check()
    except LandcoverError as error:
        yield problem(f"{name}: {error}", "Follow this sentence.")
    except ImportError as error:
        what = f"the package '{error.name}'" if error.name else "a package"
        yield problem(
            f"{name}: {what} cannot be imported.",
            "Install again: pip install --no-deps --require-hashes -r requirements.lock",
        )
    except Exception as error:  # noqa: BLE001 - the doctor must survive what it looks for
        first = str(error).splitlines()[0][:200] if str(error) else ""
        yield problem(
            f"{name}: the check failed ({type(error).__name__}{': ' if first else ''}{first}).",
            "Install landcover again.",
        )
