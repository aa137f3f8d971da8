"""Recipes fitted fold by fold: unseen patches, resumed runs, folders that do not fit."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save as dump_arrays
from torch import Tensor, nn

from landcover.core.bands import BAND_NAMES
from landcover.core.classes import CLASS_NAMES
from landcover.core.errors import BadInput, UnknownName
from landcover.core.progress import Progress, Report
from landcover.datasets.arrays import NativeStore
from landcover.datasets.folds import Fold
from landcover.nets.outputs import NetOutput
from landcover.train.configuration import TrainConfig
from landcover.train.recipes import mosaic_parts, out_of_fold
from landcover.train.recipes.build import PatchFit, TrainedNet
from landcover.train.recipes.order import Order
from landcover.train.recipes.table import patch_fit
from tests.support.tiny_teacher import write_teacher
from tests.train.recipes.test_bigearthnet import small
from tests.train.recipes.test_mosaic import tiny_parts

COUNT = 12
FOLDS = tuple(
    Fold(
        name=name,
        held_out=tuple(range(start, start + 4)),
        fitted=tuple(k for k in range(COUNT) if not start <= k < start + 4),
    )
    for name, start in (("Austria", 0), ("Finland", 4), ("Ireland", 8))
)


class Brightness(nn.Module):
    """Answers with the mean of a patch and the mean of what it was fitted to."""

    def __init__(self, fitted: float) -> None:
        super().__init__()
        self.fitted = fitted

    def forward(self, pixels: Tensor) -> Tensor:
        own = pixels.mean(dim=(1, 2, 3))
        rest = torch.full((len(pixels), len(CLASS_NAMES) - 1), self.fitted)
        return torch.cat([own[:, None], rest], dim=1)


@pytest.fixture(scope="module")
def store() -> NativeStore:
    """Patch k has the brightness k everywhere."""
    sides = ((4, 120), (6, 60), (2, 20))
    level = np.arange(COUNT, dtype=np.uint16) * 1000
    grids = [np.tile(level[:, None, None, None], (1, bands, side, side)) for bands, side in sides]
    targets = torch.zeros(COUNT, len(CLASS_NAMES))
    targets[::2, 3] = 1
    return NativeStore(
        g10=grids[0],
        g20=grids[1],
        g60=grids[2],
        targets=targets,
        ids=tuple(f"patch-{k}" for k in range(COUNT)),
        countries=("",) * COUNT,
    )


def brightness(fits: list[tuple[str, ...]], fail_at: int | None = None) -> PatchFit:
    def run(some: NativeStore, runs: Path, *_: object) -> TrainedNet:
        if len(fits) == fail_at:
            raise KeyboardInterrupt
        fits.append(some.ids)
        return TrainedNet(
            net=Brightness(float(some.pixels(range(len(some))).mean())),
            net_name="brightness",
            net_options={},
            bands=BAND_NAMES,
            mean=(0,) * 12,
            std=(1,) * 12,
            facts={"runs": runs.name},
        )

    return PatchFit(name="brightness", settings='{"seed": 0}', run=run)


def test_each_patch_is_predicted_by_the_fit_without_its_place(
    store: NativeStore, tmp_path: Path
) -> None:
    fits: list[tuple[str, ...]] = []
    said: list[Progress] = []
    found = out_of_fold.predict(
        brightness(fits), store, FOLDS, tmp_path, by="country", progress=said.append
    )
    assert [len(ids) for ids in fits] == [8, 8, 8]
    for fold, ids in zip(FOLDS, fits, strict=True):
        assert not set(ids) & {store.ids[k] for k in fold.held_out}
    logits = torch.logit(torch.from_numpy(found.probability(store.ids[::-1]))).numpy()[::-1]
    assert logits[:, 0] == pytest.approx(np.arange(COUNT) / 10, abs=1e-4)
    means = [np.mean([k / 10 for k in fold.fitted]) for fold in FOLDS for _ in range(4)]
    assert logits[:, 1] == pytest.approx(means, abs=1e-4)
    assert (said[0].done, said[-1].done, said[-1].total) == (0, 3, 3)
    assert said[0].detail == "Austria"


def test_a_stopped_run_goes_on_with_the_next_fold(store: NativeStore, tmp_path: Path) -> None:
    fits: list[tuple[str, ...]] = []
    with pytest.raises(KeyboardInterrupt):
        out_of_fold.predict(brightness(fits, 2), store, FOLDS, tmp_path / "a", by="country")
    with pytest.raises(BadInput, match="has 2 of 3 folds"):
        out_of_fold.read(tmp_path / "a")
    resumed = out_of_fold.predict(brightness(fits), store, FOLDS, tmp_path / "a", by="country")
    assert len(fits) == 3
    whole = out_of_fold.predict(brightness([]), store, FOLDS, tmp_path / "b", by="country")
    assert (resumed.logits == whole.logits).all()
    assert resumed.folds == whole.folds
    out_of_fold.predict(brightness(fits), store, FOLDS, tmp_path / "a", by="country")
    assert len(fits) == 3


class Featured(Brightness):
    """Its features are the mean of a patch and of what it was fitted to."""

    def read(self, pixels: Tensor) -> NetOutput:
        own = pixels.mean(dim=(1, 2, 3))
        features = torch.stack([own, torch.full_like(own, self.fitted)], dim=1)
        return NetOutput(scores=self(pixels), features=features)


def featured(fits: list[tuple[str, ...]]) -> PatchFit:
    plain = brightness(fits)

    def run(
        some: NativeStore, runs: Path, report: Report | None, unknown: Collection[str]
    ) -> TrainedNet:
        trained = plain.run(some, runs, report, unknown)
        assert isinstance(trained.net, Brightness)
        return replace(trained, net=Featured(trained.net.fitted))

    return replace(plain, run=run)


def test_features_are_kept_on_request_and_added_to_finished_folds(
    store: NativeStore, tmp_path: Path
) -> None:
    fits: list[tuple[str, ...]] = []
    fit = featured(fits)
    first = out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country")
    assert out_of_fold.read_features(tmp_path) == ()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("fold-*")}
    again = out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country", features=True)
    assert len(fits) == 6
    assert (again.logits == first.logits).all()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("fold-*")} == before
    found = out_of_fold.read_features(tmp_path)
    for fold, one in zip(FOLDS, found, strict=True):
        assert one.ids == tuple(store.ids[k] for k in fold.held_out)
        assert one.fitted_ids == tuple(store.ids[k] for k in fold.fitted)
        assert one.held_out[:, 0] == pytest.approx([k / 10 for k in fold.held_out], abs=1e-4)
        assert one.fitted[:, 0] == pytest.approx([k / 10 for k in fold.fitted], abs=1e-4)
    out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country", features=True)
    assert len(fits) == 6
    (tmp_path / "features-002.safetensors").write_bytes(b"no")
    with pytest.raises(BadInput, match=r"features-002.safetensors in .* is damaged"):
        out_of_fold.read_features(tmp_path)


def test_a_recipe_without_features_keeps_none(store: NativeStore, tmp_path: Path) -> None:
    out_of_fold.predict(brightness([]), store, FOLDS, tmp_path, by="country", features=True)
    assert out_of_fold.read_features(tmp_path) == ()


def shifted(folds: Sequence[Fold]) -> tuple[Fold, ...]:
    """The same held-out patches, of which one is fitted to no longer."""
    return (replace(folds[0], fitted=folds[0].fitted[1:]), *folds[1:])


def test_a_folder_of_other_folds_or_settings_is_refused(store: NativeStore, tmp_path: Path) -> None:
    fit = brightness([])
    found = out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country")
    before = {path: path.read_bytes() for path in tmp_path.glob("fold-*")}
    assert len(before) == 3
    for other, folds in (
        (replace(fit, settings='{"seed": 1}'), FOLDS),
        (fit, shifted(FOLDS)),
        (fit, FOLDS[:2]),
        (fit, FOLDS[::-1]),
    ):
        with pytest.raises(BadInput, match="holds folds of other patches or settings"):
            out_of_fold.predict(other, store, folds, tmp_path, by="country")
    assert {path: path.read_bytes() for path in tmp_path.glob("fold-*")} == before
    assert found.has_folds(FOLDS[::-1], store.ids)
    assert not found.has_folds(FOLDS[:2], store.ids)


@pytest.mark.parametrize("content", [b"", b"\x08" + b"\0" * 7 + b"{}      ", b"x" * 400])
def test_a_damaged_fold_is_named(store: NativeStore, tmp_path: Path, content: bytes) -> None:
    fit = brightness([])
    out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country")
    (tmp_path / "fold-002.safetensors").write_bytes(content)
    damaged = r"fold-002\.safetensors in '.*' is damaged"
    with pytest.raises(BadInput, match=damaged):
        out_of_fold.read(tmp_path)
    with pytest.raises(BadInput, match=damaged):
        out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country")
    with pytest.raises(BadInput, match="has no predictions by place"):
        out_of_fold.read(tmp_path / "runs")


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [((4,), "is damaged"), ((4, 7), "is damaged"), ((4, 10), "mixes folds of several runs")],
)
def test_a_fold_of_another_shape_is_refused(
    store: NativeStore, tmp_path: Path, shape: tuple[int, ...], sentence: str
) -> None:
    out_of_fold.predict(brightness([]), store, FOLDS, tmp_path, by="country")
    path = tmp_path / "fold-002.safetensors"
    with safe_open(path, "np") as file:
        record: dict[str, str] = file.metadata()
    path.write_bytes(dump_arrays({"logits": np.zeros(shape, np.float32)}, record))
    with pytest.raises(BadInput, match=sentence):
        out_of_fold.read(tmp_path)


@pytest.mark.parametrize("name", ["class-prior", "band-statistics"])
def test_baselines_are_fitted_to_each_fold(store: NativeStore, tmp_path: Path, name: str) -> None:
    fit = patch_fit(name, Order(seed=3))
    found = out_of_fold.predict(fit, store, FOLDS, tmp_path, by="country")
    assert found.probability(store.ids).shape == (COUNT, len(CLASS_NAMES))
    assert json.loads(found.settings)["seed"] == 3


def test_a_net_is_trained_on_each_fold_through_the_loop(store: NativeStore, tmp_path: Path) -> None:
    fit = patch_fit("landcover-cnn", small("landcover-cnn", tmp_path, select="macro_ap"))
    # Nothing is left to choose an epoch on, so the last one is kept.
    assert TrainConfig.from_json(fit.settings).select == "last"
    said: list[Progress] = []
    found = out_of_fold.predict(
        fit, store, FOLDS[:2], tmp_path / "out", by="country", progress=said.append
    )
    assert np.isfinite(found.logits).all()
    assert [step.what for step in said if step.unit == "epochs"] == [
        "Training landcover-cnn, fold 1 of 2 (Austria)",
        "Training landcover-cnn, fold 2 of 2 (Finland)",
    ]
    (tmp_path / "out" / "fold-002.safetensors").unlink()
    again = out_of_fold.predict(fit, store, FOLDS[:2], tmp_path / "out", by="country")
    assert (again.logits == found.logits).all()  # from the checkpoint of that fold


@pytest.mark.slow
def test_the_mosaic_is_trained_on_each_fold(
    store: NativeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tiny_parts(Order(epochs=1, device="cpu"))
    monkeypatch.setattr(mosaic_parts, "settings", lambda _: parts)
    order = Order(device="cpu", teacher=write_teacher(tmp_path / "t.npz"))
    fit = patch_fit("landcover-mosaic", order)
    found = out_of_fold.predict(fit, store, FOLDS[:1], tmp_path / "out", by="country")
    assert np.isfinite(found.logits).all()
    assert sorted(path.name for path in (tmp_path / "out" / "runs" / "fold-001").iterdir()) == [
        "frozen", "lite", "taught", "trunk",
    ]  # fmt: skip


@pytest.mark.parametrize(("countries", "left_out"), [
    (("Austria",) * 4 + ("Finland",) * 8, {"Austria"}),
    (("Austria",) * 5 + ("Finland",) * 7, set()),  # one patch of it is fitted to
    (("Austria", "Ireland") * 2 + ("Finland",) * 8, {"Austria", "Ireland"}),
])  # fmt: skip
def test_a_fit_is_told_which_countries_it_must_not_know(
    store: NativeStore, tmp_path: Path, countries: tuple[str, ...], left_out: set[str]
) -> None:
    plain, told = brightness([]), []

    def run(
        some: NativeStore, runs: Path, report: Report | None, unknown: Collection[str]
    ) -> TrainedNet:
        told.append(set(unknown))
        return plain.run(some, runs, report, unknown)

    placed = replace(store, countries=countries)
    out_of_fold.predict(replace(plain, run=run), placed, FOLDS[:1], tmp_path, by="country")
    assert told == [left_out]


def test_only_recipes_of_patches_can_be_judged() -> None:
    with pytest.raises(BadInput, match="trained on pictures"):
        patch_fit("eurosat-rgb", Order())
    with pytest.raises(UnknownName, match="Unknown model 'landcover-cn'"):
        patch_fit("landcover-cn", Order())


def test_the_device_does_not_count_as_a_setting(tmp_path: Path) -> None:
    teacher = write_teacher(tmp_path / "t.npz")
    for name, given in (("landcover-cnn", None), ("landcover-mosaic", teacher)):
        one, other = (
            patch_fit(name, Order(device=where, teacher=given)).settings
            for where in ("auto", "cpu")
        )
        assert one == other


def test_the_teacher_counts_as_a_setting(tmp_path: Path) -> None:
    one, other = (
        patch_fit(
            "landcover-mosaic", Order(teacher=write_teacher(tmp_path / "t.npz", seed))
        ).settings
        for seed in (0, 1)
    )
    assert one != other
    assert str(tmp_path) not in one


def test_names_of_recipes_are_names_of_folders() -> None:
    assert out_of_fold.folder_name("timm:resnet18.a1_in1k") == "timm-resnet18.a1_in1k"
    assert "/" not in out_of_fold.folder_name("timm:../x")
