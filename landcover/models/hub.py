"""Download published models from a hub and convert them: ``reben:resnet50-s2-v0.2.0``.

The reBEN models (Clasen et al. 2025) were trained on all of BigEarthNet v2 and published
at https://huggingface.co/BIFOLD-BigEarthNetv2-0. Their residual nets have the same layers as
:class:`landcover.nets.resnet.ResNet`, so their code is not needed: the weights are downloaded
as safetensors, renamed, and written into a normal model folder under the program's home
folder (see :mod:`landcover.core.home`).

The weights were trained with ConfigILM (``extra/BENv2_utils.py``), which prepares its input
as follows:

- ten bands, those of 10 and 20 m, resampled to 120 × 120 pixels by nearest repetition;
- digital numbers standardised by the training split's statistics of each band;
- the 19 classes in alphabetical order;
- bands grouped by resolution in version 0.1.1, and in ESA's order in version 0.2.0:
  ConfigILM's order was changed between the two (its issue 120).

The last point, and the names of files and layers, were taken from public code. The
conversion is tested on weights that we generated in that layout. Whether a published model
reaches its published metrics must be checked with access to the hub:
``landcover evaluate ROOT --dataset bigearthnet --model reben:resnet50-s2-v0.2.0``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from landcover.core import home, limits
from landcover.core.bands import QUANTIFICATION
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, CorruptModel, FetchError, UnknownName
from landcover.models.card import CARD_FILE, Card
from landcover.models.model import save_model, weights_bytes
from landcover.nets.resnet import ResNet

__all__ = [
    "FILE",
    "MODELS",
    "ORDERS",
    "OWNER",
    "PREFIX",
    "STATISTICS",
    "Fetch",
    "convert",
    "folder",
    "from_hub",
    "is_published",
]

PREFIX: Final = "reben:"
OWNER: Final = "BIFOLD-BigEarthNetv2-0"
FILE: Final = "model.safetensors"
ANSWER_S: Final = 10.0
"""Time limit of the request for the size of a file, in seconds."""

ORDERS: Final[dict[str, tuple[str, ...]]] = {
    "v0.1.1": ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B11", "B12", "B8A"),
    "v0.2.0": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
}
"""Version → names along the published nets' band axis."""

STATISTICS: Final[dict[str, tuple[float, float]]] = {
    "B02": (438.3720703125, 607.02685546875),
    "B03": (614.0556640625, 603.2968139648438),
    "B04": (588.4096069335938, 684.56884765625),
    "B05": (942.8433227539062, 738.4326782226562),
    "B06": (1769.931640625, 1100.4560546875),
    "B07": (2049.551513671875, 1275.805419921875),
    "B08": (2193.2919921875, 1369.3717041015625),
    "B8A": (2235.556640625, 1356.5440673828125),
    "B11": (1568.226806640625, 1070.1612548828125),
    "B12": (997.7324829101562, 813.5276489257812),
}
"""Band → mean and standard deviation of digital numbers over BigEarthNet v2's training split
at 120 pixels, nearest (ConfigILM, ``means`` and ``stds``)."""

MODELS: Final[dict[str, tuple[int, str]]] = {
    f"{PREFIX}resnet{depth}-s2-{version}": (depth, version)
    for version in ORDERS
    for depth in (18, 50, 101)
}
"""Name → depth and version."""

_CLASSES: Final = tuple(sorted(CLASS_NAMES))
_TRUNK: Final = "model.vision_encoder."

Answer = TypeVar("Answer")
Fetch = Callable[[str, str], Path]
"""Function from a repository's name and a file name in it to the downloaded file."""


def is_published(name: str) -> bool:
    """Whether a name denotes a model from the hub."""
    return name.startswith(PREFIX)


def folder(name: str, fetch: Fetch | None = None, models: Path | None = None) -> Path:
    """Return the model folder of a published model; download the model if it is missing.

    Args:
        name: one of :data:`MODELS`.
        fetch: downloads a file of a repository; :func:`from_hub` by default.
        models: the folder of the user's models; by default the one of
            :mod:`landcover.core.home`.

    Raises:
        UnknownName: there is no such published model.
        BadInput: the download library is not installed.
        FetchError: the hub cannot be reached, or has no such file.
        CorruptModel: the downloaded file is not the named model.
    """
    if name not in MODELS:
        raise UnknownName("published model", name, MODELS)
    out = (models or home.folder() / "models") / name.removeprefix(PREFIX)
    if not (out / CARD_FILE).is_file():
        path = (fetch or from_hub)(f"{OWNER}/{name.removeprefix(PREFIX)}", FILE)
        path = path.resolve()  # the hub's cache has links; deleting one would not fetch it again
        save_model(*convert(name, _read(name, path), path), out)
    return out


