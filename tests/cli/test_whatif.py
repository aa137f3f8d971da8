"""The options of ``explain`` for similar patches, changes and stability."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landcover.cli import whatif
from landcover.cli.whatif import parse_change
from landcover.core.errors import BadInput, CorruptModel
from landcover.core.raster import Raster
from landcover.explain import neighbours, neighbours_build
from landcover.explain.what_if import BandsOff, Brightness, Cloud, Season, Shift
from landcover.io import samples
from landcover.models import registry
from landcover.models.card import Card
from landcover.models.model import Model
from landcover.trust.verdict import DECISION_LABELS
from tests.explain.test_neighbours import ORIGIN
from tests.explain.test_neighbours import store as store  # noqa: PLC0414 - a fixture
from tests.support import tiny


@pytest.fixture(scope="module")
def model() -> Model:
    return registry.default().load("landcover-cnn")


@pytest.fixture(scope="module")
def patch() -> Raster:
    return samples.read_sample("austria-fields")


def options_of(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    whatif.add_options(parser)
    return parser.parse_args(list(arguments))


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("bands=b11, B12", BandsOff(bands=("B11", "B12"))),
        ("cloud=0.5", Cloud(size=0.5)),
        ("cloud=0.5,0.8", Cloud(size=0.5, opacity=0.8)),
        ("season=Winter", Season(to="winter")),
        ("season=winter,0.5", Season(to="winter", strength=0.5)),
        ("gain=1.2", Brightness(gain=1.2)),
        ("shift=100,-60", Shift(east_m=100, north_m=-60)),
    ],
)
def test_changes_are_read(text: str, change: object) -> None:
    assert parse_change(text) == change


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rain=1", "'rain=1' is not a change: give one of bands="),
        ("cloud", "is not a change"),
        ("gain=much", "cannot be read: write gain=1.2"),
        ("gain=1,2", "cannot be read"),
        ("gain=nan", "A gain must be between 0.1 and 10, not nan"),
        ("cloud=nan", "size and flatness"),
        ("cloud=0.5,2", "opacity must be between 0 and 1, not 2"),
        ("cloud=1,1,1", "cannot be read"),
        ("shift=100", "write shift=EAST,NORTH"),
        ("shift=nan,0", "two finite numbers"),
        ("season=monsoon", "Unknown season 'monsoon'"),
        ("bands=B99", "no band 'B99'"),
    ],
)
def test_invalid_changes_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_change(text)


@given(st.text(max_size=30), st.sampled_from(sorted(whatif.FORMS)))
def test_any_text_is_a_change_or_is_refused(text: str, name: str) -> None:
    for words in (text, f"{name}={text}"):
        try:
            change = parse_change(words)
        except BadInput:
            continue
        assert change.description


def test_without_options_the_record_is_empty(model: Model, patch: Raster, tmp_path: Path) -> None:
    record = whatif.record_of(model, tmp_path, patch, options_of())
    assert record == {}
    assert whatif.as_text(record) == ""


def test_the_record_is_written_as_json_and_text(
    model: Model, patch: Raster, store: object, tmp_path: Path
) -> None:
    index = neighbours_build.build(model, store, ORIGIN)  # type: ignore[arg-type]
    neighbours.save(index, tmp_path)
    options = options_of(
        "--neighbours", "3", "--what-if", "cloud=1", "--what-if", "gain=2", "--stability"
    )
    record = json.loads(json.dumps(whatif.record_of(model, tmp_path, patch, options)))
    found = record["neighbours"]["patches"]
    assert len(found) == 3
    own = next(s.v2_id for s in samples.samples() if s.name == "austria-fields")
    assert own not in {one["patch_id"] for one in found}, "a patch is not its own neighbour"
    assert len(record["what_if"]["changes"]) == 2
    moves = [abs(row["after"] - row["before"]) for row in record["what_if"]["labels"]]
    assert moves == sorted(moves, reverse=True)
    assert len(moves) == len(model.card.classes)
    text = whatif.as_text(record)
    assert found[0]["patch_id"] in text
    assert "What if: a painted cloud 100% as wide as the patch" in text
    assert f"Score {record['stability']['score']:.2f}." in text
    assert (
        f"The verdict then: {DECISION_LABELS[record['what_if']['verdict']['decision']]}. " in text
    )


def test_the_text_states_that_borders_of_moved_windows_are_mirrored(
    model: Model, patch: Raster, tmp_path: Path
) -> None:
    still = whatif.record_of(model, tmp_path, patch, options_of("--what-if", "gain=1.1"))
    moved = whatif.record_of(model, tmp_path, patch, options_of("--what-if", "shift=120,0"))
    assert "mirrored" not in whatif.as_text(still)
    assert "10% of the pixels are mirrored" in whatif.as_text(moved)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--what-if", "rain=1"), "is not a change"),
        (("--neighbours", "51"), "between 0 and 50"),
        (("--neighbours", "-1"), "between 0 and 50"),
    ],
)
def test_options_are_checked_without_a_model(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        whatif.check(options_of(*arguments), picture=False)


def test_options_for_patches_are_refused_for_pictures() -> None:
    options = options_of("--stability", "--what-if", "gain=1.1")
    whatif.check(options, picture=False)
    whatif.check(options_of(), picture=True)
    with pytest.raises(BadInput, match="drop --what-if, --stability, or give a Sentinel-2 patch"):
        whatif.check(options, picture=True)


def test_a_missing_index_or_one_of_another_model_is_refused(
    model: Model, patch: Raster, store: object, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="has no index of training patches"):
        whatif.record_of(model, tmp_path, patch, options_of("--neighbours", "3"))
    with pytest.raises(BadInput, match="--neighbours must be between"):
        whatif.record_of(model, tmp_path, patch, options_of("--neighbours", "99"))
    other = tiny.tiny_cnn()
    assert isinstance(other.card, Card)
    neighbours.save(neighbours_build.build(other, store, ORIGIN), tmp_path)  # type: ignore[arg-type]
    with pytest.raises(CorruptModel, match="another card"):
        whatif.record_of(model, tmp_path, patch, options_of("--neighbours", "3"))
