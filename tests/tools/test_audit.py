"""Test that the audit of packages tells "none is known" from "nothing was looked up"."""

from __future__ import annotations

from tools import audit

FLAW = {"id": "PYSEC-2026-1", "fix_versions": ["1.2"], "aliases": []}


def test_every_locked_release_is_asked_about() -> None:
    asked = audit.releases()
    assert len(asked) > 100
    assert any(release.startswith("torch==") for release in asked)
    assert all(" " not in release and "==" in release for release in asked)


def test_a_known_vulnerability_is_named_with_what_mends_it() -> None:
    answer = {"dependencies": [{"name": "a", "version": "1.0", "vulns": [FLAW]}]}
    known, left = audit.verdict(["a==1.0"], answer)
    assert known == ["a==1.0: PYSEC-2026-1; fixed in 1.2"]
    assert left == []


def test_skipped_and_absent_packages_count_as_not_looked_up() -> None:
    answer = {
        "dependencies": [
            {"name": "a", "version": "1.0", "vulns": []},
            {"name": "b", "skip_reason": "Dependency not found"},
        ]
    }
    assert audit.verdict(["a==1.0", "b==2.0", "c==3.0"], answer) == ([], ["b==2.0", "c==3.0"])
    assert audit.verdict(["a==1.0"], {}) == ([], ["a==1.0"])
