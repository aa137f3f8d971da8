"""Sound files of every form, and sound ones with harmless damage: all must be read as they are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import Case, Gate, of_bytes, of_files

__all__ = ["cases"]

KIND = "sound files"


def cases() -> Iterator[Case]:
    """Sound files as a path and as an upload."""
    gates: tuple[Gate, ...] = ("path", "upload")
    for gate in gates:
        yield from _stacks(gate)
        yield from _others(gate)
    yield of_files(KIND, "folder of band files", "scene", _folder, must="stack")
    yield of_files(KIND, "SAFE product", next(iter(seeds.safe_files())).split("/")[0],
                   seeds.safe_files, must="stack")  # fmt: skip
    yield of_files(KIND, "folder of stacks", "many", lambda: {
        "many/a.tif": seeds.stack(), "many/b.tif": seeds.stack()}, must="stack")  # fmt: skip
    yield of_files(KIND, "indexed", "many", lambda: {"many/a.tif": seeds.stack()}, gate="index")
    yield of_bytes(KIND, "model archive", "a.zip", lambda: seeds.zipped(seeds.model()),
                   gate="archive")  # fmt: skip
    yield of_files(KIND, "model", ".", seeds.model, gate="model")


def _folder() -> dict[str, bytes]:
    return {f"scene/{name}": data for name, data in seeds.band_files().items()}


def _stacks(gate: Gate) -> Iterator[Case]:
    codecs = ("none", "deflate", "lzw", "zstd", "packbits", "lerc", "lerc_zstd")
    for codec, tiled in itertools.product(codecs, (False, True)):
        options = {"compress": codec, "tiled": tiled}
        options |= {"blockxsize": 64, "blockysize": 64} if tiled else {}
        yield _stack(f"{codec}, {'tiles' if tiled else 'strips'}", gate, **options)
    for predictor, kind in ((2, "uint16"), (3, "float32")):
        yield _stack(f"predictor {predictor}", gate, predictor=predictor, dtype=kind)
    for plane in ("BAND", "PIXEL"):
        yield _stack(f"interleaved by {plane}", gate, interleave=plane)
    for order in ("BIG", "LITTLE"):
        yield _stack(f"{order} endian", gate, endianness=order)
    yield _stack("BigTIFF", gate, bigtiff="YES")
    yield _stack("cloud-optimised", gate, driver="COG")
    data = seeds.stack() + b"\0" * 1_000
    yield of_bytes(KIND, f"trailing bytes, {gate}", "a.tif", data, gate=gate, must="stack")


def _stack(name: str, gate: Gate, **options: object) -> Case:
    def data() -> bytes:
        return seeds.stack(**options)

    return of_bytes(KIND, f"{name}, {gate}", "a.tif", data, gate=gate, must="stack")


def _others(gate: Gate) -> Iterator[Case]:
    stacks: dict[str, tuple[str, Callable[[], bytes]]] = {
        "JPEG 2000": ("a.jp2", seeds.jp2),
        "zip of band files": ("a.zip", lambda: seeds.zipped(seeds.band_files())),
        "zip of a folder": ("a.zip", lambda: seeds.zipped(_folder())),
        "zip of a stack": ("a.zip", lambda: seeds.zipped({"deep/er/a.tif": seeds.stack()})),
        "stored zip": ("a.zip", lambda: seeds.zipped(_folder(), 0)),
        "zipped SAFE": ("a.zip", seeds.safe_zip),
    }
    for name, (file, make) in stacks.items():
        yield of_bytes(KIND, f"{name}, {gate}", file, make, gate=gate, must="stack")
    png, trailing = seeds.picture("PNG"), b"\0" * 1_000
    yield of_bytes(KIND, f"PNG, {gate}", "a.png", png, gate=gate, must="picture")
    yield of_bytes(KIND, f"PNG and more, {gate}", "a.png", png + trailing, gate=gate,
                   must="picture")  # fmt: skip
    yield of_bytes(KIND, f"PNG named TIFF, {gate}", "a.tif", png, gate=gate, must="picture")
    for progressive in (False, True):
        jpeg = seeds.picture("JPEG", progressive=progressive, quality=95)
        yield of_bytes(KIND, f"JPEG {progressive}, {gate}", "a.jpg", jpeg, gate=gate)
