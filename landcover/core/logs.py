"""Logs without personal data, for a server that is open to strangers.

Neither places nor file names, addresses of visitors, search texts or sessions are logged. That does
not depend on care at each call: :func:`event` takes only a fixed word, numbers, the class of an
error and a model's name; and :func:`configure` strips every other record of the process, of
whichever library, to its origin, the class of its error and the lines of code that raised it. The
text of a foreign message and of an exception may quote what a visitor sent, so it is left out.

``LANDCOVER_LOG`` chooses the form: ``text`` (the default), ``json`` for one JSON object a line, or
``full``, which changes nothing and is for development only.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import secrets
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, Literal, get_args

from landcover import __version__
from landcover.core import limits
from landcover.core.errors import BadInput

__all__ = ["FORMS", "VARIABLE", "Event", "Formatter", "configure", "event", "form", "scrubbed"]

VARIABLE: Final = "LANDCOVER_LOG"
"""Environment variable that chooses the form."""
FORMS: Final = ("text", "json", "full")

Event = Literal[
    "started",
    "session opened",
    "session closed",
    "session refused",
    "classified",
    "explained",
    "upload refused",
    "worker killed",
    "catalogue fault",
    "job failed",
]
"""What the app logs of its own work; docs/deploying.md explains each."""

_EVENTS: Final = logging.getLogger("landcover.events")
_OWN: Final = ("landcover", "pages", "app")
_MODEL: Final = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}")
_PACKAGES: Final = ("streamlit", "torch", "numpy", "rasterio")
_PLACEHOLDER: Final = re.compile(r"%(?:\(\w+\))?[-#0 +]*[\d.*]*[a-zA-Z]")
_WARNING: Final = re.compile(r":\d+: (\w+):")
_SALT: Final = secrets.token_bytes(16)
"""Differs in each process, so that a session's code leads back to nobody."""
_MOST_FRAMES: Final = 12
_MOST_CAUSES: Final = 5
_lock = threading.Lock()
_adopted: list[int] = []


def event(
    what: Event,
    *,
    level: int = logging.INFO,
    ms: float | None = None,
    error: BaseException | type[BaseException] | None = None,
    model: str | None = None,
    session: str | None = None,
    count: int | None = None,
) -> None:
    """Log a part of the app's own work.

    Args:
        what: the kind of event.
        level: of the ``logging`` module.
        ms: how long it took, in milliseconds.
        error: its class is logged, not its text.
        model: name of the model that was used.
        session: id of the browser session; a short hash is logged, with which the lines of one
            session can be told from others while the server runs.
        count: a number of things, such as the maps of an explanation.
    """
    if what not in get_args(Event):
        raise ValueError(f"'{what}' is no event")
    kind = error if isinstance(error, type) else type(error)
    known: dict[str, str | int | float | None] = {
        "ms": None if ms is None else round(ms, 1),
        "error": None if error is None else kind.__name__,
        "model": model and (model if _MODEL.fullmatch(model) else "other"),
        "session": session and _code(session),
        "count": count,
    }
    fields = {key: value for key, value in known.items() if value is not None}
    _EVENTS.log(level, what, extra={"landcover_fields": fields})


def form() -> str:
    """The form that the environment asks for.

    Raises:
        BadInput: there is no such form.
    """
    asked = os.environ.get(VARIABLE, "").strip().lower() or FORMS[0]
    if asked not in FORMS:
        raise BadInput(f"{VARIABLE} is '{asked[:40]}': set it to {', '.join(FORMS[:-1])} or full.")
    return asked


def configure() -> None:
    """Log this process to stderr in the form that the environment asks for, and log its start.

    It may be called again: loggers that libraries made since then are taken over too.

    Raises:
        BadInput: there is no such form, or a limit in the environment is invalid.
    """
    asked, table = form(), logging.root.manager.loggerDict
    with _lock:
        if _adopted == [len(table)]:
            return
        first = not _adopted
        if asked != "full":
            _take_over(asked, first=first)
        elif first:
            _EVENTS.addHandler(_handler(asked))
            _EVENTS.setLevel(logging.INFO)
        _adopted[:] = [len(table)]
    if first:
        _started()


