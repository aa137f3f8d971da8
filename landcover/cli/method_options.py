"""Choose the attribution methods of ``landcover explain`` by their measured faithfulness.

Without ``--method`` it is the most faithful one for the model
(:mod:`landcover.explain.faithfulness.ratings`). A method whose maps hardly change when the
weights are shuffled is used only if the user names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from landcover.core.errors import BadInput, CorruptModel

# The command imports torch when it runs, so that `landcover --help` is fast.
if TYPE_CHECKING:
    from landcover.explain.faithfulness.ratings import Faithfulness, MethodSummary
    from landcover.models.model import Model

__all__ = ["ALL", "NOT_MEASURED", "MethodRatings", "choose_methods", "ratings_of"]

ALL: Final = "all"
NOT_MEASURED: Final = "The faithfulness of this method for this model was not measured."


@dataclass(frozen=True, kw_only=True)
class MethodRatings:
    """The measured faithfulness of a model's explanations.

    Attributes:
        name: of the model, as given on the command line.
        title: of the model.
        faithfulness: the ratings; None if there are none that can be used.
        damage: why existing ratings cannot be used; otherwise empty.
    """

    name: str
    title: str
    faithfulness: Faithfulness | None = None
    damage: str = ""

    def faithful(self, method: str) -> bool | None:
        """Whether a method is faithful for the model; None if not measured."""
        if self.faithfulness is None or method not in self.faithfulness.methods:
            return None
        return self.faithfulness.verdict(method).faithful

    def passes(self, method: str) -> bool:
        """Whether a method may be used without being named: no failed randomisation test."""
        if self.faithfulness is None or method not in self.faithfulness.methods:
            return True
        return self.faithfulness.verdict(method).passes_randomisation

    def summary(self, method: str) -> MethodSummary | None:
        """Rating of a method as a word and a sentence; None if not measured."""
        from landcover.explain.faithfulness.ratings import MethodSummary  # noqa: PLC0415 - see the top

        if self.faithfulness is None or method not in self.faithfulness.methods:
            return None
        verdict = self.faithfulness.verdict(method)
        return MethodSummary(word=verdict.word, badge=verdict.badge, sentence=verdict.sentence)


def ratings_of(model: Model, name: str, folder: Path) -> MethodRatings:
    """Load the ratings in a model's folder."""
    from landcover.explain.faithfulness import ratings  # noqa: PLC0415 - see the top

    try:
        faithfulness = ratings.load(folder)
    except CorruptModel as error:
        return MethodRatings(name=name, title=model.card.title, damage=str(error))
    return MethodRatings(name=name, title=model.card.title, faithfulness=faithfulness)


def choose_methods(
    names: Sequence[str], models: Sequence[MethodRatings]
) -> tuple[list[list[str]], list[str]]:
    """Choose the methods for each model, with notes for the user about the choice.

    Args:
        names: methods of the user, or :data:`ALL`; empty for the most faithful one.
        models: the ratings of each model; those of the first determine the order.

    Returns:
        Methods for each model, as :data:`landcover.explain.explanation.METHODS` names them, and
        notes.

    Raises:
        UnknownName: there is no such method.
        BadInput: all methods of a model fail the randomisation test.
    """
    from landcover.explain.explanation import METHODS, resolve_method  # noqa: PLC0415 - see the top

    notes = [one.damage for one in models if one.damage]
    named = list(dict.fromkeys(resolve_method(name).name for name in names if name != ALL))
    if not names:
        method, more = _best(models)
        return [[method]] * len(models), notes + more
    if ALL not in names:
        return [named] * len(models), notes
    found = []
    for one in models:
        kept = [name for name in METHODS if name in named or one.passes(name)]
        left = [METHODS[name].title for name in METHODS if name not in kept]
        if not kept:
            raise _none_passes(models)
        if left:
            notes.append(
                f"Left out of {one.title}'s explanations, because their maps hardly change when "
                f"its weights are shuffled: {', '.join(left)}; name one with --method to see it."
            )
        found.append(kept)
    return found, notes


def _best(models: Sequence[MethodRatings]) -> tuple[str, list[str]]:
    """The default method, and notes if it is not a faithful one."""
    from landcover.explain.explanation import DEFAULT_METHOD, METHODS  # noqa: PLC0415 - see the top

    first = models[0]
    faithfulness = first.faithfulness
    ranked = () if faithfulness is None else (*faithfulness.ranked, *faithfulness.by_gain)
    order = [name for name in dict.fromkeys([*ranked, DEFAULT_METHOD, *METHODS]) if name in METHODS]
    usable = [name for name in order if all(one.passes(name) for one in models)]
    if not usable:
        raise _none_passes(models)
    faithful = [name for name in usable if first.faithful(name)]
    # For a second model a method may be unmeasured, but not measured as unfaithful.
    for_all = [name for name in faithful if all(one.faithful(name) is not False for one in models)]
    if for_all:
        return for_all[0], []
    fallback = DEFAULT_METHOD if DEFAULT_METHOD in usable else usable[0]
    method = faithful[0] if faithful else fallback
    title = METHODS[method].title
    if first.damage:
        return method, [f"{title} is used, because the ratings of methods cannot be read."]
    if first.faithfulness is None:
        note = (
            f"{title} is used, because no method was measured for {first.title}: measure them with "
            f"`landcover trust faithfulness ROOT --dataset NAME --model {first.name} --save`."
        )
        return method, [note]
    which = " and ".join(one.title for one in models)
    return method, [f"{title} is used, although no method is faithful for {which}."]


def _none_passes(models: Sequence[MethodRatings]) -> BadInput:
    from landcover.explain.explanation import METHODS  # noqa: PLC0415 - see the top

    which = " and ".join(one.title for one in models)
    return BadInput(
        f"No method is chosen for {which}, because the maps of all methods hardly change when "
        f"weights are shuffled: to use one anyway, name it with --method ({', '.join(METHODS)})."
    )
