"""Train the rows of the ablation table, one after the other, from a file of JSON lines.

``python -m tools.research.run QUEUE.jsonl``. A line is ``{"name", "start", "config"}``, where
``start`` is empty, ``imagenet`` or the name of a EuroSAT run, and ``config`` has the settings that
differ from the defaults of :class:`landcover.train.configuration.TrainConfig`. Lines may be added
during the run. Finished rows are skipped, and interrupted ones are resumed. Each row writes
``runs/NAME/val.npy``, the logits on validation, and the weights. The test split is never read.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from landcover.datasets.arrays import join
from landcover.nets.spectral_lite0 import inflate
from landcover.train.configuration import TrainConfig
from landcover.train.loop import train
from landcover.train.validation import predict_logits
from tools.research import eurosat
from tools.research.common import WORK, macro_micro_ap, store


def main(queue: str) -> None:
    """Train each row of the queue; stop when a line says ``end`` and all rows are done."""
    torch.set_num_threads(1)
    while True:
        lines = [x for x in Path(queue).read_text().splitlines() if x.strip()]
        todo = [x for x in lines if x != "end" and not done(json.loads(x))]
        if todo:
            try:
                train_row(**json.loads(todo[0]))
            except Exception as error:  # noqa: BLE001 - one failed row must not stop the others
                print("FAILED", todo[0], repr(error), flush=True)
                folder = WORK / "runs" / json.loads(todo[0])["name"]
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "done").touch()
        elif "end" in lines:
            return
        else:
            time.sleep(2)


def done(job: dict[str, Any]) -> bool:
    """Whether a row is finished."""
    folder: Path = WORK / "runs" / job["name"]
    return (folder / "val.npy").exists() or (folder / "done").exists()


def train_row(name: str, start: str, config: dict[str, Any], fit: str = "train") -> None:
    """Train one row; a row trained on ``train+validation`` has weights, but no metrics."""
    settings = TrainConfig.from_json(json.dumps({"device": "cpu", "validate_every": 10, **config}))
    weights = inflate(eurosat.start(start)) if start else {}
    final = fit == "train+validation"
    patches, check = store("train"), store("validation")
    out = WORK / "runs" / name
    begin = time.time()
    result = train(
        settings,
        join(patches, check) if final else patches,
        None if final else check,
        out,
        lambda e: (
            print(
                name,
                e.epoch,
                f"{e.train_loss:.4f} {e.val_loss:.4f} {e.val_macro_ap:.4f} "
                f"{e.val_micro_ap:.4f} {e.patches_per_second:.0f}/s",
                flush=True,
            )
            if e.epoch % 10 == 0 or e.epoch == settings.epochs
            else None
        ),
        initial=weights,
    )
    torch.save(result.state, out / "state.pt")
    (out / "checkpoint.pt").unlink()
    if final:
        (out / "done").touch()
        print("ROW", name, f"{time.time() - begin:.0f}s", flush=True)
        return
    logits = predict_logits(result.net(), check, precision=result.precision).numpy()
    np.save(out / "val.npy", logits)
    macro, micro = macro_micro_ap(check.targets.numpy(), logits)
    print("ROW", name, f"{macro:.4f} {micro:.4f} {time.time() - begin:.0f}s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
