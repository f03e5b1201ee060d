"""Which names a queue may have."""

from __future__ import annotations

import pytest

from runner import WorkerSettings
from runner.errors import ConfigurationError


@pytest.mark.parametrize("name", ["dead", "wake", "health-check", "a b", "a:b", "ä"])
def test_queue_name_that_would_share_keys_is_refused(name: str) -> None:
    """A name that ends like a key of another queue, or that cannot be part of a key, is refused."""
    with pytest.raises(ConfigurationError, match="cannot be a queue's name"):
        type("Worker", (WorkerSettings,), {"queue": name})


@pytest.mark.parametrize("name", ["default", "eu-west.1", "/arq:queue"])
def test_queue_name_of_letters_digits_and_signs_is_taken(name: str) -> None:
    """Ordinary names, and a whole key after a slash, are fine."""
    made = type("Worker", (WorkerSettings,), {"queue": name})

    assert made.__dict__["functions"] == []
