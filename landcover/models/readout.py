"""A net split in two: the maps that its answer is pooled from, and what it makes of them.

TriGrid and SpectralLite, and every net that is joined from them, answer from *moments*:
means and mean squares of feature maps over the patch. Between maps and moments there is
nothing but a sum over places, so any weighing of the moments is one of places too, on the
grid that each map really has (20 m for colours, 40 m for shapes, 80 m for layout). That is
what class activation maps are made of, and all that the answer rests on takes part: every
member, and every look of a part that sees the patch in several symmetries of the square.

The copy of the net that does it computes what the net computes, faster: normalisations are
part of the convolutions before them, and maps are pooled at once instead of cell by cell.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from landcover.models.model import Model
from landcover.nets.grids import spectra_at_20m
from landcover.nets.spectral_lite0 import SpectralLite
from landcover.nets.symmetry import symmetry, turned_back
from landcover.nets.trigrid import TriGrid
from landcover.nets.windows import CELL_PIXELS

PROBE: Final = torch.arange(4.0).view(1, 1, 2, 2)
"""A picture whose eight symmetries all differ."""


@dataclass(frozen=True)
class Map:
    """One feature map of a look, ``(n, channel, y, x)``, and how it enters the mean.

    Attributes:
        values: the features.
        rows, columns: weight of each row and column in the mean, adding up to 1 each. All
            are equal but where the last cell of a coarse map juts out of the patch.
    """

    values: Tensor
    rows: Tensor
    columns: Tensor

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and mean square of each channel, ``(n, channel)`` each."""
        if self.even:
            return self.values.mean(dim=(2, 3)), self.values.square().mean(dim=(2, 3))
        return self._mean(self.values), self._mean(self.values.square())

    @property
    def even(self) -> bool:
        """Whether all cells count the same."""
        return bool((self.rows == self.rows[0]).all() and (self.columns == self.columns[0]).all())

    def _mean(self, values: Tensor) -> Tensor:
        return torch.einsum("ncyx,y,x->nc", values, self.rows, self.columns)


@dataclass(frozen=True)
class Look:
    """What one part of the net sees in one symmetry: a group of maps for each member."""

    groups: tuple[tuple[Map, ...], ...]
    turn: int

    def moments(self) -> Tensor:
        """All means, then all mean squares, group by group: ``(n, channel)``."""
        parts = []
        for maps in self.groups:
            both = [each.moments() for each in maps]
            parts += [mean for mean, _ in both] + [square for _, square in both]
        return torch.cat(parts, dim=1)


class Readout:
    """Looks at pixels, pools what it sees, and answers.

    Each has modules of its own, so that what happens in one thread stays there.
    """

    def __init__(self, net: nn.Module) -> None:
        """Split a net; use :func:`split` for one that may be of another kind."""
        shared = {id(t): t for t in (*net.parameters(), *net.buffers())}
        twin = copy.deepcopy(net, shared)
        self._tape = _Tape()
        parts = {
            name: m for name, m in twin.named_modules() if isinstance(m, TriGrid | SpectralLite)
        }
        for name, part in parts.items():
            _fold(part)
            if name:
                parent, _, own = name.rpartition(".")
                setattr(twin.get_submodule(parent), own, _Part(part, self._tape))
        self._net = _Part(twin, self._tape) if "" in parts else twin
        self._tape.probing = True
        self._net(PROBE.to(next(iter(shared.values())).device))
        self._tape.probing = False

    def looks(self, pixels: Tensor) -> list[Look]:
        """What all parts see of pixels ``(n, band, y, x)``; differentiable."""
        self._tape.begin()
        self._net(pixels)
        return list(self._tape.looks)

    def moments(self, pixels: Tensor) -> list[Tensor]:
        """Moments of all looks, ``(n, channel)`` each; differentiable."""
        return [look.moments() for look in self.looks(pixels)]

    def answer(self, moments: Sequence[Tensor]) -> Tensor:
        """Scores ``(n, class)`` of the moments of all looks; differentiable."""
        self._tape.begin(moments)
        scores: Tensor = self._net(moments[0].new_zeros(len(moments[0]), 1, 1, 1))
        return scores

    def scores(self, pixels: Tensor) -> Tensor:
        """Scores ``(n, class)`` of pixels ``(n, band, y, x)``, as the net gives them."""
        self._tape.begin()
        scores: Tensor = self._net(pixels)
        self._tape.looks.clear()
        return scores


