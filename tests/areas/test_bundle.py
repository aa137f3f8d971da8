"""All files of a map in one zip."""

from __future__ import annotations

import zipfile
from pathlib import Path

from landcover.areas.bundle import write_bundle


def test_files_and_figures_are_in_it_under_their_names(tmp_path: Path) -> None:
    paths = [tmp_path / "map.tif", tmp_path / "map.csv", tmp_path / "absent.qml"]
    for path in paths[:2]:
        path.write_bytes(path.name.encode() * 1000)
    out = write_bundle(tmp_path / "map.zip", paths, {"map.png": b"picture"})
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["map.tif", "map.csv", "map.png"]
        assert archive.read("map.csv") == b"map.csv" * 1000
        assert archive.getinfo("map.tif").compress_type == zipfile.ZIP_STORED
        assert archive.getinfo("map.csv").compress_size < 1000


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("a,b")
    one, other = (
        write_bundle(tmp_path / name, [tmp_path / "map.csv"], {"map.png": b"x"}).read_bytes()
        for name in ("one.zip", "other.zip")
    )
    assert one == other
