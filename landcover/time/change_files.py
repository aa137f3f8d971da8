"""The files of a change: two rasters, a table of hectares, and a record of how it was found."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np

from landcover import __version__
from landcover.areas import legend
from landcover.areas.cog import write_cog
from landcover.areas.layout import DECISION, Layer, LayerBand
from landcover.areas.pyramid import Pyramid
from landcover.core import disk_errors, files
from landcover.core.classes import Rgb
from landcover.core.errors import BadInput
from landcover.core.raster import ByteArray
from landcover.core.text import listed, no_formula, plain
from landcover.time.change import FIRST_PAIR, OUTSIDE, Change, Estimate, names_of, pairs_of
from landcover.time.dated import Facts

__all__ = ["ChangeFiles", "as_csv", "as_text", "colours_of", "record_of", "write_change"]

_SUFFIXES: Final = (".tif", ".tiff")
_HIDDEN: Final[Rgb] = (120, 120, 120)
_UNCHANGED: Final[Rgb] = (235, 235, 235)
_PROBABILITY: Final = "probability"


@dataclass(frozen=True, kw_only=True)
class ChangeFiles:
    """Paths of the files of a change.

    Attributes:
        change: what became what, with a colour table.
        probability: probability that anything changed.
        table: hectares of each group.
        record: everything else, as JSON.
    """

    change: Path
    probability: Path
    table: Path
    record: Path

    @classmethod
    def beside(cls, out: Path) -> ChangeFiles:
        """The files of a change whose raster is ``out``.

        Raises:
            BadInput: the name does not end with .tif.
        """
        if out.suffix.lower() not in _SUFFIXES or not out.stem:
            raise BadInput(
                f"'{plain(out.name)}' does not name a GeoTIFF file: give the change a name that "
                "ends with .tif, such as change.tif."
            )
        return cls(
            change=out,
            probability=out.with_name(f"{out.stem}-{_PROBABILITY}{out.suffix}"),
            table=out.with_suffix(".csv"),
            record=out.with_suffix(".json"),
        )

    @property
    def all(self) -> tuple[Path, ...]:
        """All files, with the sidecar of the change that holds the names of its values."""
        sidecar = self.change.with_name(f"{self.change.name}.aux.xml")
        return self.change, sidecar, self.probability, self.table, self.record


def write_change(change: Change, out: Path, *, cancel: Event | None = None) -> ChangeFiles:
    """Write the files of a change; older ones of the same name stay until all are finished.

    Args:
        change: what was found.
        out: the raster of the change; the others lie beside it.
        cancel: set to stop.

    Raises:
        BadInput: they cannot be written, or another run writes them.
        Cancelled: the user stopped it; nothing was changed.
    """
    written = ChangeFiles.beside(out)
    with files.lock_file(out), files.aside(out.parent, out.name) as folder:
        for layer, values, path in (
            (_change_layer(change), change.layer, written.change),
            (_chance_layer(change), change.chance, written.probability),
        ):
            with disk_errors.explained(out):
                _write_layer(change, layer, values, folder / path.name, cancel)
        files.write_part(folder / written.table.name, as_csv(change))
        text = json.dumps(record_of(change), ensure_ascii=False, allow_nan=False, indent=1)
        files.write_part(folder / written.record.name, f"{text}\n".encode())
        for path in written.all:
            if (folder / path.name).exists():
                files.settle(folder / path.name, path)
    return written


def colours_of(covers: tuple[str, ...]) -> tuple[Rgb, ...]:
    """Colours of the values of the change layer: a pair has that of what it became."""
    own = dict(zip(covers, legend.palette(covers)[1:], strict=True))
    return ((0, 0, 0), _HIDDEN, _UNCHANGED, *(own[after] for _, after in pairs_of(covers)))


def as_csv(change: Change) -> bytes:
    """The balance as CSV, one row a group, in hectares of what is seen at both dates."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    measures = ("before", "after", "net", "gain", "loss")
    header = [f"{name}{end}" for name in measures for end in ("_ha", "_low_ha", "_high_ha")]
    facts = ("from", "to", "seen_ha", "hidden_ha", "model", "software")
    lines.writerow(["cover", *header, "mapped_gain_ha", "mapped_loss_ha", *facts])
    made = (
        no_formula(plain(change.before.day)),
        no_formula(plain(change.after.day)),
        f"{change.seen:.2f}",
        f"{change.hidden:.2f}",
        f"{plain(change.before.model)}, card {plain(change.before.card)}",
        f"landcover {__version__}",
    )
    for row in change.rows:
        values: list[Estimate] = [getattr(row, name) for name in measures]
        numbers = [x for each in values for x in (each.value, each.low, each.high)]
        numbers += [row.mapped_gain, row.mapped_loss]
        lines.writerow([no_formula(row.group), *(f"{x:.2f}" for x in numbers), *made])
    return out.getvalue().encode()


