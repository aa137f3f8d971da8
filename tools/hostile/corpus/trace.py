"""What a process and all that it starts ask of the kernel, by strace: C code and workers, too."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

__all__ = ["available", "command", "events"]

_CALLS: Final = "openat,open,creat,connect,execve,unlink,unlinkat,rename,renameat2,mkdir,symlink"
_OPEN: Final = re.compile(
    r'(?:openat\((?:AT_FDCWD|\d+)(?:<(?P<at>[^>]*)>)?, |open\()"(?P<path>(?:[^"\\]|\\.)*)"[.]*, '
    r"(?P<flags>[A-Z_|0-9x]+).* = \d"
)
_CHANGE: Final = re.compile(r'(?:unlink|rename|mkdir|symlink|creat)\w*\(.*"(?P<path>/[^"]*)".* = 0')
_CONNECT: Final = re.compile(r'connect\(.*sin6?_port=htons\((?P<port>\d+)\).*"(?P<host>[^"]+)"')
_SEMAPHORES: Final = "/dev/shm/sem."  # noqa: S108 - joblib tries them when it is loaded
_START: Final = re.compile(r'execve\("(?P<path>[^"]*)".* = 0')


def available() -> bool:
    """Whether strace is installed."""
    return shutil.which("strace") is not None


def command(log: Path) -> list[str]:
    """The start of a command line that is traced into a file."""
    return [
        *("strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "400", "-e", f"trace={_CALLS}"),
        *("-e", "signal=none", "-o", str(log)),
    ]


def events(text: str, readable: Sequence[str], writable: Sequence[str]) -> Iterator[str]:
    """What was done that a file has no right to.

    Args:
        text: lines of the trace.
        readable: starts of paths that may be read.
        writable: starts of paths that may be written.
    """
    for line in text.splitlines():
        if found := _OPEN.search(line):
            path = f"{found['at'] or ''}/{found['path']}"
            path = os.path.normpath(found["path"] if found["path"].startswith("/") else path)
            writing = any(flag in found["flags"] for flag in ("O_WRONLY", "O_RDWR", "O_CREAT"))
            allowed = writable if writing else (*readable, *writable)
            # A path that a user gives is looked for in the folder that it names.
            listed = "O_DIRECTORY" in found["flags"]
            if path.startswith("/") and not listed and not path.startswith((*allowed, "/dev/")):
                yield f"{'wrote' if writing else 'read'} {path[:200]}"
        elif found := _CHANGE.search(line):
            if not found["path"].startswith((*writable, _SEMAPHORES)):
                yield f"changed {found['path'][:200]}"
        elif found := _CONNECT.search(line):
            if found["host"] != "127.0.0.1":
                yield f"connected to {found['host']}:{found['port']}"
        elif (found := _START.search(line)) and not Path(found["path"]).name.startswith("python"):
            yield f"started {found['path']}"
