"""What a map says: hectares, one place, tables of the layers, and files to download."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import pandas as pd
import streamlit as st

from pages.parts.area import layers
from pages.parts.shared import class_link, elements, naming, theme

if TYPE_CHECKING:  # at run time these would load torch before the map is drawn
    from landcover.areas.table import AreaRow
    from pages.parts.area.mapping import Mapping

_UTM: Final = re.compile(r"EPSG:32([67])(\d\d)")
ABOUT_HECTARES: Final = (
    "“On the map” counts the cells of 80 m. “Corrected” allows for the errors that were measured "
    "at places with known covers (Olofsson et al. 2014), with an interval of 95 %. Where the data "
    "do not support hectares, there is a note."
)
ABOUT_WINDOWS: Final = (
    "A class that is present in a window of 1200 m covers an unknown part of it, so windows are "
    "counted here, not hectares. Neighbouring windows overlap."
)


def show(made: Mapping) -> None:
    """Show the results of the finished blocks."""
    _hectares(made)
    _downloads(made)
    with st.expander("The layers as a table"):
        st.table(layers.table(made.canvases), border="horizontal", hide_index=True)
        class_link.table(layers.presence_table(made.canvases), "Class", hide_index=True)


def _hectares(made: Mapping) -> None:
    elements.heading("Hectares")
    if not made.results:
        st.caption("Hectares are computed once the map is complete.")
        return
    for result in made.results:
        if len(made.results) > 1:
            elements.subheading(f"In {_zone(result.crs)}")
        covers = [row for row in result.rows if row.windows is None]
        if covers:
            class_link.table(_areas(covers), "Cover", hide_index=True)
            for sentence in _notes(covers):
                st.caption(sentence)
            st.caption(ABOUT_HECTARES)
        present = [row for row in result.rows if row.windows is not None]
        present.sort(key=lambda row: -(row.windows or 0))
        if present:
            with st.expander("In how many windows each class is present"):
                _presence(present, result.tally.windows)


def _zone(crs: str) -> str:
    """Name of the coordinate reference system of a part of a map that crosses UTM zones."""
    found = _UTM.fullmatch(crs)
    if found is None:
        return "another coordinate reference system"
    return f"UTM zone {int(found[2])} {'north' if found[1] == '6' else 'south'}"


def _areas(rows: Sequence[AreaRow]) -> pd.DataFrame:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:,.1f}"

    return pd.DataFrame(
        [
            [
                row.label,
                number(row.mapped_ha),
                number(row.adjusted_ha),
                f"{number(row.low_ha)} to {number(row.high_ha)}" if row.low_ha is not None else "–",
            ]
            for row in rows
        ],
        columns=["Cover", "On the map, ha", "Corrected, ha", "Interval, ha"],
    )


def _notes(rows: Sequence[AreaRow]) -> list[str]:
    """Each note of the rows once, with the covers that it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            about.setdefault(row.note, []).append(row.label)
    return [
        theme.literal(note if len(labels) == len(rows) else f"{', '.join(labels)}: {note}")
        for note, labels in about.items()
    ]


def _presence(rows: Sequence[AreaRow], windows: int) -> None:
    found = [row for row in rows if row.windows]
    if found:
        counted = pd.DataFrame(
            [
                [naming.class_name(row.label), f"present in {row.windows:,} of {windows:,}"]
                for row in found
            ],
            columns=["Class", "Windows"],
        )
        class_link.table(counted, "Class", hide_index=True)
    others = "All other classes" if found else "All classes"
    rest = "" if len(found) == len(rows) else f"{others}: present in no window. "
    st.caption(rest + ABOUT_WINDOWS)


def _downloads(made: Mapping) -> None:
    elements.heading("Download")
    if not made.is_complete:
        st.caption("The files are written once the map is complete.")
        return
    stem = made.stem
    with st.container(horizontal=True):
        st.download_button(
            "Everything as a zip",
            made.bundle.read_bytes,
            f"{stem}.zip",
            "application/zip",
            key="area_zip",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
        )
        for number, (result, (name, figure)) in enumerate(
            zip(made.results, made.figures.items(), strict=True)
        ):
            where = f", {_zone(result.crs)}" if len(made.results) > 1 else ""
            st.download_button(
                f"Hectares as CSV{where}",
                result.written.table.read_bytes,
                f"{stem}-{result.written.table.name}",
                "text/csv",
                key=f"area_csv_{number}",
                icon=":material/download:",
                on_click="ignore",
            )
            st.download_button(
                f"Figure as PNG{where}",
                figure,
                f"{stem}-{name}",
                "image/png",
                key=f"area_png_{number}",
                icon=":material/download:",
                on_click="ignore",
            )
    st.caption(
        "The zip holds Cloud-Optimised GeoTIFFs of presence, cover and decision with styles for "
        "QGIS, a STAC item, the hectares as CSV and the figure."
    )
