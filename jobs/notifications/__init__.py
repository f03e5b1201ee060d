"""How people are told: one file for each way, behind one Protocol."""

from __future__ import annotations