def scrubbed(record: logging.LogRecord) -> logging.LogRecord:
    """Remove from a record what may quote a visitor: arguments, foreign text, text of errors."""
    if record.name == _EVENTS.name:
        return record
    fields: dict[str, Any] = {}
    message, given = str(record.msg), record.args
    if record.exc_info and record.exc_info[1] is not None:
        fields = _fault(record.exc_info[1])
    if record.name == "py.warnings":
        found = _WARNING.search(record.getMessage())
        fields["error"] = found[1] if found else "Warning"
        message = "a warning of Python"
    elif record.name.split(".", maxsplit=1)[0] in _OWN:
        message = _PLACEHOLDER.sub("…", message) if given else message
    else:
        message = f"message of {record.name}, {PurePath(record.pathname).name}:{record.lineno}"
    record.msg, record.args = message, ()
    record.exc_info, record.exc_text, record.stack_info = None, None, None
    vars(record)["landcover_fields"] = fields
    return record


class Formatter(logging.Formatter):
    """One line a record: JSON, or text with the same values.

    Args:
        json_lines: whether to write JSON.
    """

    def __init__(self, *, json_lines: bool) -> None:
        super().__init__()
        self.json_lines = json_lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: Mapping[str, Any] = vars(record).get("landcover_fields", {})
        level, what = record.levelname.lower(), record.getMessage()
        line = {"time": moment, "level": level, "event": what, **fields}
        if self.json_lines:
            return json.dumps(line, ensure_ascii=True, default=str)
        values = "  ".join(f"{key}={_plain(value)}" for key, value in fields.items())
        return f"{moment} {level:7} {what}{'  ' if values else ''}{values}"


def _plain(value: Any) -> str:  # noqa: ANN401 - any value of a line
    return " < ".join(map(str, value)) if isinstance(value, list) else str(value)


def _take_over(asked: str, *, first: bool) -> None:
    """Give all records of the process to one handler."""
    if first:
        original = logging.getLogRecordFactory()
        logging.setLogRecordFactory(lambda *given, **named: scrubbed(original(*given, **named)))
        logging.root.handlers[:] = [_handler(asked)]
        _EVENTS.setLevel(logging.INFO)
        logging.captureWarnings(True)
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread
        sys.unraisablehook = _unraisable
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.handlers:
            logger.handlers.clear()
            logger.propagate = True


def _handler(asked: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(json_lines=asked == "json"))
    handler.addFilter(_worth_a_line)
    return handler


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a record is an event of the app, or a warning or error of anything."""
    return record.levelno >= logging.WARNING or record.name == _EVENTS.name


def _started() -> None:
    versions = {"landcover": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    usual = vars(limits.Limits())
    changed = {key: value for key, value in vars(limits.current()).items() if value != usual[key]}
    fields = {"versions": versions, "changed_limits": changed}
    _EVENTS.info("started", extra={"landcover_fields": fields})


def _code(session: str) -> str:
    return hashlib.blake2s(session.encode(), key=_SALT, digest_size=4).hexdigest()


def _fault(error: BaseException) -> dict[str, Any]:
    """Classes of an exception and of its causes, and the innermost lines of code."""
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in chain and len(chain) < _MOST_CAUSES:
        chain.append(each)
        each = each.__cause__ or each.__context__
    classes = [type(one).__name__ for one in chain]
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    at = [f"{_module(frame.filename)}:{frame.lineno}" for frame in frames]
    return {"error": classes[0], "causes": classes[1:], "at": at}


def _module(path: str) -> str:
    """The end of a file's path: what is before it may name a user of the computer."""
    parts = PurePath(path).parts
    for start in ("site-packages", "dist-packages"):
        if start in parts:
            return "/".join(parts[parts.index(start) + 1 :])
    return "/".join(parts[-3:])


def _uncaught(
    kind: type[BaseException], error: BaseException, _traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("landcover").error("an error ended a program", exc_info=error)


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
        logging.getLogger("landcover").error("an error ended a thread", exc_info=given.exc_value)


def _unraisable(given: sys.UnraisableHookArgs) -> None:
    logging.getLogger("landcover").error("an error was ignored", exc_info=given.exc_value)
