"""Joining the granules of a pass to one raster: each is harmonised, the first with data is used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from landcover.core.bands import BAND_NAMES, SCL_HIDDEN
from landcover.core.raster import ByteArray, Provenance, Raster
from landcover.io.band_files import RESAMPLING
from landcover.io.scaling import SHIFTED, valid_numbers
from landcover.stac.archives import OffsetRule
from landcover.stac.candidates import Candidate
from landcover.stac.harmonise import RULES, OffsetDecision, confirm
from landcover.stac.pixels import Numbers
from landcover.stac.scene import Scene

__all__ = ["decided", "joined"]


def decided(scene: Scene, numbers: Numbers, rule: OffsetRule) -> OffsetDecision:
    """Decide by a scene's metadata and its dark pixels whether its numbers contain +1000."""
    return confirm(RULES[rule](scene.claims), numbers.bands, valid_numbers(numbers.bands))


def joined(
    candidate: Candidate,
    parts: Sequence[Numbers],
    decisions: Sequence[OffsetDecision],
    *,
    title: str,
    attribution: str,
) -> Raster:
    """Join the granules of a pass; pixels of none of them are not valid.

    Args:
        candidate: the pass.
        parts: the numbers of each of its scenes in its target.
        decisions: how they are read.
        title: of the archive.
        attribution: text that its licence requires, or empty.
    """
    shape = (candidate.target.height, candidate.target.width)
    reflectance = np.zeros((len(BAND_NAMES), *shape), dtype=np.float32)
    filled = np.zeros(shape, dtype=np.bool_)
    scl: ByteArray = np.zeros(shape, dtype=np.uint8)
    for numbers, decision in zip(parts, decisions, strict=True):
        valid = valid_numbers(numbers.bands, shifted=decision.scaling is SHIFTED)
        values = decision.scaling.apply(numbers.bands, valid)
        if filled.any():
            fresh = valid & ~filled
            np.copyto(reflectance, values, where=fresh)
        else:
            reflectance, fresh = values, valid
        if numbers.scl is not None:
            np.copyto(scl, numbers.scl, where=fresh)
        filled |= valid
    has_scl = all(numbers.scl is not None for numbers in parts)
    ground = filled & ~np.isin(scl, sorted(SCL_HIDDEN)) if has_scl else filled
    np.copyto(reflectance, np.float32(0), where=~ground)
    return Raster(
        data=reflectance,
        valid=ground,
        bands=BAND_NAMES,
        crs=candidate.target.crs,
        transform=candidate.target.transform,
        acquired=candidate.acquired,
        scl=scl if has_scl else None,
        provenance=_provenance(candidate, decisions, title, attribution),
    )


def _provenance(
    candidate: Candidate,
    decisions: Sequence[OffsetDecision],
    title: str,
    attribution: str,
) -> Provenance:
    said = list(dict.fromkeys(decision.description for decision in decisions))
    notes = [f"{len(decisions)} granules joined"] * (len(decisions) > 1)
    if attribution:
        notes.append(f"{attribution} {candidate.acquired:%Y}")
    baselines = [scene.baseline for scene in candidate.scenes if scene.baseline]
    first = candidate.scenes[0]
    return Provenance(
        source=f"{title}, {candidate.acquired:%Y-%m-%d}",
        level="L2A",
        scene=" + ".join(scene.id for scene in candidate.scenes),
        baseline=" and ".join(dict.fromkeys(baselines)) or None,
        scaling="; ".join(said),
        resampling=RESAMPLING,
        band_order=f"names of the assets, {first.platform or 'Sentinel-2'}",
        notes=tuple(notes),
    )
