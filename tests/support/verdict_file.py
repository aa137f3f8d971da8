"""A ``verdict.json`` with small made-up counts, in the form that ``trust measure`` writes."""

from __future__ import annotations

from typing import Any, Final

from landcover.trust.bench.records import Rate

HASH: Final = "a" * 12
GOOD: Final = 40


def rate(hits: int, count: int) -> dict[str, Any]:
    """A rate with its interval, as in JSON."""
    return Rate.of(hits, count).as_dict()


def group(name: str, kind: str, hits: int, *, real: bool = False, n: int = 20) -> dict[str, Any]:
    """A group of patches, of which ``hits`` are caught."""
    return {
        "name": name,
        "title": f"the group {name}",
        "kind": kind,
        "real": real,
        "made_of": "windows",
        "pixels": rate(hits, n),
        "warned": rate(hits, n),
        "decisions": {"answer": n - hits, "warn": 0, "cannot tell": hits},
        "checks": {"haze": hits},
    }


def curve(*risk: float) -> dict[str, Any]:
    """A curve of evenly spaced coverages."""
    area = sum(risk) / len(risk)
    return {
        "area": area,
        "area_interval": [area * 0.9, area * 1.1],
        "chance": [0.18, 0.22],
        "coverage": [(k + 1) / len(risk) for k in range(len(risk))],
        "risk": list(risk),
    }


def selective(n: int, **orders: dict[str, Any]) -> dict[str, Any]:
    """Risk against coverage for ``n`` patches."""
    return {
        "n": n,
        "loss": "share of classes decided wrongly",
        "everything": 0.2,
        **orders,
        "decisions": {
            "cannot tell": {"n": 5, "loss": 0.4},
            "warn": {"n": 0, "loss": None},
            "answer": {"n": n - 5, "loss": 0.1},
        },
    }


def figures() -> dict[str, Any]:
    """All of it."""
    sure, odd = curve(0.05, 0.1, 0.15, 0.2), curve(0.2, 0.2, 0.2, 0.2)
    best = curve(0.01, 0.02, 0.03, 0.2)
    groups = [
        group("fog", "bad", 20, real=True),
        group("swap", "bad", 15),
        group("kenya", "elsewhere", 4, real=True),
        group("clear", "good", 3, real=True),
    ]
    return {
        "dataset": "BigEarthNet v2 (reBEN)",
        "split": "validation",
        "learnt_from": ["train", "validation"],
        "detector": "residual",
        "detectors": {},
        "bounds": {},
        "good": {
            "n": GOOD,
            "places": 4,
            "alarms": rate(2, GOOD),
            "cannot_tell": rate(0, GOOD),
            "checks": {"unlike": rate(1, GOOD), "level": rate(1, GOOD)},
            "not_alarms": {"place": rate(0, GOOD), "season": rate(3, GOOD)},
            "decisions": {"answer": 38, "warn": 2, "cannot tell": 0},
        },
        "good_test": {
            "n": 30,
            "places": 5,
            "alarms": rate(3, 30),
            "cannot_tell": rate(1, 30),
            "checks": {"shade": rate(3, 30)},
            "not_alarms": {"place": rate(0, 30)},
            "decisions": {"answer": 27, "warn": 2, "cannot tell": 1},
        },
        "groups": groups,
        "bad": {
            "all": {**rate(35, 40), "groups": 2, "mean_of_groups": 0.875},
            "real": {**rate(20, 20), "groups": 1, "mean_of_groups": 1.0},
            "made": {**rate(15, 20), "groups": 1, "mean_of_groups": 0.75},
        },
        "selective": {
            "good": selective(GOOD, confidence=sure, novelty=odd, verdict=sure),
            "mixed": selective(80, confidence=sure, novelty=odd, verdict=best),
        },
        "note": "intervals are Wilson's",
    }
