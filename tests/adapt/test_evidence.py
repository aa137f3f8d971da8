"""Test keeping what nets make of corrected windows, and adapting from it without pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.adapt import evidence
from landcover.adapt.adaptation import adapt, adapt_from
from landcover.adapt.corrections import Correction, Kept, built
from landcover.core import limits
from landcover.core.errors import BadInput, LandcoverError
from landcover.core.raster import Raster
from landcover.models.model import Model, weights_bytes
from tests.adapt.test_adaptation import WATER, corrected
from tests.support import tiny


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, tiny.NAME, tiny.TinyNet)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(path=tmp_path / "someone" / "corrections.json")


def remember(kept: Kept, model: Model, given: list[tuple[Correction, Raster]]) -> None:
    kept.add(one for one, _ in given)
    for one, patch in given:
        evidence.keep(kept, one, model, patch)


def other_model() -> Model:
    torch.manual_seed(1)
    net = tiny.TinyNet()
    return Model(tiny.tiny_card(weights_bytes(net)), net, torch.device("cpu"))


def files(kept: Kept) -> list[Path]:
    return sorted(kept.folder.iterdir()) if kept.folder.is_dir() else []


def test_what_is_kept_adapts_a_model_as_the_pixels_do(kept: Kept) -> None:
    model, given = tiny.tiny_model(), corrected()
    remember(kept, model, given)
    found, missing = evidence.find(kept, kept.read(), tiny.tiny_model())
    assert missing == []
    made, again = adapt(model, given, "own"), adapt_from(model, found, "own")
    assert again.judgement == made.judgement
    assert again.model.card == made.model.card


def test_another_net_needs_the_pixels_and_other_thresholds_do_not(kept: Kept) -> None:
    model, given = tiny.tiny_model(), corrected(2)
    remember(kept, model, given)
    found, missing = evidence.find(kept, kept.read(), other_model())
    assert (found, missing) == ([], [one for one, _ in given])
    assert "not kept: give the file of 'test'" in evidence.why_missing(missing[0], model)
    card = model.card.with_fields(thresholds=dict.fromkeys(model.card.classes, 0.2))
    found, missing = evidence.find(kept, kept.read(), Model(card, model.net, model.device))
    assert (len(found), missing) == (2, [])


def test_an_adapted_model_and_its_parent_use_the_same_evidence(kept: Kept) -> None:
    model, given = tiny.tiny_model(), corrected(4)
    made = adapt(model, corrected(6, first=20), "own").model
    remember(kept, made, given)
    assert len(files(kept)) == len(given)
    for each in (model, made):
        found, missing = evidence.find(kept, kept.read(), each)
        assert missing == []
        for (_, own), (_, patch) in zip(found, given, strict=True):
            expected = each.predict(patch).of(WATER).score
            assert float(own.scores[each.card.classes.index(WATER)]) == pytest.approx(
                expected, abs=1e-5
            )


def test_what_is_undone_for_a_while_needs_no_pixels_when_it_comes_back(kept: Kept) -> None:
    (one, patch), (other, other_patch) = corrected(2)
    model = tiny.tiny_model()
    remember(kept, model, [(one, patch)])
    assert kept.undo(tidy=False) == one
    kept.add([one])
    assert evidence.find(kept, [one], model)[1] == []
    kept.clear()
    remember(kept, model, [(other, other_patch)])  # the next change forgets it
    assert evidence.find(kept, [one], model)[1] == [one]


def test_undo_removes_what_no_other_correction_uses(kept: Kept) -> None:
    model, given = tiny.tiny_model(), corrected(2)
    remember(kept, model, given)
    first, patch = given[0]
    again = built({**first.as_dict(), "added": [], "struck": [WATER], "made": "2026-01-01T00:00Z"})
    remember(kept, model, [(again, patch)])
    assert len(files(kept)) == 2
    assert kept.undo() == again
    assert len(evidence.find(kept, kept.read(), model)[0]) == 2
    kept.undo(first.id)
    assert [path.name[:64] for path in files(kept)] == [given[1][0].pixels_sha256]


def test_nothing_is_kept_for_corrections_that_are_not(kept: Kept) -> None:
    model, ((one, patch),) = tiny.tiny_model(), corrected(1)
    own = evidence.keep(kept, one, model, patch)
    assert own.features.isfinite().all()
    assert files(kept) == []
    unknown = built({**one.as_dict(), "pixels_sha256": ""})
    remember(kept, model, [(unknown, patch)])
    assert files(kept) == []
    assert "made without pixels" in evidence.why_missing(unknown, model)


def test_other_pixels_than_those_corrected_are_refused(kept: Kept) -> None:
    model, ((one, patch),) = tiny.tiny_model(), corrected(1)
    kept.add([one])
    with pytest.raises(BadInput, match="not the pixels that were corrected"):
        evidence.keep(kept, one, model, replace(patch, data=patch.data + np.float32(0.01)))


def test_number_and_size_have_limits_and_the_oldest_goes(kept: Kept) -> None:
    model, given = tiny.tiny_model(), corrected(3)
    with limits.changed(correction_features=2):
        remember(kept, model, given)
    _, missing = evidence.find(kept, kept.read(), model)
    assert missing == [given[0][0]]
    with limits.changed(correction_features_bytes=100):
        evidence.keep(kept, *given[0][:1], model, given[0][1])
    assert len(files(kept)) == 2


def test_a_damaged_file_counts_as_none_and_is_made_again_from_pixels(kept: Kept) -> None:
    model, given = tiny.tiny_model(), corrected(1)
    remember(kept, model, given)
    (path,) = files(kept)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    damaged = [b"", b"\0" * 1000, whole[:-4], b"\xff" * 8 + whole[8:], whole + b"x"]
    for _ in range(300):
        changed = np.frombuffer(whole, dtype=np.uint8).copy()
        changed[random.integers(len(changed))] ^= random.integers(1, 256, dtype=np.uint8)
        damaged.append(changed.tobytes())
    for data in damaged:
        path.write_bytes(data)
        found, missing = evidence.find(kept, kept.read(), model)
        same = [
            torch.equal(own.scores, model.scores(model.tensor(given[0][1])[None])[0])
            for _, own in found
        ]
        assert len(missing) == 1 or all(same)
    evidence.keep(kept, given[0][0], model, given[0][1])
    assert len(evidence.find(kept, kept.read(), model)[0]) == 1


def test_two_users_share_nothing(tmp_path: Path) -> None:
    model = tiny.tiny_model()
    one, two = (Kept(path=tmp_path / name / "corrections.json") for name in ("one", "two"))
    remember(one, model, corrected(2))
    assert two.read() == ()
    two.add(correction for correction, _ in corrected(2))
    assert len(evidence.find(two, two.read(), model)[1]) == 2


def test_a_file_in_the_way_is_one_sentence(kept: Kept) -> None:
    model, ((one, patch),) = tiny.tiny_model(), corrected(1)
    kept.add([one])
    kept.folder.write_text("x", encoding="utf-8")
    with pytest.raises(LandcoverError) as error:
        evidence.keep(kept, one, model, patch)
    assert "\n" not in str(error.value)
    assert len(evidence.find(kept, kept.read(), model)[1]) == 1
