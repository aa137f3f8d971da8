"""The guide to a class as sentences, text for a terminal, and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from landcover.core import spectra
from landcover.core.bands import BANDS
from landcover.core.class_guide import Guide, relatives
from landcover.core.classes import BY_NAME, CORINE_NAMES, THEMES
from landcover.core.spectra import Spectrum
from landcover.evaluate.class_evidence import ClassEvidence, Trust
from landcover.metrics.mistaken import Mistake

__all__ = [
    "ADVICE",
    "NOTE",
    "NO_MISTAKE",
    "as_dict",
    "list_text",
    "measured",
    "mistake",
    "spectrum_note",
    "text",
]

ADVICE: Final[dict[Trust, str]] = {
    "good": "The model ranks this class well. Its answers are worth having in patches like these.",
    "fair": "The model does better than guessing here, but is often wrong. Take an answer as a "
    "hint, and look at the picture.",
    "weak": "Here the model is not shown to be better than guessing. Do not rely on its answers "
    "for this class.",
    "hardly tested": "These are too few patches to say how good the model is: one more or less "
    "would change the figures. Check every answer yourself.",
    "untested": "So nobody knows how good the model is at it. Check every answer yourself.",
}
"""What the measurements mean for someone who reads an answer."""
NOTE: Final = (
    "A mistake is listed if it occurs in three patches at least, and more often than chance would "
    "explain (Fisher's exact test, 5 %). So many pairs are compared that one or another may be "
    "chance all the same."
)
NO_MISTAKE: Final = "No mistake recurs often enough to be told from chance."
_WIDTH: Final = 88


def measured(found: ClassEvidence | None) -> tuple[str, ...]:
    """Return sentences on what was measured of a class; the last one is advice."""
    if found is None:
        return ("The usual model for this class has no report on test patches.",)
    start = (
        f"{found.support:,} of the {found.patches:,} test patches have this class"
        if found.support
        else f"None of the {found.patches:,} test patches has this class"
    )
    lines = [f"{start}." + (f" The model learnt from {found.learnt:,}." if found.learnt else "")]
    if found.support and found.ap is not None:
        span = found.interval
        within = f" (95 % interval {span[0]:.2f} to {span[1]:.2f})" if span else ""
        lines.append(
            f"Average precision {found.ap:.2f}{within}; 1 is perfect, and guesses would have "
            f"{found.chance:.2f}."
        )
    lines.append(_decision(found))
    return (*lines, ADVICE[found.trust])


def _decision(found: ClassEvidence) -> str:
    said = found.found + found.wrong
    rule = (
        "The model says the most probable class"
        if found.threshold is None
        else f"The model says this class from a probability of {_percent(found.threshold)}"
    )
    if not said:
        return f"{rule}. It never did in these patches."
    right = f"was right in {found.found:,} of {said:,} patches in which it said this class"
    caught = f", and found {found.found:,} of {found.support:,}" if found.support else ""
    return f"{rule}. It {right}{caught}."


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %") if share < 0.1 else f"{share:.0%}".replace("%", " %")


def mistake(found: ClassEvidence, one: Mistake) -> str:
    """Return a sentence on a mistake that recurs with a class."""
    there, said = (found.classes[k] for k in (one.present, one.said))
    return (
        f"Where {_quoted(there)} is present and {_quoted(said)} is not, the model says "
        f"{_quoted(said)} all the same in {one.hits} of {one.patches} patches; where neither is "
        f"present, in {one.hits_elsewhere} of {one.patches_elsewhere}."
    )


def _quoted(name: str) -> str:
    return f"“{BY_NAME[name].short}”"


def spectrum_note(found: Sequence[Spectrum]) -> str:
    """Return a sentence on the patches of a class's spectra, so that they are read rightly."""
    if not found:
        return "No spectrum was measured."
    whole = found[0]
    many = "1 patch has" if whole.patches == 1 else f"{whole.patches:,} patches have"
    mixed = (
        ""
        if whole.classes == 1
        else f", and {whole.classes:.1f} classes on average, so these values are those of the "
        "class and its neighbours"
    )
    alone = [one.patches for one in found if one.group == spectra.ALONE and whole.classes > 1]
    also = (
        f" {alone[0]:,} of them {'has' if alone[0] == 1 else 'have'} no other class."
        if alone
        else ""
    )
    return f"{many} this class{mixed}.{also}"


