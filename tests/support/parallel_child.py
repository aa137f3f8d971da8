"""One of several processes that fit a tiny net together; started by test_training_parallel."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

from landcover.core.errors import LandcoverError
from landcover.train import distributed
from landcover.train.configuration import TrainConfig
from landcover.train.loop import train
from tests.train.test_loop import store


def main(out: Path, config: TrainConfig) -> None:
    with distributed.joined("cpu") as group:
        # The result must not depend on the random state of a process.
        torch.manual_seed(group.rank)
        patches = store(22) if os.environ.get("ONE_LESS") != str(group.rank) else store(21)
        result = train(config, patches, store(70, seed=1), out)
        history = [[e.train_loss, e.val_loss, e.val_micro_ap] for e in result.history]
        torch.save(result.state, out.with_suffix(f".{group.rank}.pt"))
        out.with_suffix(f".{group.rank}.json").write_text(json.dumps(history))


if __name__ == "__main__":
    torch.set_num_threads(1)
    try:
        main(Path(sys.argv[1]), replace(TrainConfig.from_json(sys.argv[2]), device="cpu"))
    except LandcoverError as error:
        sys.exit(f"error: {error}")
