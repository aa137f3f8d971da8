"""The short form of the hostile corpus: some files of every kind, each as a user would give it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.hostile import corpus
from tools.hostile.corpus.case import Case, Place, of_bytes
from tools.hostile.corpus.gates import Found, fault_of
from tools.hostile.corpus.runner import run_cases


@pytest.mark.slow
@pytest.mark.enable_socket
def test_every_kind_is_refused_or_read_right() -> None:
    cases = corpus.short_cases()
    outcomes = list(run_cases(cases))

    assert len({case.kind for case in cases}) > 40
    assert [(one.case.kind, one.case.name, one.fault) for one in outcomes if one.fault] == []
    assert len(outcomes) == len(cases)
    assert any(one.said == "read" for one in outcomes)
    assert any(one.said != "read" for one in outcomes)


@pytest.mark.slow
def test_a_case_makes_the_same_file_each_time(tmp_path: Path) -> None:
    def made(case: Case, name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir()
        case.make(Place(folder=folder, canary=tmp_path, url="http://127.0.0.1:12345"))
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink()
        }

    wanted = ("flips: GeoTIFF", "cuts: PNG", "zips: lies", "cards", "own catalogues")
    for number, case in enumerate(c for c in corpus.short_cases(1) if c.kind in wanted):
        assert made(case, f"{number}a") == made(case, f"{number}b") != {}


@pytest.mark.enable_socket
def test_what_must_not_happen_is_noticed() -> None:
    def of(name: str, gate: str, **more: object) -> Case:
        return of_bytes("kind", name, "a.tif", b"", gate=gate, **more)  # type: ignore[arg-type]

    outcomes = {one.case.name: one.fault for one in run_cases([
        of("not read", "path", must="stack"),
        of("refused", "path", must="refused"),
        of("no such gate", "nowhere"),
    ], readers=1)}  # fmt: skip

    assert "refused although it is sound" in outcomes["not read"]
    assert not outcomes["refused"]
    assert "KeyError" in outcomes["no such gate"]


@pytest.mark.parametrize(
    ("found", "must", "fault"),
    [
        (Found(errors=["two\nlines"]), "either", "not one printable line"),
        (Found(errors=["x" * 601]), "either", "601 letters"),
        (Found(), "refused", "must be refused"),
        (Found(errors=["'a.tif' is empty."]), "refused", ""),
    ],
)
def test_a_wrong_answer_is_named(found: Found, must: str, fault: str) -> None:
    said = fault_of(found, must)
    assert fault in said
    assert bool(said) == bool(fault)
