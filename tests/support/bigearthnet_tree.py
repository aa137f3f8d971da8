"""Small imitations of BigEarthNet folders: the real layout and grids, made-up pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from affine import Affine

from landcover.core.bands import BANDS, PATCH_M
from landcover.core.classes import CLASS_NAMES

PRODUCT = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"


@dataclass(frozen=True)
class PatchSpec:
    """One patch to write."""

    patch_id: str
    labels: tuple[str, ...]
    split: str = "train"
    country: str = "Austria"
    cloudy: bool = False
    snowy: bool = False
    on_disk: bool = True


def v2_id(col: int, row: int = 0) -> str:
    return f"{PRODUCT}_{col}_{row}"


def v1_id(col: int, row: int = 0) -> str:
    return f"S2A_MSIL2A_20170613T101031_{col}_{row}"


def write_patch(folder: Path, level: int) -> None:
    """Twelve band files of digital numbers around ``level``, reproducible from the name."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(sum(folder.name.encode()))
    for index, band in enumerate(BANDS):
        side = PATCH_M // band.resolution_m
        numbers = level + 10 * index + random.integers(0, 100, (side, side))
        with rasterio.open(
            folder / f"{folder.name}_{band.name}.tif",
            "w",
            driver="GTiff",
            width=side,
            height=side,
            count=1,
            dtype="uint16",
            crs="EPSG:32633",
            transform=Affine(band.resolution_m, 0, 300_000, 0, -band.resolution_m, 5_300_040),
        ) as raster:
            raster.write(numbers.astype(np.uint16), 1)


def level_of(labels: Sequence[str]) -> int:
    """A brightness that depends on the labels, so that a model can be trained."""
    return 500 + 300 * sum(CLASS_NAMES.index(label) + 1 for label in labels)


def write_table(path: Path, specs: Sequence[PatchSpec], **changes: Any) -> None:
    """Write the official table; ``changes`` replace columns, None removes one."""
    columns: dict[str, Any] = {
        "patch_id": [spec.patch_id for spec in specs],
        "labels": [list(spec.labels) for spec in specs],
        "split": [spec.split for spec in specs],
        "country": [spec.country for spec in specs],
        "s1_name": [""] * len(specs),
        "s2v1_name": [""] * len(specs),
        "contains_seasonal_snow": [spec.snowy for spec in specs],
        "contains_cloud_or_shadow": [spec.cloudy for spec in specs],
        **changes,
    }
    kept = {name: values for name, values in columns.items() if values is not None}
    pd.DataFrame(kept).to_parquet(path)


def write_v2(root: Path, specs: Sequence[PatchSpec]) -> Path:
    """Write BigEarthNet v2 with these patches; cloudy and snowy ones go to the second table."""
    (root / "BigEarthNet-S2").mkdir(parents=True)
    for spec in specs:
        if spec.on_disk:
            product = spec.patch_id.rsplit("_", 2)[0]
            write_patch(
                root / "BigEarthNet-S2" / product / spec.patch_id, level_of(spec.labels[:1])
            )
    write_table(root / "metadata.parquet", [x for x in specs if not (x.cloudy or x.snowy)])
    if flawed := [x for x in specs if x.cloudy or x.snowy]:
        write_table(root / "metadata_for_patches_with_snow_cloud_or_shadow.parquet", flawed)
    return root


def write_mislabelled(root: Path) -> str:
    """Write dark and bright patches in turn, the label of one being wrong; return its name.

    The dark ones are pastures and the others mixed forest, whatever the labels say.
    """
    specs = [
        PatchSpec(v2_id(10 * (k // 2), row=k % 2), (("Pastures", "Mixed forest")[k % 2],))
        for k in range(26)
    ]
    write_v2(root, specs)
    wrong = replace(specs[4], labels=("Mixed forest",))
    write_table(root / "metadata.parquet", [*specs[:4], wrong, *specs[5:]])
    return wrong.patch_id


def write_v1(
    pixels: Path, corine: Mapping[str, Sequence[str]], lists: Mapping[str, Sequence[str]]
) -> None:
    """Write BigEarthNet v1: patches with CORINE labels in ``pixels``, lists next to it."""
    for patch, labels in corine.items():
        write_patch(pixels / patch, 1000)
        text = json.dumps({"labels": list(labels), "acquisition_date": "2017-06-13 10:10:31"})
        (pixels / patch / f"{patch}_labels_metadata.json").write_text(text)
    for name, patches in lists.items():
        (pixels.parent / name).write_text("".join(f"{patch}\n" for patch in patches))
