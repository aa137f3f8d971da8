"""Whether a model's explanations are true of it, its answers steady, and its examples alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import streamlit as st

from landcover.core.errors import CorruptModel
from landcover.core.schema import Mean, MeasuredOn
from landcover.explain import neighbours_record
from landcover.explain.faithfulness import ratings
from landcover.explain.faithfulness.ratings import Faithfulness
from landcover.explain.neighbours_record import NeighbourRow, NeighboursMeasurement, Way
from landcover.models import registry
from landcover.models.card import RGB
from landcover.trust.bench import stability_record
from pages.parts.models import data
from pages.parts.models import report_figures as show
from pages.parts.shared import theme

WORDS: Final = {True: "✓ faithful", False: "✗ not faithful"}
BEST: Final = "★ best"
ASKED: Final = {1: "the most alike", 5: "the five most alike"}
DAMAGED: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError)


def render(entry: data.Entry) -> None:
    """The three measurements of a card, each with what is missing said."""
    for head, draw, file in (
        ("May its explanations be believed?", _faithful, ratings.FILE),
        ("Does the answer stay where the window moves?", _steady, stability_record.FILE),
        ("Do patches that it takes for alike have the same covers?", _alike,
         neighbours_record.FILE),
    ):  # fmt: skip
        st.markdown(f"##### {head}")
        _guarded(entry, draw, file)


def _guarded(entry: data.Entry, draw: Callable[[data.Entry, Path], None], file: str) -> None:
    """Draw a part; a damaged file is one sentence."""
    folder = registry.default().folder(entry.name)
    try:
        draw(entry, folder)
    except CorruptModel as error:
        st.warning(theme.literal(str(error)))
    except DAMAGED:
        st.warning(
            theme.literal(
                f"{file}.json of the model '{entry.name}' cannot be used: figures are missing; "
                f"make it anew with `landcover trust {file}`."
            )
        )


def _faithful(entry: data.Entry, folder: Path) -> None:
    if not entry.card.explainable:
        st.info(
            f"{theme.literal(entry.card.title)} has no gradients, so no map of its reasons can be "
            "made, and nothing is to be measured."
        )
        return
    found = ratings.load(folder)
    if found is None:
        dataset = "eurosat" if entry.card.level == RGB else "bigearthnet"
        _missing(entry, "How true its explanations are", f"faithfulness ROOT --dataset {dataset}")
        return
    best = found.best
    if best is None:
        st.markdown("**No method is faithful for this model**: its maps are not to be relied on.")
    else:
        st.markdown(f"**Best:** {theme.literal(found.verdict(best).sentence)}")
    table = faithful_table(found)
    name = f"faithfulness-{entry.name}"
    st.dataframe(
        table,
        hide_index=True,
        key=f"models_table_{name}",
        alt=f"How faithful each method of explanation is for {entry.card.title}",
    )
    st.caption(_legend(found))
    show.download(_numbers(found), name)
    others = [method for method in found.methods if method != best]
    if others:
        with st.expander("The other methods in words"):
            st.markdown(
                "\n".join(f"- {theme.literal(found.verdict(name).sentence)}" for name in others)
            )


def faithful_table(found: Faithfulness) -> pd.DataFrame:
    """One row a method as a person reads it, the largest gain first."""
    rows = []
    for name in found.methods:
        figures = found.figures["methods"][name]
        rows.append(
            {
                "Method": str(figures["title"]),
                "Verdict": BEST if name == found.best else WORDS[found.verdict(name).faithful],
                "Gain over random": _signed(figures["curves"]["mean"]["gain"]),
                "… blurred": _signed(figures["curves"]["blurred"]["gain"]),
                "After shuffling": _plain(figures["randomisation"]["likeness"]),
                "Changed by noise": f"{figures['stability']['mean_sensitivity']:.0%}",
                "On the right half": _number(figures, "pointing", "halves", "energy"),
                "On mapped land": _plain(_inside(figures, "pointing", "maps", "energy_ratio")),
                "CPU s a map": _number(figures, "seconds"),
            }
        )
    return pd.DataFrame(rows)


def _numbers(found: Faithfulness) -> pd.DataFrame:
    """The same as numbers, with how many patches each rests on."""
    rows = []
    for name in found.methods:
        figures = found.figures["methods"][name]
        row: dict[str, object] = {
            "method": name,
            "verdict": found.verdict(name).word,
            "best": name == found.best,
        }
        for title, path in (
            ("gain", ("curves", "mean", "gain")),
            ("gain_blurred", ("curves", "blurred", "gain")),
            ("likeness_shuffled", ("randomisation", "likeness")),
            ("maps_energy_ratio", ("pointing", "maps", "energy_ratio")),
        ):
            one = _inside(figures, *path)
            low, high = one["interval"] if one else (None, None)
            row |= {title: one["mean"] if one else None, f"{title}_low": low, f"{title}_high": high}
        counts: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("n_gain", ("curves", "mean", "n")),
            ("n_gain_blurred", ("curves", "blurred", "n")),
            ("noise_change", ("stability", "mean_sensitivity")),
            ("noise_spearman", ("stability", "spearman")),
            ("n_noise", ("stability", "n")),
            ("halves_energy", ("pointing", "halves", "energy")),
            ("n_halves", ("pointing", "halves", "n")),
            ("n_maps", ("pointing", "maps", "n")),
            ("seconds", ("seconds",)),
        )
        for title, where in counts:
            row[title] = data.number_of(_inside(figures, *where))
        rows.append(row)
    return pd.DataFrame(rows)


def _legend(found: Faithfulness) -> str:
    figures = found.figures
    first = next(iter(figures["methods"].values()))
    counts = {
        key: _inside(first, *path)
        for key, path in {
            "blurred": ("curves", "blurred", "n"),
            "noise": ("stability", "n"),
            "halves": ("pointing", "halves", "n"),
            "maps": ("pointing", "maps", "n"),
        }.items()
    }
    shuffled = first["randomisation"]["by_share"][-1]["n"]
    maps = (
        " On mapped land: attribution on the mapped cover in parts of its share of the area; 1 is "
        f"chance ({counts['maps']} windows)."
        if counts["maps"]
        else ""
    )
    return (
        f"{_where(_measured_on(figures), figures['n'])} Intervals of 95 %. Gain: by how "
        "much more the probability falls and rises where marked land is taken away or put in, "
        f"than in a random order; land becomes average, or blurred ({counts['blurred']} patches). "
        "After shuffling: rank correlation of the maps before and after all weights are shuffled; "
        f"at most {figures['bound']:.2f} passes ({shuffled} patches). Changed by noise: by what "
        f"part of its size the map changes under {figures['noise']:.0%} of other noise; below "
        f"{ratings.STEADY:.0%} is steady ({counts['noise']} patches). On the right half: "
        "share of the positive attribution on the half of a picture that has the cover; 0.5 is "
        f"chance ({counts['halves']} pairs).{maps} Faithful: passes the shuffling, and the gain's "
        "interval lies above 0; best: the largest gain of these among the steady ones."
    )


def _measured_on(figures: Mapping[str, Any]) -> MeasuredOn:
    where = figures.get("measured_on", {})
    keys = ("dataset", "split", "seen_in_training")
    return MeasuredOn.model_validate({key: where[key] for key in keys if key in where})


def _where(found: MeasuredOn, n: int) -> str:
    """What was measured on, and whether the model was trained on it."""
    if not found.dataset:
        return f"{n} patches."
    learnt = ""
    if found.seen_in_training is not None:
        learnt = (
            ", from which the model has learnt"
            if found.seen_in_training
            else (", unknown to the model")
        )
    return f"{n} patches of {theme.literal(found.dataset)}, split {found.split}{learnt}."


def _steady(entry: data.Entry, folder: Path) -> None:
    found = None if _pictures(entry) else stability_record.load(folder, entry.card.hash)
    if found is None:
        _absent(entry, "How steady its answers are", "stability ROOT --dataset bigearthnet")
        return
    risk = found.risk
    st.markdown(
        f"Where the window moves by {found.shift_m:.0f} m, **{_percent(found.score)}** of the "
        "covers that are called in either place are called in both (the stability score; mean over "
        f"eight directions); for one patch in twenty it is {found.scores['5']:.0%} or less. "
        f"On {_percent(found.unturned)} of the patches no label turns in any direction; "
        f"{_percent(found.warned)} are so unsteady that the verdict warns of them."
    )
    low, high = risk.chance
    area = data.with_span(risk.area, risk.area_interval)
    wrong = (
        "Unsteady answers are wrong more often"
        if risk.area < low
        else "These patches do not show that unsteady answers are wrong more often"
    )
    st.markdown(
        f"{wrong}: where the least steady are left out first, the area below risk against coverage "
        f"is {area}, by chance {low:.3f} to {high:.3f}, in the order of the distance to the "
        f"thresholds {risk.rival_area:.3f} (lower is better)."
    )
    st.caption(
        f"{_where(found, found.n)} Intervals of 95 % over {found.blocks} blocks of "
        "12 km; beyond a patch its border is mirrored."
    )


def _alike(entry: data.Entry, folder: Path) -> None:
    found = None if _pictures(entry) else neighbours_record.load(folder, entry.card.hash)
    if found is None:
        _absent(
            entry, "Whether alike patches have the same covers",
            "neighbours ROOT --dataset bigearthnet",
        )  # fmt: skip
        return
    first = found.rows[0]
    gains = [row.gain_interval for row in found.rows]
    sure = sum(gain is not None and gain[0] > 0 for gain in gains)
    st.markdown(
        f"A patch and {ASKED.get(first.k, 'those')} training patch share "
        f"**{_share(first, 'features')}** of their covers (Jaccard index), against "
        f"{_share(first, 'statistics')} where plain statistics of the bands choose it and "
        f"{_share(first, 'chance')} by chance. The network's gain over the statistics is beyond "
        f"doubt in {sure} of the {len(found.rows)} ways to ask below."
    )
    name = f"neighbours-{entry.name}"
    st.dataframe(
        alike_table(found),
        hide_index=True,
        key=f"models_table_{name}",
        alt=f"Covers shared with the patches that {entry.card.title} finds alike",
    )
    show.download(pd.DataFrame([row.as_dict() for row in found.rows]), name)
    st.caption(
        f"{_where(found, found.n)} {found.learnt:,} training patches. Covers in "
        "both labels, as a share of those in either. Patches of the same Sentinel-2 product share "
        "weather and season, so the rows without them are the stricter ones. Gain: network less "
        "statistics, beyond doubt where its interval lies above 0. Intervals of 95 % over "
        f"{found.blocks} blocks of 12 km."
    )


def alike_table(found: NeighboursMeasurement) -> pd.DataFrame:
    """One row a way to ask, as a person reads it."""
    return pd.DataFrame(
        {
            "Training patches": ASKED.get(one.k, str(one.k)),
            "Of the same product too": "no" if one.other_products else "yes",
            "Network": _plain_row(one, "features"),
            "Statistics": _plain_row(one, "statistics"),
            "Chance": _plain_row(one, "chance"),
            "Gain": _plain_row(one, "gain", "+"),
        }
        for one in found.rows
    )


def _plain_row(row: NeighbourRow, way: Way, sign: str = "") -> str:
    return data.with_span(row.value(way), row.interval(way), sign)


def _pictures(entry: data.Entry) -> bool:
    return entry.card.level == RGB


def _absent(entry: data.Entry, what: str, command: str) -> None:
    """Why there is nothing: not measured, or a model for pictures."""
    if _pictures(entry):
        st.info(
            f"{theme.literal(entry.card.title)} looks at colour pictures; this is measured of "
            "models for Sentinel-2 patches only."
        )
    else:
        _missing(entry, what, command)


def _missing(entry: data.Entry, what: str, command: str) -> None:
    st.info(
        f"{what} was not measured: run `landcover trust {command} --model {entry.name} --save`, "
        "where ROOT is the data set's folder."
    )


def _inside(figures: Mapping[str, Any], *path: str) -> Any:  # noqa: ANN401 - a part of a JSON file
    """What stands there, None where something on the way is missing."""
    here: Any = figures
    for key in path:
        if not isinstance(here, dict) or key not in here:
            return None
        here = here[key]
    return here


def _number(figures: Mapping[str, Any], *path: str) -> str:
    value = data.number_of(_inside(figures, *path))
    return "–" if value is None else f"{value:.2f}"


def _signed(figure: Mapping[str, Any]) -> str:
    return data.with_span(float(figure["mean"]), figure["interval"], "+")


def _plain(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return "–"
    low, high = figure["interval"]
    return f"{figure['mean']:.2f} [{low:.2f}, {high:.2f}]"


def _percent(value: Mean) -> str:
    low, high = value.interval
    return f"{value.mean:.0%} [{low:.0%}, {high:.0%}]"


def _share(row: NeighbourRow, way: Way) -> str:
    value, span = row.value(way), row.interval(way)
    return "–" if value is None or span is None else f"{value:.0%} [{span[0]:.0%}, {span[1]:.0%}]"
