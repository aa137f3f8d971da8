"""A real, independent STAC API: stac-fastapi-pgstac on PostgreSQL with PostGIS.

Each catalogue names its collection ``sentinel-2-l2a``, so each has its own database and API. One
PostgreSQL in a temporary folder serves all of them. ``tools/stac_server.sh`` installs the programs.
If that is not possible, :mod:`tests.live.stac_front` replays recorded responses.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.live import wire
from tests.live.granules import Style

ROOT: Final = Path(__file__).parent.parent.parent
VENV: Final = ROOT / ".venv-stac"
TIMEOUT_S: Final = 60.0


def postgres_folder() -> Path | None:
    """Return the folder of the programs of the newest PostgreSQL that has PostGIS, or None."""
    found = sorted(
        Path("/usr/share/postgresql").glob("*/extension/postgis.control"),
        key=lambda path: int(path.parent.parent.name),
    )
    for control in reversed(found):
        folder = Path("/usr/lib/postgresql") / control.parent.parent.name / "bin"
        if (folder / "initdb").is_file():
            return folder
    config = shutil.which("pg_config")
    if config is None:
        return None
    share, folder = (
        Path(subprocess.check_output([config, what], text=True).strip())
        for what in ("--sharedir", "--bindir")
    )
    has = (share / "extension" / "postgis.control").is_file() and (folder / "initdb").is_file()
    return folder if has else None


def installed() -> bool:
    """Whether everything that the server needs is installed."""
    return (VENV / "bin" / "uvicorn").is_file() and postgres_folder() is not None


def install() -> bool:
    """Install the server and return whether it is installed; fast if it already is."""
    script = ROOT / "tools" / "stac_server.sh"
    done = subprocess.run(["bash", str(script), str(VENV)], check=False, capture_output=True)
    return done.returncode == 0 and installed()


class StacServer:
    """One API per catalogue; a context manager that leaves no process or file behind.

    Args:
        items: the STAC items of each catalogue.
    """

    def __init__(self, items: Mapping[Style, Sequence[Mapping[str, Any]]]) -> None:
        self._items = items
        self._urls: dict[Style, str] = {}
        self._stack = ExitStack()

    def url(self, style: Style) -> str:
        """Address of a catalogue's API, without a trailing slash."""
        return self._urls[style]

    def __enter__(self) -> Self:
        with self._stack:
            self._start()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        programs = postgres_folder()
        assert programs is not None, "run tools/stac_server.sh"
        folder = Path(tempfile.mkdtemp(prefix="stac-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        port = self._postgres(programs, folder)
        self._load(port, folder)
        started = [(style, *self._api(style, port)) for style in self._items]
        for style, process, api_port in started:
            _await(process, api_port)
            self._urls[style] = f"http://127.0.0.1:{api_port}"

    def _postgres(self, programs: Path, folder: Path) -> int:
        data = folder / "data"
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        init = (programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        _run([*_as_postgres(), *init, "--no-sync", "--locale=C.UTF-8"], folder)
        port = _free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": folder,
            # The database is used for one run of the tests, so it does not have to survive a crash.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "jit": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [*_as_postgres(), programs / "postgres", "-D", data, *options]
        process = self._process(command, folder, signal.SIGINT)
        deadline = time.monotonic() + TIMEOUT_S
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.05)
        return port

    def _load(self, port: int, folder: Path) -> None:
        source = folder / "load"
        source.mkdir()
        for style, items in self._items.items():
            contents = {"collections": wire.collections(style), "items": items}
            for kind, documents in contents.items():
                lines = "".join(f"{json.dumps(document)}\n" for document in documents)
                (source / f"{style}.{kind}.ndjson").write_text(lines, encoding="utf-8")
        script = Path(__file__).parent / "pgstac_load.py"
        _run([VENV / "bin" / "python", script, f"postgresql://postgres@127.0.0.1:{port}", source])

    def _api(self, style: Style, port: int) -> tuple[subprocess.Popen[bytes], int]:
        api_port = _free_port()
        environment = {
            **os.environ,
            "PGUSER": "postgres",
            "PGPASSWORD": "none",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGDATABASE": style,
            "DB_MIN_CONN_SIZE": "1",
            "DB_MAX_CONN_SIZE": "4",
        }
        command = [
            *_end_with_parent(signal.SIGTERM),
            *(VENV / "bin" / "python", "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app"),
            *("--factory", "--host", "127.0.0.1", "--port", api_port),
            *("--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", 1),
        ]
        return self._process(command, None, signal.SIGTERM, environment), api_port

    def _process(
        self,
        command: Sequence[object],
        log: Path | None,
        end: signal.Signals,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        output = subprocess.DEVNULL if log is None else (log / "log").open("wb")
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
        )
        if not isinstance(output, int):
            output.close()
        self._stack.callback(_stop, process, end)
        return process


def _end_with_parent(end: signal.Signals) -> list[object]:
    """Return a prefix that ends a child process with this one, even if it is killed (Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", end.name.removeprefix("SIG")] if setpriv else []


def _as_postgres() -> list[object]:
    if os.geteuid() != 0:
        return _end_with_parent(signal.SIGINT)
    who = ("--reuid=postgres", "--regid=postgres", "--init-groups")
    return [*(_end_with_parent(signal.SIGINT) or ["setpriv"]), *who]


def _run(command: Sequence[object], cwd: Path | None = None) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, check=False, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"


def _stop(process: subprocess.Popen[bytes], end: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(end)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until an API lists its collections from the database."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        assert process.poll() is None, "the STAC API ended while it started"
        assert time.monotonic() < deadline, "the STAC API did not start"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/collections")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
