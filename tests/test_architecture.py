"""Test that modules stay short, the top folder small, and tests use public names only."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

LONGEST_FILE = 450
MOST_TOP_MODULES = 25

PRIVATE = re.compile(r"_(?!_)\w*(?<!_)")
"""A private name. Names such as ``__len__`` and ``_repr_html_`` are protocols of other programs."""
PATCHES = {"setattr", "getattr", "delattr", "hasattr", "object", "patch"}
"""Functions that take the name of an attribute as text."""


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@cache
def nodes_of(code: str) -> tuple[ast.AST, ...]:
    """All parts of a file; most tests below look at the same files."""
    return tuple(ast.walk(ast.parse(code)))


@pytest.fixture(scope="module", autouse=True)
def _parsed_code_is_not_kept() -> Iterator[None]:
    """Millions of parts would slow the other tests down."""
    yield
    nodes_of.cache_clear()


def private(dotted: str) -> bool:
    return any(PRIVATE.fullmatch(part) for part in dotted.split("."))


def is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in {"landcover", "pages"}


def of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}


def private_uses(code: str) -> Iterator[str]:
    """Find the private names that a test takes from landcover and pages.

    Private attributes of all objects count, except those of ``self`` and ``cls`` that the file
    itself defines: they belong to the test's own classes.
    """
    nodes = list(ast.walk(ast.parse(code)))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_self(node)
    }
    for node in nodes:
        match node:
            case ast.ImportFrom(module=str(module), names=names) if is_ours(module):
                yield from (f"{module}.{a.name}" for a in names if private(f"{module}.{a.name}"))
            case ast.Import(names=names):
                yield from (a.name for a in names if is_ours(a.name) and private(a.name))
            case ast.Attribute(attr=name) if private(name):
                if not (of_self(node) and name in own):
                    yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args) if (
                name in PATCHES
            ):
                texts = [a.value for a in args if isinstance(a, ast.Constant)]
                yield from (text for text in texts if isinstance(text, str) and private(text))
            case ast.Constant(value=str(text)) if "import " in text:  # code for another process
                try:
                    yield from private_uses(text)
                except SyntaxError:
                    continue


@pytest.mark.parametrize("package", ["landcover", "pages"])
def test_no_module_is_too_long(package: str) -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in modules(package)
    }
    assert len(lines) > 10
    assert {name for name, count in lines.items() if count > LONGEST_FILE} == set()


def test_pages_name_their_pictures_and_charts() -> None:
    """Only ``elements`` calls the functions of Streamlit for which it needs a text or a level."""
    own = {"title", "header", "subheader", "image", "plotly_chart"}
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {ast.unparse(node.func)}"
        for path in [*modules("pages"), ROOT / "app.py"]
        if path.name != "elements.py"
        for node in nodes_of(path.read_text(encoding="utf-8"))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in own
        and ast.unparse(node.func.value) == "st"
    }
    assert found == set()


WRITES = {
    "landcover/core/files.py",
    "landcover/core/locks.py",
    # Files that grow while they are written, so that a run can resume.
    "landcover/datasets/convert.py",
    "landcover/datasets/downloads/partial_file.py",
    # The output of processes, which grows while they run.
    "landcover/jobs/runs/processes.py",
    # Millions of files of an archive, which are brought to the disk together.
    "landcover/datasets/downloads/unpack.py",
    # Its own layout, whose sums show what is incomplete.
    "landcover/net/disk_cache.py",
    # Into an archive, in a file of ``files.replacing``.
    "landcover/areas/bundle.py",
    # Into temporary folders of ``files.scratch``.
    "landcover/areas/pyramid.py",  # of ``files.aside``
    "landcover/io/archive.py",
    "landcover/io/gate/parcel.py",
    "landcover/io/sources.py",
    "landcover/stac/jp2_reader.py",
}
"""Modules that write files without :mod:`landcover.core.files`."""


WRITERS = {
    *("open", "write_text", "write_bytes", "touch", "mkstemp", "mkdtemp", "save_file"),
    *("NamedTemporaryFile", "TemporaryDirectory", "copyfile", "copytree"),
}
"""Functions that write a file; ``open`` does so in some modes."""


def own_writes(code: str) -> Iterator[str]:
    """Find calls that write a file in place, or make a temporary one."""
    for node in nodes_of(code):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        last = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        if last not in WRITERS:
            continue
        name = ast.unparse(node.func)
        texts = [
            each.value
            for argument in (*node.args, *(word.value for word in node.keywords))
            for each in ast.walk(argument)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        writes = last != "open" or any(re.fullmatch(r"[rwaxbt+]*[wax+][bt+]*", t) for t in texts)
        writes |= name == "os.open" and "O_CREAT" in code
        if writes and not name.startswith("files."):
            yield name


def test_files_are_written_in_one_way() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): list(own_writes(path.read_text(encoding="utf-8")))
        for path in [*modules("landcover"), *modules("pages"), ROOT / "app.py"]
    }
    assert {name for name, calls in found.items() if calls} - WRITES == set()


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("path.write_text('x')", ["path.write_text"]),
        ("open(path, 'w')", ["open"]),
        ("path.open('r+b' if path.exists() else 'w+b')", ["path.open"]),
        ("tempfile.TemporaryDirectory()", ["tempfile.TemporaryDirectory"]),
        ("files.write_text(path, 'x')\npath.open('rb')\nopen(path)\nImage.open(file)", []),
    ],
)
def test_ways_of_writing_are_found(code: str, found: list[str]) -> None:
    assert list(own_writes(code)) == found


OF_A_NAME = re.compile(r"from_|to_|is_|linear_units|units_factor|wkt|data")
"""The last part of what OF_A_CRS matches, since it takes long to print all attributes."""
PROJECTING = {"rasterio.warp", "pyproj", "osgeo"}
OF_A_CRS = re.compile(
    r"(CRS\.from_\w+)|(.*\bcrs\.(to_\w+|is_\w+|linear_units\w*|units_factor|wkt|data))"
)


def projecting(code: str) -> Iterator[str]:
    """Find the uses of GDAL's functions for coordinates, which raise many kinds of errors."""
    for node in nodes_of(code):
        match node:
            case ast.Import(names=names):
                yield from (a.name for a in names if a.name in PROJECTING)
            case ast.ImportFrom(module=str(module), names=names):
                wanted = {module, *(f"{module}.{a.name}" for a in names)}
                yield from sorted(wanted & PROJECTING)
            case ast.Attribute(attr=name) if OF_A_NAME.match(name) and OF_A_CRS.fullmatch(
                ast.unparse(node)
            ):
                yield ast.unparse(node)


