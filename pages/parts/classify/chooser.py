"""Forms and buttons to choose a place without the map, all usable by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import streamlit as st

from landcover.core.bands import COMPOSITES, PATCH_PIXELS
from landcover.core.bands import EUROSAT_PIXELS as SIDE
from landcover.core.errors import LandcoverError
from landcover.core.raster import Raster
from landcover.io.images import SUFFIXES
from landcover.io.samples import read_sample, samples
from pages.parts.classify import live, uploads
from pages.parts.shared import choice, elements, theme, upload_memory, widgets
from pages.parts.shared.links import Place

FILE_TYPES: Final = ("tif", "tiff", "jp2", "zip", "json", *SUFFIXES)
STACK_TYPES: Final = FILE_TYPES[: -len(SUFFIXES)]
ABOUT_FILES: Final = (
    "Sentinel-2 Level-2A: stacks (one GeoTIFF or JPEG 2000 file with all bands), the band files of "
    "one scene together, or zips of these, of a SAFE product or of many files. At least the bands "
    "B02, B03 and B04 are needed."
)
ABOUT_PICTURES: Final = (
    f"Colour pictures: PNG, JPEG or a GeoTIFF of three bytes a pixel with at least {SIDE} × {SIDE} "
    "pixels of about 10 m; a model for colour pictures assigns one of ten land covers."
)
STAY: Final = "The files stay on the computer that runs the app."
_SEEN: Final = "classify_files_seen"
_TOUCHED: Final = "classify_files_touched"
"""State key of whether the user has changed the field's files since they were read."""
GALLERY_COLUMNS: Final = 3
SAMPLE: Final = "classify_sample"
GRID_STEP: Final = 6
"""Pixels of 10 m per pixel of 60 m: such steps keep the 60 m bands aligned with the window."""


def show_failure() -> None:
    """Show why the latest choice was not possible."""
    with st.container(key="classify_failure"):  # always there, or the map would be drawn anew
        if message := choice.failure():
            st.error(theme.literal(message))


def show() -> None:
    """Show the history buttons and the two forms."""
    _history_buttons()
    # This container is always there: if the tabs below moved, they would be reset.
    with st.container(key="classify_window"):
        _window()
    opened, turn = choice.tab()
    # A new key opens the tab that a button requested.
    by_name, by_file = st.tabs(
        ["Labelled sample", live.UPLOAD_TAB],
        default=opened,
        key=f"classify_tabs_{turn}",
    )
    with by_name:
        _sample()
    with by_file:
        uploader()


def gallery() -> None:
    """Show the samples with buttons, for a page on which nothing is chosen yet."""
    elements.heading("Six real places to start with")
    st.caption(
        "Each is a labelled Sentinel-2 patch of 1200 m × 1200 m, numbered as on the map. Compare "
        "the model's land covers with those that experts mapped."
    )
    with st.container(key="classify_gallery"):
        for left in range(0, len(samples()), GALLERY_COLUMNS):
            for number, column in enumerate(st.columns(GALLERY_COLUMNS), left + 1):
                sample = samples()[number - 1]
                with column:
                    elements.picture(_thumbnail(sample.name), f"True colours of place {number}")
                    widgets.button(
                        f"{number} · {sample.country}",
                        key=f"classify_gallery_{sample.name}",
                        on_click=choice.choose,
                        args=(choice.Chosen(sample=sample.name),),
                        width="stretch",
                    )
                    st.caption(sample.title)


def no_picture(chosen: choice.Chosen, place: Place) -> None:
    """Show what to do about a place without an image."""
    live.show_search(chosen, place)
    sample, away = choice.nearest_sample(place)
    st.caption(
        f"Without internet: the nearest labelled sample is {away:,.0f} km away, or upload a "
        f"Sentinel-2 image of the place under “{live.UPLOAD_TAB}”."
    )
    widgets.button(
        f"Go to the nearest sample: {sample.title}, {sample.country}",
        key="classify_nearest",
        on_click=choice.choose,
        args=(choice.Chosen(sample=sample.name),),
    )


def missing_file(name: str) -> None:
    """Say that the address of the page is about a file that has to be uploaded."""
    elements.heading(theme.literal(name))
    st.info(
        f"This address shows the file “{theme.literal(name)}”, which an address cannot contain. "
        f"Upload it under “{live.UPLOAD_TAB}”: the window is set as in the address.",
        icon=":material/upload_file:",
    )
    widgets.button(
        live.UPLOAD_TAB,
        key="classify_missing_upload",
        on_click=choice.open_tab,
        args=(live.UPLOAD_TAB,),
    )


def _history_buttons() -> None:
    with st.container(horizontal=True):
        widgets.button(
            "Previous place",
            key="classify_back",
            icon=":material/undo:",
            disabled=not choice.can_go_back(),
            on_click=choice.go_back,
        )
        widgets.button(
            "Whole map",
            key="classify_overview",
            icon=":material/zoom_out_map:",
            on_click=choice.show_overview,
        )
        widgets.button(
            "Clear",
            key="classify_clear",
            icon=":material/close:",
            disabled=not (choice.current() or choice.uploads() or choice.pictures()),
            on_click=choice.clear,
        )


