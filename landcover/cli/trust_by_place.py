"""``trust by-place``: decide so that it holds in countries that were left out."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from landcover.cli import model_options, output, progress
from landcover.cli.commands import add_command
from landcover.core.errors import BadInput, ModelMismatch

if TYPE_CHECKING:
    from landcover.models.card import Card

__all__ = ["add"]

DESCRIPTION: Final = """\
Choose calibration, thresholds and label sets on the predictions of `landcover evaluate --by
country`, so that they hold in countries that were left out, and measure them there. With --model,
what its card has chosen near the training places is measured, too. A land cover is called certain
only with bounds that were chosen so and saved. How often patches of left-out countries are called
unlike the training data is measured as well, for the features of a net only if the predictions
were made with --features."""


def add(actions: Any, name: str) -> None:  # noqa: ANN401 - argparse does not export its type
    """Add the action ``by-place`` of ``landcover trust``."""
    parser = add_command(
        actions,
        name,
        "choose calibration, thresholds and label sets that hold in left-out countries",
        DESCRIPTION,
    )
    parser.add_argument(
        "root", type=Path, metavar="ROOT", nargs="+", help="folders of the data set"
    )
    parser.add_argument("--dataset", required=True, help="bigearthnet (v1 or v2 layout)")
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="DIR",
        help="the recipe's folder in the --out of `landcover evaluate --by country`",
    )
    parser.add_argument(
        "--model", help=f"{model_options.HELP}; the one that this recipe has trained"
    )
    parser.add_argument(
        "--save",
        action="store_true",
        help="write the choices to the model's card, whose hash changes: files in trust/ and "
        "evaluation/ must be made again",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print the metrics as JSON")
    how.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.set_defaults(command=_by_place)


def _by_place(options: argparse.Namespace) -> int:
    from landcover.datasets import folds, open_dataset  # noqa: PLC0415 - loads torch
    from landcover.evaluate.patches import material_of  # noqa: PLC0415 - loads torch
    from landcover.models.card import CARD_FILE  # noqa: PLC0415 - loads torch
    from landcover.train import place_decisions  # noqa: PLC0415 - loads torch
    from landcover.train.recipes import out_of_fold  # noqa: PLC0415 - loads torch
    from landcover.trust import place_record, place_text  # noqa: PLC0415 - loads torch
    from landcover.trust.bench import novelty_by_place  # noqa: PLC0415 - loads torch

    if options.save and options.model is None:
        raise BadInput("Give --model, the model whose card gets the choices.")
    pool = folds.pool([open_dataset(options.dataset, root) for root in options.root])
    folds.groups_of(pool.records, "country")  # refuses unknown ones
    with output.saving_card(options, options.model or "") as folder:
        card = None if options.model is None else _card(options.model)
        predictions = out_of_fold.read(options.predictions)
        features = out_of_fold.read_features(options.predictions)
        with progress.show() as report:
            chosen = place_decisions.choose(
                material_of(pool.records),
                predictions,
                dataset=pool.name,
                near=card,
                command=_command(options),
                progress=report,
            )
            means = novelty_by_place.spectra(pool.records, report, len(pool.records))
        novelty = novelty_by_place.measure(pool.records, means, chosen.wrong, features)
        found = chosen.measured.with_fields(novelty=novelty)
        if folder is not None and card is not None:
            decided = chosen.into(card)
            decided.write(folder)
            print(output.written(folder / CARD_FILE), file=sys.stderr)
            path = place_record.save(found, folder, decided.hash)
            print(output.written(path, size=True), file=sys.stderr)
    if options.json:
        print(found.as_json())
    else:
        print((place_text.as_markdown if options.markdown else place_text.as_text)(found))
    return 0


def _card(model: str) -> Card:
    """The card of a model for patches.

    Raises:
        ModelMismatch: it has other classes.
    """
    from landcover.core.classes import CLASS_NAMES  # noqa: PLC0415 - as above
    from landcover.models import registry  # noqa: PLC0415 - loads torch

    card = registry.default().card(model)
    if set(card.classes) != set(CLASS_NAMES) or card.exclusive:
        raise ModelMismatch(
            f"{card.title} does not have the {len(CLASS_NAMES)} classes of the predictions: give "
            "the model that the recipe has trained."
        )
    return card


def _command(options: argparse.Namespace) -> str:
    """The command that repeats the measurement, without the paths of this machine."""
    roots = " ".join(["ROOT", *(f"ROOT{k}" for k in range(2, len(options.root) + 1))])
    model = f" --model {shlex.quote(Path(options.model).name)}" if options.model else ""
    return (
        f"landcover trust by-place {roots} --dataset {shlex.quote(options.dataset)} "
        f"--predictions OUT/{shlex.quote(options.predictions.name)}{model}"
    )
