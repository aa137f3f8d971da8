"""What hostile files point to: a folder that nothing may open, a server that nothing may ask."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import struct
import tempfile
import threading
from pathlib import Path
from typing import Final, Self

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import CANARY, URL

__all__ = ["ESCAPED", "Canary"]

ESCAPED: Final = Path("/tmp/landcover-escaped.tif")  # noqa: S108 - a place that names lead to
_EVENTS: Final = 0x01 | 0x02 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x4
"""inotify: read, written, opened, moved, made, deleted, its facts changed."""


class Canary:
    """A folder watched by the kernel, and a server on loopback that counts who connects.

    Attributes:
        folder: holds a stack, a zip and a text.
        url: address of the server.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="landcover-canary-", dir="/tmp"))
        (self.folder / "secret.tif").write_bytes(seeds.stack())
        (self.folder / "secret.zip").write_bytes(seeds.zipped({"a.tif": seeds.stack()}))
        (self.folder / "secret.txt").write_text("secret")
        self._socket = self._listening()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        assert len(self.url) == len(URL), self.url
        assert len(str(self.folder)) == len(CANARY), self.folder
        self._asked: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        libc.inotify_add_watch(self._watch, os.fsencode(self.folder), _EVENTS)

    @staticmethod
    def _listening() -> socket.socket:
        while True:
            one = socket.create_server(("127.0.0.1", 0), backlog=64)
            if one.getsockname()[1] >= 10_000:
                return one
            one.close()

    def _listen(self) -> None:
        while True:
            try:
                one, _ = self._socket.accept()
            except OSError:
                return
            with one:
                one.settimeout(0.5)
                try:
                    self._asked.append(one.recv(200).decode(errors="replace"))
                except OSError:
                    self._asked.append("")

    def touched(self) -> str:
        """What was opened or asked since the last call; empty if nothing was."""
        found = [f"asked the server: {text.splitlines()[:1]}" for text in self._asked]
        self._asked.clear()
        if names := self._opened():
            found.append(f"opened {', '.join(names)}, which nothing may open")
        if ESCAPED.exists():
            ESCAPED.unlink()
            found.append(f"wrote {ESCAPED}")
        return "; ".join(found)

    def _opened(self) -> list[str]:
        """Names of the files in the folder to which something happened."""
        names, at = set(), 0
        try:
            data = os.read(self._watch, 1 << 16)
        except BlockingIOError:
            return []
        while at < len(data):
            (length,) = struct.unpack_from("I", data, at + 12)
            names.add(data[at + 16 : at + 16 + length].rstrip(b"\0").decode())
            at += 16 + length
        return sorted(filter(None, names))  # another program may list the folder itself

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        os.close(self._watch)
        shutil.rmtree(self.folder)