def _sample() -> None:
    titles = {"": "Choose one of six"}
    for number, sample in enumerate(samples(), 1):
        titles[sample.name] = f"{number} · {sample.title}, {sample.country}"
    chosen = choice.current()
    # Show a choice made on the map here too; state may only be set before its widget.
    st.session_state[SAMPLE] = (chosen.sample if chosen else None) or ""
    widgets.selectbox(
        "Places with known land covers",
        list(titles),
        format_func=titles.__getitem__,
        key=SAMPLE,
        on_change=_sample_chosen,
    )


def _sample_chosen() -> None:
    name = widgets.value(SAMPLE)
    if name:
        choice.choose(choice.Chosen(sample=name))


def uploader(
    label: str = "Sentinel-2 images or colour pictures, one or several",
    types: Sequence[str] = FILE_TYPES,
    hint: str = f"{ABOUT_FILES} {ABOUT_PICTURES} {STAY}",
    show: Callable[[], None] = uploads.show,
) -> None:
    """Show the field to upload images, and what was read of them.

    Args:
        label: of the field.
        types: extensions of the files that it takes.
        hint: what the files may be.
        show: shows what was read.
    """
    files = widgets.file_uploader(
        label,
        type=list(types),
        key=f"classify_files_{choice.form_round()}",
        help=hint,
        on_change=st.session_state.update,
        kwargs={_TOUCHED: True},
    )
    token, seen = [file.file_id for file in files], st.session_state.get(_SEEN, [])
    if not token and not st.session_state.get(_TOUCHED):
        # The field of a page that was opened again is empty, and nobody has taken files back.
        st.session_state[_SEEN] = seen = []
    if token == seen:
        if not uploads.show_progress():
            show()
        return
    st.session_state[_TOUCHED] = False
    choice.fail(None)
    with st.spinner("Reading the files …"):
        try:
            widgets.check_files(files)
            uploads.begin(files, set(seen or ()) - set(token))
        except LandcoverError as error:
            choice.fail(str(error))
    # Only now, so that files whose reading was interrupted by a click are read again.
    st.session_state[_SEEN] = token
    upload_memory.empty(token)
    st.rerun()


def _window() -> None:
    """Show row and column of the window in a picture that is larger than a patch."""
    chosen = choice.current()
    image = choice.uploads().get(chosen.upload or "") if chosen else None
    colours = choice.picture_of(chosen)
    if chosen is not None and colours is not None:
        _colour_window(chosen, colours)
        return
    if chosen is None or image is None or max(image.height, image.width) <= PATCH_PIXELS:
        return
    how = "Click in it on the map, or set" if image.has_place else "It is not on the map: set"
    st.markdown(
        f"Your image has {image.height} × {image.width} pixels. {how} where the window of 1200 m "
        "starts."
    )
    _window_inputs(
        chosen,
        (image.height, image.width),
        side=PATCH_PIXELS,
        step=GRID_STEP,
        prefix="classify",
        when_changed=_window_chosen,
    )


def _colour_window(chosen: choice.Chosen, image: Raster) -> None:
    if max(image.height, image.width) <= SIDE:
        return
    st.markdown(
        f"Your picture has {image.height} × {image.width} pixels. The {SIDE} × {SIDE} in the "
        "middle are classified unless you set where the window starts."
    )
    _window_inputs(
        chosen,
        (image.height, image.width),
        side=SIDE,
        step=SIDE // 2,
        prefix="classify_colours",
        when_changed=_colour_window_chosen,
    )


def _window_inputs(
    chosen: choice.Chosen,
    size: tuple[int, int],
    *,
    side: int,
    step: int,
    prefix: str,
    when_changed: Callable[[str], None],
) -> None:
    """Show number inputs for the row and column where the window of ``side`` pixels starts."""
    axes = zip(("Row from the top", "Column from the left"), ("row", "col"), size, strict=True)
    for column, (label, axis, pixels) in zip(st.columns(2), axes, strict=True):
        key = f"{prefix}_{axis}"
        st.session_state[key] = getattr(chosen, axis)
        with column:
            widgets.number_input(
                label,
                min_value=0,
                max_value=pixels - side,
                step=step,
                key=key,
                on_change=when_changed,
                args=(chosen.colours or chosen.upload,),
            )


def _colour_window_chosen(key: str) -> None:
    row, col = (widgets.value(f"classify_colours_{axis}") for axis in ("row", "col"))
    choice.choose(choice.Chosen(colours=key, row=row, col=col))


def _window_chosen(upload: str) -> None:
    row, col = (widgets.value(f"classify_{axis}") for axis in ("row", "col"))
    choice.choose(choice.Chosen(upload=upload, row=row, col=col))


@st.cache_data(max_entries=8, show_spinner=False)
def _thumbnail(name: str) -> bytes:
    return theme.png(read_sample(name).image(COMPOSITES[0]), 2)
