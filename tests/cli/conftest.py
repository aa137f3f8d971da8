"""What tests of commands share."""

from __future__ import annotations

from tests.support.scales import one_patch_for_scales

__all__ = ["one_patch_for_scales"]
