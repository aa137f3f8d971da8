"""A small EuroSAT on disk, whose pictures look like noise with the colours of real ones."""

from __future__ import annotations

from pathlib import Path

from landcover.datasets.eurosat import split_of_place
from tests.support.colour_pictures import encoded, pixels

__all__ = ["TRAINING", "write"]

TRAINING = 60
_OTHERS = {"validation": 12, "test": 6}


def write(root: Path) -> Path:
    """Write one class with a few pictures of each split, each split in one block."""
    folder = root / "EuroSAT_RGB" / "Forest"
    folder.mkdir(parents=True)
    lines = ["name,label,latitude,longitude"]
    number = 0
    for split, count in {"train": TRAINING, **_OTHERS}.items():
        latitude = next(
            40.25 + row * 0.5
            for row in range(200)
            if split_of_place(40.25 + row * 0.5, 10.25) == split
        )
        for _ in range(count):
            number += 1
            image = encoded(pixels(seed=number), "JPEG", quality=95)
            (folder / f"Forest_{number}.jpg").write_bytes(image)
            lines.append(f"Forest_{number},Forest,{latitude},10.25")
    (root / "locations.csv").write_text("\n".join(lines))
    return root
