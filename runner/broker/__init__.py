"""Redis: its keys and scripts, the connection that runs them, and what to do while it is away."""
