"""A cover head that is fitted to labels of patches finds the cells that they are of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from landcover.core.classes import CLASS_NAMES
from landcover.core.covers import COVER_NAMES, cover_of
from landcover.core.errors import BadInput
from landcover.datasets.labelled import Record
from landcover.nets.cover_head import CoverHead, WaterMap
from landcover.train.cover_cells import PatchCells
from landcover.train.cover_fit import Settings, agreement, fit
from landcover.train.cover_measure import measure
from landcover.train.cover_text import as_text

CLASSES = [
    CLASS_NAMES.index(n) for n in ("Pastures", "Arable land", "Mixed forest", "Inland waters")
]
SIDE, CHANNELS = 15, 12
QUICK = Settings(components=99, sides=(1,), steps=120, rate=0.2)


def simulated(patches: int = 120, *, teacher: bool = False) -> tuple[PatchCells, torch.Tensor]:
    """Patches of half-planes of one to three classes, whose statistics tell the class."""
    random = torch.Generator().manual_seed(0)
    truth = torch.empty(patches, SIDE, SIDE, dtype=torch.long)
    for k in range(patches):
        count = int(torch.randint(1, 4, (1,), generator=random))
        chosen = torch.randperm(4, generator=random)[:count]
        cuts = torch.randint(2, SIDE - 2, (2,), generator=random)
        truth[k] = chosen[0]
        truth[k, : cuts[0]] = chosen[-1]
        truth[k, :, : cuts[1]] = chosen[len(chosen) // 2]
    centres = 2.0 * torch.randn(4, CHANNELS // 2, generator=random)
    mean = centres[truth] + torch.randn(*truth.shape, CHANNELS // 2, generator=random)
    labels = torch.zeros(patches, len(CLASS_NAMES))
    for k in range(patches):
        labels[k, [CLASSES[int(each)] for each in truth[k].unique()]] = 1
    covers = torch.full((patches, 9, SIDE, SIDE), 0.02)
    for ours, theirs in enumerate((2, 4, 1, 0)):
        covers[:, theirs][truth == ours] = 0.84
    mean = torch.cat((mean.permute(0, 3, 1, 2), covers), dim=1)
    return (
        PatchCells(
            moments=torch.cat((mean, mean.square() + 0.1), dim=1).half(),
            first=CHANNELS // 2 if teacher else None,
            water=(truth == 3).float(),
            labels=labels,
            ids=tuple(
                f"S2A_MSIL2A_20170613T101031_N9999_R022_T33{'UVW'[k % 3]}UP_{k}_9"
                for k in range(patches)
            ),
            countries=tuple("ABC"[k % 3] for k in range(patches)),
        ),
        truth,
    )


def share_right(head: CoverHead, cells: PatchCells, truth: torch.Tensor) -> float:
    wanted = torch.tensor([cover_of()[k] for k in CLASSES])[truth]
    with torch.inference_mode():
        return float((head(cells.moments.float()).argmax(dim=1) == wanted).float().mean())


def test_cells_are_told_apart_though_no_label_is_of_a_cell() -> None:
    cells, truth = simulated()
    head = fit(cells, range(80), QUICK)
    unseen = PatchCells(
        moments=cells.moments[80:],
        first=None,
        water=cells.water[80:],
        labels=cells.labels[80:],
        ids=cells.ids[80:],
        countries=cells.countries[80:],
    )
    assert share_right(head, unseen, truth[80:]) > 0.85


def test_a_teacher_helps_and_its_water_is_an_input_of_the_head() -> None:
    cells, truth = simulated(40, teacher=True)
    head = fit(cells, range(40), QUICK)
    assert head.water == WaterMap(CHANNELS // 2, QUICK.water, cells.index)
    assert share_right(head, cells, truth) > 0.85


def test_the_same_patches_give_the_same_head() -> None:
    cells, _ = simulated(30)
    once, again = (fit(cells, range(30), QUICK) for _ in range(2))
    for name, value in once.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_too_few_patches_are_refused() -> None:
    cells, _ = simulated(30)
    with pytest.raises(BadInput, match="at least 20"):
        fit(cells, range(10), QUICK)


def test_what_the_teacher_sees_fits_classes() -> None:
    covers = torch.zeros(1, 9, 1, 3)
    covers[0, 0, 0, 0] = covers[0, 2, 0, 1] = 1.0
    covers[0, [0, 4], 0, 2] = 0.5
    found = agreement(covers)[0, :, 0]
    meadow, arable, forest, lake = CLASSES
    assert found[lake, 0] > 0.9
    assert found[arable, 0] < 0.05
    assert found[meadow, 1] > 0.9
    assert found[lake, 1] < 0.05
    # Half a field and half a pond may be either.
    assert found[lake, 2] == pytest.approx(found[arable, 2])
    assert found[forest, 2] < 0.5 * found[arable, 2]


def test_errors_are_measured_in_countries_that_are_left_out() -> None:
    cells, _ = simulated(90)
    records = [
        Record(
            patch_id=name,
            labels=frozenset(
                CLASS_NAMES[k] for k in torch.nonzero(cells.labels[row])[:, 0].tolist()
            ),
            split="train",
            country=cells.countries[row],
            product=Path("/none"),
        )
        for row, name in enumerate(cells.ids)
    ]
    found = measure(cells, records, QUICK, dataset="simulated")
    assert found.covers == COVER_NAMES
    assert found.folds == ("A", "B", "C")
    water = found.figures["Water"]
    assert water.pure_right is not None
    assert water.pure_right > 0.9
    assert water.iou > 0.8
    assert abs(water.bias) < 0.2
    assert found.outside is not None
    assert found.outside < 0.1
    assert found.water_iou is not None
    assert found.water_iou > 0.8
    assert found.figures["Wetlands"].average_precision is None
    shares = found.clustered.shares
    mapped = [COVER_NAMES.index(n) for n in ("Pastures", "Cropland", "Forest", "Water")]
    assert shares[mapped].sum(axis=1) == pytest.approx(1)
    assert as_text(found).count("\n") > len(COVER_NAMES)
    assert "| Water |" in as_text(found, markdown=True)