def _read(name: str, path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        raise CorruptModel(_trouble(name, "its file cannot be read", path)) from None


def from_hub(repository: str, name: str) -> Path:
    """A file of a repository at Hugging Face, through their own library and its cache.

    Raises:
        BadInput: the library is not installed.
        FetchError: the hub cannot be reached, has no such file, or has a larger one than any
            published model.
    """
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        raise BadInput(
            "Published models are fetched by huggingface_hub, which is not installed: "
            "pip install 'landcover[hub]'."
        ) from None
    most = limits.current().model_download_bytes
    stated = None
    with suppress(FetchError):
        address = hub.hf_hub_url(repository, name)
        facts = _asked(
            repository, name, lambda: hub.get_hf_file_metadata(address, timeout=ANSWER_S)
        )
        stated = facts.size or 0
    _refuse_large(repository, name, stated or 0, most)
    # Without an answer the file may still be in the library's cache.
    path = Path(
        _asked(
            repository,
            name,
            lambda: hub.hf_hub_download(
                repo_id=repository, filename=name, local_files_only=stated is None
            ),
        )
    )
    _refuse_large(repository, name, path.stat().st_size, most)
    return path


def _asked(repository: str, name: str, ask: Callable[[], Answer]) -> Answer:
    """Call the hub's library.

    Raises:
        FetchError: it raises any error: those of the network are of an HTTP library that differs
            between its releases.
    """
    try:
        return ask()
    except Exception:  # noqa: BLE001
        raise FetchError(
            f"{name} of {repository} could not be fetched from huggingface.co: connect to the "
            "internet and try again."
        ) from None


def _refuse_large(repository: str, name: str, size: int, most: int) -> None:
    if size > most:
        raise FetchError(
            f"{name} of {repository} has {size / 1e6:,.0f} MB, more than the "
            f"{most / 1e6:,.0f} MB of a published model: choose another model."
        )


def convert(name: str, state: Mapping[str, Tensor], path: Path | None = None) -> tuple[Card, bytes]:
    """Convert the published weights of a net to a card and a weights file.

    Args:
        name: one of :data:`MODELS`.
        state: the published weights by name.
        path: the file that they were read from, for the error's sentence.

    Raises:
        CorruptModel: the weights do not fit that net.
    """
    depth, version = MODELS[name]
    bands = ORDERS[version]
    options = {"depth": depth, "bands": list(bands), "logarithm": False}
    net = ResNet(depth=depth, bands=bands, logarithm=False)
    mean, std = zip(*(STATISTICS[band] for band in bands), strict=True)
    mean, std = (tuple(value / QUANTIFICATION for value in row) for row in (mean, std))
    try:
        net.load_state_dict(
            _renamed(state) | {"mean": torch.tensor(mean), "std": torch.tensor(std)}
        )
    except (RuntimeError, KeyError, IndexError, TypeError):
        why = f"its weights are not those of ResNet-{depth}"
        raise CorruptModel(_trouble(name, why, path)) from None
    weights = weights_bytes(net)
    card = Card(
        name=name,
        title=f"reBEN ResNet-{depth} ({version.removeprefix('v')})",
        summary=(
            "Published with BigEarthNet v2 (Clasen et al. 2025) and trained by its authors on "
            "the whole training split; thresholds of one half, not chosen by us."
        ),
        net="resnet",
        net_options=options,
        bands=bands,
        mean=mean,
        std=std,
        thresholds=dict.fromkeys(CLASS_NAMES, 0.5),
        threshold_rule="one half, as published",
        training={
            "dataset": "BigEarthNet v2 (reBEN)",
            "splits": ["train"],
            "source": f"https://huggingface.co/{OWNER}/{name.removeprefix(PREFIX)}",
        },
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        parameters=sum(value.numel() for value in net.parameters()),
    )
    return card, weights


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the published weights under our names, with head rows in our class order."""
    found = {}
    rows = [_CLASSES.index(label) for label in CLASS_NAMES]
    for name, value in state.items():
        if name.startswith(f"{_TRUNK}fc."):
            if len(value) != len(_CLASSES):  # of other classes
                raise IndexError(name)
            found["head." + name.removeprefix(f"{_TRUNK}fc.")] = value[rows]
        elif name.startswith(_TRUNK):
            found["trunk." + name.removeprefix(_TRUNK)] = value
    return found


def _trouble(name: str, why: str, path: Path | None) -> str:
    remedy = f"delete {path}" if path else "delete its file"
    return f"The published model '{name}' cannot be used: {why}: {remedy} and fetch it again."
