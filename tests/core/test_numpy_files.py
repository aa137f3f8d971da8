"""Test that damaged array files fail in the ways that their readers expect."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

from landcover.core.numpy_files import DAMAGED


@pytest.mark.parametrize("packed", [False, True])
def test_any_flipped_bit_of_a_header_is_an_error_of_damaged_files(*, packed: bool) -> None:
    written = io.BytesIO()
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    if packed:
        np.savez(written, allow_pickle=False, numbers=array)
    else:
        np.save(written, array, allow_pickle=False)
    whole, failed = written.getvalue(), 0
    for place in range(8 * len(whole)):
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a header of an older version
            try:
                found = np.load(io.BytesIO(bytes(data)), allow_pickle=False)
                if packed:
                    found["numbers"]
            except DAMAGED:
                failed += 1
    assert failed > 100
