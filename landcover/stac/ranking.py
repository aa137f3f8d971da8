"""Choosing the best candidate, with the reason in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from landcover.core.bands import PATCH_PIXELS, SCL_CLOUD, SCL_NODATA, SCL_SHADOW, SCL_SNOW
from landcover.core.raster import ByteArray
from landcover.stac.candidates import Candidate, Preview, SceneQuery, SearchResult
from landcover.stac.pixels import Arrays, repeated

__all__ = ["FIRST_PREVIEWS", "MAX_NODATA", "choose", "order", "preview_of", "share"]

FIRST_PREVIEWS: Final = 8
"""Candidates that are previewed at a time: some 60 requests."""
MAX_NODATA: Final = 0.01


def preview_of(parts: Sequence[Arrays]) -> Preview | None:
    """Join the classifications of a pass into a preview; None if a scene has none."""
    if not all("SCL" in arrays for arrays in parts):
        return None
    scl = np.zeros((PATCH_PIXELS, PATCH_PIXELS), dtype=np.uint8)
    picture: ByteArray = np.zeros((PATCH_PIXELS, PATCH_PIXELS, 4), dtype=np.uint8)
    for arrays in parts:
        here = repeated(arrays["SCL"], 20)
        gaps = scl == 0
        scl[gaps] = here[gaps]
        if "visual" in arrays:
            fresh = (picture[..., 3] == 0) & arrays["visual"].any(axis=2)
            picture[fresh, :3] = arrays["visual"][fresh]
            picture[fresh, 3] = 255
    return Preview(
        cloud=share(scl, SCL_CLOUD),
        shadow=share(scl, SCL_SHADOW),
        snow=share(scl, SCL_SNOW),
        nodata=share(scl, SCL_NODATA),
        picture=picture if picture[..., 3].any() else None,
    )


def share(scl: ByteArray, classes: frozenset[int]) -> float:
    """Fraction of pixels in some classes, 0 to 1."""
    return float(np.isin(scl, sorted(classes)).mean())


def order(candidates: Sequence[Candidate], query: SceneQuery) -> list[int]:
    """Order in which to preview candidates: near the preferred day first, overcast ones last."""

    def rank(index: int) -> tuple[bool, int]:
        candidate = candidates[index]
        stated = [scene.cloud for scene in candidate.scenes if scene.cloud is not None]
        return bool(stated) and min(stated) > 0.9, _days(candidate, query.best_day)

    return sorted(range(len(candidates)), key=rank)


def choose(
    candidates: Sequence[Candidate], query: SceneQuery, notes: tuple[str, ...] = ()
) -> SearchResult:
    """Choose the candidate that is clear over the square and nearest to the preferred day."""
    if not candidates:
        nothing = (
            "No scene of this catalogue shows this place: choose another catalogue or place."
            if query.any_day
            else f"No scene shows this place from {query.start} to {query.end}: widen the dates, "
            "or choose another catalogue."
        )
        return SearchResult(candidates=(), best=None, reason=nothing, notes=notes)
    checked = [i for i, candidate in enumerate(candidates) if candidate.preview is not None]
    day = query.best_day
    if not checked:
        best = min(range(len(candidates)), key=lambda i: _days(candidates[i], day))
        reason = (
            "The catalogue has no scene classification here, so cloud is not known: this is "
            f"{_preferred(query)} of {_count(len(candidates), len(candidates), 'pass')}."
        )
        return SearchResult(candidates=tuple(candidates), best=best, reason=reason, notes=notes)
    clear = [i for i in checked if _clear(candidates[i], query)]
    if clear:
        best = min(clear, key=lambda i: (_days(candidates[i], day), _hidden(candidates[i])))
        preview = candidates[best].preview
        assert preview is not None
        reason = (
            f"Clear over this square ({_percent(preview.cloud + preview.shadow)} cloud and shadow) "
            f"and {_preferred(query)} of {_count(len(checked), len(candidates))}."
        )
    else:
        best = min(checked, key=lambda i: (_hidden(candidates[i]), _days(candidates[i], day)))
        preview = candidates[best].preview
        assert preview is not None
        reason = (
            f"None of {_count(len(checked), len(candidates))} is clear enough here: this one hides "
            f"least ({_percent(preview.cloud + preview.shadow)} cloud and shadow, "
            f"{_percent(preview.nodata)} no data)"
            + ("." if query.any_day else "; widen the dates for a better one.")
        )
    return SearchResult(candidates=tuple(candidates), best=best, reason=reason, notes=notes)


def _clear(candidate: Candidate, query: SceneQuery) -> bool:
    preview = candidate.preview
    return (
        preview is not None
        and preview.cloud + preview.shadow <= query.max_cloud
        and preview.nodata <= MAX_NODATA
    )


def _hidden(candidate: Candidate) -> float:
    return candidate.preview.hidden if candidate.preview else 1.0


def _days(candidate: Candidate, day: date) -> int:
    return abs((candidate.acquired.date() - day).days)


def _preferred(query: SceneQuery) -> str:
    return "the newest" if query.near is None else f"the nearest to {_day_text(query.near)}"


def _day_text(day: date) -> str:
    return f"{day:%d %B %Y}".lstrip("0")


def _percent(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 or value == 0 else "under 1%"


def _count(checked: int, total: int, what: str = "checked pass") -> str:
    passes = f"{checked} {what}{'es' * (checked != 1)}"
    return passes if checked == total else f"{passes} ({total} found)"
