"""Whether a model's explanations are true of it, its answers steady, and its examples alike."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd
import streamlit as st

from landcover.core.errors import CorruptModel
from landcover.core.schema import Mean, MeasuredOn
from landcover.explain import neighbours_record
from landcover.explain.faithfulness import ratings
from landcover.explain.faithfulness.ratings import Faithfulness
from landcover.explain.neighbours_record import NeighbourRow, NeighboursMeasurement, Selection
from landcover.models import registry
from landcover.models.card import RGB
from landcover.trust.bench import stability_record
from pages.parts.models import data
from pages.parts.models import report_figures as show
from pages.parts.shared import theme

WORDS: Final = {True: "✓ faithful", False: "✗ not faithful"}
BEST: Final = "★ best"
ASKED: Final = {1: "the most alike", 5: "the five most alike"}


def render(entry: data.Entry) -> None:
    """The three measurements of a card, each with what is missing said."""
    folder = registry.default().folder(entry.name)
    for head, draw in (
        ("May its explanations be believed?", _faithful),
        ("Does the answer stay where the window moves?", _steady),
        ("Do patches that it takes for alike have the same covers?", _alike),
    ):
        st.markdown(f"##### {head}")
        try:
            draw(entry, folder)
        except CorruptModel as error:
            st.warning(theme.literal(str(error)))


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
    others = [method for method in found.by_gain if method != best]
    if others:
        with st.expander("The other methods in words"):
            st.markdown(
                "\n".join(f"- {theme.literal(found.verdict(name).sentence)}" for name in others)
            )


def faithful_table(found: Faithfulness) -> pd.DataFrame:
    """One row a method as a person reads it, the largest gain first."""
    rows = []
    for name in found.by_gain:
        one = found.methods[name]
        halves, maps = one.pointing.halves, one.pointing.maps
        rows.append(
            {
                "Method": one.title,
                "Verdict": BEST if name == found.best else WORDS[found.verdict(name).faithful],
                "Gain over random": _signed(one.curves["mean"].gain),
                "… blurred": _signed(one.curves["blurred"].gain),
                "After shuffling": _plain(one.randomisation.likeness),
                "Changed by noise": f"{one.stability.mean_sensitivity:.0%}",
                "On the right half": _number(halves.energy if halves else None),
                "On mapped land": _plain(maps.energy_ratio if maps else None),
                "CPU s a map": _number(one.seconds),
            }
        )
    return pd.DataFrame(rows)


def _numbers(found: Faithfulness) -> pd.DataFrame:
    """The same as numbers, with how many patches each rests on."""
    rows = []
    for name in found.by_gain:
        one = found.methods[name]
        halves, maps = one.pointing.halves, one.pointing.maps
        row: dict[str, object] = {
            "method": name,
            "verdict": found.verdict(name).word,
            "best": name == found.best,
        }
        for title, mean in (
            ("gain", one.curves["mean"].gain),
            ("gain_blurred", one.curves["blurred"].gain),
            ("likeness_shuffled", one.randomisation.likeness),
            ("maps_energy_ratio", maps.energy_ratio if maps else None),
        ):
            low, high = mean.interval if mean else (None, None)
            row |= {title: mean.mean if mean else None, f"{title}_low": low, f"{title}_high": high}
        row |= {
            "n_gain": one.curves["mean"].n,
            "n_gain_blurred": one.curves["blurred"].n,
            "noise_change": one.stability.mean_sensitivity,
            "noise_spearman": one.stability.spearman,
            "n_noise": one.stability.n,
            "halves_energy": halves.energy if halves else None,
            "n_halves": halves.n if halves else None,
            "n_maps": maps.n if maps else None,
            "seconds": one.seconds,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _legend(found: Faithfulness) -> str:
    first = next(iter(found.methods.values()))
    steps, halves, maps = (
        first.randomisation.by_share,
        first.pointing.halves,
        first.pointing.maps,
    )
    on_maps = (
        " On mapped land: attribution on the mapped cover in parts of its share of the area; 1 is "
        f"chance ({maps.n} windows)."
        if maps
        else ""
    )
    where = found.measured_on
    return (
        f"{_where(where, found.n) if where else f'{found.n} patches.'} Intervals of 95 %. Gain: "
        "by how much more the probability falls and rises where marked land is taken away or put "
        "in, than in a random order; land becomes average, or blurred "
        f"({first.curves['blurred'].n} patches). "
        "After shuffling: rank correlation of the maps before and after all weights are shuffled; "
        f"at most {found.bound:.2f} passes ({steps[-1].n if steps else 0} patches). Changed by "
        f"noise: by what part of its size the map changes under {found.noise:.0%} of other noise; "
        f"below {ratings.STEADY:.0%} is steady ({first.stability.n} patches). On the right half: "
        "share of the positive attribution on the half of a picture that has the cover; 0.5 is "
        f"chance ({halves.n if halves else 0} pairs).{on_maps} Faithful: passes the shuffling, and "
        "the gain's interval lies above 0; best: the largest gain of these among the steady ones."
    )


def _where(found: MeasuredOn | ratings.Patches, n: int) -> str:
    """What was measured on, and whether the model was trained on it."""
    learnt = {
        None: "",
        True: ", from which the model has learnt",
        False: ", unknown to the model",
    }[found.seen_in_training]
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


def _plain_row(row: NeighbourRow, way: Selection, sign: str = "") -> str:
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


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: Mean) -> str:
    return data.with_span(value.mean, value.interval, "+")


def _plain(value: Mean | None) -> str:
    if value is None:
        return "–"
    low, high = value.interval
    return f"{value.mean:.2f} [{low:.2f}, {high:.2f}]"


def _percent(value: Mean) -> str:
    low, high = value.interval
    return f"{value.mean:.0%} [{low:.0%}, {high:.0%}]"


def _share(row: NeighbourRow, way: Selection) -> str:
    value, span = row.value(way), row.interval(way)
    return "–" if value is None or span is None else f"{value:.0%} [{span[0]:.0%}, {span[1]:.0%}]"