def split(model: Model) -> Readout | None:
    """The model's net in two; None where the answer is not pooled from maps that we know."""
    kinds = (TriGrid, SpectralLite)
    if not any(isinstance(module, kinds) for module in model.net.modules()):
        return None
    try:
        return Readout(model.net)
    except _UnknownLook:
        return None


def spread(
    looks: Sequence[Look], weights: Sequence[Tensor], others: Sequence[Look] | None
) -> list[tuple[Tensor, int]]:
    """What each place of each map adds to the weighted sum of the moments.

    Args:
        looks: of one patch.
        weights: of the moments, ``(k, channel)`` for each look: k questions at once.
        others: looks whose moments are taken off, of a patch of the same size, or none.

    Returns:
        for each map of each look its sums ``(k, 1, y, x)`` and the look's symmetry. All
        values of a question together are the sum of its weights times the moments.
    """
    found = []
    for number, look in enumerate(looks):
        at = 0
        for index, maps in enumerate(look.groups):
            width = sum(each.values.shape[1] for each in maps)
            for which, each in enumerate(maps):
                size = each.values.shape[1]
                mean = weights[number][:, at : at + size]
                square = weights[number][:, at + width : at + width + size]
                at += size
                values = _weighted(each.values, mean, square)
                if others is not None:
                    base = others[number].groups[index][which].values
                    values = values - _weighted(base, mean, square)
                share = each.rows[:, None] * each.columns
                found.append(((values * share)[:, None], look.turn))
            at += width
    return found


def _weighted(values: Tensor, mean: Tensor, square: Tensor) -> Tensor:
    """``(k, y, x)`` of one patch's features ``(1, channel, y, x)``."""
    flat = values[0].flatten(1)
    return (mean @ flat + square @ flat.square()).view(len(mean), *values.shape[2:])


