"""Quality of a model's attribution maps, stability, and similar training patches."""

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
from pages.parts.shared import charts as show
from pages.parts.shared import elements, theme

WORDS: Final = {True: "✓ faithful", False: "✗ not faithful"}
BEST: Final = "★ best"
NEAREST: Final = {1: "the most similar", 5: "the five most similar"}


def render(entry: data.Entry) -> None:
    """Show the three measurements, or how to make them."""
    folder = registry.default().folder(entry.name)
    for head, draw in (
        ("Can its attribution maps be trusted?", _faithful),
        ("Is the result stable if the window moves?", _stability),
        ("Do similar training patches have the same classes?", _similar),
    ):
        elements.subheading(head)
        try:
            draw(entry, folder)
        except CorruptModel as error:
            st.warning(theme.literal(str(error)))


def _faithful(entry: data.Entry, folder: Path) -> None:
    if not entry.card.explainable:
        st.info(
            f"{theme.literal(entry.card.title)} has no gradients, so attribution maps cannot be "
            "computed for it."
        )
        return
    found = ratings.load(folder)
    if found is None:
        dataset = "eurosat" if entry.card.level == RGB else "bigearthnet"
        _missing(
            entry,
            "The faithfulness of its attribution maps",
            f"faithfulness ROOT --dataset {dataset}",
        )
        return
    best = found.best
    if best is None:
        st.markdown("**No method is faithful to this model**, so do not rely on its maps.")
    else:
        st.markdown(f"**Best:** {theme.literal(found.verdict(best).sentence)}")
    table = faithful_table(found)
    name = f"faithfulness-{entry.name}"
    st.dataframe(
        table,
        hide_index=True,
        key=f"models_table_{name}",
        alt=f"Faithfulness of each attribution method for {entry.card.title}",
    )
    st.caption(_legend(found))
    show.download(_numbers(found), name)
    others = [method for method in found.by_gain if method != best]
    if others:
        with st.expander("The other methods"):
            st.markdown(
                "\n".join(f"- {theme.literal(found.verdict(name).sentence)}" for name in others)
            )


def faithful_table(found: Faithfulness) -> pd.DataFrame:
    """Return one row per method for display, the largest gain first."""
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
                "CPU s per map": _number(one.seconds),
            }
        )
    return pd.DataFrame(rows)


def _numbers(found: Faithfulness) -> pd.DataFrame:
    """Return the same as numbers, with the number of patches of each."""
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
        " On mapped land: share of the attribution on the mapped class divided by its share of "
        f"the area; 1 is chance ({maps.n} windows)."
        if maps
        else ""
    )
    where = found.measured_on
    return (
        f"{_where(where, found.n) if where else f'{found.n} patches.'} Intervals of 95 %. Gain: "
        "how much more the probability falls and rises when the most attributed pixels are removed "
        "or inserted, compared with a random order. Removed pixels become average land, or blurred "
        f"({first.curves['blurred'].n} patches). "
        "After shuffling: rank correlation of the maps before and after all weights are shuffled; "
        f"at most {found.bound:.2f} passes ({steps[-1].n if steps else 0} patches). Changed by "
        f"noise: relative change of the map under {found.noise:.0%} of noise; "
        f"below {ratings.STEADY:.0%} is stable ({first.stability.n} patches). On the right half: "
        "share of the positive attribution on the half of an image that has the class; 0.5 is "
        f"chance ({halves.n if halves else 0} pairs).{on_maps} Faithful: passes the shuffling, and "
        "the interval of the gain is above 0. Best: the largest gain among the faithful and stable "
        "methods."
    )


def _where(found: MeasuredOn | ratings.Patches, n: int) -> str:
    """Say which patches were measured, and whether the model was trained on them."""
    note = {
        None: "",
        True: ", which the model was trained on",
        False: ", not used in training",
    }[found.seen_in_training]
    return f"{n} patches of {theme.literal(found.dataset)}, split {found.split}{note}."


