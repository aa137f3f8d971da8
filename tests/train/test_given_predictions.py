"""Probabilities that the user brings to a check of labels: good ones, and each kind of bad ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from landcover.cli.main import main
from landcover.core.classes import CLASS_NAMES, EUROSAT_CLASSES, cover_of
from landcover.core.errors import BadInput
from landcover.core.patch_place import with_place
from landcover.datasets.labelled import Record
from landcover.train import given_predictions
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2
from tests.support.out_of_fold_folder import write_folds

IDS = [v2_id(10 * (k // 2), row=k % 2) for k in range(24)]
CLASSES = ("Pastures", "Mixed forest")


def record(name: str) -> Record:
    return Record(patch_id=name, labels=frozenset(), split="train", country="", product=Path())


RECORDS = [record(name) for name in IDS]


def table(
    path: Path, ids: Sequence[str] = IDS, head: str = "patch,Pastures,Mixed forest", **cells: str
) -> Path:
    """A CSV file with 0.25 and 0.75 for each patch; ``cells`` replaces those of some rows."""
    rows = [cells.get(f"row_{k}", f"{name},0.25,0.75") for k, name in enumerate(ids)]
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def test_a_table_is_read_by_the_names_of_patches_and_classes(tmp_path: Path) -> None:
    head = "Mixed forest;patch_id;remark;PASTURES"
    lines = [f"0.75;{name};seen;0.25" for name in reversed(IDS[:22])]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([head, *lines, "0.5;elsewhere;;0.5"]) + "\n")
    found, probability = given_predictions.read(path, RECORDS, CLASSES)
    assert [one.patch_id for one in found] == IDS[:22]
    assert probability.shape == (22, 2)
    np.testing.assert_array_equal(probability[0], np.array([0.25, 0.75], dtype=np.float32))


def test_short_names_of_classes_will_do(tmp_path: Path) -> None:
    names = ("Urban fabric", "Broad-leaved forest")
    head = ",".join(["patch", *(cover_of(name).short for name in names)])
    found, _ = given_predictions.read(table(tmp_path / "short.csv", head=head), RECORDS, names)
    assert len(found) == 24


def test_patches_of_ones_own_are_named_with_or_without_their_place(tmp_path: Path) -> None:
    names = [with_place(f"north/field_{k}", (32633, 600_000 + 1200 * k, 5_300_040)) for k in (1, 2)]
    path = table(tmp_path / "own.csv", ["north/field_1", names[1]])
    found, _ = given_predictions.read(path, [record(name) for name in names], CLASSES)
    assert [one.patch_id for one in found] == names


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"row_3": f"{IDS[3]},nan,0.5"}, "Line 5 of p.csv has 'nan' for 'Pastures': give prob"),
        ({"row_3": f"{IDS[3]},0.5,1.01"}, "Line 5 of p.csv has '1.01' for 'Mixed forest'"),
        ({"row_3": f"{IDS[3]},-0.1,0.5"}, "Line 5 of p.csv has '-0.1' for 'Pastures'"),
        ({"row_3": f"{IDS[3]},,0.5"}, "Line 5 of p.csv has '' for 'Pastures'"),
        ({"row_3": f"{IDS[3]},1e999,0.5"}, "has '1e999' for 'Pastures'"),
        ({"row_3": f"{IDS[2]},0.5,0.5"}, f"Line 5 of p.csv has the patch {IDS[2]} again"),
        ({"row_3": f"{IDS[3]},0.5"}, "line 5"),
        ({"head": "patch,Pastures,Forest"}, "no column for 'Mixed forest'"),
        ({"head": "who,Pastures,Mixed forest"}, "no column 'patch'"),
        ({"ids": ["a", "b"]}, "predictions of 2 patches, and none of them is of this data set"),
        ({"ids": []}, "has no rows"),
    ],
)
def test_each_kind_of_bad_table_is_one_sentence(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    path = table(tmp_path / "p.csv", **changes)
    with pytest.raises(BadInput) as refused:
        given_predictions.read(path, RECORDS, CLASSES)
    assert says.lower() in str(refused.value).lower()
    assert "\n" not in str(refused.value)


def test_many_missing_classes_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'Urban fabric', .* and 14 more: give one"):
        given_predictions.read(table(tmp_path / "p.csv"), RECORDS, CLASS_NAMES)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"\x80\x00\xff" * 100)
    with pytest.raises(BadInput, match=r"p\.csv"):
        given_predictions.read(tmp_path / "p.csv", RECORDS, CLASSES)
    with pytest.raises(BadInput, match=r"none\.csv"):
        given_predictions.read(tmp_path / "none.csv", RECORDS, CLASSES)
    with pytest.raises(BadInput, match="no predictions by place"):
        given_predictions.read(tmp_path, RECORDS, CLASSES)


def logits(value: float = 0.5, classes: int = len(CLASS_NAMES)) -> dict[str, np.ndarray]:
    return {name: np.full(classes, value, dtype=np.float32) for name in IDS}


def test_a_folder_of_a_recipe_is_read(tmp_path: Path) -> None:
    folds = {"Austria": IDS[:10], "Finland": IDS[10:]}
    write_folds(tmp_path / "net", folds, logits())
    found, probability = given_predictions.read(tmp_path / "net", RECORDS, CLASS_NAMES)
    assert len(found) == 24
    assert probability == pytest.approx(1 / (1 + np.exp(-0.5)))


def test_bad_folders_of_a_recipe_are_refused(tmp_path: Path) -> None:
    folds = {"all": IDS}
    wrong = write_folds(tmp_path / "eurosat", folds, logits(classes=len(EUROSAT_CLASSES)))
    with pytest.raises(BadInput, match="predictions of 10 classes, and this data set has 19"):
        given_predictions.read(wrong, RECORDS, CLASS_NAMES)
    for value in (np.nan, np.inf):
        broken = write_folds(tmp_path / f"net-{value}", folds, logits(value))
        with pytest.raises(BadInput, match="is damaged: remove it"):
            given_predictions.read(broken, RECORDS, CLASS_NAMES)


def test_the_command_takes_predictions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sure predictions contradict one label; the data set cannot be checked by 19 patches."""
    specs = [PatchSpec(name, (CLASSES[k % 2],)) for k, name in enumerate(IDS)]
    root = write_v2(tmp_path / "data", specs)
    head = ",".join(["patch", *(f'"{name}"' for name in CLASS_NAMES)])

    def row(k: int) -> str:
        shown = CLASSES[(k + (k == 5)) % 2]
        return ",".join([IDS[k], *("0.98" if name == shown else "0.02" for name in CLASS_NAMES)])

    rows = {f"row_{k}": row(k) for k in range(24)}
    path = table(tmp_path / "mine.csv", head=head, **rows)
    assert main(["data", "errors", str(root), "--predictions", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"{IDS[5]}: Labelled Mixed forest, but a model that has not seen this patch" in said
    assert f"{IDS[5]}: Not labelled Pastures, but a model" in said
    assert "2 labels of 24 patches are suspected" in said
    table(path, IDS[:19], head=head, **rows)
    assert main(["data", "errors", str(root), "--predictions", str(path)]) == 2
    assert "there are 19 with predictions: give at least 20" in capsys.readouterr().err
