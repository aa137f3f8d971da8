"""Which methods ``landcover explain`` uses for a model, and what was measured of each.

Without ``--method`` it is the one that measures best
(:mod:`landcover.explain.faithfulness.ratings`). A method
whose maps hardly change when the weights are shuffled is used only where it is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from landcover.core.errors import BadInput, CorruptModel

# What the command does is imported when it runs: `landcover --help` must not wait for torch.
if TYPE_CHECKING:
    from landcover.explain.faithfulness.ratings import Faithfulness, MethodSummary
    from landcover.models.model import Model

__all__ = ["ALL", "NOT_MEASURED", "Known", "chosen", "known_of"]

ALL: Final = "all"
NOT_MEASURED: Final = "Whether this method is faithful for this model was not measured."


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a model's explanations.

    Attributes:
        name: of the model, as the command line takes it.
        title: of the model.
        figures: what was measured; None where nothing was that can be used.
        damage: why figures that are there cannot be used; empty otherwise.
    """

    name: str
    title: str
    figures: Faithfulness | None = None
    damage: str = ""

    def faithful(self, method: str) -> bool | None:
        """Whether a method is faithful for the model; None where that was not measured."""
        if self.figures is None or method not in self.figures.methods:
            return None
        return self.figures.verdict(method).faithful

    def passes(self, method: str) -> bool:
        """Whether nothing is known against using a method unasked."""
        if self.figures is None or method not in self.figures.methods:
            return True
        return self.figures.verdict(method).passes_randomisation

    def word(self, method: str) -> MethodSummary | None:
        """Word and sentence on a method; None where it was not measured."""
        from landcover.explain.faithfulness.ratings import MethodSummary  # noqa: PLC0415 - see the top

        if self.figures is None or method not in self.figures.methods:
            return None
        verdict = self.figures.verdict(method)
        return MethodSummary(word=verdict.word, sentence=verdict.sentence)


def known_of(model: Model, name: str, folder: Path) -> Known:
    """What is known of a model whose folder that is."""
    from landcover.explain.faithfulness import ratings  # noqa: PLC0415 - see the top

    try:
        figures = ratings.load(folder)
    except CorruptModel as error:
        return Known(name=name, title=model.card.title, damage=str(error))
    return Known(name=name, title=model.card.title, figures=figures)


def chosen(names: Sequence[str], known: Sequence[Known]) -> tuple[list[list[str]], list[str]]:
    """The methods for each of some models, and what to tell the user about the choice.

    Args:
        names: methods that were asked for, or :data:`ALL`; none for the one that measures best.
        known: of each model, the first of which decides the order.

    Returns:
        methods for each model, as :data:`landcover.explain.explanation.METHODS` names them, and
        sentences.

    Raises:
        UnknownName: there is no such method.
        BadInput: no method of a model may be used without being named.
    """
    from landcover.explain.explanation import METHODS, resolve_method  # noqa: PLC0415 - see the top

    notes = [one.damage for one in known if one.damage]
    named = list(dict.fromkeys(resolve_method(name).name for name in names if name != ALL))
    if not names:
        method, more = _best(known)
        return [[method]] * len(known), notes + more
    if ALL not in names:
        return [named] * len(known), notes
    found = []
    for one in known:
        kept = [name for name in METHODS if name in named or one.passes(name)]
        left = [METHODS[name].title for name in METHODS if name not in kept]
        if not kept:
            raise _none_passes(known)
        if left:
            notes.append(
                f"Left out of {one.title}'s explanations, because their maps hardly change when "
                f"its weights are shuffled: {', '.join(left)}; name one with --method to see it."
            )
        found.append(kept)
    return found, notes


def _best(known: Sequence[Known]) -> tuple[str, list[str]]:
    """The method to use where none was asked for, and why it is not one that measures best."""
    from landcover.explain.explanation import DEFAULT_METHOD, METHODS  # noqa: PLC0415 - see the top

    first = known[0]
    figures = first.figures
    ranked = () if figures is None else (*figures.ranked, *figures.by_gain)
    order = [name for name in dict.fromkeys([*ranked, DEFAULT_METHOD, *METHODS]) if name in METHODS]
    usable = [name for name in order if all(one.passes(name) for one in known)]
    if not usable:
        raise _none_passes(known)
    faithful = [name for name in usable if first.faithful(name)]
    # Of a second model a method may be unmeasured, but not known to be false.
    for_all = [name for name in faithful if all(one.faithful(name) is not False for one in known)]
    if for_all:
        return for_all[0], []
    fallback = DEFAULT_METHOD if DEFAULT_METHOD in usable else usable[0]
    method = faithful[0] if faithful else fallback
    title = METHODS[method].title
    if first.damage:
        return method, [f"{title} is used, because no measured choice can be made."]
    if first.figures is None:
        note = (
            f"{title} is used, because none was measured for {first.title}: measure them with "
            f"`landcover trust faithfulness ROOT --dataset NAME --model {first.name} --save`."
        )
        return method, [note]
    which = " and ".join(one.title for one in known)
    return method, [f"{title} is used, though no method is faithful for {which}, as measured."]


def _none_passes(known: Sequence[Known]) -> BadInput:
    from landcover.explain.explanation import METHODS  # noqa: PLC0415 - see the top

    which = " and ".join(one.title for one in known)
    return BadInput(
        f"No method is offered for {which}, because the maps of each hardly change when weights "
        f"are shuffled: to see one all the same, name it with --method ({', '.join(METHODS)})."
    )
