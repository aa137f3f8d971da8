"""Options of the commands that map areas: which area, and what the computer may use for it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from landcover.core.freed_memory import keep_freed_memory

if TYPE_CHECKING:
    from landcover.areas.area_file import Area
    from landcover.areas.job import Executor

__all__ = ["add_area", "add_machine", "area_of", "executor_of", "memory_of"]


def add_area(parser: argparse._ActionsContainer) -> None:
    """Add ``--area``."""
    parser.add_argument(
        "--area",
        metavar="FILE|BBOX",
        help="GeoJSON, GeoPackage, KML or WKT file, or WEST,SOUTH,EAST,NORTH in degrees (default: "
        "all of the source)",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add ``--memory`` and ``--scheduler``."""
    parser.add_argument(
        "--memory",
        type=float,
        metavar="GB",
        help="memory that blocks may use, in gigabytes (default: 3)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask scheduler such as tcp://10.0.0.1:8786; local:N starts N processes here",
    )


def area_of(options: argparse.Namespace) -> Area | None:
    """The area that ``--area`` names; None without one.

    Raises:
        BadInput: it cannot be used.
    """
    from landcover.areas.area_file import read_area  # noqa: PLC0415 - most commands need it not

    return None if options.area is None else read_area(options.area.strip())


def memory_of(options: argparse.Namespace) -> int:
    """The bytes that ``--memory`` names.

    Raises:
        BadInput: it is no amount of memory.
    """
    from landcover.areas.memory import DEFAULT_MEMORY, bytes_of  # noqa: PLC0415 - as above

    return DEFAULT_MEMORY if options.memory is None else bytes_of(options.memory)


def executor_of(options: argparse.Namespace) -> Executor | None:
    """Where ``--scheduler`` says that blocks are computed; None for this process.

    This process then keeps the memory of a block for the next one.

    Raises:
        BadInput: it is no address, or Dask is not installed.
    """
    if options.scheduler is None:
        keep_freed_memory()
        return None
    from landcover.areas.cluster import executor_of as of  # noqa: PLC0415 - as above

    return of(options.scheduler.strip())