def test_only_one_module_calls_projections() -> None:
    """Each fault of a projection becomes one sentence in ``landcover.core.projection``."""
    found = {
        path.relative_to(ROOT).as_posix(): uses
        for package in ("landcover", "pages")
        for path in modules(package)
        if path.name != "projection.py"
        and (uses := sorted(projecting(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("from rasterio import warp", 1),
        ("from rasterio.warp import transform", 1),
        ("import pyproj", 1),
        ("from rasterio.crs import CRS\nCRS.from_epsg(3857)", 1),
        ("raster.crs.to_wkt()", 1),
        ("crs.linear_units_factor[1]", 1),
        ("window.crs\nparsed.crs == crs", 0),
    ],
)
def test_uses_of_projections_are_found(code: str, count: int) -> None:
    assert len(list(projecting(code))) == count


WIDGETS = {
    *("selectbox", "multiselect", "radio", "segmented_control", "pills", "slider", "select_slider"),
    *("number_input", "text_input", "text_area", "date_input", "time_input", "datetime_input"),
    *("checkbox", "toggle", "button", "form_submit_button", "file_uploader", "data_editor"),
    *("color_picker", "chat_input", "camera_input", "audio_input", "feedback", "menu_button"),
}
"""Functions of Streamlit that return what a browser sent."""


def unchecked_widgets(code: str) -> Iterator[str]:
    """Find calls of widgets whose values nobody checks, and selections in tables and charts."""
    for node in nodes_of(code):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            selects = [word for word in node.keywords if word.arg == "on_select"]
            if node.func.attr in WIDGETS or selects:
                of = ast.unparse(node.func.value)
                if node.func.attr in WIDGETS and of not in {"widgets", "patch_link"}:
                    yield f"{of}.{node.func.attr}"
                yield from (f"on_select of {of}" for _ in selects)


def read_by_key(code: str) -> Iterator[str]:
    """Find keys of widgets whose values are read from the session past the check."""
    nodes = nodes_of(code)
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    keys = {
        ast.unparse(word.value)
        for call in calls
        if ast.unparse(call.func.value) == "widgets"  # type: ignore[attr-defined]  # an attribute
        for word in call.keywords
        if word.arg == "key"
    }
    for node in nodes:
        match node:
            case ast.Subscript(value=ast.Attribute() as value, slice=key, ctx=ast.Load()) if (
                keys and ast.unparse(value) == "st.session_state" and ast.unparse(key) in keys
            ):
                yield ast.unparse(node)


def test_pages_use_checked_widgets() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): uses
        for path in [*modules("pages"), ROOT / "app.py"]
        if path.name != "widgets.py"
        for code in [path.read_text(encoding="utf-8")]
        if (uses := [*unchecked_widgets(code), *read_by_key(code)])
    }
    assert found == {}


