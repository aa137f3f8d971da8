"""Mapping blocks: the same result wherever and whenever, and nothing lost."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch

from landcover.areas import sky
from landcover.areas.block import BlockMap
from landcover.areas.imagery import RasterSpec
from landcover.areas.job import Index, LocalExecutor, MapTask, finished_blocks, map_block, sum_of
from landcover.areas.layout import NODATA, PRESENCE_EXTRA
from landcover.areas.parts import Parts, folder_of
from landcover.areas.plan import plan
from landcover.core.errors import BadInput, Cancelled, ModelMismatch
from landcover.core.progress import Progress
from landcover.core.raster import Raster
from landcover.io import samples
from landcover.models import registry


@pytest.fixture(scope="module")
def sample() -> Raster:
    return samples.read_sample("finland-lake")


def task_of(raster: Raster, *, step: int = 24, block: int = 72) -> MapTask:
    card = registry.default().card(registry.DEFAULT_MODEL)
    return MapTask(
        plan=plan(raster.extent, step=step, block=block),
        imagery=RasterSpec(raster),
        model=registry.DEFAULT_MODEL,
        model_hash=card.hash,
    )


def parts_of(task: MapTask, folder: Path) -> Parts:
    probe = map_block(task, task.plan.indices[0])
    classes = len(probe.presence) - len(PRESENCE_EXTRA)
    return Parts(
        folder=folder_of(folder / "map.tif"),
        key=task.key,
        plan=task.plan,
        classes=classes,
        covers=len(probe.tally.covers),
    )


def same(first: BlockMap, second: BlockMap) -> bool:
    layers = ("presence", "cover", "decision")
    return all((getattr(first, name) == getattr(second, name)).all() for name in layers) and (
        first.tally.expected.tolist() == second.tally.expected.tolist()
        and first.tally.present.tolist() == second.tally.present.tolist()
        and first.tally.covers.tolist() == second.tally.covers.tolist()
    )


class Interrupted:
    """Computes here, and fails before the given block, like a machine that loses power."""

    text = ""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[Index] = []

    def run(
        self, task: MapTask, indices: Sequence[Index], cancel: threading.Event | None
    ) -> Iterator[tuple[Index, BlockMap]]:
        assert cancel is None
        for index in indices:
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            self.asked.append(index)
            yield index, map_block(task, index)


def test_an_interrupted_map_goes_on(sample: Raster, tmp_path: Path) -> None:
    task = task_of(sample)
    parts = parts_of(task, tmp_path)
    first = Interrupted(2)
    with pytest.raises(KeyboardInterrupt):
        list(finished_blocks(task, parts, first))
    # A part that was cut short, as by a full disk, is computed again.
    damaged = min(parts.folder.glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    second = Interrupted(99)
    found = {block.index: one for block, one in finished_blocks(task, parts, second)}
    assert sorted(found) == sorted(task.plan.indices)
    assert len(second.asked) == len(task.plan.indices) - 1
    for index, one in found.items():
        assert same(one, map_block(task, index))
    parts.remove()
    assert not list(tmp_path.iterdir())


def test_threads_do_not_change_a_block(sample: Raster, tmp_path: Path) -> None:
    task = task_of(sample)
    before = torch.get_num_threads()
    seen: list[Progress] = []
    blocks = finished_blocks(
        task, parts_of(task, tmp_path), LocalExecutor(workers=3), report=seen.append
    )
    for block, one in blocks:
        assert same(one, map_block(task, block.index))
    index = task.plan.indices[0]
    assert same(map_block(task, index, cores=3), map_block(task, index))
    assert torch.get_num_threads() == before
    assert seen[0].done == 0
    assert seen[-1].done == seen[-1].total == len(task.plan.indices)
    assert "km² a second" in seen[-1].text


@pytest.mark.parametrize("flag", [4, 8, 3, 11])  # SCL: vegetation; cloud, its shadow, snow
def test_only_cells_in_clear_view_are_decided_and_counted(sample: Raster, flag: int) -> None:
    classes = np.full(sample.valid.shape, 4, dtype=np.uint8)
    classes[:48] = flag
    task = task_of(replace(sample, scl=classes), block=120)
    found = map_block(task, (0, 0))
    hidden = 0 if flag == 4 else 6 * 15
    assert (found.decision[:6] == 0).all() == bool(hidden)
    assert (found.decision[6:] > 0).all()
    assert found.tally.silent == hidden
    assert found.tally.covers.sum() == 15 * 15 - hidden
    # Clouds leave no probabilities; of shade and snow the reader decides.
    assert (found.cover[0, :6] == NODATA).all() == (flag == 8)


def test_parts_of_another_map_are_replaced(sample: Raster, tmp_path: Path) -> None:
    coarse, fine = task_of(sample), task_of(sample, step=8)
    assert coarse.key != fine.key
    list(finished_blocks(coarse, parts_of(coarse, tmp_path), LocalExecutor()))
    again = Interrupted(99)
    list(finished_blocks(fine, parts_of(fine, tmp_path), again))
    assert len(again.asked) == len(fine.plan.indices)


def test_a_folder_of_others_is_not_removed(sample: Raster, tmp_path: Path) -> None:
    task = task_of(sample)
    parts = parts_of(task, tmp_path)
    parts.folder.mkdir()
    (parts.folder / "thesis.txt").write_text("years of work")
    with pytest.raises(BadInput, match=r"thesis\.txt"):
        parts.open()
    assert (parts.folder / "thesis.txt").exists()


def test_a_map_can_be_cancelled(sample: Raster, tmp_path: Path) -> None:
    task, stop = task_of(sample), threading.Event()
    blocks = finished_blocks(task, parts_of(task, tmp_path), LocalExecutor(workers=1), cancel=stop)
    next(blocks)
    stop.set()
    with pytest.raises(Cancelled):
        list(blocks)


def test_another_model_or_version_is_refused(sample: Raster) -> None:
    task = task_of(sample)
    with pytest.raises(ModelMismatch, match="another one here"):
        map_block(replace(task, model_hash="0" * 64), (0, 0))
    with pytest.raises(ModelMismatch, match="same version"):
        map_block(replace(task, version="0.0.1"), (0, 0))


def test_layers_agree_with_each_other(sample: Raster) -> None:
    task = task_of(sample)
    found = [map_block(task, index) for index in task.plan.indices]
    total = sum_of([one.tally for one in found])
    cells = task.plan.cover.width * task.plan.cover.height
    decided = sum(int((one.decision > 0).sum()) for one in found)
    assert total.covers.sum() == decided
    assert total.silent == cells - decided
    assert total.expected.sum() == pytest.approx(decided, rel=1e-4)
    for one in found:
        classes = len(one.presence) - len(PRESENCE_EXTRA)
        *chances, decision, uncertainty, mask, _ = one.presence
        silent = np.isin(mask, (sky.CLOUD, NODATA))
        assert (np.stack(chances)[:, silent] == NODATA).all()
        assert (uncertainty[~silent] <= 250).all()
        assert (decision[silent] == 0).all()
        assert (decision <= classes).all()


def test_pixels_outside_the_area_have_no_answer(sample: Raster) -> None:
    whole = task_of(sample)
    window = whole.plan.window
    half = shapely.box(window.west, window.north - 1200, window.west + 600, window.north)
    task = replace(whole, plan=plan(window, step=24, block=120, outline=shapely.to_wkb(half)))
    found = map_block(task, (0, 0))
    kept = found.cover[-1] != NODATA
    assert kept[:, :7].all()
    assert not kept[:, 8:].any()
    assert found.tally.silent + found.tally.covers.sum() == kept.sum()


def test_a_source_of_few_bands_is_mapped_with_estimated_ones(sample: Raster) -> None:
    names = ("B02", "B03", "B04", "B08")
    few = replace(
        sample, data=sample.data[[sample.bands.index(name) for name in names]], bands=names
    )
    models = registry.default()
    name = models.choice(registry.DEFAULT_MODEL, names).name
    task = replace(
        task_of(sample, block=120),
        imagery=RasterSpec(few),
        model=name,
        model_hash=models.card(name).hash,
    )
    own = map_block(task_of(sample, block=120), (0, 0))
    found = map_block(task, (0, 0))
    assert found.decision.shape == own.decision.shape
    assert (found.decision == own.decision).mean() > 0.7


def test_pixels_in_memory_are_freed_with_their_owner(sample: Raster) -> None:
    own = replace(sample, data=sample.data.copy())
    gone = weakref.ref(own)
    task = task_of(own)
    map_block(task, (0, 0))
    del own, task
    gc.collect()
    assert gone() is None
