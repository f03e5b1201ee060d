"""Every fault that can be planted still finds its place in the code."""

from __future__ import annotations

import pytest

from tests.simulation.mutations import IN_LUA, IN_PYTHON, planted


@pytest.mark.parametrize("name", [*IN_LUA, *IN_PYTHON])
def test_fault_can_be_planted(name: str) -> None:
    """No fault was lost when the text that it replaces was rewritten."""
    with planted(name):
        pass
