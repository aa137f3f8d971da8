"""Inputs that are no files: links, pipes, devices, folders, and names of folders and files."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.hostile.corpus import seeds
from tools.hostile.corpus.archives import NAMES
from tools.hostile.corpus.case import Case, Gate, Place

__all__ = ["cases"]


def cases() -> Iterator[Case]:
    """Such places, as a source, in a folder that is indexed, and as a model or catalogue."""
    yield from _names()
    yield from _special()
    yield from _folders()


def _names() -> Iterator[Case]:
    """Sound and broken files with malicious names."""
    gates: tuple[Gate, ...] = ("path", "index")
    for label, name in NAMES.items():
        plain = name.replace("\0", "").replace("/", "_").encode()[-240:].decode(errors="ignore")
        for gate in gates:
            for broken in (False, True):

                def make(place: Place, name: str = plain, *, broken: bool = broken) -> None:
                    folder = place.folder / "in"
                    folder.mkdir()
                    data = b"II*\0junk" if broken else seeds.stack()
                    (folder / name).write_bytes(data)
                    (folder / "sound.tif").write_bytes(seeds.stack())

                what = "broken" if broken else "sound"
                yield Case(kind="names of files", name=f"{label}, {what}, {gate}", gate=gate,
                           file="in", make=make)  # fmt: skip
    for label, raw in {"surrogate": b"\xed\xa0\x80.tif", "bytes": b"\xff\xfe\xfd.tif"}.items():
        for gate in gates:

            def odd(place: Place, raw: bytes = raw) -> None:
                folder = os.fsencode(place.folder / "in")
                os.mkdir(folder)  # noqa: PTH102 - a path of bytes
                for name in (raw, b"sound.tif"):
                    with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123 - as above
                        file.write(seeds.stack())

            yield Case(
                kind="names of files", name=f"{label}, {gate}", gate=gate, file="in", make=odd
            )


def _special() -> Iterator[Case]:
    kind = "links, pipes, devices"
    makes: dict[str, Callable[[Path, Place], object]] = {
        "pipe": lambda path, _: os.mkfifo(path),
        "zeros": lambda path, _: path.symlink_to("/dev/zero"),
        "random": lambda path, _: path.symlink_to("/dev/urandom"),
        "null": lambda path, _: path.symlink_to("/dev/null"),
        "terminal": lambda path, _: path.symlink_to("/dev/stdin"),
        "link to itself": lambda path, _: path.symlink_to(path),
        "dead link": lambda path, _: path.symlink_to("nowhere"),
        "memory": lambda path, _: path.symlink_to("/proc/self/mem"),
        "kernel file": lambda path, _: path.symlink_to("/proc/kmsg"),
        "folder": lambda path, _: path.mkdir(),
        "socket": _socket,
        "hole of 8 GB": _hole,
        "nothing": lambda path, _: path.write_bytes(b""),
    }
    places: dict[str, tuple[Gate, str]] = {
        "a.tif": ("path", "a.tif"), "a.jp2": ("path", "a.jp2"), "a.png": ("path", "a.png"),
        "a.zip": ("path", "a.zip"), "in/a.tif": ("index", "in"), "in/a.parquet": ("path", "in"),
        "a.parquet": ("catalogue", "a.parquet"), "model.zip": ("archive", "model.zip"),
        "m/card.json": ("model", "m"), "m/weights.safetensors": ("model", "m"),
        "a.aux.xml": ("path", "a.aux.xml"),
    }  # fmt: skip
    for label, special in makes.items():
        for path, (gate, file) in places.items():

            def make(
                place: Place,
                path: str = path,
                special: Callable[[Path, Place], object] = special,
            ) -> None:
                whole = place.folder / path
                whole.parent.mkdir(exist_ok=True)
                if path.startswith("m/"):
                    for name, data in seeds.model().items():
                        (whole.parent / name).write_bytes(data)
                    whole.unlink()
                special(whole, place)

            yield Case(kind=kind, name=f"{label} as {path}", gate=gate, file=file, make=make,
                       must="refused")  # fmt: skip


def _socket(path: Path, place: Place) -> None:
    del place
    here = Path.cwd()
    os.chdir(path.parent)  # the address of a socket has at most 107 letters
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _hole(path: Path, place: Place) -> None:
    del place
    with path.open("wb") as file:
        file.write(b"II*\0")
        file.truncate(8_000_000_000)


def _folders() -> Iterator[Case]:
    """Trees that do not end."""
    kind = "folders"

    def ring(place: Place) -> None:
        (place.folder / "in").mkdir()
        (place.folder / "in" / "a").symlink_to("..")
        (place.folder / "in" / "b.tif").write_bytes(seeds.stack())

    def deep(place: Place) -> None:
        folder = place.folder / "in"
        for _ in range(200):
            folder /= "d"
        folder.mkdir(parents=True)
        (folder / "a.tif").write_bytes(seeds.stack())

    def wide(place: Place) -> None:
        (place.folder / "in").mkdir()
        for number in range(200):
            (place.folder / "in" / f"{number}.tif").write_bytes(b"II*\0")

    def safe(place: Place) -> None:
        (place.folder / "in.SAFE" / "GRANULE" / "x").mkdir(parents=True)
        (place.folder / "in.SAFE" / "MTD_MSIL2A.xml").symlink_to("/dev/zero")

    gates: tuple[Gate, ...] = ("path", "index")
    for gate in gates:
        for name, make in {"ring": ring, "200 deep": deep, "200 broken files": wide}.items():
            yield Case(kind=kind, name=f"{name}, {gate}", gate=gate, file="in", make=make,
                       slow=False)  # fmt: skip
        yield Case(kind=kind, name=f"SAFE of devices, {gate}", gate=gate, file="in.SAFE", make=safe)
