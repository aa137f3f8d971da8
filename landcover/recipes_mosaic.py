"""How ``landcover-mosaic`` comes into being: parts trained apart, joined, decided on together.

The parts are TriGrid by the configuration of ``landcover-cnn``, a SpectralLite that starts
from the shipped EuroSAT net, and the label sets of BigEarthNet's training split. Parts
fitted to the training split are joined first; on validation that mosaic yields every
decision. Then the parts are fitted to training and validation together, when asked for,
and what is shipped is the mosaic of those. The test split plays no part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from landcover import nets, registry
from landcover.card import WEIGHTS_FILE
from landcover.datasets.store import NativeStore
from landcover.nets.labelsets import packaged
from landcover.nets.mosaic import Mosaic, join
from landcover.nets.spectral import SpectralLite, inflate
from landcover.nets.trigrid import TriGrid
from landcover.training import Epoch, State, TrainConfig, train

Tell = Callable[[int, Epoch], None]

START: Final = "eurosat-rgb"
"""The registered model whose trunk SpectralLite starts from."""
LOOKS: Final[dict[str, Any]] = {"share": 0.6, "symmetries": 2, "strength": 0.25, "scale": 0.8}
"""How the parts are joined, chosen on validation: see docs/ablation.md."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The settings of what is trained.

    Attributes:
        trigrid: of the TriGrid.
        lite: of the SpectralLite.
    """

    trigrid: TrainConfig
    lite: TrainConfig

    @property
    def epochs(self) -> int:
        """Passes over the data in one fit of both."""
        return self.trigrid.epochs + self.lite.epochs


def fit(parts: Parts, store: NativeStore, runs: Path, tell: Tell | None = None) -> Mosaic:
    """Train both parts on some patches and join them.

    Parts that are done are kept in ``runs`` and not trained again by the same call.

    Args:
        parts: the settings.
        store: the patches.
        runs: a folder for one fit.
        tell: called after each epoch with the epochs that other parts had, and the epoch.

    Raises:
        BadInput: the folder holds parts of other settings that cannot be gone on with.
        UnknownName: the model to start from is not installed.
    """
    trigrid = _part(parts.trigrid, store, runs / "trigrid", {}, _after(tell, 0))
    begin = {} if _kept(parts.lite, store, runs / "lite") else inflate(start())
    lite = _part(parts.lite, store, runs / "lite", begin, _after(tell, parts.trigrid.epochs))
    return assemble(parts, trigrid, lite)


def assemble(parts: Parts, trigrid: State, lite: State) -> Mosaic:
    """A mosaic of trained weights, in evaluation mode."""
    prior = packaged(strength=LOOKS["strength"])
    grid, spectral = TriGrid(**parts.trigrid.net_options), SpectralLite(**parts.lite.net_options)
    grid.load_state_dict(trigrid)
    spectral.load_state_dict(lite)
    whole = nets.build("mosaic", **options(parts, sets=len(prior.members)))
    assert isinstance(whole, Mosaic)
    return join(grid, [spectral], prior, whole)


def options(parts: Parts, *, sets: int) -> dict[str, Any]:
    """The keyword arguments of the joined net."""
    return {
        "trigrid": parts.trigrid.net_options,
        "lites": [parts.lite.net_options],
        "sets": sets,
        **LOOKS,
    }


def start() -> State:
    """The trunk of the shipped EuroSAT net.

    Raises:
        UnknownName: it is not installed.
    """
    state = registry.load(START, "cpu").net.state_dict()
    return {name: value for name, value in state.items() if name.startswith("trunk.")}


def _part(
    config: TrainConfig,
    store: NativeStore,
    out: Path,
    initial: Mapping[str, Tensor],
    tell: Callable[[Epoch], None] | None,
) -> State:
    kept = _kept(config, store, out)
    if kept is not None:
        return kept
    # Alone, no part has anything to choose on validation: its last weights are taken.
    result = train(config, store, None, out, tell, initial=initial)
    save_file(result.state, out / WEIGHTS_FILE, metadata=_mark(config, store))
    return result.state


def _kept(config: TrainConfig, store: NativeStore, out: Path) -> State | None:
    """The weights of a part that was trained by the same settings on the same patches."""
    try:
        with safe_open(out / WEIGHTS_FILE, "pt") as file:  # type: ignore[no-untyped-call]
            if file.metadata() == _mark(config, store):
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return None


def _mark(config: TrainConfig, store: NativeStore) -> dict[str, str]:
    where = replace(config, device="auto").to_json()
    ids = hashlib.sha256("\n".join(sorted(store.ids)).encode()).hexdigest()
    return {"config": where, "ids_sha256": ids}


def _after(tell: Tell | None, done: int) -> Callable[[Epoch], None] | None:
    return None if tell is None else lambda entry: tell(done, entry)
