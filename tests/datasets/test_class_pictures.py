"""The packaged examples of the classes."""

from __future__ import annotations

import numpy as np

from landcover.core.classes import CLASS_NAMES
from landcover.datasets import class_pictures
from landcover.datasets.class_pictures import examples
from landcover.evaluate import report_files
from landcover.models import registry


def test_every_class_has_examples_with_two_pictures() -> None:
    for name in CLASS_NAMES:
        found = examples(name)
        assert 1 <= len(found) <= 4, name
        for one in found:
            assert one.true_colour.shape == one.false_colour.shape == (120, 120, 3)
            assert name not in one.others
            assert set(one.others) < set(CLASS_NAMES)
            assert one.country
            assert one.day.startswith(("2017", "2018"))
        assert len({one.patch_id for one in found}) == len(found)
    assert examples("Forest") == ()


def test_plants_are_green_in_true_and_red_in_false_colours() -> None:
    for one in examples("Broad-leaved forest")[:2]:
        true, false = (np.median(p, axis=(0, 1)) for p in (one.true_colour, one.false_colour))
        assert true.argmax() == 1
        assert false.argmax() == 0
        assert false[0] > 2 * false[1]


def test_no_example_is_a_test_patch() -> None:
    folder = registry.default().folder(registry.DEFAULT_MODEL)
    tested = set(report_files.read_report(folder, "bigearthnet-v2", "test").predictions.ids)
    shown = {one.patch_id for name in CLASS_NAMES for one in examples(name)}
    assert not shown & tested


def test_the_pictures_are_small() -> None:
    assert (class_pictures.FOLDER / class_pictures.PICTURES).stat().st_size < 400_000
