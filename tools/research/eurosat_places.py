"""Where and on what pictures a model for EuroSAT fails.

``python -m tools.research.eurosat_places ROOT FILE [RECIPE]``

ROOT is the folder of EuroSAT. FILE holds predictions: the ``.parquet`` of a saved report, the
``predictions.npz`` of :mod:`tools.gpu.eurosat_fit`, or the folder that
:mod:`tools.research.eurosat_recipes` writes, of whose recipes RECIPE is one. Printed are the
cells of two degrees with most errors, and the share of errors by what a picture looks like (tenths
of a measure) and by how far the next training picture of its class is.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.neighbors import BallTree

from landcover.core.classes import EUROSAT_CLASSES
from landcover.datasets.eurosat import EARTH_KM, EuroSat, EuroSatRecord, open_eurosat
from landcover.datasets.picture_folds import cells_of

Floats = npt.NDArray[Any]
CELLS: Final = 8
STEPS_KM: Final = (6.0, 12.0, 25.0, 50.0)


def predictions(path: Path, recipe: str) -> dict[str, str]:
    """Read the class that each picture was called."""
    if path.is_dir():
        names, parts = [], []
        for one in sorted(path.glob(f"{recipe}-?.npz")):
            with np.load(one) as file:
                names += file["name"].tolist()
                parts.append(file["logits"])
        scores = np.concatenate(parts)
    elif path.suffix == ".parquet":
        table = pd.read_parquet(path)
        columns = [f"probability: {label}" for label in EUROSAT_CLASSES]
        names, scores = table["patch_id"].tolist(), table[columns].to_numpy()
    else:
        with np.load(path) as file:
            names, scores = file["name"].tolist(), file[recipe].astype(np.float32)
    return {
        name: EUROSAT_CLASSES[row.argmax()]
        for name, row in zip(names, scores, strict=True)
        if np.isfinite(row).all()
    }


def looks(dataset: EuroSat, pictures: list[EuroSatRecord]) -> dict[str, Floats]:
    """Measure what pictures look like, ``(picture,)`` each, between 0 and 1."""
    pixels = dataset.load_pictures(pictures).bytes.reshape(len(pictures), -1, 3)
    mean = pixels.mean(axis=1) / 255
    return {
        "brightness": mean.mean(axis=1),
        "darkest blue (haze)": np.percentile(pixels[:, :, 2], 1, axis=1) / 255,
        "green − red": mean[:, 1] - mean[:, 0],
        "blue − red": mean[:, 2] - mean[:, 0],
        "contrast": pixels.std(axis=1).mean(axis=1) / 255,
    }


def next_km(pictures: list[EuroSatRecord], training: list[EuroSatRecord]) -> Floats:
    """Distance of each picture to the next training picture of its class, in km."""
    found = np.full(len(pictures), np.inf)
    for label in EUROSAT_CLASSES:
        own = [k for k, one in enumerate(pictures) if one.label == label]
        some = [(one.latitude, one.longitude) for one in training if one.label == label]
        if own and some:
            where = np.radians([(pictures[k].latitude, pictures[k].longitude) for k in own])
            tree = BallTree(np.radians(some), metric="haversine")
            found[own] = tree.query(where)[0][:, 0] * EARTH_KM
    return found


def main(root: str, file: str, recipe: str = "") -> None:
    """Print the tables."""
    dataset = open_eurosat(Path(root))
    called = predictions(Path(file), recipe)
    pictures = [one for one in dataset.pictures if one.name in called]
    wrong = np.array([called[one.name] != one.label for one in pictures])
    print(f"{len(pictures)} pictures, {wrong.sum()} errors, accuracy {1 - wrong.mean():.4f}\n")
    cells = cells_of(pictures)
    count, errors = Counter(cells), Counter(cells[wrong])
    print(f"{'cell':<10}{'pictures':>10}{'errors':>8}")
    for cell, n in errors.most_common(CELLS):
        pairs = Counter(
            f"{pictures[k].label} as {called[pictures[k].name]}"
            for k in np.flatnonzero((cells == cell) & wrong)
        )
        told = ", ".join(f"{pair} {times}" for pair, times in pairs.most_common(2))
        print(f"{cell:<10}{count[cell]:>10}{n:>8}  {told}")
    print("\nshare of errors in each tenth of the pictures, from low to high")
    for name, values in looks(dataset, pictures).items():
        tenths = np.array_split(wrong[np.argsort(values, kind="stable")], 10)
        print(f"{name:<22}" + " ".join(f"{part.mean():.3f}" for part in tenths))
    if file.endswith(".parquet"):  # by place, every fit has other training pictures
        training = [one for one in dataset.pictures if one.split in ("train", "validation")]
        step = np.digitize(next_km(pictures, training), STEPS_KM)
        print("\nnext training picture of the class")
        for k, (low, high) in enumerate(
            zip((0.0, *STEPS_KM), (*STEPS_KM, float("inf")), strict=True)
        ):
            part = wrong[step == k]
            share = part.mean() if len(part) else float("nan")
            print(f"{low:>4g} to {high:>4g} km{len(part):>8} pictures, errors {share:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
