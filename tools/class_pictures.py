"""Cut out the example pictures of the class guide and write them into the package.

``python -m tools.class_pictures ROOT``, where ROOT is a folder of BigEarthNet v2. Only patches of
the training and validation splits are taken. For each class, one patch after another is taken
from the country, then the product, that has given the fewest so far: the one with the fewest other
classes, of equal ones the first by name. :mod:`landcover.datasets.class_pictures` shows them.
"""

from __future__ import annotations

import csv
import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from landcover.core import files
from landcover.core.bands import COMPOSITES
from landcover.core.classes import CLASS_NAMES
from landcover.datasets import bigearthnet, class_pictures
from landcover.datasets.labelled import Record

SPLITS = ("train", "validation")
EACH = 4
QUALITY = 70
WATERS = {"Inland waters", "Marine waters"}
"""Of these, patches with a shore are taken: a picture of nothing but water shows nothing."""
_CLOUD = 0.16
"""Median reflectance in blue from which a patch is taken for haze, cloud or snow."""
_BLUE = 1


def chosen(name: str, records: list[Record]) -> list[Record]:
    """Return the examples of a class."""
    fewest = 2 if name in WATERS else 1
    own = [one for one in records if name in one.labels and len(one.labels) >= fewest]
    own = [one for one in own if _is_clear(one)]
    taken: list[Record] = []
    while own and len(taken) < EACH:
        best = min(own, key=partial(_order, taken))
        own.remove(best)
        taken.append(best)
    return taken


def _order(taken: list[Record], one: Record) -> tuple[int, int, int, str]:
    """Return what makes a patch the next one: the least comes first."""
    country = sum(other.country == one.country for other in taken)
    product = sum(other.product == one.product for other in taken)
    return country, product, len(one.labels), one.patch_id


def _is_clear(record: Record) -> bool:
    return float(np.median(record.patch().data[_BLUE])) < _CLOUD


def main(root: str) -> None:
    """Write the table and the image."""
    dataset = bigearthnet.open_v2(Path(root))
    records = [record for split in SPLITS for record in dataset.records(split)]
    rows, tiles = [], []
    for name in CLASS_NAMES:
        for record in chosen(name, records):
            patch = record.patch()
            tiles.append([patch.image(COMPOSITES[k])[..., :3] for k in range(2)])
            day = patch.acquired.date().isoformat() if patch.acquired else ""
            others = ";".join(one for one in CLASS_NAMES if one in record.labels and one != name)
            rows.append([name, record.patch_id, record.country, day, others])
    sheet = np.concatenate([np.concatenate(pair, axis=1) for pair in tiles])
    files.make_folder(class_pictures.FOLDER)
    with (class_pictures.FOLDER / class_pictures.TABLE).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(class_pictures.COLUMNS)
        writer.writerows(rows)
    path = class_pictures.FOLDER / class_pictures.PICTURES
    Image.fromarray(sheet).save(path, quality=QUALITY, method=6)
    print(f"{len(rows)} patches, {path.stat().st_size:,} bytes: {path}")


if __name__ == "__main__":
    main(sys.argv[1])
