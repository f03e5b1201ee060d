"""Processes: the supervisor, several workers in one process, health checks, a private Redis."""
