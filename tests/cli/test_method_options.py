"""Which methods ``landcover explain`` uses: the measured one, and never a false one unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landcover.cli import method_options
from landcover.cli.method_options import Known, chosen
from landcover.core.errors import BadInput, UnknownName
from landcover.explain.explanation import DEFAULT_METHOD, METHODS
from landcover.explain.faithfulness import ratings
from landcover.explain.faithfulness.ratings import Faithfulness
from tests.support import tiny

SURE, SHAKY, NO_GAIN, FAILS = "sure", "shaky", "no gain", "fails"


def figures(kinds: dict[str, str]) -> dict[str, Any]:
    """What would be measured of methods: sure ones, those without gain, those that fail."""
    found = {}
    for rank, (name, kind) in enumerate(kinds.items()):
        gain = 0.3 - 0.01 * rank
        low = 0.2 if kind in {SURE, SHAKY} else -0.1
        curve = {"n": 12, "gain": {"mean": gain, "interval": [low, gain + 0.1]}}
        likeness = {"mean": 0.1, "interval": [0.0, 0.2]}
        change = 0.5 if kind == SHAKY else 0.05
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


def known(name: str = "one", **kinds: str) -> Known:
    """A model with these measured methods, in the order of their gains; ``_`` for ``-``."""
    values = figures({method.replace("_", "-"): kind for method, kind in kinds.items()})
    found = Faithfulness(model=name, card_hash="x", **values)
    return Known(name=name, title=name.title(), figures=found)


ALL_FAIL = {name.replace("-", "_"): FAILS for name in METHODS}


def test_without_a_wish_the_one_that_measures_best_is_used() -> None:
    one = known(
        grad_cam=FAILS,
        occlusion=NO_GAIN,
        gradient_shap=SHAKY,
        fine_cam=SURE,
        integrated_gradients=SURE,
    )
    assert one.figures is not None
    assert one.figures.best == "fine-cam"
    assert chosen([], [one]) == ([["fine-cam"]], [])


def test_where_nothing_was_measured_the_usual_one_is_used_and_that_is_said() -> None:
    methods, (note,) = chosen([], [Known(name="mine", title="My net")])
    assert methods == [[DEFAULT_METHOD]]
    assert "none was measured for My net" in note
    assert "landcover trust faithfulness ROOT --dataset NAME --model mine --save" in note


def test_where_none_is_faithful_that_is_said() -> None:
    weak = {name.replace("-", "_"): NO_GAIN for name in METHODS}
    methods, (note,) = chosen([], [known(**weak)])
    assert methods == [[DEFAULT_METHOD]]
    assert "no method is faithful for One" in note
    methods, notes = chosen([], [known(**{**weak, "integrated_gradients": FAILS})])
    assert methods[0][0] not in {DEFAULT_METHOD, "all"}
    assert len(notes) == 1


def test_a_damaged_file_is_said_and_the_usual_one_used(tmp_path: Path) -> None:
    model = tiny.tiny_model()
    folder = tiny.tiny_folder(tmp_path / "net")
    (folder / "trust").mkdir()
    (folder / "trust" / "faithfulness.json").write_text("{", encoding="utf-8")
    one = method_options.known_of(model, "net", folder)
    methods, notes = chosen([], [one])
    assert methods == [[DEFAULT_METHOD]]
    assert "faithfulness.json" in notes[0]
    assert "Integrated Gradients is used" in notes[1]
    assert one.word(DEFAULT_METHOD) is None
    assert chosen(["occlusion"], [one]) == ([["occlusion"]], [one.damage])


def test_figures_of_a_folder_are_used(tmp_path: Path) -> None:
    folder = tiny.tiny_folder(tmp_path / "net")
    model = tiny.tiny_model()
    values = figures({"occlusion": SURE, "grad-cam": FAILS})
    found = Faithfulness(model="net", card_hash=model.card.hash, **values)
    ratings.save(found, folder)
    one = method_options.known_of(model, "net", folder)
    assert one.damage == ""
    said = one.word("occlusion")
    assert said is not None
    assert said.word == "faithful"
    assert said.sentence.startswith("Occlusion is faithful for this model")
    assert one.word("fine-cam") is None
    assert (one.faithful("grad-cam"), one.faithful("fine-cam")) == (False, None)


def test_all_leaves_out_what_fails_and_names_it() -> None:
    one = known(grad_cam=FAILS, occlusion=NO_GAIN)
    (methods,), (note,) = chosen(["all"], [one])
    assert methods == [name for name in METHODS if name != "grad-cam"]
    assert "Grad-CAM" in note
    assert "--method" in note
    assert chosen(["all", "grad-cam"], [one]) == ([list(METHODS)], [])


def test_what_is_named_is_used_whatever_was_measured() -> None:
    one = known(**ALL_FAIL)
    assert chosen(["grad-cam", "occlusion", "grad-cam"], [one]) == ([["grad-cam", "occlusion"]], [])
    with pytest.raises(UnknownName, match="Unknown method 'magic'"):
        chosen(["magic"], [one])


@pytest.mark.parametrize("names", [[], ["all"]])
def test_where_all_fail_none_is_used_unasked(names: list[str]) -> None:
    with pytest.raises(BadInput, match=r"No method is offered for One.*name it with --method"):
        chosen(names, [known(**ALL_FAIL)])


def test_two_models_have_one_method_that_is_faithful_for_both() -> None:
    one = known(fine_cam=SURE, occlusion=SURE)
    other = known("other", occlusion=SURE, fine_cam=NO_GAIN)
    assert chosen([], [one, other]) == ([["occlusion"]] * 2, [])
    assert chosen([], [one, Known(name="new", title="New")]) == ([["fine-cam"]] * 2, [])
    against = known("other", fine_cam=FAILS, occlusion=NO_GAIN)
    methods, (note,) = chosen([], [one, against])
    assert methods == [["occlusion"]] * 2
    assert "no method is faithful for One and Other" in note


def test_all_is_settled_for_each_model() -> None:
    methods, notes = chosen(["all"], [known(occlusion=SURE), known("other", occlusion=FAILS)])
    assert methods[0] == list(METHODS)
    assert methods[1] == [name for name in METHODS if name != "occlusion"]
    assert len(notes) == 1
    assert "Other" in notes[0]
