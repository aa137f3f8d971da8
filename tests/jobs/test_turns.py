"""Turns of threads that compute."""

from __future__ import annotations

import threading
import time

import pytest

from landcover.jobs.turns import Turns

PATIENT_S = 60.0


def test_only_so_many_have_a_turn_and_the_others_follow_in_order() -> None:
    turns, order, inside = Turns(1, PATIENT_S), [], []

    def visit(number: int) -> None:
        with turns.turn():
            order.append(number)
            inside.append(number)
            assert inside == [number]
            inside.remove(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(5)]
    with turns.turn():
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while turns.waiting < waiting:
                time.sleep(0.001)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]


def test_who_waited_long_enough_goes_on_without_a_turn() -> None:
    turns = Turns(1, 0.02)
    with turns.turn() as first, turns.turn() as second:
        assert first < 0.02 <= second
        assert turns.waiting == 0
    # The turn that was never taken is not given back either.
    with turns.turn(), turns.turn() as third:
        assert third >= 0.02


def test_an_error_gives_the_turn_back() -> None:
    turns = Turns(1, PATIENT_S)
    with pytest.raises(ValueError, match="oops"), turns.turn():
        raise ValueError("oops")
    with turns.turn() as waited:
        assert waited < PATIENT_S


def test_two_slots_let_two_threads_in() -> None:
    turns = Turns(2, PATIENT_S)
    with turns.turn(), turns.turn() as waited:
        assert waited < PATIENT_S
