"""Whether the computer suits the program: its folder, settings, clock, memory, address, network."""

from __future__ import annotations

import difflib
import http.client
import os
import shutil
import socket
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from landcover.cli.checkup.finding import Finding, ok, problem, warning

__all__ = ["app", "catalogues", "clock", "home", "memory", "settings", "temporary"]

_ROOT: Final = Path(__file__).parents[3]
_RELEASED: Final = date(2026, 11, 1)
_LONGEST_LIFE: Final = 20
_MIB: Final = 1_048_576
_LEAST_FREE: Final = 500
_PROGRAMS: Final = 1_000_000_000
"""Bytes of memory for Python, torch, the models and one classification."""
_KNOWN: Final = (
    *("LANDCOVER_HOME", "LANDCOVER_LOG", "LANDCOVER_CACHE_MB", "LANDCOVER_CATALOG"),
    *("LANDCOVER_COPERNICUS_KEY", "LANDCOVER_COPERNICUS_SECRET", "LANDCOVER_DATA"),
    *("LANDCOVER_CORES", "LANDCOVER_CHROMIUM", "LANDCOVER_PERSONAL", "LANDCOVER_SCHEDULER"),
    "LANDCOVER_TRAINING",
)
_MOST_ENTRIES: Final = 100_000


def home() -> Iterator[Finding]:
    """The folder for the program's own files: rights, room, what killed programs left."""
    from landcover.core import files  # noqa: PLC0415 - needs packages that may be missing
    from landcover.core import home as own  # noqa: PLC0415

    folder = own.location()
    above = next(path for path in (folder, *folder.parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        yield warning(
            f"{folder} cannot be written to: imagery is not kept, and no model can be added.",
            f"Give this user the right to write there, or set {own.VARIABLE} to another folder.",
        )
        return
    if folder.is_dir() and os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield warning(
            f"Other users can look into {folder}, which shows which places were viewed.",
            f"Run: chmod 700 '{folder}'",
        )
    free = files.free_bytes(folder)
    if free < 500 * _MIB:
        yield warning(
            f"{folder} has only {free // _MIB} MiB of room.",
            f"Make room, set {own.VARIABLE} to another disk, or make LANDCOVER_CACHE_MB smaller.",
        )
    left = sum(files.is_own(name) for name in _names(folder)) if folder.is_dir() else 0
    if left:
        yield warning(
            f"{left} temporary files or locks are in {folder}.",
            "If nothing runs, a program was killed; the next one that writes there removes them.",
        )
    yield ok(f"{folder} can be written to, with {free // _MIB:,} MiB of room")


def _names(folder: Path) -> Iterator[str]:
    count = 0
    for _, folders, names in os.walk(folder):
        for name in (*folders, *names):
            count += 1
            if count > _MOST_ENTRIES:
                return
            yield name


def settings() -> Iterator[Finding]:
    """The variables of the environment that begin with LANDCOVER_."""
    from landcover.core import limits, logs  # noqa: PLC0415 - may be damaged

    current = limits.current()  # refuses unknown and impossible limits
    logs.form()
    mine = [v for v in os.environ if v.startswith("LANDCOVER_") and not v.startswith(limits.PREFIX)]
    for variable in sorted(mine):
        if variable not in _KNOWN and not variable.startswith("LANDCOVER_CATALOG_"):
            near = difflib.get_close_matches(variable, _KNOWN, n=1)
            hint = f"Did you mean {near[0]}?" if near else "Unset it; docs/limits.md lists limits."
            yield warning(f"{variable[:80]} is no setting of landcover.", hint)
    usual = vars(limits.Limits())
    changed = {key: value for key, value in vars(current).items() if value != usual[key]}
    shown = ", ".join(f"{key} = {value:,}" for key, value in changed.items())
    yield ok(f"Limits: {shown or 'the defaults'}")


def clock() -> Iterator[Finding]:
    """The date, by which imagery is searched and certificates are checked."""
    today = datetime.now(UTC).date()
    if not _RELEASED <= today < _RELEASED.replace(year=_RELEASED.year + _LONGEST_LIFE):
        yield problem(
            f"The clock says {today}, which cannot be.",
            "Set the clock, or switch on its synchronisation: timedatectl set-ntp true",
        )
    else:
        yield ok(f"The clock says {today}")


def memory() -> Iterator[Finding]:
    """The memory of this computer or container, against what the limits allow."""
    from landcover.core import limits  # noqa: PLC0415 - may be damaged

    now = limits.current()
    needed = (_PROGRAMS + now.held_bytes + now.readers * now.read_memory_bytes) // _MIB
    total, free = _memory("MemTotal"), _memory("MemAvailable")
    if total is None or free is None:
        yield ok("The memory is not known on this system")
        return
    if total < needed:
        yield warning(
            f"There are {total:,} MiB of memory, but the limits allow {needed:,}.",
            "Set LANDCOVER_LIMIT_HELD_BYTES or LANDCOVER_LIMIT_READERS lower (docs/limits.md).",
        )
    if free < _LEAST_FREE:
        yield warning(f"Only {free:,} MiB of memory are free.", "End other programs.")
    yield ok(f"{total:,} MiB of memory, {free:,} of them free; the limits allow {needed:,}")


def _memory(what: str) -> int | None:
    """MiB of memory of the computer, or of this container if that is less."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        found += [int(line.split()[1]) // 1024 for line in lines if line.startswith(f"{what}:")]
        most = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
        if most.isdecimal():
            found.append(int(most) // _MIB)
    except (OSError, ValueError, IndexError):
        pass  # another system, or no control group of its own
    return min(found, default=None)


def temporary() -> Iterator[Finding]:
    """Room for temporary files and for memory that processes share."""
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    if free < 1000 * _MIB:
        yield warning(
            f"{folder} has only {free // _MIB} MiB of room for temporary files.",
            "Make room, or set TMPDIR to a folder on another disk.",
        )
    else:
        yield ok(f"{folder} has {free // _MIB:,} MiB of room for temporary files")
    shared = Path("/dev/shm")  # noqa: S108 - only looked at
    if shared.is_dir() and shutil.disk_usage(shared).free < 64 * _MIB:
        yield warning(
            f"{shared} has less than 64 MiB of room, which training on several processes needs.",
            "In a container: --shm-size=256m",
        )


def app() -> Iterator[Finding]:
    """Where the app will listen, and what is there now."""
    if not (_ROOT / "app.py").is_file():
        return
    file = _ROOT / ".streamlit" / "config.toml"
    if not file.is_file():
        yield problem(
            ".streamlit/config.toml is missing, so the app listens on all addresses.",
            "Get it back from the repository.",
        )
        return
    server: dict[str, Any] = tomllib.loads(file.read_text("utf-8")).get("server", {})
    address = os.environ.get("STREAMLIT_SERVER_ADDRESS") or str(server.get("address", "0.0.0.0"))  # noqa: S104
    port = os.environ.get("STREAMLIT_SERVER_PORT") or str(server.get("port", 8501))
    if not (port.isdecimal() and 0 < int(port) < 65536):
        yield problem(f"The port '{port[:20]}' is none.", "Set STREAMLIT_SERVER_PORT to 8501.")
        return
    if address not in {"127.0.0.1", "localhost", "::1"}:
        yield warning(
            f"The app will listen on {address}, where others reach it without a proxy.",
            "Put a proxy in front of it, and let it listen on 127.0.0.1 (docs/deploying.md).",
        )
    with socket.socket() as probe:
        probe.settimeout(2)
        taken = probe.connect_ex(("127.0.0.1", int(port))) == 0
    state = "something answers there, the app or another program" if taken else "it is free"
    yield ok(f"The app's address is {address}, port {port}: {state}")


def catalogues() -> Iterator[Finding]:
    """Whether the archives of imagery answer; only asked for with ``--online``."""
    from landcover.stac.archives import CATALOGUES, catalogue  # noqa: PLC0415 - as above

    for name in CATALOGUES:
        address = urlsplit(catalogue(name).endpoint)
        kind = http.client.HTTPSConnection
        connection: http.client.HTTPConnection = (
            kind(address.netloc, timeout=10)
            if address.scheme == "https"
            else http.client.HTTPConnection(address.netloc, timeout=10)
        )
        try:
            connection.request("GET", address.path or "/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            yield warning(
                f"{name} does not answer ({why}).",
                f"Let this server reach {address.hostname}, or do without imagery from there.",
            )
            continue
        finally:
            connection.close()
        if status >= 400:
            yield warning(f"{name} answers with status {status}.", "Try again in some minutes.")
        else:
            yield ok(f"{name} answers")