def on_pixels(values: Tensor, turn: int, size: tuple[int, int], *, cells: bool = False) -> Tensor:
    """Sums of places ``(k, 1, y, x)`` on the grid of the patch, ``(k, y, x)``.

    They become densities that run smoothly from cell to cell and add up to the same.

    Args:
        values: as :func:`spread` gives them.
        turn: of the look, which is undone.
        size: rows and columns of the patch; the coarsest map's cells are twice a cell.
        cells: first add up what lies in each cell of 80 m.
    """
    rows, columns = (side // CELL_PIXELS for side in size)
    height = values.shape[2]
    if height < rows:
        factor = -(-rows // height)
        # The weights of the last row and column count what lies inside alone.
        inside = [torch.full((length,), float(factor)) for length in values.shape[2:]]
        for length, part in zip((rows, columns), inside, strict=True):
            part[-1] = length - factor * (len(part) - 1)
        values = values / (inside[0][:, None] * inside[1]).to(values)
        values = F.interpolate(values, scale_factor=float(factor), mode="nearest")
        values = values[..., :rows, :columns]
    elif cells and height > rows:
        factor = height // rows
        values = F.avg_pool2d(values, factor) * factor**2
    share = values.shape[2] * values.shape[3] / (size[0] * size[1])
    fine = F.interpolate(values, size=size, mode="bilinear")
    return turned_back(fine, turn)[:, 0] * share


class _UnknownLook(Exception):
    """A part looks at something that is no symmetry of the patch."""


@dataclass
class _Tape:
    """What the parts of one net saw in one pass, or are given instead, in their order."""

    probing: bool = False
    turns: list[int] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    given: list[Tensor] | None = None
    at: int = 0

    def begin(self, given: Sequence[Tensor] | None = None) -> None:
        self.looks.clear()
        self.given = None if given is None else list(given)
        self.at = 0


class _Part(nn.Module):
    """Stands in the copied net for one of the parts that answer from moments."""

    def __init__(self, owner: nn.Module, tape: _Tape) -> None:
        super().__init__()
        assert isinstance(owner, TriGrid | SpectralLite)
        self.owner, self.tape = owner, tape

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores ``(n, class)`` of pixels, or of the moments on the tape."""
        tape = self.tape
        if tape.probing:
            tape.turns.append(_turn(pixels))
            return pixels.new_zeros(1, _classes(self.owner))
        if tape.given is None:
            look = Look(_see(self.owner, pixels), tape.turns[tape.at])
            tape.looks.append(look)
            moments = look.moments()
        else:
            moments = tape.given[tape.at]
        tape.at += 1
        return _answer(self.owner, moments)


def _turn(seen: Tensor) -> int:
    for which in range(8):
        if torch.equal(symmetry(PROBE, which), seen.cpu()):
            return which
    raise _UnknownLook


def _classes(owner: TriGrid | SpectralLite) -> int:
    head = owner.head if isinstance(owner, SpectralLite) else owner.members[0].head
    assert isinstance(head, nn.Linear)
    return head.out_features


def _answer(owner: TriGrid | SpectralLite, moments: Tensor) -> Tensor:
    if isinstance(owner, SpectralLite):
        return owner.answer(moments)
    parts = moments.chunk(len(owner.members), dim=1)
    answers = [m.answer(part) for m, part in zip(owner.members, parts, strict=True)]  # type: ignore[operator]
    return torch.stack(answers).mean(dim=0)


def _see(owner: TriGrid | SpectralLite, pixels: Tensor) -> tuple[tuple[Map, ...], ...]:
    return _trigrid(owner, pixels) if isinstance(owner, TriGrid) else _spectral(owner, pixels)


def _trigrid(owner: TriGrid, pixels: Tensor) -> tuple[tuple[Map, ...], ...]:
    grids = owner.grids(pixels)
    spectra = spectra_at_20m(grids)
    groups = [m.features(grids, spectra) for m in owner.members]  # type: ignore[operator]
    return tuple(tuple(_whole(each.float()) for each in maps) for maps in groups)


def _spectral(owner: SpectralLite, pixels: Tensor) -> tuple[tuple[Map, ...], ...]:
    """As :meth:`SpectralLite.cells` takes its maps, before they meet on one grid."""
    bands = owner.bands(pixels)
    sides = [side // CELL_PIXELS for side in bands.shape[2:]]
    images = bands.contiguous(memory_format=torch.channels_last)
    if owner.enlarge != 1.0:
        images = F.interpolate(images, scale_factor=owner.enlarge, mode="bilinear")
    features, maps = owner.trunk.stem(images), []
    for index, stage in enumerate(owner.trunk.stages):
        features = stage(features)
        if index in owner.taps:
            maps.append(_on_cells(features.float(), sides))
    if owner.spectrum is not None:
        maps.append(_whole(owner.spectrum(F.avg_pool2d(bands, 2)).float()))
    return (tuple(maps),)


def _whole(values: Tensor) -> Map:
    """A map whose cells cover the patch exactly."""
    rows, columns = (values.new_full((length,), 1.0 / length) for length in values.shape[2:])
    return Map(values, rows, columns)


def _on_cells(values: Tensor, sides: list[int]) -> Map:
    """A map whose last cells may jut out of the patch, of which ``sides`` cells count."""
    weights = []
    for length, side in zip(values.shape[2:], sides, strict=True):
        factor = max(1, -(-side // length))
        counts = torch.full((length,), float(factor))
        if length < side:
            counts[-1] = side - factor * (length - 1)
        weights.append((counts / counts.sum()).to(values))
    return Map(values, *weights)


def _fold(part: nn.Module) -> None:
    """Make each normalisation that follows a convolution part of it."""
    for module in [m for m in part.modules() if isinstance(m, nn.Sequential)]:
        for index in range(len(module) - 1):
            conv, norm = module[index], module[index + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                own = fuse_conv_bn_eval(conv, norm).requires_grad_(requires_grad=False)
                own.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
                module[index] = own
                module[index + 1] = nn.Identity()