def test_unchecked_widgets_are_found() -> None:
    code = "st.selectbox('x', [])\nleft.slider('x', 0, 1)\nst.dataframe(t, on_select='rerun')"
    assert len(list(unchecked_widgets(code))) == 3
    assert list(read_by_key("widgets.slider('x', 0, 1, key=K)\nst.session_state[K]"))


def test_few_modules_are_outside_the_packages() -> None:
    assert len(list((ROOT / "landcover").glob("*.py"))) <= MOST_TOP_MODULES


def test_no_test_uses_a_private_name() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): uses
        for path in modules("tests")
        if path != Path(__file__)  # the examples below are such uses
        and (uses := sorted(private_uses(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from landcover.net.http import _get", ["landcover.net.http._get"]),
        ("from landcover.net import _http", ["landcover.net._http"]),
        ("import pages.parts._state", ["pages.parts._state"]),
        ("from landcover.net import http\nhttp._get()", ["http._get"]),
        ("cache._files = 3\nself._mine = 4\nself._mine", ["cache._files"]),
        ("class Fast(Cache):\n  def size(self): return self._files", ["self._files"]),
        ("monkeypatch.setattr(http, '_get', None)", ["_get"]),
        ("monkeypatch.setattr('landcover.net.http._get', None)", ["landcover.net.http._get"]),
        ("run(['-c', 'from landcover import _api'])", ["landcover._api"]),
        ("from tests.support import _tiny\nfigure._repr_png_()\nnet.__class__", []),
        ("open('a' + '_labels.json').read().split('_')", []),
    ],
)
def test_private_names_are_found(code: str, found: list[str]) -> None:
    assert sorted(private_uses(code)) == found


READS_OWN_JSON = {
    "landcover/core/untrusted_json.py",
    "landcover/io/gate/frames.py",  # between our own processes
    "landcover/net/answers.py",  # has the limits of the network, and lets NaN pass
    "landcover/stac/search.py",  # from our own cache
    "landcover/stac/geoparquet.py",  # what it has written itself
}


def test_json_from_outside_has_one_reader() -> None:
    """``json.loads`` has no limits; ``landcover.core.untrusted_json`` has."""
    found = {
        name
        for package in ("landcover", "pages")
        for path in modules(package)
        for node in nodes_of(path.read_text(encoding="utf-8"))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"load", "loads"}
        and ast.unparse(node.func) in {"json.load", "json.loads"}
        if (name := path.relative_to(ROOT).as_posix()) not in READS_OWN_JSON
    }
    assert found == set()
