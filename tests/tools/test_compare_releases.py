"""What counts as a difference between two releases, and what is only listed."""

from tools.compare_releases import Comparison, exactly


def compared(old: str, new: str) -> Comparison:
    comparison = Comparison()
    comparison.compare("here", exactly(old), exactly(new))
    return comparison


def test_the_last_digit_of_a_number_is_compared() -> None:
    assert not compared('{"a": [0.30000000000000004]}', '{"a": [0.30000000000000004]}').differences
    assert compared('{"a": [0.30000000000000004]}', '{"a": [0.3]}').differences
    assert compared('{"a": 1.0}', '{"a": 1.00}').differences


def test_a_key_that_is_gone_is_a_difference_and_a_new_one_is_listed() -> None:
    comparison = compared('{"a": [{"b": 1, "c": 2}]}', '{"a": [{"b": 1, "d": 2}]}')
    assert comparison.differences == ["here: /a/0/c is gone"]
    assert dict(comparison.removed) == {"/a/*/c": 1}
    assert dict(comparison.added) == {"/a/*/d": 1}


def test_a_list_of_another_length_is_a_difference() -> None:
    assert compared('{"a": [1, 2]}', '{"a": [1]}').differences


def test_sentences_may_be_reworded_but_values_may_not() -> None:
    comparison = compared('{"why": "It is too dark."}', '{"why": "The scene is dark."}')
    assert not comparison.differences
    assert comparison.reworded == {"/why": ("It is too dark.", "The scene is dark.")}
    assert compared('{"label": "Arable land"}', '{"label": "Pastures"}').differences
