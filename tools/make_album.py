"""Make the album of ``landcover/datasets/album.py`` from a BigEarthNet folder.

Usage: python tools/make_album.py ROOT, where ROOT holds BigEarthNet-S2
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from landcover.core.bands import COMPOSITES
from landcover.datasets import album
from landcover.datasets.patch_names import load_from_disk
from landcover.evaluate import report_files
from landcover.explain import neighbours
from landcover.models import registry

SPLIT = ("bigearthnet-v2", "test")
QUALITY = 60


def names() -> list[str]:
    """Return the patches of all reports and indices of the shipped models."""
    found: set[str] = set()
    known = registry.default()
    for name in known.for_patches():
        if SPLIT in report_files.reports(known.folder(name)):
            found |= set(report_files.read_report(known.folder(name), *SPLIT).predictions.ids)
        index = neighbours.load(known.folder(name), known.card(name).hash)
        if index is not None:
            found |= set(index.ids)
    return sorted(found)


def main() -> None:
    """Write the names and the image."""
    root, held, tiles = Path(sys.argv[1]), [], []
    for name in names():
        patch = load_from_disk(root, name)
        if patch is None:
            print(f"{name} is not in {root}, so the album lacks it", file=sys.stderr)
            continue
        small = Image.fromarray(patch.image(COMPOSITES[0])[..., :3])
        tiles.append(np.asarray(small.resize((album.SIDE, album.SIDE), Image.Resampling.BOX)))
        held.append(name)
    rows = -(-len(tiles) // album.ACROSS)
    sheet = np.zeros((rows * album.SIDE, album.ACROSS * album.SIDE, 3), np.uint8)
    for number, tile in enumerate(tiles):
        row, col = divmod(number, album.ACROSS)
        sheet[row * album.SIDE :, col * album.SIDE :][: album.SIDE, : album.SIDE] = tile
    album.FOLDER.mkdir(exist_ok=True)
    (album.FOLDER / album.NAMES).write_text("\n".join(held) + "\n", encoding="utf-8")
    Image.fromarray(sheet).save(album.FOLDER / album.PICTURES, quality=QUALITY, method=6)
    print(f"{len(held)} patches, {(album.FOLDER / album.PICTURES).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
