"""The device that a net runs on."""

from __future__ import annotations

from typing import Final

import torch

from landcover.core.errors import BadInput, UnknownName

__all__ = ["DEVICES", "available", "knows_bfloat16", "pick_device"]

DEVICES: Final[tuple[str, ...]] = ("auto", "cpu", "cuda", "mps")


def available() -> tuple[str, ...]:
    """Kinds of device that this machine has, the fastest first; ``"cpu"`` is always last."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def pick_device(name: str = "auto") -> torch.device:
    """The device of a given kind; ``"auto"`` is the fastest one there is.

    Raises:
        UnknownName: no kind of device has that name.
        BadInput: there is no such device here.
    """
    if name not in DEVICES:
        raise UnknownName("device", name, DEVICES)
    here = available()
    if name == "auto":
        return torch.device(here[0])
    if name not in here:
        raise BadInput(
            f"There is no '{name}' device here: choose {' or '.join((*here, 'auto'))} instead."
        )
    return torch.device(name)


def knows_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 itself, rather than by slow imitation."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
    return False
