"""
Chaos tests: real workers, a real Redis, and a nemesis that breaks things.

`make chaos` runs them; `checker.py` checks the promises afterwards.
"""
