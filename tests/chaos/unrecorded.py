"""The same workload, whose scripts are those of production: no history is kept."""

from __future__ import annotations

from tests.chaos.workload import main

if __name__ == "__main__":
    main()
