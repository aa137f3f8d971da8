"""Controls of what-if, with undo and reset, and the changes that they stand for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from landcover.core.bands import BANDS
from pages.parts.shared import widgets

if TYPE_CHECKING:  # at run time it would load torch before the page is drawn
    from landcover.explain.what_if import Change

SEASONS: Final = ("as it is", "winter", "spring", "summer", "autumn")
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    group: tuple(band.name for band in BANDS if band.group == group)
    for group in dict.fromkeys(band.group for band in BANDS)
}
TITLES: Final[dict[str, str]] = {band.name: f"{band.name} {band.title}" for band in BANDS}
FARTHEST_M: Final = 600
STEP_M: Final = 10
MOST_BACK: Final = 50
_NOW: Final = "explain_changes_now"
_BACK: Final = "explain_changes_back"
_PREFIX: Final = "explain_change_"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Values of the controls.

    Attributes:
        off: names of groups and bands that are switched off.
        cloud: opacity of a painted cloud, percent; 0 for none.
        size, across, down: its width and its centre, percent of the patch's side.
        season: one of :data:`SEASONS`.
        strength: strength of the season's brightness, percent.
        brightness: brightness of all bands, percent; 100 changes nothing.
        east, north: shift of the window, metres.
    """

    off: tuple[str, ...] = ()
    cloud: int = 0
    size: int = 50
    across: int = 50
    down: int = 50
    season: str = SEASONS[0]
    strength: int = 100
    brightness: int = 100
    east: int = 0
    north: int = 0

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that the values stand for, in the order in which they are applied."""
        from landcover.explain import what_if  # noqa: PLC0415 - loads torch

        out: list[Change] = []
        if self.east or self.north:
            out.append(what_if.Shift(east_m=float(self.east), north_m=float(self.north)))
        if self.season != SEASONS[0] and self.strength:
            out.append(what_if.Season(to=self.season, strength=self.strength / 100))
        if self.brightness != 100:
            out.append(what_if.Brightness(gain=self.brightness / 100))
        if self.cloud:
            out.append(
                what_if.Cloud(
                    opacity=self.cloud / 100,
                    size=self.size / 100,
                    across=self.across / 100,
                    down=self.down / 100,
                )
            )
        if self.bands:
            out.append(what_if.BandsOff(bands=self.bands))
        return tuple(out)

    @property
    def bands(self) -> tuple[str, ...]:
        """All bands that are switched off, each once, in the order of the sensor."""
        off = {band for name in self.off for band in GROUPS.get(name, (name,))}
        return tuple(band.name for band in BANDS if band.name in off)


def now() -> Settings:
    """Return the current values of the controls."""
    found = st.session_state.setdefault(_NOW, Settings())
    assert isinstance(found, Settings)
    return found


def _back() -> list[Settings]:
    found = st.session_state.setdefault(_BACK, [])
    assert isinstance(found, list)
    return found


def controls() -> Settings:
    """Show all controls with undo and reset; return their values."""
    held = now()
    for name, value in _values(held).items():
        # Widgets lose their values on a visit to another page. Existing values are not set again:
        # a late response would push back a slider that is still moving.
        st.session_state.setdefault(name, value)
    with st.container(horizontal=True):
        widgets.button("Undo", key="explain_undo", icon=":material/undo:", disabled=not _back(),
                  on_click=_undo)  # fmt: skip
        widgets.button("Reset", key="explain_reset", icon=":material/restart_alt:",
                  disabled=held == Settings(), on_click=_reset)  # fmt: skip
    widgets.multiselect(
        "Bands switched off",
        [*GROUPS, *TITLES],
        format_func=lambda name: TITLES.get(name, f"all {name}: {' '.join(GROUPS.get(name, ()))}"),
        placeholder="none: choose bands or groups",
        key=f"{_PREFIX}off",
        on_change=_changed,
    )
    _slider("Opacity of a painted cloud", "cloud", (0, 100), 5)
    if held.cloud:
        for column, (title, name, span) in zip(
            st.columns(3),
            (("Width of the cloud", "size", (10, 150)), ("West to east", "across", (0, 100)),
             ("North to south", "down", (0, 100))),
            strict=True,
        ):  # fmt: skip
            with column:
                _slider(title, name, span, 5)
    left, right = st.columns(2)
    with left:
        widgets.selectbox("Season", SEASONS, key=f"{_PREFIX}season", on_change=_changed)
    if held.season != SEASONS[0]:
        with right:
            _slider("Strength of the season", "strength", (0, 100), 10)
    _slider("Brightness of all bands", "brightness", (40, 200), 5)
    left, right = st.columns(2)
    reach = (-FARTHEST_M, FARTHEST_M)
    with left:
        _slider("Shift to the east", "east", reach, STEP_M, "%d m")
    with right:
        _slider("Shift to the north", "north", reach, STEP_M, "%d m")
    return held


def _slider(
    title: str,
    name: str,
    span: tuple[int, int],
    step: int,
    unit: str = "%d %%",
) -> None:
    widgets.slider(title, *span, step=step, format=unit, key=_PREFIX + name, on_change=_changed)


def _changed() -> None:
    state = {
        name: widgets.value(_PREFIX + name) if widgets.is_offered(_PREFIX + name) else value
        for name, value in asdict(now()).items()
    }
    _turn(Settings(**{**state, "off": tuple(state["off"])}))


def _turn(to: Settings) -> None:
    held = now()
    if to != held:
        back = _back()
        back.append(held)
        del back[:-MOST_BACK]
        st.session_state[_NOW] = to


def _undo() -> None:
    back = _back()
    if back:
        st.session_state[_NOW] = back.pop()
        st.session_state.update(_values(now()))


def _reset() -> None:
    _turn(Settings())
    st.session_state.update(_values(now()))


def _values(settings: Settings) -> dict[str, Any]:
    """Return the value of each widget by its key."""
    return {
        _PREFIX + name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
    }
