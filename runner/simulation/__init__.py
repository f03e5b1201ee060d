"""
The deterministic simulation: clients, workers and Redis in one process, in virtual time.

Everything that chance, a clock, the network or Redis may decide comes from one seed here, so a
schedule with its faults runs the same way each time. It needs the extra `simulate`.
"""

from runner.simulation.everywhere import crash_everywhere, simulate
from runner.simulation.world import Process, Stuck, World

__all__ = ["Process", "Stuck", "World", "crash_everywhere", "simulate"]
