"""The training loop: learning, selection of the epoch, exact resumption."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landcover import nets
from landcover.core.errors import BadInput, UnknownName
from landcover.datasets.arrays import NativeStore, join
from landcover.models.devices import available, pick_device
from landcover.train import loop, optimisation
from landcover.train.augment import Augmentation
from landcover.train.checkpoint import CHECKPOINT_FILE, CONFIG_FILE, start_or_resume
from landcover.train.configuration import Precision, TrainConfig
from landcover.train.history import HISTORY_FILE, Epoch
from landcover.train.loop import train
from landcover.train.optimisation import (
    learning_rate,
    load_matching,
    loss_of,
    optimiser_of,
    precision_of,
)
from landcover.train.validation import average_precisions, predict_logits

SMALL = TrainConfig(
    net_options={"members": 2, "width": 4, "stem": 4, "spectral": 8},
    epochs=4,
    batch=8,
    validate_every=2,
    device="cpu",
    precision="float32",
)


def store(count: int = 24, seed: int = 0) -> NativeStore:
    """Patches whose brightness per band depends on which of three classes they have."""
    chance = np.random.default_rng(seed)
    targets = np.zeros((count, 19), dtype=np.float32)
    targets[:, :3] = chance.random((count, 3)) < 0.5
    levels = 500 + 2500 * targets[:, [0, 1, 2, 0]]

    def grid(bands: int, side: int) -> np.ndarray:
        noise = chance.integers(0, 400, (count, bands, side, side))
        base = np.resize(levels.T, (bands, count)).T[:, :, None, None]
        return (base + noise).astype(np.uint16)

    return NativeStore(
        g10=grid(4, 120),
        g20=grid(6, 60),
        g60=grid(2, 20),
        targets=torch.from_numpy(targets),
        ids=tuple(f"patch-{seed}-{k}" for k in range(count)),
        countries=("Austria",) * count,
    )


def test_loss_falls_and_classes_are_distinguished(tmp_path: Path) -> None:
    config = replace(SMALL, epochs=12, ema=0.8, learning_rate=2e-2)
    result = train(config, store(48), store(24, seed=1), tmp_path)
    assert result.history[-1].train_loss < 0.7 * result.history[0].train_loss
    assert result.selection["val_macro_ap"] > 0.9
    logits = predict_logits(result.net(), store(24, seed=1))
    found = average_precisions(store(24, seed=1).targets.numpy(), logits.numpy())
    assert found == pytest.approx(
        (result.selection["val_macro_ap"], result.selection["val_micro_ap"]), abs=1e-3
    )


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = train(SMALL, store(), store(seed=1), tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(entry: Epoch) -> None:
        if entry.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(SMALL, store(), store(seed=1), tmp_path / "cut", kill)
    torch.manual_seed(99)  # as if the new process had drawn random numbers before
    seen: list[int] = []
    rest = train(
        SMALL, store(), store(seed=1), tmp_path / "cut", lambda entry: seen.append(entry.epoch)
    )
    assert seen == [3, 4]
    assert whole.state.keys() == rest.state.keys()
    for name, value in whole.state.items():
        assert torch.equal(value, rest.state[name]), name
    assert [e.train_loss for e in whole.history] == [e.train_loss for e in rest.history]
    assert whole.selection == rest.selection


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = train(SMALL, store(), None, tmp_path)
    again = train(SMALL, store(), None, tmp_path, lambda _: pytest.fail("trained again"))
    assert all(torch.equal(value, again.state[name]) for name, value in first.state.items())
    assert first.selection == again.selection == {}
    assert first.epoch == SMALL.epochs


def test_a_folder_of_another_run_is_refused_and_not_changed(tmp_path: Path) -> None:
    train(replace(SMALL, epochs=1), store(), None, tmp_path)
    before = (tmp_path / CHECKPOINT_FILE).read_bytes()
    with pytest.raises(BadInput, match="other settings or other patches"):
        train(replace(SMALL, epochs=1, seed=1), store(), None, tmp_path)
    with pytest.raises(BadInput, match="other settings or other patches"):
        train(replace(SMALL, epochs=1), store(seed=2), None, tmp_path)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(BadInput, match=CHECKPOINT_FILE):
        train(SMALL, store(), None, tmp_path)


def test_history_and_configuration_are_written(tmp_path: Path) -> None:
    result = train(SMALL, store(), store(seed=1), tmp_path)
    with (tmp_path / HISTORY_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    assert [math.isnan(float(row["val_loss"])) for row in rows] == [True, False, True, False]
    assert float(rows[-1]["val_micro_ap"]) == result.selection["val_micro_ap"]
    assert all(float(row["patches_per_second"]) > 0 for row in rows)
    assert TrainConfig.from_json((tmp_path / CONFIG_FILE).read_text()) == SMALL
    assert not list(tmp_path.glob("*.part"))


def test_the_best_epoch_is_kept_and_patience_ends_the_run() -> None:
    config = replace(SMALL, epochs=40, validate_every=1, select="mean_ap", patience=2)
    run = loop.Run(config, store())
    for epoch, precision in enumerate((0.3, 0.6, 0.4, 0.2), 1):
        assert not run.state.finished
        entry = Epoch(
            epoch=epoch,
            train_loss=0.5,
            val_loss=0.5,
            val_macro_ap=precision,
            val_micro_ap=precision,
            learning_rate=1e-3,
            patches_per_second=1.0,
            seconds=1.0,
        )
        run.state.record(entry, validated=True)
    assert run.state.finished
    result = run.result()
    assert result.epoch == 2
    assert len(result.history) == 4
    assert result.selection["val_macro_ap"] == 0.6


def one_of(patches: NativeStore) -> NativeStore:
    """The same patches, each with only its first class."""
    first = patches.targets.argmax(dim=1)
    return replace(patches, targets=torch.eye(patches.targets.shape[1])[first])


def test_exclusive_classes_are_trained_by_softmax_and_selected_by_accuracy(tmp_path: Path) -> None:
    config = replace(SMALL, loss="softmax", select="accuracy", validate_every=1)
    result = train(config, one_of(store()), one_of(store(seed=1)), tmp_path)
    accuracies = [entry.val_accuracy for entry in result.history]
    assert result.selection["val_accuracy"] == max(accuracies)
    assert all(0 <= value <= 1 for value in accuracies)
    assert math.isnan(train(SMALL, store(), store(seed=1), tmp_path / "b").history[-1].val_accuracy)


def test_losses_agree_with_their_formulas() -> None:
    logits, targets = torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    one = loss_of("softmax", logits, targets)
    each = loss_of("multilabel", logits, targets)
    assert float(one) == pytest.approx(math.log1p(math.exp(-2.0)))
    assert float(each) == pytest.approx(math.log1p(math.exp(-1.0)))


def test_training_starts_from_given_weights_that_match(tmp_path: Path) -> None:
    first = train(SMALL, store(), None, tmp_path / "a").state
    head = next(name for name in first if name.endswith("head.weight"))
    given = {**first, head: torch.zeros(1), "unknown": torch.zeros(1)}
    net = nets.build(SMALL.net, **SMALL.net_options)
    taken = load_matching(net, given)
    assert set(taken) == set(first) - {head}
    still = replace(SMALL, epochs=1, learning_rate=1e-12)
    name = next(name for name in first if name.endswith("spectrum.0.0.weight"))
    begun = train(still, store(), None, tmp_path / "b", initial=first).state
    assert torch.allclose(begun[name], first[name], atol=1e-6)
    assert not torch.allclose(train(still, store(), None, tmp_path / "c").state[name], first[name])


def test_a_trunk_has_its_own_learning_rate() -> None:
    net = nets.build("rgb-lite0")
    optimiser = optimiser_of(net, replace(SMALL, trunk_rate=0.1))
    factors = {id(p): g["factor"] for g in optimiser.param_groups for p in g["params"]}
    assert {factors[id(p)] for p in net.trunk.parameters()} == {0.1}  # type: ignore[union-attr]
    assert {factors[id(p)] for p in net.classifier.parameters()} == {1.0}  # type: ignore[union-attr]
    scratch = optimiser_of(net, replace(SMALL, trunk_rate=0.1, start="random"))
    assert {group["factor"] for group in scratch.param_groups} == {1.0}


@pytest.mark.slow
def test_validation_does_not_change_the_weights(tmp_path: Path) -> None:
    with_it = train(SMALL, store(), store(seed=1), tmp_path / "a")
    without = train(SMALL, store(), None, tmp_path / "b")
    assert all(torch.equal(value, without.state[name]) for name, value in with_it.state.items())


@pytest.mark.parametrize(("count", "sizes"), [(24, [8, 8, 8]), (27, [9, 9, 9]), (29, [8, 7, 7, 7])])
def test_every_patch_is_used_once_an_epoch(count: int, sizes: list[int]) -> None:
    config = replace(
        SMALL,
        augmentation=Augmentation(symmetries=False, paste=0, blend=0, brightness=0, band_gain=0),
    )
    patches = store(count)
    batches = [batch.pixels for batch in loop.Run(config, patches).loader.batches()]
    assert [len(pixels) for pixels in batches] == sizes
    seen = torch.cat(batches).flatten(1).double().sum(dim=1)
    expected = patches.pixels(range(count)).flatten(1).double().sum(dim=1)
    assert torch.equal(seen.sort().values, expected.sort().values)


def test_a_seed_repeats_a_run_and_another_changes_it(tmp_path: Path) -> None:
    config = replace(SMALL, epochs=1)
    first = train(config, store(), None, tmp_path / "a").state
    same = train(config, store(), None, tmp_path / "b").state
    other = train(replace(config, seed=1), store(), None, tmp_path / "c").state
    assert all(torch.equal(value, same[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_training_works_in_half_precision(tmp_path: Path, precision: Precision) -> None:
    config = replace(SMALL, precision=precision, epochs=12, learning_rate=1e-2)
    result = train(config, store(), None, tmp_path)
    assert result.precision == precision
    assert all(
        value.dtype not in (torch.bfloat16, torch.float16) for value in result.state.values()
    )
    assert result.history[-1].train_loss < 0.9 * result.history[0].train_loss


def test_the_loss_scale_of_float16_is_restored(tmp_path: Path) -> None:
    config = replace(SMALL, precision="float16", epochs=1)
    train(config, store(), None, tmp_path)
    run = loop.Run(config, store())
    scaler = run.state.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0})
    assert scaler.get_scale() == 2.0
    start_or_resume(run.state, run.train_set.ids, tmp_path, run.group)
    assert scaler.get_scale() == 2.0**16
    assert not loop.Run(SMALL, store()).state.scaler.is_enabled()


@pytest.mark.parametrize(
    ("device", "able", "expected"),
    [
        ("cuda", True, "bfloat16"),
        ("cuda", False, "float16"),
        ("cpu", True, "bfloat16"),
        ("cpu", False, "float32"),
        ("mps", False, "float32"),
    ],
)
def test_the_precision_depends_on_the_device(
    device: str, *, able: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimisation, "supports_bfloat16", lambda _device: able)
    auto = replace(SMALL, precision="auto")
    assert precision_of(auto, torch.device(device)) == expected
    assert precision_of(SMALL, torch.device(device)) == "float32"


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(SMALL, step, 100) for step in range(100)]
    top = rates.index(max(rates))
    assert max(rates) == SMALL.learning_rate
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.01 * SMALL.learning_rate


def test_average_precision_skips_classes_with_few_positives() -> None:
    targets = np.zeros((20, 3), dtype=np.float32)
    targets[:5, 0] = targets[:4, 1] = 1
    scores = np.zeros_like(targets)
    scores[:, 0] = np.linspace(1, 0, 20)
    scores[:, 1] = np.linspace(0, 1, 20)
    macro, _ = average_precisions(targets, scores)
    assert macro == 1.0
    assert all(math.isnan(v) for v in average_precisions(np.zeros_like(targets), scores))


def test_a_configuration_can_be_written_and_read() -> None:
    config = replace(SMALL, augmentation=Augmentation(paste=0.1), select="micro_ap", patience=3)
    assert TrainConfig.from_json(config.to_json()) == config
    assert TrainConfig.from_json("{}") == TrainConfig()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        ('{"epoch": 3}', "did you mean 'epochs'"),
        ('{"augmentation": {"pastes": 1}}', "did you mean 'paste'"),
        ('{"augmentation": 3}', "must be an object"),
        ('{"epochs": "many"}', "wrong kind"),
        ('{"epochs": 0}', "at least 1"),
        ('{"select": "luck"}', "select is one of"),
        ('{"shards": 0}', "shards must be at least 1"),
        ('{"shards": 20}', "2 patches or more a shard"),
    ],
)
def test_unusable_configurations_are_refused(text: str, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        TrainConfig.from_json(text)


def test_settings_that_do_not_fit_the_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="fewer than a batch"):
        train(replace(SMALL, batch=32), store(), None, tmp_path)
    with pytest.raises(BadInput, match="needs a validation set"):
        train(replace(SMALL, select="loss"), store(), None, tmp_path)
    with pytest.raises(UnknownName):
        train(replace(SMALL, net="no-such-net"), store(), None, tmp_path)


def test_coarse_bands_of_a_store_are_repeated() -> None:
    patches = store(3)
    pixels = patches.pixels([2, 0])
    assert pixels.shape == (2, 12, 120, 120)
    assert pixels.dtype == torch.float32
    b09, b12, b04 = pixels[0, 9], pixels[0, 11], pixels[0, 3]
    assert b04[7, 100].item() == pytest.approx(patches.g10[2, 2, 7, 100] / 10_000)
    assert b12[7, 100].item() == pytest.approx(patches.g20[2, 5, 3, 50] / 10_000)
    assert b09[7, 100].item() == pytest.approx(patches.g60[2, 1, 1, 16] / 10_000)


def test_stores_join_and_split() -> None:
    first, second = store(3), store(2, seed=1)
    both = join(first, second)
    assert both.ids == first.ids + second.ids
    assert torch.equal(both.subset([3, 4]).pixels([1]), second.pixels([1]))
    assert torch.equal(both.subset([4]).targets, second.targets[[1]])
    with pytest.raises(BadInput, match="B05"):
        replace(first, g20=first.g20[:2])
    with pytest.raises(BadInput, match="targets"):
        replace(first, countries=())


def test_devices_are_picked_or_refused() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device().type == available()[0]
    with pytest.raises(UnknownName):
        pick_device("tpu")
    absent = next((kind for kind in ("cuda", "mps") if kind not in available()), None)
    if absent:
        with pytest.raises(BadInput, match="cpu"):
            pick_device(absent)


def test_shipped_configurations_can_be_read() -> None:
    folder = Path(loop.__file__).parent / "configs"
    found = list(folder.glob("*.json"))
    assert found
    for path in found:
        file = json.loads(path.read_text())
        several = [part for part in file.values() if isinstance(part, dict) and "net" in part]
        # The settings of a head that is fitted without a net of its own are no training's.
        whole_file = [file] if "net" in file else []
        for part in file.get("phases", several or whole_file):
            # Settings in the file are used; the others keep their defaults.
            whole = json.loads(TrainConfig.from_json(json.dumps(part)).to_json())
            inner = {**whole["augmentation"], **part.get("augmentation", {})}
            assert whole == {**whole, **part, "augmentation": inner}
