"""One script per system, run as a separate process in that system's environment."""
