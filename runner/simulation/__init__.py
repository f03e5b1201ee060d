"""
The deterministic simulation: clients, workers and Redis in one process, in virtual time.

Everything that chance, a clock, the network or Redis may decide comes from one seed here, so a
schedule with its faults runs the same way each time. It needs the extra `simulate`.
"""
