"""One script for each system, run as a process of its own in that system's environment."""
