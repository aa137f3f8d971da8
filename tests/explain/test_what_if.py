"""What-if changes of a patch, and the stability of a prediction under shifts of the window."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landcover.core.bands import BAND_NAMES, COMPOSITES
from landcover.core.errors import BadInput, ModelMismatch
from landcover.core.raster import Raster
from landcover.explain import what_if
from landcover.explain.what_if import BandsOff, Brightness, Cloud, Season, Shift
from landcover.io import samples, sources
from landcover.models import registry
from landcover.models.model import Model
from landcover.trust import shift_stability
from tests.support import tiny
from tests.support.examples import examples

CARD = tiny.tiny_model().card
CLEAR_SCENES = (
    "terramind/S2L2A/38D_378R_2_3.tif",
    "terramind/S2L2A/637U_59R_1_3.tif",
    "boadella/Boadella_2020-09-14.tif",
    "boadella/Boadella_2022-06-01.tif",
)


@pytest.fixture(scope="module")
def model() -> Model:
    return registry.default().load("landcover-cnn")


@pytest.fixture(scope="module")
def patch() -> Raster:
    return samples.read_sample("austria-fields")


def after(patch: Raster, *changes: what_if.Change, scene: Raster | None = None) -> Raster:
    return what_if.changed(patch, changes, CARD, scene=scene).patch


def test_no_change_changes_nothing(model: Model, patch: Raster) -> None:
    found = what_if.what_if(model, patch, [])
    assert found.mirrored == 0.0
    np.testing.assert_array_equal(found.patch.data, patch.data)
    assert found.patch.provenance == patch.provenance
    assert found.flipped == ()
    assert max(map(abs, found.difference.values())) < 1e-5


@pytest.mark.parametrize(
    "change",
    [
        BandsOff(bands=("B08", "B8A", "B07")),
        Cloud(size=0.8),
        Season(to="winter"),
        Brightness(gain=1.5),
        Shift(east_m=300, north_m=-200),
    ],
)
def test_each_change_affects_the_prediction_and_is_recorded(
    model: Model, patch: Raster, change: what_if.Change
) -> None:
    kept = patch.data.copy()
    found = what_if.what_if(model, patch, [change])
    assert max(map(abs, found.difference.values())) > 0.005
    assert found.descriptions == (change.description,)
    assert found.patch.provenance.notes[-1] == f"what if: {change.description}"
    np.testing.assert_array_equal(patch.data, kept)
    for one, other in zip(found.before.labels, model.predict(patch).labels, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
    for one, other in zip(found.after.labels, model.predict(found.patch).labels, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        rise = other.probability - found.before.of(one.label).probability
        assert found.difference[one.label] == pytest.approx(rise, abs=1e-4)
    assert set(found.flipped) == {
        item.label
        for item in found.after.labels
        if item.predicted != found.before.of(item.label).predicted
    }


def test_removed_bands_get_the_training_mean_and_others_stay(patch: Raster) -> None:
    changed = after(patch, BandsOff(bands=("B04", "B11")))
    for band in BAND_NAMES:
        if band in ("B04", "B11"):
            assert (changed.band(band) == np.float32(CARD.mean[BAND_NAMES.index(band)])).all()
        else:
            np.testing.assert_array_equal(changed.band(band), patch.band(band))
    with pytest.raises(BadInput, match="no band 'B99'"):
        BandsOff(bands=("B99",))


def test_bands_that_the_model_does_not_use_stay(patch: Raster) -> None:
    card = tiny.tiny_cnn().card
    changed = what_if.changed(patch, [BandsOff(bands=("B11", "B04"))], card).patch
    np.testing.assert_array_equal(changed.band("B11"), patch.band("B11"))
    assert (changed.band("B04") == np.float32(card.mean[card.bands.index("B04")])).all()


@given(
    opacity=st.floats(0, 1),
    size=st.floats(0.05, 2),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
)
@settings(max_examples=examples(40))
def test_a_cloud_lies_between_the_land_and_its_own_spectrum(
    opacity: float, size: float, across: float, down: float
) -> None:
    patch = samples.read_sample("austria-fields")
    cloud = Cloud(opacity=opacity, size=size, across=across, down=down)
    opacities = cloud.opacity_map(120, 120)
    assert opacities.min() >= 0
    assert opacities.max() <= opacity + 1e-6
    changed = after(patch, cloud)
    spectrum = np.array(what_if.CLOUD, dtype=np.float32)[:, None, None]
    low, high = np.minimum(patch.data, spectrum), np.maximum(patch.data, spectrum)
    assert (changed.data >= low - 1e-5).all()
    assert (changed.data <= high + 1e-5).all()
    clear = opacities == 0
    np.testing.assert_array_equal(changed.data[:, clear], patch.data[:, clear])


def test_a_cloud_is_opaque_at_its_centre_soft_at_its_edge_and_absent_without_data() -> None:
    valid = np.ones((120, 120), dtype=bool)
    valid[60:, :] = False
    patch = tiny.random_patch(valid=valid, data=np.where(valid, 0.05, 0.0) * np.ones((12, 1, 1)))
    opacity = Cloud(size=0.5, flatness=1.0).opacity_map(120, 120)
    assert opacity[60, 60] == pytest.approx(1.0)
    assert opacity[60, 5] == 0.0
    assert np.abs(np.diff(opacity, axis=1)).max() < 0.25, "no hard edge"
    changed = after(patch, Cloud(size=0.5, flatness=1.0, down=0.45))
    assert changed.band("B04")[54, 60] == pytest.approx(what_if.CLOUD[3], rel=1e-3)
    assert (changed.data[:, ~valid] == 0).all()
    red, green, blue = changed.image(COMPOSITES[0])[54, 60, :3]
    assert red == green == blue == 255


def test_a_season_and_back_restores_the_patch(patch: Raster) -> None:
    assert what_if.season_of(patch) == "summer"
    for to in what_if.SEASONS:
        there = after(patch, Season(to=to))
        factor = np.array(what_if.SEASONS[to])[:, None, None]
        np.testing.assert_allclose(there.data, patch.data * factor, rtol=1e-5)
    half = after(patch, Season(to="winter", strength=0.5), Season(to="winter", strength=0.5))
    full = after(patch, Season(to="winter"))
    np.testing.assert_allclose(half.data, full.data, rtol=1e-5)
    np.testing.assert_array_equal(after(patch, Season(to="summer")).data, patch.data)


def test_december_is_summer_south_of_the_equator() -> None:
    december = datetime(2018, 12, 21, tzinfo=UTC)
    assert what_if.season_of(tiny.random_patch(acquired=december)) == "winter"
    south = tiny.random_patch(acquired=december, crs="EPSG:32733")
    assert south.centre[0] < 0
    assert what_if.season_of(south) == "summer"
    assert what_if.season_of(tiny.random_patch()) == ""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cloud(opacity=1.2), "A cloud's opacity must be between 0 and 1, not 1.2"),
        (lambda: Cloud(size=0.0), "size and flatness must be above 0 and at most 4"),
        (lambda: Season(to="monsoon"), "Unknown season 'monsoon': choose from winter"),
        (lambda: Season(to="winter", strength=2.0), "strength must be between 0 and 1, not 2"),
        (lambda: Brightness(gain=0.0), "A gain must be between 0.1 and 10, not 0"),
        (lambda: Brightness(gain=float("nan")), "A gain must be between 0.1 and 10, not nan"),
        (lambda: Cloud(across=float("inf")), "a cloud's centre must be two finite numbers"),
        (lambda: Shift(north_m=float("nan")), "A shift needs two finite numbers"),
    ],
)
def test_impossible_changes_are_refused(make: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        make()  # type: ignore[operator]


@given(down=st.integers(-119, 119), right=st.integers(-119, 119))
@settings(max_examples=examples(40))
def test_a_window_of_a_scene_moves_to_the_pixels_there(down: int, right: int) -> None:
    scene = tiny.random_patch(size=360)
    window = scene.window(120, 120, 120)
    found = what_if.move_window(window, down, right, scene=scene)
    expected = scene.window(120 + down, 120 + right, 120)
    np.testing.assert_array_equal(found.patch.data, expected.data)
    assert found.patch.transform == expected.transform
    assert found.mirrored == 0.0


@given(down=st.integers(-119, 119), right=st.integers(-119, 119))
@settings(max_examples=examples(40))
def test_without_a_scene_the_border_is_mirrored_and_counted(down: int, right: int) -> None:
    patch = tiny.random_patch()
    found = what_if.move_window(patch, down, right)
    rows, columns = 120 - abs(down), 120 - abs(right)
    assert found.mirrored == pytest.approx(1 - rows * columns / 120**2)
    padded = np.pad(patch.data, ((0, 0), (120, 120), (120, 120)), "symmetric")
    top, left = 120 + down, 120 + right
    np.testing.assert_array_equal(found.patch.data, padded[:, top : top + 120, left : left + 120])


def test_gaps_and_classification_move_with_the_pixels() -> None:
    valid = np.indices((120, 120))[0] > 5
    patch = tiny.random_patch(valid=valid, scl=np.arange(14400).reshape(120, 120).astype(np.uint8))
    found = what_if.move_window(patch, 10, -3).patch
    assert patch.scl is not None
    assert found.scl is not None
    np.testing.assert_array_equal(found.valid[:110, 3:], patch.valid[10:, :117])
    np.testing.assert_array_equal(found.scl[:110, 3:], patch.scl[10:, :117])


def test_a_window_moves_to_the_north_and_east() -> None:
    scene = tiny.random_patch(size=360)
    window = scene.window(120, 120, 120)
    moved = after(window, Shift(east_m=200), Shift(north_m=300), scene=scene)
    np.testing.assert_array_equal(moved.data, scene.window(90, 140, 120).data)
    assert moved.transform[2] - window.transform[2] == 200
    assert moved.transform[5] - window.transform[5] == 300
    assert (
        Shift(east_m=-200, north_m=300).description == "the window moved 300 m north and 200 m west"
    )


@pytest.mark.parametrize(
    ("metres", "pixels", "words"),
    [(4, 0, "0 m"), (14, 1, "10 m east"), (25, 3, "30 m east"), (-25, -3, "30 m west")],
)
def test_a_shift_is_described_in_whole_pixels(metres: float, pixels: int, words: str) -> None:
    shift = Shift(east_m=metres)
    assert shift.pixels == (0, pixels)
    assert shift.description == f"the window moved {words}"


def test_the_window_moves_before_other_changes() -> None:
    scene = tiny.random_patch(size=360)
    window = scene.window(120, 120, 120)
    cloud, shift = Cloud(), Shift(east_m=100)
    one = after(window, cloud, shift, scene=scene)
    other = after(scene.window(120, 130, 120), cloud)
    np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize(
    "scene",
    [
        tiny.random_patch(size=100),
        tiny.random_patch(size=360, crs="EPSG:32632"),
        tiny.random_patch(size=360, transform=(20.0, 0.0, 600_000.0, 0.0, -20.0, 5_300_000.0)),
        tiny.random_patch(size=360, transform=(10.0, 0.0, 600_004.0, 0.0, -10.0, 5_300_000.0)),
        tiny.random_patch(size=360, transform=(10.0, 0.0, 700_000.0, 0.0, -10.0, 5_300_000.0)),
    ],
)
def test_a_scene_without_the_patch_is_refused(scene: Raster) -> None:
    with pytest.raises(BadInput, match="not cut from this scene"):
        what_if.move_window(tiny.random_patch(), 1, 1, scene=scene)


def test_a_shift_is_less_than_the_side_and_in_whole_pixels() -> None:
    with pytest.raises(BadInput, match="choose less than its side"):
        what_if.move_window(tiny.random_patch(), 120, 0)
    with pytest.raises(BadInput, match="whole pixels of 10 m"):
        what_if.stability(tiny.tiny_model(), tiny.random_patch(), 2.0)


def test_stability_is_computed_from_eight_shifted_windows(model: Model, patch: Raster) -> None:
    found = what_if.stability(model, patch, 200)
    here = model.predict(patch)
    there = [
        what_if.what_if(model, patch, [Shift(east_m=200 * east, north_m=200 * north)]).after
        for east, north in shift_stability.DIRECTIONS
    ]
    assert found.windows == len(there) == 8
    for label in model.card.classes:
        moves = [abs(p.of(label).probability - here.of(label).probability) for p in there]
        assert found.change[label] == pytest.approx(max(moves), abs=1e-3)
        turns = sum(p.of(label).predicted != here.of(label).predicted for p in there)
        assert found.flips.get(label, 0) == turns
    mine = {item.label for item in here.predicted}
    others = [{item.label for item in p.predicted} for p in there]
    shares = [len(mine & o) / len(mine | o) if mine | o else 1.0 for o in others]
    assert found.score == pytest.approx(np.mean(shares))
    assert found.mirrored == pytest.approx(1 - (100 / 120) ** 2)
    assert found.largest == max(found.change.values())
    assert found.as_dict()["score"] == found.score


@pytest.mark.parametrize("step", [float("nan"), float("inf"), -100.0, 4.0])
def test_an_invalid_step_is_refused(model: Model, patch: Raster, step: float) -> None:
    with pytest.raises(BadInput, match="moves by whole pixels of 10 m, not by"):
        shift_stability.stability(model, patch, step)


def test_a_window_that_would_leave_the_data_has_no_stability(model: Model) -> None:
    valid = np.zeros((120, 120), dtype=bool)
    valid[0, 0] = True
    with pytest.raises(ModelMismatch, match="moved by 100 m would hold no pixel with data"):
        shift_stability.stability(model, tiny.random_patch(valid=valid))


def test_flat_land_is_perfectly_stable(model: Model) -> None:
    spectrum = np.array(model.card.mean, dtype=np.float32)[:, None, None]
    flat = tiny.random_patch(data=np.tile(spectrum, (1, 120, 120)))
    found = what_if.stability(model, flat)
    assert found.score == 1.0
    assert found.flips == {}
    assert found.largest < 1e-4
    assert "the same labels in all 8 directions" in found.sentence
    assert "31% of its pixels were mirrored" not in found.sentence
    assert "16% of its pixels were mirrored" in found.sentence


def test_a_border_between_classes_is_less_stable_than_its_sides(model: Model) -> None:
    """Half lake, half fields: the share of water depends on the position of the window."""
    lake = samples.read_sample("finland-lake")
    fields = samples.read_sample("austria-fields")
    both = np.array(fields.data)
    water = lake.data[:, lake.band("B08") < 0.05]
    both[:, :14] = np.median(water, axis=1)[:, None, None]
    mixed = tiny.random_patch(data=both)
    assert (
        what_if.stability(model, mixed, 140).largest > what_if.stability(model, fields, 10).largest
    )
    text = what_if.Stability(
        shift_m=100.0,
        score=0.5,
        change={"Inland waters": 0.4},
        flips={"Inland waters": 3},
        windows=8,
        mirrored=0.0,
    ).sentence
    assert (
        text == "Moved by 100 m, the window gets other labels: Inland waters in 3 of 8 directions."
    )


@pytest.mark.data
@pytest.mark.slow
def test_the_factors_of_the_seasons_match_the_boadella_scenes(shared_data: Path) -> None:
    folder = shared_data / "scenes" / "boadella"

    def read(date: str) -> np.ndarray:
        return sources.read(str(folder / f"Boadella_{date}.tif")).data

    summer = np.median([read(d) for d in ("2020-06-21", "2021-07-21", "2022-06-01")], axis=0)
    dates = {"winter": "2020-01-28", "spring": "2022-03-08", "autumn": "2020-09-14"}
    for season, date in dates.items():
        other = read(date)
        lit = (summer > 0.01).all(axis=0) & (other > 0.01).all(axis=0)
        factor = np.exp(np.median(np.log(other[:, lit] / summer[:, lit]), axis=1))
        np.testing.assert_allclose(factor, what_if.SEASONS[season], atol=0.006)


@pytest.mark.data
@pytest.mark.slow
def test_a_mirrored_border_gives_a_similar_stability_as_real_surroundings(
    model: Model, shared_data: Path
) -> None:
    real, mirrored = [], []
    for name in CLEAR_SCENES:
        scene = sources.read(str(shared_data / "scenes" / name))
        for row in (12, 66, 90):
            window = scene.window(row, row, 120)
            real.append(what_if.stability(model, window, scene=scene))
            mirrored.append(what_if.stability(model, window))
    assert all(item.mirrored == 0.0 for item in real)
    gap = np.mean([a.score for a in real]) - np.mean([b.score for b in mirrored])
    assert abs(gap) < 0.05
    pairs = np.array([(a.largest, b.largest) for a, b in zip(real, mirrored, strict=True)])
    assert np.corrcoef(pairs.T)[0, 1] > 0.5
