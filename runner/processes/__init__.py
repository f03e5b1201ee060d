"""Processes: the supervisor, several workers in one, a private Redis, health checks, HTTP."""
