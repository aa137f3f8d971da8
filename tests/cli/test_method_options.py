"""Choice of the methods of ``landcover explain`` by their measured faithfulness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landcover.cli import method_options
from landcover.cli.method_options import MethodRatings, choose_methods
from landcover.core.errors import BadInput, UnknownName
from landcover.explain.explanation import DEFAULT_METHOD, METHODS
from landcover.explain.faithfulness import ratings
from landcover.explain.faithfulness.ratings import Faithfulness
from tests.support import tiny

FAITHFUL, UNSTABLE, NO_GAIN, FAILS = "sure", "shaky", "no gain", "fails"


def ratings_json(kinds: dict[str, str]) -> dict[str, Any]:
    """Ratings of methods as in a ratings file: faithful, unstable, without gain or failed."""
    found = {}
    for rank, (name, kind) in enumerate(kinds.items()):
        gain = 0.3 - 0.01 * rank
        low = 0.2 if kind in {FAITHFUL, UNSTABLE} else -0.1
        curve = {"n": 12, "gain": {"mean": gain, "interval": [low, gain + 0.1]}}
        likeness = {"mean": 0.1, "interval": [0.0, 0.2]}
        change = 0.5 if kind == UNSTABLE else 0.05
        found[name] = {
            "title": METHODS[name].title,
            "curves": {"mean": curve, "blurred": curve},
            "randomisation": {"passed": kind != FAILS, "likeness": likeness},
            "stability": {
                "n": 6,
                "draws": 2,
                "spearman": 0.9,
                "mean_sensitivity": change,
                "max_sensitivity": change,
            },
        }
    return {"methods": found, "bound": 0.5, "n": 12}


def rated(name: str = "one", **kinds: str) -> MethodRatings:
    """Ratings of a model's methods, in the order of their gains; ``_`` stands for ``-``."""
    values = ratings_json({method.replace("_", "-"): kind for method, kind in kinds.items()})
    found = Faithfulness(model=name, card_hash="x", **values)
    return MethodRatings(name=name, title=name.title(), faithfulness=found)


ALL_FAIL = {name.replace("-", "_"): FAILS for name in METHODS}


def test_the_default_is_the_most_faithful_method() -> None:
    one = rated(
        grad_cam=FAILS,
        occlusion=NO_GAIN,
        gradient_shap=UNSTABLE,
        fine_cam=FAITHFUL,
        integrated_gradients=FAITHFUL,
    )
    assert one.faithfulness is not None
    assert one.faithfulness.best == "fine-cam"
    assert choose_methods([], [one]) == ([["fine-cam"]], [])


def test_without_ratings_the_default_method_is_used_with_a_note() -> None:
    methods, (note,) = choose_methods([], [MethodRatings(name="mine", title="My net")])
    assert methods == [[DEFAULT_METHOD]]
    assert "no method was measured for My net" in note
    assert "landcover trust faithfulness ROOT --dataset NAME --model mine --save" in note


def test_without_a_faithful_method_there_is_a_note() -> None:
    weak = {name.replace("-", "_"): NO_GAIN for name in METHODS}
    methods, (note,) = choose_methods([], [rated(**weak)])
    assert methods == [[DEFAULT_METHOD]]
    assert "no method is faithful for One" in note
    methods, notes = choose_methods([], [rated(**{**weak, "integrated_gradients": FAILS})])
    assert methods[0][0] not in {DEFAULT_METHOD, "all"}
    assert len(notes) == 1


def test_with_a_damaged_file_the_default_method_is_used_with_a_note(tmp_path: Path) -> None:
    model = tiny.tiny_model()
    folder = tiny.tiny_folder(tmp_path / "net")
    (folder / "trust").mkdir()
    (folder / "trust" / "faithfulness.json").write_text("{", encoding="utf-8")
    one = method_options.ratings_of(model, "net", folder)
    methods, notes = choose_methods([], [one])
    assert methods == [[DEFAULT_METHOD]]
    assert "faithfulness.json" in notes[0]
    assert "Integrated Gradients is used" in notes[1]
    assert one.summary(DEFAULT_METHOD) is None
    assert choose_methods(["occlusion"], [one]) == ([["occlusion"]], [one.damage])


def test_ratings_in_a_folder_are_used(tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "net")
    model = tiny.tiny_model()
    values = ratings_json({"occlusion": FAITHFUL, "grad-cam": FAILS})
    found = Faithfulness(model="net", card_hash=model.card.hash, **values)
    ratings.save(found, folder)
    one = method_options.ratings_of(model, "net", folder)
    assert one.damage == ""
    said = one.summary("occlusion")
    assert said is not None
    assert said.word == "faithful"
    assert said.sentence.startswith("Occlusion is faithful for this model")
    assert one.summary("fine-cam") is None
    assert (one.faithful("grad-cam"), one.faithful("fine-cam")) == (False, None)


def test_all_leaves_out_failed_methods_with_a_note() -> None:
    one = rated(grad_cam=FAILS, occlusion=NO_GAIN)
    (methods,), (note,) = choose_methods(["all"], [one])
    assert methods == [name for name in METHODS if name != "grad-cam"]
    assert "Grad-CAM" in note
    assert "--method" in note
    assert choose_methods(["all", "grad-cam"], [one]) == ([list(METHODS)], [])


def test_named_methods_are_used_whatever_their_rating() -> None:
    one = rated(**ALL_FAIL)
    assert choose_methods(["grad-cam", "occlusion", "grad-cam"], [one]) == (
        [["grad-cam", "occlusion"]],
        [],
    )
    with pytest.raises(UnknownName, match="Unknown method 'magic'"):
        choose_methods(["magic"], [one])


@pytest.mark.parametrize("names", [[], ["all"]])
def test_if_all_methods_fail_none_is_chosen(names: list[str]) -> None:
    with pytest.raises(BadInput, match=r"No method is chosen for One.*name it with --method"):
        choose_methods(names, [rated(**ALL_FAIL)])


def test_two_models_get_a_method_that_is_faithful_for_both() -> None:
    one = rated(fine_cam=FAITHFUL, occlusion=FAITHFUL)
    other = rated("other", occlusion=FAITHFUL, fine_cam=NO_GAIN)
    assert choose_methods([], [one, other]) == ([["occlusion"]] * 2, [])
    assert choose_methods([], [one, MethodRatings(name="new", title="New")]) == (
        [["fine-cam"]] * 2,
        [],
    )
    against = rated("other", fine_cam=FAILS, occlusion=NO_GAIN)
    methods, (note,) = choose_methods([], [one, against])
    assert methods == [["occlusion"]] * 2
    assert "no method is faithful for One and Other" in note


def test_all_is_resolved_for_each_model() -> None:
    methods, notes = choose_methods(
        ["all"], [rated(occlusion=FAITHFUL), rated("other", occlusion=FAILS)]
    )
    assert methods[0] == list(METHODS)
    assert methods[1] == [name for name in METHODS if name != "occlusion"]
    assert len(notes) == 1
    assert "Other" in notes[0]
