"""EuroSAT RGB: pictures, places, splits, and error messages."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Progress
from landcover.datasets import eurosat_files, open_any
from landcover.datasets.eurosat import (
    EUROSAT_CLASSES,
    MARGIN,
    MARGIN_KM,
    EuroSat,
    are_packed,
    distance_km,
    open_eurosat,
    pack_names,
    split_of_place,
)

LABELS = ("Forest", "SeaLake", "River")


def picture(level: int, side: int = 64) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(out, "JPEG", quality=95)
    return out.getvalue()


def write_tree(root: Path, places: dict[str, tuple[float, float]]) -> Path:
    for index, name in enumerate(places):
        folder = root / "EuroSAT_RGB" / name.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.jpg").write_bytes(picture(20 * index))
    lines = [f"{n},{n.split('_')[0]},{lat},{lon}" for n, (lat, lon) in places.items()]
    (root / "locations.csv").write_text("\n".join(["name,label,latitude,longitude", *lines]))
    return root


def zipped(tree: Path, root: Path) -> Path:
    root.mkdir()
    with zipfile.ZipFile(root / "EuroSAT_RGB.zip", "w") as archive:
        for path in (tree / "EuroSAT_RGB").rglob("*.jpg"):
            archive.write(path, str(path.relative_to(tree)))
    (root / "locations.csv").write_bytes((tree / "locations.csv").read_bytes())
    return root


def places_of_all_splits() -> dict[str, tuple[float, float]]:
    wanted = iter([("Forest_1", "train"), ("Forest_10", "validation"), ("SeaLake_2", "test")])
    found: dict[str, tuple[float, float]] = {}
    name, split = next(wanted)
    for row in range(200):
        place = (40.25 + row * 0.5, 10.25)
        if split_of_place(*place) == split:
            found[name] = place
            if (following := next(wanted, None)) is None:
                return found
            name, split = following
    raise AssertionError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree", places_of_all_splits())


@pytest.fixture(params=["tree", "archive", "classes"])
def root(request: pytest.FixtureRequest, tree: Path, tmp_path: Path) -> Path:
    if request.param == "archive":
        return zipped(tree, tmp_path / "zipped")
    if request.param == "classes":
        for folder in (tree / "EuroSAT_RGB").iterdir():
            folder.rename(tree / folder.name)
        (tree / "EuroSAT_RGB").rmdir()
    return tree


def test_archive_and_tree_hold_the_same_pictures(root: Path) -> None:
    data = open_eurosat(root)
    assert data.splits == ("train", "validation", "test")
    assert [p.name for p in data.records()] == ["Forest_1", "Forest_10", "SeaLake_2"]
    assert data.unplaced == 0
    store = data.load(("train", "test"))
    assert store.ids == ("Forest_1", "SeaLake_2")
    assert store.targets.argmax(1).tolist() == [
        EUROSAT_CLASSES.index("Forest"),
        EUROSAT_CLASSES.index("SeaLake"),
    ]
    pixels = store.pixels([1, 0])
    assert pixels.shape == (2, 3, 64, 64)
    assert pixels.dtype == torch.float32
    assert torch.allclose(pixels[0], torch.tensor(40 / 255), atol=0.01)
    assert torch.equal(store.subset([1]).pixels([0]), pixels[:1])


def test_progress_is_reported_and_splits_have_short_names(tree: Path) -> None:
    reports: list[Progress] = []
    open_eurosat(tree).load("val", reports.append)
    assert reports == [Progress(what="Reading", done=1, total=1, unit="pictures")]


def test_a_block_lies_in_one_split_and_shares_are_as_documented() -> None:
    assert len({split_of_place(lat, lon) for lat in (45.01, 45.49) for lon in (7.01, 7.49)}) == 1
    blocks = [split_of_place(lat / 2, lon / 2) for lat in range(60, 140) for lon in range(-40, 70)]
    assert blocks.count("train") / len(blocks) == pytest.approx(0.70, abs=0.01)
    assert blocks.count("test") / len(blocks) == pytest.approx(0.15, abs=0.01)
    # Published metrics depend on the split: it must not change.
    assert [split_of_place(45.2, lon + 0.2) for lon in range(6)] == SPLIT_OF_A_ROW


SPLIT_OF_A_ROW = ["test", "test", "train", "train", "train", "train"]


def border() -> tuple[float, float]:
    """Find the border of a training block with a test block to its east."""
    for row in range(60, 140):
        for column in range(-40, 70):
            lat, lon = row / 2 + 0.25, column / 2
            if (
                split_of_place(lat, lon - 0.25) == "train"
                and split_of_place(lat, lon + 0.25) == "test"
            ):
                return lat, lon
    raise AssertionError


def test_neighbours_across_a_border_are_set_aside(tmp_path: Path) -> None:
    lat, lon = border()
    near, far = 0.003, 0.2
    data = open_eurosat(
        write_tree(
            tmp_path / "tree",
            {
                "River_1": (lat, lon - near),
                "River_2": (lat, lon - far),
                "River_3": (lat, lon + near),
                "River_4": (lat, lon + far),
            },
        )
    )
    assert [p.split for p in data.pictures] == [MARGIN, "train", "test", "test"]
    assert len(data.records("all")) == 4
    nearest = distance_km(data.records("train"), data.records("test"))
    assert nearest is not None
    assert nearest > MARGIN_KM
    found = data.describe()
    assert found["splits"] == {"train": 1, "test": 2, "margin": 1}
    assert found["classes"]["River"] == {"train": 1, "test": 2, "margin": 1}
    assert found["nearest_km"] == {"train-test": nearest}


def test_without_places_there_is_no_split(tree: Path) -> None:
    (tree / "locations.csv").unlink()
    data = open_eurosat(tree)
    assert data.unplaced == 3
    assert data.splits == ()
    assert len(data.load("all")) == 3
    assert distance_km(data.pictures, data.pictures) is None
    with pytest.raises(BadInput, match=r"locations\.csv"):
        data.records("train")
    with pytest.raises(UnknownName):
        data.records("tests")


def _no_folder(root: Path) -> Path:
    return root / "absent"


def _empty(root: Path) -> Path:
    (root / "empty").mkdir()
    return root / "empty"


def _no_picture(root: Path) -> Path:
    (root / "none" / "EuroSAT_RGB").mkdir(parents=True)
    return root / "none"


def _no_archive(root: Path) -> Path:
    (root / "EuroSAT_RGB.zip").write_bytes(b"no archive")
    return root


def _no_columns(root: Path) -> Path:
    (root / "locations.csv").write_text("a,b\n1,2\n")
    return root


def _off_earth(root: Path) -> Path:
    (root / "locations.csv").write_text("name,latitude,longitude\nForest_1,100,0\n")
    return root


def _twice(root: Path) -> Path:
    with zipfile.ZipFile(root / "EuroSAT_RGB.zip", "w") as archive:
        archive.writestr("EuroSAT_RGB/Forest/Forest_1.jpg", picture(1))
        archive.writestr("more/Forest/Forest_1.jpg", picture(1))
    return root


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_no_folder, "no folder"),
        (_empty, r"EuroSAT_RGB\.zip"),
        (_no_picture, "no EuroSAT picture"),
        (_no_archive, "damaged"),
        (_no_columns, "has no readable columns name, latitude and longitude"),
        (_off_earth, "has a place that is not on Earth"),
        (_twice, "twice"),
    ],
)
def test_other_folders_are_refused(
    tree: Path, change: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        open_eurosat(change(tree))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no picture", "damaged"), (picture(1, 65), "65 × 65"), (b"x" * 200_000, "larger|large")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_pictures_are_refused(
    tree: Path, tmp_path: Path, content: bytes, message: str, *, packed: bool
) -> None:
    (tree / "EuroSAT_RGB" / "Forest" / "Forest_1.jpg").write_bytes(content)
    data = open_eurosat(zipped(tree, tmp_path / "zipped") if packed else tree)
    with pytest.raises(BadInput, match=message):
        data.load("all")


def test_a_damaged_member_and_too_many_are_refused(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = zipped(tree, tmp_path / "zipped")
    path = root / "EuroSAT_RGB.zip"
    blob = bytearray(path.read_bytes())
    blob[200:400] = bytes(200)
    path.write_bytes(blob)
    with pytest.raises(BadInput, match="damaged"):
        open_eurosat(root).load("all")
    data = open_eurosat(tree)
    with pytest.raises(BadInput):
        replace(data, pictures=(replace(data.pictures[0], member="Forest/x.jpg"),)).load("all")
    monkeypatch.setattr(eurosat_files, "MAX_PICTURES", 2)
    with pytest.raises(BadInput, match="too many"):
        open_eurosat(tree)


@pytest.mark.slow
@pytest.mark.data
def test_the_real_archive_is_split_by_place(shared_data: Path) -> None:
    found = open_eurosat(shared_data / "eurosat").describe()
    assert found["splits"] == {"train": 16375, "validation": 4098, "test": 3688, "margin": 132}
    assert min(found["nearest_km"].values()) > MARGIN_KM


def test_each_name_is_packed_as_a_bit() -> None:
    names = ["Forest_1", "Forest_2999", "River_8"]
    packed = pack_names(names)
    assert set(packed) == {"Forest", "River"}
    some = ["Forest_2999", "Forest_2998", "River_8", "River_9", "River_999999", "SeaLake_8"]
    found = are_packed(some, packed)
    assert found is not None
    assert found.tolist() == [True, False, True, False, False, False]
    assert len("".join(pack_names([f"Forest_{n}" for n in range(1, 3001)]).values())) == 504


@pytest.mark.parametrize("packed", [None, 5, "text", {"Forest": "§"}, {"Forest": 5}, [["a"]]])
def test_invalid_packed_names_give_none(packed: object) -> None:
    assert are_packed(["Forest_1"], packed) is None


def test_it_is_opened_by_name_like_the_data_sets_of_patches(tree: Path) -> None:
    assert isinstance(open_any("eurosat", tree), EuroSat)
    with pytest.raises(UnknownName, match="eurosat"):
        open_any("eurosad", tree)
    with pytest.raises(BadInput):
        open_any("bigearthnet", tree)


def test_stores_are_joined_and_describe_their_origin(tree: Path) -> None:
    data = open_eurosat(tree)
    both = data.load("train").joined(data.load("test"))
    assert both.ids == ("Forest_1", "SeaLake_2")
    assert both.origin()["n"] == 2
    assert both.origin()["support"]["SeaLake"] == 1
    assert both.origin()["ids_sha256"] == data.load(("test", "train")).origin()["ids_sha256"]
