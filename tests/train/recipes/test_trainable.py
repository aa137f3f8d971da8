"""What can be trained: facts that agree with the recipes, and settings that work with few patches."""

from __future__ import annotations

import pytest

from landcover import nets
from landcover.core.bands import BAND_NAMES
from landcover.core.errors import BadInput
from landcover.train.recipes import bigearthnet, table
from landcover.train.recipes.order import Order
from landcover.train.recipes.trainable import for_size, parameters, trainable

BY_NAME = {model.name: model for model in trainable()}


def test_every_recipe_is_listed_once() -> None:
    names = [model.name for pictures in (False, True) for model in trainable(pictures=pictures)]
    listed = [name for name in names if not name.startswith(bigearthnet.TIMM)]
    assert sorted(listed) == sorted(table.NAMES)
    assert all(model.title and model.summary for model in BY_NAME.values())


def test_bands_are_offered_where_the_net_takes_them_and_the_recipe_does_not_fix_them() -> None:
    assert BY_NAME["landcover-cnn"].choosable
    assert BY_NAME["resnet-18"].choosable
    assert not BY_NAME["landcover-cnn-rgb"].choosable
    assert BY_NAME["landcover-cnn-rgb"].bands == ("B04", "B03", "B02")
    assert not BY_NAME["class-prior"].choosable
    assert BY_NAME["class-prior"].config is None


def test_a_start_is_optional_where_training_without_it_is_possible() -> None:
    assert BY_NAME["efficientnet-lite0"].optional
    (pictures,) = trainable(pictures=True)
    assert pictures.optional
    for model in BY_NAME.values():
        if model.optional:
            assert model.start
            table.refuse_lessons(Order(scratch=True), [model.name])
        else:
            with pytest.raises(BadInput, match="from-scratch"):
                table.refuse_lessons(Order(scratch=True), [model.name])


def test_what_a_model_learns_from_is_what_its_recipe_takes() -> None:
    for model in BY_NAME.values():
        for lesson in ("teacher", "unlabelled"):
            order = Order(**{lesson: __file__})  # type: ignore[arg-type]
            if lesson in model.lessons:
                table.refuse_lessons(order, [model.name])
            else:
                with pytest.raises(BadInput, match="leave it out"):
                    table.refuse_lessons(order, [model.name])


def test_parameters_are_those_of_the_net() -> None:
    config = BY_NAME["landcover-cnn"].config
    assert config is not None
    net = nets.build(config.net, **config.net_options)
    count = sum(value.numel() for value in net.parameters())
    assert parameters(config.net, config.net_options) == count
    three = parameters(config.net, {**config.net_options, "bands": ["B04", "B03", "B02"]})
    assert three < count


def test_a_net_that_cannot_be_made_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="measured at 10 m"):
        parameters("trigrid", {"bands": ["B11", "B12"]})


@pytest.mark.parametrize("patches", [2, 3, 5, 50])
def test_settings_for_few_patches_give_each_member_a_batch(patches: int) -> None:
    for model in BY_NAME.values():
        if model.config is None:
            continue
        config = for_size(model.config, patches)
        assert config.batch <= patches
        members = config.net_options.get("members", 1)
        assert config.batch // members >= 2
        assert config.net_options.keys() == model.config.net_options.keys()


def test_settings_for_many_patches_are_the_packaged_ones() -> None:
    for model in BY_NAME.values():
        if model.config is not None:
            assert for_size(model.config, 100_000) == model.config
    assert set(BY_NAME["landcover-cnn"].bands) == set(BAND_NAMES)
