"""Adding a command to the parser, with its description and its examples."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any, Final

__all__ = ["EXAMPLES", "add_command"]

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "landcover classify": (
        "landcover classify finland-lake  # a sample that comes with the program",
        "landcover classify 48.21,16.37 --date 2024-06-15  # a place, from an archive online",
        "landcover classify scene.tif --at 48.21,16.37  # the square around a place in a stack",
        "landcover classify a.tif b.tif --out results.csv  # many files, one table",
        "landcover classify scene.tif --json  # one JSON object a line for each source",
    ),
    "landcover classes": (
        "landcover classes  # all 19 in a sentence each",
        'landcover classes "Moors and heath"',
        "landcover classes --set eurosat-10 --json",
    ),
    "landcover change": (
        "landcover change valley_2020-06-21.tif valley_2022-06-01.tif change.tif",
        "landcover change june-cover.tif may-cover.tif change.tif  # maps of `landcover map`",
        "landcover change a.tif b.tif change.tif --area valley.geojson --json",
    ),
    "landcover series": (
        "landcover series FOLDER --out lake.csv --gif lake.gif",
        "landcover series FOLDER --at 42.345,2.823  # the 1200 m around a place",
        "landcover series 42.345,2.823 --from 2023-01-01 --to 2023-12-31  # all passes",
        "landcover series earth-search --area lake.geojson --from 2023-01-01 --out lake.csv",
    ),
    "landcover explain": (
        "landcover explain finland-lake --out why.png  # the most probable land cover",
        "landcover explain finland-lake --label Pastures --out why.png --out why.tif",
        'landcover explain scene.tif --label "Inland waters" --method all --out why.png',
        "landcover explain finland-lake --against landcover-cnn --out two.png  # two models",
    ),
    "landcover map": (
        "landcover map scene.tif map.tif",
        "landcover map S2B_MSIL2A_20240615.SAFE valley.tif --area valley.geojson",
        "landcover map scene.tif map.tif --area 13.6,48.2,13.9,48.4 --step 8 --memory 4",
        "landcover map scene.tif map.tif --scheduler tcp://10.0.0.1:8786  # on a Dask cluster",
    ),
    "landcover corrections": ("landcover corrections", "landcover corrections --json"),
    "landcover corrections add": (
        'landcover corrections add finland-lake --present "Inland waters" --absent Pastures',
        "landcover corrections add scene.tif --at 48.21,16.37 --present Pastures --complete",
    ),
    "landcover corrections list": ("landcover corrections list --json",),
    "landcover corrections suggest": ("landcover corrections suggest FOLDER --count 3",),
    "landcover corrections undo": ("landcover corrections undo",),
    "landcover corrections export": ("landcover corrections export mine.geojson",),
    "landcover corrections import": ("landcover corrections import mine.geojson",),
    "landcover adapt": (
        "landcover adapt --sources FOLDER  # does it help?",
        "landcover adapt mine.geojson --sources FOLDER scene.tif --register my-region",
        "landcover adapt --sources FOLDER --out my-region --json",
    ),
    "landcover evaluate": (
        "landcover evaluate DIR --dataset bigearthnet --split validation",
        "landcover evaluate DIR --dataset eurosat --json",
        "landcover evaluate DIR --dataset bigearthnet --model my-model --save",
        "landcover evaluate DIR --dataset bigearthnet --by country --out runs",
        "landcover evaluate DIR --dataset bigearthnet --model my-model --queue",
    ),
    "landcover compare": (
        "landcover compare landcover-mosaic landcover-cnn --dataset bigearthnet-v2  # saved",
        "landcover compare landcover-mosaic my-model DIR --dataset bigearthnet",
    ),
    "landcover trust scales": ("landcover trust scales DIR --model my-model --save",),
    "landcover trust faithfulness": (
        "landcover trust faithfulness  # print what was measured",
        "landcover trust faithfulness DIR --model my-model --save",
    ),
    "landcover trust neighbours": (
        "landcover trust neighbours DIR --dataset bigearthnet --model my-model --save",
    ),
    "landcover trust stability": (
        "landcover trust stability DIR --dataset bigearthnet --shift 200",
    ),
    "landcover trust fit": (
        "landcover trust fit DIR --dataset bigearthnet --model my-model --save",
    ),
    "landcover trust measure": (
        "landcover trust measure DIR --dataset bigearthnet --model my-model --save",
    ),
    "landcover trust by-place": (
        "landcover trust by-place DIR --dataset bigearthnet --predictions runs/landcover-cnn",
        "landcover trust by-place DIR --dataset bigearthnet --predictions P --model M --save",
    ),
    "landcover train": (
        "landcover train --dataset bigearthnet --root DIR --out my-model --register",
        "landcover train --dataset bigearthnet --root DIR --model landcover-mosaic --out big",
        "landcover train --dataset bigearthnet --root DIR --cost  # what would it cost?",
        "landcover train --dataset bigearthnet --root DIR --register my-model --queue",
    ),
    "landcover search": (
        "landcover search 48.21,16.37",
        "landcover search 48.21,16.37 --from 2024-05-01 --to 2024-09-30 --max-cloud 5",
        "landcover search 48.21,16.37 --catalog mine.parquet --json",
    ),
    "landcover index": (
        "landcover index FOLDER --out mine.parquet",
        "landcover index FOLDER --out mine.parquet --date 2024-06-15",
    ),
    "landcover models": ("landcover models", "landcover models --json"),
    "landcover models list": ("landcover models list --json",),
    "landcover models layers": (
        "landcover models layers landcover-cnn",
        "landcover models layers resnet-50 --all  # a net that can be trained",
    ),
    "landcover models add": ("landcover models add my-folder --name my-model",),
    "landcover models remove": ("landcover models remove my-model",),
    "landcover models removed": ("landcover models removed", "landcover models removed --json"),
    "landcover models rename": ("landcover models rename my-model meadows-2026",),
    "landcover models restore": ("landcover models restore my-model",),
    "landcover models export": ("landcover models export my-model my-model.zip",),
    "landcover models import": ("landcover models import my-model.zip --name my-model",),
    "landcover runs list": ("landcover runs list", "landcover runs list --json"),
    "landcover runs show": ("landcover runs show my-model",),
    "landcover runs wait": ("landcover runs wait my-model",),
    "landcover runs log": ("landcover runs log my-model",),
    "landcover runs compare": ("landcover runs compare my-model my-other-model",),
    "landcover runs start": ("landcover runs start",),
    "landcover runs stop": ("landcover runs stop my-model",),
    "landcover runs resume": ("landcover runs resume my-model",),
    "landcover runs remove": ("landcover runs remove my-model",),
    "landcover runs restore": ("landcover runs restore 20261130-045529-8f74",),
    "landcover runs rename": ("landcover runs rename my-model my-better-model",),
    "landcover bands best": (
        "landcover bands best B02,B03,B04,B08",
        "landcover bands best B02,B03,B04,B8A,B11,B12 --json",
    ),
    "landcover bands fit": ("landcover bands fit DIR --dataset bigearthnet --save",),
    "landcover bands measure": (
        "landcover bands measure DIR --dataset bigearthnet --split test",
        "landcover bands measure DIR --dataset bigearthnet --split test --save",
    ),
    "landcover cover fit": (
        "landcover cover fit DIR --dataset bigearthnet --model my-model --save",
    ),
    "landcover cover measure": (
        "landcover cover measure",
        "landcover cover measure --maps DIR --markdown",
    ),
    "landcover doctor": ("landcover doctor", "landcover doctor --json --online"),
    "landcover data describe": ("landcover data describe DIR --dataset bigearthnet",),
    "landcover data overview": (
        "landcover data overview  # all 480,038 patches of BigEarthNet, from the package",
        "landcover data overview DIR --json",
    ),
    "landcover data errors": (
        "landcover data errors DIR",
        "landcover data errors DIR --dataset folder --predictions mine.csv --json",
        "landcover data errors DIR --planted 0.02  # how many wrong labels are found?",
    ),
    "landcover data download": (
        "landcover data download eurosat --to DIR",
        "landcover data download bigearthnet --to DIR --metadata-only",
    ),
    "landcover data check": ("landcover data check DIR --dataset eurosat --sample 100",),
    "landcover data convert": ("landcover data convert DIR STORE --dataset bigearthnet",),
    "landcover data example": ("landcover data example OUT",),
}
"""Examples of each command, printed below its options; a remark follows ``#``."""

WIDTH: Final = 90


def add_command(
    commands: Any,  # noqa: ANN401 - argparse does not export its type
    name: str,
    what: str,
    description: str = "",
) -> argparse.ArgumentParser:
    """Add a command to its group.

    Args:
        commands: the group.
        name: of the command.
        what: what it does, in a few words, for the list of commands.
        description: the same at length; by default ``what`` as a sentence.
    """
    text = description or f"{what[:1].upper()}{what[1:]}."
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=text if "\n" in text else textwrap.fill(text, WIDTH),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    examples = EXAMPLES.get(parser.prog)
    if examples:
        parser.epilog = "\n".join(["examples:", *(f"  {line}" for line in examples)])
    return parser
