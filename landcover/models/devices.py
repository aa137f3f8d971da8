"""Choose the device that a net runs on."""

from __future__ import annotations

from typing import Final

import torch

from landcover.core.errors import BadInput, UnknownName

__all__ = ["DEVICES", "available", "pick_device", "supports_bfloat16"]

DEVICES: Final[tuple[str, ...]] = ("auto", "cpu", "cuda", "mps")


def available() -> tuple[str, ...]:
    """Return the device types of this machine, fastest first; ``"cpu"`` is always last."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of a given type; ``"auto"`` selects the fastest available one.

    Raises:
        UnknownName: no device type has that name.
        BadInput: this machine has no such device.
    """
    if name not in DEVICES:
        raise UnknownName("device", name, DEVICES)
    here = available()
    if name == "auto":
        return torch.device(here[0])
    if name not in here:
        raise BadInput(
            f"This machine has no '{name}' device: choose {' or '.join((*here, 'auto'))} instead."
        )
    return torch.device(name)


def supports_bfloat16(device: torch.device) -> bool:
    """Whether the device computes bfloat16 in hardware rather than emulating it slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
    return False
