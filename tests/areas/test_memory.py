"""How large blocks are, and how many are computed at a time."""

from __future__ import annotations

import argparse

import pytest

from landcover.areas.memory import DEFAULT_MEMORY, LEAST_MEMORY, block_within, workers_within
from landcover.areas.plan import LARGEST_BLOCK, plan
from landcover.cli import area_options
from landcover.core.threads import allowed_cores
from tests.areas.test_plan import rectangle

PIXEL_BYTES = 268
"""Of landcover-mosaic, which needs the most."""


@pytest.mark.parametrize("memory", [LEAST_MEMORY, DEFAULT_MEMORY, 8_000_000_000, 10**12])
@pytest.mark.parametrize("step", [8, 24, 32])
def test_each_core_computes_a_block(
    memory: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    side = block_within(memory, PIXEL_BYTES)
    assert 0 < side <= LARGEST_BLOCK
    made = plan(rectangle(4000, 4000), step=step, block=side)
    assert workers_within(memory, made, PIXEL_BYTES) == allowed_cores()


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_many_cores_do_not_make_blocks_too_small(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(cores))
    cores = allowed_cores()
    side = block_within(LEAST_MEMORY, PIXEL_BYTES)
    made = plan(rectangle(4000, 4000), block=side)
    count = workers_within(LEAST_MEMORY, made, PIXEL_BYTES)
    assert 1 <= count <= cores
    assert count * (side + 2 * made.halo) ** 2 * PIXEL_BYTES < LEAST_MEMORY
    # More than half of what is read is mapped.
    assert side**2 > 0.5 * (side + 2 * made.halo) ** 2


def test_one_block_is_computed_where_memory_is_short() -> None:
    assert workers_within(1, plan(rectangle(4000, 4000)), PIXEL_BYTES) == 1


def test_the_command_has_the_same_default() -> None:
    parser = argparse.ArgumentParser()
    area_options.add_machine(parser)
    assert f"(default: {DEFAULT_MEMORY / 1e9:g})" in parser.format_help()
    assert area_options.memory_of(parser.parse_args([])) == DEFAULT_MEMORY
