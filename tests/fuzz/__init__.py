"""
Fuzzers: what reads outside bytes is given those that nobody thought of, guided by coverage.

    python -m tests.fuzz [--seconds S] [TARGET …]      # make fuzz SECONDS=600

`targets.py` has what is read and what must hold of it, `corpus/` small invented beginnings for
each target. An input may take thirty seconds and two gigabytes of memory. What breaks a promise
is written to `.fuzz/`, shrunk; mend it, and keep it as a test of its own.
"""
