"""
Keep secrets out of what leaves the process: logs, histories, pages, reports, metrics, traces.

A net, and no promise: it knows secrets by their names, by their shapes, and by the values that a
job was given under such names. What must never be shown is a `Secret` (runner/secret.py).
"""

from __future__ import annotations

from runner.redaction.known import hiding
from runner.redaction.names import REDACTED, is_secret_name
from runner.redaction.shapes import scrubbed
from runner.redaction.values import MOST_CHARACTERS, redacted, secrets_in, without_secrets

__all__ = [
    "MOST_CHARACTERS",
    "REDACTED",
    "hiding",
    "is_secret_name",
    "redacted",
    "scrubbed",
    "secrets_in",
    "without_secrets",
]
