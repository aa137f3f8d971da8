"""The query of the app's address: what each parameter means, and how it is read and written.

:data:`PARAMETERS` has a row per parameter. :func:`write` gives the query of a :class:`Link`, and
:func:`read` gives the link of a query. A query comes from anybody, so each value is checked here
for its form; whether there is such a sample, model or class is checked where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from landcover.core.text import plain

Place = tuple[float, float]
"""Latitude and longitude in WGS 84 degrees."""
DECIMALS: Final = 5
"""Decimals of a place in degrees: a metre."""
OWN: Final = "own"
"""Catalogue of an image from a catalogue file of the user: its path stays out of the address."""
LIVE: Final = "live"
TOGETHER: Final = "together"
FILE: Final = "file:"
MOST_LETTERS: Final = 200
MOST_CORNERS: Final = 100
MOST_VALUES: Final = 4
MOST_PIXELS: Final = 1_000_000
_NUMBER: Final = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,7}", re.ASCII)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Link:
    """Everything that an address of the app says.

    The first part is the place, the second what the pages show of it. None or an empty tuple
    means that the address says nothing of it, and the page chooses.

    Attributes:
        sample: name of a labelled sample.
        at: latitude and longitude, degrees.
        area: south-west and north-east corner of a drawn rectangle.
        catalogue: name of the archive that an image comes from, or ``own``.
        scene: id of the image's first granule.
        date: day on which the image was taken.
        file: name of an uploaded file.
        window: row and column of the window's upper left pixel in the file.
        model: name of a model.
        aim: aim of the thresholds.
        labels: land covers that are explained.
        methods: methods of the attribution maps.
        baseline: what pixels are compared with.
        compare: what the Explain page compares.
        other: second model on the Explain page.
        split: data set and split on the Models page.
        view: view of one model on the Models page.
        first, second: the two models that the Models page compares.
        about: name of the class that the Classes page explains.
        run, beside: the experiment that the Experiments page shows, and the one compared with it.
        imagery: what the Area page maps: a sample's name, :data:`LIVE`, :data:`TOGETHER`, or
            :data:`FILE` with the name of an uploaded file.
        outline: corners of the area of the Area page.
        mapper: name of the model that maps it.
        step: pixels from window to window of the map, in digits.
    """

    sample: str | None = None
    at: Place | None = None
    area: tuple[Place, Place] | None = None
    catalogue: str | None = None
    scene: str | None = None
    date: date | None = None
    file: str | None = None
    window: tuple[int, int] | None = None
    model: str | None = None
    aim: str | None = None
    labels: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    baseline: str | None = None
    compare: str | None = None
    other: str | None = None
    split: str | None = None
    view: str | None = None
    first: str | None = None
    second: str | None = None
    about: str | None = None
    run: str | None = None
    beside: str | None = None
    imagery: str | None = None
    outline: tuple[Place, ...] | None = None
    mapper: str | None = None
    step: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A row of the table.

    Attributes:
        name: name in the query.
        field: attribute of :class:`Link`.
        title: what it is, for a sentence.
        parse: value of a text; raises ValueError for a text of the wrong form.
        text: text of a value.
        several: whether the parameter may be repeated.
        most_letters: of a value.
    """

    name: str
    field: str
    title: str
    parse: Callable[[str], Any]
    text: Callable[[Any], str] = str
    several: bool = False
    most_letters: int = MOST_LETTERS


def rounded(place: Place) -> Place:
    """Round a place to the decimals that an address has."""
    # Adding zero turns -0.0 into 0.0.
    return round(place[0], DECIMALS) + 0.0, round(place[1], DECIMALS) + 0.0


