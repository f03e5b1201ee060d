"""What the tests of the distribution share: the wheel."""

from __future__ import annotations

from tests.wheel import wheel_file

__all__ = ["wheel_file"]
