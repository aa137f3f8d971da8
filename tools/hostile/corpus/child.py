"""The process that reads hostile files: one JSON object a line in, one out.

An audit hook of Python reports every file that is opened for writing or lies elsewhere, every
connection, and every program that is started. What C code does, the parent watches.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

READABLE: Final = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/etc", "/usr", "/lib", "/opt")
_events: list[str] = []
_places: dict[str, tuple[str, ...]] = {"read": (), "write": ()}


def main() -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from landcover.core.errors import LandcoverError  # noqa: PLC0415 - after the output is safe
    from tools.hostile.corpus.gates import GATES, Found, WrongAnswer, fault_of  # noqa: PLC0415

    logging.getLogger("landcover").addHandler(_Reported(logging.ERROR))
    sys.addaudithook(_audit)
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        _watch(request)
        begun, said = time.perf_counter(), ""
        try:
            try:
                found = GATES[request["gate"]](request["source"], Path(request["home"]))
            except LandcoverError as error:
                found = Found(errors=[str(error)])
            seconds = time.perf_counter() - begun
            fault = fault_of(found, request["must"])
            said = found.errors[0] if found.errors else "read"
        except WrongAnswer as error:
            seconds, fault = time.perf_counter() - begun, str(error)
        except BaseException:  # noqa: BLE001 - whatever escapes is what is looked for
            seconds, fault = time.perf_counter() - begun, traceback.format_exc()[-1500:]
        _places["read"] = ()
        record = {"fault": fault, "seconds": seconds, "events": list(_events), "said": said}
        answers.write(json.dumps(record) + "\n")
        answers.flush()


class _Reported(logging.Handler):
    """Notes errors in the log: the gate hides exceptions of its workers from users."""

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record."""
        _events.append(f"logged {record.getMessage()[-700:]}")


def _watch(request: dict[str, Any]) -> None:
    _events.clear()
    own = (request["folder"], request["home"], os.environ["TMPDIR"])
    code = (sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).parents[3]))
    _places["write"] = own
    _places["read"] = (*own, *code, *READABLE, *filter(None, sys.path))


def _audit(event: str, details: tuple[Any, ...]) -> None:
    if not _places["read"]:
        return
    if event == "open":
        _opened(*details)
    elif event == "socket.connect":
        _connected(details[1])
    elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        if os.fsdecode(details[0]) != sys.executable:
            _events.append(f"started {details[0]!r}")
    elif event in ("os.system", "urllib.Request", "ftplib.connect", "smtplib.connect"):
        _events.append(f"{event} {details[0]!r}")


def _opened(path: Any, mode: Any, flags: int) -> None:  # noqa: ANN401 - as Python gives them
    if not isinstance(path, str | bytes):
        return
    whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are kept
    writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if flags else "w" in str(mode)
    places = _places["write"] if writing else _places["read"]
    if not whole.startswith(places) and whole != os.devnull:
        _events.append(f"{'wrote' if writing else 'read'} {whole[:200]}")


def _connected(address: Any) -> None:  # noqa: ANN401 - as Python gives it
    from tools.hostile.corpus.answer_server import PORTS  # noqa: PLC0415

    if isinstance(address, tuple) and not (address[0] == "127.0.0.1" and address[1] in PORTS):
        _events.append(f"connected to {address[:2]}")


if __name__ == "__main__":
    main()
