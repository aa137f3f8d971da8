"""The settings of a fit, flat, as trackers record them."""

from __future__ import annotations

from pathlib import Path

from landcover.core import untrusted_json
from landcover.train.checkpoint import CONFIG_FILE

__all__ = ["settings_of"]


def settings_of(folder: Path, fit: str) -> dict[str, object]:
    """Settings of a fit by name, those of objects as ``augmentation.paste``.

    Args:
        folder: the model folder.
        fit: the fit's name, its path below ``runs``.

    Returns:
        the settings; none if the fit's configuration is not there.
    """
    try:
        found = untrusted_json.parse((folder / "runs" / fit / CONFIG_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    flat: dict[str, object] = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat
