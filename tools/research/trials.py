# mypy: disable-error-code="no-untyped-call,operator,call-overload,arg-type"
"""Train many small nets at once on one graphics card, for the ablation table.

``python -m tools.research.trials PACK PLAN.jsonl OUT --workers 10 --seconds 300``. PACK is
the folder that :mod:`tools.research.pack` wrote: train and validation, never test. Each line of
the plan is a job: ``{"name", "kind", "fit", "seed", ...}``. A job that is trained on ``train`` is
evaluated on validation and the reverse; its logits on all patches go to ``OUT/NAME.npz``.
A fit takes only seconds, so the pixels stay on the card and batches are made there.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from landcover import nets
from landcover.datasets.arrays import NativeStore, join
from landcover.nets.spectral_lite0 import SpectralLite, inflate
from landcover.nets.symmetry import symmetry
from landcover.train.arrangement import rectangles
from landcover.train.configuration import TrainConfig
from landcover.train.optimisation import learning_rate, load_matching, optimiser_of

SPLITS: Final = ("train", "validation")
KINDS: Final[dict[str, dict[str, Any]]] = {
    "trigrid": {
        "net": "trigrid",
        "net_options": {"members": 4, "width": 48, "stem": 24, "spectral": 64, "dropout": 0.3},
        "epochs": 120,
        "batch": 100,
        "learning_rate": 3e-3,
    },
    "lite": {
        "net": "spectral-lite0",
        "net_options": {"taps": [2, 4]},
        "epochs": 30,
        "batch": 32,
        "learning_rate": 2e-3,
        "trunk_rate": 0.3,
    },
}
"""The settings of the shipped parts; each trial changes one of them."""


def unpack(folder: Path, split: str) -> NativeStore:
    """Read the patches of a split that :mod:`tools.research.pack` wrote."""
    meta = np.load(folder / f"{split}-meta.npz")
    grids = {}
    for name in ("g10", "g20", "g60"):
        data = lzma.decompress((folder / f"{split}-{name}.xz").read_bytes())
        path = folder / f"{split}-{name}.npy"
        path.write_bytes(data)
        high, low = np.load(path)
        coded = (high.astype(np.uint16) << 8) | low
        steps = ((coded >> 1) ^ (-(coded & 1).astype(np.int16)).view(np.uint16)).astype(np.uint16)
        steps[..., 0] = np.cumsum(steps[..., 0], axis=-1, dtype=np.uint16)
        grids[name] = np.cumsum(steps, axis=-1, dtype=np.uint16)
    return NativeStore(
        **grids,
        targets=torch.from_numpy(meta["targets"]),
        ids=tuple(meta["ids"].tolist()),
        countries=tuple(meta["countries"].tolist()),
    )


class Pool:
    """All patches on one device; the rows of a split are contiguous."""

    def __init__(self, store: NativeStore, first: int, device: str) -> None:
        self.pixels = torch.cat(
            [store.pixels(rows.tolist()).to(device) for rows in torch.arange(len(store)).split(64)]
        )
        self.targets = store.targets.to(device)
        everything = torch.arange(len(store), device=device)
        self.rows = {
            "train": everything[:first],
            "validation": everything[first:],
            "both": everything,
        }


Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(name: str, share: Tensor) -> Loss:
    """Return a loss by name.

    Args:
        name: ``bce``, ``weighted``, or ``focal`` or ``asymmetric`` followed by gamma.
        share: of the training patches that have each class, ``(class,)``.

    Raises:
        ValueError: there is no such loss.
    """
    if name == "bce":
        return F.binary_cross_entropy_with_logits
    if name == "weighted":  # square root of the ratio of negatives to positives
        weight = ((1 - share) / share.clamp(min=1e-3)).sqrt().clamp(max=5.0)
        return lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=weight)
    if name.startswith("focal"):  # Lin et al. 2017
        gamma = float(name[5:])

        def focal(x: Tensor, y: Tensor) -> Tensor:
            wrong = (torch.sigmoid(x) - y).abs()
            each = F.binary_cross_entropy_with_logits(x, y, reduction="none")
            return (wrong**gamma * each).mean() * 2**gamma

        return focal
    if name.startswith("asymmetric"):  # Ridnik et al. 2021
        gamma = float(name[10:])

        def asymmetric(x: Tensor, y: Tensor) -> Tensor:
            p = torch.sigmoid(x)
            low = (p - 0.05).clamp(min=0)
            present = y * p.clamp(min=1e-6).log()
            absent = (1 - y) * low**gamma * (1 - low).clamp(min=1e-6).log()
            return -(present + absent).mean() * 2

        return asymmetric
    raise ValueError(name)


def augmented(
    pixels: Tensor, targets: Tensor, job: dict[str, Any], chance: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Augment a batch like ``augment.Augmentation``, but on the card and with the trials' crops."""
    device, count = pixels.device, len(pixels)
    flips = torch.randint(0, 2, (3, count, 1, 1, 1), generator=chance).bool().to(device)
    pixels = torch.where(flips[0], pixels.transpose(-2, -1), pixels)
    pixels = torch.where(flips[1], pixels.flip(-1), pixels)
    pixels = torch.where(flips[2], pixels.flip(-2), pixels)
    draw, other = torch.rand(2, generator=chance).tolist()
    if draw < job.get("paste", 0.0):
        partner = torch.randperm(count, generator=chance).to(device)
        boxes = rectangles(count, pixels.shape[-1], (0.15, 0.85), chance)
        mask = torch.zeros(count, 1, *pixels.shape[2:], dtype=torch.bool)
        for row, (top, bottom, left, right) in enumerate(boxes):
            mask[row, :, top:bottom, left:right] = True
        area = mask.float().mean(dim=(1, 2, 3))[:, None].to(device)
        pixels = torch.where(mask.to(device), pixels[partner], pixels)
        weight_kept, pasted = (1.6 * (1 - area)).clamp(max=1), (1.6 * area).clamp(max=1)
        targets = 1 - (1 - weight_kept * targets) * (1 - pasted * targets[partner])
    elif draw < job.get("paste", 0.0) + job.get("blend", 0.0):
        partner = torch.randperm(count, generator=chance).to(device)
        share = torch.from_numpy(
            np.random.default_rng(int(other * 2**31)).beta(0.4, 0.4, count).astype(np.float32)
        ).to(device)
        pixels = torch.lerp(pixels[partner], pixels, share.view(-1, 1, 1, 1))
        targets = torch.lerp(targets[partner], targets, share.view(-1, 1))
    if job.get("crop"):  # a part of the patch at its own scale
        side = (72, 96, 120)[int(torch.randint(0, 3, (1,), generator=chance))]
        top, left = (6 * torch.randint(0, (120 - side) // 6 + 1, (2,), generator=chance)).tolist()
        pixels = pixels[:, :, top : top + side, left : left + side]
    if job.get("zoom"):  # a part of the patch enlarged to full size
        side = int(torch.randint(int(120 * job["zoom"]), 121, (1,), generator=chance))
        top, left = torch.randint(0, 121 - side, (2,), generator=chance).tolist()
        part = pixels[:, :, top : top + side, left : left + side]
        pixels = F.interpolate(part, size=(120, 120), mode="bilinear")
    if job.get("shift"):  # shifted by some pixels; the border is mirrored
        down, right = torch.randint(-12, 13, (2,), generator=chance).tolist()
        wide = F.pad(pixels, (12, 12, 12, 12), mode="reflect")
        pixels = wide[:, :, 12 + down : 132 + down, 12 + right : 132 + right]
    common = job.get("brightness", 0.06) * torch.randn(count, 1, 1, 1, generator=chance)
    gain = job.get("band_gain", 0.03) * torch.randn(count, pixels.shape[1], 1, 1, generator=chance)
    return pixels * torch.exp(common + gain).to(device), targets


def predict_symmetries(net: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits of patches without a symmetry, and the mean over all eight."""
    with torch.inference_mode():
        each = [
            torch.stack([net(symmetry(part, k)).float() for k in range(8)])
            for part in pixels.split(64)
        ]
    every = torch.cat(each, dim=1)
    return every[0].cpu(), every.mean(dim=0).cpu()


def config_of(job: dict[str, Any]) -> TrainConfig:
    """Return the settings of a job: those of the shipped part with the job's changes."""
    base = KINDS[job["kind"]]
    options = {**base["net_options"], **job.get("net_options", {})}
    changes = {**base, **job.get("config", {}), "net_options": options, "seed": job["seed"]}
    return TrainConfig.from_json(json.dumps(changes))


def fit(job: dict[str, Any], pool: Pool, out: Path, euro: dict[str, Tensor]) -> nn.Module:
    """Train one net as :mod:`landcover.train.loop` does and return the averaged net."""
    config, rows = config_of(job), pool.rows[job["fit"]]
    device = rows.device
    torch.manual_seed(config.seed)
    chance = torch.Generator().manual_seed(config.seed)
    net = nets.build(config.net, **config.net_options)
    average = nets.build(config.net, **config.net_options)
    if job["kind"] == "lite" and job.get("start", "eurosat") == "eurosat":
        load_matching(net, inflate(dict(euro)))
    net.initialise(pool.pixels[rows].cpu(), pool.targets[rows].cpu())
    for one in (net, average):
        one.to(device, memory_format=torch.channels_last)
    if job.get("ssl"):
        pretrain(net, pool.pixels[rows], job["ssl"], chance)
    average.load_state_dict(net.state_dict())
    average.eval().requires_grad_(requires_grad=False)
    optimiser = optimiser_of(net, config)
    measure = loss_of(job.get("loss", "bce"), pool.targets[rows].mean(dim=0))
    teachers = [_load_teacher(name, out).to(device) for name in job.get("teachers", ())]
    per_epoch = max(1, round(len(rows) / config.batch))
    steps = per_epoch * config.epochs
    half = torch.autocast(device.type, torch.bfloat16) if job.get("half") else nullcontext()
    net.train()
    step = 0
    pairs = [
        (old, new)
        for old, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True)
        if old.is_floating_point()
    ]
    for _ in range(config.epochs):
        for part in torch.randperm(len(rows), generator=chance).tensor_split(per_epoch):
            chosen = rows[part.to(device)]
            pixels, targets = augmented(pool.pixels[chosen], pool.targets[chosen], job, chance)
            if teachers:
                with torch.no_grad():
                    teacher_logits = torch.stack([t(pixels).float() for t in teachers]).mean(0)
                targets = torch.lerp(targets, torch.sigmoid(teacher_logits), job.get("trust", 0.5))
            for group in optimiser.param_groups:
                group["lr"] = group["factor"] * learning_rate(config, step, steps)
            optimiser.zero_grad()
            with half:
                logits = net(pixels)
            measure(logits.float(), targets).backward()
            optimiser.step()
            step += 1
            decay = min(config.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_([p[0] for p in pairs], [p[1] for p in pairs], 1 - decay)
    return average


def pretrain(net: SpectralLite, pixels: Tensor, epochs: int, chance: torch.Generator) -> None:
    """Barlow Twins (Zbontar et al. 2021) on two crops of each patch, without labels."""
    device = pixels.device
    width = net.head.in_features
    projector = nn.Sequential(
        nn.Linear(width, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 512)
    ).to(device)
    optimiser = torch.optim.AdamW([*net.parameters(), *projector.parameters()], lr=5e-4)
    per_epoch = max(1, len(pixels) // 100)
    net.train()
    job = {"crop": True, "brightness": 0.12, "band_gain": 0.06}
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = 5e-4 * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
        for part in torch.randperm(len(pixels), generator=chance).tensor_split(per_epoch):
            batch = pixels[part.to(device)]
            codes = []
            for _ in range(2):
                view, _ = augmented(batch, torch.zeros(len(batch), 1, device=device), job, chance)
                bands = net.bands(view)
                keep = torch.rand(bands.shape[:2], device=device) >= 0.2
                moments = net.cells(bands * keep[:, :, None, None]).mean(dim=(2, 3))
                mean, square = moments.chunk(2, dim=1)
                std = ((square - mean.square()).clamp(min=0) + 1e-4).sqrt()
                code = projector(net.norm(torch.cat((mean, std), dim=1)))
                codes.append((code - code.mean(0)) / (code.std(0) + 1e-4))
            cross = codes[0].T @ codes[1] / len(batch)
            on = (cross.diagonal() - 1).square().sum()
            off = cross.square().sum() - cross.diagonal().square().sum()
            optimiser.zero_grad()
            (on + 0.005 * off).backward()
            optimiser.step()


def _load_teacher(name: str, out: Path) -> nn.Module:
    """Load a net that an earlier job writes; wait for it up to two minutes."""
    folder = out / "weights"
    for _ in range(600):
        if (folder / f"{name}.json").exists():
            break
        time.sleep(0.2)
    job = json.loads((folder / f"{name}.json").read_text())
    config = config_of(job)
    net = nets.build(config.net, **config.net_options)
    net.load_state_dict(load_file(folder / f"{name}.safetensors"))
    return net.eval().requires_grad_(requires_grad=False)


def work(pack: str, jobs: Queue[dict[str, Any]], out: Path, deadline: float, device: str) -> None:
    """Run jobs until none is left or the deadline has passed."""
    torch.set_num_threads(1)
    stores = [unpack_cached(Path(pack), split) for split in SPLITS]
    pool = Pool(join(*stores), len(stores[0]), device)
    euro = load_file(Path(pack) / "eurosat-trunk.safetensors")
    euro = {k: v.float() if v.is_floating_point() else v for k, v in euro.items()}
    while time.time() < deadline:
        try:
            job = jobs.get_nowait()
        except Exception:  # noqa: BLE001 - empty
            return
        begin = time.time()
        try:
            net = fit(job, pool, out, euro)
            one, eight = predict_symmetries(net.eval(), pool.pixels)
            np.savez_compressed(
                out / f"{job['name']}.npz", one=one.half().numpy(), d4=eight.half().numpy()
            )
            if job.get("keep"):
                (out / "weights").mkdir(exist_ok=True)
                state = {
                    k: v.detach().cpu().contiguous(memory_format=torch.contiguous_format)
                    for k, v in net.state_dict().items()
                }
                save_file(state, out / "weights" / f"{job['name']}.safetensors")
                part = out / "weights" / f"{job['name']}.tmp"
                part.write_text(json.dumps(job))
                part.rename(part.with_suffix(".json"))
            print(job["name"], f"{time.time() - begin:.1f}s", flush=True)
        except Exception as error:  # noqa: BLE001 - one failed job must not stop the others
            print("FAILED", job["name"], repr(error)[:300], flush=True)


def unpack_cached(folder: Path, split: str) -> NativeStore:
    """Unpack a split once, in the parent process; later calls read the result."""
    cached = folder / f"{split}-store.npz"
    if not cached.exists():
        store = unpack(folder, split)
        np.savez(cached, g10=store.g10, g20=store.g20, g60=store.g60)
        return store
    arrays, meta = np.load(cached), np.load(folder / f"{split}-meta.npz")
    return NativeStore(
        g10=arrays["g10"],
        g20=arrays["g20"],
        g60=arrays["g60"],
        targets=torch.from_numpy(meta["targets"]),
        ids=tuple(meta["ids"].tolist()),
        countries=tuple(meta["countries"].tolist()),
    )


def main() -> None:
    """Read the plan and distribute its jobs among the workers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pack")
    parser.add_argument("plan", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    deadline = time.time() + options.seconds
    options.out.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        unpack_cached(Path(options.pack), split)
    print("unpacked", f"{options.seconds - (deadline - time.time()):.0f}s", flush=True)
    context = mp.get_context("spawn")
    jobs = context.Queue()
    for line in options.plan.read_text().splitlines():
        if line.strip():
            jobs.put(json.loads(line))
    arguments = (options.pack, jobs, options.out, deadline, options.device)
    workers = [context.Process(target=work, args=arguments) for _ in range(options.workers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(1.0, deadline + 20 - time.time()))
        if worker.is_alive():
            worker.kill()
    jobs.cancel_join_thread()


if __name__ == "__main__":
    main()