def _stability(entry: data.Entry, folder: Path) -> None:
    found = None if _pictures(entry) else stability_record.load(folder, entry.card.hash)
    if found is None:
        _absent(entry, "The stability of its results", "stability ROOT --dataset bigearthnet")
        return
    risk = found.risk
    st.markdown(
        f"If the window moves by {found.shift_m:.0f} m, **{_percent(found.score)}** of the classes "
        "that are predicted in either window are predicted in both (the stability score, mean over "
        f"eight directions). For one patch in twenty it is {found.scores['5']:.0%} or less. For "
        f"{_percent(found.unturned)} of the patches no class changes in any direction; "
        f"{_percent(found.warned)} are so unstable that the verdict warns about them."
    )
    low, high = risk.chance
    area = data.with_span(risk.area, risk.area_interval)
    wrong = (
        "Unstable results are wrong more often"
        if risk.area < low
        else "These patches do not show that unstable results are wrong more often"
    )
    st.markdown(
        f"{wrong}: if the least stable are left out first, the area under risk against coverage "
        f"is {area}; by chance {low:.3f} to {high:.3f}; in the order of the distance from the "
        f"thresholds {risk.rival_area:.3f} (lower is better)."
    )
    st.caption(
        f"{_where(found, found.n)} Intervals of 95 % over {found.blocks} blocks of "
        "12 km. Patches are mirrored beyond their border."
    )


def _similar(entry: data.Entry, folder: Path) -> None:
    found = None if _pictures(entry) else neighbours_record.load(folder, entry.card.hash)
    if found is None:
        _absent(
            entry, "Whether similar patches have the same classes",
            "neighbours ROOT --dataset bigearthnet",
        )  # fmt: skip
        return
    first = found.rows[0]
    gains = [row.gain_interval for row in found.rows]
    sure = sum(gain is not None and gain[0] > 0 for gain in gains)
    st.markdown(
        f"A patch and {NEAREST.get(first.k, 'those')} training patch share "
        f"**{_share(first, 'features')}** of their classes (Jaccard index), against "
        f"{_share(first, 'statistics')} if simple band statistics select the patch and "
        f"{_share(first, 'chance')} by chance. The gain of the model over the statistics is "
        f"significant in {sure} of the {len(found.rows)} rows below."
    )
    name = f"neighbours-{entry.name}"
    st.dataframe(
        similar_table(found),
        hide_index=True,
        key=f"models_table_{name}",
        alt=f"Classes shared with the patches that {entry.card.title} finds similar",
    )
    show.download(pd.DataFrame([row.as_dict() for row in found.rows]), name)
    st.caption(
        f"{_where(found, found.n)} {found.learnt:,} training patches. Values: "
        "classes in both labels as a share of the classes in either. Patches of the same "
        "Sentinel-2 product share weather and season, so the rows without them are stricter. Gain: "
        "model minus statistics, significant if its interval is above 0. Intervals of 95 % over "
        f"{found.blocks} blocks of 12 km."
    )


def similar_table(found: NeighboursMeasurement) -> pd.DataFrame:
    """Return one row per way to select training patches, for display."""
    return pd.DataFrame(
        {
            "Training patches": NEAREST.get(one.k, str(one.k)),
            "Same product allowed": "no" if one.other_products else "yes",
            "Model": _plain_row(one, "features"),
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
    """Say why there is no measurement: not made yet, or a model for colour pictures."""
    if _pictures(entry):
        st.info(
            f"{theme.literal(entry.card.title)} is for colour pictures; this is measured for "
            "models for Sentinel-2 patches only."
        )
    else:
        _missing(entry, what, command)


def _missing(entry: data.Entry, what: str, command: str) -> None:
    st.info(
        f"{what} has not been measured. Run `landcover trust {command} --model {entry.name} "
        "--save`, where ROOT is the folder of the data set."
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
