"""Progress as text, and stopping a job."""

from __future__ import annotations

import threading

import pytest

from landcover.core.errors import Cancelled
from landcover.core.progress import BYTES, Progress, check, ignore


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(what="Asking"), "Asking"),
        (Progress(what="Reading", done=7, total=13), "Reading: 7 of 13"),
        (Progress(what="Reading", done=0, total=13, unit="files"), "Reading: 0 of 13 files"),
        (Progress(what="Looking", done=1200, unit="scenes"), "Looking: 1,200 scenes"),
        (Progress(what="A", done=1, total=2, bytes=2_100_000), "A: 1 of 2, 2.1 MB"),
        (Progress(what="A", done=12_300_000, unit=BYTES), "A: 12.3 MB"),
        (
            Progress(what="A", done=10**6, total=10**9, unit=BYTES, bytes=5, detail="no answer"),
            "A: 1.0 of 1,000.0 MB, no answer",
        ),
        (Progress(what="A", detail="loss 0.2"), "A: loss 0.2"),
    ],
)
def test_text_contains_the_known_numbers(progress: Progress, text: str) -> None:
    assert progress.text == text
    ignore(progress)


def test_fraction_stays_between_0_and_1() -> None:
    assert Progress(what="A", done=5).fraction == 0
    assert Progress(what="A", done=1, total=4).fraction == 0.25
    assert Progress(what="A", done=5, total=4).fraction == 1


def test_check_raises_if_the_user_has_stopped() -> None:
    check(None)
    cancel = threading.Event()
    check(cancel)
    cancel.set()
    with pytest.raises(Cancelled):
        check(cancel)
