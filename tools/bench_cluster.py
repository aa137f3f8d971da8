"""What a second worker of a Dask cluster brings: ``python tools/bench.py cluster``.

The same blocks are mapped by clusters of one and of two worker processes with one thread each. The
model and the imagery are opened by a first block on each worker, which is not timed. Efficiency is
the rate of two workers over twice the rate of one; on a machine of two cores, what else runs and
this process itself take their share.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import numpy as np
from distributed import Client, LocalCluster

from landcover.areas.cluster import DaskExecutor
from landcover.areas.imagery import RasterSpec
from landcover.areas.job import MapTask, map_block
from landcover.areas.plan import plan
from landcover.core.raster import Raster
from landcover.io import samples
from landcover.models import registry

SIDE: Final = 1440
BLOCK: Final = 480


def cluster_speed() -> None:
    """Print blocks a second with one and with two workers, and the efficiency."""
    task = _task()
    rates = {workers: _rate(task, workers) for workers in (1, 2)}
    for workers, rate in rates.items():
        print(f"  {workers} worker(s): {rate:.2f} blocks of {BLOCK}² pixels a second")
    print(f"  efficiency of two workers: {rates[2] / (2 * rates[1]):.0%}")


def _task() -> MapTask:
    sample = samples.read_sample("austria-fields")
    times = -(-SIDE // sample.width)
    scene = Raster(
        data=np.tile(sample.data, (1, times, times)),
        valid=np.tile(sample.valid, (times, times)),
        bands=sample.bands,
        provenance=sample.provenance,
        crs=sample.crs,
        transform=sample.transform,
    )
    models = registry.default()
    name = models.usual_for_areas()
    print(f"{name}: {SIDE}² pixels in blocks of {BLOCK} pixels")
    return MapTask(
        plan=plan(scene.extent, block=BLOCK),
        imagery=RasterSpec(scene),
        model=name,
        model_hash=models.card(name).hash,
    )


def _rate(task: MapTask, workers: int) -> float:
    """Blocks a second."""
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        with Client(cluster) as client:
            client.run(map_block, task, task.plan.indices[0])
        begin = time.perf_counter()
        executor = DaskExecutor(address=cluster.scheduler_address)
        count = sum(1 for _ in executor.run(task, task.plan.indices, None))
        return count / (time.perf_counter() - begin)
