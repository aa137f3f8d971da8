"""Labels that are probably wrong: found by models that have not seen the patch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from landcover.cli.main import main
from landcover.core import limits
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput
from landcover.core.raster import BoolArray, FloatArray
from landcover.datasets import open_dataset, open_patches
from landcover.datasets.labelled import Record
from landcover.train import label_errors
from landcover.train.label_errors import Evidence
from tests.support import own_folder
from tests.support.bigearthnet_tree import PatchSpec, v2_id, write_v2

PASTURES, FOREST, WATER = "Pastures", "Mixed forest", "Inland waters"


def separable(n: int = 120) -> tuple[FloatArray, BoolArray, list[str]]:
    """Patches of many blocks with two classes, each with a feature of its own that shows it."""
    random = np.random.default_rng(3)
    labels = random.random((n, 2)) < 0.5
    features = labels + random.normal(0, 0.1, (n, 2))
    ids = [v2_id(10 * (k % 9), row=10 * (k // 9 % 9)) for k in range(n)]
    return features.astype(np.float32), labels, ids


def evidence_of(features: FloatArray, labels: BoolArray, ids: list[str]) -> Evidence:
    records = [
        Record(patch_id=name, labels=frozenset(), split="train", country="", product=Path())
        for name in ids
    ]
    return Evidence(
        records=tuple(records),
        classes=(PASTURES, WATER),
        labels=labels,
        probability=label_errors.out_of_fold(features, labels, ids),
        by="trees",
        features=features,
    )


def test_a_label_does_not_change_the_probability_of_its_own_patch() -> None:
    features, labels, ids = separable()
    before = label_errors.out_of_fold(features, labels, ids)
    other = labels.copy()
    other[7] ^= True
    after = label_errors.out_of_fold(features, other, ids)
    np.testing.assert_array_equal(before[7], after[7])
    assert (before != after).any()


def test_patches_of_the_same_ground_are_left_out_together() -> None:
    features, labels, ids = separable()
    # The same ground on another date, with the same features and other labels.
    twins = [name.replace("20170613", "20170802") for name in ids[:10]]
    both = label_errors.out_of_fold(
        np.concatenate([features, features[:10]]),
        np.concatenate([labels, ~labels[:10]]),
        [*ids, *twins],
    )
    np.testing.assert_array_equal(both[:10], both[-10:])


def test_wrong_labels_are_found_with_their_reason() -> None:
    features, labels, ids = separable()
    wrong = labels.copy()
    wrong[[3, 30, 60, 90], 0] ^= True
    wrong[[5, 50, 75, 100], 1] ^= True
    found = label_errors.find(evidence_of(features, wrong, ids))
    assert found.classes == (PASTURES, WATER)
    expected = {(row, PASTURES) for row in (3, 30, 60, 90)}
    expected |= {(row, WATER) for row in (5, 50, 75, 100)}
    suspects = found.suspects
    assert len(suspects) >= 6
    assert {(one.row, one.label) for one in suspects} <= expected
    assert all(one.given == wrong[one.row, (PASTURES, WATER).index(one.label)] for one in suspects)
    first = suspects[0]
    assert first.confidence < 0.2
    start = "Labelled" if first.given else "Not labelled"
    assert first.reason.startswith(f"{start} {first.label}, but a model that has not seen")


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0, "less than 0.1%"), (0.123, "12.3%"), (0.9995, "more than 99.9%")],
)
def test_reasons_are_never_surer_than_the_numbers(probability: float, said: str) -> None:
    one = label_errors.Suspect(row=0, label=WATER, given=True, probability=probability)
    assert one.reason.endswith(f"gives it {said}.")


def test_classes_that_few_patches_have_are_not_checked() -> None:
    features, labels, ids = separable(60)
    labels[:, 0] = False
    labels[: label_errors.LEAST - 1, 0] = True
    found = label_errors.find(evidence_of(features, labels, ids))
    assert found.classes == (WATER,)
    assert {one.label for one in found.suspects} <= {WATER}


def test_patches_of_one_block_cannot_be_checked() -> None:
    features, labels, _ = separable(30)
    with pytest.raises(BadInput, match="patches of more places"):
        label_errors.out_of_fold(features, labels, [v2_id(k % 10, k // 10) for k in range(30)])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forest is brighter than pastures."""
    specs = [
        PatchSpec(v2_id(10 * (k // 2), row=k % 2), ((PASTURES, FOREST)[k % 2],)) for k in range(24)
    ]
    return write_v2(tmp_path_factory.mktemp("labels") / "data", specs)


def test_the_command_lists_suspects(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "errors", str(root), "--json", "--planted", "0.1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 24
    assert found["classes"] == [PASTURES, FOREST]
    assert found["labels"] == []  # the labels of the imitation are right
    assert [one["kind"] for one in found["planted"]] == ["random", "similar"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--most", "0"], "give 1 or more"),
        (["--splits", "test"], "there are 0 of the splits test: give at least 20"),
        (["--splits", "trial"], "trial"),
        (["--planted", "0.6"], "between 0 and 0.5, not 0.6"),
        (["--planted", "0.1", "--predictions", "some.csv"], "cannot be used with --predictions"),
        (["--predictions", "missing.csv"], "missing.csv"),
        (["--dataset", "eurosat"], "eurosat"),
    ],
)
def test_bad_options_are_one_sentence(
    root: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "errors", str(root), *options]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert says in said[0]


def test_an_even_selection_is_taken_of_too_many_patches(root: Path) -> None:
    dataset = open_dataset("bigearthnet", root)
    with limits.changed(checked_patches=20):
        some = label_errors.records_of(dataset)
    assert len(some) == 20
    assert (some[0], some[-1]) == (dataset.records()[0], dataset.records()[-1])
    found = label_errors.truth(some, dataset.classes)
    assert found.sum() == 20
    assert found[:, CLASS_NAMES.index(WATER)].sum() == 0


def test_labels_of_ones_own_data_are_checked(tmp_path: Path) -> None:
    trees, water = own_folder.CLASSES
    usual = {k: (trees, water)[k % 2] for k in range(24)}
    own_folder.write_folder(tmp_path, labels={**usual, 7: trees})
    dataset = open_patches("folder", tmp_path)
    found = label_errors.of_dataset(dataset, ["all"])
    assert found.classes == (water, trees)
    assert {
        (found.records[one.row].patch_id.partition("@")[0], one.label, one.given)
        for one in found.suspects
    } == {("field_7", trees, True), ("field_7", water, False)}
    assert "unknown" not in found.by


def test_it_is_said_if_neighbours_cannot_be_left_out(tmp_path: Path) -> None:
    lines = ["file,labels,split"]
    for k in range(24):
        own_folder.write_stack(
            tmp_path / f"field_{k}.tif", k, corner=None, level=0.5 if k % 2 else 1.5
        )
        lines.append(f"field_{k}.tif,{own_folder.CLASSES[k % 2]},train")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    found = label_errors.of_dataset(open_patches("folder", tmp_path))
    assert "the place of 24 patches is unknown" in found.by
