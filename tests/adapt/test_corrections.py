"""Test keeping, undoing, exporting and importing corrections."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landcover.adapt import corrections, geojson
from landcover.adapt.corrections import Correction, Kept
from landcover.core import files, home, limits
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, LandcoverError
from landcover.io import sources

ARABLE, PASTURES = "Arable land", "Pastures"
MADE = "2026-11-29T12:00:00Z"


def correction(number: int = 0, **changes: Any) -> Correction:
    values = {"outline": [[48.0, 13.0 + number]], "confirmed": [ARABLE], "made": MADE, **changes}
    return corrections.built(values)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(path=tmp_path / "corrections.json")


def test_corrections_are_kept_in_order_and_the_last_one_is_undone(kept: Kept) -> None:
    assert kept.read() == ()
    one, two, three = (correction(k) for k in range(3))
    assert kept.add([one, two, two]) == 2
    assert kept.add([two, three]) == 1
    assert kept.read() == (one, two, three)
    assert kept.undo() == three
    assert kept.undo(one.id) == one
    assert kept.read() == (two,)


def test_all_are_removed_and_added_again(kept: Kept) -> None:
    assert kept.clear() == ()
    made = [correction(k) for k in range(3)]
    kept.add(made)
    assert kept.clear() == tuple(made)
    assert kept.read() == ()
    kept.add(made)
    assert kept.read() == tuple(made)


def test_there_may_be_nothing_to_undo(kept: Kept) -> None:
    with pytest.raises(BadInput, match="nothing to undo"):
        kept.undo()
    kept.add([correction()])
    with pytest.raises(BadInput, match="no correction 'abc'"):
        kept.undo("abc")


def test_the_default_file_is_in_the_programs_home() -> None:
    assert Kept.default().path == home.location() / "corrections.json"


def test_two_runs_do_not_write_at_the_same_time(kept: Kept) -> None:
    with files.lock_file(kept.path), pytest.raises(BadInput, match="another run"):
        kept.add([correction()])
    kept.add([correction()])


def test_more_corrections_than_the_limit_are_refused(kept: Kept) -> None:
    with limits.changed(corrections=2), pytest.raises(BadInput, match="At most 2 corrections"):
        kept.add(correction(k) for k in range(3))
    assert kept.read() == ()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"version": 2, "corrections": []}',
        '{"version": 1, "corrections": {}}',
        '{"version": 1, "corrections": [1]}',
        '{"version": 1, "corrections": [{"outline": [[1, 2]]}]}',
        "[" * 10_000,
    ],
)
def test_a_damaged_file_is_reported_and_left_alone(kept: Kept, text: str) -> None:
    kept.path.write_text(text, encoding="utf-8")
    for change in (kept.read, kept.undo, lambda: kept.add([correction()])):
        with pytest.raises(BadInput, match=r"corrections\.json"):
            change()
    assert kept.path.read_text(encoding="utf-8") == text


def test_classes_that_nobody_spoke_of_are_unknown() -> None:
    partial = correction(confirmed=[ARABLE], struck=[PASTURES], added=["Inland waters"])
    assert partial.truth == {ARABLE: True, PASTURES: False, "Inland waters": True}
    complete = correction(confirmed=[ARABLE], complete=True)
    assert complete.truth == {name: name == ARABLE for name in CLASS_NAMES}


@pytest.mark.parametrize(
    "changes",
    [
        {"confirmed": ["Moon"]},
        {"confirmed": [ARABLE], "struck": [ARABLE]},
        {"confirmed": []},
        {"outline": []},
        {"outline": [[91, 0]]},
        {"outline": [[0, 0]] * 101},
        {"answer": {ARABLE: 2.0}},
        {"answer": {"Moon": 0.5}},
        {"pixels_sha256": "zz"},
        {"more": 1},
        {"made": "yesterday"},
    ],
)
def test_a_correction_that_makes_no_sense_is_one_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"^A correction cannot be used: .*[.]$"):
        correction(**changes)


def test_a_place_is_the_middle_of_its_outline_across_the_date_line() -> None:
    square = correction(outline=[[10, 179.9], [10, -179.9], [9, -179.9], [9, 179.9]])
    latitude, longitude = square.place
    assert latitude == pytest.approx(9.5)
    assert abs(longitude) == pytest.approx(180)


def test_the_hash_is_of_the_pixels_alone() -> None:
    patch = sources.read("finland-lake")
    own = corrections.pixels_sha256(patch)
    elsewhere = replace(patch, provenance=replace(patch.provenance, source="other"), acquired=None)
    assert corrections.pixels_sha256(elsewhere) == own
    brighter = patch.data.copy()
    brighter[0, 0, 0] += np.float32(1e-4)
    assert corrections.pixels_sha256(replace(patch, data=brighter)) != own
    valid = patch.valid.copy()
    valid[0, 0] = not valid[0, 0]
    assert corrections.pixels_sha256(replace(patch, valid=valid)) != own


def test_the_correction_of_an_answer_knows_what_was_shown() -> None:
    patch = sources.read("finland-lake")
    made = corrections.of_answer(
        patch,
        {ARABLE: 0.25},
        predicted=["Inland waters", PASTURES],
        present=["Inland waters", ARABLE],
        absent=[PASTURES],
        model="landcover-mosaic",
        card_hash="0" * 12,
    )
    assert (made.confirmed, made.added, made.struck) == (("Inland waters",), (ARABLE,), (PASTURES,))
    assert made.place == pytest.approx(patch.centre, abs=1e-3)
    assert made.acquired == patch.acquired
    assert len(made.outline) == 4


def test_the_last_correction_of_the_same_pixels_counts() -> None:
    first = correction(pixels_sha256="a" * 64)
    other = correction(1)
    again = correction(pixels_sha256="a" * 64, confirmed=[PASTURES])
    assert corrections.current([first, other, again]) == (other, again)
    assert corrections.digest([first, other]) == corrections.digest([other, first])


def test_what_is_exported_can_be_imported(tmp_path: Path) -> None:
    given = [
        correction(0, complete=True),
        correction(1, outline=[[48, 13], [48, 14], [47, 14]], struck=[PASTURES]),
        correction(2, acquired="2024-06-15T10:00:00Z", answer={ARABLE: 0.5}, source="a.tif"),
    ]
    path = tmp_path / "own.geojson"
    geojson.write(given, path)
    assert geojson.read(path) == tuple(given)
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert raw["type"] == "FeatureCollection"
    assert raw["features"][0]["geometry"] == {"type": "Point", "coordinates": [13.0, 48.0]}
    ring = raw["features"][1]["geometry"]["coordinates"][0]
    assert ring[0] == ring[-1] == [13.0, 48.0]


def feature(**changes: Any) -> dict[str, Any]:
    plain = {"geometry": {"type": "Point", "coordinates": [13, 48]}, "properties": {}}
    return {"type": "Feature", **plain, **changes}


def test_a_file_written_by_hand_needs_a_place_and_classes(tmp_path: Path) -> None:
    path = tmp_path / "hand.geojson"
    properties = {"added": ["pastures"], "struck": None, "fid": 7}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    raw = {"type": "FeatureCollection", "crs": crs, "features": [feature(properties=properties)]}
    path.write_text(json.dumps(raw), encoding="utf-8")
    (one,) = geojson.read(path)
    assert one.truth == {PASTURES: True}
    assert one.place == (48, 13)


HOSTILE: dict[str, Any] = {
    "not JSON": "{",
    "nested": "[" * 100_000,
    "another type": {"type": "Feature"},
    "another CRS": {"type": "FeatureCollection", "crs": {"properties": {"name": "EPSG:3857"}}},
    "no features": {"type": "FeatureCollection", "features": 3},
    "a text": {"type": "FeatureCollection", "features": ["x"]},
    "no properties": {"type": "FeatureCollection", "features": [feature(properties=None)]},
    "no class": {"type": "FeatureCollection", "features": [feature()]},
    "unknown class": {
        "type": "FeatureCollection",
        "features": [feature(properties={"added": ["Moon"]})],
    },
    "many classes": {
        "type": "FeatureCollection",
        "features": [feature(properties={"added": [ARABLE] * 1000})],
    },
    "a number": {"type": "FeatureCollection", "features": [feature(properties={"added": [1]})]},
    "a line": {
        "type": "FeatureCollection",
        "features": [
            feature(geometry={"type": "LineString", "coordinates": [[1, 2], [3, 4]]})
            | {"properties": {"added": [ARABLE]}}
        ],
    },
    "no numbers": {
        "type": "FeatureCollection",
        "features": [
            feature(geometry={"type": "Point", "coordinates": ["a", None]})
            | {"properties": {"added": [ARABLE]}}
        ],
    },
    "nowhere": {
        "type": "FeatureCollection",
        "features": [
            feature(geometry={"type": "Point", "coordinates": [13, 99]})
            | {"properties": {"added": [ARABLE]}}
        ],
    },
    "too many": {"type": "FeatureCollection", "features": [feature()] * 5_001},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_unusable_file_is_one_sentence(tmp_path: Path, what: str) -> None:
    path = tmp_path / "bad.geojson"
    content = HOSTILE[what]
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(LandcoverError) as error:
        geojson.read(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"There is no file 'none\.geojson'"):
        geojson.read(tmp_path / "none.geojson")


def test_damage_anywhere_in_a_file_is_one_sentence_or_harmless(kept: Kept, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    given = [correction(0, complete=True), correction(1, outline=[[48, 13], [48, 14], [47, 14]])]
    exported = tmp_path / "own.geojson"
    geojson.write(given, exported)
    kept.add(given)
    for path, read in ((exported, lambda: geojson.read(exported)), (kept.path, kept.read)):
        whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        for _ in range(200):
            bytes_ = whole.copy()
            bytes_[random.integers(len(bytes_), size=3)] = random.integers(256, size=3)
            path.write_bytes(bytes_.tobytes())
            try:
                read()
            except LandcoverError as error:
                assert "\n" not in str(error)  # noqa: PT017 - most of the files are damaged