def list_text(guides: Iterable[Guide]) -> str:
    """Return names and short meanings, by theme."""
    found = list(guides)
    parts = []
    for theme in THEMES:
        own = [one for one in found if one.cover.theme == theme]
        if own:
            parts.append("\n".join([theme, *(f"  {one.name}: {one.short}" for one in own)]))
    return "\n\n".join(parts)


def text(guide: Guide, found: ClassEvidence | None) -> str:
    """Return everything of a class for a terminal."""
    blocks = [
        ("", [guide.short, guide.meaning]),
        ("How it looks", [guide.look]),
        ("What misleads", [f"- {one}" for one in guide.pitfalls]),
        ("Words", [f"{word}: {what}." for word, what in guide.words.items()]),
        (
            "CORINE classes",
            [f"{code} {CORINE_NAMES[code]}: {what}." for code, what in guide.corine.items()],
        ),
        ("Like it in the other class set", [BY_NAME[one].name for one in relatives(guide.name)]),
        (f"How good is {found.model}?" if found else "How good is the model?", measured(found)),
        ("What it confuses", _mistakes(found)),
        ("What it reflects", _spectrum(spectra.all_of(guide.name))),
    ]
    return "\n\n".join([guide.title, *(_block(head, lines) for head, lines in blocks if lines)])


def _block(head: str, lines: Sequence[str]) -> str:
    wrapped = [
        textwrap.fill(
            one,
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="    " if one.startswith("- ") else "  ",
        )
        for one in lines
    ]
    return "\n".join([*([head] if head else []), *wrapped])


def _mistakes(found: ClassEvidence | None) -> list[str]:
    if found is None:
        return []
    lines = [f"- {mistake(found, one)}" for one in (*found.says_also, *found.really)]
    return [*lines, NOTE] if lines else [NO_MISTAKE]


def _spectrum(measured: Sequence[Spectrum]) -> list[str]:
    if not measured:
        return []
    whole = measured[0]
    head = f"{spectrum_note(measured)} Mean reflectance, and the range of 80 % of the pixels:"
    return [
        head,
        *(
            f"{band.name} {mean:.3f} ({low:.3f} to {high:.3f}), {band.title}"
            for band, mean, low, high in zip(BANDS, whole.mean, whole.p10, whole.p90, strict=True)
        ),
    ]


def as_dict(guide: Guide, found: ClassEvidence | None) -> dict[str, Any]:
    """Return everything of a class, JSON-ready."""
    cover = guide.cover
    return {
        "name": guide.name,
        "short_name": cover.short,
        "theme": cover.theme,
        "colour": cover.hex,
        "summary": guide.short,
        "meaning": guide.meaning,
        "look": guide.look,
        "pitfalls": list(guide.pitfalls),
        "words": dict(guide.words),
        "corine": [
            {"code": code, "name": CORINE_NAMES[code], "meaning": what}
            for code, what in guide.corine.items()
        ],
        "relatives": list(relatives(guide.name)),
        "spectra": [asdict(one) for one in spectra.all_of(guide.name)],
        "measured": None if found is None else _measured_dict(found),
    }


def _measured_dict(found: ClassEvidence) -> dict[str, Any]:
    """Return what was measured, JSON-ready."""
    names = (
        "model",
        "dataset",
        "patches",
        "support",
        "ap",
        "threshold",
        "found",
        "wrong",
        "learnt",
    )
    return {
        **{name: getattr(found, name) for name in names},
        "interval": list(found.interval) if found.interval else None,
        "chance": found.chance,
        "trust": found.trust,
        "confusions": [
            {
                "present": found.classes[one.present],
                "said": found.classes[one.said],
                "hits": one.hits,
                "patches": one.patches,
                "hits_elsewhere": one.hits_elsewhere,
                "patches_elsewhere": one.patches_elsewhere,
                "chance": one.chance,
            }
            for one in (*found.says_also, *found.really)
        ],
    }