def _words(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("not a line of text")
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("not a name")
    return text


def _numbers(text: str, count: int, pattern: re.Pattern[str]) -> list[str]:
    parts = text.split(",")
    if len(parts) != count or not all(pattern.fullmatch(part.strip()) for part in parts):
        raise ValueError(f"not {count} numbers")
    return [part.strip() for part in parts]


def _place(text: str) -> Place:
    latitude, longitude = (float(part) for part in _numbers(text, 2, _NUMBER))
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError("not on Earth")
    return rounded((latitude, longitude))


def _area(text: str) -> tuple[Place, Place]:
    south, west, north, east = _numbers(text, 4, _NUMBER)
    low, beyond = _place(f"{south},{west}"), float(east) > 180
    # In a rectangle across the date line, longitudes count on.
    high = _place(f"{north},{float(east) - 360 * beyond}")
    if beyond:
        high = rounded((high[0], float(east)))
    if low[0] > high[0] or low[1] > high[1]:
        raise ValueError("the corners are exchanged")
    return low, high


def _window(text: str) -> tuple[int, int]:
    row, col = (int(part) for part in _numbers(text, 2, _WHOLE))
    if max(row, col) > MOST_PIXELS:
        raise ValueError("too far")
    return row, col


def _outline(text: str) -> tuple[Place, ...]:
    parts = text.split(",")
    if len(parts) % 2 or not 3 <= len(parts) // 2 <= MOST_CORNERS:
        raise ValueError("not the corners of an area")
    return tuple(_place(",".join(parts[start : start + 2])) for start in range(0, len(parts), 2))


def _step(text: str) -> str:
    if not _WHOLE.fullmatch(text):
        raise ValueError("not a number of pixels")
    return text


def _day(text: str) -> date:
    if not _DAY.fullmatch(text):
        raise ValueError("not a day")
    return date.fromisoformat(text)


def _degrees(value: float) -> str:
    text = f"{value:.{DECIMALS}f}"
    return text.rstrip("0").rstrip(".")


def _place_text(place: Place) -> str:
    return ",".join(_degrees(value) for value in place)


def _places_text(places: tuple[Place, ...]) -> str:
    return ",".join(_place_text(place) for place in places)


def _window_text(window: tuple[int, int]) -> str:
    return f"{window[0]},{window[1]}"


PARAMETERS: Final = (
    Parameter(name="sample", field="sample", title="the sample", parse=_name),
    Parameter(name="at", field="at", title="the place", parse=_place, text=_place_text),
    Parameter(name="area", field="area", title="the rectangle", parse=_area, text=_places_text),
    Parameter(name="catalogue", field="catalogue", title="the catalogue", parse=_name),
    Parameter(name="scene", field="scene", title="the scene", parse=_words),
    Parameter(name="date", field="date", title="the date", parse=_day, text=date.isoformat),
    Parameter(name="file", field="file", title="the file", parse=_words),
    Parameter(name="window", field="window", title="the window", parse=_window, text=_window_text),
    Parameter(name="model", field="model", title="the model", parse=_words),
    Parameter(name="aim", field="aim", title="the aim of the thresholds", parse=_name),
    Parameter(name="class", field="labels", title="the land cover", parse=_words, several=True),
    Parameter(name="method", field="methods", title="the method", parse=_name, several=True),
    Parameter(name="baseline", field="baseline", title="the baseline", parse=_name),
    Parameter(name="compare", field="compare", title="the comparison", parse=_words),
    Parameter(name="against", field="other", title="the other model", parse=_words),
    Parameter(name="split", field="split", title="the split", parse=_words),
    Parameter(name="view", field="view", title="the view", parse=_words),
    Parameter(name="a", field="first", title="the compared model", parse=_words),
    Parameter(name="b", field="second", title="the compared model", parse=_words),
    Parameter(name="about", field="about", title="the class", parse=_words),
    Parameter(name="run", field="run", title="the experiment", parse=_words),
    Parameter(name="with", field="beside", title="the other experiment", parse=_words),
    Parameter(name="imagery", field="imagery", title="the imagery", parse=_words),
    Parameter(
        name="outline",
        field="outline",
        title="the area",
        parse=_outline,
        text=_places_text,
        most_letters=24 * MOST_CORNERS,
    ),
    Parameter(name="mapper", field="mapper", title="the model of the map", parse=_words),
    Parameter(name="step", field="step", title="the step of the map", parse=_step),
)
NAMES: Final = frozenset(row.name for row in PARAMETERS)
TITLES: Final = {row.field: row.title for row in PARAMETERS}


def read(query: Mapping[str, Sequence[str]]) -> tuple[Link, tuple[str, ...]]:
    """Return the link of a query, and a sentence for each parameter that is of the wrong form.

    Unknown parameters are ignored: addresses are decorated by whoever passes them on.

    Args:
        query: name → all its values.
    """
    found: dict[str, Any] = {}
    notices = []
    for row in PARAMETERS:
        texts = list(query.get(row.name, ()))
        if not texts:
            continue
        try:
            values = _parsed(row, texts)
        except ValueError:
            notices.append(
                f"The address of this page gives {row.title} as “{_shown(texts[0])}”, which cannot "
                "be used, so it is left out."
            )
        else:
            found[row.field] = values if row.several else values[0]
    return Link(**found), tuple(notices)


def _parsed(row: Parameter, texts: Sequence[str]) -> tuple[Any, ...]:
    if len(texts) > (MOST_VALUES if row.several else 1):
        raise ValueError("given too often")
    if max(map(len, texts)) > row.most_letters:
        raise ValueError("too long")
    return tuple(dict.fromkeys(row.parse(text) for text in texts))


def _shown(text: str) -> str:
    return plain(text if len(text) <= 40 else text[:39] + "…")


def write(link: Link) -> dict[str, list[str]]:
    """Return the query of a link; parameters of which the link says nothing are absent."""
    query = {}
    for row in PARAMETERS:
        value = getattr(link, row.field)
        values = value if row.several else () if value is None else (value,)
        if values:
            query[row.name] = [row.text(one) for one in values]
    return query


assert {row.field for row in PARAMETERS} == {field.name for field in fields(Link)}