def record_of(change: Change) -> dict[str, Any]:
    """Everything but the rasters, as JSON-ready values."""
    estimates = {"changed": change.changed, "false": change.false}
    return {
        "from": _facts(change.before),
        "to": _facts(change.after),
        "seen_hectares": round(change.seen, 2),
        "hidden_hectares": round(change.hidden, 2),
        "threshold": change.threshold,
        "share_with_different_answers": change.differing,
        "share_changed": asdict(estimates["changed"]),
        "share_unchanged_of_different_answers": asdict(estimates["false"]),
        "share_shown_as_changed": change.shown,
        "share_unchanged_of_shown": change.shown_false,
        "share_different_if_errors_were_independent": (
            asdict(change.independent) if change.independent else None
        ),
        "balance_hectares": [asdict(row) for row in change.rows],
        "values": dict(enumerate(names_of(change.covers))),
        "warnings": list(change.warnings),
        "software": f"landcover {__version__}",
    }


def as_text(change: Change) -> str:
    """The result for a terminal."""
    period = f"From {change.before.day} to {change.after.day}"
    area = f"{change.seen:,.0f} ha seen at both dates, {change.hidden:,.0f} ha not."
    columns = f"{'before':>10}{'after':>10}{'net':>10}{'':>20}{'gain':>10}{'loss':>10}"
    lines = [f"{period}: {area}", "", f"{'hectares':<28}{columns}"]
    for row in change.rows:
        net, low, high = (round(x) for x in (row.net.value, row.net.low, row.net.high))
        lines.append(
            f"{plain(row.group)[:27]:<28}{row.before.value:>10,.0f}{row.after.value:>10,.0f}"
            f"{net:>+10,} {f'[{low:+,}, {high:+,}]':<19}"
            f"{row.gain.value:>10,.0f}{row.loss.value:>10,.0f}"
        )
    without = [name for name in change.covers if name not in {row.group for row in change.rows}]
    if without:
        lines.append(f"No hectares of {listed(without)}: too few reference patches have them.")
    lines += ["", *_honest(change), *change.warnings]
    return "\n".join(lines)


def _honest(change: Change) -> Iterator[str]:
    changed, false = change.changed, change.false
    yield (
        f"The two maps differ in {change.differing:.1%} of the cells, and {false.value:.0%} "
        f"[{false.low:.0%}, {false.high:.0%}] of these are errors of one of them: "
        f"{changed.value:.1%} [{changed.low:.1%}, {changed.high:.1%}] changed."
    )
    yield (
        f"The layer shows {change.shown:.1%} as changed, with a probability of at least "
        f"{change.threshold:.0%}; {change.shown_false:.0%} of that is expected to be wrong."
    )
    if change.independent is not None:
        worst = change.independent
        yield (
            f"If the errors of the two maps were independent, {worst.value:.0%} "
            f"[{worst.low:.0%}, {worst.high:.0%}] would differ though nothing changed."
        )


def _write_layer(
    change: Change, layer: Layer, values: ByteArray, path: Path, cancel: Event | None
) -> None:
    """Write a raster into a folder in which the pyramid has room as well."""
    work = path.parent / f"{layer.name}-work"
    work.mkdir()
    pyramid = Pyramid(layer, work)
    pyramid.put(0, 0, np.ascontiguousarray(values)[None])
    pyramid.build(cancel)
    colours = colours_of(change.covers) if layer.name == DECISION else ()
    write_cog(pyramid, path, tags=_tags(change, layer), colours=colours, cancel=cancel)


def _change_layer(change: Change) -> Layer:
    outside, *names = names_of(change.covers)
    return Layer(
        name=DECISION,
        title="Change: what the cover of each cell of 80 m was and became, where it is clear.",
        grid=change.grid,
        bands=(
            LayerBand(
                name="change",
                kind="number",
                about="1 can't tell, 2 no change shown, from 3 on pairs of covers",
            ),
        ),
        classes=tuple(names),
        nodata=OUTSIDE,
        nothing=outside,
    )


def _chance_layer(change: Change) -> Layer:
    return Layer(
        name=_PROBABILITY,
        title="Probability that the cover of a cell of 80 m changed.",
        grid=change.grid,
        bands=(
            LayerBand(name="changed", kind="share", about="probability that the cover differs"),
        ),
        classes=(),
    )


def _tags(change: Change, layer: Layer) -> dict[str, str]:
    before, after = change.before, change.after
    tags = {
        "LAYER": "change" if layer.name == DECISION else "change probability",
        "TIFFTAG_IMAGEDESCRIPTION": layer.title,
        "TIFFTAG_SOFTWARE": f"landcover {__version__}",
        "SOFTWARE": f"landcover {__version__}",
        "SOURCE_BEFORE": plain(before.source),
        "SOURCE_AFTER": plain(after.source),
        "LEVEL": before.level,
        "MODEL": plain(before.model),
        "CARD": plain(before.card),
        "THRESHOLD": f"{change.threshold:g}",
        "FIRST_PAIR": str(FIRST_PAIR),
    }
    for name, facts in (("ACQUIRED_BEFORE", before), ("ACQUIRED_AFTER", after)):
        if facts.acquired is not None:
            tags[name] = facts.acquired.isoformat()
    notes = enumerate(change.warnings, start=1)
    tags |= {f"CLASS_{number}": name for number, name in enumerate(layer.classes, start=1)}
    return tags | {f"WARNING_{number}": plain(text) for number, text in notes}


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "source": plain(facts.source),
        "acquired": facts.acquired.isoformat() if facts.acquired else None,
        "level": facts.level,
        "processing_baseline": facts.baseline,
        "scaling": facts.scaling or None,
        "model": facts.model,
        "card": facts.card,
    }
