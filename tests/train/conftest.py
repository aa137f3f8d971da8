"""What tests of trainings share."""

from __future__ import annotations

from tests.support.scales import one_patch_for_scales

__all__ = ["one_patch_for_scales"]
