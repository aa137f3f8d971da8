"""Compress the train and validation splits, to copy them to another machine.

``python -m tools.research.pack OUT`` with the data set in ``LANDCOVER_DATA``. The compression is
lossless: differences along rows, the sign in the last bit, high and low bytes separate, LZMA.
:func:`tools.research.trials.unpack` reads the files. The trunk of the shipped EuroSAT net is added.
"""

from __future__ import annotations

import io
import lzma
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import save_file
from torch import Tensor

from landcover.train.recipes.mosaic import initial_weights
from tools.research.common import store


def packed(value: Tensor) -> Tensor:
    """Return weights in half precision, as shipped; statistics stay unchanged."""
    return (value.half() if value.dim() > 1 else value).contiguous()


def main(out: Path) -> None:
    """Write the files."""
    out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation"):
        patches = store(split)
        np.savez_compressed(
            out / f"{split}-meta.npz",
            targets=patches.targets.numpy(),
            ids=np.array(patches.ids),
            countries=np.array(patches.countries),
        )
        for name in ("g10", "g20", "g60"):
            values = getattr(patches, name)
            steps = values.copy()
            steps[..., 1:] -= values[..., :-1]
            steps[..., 1:, 0] -= values[..., :-1, 0]
            signed = steps.view(np.int16)
            coded = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
            buffer = io.BytesIO()
            np.save(buffer, np.stack([coded >> 8, coded & 255]).astype(np.uint8))
            (out / f"{split}-{name}.xz").write_bytes(lzma.compress(buffer.getvalue(), preset=3))
    trunk = {name: packed(value) for name, value in initial_weights().items()}
    save_file(trunk, out / "eurosat-trunk.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
