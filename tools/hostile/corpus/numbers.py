"""Pixels that are no numbers, and stacks whose scale makes no sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tests.support import stack_files
from tools.hostile.corpus import seeds
from tools.hostile.corpus.case import Case, Gate, of_bytes

__all__ = ["cases"]


def cases() -> Iterator[Case]:
    """Stacks of such pixels, types, scales and sizes."""
    yield from _values()
    yield from _types()
    yield from _sizes()


def _values() -> Iterator[Case]:
    kind = "pixels: values"
    values = {
        "NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "1e38": 1e38, "-1e38": -1e38,
        "tiny": 1e-42, "-0": -0.0, "3e38": 3e38, "-9999": -9999.0, "65535": 65_535.0,
    }  # fmt: skip
    shares = {"all": slice(None), "one band": slice(3, 4), "none but one": slice(0, 11)}
    for dtype in ("float32", "float64"):
        for name, value in values.items():
            for share, bands in shares.items():

                def data(dtype: str = dtype, value: float = value, bands: slice = bands) -> bytes:
                    numbers = (seeds.pixels() / 10_000).astype(dtype)
                    numbers[bands] = value
                    return stack_files.tif(numbers)

                yield of_bytes(kind, f"{dtype}: {name} in {share}", "a.tif", data)

            def spots(dtype: str = dtype, value: float = value) -> bytes:
                numbers = (seeds.pixels() / 10_000).astype(dtype)
                numbers[:, 10:20, 10:20] = value
                return stack_files.tif(numbers)

            yield of_bytes(kind, f"{dtype}: {name} in a spot", "a.tif", spots)
            yield of_bytes(
                kind, f"{dtype}: {name} in a spot, upload", "a.tif", spots, gate="upload"
            )
    yield from _scales(kind)


def _scales(kind: str) -> Iterator[Case]:
    for scale, offset in ((0, 0), (np.nan, 0), (np.inf, 0), (1e300, 0), (1, np.nan), (-1, 0),
                          (1e-300, 0), (1e-4, 1e300)):  # fmt: skip

        def scaled(scale: float = scale, offset: float = offset) -> bytes:
            return stack_files.tif(seeds.pixels(), scales=(scale, offset))

        yield of_bytes(kind, f"scale {scale}, offset {offset}", "a.tif", scaled)
    for nodata in (0, 65_535, 1_000):

        def without(nodata: int = nodata) -> bytes:
            return stack_files.tif(np.full_like(seeds.pixels(), nodata), nodata=nodata)

        yield of_bytes(kind, f"only no data ({nodata})", "a.tif", without)


def _types() -> Iterator[Case]:
    kind = "pixels: types"
    for dtype in ("uint8", "int8", "int16", "uint32", "int32", "uint64", "int64", "complex64",
                  "complex128", "complex_int16"):  # fmt: skip
        for extreme in (False, True):

            def data(dtype: str = dtype, extreme: bool = extreme) -> bytes:  # noqa: FBT001
                whole = dtype.startswith(("int", "uint"))
                plain = "complex64" if dtype == "complex_int16" else dtype
                numbers = seeds.pixels().astype(plain)
                if extreme:
                    numbers[:] = np.iinfo(dtype).max if whole else complex(np.nan, np.inf)
                return stack_files.tif(numbers, dtype=dtype)

            yield of_bytes(kind, f"{dtype}{' at its end' * extreme}", "a.tif", data)
    for bits in (1, 2, 4, 7, 11, 12):

        def narrow(bits: int = bits) -> bytes:
            numbers = seeds.pixels() % (1 << bits)
            kind = "uint8" if bits <= 8 else "uint16"
            return stack_files.tif(numbers.astype(kind), nbits=bits)

        yield of_bytes(kind, f"{bits} bits", "a.tif", narrow)


def _even(shape: tuple[int, int, int], dtype: str) -> bytes:
    return stack_files.tif(np.full(shape, 0.1 if dtype == "float32" else 1_000, dtype))


def _sizes() -> Iterator[Case]:
    """Stacks that are very small, very long, or compress very well."""
    kind = "pixels: sizes"
    shapes = {
        "one pixel": (12, 1, 1), "one row": (12, 1, 20_000), "one column": (12, 20_000, 1),
        "no bands left": (1, 120, 120), "64 bands": (64, 120, 120), "65 bands": (65, 64, 64),
        "1,000 bands": (1_000, 16, 16), "2,000 wide": (12, 2_000, 2_000),
    }  # fmt: skip
    makes: dict[str, Callable[[], bytes]] = {}
    for name, shape in shapes.items():
        for dtype in ("uint16", "float32"):
            makes[f"{name}, {dtype}"] = partial(_even, shape, dtype)
    makes["1.1 MB of float32"] = lambda: stack_files.tif(
        np.full((12, 2_800, 2_800), 0.1, np.float32), compress="zstd", zstd_level=22
    )
    for name, make in makes.items():
        large = "2,000" in name or "1.1 MB" in name
        gates: tuple[Gate, ...] = ("path", "upload")
        for gate in gates:
            yield of_bytes(kind, f"{name}, {gate}", "a.tif", make, gate=gate, slow=large)
