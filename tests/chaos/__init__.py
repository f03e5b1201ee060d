"""
Breaking things on purpose: real workers, a real Redis, and a nemesis between them.

`make chaos` runs it; `checker.py` says what must hold afterwards.
"""
